//! Items of CLAIM, update of 2024 (Tejani et al., Radiology: Artificial Intelligence
//! 6(4):e240300), paraphrased, with the answers from the artifacts.

use super::Page;
use super::card::{Answer, Item, after, item, met, partly, unmet};

/// Returns all items.
pub(super) fn items(page: &Page) -> Vec<Item> {
    let left_to_authors = |what: &str| unmet(format!("left to the authors: {what}"));
    vec![
        item(
            "1",
            "title names the AI method",
            met("transfer learning: a trained head on a frozen convolutional backbone"),
        ),
        item("2", "structured summary", left_to_authors("the summary")),
        item(
            "3",
            "background, intended use, role",
            partly(
                "education and research, never diagnosis; the clinical background is left to the authors",
            ),
        ),
        item("4", "aims and hypotheses", left_to_authors("the hypothesis")),
        item("5", "prospective or retrospective", met("retrospective")),
        item(
            "6",
            "goal of the study",
            met(match page.as_tutorial {
                true => {
                    "to repeat the steps and settings of a published classifier and to audit its \
                     performance for shortcuts"
                }
                false => "to train a classifier and to audit its performance for shortcuts",
            }),
        ),
        item("7", "data sources", collections(page)),
        item("8", "inclusion and exclusion", eligibility(page)),
        item("9", "preprocessing", preprocessing(page)),
        item("10", "subsets of images", met("none: the whole image is stretched to a square")),
        item(
            "11",
            "de-identification",
            match origin(page) {
                Origin::Public => partly(
                    "done by the collections; text burnt into images is not removed and may reveal the source",
                ),
                Origin::Synthetic => met("the images are synthetic and show no patient"),
                Origin::Other => unmet("not recorded; text burnt into images is not removed"),
            },
        ),
        item("12", "missing data", missing(page)),
        item("13", "image acquisition", unmet("device and dose are not recorded")),
        item(
            "14",
            "reference standard",
            partly("the label in the collection; how it was established is not recorded"),
        ),
        item(
            "15",
            "why that reference standard",
            unmet("not recorded: the labels come with the images"),
        ),
        item("16", "who annotated", unmet("not recorded")),
        item(
            "17",
            "annotation of the test set",
            unmet("the same labels as in training; the test images were not read again"),
        ),
        item("18", "variability between readers", unmet("there is one label per image")),
        item("19", "how partitions were made", partition(page)),
        item("20", "level at which partitions are disjoint", disjoint(page)),
        item("21", "intended sample size", unmet("none was planned")),
        item("22", "the model in detail", model(page)),
        item(
            "23",
            "software",
            met(format!(
                "cxr {} for every step; its libraries are listed in `Cargo.lock`",
                page.version
            )),
        ),
        item(
            "24",
            "initial parameters",
            met(
                "frozen pretrained weights (item 22); the head is initialised as in Keras, from the seed",
            ),
        ),
        item("25", "training", training(page)),
        item("26", "how the final model was chosen", model_selection(page)),
        item("27", "ensembles", met("none")),
        item("28", "measures of performance", measures(page)),
        item("29", "uncertainty", measures(page)),
        item("30", "robustness", robustness(page)),
        item("31", "explainability", explained(page)),
        item("32", "evaluation on internal data", performance(page)),
        item("33", "evaluation on external data", external(page)),
        item("34", "trial registration", unmet("not registered")),
        item("35", "patients or images included and excluded", eligibility(page)),
        item("36", "characteristics of each partition", characteristics(page)),
        item("37", "performance with uncertainty", performance(page)),
        item("38", "diagnostic accuracy and precision", performance(page)),
        item("39", "analysis of failures", failures(page)),
        item("40", "limitations", limitations(page)),
        item(
            "41",
            "implications for practice",
            met("none: the results do not support any use on patients"),
        ),
        item(
            "42",
            "full protocol",
            partly(
                "no protocol; the report has all settings, seeds and hashes, and the commands that reproduce it",
            ),
        ),
        item("43", "availability of software, model, data", availability(page)),
        item("44", "funding", left_to_authors("funding")),
    ]
}

/// Sources of public images in `index.csv`.
const PUBLIC: [&str; 2] = ["covid-chestxray-dataset", "chest_xray"];

/// Source of synthetic images in `index.csv`.
const SYNTHETIC: &str = "phantom";

