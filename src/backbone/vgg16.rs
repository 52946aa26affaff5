//! The VGG16 network: its layers and its forward pass.

use std::{
    mem,
    sync::{Mutex, PoisonError},
};

use ndarray::{Array2, Array3, Array4, ArrayView3, ArrayView4, Axis};
use rayon::prelude::*;

use super::{Pooling, Weights};
use crate::conv::{Algorithm, Engine, Extent, Maps, RgbConv, Scratch, Winograd, direct};

/// Description of a 3x3 SAME convolution with ReLU and an optional 2x2 max pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerSpec {
    /// Layer name in Keras.
    pub name: &'static str,
    /// Number of input channels.
    pub inputs: usize,
    /// Number of output channels.
    pub outputs: usize,
    /// True if a 2x2 max pool with stride 2 follows.
    pub pool: bool,
}

/// Layers of VGG16 without its top (Simonyan & Zisserman 2015, configuration D).
#[rustfmt::skip]
pub const LAYERS: [LayerSpec; 13] = [
    LayerSpec { name: "block1_conv1", inputs:   3, outputs:  64, pool: false },
    LayerSpec { name: "block1_conv2", inputs:  64, outputs:  64, pool: true  },
    LayerSpec { name: "block2_conv1", inputs:  64, outputs: 128, pool: false },
    LayerSpec { name: "block2_conv2", inputs: 128, outputs: 128, pool: true  },
    LayerSpec { name: "block3_conv1", inputs: 128, outputs: 256, pool: false },
    LayerSpec { name: "block3_conv2", inputs: 256, outputs: 256, pool: false },
    LayerSpec { name: "block3_conv3", inputs: 256, outputs: 256, pool: true  },
    LayerSpec { name: "block4_conv1", inputs: 256, outputs: 512, pool: false },
    LayerSpec { name: "block4_conv2", inputs: 512, outputs: 512, pool: false },
    LayerSpec { name: "block4_conv3", inputs: 512, outputs: 512, pool: true  },
    LayerSpec { name: "block5_conv1", inputs: 512, outputs: 512, pool: false },
    LayerSpec { name: "block5_conv2", inputs: 512, outputs: 512, pool: false },
    LayerSpec { name: "block5_conv3", inputs: 512, outputs: 512, pool: true  },
];

/// Options of [`Vgg16`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Pooling in [`Vgg16::pooled`]; only the pooled region is computed.
    pub pooling: Pooling,
    /// Algorithm and instruction set of the convolutions.
    pub engine: Engine,
}

/// VGG16 without its top, with weights prepared for the convolution engine.
#[derive(Debug)]
pub struct Vgg16 {
    layers: Layers,
    pooling: Pooling,
}

#[derive(Debug)]
enum Layers {
    Direct(Weights),
    Winograd { first: RgbConv, others: Vec<Winograd>, memory: Mutex<Vec<Memory>> },
}

/// Feature maps and scratch memory, reused for later images and batches.
#[derive(Debug, Default)]
struct Memory {
    from: Maps,
    to: Maps,
    scratch: Scratch,
    /// Output of the per-image layers for a batch.
    batch: Maps,
    /// True if used for batches, which need the most memory.
    large: bool,
}

/// Number of layers, from the first, that process one image per thread: their maps are large
/// and stay in the cache, and the threads need not synchronise.
const PER_IMAGE_LAYERS: usize = 7;

/// Number of images that the other layers process together, because their kernels are large.
const BATCH_SIZE: usize = 8;

impl Vgg16 {
    /// Number of channels of the last maps.
    pub const CHANNELS: usize = 512;

    /// Number of pixel rows (or columns), from the first, in the receptive field of the first
    /// `cells` rows (or columns) of the last maps of an image of `side` x `side` pixels.
    ///
    /// The receptive field of a cell is 212 x 212 pixels; neighbouring cells are 32 pixels apart
    /// (Araujo et al. 2019, doi:10.23915/distill.00021). The 4 of 7 cells that the tutorial
    /// pools are affected by 218 of 224 rows and columns.
    pub fn reach(cells: usize, side: usize) -> usize {
        let image = Extent::square(side);
        let [first, ..] = extents(image, Extent::square(cells), true);
        first.before_conv(image).rows
    }

