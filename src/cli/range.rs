//! Range check of numeric settings.

use std::fmt::Display;
use std::ops::RangeInclusive;

use super::Failure;

/// Checks that the value of the setting `name` is in `range`.
///
/// # Errors
/// A usage error (exit code 2) for a value outside of the range, or NaN.
pub fn in_range<T: PartialOrd + Display>(
    name: &str,
    value: T,
    range: RangeInclusive<T>,
) -> Result<(), Failure> {
    if range.contains(&value) {
        return Ok(());
    }
    let (least, most) = range.into_inner();
    Err(Failure::usage(format_args!("`{name}` is {value}, expected {least} to {most}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_outside_of_the_range_are_refused() {
        assert!(in_range("bins", 1000, 1..=1000).is_ok());
        let failure = in_range("bins", 1001, 1..=1000).unwrap_err();
        assert_eq!(failure.kind.code(), 2);
        assert_eq!(failure.error.to_string(), "`bins` is 1001, expected 1 to 1000");
        assert!(in_range("proportion", f64::NAN, 0.0..=1.0).is_err());
    }
}
