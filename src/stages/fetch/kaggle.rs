//! The user's Kaggle token, used for one request and never shown.

use std::env;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;

/// Name and key of a Kaggle user. It cannot be printed.
#[derive(Deserialize)]
pub struct Token {
    username: String,
    key: String,
}

/// Why there is no token. The token's own text is in none of these.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// Neither the variables nor the file are there.
    #[error(
        "no Kaggle token: set `KAGGLE_USERNAME` and `KAGGLE_KEY`, or save `kaggle.json` to `{}`",
        path.display()
    )]
    Missing {
        /// Where Kaggle's own tool would look.
        path: PathBuf,
    },
    /// The file is not what Kaggle gives out.
    #[error("`{}` is not a Kaggle token: expected `username` and `key`", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
    },
}

impl Token {
    /// The token in `KAGGLE_USERNAME` and `KAGGLE_KEY`, else in `kaggle.json` in
    /// `$KAGGLE_CONFIG_DIR` or `~/.kaggle`, as for Kaggle's own tool.
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

    /// The value of the `Authorization` header.
    pub fn authorization(&self) -> String {
        let credentials = format!("{}:{}", self.username, self.key);
        format!("Basic {}", BASE64_STANDARD.encode(credentials))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_that_of_rfc_7617() {
        let token = Token { username: "Aladdin".into(), key: "open sesame".into() };
        assert_eq!(token.authorization(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    }
}
