//! Benchmark of the VGG16 layers: batches of 8 images of 224 x 224 pixels, full feature maps,
//! Winograd kernels of every instruction set that the processor supports.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use cxr::{
    backbone::LAYERS,
    conv::{Extent, InstructionSet, Maps, Scratch, Winograd},
};
use ndarray::{Array1, Array4};

const IMAGES: usize = 8;

fn layers(criterion: &mut Criterion) {
    let mut side = 224;
    for spec in LAYERS {
        let mut group = criterion.benchmark_group(spec.name);
        group.sample_size(10);
        group.throughput(Throughput::Elements(IMAGES as u64));
        let kernel = Array4::from_elem((3, 3, spec.inputs, spec.outputs), 0.01);
        let bias = Array1::zeros(spec.outputs);
        let input = Array4::from_elem((IMAGES, side, side, spec.inputs), 0.5);
        let (input, extent) = (Maps::from_array(input.view()), Extent::square(side));
        for isa in InstructionSet::ALL.into_iter().filter(|isa| isa.is_supported()) {
            let layer = Winograd::new(kernel.view(), bias.view(), isa);
            let (mut output, mut scratch) = (Maps::default(), Scratch::default());
            group.bench_function(isa.to_string(), |bencher| {
                bencher.iter(|| {
                    layer.forward(black_box(&input), extent, spec.pool, &mut output, &mut scratch);
                });
            });
        }
        if spec.pool {
            side /= 2;
        }
    }
}

criterion_group!(benches, layers);
criterion_main!(benches);
