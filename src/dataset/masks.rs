//! Detection of segmentation masks among the images of a class.
//!
//! COVID-19 Radiography Database has `<class>/images` and `<class>/masks`, COVID-QU-Ex has
//! `lung masks` and `infection masks`, the Shenzhen set has `x_mask.png` next to `x.png`.

use std::collections::{BTreeMap, BTreeSet};

use super::images::Candidate;
use super::layout::Exclusion;
use super::words;

/// Exclusion reason of an image with two levels of grey and a namesake.
pub const BY_PIXELS: &str =
    "a mask by its two levels of grey, beside an image of the same name or of its beginning";

/// Note on an image with two levels of grey without a namesake.
pub const TWO_LEVELS: &str = "it has two levels of grey only, as a mask has";

/// Minimum difference of the two levels of a mask, of 255.
const MIN_CONTRAST: u8 = 64;

/// Maximum difference of a pixel from one of the two levels; JPEG blurs edges.
const TOLERANCE: u8 = 12;

/// Minimum proportion of pixels at the two levels together.
const MIN_AT_BOTH: f64 = 0.98;

/// Minimum proportion of pixels at each level.
const MIN_AT_EACH: f64 = 0.005;

/// Sets the exclusion of candidates that are masks, and `has_namesake` of candidates whose
/// class has a file of the same name in another folder, or a file whose name is a prefix of
/// theirs (`x` for `x_lung`).
///
/// The files of a folder `masks`, `lung masks` or `label map` below the class folder are masks.
/// The files of a folder `labels` or `seg` are masks if the class has images of the same names
/// in other folders. A file `x_mask.png` is a mask if the class has an image `x`. A class folder
/// that is called `mask` is a class, unless most of its file names occur in other classes.
pub fn mark(candidates: &mut [Candidate]) {
    let mut classes: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (i, candidate) in candidates.iter().enumerate() {
        if candidate.exclusion.is_none() {
            classes.entry(candidate.class_folder().to_owned()).or_default().push(i);
        }
    }
    for (folder, rows) in &classes {
        let class = folder.rsplit('/').next().unwrap_or_default();
        if words::is_mask(class) && mostly_in_other_classes(candidates, rows, class) {
            rows.iter().for_each(|row| candidates[*row].exclusion = Some(Exclusion::MaskByFolder));
        } else {
            mark_class(candidates, rows, words::is_mask(class));
        }
    }
}

/// Marks the masks of one class folder; `named_mask` if the folder's own name is that of masks.
fn mark_class(candidates: &mut [Candidate], rows: &[usize], named_mask: bool) {
    let folders = |row: &usize| candidates[*row].name().rsplit_once('/').map_or("", |(f, _)| f);
    let any_folder = |row: &usize, is: fn(&str) -> bool| folders(row).split('/').any(is);
    let (masks, others): (Vec<usize>, Vec<usize>) =
        rows.iter().partition(|row| any_folder(row, words::is_mask));
    let stems = |row: &usize| stem(candidates[*row].name());
    let (named, plain): (Vec<usize>, Vec<usize>) =
        others.iter().partition(|row| !named_mask && words::is_mask(stems(row)));
    let (perhaps, images): (Vec<usize>, Vec<usize>) =
        plain.iter().partition(|row| any_folder(row, words::is_possible_mask));
    let subjects: BTreeSet<String> = images.iter().map(|row| words::subject(stems(row))).collect();
    let has_image = |row: &&usize| subjects.contains(&words::subject(stems(row)));
    let mut by_folder = masks;
    by_folder.extend(perhaps.iter().filter(has_image));
    let by_name: Vec<usize> = named.iter().filter(has_image).copied().collect();

    let mut folders_of: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for row in rows {
        folders_of.entry(stems(row).to_lowercase()).or_default().insert(folders(row));
    }
    let has_namesake = |row: &&usize| {
        let stem = stems(row).to_lowercase();
        let is_extended =
            |(end, c): (usize, char)| !c.is_alphanumeric() && folders_of.contains_key(&stem[..end]);
        folders_of[&stem].len() > 1 || stem.char_indices().any(is_extended)
    };
    let namesakes: Vec<usize> = rows.iter().filter(has_namesake).copied().collect();
    by_folder.iter().for_each(|row| candidates[*row].exclusion = Some(Exclusion::MaskByFolder));
    by_name.iter().for_each(|row| candidates[*row].exclusion = Some(Exclusion::MaskByName));
    namesakes.iter().for_each(|row| candidates[*row].has_namesake = true);
}

