//! Where on an image the saliency lies that explains an answer.

use super::Figure;
use super::canvas::{Canvas, Pixels, Rect, Stroke};
use super::panel::{BORDER, HEADING, heading};
use super::text::Text;
use super::theme::{Color, INK, LABEL, SMALL, WHITE, faded, mixed, rgb};

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
/// Names of panels.
const NAME: Text = Text::new(12.0, INK).bold();

/// Inferno's colours (van der Walt and Smith 2015) at even steps from 0 to 1:
/// evenly brighter, so that they can be read in grey.
const RAMP: [Color; 7] = [
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

fn ramp(share: f64) -> Color {
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
        let (red, green, blue) = ramp(saliency).rgb;
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
            let grey = Color { alpha: 1.0, rgb: (pixel[0], pixel[1], pixel[2]) };
            let shown = if unpooled {
                mixed(grey, UNPOOLED, if (x + y) % 12 < 2 { 0.85 } else { 0.6 })
            } else {
                mixed(grey, ramp(saliency), opacity(saliency))
            };
            rgb.extend([shown.rgb.0, shown.rgb.1, shown.rgb.2]);
        }
        rgb
    }
}

/// What is written over cells that are not pooled.
const NOT_POOLED: &str = "not pooled by the head";

/// The colour of cells that are not pooled, hatched.
const UNPOOLED: Color = rgb(0x3C4650);

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

    fn draw(&self, canvas: &mut Canvas<'_>) {
        let space = heading(canvas, &self.title, &self.subtitle);
        let panel = |i: usize| {
            let x0 = space.x0 + i as f64 * (SIDE + GAP);
            let y0 = space.y0 + 18.0;
            Rect { x0, y0, x1: x0 + SIDE, y1: y0 + SIDE }
        };
        let name = |canvas: &mut Canvas<'_>, area: Rect, text: &str| {
            canvas.text((area.x0, area.y0 - 7.0), &NAME.fit(text, SIDE), &NAME);
        };
        let image = panel(0);
        name(canvas, image, "image");
        canvas.picture(image, self.image);
        canvas.text((image.x0, image.y1 + 16.0), "dashed: the centre of the image", &SMALL);
        for (i, overlay) in self.overlays.iter().enumerate() {
            let area = panel(i + 1);
            name(canvas, area, &overlay.label);
            let rgb = overlay.over(self.image);
            canvas.picture(area, Overlay::pixels(&rgb));
            self.mark_unpooled(canvas, area, overlay);
            self.mark_centre(canvas, area);
            scale(canvas, area, overlay);
        }
    }
}

impl Saliency<'_> {
    fn mark_centre(&self, canvas: &mut Canvas<'_>, area: Rect) {
        let (from, to) = self.centre;
        let across = |share: f64| area.x0 + share * area.width();
        let down = |share: f64| area.y0 + share * area.height();
        let edge = Rect { x0: across(from), x1: across(to), y0: down(from), y1: down(to) };
        canvas.frame(edge, &Stroke::new(rgb(0x9FE8FF), 1.2).dashed());
    }

    /// Names the region that the head does not pool.
    fn mark_unpooled(&self, canvas: &mut Canvas<'_>, area: Rect, overlay: &Overlay) {
        let (pooled, of) = overlay.pooled;
        if pooled >= of {
            return;
        }
        let share = pooled as f64 / of as f64;
        let (x, y) = (area.x0 + share * area.width(), area.y0 + share * area.height());
        let edge = Stroke::new(WHITE, 1.5);
        canvas.line(&[(x, area.y0), (x, y), (area.x0, y)], &edge);
        let text = Text::new(11.0, WHITE).bold().centered();
        let middle = (area.x0 + area.width() / 2.0, (y + area.y1) / 2.0);
        let width = text.width(NOT_POOLED) + 12.0;
        let plate = Rect {
            x0: middle.0 - width / 2.0,
            x1: middle.0 + width / 2.0,
            y0: middle.1 - 10.0,
            y1: middle.1 + 10.0,
        };
        canvas.rect(plate, faded(rgb(0), 0.7));
        canvas.text_middle(middle, NOT_POOLED, &text);
    }
}

/// The scale bar and the note below an overlay.
fn scale(canvas: &mut Canvas<'_>, area: Rect, overlay: &Overlay) {
    const STEPS: usize = 64;
    let (y0, y1) = (area.y1 + 8.0, area.y1 + 18.0);
    let most = format!("{:.2e}", overlay.most());
    let most = if overlay.most() >= 0.01 { format!("{:.2}", overlay.most()) } else { most };
    let (x0, x1) = (area.x0 + 14.0, area.x1 - SMALL.width(&most) - 8.0);
    canvas.text_middle((area.x0, (y0 + y1) / 2.0), "0", &SMALL);
    for step in 0..STEPS {
        let at = |i: usize| x0 + (x1 - x0) * i as f64 / STEPS as f64;
        let color = ramp((step as f64 + 0.5) / STEPS as f64);
        canvas.rect(Rect { x0: at(step), x1: at(step + 1), y0, y1 }, color);
    }
    canvas.text_middle((x1 + 8.0, (y0 + y1) / 2.0), &most, &SMALL);
    for (i, line) in LABEL.wrap(&overlay.note, SIDE, 2).iter().enumerate() {
        canvas.text((area.x0, y1 + 16.0 + 15.0 * i as f64), line, &SMALL);
    }
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
