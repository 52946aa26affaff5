//! Sex and age of a patient, from the words of a metadata table.

/// The oldest age, in years, that is taken for one.
const OLDEST: f64 = 125.0;

/// `F` or `M` for what a table says of a patient's sex; empty for any other text.
pub fn sex(text: &str) -> &'static str {
    match text.trim().to_ascii_lowercase().as_str() {
        "f" | "female" => "F",
        "m" | "male" => "M",
        _ => "",
    }
}

/// The age in years as the table writes it, if it is a number from 0 to 125; else empty.
/// A decimal comma, as spreadsheets of many countries write, becomes a point.
pub fn age(text: &str) -> String {
    let text = text.trim().replace(',', ".");
    let years = text.parse().is_ok_and(|years: f64| (0.0..=OLDEST).contains(&years));
    if years { text } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_are_no_sex_and_no_age_are_unknown() {
        assert_eq!([" M", "female", "F", "", "X", "unknown"].map(sex), ["M", "F", "F", "", "", ""]);
        assert_eq!(
            ["65", " 0.5 ", "0,5", "-3", "650", "60s", "NaN", "=1+1"].map(age),
            ["65", "0.5", "0.5", "", "", "", "", ""]
        );
    }
}
