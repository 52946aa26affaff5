//! A trained classifier as one thing: frozen net, head, decision, and what is
//! known of its worth.
//!
//! [`Bundle`] is the file that holds it all; [`Bundle::assemble`] gathers it from
//! the artifacts of a profile. [`Classifier`] runs it on films, [`Novelty`] tells
//! films unlike the training films, [`Explainer`] shows where it looks.

mod assemble;
mod bundle;
mod explainer;
mod import;
mod keras;
mod manifest;
mod novelty;
mod onnx;
mod open;
mod properties;
mod run;

pub use assemble::Assembled;
pub use bundle::{Bundle, BundleError};
pub use explainer::{Explainer, picture_name};
pub use import::{ImportError, Imported};
pub use manifest::{AuditSummary, BackboneRef, Decision, Manifest, Training};
pub use novelty::{Novel, Novelty, Reference};
pub use open::{Backbone, ModelError, backbone, open};
pub use run::{Classifier, Judged};
