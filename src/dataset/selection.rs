//! Selection of the rows of a `metadata.csv` by finding, view and modality.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::metadata::{Metadata, Row};
use super::source;
use super::verdict::{Reason, Verdict};

/// Findings of unlabelled rows.
const UNLABELLED: [&str; 3] = ["todo", "unknown", "?"];

/// Selection criteria. An empty list accepts every row.
///
/// Names are compared without regard to case and blanks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SelectionCriteria {
    /// Wanted findings. `COVID-19` matches the list `COVID-19, ARDS` and the path
    /// `Pneumonia/Viral/COVID-19`, but never a part of a word. It also matches `SARS-CoV-2`, the
    /// spelling of the first version of the file (2020-03-01). Unlabelled rows never match.
    pub findings: Vec<String>,
    /// Wanted views, compared as a whole: `AP` does not match `AP Supine`.
    pub views: Vec<String>,
    /// Wanted modalities. In rows without a modality, such as all before 2020-03-17, the view
    /// implies it: X-ray for `PA`, `AP…` and `L`; CT for `CT`, `Axial`, `Coronal` and `Sagittal`.
    pub modalities: Vec<String>,
}

/// Selection result of one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelectedRow<'a> {
    /// The row.
    pub row: &'a Row,
    /// Kept, or the exclusion reason.
    pub verdict: Verdict,
    /// Path of the image, for kept rows.
    pub image: Option<PathBuf>,
}

impl SelectionCriteria {
    /// Evaluates a row by its cells, without its file.
    pub fn evaluate(&self, row: &Row) -> Verdict {
        match self.exclusion(row) {
            Some(reason) => Verdict::Dropped(reason),
            None => Verdict::Kept,
        }
    }

    fn exclusion(&self, row: &Row) -> Option<Reason> {
        let finding =
            row.finding.as_deref().map(normalised).filter(|f| !UNLABELLED.contains(&f.as_str()));
        let Some(finding) = finding else {
            return Some(Reason::Unlabelled);
        };
        if !any_or_empty(&self.findings, |wanted| finding_matches(&finding, wanted)) {
            return Some(Reason::OtherFinding);
        }
        let view = row.view.as_deref().map(normalised).filter(|v| v != "?");
        match &view {
            None if !self.views.is_empty() => return Some(Reason::NoView),
            Some(view) if !any_or_empty(&self.views, |wanted| wanted == view) => {
                return Some(Reason::OtherView);
            }
            _ => {}
        }
        let modality = row.modality.as_deref().map(normalised);
        match modality.as_deref().or(view.as_deref().and_then(implied_modality)) {
            None if !self.modalities.is_empty() => return Some(Reason::NoModality),
            Some(modality) if !any_or_empty(&self.modalities, |wanted| wanted == modality) => {
                return Some(Reason::OtherModality);
            }
            _ => {}
        }
        let elsewhere = row.folder.as_deref().is_some_and(|folder| normalised(folder) != "images");
        elsewhere.then_some(Reason::OtherFolder)
    }
}

/// Evaluates every row by its cells and its file, in row order.
///
/// `images` is the image folder of the source `root`, a canonical path; files outside `root` are
/// excluded. If several rows have the same file, the first one is kept.
pub fn select<'a>(
    metadata: &'a Metadata,
    criteria: &SelectionCriteria,
    root: &Path,
    images: &Path,
) -> Vec<SelectedRow<'a>> {
    let mut taken = BTreeSet::new();
    let mut image_of = |row: &Row| {
        if let Verdict::Dropped(reason) = criteria.evaluate(row) {
            return Err(reason);
        }
        let name = row.filename.as_deref().ok_or(Reason::NoFileName)?;
        let image = source::image(root, images, name)?;
        if taken.insert(image.clone()) { Ok(image) } else { Err(Reason::SameFile) }
    };
    let select_row = |row: &'a Row| match image_of(row) {
        Ok(image) => SelectedRow { row, verdict: Verdict::Kept, image: Some(image) },
        Err(reason) => SelectedRow { row, verdict: Verdict::Dropped(reason), image: None },
    };
    metadata.rows.iter().map(select_row).collect()
}