    /// Prepares `weights` for the engine given in `options`.
    ///
    /// # Panics
    /// If the processor does not support [`Engine::isa`].
    pub fn new(weights: &Weights, options: Options) -> Self {
        let Engine { algorithm, isa } = options.engine;
        let layers = match algorithm {
            Algorithm::Direct => Layers::Direct(weights.clone()),
            Algorithm::Winograd => {
                let [first, others @ ..] = weights.layers() else { unreachable!("13 layers") };
                let others = others.iter();
                Layers::Winograd {
                    first: RgbConv::new(first.kernel.view(), first.bias.view(), isa),
                    others: others
                        .map(|layer| Winograd::new(layer.kernel.view(), layer.bias.view(), isa))
                        .collect(),
                    memory: Mutex::default(),
                }
            }
        };
        Self { layers, pooling: options.pooling }
    }

    /// Computes the features of the head: the last maps of `images` [n, rows, cols, 3], pooled
    /// by [`Options::pooling`]. Returns [n, 512].
    ///
    /// The images are RGB with preprocessed values (the tutorial scales to [0, 1]). `rows` and
    /// `cols` are multiples of 32; VGG16 was trained with 224.
    ///
    /// # Panics
    /// If the images do not have this shape.
    pub fn pooled(&self, images: ArrayView4<f32>) -> Array2<f32> {
        let whole = Extent { rows: images.dim().1 / 32, cols: images.dim().2 / 32 };
        let maps = self.run(images, self.pooling.reads(whole), true);
        self.pooling.apply(maps.view())
    }

    /// Computes the whole maps after the last pool, [n, rows / 32, cols / 32, 512].
    ///
    /// # Panics
    /// As [`Vgg16::pooled`].
    pub fn maps(&self, images: ArrayView4<f32>) -> Array4<f32> {
        let (_, rows, cols, _) = images.dim();
        self.run(images, Extent { rows: rows / 32, cols: cols / 32 }, true)
    }

    /// Computes the whole maps of the last convolution after ReLU, before the pool,
    /// [n, rows / 16, cols / 16, 512]. Used by Grad-CAM.
    ///
    /// # Panics
    /// As [`Vgg16::pooled`].
    pub fn last_conv_maps(&self, images: ArrayView4<f32>) -> Array4<f32> {
        let (_, rows, cols, _) = images.dim();
        self.run(images, Extent { rows: rows / 16, cols: cols / 16 }, false)
    }

    /// Computes the `keep` corner of the last maps, after the last pool if `last_pool`,
    /// otherwise before it.
    fn run(&self, images: ArrayView4<f32>, keep: Extent, last_pool: bool) -> Array4<f32> {
        let (n, rows, cols, channels) = images.dim();
        assert!(rows % 32 == 0 && cols % 32 == 0 && channels == 3, "images are [n, 32r, 32c, 3]");
        let plan = extents(Extent { rows, cols }, keep, last_pool);
        let mut maps = Array4::zeros((n, keep.rows, keep.cols, Self::CHANNELS));
        let pools = |i: usize| LAYERS[i].pool && (last_pool || i + 1 < LAYERS.len());
        let output_extent = |i: usize| if pools(i) { plan[i].after_pool() } else { plan[i] };
        match &self.layers {
            Layers::Direct(weights) => {
                for (image, mut map) in images.outer_iter().zip(maps.outer_iter_mut()) {
                    map.assign(&run_direct(weights, image, &plan, pools));
                }
            }
            Layers::Winograd { first, others, memory } => {
                let lock_memory = || memory.lock().unwrap_or_else(PoisonError::into_inner);
                let take_memory = || lock_memory().pop().unwrap_or_default();
                let take_large_memory = || {
                    let mut memories = lock_memory();
                    let large = memories.iter().position(|memory| memory.large);
                    large
                        .map(|i| memories.swap_remove(i))
                        .or_else(|| memories.pop())
                        .unwrap_or_default()
                };
                let layer = |i: usize, Memory { from, to, scratch, .. }: &mut Memory| {
                    others[i - 1].forward(from, plan[i], pools(i), to, scratch);
                    mem::swap(from, to);
                };
                let (extent, channels) =
                    (output_extent(PER_IMAGE_LAYERS - 1), LAYERS[PER_IMAGE_LAYERS - 1].outputs);
                let batches = images.axis_chunks_iter(Axis(0), BATCH_SIZE);
                for (images, mut maps) in
                    batches.zip(maps.axis_chunks_iter_mut(Axis(0), BATCH_SIZE))
                {
                    let mut large_memory = take_large_memory();
                    let mut batch = mem::take(&mut large_memory.batch);
                    lock_memory().push(large_memory);
                    let slots = batch.slots(images.len_of(Axis(0)), extent, channels);
                    let images = images.axis_chunks_iter(Axis(0), 1).into_par_iter();
                    images.with_max_len(1).zip(slots).for_each(|(image, slot)| {
                        let mut memory = take_memory();
                        let second = &others[0];
                        second.forward_after(
                            first,
                            image,
                            plan[0],
                            plan[1],
                            pools(1),
                            &mut memory.from,
                        );
                        (2..PER_IMAGE_LAYERS).for_each(|i| layer(i, &mut memory));
                        slot.fill(&memory.from);
                        lock_memory().push(memory);
                    });
                    let mut large_memory = take_large_memory();
                    let Memory { from, scratch, .. } = &mut large_memory;
                    others[PER_IMAGE_LAYERS - 1].forward(
                        &batch,
                        plan[PER_IMAGE_LAYERS],
                        pools(PER_IMAGE_LAYERS),
                        from,
                        scratch,
                    );
                    (PER_IMAGE_LAYERS + 1..LAYERS.len()).for_each(|i| layer(i, &mut large_memory));
                    maps.assign(&large_memory.from.to_array());
                    lock_memory().push(Memory { batch, large: true, ..large_memory });
                }
            }
        }
        maps
    }
}

