//! The items of CLAIM, update of 2024 (Tejani et al., Radiology: Artificial
//! Intelligence 6(4):e240300), in words of our own, and what the artifacts answer.

use super::Page;
use super::card::{Answer, Item, after, item, met, partly, unmet};

/// Every item.
pub(super) fn items(page: &Page) -> Vec<Item> {
    let by_hand = |what: &str| unmet(format!("left to the authors: {what}"));
    vec![
        item(
            "1",
            "title names the AI method",
            met("transfer learning: a frozen convolutional net with a trained head"),
        ),
        item("2", "structured summary", by_hand("the summary")),
        item(
            "3",
            "background, intended use, role",
            partly(
                "education and research, never diagnosis; the clinical background is for the authors to tell",
            ),
        ),
        item("4", "aims and hypotheses", by_hand("the hypothesis")),
        item("5", "prospective or retrospective", met("retrospective")),
        item(
            "6",
            "goal of the study",
            met(match page.as_tutorial {
                true => {
                    "to repeat the steps and settings of a published classifier and to ask what \
                     its figures are worth"
                }
                false => "to train a classifier and to ask what its figures are worth",
            }),
        ),
        item("7", "data sources", collections(page)),
        item("8", "inclusion and exclusion", eligibility(page)),
        item("9", "preprocessing", preprocessing(page)),
        item("10", "subsets of images", met("none: the whole image is used, squeezed to a square")),
        item(
            "11",
            "de-identification",
            match origin(page) {
                Origin::Public => partly(
                    "done by the collections; letters burnt into images are not removed, and may give the source away",
                ),
                Origin::Synthetic => met("the images are synthetic and show no patient"),
                Origin::Other => unmet("not on record; letters burnt into images are not removed"),
            },
        ),
        item("12", "missing data", missing(page)),
        item("13", "image acquisition", unmet("device and dose are not on record")),
        item(
            "14",
            "reference standard",
            partly("the collection's label of each image; how it was established is not on record"),
        ),
        item(
            "15",
            "why that reference standard",
            unmet("not on record: the labels come with the images"),
        ),
        item("16", "who annotated", unmet("not on record")),
        item(
            "17",
            "annotation of the test set",
            unmet("the same labels as in training; nobody read the test images again"),
        ),
        item("18", "variability between readers", unmet("there is one label an image")),
        item("19", "how partitions were made", partition(page)),
        item("20", "level at which partitions are disjoint", disjoint(page)),
        item("21", "intended sample size", unmet("none was planned")),
        item("22", "the model in detail", model(page)),
        item(
            "23",
            "software",
            met(format!(
                "cxr {}, one program for every step; its libraries stand in `Cargo.lock`",
                page.version
            )),
        ),
        item(
            "24",
            "initial parameters",
            met(
                "frozen pretrained weights, named under the model; the head as Keras draws it, from the seed",
            ),
        ),
        item("25", "training", training(page)),
        item("26", "how the final model was chosen", chosen(page)),
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
            met("none: the figures are no ground for any use on patients"),
        ),
        item(
            "42",
            "full protocol",
            partly(
                "no protocol; the report's provenance has every setting, seed and hash, and the commands to repeat it",
            ),
        ),
        item("43", "availability of software, model, data", availability(page)),
        item("44", "funding", by_hand("funding")),
    ]
}

/// The sources of public images, as `index.csv` names them.
const PUBLIC: [&str; 2] = ["covid-chestxray-dataset", "chest_xray"];

/// The source of synthetic images.
const SYNTHETIC: &str = "phantom";

/// Where all images of a report come from.
pub(super) enum Origin {
    /// From public collections, each image on record.
    Public,
    /// From `cxr phantom`.
    Synthetic,
    /// Not on record of every image, or from elsewhere.
    Other,
}

pub(super) fn origin(page: &Page) -> Origin {
    let all = |names: &[&str]| {
        let mut sources = page.images.iter().flat_map(|class| &class.sources);
        !page.images.is_empty() && sources.all(|source| names.contains(&source.what.as_str()))
    };
    match () {
        () if all(&PUBLIC) => Origin::Public,
        () if all(&[SYNTHETIC]) => Origin::Synthetic,
        () => Origin::Other,
    }
}

/// The collections that the images come from.
fn collections(page: &Page) -> Answer {
    let all: usize = page.images.iter().map(|class| class.images).sum();
    let sources = page.images.iter().flat_map(|class| &class.sources);
    let known: usize = sources.filter(|s| !s.what.is_empty()).map(|s| s.count).sum();
    match known {
        0 => unmet("the collections and centres that the images come from are not on record"),
        _ => partly(format!(
            "the collection of {known} of {all} images is on record; centres are not"
        )),
    }
}

pub(super) fn eligibility(page: &Page) -> Answer {
    if page.sources.is_empty() {
        return unmet(
            "there is no selection log in the class folders of what was kept and dropped",
        );
    }
    let of = |source: &super::Source| {
        format!("{}: {} of {} rows kept", source.class, source.kept, source.rows)
    };
    let sources: Vec<String> = page.sources.iter().map(of).collect();
    met(format!("{}; the reasons stand in each `selection.csv`", sources.join("; ")))
}

pub(super) fn preprocessing(page: &Page) -> Answer {
    after(
        page,
        "train",
        page.model.as_ref().map(|model| {
            let fact = |name: &str| {
                model.facts.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value.as_str())
            };
            met(format!("{}; {}, {}", fact("Input"), fact("Frozen net"), fact("Pooling")))
        }),
    )
}

