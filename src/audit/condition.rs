use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// A bound that a figure must not cross: `border-auc>0.8`.
///
/// `<figure><comparison><number>`, blanks around the comparison allowed; the
/// comparison is one of `>`, `>=`, `<`, `<=`.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    figure: String,
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

/// Longer ones first, so that `>=` is not read as `>`.
const COMPARISONS: [(&str, Comparison); 4] =
    [(">=", AtLeast), ("<=", AtMost), (">", Above), ("<", Below)];

/// Why a text is no [`Condition`], or cannot be checked.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ConditionError {
    /// There is no comparison.
    #[error("`{0}` compares nothing, expected a figure, `>`, `>=`, `<` or `<=`, and a number")]
    NoComparison(String),
    /// What it compares with is no number.
    #[error("`{condition}` compares with `{got}`, expected a number")]
    NotANumber {
        /// The condition.
        condition: String,
        /// What stands for the number.
        got: String,
    },
    /// There is no such figure.
    #[error("there is no figure `{got}`, expected one of {}", known.join(", "))]
    UnknownFigure {
        /// The name.
        got: String,
        /// All figures there are.
        known: Vec<String>,
    },
}

impl FromStr for Condition {
    type Err = ConditionError;

    fn from_str(text: &str) -> Result<Self, ConditionError> {
        let cut = |&(sign, comparison)| Some((text.split_once(sign)?, comparison));
        let Some(((figure, bound), comparison)) = COMPARISONS.iter().find_map(cut) else {
            return Err(ConditionError::NoComparison(text.to_owned()));
        };
        match bound.trim().parse::<f64>() {
            Ok(bound) if bound.is_finite() => {
                Ok(Self { figure: figure.trim().to_owned(), comparison, bound })
            }
            _ => Err(ConditionError::NotANumber {
                condition: text.to_owned(),
                got: bound.trim().to_owned(),
            }),
        }
    }
}

impl Condition {
    /// Whether the condition holds for `figures`, in words; none if it does not.
    /// An undefined figure holds every condition: nothing vouches for it.
    ///
    /// # Errors
    /// [`ConditionError::UnknownFigure`].
    pub fn met(
        &self,
        figures: &BTreeMap<String, Option<f64>>,
    ) -> Result<Option<String>, ConditionError> {
        let Self { figure, comparison, bound } = self;
        match figures.get(figure) {
            None => Err(ConditionError::UnknownFigure {
                got: figure.clone(),
                known: figures.keys().cloned().collect(),
            }),
            Some(None) => Ok(Some(format!("{figure} is undefined, so `{self}` may hold"))),
            Some(Some(value)) => {
                let met = match comparison {
                    Above => value > bound,
                    AtLeast => value >= bound,
                    Below => value < bound,
                    AtMost => value <= bound,
                };
                Ok(met.then(|| format!("{figure} is {value:.4}: `{self}`")))
            }
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = COMPARISONS.iter().find(|(_, comparison)| *comparison == self.comparison);
        let (sign, _) = named.expect("every comparison has a sign");
        write!(f, "{}{sign}{}", self.figure, self.bound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_held_against_bounds() {
        let figures = BTreeMap::from([("border-auc".into(), Some(0.8)), ("v".into(), None)]);
        let met = |text: &str| text.parse::<Condition>().unwrap().met(&figures).unwrap();
        assert_eq!(met("border-auc>0.8"), None);
        assert_eq!(met("border-auc >= 0.8").unwrap(), "border-auc is 0.8000: `border-auc>=0.8`");
        assert!(met("border-auc<0.9").is_some() && met("border-auc<=0.7").is_none());
        assert_eq!(met("v>0.9").unwrap(), "v is undefined, so `v>0.9` may hold");
    }

    #[test]
    fn what_is_no_condition_is_said() {
        let error = |text: &str| text.parse::<Condition>().unwrap_err().to_string();
        assert!(error("border-auc").starts_with("`border-auc` compares nothing, expected"));
        assert_eq!(error("a>b"), "`a>b` compares with `b`, expected a number");
        assert_eq!(error("a>"), "`a>` compares with ``, expected a number");
        assert!(error("a>inf").ends_with("expected a number"));
        let condition: Condition = "border>0.8".parse().unwrap();
        let figures = BTreeMap::from([("border-auc".into(), None), ("model-auc".into(), None)]);
        let unknown = condition.met(&figures).unwrap_err().to_string();
        assert_eq!(unknown, "there is no figure `border`, expected one of border-auc, model-auc");
    }
}
