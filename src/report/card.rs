//! What reporting guidelines ask, and what the artifacts answer.

use serde::Serialize;

use super::Page;

/// Whether an item of a guideline is met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// The artifacts answer it.
    Met,
    /// They answer a part of it.
    Partly,
    /// They do not: a patient has to, or nobody can.
    Unmet,
}

/// An item of a guideline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Item {
    /// Its number: `12e`.
    pub number: &'static str,
    /// Its topic, in a few words of our own.
    pub topic: &'static str,
    /// Whether it is met.
    pub status: Status,
    /// The answer, where it stands, or what is missing.
    pub answer: String,
}

/// An answer that depends on the page.
pub(super) type Answer = (Status, String);

pub(super) fn met(answer: impl Into<String>) -> Answer {
    (Status::Met, answer.into())
}

pub(super) fn partly(answer: impl Into<String>) -> Answer {
    (Status::Partly, answer.into())
}

pub(super) fn unmet(answer: impl Into<String>) -> Answer {
    (Status::Unmet, answer.into())
}

/// The answer if there is one, else that `stage` has not run, or that its files are left out.
pub(super) fn after(page: &Page, stage: &str, answer: Option<Answer>) -> Answer {
    let left_out = page.left_out.iter().find(|left_out| left_out.stage == stage);
    answer.unwrap_or_else(|| match left_out {
        Some(left_out) => unmet(format!("what `cxr {stage}` wrote is left out: {}", left_out.why)),
        None => unmet(format!("`cxr {stage}` has not run")),
    })
}

pub(super) fn item(number: &'static str, topic: &'static str, (status, answer): Answer) -> Item {
    Item { number, topic, status, answer }
}

/// How many of the items are not met.
pub(super) fn unmet_count<'a>(items: impl IntoIterator<Item = &'a Item>) -> usize {
    items.into_iter().filter(|item| item.status == Status::Unmet).count()
}
