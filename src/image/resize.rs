//! Bilinear resize, bit for bit equal to OpenCV's `resize` with `INTER_LINEAR` on 8-bit pixels.
//!
//! The centre of a pixel is at its index + 1/2. Along each axis, an output pixel is interpolated
//! between two neighbours at any scale (shrinking does not average), with weights in units of
//! 2^-11. Rows are interpolated along x, then along y, and rounded as in OpenCV's SIMD code: to 15
//! bits after x, to 10 bits in each product along y, to 8 bits at the end. Source rows that no
//! output row needs are skipped.

use ndarray::{Array3, ArrayView3, s};

/// The weight 1 in fixed point.
const ONE: i16 = 1 << 11;

/// Resizes `[h, w, c]` to `[height, width, c]` without keeping the aspect ratio.
///
/// Equal to `cv2.resize(image, (width, height))` in every bit, also at exactly
/// half the size, where OpenCV averages 2 x 2 pixels instead.
///
/// # Panics
///
/// If `image` has no pixels and the output has some.
///
/// # Examples
///
/// ```
/// let image = ndarray::Array3::<u8>::from_elem((480, 640, 3), 7);
/// let small = cxr::image::resize(image.view(), 224, 224);
/// assert_eq!((small.dim(), small[[0, 0, 0]]), ((224, 224, 3), 7));
/// ```
pub fn resize(image: ArrayView3<u8>, height: usize, width: usize) -> Array3<u8> {
    let (h, w, channels) = image.dim();
    if (h, w) == (height, width) {
        return image.to_owned();
    }
    if (h, w) == (2 * height, 2 * width) {
        return halve(image);
    }
    let image = image.as_standard_layout();
    let source = image.as_slice().expect("standard layout");
    let columns = taps(w, width, Border::Weight);
    let line = width * channels;
    let mut out = Vec::with_capacity(height * line);
    // The two interpolated rows in use, each with the index of its source row.
    let mut mixed = [(usize::MAX, vec![0; line]), (usize::MAX, vec![0; line])];
    for row in taps(h, height, Border::Index) {
        if mixed[1].0 == row.index[0] {
            mixed.swap(0, 1);
        }
        for (&index, (made_from, mixed)) in row.index.iter().zip(&mut mixed) {
            if *made_from != index {
                let pixels = &source[index * w * channels..][..w * channels];
                match channels {
                    1 => mix_columns(pixels, &columns, 1, mixed),
                    3 => mix_columns(pixels, &columns, 3, mixed),
                    _ => mix_columns(pixels, &columns, channels, mixed),
                }
                *made_from = index;
            }
        }
        let [above, below] = row.weight;
        let rows = mixed[0].1.iter().zip(&mixed[1].1);
        out.extend(rows.map(|(&a, &b)| ((product(above, a) + product(below, b) + 2) >> 2) as u8));
    }
    Array3::from_shape_vec((height, width, channels), out).expect("a row of pixels per tap")
}

/// The upper half of a 32-bit product.
fn product(a: i16, b: i16) -> i16 {
    ((i32::from(a) * i32::from(b)) >> 16) as i16
}

/// Interpolates one source row along x, to 15 bits per sample. Inlined so that the usual numbers of
/// channels are constants.
#[inline(always)]
fn mix_columns(pixels: &[u8], columns: &[Tap], channels: usize, out: &mut [i16]) {
    for (out, tap) in out.chunks_exact_mut(channels).zip(columns) {
        let left = &pixels[tap.index[0] * channels..][..channels];
        let right = &pixels[tap.index[1] * channels..][..channels];
        let [a, b] = tap.weight.map(i32::from);
        for ((out, &l), &r) in out.iter_mut().zip(left).zip(right) {
            *out = ((i32::from(l) * a + i32::from(r) * b) >> 4) as i16;
        }
    }
}

/// Source indices and weights of an output pixel along one axis.
struct Tap {
    index: [usize; 2],
    weight: [i16; 2],
}

/// Treatment of taps outside the image: along x, the border pixel gets the whole weight; along y,
/// it is read twice. The results differ by a rounding.
#[derive(PartialEq)]
enum Border {
    Weight,
    Index,
}

/// Returns the taps that resize an axis from `from` to `to` pixels.
fn taps(from: usize, to: usize, border: Border) -> Vec<Tap> {
    let scale = 1.0 / (to as f64 / from as f64);
    let last = from.saturating_sub(1);
    let tap = |pixel: usize| {
        let position = ((pixel as f64 + 0.5) * scale - 0.5) as f32;
        let floor = position.floor();
        let inside = floor >= 0.0 && (floor as usize) < last;
        let first = (floor as usize).min(last);
        if border == Border::Weight && !inside {
            return Tap { index: [first; 2], weight: [ONE, 0] };
        }
        let fraction = position - floor;
        let weight = |proportion: f32| (proportion * f32::from(ONE)).round_ties_even() as i16;
        let second = ((floor + 1.0) as usize).min(last);
        Tap { index: [first, second], weight: [weight(1.0 - fraction), weight(fraction)] }
    };
    (0..to).map(tap).collect()
}

/// Halves both axes: the rounded mean of 2 x 2 pixels.
fn halve(image: ArrayView3<u8>) -> Array3<u8> {
    let corner = |y, x| image.slice_move(s![y..;2, x..;2, ..]).mapv(u16::from);
    let sum = corner(0, 0) + corner(0, 1) + corner(1, 0) + corner(1, 1);
    sum.mapv(|sum| ((sum + 2) >> 2) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::testing::{golden, noise};
    use sha2::{Digest, Sha256};

    #[test]
    fn equals_opencv_on_many_sizes() {
        let cases = golden("image_resize.json");
        for case in cases.as_array().unwrap() {
            let size = |key: &str| {
                let size: [usize; 3] = serde_json::from_value(case[key].clone()).unwrap();
                size
            };
            let ([h, w, c], [height, width, _]) = (size("from"), size("to"));
            let resized = resize(noise(h, w, c).view(), height, width);
            let hash = Sha256::digest(resized.as_slice().unwrap());
            let hex: String = hash[..8].iter().map(|b| format!("{b:02x}")).collect();
            assert_eq!(hex, case["sha256"].as_str().unwrap(), "{case}");
        }
        assert!(cases.as_array().unwrap().len() > 200);
    }

    #[test]
    fn resizing_grey_equals_resizing_its_rgb_copy() {
        let grey = noise(123, 77, 1);
        let rgb = grey.broadcast((123, 77, 3)).unwrap();
        let image =
            crate::image::Image { pixels: grey.clone(), mode: "L", tags: None, notes: Vec::new() };
        assert_eq!(image.to_rgb(224, 224), resize(rgb, 224, 224));
    }

    #[test]
    fn a_flat_image_stays_flat() {
        for value in [0, 1, 127, 128, 254, 255] {
            let image = Array3::from_elem((301, 97, 1), value);
            assert!(resize(image.view(), 224, 224).iter().all(|&v| v == value), "{value}");
        }
    }
}
