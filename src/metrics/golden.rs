//! Results of scikit-learn and scipy for the tests, from `tests/golden/metrics.json`.

use std::collections::BTreeMap;

use ndarray::Array2;
use serde::Deserialize;

#[derive(Deserialize)]
pub(super) struct Golden {
    pub predictions: Vec<Predictions>,
    pub ks: Vec<Samples>,
    pub wilson: Vec<WilsonCase>,
    pub cramers_v: Vec<Table>,
    pub auc_intervals: Vec<Area>,
}

impl Golden {
    pub fn load() -> Self {
        serde_json::from_str(include_str!("../../tests/golden/metrics.json")).unwrap()
    }
}

/// Float stored as text, because serde_json may misread the last digit of a number.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Number(pub f64);

impl TryFrom<String> for Number {
    type Error = std::num::ParseFloatError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse().map(Self)
    }
}

#[derive(Deserialize)]
pub(super) struct Predictions {
    pub classes: usize,
    pub names: Vec<String>,
    pub y: Vec<usize>,
    p: Vec<Number>,
    pub confusion: Vec<Vec<u64>>,
    pub report: String,
    numbers: BTreeMap<String, Number>,
    #[serde(default)]
    pub roc: Vec<Vec<Number>>,
    #[serde(default)]
    pub pr: Vec<Vec<Number>>,
}

impl Predictions {
    pub fn probabilities(&self) -> Array2<f64> {
        Array2::from_shape_vec((self.y.len(), self.classes), numbers(&self.p)).unwrap()
    }

    pub fn number(&self, name: &str) -> f64 {
        self.numbers[name].0
    }

    pub fn curve(&self, columns: &[Vec<Number>]) -> Option<[Vec<f64>; 3]> {
        <[_; 3]>::try_from(columns.iter().map(|c| numbers(c)).collect::<Vec<_>>()).ok()
    }
}

#[derive(Deserialize)]
pub(super) struct Samples {
    pub a: Vec<Number>,
    pub b: Vec<Number>,
    pub statistic: Number,
    pub p: Number,
}

#[derive(Deserialize)]
pub(super) struct WilsonCase {
    pub hits: u64,
    pub of: u64,
    pub low: Number,
    pub high: Number,
}

#[derive(Deserialize)]
pub(super) struct Table {
    pub table: Vec<Vec<u64>>,
    pub v: Number,
}

#[derive(Deserialize)]
pub(super) struct Area {
    pub auc: Number,
    pub positives: usize,
    pub negatives: usize,
    pub low: Number,
    pub high: Number,
}

pub(super) fn numbers(values: &[Number]) -> Vec<f64> {
    values.iter().map(|n| n.0).collect()
}

#[track_caller]
pub(super) fn assert_close(got: f64, expected: f64, tolerance: f64) {
    assert!((got - expected).abs() <= tolerance, "got {got}, expected {expected} ± {tolerance:e}");
}

/// The tolerance of 1 ulp is due to serde_json.
#[test]
#[cfg_attr(not(shared), ignore = "needs ../shared")]
fn metrics_equal_the_reference() {
    use super::{Confusion, brier, classification_report, one_vs_rest, predicted, roc_auc};

    #[derive(Deserialize)]
    struct Case {
        y: Vec<usize>,
        p: Vec<Vec<f64>>,
        names: Vec<String>,
        report: String,
        confusion: Vec<Vec<u64>>,
        mcc: f64,
        roc_auc: Option<f64>,
        average_precision: Option<f64>,
        brier: Option<f64>,
        roc_auc_ovr_macro: Option<f64>,
    }
    let text = std::fs::read_to_string(crate::testing::shared("reference/metrics.json")).unwrap();
    for case in serde_json::from_str::<Vec<Case>>(&text).unwrap() {
        let p = Array2::from_shape_vec((case.y.len(), case.names.len()), case.p.concat()).unwrap();
        let confusion = Confusion::new(&case.y, &predicted(p.view()), case.names.len());
        assert_eq!(confusion.rows(), case.confusion);
        assert_close(confusion.mcc().unwrap(), case.mcc, 1e-15);
        let names: Vec<&str> = case.names.iter().map(String::as_str).collect();
        assert_eq!(classification_report(&confusion, &names), case.report);
        let covid: Vec<bool> = case.y.iter().map(|y| *y == 0).collect();
        let scores = p.column(0).to_vec();
        for (got, expected) in [
            (roc_auc(&covid, &scores), case.roc_auc),
            (super::average_precision(&covid, &scores), case.average_precision),
            (brier(&covid, &scores), case.brier),
            (one_vs_rest(&case.y, p.view(), roc_auc), case.roc_auc_ovr_macro),
        ] {
            if let Some(expected) = expected {
                assert_close(got.unwrap(), expected, 1e-15);
            }
        }
    }
}
