//! Shortcut audit: how well the class can be predicted without the lungs.
//!
//! A [`Probe`] is a classifier whose input should not matter: file attributes, the outermost
//! pixels, the image with its centre blacked out. The cheap probes are a [`Kernel`] classifier
//! on [`inputs`]. All are evaluated by cross-validation over patients, and scores are compared
//! only within a fold. A probe without lungs is a shortcut if its AUC is near the model's and
//! above the maximum-statistic permutation null ([`max_auc_null`]); the result is a
//! [`Verdict`].
//!
//! After Maguolo and Nanni (2021) and DeGrave, Janizek and Lee (2021).

mod cholesky;
mod condition;
pub mod finding;
pub mod inputs;
mod kernel;
mod permutation_null;
mod probe;
mod result;

pub use condition::{Condition, ConditionError};
pub use finding::Finding;
pub use kernel::Kernel;
pub use permutation_null::max_auc_null;
pub use probe::{Deal, PROBES, Probe, ProbeEvaluation};
pub use result::{Answer, LUNG_FREE, Verdict};
