//! The text table of scikit-learn's `classification_report`.

use std::fmt::Write;

use super::{Confusion, pairwise_sum, summation::mean};

/// Table of precision, recall, F1 and support per class. Byte-identical to
/// scikit-learn's `classification_report(…, target_names=names,
/// labels=range(len(names)), zero_division=0)`: undefined values are printed as 0.00.
///
/// # Panics
///
/// If `names` and the classes differ in number.
///
/// # Examples
///
/// ```
/// use cxr::metrics::{Confusion, classification_report};
///
/// let (truth, predicted) = ([0, 0, 0, 1, 1], [0, 0, 1, 1, 1]);
/// let confusion = Confusion::new(&truth, &predicted, 2);
/// let report = classification_report(&confusion, &["covid", "normal"]);
/// assert!(report.contains("covid       1.00      0.67      0.80         3"));
/// ```
pub fn classification_report(confusion: &Confusion, names: &[&str]) -> String {
    assert_eq!(names.len(), confusion.classes(), "one name per class");
    let rows: Vec<Row> = (0..names.len()).map(|c| Row::from_class(confusion, c)).collect();
    let images = confusion.images();
    let longest = names.iter().map(|name| name.chars().count()).max();
    let width = longest.unwrap_or(0).max("weighted avg".len());

    let mut text = format!(
        "{:>width$}  {:>9} {:>9} {:>9} {:>9}\n\n",
        "", "precision", "recall", "f1-score", "support"
    );
    for (name, row) in names.iter().zip(&rows) {
        row.write(&mut text, name, width);
    }
    let accuracy = confusion.accuracy().value.unwrap_or(0.0);
    writeln!(text, "\n{:>width$}  {:>9} {:>9} {accuracy:>9.2} {images:>9}", "accuracy", "", "")
        .expect("writing to a String cannot fail");
    Row::average(&rows, images, mean).write(&mut text, "macro avg", width);
    let weighted = |values: &[f64]| {
        let terms: Vec<f64> =
            values.iter().zip(&rows).map(|(value, row)| value * row.support as f64).collect();
        divide_or_zero(pairwise_sum(&terms), images as f64)
    };
    Row::average(&rows, images, weighted).write(&mut text, "weighted avg", width);
    text
}

struct Row {
    precision: f64,
    recall: f64,
    f1: f64,
    support: u64,
}

impl Row {
    fn from_class(confusion: &Confusion, class: usize) -> Self {
        let binary = confusion.one_vs_rest_table(class);
        Self {
            precision: binary.ppv().value.unwrap_or(0.0),
            recall: binary.sensitivity().value.unwrap_or(0.0),
            f1: binary.f1().unwrap_or(0.0),
            support: binary.tp + binary.fn_,
        }
    }

    fn average(rows: &[Row], support: u64, average: impl Fn(&[f64]) -> f64) -> Self {
        let column = |value: fn(&Row) -> f64| average(&rows.iter().map(value).collect::<Vec<_>>());
        Self {
            precision: column(|r| r.precision),
            recall: column(|r| r.recall),
            f1: column(|r| r.f1),
            support,
        }
    }

    fn write(&self, text: &mut String, heading: &str, width: usize) {
        let Self { precision, recall, f1, support } = self;
        writeln!(text, "{heading:>width$}  {precision:>9.2} {recall:>9.2} {f1:>9.2} {support:>9}")
            .expect("writing to a String cannot fail");
    }
}

fn divide_or_zero(numerator: f64, denominator: f64) -> f64 {
    if denominator == 0.0 { 0.0 } else { numerator / denominator }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{golden::Golden, predicted};

    #[test]
    fn the_report_equals_scikit_learn() {
        for case in Golden::load().predictions {
            let p = case.probabilities();
            let confusion = Confusion::new(&case.y, &predicted(p.view()), case.classes);
            let names: Vec<&str> = case.names.iter().map(String::as_str).collect();
            assert_eq!(classification_report(&confusion, &names), case.report);
        }
    }

    #[test]
    fn undefined_values_are_printed_as_zero() {
        let report = classification_report(&Confusion::new(&[], &[], 2), &["covid", "normal"]);
        assert!(report.contains("    accuracy                           0.00         0\n"));
        assert!(report.contains("weighted avg       0.00      0.00      0.00         0\n"));
    }
}
