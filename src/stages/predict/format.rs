//! Output lines of predictions: table, CSV or JSON.

use std::path::Path;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::classifier::{Bundle, OodScore};
use crate::cli::ui::one_line;
use crate::io::place::is_formula;

/// Output format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// Table with aligned columns.
    Table,
    /// CSV with a header.
    Csv,
    /// One JSON document per line.
    Jsonl,
}

/// Prediction of one image.
pub struct Said<'a> {
    /// Path as given by the user.
    pub path: &'a Path,
    /// Index of the predicted class.
    pub class: usize,
    /// Predicted probability of each class, not calibrated.
    pub probabilities: Vec<f64>,
    /// Probabilities scaled by the bundle's temperature; none without a temperature.
    pub calibrated: Option<Vec<f64>>,
    /// Out-of-distribution score; none if the model has no score.
    pub ood: Option<OodScore>,
    /// Notes of the decoder.
    pub notes: Vec<String>,
}

/// Width of the column of the out-of-distribution flag.
const OOD_WIDTH: usize = "out of distribution".len();
/// Minimum width of a column of the table.
const WIDTH: usize = 8;

impl Format {
    /// Returns the text before the first prediction: column names, empty for JSON.
    pub fn header(self, bundle: &Bundle) -> String {
        let classes = &bundle.manifest.model.classes;
        match self {
            Self::Table => {
                let mut line: String =
                    classes.iter().map(|class| format!("{class:>WIDTH$}  ")).collect();
                line += &format!(
                    "{:<width$}  {:<OOD_WIDTH$}  {:<audit$}  image\n",
                    "decision",
                    "out of distribution",
                    "audit",
                    width = width(classes),
                    audit = audit_width(bundle)
                );
                line
            }
            Self::Csv => {
                let mut columns = vec!["path".to_owned(), "decision".to_owned()];
                columns.extend(classes.iter().map(|class| format!("p_{class}")));
                if bundle.manifest.temperature.is_some() {
                    columns.extend(classes.iter().map(|class| format!("calibrated_{class}")));
                }
                columns.extend(
                    ["ood_score", "ood_part", "out_of_distribution", "audit", "notes"]
                        .map(str::to_owned),
                );
                record(&columns)
            }
            Self::Jsonl => String::new(),
        }
    }

    /// Returns the line of an image, with its line end.
    pub fn line(self, bundle: &Bundle, image: &Said) -> String {
        let classes = &bundle.manifest.model.classes;
        let class = &classes[image.class];
        let path = image.path.to_string_lossy();
        let audit = audit(bundle);
        match self {
            Self::Table => {
                let shown = classes.iter().zip(&image.probabilities).map(|(class, p)| {
                    format!("{p:>width$.4}  ", width = WIDTH.max(class.chars().count()))
                });
                let out = match image.ood {
                    None => "-".to_owned(),
                    Some(OodScore { is_out: true, part, .. }) => format!("yes: {part}"),
                    Some(_) => "no".to_owned(),
                };
                let (shown, path) = (shown.collect::<String>(), one_line(image.path.display()));
                let (width, audit_width) = (width(classes), audit_width(bundle));
                format!(
                    "{shown}{class:<width$}  {out:<OOD_WIDTH$}  {audit:<audit_width$}  {path}\n"
                )
            }
            Self::Csv => {
                // Spreadsheets would run a path that begins like a formula.
                let prefix = if is_formula(&path) { "./" } else { "" };
                let mut columns = vec![format!("{prefix}{path}"), class.clone()];
                columns.extend(image.probabilities.iter().map(f64::to_string));
                columns.extend(image.calibrated.iter().flatten().map(f64::to_string));
                let ood_text = |text: fn(OodScore) -> String| image.ood.map_or(String::new(), text);
                columns.push(ood_text(|ood| ood.score.to_string()));
                columns.push(ood_text(|ood| ood.part.to_owned()));
                columns.push(ood_text(|ood| ood.is_out.to_string()));
                columns.extend([audit.to_owned(), image.notes.join("; ")]);
                record(&columns)
            }
            Self::Jsonl => {
                let by_class = |values: &[f64]| -> Value {
                    classes
                        .iter()
                        .cloned()
                        .zip(values.iter().map(|v| json!(v)))
                        .collect::<Map<_, _>>()
                        .into()
                };
                let document = json!({
                    "schema": "cxr.prediction/2",
                    "path": path,
                    "decision": class,
                    "probabilities": by_class(&image.probabilities),
                    "calibrated": image.calibrated.as_deref().map(by_class),
                    "ood_score": image.ood.map(|ood| ood.score),
                    "ood_part": image.ood.map(|ood| ood.part),
                    "out_of_distribution": image.ood.map(|ood| ood.is_out),
                    "audit": audit,
                    "notes": image.notes,
                });
                format!("{document}\n")
            }
        }
    }
}

/// Returns the audit result as one word; `none` without an audit.
fn audit(bundle: &Bundle) -> &str {
    bundle.manifest.audit.as_ref().map_or("none", |audit| audit.verdict.answer.word())
}

/// Width of the audit column.
fn audit_width(bundle: &Bundle) -> usize {
    audit(bundle).len().max("audit".len())
}

/// Width of the decision column.
fn width(classes: &[String]) -> usize {
    classes.iter().map(|class| class.chars().count()).max().unwrap_or(0).max(WIDTH)
}

/// Returns a line of CSV.
fn record(columns: &[String]) -> String {
    let mut out = csv::Writer::from_writer(Vec::new());
    out.write_record(columns).expect("writing to a vector does not fail");
    let bytes = out.into_inner().expect("writing to a vector does not fail");
    String::from_utf8(bytes).expect("columns are UTF-8")
}
