//! What the figures of one curve per class share.

use super::canvas::{Canvas, Marker, Point, Stroke};
use super::legend::{self, Corner, Key, legend};
use super::panel::Panel;
use super::theme::{BLUE, CLASSES, Color, MUTED, VERMILLION, faded};
use crate::metrics::Estimate;

/// The most classes that a figure draws a curve of.
pub const MOST_CLASSES: usize = 12;
/// The most curves with a band or with error bars: more would hide each other.
const MOST_BANDS: usize = 3;
/// The longest name of a class in a legend, in pixels.
const LONGEST: f64 = 170.0;

/// The curve of one class against the rest.
#[derive(Clone, Debug)]
pub struct ClassCurve {
    /// Name of the class.
    pub class: String,
    /// `(x, y)`, x ascending.
    pub points: Vec<(f64, f64)>,
    /// `(x, low, high)` of the pointwise 95 % intervals.
    pub band: Vec<(f64, f64, f64)>,
    /// Area under the curve, or average precision.
    pub area: Estimate,
    /// `(x, y)` of the predictions as they were made.
    pub operating: Option<(f64, f64)>,
    /// Proportion of images of the class.
    pub prevalence: f64,
}

/// Colour and dash of the curve `i` of `count`.
pub fn stroke(i: usize, count: usize) -> Stroke {
    let color = if count == 1 { BLUE } else { CLASSES[i % CLASSES.len()] };
    let stroke = Stroke::new(color, if count == 1 { 2.4 } else { 1.8 });
    if i < CLASSES.len() { stroke } else { stroke.dashed() }
}

/// Whether each of `count` curves has its band.
pub fn has_band(count: usize) -> bool {
    count <= MOST_BANDS
}

/// The colour of the operating point of the curve `i` of `count`.
fn operating(i: usize, count: usize) -> Color {
    if count == 1 { VERMILLION } else { stroke(i, count).color }
}

/// Draws bands, reference lines, curves, operating points and the legend. `shape` makes
/// the line of a curve from its points, and `reference` is a line per curve with its name.
pub fn draw(
    canvas: &mut Canvas<'_>,
    panel: &Panel,
    corner: Corner,
    curves: &[ClassCurve],
    shape: impl Fn(&[(f64, f64)]) -> Vec<Point>,
    references: &[(Vec<Point>, String)],
) {
    let count = curves.len();
    let fill = |i: usize| faded(stroke(i, count).color, if count == 1 { 0.18 } else { 0.10 });
    for (i, curve) in curves.iter().enumerate().filter(|_| has_band(count)) {
        let lows: Vec<_> = curve.band.iter().map(|&(x, low, _)| (x, low)).collect();
        let highs: Vec<_> = curve.band.iter().map(|&(x, _, high)| (x, high)).collect();
        let band = shape(&lows).into_iter().zip(shape(&highs));
        let band: Vec<_> = band.map(|((x, low), (_, high))| (x, low, high)).collect();
        if band.len() > 1 {
            panel.band(canvas, &band, fill(i));
        }
    }
    let chance = Stroke::new(MUTED, 1.4).dashed();
    let mut entries = Vec::new();
    for (line, name) in references {
        panel.line(canvas, line, &chance);
        entries.push((Key::Line(chance), name.clone()));
    }
    for (i, curve) in curves.iter().enumerate() {
        panel.line(canvas, &shape(&curve.points), &stroke(i, count));
    }
    for (i, curve) in curves.iter().enumerate() {
        if let Some((x, y)) = curve.operating {
            canvas.marker(panel.at(x, y), 5.0, Marker::Diamond, operating(i, count));
        }
    }
    let mut first = Vec::new();
    for (i, curve) in curves.iter().enumerate() {
        let name = match count {
            1 => "model".to_owned(),
            _ => {
                let class = legend::PLAIN.text().fit(&curve.class, LONGEST);
                format!("{class} {}", curve.area.brief(2))
            }
        };
        first.push((Key::Line(stroke(i, count)), name));
    }
    if has_band(count) && curves.iter().any(|curve| !curve.band.is_empty()) {
        first.push((Key::Patch(fill(0)), "95 % interval of each point".to_owned()));
    }
    if curves.iter().any(|curve| curve.operating.is_some()) {
        let point = Key::Point(Marker::Diamond, operating(0, count));
        entries.push((point, "predictions as made".to_owned()));
    }
    first.extend(entries);
    legend(canvas, panel.area, corner, &legend::PLAIN, &first);
}
