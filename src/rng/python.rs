//! The generator of Python's `random` module.

use super::mt19937::Mt19937;

/// Generator of Python's `random` module, with identical results.
#[derive(Clone, Debug)]
pub struct PythonRandom(Mt19937);

impl PythonRandom {
    /// `random.seed(seed)` with a non-negative integer.
    pub fn new(seed: u64) -> Self {
        let (low, high) = (seed as u32, (seed >> 32) as u32);
        Self(if high == 0 { Mt19937::from_key(&[low]) } else { Mt19937::from_key(&[low, high]) })
    }

    /// `random.shuffle(items)`, in place.
    ///
    /// # Panics
    ///
    /// If there are 2^32 items or more.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            let bound = u32::try_from(i + 1).expect("fewer than 2^32 items");
            items.swap(i, self.below(bound) as usize);
        }
    }

    /// `random._randbelow(bound)`; `bound` is at least 1.
    fn below(&mut self, bound: u32) -> u32 {
        let bits = u32::BITS - bound.leading_zeros();
        loop {
            let value = self.getrandbits(bits);
            if value < bound {
                return value;
            }
        }
    }

    /// `random.getrandbits(bits)`; `bits` is 1 to 32.
    fn getrandbits(&mut self, bits: u32) -> u32 {
        self.0.next_u32() >> (u32::BITS - bits)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn shuffled(r: &mut PythonRandom, n: u32) -> Vec<u32> {
        let mut items: Vec<u32> = (0..n).collect();
        r.shuffle(&mut items);
        items
    }

    #[test]
    fn random_numbers_equal_python() {
        let golden: Value =
            serde_json::from_str(include_str!("../../tests/golden/rng.json")).unwrap();
        for case in golden["python"].as_array().unwrap() {
            let mut r = PythonRandom::new(case["seed"].as_u64().unwrap());
            let got = json!({
                "seed": case["seed"],
                "getrandbits_32": (0..3).map(|_| r.getrandbits(32)).collect::<Vec<_>>(),
                "getrandbits_7": (0..5).map(|_| r.getrandbits(7)).collect::<Vec<_>>(),
                "shuffle_30": shuffled(&mut r, 30),
            });
            assert_eq!(&got, case);
        }
    }

    /// All cases of the reference's `python_shuffle_seed42.json`.
    #[test]
    fn shuffles_equal_the_tutorial() {
        let reference: [(u32, &[u32]); 3] = [
            (7, &[1, 3, 4, 2, 6, 0, 5]),
            (
                60,
                &[
                    38, 23, 54, 11, 16, 20, 55, 58, 33, 19, 9, 36, 31, 45, 30, 49, 3, 21, 50, 4,
                    29, 10, 59, 22, 41,
                ],
            ),
            (
                5216,
                &[
                    3294, 3309, 2223, 1664, 5131, 1570, 1981, 2526, 3080, 3437, 1509, 1149, 4143,
                    3332, 144, 3604, 4130, 1976, 1091, 854, 4621, 3776, 3890, 2806, 1655,
                ],
            ),
        ];
        for (n, first) in reference {
            assert_eq!(&shuffled(&mut PythonRandom::new(42), n)[..first.len()], first);
        }
    }
}
