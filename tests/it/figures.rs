//! One estimate for one quantity: numbers in figures, page, card and JSON against each
//! other, on the small demo of [`crate::report`].

use std::collections::BTreeSet;

use serde_json::Value;

use crate::report::{CARD, CONFIG, PAGE, copy, demo};
use crate::support::{Sandbox, random_weights};

const FOLDER: &str = "artifacts/demo";

/// `value`, `low` and `high` of an estimate.
type Triple = (f64, f64, f64);

/// Every estimate in a document: objects with a value (of a probe, its `auc`) and an
/// interval.
fn estimates(document: &Value, found: &mut Vec<Triple>) {
    match document {
        Value::Object(fields) => {
            let number = |key: &str| fields.get(key).and_then(Value::as_f64);
            let value = number("value").or_else(|| number("auc"));
            if let (Some(value), Some(low), Some(high)) = (value, number("low"), number("high")) {
                found.push((value, low, high));
            }
            fields.values().for_each(|value| estimates(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| estimates(value, found)),
        _ => {}
    }
}

/// The estimates that the stages have stored.
fn stored(sandbox: &Sandbox) -> Vec<Triple> {
    let mut found = Vec::new();
    for file in ["evaluate/metrics.json", "crossval/crossval.json", "audit/audit.json"] {
        estimates(&sandbox.json(format!("{FOLDER}/{file}")), &mut found);
    }
    assert!(found.len() > 30);
    found
}

/// Every `0.94 (0.88 to 0.98)` and `0.94 (95 % CI 0.88 to 0.98)` of a text, as written.
fn with_intervals(text: &str) -> BTreeSet<(String, String, String)> {
    let numeric = |text: &&str| text.parse::<f64>().is_ok();
    let found = text.match_indices('(').filter_map(|(at, _)| {
        let (inside, _) = text[at + 1..].split_once(')')?;
        let inside = inside.strip_prefix("95 % CI ").unwrap_or(inside);
        let (low, high) = inside.split_once(" to ")?;
        let value = text[..at].trim_end().rsplit([' ', '>', '\n']).next()?;
        let all = [value, low, high];
        all.iter().all(numeric).then(|| all.map(str::to_owned).into())
    });
    found.collect()
}

/// Every `0.88 to 0.98` of a text, as written.
fn intervals(text: &str) -> BTreeSet<(String, String)> {
    let decimal = |c: char| c.is_ascii_digit() || c == '.' || c == '-';
    let found = text.match_indices(" to ").filter_map(|(at, to)| {
        let before = &text[..at];
        let low = &before[before.trim_end_matches(decimal).len()..];
        let after = &text[at + to.len()..];
        let high = &after[..after.len() - after.trim_start_matches(decimal).len()];
        let high = high.trim_end_matches('.');
        let both = [low, high].iter().all(|end| end.contains('.') && end.parse::<f64>().is_ok());
        both.then(|| (low.to_owned(), high.to_owned()))
    });
    found.collect()
}

fn digits(number: &str) -> usize {
    number.split_once('.').map_or(0, |(_, after)| after.len())
}

fn fixed(value: f64, digits: usize) -> String {
    format!("{value:.digits$}")
}

#[track_caller]
fn all_stored(what: &str, text: &str, stored: &[Triple]) {
    for (value, low, high) in with_intervals(text) {
        let known = stored.iter().any(|of| {
            [(of.0, &value), (of.1, &low), (of.2, &high)]
                .into_iter()
                .all(|(number, text)| fixed(number, digits(text)) == *text)
        });
        assert!(known, "{what}: no stored estimate is {value} ({low} to {high})");
    }
}

/// The text of a page, without its tags and figures.
fn plain(html: &str) -> String {
    let figure =
        |part: &str| part.split_once("</svg>").map_or(String::new(), |(_, rest)| rest.into());
    let mut parts = html.split("<svg");
    let first = parts.next().unwrap_or_default().to_owned();
    let html: String = std::iter::once(first).chain(parts.map(figure)).collect();
    let texts = html.split('<').map(|part| part.split_once('>').map_or(part, |(_, text)| text));
    texts.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ")
}

/// The interval of the out-of-distribution rate in per cent, as a bundle of the model has it.
fn out_of_distribution_rate(sandbox: &Sandbox) -> (f64, f64) {
    sandbox.ok("cxr-export bundle --profile demo -o rate.cxr");
    let bytes = std::fs::read(sandbox.path("rate.cxr")).unwrap();
    let length = u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize;
    let header: Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    let manifest = header["__metadata__"]["bundle"].as_str().unwrap();
    let manifest: Value = serde_json::from_str(manifest).unwrap();
    let measured = &manifest["out_of_distribution"]["measured"];
    let end = |name: &str| 100.0 * measured[name].as_f64().unwrap();
    (end("low"), end("high"))
}

#[test]
fn figures_page_and_card_show_the_stored_estimates() {
    let sandbox = demo();
    let stored = stored(sandbox);
    let (page, card) = (sandbox.read(PAGE), sandbox.read(CARD));
    let mut seen = 0;
    for (name, bytes) in sandbox.tree(&format!("{FOLDER}/plot")) {
        if name.ends_with(".svg") {
            let svg = String::from_utf8(bytes).unwrap();
            seen += with_intervals(&svg).len();
            all_stored(&name, &svg, &stored);
        }
    }
    assert!(seen > 10, "{seen} numbers in figures");
    all_stored("page", &page, &stored);
    all_stored("card", &card, &stored);

    let crossval = sandbox.json(format!("{FOLDER}/crossval/crossval.json"));
    let chosen = &crossval["threshold"]["chosen"];
    let thresholds = chosen["min"].as_f64().zip(chosen["max"].as_f64());
    let known: Vec<(f64, f64)> = stored.iter().map(|of| (of.1, of.2)).chain(thresholds).collect();
    let known = [known, vec![out_of_distribution_rate(sandbox)]].concat();
    for (what, text) in [("page", plain(&page)), ("card", card.clone())] {
        let found = intervals(&text);
        assert!(found.len() > 10, "{what}: {} intervals", found.len());
        for (low, high) in found {
            let digits = digits(&low);
            let is = |of: &&(f64, f64)| {
                (fixed(of.0, digits), fixed(of.1, digits)) == (low.clone(), high.clone())
            };
            let written = format!("{low} to {high}");
            let context = text.split_once(&written).map_or("", |(before, _)| before);
            let context: String = context.chars().rev().take(100).collect();
            let context: String = context.chars().rev().collect();
            assert!(
                known.iter().any(|of| is(&of)),
                "{what}: no stored interval is {written}, after `{context}`"
            );
        }
    }
}

/// The first figures of the page, by name: of the cross-validation, in every place.
#[test]
fn the_headline_is_the_same_everywhere() {
    let sandbox = demo();
    let crossval = sandbox.json(format!("{FOLDER}/crossval/crossval.json"));
    let page = plain(&sandbox.read(PAGE));
    let card = sandbox.read(CARD);
    let figure = |name: &str| sandbox.read(format!("{FOLDER}/plot/{name}.svg"));
    for (key, name, on_figure) in [
        ("accuracy", "Accuracy", "accuracy"),
        ("sensitivity", "Sensitivity", "sensitivity"),
        ("specificity", "Specificity", "specificity"),
        ("roc_auc", "Area under the ROC curve", "AUC"),
    ] {
        let estimate = &crossval["pooled"][key];
        let [value, low, high] =
            ["value", "low", "high"].map(|key| estimate[key].as_f64().unwrap());
        let in_page = format!("{name} {value:.2} 95 % interval {low:.2} to {high:.2}");
        assert!(page.contains(&in_page), "no `{in_page}` in the page");
        let in_card = format!("| {name} | {value:.3} | {low:.3} to {high:.3} |");
        assert!(card.contains(&in_card), "no `{in_card}` in the card");
        let in_figure = format!("{on_figure} {value:.2} (95 % CI {low:.2} to {high:.2})");
        assert!(figure("crossval").contains(&in_figure), "no `{in_figure}` in the figure");
    }
    let auc = &crossval["pooled"]["roc_auc"];
    let [value, low, high] = ["value", "low", "high"].map(|key| auc[key].as_f64().unwrap());
    let text = format!("AUC {value:.2} (95 % CI {low:.2} to {high:.2}); positive class: covid");
    assert!(figure("roc").contains(&text), "no `{text}`");
    for class in ["covid", "normal"] {
        let sensitivity = &crossval["by_class"][class]["sensitivity"];
        let [low, high] = ["low", "high"].map(|key| 100.0 * sensitivity[key].as_f64().unwrap());
        let text = format!("{low:.0} to {high:.0} %");
        assert!(figure("confusion").contains(&text), "no `{text}`");
    }
    for name in ["roc", "precision-recall", "confusion", "scores"] {
        let svg = figure(name);
        assert!(svg.contains(": cross-validation, 16 images"), "{name} says what it is of");
    }
    assert_eq!(crossval["by_class"]["covid"]["images"], 8, "images, not predictions");
}

#[test]
fn json_documents_hold_the_stored_estimates() {
    let sandbox = Sandbox::new().with_weights(random_weights());
    sandbox.write("pipeline.toml", CONFIG);
    copy(&demo().path("artifacts"), &sandbox.path("artifacts"));
    let run = |line: &str| -> Value { serde_json::from_str(&sandbox.ok(line)).unwrap() };
    let evaluate = run("cxr-evaluate --profile demo --json");
    let metrics = sandbox.json(format!("{FOLDER}/evaluate/metrics.json"));
    for key in ["accuracy", "sensitivity", "specificity", "by_class", "scores"] {
        assert_eq!(evaluate[key], metrics[key], "{key}");
    }
    for key in ["accuracy", "sensitivity", "specificity"] {
        for end in ["value", "low", "high"] {
            assert_eq!(metrics[key][end], metrics["scores"][key][end], "{key}");
        }
    }
    let report = run("cxr-report --profile demo --json");
    let performance = report["performance"].as_str().unwrap();
    assert_eq!(with_intervals(performance).len(), 4, "{performance}");
    all_stored("report", performance, &stored(&sandbox));
}

/// 0.575 as a 32-bit float is 0.574999988079071 as a 64-bit one: never printed so.
#[test]
fn no_file_holds_a_narrow_float_printed_as_a_wide_one() {
    let sandbox = demo();
    let mut numbers = 0;
    for (name, bytes) in sandbox.tree(FOLDER) {
        if ![".json", ".csv", ".md"].iter().any(|end| name.ends_with(end)) {
            continue;
        }
        let text = String::from_utf8(bytes).unwrap();
        let in_number = |c: char| c.is_ascii_digit() || ".e-+".contains(c);
        for token in text.split(|c: char| !in_number(c)) {
            let Ok(wide) = token.parse::<f64>() else { continue };
            numbers += 1;
            // Fractions of powers of two are the same in both, with fewer digits.
            if digits(token) < 14 {
                continue;
            }
            let narrow = wide as f32;
            let shorter = narrow.to_string().len() < wide.to_string().len();
            assert!(f64::from(narrow) != wide || !shorter, "{name}: {token} is {narrow}");
        }
    }
    assert!(numbers > 1000, "{numbers} numbers");
}

#[test]
fn every_table_has_a_header() {
    let sandbox = demo();
    for (name, bytes) in sandbox.tree(FOLDER) {
        if name.ends_with(".csv") {
            let header = bytes.split(|byte| *byte == b'\n').next().unwrap();
            assert!(header.contains(&b','), "{name} has no header");
        }
    }
}
