//! The positive class: the one whose detection sensitivity measures.

use std::fmt;

/// The tutorial's positive class: the default wherever there is a class of this name.
pub const COVID: &str = "covid";

/// Words that name the absence of a finding.
const NEGATIVE_WORDS: [&str; 8] =
    ["normal", "normals", "healthy", "negative", "negatives", "control", "controls", "nofinding"];

/// First words that negate the others: `non-covid`, `no finding`.
const NEGATIONS: [&str; 4] = ["no", "non", "not", "without"];

/// Why there is no positive class.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PositiveError {
    /// No class has the name that was given.
    #[error("there is no class `{name}`; the classes are {}", Names(classes))]
    Unknown {
        /// The name that was given.
        name: String,
        /// The classes of the data set.
        classes: Vec<String>,
    },
    /// No class was named, and their names do not tell.
    #[error(
        "the positive class is not set, and the class names do not tell: they are {}",
        Names(classes)
    )]
    Ambiguous {
        /// The classes of the data set.
        classes: Vec<String>,
    },
}

/// Names in backquotes.
struct Names<'a>(&'a [String]);

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted: Vec<String> = self.0.iter().map(|name| format!("`{name}`")).collect();
        f.write_str(&quoted.join(", "))
    }
}

/// The position of the positive class among `classes`: the class called `wanted`; if
/// `wanted` is empty, the default: `covid` if there is such a class, else the only class
/// whose name is not that of a negative class ([`is_negative`]).
///
/// # Errors
/// If there is no class `wanted`, or no default.
pub fn positive(wanted: &str, classes: &[String]) -> Result<usize, PositiveError> {
    let named = |name: &str| classes.iter().position(|class| class == name);
    let classes_of = || classes.to_vec();
    if !wanted.is_empty() {
        let unknown = || PositiveError::Unknown { name: wanted.to_owned(), classes: classes_of() };
        return named(wanted).ok_or_else(unknown);
    }
    let mut candidates = (0..classes.len()).filter(|class| !is_negative(&classes[*class]));
    let only = candidates.next().filter(|_| candidates.next().is_none() && classes.len() > 1);
    named(COVID).or(only).ok_or_else(|| PositiveError::Ambiguous { classes: classes_of() })
}

/// Whether a class name says that there is no finding: one of its words is normal,
/// healthy, negative or control, or it begins with no, non, not or without. Case and
/// separators do not matter.
pub fn is_negative(name: &str) -> bool {
    let lower = name.to_lowercase();
    let words: Vec<&str> =
        lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    words.iter().any(|word| NEGATIVE_WORDS.contains(word))
        || words.first().is_some_and(|word| NEGATIONS.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn default_of(classes: &[&str]) -> Option<String> {
        let classes: Vec<String> = classes.iter().map(ToString::to_string).collect();
        positive("", &classes).ok().map(|class| classes[class].clone())
    }

    #[test]
    fn the_default_is_covid_or_the_only_class_with_a_finding() {
        let cases: [(&[&str], Option<&str>); 12] = [
            (&["covid", "normal"], Some("covid")),
            (&["NORMAL", "PNEUMONIA"], Some("PNEUMONIA")),
            (&["covid", "normal", "pneumonia"], Some("covid")),
            (&["COVID", "non-COVID"], Some("COVID")),
            (&["No Finding", "Effusion"], Some("Effusion")),
            (&["tb", "tb_negative"], Some("tb")),
            (&["Healthy", "sick"], Some("sick")),
            (&["controls", "tb"], Some("tb")),
            (&["abnormal", "normal"], Some("abnormal")),
            (&["bacterial", "normal", "viral"], None),
            (&["a", "b"], None),
            (&["normal", "healthy"], None),
        ];
        for (classes, expected) in cases {
            assert_eq!(default_of(classes).as_deref(), expected, "{classes:?}");
        }
    }

    #[test]
    fn a_class_that_is_not_there_is_an_error_with_the_classes() {
        let classes = ["NORMAL", "PNEUMONIA"].map(str::to_owned);
        assert_eq!(positive("NORMAL", &classes), Ok(0));
        let error = positive("Covid", &classes).unwrap_err().to_string();
        assert_eq!(error, "there is no class `Covid`; the classes are `NORMAL`, `PNEUMONIA`");
    }
}
