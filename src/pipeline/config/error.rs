//! Errors of pipeline files and `--set`.

use std::path::PathBuf;

/// Error of a pipeline file or of `--set`.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the pipeline file `{}`", path.display())]
    Unreadable {
        /// Path of the file.
        path: PathBuf,
        /// Error of the system.
        source: std::io::Error,
    },
    /// The text is not valid TOML.
    #[error("`{origin}` is not valid TOML")]
    Syntax {
        /// The file, or `the built-in pipeline`.
        origin: String,
        /// Error with its position.
        source: Box<toml::de::Error>,
    },
    /// A key that no stage reads.
    #[error("unknown key `{key}` in `{origin}`{}", nearest.as_ref().map(|n| format!("; did you mean `{n}`?")).unwrap_or_default())]
    UnknownKey {
        /// The key with its tables.
        key: String,
        /// The file, `--set`, or `the built-in pipeline`.
        origin: String,
        /// Most similar known key.
        nearest: Option<String>,
    },
    /// A key in the wrong place.
    #[error("`{key}` in `{origin}` {problem}")]
    Misplaced {
        /// The key with its tables.
        key: String,
        /// The file, `--set`, or `the built-in pipeline`.
        origin: String,
        /// Problem, as the end of a sentence.
        problem: &'static str,
        /// Hint with the correct place.
        hint: String,
    },
    /// A value of the wrong type or sign.
    #[error("`{key}` in `{origin}` is {got}, expected {expected}")]
    Type {
        /// The key with its tables.
        key: String,
        /// The file, `--set`, or `the built-in pipeline`.
        origin: String,
        /// Expected type, with its article.
        expected: &'static str,
        /// Given type or value.
        got: String,
    },
    /// A value that the stage cannot use.
    #[error("`{key}` in `{origin}` has an invalid value")]
    Value {
        /// Key or table.
        key: String,
        /// The file, `--set`, or `the built-in pipeline`.
        origin: String,
        /// Error of the value.
        source: Box<toml::de::Error>,
    },
    /// A `--set` without a value.
    #[error("`--set {item}` has no value")]
    NoValue {
        /// Argument of `--set`.
        item: String,
    },
    /// An unknown profile.
    #[error("no profile `{name}` in `{origin}`; the profiles are {}", known.join(", "))]
    UnknownProfile {
        /// Name of the profile.
        name: String,
        /// The file, or `the built-in pipeline`.
        origin: String,
        /// Profiles of the file.
        known: Vec<String>,
    },
}

impl ConfigError {
    /// Hint on what the user can do.
    pub fn hint(&self) -> String {
        match self {
            Self::Misplaced { hint, .. } => hint.clone(),
            Self::NoValue { .. } => "give a value, as in `--set train.epochs=40`".to_owned(),
            _ => "the `pipeline.toml` of the project lists every key; `--help` lists the flags"
                .to_owned(),
        }
    }
}