/// Returns the number of occurrences of each value, most frequent first, without blanks.
pub fn tally<'a>(values: impl Iterator<Item = Option<&'a str>>) -> Vec<(&'a str, usize)> {
    let mut counts = BTreeMap::new();
    for value in values.flatten() {
        *counts.entry(value).or_insert(0) += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
    counts
}

/// Returns whether a member of the normalised list `finding` contains the path `wanted`.
fn finding_matches(finding: &str, wanted: &str) -> bool {
    let wanted = segments(wanted);
    finding
        .split(',')
        .any(|member| segments(member).windows(wanted.len()).any(|part| part == wanted))
}

fn segments(path: &str) -> Vec<&str> {
    path.split('/').map(|segment| canonical_finding(segment.trim())).collect()
}

fn canonical_finding(finding: &str) -> &str {
    if finding == "sars-cov-2" { "covid-19" } else { finding }
}

fn implied_modality(view: &str) -> Option<&'static str> {
    match view {
        "ct" | "axial" | "coronal" | "sagittal" => Some("ct"),
        "pa" | "l" => Some("x-ray"),
        _ if view.split(' ').next() == Some("ap") => Some("x-ray"),
        _ => None,
    }
}

fn any_or_empty(wanted: &[String], matches: impl Fn(&str) -> bool) -> bool {
    wanted.is_empty() || wanted.iter().any(|w| matches(&normalised(w)))
}

/// Converts to lower case with single blanks.
fn normalised(name: &str) -> String {
    name.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "fixtures are written directly")]
mod tests {
    use super::super::metadata;
    use super::*;

    fn criteria(finding: &str, view: &str, modality: &str) -> SelectionCriteria {
        let list = |s: &str| s.split(';').filter(|s| !s.is_empty()).map(String::from).collect();
        SelectionCriteria { findings: list(finding), views: list(view), modalities: list(modality) }
    }

    fn covid_pa() -> SelectionCriteria {
        criteria("COVID-19", "PA", "X-ray")
    }

    fn row(finding: &str, view: &str, modality: &str) -> Row {
        let cell = |s: &str| (!s.is_empty()).then(|| s.to_string());
        Row {
            number: 1,
            patient: cell("1"),
            sex: None,
            age: None,
            finding: cell(finding),
            view: cell(view),
            modality: cell(modality),
            folder: None,
            filename: cell("a.jpg"),
        }
    }

    fn dropped(reason: Reason) -> Verdict {
        Verdict::Dropped(reason)
    }

    #[test]
    fn a_finding_matches_list_members_and_path_segments_but_no_part_of_a_word() {
        let evaluate = |finding: &str, wanted: &str| {
            criteria(wanted, "", "").evaluate(&row(finding, "PA", "X-ray"))
        };
        for finding in [
            "COVID-19",
            "covid-19 ",
            "Pneumonia/Viral/COVID-19",
            "COVID-19, ARDS",
            "ARDS,COVID-19",
            "SARS-CoV-2",
        ] {
            assert_eq!(evaluate(finding, "COVID-19"), Verdict::Kept, "{finding}");
        }
        for finding in ["Suspected COVID-19", "COVID-19?", "SARS", "COVID"] {
            assert_eq!(evaluate(finding, "COVID-19"), dropped(Reason::OtherFinding), "{finding}");
        }
        for finding in ["todo", "Unknown", "", "?"] {
            assert_eq!(evaluate(finding, "COVID-19"), dropped(Reason::Unlabelled), "{finding}");
            assert_eq!(evaluate(finding, ""), dropped(Reason::Unlabelled), "{finding}");
        }
        let label = "Pneumonia/Viral/COVID-19";
        assert_eq!(evaluate(label, "pneumonia"), Verdict::Kept);
        assert_eq!(evaluate(label, "Pneumonia/Viral"), Verdict::Kept);
        assert_eq!(evaluate(label, "Pneumonia/Viral/COVID-19"), Verdict::Kept);
        assert_eq!(evaluate(label, "Pneumonia/COVID-19"), dropped(Reason::OtherFinding));
        assert_eq!(evaluate("SARS", "COVID-19;SARS"), Verdict::Kept);
    }

