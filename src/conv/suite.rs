//! Tests of every kernel against the direct convolution in f64. Each kernel is one line at
//! the end of the file.

use ndarray::{Array1, Array3, Array4, ArrayView3, Axis, concatenate, s};
use proptest::prelude::*;
use rayon::ThreadPoolBuilder;

use super::{Extent, InstructionSet, Maps, RgbConv, Scratch, Winograd, direct, winograd::Schedule};

/// Layers of VGG16 with a quarter of the side and an eighth of the channels: side, input
/// channels, output channels, followed by a pool.
const VGG: [(usize, usize, usize, bool); 12] = [
    (56, 8, 8, true),
    (28, 8, 16, false),
    (28, 16, 16, true),
    (14, 16, 32, false),
    (14, 32, 32, false),
    (14, 32, 32, true),
    (7, 32, 64, false),
    (7, 64, 64, false),
    (7, 64, 64, true),
    (4, 64, 64, false),
    (4, 64, 64, false),
    (4, 64, 64, true),
];

struct Case {
    input: Array4<f32>,
    kernel: Array4<f32>,
    bias: Array1<f32>,
    pool: bool,
}

impl Case {
    /// Pseudorandom values in [-1, 1).
    fn new(images: usize, extent: Extent, inputs: usize, outputs: usize, pool: bool) -> Self {
        let mut state = 1_u32;
        let mut next = move || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f64::from(state) as f32 / 2_f32.powi(31) - 1.0
        };
        Self {
            input: Array4::from_shape_simple_fn(
                (images, extent.rows, extent.cols, inputs),
                &mut next,
            ),
            kernel: Array4::from_shape_simple_fn((3, 3, inputs, outputs), &mut next),
            bias: Array1::from_shape_simple_fn(outputs, &mut next),
            pool,
        }
    }

    fn extent(&self) -> Extent {
        Extent { rows: self.input.dim().1, cols: self.input.dim().2 }
    }

    fn direct(&self, keep: Extent) -> Array4<f64> {
        let (kernel, bias) = (self.kernel.mapv(f64::from), self.bias.mapv(f64::from));
        let layer = |image: ArrayView3<f32>| -> Array3<f64> {
            let image = image.mapv(f64::from);
            let mut map = direct::conv3x3(image.view(), kernel.view(), bias.view(), keep);
            direct::relu(&mut map);
            if self.pool { direct::max_pool2x2(map.view()) } else { map }
        };
        let maps: Vec<_> =
            self.input.outer_iter().map(|map| layer(map).insert_axis(Axis(0))).collect();
        concatenate(Axis(0), &maps.iter().map(|map| map.view()).collect::<Vec<_>>()).unwrap()
    }

    fn winograd(&self, isa: InstructionSet, schedule: Schedule, keep: Extent) -> Array4<f32> {
        let mut layer = Winograd::new(self.kernel.view(), self.bias.view(), isa);
        layer.schedule = schedule;
        let (mut output, mut scratch) = (Maps::default(), Scratch::default());
        let input = Maps::from_array(self.input.view());
        layer.forward(&input, keep, self.pool, &mut output, &mut scratch);
        output.to_array()
    }

    fn shallow(&self, isa: InstructionSet, keep: Extent) -> Array4<f32> {
        let layer = RgbConv::new(self.kernel.view(), self.bias.view(), isa);
        let mut output = Maps::default();
        layer.forward(self.input.view(), keep, &mut output);
        output.to_array()
    }
}

fn relative_error(got: &Array4<f32>, expected: &Array4<f64>) -> f64 {
    let norm = |map: &Array4<f64>| map.iter().map(|x| x * x).sum::<f64>().sqrt();
    let norm_expected = norm(expected);
    norm(&(got.mapv(f64::from) - expected)) / if norm_expected > 0.0 { norm_expected } else { 1.0 }
}

fn vgg_shapes_agree(isa: InstructionSet, schedule: Schedule) {
    for (side, inputs, outputs, pool) in VGG {
        for images in [1, 5] {
            let case = Case::new(images, Extent::square(side), inputs, outputs, pool);
            let got = case.winograd(isa, schedule, case.extent());
            let error = relative_error(&got, &case.direct(case.extent()));
            assert!(error < 2e-6, "{side} {inputs} {outputs}: {error:e}");
        }
    }
}

fn random_shapes_agree(isa: InstructionSet, schedule: Schedule) {
    let shape = (1..3_usize, 1..14_usize, 1..14_usize, 1..40_usize, 1..40_usize, any::<bool>());
    let config = ProptestConfig { cases: 24, failure_persistence: None, ..Default::default() };
    proptest!(config, |((images, rows, cols, inputs, outputs, pool) in shape, cut in 0..4_usize)| {
        let case = Case::new(images, Extent { rows, cols }, inputs, outputs, pool);
        let keep = Extent { rows: rows.saturating_sub(cut).max(1), cols };
        let error = relative_error(&case.winograd(isa, schedule, keep), &case.direct(keep));
        // Looser than for whole layers: with few cells above zero after ReLU, the relative
        // error is larger.
        prop_assert!(error < 1e-5, "{error:e}");
    });
}

