//! The tests over whole commands: a file per command, run as a user would.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "tests"
)]

mod support;

mod audit;
mod build_covid;
mod check;
mod cli;
mod compare;
mod crossval;
mod dicom;
mod evaluate;
mod explain;
mod export;
mod extract;
mod fetch;
mod figures;
mod fuzz;
mod given;
mod hostile;
mod layers;
mod layout;
mod limits;
mod link;
mod part10;
mod phantom;
mod plot;
mod predict;
mod preprocess;
mod reference;
mod registry;
mod report;
mod runner;
mod sample_normal;
mod split;
mod strict;
mod train;
mod tutorial;
