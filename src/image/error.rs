//! Error of image decoding.

use ::image::error::ImageError;
use thiserror::Error;

/// Reason why [`decode`](super::decode()) failed. The caller adds the path.
#[derive(Debug, Error)]
pub enum DecodeError {
    /// The file has no bytes.
    #[error("the file is empty")]
    Empty,
    /// The content does not start like any image format.
    #[error("not an image: the content has no known format")]
    NotAnImage,
    /// The file ends too early.
    #[error("truncated {format}: the file ends before the picture does")]
    Truncated {
        /// Name of the format, such as `JPEG`.
        format: &'static str,
    },
    /// More pixels than [`MAX_PIXELS`](super::MAX_PIXELS), or than take
    /// [`MAX_MEMORY`](super::MAX_MEMORY).
    #[error("{width} x {height} pixels exceed the limit of {limit} pixels")]
    TooLarge {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// Maximum number of pixels.
        limit: u64,
    },
    /// An image of a format or variant that is not supported.
    #[error("unsupported {format}: {what}")]
    Unsupported {
        /// Name of the format.
        format: &'static str,
        /// The unsupported property, with advice.
        what: String,
    },
    /// A DICOM file that is not a radiograph: a directory, a report, a slice.
    #[error("not a radiograph: {what}")]
    NotARadiograph {
        /// Kind of the file.
        what: &'static str,
    },
    /// A file of an image without its pixels.
    #[error("no pixels: {what}")]
    NoPixels {
        /// Content of the file.
        what: &'static str,
    },
    /// The content contradicts itself.
    #[error("corrupt {format}: {what}")]
    Contradictory {
        /// Name of the format.
        format: &'static str,
        /// The contradiction.
        what: &'static str,
    },
}

impl DecodeError {
    /// Converts an error of the `image` crate, whose text describes types of the library and not
    /// the file.
    pub(super) fn from_image(format: &'static str, error: &ImageError) -> Self {
        match error {
            ImageError::IoError(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => {
                Self::Truncated { format }
            }
            ImageError::Unsupported(_) => {
                let what =
                    "a variant that is not supported; convert it: `magick FILE x.png`".to_owned();
                Self::Unsupported { format, what }
            }
            ImageError::Limits(_) => {
                Self::Contradictory { format, what: "it needs more memory than its size states" }
            }
            _ => Self::Contradictory { format, what: "its data are damaged" },
        }
    }
}