fn results_do_not_depend_on_batches_and_threads(isa: InstructionSet, schedule: Schedule) {
    let case = Case::new(5, Extent { rows: 13, cols: 18 }, 24, 40, false);
    let all = case.winograd(isa, schedule, case.extent());
    for threads in [1, 2, 5] {
        let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        assert_eq!(pool.install(|| case.winograd(isa, schedule, case.extent())), all);
    }
    for i in 0..5 {
        let input = case.input.slice(s![i..=i, .., .., ..]).to_owned();
        let single =
            Case { input, kernel: case.kernel.clone(), bias: case.bias.clone(), pool: false };
        let single = single.winograd(isa, schedule, case.extent());
        assert_eq!(single, all.slice(s![i..=i, .., .., ..]));
    }
}

fn nan_and_infinity_are_propagated(isa: InstructionSet, schedule: Schedule) {
    for (pool, value) in [(false, f32::NAN), (true, f32::NAN), (false, f32::INFINITY)] {
        let mut case = Case::new(1, Extent::square(10), 20, 20, pool);
        case.input[[0, 6, 5, 17]] = value;
        let got = case.winograd(isa, schedule, case.extent());
        let expected = case.direct(case.extent());
        assert!(expected.iter().any(|x| !x.is_finite()) && got.iter().any(|x| x.is_finite()));
        for (got, expected) in got.iter().zip(&expected) {
            assert!(expected.is_finite() || !got.is_finite(), "{expected} became {got}");
        }
    }
}

fn denormals_are_kept(isa: InstructionSet, schedule: Schedule) {
    let mut case = Case::new(1, Extent::square(8), 16, 16, false);
    case.input.mapv_inplace(|x| x * 1e-39);
    case.bias.fill(0.0);
    let got = case.winograd(isa, schedule, case.extent());
    assert!(relative_error(&got, &case.direct(case.extent())) < 1e-3);
    assert!(got.iter().any(|&x| x > 0.0));
}

/// Small enough for Miri: see [`crate::conv`].
fn tiny(isa: InstructionSet, schedule: Schedule) {
    for pool in [false, true] {
        let case = Case::new(2, Extent { rows: 5, cols: 6 }, 3, 18, pool);
        let keep = Extent { rows: 5, cols: 4 };
        let error = relative_error(&case.winograd(isa, schedule, keep), &case.direct(keep));
        assert!(error < 1e-6, "{error:e}");
    }
}

fn images(isa: InstructionSet) {
    for (rows, cols, outputs) in [(28, 29, 64), (1, 1, 5), (9, 17, 33), (40, 31, 16)] {
        for (images, cut) in [(1, 0), (5, 1)] {
            let case = Case::new(images, Extent { rows, cols }, 3, outputs, false);
            let keep = Extent { rows, cols: cols.saturating_sub(cut).max(1) };
            let error = relative_error(&case.shallow(isa, keep), &case.direct(keep));
            assert!(error < 1e-6, "{rows} {cols} {outputs}: {error:e}");
        }
    }
}

/// Fused and separate computation of the first two layers give bit-identical maps.
fn stem(isa: InstructionSet) {
    for (rows, cols, cut, pool) in [(40, 224, 0, true), (29, 37, 3, true), (13, 18, 1, false)] {
        let first = Case::new(2, Extent { rows, cols }, 3, 20, false);
        let second = Case::new(1, Extent::square(1), 20, 33, pool);
        let stem = RgbConv::new(first.kernel.view(), first.bias.view(), isa);
        let layer = Winograd::new(second.kernel.view(), second.bias.view(), isa);
        let between = Extent { rows: rows - cut, cols: cols - cut };
        let keep = Extent { rows: between.rows - cut, cols: between.cols };
        let (mut maps, mut expected, mut got) = Default::default();
        stem.forward(first.input.view(), between, &mut maps);
        layer.forward(&maps, keep, pool, &mut expected, &mut Scratch::default());
        layer.forward_after(&stem, first.input.view(), between, keep, pool, &mut got);
        assert_eq!(got.to_array(), expected.to_array(), "{rows} {cols}");
    }
}

/// Tests of one kernel; they pass without running if the processor lacks its instructions.
macro_rules! suite {
    ($name:ident, $isa:expr, $($schedule:expr)?) => {
        mod $name {
            use super::*;

            suite!(@tests $isa, $($schedule)?);
        }
    };
    (@tests $isa:expr, ) => {
        suite!(@test images, $isa,);
        suite!(@test stem, $isa,);
    };
    (@tests $isa:expr, $schedule:expr) => {
        suite!(@test tiny, $isa, $schedule);
        suite!(@test vgg_shapes_agree, $isa, $schedule);
        suite!(@test random_shapes_agree, $isa, $schedule);
        suite!(@test results_do_not_depend_on_batches_and_threads, $isa, $schedule);
        suite!(@test nan_and_infinity_are_propagated, $isa, $schedule);
        suite!(@test denormals_are_kept, $isa, $schedule);
    };
    (@test $test:ident, $isa:expr, $($schedule:expr)?) => {
        #[test]
        fn $test() {
            if $isa.is_supported() {
                super::$test($isa, $($schedule)?);
            }
        }
    };
}

suite!(fused_avx512, InstructionSet::Avx512, Schedule::Fused);
suite!(fused_avx2, InstructionSet::Avx2, Schedule::Fused);
suite!(fused_portable, InstructionSet::Portable, Schedule::Fused);
suite!(staged_avx512, InstructionSet::Avx512, Schedule::Staged);
suite!(staged_avx2, InstructionSet::Avx2, Schedule::Staged);
suite!(staged_portable, InstructionSet::Portable, Schedule::Staged);
suite!(images_avx512, InstructionSet::Avx512,);
suite!(images_avx2, InstructionSet::Avx2,);
suite!(images_portable, InstructionSet::Portable,);
