//! What the names of folders and files in public data sets say.

/// The part of a data set that a folder holds, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// `train`, `training`.
    Train,
    /// `val`, `valid`, `validation`, `dev`.
    Validation,
    /// `test`, `testing`.
    Test,
    /// `fold1`, `split_2`: folds of a cross-validation.
    Fold,
}

/// Words that may stand beside the name of a part: `training_set`, `test images`.
const FILLERS: [&str; 8] = ["set", "data", "dataset", "split", "folder", "images", "image", "imgs"];

/// The part that a folder called `name` holds, if its name says so.
pub fn part(name: &str) -> Option<Part> {
    let words = words(name);
    let telling: Vec<&str> =
        words.iter().map(String::as_str).filter(|word| !FILLERS.contains(word)).collect();
    match telling.as_slice() {
        ["train" | "training" | "trn"] => Some(Part::Train),
        ["val" | "valid" | "validation" | "dev"] => Some(Part::Validation),
        ["test" | "testing" | "tst"] => Some(Part::Test),
        ["fold" | "split" | "cv", number] if is_number(number) => Some(Part::Fold),
        [word] => {
            let after = ["fold", "split", "cv"].iter().find_map(|fold| word.strip_prefix(fold));
            // `split 1`, whose first word is a filler.
            let after_split = Some(*word).filter(|_| words[0] == "split");
            after.or(after_split).filter(|number| is_number(number)).map(|_| Part::Fold)
        }
        _ => None,
    }
}

/// Words that name what a radiograph shows.
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

/// Whether a folder called `name` is a class by its name.
pub fn is_finding(name: &str) -> bool {
    words(name).iter().any(|word| FINDINGS.contains(&word.as_str()))
}

/// Words for images, whatever they show.
const IMAGES: [&str; 18] = [
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
    "films",
];

/// Whether a folder called `name` holds images, and its name says no more: `images`,
/// `CXR_png`, `images_001`.
pub fn is_images(name: &str) -> bool {
    let words = words(name);
    let of_images = |word: &String| IMAGES.contains(&word.as_str());
    words.iter().any(of_images) && words.iter().all(|word| of_images(word) || is_number(word))
}

/// Words for masks and label maps that nothing else is called by.
const MASKS: [&str; 7] =
    ["mask", "masks", "segmentation", "segmentations", "labelmap", "labelmaps", "groundtruth"];

/// Words that are also used otherwise.
const PERHAPS_MASKS: [&str; 8] =
    ["seg", "segs", "gt", "roi", "rois", "labels", "annotations", "contours"];

/// Whether a name says that what bears it is a mask: `masks`, `lung masks`, `LungMasks`,
/// `x_mask`, `label map`.
pub fn is_mask(name: &str) -> bool {
    let words = words(name);
    let of_pair = |pair: &[String]| {
        matches!([&*pair[0], &*pair[1]], ["label", "map" | "maps"] | ["ground", "truth"])
    };
    words.iter().any(|word| MASKS.contains(&word.as_str())) || words.windows(2).any(of_pair)
}

/// Whether a name may say so: `labels`, `seg`.
pub fn is_perhaps_mask(name: &str) -> bool {
    words(name).iter().any(|word| PERHAPS_MASKS.contains(&word.as_str()))
}

/// Words of masks' names that the names of their images lack, or bear instead.
const BESIDE_MASK: [&str; 14] = [
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

/// What the file names of an image and of its mask have in common: `COVID-1` of
/// `COVID-1.png`, `COVID-1_mask.png` and `mask_COVID-1.png`; in lower case.
pub fn subject(stem: &str) -> String {
    let of_mask = |word: &String| {
        let word = word.as_str();
        MASKS.contains(&word) || PERHAPS_MASKS.contains(&word) || BESIDE_MASK.contains(&word)
    };
    let left: Vec<String> = words(stem).into_iter().filter(|word| !of_mask(word)).collect();
    left.join("-")
}

/// Whether the names are equal but for the digits in them, which both have.
pub fn differ_in_digits(a: &str, b: &str) -> bool {
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

/// The words of a name in lower case: split at what is no letter or digit, and where a
/// capital follows a small letter.
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
    fn parts_are_known_by_name() {
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
    fn masks_images_and_findings_are_known_by_name() {
        for name in ["masks", "Mask", "lung masks", "infection_masks", "LungMasks", "a_mask"] {
            assert!(is_mask(name), "{name}");
        }
        for name in ["masked", "unmasked lungs", "segmented", "damask", "label", "images"] {
            assert!(!is_mask(name), "{name}");
        }
        assert!(is_mask("label map") && is_mask("Ground-Truth") && is_perhaps_mask("labels"));
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
    fn an_image_and_its_mask_have_one_subject() {
        for (image, mask) in [
            ("CHNCXR_0001_0", "CHNCXR_0001_0_mask"),
            ("COVID-1", "mask COVID-1"),
            ("img_7", "7_lung_mask"),
            ("image", "mask"),
        ] {
            assert_eq!(subject(image), subject(mask), "{mask}");
        }
        assert_ne!(subject("COVID-1"), subject("COVID-11_mask"));
        assert!(differ_in_digits("patient01", "patient2") && !differ_in_digits("a1", "b2"));
        assert!(!differ_in_digits("train", "train"));
    }
}
