//! What `cxr-split` states of files that are equal byte for byte.

use super::{Rows, counted};
use crate::artifact::index::Index;
use crate::cli::ui::one_line;
use crate::dataset::split::Copies;

/// Warnings of copies, with the paths of some.
pub fn copied(index: &Index, rows: &Rows, copies: &Copies) -> Vec<String> {
    const SHOWN: usize = 5;
    let path = |row: usize| one_line(&index.rows[row].path);
    let named = |texts: Vec<String>| match texts.len().saturating_sub(SHOWN) {
        0 => texts.join(", "),
        more => format!("{} and {more} more", texts[..SHOWN].join(", ")),
    };
    let mut warnings = Vec::new();
    let parts = [
        ("training", &copies.in_training, &rows.train),
        ("validation", &copies.in_validation, &rows.validation),
    ];
    for (part, copied, others) in parts.into_iter().filter(|(_, copied, _)| !copied.is_empty()) {
        let of = |row: &usize| {
            let same = |other: &&usize| index.rows[**other].hash == index.rows[*row].hash;
            let other = others.iter().find(same).expect("the file is in this part");
            format!("{} is {}", path(*row), path(*other))
        };
        warnings.push(format!(
            "{} of {} test images are in {part} too, byte for byte: {}",
            copied.len(),
            rows.test.len(),
            named(copied.iter().map(of).collect())
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