pub(super) fn missing(page: &Page) -> Answer {
    if page.images.is_empty() {
        return after(page, "preprocess", None);
    }
    let unread: usize = page.images.iter().map(|class| class.files - class.images).sum();
    let unknown: usize = page.images.iter().map(|class| class.unknown).sum();
    met(format!(
        "{unread} files could not be read and are listed; of {unknown} images the patient is not known, each counts as one of its own"
    ))
}

pub(super) fn partition(page: &Page) -> Answer {
    after(
        page,
        "split",
        page.split.as_ref().map(|split| {
            met(format!(
                "by {}: {} images train, {}, {} test, seed {}{}",
                split.method,
                split.train,
                match split.validation {
                    0 => "the test images validate too".to_owned(),
                    images => format!("{images} validate"),
                },
                split.test,
                split.seed,
                if page.judged.len() > 1 { "; and a repeated cross-validation" } else { "" }
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
                "{} of {} test images are in training too, byte for byte",
                split.copies.len(),
                split.test
            )),
            (0, 0) => met("no patient stands on both sides"),
            (0, _) if split.by == "link" => {
                met("no patient stands on both sides, by ids, names, files and pictures")
            }
            (0, unknown) => partly(format!(
                "no known patient stands on both sides; of {unknown} images the patient is not known"
            )),
            (patients, _) => unmet(format!(
                "{patients} patients stand on both sides, on {} of {} test images",
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
        let of = |name: &str| {
            let setting = stage.settings.iter().find(|(n, _, _)| n == name);
            setting.map_or("?", |(_, value, _)| value.as_str())
        };
        format!("; {} rotations of each image by up to {} degrees", of("rotations"), of("degrees"))
    });
    match model(page) {
        (status, text) if page.model.is_some() => (status, text + &rotations.unwrap_or_default()),
        answer => answer,
    }
}

fn chosen(page: &Page) -> Answer {
    let validation = match page.split.as_ref().map(|split| split.validation) {
        Some(images) if images > 0 => format!(
            "{images} validation images, of other patients, show the training and choose nothing"
        ),
        _ => "validation images are the test images, so nothing may be chosen by them".to_owned(),
    };
    after(
        page,
        "train",
        page.model.as_ref().map(|model| {
            partly(format!(
                "the head of the first seed after the last epoch, {} trained; {validation}",
                model.seeds
            ))
        }),
    )
}

pub(super) fn measures(page: &Page) -> Answer {
    after(page, "evaluate", page.judged.first().map(|_| {
        met("accuracy, sensitivity, specificity, predictive values, areas, calibration; 95 % intervals by Wilson for rates and by bootstrap over patients for scores")
    }))
}

fn robustness(page: &Page) -> Answer {
    after(page, "audit", page.audit.as_ref().map(|audit| {
        partly(format!("{} probes that see no or little lung, and shuffled labels; no noise, no other devices", audit.probes.len()))
    }))
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
                "Grad-CAM of {} images, occlusion of the worst; in the report's image browser{region}",
                explained.images
            ))
        }),
    )
}

fn external(page: &Page) -> Answer {
    match page.split.as_ref().map(|split| split.method.as_str()) {
        Some("source") => partly("one source was held out of training"),
        _ => unmet(
            "no image of another place was kept for the test; `cxr split --method source` holds one out",
        ),
    }
}

pub(super) fn characteristics(page: &Page) -> Answer {
    after(
        page,
        "split",
        page.split.as_ref().map(|_| {
            partly(format!(
                "images and patients by class and side; {}; severity is not on record",
                super::tripod::demographics(page)
            ))
        }),
    )
}

pub(super) fn performance(page: &Page) -> Answer {
    after(
        page,
        "evaluate",
        page.judged.first().map(|judged| {
            let of = |e: &super::Estimate| {
                let interval = match e.low.zip(e.high) {
                    Some((low, high)) => format!(" [{low:.2}, {high:.2}]"),
                    None => String::new(),
                };
                e.value.map(|value| format!("{} {value:.2}{interval}", e.name.to_lowercase()))
            };
            let figures: Vec<String> = judged.headline.iter().filter_map(of).collect();
            met(format!("{} images, {}: {}", judged.images, judged.on, figures.join(", ")))
        }),
    )
}

fn failures(page: &Page) -> Answer {
    let wrong = page.browser.iter().filter(|image| image.truth != image.predicted).count();
    match page.browser.len() {
        0 => unmet("the report shows no images"),
        images => partly(format!(
            "{wrong} of {images} images are named wrongly; the image browser shows them first; nobody has read them"
        )),
    }
}

pub(super) fn limitations(page: &Page) -> Answer {
    after(
        page,
        "audit",
        page.audit.as_ref().map(|audit| {
            met(format!("{}; and {} findings below", audit.text, audit.findings.len()))
        }),
    )
}

pub(super) fn availability(page: &Page) -> Answer {
    after(
        page,
        "train",
        page.model.as_ref().map(|model| {
            met(format!(
                "`train/model.safetensors`, BLAKE3 {}; software as the README names it{}",
                model.weights,
                match origin(page) {
                    Origin::Public => ", and the data",
                    Origin::Synthetic => "; `cxr phantom` makes the data",
                    Origin::Other => "; the data are left to the authors",
                }
            ))
        }),
    )
}