fn run_direct(
    weights: &Weights,
    image: ArrayView3<f32>,
    plan: &[Extent],
    pools: impl Fn(usize) -> bool,
) -> Array3<f32> {
    let mut map = image.to_owned();
    for (i, (layer, &keep)) in weights.layers().iter().zip(plan).enumerate() {
        map = direct::conv3x3(map.view(), layer.kernel.view(), layer.bias.view(), keep);
        direct::relu(&mut map);
        if pools(i) {
            map = direct::max_pool2x2(map.view());
        }
    }
    map
}

/// Corner of the output of each convolution, before its pool, that is needed for the `keep`
/// corner of the last maps. `image` is the size of the images.
fn extents(image: Extent, keep: Extent, last_pool: bool) -> [Extent; LAYERS.len()] {
    let mut plan = [keep; LAYERS.len()];
    let mut whole = Extent { rows: image.rows / 32, cols: image.cols / 32 };
    let mut needed = keep;
    for (i, spec) in LAYERS.iter().enumerate().rev() {
        if spec.pool {
            whole = whole.before_pool();
            if last_pool || i + 1 < LAYERS.len() {
                needed = needed.before_pool();
            }
        }
        plan[i] = needed;
        needed = needed.before_conv(whole);
    }
    plan
}

#[cfg(test)]
mod tests {
    use ndarray::{Array, ArrayView, Dimension, s};
    use safetensors::tensor::TensorView;

    use super::*;
    use crate::backbone::reference;

    #[test]
    fn receptive_fields_extend_beyond_the_pooled_cells() {
        // (212 - 1) / 2 pixels beyond the center of cell 3, which is at 15.5 + 3 * 32.
        assert_eq!(Vgg16::reach(4, 224), 218);
        assert_eq!(Vgg16::reach(7, 224), 224);
    }

    fn relative_error<D: Dimension>(got: &Array<f32, D>, expected: &ArrayView<f32, D>) -> f64 {
        let square = |x: f32| f64::from(x) * f64::from(x);
        let difference: f64 = (got - expected).iter().map(|&x| square(x)).sum();
        (difference / expected.iter().map(|&x| square(x)).sum::<f64>()).sqrt()
    }

    /// Released weights, two test images, and their last maps computed by Keras.
    fn keras() -> (Weights, Array4<f32>, Array4<f32>) {
        let (images, test) = reference::images();
        let maps = reference::array("features.npz", "maps_test");
        (reference::weights(), images.select(Axis(0), &test[..2]), maps)
    }

