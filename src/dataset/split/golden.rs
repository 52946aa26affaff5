//! Tests of equality with scikit-learn, index for index: `tests/golden/splits.json` and the
//! reference in `../shared`.

use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Case {
    labels: Vec<usize>,
    groups: Vec<String>,
    test_share: f64,
    folds: usize,
    seed: u64,
    plain: [Vec<usize>; 2],
    one_hot: [Vec<usize>; 2],
    stratified: Vec<usize>,
    stratified_group: Vec<usize>,
}

fn train_test([train, test]: [Vec<usize>; 2]) -> TrainTest {
    TrainTest { train, test }
}

#[test]
fn equals_scikit_learn() {
    let cases: Vec<Case> =
        serde_json::from_str(include_str!("../../../tests/golden/splits.json")).unwrap();
    for case in cases {
        let Case { labels, groups, test_share, folds, seed, .. } = case;
        let split = |order| train_test_split(&labels, test_share, seed, order).unwrap();
        assert_eq!(split(ClassOrder::Labels), train_test(case.plain));
        assert_eq!(split(ClassOrder::OneHot), train_test(case.one_hot));
        assert_eq!(stratified_kfold(&labels, folds, seed).unwrap().test_folds(), case.stratified);
        let grouped = stratified_group_kfold(&labels, &groups, folds, seed).unwrap();
        assert_eq!(grouped.test_folds(), case.stratified_group);
    }
}

fn reference<T: serde::de::DeserializeOwned>(name: &str) -> T {
    let path = crate::testing::shared("reference").join(name);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
#[cfg_attr(not(shared), ignore = "needs ../shared")]
fn equals_the_tutorials_split() {
    #[derive(Deserialize)]
    struct Split {
        paths: Vec<String>,
        train: Vec<usize>,
        test: Vec<usize>,
    }
    let Split { paths, train, test } = reference("split.json");
    let classes: Vec<&str> = paths.iter().map(|path| path.split_once('/').unwrap().0).collect();
    let split = train_test_split(&classes, 0.2, 42, ClassOrder::OneHot);
    assert_eq!(split, Ok(TrainTest { train, test }));
}

#[test]
#[cfg_attr(not(shared), ignore = "needs ../shared")]
fn equals_the_reference() {
    #[derive(Deserialize)]
    struct Case {
        y: Vec<usize>,
        splits: Splits,
    }
    #[derive(Deserialize)]
    struct Splits {
        stratified_20pct_seed42: [Vec<usize>; 2],
        stratified_kfold5_shuffle_seed42: Vec<Vec<usize>>,
        groups: Vec<usize>,
        stratified_group_kfold3_shuffle_seed42: Option<Vec<Vec<usize>>>,
    }
    let cases = reference::<Vec<Case>>("metrics.json");
    for Case { y, splits } in cases {
        let tests =
            |folds: Folds| (0..folds.count()).map(|k| folds.split(k).test).collect::<Vec<_>>();
        let split = train_test_split(&y, 0.2, 42, ClassOrder::Labels).unwrap();
        assert_eq!(split, train_test(splits.stratified_20pct_seed42));
        let folds = stratified_kfold(&y, 5, 42).unwrap();
        assert_eq!(tests(folds), splits.stratified_kfold5_shuffle_seed42);
        if let Some(expected) = splits.stratified_group_kfold3_shuffle_seed42 {
            let folds = stratified_group_kfold(&y, &splits.groups, 3, 42).unwrap();
            assert_eq!(tests(folds), expected);
        }
    }
}
