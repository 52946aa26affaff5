use ndarray::{Array2, Array3, Array4, ArrayView3, ArrayView4, Axis};

use super::{Pooling, Weights};
use crate::conv::{Engine, Extent, direct};

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
    weights: Weights,
    options: Options,
}

impl Vgg16 {
    /// Channels of the last maps.
    pub const CHANNELS: usize = 512;

    /// Prepares `weights` to be run as `options` say.
    pub fn new(weights: &Weights, options: Options) -> Self {
        Self { weights: weights.clone(), options }
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
        let maps = self.run(images, self.options.pooling.reads(whole), true);
        self.options.pooling.apply(maps.view())
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
        for (image, mut map) in images.axis_iter(Axis(0)).zip(maps.axis_iter_mut(Axis(0))) {
            map.assign(&self.run_direct(image, &plan, last_pool));
        }
        maps
    }

    fn run_direct(&self, image: ArrayView3<f32>, plan: &[Extent], last_pool: bool) -> Array3<f32> {
        let mut map = image.to_owned();
        for (i, (layer, &keep)) in self.weights.layers().iter().zip(plan).enumerate() {
            map = direct::conv3x3(map.view(), layer.kernel.view(), layer.bias.view(), keep);
            direct::relu(&mut map);
            if LAYERS[i].pool && (last_pool || i + 1 < LAYERS.len()) {
                map = direct::max_pool2x2(map.view());
            }
        }
        map
    }
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
    use ndarray::{Array, ArrayView, Dimension, Ix4, s};

    use super::*;
    use crate::backbone::reference;

    fn relative_error<D: Dimension>(got: &Array<f32, D>, expected: &ArrayView<f32, D>) -> f64 {
        let square = |x: f32| f64::from(x) * f64::from(x);
        let difference: f64 = (got - expected).iter().map(|&x| square(x)).sum();
        (difference / expected.iter().map(|&x| square(x)).sum::<f64>()).sqrt()
    }

    #[test]
    fn the_reference_path_equals_keras_on_a_film() {
        let Some(weights) = reference::weights() else { return };
        let Some((films, test)) = reference::films() else { return };
        let Some(maps) = reference::array::<f32, Ix4>("features.npz", "maps_test") else { return };
        let net = Vgg16::new(&weights, Options::default());
        let got = net.maps(films.slice(s![test[0]..=test[0], .., .., ..]));
        let error = relative_error(&got, &maps.slice(s![..1, .., .., ..]));
        assert!(error < 1e-5, "{error:e}");
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
