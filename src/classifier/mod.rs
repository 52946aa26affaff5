//! A trained classifier as one thing: frozen net, head, decision, and what is
//! known of its worth.
//!
//! [`Bundle`] is the file that holds it all; [`Bundle::assemble`] gathers it from
//! the artifacts of a profile. [`Classifier`] runs it on films, [`OutOfDistribution`]
//! scores how unlike the training images an image is, [`Explainer`] explains answers.

mod assemble;
mod bundle;
mod explainer;
mod import;
mod keras;
mod manifest;
mod onnx;
mod ood;
mod open;
mod properties;
mod run;

pub use assemble::Assembled;
pub use bundle::{Bundle, BundleError};
pub use explainer::{Explainer, picture_name};
pub use import::{ImportError, Imported};
pub use manifest::{AuditSummary, BackboneRef, Decision, Manifest, Training};
pub use ood::{Compared, OodScore, OutOfDistribution, Reference};
pub use open::{Backbone, ModelError, backbone, open};
pub use run::{Classifier, Judged};
