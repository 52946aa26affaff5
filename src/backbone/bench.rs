//! Benchmark of the convolution layers.

use std::time::Instant;

use ndarray::{Array3, Array4};
use serde::Serialize;

use super::{LAYERS, LayerSpec, Weights, weights::Layer};
use crate::conv::{Algorithm, Extent, InstructionSet, Maps, RgbConv, Scratch, Winograd, direct};

/// Computation time of one layer with one algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct LayerTiming {
    /// Layer name in Keras.
    pub name: &'static str,
    /// Algorithm of the convolution.
    pub algorithm: Algorithm,
    /// Milliseconds per image.
    pub milliseconds: f64,
    /// 10^9 operations per second, where operations are the additions and multiplications of
    /// the direct convolution, for all algorithms.
    pub gflops: f64,
}

/// Measures each layer with each algorithm on whole maps of 224 x 224 images: the minimum
/// time of `rounds` runs on a batch of `images`. The direct convolution is slow, so it runs
/// once on one image.
///
/// # Panics
/// If `rounds` or `images` is 0, or the processor does not support `isa`.
pub fn bench_layers(
    weights: &Weights,
    isa: InstructionSet,
    images: usize,
    rounds: usize,
) -> Vec<LayerTiming> {
    let mut timings = Vec::new();
    let mut side = 224;
    for (spec, layer) in LAYERS.iter().zip(weights.layers()) {
        let operations = 2.0 * 9.0 * (side * side * spec.inputs * spec.outputs) as f64;
        for algorithm in Algorithm::ALL {
            let seconds = match algorithm {
                Algorithm::Direct => time_direct(layer, spec, side),
                Algorithm::Winograd => time_winograd(layer, spec, side, isa, images, rounds),
            };
            timings.push(LayerTiming {
                name: spec.name,
                algorithm,
                milliseconds: seconds * 1e3,
                gflops: operations / seconds / 1e9,
            });
        }
        if spec.pool {
            side /= 2;
        }
    }
    timings
}

fn time_direct(layer: &Layer, spec: &LayerSpec, side: usize) -> f64 {
    let map = Array3::from_elem((side, side, spec.inputs), 0.5);
    minimum_time(1, || {
        let keep = Extent::square(side);
        direct::conv3x3(map.view(), layer.kernel.view(), layer.bias.view(), keep);
    })
}

fn time_winograd(
    layer: &Layer,
    spec: &LayerSpec,
    side: usize,
    isa: InstructionSet,
    images: usize,
    rounds: usize,
) -> f64 {
    let input = Array4::from_elem((images, side, side, spec.inputs), 0.5);
    let (kernel, bias) = (layer.kernel.view(), layer.bias.view());
    let (keep, mut output) = (Extent::square(side), Maps::default());
    let seconds = if spec.inputs == 3 {
        let layer = RgbConv::new(kernel, bias, isa);
        minimum_time(rounds, || layer.forward(input.view(), keep, &mut output))
    } else {
        let (layer, mut scratch) = (Winograd::new(kernel, bias, isa), Scratch::default());
        let input = Maps::from_array(input.view());
        minimum_time(rounds, || layer.forward(&input, keep, spec.pool, &mut output, &mut scratch))
    };
    seconds / images as f64
}

fn minimum_time(rounds: usize, mut run: impl FnMut()) -> f64 {
    let times = (0..rounds).map(|_| {
        let start = Instant::now();
        run();
        start.elapsed().as_secs_f64()
    });
    times.min_by(f64::total_cmp).expect("at least one round")
}
