//! Masks that lie with the images of a class: by their folder or their name.
//!
//! COVID-19 Radiography Database has `<class>/images` beside `<class>/masks`,
//! COVID-QU-Ex `lung masks` and `infection masks`, the Shenzhen set `x_mask.png` beside
//! `x.png`. A mask has the outline of the lungs and nothing of the disease.

use std::collections::{BTreeMap, BTreeSet};

use super::films::Candidate;
use super::layout::Exclusion;
use super::words;

/// Least contrast of the two levels of a mask, of 255.
const CONTRAST: u8 = 64;

/// How far from one of the two levels a pixel may be: JPEG blurs edges.
const TOLERANCE: u8 = 12;

/// Least proportion of pixels at one of the two levels.
const AT_LEVELS: f64 = 0.98;

/// Least proportion of pixels at each level.
const AT_EACH: f64 = 0.005;

/// Marks the candidates that are masks, and those whose name is that of another file of
/// their class in another folder, or begins with that of another file: `x_lung` and `x`.
///
/// A folder below the class folder called `masks`, `lung masks` or `label map` holds
/// masks; one called `labels` or `seg` does if images of the same names lie elsewhere in
/// the class; a file `x_mask.png` is one if the class has an image `x`. A class folder
/// itself called `mask` is a class, unless most of its file names are those of other
/// classes.
pub fn mark(candidates: &mut [Candidate]) {
    let mut classes: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (i, candidate) in candidates.iter().enumerate() {
        if candidate.exclusion.is_none() {
            classes.entry(candidate.class_folder().to_owned()).or_default().push(i);
        }
    }
    for (folder, rows) in &classes {
        let class = folder.rsplit('/').next().unwrap_or_default();
        if words::is_mask(class) && mostly_of_others(candidates, rows, class) {
            rows.iter().for_each(|row| candidates[*row].exclusion = Some(Exclusion::MaskByFolder));
        } else {
            mark_class(candidates, rows, words::is_mask(class));
        }
    }
}

/// Marks the masks of one class folder, whose name is that of masks if `named_mask`.
fn mark_class(candidates: &mut [Candidate], rows: &[usize], named_mask: bool) {
    let folders = |row: &usize| candidates[*row].name().rsplit_once('/').map_or("", |(f, _)| f);
    let any_folder = |row: &usize, is: fn(&str) -> bool| folders(row).split('/').any(is);
    let (masks, others): (Vec<usize>, Vec<usize>) =
        rows.iter().partition(|row| any_folder(row, words::is_mask));
    let stems = |row: &usize| stem(candidates[*row].name());
    let (named, plain): (Vec<usize>, Vec<usize>) =
        others.iter().partition(|row| !named_mask && words::is_mask(stems(row)));
    let (perhaps, images): (Vec<usize>, Vec<usize>) =
        plain.iter().partition(|row| any_folder(row, words::is_perhaps_mask));
    let subjects: BTreeSet<String> = images.iter().map(|row| words::subject(stems(row))).collect();
    let of_image = |row: &&usize| subjects.contains(&words::subject(stems(row)));
    let mut by_folder = masks;
    by_folder.extend(perhaps.iter().filter(of_image));
    let by_name: Vec<usize> = named.iter().filter(of_image).copied().collect();

    let mut places: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for row in rows {
        places.entry(stems(row).to_lowercase()).or_default().insert(folders(row));
    }
    let has_namesake = |row: &&usize| {
        let stem = stems(row).to_lowercase();
        let is_extended =
            |(at, c): (usize, char)| !c.is_alphanumeric() && places.contains_key(&stem[..at]);
        places[&stem].len() > 1 || stem.char_indices().any(is_extended)
    };
    let twins: Vec<usize> = rows.iter().filter(has_namesake).copied().collect();
    by_folder.iter().for_each(|row| candidates[*row].exclusion = Some(Exclusion::MaskByFolder));
    by_name.iter().for_each(|row| candidates[*row].exclusion = Some(Exclusion::MaskByName));
    twins.iter().for_each(|row| candidates[*row].has_namesake = true);
}

/// Whether most of the files `rows` are named as images of classes other than `class`.
fn mostly_of_others(candidates: &[Candidate], rows: &[usize], class: &str) -> bool {
    let others = candidates.iter().filter(|c| c.exclusion.is_none() && c.class() != class);
    let subjects: BTreeSet<String> = others.map(|c| words::subject(stem(c.name()))).collect();
    let of_others = rows
        .iter()
        .filter(|row| subjects.contains(&words::subject(stem(candidates[**row].name()))));
    2 * of_others.count() > rows.len()
}