/// Returns whether most of the files `rows` have the name of an image of another class.
fn mostly_in_other_classes(candidates: &[Candidate], rows: &[usize], class: &str) -> bool {
    let others = candidates.iter().filter(|c| c.exclusion.is_none() && c.class() != class);
    let subjects: BTreeSet<String> = others.map(|c| words::subject(stem(c.name()))).collect();
    let shared = rows
        .iter()
        .filter(|row| subjects.contains(&words::subject(stem(candidates[**row].name()))));
    2 * shared.count() > rows.len()
}

/// Returns the file name of a path without its extension.
fn stem(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or_default();
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

/// Returns whether an image has exactly two grey levels, as a mask has. `samples` are the
/// pixels' values in any order. False for a constant image.
pub fn has_two_levels(samples: &[u8]) -> bool {
    // A subsample rejects most images quickly.
    let few: Vec<u8> = samples.iter().step_by(samples.len() / 4096 + 1).copied().collect();
    at_two_levels(&few, 0.9) && at_two_levels(samples, MIN_AT_BOTH)
}

/// Returns whether at least the proportion `min` of the samples is at the lowest or the highest
/// level.
fn at_two_levels(samples: &[u8], min: f64) -> bool {
    let mut histogram = [0usize; 256];
    samples.iter().for_each(|sample| histogram[usize::from(*sample)] += 1);
    let present = || (0..=255u8).filter(|level| histogram[usize::from(*level)] > 0);
    let (Some(low), Some(high)) = (present().next(), present().next_back()) else {
        return false;
    };
    if high - low < MIN_CONTRAST {
        return false;
    }
    let proportion = |levels: std::ops::RangeInclusive<u8>| {
        let count: usize = levels.map(|level| histogram[usize::from(level)]).sum();
        count as f64 / samples.len() as f64
    };
    let at_low = proportion(low..=low + TOLERANCE);
    let at_high = proportion(high - TOLERANCE..=high);
    at_low >= MIN_AT_EACH && at_high >= MIN_AT_EACH && at_low + at_high >= min
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The exclusion reason of each file, or `namesake`.
    fn marked(paths: &[&str]) -> Vec<&'static str> {
        let candidate = |path: &&str| Candidate {
            path: (*path).to_owned(),
            class: path.split('/').next().unwrap().to_owned(),
            depth: 1,
            ..Candidate::default()
        };
        let mut candidates: Vec<_> = paths.iter().map(candidate).collect();
        mark(&mut candidates);
        let text = |candidate: &Candidate| match (candidate.exclusion, candidate.has_namesake) {
            (Some(exclusion), _) => exclusion.text(),
            (None, true) => "namesake",
            (None, false) => "",
        };
        candidates.iter().map(text).collect()
    }

    #[test]
    fn masks_are_detected_by_folder_and_by_file_name() {
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
    fn only_images_of_two_levels_look_like_masks() {
        let two: Vec<u8> = (0..1000).map(|i| if i < 300 { 0 } else { 255 }).collect();
        assert!(has_two_levels(&two));
        let blurred = two.iter().enumerate().map(|(i, p)| if i % 7 == 0 { p ^ 5 } else { *p });
        assert!(has_two_levels(&blurred.collect::<Vec<_>>()));
        let ramp: Vec<u8> = (0..=255).collect();
        assert!(!has_two_levels(&ramp));
        assert!(!has_two_levels(&[7; 99]) && !has_two_levels(&[]));
        // One bright marker on a black image is not a mask.
        let marker: Vec<u8> = (0..1000).map(|i| if i == 0 { 255 } else { 0 }).collect();
        assert!(!has_two_levels(&marker));
    }
}
