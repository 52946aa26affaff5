//! Loss and accuracy by epoch, in the look of the tutorial's plot.

use super::Figure;
use super::axis::Axis;
use super::canvas::{Canvas, Rect, Stroke};
use super::legend::{self, Corner, Key, legend};
use super::panel::{self, Panel};
use super::text::Text;
use super::theme::{GGPLOT, INK};

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

const TITLE: Text = Text::new(14.4 * 100.0 / 72.0, INK).centered();

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

    fn draw(&self, canvas: &mut Canvas<'_>) {
        let page = canvas.area();
        let curves = self.epochs.curves();
        let epochs = (0..self.epochs.len()).map(|epoch| epoch as f64);
        let values = curves.iter().flat_map(|(_, values)| values.iter().copied());
        let x = Axis::over(epochs, 8, "Epoch #").whole(8);
        let y = Axis::over(values, 8, "Loss/Accuracy");
        let space = Rect { x0: 18.0, y0: 52.0, x1: page.x1 - 28.0, y1: page.y1 - 18.0 };
        let panel = Panel::new(canvas, space, x, y, &panel::GGPLOT);
        let title = TITLE.fit(&self.title, panel.area.width());
        canvas.text((panel.area.center().0, 42.0), &title, &TITLE);

        let mut entries = Vec::new();
        for ((name, values), color) in curves.into_iter().zip(GGPLOT) {
            let stroke = Stroke::new(color, 2.0);
            let points: Vec<_> =
                values.iter().enumerate().map(|(epoch, &value)| (epoch as f64, value)).collect();
            panel.line(canvas, &points, &stroke);
            if !values.is_empty() {
                entries.push((Key::Line(stroke), name.to_owned()));
            }
        }
        if !entries.is_empty() {
            legend(canvas, panel.area, Corner::LowerLeft, &legend::GGPLOT, &entries);
        }
    }
}
