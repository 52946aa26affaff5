use std::{
    mem,
    sync::{Mutex, PoisonError},
};

use ndarray::{Array2, Array3, Array4, ArrayView3, ArrayView4, Axis};
use rayon::prelude::*;

use super::{Pooling, Weights};
use crate::conv::{Algorithm, Engine, Extent, Maps, Scratch, Shallow, Winograd, direct};

/// One convolution of a net: 3x3, SAME, ReLU, and perhaps a 2x2 max pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerSpec {
    /// Keras' name.
    pub name: &'static str,
    /// Channels read.
    pub inputs: usize,
    /// Channels written.
    pub outputs: usize,
    /// Whether a 2x2 max pool of stride 2 follows.
    pub pool: bool,
}

/// VGG16 without its top (Simonyan & Zisserman 2015, configuration D).
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

/// How a net is run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// How [`Vgg16::pooled`] reads the last maps; only what it reads is computed.
    pub pooling: Pooling,
    /// Which of the convolution engine's paths to take.
    pub engine: Engine,
}

/// VGG16 without its top, its weights prepared for the engine.
#[derive(Debug)]
pub struct Vgg16 {
    layers: Layers,
    pooling: Pooling,
}

#[derive(Debug)]
enum Layers {
    Direct(Weights),
    Winograd { first: Shallow, others: Vec<Winograd>, memory: Mutex<Vec<Memory>> },
}

/// What an image or a batch passes through, kept for the next.
#[derive(Debug, Default)]
struct Memory {
    from: Maps,
    to: Maps,
    scratch: Scratch,
    /// Where the images of a batch meet.
    batch: Maps,
    /// Whether batches pass through it, which makes it the largest.
    large: bool,
}

/// So many layers see each image alone, side by side: its maps are large and stay
/// in the cache, and cores need not wait for each other.
const ALONE: usize = 7;

/// So many images pass through the others together: their kernels are large.
const BATCH: usize = 8;

impl Vgg16 {
    /// Channels of the last maps.
    pub const CHANNELS: usize = 512;

    /// Rows (or columns) of pixels, counted from the first, that act on the first
    /// `cells` rows (or columns) of the last maps of an image of `side` pixels.
    ///
    /// A cell's receptive field has 212 pixels a side and the cells are 32 pixels apart
    /// (Araujo et al. 2019, doi:10.23915/distill.00021): the tutorial's 4 cells of 7 are
    /// acted on by 218 of 224 rows and columns.
    pub fn reach(cells: usize, side: usize) -> usize {
        let image = Extent::square(side);
        let [first, ..] = extents(image, Extent::square(cells), true);
        first.before_conv(image).rows
    }

    /// Prepares `weights` to be run as `options` say.
    ///
    /// # Panics
    /// If the processor lacks [`Engine::isa`].
    pub fn new(weights: &Weights, options: Options) -> Self {
        let Engine { algorithm, isa } = options.engine;
        let layers = match algorithm {
            Algorithm::Direct => Layers::Direct(weights.clone()),
            Algorithm::Winograd => {
                let [first, others @ ..] = weights.layers() else { unreachable!("13 layers") };
                let others = others.iter();
                Layers::Winograd {
                    first: Shallow::new(first.kernel.view(), first.bias.view(), isa),
                    others: others
                        .map(|layer| Winograd::new(layer.kernel.view(), layer.bias.view(), isa))
                        .collect(),
                    memory: Mutex::default(),
                }
            }
        };
        Self { layers, pooling: options.pooling }
    }

    /// The features that the head reads: the last maps of `images`
    /// [n, side, side, 3], pooled as [`Options::pooling`] says, [n, 512].
    ///
    /// The images are RGB, as the net was asked to see them (the tutorial
    /// scales to 0..1); `side` is a multiple of 32, VGG's own is 224.
    ///
    /// # Panics
    /// If the images have another shape.
    pub fn pooled(&self, images: ArrayView4<f32>) -> Array2<f32> {
        let whole = Extent { rows: images.dim().1 / 32, cols: images.dim().2 / 32 };
        let maps = self.run(images, self.pooling.reads(whole), true);
        self.pooling.apply(maps.view())
    }

    /// The last maps, after the last pool, whole: [n, side / 32, side / 32, 512].
    ///
    /// # Panics
    /// As [`Vgg16::pooled`].
    pub fn maps(&self, images: ArrayView4<f32>) -> Array4<f32> {
        let (_, rows, cols, _) = images.dim();
        self.run(images, Extent { rows: rows / 32, cols: cols / 32 }, true)
    }

    /// The last convolution's maps after ReLU and before the pool, whole:
    /// [n, side / 16, side / 16, 512]. Grad-CAM reads them.
    ///
    /// # Panics
    /// As [`Vgg16::pooled`].
    pub fn last_conv(&self, images: ArrayView4<f32>) -> Array4<f32> {
        let (_, rows, cols, _) = images.dim();
        self.run(images, Extent { rows: rows / 16, cols: cols / 16 }, false)
    }

