//! Charts of one curve per class: ROC and precision-recall.

use super::axis::Axis;
use super::chart::{self, BELOW, Chart, Key, PLAIN, Stroke, heading, mesh};
use super::page::{Area, Drawn, px};
use super::theme::{BLUE, CLASSES, MUTED, VERMILLION};
use crate::metrics::Estimate;
use plotters::prelude::*;

/// The most classes that a figure has curves of.
pub const MOST_CLASSES: usize = 12;
/// The most curves with a band or with error bars: more would hide each other.
const MOST_BANDS: usize = 3;
/// The longest name of a class in a legend, in pixels.
const LONGEST: f64 = 170.0;
/// Size of a figure of curves in pixels: its chart is square.
pub const SIZE: (u32, u32) = (520, 534);

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
    /// `(x, y)` at the decision threshold.
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
fn operating(i: usize, count: usize) -> RGBAColor {
    if count == 1 { VERMILLION } else { stroke(i, count).color }
}

/// The area under the curve with its interval: of the only class, or the mean of all.
/// `measure` is its name at the start of a sentence and within.
pub fn subtitle(curves: &[ClassCurve], mean: Option<&Estimate>, measure: [&str; 2]) -> String {
    match (curves, mean) {
        ([one], None) => {
            format!("{} {}; positive class: {}", measure[0], one.area.text(2), one.class)
        }
        (_, Some(mean)) => {
            format!("Each class against the rest; mean {} {}", measure[1], mean.text(2))
        }
        _ => format!("{} of each class against the rest", measure[0]),
    }
}

/// The chart of a figure of [`SIZE`], with both axes from 0 to 1.
pub fn chart<'a>(
    page: &Area<'a>,
    title: &str,
    subtitle: &str,
    labels: [&str; 2],
) -> Drawn<Chart<'a>> {
    let area = heading(page, title, subtitle)?;
    let mut chart = ChartBuilder::on(&area)
        .margin_right(px(12.0))
        .x_label_area_size(px(BELOW))
        .y_label_area_size(px(54.0))
        .build_cartesian_2d(Axis::unit(), Axis::unit())?;
    mesh(&mut chart, PLAIN, labels)?.draw()?;
    Ok(chart)
}

/// Draws bands, reference lines, curves, operating points and the legend. `shape` makes
/// the line of a curve from its points, and `references` are lines with their names.
pub fn draw(
    chart: &mut Chart<'_>,
    corner: SeriesLabelPosition,
    curves: &[ClassCurve],
    shape: impl Fn(&[(f64, f64)]) -> Vec<(f64, f64)>,
    references: &[(Vec<(f64, f64)>, String)],
) -> Drawn {
    let count = curves.len();
    let fill = |i: usize| stroke(i, count).color.mix(if count == 1 { 0.18 } else { 0.10 });
    for (i, curve) in curves.iter().enumerate().filter(|_| has_band(count)) {
        let lows: Vec<_> = curve.band.iter().map(|&(x, low, _)| (x, low)).collect();
        let highs: Vec<_> = curve.band.iter().map(|&(x, _, high)| (x, high)).collect();
        let band = shape(&lows).into_iter().zip(shape(&highs));
        let band: Vec<_> = band.map(|((x, low), (_, high))| (x, low, high)).collect();
        chart::band(chart, &band, fill(i))?;
    }
    let dashed = Stroke::new(MUTED, 1.4).dashed();
    for (line, _) in references {
        chart::line(chart, line, dashed)?;
    }
    for (i, curve) in curves.iter().enumerate() {
        chart::line(chart, &shape(&curve.points), stroke(i, count))?;
    }
    for (i, curve) in curves.iter().enumerate() {
        let style = operating(i, count).filled();
        chart.draw_series(PointSeries::<_, _, TriangleMarker<_, _>, _>::new(
            curve.operating,
            px(6.0),
            style,
        ))?;
    }

    let name = |curve: &ClassCurve| match count {
        1 => "model".to_owned(),
        _ => format!("{} {}", PLAIN.small.fit(&curve.class, LONGEST), curve.area.brief(2)),
    };
    let lines = curves.iter().enumerate();
    let mut entries: Vec<_> =
        lines.map(|(i, curve)| (Key::Line(stroke(i, count)), name(curve))).collect();
    if has_band(count) && curves.iter().any(|curve| !curve.band.is_empty()) {
        entries.push((Key::Patch(fill(0)), "pointwise 95 % interval".to_owned()));
    }
    entries.extend(references.iter().map(|(_, name)| (Key::Line(dashed), name.clone())));
    if curves.iter().any(|curve| curve.operating.is_some()) {
        let point = Key::Triangle(operating(0, count));
        entries.push((point, "operating point".to_owned()));
    }
    chart::legend(chart, corner, PLAIN, entries)
}