/// The file name of a path without its extension.
fn stem(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or_default();
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

/// Whether an image has two levels of grey only, as a mask has: `samples` are those of
/// its pixels in any order. An image of one level has not.
pub fn has_two_levels(samples: &[u8]) -> bool {
    // A few samples tell most images apart.
    let few: Vec<u8> = samples.iter().step_by(samples.len() / 4096 + 1).copied().collect();
    at_two_levels(&few, 0.9) && at_two_levels(samples, AT_LEVELS)
}

/// Whether the proportion `least` of the samples is at the lowest or the highest level.
fn at_two_levels(samples: &[u8], least: f64) -> bool {
    let mut histogram = [0usize; 256];
    samples.iter().for_each(|sample| histogram[usize::from(*sample)] += 1);
    let present = || (0..=255u8).filter(|level| histogram[usize::from(*level)] > 0);
    let (Some(low), Some(high)) = (present().next(), present().next_back()) else {
        return false;
    };
    if high - low < CONTRAST {
        return false;
    }
    let proportion = |levels: std::ops::RangeInclusive<u8>| {
        let of_levels: usize = levels.map(|level| histogram[usize::from(level)]).sum();
        of_levels as f64 / samples.len() as f64
    };
    let at_low = proportion(low..=low + TOLERANCE);
    let at_high = proportion(high - TOLERANCE..=high);
    at_low >= AT_EACH && at_high >= AT_EACH && at_low + at_high >= least
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Why each file is left out, or whether it has a namesake.
    fn marked(paths: &[&str]) -> Vec<&'static str> {
        let of = |path: &&str| Candidate {
            path: (*path).to_owned(),
            class: path.split('/').next().unwrap().to_owned(),
            depth: 1,
            ..Candidate::default()
        };
        let mut candidates: Vec<_> = paths.iter().map(of).collect();
        mark(&mut candidates);
        let told = |candidate: &Candidate| match (candidate.exclusion, candidate.has_namesake) {
            (Some(exclusion), _) => exclusion.text(),
            (None, true) => "namesake",
            (None, false) => "",
        };
        candidates.iter().map(told).collect()
    }

    #[test]
    fn masks_are_known_by_folder_and_by_name() {
        const FOLDER: &str = "a mask by its folder";
        const NAME: &str = "a mask by its name";
        assert_eq!(
            marked(&["COVID/images/COVID-1.png", "COVID/masks/COVID-1.png", "COVID/masks/x.png"]),
            ["namesake", FOLDER, FOLDER]
        );
        let paths = ["a/images/1.png", "a/lung masks/1.png", "a/infection masks/1.png"];
        assert_eq!(marked(&paths)[1..], [FOLDER, FOLDER]);
        let paths = ["tb/CHNCXR_0327_1.png", "tb/CHNCXR_0327_1_mask.png", "tb/y_mask.png"];
        assert_eq!(marked(&paths), ["", NAME, ""]);
        assert_eq!(marked(&["a/p1/image.png", "a/p1/mask.png"]), ["", NAME]);
        assert_eq!(marked(&["a/labels/1.png", "a/1.png"]), [FOLDER, "namesake"]);
        assert_eq!(marked(&["a/labels/1.png", "a/2.png"]), ["", ""]);
        assert_eq!(marked(&["a/p1/1.png", "a/p2/1.png"]), ["namesake", "namesake"]);
        assert_eq!(marked(&["a/x-0.png", "a/x-0_Lung.png", "a/x-01.png"]), ["", "namesake", ""]);
    }

    #[test]
    fn a_class_may_be_called_mask() {
        let paths = ["mask/with_mask_1.png", "mask/1.png", "no mask/without_mask_2.png"];
        assert_eq!(marked(&paths), [""; 3]);
        let paths = ["covid/1.png", "normal/2.png", "masks/1.png", "masks/2_mask.png"];
        assert_eq!(marked(&paths)[2..], ["a mask by its folder"; 2]);
    }

    #[test]
    fn two_levels_are_told_from_many_and_from_one() {
        let two: Vec<u8> = (0..1000).map(|i| if i < 300 { 0 } else { 255 }).collect();
        assert!(has_two_levels(&two));
        let blurred = two.iter().enumerate().map(|(i, p)| if i % 7 == 0 { p ^ 5 } else { *p });
        assert!(has_two_levels(&blurred.collect::<Vec<_>>()));
        let ramp: Vec<u8> = (0..=255).collect();
        assert!(!has_two_levels(&ramp));
        assert!(!has_two_levels(&[7; 99]) && !has_two_levels(&[]));
        // One bright marker on a black image is none.
        let marker: Vec<u8> = (0..1000).map(|i| if i == 0 { 255 } else { 0 }).collect();
        assert!(!has_two_levels(&marker));
    }
}
