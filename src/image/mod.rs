//! Image processing: decode, resize, rotate.
//!
//! An image goes through three steps, each equal to a Python library:
//!
//! 1. [`decode()`]: any file to 8-bit grey or RGB, as OpenCV's `imread`, or pydicom for DICOM;
//! 2. [`resize()`]: to the side of the network's input, bit for bit as OpenCV's `resize`;
//! 3. [`scale`] or [`rotate()`]: to the network's input, `f32` in 0..=1, rotated as in Keras.
//!
//! Grey images keep one channel through step 2. This saves two thirds of the work and changes no
//! value, since the steps treat channels alike.

mod decode;
mod depth;
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
pub use depth::{ChosenDepth, Depth};
pub use dicom::{Patient, Tags, is_dicom};
pub use error::DecodeError;
pub use format::objection_to_raw_values;
pub use levels::CONSTANT;
pub use mask::{Part, centre};
pub use resize::resize;
pub use rotate::{Plane, rotate, scale};

use ndarray::{Array3, Axis};

/// A decoded image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// `[height, width, channels]`, 0..=255; one channel for grey images, else red, green and blue.
    /// The EXIF orientation is applied.
    pub pixels: Array3<u8>,
    /// Storage of a pixel in the file, in Pillow's terms (`L`, `RGB`, `RGBA`, `P`, `CMYK`, `1`),
    /// with the bits per sample appended if not 8 (`L16`; `L10` and `L12` for DICOM).
    pub mode: &'static str,
    /// Facts from the header of a DICOM file.
    pub tags: Option<Box<Tags>>,
    /// Contradictions of the file and assumptions of the decoder, each a clause for the selection
    /// log and for warnings: `BitsAllocated is missing: 16 is used`. Empty for a consistent file.
    pub notes: Vec<String>,
}

impl Image {
    /// Height in pixels.
    pub fn height(&self) -> usize {
        self.pixels.len_of(Axis(0))
    }

    /// Width in pixels.
    pub fn width(&self) -> usize {
        self.pixels.len_of(Axis(1))
    }

    /// Resizes to `height` x `width` and converts to RGB, `[height, width, 3]`. Grey is copied to
    /// three channels after [`resize()`].
    pub fn to_rgb(&self, height: usize, width: usize) -> Array3<u8> {
        let resized = resize(self.pixels.view(), height, width);
        if resized.len_of(Axis(2)) == 3 {
            return resized;
        }
        let rgb = resized.iter().flat_map(|&grey| [grey; 3]).collect();
        Array3::from_shape_vec((height, width, 3), rgb).expect("three samples per grey pixel")
    }
}

/// Fixtures shared by the tests of this module.
#[cfg(test)]
mod testing;
