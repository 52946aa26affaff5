//! Contact sheets: images in a grid, with or without their saliency maps.

use super::chart::{BORDER, HEADING, heading};
use super::page::{Area, Drawn, Picture, Pixels, px};
use super::text::{Font, HPos, VPos};
use super::theme::{INK, SMALL, rgb};
use super::{Figure, counted};
use plotters::prelude::*;

/// An image on a sheet.
#[derive(Clone, Debug)]
pub struct Tile<'a> {
    /// The image.
    pub image: Pixels<'a>,
    /// Its saliency map, drawn beside it.
    pub saliency: Option<Pixels<'a>>,
    /// The lines below it; the first is bold.
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
const FIRST: Font = Font::new(11.0, INK).bold();

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

    fn draw(&self, page: &Area<'_>) -> Drawn {
        let area = heading(page, &self.title, &self.subtitle)?;
        let (width, height) = self.tile();
        for (i, tile) in self.tiles.iter().enumerate() {
            let (column, row) = (i % self.columns(), i / self.columns());
            let x = column as f64 * (width + GAP);
            let y = row as f64 * (height + GAP);
            picture(&area, (x, y), tile.image)?;
            if let Some(saliency) = tile.saliency {
                picture(&area, (x + SIDE + 2.0, y), saliency)?;
            }
            for (line, text) in tile.caption.iter().enumerate() {
                let font = if line == 0 { FIRST } else { SMALL };
                let style = font.anchored(HPos::Left, VPos::Top);
                let top = y + SIDE + 5.0 + LINE * line as f64;
                area.draw_text(&font.fit(text, width), &style, (px(x), px(top)))?;
            }
        }
        Ok(())
    }
}

/// Draws an image as large as fits a black square, in the middle of it, aspect kept.
fn picture(area: &Area<'_>, (x, y): (f64, f64), pixels: Pixels<'_>) -> Drawn {
    let (width, height) = (pixels.width as f64, pixels.height as f64);
    let scale = SIDE / width.max(height);
    let (x0, y0) = (x + (SIDE - scale * width) / 2.0, y + (SIDE - scale * height) / 2.0);
    let square = [(px(x), px(y)), (px(x + SIDE), px(y + SIDE))];
    area.draw(&Rectangle::new(square, rgb(0).filled()))?;
    let corners = [(px(x0), px(y0)), (px(x0 + scale * width), px(y0 + scale * height))];
    area.draw(&Picture { corners, pixels })
}
