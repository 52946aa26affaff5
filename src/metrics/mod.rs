//! Metrics of classifiers: classification, ranking, calibration, confidence intervals.
//!
//! Classes are numbered from 0. `truth[i]` is the class of image `i`; probabilities are
//! `[images, classes]`. Metrics of one class against the rest take `truth: &[bool]` and
//! the scores of that class. The functions panic if `truth` and the predictions differ in
//! length.
//!
//! Results equal scikit-learn's, with one exception: a metric without a value is
//! [`UndefinedMetric`], with the reason, never 0 or NaN.

mod association;
mod bootstrap;
mod calibration;
mod classification_report;
mod confusion;
mod curve;
mod estimate;
mod interval;
mod ks;
mod rate;
mod summation;
mod temperature;
mod threshold;

pub use association::cramers_v;
pub use bootstrap::{Interval, bootstrap, quantile};
pub use calibration::{
    Bin, brier, brier_multiclass, expected_calibration_error, log_loss, reliability,
};
pub use classification_report::classification_report;
pub use confusion::{Binary, Confusion, called, npv_of, ppv_of, predicted};
pub use curve::{PrecisionRecall, Roc, average_precision, one_vs_rest, roc_auc, roc_auc_within};
pub use estimate::Estimate;
pub use interval::{Bounds, Fallback, Method, ReplacementReason, auc_interval};
pub use ks::{KolmogorovSmirnov, ks_two_sample};
pub use rate::Rate;
pub use summation::pairwise_sum;
pub use temperature::Temperature;
pub use threshold::{OperatingPoint, threshold_for_sensitivity, youden_threshold};

/// Reason why a metric is undefined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UndefinedMetric {
    /// There are no images.
    #[error("there are no images")]
    NoImages,
    /// No image belongs to the positive class.
    #[error("no image is positive")]
    NoPositives,
    /// All images belong to the positive class.
    #[error("no image is negative")]
    NoNegatives,
    /// The classifier never predicts the positive class.
    #[error("no image is predicted positive")]
    NonePredictedPositive,
    /// The classifier always predicts the positive class.
    #[error("no image is predicted negative")]
    NonePredictedNegative,
    /// A class has no images.
    #[error("class {0} has no images")]
    EmptyClass(usize),
    /// All images or all predictions belong to one class.
    #[error("all images or all predictions belong to one class")]
    OneClass,
    /// A score or probability is infinite or NaN.
    #[error("a score is not a finite number")]
    NotFinite,
    /// All images belong to one patient, so patients cannot be resampled.
    #[error("there is only one patient")]
    OnePatient,
    /// No stratum has both a positive and a negative image.
    #[error("no fold has both a positive and a negative image")]
    NoPairs,
    /// The statistic has the same value in every resample.
    #[error("every resample gives the same value, so there is no interval")]
    OneValue,
    /// The upper bound of the bootstrap interval is 1, the best value.
    #[error("the bootstrap interval reaches 1, so it would be too narrow")]
    ReachesBest,
    /// The statistic is undefined in every resample.
    #[error("the statistic is undefined in every resample")]
    NoResample,
    /// No temperature between 0.01 and 100 minimises the log loss.
    #[error("no temperature fits: all predictions are correct, or no better than chance")]
    NoTemperature,
}

/// Returns [`UndefinedMetric::NotFinite`] unless all scores are finite.
fn check_finite<'a>(scores: impl IntoIterator<Item = &'a f64>) -> Result<(), UndefinedMetric> {
    if scores.into_iter().all(|s| s.is_finite()) { Ok(()) } else { Err(UndefinedMetric::NotFinite) }
}

#[cfg(test)]
mod golden;
