//! Saliency maps over images.

use super::Figure;
use super::chart::{BORDER, HEADING, heading};
use super::page::{Area, Drawn, Picture, Pixels, px};
use super::text::{Font, HPos, VPos};
use super::theme::{self, SMALL, WHITE, mixed, rgb};
use plotters::element::DashedPathElement;
use plotters::prelude::*;
use plotters_backend::BackendCoord;

/// Saliency over an image.
#[derive(Clone, Debug)]
pub struct Overlay {
    /// What the saliency is, such as `Grad-CAM`.
    pub label: String,
    /// What stands below it.
    pub note: String,
    /// Cells across and down.
    pub cells: usize,
    /// `cells * cells` values in rows; those below 0 show as none.
    pub saliency: Vec<f32>,
    /// The head pools the upper left `pooled * pooled` of `of * of` cells of the image;
    /// the rest is marked as not pooled.
    pub pooled: (usize, usize),
}

/// An image, square, and beside it the overlays, with a scale bar.
#[derive(Clone, Debug)]
pub struct Saliency<'a> {
    /// File stem.
    pub name: String,
    /// Heading.
    pub title: String,
    /// The line below it.
    pub subtitle: String,
    /// The image.
    pub image: Pixels<'a>,
    /// From where to where along each side the centre of the image reaches, as shares.
    pub centre: (f64, f64),
    /// The overlays, one at least.
    pub overlays: Vec<Overlay>,
}

const SIDE: f64 = 260.0;
const GAP: f64 = 16.0;
/// Height of what stands below a panel.
const BELOW: f64 = 66.0;
/// Pixels of an overlay along its side.
const PIXELS: usize = 224;

/// Inferno's colours (van der Walt and Smith 2015) at even steps from 0 to 1:
/// evenly brighter, so that they can be read in grey.
const RAMP: [RGBAColor; 7] = [
    rgb(0x000004),
    rgb(0x320A5E),
    rgb(0x781C6D),
    rgb(0xBC3754),
    rgb(0xED6925),
    rgb(0xFBB41A),
    rgb(0xFCFFA4),
];
/// Opacity of the hottest cell.
const OPACITY: f64 = 0.75;

fn ramp(share: f64) -> RGBAColor {
    let at = share.clamp(0.0, 1.0) * (RAMP.len() - 1) as f64;
    let below = (at as usize).min(RAMP.len() - 2);
    mixed(RAMP[below], RAMP[below + 1], at - below as f64)
}

/// Saliency as it lies over an image, 4 bytes of red, green, blue and opacity a cell: each
/// cell as a share of the hottest, those below 0 as none.
pub fn saliency_rgba(cells: &[f32]) -> Vec<u8> {
    let most = cells.iter().copied().fold(0.0, f32::max);
    let share = |saliency: &f32| if most > 0.0 { f64::from(saliency.max(0.0) / most) } else { 0.0 };
    let rgba = |saliency: f64| {
        let RGBAColor(red, green, blue, _) = ramp(saliency);
        [red, green, blue, (255.0 * opacity(saliency)).round() as u8]
    };
    cells.iter().map(share).flat_map(rgba).collect()
}

fn opacity(saliency: f64) -> f64 {
    OPACITY * saliency.sqrt()
}

impl Overlay {
    fn most(&self) -> f32 {
        self.saliency.iter().copied().fold(0.0, f32::max)
    }

    /// The share of the highest saliency at a place, both from 0 to 1: bilinear
    /// between the cells' centres.
    fn at(&self, y: f64, x: f64) -> f64 {
        let most = f64::from(self.most());
        if most <= 0.0 {
            return 0.0;
        }
        let last = (self.cells - 1) as f64;
        let place = |share: f64| (share * self.cells as f64 - 0.5).clamp(0.0, last);
        let (y, x) = (place(y), place(x));
        let (y0, x0) = (y as usize, x as usize);
        let (y1, x1) = ((y0 + 1).min(self.cells - 1), (x0 + 1).min(self.cells - 1));
        let saliency = |y: usize, x: usize| f64::from(self.saliency[y * self.cells + x].max(0.0));
        let (fy, fx) = (y - y0 as f64, x - x0 as f64);
        let above = saliency(y0, x0) + fx * (saliency(y0, x1) - saliency(y0, x0));
        let below = saliency(y1, x0) + fx * (saliency(y1, x1) - saliency(y1, x0));
        (above + fy * (below - above)) / most
    }

