//! One file per figure.
//!
//! A [`Figure`] has a name, a size, a title and a description, and draws its charts with
//! `plotters` on an [`Area`]; [`png()`] and [`svg`] render any figure from the same
//! drawing, through plotters' bitmap and SVG backends. Figures take plain numbers and
//! draw the intervals that they are given: they compute none.
//!
//! Sizes are in pixels of 1/100 inch, as in matplotlib. Colours are Okabe and Ito's, and
//! series that differ in colour also differ in shape, dash or place, so that figures can
//! be read in grey; only [`History`] keeps the colours of the tutorial that it reproduces.

mod audit;
mod axis;
mod calibration;
mod chart;
mod confusion;
mod crossval;
mod curves;
#[cfg(test)]
mod golden;
mod history;
#[cfg(test)]
mod layout;
mod page;
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
pub use confusion::Confusion;
pub use crossval::{CrossValidation, FoldScores};
pub use curves::{ClassCurve, MOST_CLASSES};
pub use history::{Epochs, History};
pub use page::{Area, Drawn, Page, Pixels};
pub use precision_recall::PrecisionRecall;
pub use render::{png, svg};
pub use roc::Roc;
pub use saliency::{Overlay, Saliency, saliency_rgba};
pub use scores::{ClassScores, Scores, Threshold};
pub use seeds::{Run, Seeds};
pub use sheet::{Sheet, Tile};

/// A figure that can be rendered as PNG and SVG.
pub trait Figure {
    /// File stem, such as `confusion`; also the prefix of ids in the SVG.
    fn name(&self) -> &str;

    /// Width and height in pixels of 1/100 inch.
    fn size(&self) -> (u32, u32) {
        (640, 480)
    }

    /// The heading.
    fn title(&self) -> String;

    /// The content in a sentence or two, for readers who cannot see the figure.
    fn description(&self) -> String;

    /// Draws the figure on a page of [`Figure::size`].
    ///
    /// # Errors
    ///
    /// Pages are in memory and take every shape: an error of plotters is a fault of the
    /// figure.
    fn draw(&self, page: &Area<'_>) -> Drawn;
}

/// `1 image`, `2 images`.
fn counted(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}
