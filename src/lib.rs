//! `cxr` trains, judges and explains chest X-ray classifiers as a pipeline of
//! small commands that read and write files.
//!
//! ```text
//! metadata.csv ─ build-covid ──┐
//!                              ├─ dataset/<class>/ ─ preprocess ─ split ─ extract ─ train ─ evaluate ─ plot
//! chest_xray/ ── sample-normal ┘
//! ```
//!
//! Each box is a program of its own (`cxr-train`) with its own exit code; each
//! arrow is a file under `dataset/` or `artifacts/`. To find a stage, open
//! `src/stages/<name>.rs`.
//!
//! # Layers
//!
//! A module uses layers below its own. Within L0 it never uses a sibling, and a
//! stage never uses another stage; `tests/it/layers.rs` holds this table.
//!
//! | layer | modules | what they know |
//! |---|---|---|
//! | L5 | [`umbrella`] | `cxr` itself: the stages as one pipeline |
//! | L4 | [`stages`] | one file per command; the only place where files meet algorithms |
//! | L3 | [`cli`] | arguments, progress, errors, exit codes; the only place that prints |
//! | L2 | [`pipeline`], [`artifact`], [`classifier`] | `pipeline.toml`, the order of stages; the files between them; a trained model in use |
//! | L1 | [`backbone`], [`head`], [`dataset`], [`explain`], [`plot`], [`report`], [`audit`] | the domain |
//! | L0 | [`conv`], [`metrics`], [`image`], [`io`], [`rng`] | numbers, pixels, bytes |

pub mod artifact;
pub mod audit;
pub mod backbone;
pub mod classifier;
pub mod cli;
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
pub mod umbrella;