    /// What [`Overlay::over`] makes, as a picture.
    pub fn pixels(over: &[u8]) -> Pixels<'_> {
        Pixels { width: PIXELS, height: PIXELS, rgb: over }
    }

    /// The image with the saliency laid over it, as RGB of 224 pixels a side; cells
    /// that the head does not pool are dark.
    pub fn over(&self, image: Pixels<'_>) -> Vec<u8> {
        let (pooled, of) = self.pooled;
        let mut rgb = Vec::with_capacity(PIXELS * PIXELS * 3);
        for i in 0..PIXELS * PIXELS {
            let (y, x) = (i / PIXELS, i % PIXELS);
            let unpooled = y.max(x) * of >= pooled * PIXELS;
            let share = |i: usize| (i as f64 + 0.5) / PIXELS as f64;
            let saliency = if unpooled { 0.0 } else { self.at(share(y), share(x)) };
            let at = (y * image.height / PIXELS * image.width + x * image.width / PIXELS) * 3;
            let pixel = &image.rgb[at..at + 3];
            let grey = RGBAColor(pixel[0], pixel[1], pixel[2], 1.0);
            let shown = if unpooled {
                mixed(grey, UNPOOLED, if (x + y) % 12 < 2 { 0.85 } else { 0.6 })
            } else {
                mixed(grey, ramp(saliency), opacity(saliency))
            };
            rgb.extend([shown.0, shown.1, shown.2]);
        }
        rgb
    }
}

/// What is written over cells that are not pooled.
const NOT_POOLED: &str = "not pooled by the head";

/// The colour of cells that are not pooled, hatched.
const UNPOOLED: RGBAColor = rgb(0x3C4650);

impl Figure for Saliency<'_> {
    fn name(&self) -> &str {
        &self.name
    }

    fn size(&self) -> (u32, u32) {
        let panels = 1.0 + self.overlays.len() as f64;
        let width = 2.0 * BORDER + panels * SIDE + (panels - 1.0) * GAP;
        (width as u32, (HEADING + 18.0 + SIDE + BELOW) as u32)
    }

    fn title(&self) -> String {
        self.title.clone()
    }

    fn description(&self) -> String {
        let overlay = |overlay: &Overlay| {
            let (pooled, of) = overlay.pooled;
            let unpooled = if pooled < of {
                format!(
                    " The head pools the upper left {pooled} of {of} cells along each side; pixels \
                     of the others act through the receptive fields of the pooled cells."
                )
            } else {
                String::new()
            };
            format!("{}: {}.{unpooled}", overlay.label, overlay.note)
        };
        let overlays: Vec<_> = self.overlays.iter().map(overlay).collect();
        format!("{} {}", self.subtitle, overlays.join(" "))
    }

    fn draw(&self, page: &Area<'_>) -> Drawn {
        let area = heading(page, &self.title, &self.subtitle)?;
        let panel = |i: usize| area.clone().shrink((px(i as f64 * (SIDE + GAP)), px(18.0)), PANEL);
        let image = panel(0);
        self.draw_panel(&image, "image", self.image)?;
        note(&image, SIDE + 6.0, "dashed: centre of the image")?;
        for (i, overlay) in self.overlays.iter().enumerate() {
            let panel = panel(i + 1);
            let rgb = overlay.over(self.image);
            self.draw_panel(&panel, &overlay.label, Overlay::pixels(&rgb))?;
            self.mark_centre(&panel)?;
            mark_unpooled(&panel, overlay)?;
            draw_scale(&panel, overlay)?;
        }
        Ok(())
    }
}

/// Width and height of a panel in dots.
const PANEL: (i32, i32) = (px(SIDE), px(SIDE + BELOW));

/// A place on a panel, from 0 to 1 along each side.
fn place(x: f64, y: f64) -> BackendCoord {
    (px(x * SIDE), px(y * SIDE))
}

/// Writes a note below a panel.
fn note(panel: &Area<'_>, top: f64, text: &str) -> Drawn {
    panel.draw_text(text, &SMALL.anchored(HPos::Left, VPos::Top), (0, px(top)))
}

impl Saliency<'_> {
    fn draw_panel(&self, panel: &Area<'_>, name: &str, pixels: Pixels<'_>) -> Drawn {
        let style = theme::HEADING.anchored(HPos::Left, VPos::Bottom);
        panel.draw_text(&theme::HEADING.fit(name, SIDE), &style, (0, px(-4.0)))?;
        panel.draw(&Picture { corners: [(0, 0), place(1.0, 1.0)], pixels })
    }

    fn mark_centre(&self, panel: &Area<'_>) -> Drawn {
        let (from, to) = self.centre;
        let edge = [(from, from), (to, from), (to, to), (from, to), (from, from)];
        let edge = edge.map(|(x, y)| place(x, y));
        let style = rgb(0x9FE8FF).stroke_width(px(1.2) as u32);
        panel.draw(&DashedPathElement::new(edge, px(6.0), px(4.0), style))
    }
}

