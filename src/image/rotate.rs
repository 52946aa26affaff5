//! Conversion of 8-bit pixels to the network's input: scaling, and rotation as in Keras.

use std::array::from_fn;

/// Channels of a pixel: red, green, blue.
const CHANNELS: usize = 3;

/// Scales 0..=255 to 0..=1: `pixel / 255` in `f32`.
///
/// # Panics
///
/// If the slices differ in length.
pub fn scale(pixels: &[u8], out: &mut [f32]) {
    assert_eq!(pixels.len(), out.len(), "one output per sample");
    for (out, &pixel) in out.iter_mut().zip(pixels) {
        *out = f32::from(pixel) / 255.0;
    }
}

/// The two axes of an image `[side, side, 3]` in whose plane [`rotate`] rotates.
///
/// Keras' `apply_affine_transform` takes the axes as arguments; its defaults are for images with
/// the channels first. On images with the channels last, the defaults rotate in the plane of width
/// and channel, which does not rotate the image: pixels move sideways, by up to 29 of 224 at 15
/// degrees, and the outer channels replace the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plane {
    /// Height and width: the image rotates about its centre, counter-clockwise on a screen for
    /// positive angles. `row_axis=0, col_axis=1, channel_axis=2`, as in Keras'
    /// `ImageDataGenerator`.
    HeightWidth,
    /// Width and channel, in each row: `row_axis=1, col_axis=2, channel_axis=0`, the defaults of
    /// `apply_affine_transform`.
    WidthChannel,
}

/// Rotates a square RGB image by `degrees` and scales it to 0..=1.
///
/// `pixels` and `out` are `[side, side, 3]`. Equal, within 1e-6, to Keras'
/// `apply_affine_transform(pixels / 255, theta=degrees, fill_mode="nearest", order=1)` with the
/// axes of `plane`: each output sample is interpolated bilinearly at its source point, and points
/// outside use the nearest sample of the border.
///
/// # Panics
///
/// If a slice is not `side * side * 3` long, or `side` is 0.
pub fn rotate(pixels: &[u8], side: usize, degrees: f64, plane: Plane, out: &mut [f32]) {
    assert_eq!(pixels.len(), side * side * CHANNELS, "three samples per pixel");
    assert_eq!(pixels.len(), out.len(), "one output per sample");
    match plane {
        Plane::HeightWidth => rotate_plane::<CHANNELS>(pixels, [side; 2], degrees, out),
        Plane::WidthChannel => {
            let row = side * CHANNELS;
            for (pixels, out) in pixels.chunks_exact(row).zip(out.chunks_exact_mut(row)) {
                rotate_plane::<1>(pixels, [side, CHANNELS], degrees, out);
            }
        }
    }
}

/// Rotates a plane of `[rows, columns]` cells, each of `N` samples that move together.
fn rotate_plane<const N: usize>(
    cells: &[u8],
    [rows, columns]: [usize; 2],
    degrees: f64,
    out: &mut [f32],
) {
    let cells = cells.as_chunks::<N>().0;
    let (sin, cos) = degrees.to_radians().sin_cos();
    let (bottom, right) = ((rows - 1) as f64, (columns - 1) as f64);
    // Keras exchanges the coordinates of the centre, which matters if the plane is not square.
    let (centre_y, centre_x) = (right / 2.0, bottom / 2.0);
    for (i, out) in out.chunks_exact_mut(columns * N).enumerate() {
        let dy = i as f64 - centre_y;
        for (j, out) in out.as_chunks_mut::<N>().0.iter_mut().enumerate() {
            let dx = j as f64 - centre_x;
            let y = (centre_y + cos * dy + sin * dx).clamp(0.0, bottom);
            let x = (centre_x - sin * dy + cos * dx).clamp(0.0, right);
            let (top, left) = (y as usize, x as usize);
            let (below, next) = ((top + 1).min(rows - 1), (left + 1).min(columns - 1));
            let (fy, fx) = ((y - top as f64) as f32, (x - left as f64) as f32);
            let cell = |y: usize, x: usize| cells[y * columns + x].map(f32::from);
            let (a, b) = (cell(top, left), cell(top, next));
            let (c, d) = (cell(below, left), cell(below, next));
            *out = from_fn(|i| {
                let upper = a[i] + (b[i] - a[i]) * fx;
                let lower = c[i] + (d[i] - c[i]) * fx;
                (upper + (lower - upper) * fy) / 255.0
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::testing::{golden, noise, npz};
    use crate::testing::shared;

    fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
        assert_eq!(a.len(), b.len());
        a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
    }

    #[test]
    fn scale_divides_by_255() {
        let mut out = [0.0; 4];
        scale(&[0, 51, 128, 255], &mut out);
        assert_eq!(out, [0.0, 0.2, 128.0 / 255.0, 1.0]);
    }

    #[test]
    fn rotation_by_0_degrees_equals_scale() {
        let image = noise(9, 9, 3);
        let pixels = image.as_slice().unwrap();
        let (mut scaled, mut rotated) = (vec![0.0; pixels.len()], vec![0.0; pixels.len()]);
        scale(pixels, &mut scaled);
        for plane in [Plane::HeightWidth, Plane::WidthChannel] {
            rotate(pixels, 9, 0.0, plane, &mut rotated);
            assert_eq!(rotated, scaled);
        }
    }

    #[test]
    fn equals_keras_on_small_images_in_both_planes() {
        for case in golden("image_rotate.json").as_array().unwrap() {
            let side = case["side"].as_u64().unwrap() as usize;
            let plane = match case["plane"].as_str().unwrap() {
                "height-width" => Plane::HeightWidth,
                _ => Plane::WidthChannel,
            };
            let expected: Vec<f32> = serde_json::from_value(case["rotated"].clone()).unwrap();
            let image = noise(side, side, 3);
            let mut out = vec![f32::NAN; image.len()];
            let degrees = case["degrees"].as_f64().unwrap();
            rotate(image.as_slice().unwrap(), side, degrees, plane, &mut out);
            let difference = largest_difference(&out, &expected);
            assert!(difference < 1e-6, "{side}, {plane:?}, {degrees}: {difference}");
        }
    }

    #[test]
    #[cfg_attr(not(shared), ignore = "needs ../shared")]
    fn equals_the_reference_rotations() {
        let reference = shared("reference");
        let images: Vec<u8> = npz(reference.join("images_u8.npz"), "images");
        let angles: Vec<f64> = npz(reference.join("rotations.npz"), "angles");
        let rotated: Vec<f32> = npz(reference.join("rotations.npz"), "rotated");
        let side = 224;
        let mut out = vec![0.0; side * side * CHANNELS];
        for (&angle, expected) in angles.iter().zip(rotated.chunks_exact(out.len())) {
            rotate(&images[..out.len()], side, angle, Plane::WidthChannel, &mut out);
            let difference = largest_difference(&out, expected);
            assert!(difference < 1e-4, "{angle}: {difference}");
        }
        assert_eq!(angles.len(), 4);
    }
}
