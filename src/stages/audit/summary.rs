//! Printed summary of the audit.

use std::fmt;

use serde::Serialize;

use crate::artifact::audit::{Audit, Saliency};
use crate::audit::{PROBES, Probe};

/// Summary of an audit.
#[derive(Debug, Serialize)]
pub struct Summary {
    /// All results.
    #[serde(flatten)]
    pub audit: Audit,
    /// Conditions of `--fail-if` that hold.
    pub met: Vec<String>,
}

/// Width of the first column, in characters.
const WIDTH: usize = 32;
/// Width of a line, in characters.
const SCREEN: usize = 96;

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Audit { images, groups, grouped_by, folds, repeats, folds_from, .. } = &self.audit;
        let Audit {
            probes,
            max_auc_null,
            saliency,
            cramers_v,
            within_source,
            verdict,
            findings,
            ..
        } = &self.audit;
        paragraph(f, "", &verdict.text)?;
        let assignment = match folds_from.as_str() {
            "crossval" => format!("{folds} folds of cxr-crossval, {repeats} repeats"),
            _ => format!("{folds} folds"),
        };
        writeln!(f, "\n{images} images in {groups} groups (by {grouped_by}), {assignment}")?;
        writeln!(f, "{:WIDTH$}  AUC, 95 % interval", "")?;
        for (name, words) in PROBES {
            if let Some(probe) = probes.get(name) {
                write_probe(f, words, probe)?;
            }
        }
        if let Some(max_auc_null) = max_auc_null {
            writeln!(f, "{:WIDTH$}  up to {max_auc_null:.2}", "permutation null, without lungs")?;
        }
        if let Some(Saliency { outside, even }) = saliency {
            let words = "saliency outside the centre";
            writeln!(f, "{words:WIDTH$}  {outside:.2}, uniform {even:.2}")?;
        }
        if let Some(v) = cramers_v {
            writeln!(f, "{:WIDTH$}  {v:.2}", "source and class, Cramér's V")?;
        }
        for (source, probes) in within_source {
            writeln!(f, "within {}", if source.is_empty() { "no known source" } else { source })?;
            for (name, words) in PROBES {
                if let Some(probe) = probes.get(name) {
                    write_probe(f, &format!("  {words}"), probe)?;
                }
            }
        }
        if !findings.is_empty() {
            writeln!(f)?;
        }
        for finding in findings {
            paragraph(f, "- ", &finding.text)?;
        }
        Ok(())
    }
}

fn write_probe(f: &mut fmt::Formatter<'_>, words: &str, probe: &Probe) -> fmt::Result {
    let Probe { auc, low, high, undefined, .. } = probe;
    match (auc, low.zip(*high)) {
        (None, _) => writeln!(f, "{words:WIDTH$}  undefined: {undefined}"),
        (Some(auc), None) => writeln!(f, "{words:WIDTH$}  {auc:.2}"),
        (Some(auc), Some((low, high))) => {
            writeln!(f, "{words:WIDTH$}  {auc:.2}  {low:.2} to {high:.2}")
        }
    }
}

/// Writes `text` after `bullet`, wrapped at [`SCREEN`] and indented below the bullet.
fn paragraph(f: &mut fmt::Formatter<'_>, bullet: &str, text: &str) -> fmt::Result {
    let indent = " ".repeat(bullet.len());
    let mut line = bullet.to_owned();
    for word in text.split(' ') {
        if line.trim_start().len() > bullet.trim().len()
            && line.chars().count() + word.chars().count() > SCREEN
        {
            writeln!(f, "{}", line.trim_end())?;
            line.clone_from(&indent);
        }
        line += word;
        line.push(' ');
    }
    writeln!(f, "{}", line.trim_end())
}
