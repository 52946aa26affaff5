//! Setting that states which value of an image of more than 8 bits is white.

use std::fmt;
use std::str::FromStr;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// Conversion of samples of more than 8 bits to 8-bit levels. Samples of 8 bits do not depend on
/// it, nor does DICOM, whose header states the display of its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(into = "String")]
pub enum Depth {
    /// The bits of the file: of 16 bits the upper 8 are kept, as in OpenCV.
    #[default]
    File,
    /// The range of the values of each image without outliers ([`UsualRange`](super::outliers::UsualRange)): the smallest
    /// becomes 0, the largest 255.
    Range,
    /// A number of bits, 8 to 16: the upper 8 of them are kept; larger values become 255.
    Bits(u32),
}

impl FromStr for Depth {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match (text, text.parse()) {
            ("file", _) => Ok(Self::File),
            ("range", _) => Ok(Self::Range),
            (_, Ok(bits @ 8..=16)) => Ok(Self::Bits(bits)),
            _ => Err(format!(
                "the depth is `file`, `range` or a number of bits from 8 to 16, not `{text}`"
            )),
        }
    }
}

impl<'de> Deserialize<'de> for Depth {
    /// Reads a text, or a number of bits as an integer: `depth = 12` in `pipeline.toml`.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrBits;

        impl Visitor<'_> for TextOrBits {
            type Value = Depth;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"file\", \"range\" or a number of bits from 8 to 16")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Depth, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_i64<E: de::Error>(self, bits: i64) -> Result<Depth, E> {
                self.visit_str(&bits.to_string())
            }

            fn visit_u64<E: de::Error>(self, bits: u64) -> Result<Depth, E> {
                self.visit_str(&bits.to_string())
            }
        }

        deserializer.deserialize_any(TextOrBits)
    }
}

impl From<Depth> for String {
    fn from(depth: Depth) -> Self {
        depth.to_string()
    }
}

impl fmt::Display for Depth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File => write!(f, "file"),
            Self::Range => write!(f, "range"),
            Self::Bits(bits) => write!(f, "{bits}"),
        }
    }
}

/// Depth with which an image is read, and its origin, which decides the advice in messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChosenDepth {
    /// Conversion to 8 bits.
    pub(super) depth: Depth,
    /// True for the depth of a bundle's training images, which is no setting.
    is_of_bundle: bool,
}

impl From<Depth> for ChosenDepth {
    fn from(depth: Depth) -> Self {
        Self { depth, is_of_bundle: false }
    }
}

impl ChosenDepth {
    /// Depth of the training images of a bundle.
    pub fn of_bundle(depth: Depth) -> Self {
        Self { depth, is_of_bundle: true }
    }

    /// Origin of the depth in messages.
    pub(super) fn origin(self) -> &'static str {
        if self.is_of_bundle { "the model's training images" } else { "the setting `depth`" }
    }

    /// Returns the words before another `depth` in messages.
    pub(super) fn model(self) -> &'static str {
        if self.is_of_bundle { "a model trained with " } else { "" }
    }

    /// Returns advice for an image whose values use only `bits` bits.
    pub(super) fn advice(self, bits: u32) -> String {
        match self.is_of_bundle {
            false => format!("see the setting `depth` (\"{bits}\" or \"range\")"),
            true => format!(
                "convert it, or use a model trained with `depth = \"{bits}\"` or \
                 `depth = \"range\"`"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_is_written_as_it_is_read() {
        for text in ["file", "range", "8", "12", "16"] {
            assert_eq!(text.parse::<Depth>().unwrap().to_string(), text);
        }
        for text in ["", "7", "17", "auto", "12.5"] {
            assert!(text.parse::<Depth>().unwrap_err().contains("8 to 16"), "{text}");
        }
    }

    #[test]
    fn depth_may_be_an_integer_in_a_pipeline_file() {
        #[derive(Debug, Deserialize)]
        struct Table {
            depth: Depth,
        }
        let read = |text: &str| toml::from_str::<Table>(text);
        for (text, depth) in [
            ("depth = 12", Depth::Bits(12)),
            ("depth = \"12\"", Depth::Bits(12)),
            ("depth = \"range\"", Depth::Range),
        ] {
            assert_eq!(read(text).unwrap().depth, depth, "{text}");
        }
        for text in ["depth = 7", "depth = -1", "depth = 12.5", "depth = true"] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains("number of bits from 8 to 16"), "{text}: {error}");
        }
        // Bundles store the depth as text in JSON.
        assert_eq!(serde_json::to_string(&Depth::Bits(12)).unwrap(), "\"12\"");
        assert_eq!(serde_json::from_str::<Depth>("12").unwrap(), Depth::Bits(12));
    }
}
