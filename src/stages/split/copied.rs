//! Warnings of `cxr-split` about files that are equal byte for byte.

use super::{Rows, counted};
use crate::artifact::index::Index;
use crate::cli::ui::one_line;
use crate::dataset::split::Copies;

/// Returns warnings of copies across the split and across classes, each with at most 5 examples.
pub fn copied(index: &Index, rows: &Rows, copies: &Copies) -> Vec<String> {
    const SHOWN: usize = 5;
    let path = |row: usize| one_line(&index.rows[row].path);
    let list = |examples: Vec<String>| match examples.len().saturating_sub(SHOWN) {
        0 => examples.join(", "),
        more => format!("{} and {more} more", examples[..SHOWN].join(", ")),
    };
    let mut warnings = Vec::new();
    let parts = [
        ("training", &copies.in_training, &rows.train),
        ("validation", &copies.in_validation, &rows.validation),
    ];
    for (part, copied, others) in parts.into_iter().filter(|(_, copied, _)| !copied.is_empty()) {
        let example = |row: &usize| {
            let same = |other: &&usize| index.rows[**other].hash == index.rows[*row].hash;
            let other = others.iter().find(same).expect("the part has a copy");
            format!("{} = {}", path(*row), path(*other))
        };
        warnings.push(format!(
            "{} of {} test images are also in the {part} set, byte for byte: {}",
            copied.len(),
            rows.test.len(),
            list(copied.iter().map(example).collect())
        ));
    }
    if !copies.in_classes.is_empty() {
        let example =
            |rows: &Vec<usize>| rows.iter().map(|row| path(*row)).collect::<Vec<_>>().join(" = ");
        warnings.push(format!(
            "{} in several classes, byte for byte, so one of the labels is wrong: {}",
            counted(copies.in_classes.len(), "file is", "files are"),
            list(copies.in_classes.iter().map(example).collect())
        ));
    }
    warnings
}