    #[test]
    #[cfg_attr(not(shared), ignore = "needs ../shared")]
    fn features_of_radiographs_equal_keras() {
        let (weights, images, expected) = keras();
        let expected = expected.slice(s![..2, .., .., ..]);
        let net = Vgg16::new(&weights, Options::default());
        let error = relative_error(&net.maps(images.view()), &expected);
        assert!(error < 1e-5, "{error:e}");
        let pooled = Pooling::Tutorial.apply(expected);
        let error = relative_error(&net.pooled(images.view()), &pooled.view());
        assert!(error < 1e-5, "{error:e}");
    }

    #[test]
    #[cfg_attr(not(shared), ignore = "needs ../shared")]
    fn direct_and_winograd_agree() {
        let weights = reference::weights();
        let image = Array4::from_shape_fn((1, 64, 32, 3), |(_, y, x, c)| {
            ((7 * y + 13 * x + 29 * c) % 256) as f32 / 255.0
        });
        let [direct, winograd] = [Algorithm::Direct, Algorithm::Winograd].map(|algorithm| {
            let engine = Engine { algorithm, ..Engine::default() };
            Vgg16::new(&weights, Options { engine, ..Options::default() })
        });
        let expected = direct.last_conv_maps(image.view());
        assert_eq!(expected.dim(), (1, 4, 2, 512));
        let error = relative_error(&winograd.last_conv_maps(image.view()), &expected.view());
        assert!(error < 1e-5, "{error:e}");
    }

    /// Pseudorandom weights.
    fn random_weights() -> Weights {
        let mut state = 1_u32;
        let mut next = |size: f32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            size * (f64::from(state) as f32 / 2_f32.powi(31) - 1.0)
        };
        let mut tensors = Vec::new();
        for spec in LAYERS {
            let shapes =
                [("kernel", vec![3, 3, spec.inputs, spec.outputs]), ("bias", vec![spec.outputs])];
            for (part, shape) in shapes {
                let size = (6.0 / (9 * spec.inputs) as f32).sqrt();
                let data: Vec<u8> =
                    (0..shape.iter().product()).flat_map(|_| next(size).to_le_bytes()).collect();
                tensors.push((format!("{}.{part}", spec.name), shape, data));
            }
        }
        let views = tensors.iter().map(|(name, shape, data)| {
            (name, TensorView::new(safetensors::Dtype::F32, shape.clone(), data).unwrap())
        });
        Weights::from_safetensors(&safetensors::serialize(views, None).unwrap()).unwrap()
    }

    /// Bit-identical with the direct algorithm. A Winograd tile at the border of the region
    /// also contains cells outside, so its rounding differs.
    #[test]
    fn pooled_features_equal_those_of_whole_maps() {
        let weights = random_weights();
        let images = Array4::from_shape_fn((2, 160, 192, 3), |(n, y, x, c)| {
            ((7 * y + 13 * x + 29 * c + 31 * n) % 256) as f32 / 255.0
        });
        for algorithm in Algorithm::ALL {
            let engine = Engine { algorithm, ..Engine::default() };
            let net = Vgg16::new(&weights, Options { engine, ..Options::default() });
            let images = match algorithm {
                Algorithm::Direct => images.slice(s![..1, .., ..160, ..]),
                Algorithm::Winograd => images.view(),
            };
            let whole = Pooling::Tutorial.apply(net.maps(images).view());
            let region = net.pooled(images);
            assert!(whole.iter().any(|&x| x > 0.0));
            match algorithm {
                Algorithm::Direct => assert_eq!(region, whole),
                Algorithm::Winograd => {
                    let error = relative_error(&region, &whole.view());
                    assert!(error < 1e-6, "{error:e}");
                }
            }
        }
    }

    #[test]
    fn only_the_needed_corner_of_each_map_is_computed() {
        let plan = extents(Extent::square(224), Extent::square(4), true);
        let sides = [217, 216, 107, 106, 52, 51, 50, 24, 23, 22, 10, 9, 8];
        assert_eq!(plan, sides.map(Extent::square));
        let plan = extents(Extent::square(224), Extent::square(14), false);
        let sides = [224, 224, 112, 112, 56, 56, 56, 28, 28, 28, 14, 14, 14];
        assert_eq!(plan, sides.map(Extent::square));
    }
}
