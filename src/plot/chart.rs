//! Parts that figures share: headings, axes, lines, markers and legends of plotters' charts.

use super::axis::Axis;
use super::page::{Area, Drawn, Page, px};
use super::text::{Font, HPos, VPos};
use super::theme::{GRID, LABEL, MUTED, NAME, SMALL, SOFT, SUBTITLE, TITLE, VALUE, WHITE, rgb};
use plotters::chart::MeshStyle;
use plotters::element::DashedPathElement;
use plotters::prelude::*;
use plotters_backend::BackendCoord;

/// A chart of plotters with two numeric axes.
pub type Chart<'a> = ChartContext<'a, Page<'a>, Cartesian2d<Axis, Axis>>;

/// Width of the empty border of a figure in pixels.
pub const BORDER: f64 = 18.0;
/// Height of the tick labels and the label of a horizontal axis.
pub const BELOW: f64 = 36.0;
/// Colour of the frame of a legend.
const FRAME: RGBAColor = rgb(0xCCCCCC);
/// Height of title and subtitle in pixels, with the border above them.
pub const HEADING: f64 = 62.0;

/// Draws title and subtitle and returns the area below them, within the border.
pub fn heading<'a>(page: &Area<'a>, title: &str, subtitle: &str) -> Drawn<Area<'a>> {
    let width = f64::from(page.dim_in_pixel().0) / f64::from(px(1.0)) - 2.0 * BORDER;
    for (font, text, top) in [(TITLE, title, 16.6), (SUBTITLE, subtitle, 37.3)] {
        let style = font.anchored(HPos::Left, VPos::Top);
        page.draw_text(&font.fit(text, width), &style, (px(BORDER), px(top)))?;
    }
    Ok(page.margin(px(HEADING), px(BORDER), px(BORDER), px(BORDER)))
}

/// Colours and fonts of a chart.
#[derive(Clone, Copy)]
pub struct Look {
    background: RGBAColor,
    grid: RGBAColor,
    axis: RGBAColor,
    label: Font,
    /// Tick labels and legend.
    pub small: Font,
}

/// White with pale grid lines.
pub const PLAIN: Look =
    Look { background: WHITE, grid: GRID, axis: MUTED, label: LABEL, small: SMALL };
/// matplotlib's `ggplot` style; its sizes are 12 and 10 points at 100 dots per inch.
pub const GGPLOT: Look = Look {
    background: rgb(0xE5E5E5),
    grid: WHITE,
    axis: WHITE,
    label: Font::new(16.7, SOFT),
    small: Font::new(13.9, SOFT),
};

/// Fills the background of a chart and configures its grid, ticks and axis labels.
pub fn mesh<'c, 'a>(
    chart: &'c mut Chart<'a>,
    look: Look,
    [x, y]: [&str; 2],
) -> Drawn<MeshStyle<'a, 'c, Axis, Axis, Page<'a>>> {
    chart.plotting_area().fill(&look.background)?;
    let (width, height) = chart.plotting_area().dim_in_pixel();
    let fit = |text, dots: u32| look.label.fit(text, f64::from(dots) / f64::from(px(1.0)));
    let mut mesh = chart.configure_mesh();
    mesh.bold_line_style(look.grid.stroke_width(px(1.0) as u32))
        .light_line_style(TRANSPARENT)
        .axis_style(look.axis.stroke_width(px(1.0) as u32))
        .set_all_tick_mark_size(px(3.0))
        .label_style(look.small.style())
        .axis_desc_style(look.label.style())
        .x_desc(fit(x, width))
        .y_desc(fit(y, height));
    Ok(mesh)
}

/// A solid or dashed line.
#[derive(Clone, Copy)]
pub struct Stroke {
    /// Colour.
    pub color: RGBAColor,
    /// Width in pixels.
    pub width: f64,
    /// Dashed instead of solid.
    pub dashed: bool,
}

/// Lengths of dashes and of the gaps between them, in pixels.
const DASH: (f64, f64) = (6.0, 4.0);

impl Stroke {
    /// A solid line.
    pub const fn new(color: RGBAColor, width: f64) -> Self {
        Self { color, width, dashed: false }
    }

    /// The same, dashed.
    pub const fn dashed(self) -> Self {
        Self { dashed: true, ..self }
    }

    /// plotters' style of the line.
    pub fn style(self) -> ShapeStyle {
        self.color.stroke_width(px(self.width) as u32)
    }
}

/// Draws a line through `(x, y)` values, with a gap where a value is not finite; a value
/// between two gaps is a dot.
pub fn line(chart: &mut Chart<'_>, values: &[(f64, f64)], stroke: Stroke) -> Drawn {
    for run in values.split(|(x, y)| !(x.is_finite() && y.is_finite())) {
        match *run {
            [] => {}
            [value] => {
                let radius = px(1.2 + stroke.width);
                chart.draw_series([Circle::new(value, radius, stroke.style().filled())])?;
            }
            _ if stroke.dashed => {
                let (dash, gap) = (px(DASH.0), px(DASH.1));
                let run = run.to_vec();
                chart.draw_series(DashedLineSeries::new(run, dash, gap, stroke.style()))?;
            }
            _ => {
                chart.draw_series(LineSeries::new(run.to_vec(), stroke.style()))?;
            }
        }
    }
    Ok(())
}

/// Fills the band between `(x, low, high)` values.
pub fn band(chart: &mut Chart<'_>, values: &[(f64, f64, f64)], fill: RGBAColor) -> Drawn {
    let lows = values.iter().map(|&(x, low, _)| (x, low));
    let highs = values.iter().rev().map(|&(x, _, high)| (x, high));
    let outline: Vec<_> = lows.chain(highs).collect();
    if values.len() > 1 {
        chart.draw_series([Polygon::new(outline, fill)])?;
    }
    Ok(())
}

