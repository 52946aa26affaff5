//! The one error type at the edge of a program.

use std::fmt::Display;

use toml::Table;

use super::hints;

/// What an exit code tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// 0: it worked.
    Ok,
    /// 1: it failed.
    Failed,
    /// 2: it was asked wrongly: arguments or `pipeline.toml`.
    Usage,
    /// 3: it worked, and the answer is no: a threshold was missed.
    No,
    /// 130: the user stopped it.
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

/// An error on its way to the user: what kind, what happened, the way out.
#[derive(Debug)]
pub struct Failure {
    /// Decides the exit code.
    pub kind: Kind,
    /// What happened, with its causes.
    pub error: anyhow::Error,
    /// What the user can do, a sentence each.
    pub hints: Vec<String>,
}

impl Failure {
    /// A failure (exit code 1) in words.
    pub fn new(message: impl Display) -> Self {
        Self::from(anyhow::anyhow!("{message}"))
    }

    /// A wrong request (exit code 2).
    pub fn usage(message: impl Display) -> Self {
        Self { kind: Kind::Usage, ..Self::new(message) }
    }

    /// A stage, run as a child, that failed; it has said why, and its exit code
    /// becomes this one's.
    pub fn stage(name: &str, code: Option<i32>) -> Self {
        let (kind, how) = match code {
            Some(2) => (Kind::Usage, "was asked wrongly".to_owned()),
            Some(3) => (Kind::No, "answered no".to_owned()),
            Some(130) => (Kind::Interrupted, "was interrupted".to_owned()),
            Some(code) => (Kind::Failed, format!("failed with exit code {code}")),
            None => (Kind::Failed, "was killed".to_owned()),
        };
        let failure = Self { kind, ..Self::new(format_args!("the stage `{name}` {how}")) };
        match code {
            None => failure.hint(
                "the system ends a program that takes more memory than there is: close other \
                 programs, or take fewer `--threads`",
            ),
            Some(_) => failure,
        }
    }

    /// Adds the way out where the system refused to write or read, and no hint tells it yet.
    #[must_use]
    pub fn or_system_hint(self) -> Self {
        use std::io::ErrorKind;
        let kind =
            self.error.chain().find_map(|e| e.downcast_ref::<std::io::Error>()?.kind().into());
        match kind {
            _ if !self.hints.is_empty() => self,
            Some(ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge) => {
                self.hint("free some space there")
                    .hint("choose a folder on another disk with `--artifacts`")
            }
            Some(ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem) => {
                self.hint("check the permissions").hint("choose another folder with `--artifacts`")
            }
            _ => self,
        }
    }

    /// Adds a way out, once.
    #[must_use]
    pub fn hint(mut self, hint: impl Display) -> Self {
        let hint = hint.to_string();
        if !self.hints.contains(&hint) {
            self.hints.push(hint);
        }
        self
    }

    /// The failure of `stage`, whose settings are `settings`, for the user of `cxr run`.
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

/// Turns errors that know the way out into failures: `.map_err(hinted(E::hint))`.
pub fn hinted<E: Into<anyhow::Error>>(hint: impl Fn(&E) -> String) -> impl Fn(E) -> Failure {
    move |error| {
        let hint = hint(&error);
        Failure::from(error).hint(hint)
    }
}

/// A word as a shell takes it, for commands in hints: quoted if needed.
pub fn shell_word(word: impl Display) -> String {
    let word = word.to_string();
    // Quotes around `--set train.epochs=40` would only disturb.
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./,:=".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word;
    }
    // Only a word with a zero byte cannot be quoted, and no argument holds one.
    shlex::try_quote(&word).map(Into::into).unwrap_or(word)
}

/// Turns the errors of lower layers into failures with context and hints.
pub trait ResultExt<T> {
    /// Says what was being done; the error itself becomes `caused by:`.
    fn context(self, doing: impl Display + Send + Sync + 'static) -> Result<T, Failure>;
    /// Adds a way out.
    fn hint(self, hint: impl Display) -> Result<T, Failure>;
    /// Makes it a wrong request (exit code 2).
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
    fn what_the_system_refuses_has_a_way_out() {
        let failed = |kind| Failure::from(std::io::Error::from(kind)).or_system_hint().hints;
        assert!(failed(std::io::ErrorKind::StorageFull)[0].starts_with("free some space"));
        let refused = failed(std::io::ErrorKind::PermissionDenied);
        assert!(refused.iter().any(|hint| hint.contains("`--artifacts`")), "{refused:?}");
        assert!(failed(std::io::ErrorKind::NotFound).is_empty());
        let hinted = Failure::from(std::io::Error::from(std::io::ErrorKind::StorageFull));
        assert_eq!(hinted.hint("my own").or_system_hint().hints, ["my own"]);
    }

    #[test]
    fn context_and_hints_add_up() {
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
