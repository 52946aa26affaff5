//! Choice of the convolution algorithm and the instruction set.

use std::{fmt, str::FromStr};

use serde::Serialize;
use thiserror::Error;

/// Invalid value of `CXR_CONV` or `CXR_ISA`.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum EngineError {
    /// The value is unknown.
    #[error("`{variable}` is `{got}`, expected one of {choices}")]
    Unknown {
        /// `CXR_CONV` or `CXR_ISA`.
        variable: &'static str,
        /// Its value.
        got: String,
        /// Valid values.
        choices: String,
    },
    /// The processor does not support the instruction set.
    #[error("`{variable}` is `{got}`, but this processor supports only {choices}")]
    Unsupported {
        /// `CXR_ISA`.
        variable: &'static str,
        /// Requested instruction set.
        got: InstructionSet,
        /// Supported instruction sets.
        choices: String,
    },
}

/// Algorithm of the 3x3 convolutions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Algorithm {
    /// By definition: 9 multiplications per output and input channel. The reference.
    Direct,
    /// Winograd F(4x4, 3x3): 36 multiplications per 16 outputs (Lavin & Gray 2016).
    Winograd,
}

/// Instruction set of the Winograd kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstructionSet {
    /// x86-64 with AVX-512 F.
    Avx512,
    /// x86-64 with AVX2 and FMA.
    Avx2,
    /// Plain Rust, on any processor.
    Portable,
}

impl Algorithm {
    /// All algorithms, the reference first.
    pub const ALL: [Self; 2] = [Self::Direct, Self::Winograd];
}

impl InstructionSet {
    /// All instruction sets, the fastest first.
    pub const ALL: [Self; 3] = [Self::Avx512, Self::Avx2, Self::Portable];

    /// Returns true if this processor supports the instruction set.
    pub fn is_supported(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => is_x86_feature_detected!("avx512f"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx512 | Self::Avx2 => false,
            Self::Portable => true,
        }
    }

    /// Fastest instruction set that this processor supports.
    pub fn best() -> Self {
        let supported = Self::ALL.into_iter().find(|isa| isa.is_supported());
        supported.expect("portable is always supported")
    }
}

/// Algorithm and instruction set of the convolutions. The default is the fastest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Engine {
    /// Algorithm of the convolutions.
    pub algorithm: Algorithm,
    /// Instruction set; ignored by [`Algorithm::Direct`].
    pub isa: InstructionSet,
}

impl Default for Engine {
    fn default() -> Self {
        Self { algorithm: Algorithm::Winograd, isa: InstructionSet::best() }
    }
}

impl Engine {
    /// Fastest engine, unless `CXR_CONV` (`direct`, `winograd`) or `CXR_ISA` (`avx512`,
    /// `avx2`, `portable`) selects another.
    ///
    /// # Errors
    /// If a value is unknown, or the processor does not support the instruction set.
    pub fn from_env() -> Result<Self, EngineError> {
        let value = |name| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
        Self::from_values(value("CXR_CONV").as_deref(), value("CXR_ISA").as_deref())
    }

    fn from_values(conv: Option<&str>, isa: Option<&str>) -> Result<Self, EngineError> {
        let mut engine = Self::default();
        if let Some(conv) = conv {
            engine.algorithm = conv.parse()?;
        }
        if let Some(isa) = isa {
            engine.isa = isa.parse()?;
        }
        if !engine.isa.is_supported() {
            let supported = InstructionSet::ALL.into_iter().filter(|isa| isa.is_supported());
            let choices = join_quoted(supported);
            return Err(EngineError::Unsupported { variable: "CXR_ISA", got: engine.isa, choices });
        }
        Ok(engine)
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Direct => "direct",
            Self::Winograd => "winograd",
        })
    }
}

impl fmt::Display for InstructionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Avx512 => "avx512",
            Self::Avx2 => "avx2",
            Self::Portable => "portable",
        })
    }
}

impl FromStr for Algorithm {
    type Err = EngineError;

    fn from_str(text: &str) -> Result<Self, EngineError> {
        parse_choice("CXR_CONV", text, Self::ALL)
    }
}

impl FromStr for InstructionSet {
    type Err = EngineError;

    fn from_str(text: &str) -> Result<Self, EngineError> {
        parse_choice("CXR_ISA", text, Self::ALL)
    }
}

fn parse_choice<T: Copy + fmt::Display, const N: usize>(
    variable: &'static str,
    text: &str,
    all: [T; N],
) -> Result<T, EngineError> {
    let found = all.into_iter().find(|choice| choice.to_string() == text);
    found.ok_or_else(|| EngineError::Unknown {
        variable,
        got: text.to_owned(),
        choices: join_quoted(all.into_iter()),
    })
}

fn join_quoted<T: fmt::Display>(choices: impl Iterator<Item = T>) -> String {
    choices.map(|choice| format!("`{choice}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::{Algorithm, Engine, InstructionSet};

    #[test]
    fn the_default_is_the_fastest_engine() {
        let engine = Engine { algorithm: Algorithm::Winograd, isa: InstructionSet::best() };
        assert_eq!(Engine::from_values(None, None), Ok(engine));
    }

    #[test]
    fn the_engine_can_be_selected() {
        let engine = Engine { algorithm: Algorithm::Direct, isa: InstructionSet::Portable };
        assert_eq!(Engine::from_values(Some("direct"), Some("portable")), Ok(engine));
    }

    #[test]
    fn an_unknown_value_lists_the_choices() {
        let error = Engine::from_values(Some("fft"), None).unwrap_err();
        let text = "`CXR_CONV` is `fft`, expected one of `direct`, `winograd`";
        assert_eq!(error.to_string(), text);
        let error = Engine::from_values(None, Some("sse9")).unwrap_err();
        let text = "`CXR_ISA` is `sse9`, expected one of `avx512`, `avx2`, `portable`";
        assert_eq!(error.to_string(), text);
    }
}
