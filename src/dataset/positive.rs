//! Choice of the positive class, for which sensitivity is computed.

use std::fmt;

/// Name of the tutorial's positive class; the default if a class has this name.
pub const COVID: &str = "covid";

/// Words for the absence of a finding.
const NEGATIVE_WORDS: [&str; 8] =
    ["normal", "normals", "healthy", "negative", "negatives", "control", "controls", "nofinding"];

/// First words that negate the rest of a name: `non-covid`, `no finding`.
const NEGATIONS: [&str; 4] = ["no", "non", "not", "without"];

/// Error of choosing the positive class.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PositiveError {
    /// No class has the given name.
    #[error("there is no class `{name}`; the classes are {}", Names(classes))]
    Unknown {
        /// The given name.
        name: String,
        /// The classes of the data set.
        classes: Vec<String>,
    },
    /// No name is given, and the class names are ambiguous.
    #[error(
        "the positive class is not set and cannot be inferred from the class names: {}",
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

/// Returns the index of the positive class in `classes`: the class `wanted`, or, if `wanted` is
/// empty, the class `covid`, or else the only class that is not negative ([`is_negative`]).
///
/// # Errors
/// If there is no class `wanted`, or no default.
pub fn positive(wanted: &str, classes: &[String]) -> Result<usize, PositiveError> {
    let index = |name: &str| classes.iter().position(|class| class == name);
    if !wanted.is_empty() {
        let unknown =
            || PositiveError::Unknown { name: wanted.to_owned(), classes: classes.to_vec() };
        return index(wanted).ok_or_else(unknown);
    }
    let mut candidates = (0..classes.len()).filter(|class| !is_negative(&classes[*class]));
    let only = candidates.next().filter(|_| candidates.next().is_none() && classes.len() > 1);
    index(COVID).or(only).ok_or_else(|| PositiveError::Ambiguous { classes: classes.to_vec() })
}

/// Returns whether a class name states that there is no finding: one of its words is normal,
/// healthy, negative or control, or its first word is no, non, not or without. Case and
/// separators are ignored.
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
    fn an_unknown_class_is_an_error_that_lists_the_classes() {
        let classes = ["NORMAL", "PNEUMONIA"].map(str::to_owned);
        assert_eq!(positive("NORMAL", &classes), Ok(0));
        let error = positive("Covid", &classes).unwrap_err().to_string();
        assert_eq!(error, "there is no class `Covid`; the classes are `NORMAL`, `PNEUMONIA`");
    }
}
