//! `cxr-extract --bench-layers`: speed of each layer on this machine.

use std::fmt;

use serde::Serialize;

use crate::backbone::{LAYERS, LayerTiming, Weights, bench_layers};
use crate::conv::{Algorithm, InstructionSet};

/// Number of images per batch.
const BATCH: usize = 8;
/// Number of measurements of each layer with Winograd's algorithm; the best one counts.
const ROUNDS: usize = 3;

/// Time of each layer with each algorithm, on 224 x 224 images.
#[derive(Debug, Serialize)]
pub struct Timings {
    isa: String,
    threads: usize,
    layers: Vec<LayerTiming>,
}

impl Timings {
    /// Measures all layers with `weights`, on the threads of this process.
    pub fn measure(weights: &Weights, isa: InstructionSet) -> Self {
        Self {
            isa: isa.to_string(),
            threads: rayon::current_num_threads(),
            layers: bench_layers(weights, isa, BATCH, ROUNDS),
        }
    }
}

impl fmt::Display for Timings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { isa, threads, layers } = self;
        writeln!(f, "batches of {BATCH}, best of {ROUNDS}, {isa}, {threads} threads; per image:")?;
        writeln!(f, "{:14}{:>10}{:>14}{:>10}{:>14}", "", "direct", "", "winograd", "")?;
        for spec in LAYERS {
            write!(f, "{:14}", spec.name)?;
            for timing in layers.iter().filter(|timing| timing.name == spec.name) {
                write!(f, "{:>7.2} ms{:>8.0} GFLOP/s", timing.milliseconds, timing.gflops)?;
            }
            writeln!(f)?;
        }
        write!(f, "{:14}", "all")?;
        for algorithm in Algorithm::ALL {
            let timings = layers.iter().filter(|timing| timing.algorithm == algorithm);
            let (mut milliseconds, mut operations) = (0.0, 0.0);
            for timing in timings {
                milliseconds += timing.milliseconds;
                operations += timing.milliseconds * timing.gflops;
            }
            write!(f, "{milliseconds:>7.2} ms{:>8.0} GFLOP/s", operations / milliseconds)?;
        }
        Ok(())
    }
}
