//! The ways in which a file can fail to be an image.

use ::image::error::ImageError;
use thiserror::Error;

/// Why [`decode`](super::decode()) could not turn bytes into an image. The caller
/// knows the path and adds it.
#[derive(Debug, Error)]
pub enum DecodeError {
    /// No bytes at all.
    #[error("the file is empty")]
    Empty,
    /// The content starts like no image format, whatever the file is called.
    #[error("not an image: the content is of no known format")]
    NotAnImage,
    /// The content starts well and stops early.
    #[error("truncated {format}: the file ends before the picture does")]
    Truncated {
        /// Name of the format, such as `JPEG`.
        format: &'static str,
    },
    /// More pixels than [`MAX_PIXELS`](super::MAX_PIXELS), or than take
    /// [`MAX_MEMORY`](super::MAX_MEMORY).
    #[error("{width} x {height} pixels are more than the {limit} allowed")]
    TooLarge {
        /// Pixels in a row.
        width: u32,
        /// Rows.
        height: u32,
        /// As many are allowed.
        limit: u64,
    },
    /// An image, but of a format or variant that is not read.
    #[error("unsupported {format}: {what}")]
    Unsupported {
        /// Name of the format.
        format: &'static str,
        /// What is not read.
        what: String,
    },
    /// A file of an image's format that holds none: a directory, a report, a slice.
    #[error("no image: {what}")]
    NotARadiograph {
        /// What it is.
        what: &'static str,
    },
    /// A file of an image's format that holds no pixels, though it should.
    #[error("no pixels: {what}")]
    NoPixels {
        /// What there is instead.
        what: &'static str,
    },
    /// The content contradicts itself.
    #[error("corrupt {format}: {what}")]
    Contradictory {
        /// Name of the format.
        format: &'static str,
        /// What is wrong with it.
        what: &'static str,
    },
}

impl DecodeError {
    /// Sorts an error of the `image` crate; its words speak of the library's types, not of the
    /// file.
    pub(super) fn from_image(format: &'static str, error: &ImageError) -> Self {
        match error {
            ImageError::IoError(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => {
                Self::Truncated { format }
            }
            ImageError::Unsupported(_) => {
                let what = "a variant that is not read; convert it: `magick FILE x.png`".to_owned();
                Self::Unsupported { format, what }
            }
            ImageError::Limits(_) => {
                Self::Contradictory { format, what: "it needs more memory than its size says" }
            }
            _ => Self::Contradictory { format, what: "its data are damaged" },
        }
    }
}
