//! Conversion of f32 to the f64 with the same shortest decimal text. A plain cast to `f64`
//! prints 0.575 as 0.574999988079071.

use serde::Serialize;
use serde_json::Value;

/// Returns the f64 that prints as `x` does. Casting it back gives `x`; order, NaN and
/// infinities are preserved.
pub fn widen(x: f32) -> f64 {
    x.to_string().parse().expect("the text of a float is a float")
}

/// Serialises to JSON like `serde_json::to_value`, but with f32 converted by [`widen`].
///
/// # Panics
///
/// If the value does not serialise, such as a map whose keys are not text.
pub fn to_value(value: &impl Serialize) -> Value {
    // Through text: serde_json prints the shortest decimal of either float type.
    let text = serde_json::to_string(value).expect("the value serialises");
    serde_json::from_str(&text).expect("serde_json reads what it has written")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn widened_floats_print_like_f32() {
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
        fn widening_is_reversible_and_keeps_the_order(a in any::<f32>(), b in any::<f32>()) {
            prop_assume!(!a.is_nan() && !b.is_nan());
            prop_assert_eq!(widen(a) as f32, a);
            prop_assert_eq!(widen(a).partial_cmp(&widen(b)), a.partial_cmp(&b));
        }
    }
}
