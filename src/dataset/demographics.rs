//! Sex and age of a patient, parsed from the cells of a metadata table.

/// Largest valid age in years.
const MAX_AGE: f64 = 125.0;

/// Returns `F` or `M` for a table cell that gives a patient's sex; empty for any other text.
pub fn sex(text: &str) -> &'static str {
    match text.trim().to_ascii_lowercase().as_str() {
        "f" | "female" => "F",
        "m" | "male" => "M",
        _ => "",
    }
}

/// Returns the text of an age in years if it is a number from 0 to 125; otherwise empty.
/// A decimal comma becomes a point.
pub fn age(text: &str) -> String {
    let text = text.trim().replace(',', ".");
    let is_valid = text.parse().is_ok_and(|years: f64| (0.0..=MAX_AGE).contains(&years));
    if is_valid { text } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_sex_and_age_become_empty() {
        assert_eq!([" M", "female", "F", "", "X", "unknown"].map(sex), ["M", "F", "F", "", "", ""]);
        assert_eq!(
            ["65", " 0.5 ", "0,5", "-3", "650", "60s", "NaN", "=1+1"].map(age),
            ["65", "0.5", "0.5", "", "", "", "", ""]
        );
    }
}
