//! Images as pixels: decode, resize, rotate.
//!
//! An image goes through three steps, each equal to what the Python world does:
//!
//! 1. [`decode()`]: any file to 8-bit grey or RGB, as OpenCV's `imread` reads it, or, of
//!    DICOM, as pydicom does;
//! 2. [`resize()`]: to the net's side, as OpenCV's `resize` does, bit for bit;
//! 3. [`scale`] or [`rotate()`]: to the net's `f32` in 0..=1, rotated as Keras does.
//!
//! Grey images stay one channel through step 2, which saves two thirds of the
//! work and changes no bit, since both steps treat channels alike.

mod decode;
mod dicom;
pub mod encode;
mod error;
mod format;
mod frames;
mod jpeg;
mod levels;
mod mask;
mod outliers;
mod png;
mod resize;
mod rotate;
mod samples;
mod tiff;
mod trailer;

pub use decode::{MAX_MEMORY, MAX_PIXELS, decode, decode_admitted, is_picture};
pub use dicom::{Patient, Tags, is_dicom};
pub use error::DecodeError;
pub use levels::CONSTANT;
pub use mask::{Part, centre};
pub use resize::resize;
pub use rotate::{Plane, rotate, scale};
pub use samples::Depth;

use ndarray::{Array3, Axis};

/// A decoded image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// `[height, width, channels]`, 0..=255; one channel for grey images, else
    /// three in the order red, green, blue. The EXIF orientation is applied.
    pub pixels: Array3<u8>,
    /// How the file stores a pixel, in Pillow's words (`L`, `RGB`, `RGBA`, `P`,
    /// `CMYK`, `1`), with the bits a sample appended where these are not 8 (`L16`;
    /// `L10` and `L12` of DICOM).
    pub mode: &'static str,
    /// What its header says of it, if it is DICOM.
    pub tags: Option<Box<Tags>>,
    /// Doubts about the decoding, each a clause for the selection log and for warnings:
    /// `the window lies outside all values; the range of the values is used`. Empty for a
    /// file that says all and is read as it says.
    pub notes: Vec<String>,
}

impl Image {
    /// Rows of pixels.
    pub fn height(&self) -> usize {
        self.pixels.len_of(Axis(0))
    }

    /// Pixels in a row.
    pub fn width(&self) -> usize {
        self.pixels.len_of(Axis(1))
    }

    /// The image at `height` x `width` as RGB, `[height, width, 3]`: [`resize()`]
    /// first, then grey copied to three channels.
    pub fn to_rgb(&self, height: usize, width: usize) -> Array3<u8> {
        let resized = resize(self.pixels.view(), height, width);
        if resized.len_of(Axis(2)) == 3 {
            return resized;
        }
        let rgb = resized.iter().flat_map(|&grey| [grey; 3]).collect();
        Array3::from_shape_vec((height, width, 3), rgb).expect("three samples a grey pixel")
    }
}

/// Fixtures shared by the tests of this module.
#[cfg(test)]
mod testing;
