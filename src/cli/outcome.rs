//! What a command found: the one-screen summary for people, and the JSON
//! document for programs.

use std::fmt::Display;

use serde::Serialize;
use serde_json::{Map, Value};

use super::Kind;
use crate::io::decimal;

/// The result of a command that did its work.
#[derive(Debug)]
pub struct Outcome {
    text: String,
    headline: Option<String>,
    fields: Map<String, Value>,
    kind: Kind,
    streamed: bool,
}

impl Outcome {
    /// From a summary that prints itself for people and serialises for
    /// programs.
    ///
    /// # Panics
    ///
    /// When the summary does not serialise to a JSON object.
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

    /// Of a command that has printed its result line by line, through [`Stream`], and
    /// has reported what failed.
    ///
    /// [`Stream`]: super::Stream
    pub fn streamed(failed: bool) -> Self {
        let kind = if failed { Kind::Failed } else { Kind::Ok };
        Self { text: String::new(), headline: None, fields: Map::new(), kind, streamed: true }
    }

    /// Whether nothing is left to print.
    pub fn is_streamed(&self) -> bool {
        self.streamed
    }

    /// What `cxr run` says of it in a line; without, the first line of the text.
    #[must_use]
    pub fn headline(self, headline: impl Display) -> Self {
        Self { headline: Some(headline.to_string()), ..self }
    }

    /// Marks that the answer is no (exit code 3): a wanted value was missed.
    #[must_use]
    pub fn answer_no(self) -> Self {
        Self { kind: Kind::No, ..self }
    }

    /// Ok, No, or Failed where a streamed result has gaps.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The summary for people, ending in a line break unless empty.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The summary as one JSON document: its fields, the text for people and its
    /// headline, the warnings.
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
