use std::{fmt, str::FromStr};

use serde::Serialize;
use thiserror::Error;

/// An environment variable that asks for an engine this machine or program does not have.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum EngineError {
    /// The value is not one of the choices.
    #[error("`{variable}` is `{got}`, expected one of {choices}")]
    Unknown {
        /// `CXR_CONV` or `CXR_ISA`.
        variable: &'static str,
        /// What it holds.
        got: String,
        /// What it may hold.
        choices: String,
    },
    /// The processor lacks the instructions.
    #[error("`{variable}` is `{got}`, but this processor has only {choices}")]
    Unsupported {
        /// `CXR_ISA`.
        variable: &'static str,
        /// The instruction set asked for.
        got: Isa,
        /// The instruction sets it has.
        choices: String,
    },
}

/// How a convolution is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Algorithm {
    /// Nine multiplications an output, as the definition says: the reference.
    Direct,
    /// F(4x4, 3x3): 36 multiplications for 16 outputs (Lavin & Gray 2016).
    Winograd,
}

/// The instruction set that the Winograd kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isa {
    /// x86-64 with AVX-512 F.
    Avx512,
    /// x86-64 with AVX2 and FMA.
    Avx2,
    /// Plain Rust, on any processor.
    Portable,
}

impl Algorithm {
    /// Every algorithm, the reference first.
    pub const ALL: [Self; 2] = [Self::Direct, Self::Winograd];
}

impl Isa {
    /// Every instruction set, the fastest first.
    pub const ALL: [Self; 3] = [Self::Avx512, Self::Avx2, Self::Portable];

    /// Whether this processor has it.
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

    /// The fastest that this processor has.
    pub fn best() -> Self {
        let supported = Self::ALL.into_iter().find(|isa| isa.is_supported());
        supported.expect("portable is always supported")
    }
}

/// Which of the engine's paths to take. The default is the fastest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Engine {
    /// How convolutions are computed.
    pub algorithm: Algorithm,
    /// With which instructions; [`Algorithm::Direct`] does without.
    pub isa: Isa,
}

impl Default for Engine {
    fn default() -> Self {
        Self { algorithm: Algorithm::Winograd, isa: Isa::best() }
    }
}

impl Engine {
    /// The fastest engine, unless `CXR_CONV` (`direct`, `winograd`) or `CXR_ISA`
    /// (`avx512`, `avx2`, `portable`) force another.
    ///
    /// # Errors
    /// A value that is no choice, or an instruction set that the processor lacks.
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
            let supported = Isa::ALL.into_iter().filter(|isa| isa.is_supported());
            let choices = listed(supported);
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

impl fmt::Display for Isa {
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
        named("CXR_CONV", text, Self::ALL)
    }
}

impl FromStr for Isa {
    type Err = EngineError;

    fn from_str(text: &str) -> Result<Self, EngineError> {
        named("CXR_ISA", text, Self::ALL)
    }
}

fn named<T: Copy + fmt::Display, const N: usize>(
    variable: &'static str,
    text: &str,
    all: [T; N],
) -> Result<T, EngineError> {
    let found = all.into_iter().find(|choice| choice.to_string() == text);
    found.ok_or_else(|| EngineError::Unknown {
        variable,
        got: text.to_owned(),
        choices: listed(all.into_iter()),
    })
}

fn listed<T: fmt::Display>(choices: impl Iterator<Item = T>) -> String {
    choices.map(|choice| format!("`{choice}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::{Algorithm, Engine, Isa};

    #[test]
    fn the_default_is_the_fastest() {
        let engine = Engine { algorithm: Algorithm::Winograd, isa: Isa::best() };
        assert_eq!(Engine::from_values(None, None), Ok(engine));
    }

    #[test]
    fn a_path_can_be_forced() {
        let engine = Engine { algorithm: Algorithm::Direct, isa: Isa::Portable };
        assert_eq!(Engine::from_values(Some("direct"), Some("portable")), Ok(engine));
    }

    #[test]
    fn a_bad_value_names_the_choices() {
        let error = Engine::from_values(Some("fft"), None).unwrap_err();
        let text = "`CXR_CONV` is `fft`, expected one of `direct`, `winograd`";
        assert_eq!(error.to_string(), text);
        let error = Engine::from_values(None, Some("sse9")).unwrap_err();
        let text = "`CXR_ISA` is `sse9`, expected one of `avx512`, `avx2`, `portable`";
        assert_eq!(error.to_string(), text);
    }
}