/// Names the region that the head does not pool.
fn mark_unpooled(panel: &Area<'_>, overlay: &Overlay) -> Drawn {
    let (pooled, of) = overlay.pooled;
    if pooled >= of {
        return Ok(());
    }
    let end = pooled as f64 / of as f64;
    let edge = [place(end, 0.0), place(end, end), place(0.0, end)];
    panel.draw(&PathElement::new(edge, WHITE.stroke_width(px(1.5) as u32)))?;
    let font = Font::new(11.0, WHITE).bold();
    let (x, y) = place(0.5, (end + 1.0) / 2.0);
    let (across, down) = (px(font.width(NOT_POOLED) / 2.0 + 6.0), px(10.0));
    let plate = [(x - across, y - down), (x + across, y + down)];
    panel.draw(&Rectangle::new(plate, rgb(0).mix(0.7).filled()))?;
    panel.draw_text(NOT_POOLED, &font.anchored(HPos::Center, VPos::Center), (x, y))
}

/// Draws the colour scale and the note below an overlay.
fn draw_scale(panel: &Area<'_>, overlay: &Overlay) -> Drawn {
    const STEPS: usize = 64;
    let most = overlay.most();
    let most = if most >= 0.01 { format!("{most:.2}") } else { format!("{most:.2e}") };
    let (from, to) = (14.0, SIDE - SMALL.width(&most) - 8.0);
    let (top, bottom) = (px(SIDE + 8.0), px(SIDE + 18.0));
    for step in 0..STEPS {
        let at = |i: usize| px(from + (to - from) * i as f64 / STEPS as f64);
        let color = ramp((step as f64 + 0.5) / STEPS as f64);
        panel.draw(&Rectangle::new([(at(step), top), (at(step + 1), bottom)], color.filled()))?;
    }
    for (x, text) in [(0.0, "0"), (to + 8.0, &most)] {
        let style = SMALL.anchored(HPos::Left, VPos::Center);
        panel.draw_text(text, &style, (px(x), (top + bottom) / 2))?;
    }
    // An average character is 0.55 em wide.
    let lines = textwrap::wrap(&overlay.note, (SIDE / 6.0) as usize);
    lines.iter().take(2).enumerate().try_for_each(|(i, line)| {
        note(panel, SIDE + 25.0 + 15.0 * i as f64, &SMALL.fit(line, SIDE))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overlay() -> Overlay {
        let saliency = vec![0.0, 4.0, -3.0, 0.0];
        Overlay { label: "x".into(), note: "".into(), cells: 2, saliency, pooled: (2, 2) }
    }

    #[test]
    fn saliency_is_a_share_of_the_highest_and_smooth_between_cells() {
        let overlay = overlay();
        assert_eq!(overlay.at(0.25, 0.75), 1.0);
        assert_eq!(overlay.at(0.25, 0.5), 0.5);
        assert_eq!(overlay.at(0.75, 0.25), 0.0);
        assert_eq!(overlay.at(0.0, 1.0), 1.0);
        assert_eq!(Overlay { saliency: vec![0.0; 4], ..overlay }.at(0.2, 0.2), 0.0);
    }

    #[test]
    fn saliency_over_a_image_is_clear_where_there_is_none() {
        let rgba = saliency_rgba(&[0.0, 4.0, -3.0, 1.0]);
        assert_eq!((rgba[3], rgba[11]), (0, 0));
        assert_eq!((rgba[7], rgba[15]), (191, 96));
        assert_eq!(saliency_rgba(&[0.0; 4]).iter().skip(3).step_by(4).max(), Some(&0));
    }

    #[test]
    fn cells_that_are_not_pooled_show_no_saliency() {
        let white = [255; 3];
        let image = Pixels { width: 1, height: 1, rgb: &white };
        let part = Overlay { pooled: (1, 2), ..overlay() }.over(image);
        let whole = overlay().over(image);
        let at = |picture: &[u8], y: usize, x: usize| {
            let at = (y * PIXELS + x) * 3;
            [picture[at], picture[at + 1], picture[at + 2]]
        };
        assert_eq!(at(&part, 10, 10), at(&whole, 10, 10));
        let hot = at(&whole, 50, 170);
        assert!(hot[0] > hot[2], "hot is warm: {hot:?}");
        assert!(at(&part, 50, 170)[0] <= at(&part, 50, 170)[2], "not pooled is cold");
    }
}