    #[test]
    fn a_view_is_compared_as_a_whole() {
        let evaluate = |view: &str, wanted: &str| {
            criteria("", wanted, "").evaluate(&row("SARS", view, "X-ray"))
        };
        assert_eq!(evaluate(" pa", "PA"), Verdict::Kept);
        assert_eq!(evaluate("AP  Erect", "ap erect"), Verdict::Kept);
        assert_eq!(evaluate("AP Supine", "AP"), dropped(Reason::OtherView));
        assert_eq!(evaluate("AP Supine", "AP;AP Supine"), Verdict::Kept);
        for blank in ["", "?"] {
            assert_eq!(evaluate(blank, "PA"), dropped(Reason::NoView));
            assert_eq!(evaluate(blank, ""), Verdict::Kept);
        }
    }

    #[test]
    fn the_view_implies_a_missing_modality() {
        let evaluate = |view: &str, modality: &str| {
            criteria("", "", "X-ray").evaluate(&row("SARS", view, modality))
        };
        assert_eq!(evaluate("PA", "X-ray"), Verdict::Kept);
        assert_eq!(evaluate("PA", "CT"), dropped(Reason::OtherModality));
        for view in ["PA", "L", "AP", "AP Supine"] {
            assert_eq!(evaluate(view, ""), Verdict::Kept, "{view}");
        }
        for view in ["CT", "Axial", "Coronal"] {
            assert_eq!(evaluate(view, ""), dropped(Reason::OtherModality), "{view}");
        }
        for view in ["", "?", "oblique"] {
            assert_eq!(evaluate(view, ""), dropped(Reason::NoModality), "{view}");
        }
    }

    #[test]
    fn files_are_checked_after_cells() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let images = root.join("images");
        std::fs::create_dir(&images).unwrap();
        std::fs::write(images.join("a.jpg"), b"image").unwrap();
        let table = "patientid,finding,view,folder,filename\n\
            1,COVID-19,PA,images,a.jpg\n\
            2,COVID-19,PA,,a.jpg\n\
            3,COVID-19,PA,images,b.jpg\n\
            4,COVID-19,PA,volumes,a.jpg\n\
            5,COVID-19,PA,images,../a.jpg\n\
            6,COVID-19,PA,images,\n\
            7,SARS,PA,images,../a.jpg\n";
        let metadata = metadata::parse(table.as_bytes(), Path::new("metadata.csv")).unwrap();
        let verdicts: Vec<_> =
            select(&metadata, &covid_pa(), &root, &images).into_iter().map(|j| j.verdict).collect();
        use Reason::*;
        let reasons =
            [SameFile, NoFile, OtherFolder, UnsafePath, NoFileName, OtherFinding].map(dropped);
        assert_eq!(verdicts[0], Verdict::Kept);
        assert_eq!(verdicts[1..], reasons);
    }

    /// The tutorial selected 25 images with the file of 2020-03-11.
    #[test]
    #[cfg_attr(not(shared), ignore = "needs ../shared")]
    fn historical_versions_select_the_expected_images() {
        let shared = crate::testing::shared("data");
        let kept = |version: &str| {
            let metadata = metadata::read(&shared.join("cohen").join(version)).unwrap();
            let rows = metadata.rows.into_iter();
            rows.filter(|row| covid_pa().evaluate(row).kept()).collect::<Vec<_>>()
        };
        let mut images: Vec<_> = kept("metadata-history/2020-03-11.csv")
            .into_iter()
            .filter_map(|row| row.filename)
            .collect();
        images.sort();
        let tutorial = std::fs::read_dir(shared.join("tutorial/dataset/covid")).unwrap();
        let mut expected: Vec<_> =
            tutorial.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        expected.sort();
        assert_eq!(images, expected);
        assert_eq!(images.len(), 25);

        let june = kept("metadata.csv");
        assert_eq!(
            june.iter().filter(|row| row.finding.as_deref() == Some("COVID-19")).count(),
            206
        );
        assert_eq!(june.len(), 217, "206 of `COVID-19` and 11 of `COVID-19, ARDS`");
        let october = kept("metadata-history/2020-10-schema.csv");
        let names = |rows: &[Row]| rows.iter().map(|row| row.filename.clone()).collect::<Vec<_>>();
        assert_eq!(names(&october), names(&june));
    }

    #[test]
    fn a_tally_is_sorted_by_count_then_name() {
        let values = [Some("b"), None, Some("c"), Some("a"), Some("c")];
        assert_eq!(tally(values.into_iter()), [("c", 2), ("a", 1), ("b", 1)]);
    }
}
