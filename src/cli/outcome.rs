//! `Outcome`: result of a command, as text for people and as JSON for programs.

use std::fmt::Display;

use serde::Serialize;
use serde_json::{Map, Value};

use super::Kind;
use crate::io::decimal;

/// Result of a successful command.
#[derive(Debug)]
pub struct Outcome {
    text: String,
    headline: Option<String>,
    fields: Map<String, Value>,
    kind: Kind,
    streamed: bool,
}

impl Outcome {
    /// Creates the outcome from a summary: its `Display` is the text, its fields are the JSON.
    ///
    /// # Panics
    ///
    /// If the summary does not serialise to a JSON object.
    pub fn new<S: Serialize + Display>(summary: &S) -> Self {
        let Value::Object(fields) = decimal::to_value(summary) else {
            panic!("a summary is a struct of named fields")
        };
        let mut text = summary.to_string();
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        Self { text, headline: None, fields, kind: Kind::Ok, streamed: false }
    }

    /// Creates the outcome of a command that has printed its result through [`Stream`], and its
    /// errors. `failed` sets exit code 1.
    ///
    /// [`Stream`]: super::Stream
    pub fn streamed(failed: bool) -> Self {
        let kind = if failed { Kind::Failed } else { Kind::Ok };
        Self { text: String::new(), headline: None, fields: Map::new(), kind, streamed: true }
    }

    /// Returns true if the result has been printed already.
    pub fn is_streamed(&self) -> bool {
        self.streamed
    }

    /// Sets the line that `cxr run` prints; by default, the first line of the text.
    #[must_use]
    pub fn headline(self, headline: impl Display) -> Self {
        Self { headline: Some(headline.to_string()), ..self }
    }

    /// Marks that a checked condition is not met (exit code 3).
    #[must_use]
    pub fn answer_no(self) -> Self {
        Self { kind: Kind::No, ..self }
    }

    /// Kind of the result; `Failed` for a streamed result with errors.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Text for people; ends with a line break unless empty.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// JSON document: the fields of the summary, its text and headline, and the warnings.
    pub fn document(&self, command: &str, warnings: &[String]) -> String {
        let mut document = self.fields.clone();
        let name = command.strip_prefix("cxr-").unwrap_or(command).replace(' ', "-");
        document.insert("schema".into(), format!("cxr.{name}-summary/1").into());
        document.insert("warnings".into(), warnings.into());
        let first = self.text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
        let headline = self.headline.as_deref().unwrap_or(first).trim();
        document.insert("headline".into(), headline.into());
        document.insert("text".into(), self.text.clone().into());
        serde_json::to_string_pretty(&document).expect("JSON values serialise")
    }
}
