//! Contact sheets: images in a grid, with or without their saliency maps.

use super::canvas::{Canvas, Pixels, Rect};
use super::panel::{BORDER, HEADING, heading};
use super::text::Text;
use super::theme::{INK, SMALL};
use super::{Figure, counted};

/// An image on a sheet.
#[derive(Clone, Debug)]
pub struct Tile<'a> {
    /// The image.
    pub image: Pixels<'a>,
    /// Its saliency map, drawn beside it.
    pub saliency: Option<Pixels<'a>>,
    /// What stands below it; the first line is bold.
    pub caption: Vec<String>,
}

/// Images in a grid: samples of a class, or the worst errors with their saliency maps.
#[derive(Clone, Debug)]
pub struct Sheet<'a> {
    /// File stem, such as `samples-covid` or `errors`.
    pub name: String,
    /// Heading.
    pub title: String,
    /// The line below it.
    pub subtitle: String,
    /// The images in reading order.
    pub tiles: Vec<Tile<'a>>,
}

const SIDE: f64 = 150.0;
const GAP: f64 = 14.0;
const LINE: f64 = 14.0;
const FIRST: Text = Text::new(11.0, INK).bold();

impl Sheet<'_> {
    fn tile(&self) -> (f64, f64) {
        let pair = self.tiles.iter().any(|tile| tile.saliency.is_some());
        let width = if pair { 2.0 * SIDE + 2.0 } else { SIDE };
        let lines = self.tiles.iter().map(|tile| tile.caption.len()).max().unwrap_or(0);
        (width, SIDE + 6.0 + LINE * lines as f64)
    }

    fn columns(&self) -> usize {
        let most = if self.tile().0 > SIDE { 2 } else { 5 };
        self.tiles.len().clamp(2, most)
    }
}

impl Figure for Sheet<'_> {
    fn name(&self) -> &str {
        &self.name
    }

    fn size(&self) -> (u32, u32) {
        let (width, height) = self.tile();
        let columns = self.columns();
        let rows = self.tiles.len().div_ceil(columns);
        let across = columns as f64 * (width + GAP) - GAP + 2.0 * BORDER;
        let down = HEADING + rows as f64 * (height + GAP) - GAP + BORDER;
        (across as u32, down as u32)
    }

    fn title(&self) -> String {
        self.title.clone()
    }

    fn description(&self) -> String {
        let captions: Vec<_> = self.tiles.iter().map(|tile| tile.caption.join(", ")).collect();
        let images = counted(self.tiles.len(), "image");
        format!("{images}. {}", captions.join("; "))
    }

    fn draw(&self, canvas: &mut Canvas<'_>) {
        let space = heading(canvas, &self.title, &self.subtitle);
        let (width, height) = self.tile();
        for (i, tile) in self.tiles.iter().enumerate() {
            let (column, row) = (i % self.columns(), i / self.columns());
            let x = space.x0 + column as f64 * (width + GAP);
            let y = space.y0 + row as f64 * (height + GAP);
            picture(canvas, x, y, tile.image);
            if let Some(saliency) = tile.saliency {
                picture(canvas, x + SIDE + 2.0, y, saliency);
            }
            for (line, text) in tile.caption.iter().enumerate() {
                let style = if line == 0 { FIRST } else { SMALL };
                let baseline = y + SIDE + LINE * (line + 1) as f64;
                canvas.text((x, baseline), &style.fit(text, width), &style);
            }
        }
    }
}

/// Draws an image as large as fits a square, in the middle of it, aspect kept.
fn picture(canvas: &mut Canvas<'_>, x: f64, y: f64, image: Pixels<'_>) {
    let (width, height) = (image.width as f64, image.height as f64);
    let scale = SIDE / width.max(height);
    let (x0, y0) = (x + (SIDE - scale * width) / 2.0, y + (SIDE - scale * height) / 2.0);
    canvas.rect(Rect { x0: x, y0: y, x1: x + SIDE, y1: y + SIDE }, super::theme::rgb(0));
    canvas.picture(Rect { x0, y0, x1: x0 + scale * width, y1: y0 + scale * height }, image);
}
