//! AUC of shortcut probes, against chance and against the model.

use super::Figure;
use super::axis::Axis;
use super::chart::{self, BELOW, BORDER, HEADING, Key, LEGEND, Stroke, heading, legend_row, rows};
use super::page::{Area, Drawn, px};
use super::theme::{BLUE, INK, MUTED, VERMILLION, WHITE, mixed};
use crate::metrics::Estimate;
use plotters::prelude::*;

/// A classifier of a part of each image, with its performance.
#[derive(Clone, Debug)]
pub struct Probe {
    /// The part of the image, such as `border of 2 pixels`.
    pub name: String,
    /// Its area under the ROC curve.
    pub auc: Estimate,
    /// True if its input lacks the lungs, so that a high AUC reveals a shortcut; false for
    /// comparisons.
    pub lung_free: bool,
}

/// A bar per probe from chance to its AUC, with its interval, beside the model's.
#[derive(Clone, Debug)]
pub struct Audit {
    /// Area under the ROC curve of heads that were trained like the model's on whole
    /// images.
    pub model: Estimate,
    /// The probes.
    pub probes: Vec<Probe>,
}

const CHANCE: f64 = 0.5;
/// Height of a row in pixels.
const ROW: f64 = 40.0;

impl Figure for Audit {
    fn name(&self) -> &str {
        "audit"
    }

    fn size(&self) -> (u32, u32) {
        (720, (HEADING + LEGEND + ROW * self.probes.len() as f64 + BELOW + BORDER) as u32)
    }

    fn title(&self) -> String {
        "Shortcut probes".into()
    }

    fn description(&self) -> String {
        let probes: Vec<_> =
            self.probes.iter().map(|p| format!("{} {}", p.name, p.auc.text(2))).collect();
        format!(
            "Area under the ROC curve in the same cross-validation, chance 0.5. Whole image: {}. \
             Probes: {}.",
            self.model.text(2),
            probes.join("; ")
        )
    }

    fn draw(&self, page: &Area<'_>) -> Drawn {
        let note = "A probe without the lungs whose AUC is near that of the whole image reveals a \
                    shortcut; 95 % intervals";
        let area = heading(page, &self.title(), note)?;
        let (lung_free, other) = (mixed(WHITE, BLUE, 0.65), mixed(WHITE, MUTED, 0.5));
        let chance = Stroke::new(INK, 1.4);
        let model = Stroke::new(VERMILLION, 2.0).dashed();
        let entries = [
            (Key::Patch(lung_free), "without the lungs"),
            (Key::Patch(other), "for comparison"),
            (Key::Line(model), "whole image, interval shaded"),
            (Key::Line(chance), "chance"),
        ];
        let area = legend_row(&area, &entries)?;
        let all = self.probes.iter().map(|probe| &probe.auc).chain([&self.model]);
        let lows = all.flat_map(|auc| [auc.low, auc.value]).flatten();
        let least = ((lows.fold(0.4, f64::min) * 10.0).floor() / 10.0).max(0.0);
        let x = (Axis::new(least..1.0, 8), "Area under the ROC curve");
        let names: Vec<_> =
            self.probes.iter().map(|probe| (probe.name.as_str(), probe.auc.brief(2))).collect();
        let mut chart = rows(&area, x, &names)?;
        let (top, bottom) = (0.0, self.probes.len() as f64);

        if let Some((low, high)) = self.model.interval() {
            let shaded = VERMILLION.mix(0.14).filled();
            chart.draw_series([Rectangle::new([(low, top), (high, bottom)], shaded)])?;
        }
        for (i, probe) in self.probes.iter().enumerate() {
            let middle = i as f64 + 0.5;
            let Some(auc) = probe.auc.value else { continue };
            let color = if probe.lung_free { lung_free } else { other };
            let (above, below) = (middle - 9.0 / ROW, middle + 9.0 / ROW);
            chart.draw_series([Rectangle::new([(CHANCE, above), (auc, below)], color.filled())])?;
            if let Some((low, high)) = probe.auc.interval() {
                let (style, cap) = (chance.style().filled(), px(7.0) as u32);
                chart
                    .draw_series([ErrorBar::new_horizontal(middle, low, auc, high, style, cap)])?;
            }
        }
        for (auc, stroke) in [(Some(CHANCE), chance), (self.model.value, model)] {
            let ends = auc.map(|auc| [(auc, top), (auc, bottom)]);
            chart::line(&mut chart, ends.as_ref().map_or(&[], |ends| &ends[..]), stroke)?;
        }
        Ok(())
    }
}
