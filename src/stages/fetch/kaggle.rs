//! Kaggle token of the user; it is sent with one request and never printed.

use std::env;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;

/// Name and key of a Kaggle user. Has no `Debug`, so that it cannot be printed.
#[derive(Deserialize)]
pub struct Token {
    username: String,
    key: String,
}

/// Reason why no token was found. Never holds the text of the token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// Neither the environment variables nor the file exist.
    #[error(
        "no Kaggle token: set `KAGGLE_USERNAME` and `KAGGLE_KEY`, or save `kaggle.json` to `{}`",
        path.display()
    )]
    Missing {
        /// Path where Kaggle's own tool expects the file.
        path: PathBuf,
    },
    /// The file does not have the format of `kaggle.json`.
    #[error("`{}` is not a Kaggle token: expected `username` and `key`", path.display())]
    Malformed {
        /// Path of the file.
        path: PathBuf,
    },
}

impl Token {
    /// Reads the token from `KAGGLE_USERNAME` and `KAGGLE_KEY`, else from `kaggle.json` in
    /// `$KAGGLE_CONFIG_DIR` or `~/.kaggle`, as Kaggle's own tool does.
    ///
    /// # Errors
    /// See [`TokenError`].
    pub fn find() -> Result<Self, TokenError> {
        let variable = |name| env::var(name).ok().filter(|value: &String| !value.is_empty());
        if let (Some(username), Some(key)) = (variable("KAGGLE_USERNAME"), variable("KAGGLE_KEY")) {
            return Ok(Token { username, key });
        }
        let home = || PathBuf::from(env::var_os("HOME").unwrap_or_default()).join(".kaggle");
        let folder = env::var_os("KAGGLE_CONFIG_DIR").map_or_else(home, PathBuf::from);
        let path = folder.join("kaggle.json");
        let Ok(file) = File::open(&path) else { return Err(TokenError::Missing { path }) };
        serde_json::from_reader(file.take(1 << 16)).map_err(|_| TokenError::Malformed { path })
    }

    /// Value of the `Authorization` header (RFC 7617).
    pub fn authorization(&self) -> String {
        let credentials = format!("{}:{}", self.username, self.key);
        format!("Basic {}", BASE64_STANDARD.encode(credentials))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_equals_the_example_of_rfc_7617() {
        let token = Token { username: "Aladdin".into(), key: "open sesame".into() };
        assert_eq!(token.authorization(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    }
}
