//! Items of TRIPOD+AI (Collins et al. 2024, BMJ 385:e078378), paraphrased, with the answers
//! from the artifacts.

use super::card::{Answer, Item, after, item, met, partly, unmet};
use super::claim::Origin;
use super::{Page, claim};

/// Returns all items for a study of development and evaluation.
pub(super) fn items(page: &Page) -> Vec<Item> {
    let left_to_authors = |what: &str| unmet(format!("left to the authors: {what}"));
    vec![
        item("1", "title names model, population, outcome", partly(title(page))),
        item("2", "structured abstract", left_to_authors("the abstract")),
        item("3a", "healthcare context and rationale", left_to_authors("the clinical context")),
        item(
            "3b",
            "target population, purpose, users",
            met("education and research on these images; no clinical population, purpose or users"),
        ),
        item(
            "3c",
            "known health inequalities",
            unmet(format!("{}; ethnicity and income are not recorded", demographics(page))),
        ),
        item(
            "4",
            "objectives",
            met("to train and evaluate a classifier, and to audit its performance for shortcuts"),
        ),
        item("5a", "sources of data and representativeness", sources(page)),
        item("5b", "dates of the data", unmet("the dates of the images are not recorded")),
        item("6a", "setting and centres", unmet("the hospitals of the images are not recorded")),
        item("6b", "eligibility criteria", claim::eligibility(page)),
        item("6c", "treatments received", unmet("not recorded")),
        item("7", "data preparation", claim::preprocessing(page)),
        item(
            "8a",
            "outcome, how and when assessed",
            partly(
                "the class is the folder or the label of the collection; how it was established is not recorded",
            ),
        ),
        item("8b", "qualification of outcome assessors", unmet("not recorded")),
        item("8c", "blinding of outcome assessors", unmet("not recorded")),
        item(
            "9a",
            "choice of predictors",
            met("the pixels of one image; no other data of the patient"),
        ),
        item("9b", "definition of predictors", claim::preprocessing(page)),
        item("9c", "qualification of predictor assessors", met("no person rates the images")),
        item("10", "sample size", sample_size(page)),
        item("11", "missing data", claim::missing(page)),
        item("12a", "how data were used, partition", claim::partition(page)),
        item("12b", "handling of predictors", met("frozen features; only the head is trained")),
        item("12c", "type of model, building, validation", claim::model(page)),
        item("12d", "heterogeneity between clusters", within(page)),
        item("12e", "measures of performance", claim::measures(page)),
        item("12f", "model updating", met("none")),
        item(
            "12g",
            "how predictions are calculated",
            met("`cxr predict` with the saved head, or the exported file"),
        ),
        item(
            "13",
            "class imbalance",
            partly(
                "classes are not resampled or weighted; predictive values are also given for an assumed prevalence",
            ),
        ),
        item(
            "14",
            "fairness",
            unmet(format!("the performance in subgroups is not evaluated: {}", demographics(page))),
        ),
        item("15", "output of the model", output(page)),
        item("16", "differences of training and evaluation data", claim::disjoint(page)),
        item("17", "ethical approval", left_to_authors("approval or exemption")),
        item("18a", "funding", left_to_authors("funding")),
        item("18b", "conflicts of interest", left_to_authors("conflicts of interest")),
        item("18c", "protocol", unmet("there is no study protocol")),
        item("18d", "registration", unmet("not registered")),
        item(
            "18e",
            "data sharing",
            match claim::origin(page) {
                Origin::Public => {
                    met("public collections; the README lists them and their licences")
                }
                Origin::Synthetic => met("synthetic images, which `cxr phantom` makes again"),
                Origin::Other => left_to_authors("data sharing"),
            },
        ),
        item("18f", "code sharing", met("`cxr` is licensed under MIT or Apache-2.0")),
        item("19", "patient and public involvement", unmet("none")),
        item("20a", "flow of participants", flow(page)),
        item("20b", "characteristics of participants", characteristics(page)),
        item("20c", "comparison of development and evaluation data", claim::characteristics(page)),
        item("21", "participants and outcomes of each analysis", flow(page)),
        item("22", "the full model", claim::availability(page)),
        item("23a", "performance with intervals", claim::performance(page)),
        item("23b", "heterogeneity in performance", within(page)),
        item("24", "results of model updating", met("none")),
        item("25", "interpretation", audit_result(page)),
        item("26", "limitations", claim::limitations(page)),
        item(
            "27a",
            "poor quality input",
            partly(
                "unreadable files are excluded and listed; images of poor quality are not detected",
            ),
        ),
        item("27b", "interaction and expertise of users", met("not for use on patients")),
        item("27c", "next steps", left_to_authors("next steps")),
    ]
}

/// Returns the number of images whose patient's sex and age are recorded, as text.
pub(super) fn demographics(page: &Page) -> String {
    let images: usize = page.images.iter().map(|class| class.images).sum();
    let sexed: usize = page.images.iter().map(|class| class.demographics.sexed()).sum();
    let aged: usize = page.images.iter().map(|class| class.demographics.aged).sum();
    match (sexed, aged) {
        (0, 0) => {
            format!("sex and age of the patients are recorded for none of the {images} images")
        }
        _ => format!(
            "of {images} images the patient's sex is recorded for {sexed} and the age for {aged}"
        ),
    }
}

fn characteristics(page: &Page) -> Answer {
    let known = demographics(page);
    match page.images.iter().any(|c| c.demographics.sexed() + c.demographics.aged > 0) {
        true => partly(format!("{known}, by class in the report; severity is not recorded")),
        false => unmet(format!("{known}; severity is not recorded")),
    }
}

fn title(page: &Page) -> String {
    format!(
        "classifier of chest X-rays into {}; the population is that of the image collections",
        page.classes.join(", ")
    )
}

fn sources(page: &Page) -> Answer {
    let names: std::collections::BTreeSet<&str> = page
        .images
        .iter()
        .flat_map(|class| &class.sources)
        .map(|s| s.what.as_str())
        .filter(|name| !name.is_empty())
        .collect();
    match names.len() {
        0 => unmet("the sources of the images are not recorded"),
        _ => partly(format!(
            "{}; convenience collections, not representative of any population",
            names.into_iter().collect::<Vec<_>>().join(", ")
        )),
    }
}

fn sample_size(page: &Page) -> Answer {
    let images: usize = page.images.iter().map(|class| class.images).sum();
    unmet(format!(
        "no sample size was planned: all {images} available images are used; the intervals show the precision"
    ))
}

fn within(page: &Page) -> Answer {
    after(page, "audit", page.audit.as_ref().map(|audit| match audit.within.len() {
        0 => unmet("no source has images of several classes"),
        n => partly(format!("the report's audit evaluates probes within {n} sources; the model is not evaluated by centre")),
    }))
}

fn output(page: &Page) -> Answer {
    after(page, "evaluate", page.performance.first().map(|performance| {
        met(format!(
            "a probability for each class; the probabilities and the predicted class are recorded for all {} evaluated images",
            performance.images
        ))
    }))
}

fn flow(page: &Page) -> Answer {
    match (page.sources.len(), page.images.len()) {
        (_, 0) => after(page, "preprocess", None),
        (0, _) => partly(
            "images and patients by class and set are in the report; the rows of the source are not recorded",
        ),
        _ => met(
            "kept and excluded rows with reasons, images and patients: in the report under *Where the images come from*",
        ),
    }
}

fn audit_result(page: &Page) -> Answer {
    after(page, "audit", page.audit.as_ref().map(|audit| met(audit.text.clone())))
}
