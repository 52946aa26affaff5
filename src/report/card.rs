//! Items of reporting guidelines and the answers from the artifacts.

use serde::Serialize;

use super::Page;

/// Status of an item of a guideline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// The artifacts answer the item.
    Met,
    /// The artifacts answer a part of the item.
    Partly,
    /// The artifacts do not answer the item.
    Unmet,
}

/// An item of a guideline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Item {
    /// Number, such as `12e`.
    pub number: &'static str,
    /// Topic, paraphrased.
    pub topic: &'static str,
    /// Status.
    pub status: Status,
    /// Answer, or what is missing.
    pub answer: String,
}

/// Status and answer of an item.
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

/// Returns the answer; without one, unmet because `stage` has not run or its output is left out.
pub(super) fn after(page: &Page, stage: &str, answer: Option<Answer>) -> Answer {
    let left_out = page.left_out.iter().find(|left_out| left_out.stage == stage);
    answer.unwrap_or_else(|| match left_out {
        Some(left_out) => {
            unmet(format!("the output of `cxr {stage}` is left out: {}", left_out.why))
        }
        None => unmet(format!("`cxr {stage}` has not run")),
    })
}

pub(super) fn item(number: &'static str, topic: &'static str, (status, answer): Answer) -> Item {
    Item { number, topic, status, answer }
}

/// Returns the number of unmet items.
pub(super) fn unmet_count<'a>(items: impl IntoIterator<Item = &'a Item>) -> usize {
    items.into_iter().filter(|item| item.status == Status::Unmet).count()
}
