//! What `cxr-split` states of files that are equal byte for byte.

use super::counted;
use crate::artifact::index::Index;
use crate::cli::ui::one_line;
use crate::dataset::split::{Copies, TrainTest};

/// Warnings of copies, with the paths of some.
pub fn copied(index: &Index, sides: &TrainTest, copies: &Copies) -> Vec<String> {
    const SHOWN: usize = 5;
    let path = |row: usize| one_line(&index.rows[row].path);
    let named = |texts: Vec<String>| match texts.len().saturating_sub(SHOWN) {
        0 => texts.join(", "),
        more => format!("{} and {more} more", texts[..SHOWN].join(", ")),
    };
    let mut warnings = Vec::new();
    if !copies.in_training.is_empty() {
        let of = |row: usize| {
            let same = |other: &&usize| index.rows[**other].hash == index.rows[row].hash;
            let other = sides.train.iter().find(same).expect("the file is in training");
            format!("{} is {}", path(row), path(*other))
        };
        let texts = copies.in_training.iter().map(|row| of(*row)).collect();
        warnings.push(format!(
            "{} of {} test images are in training too, byte for byte: {}",
            copies.in_training.len(),
            sides.test.len(),
            named(texts)
        ));
    }
    if !copies.in_classes.is_empty() {
        let of =
            |rows: &Vec<usize>| rows.iter().map(|row| path(*row)).collect::<Vec<_>>().join(" is ");
        warnings.push(format!(
            "{} in several classes, byte for byte, so one of the labels is wrong: {}",
            counted(copies.in_classes.len(), "file is", "files are"),
            named(copies.in_classes.iter().map(of).collect())
        ));
    }
    warnings
}
