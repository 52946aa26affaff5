//! Meaning of folder and file names in public data sets: parts, findings, images, masks.

/// Part of a data set, recognised by its folder name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// `train`, `training`.
    Train,
    /// `val`, `valid`, `validation`, `dev`.
    Validation,
    /// `test`, `testing`.
    Test,
    /// `fold1`, `split_2`: a fold of cross-validation.
    Fold,
}

/// Words that may accompany the name of a part: `training_set`, `test images`.
const FILLERS: [&str; 8] = ["set", "data", "dataset", "split", "folder", "images", "image", "imgs"];

/// Returns the part for a folder name; `None` for other names.
pub fn part(name: &str) -> Option<Part> {
    let words = words(name);
    let significant: Vec<&str> =
        words.iter().map(String::as_str).filter(|word| !FILLERS.contains(word)).collect();
    match significant.as_slice() {
        ["train" | "training" | "trn"] => Some(Part::Train),
        ["val" | "valid" | "validation" | "dev"] => Some(Part::Validation),
        ["test" | "testing" | "tst"] => Some(Part::Test),
        ["fold" | "split" | "cv", number] if is_number(number) => Some(Part::Fold),
        [word] => {
            let after = ["fold", "split", "cv"].iter().find_map(|fold| word.strip_prefix(fold));
            // In `split 1`, the first word is removed as a filler.
            let after_split = Some(*word).filter(|_| words[0] == "split");
            after.or(after_split).filter(|number| is_number(number)).map(|_| Part::Fold)
        }
        _ => None,
    }
}

/// Words for the finding of a radiograph.
const FINDINGS: [&str; 48] = [
    "normal",
    "healthy",
    "control",
    "controls",
    "negative",
    "neg",
    "covid",
    "covid19",
    "noncovid",
    "ncov",
    "sars",
    "mers",
    "ards",
    "pneumonia",
    "pneumonias",
    "bacterial",
    "bacteria",
    "viral",
    "virus",
    "fungal",
    "tuberculosis",
    "tb",
    "positive",
    "pos",
    "abnormal",
    "disease",
    "diseased",
    "sick",
    "finding",
    "findings",
    "nofinding",
    "opacity",
    "effusion",
    "edema",
    "oedema",
    "cardiomegaly",
    "atelectasis",
    "consolidation",
    "pneumothorax",
    "nodule",
    "mass",
    "fibrosis",
    "emphysema",
    "hernia",
    "infiltration",
    "cancer",
    "benign",
    "malignant",
];

/// Returns whether a folder name contains a finding, so that the folder is a class.
pub fn is_finding(name: &str) -> bool {
    words(name).iter().any(|word| FINDINGS.contains(&word.as_str()))
}

/// Words for images, without regard to their finding.
const IMAGES: [&str; 19] = [
    "image",
    "images",
    "img",
    "imgs",
    "picture",
    "pictures",
    "png",
    "jpg",
    "jpeg",
    "dicom",
    "dicoms",
    "dcm",
    "cxr",
    "xray",
    "xrays",
    "radiograph",
    "radiographs",
    "film",
    "films",
];

/// Returns whether a folder name only states that the folder has images: `images`, `CXR_png`,
/// `images_001`.
pub fn is_images(name: &str) -> bool {
    let words = words(name);
    let is_image_word = |word: &String| IMAGES.contains(&word.as_str());
    words.iter().any(is_image_word)
        && words.iter().all(|word| is_image_word(word) || is_number(word))
}

/// Unambiguous words for masks and label maps.
const MASKS: [&str; 7] =
    ["mask", "masks", "segmentation", "segmentations", "labelmap", "labelmaps", "groundtruth"];

/// Ambiguous words for masks.
const POSSIBLE_MASKS: [&str; 8] =
    ["seg", "segs", "gt", "roi", "rois", "labels", "annotations", "contours"];

/// Returns whether a file or folder name is that of a mask: `masks`, `lung masks`, `LungMasks`,
/// `x_mask`, `label map`.
pub fn is_mask(name: &str) -> bool {
    let words = words(name);
    let is_mask_pair = |pair: &[String]| {
        matches!([&*pair[0], &*pair[1]], ["label", "map" | "maps"] | ["ground", "truth"])
    };
    words.iter().any(|word| MASKS.contains(&word.as_str())) || words.windows(2).any(is_mask_pair)
}

