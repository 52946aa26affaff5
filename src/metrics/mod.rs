//! What a classifier is worth: classification, ranking, calibration, intervals.
//!
//! Classes are numbers from 0; `truth[i]` is the class of film `i`, and
//! probabilities are `[films, classes]`. Metrics of one class against the rest
//! take `truth: &[bool]` and the score of that class. Slices that belong together must
//! be equally long: the functions panic where they are not.
//!
//! Results equal scikit-learn's, but for one rule: where a metric has no value,
//! it is [`Undefined`] with the reason, never 0 and never NaN.

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
pub use interval::{Fallback, Method, auc_interval};
pub use ks::{KolmogorovSmirnov, ks_two_sample};
pub use rate::Rate;
pub use summation::pairwise_sum;
pub use temperature::Temperature;
pub use threshold::{OperatingPoint, for_sensitivity, youden};

/// Why a metric has no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Undefined {
    /// Nothing to judge.
    #[error("there are no films")]
    NoFilms,
    /// No film belongs to the class asked for.
    #[error("no film is positive")]
    NoPositives,
    /// All films belong to the class asked for.
    #[error("no film is negative")]
    NoNegatives,
    /// The classifier never names the class asked for.
    #[error("no film is predicted positive")]
    NonePredictedPositive,
    /// The classifier names no class but the one asked for.
    #[error("no film is predicted negative")]
    NonePredictedNegative,
    /// One of the classes has no film.
    #[error("class {0} has no film")]
    EmptyClass(usize),
    /// All films are of one class, or all predictions name one class.
    #[error("the films or the predictions are of one class only")]
    OneClass,
    /// A score or probability is infinite or not a number.
    #[error("a score is not a finite number")]
    NotFinite,
    /// All films stem from one patient, so none can be drawn in its place.
    #[error("there is only one patient")]
    OnePatient,
    /// No stratum holds both a positive and a negative film.
    #[error("no fold holds both a positive and a negative film")]
    NoPairs,
    /// The statistic has the same value in every resample.
    #[error("every resample gives the same value, so these films tell no interval")]
    OneValue,
    /// So few films are wrong that many a resample holds none of them.
    #[error("many resamples have no error, so the interval would be too narrow")]
    FewErrors,
    /// The statistic had no value in any resample.
    #[error("the statistic has no value in any resample")]
    NoResample,
    /// No temperature between 0.01 and 100 minimises the log loss.
    #[error("no temperature fits: the predictions are all right, or no better than chance")]
    NoTemperature,
}

/// Checks that every score is finite.
fn finite<'a>(scores: impl IntoIterator<Item = &'a f64>) -> Result<(), Undefined> {
    if scores.into_iter().all(|s| s.is_finite()) { Ok(()) } else { Err(Undefined::NotFinite) }
}

#[cfg(test)]
mod golden;
