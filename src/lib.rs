//! `cxr` trains, evaluates and explains chest X-ray classifiers as a pipeline of small
//! commands that read and write files.
//!
//! ```text
//! metadata.csv ─ build-covid ──┐
//!                              ├─ dataset/<class>/ ─ preprocess ─ split ─ extract ─ train ─ evaluate ─ plot
//! chest_xray/ ── sample-normal ┘
//! ```
//!
//! Each box is a separate program (`cxr-train`) with its own exit code. Each line is one or more
//! files under `dataset/` or `artifacts/`. The code of a stage is in `src/stages/<name>.rs` or
//! `src/stages/<name>/mod.rs`.
//!
//! # Layers
//!
//! A module uses only modules of lower layers; modules of L2 may also use each other. A stage never
//! uses another stage. `tests/it/layers.rs` checks this table.
//!
//! | layer | modules | contents |
//! |---|---|---|
//! | L5 | [`commands`] | the command `cxr`: all stages as one pipeline |
//! | L4 | [`stages`] | one file per command; connects files and algorithms |
//! | L3 | [`cli`] | arguments, progress, errors, exit codes; all output to the terminal |
//! | L2 | [`pipeline`], [`artifact`], [`classifier`] | `pipeline.toml` and the order of the stages; the files between the stages; prediction with a trained model |
//! | L1 | [`backbone`], [`head`], [`dataset`], [`explain`], [`plot`], [`report`], [`audit`] | backbone network, classifier head, data set, saliency maps, plots, report, audit |
//! | L0 | [`conv`], [`metrics`], [`image`], [`io`], [`rng`] | convolution, metrics, images, file formats, random numbers |

pub mod artifact;
pub mod audit;
pub mod backbone;
pub mod classifier;
pub mod cli;
pub mod commands;
pub mod conv;
pub mod dataset;
pub mod explain;
pub mod head;
pub mod image;
pub mod io;
pub mod metrics;
pub mod pipeline;
pub mod plot;
pub mod report;
pub mod rng;
pub mod stages;
#[cfg(test)]
mod testing;