/// Returns whether a name may be that of a mask: `labels`, `seg`.
pub fn is_possible_mask(name: &str) -> bool {
    words(name).iter().any(|word| POSSIBLE_MASKS.contains(&word.as_str()))
}

/// Words that may differ between the file names of a mask and of its image.
const MASK_COMPANIONS: [&str; 14] = [
    "label",
    "map",
    "maps",
    "ground",
    "truth",
    "lung",
    "lungs",
    "left",
    "right",
    "infection",
    "image",
    "images",
    "img",
    "heart",
];

/// Returns the common part, in lower case, of the file names of an image and its mask: `covid-1`
/// for `COVID-1`, `COVID-1_mask` and `mask_COVID-1`.
pub fn subject(stem: &str) -> String {
    let is_mask_word = |word: &String| {
        let word = word.as_str();
        MASKS.contains(&word) || POSSIBLE_MASKS.contains(&word) || MASK_COMPANIONS.contains(&word)
    };
    let rest: Vec<String> = words(stem).into_iter().filter(|word| !is_mask_word(word)).collect();
    rest.join("-")
}

/// Returns whether both names contain digits and are equal without them.
pub fn differ_in_digits_only(a: &str, b: &str) -> bool {
    let text = |name: &str| {
        let parts = name.split(|c: char| c.is_ascii_digit()).filter(|part| !part.is_empty());
        parts.map(str::to_owned).collect::<Vec<_>>()
    };
    let numbered = |name: &str| name.contains(|c: char| c.is_ascii_digit());
    numbered(a) && numbered(b) && text(a) == text(b)
}

fn is_number(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|b| b.is_ascii_digit())
}

/// Splits a name into words in lower case: at every character that is not a letter or digit, and
/// between a lower-case and an upper-case letter.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    for c in name.chars() {
        if !c.is_alphanumeric() || (before.is_lowercase() && c.is_uppercase()) {
            words.push(String::new());
        }
        if c.is_alphanumeric() {
            words.last_mut().expect("never empty").extend(c.to_lowercase());
        }
        before = c;
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_recognised_by_name() {
        for (name, expected) in [
            ("train", Part::Train),
            ("Training", Part::Train),
            ("training_set", Part::Train),
            ("val", Part::Validation),
            ("valid", Part::Validation),
            ("Validation", Part::Validation),
            ("TEST", Part::Test),
            ("testing", Part::Test),
            ("test images", Part::Test),
            ("fold1", Part::Fold),
            ("Fold 10", Part::Fold),
            ("split_2", Part::Fold),
        ] {
            assert_eq!(part(name), Some(expected), "{name}");
        }
        for name in ["normal", "contest", "trainee", "fold", "train 1", "", "images", "1"] {
            assert_eq!(part(name), None, "{name}");
        }
    }

    #[test]
    fn masks_images_and_findings_are_recognised_by_name() {
        for name in ["masks", "Mask", "lung masks", "infection_masks", "LungMasks", "a_mask"] {
            assert!(is_mask(name), "{name}");
        }
        for name in ["masked", "unmasked lungs", "segmented", "damask", "label", "images"] {
            assert!(!is_mask(name), "{name}");
        }
        assert!(is_mask("label map") && is_mask("Ground-Truth") && is_possible_mask("labels"));
        for name in ["images", "CXR_png", "images_001", "IMG"] {
            assert!(is_images(name), "{name}");
        }
        for name in ["001", "covid images", "ct", "lateral"] {
            assert!(!is_images(name), "{name}");
        }
        for name in ["NORMAL", "COVID-19", "Lung_Opacity", "No Finding", "Non-COVID"] {
            assert!(is_finding(name), "{name}");
        }
        assert!(!is_finding("patient1") && !is_finding("siteA") && !is_finding("train"));
    }

    #[test]
    fn an_image_and_its_mask_have_the_same_subject() {
        for (image, mask) in [
            ("CHNCXR_0001_0", "CHNCXR_0001_0_mask"),
            ("COVID-1", "mask COVID-1"),
            ("img_7", "7_lung_mask"),
            ("image", "mask"),
        ] {
            assert_eq!(subject(image), subject(mask), "{mask}");
        }
        assert_ne!(subject("COVID-1"), subject("COVID-11_mask"));
        assert!(
            differ_in_digits_only("patient01", "patient2") && !differ_in_digits_only("a1", "b2")
        );
        assert!(!differ_in_digits_only("train", "train"));
    }
}
