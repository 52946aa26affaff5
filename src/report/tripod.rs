//! The items of TRIPOD+AI (Collins et al. 2024, BMJ 385:e078378), in words of our
//! own, and what the artifacts answer.

use super::card::{Answer, Item, after, item, met, partly, unmet};
use super::claim::Origin;
use super::{Page, claim};

/// Every item that a study of development and evaluation answers.
pub(super) fn items(page: &Page) -> Vec<Item> {
    let by_hand = |what: &str| unmet(format!("left to the authors: {what}"));
    vec![
        item("1", "title names model, population, outcome", partly(title(page))),
        item("2", "structured abstract", by_hand("the abstract")),
        item("3a", "healthcare context and rationale", by_hand("the clinical context")),
        item(
            "3b",
            "target population, purpose, users",
            met(
                "intended for education and research on these images; no clinical population, purpose or user",
            ),
        ),
        item(
            "3c",
            "known health inequalities",
            unmet(format!("{}; ethnicity and income are not on record", demographics(page))),
        ),
        item(
            "4",
            "objectives",
            met("to train a classifier, to judge it, and to ask what its figures are worth"),
        ),
        item("5a", "sources of data and representativeness", sources(page)),
        item("5b", "dates of the data", unmet("the dates of the images are not on record")),
        item(
            "6a",
            "setting and centres",
            unmet("the hospitals that the images come from are not on record"),
        ),
        item("6b", "eligibility criteria", claim::eligibility(page)),
        item("6c", "treatments received", unmet("not on record")),
        item("7", "data preparation", claim::preprocessing(page)),
        item(
            "8a",
            "outcome, how and when assessed",
            partly(
                "the class is the folder or the collection's own label; how it was established is not on record",
            ),
        ),
        item("8b", "qualification of outcome assessors", unmet("not on record")),
        item("8c", "blinding of outcome assessors", unmet("not on record")),
        item(
            "9a",
            "choice of predictors",
            met("the pixels of one image; nothing else of the patient"),
        ),
        item("9b", "definition of predictors", claim::preprocessing(page)),
        item("9c", "qualification of predictor assessors", met("no patient rates the images")),
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
                "classes are taken as they are; predictive values are given for the prevalence of use, too",
            ),
        ),
        item(
            "14",
            "fairness",
            unmet(format!("the performance in subgroups is not evaluated: {}", demographics(page))),
        ),
        item("15", "output of the model", threshold(page)),
        item("16", "differences of training and evaluation data", claim::disjoint(page)),
        item("17", "ethical approval", by_hand("approval or exemption")),
        item("18a", "funding", by_hand("funding")),
        item("18b", "conflicts of interest", by_hand("interests")),
        item("18c", "protocol", unmet("there is no protocol of a study")),
        item("18d", "registration", unmet("not registered")),
        item(
            "18e",
            "data sharing",
            match claim::origin(page) {
                Origin::Public => {
                    met("public collections; the README names them and their licences")
                }
                Origin::Synthetic => met("synthetic images, which `cxr phantom` makes again"),
                Origin::Other => by_hand("whether the images can be shared"),
            },
        ),
        item("18f", "code sharing", met("`cxr` is MIT or Apache-2.0")),
        item("19", "patient and public involvement", unmet("none")),
        item("20a", "flow of participants", flow(page)),
        item("20b", "characteristics of participants", characteristics(page)),
        item("20c", "comparison of development and evaluation data", claim::characteristics(page)),
        item("21", "participants and outcomes of each analysis", flow(page)),
        item("22", "the full model", claim::availability(page)),
        item("23a", "performance with intervals", claim::performance(page)),
        item("23b", "heterogeneity in performance", within(page)),
        item("24", "results of model updating", met("none")),
        item("25", "interpretation", verdict(page)),
        item("26", "limitations", claim::limitations(page)),
        item(
            "27a",
            "poor quality input",
            partly(
                "unreadable files are refused and listed; images of poor quality are not told from good ones",
            ),
        ),
        item(
            "27b",
            "interaction and expertise of users",
            met("not to be used on patients by anybody"),
        ),
        item("27c", "next steps", by_hand("what comes next")),
    ]
}

/// For how many of the images sex and age of the patient are on record.
pub(super) fn demographics(page: &Page) -> String {
    let images: usize = page.images.iter().map(|class| class.images).sum();
    let sexed: usize = page.images.iter().map(|class| class.demographics.sexed()).sum();
    let aged: usize = page.images.iter().map(|class| class.demographics.aged).sum();
    match (sexed, aged) {
        (0, 0) => {
            format!("sex and age of the patients are on record for none of the {images} images")
        }
        _ => format!(
            "of {images} images the patient's sex is on record for {sexed} and the age for {aged}"
        ),
    }
}

fn characteristics(page: &Page) -> Answer {
    let known = demographics(page);
    match page.images.iter().any(|c| c.demographics.sexed() + c.demographics.aged > 0) {
        true => partly(format!("{known}, by class in the report; severity is not on record")),
        false => unmet(format!("{known}, nor is the severity")),
    }
}

fn title(page: &Page) -> String {
    format!(
        "classifier of chest X-rays into {}; the population is that of the collections",
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
        0 => unmet("the collections that the images come from are not on record"),
        _ => partly(format!(
            "{}; convenience collections, not representative of any population",
            names.into_iter().collect::<Vec<_>>().join(", ")
        )),
    }
}

fn sample_size(page: &Page) -> Answer {
    let images: usize = page.images.iter().map(|class| class.images).sum();
    unmet(format!(
        "no sample size was planned: {images} images is what there was; the intervals show what that allows"
    ))
}

fn within(page: &Page) -> Answer {
    after(page, "audit", page.audit.as_ref().map(|audit| match audit.within.len() {
        0 => unmet("no source has images of several classes, so nothing can be told within one"),
        n => partly(format!("probes within {n} sources stand in the report's audit; the model itself is not judged by centre")),
    }))
}

fn threshold(page: &Page) -> Answer {
    after(page, "evaluate", page.judged.first().map(|judged| {
        met(format!(
            "a probability for each class; the class named and, out of fold, the threshold that names it, are on record for all {} images judged",
            judged.images
        ))
    }))
}

fn flow(page: &Page) -> Answer {
    match (page.sources.len(), page.images.len()) {
        (_, 0) => after(page, "preprocess", None),
        (0, _) => partly(
            "images and patients by class and side are in the report; the source's rows are not on record",
        ),
        _ => met(
            "rows, images and patients kept and dropped, with reasons, in the report under *Where the images come from*",
        ),
    }
}

fn verdict(page: &Page) -> Answer {
    after(page, "audit", page.audit.as_ref().map(|audit| met(audit.text.clone())))
}
