//! 32-bit floats as they are printed: the shortest decimal that reads back as the same
//! 32-bit float. A plain cast to `f64` prints 0.575 as 0.574999988079071.

use serde::Serialize;
use serde_json::Value;

/// The double of the shortest decimal of `x`: it prints as `x` does and reads back as the
/// same `x`. Keeps the order of all floats; NaN and infinities stay what they are.
pub fn widen(x: f32) -> f64 {
    x.to_string().parse().expect("a float's text is a float")
}

/// A value as JSON. As `serde_json::to_value`, but 32-bit floats are widened by [`widen`].
///
/// # Panics
///
/// When the value does not serialise, as a map whose keys are no text.
pub fn to_value(value: &impl Serialize) -> Value {
    // To text first: serde_json prints each width of float as short as it can be.
    let text = serde_json::to_string(value).expect("the value serialises");
    serde_json::from_str(&text).expect("serde_json reads what it has written")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn prints_as_the_narrow_float_does() {
        assert_eq!(widen(0.575), 0.575);
        assert_eq!(widen(1e-3), 0.001);
        assert_eq!(widen(f32::MAX).to_string(), f32::MAX.to_string());
        assert!(widen(f32::NAN).is_nan() && widen(f32::NEG_INFINITY) == f64::NEG_INFINITY);
        #[derive(Serialize)]
        struct Mixed {
            narrow: f32,
            wide: f64,
        }
        let value = to_value(&Mixed { narrow: 0.575, wide: 0.1 + 0.2 });
        assert_eq!(value.to_string(), r#"{"narrow":0.575,"wide":0.30000000000000004}"#);
    }

    proptest! {
        #[test]
        fn comes_back_and_keeps_the_order(a in any::<f32>(), b in any::<f32>()) {
            prop_assume!(!a.is_nan() && !b.is_nan());
            prop_assert_eq!(widen(a) as f32, a);
            prop_assert_eq!(widen(a).partial_cmp(&widen(b)), a.partial_cmp(&b));
        }
    }
}