/// Common origin of all images of a report.
pub(super) enum Origin {
    /// Public collections.
    Public,
    /// Synthetic images of `cxr phantom`.
    Synthetic,
    /// Other or unknown origin of at least one image.
    Other,
}

pub(super) fn origin(page: &Page) -> Origin {
    let all_from = |names: &[&str]| {
        let mut sources = page.images.iter().flat_map(|class| &class.sources);
        !page.images.is_empty() && sources.all(|source| names.contains(&source.what.as_str()))
    };
    match () {
        () if all_from(&PUBLIC) => Origin::Public,
        () if all_from(&[SYNTHETIC]) => Origin::Synthetic,
        () => Origin::Other,
    }
}

/// Sources of the images.
fn collections(page: &Page) -> Answer {
    let all: usize = page.images.iter().map(|class| class.images).sum();
    let sources = page.images.iter().flat_map(|class| &class.sources);
    let known: usize = sources.filter(|s| !s.what.is_empty()).map(|s| s.count).sum();
    match known {
        0 => unmet("the sources and centres of the images are not recorded"),
        _ => partly(format!("the source of {known} of {all} images is recorded; centres are not")),
    }
}

pub(super) fn eligibility(page: &Page) -> Answer {
    if page.sources.is_empty() {
        return unmet("the class folders have no selection logs");
    }
    let describe = |source: &super::Source| {
        format!("{}: {} of {} rows kept", source.class, source.kept, source.rows)
    };
    let sources: Vec<String> = page.sources.iter().map(describe).collect();
    met(format!("{}; the exclusion reasons are in each `selection.csv`", sources.join("; ")))
}

pub(super) fn preprocessing(page: &Page) -> Answer {
    after(
        page,
        "train",
        page.model.as_ref().map(|model| {
            let fact = |name: &str| {
                model.facts.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value.as_str())
            };
            met(format!("{}; {}, {}", fact("Input"), fact("Frozen backbone"), fact("Pooling")))
        }),
    )
}

pub(super) fn missing(page: &Page) -> Answer {
    if page.images.is_empty() {
        return after(page, "preprocess", None);
    }
    let excluded: usize = page.images.iter().map(|class| class.files - class.images).sum();
    let unknown: usize = page.images.iter().map(|class| class.unknown).sum();
    met(format!(
        "{excluded} files are excluded and listed; {unknown} images have no patient ID, and each is treated as a separate patient"
    ))
}

pub(super) fn partition(page: &Page) -> Answer {
    after(
        page,
        "split",
        page.split.as_ref().map(|split| {
            met(format!(
                "by {}: {} images for training, {}, {} for testing, seed {}{}",
                split.method,
                split.train,
                match split.validation {
                    0 => "the test images for validation".to_owned(),
                    images => format!("{images} for validation"),
                },
                split.test,
                split.seed,
                if page.performance.len() > 1 { "; also cross-validation" } else { "" }
            ))
        }),
    )
}

pub(super) fn disjoint(page: &Page) -> Answer {
    after(
        page,
        "split",
        page.split.as_ref().map(|split| match (split.leaking.len(), split.unknown) {
            _ if !split.copies.is_empty() => unmet(format!(
                "{} of {} test images are also in the training set, byte for byte",
                split.copies.len(),
                split.test
            )),
            (0, 0) => met("no patient is in both the training and the test set"),
            (0, _) if split.by == "link" => {
                met("by patient linkage, no patient is in both the training and the test set")
            }
            (0, unknown) => partly(format!(
                "no known patient is in both the training and the test set; {unknown} images have no patient ID"
            )),
            (patients, _) => unmet(format!(
                "{patients} patients are in both the training and the test set, with {} of {} test images",
                split.leaked_images, split.test
            )),
        }),
    )
}

pub(super) fn model(page: &Page) -> Answer {
    after(
        page,
        "train",
        page.model.as_ref().map(|model| {
            let facts: Vec<String> =
                model.facts.iter().map(|(name, value)| format!("{name}: {value}")).collect();
            met(facts.join("; "))
        }),
    )
}

