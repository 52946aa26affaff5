//! One file per figure.
//!
//! A [`Figure`] knows its name, its size, what it shows in words, and how to
//! draw itself on a [`Canvas`]; [`png()`] and [`svg`] render any figure from the
//! same drawing, through plotters' raster and SVG backends. Figures take plain
//! numbers and draw every interval they are given: they compute none.
//!
//! Sizes are in pixels of 1/100 inch, as in matplotlib. Colours are Okabe and
//! Ito's, and what differs in colour also differs in shape, dash or place, so
//! that figures can be read in grey; only [`History`] keeps the colours of the
//! tutorial it reproduces.

mod audit;
mod axis;
mod calibration;
mod canvas;
mod confusion;
mod crossval;
mod curves;
#[cfg(test)]
mod golden;
mod history;
#[cfg(test)]
mod layout;
mod legend;
mod panel;
mod precision_recall;
mod render;
mod roc;
mod saliency;
#[cfg(test)]
mod samples;
mod scores;
mod seeds;
mod sheet;
mod text;
mod theme;

pub use audit::{Audit, Probe};
pub use calibration::{Bin, Calibration, ClassBins};
pub use canvas::{Canvas, Pixels};
pub use confusion::Confusion;
pub use crossval::{CrossValidation, FoldScores};
pub use curves::{ClassCurve, MOST_CLASSES};
pub use history::{Epochs, History};
pub use precision_recall::PrecisionRecall;
pub use render::{png, svg};
pub use roc::Roc;
pub use saliency::{Overlay, Saliency, saliency_rgba};
pub use scores::{ClassScores, Scores, Threshold};
pub use seeds::{Run, Seeds};
pub use sheet::{Sheet, Tile};

/// Something that can be drawn.
pub trait Figure {
    /// File stem, such as `confusion`; also the prefix of ids in the SVG.
    fn name(&self) -> &str;

    /// Width and height in pixels of 1/100 inch.
    fn size(&self) -> (u32, u32) {
        (640, 480)
    }

    /// What the figure shows, in a few words: its heading.
    fn title(&self) -> String;

    /// What the figure says, in a sentence or two, for those who cannot see it.
    fn description(&self) -> String;

    /// Draws the figure on a canvas of [`Figure::size`].
    fn draw(&self, canvas: &mut Canvas<'_>);
}

/// `1 image`, `2 images`.
fn counted(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}
