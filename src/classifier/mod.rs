//! Trained classifier: frozen backbone, head, decision rule and measured performance.
//!
//! [`Bundle`] is the file format; [`Bundle::assemble`] builds a bundle from the artifacts of a
//! profile. [`Classifier`] runs it on images, [`OutOfDistribution`] scores the difference of an
//! image from the training images, [`Explainer`] computes Grad-CAM maps.

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
pub use explainer::{Explainer, figure_name};
pub use import::{ImportError, ImportedModel};
pub use manifest::{AuditSummary, BackboneRef, Decision, Manifest, Training};
pub use ood::{ImageStatistics, OodScore, OutOfDistribution, Reference};
pub use open::{Backbone, ModelError, backbone, open};
pub use run::{Classifier, ClassifierOutput};