    /// The `keep` corner of the last maps, after the last pool or before it.
    fn run(&self, images: ArrayView4<f32>, keep: Extent, last_pool: bool) -> Array4<f32> {
        let (n, rows, cols, channels) = images.dim();
        assert!(rows % 32 == 0 && cols % 32 == 0 && channels == 3, "images are [n, 32r, 32c, 3]");
        let plan = extents(Extent { rows, cols }, keep, last_pool);
        let mut maps = Array4::zeros((n, keep.rows, keep.cols, Self::CHANNELS));
        let pools = |i: usize| LAYERS[i].pool && (last_pool || i + 1 < LAYERS.len());
        let made = |i: usize| if pools(i) { plan[i].after_pool() } else { plan[i] };
        match &self.layers {
            Layers::Direct(weights) => {
                for (image, mut map) in images.outer_iter().zip(maps.outer_iter_mut()) {
                    map.assign(&run_direct(weights, image, &plan, pools));
                }
            }
            Layers::Winograd { first, others, memory } => {
                let lock = || memory.lock().unwrap_or_else(PoisonError::into_inner);
                let take = || lock().pop().unwrap_or_default();
                let take_large = || {
                    let mut memory = lock();
                    let large = memory.iter().position(|memory| memory.large);
                    large
                        .map(|i| memory.swap_remove(i))
                        .or_else(|| memory.pop())
                        .unwrap_or_default()
                };
                let layer = |i: usize, Memory { from, to, scratch, .. }: &mut Memory| {
                    others[i - 1].forward(from, plan[i], pools(i), to, scratch);
                    mem::swap(from, to);
                };
                let (extent, channels) = (made(ALONE - 1), LAYERS[ALONE - 1].outputs);
                let batches = images.axis_chunks_iter(Axis(0), BATCH);
                for (images, mut maps) in batches.zip(maps.axis_chunks_iter_mut(Axis(0), BATCH)) {
                    let mut held = take_large();
                    let mut batch = mem::take(&mut held.batch);
                    lock().push(held);
                    let places = batch.places(images.len_of(Axis(0)), extent, channels);
                    let images = images.axis_chunks_iter(Axis(0), 1).into_par_iter();
                    images.with_max_len(1).zip(places).for_each(|(image, place)| {
                        let mut alone = take();
                        let second = &others[0];
                        second.forward_after(
                            first,
                            image,
                            plan[0],
                            plan[1],
                            pools(1),
                            &mut alone.from,
                        );
                        (2..ALONE).for_each(|i| layer(i, &mut alone));
                        place.fill(&alone.from);
                        lock().push(alone);
                    });
                    let mut held = take_large();
                    let Memory { from, scratch, .. } = &mut held;
                    others[ALONE - 1].forward(&batch, plan[ALONE], pools(ALONE), from, scratch);
                    (ALONE + 1..LAYERS.len()).for_each(|i| layer(i, &mut held));
                    maps.assign(&held.from.to_array());
                    lock().push(Memory { batch, large: true, ..held });
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

/// How much of each convolution's output, before its pool, must be computed
/// from images of size `image` for the `keep` corner of the last maps.
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
    fn receptive_fields_reach_beyond_the_pooled_cells() {
        // (212 - 1) / 2 pixels beyond the centre of cell 3, which is 15.5 + 3 * 32.
        assert_eq!(Vgg16::reach(4, 224), 218);
        assert_eq!(Vgg16::reach(7, 224), 224);
    }

    fn relative_error<D: Dimension>(got: &Array<f32, D>, expected: &ArrayView<f32, D>) -> f64 {
        let square = |x: f32| f64::from(x) * f64::from(x);
        let difference: f64 = (got - expected).iter().map(|&x| square(x)).sum();
        (difference / expected.iter().map(|&x| square(x)).sum::<f64>()).sqrt()
    }

    /// The released weights, the test films, their last maps by Keras.
    fn keras() -> (Weights, Array4<f32>, Array4<f32>) {
        let (films, test) = reference::films();
        let maps = reference::array("features.npz", "maps_test");
        (reference::weights(), films.select(Axis(0), &test[..2]), maps)
    }

    #[test]
    #[cfg_attr(not(shared), ignore = "needs ../shared")]
    fn real_films_have_the_features_that_keras_finds() {
        let (weights, films, expected) = keras();
        let expected = expected.slice(s![..2, .., .., ..]);
        let net = Vgg16::new(&weights, Options::default());
        let error = relative_error(&net.maps(films.view()), &expected);
        assert!(error < 1e-5, "{error:e}");
        let pooled = Pooling::Tutorial.apply(expected);
        let error = relative_error(&net.pooled(films.view()), &pooled.view());
        assert!(error < 1e-5, "{error:e}");
    }

    #[test]
    #[cfg_attr(not(shared), ignore = "needs ../shared")]
    fn the_direct_path_agrees_on_a_small_image() {
        let weights = reference::weights();
        let image = Array4::from_shape_fn((1, 64, 32, 3), |(_, y, x, c)| {
            ((7 * y + 13 * x + 29 * c) % 256) as f32 / 255.0
        });
        let [direct, winograd] = [Algorithm::Direct, Algorithm::Winograd].map(|algorithm| {
            let engine = Engine { algorithm, ..Engine::default() };
            Vgg16::new(&weights, Options { engine, ..Options::default() })
        });
        let expected = direct.last_conv(image.view());
        assert_eq!(expected.dim(), (1, 4, 2, 512));
        let error = relative_error(&winograd.last_conv(image.view()), &expected.view());
        assert!(error < 1e-5, "{error:e}");
    }

    /// Small numbers that no layer's pattern repeats, as a file of weights.
    fn random() -> Weights {
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

    /// Bit for bit where each output is a sum of its own; a Winograd tile at the
    /// region's rim shares its sums with cells outside, so those round differently.
    #[test]
    fn what_the_head_sees_is_the_same_in_whole_maps() {
        let weights = random();
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
    fn the_tutorial_leaves_out_a_border_that_grows_towards_the_image() {
        let plan = extents(Extent::square(224), Extent::square(4), true);
        let sides = [217, 216, 107, 106, 52, 51, 50, 24, 23, 22, 10, 9, 8];
        assert_eq!(plan, sides.map(Extent::square));
        let plan = extents(Extent::square(224), Extent::square(14), false);
        let sides = [224, 224, 112, 112, 56, 56, 56, 28, 28, 28, 14, 14, 14];
        assert_eq!(plan, sides.map(Extent::square));
    }
}