fn training(page: &Page) -> Answer {
    let rotations = page.stages.iter().find(|stage| stage.name == "extract").map(|stage| {
        let value = |name: &str| {
            let setting = stage.settings.iter().find(|(n, _, _)| n == name);
            setting.map_or("?", |(_, value, _)| value.as_str())
        };
        format!(
            "; {} rotations of each image by up to {} degrees",
            value("rotations"),
            value("degrees")
        )
    });
    match model(page) {
        (status, text) if page.model.is_some() => (status, text + &rotations.unwrap_or_default()),
        answer => answer,
    }
}

fn model_selection(page: &Page) -> Answer {
    let validation = match page.split.as_ref().map(|split| split.validation) {
        Some(images) if images > 0 => {
            format!("{images} validation images monitor the training; nothing is chosen by them")
        }
        _ => "the validation images are the test images; nothing is chosen by them".to_owned(),
    };
    after(
        page,
        "train",
        page.model.as_ref().map(|model| {
            partly(format!(
                "the head of the first of {} seeds after the last epoch; {validation}",
                model.seeds
            ))
        }),
    )
}

pub(super) fn measures(page: &Page) -> Answer {
    after(page, "evaluate", page.performance.first().map(|_| {
        met("accuracy, sensitivity, specificity, predictive values, ROC AUC, average precision, calibration; 95 % intervals: Wilson for proportions, patient-level bootstrap for other metrics")
    }))
}

fn robustness(page: &Page) -> Answer {
    after(
        page,
        "audit",
        page.audit.as_ref().map(|audit| {
            partly(format!(
                "{} shortcut probes, permuted labels among them; no noise, no other devices",
                audit.probes.len()
            ))
        }),
    )
}

fn explained(page: &Page) -> Answer {
    after(
        page, "explain",
        page.explained.as_ref().map(|explained| {
            let region = match explained.pooled_region.as_str() {
                "" => String::new(),
                region => format!("; {region}"),
            };
            met(format!(
                "Grad-CAM of {} images, in the report's image browser; occlusion maps of the images with the lowest probability of the true class{region}",
                explained.images
            ))
        }),
    )
}

fn external(page: &Page) -> Answer {
    match page.split.as_ref().map(|split| split.method.as_str()) {
        Some("source") => partly("one source was held out for testing"),
        _ => unmet(
            "the test images are not from another source; `cxr split --method source` holds one source out",
        ),
    }
}

pub(super) fn characteristics(page: &Page) -> Answer {
    after(
        page,
        "split",
        page.split.as_ref().map(|_| {
            partly(format!(
                "images and patients by class and set; {}; severity is not recorded",
                super::tripod::demographics(page)
            ))
        }),
    )
}

pub(super) fn performance(page: &Page) -> Answer {
    after(
        page,
        "evaluate",
        page.performance.first().map(|performance| {
            let describe = |e: &super::Estimate| {
                let interval = match e.low.zip(e.high) {
                    Some((low, high)) => format!(" [{low:.2}, {high:.2}]"),
                    None => String::new(),
                };
                e.value.map(|value| format!("{} {value:.2}{interval}", e.name.to_lowercase()))
            };
            let figures: Vec<String> = performance.headline.iter().filter_map(describe).collect();
            met(format!(
                "{} images, {}: {}",
                performance.images,
                performance.on,
                figures.join(", ")
            ))
        }),
    )
}

fn failures(page: &Page) -> Answer {
    let wrong = page.browser.iter().filter(|image| image.truth != image.predicted).count();
    match page.browser.len() {
        0 => unmet("the report shows no images"),
        images => partly(format!(
            "{wrong} of {images} images are misclassified; they are in the report's image browser; no reader has reviewed them"
        )),
    }
}

pub(super) fn limitations(page: &Page) -> Answer {
    after(
        page,
        "audit",
        page.audit.as_ref().map(|audit| {
            met(format!(
                "{}; {} other limitations are listed under Validity",
                audit.text,
                audit.findings.len()
            ))
        }),
    )
}

pub(super) fn availability(page: &Page) -> Answer {
    after(
        page,
        "train",
        page.model.as_ref().map(|model| {
            met(format!(
                "`train/model.safetensors`, BLAKE3 {}; software as stated in the README{}",
                model.weights,
                match origin(page) {
                    Origin::Public => ", and the public data",
                    Origin::Synthetic => "; `cxr phantom` creates the data",
                    Origin::Other => "; the data are left to the authors",
                }
            ))
        }),
    )
}
