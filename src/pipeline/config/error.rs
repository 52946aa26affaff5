//! Why a pipeline file, or a `--set`, cannot be used.

use std::path::PathBuf;

/// Why a pipeline file, or a `--set`, cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the pipeline file `{}`", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// The text is not TOML.
    #[error("`{origin}` is not valid TOML")]
    Syntax {
        /// The file, or `the built-in pipeline`.
        origin: String,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// A key that no stage reads.
    #[error("unknown key `{key}` in `{origin}`{}", nearest.as_ref().map(|n| format!("; did you mean `{n}`?")).unwrap_or_default())]
    UnknownKey {
        /// The key with its tables.
        key: String,
        /// The file, `--set`, or `the built-in pipeline`.
        origin: String,
        /// The known key that is most like it.
        nearest: Option<String>,
    },
    /// A key that belongs elsewhere, or has another name.
    #[error("`{key}` in `{origin}` {problem}")]
    Misplaced {
        /// The key with its tables.
        key: String,
        /// The file, `--set`, or `the built-in pipeline`.
        origin: String,
        /// What is wrong, as the end of a sentence.
        problem: &'static str,
        /// What to write instead.
        hint: String,
    },
    /// A value of the wrong type or sign.
    #[error("`{key}` in `{origin}` is {got}, expected {expected}")]
    Type {
        /// The key with its tables.
        key: String,
        /// The file, `--set`, or `the built-in pipeline`.
        origin: String,
        /// The type that the key has, with its article.
        expected: &'static str,
        /// The type or value that was given.
        got: String,
    },
    /// A value that the stage cannot use.
    #[error("`{key}` in `{origin}` has an unusable value")]
    Value {
        /// The key or table.
        key: String,
        /// The file, `--set`, or `the built-in pipeline`.
        origin: String,
        /// What is wrong with it.
        source: Box<toml::de::Error>,
    },
    /// A `--set` without a value.
    #[error("`--set {item}` has no value")]
    NoValue {
        /// The argument.
        item: String,
    },
    /// A profile that the file does not have.
    #[error("no profile `{name}` in `{origin}`; the profiles are {}", known.join(", "))]
    UnknownProfile {
        /// The profile asked for.
        name: String,
        /// The file, or `the built-in pipeline`.
        origin: String,
        /// The profiles that the file has.
        known: Vec<String>,
    },
}

impl ConfigError {
    /// What the user can do.
    pub fn hint(&self) -> String {
        match self {
            Self::Misplaced { hint, .. } => hint.clone(),
            Self::NoValue { .. } => "write it as in `--set train.epochs=40`".to_owned(),
            _ => "the project's own `pipeline.toml` shows every key; `--help` lists the flags"
                .to_owned(),
        }
    }
}
