//! Loss and accuracy by epoch, in the style of the tutorial's plot.

use super::Figure;
use super::axis::{Axis, padded};
use super::chart::{self, GGPLOT, Key, Stroke, mesh};
use super::page::{Area, Drawn, px};
use super::text::{Font, HPos, VPos};
use super::theme::{self, INK};
use plotters::prelude::*;

/// The four curves of a training run, one value per epoch each. A curve may be
/// empty, and a value that is not finite leaves a gap.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Epochs {
    /// Mean training loss.
    pub train_loss: Vec<f64>,
    /// Validation loss.
    pub val_loss: Vec<f64>,
    /// Training accuracy, 0 to 1.
    pub train_acc: Vec<f64>,
    /// Validation accuracy, 0 to 1.
    pub val_acc: Vec<f64>,
}

impl Epochs {
    /// The curves with the names the tutorial gives them, in its order.
    pub(super) fn curves(&self) -> [(&'static str, &[f64]); 4] {
        [
            ("train_loss", &self.train_loss),
            ("val_loss", &self.val_loss),
            ("train_acc", &self.train_acc),
            ("val_acc", &self.val_acc),
        ]
    }

    /// Number of epochs.
    pub(super) fn len(&self) -> usize {
        self.curves().map(|(_, values)| values.len()).into_iter().max().unwrap_or(0)
    }
}

/// Training history as matplotlib's `ggplot` style draws it.
#[derive(Clone, Debug)]
pub struct History {
    /// Heading; the tutorial's is `Training Loss and Accuracy on COVID-19 Dataset`.
    pub title: String,
    /// The curves; epochs count from 0, as in the tutorial.
    pub epochs: Epochs,
}

/// matplotlib's title of 14.4 points at 100 dots per inch.
const TITLE: Font = Font::new(20.0, INK);

impl Figure for History {
    fn name(&self) -> &str {
        "history"
    }

    fn title(&self) -> String {
        self.title.clone()
    }

    fn description(&self) -> String {
        let last: Vec<_> = self
            .epochs
            .curves()
            .iter()
            .filter_map(|(name, values)| Some(format!("{name} {:.4}", values.last()?)))
            .collect();
        let epochs = super::counted(self.epochs.len(), "epoch");
        if last.is_empty() {
            return "Loss and accuracy by epoch; no epoch was trained.".into();
        }
        format!("Loss and accuracy over {epochs}; after the last: {}.", last.join(", "))
    }

    fn draw(&self, page: &Area<'_>) -> Drawn {
        let curves = self.epochs.curves();
        let epochs = (0..self.epochs.len()).map(|epoch| epoch as f64);
        let values = curves.iter().flat_map(|(_, values)| values.iter().copied());
        let title = TITLE.fit(&self.title, 550.0);
        page.draw_text(&title, &TITLE.anchored(HPos::Center, VPos::Top), (px(347.0), px(22.0)))?;
        let mut chart = ChartBuilder::on(page)
            .margin(px(18.0))
            .margin_top(px(52.0))
            .margin_right(px(28.0))
            .x_label_area_size(px(46.0))
            .y_label_area_size(px(66.0))
            .build_cartesian_2d(Axis::whole(padded(epochs), 8), Axis::new(padded(values), 8))?;
        mesh(&mut chart, GGPLOT, ["Epoch #", "Loss/Accuracy"])?.draw()?;

        let mut entries = Vec::new();
        for ((name, values), color) in curves.into_iter().zip(theme::GGPLOT) {
            let stroke = Stroke::new(color, 2.0);
            chart::line(&mut chart, &by_epoch(values), stroke)?;
            if !values.is_empty() {
                entries.push((Key::Line(stroke), name.to_owned()));
            }
        }
        if entries.is_empty() {
            return Ok(());
        }
        chart::legend(&mut chart, SeriesLabelPosition::LowerLeft, GGPLOT, entries)
    }
}

/// Values with their epochs, counted from 0.
pub(super) fn by_epoch(values: &[f64]) -> Vec<(f64, f64)> {
    values.iter().enumerate().map(|(epoch, &value)| (epoch as f64, value)).collect()
}
