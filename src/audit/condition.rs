//! Conditions on the metrics of an audit, as in `--fail-if border-auc>0.8`.
//!
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Condition on a metric, such as `border-auc>0.8`.
///
/// Syntax: `<metric><comparison><number>`, where the comparison is one of `>`, `>=`, `<`, `<=`
/// and may be surrounded by spaces.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    metric: String,
    comparison: Comparison,
    bound: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Above,
    AtLeast,
    Below,
    AtMost,
}

use Comparison::{Above, AtLeast, AtMost, Below};

/// Longer signs first, so that `>=` is not parsed as `>`.
const COMPARISONS: [(&str, Comparison); 4] =
    [(">=", AtLeast), ("<=", AtMost), (">", Above), ("<", Below)];

/// Reason why a condition is invalid or cannot be checked.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ConditionError {
    /// The text has no comparison sign.
    #[error("`{0}` has no comparison, expected a metric, `>`, `>=`, `<` or `<=`, and a number")]
    NoComparison(String),
    /// The right side is not a finite number.
    #[error("`{condition}` has `{got}` on the right, expected a number")]
    NotANumber {
        /// Text of the condition.
        condition: String,
        /// Text of the right side.
        got: String,
    },
    /// No metric has this name.
    #[error("no metric is named `{got}`, expected one of {}", known.join(", "))]
    UnknownFigure {
        /// Requested name.
        got: String,
        /// Names of all metrics.
        known: Vec<String>,
    },
}

impl FromStr for Condition {
    type Err = ConditionError;

    fn from_str(text: &str) -> Result<Self, ConditionError> {
        let split = |&(sign, comparison)| Some((text.split_once(sign)?, comparison));
        let Some(((metric, bound), comparison)) = COMPARISONS.iter().find_map(split) else {
            return Err(ConditionError::NoComparison(text.to_owned()));
        };
        match bound.trim().parse::<f64>() {
            Ok(bound) if bound.is_finite() => {
                Ok(Self { metric: metric.trim().to_owned(), comparison, bound })
            }
            _ => Err(ConditionError::NotANumber {
                condition: text.to_owned(),
                got: bound.trim().to_owned(),
            }),
        }
    }
}

impl Condition {
    /// Returns a description of the condition if it holds for `figures`, else none. An
    /// undefined metric counts as fulfilling every condition, so that a gate fails rather than
    /// passes.
    ///
    /// # Errors
    /// [`ConditionError::UnknownFigure`].
    pub fn met(
        &self,
        figures: &BTreeMap<String, Option<f64>>,
    ) -> Result<Option<String>, ConditionError> {
        let Self { metric, comparison, bound } = self;
        match figures.get(metric) {
            None => Err(ConditionError::UnknownFigure {
                got: metric.clone(),
                known: figures.keys().cloned().collect(),
            }),
            Some(None) => Ok(Some(format!("{metric} is undefined, so `{self}` may hold"))),
            Some(Some(value)) => {
                let met = match comparison {
                    Above => value > bound,
                    AtLeast => value >= bound,
                    Below => value < bound,
                    AtMost => value <= bound,
                };
                Ok(met.then(|| format!("{metric} is {value:.4}: `{self}`")))
            }
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entry = COMPARISONS.iter().find(|(_, comparison)| *comparison == self.comparison);
        let (sign, _) = entry.expect("every comparison has a sign");
        write!(f, "{}{sign}{}", self.metric, self.bound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_compared_with_bounds() {
        let figures = BTreeMap::from([("border-auc".into(), Some(0.8)), ("v".into(), None)]);
        let met = |text: &str| text.parse::<Condition>().unwrap().met(&figures).unwrap();
        assert_eq!(met("border-auc>0.8"), None);
        assert_eq!(met("border-auc >= 0.8").unwrap(), "border-auc is 0.8000: `border-auc>=0.8`");
        assert!(met("border-auc<0.9").is_some() && met("border-auc<=0.7").is_none());
        assert_eq!(met("v>0.9").unwrap(), "v is undefined, so `v>0.9` may hold");
    }

    #[test]
    fn invalid_conditions_are_reported() {
        let error = |text: &str| text.parse::<Condition>().unwrap_err().to_string();
        assert!(error("border-auc").starts_with("`border-auc` has no comparison, expected"));
        assert_eq!(error("a>b"), "`a>b` has `b` on the right, expected a number");
        assert_eq!(error("a>"), "`a>` has `` on the right, expected a number");
        assert!(error("a>inf").ends_with("expected a number"));
        let condition: Condition = "border>0.8".parse().unwrap();
        let figures = BTreeMap::from([("border-auc".into(), None), ("model-auc".into(), None)]);
        let unknown = condition.met(&figures).unwrap_err().to_string();
        assert_eq!(unknown, "no metric is named `border`, expected one of border-auc, model-auc");
    }
}
