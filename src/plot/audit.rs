//! What shortcuts achieve, against chance and against the model.

use super::Figure;
use super::axis::Axis;
use super::canvas::{Canvas, Rect, Stroke};
use super::legend::{Key, row};
use super::panel::{BORDER, HEADING, PLAIN, Panel, heading};
use super::text::Text;
use super::theme::{BLUE, INK, MUTED, VERMILLION, WHITE, faded, mixed};
use crate::metrics::Estimate;

/// A classifier that sees little of an image, and what it achieves.
#[derive(Clone, Debug)]
pub struct Probe {
    /// What it sees, such as `border of 2 pixels`.
    pub name: String,
    /// Its area under the ROC curve.
    pub auc: Estimate,
    /// Whether it sees no lungs, so that a high area is a shortcut; else it stands
    /// there for comparison.
    pub lung_free: bool,
}

/// A bar per probe from chance to its AUC, with its interval, beside the model's.
#[derive(Clone, Debug)]
pub struct Audit {
    /// Area under the ROC curve of heads trained as the model was.
    pub model: Estimate,
    /// The probes.
    pub probes: Vec<Probe>,
}

const CHANCE: f64 = 0.5;
const ROW: f64 = 40.0;
const NAME: Text = Text::new(12.0, INK);
const VALUE: Text = Text::new(11.0, INK);
const LONGEST: f64 = 220.0;

impl Figure for Audit {
    fn name(&self) -> &str {
        "audit"
    }

    fn size(&self) -> (u32, u32) {
        (720, (HEADING + 20.0 + ROW * self.probes.len() as f64 + 36.0 + BORDER) as u32)
    }

    fn title(&self) -> String {
        "How far shortcuts get without the lungs".into()
    }

    fn description(&self) -> String {
        let probes: Vec<_> =
            self.probes.iter().map(|p| format!("{} {}", p.name, p.auc.text(2))).collect();
        format!(
            "Area under the ROC curve, chance 0.5, all in the same cross-validation. Heads \
             trained as the model was {}. Probes: {}.",
            self.model.text(2),
            probes.join("; ")
        )
    }

    fn draw(&self, canvas: &mut Canvas<'_>) {
        let note = "A probe without lungs that comes near the model shows that the score needs \
                    none. With 95 % intervals";
        let space = heading(canvas, &self.title(), note);
        let (lung_free, other) = (mixed(WHITE, BLUE, 0.65), mixed(WHITE, MUTED, 0.5));
        let chance = Stroke::new(INK, 1.4);
        let model = Stroke::new(VERMILLION, 2.0).dashed();
        row(
            canvas,
            (space.x0, space.y0),
            &[
                (Key::Patch(lung_free), "sees no lungs"),
                (Key::Patch(other), "for comparison"),
                (Key::Line(model), "heads trained as the model was, interval shaded"),
                (Key::Line(chance), "chance"),
            ],
        );

        let names = self.probes.iter().map(|p| NAME.width(&p.name)).fold(0.0, f64::max);
        let values = self.probes.iter().map(|p| VALUE.width(&p.auc.brief(2))).fold(0.0, f64::max);
        let area = Rect {
            x0: space.x0 + names.min(LONGEST) + 12.0,
            y0: space.y0 + 20.0,
            x1: space.x1 - values - 14.0,
            y1: space.y1 - 36.0,
        };
        let all = self.probes.iter().map(|p| &p.auc).chain([&self.model]);
        let lows = all.flat_map(|auc| [auc.low, auc.value]).flatten();
        let least = ((lows.fold(0.4, f64::min) * 10.0).floor() / 10.0).max(0.0);
        let count = self.probes.len().max(1) as f64;
        let rows = Axis { min: count, max: 0.0, ticks: Vec::new(), label: String::new() };
        let x = Axis::new(least, 1.0, 7, "Area under the ROC curve");
        let panel = Panel::on(canvas, area, x, rows, &PLAIN);

        let across = |auc: f64| panel.at(auc, 0.0).0;
        if let Some((low, high)) = self.model.interval() {
            let shaded = Rect { x0: across(low), x1: across(high), ..area };
            canvas.rect(shaded, faded(VERMILLION, 0.14));
        }
        for (i, probe) in self.probes.iter().enumerate() {
            let (zero, y) = panel.at(CHANCE, i as f64 + 0.5);
            let bar = if probe.lung_free { lung_free } else { other };
            if let Some(value) = probe.auc.value.map(across) {
                let (y0, y1) = (y - 9.0, y + 9.0);
                canvas.rect(Rect { x0: zero.min(value), y0, x1: zero.max(value), y1 }, bar);
            }
            if let Some((low, high)) = probe.auc.interval() {
                let (low, high) = (across(low), across(high));
                let whisker = Stroke::new(INK, 1.4);
                canvas.line(&[(low, y), (high, y)], &whisker);
                for x in [low, high] {
                    canvas.line(&[(x, y - 4.0), (x, y + 4.0)], &whisker);
                }
            }
            let name = NAME.fit(&probe.name, LONGEST);
            canvas.text_middle((area.x0 - 12.0, y), &name, &NAME.ending());
            canvas.text_middle((area.x1 + 14.0, y), &probe.auc.brief(2), &VALUE);
        }
        for (auc, stroke) in [(Some(CHANCE), chance), (self.model.value, model)] {
            let Some(x) = auc.map(across) else { continue };
            canvas.line(&[(x, area.y0), (x, area.y1)], &stroke);
        }
    }
}
