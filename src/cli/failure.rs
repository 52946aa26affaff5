//! `Failure`: error of a command, with its exit code and hints.

use std::fmt::Display;

use toml::Table;

use super::hints;

/// Outcome of a command, by exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// 0: success.
    Ok,
    /// 1: failure.
    Failed,
    /// 2: wrong arguments or `pipeline.toml`.
    Usage,
    /// 3: success, but a checked condition is not met.
    No,
    /// 130: interrupted by the user.
    Interrupted,
}

impl Kind {
    /// The exit code.
    pub fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::No => 3,
            Self::Interrupted => 130,
        }
    }
}

/// Error of a command, for the user.
#[derive(Debug)]
pub struct Failure {
    /// Kind, which sets the exit code.
    pub kind: Kind,
    /// Error with its causes.
    pub error: anyhow::Error,
    /// Hints on what the user can do.
    pub hints: Vec<String>,
}

impl Failure {
    /// Creates a failure (exit code 1).
    pub fn new(message: impl Display) -> Self {
        Self::from(anyhow::anyhow!("{message}"))
    }

    /// Creates a usage error (exit code 2).
    pub fn usage(message: impl Display) -> Self {
        Self { kind: Kind::Usage, ..Self::new(message) }
    }

    /// Creates the failure of a stage that ran as a child process, with its exit code. The stage
    /// has printed the reason.
    pub fn stage(name: &str, code: Option<i32>) -> Self {
        let (kind, how) = match code {
            Some(2) => (Kind::Usage, "was called with wrong arguments or settings".to_owned()),
            Some(3) => (Kind::No, "did not meet its condition".to_owned()),
            Some(130) => (Kind::Interrupted, "was interrupted".to_owned()),
            Some(code) => (Kind::Failed, format!("failed with exit code {code}")),
            None => (Kind::Failed, "was killed".to_owned()),
        };
        let failure = Self { kind, ..Self::new(format_args!("the stage `{name}` {how}")) };
        match code {
            None => failure.hint(
                "the system may have killed the stage for lack of memory: close other programs, \
                 or use fewer `--threads`",
            ),
            Some(_) => failure,
        }
    }

    /// Adds hints for a full disk or missing permissions, unless there are hints.
    #[must_use]
    pub fn or_system_hint(self) -> Self {
        use std::io::ErrorKind;
        let kind =
            self.error.chain().find_map(|e| e.downcast_ref::<std::io::Error>()?.kind().into());
        match kind {
            _ if !self.hints.is_empty() => self,
            Some(ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge) => {
                self.hint("free some disk space")
                    .hint("choose a folder on another disk with `--artifacts`")
            }
            Some(ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem) => {
                self.hint("check the permissions").hint("choose another folder with `--artifacts`")
            }
            _ => self,
        }
    }

    /// Adds a hint, unless it is a duplicate.
    #[must_use]
    pub fn hint(mut self, hint: impl Display) -> Self {
        let hint = hint.to_string();
        if !self.hints.contains(&hint) {
            self.hints.push(hint);
        }
        self
    }

    /// Rewrites the hints of `stage`, whose settings are `settings`, for `cxr run`.
    #[must_use]
    pub fn for_run(self, stage: &str, settings: &Table) -> Self {
        let hints = self.hints.iter().map(|hint| hints::for_run(hint, stage, settings)).collect();
        Self { hints, ..self }
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self { kind: Kind::Failed, error: error.into(), hints: Vec::new() }
    }
}

/// Turns an error type with hints into failures: `.map_err(hinted(E::hint))`.
pub fn hinted<E: Into<anyhow::Error>>(hint: impl Fn(&E) -> String) -> impl Fn(E) -> Failure {
    move |error| {
        let hint = hint(&error);
        Failure::from(error).hint(hint)
    }
}

/// Quotes a word for the shell if needed, for commands in hints.
pub fn shell_word(word: impl Display) -> String {
    let word = word.to_string();
    // `--set train.epochs=40` needs no quotes.
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./,:=".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word;
    }
    // Only a word with a zero byte cannot be quoted; no argument contains one.
    shlex::try_quote(&word).map(Into::into).unwrap_or(word)
}

/// Conversion of the errors of lower layers into failures with context and hints.
pub trait ResultExt<T> {
    /// Adds the failed action as message; the error becomes `caused by:`.
    fn context(self, doing: impl Display + Send + Sync + 'static) -> Result<T, Failure>;
    /// Adds a hint.
    fn hint(self, hint: impl Display) -> Result<T, Failure>;
    /// Makes the error a usage error (exit code 2).
    fn usage(self) -> Result<T, Failure>;
}

impl<T, E: Into<Failure>> ResultExt<T> for Result<T, E> {
    fn context(self, doing: impl Display + Send + Sync + 'static) -> Result<T, Failure> {
        self.map_err(|e| {
            let failure = e.into();
            Failure { error: failure.error.context(doing), ..failure }
        })
    }

    fn hint(self, hint: impl Display) -> Result<T, Failure> {
        self.map_err(|e| e.into().hint(hint))
    }

    fn usage(self) -> Result<T, Failure> {
        self.map_err(|e| Failure { kind: Kind::Usage, ..e.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_disks_and_missing_permissions_have_hints() {
        let failed = |kind| Failure::from(std::io::Error::from(kind)).or_system_hint().hints;
        assert!(failed(std::io::ErrorKind::StorageFull)[0].starts_with("free some disk space"));
        let refused = failed(std::io::ErrorKind::PermissionDenied);
        assert!(refused.iter().any(|hint| hint.contains("`--artifacts`")), "{refused:?}");
        assert!(failed(std::io::ErrorKind::NotFound).is_empty());
        let hinted = Failure::from(std::io::Error::from(std::io::ErrorKind::StorageFull));
        assert_eq!(hinted.hint("my own").or_system_hint().hints, ["my own"]);
    }

    #[test]
    fn context_and_hints_are_collected() {
        let io = std::io::Error::other("disk full");
        let failed: Result<(), Failure> =
            Err(io).context("cannot write `x`").hint("free some space").usage();
        let failure = failed.unwrap_err();
        assert_eq!(failure.kind.code(), 2);
        assert_eq!(failure.hints, ["free some space"]);
        let twice = Failure::new("x").hint("a").hint("b").hint("a");
        assert_eq!(twice.hints, ["a", "b"]);
        assert_eq!(format!("{:#}", failure.error), "cannot write `x`: disk full");
    }
}