/// Writes `text` at an offset in pixels from a value.
pub fn text(
    chart: &mut Chart<'_>,
    value: (f64, f64),
    (dx, dy): (f64, f64),
    text: String,
    style: &TextStyle<'_>,
) -> Drawn {
    let text = Text::new(text, (px(dx), px(dy)), style.clone());
    chart.plotting_area().draw(&(EmptyElement::at(value) + text))
}

/// The sign of a series in a legend.
#[derive(Clone, Copy)]
pub enum Key {
    /// A line.
    Line(Stroke),
    /// A filled band or bar.
    Patch(RGBAColor),
    /// A data point.
    Dot(RGBAColor),
    /// A data point in another shape.
    Triangle(RGBAColor),
}

/// Width of a key in pixels, and of the space between it and its text.
const KEY: (f64, f64) = (26.0, 8.0);

impl Key {
    /// The key with the middle of its left end at `(x, y)`.
    fn at<'a>(self, (x, y): BackendCoord) -> DynElement<'static, Page<'a>, BackendCoord> {
        let right = x + px(KEY.0);
        match self {
            Key::Line(stroke) if stroke.dashed => {
                let (dash, gap) = (px(DASH.0), px(DASH.1));
                let ends = vec![(x, y), (right, y)];
                DashedPathElement::new(ends, dash, gap, stroke.style()).into_dyn()
            }
            Key::Line(stroke) => PathElement::new([(x, y), (right, y)], stroke.style()).into_dyn(),
            Key::Patch(color) => {
                let corners = [(x, y - px(5.0)), (right, y + px(5.0))];
                Rectangle::new(corners, color.filled()).into_dyn()
            }
            Key::Dot(color) => {
                Circle::new(((x + right) / 2, y), px(4.0), color.filled()).into_dyn()
            }
            Key::Triangle(color) => {
                TriangleMarker::new(((x + right) / 2, y), px(5.0), color.filled()).into_dyn()
            }
        }
    }
}

/// Draws a framed legend of the entries in a corner of the chart.
pub fn legend(
    chart: &mut Chart<'_>,
    corner: SeriesLabelPosition,
    look: Look,
    entries: impl IntoIterator<Item = (Key, String)>,
) -> Drawn {
    let mut names = MultiLineText::<_, String>::new((0, 0), look.small.style());
    for (key, name) in entries {
        names.push_line(name.clone());
        // A series without elements: the order of the legend is not that of drawing.
        let series: [PathElement<(f64, f64)>; 0] = [];
        chart.draw_series(series)?.label(name).legend(move |at| key.at(at));
    }
    // plotters' corners are 5 dots from the axes.
    let (width, height) = names.estimate_dimension().expect("the font is registered");
    let (margin, keys) = (px(8.0), px(KEY.0 + KEY.1));
    let (across, down) = chart.plotting_area().dim_in_pixel();
    let right = across as i32 - (keys + width + 3 * margin);
    let bottom = down as i32 - (height + 3 * margin);
    let place = match corner {
        SeriesLabelPosition::LowerLeft => SeriesLabelPosition::Coordinate(margin, bottom),
        SeriesLabelPosition::LowerRight => SeriesLabelPosition::Coordinate(right, bottom),
        SeriesLabelPosition::UpperLeft => SeriesLabelPosition::Coordinate(margin, margin),
        other => other,
    };
    chart
        .configure_series_labels()
        .position(place)
        .margin(margin)
        .legend_area_size(keys)
        .background_style(look.background.mix(0.85))
        .border_style(FRAME.stroke_width(px(1.0) as u32))
        .label_font(look.small.style())
        .draw()
}

/// Height of a legend in one row, in pixels.
pub const LEGEND: f64 = 24.0;

/// Draws a legend in one row and returns the area below it.
pub fn legend_row<'a>(area: &Area<'a>, entries: &[(Key, &str)]) -> Drawn<Area<'a>> {
    let (mut x, y) = (0.0, px(5.0));
    for (key, text) in entries {
        area.draw(&key.at((px(x), y)))?;
        x += KEY.0 + 6.0;
        area.draw_text(text, &SMALL.anchored(HPos::Left, VPos::Center), (px(x), y))?;
        x += SMALL.width(text) + 18.0;
    }
    Ok(area.margin(px(LEGEND), 0, 0, 0))
}

/// A chart of rows from the top, each 1 high, of `(name, value)`: the name stands to the
/// left, the value to the right.
pub fn rows<'a>(
    area: &Area<'a>,
    (x, label): (Axis, &str),
    rows: &[(&str, String)],
) -> Drawn<Chart<'a>> {
    let names: Vec<String> = rows.iter().map(|(name, _)| NAME.fit(name, 220.0)).collect();
    let left = NAME.widest(names.iter().map(String::as_str));
    let right = VALUE.widest(rows.iter().map(|(_, value)| value.as_str()));
    let end = x.range.end;
    let mut chart = ChartBuilder::on(area)
        .margin_right(px(right + 12.0))
        .x_label_area_size(px(BELOW))
        .y_label_area_size(px(left + 10.0))
        .build_cartesian_2d(x, Axis::named(names).reversed())?;
    let mut mesh = mesh(&mut chart, PLAIN, [label, ""])?;
    mesh.y_label_style(NAME.style()).disable_y_mesh().draw()?;
    for (i, (_, value)) in rows.iter().enumerate() {
        let style = VALUE.anchored(HPos::Left, VPos::Center);
        text(&mut chart, (end, i as f64 + 0.5), (12.0, 0.0), value.clone(), &style)?;
    }
    Ok(chart)
}
