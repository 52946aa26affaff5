//! Listing and sampling of the Kaggle data set `chest_xray` (Kermany et al. 2018).

use std::fmt;
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

use super::identity::{KaggleName, Pathogen};
use super::source;
use super::verdict::{Reason, Verdict};

/// Maximum depth of the data set's root below the source: `archive/chest_xray/` and one more.
const MAX_DEPTH: usize = 3;

/// Finding of a normal image, in the vocabulary of the covid-chestxray-dataset.
pub const NORMAL: &str = "No Finding";

/// Error of listing the data set.
#[derive(Debug, thiserror::Error)]
pub enum KaggleError {
    /// The folder does not exist.
    #[error("`{}` does not exist or is not a folder", path.display())]
    Missing {
        /// Path of the folder.
        path: PathBuf,
    },
    /// The folder does not contain the data set.
    #[error("no `train/NORMAL` in `{}`, nor up to {MAX_DEPTH} levels below", path.display())]
    NoDataSet {
        /// Path of the folder.
        path: PathBuf,
    },
    /// A folder of the data set cannot be listed.
    #[error("cannot list `{}`", path.display())]
    Unlistable {
        /// Path of the source folder.
        path: PathBuf,
        /// Error of the operating system.
        source: walkdir::Error,
    },
}

/// A file of the data set that is an image by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Path relative to the data set's root, with `/` (`train/NORMAL/IM-0240-0001.jpeg`).
    pub file: String,
    /// Path on disk.
    pub path: PathBuf,
    /// Exclusion reason, if the file can never be sampled.
    pub objection: Option<Reason>,
}

impl Image {
    /// Returns the split folder: `train`, `test` or `val`.
    pub fn split(&self) -> &str {
        self.file.split('/').next().unwrap_or_default()
    }

    /// Returns the file name without folders.
    pub fn name(&self) -> &str {
        self.file.rsplit('/').next().unwrap_or_default()
    }

    /// Returns the finding, in the vocabulary of the covid-chestxray-dataset. Pneumonia in the
    /// file name overrides a folder `NORMAL`.
    pub fn finding(&self) -> &'static str {
        match KaggleName::parse(self.name()) {
            Some(KaggleName::Pneumonia { pathogen: Pathogen::Bacteria, .. }) => {
                "Pneumonia/Bacterial"
            }
            Some(KaggleName::Pneumonia { pathogen: Pathogen::Virus, .. }) => "Pneumonia/Viral",
            _ if self.file.split('/').any(|folder| folder == "NORMAL") => NORMAL,
            _ => "Pneumonia",
        }
    }
}

/// Lists every image of the data set below `source`, sorted bytewise by [`Image::file`].
///
/// The data set's root is the highest folder that contains `train/NORMAL`. Listed with an
/// exclusion reason: `__MACOSX` and `._` files, a nested copy of the data set, and links to
/// targets outside `source`.
///
/// # Errors
/// See [`KaggleError`].
pub fn list(source: &Path) -> Result<Vec<Image>, KaggleError> {
    let missing = || KaggleError::Missing { path: source.into() };
    let root = source.canonicalize().map_err(|_| missing())?;
    if !root.is_dir() {
        return Err(missing());
    }
    let tree = find_tree(&root).ok_or_else(|| KaggleError::NoDataSet { path: source.into() })?;
    let mut images = Vec::new();
    for entry in WalkDir::new(&tree) {
        let entry =
            entry.map_err(|e| KaggleError::Unlistable { path: source.into(), source: e })?;
        let name = entry.file_name().to_string_lossy();
        // `._x.jpeg` is listed too, as an archive leftover.
        let listed = source::has_image_name(name.trim_start_matches("._"));
        if !entry.file_type().is_dir() && listed {
            images.push(image(&root, &tree, entry.path()));
        }
    }
    images.sort_by(|a, b| a.file.cmp(&b.file));
    Ok(images)
}

fn find_tree(root: &Path) -> Option<PathBuf> {
    let is_source =
        |entry: &DirEntry| entry.file_type().is_dir() && entry.file_name() != "__MACOSX";
    let folders = WalkDir::new(root)
        .max_depth(MAX_DEPTH)
        .sort_by_file_name()
        .into_iter()
        .filter_entry(is_source);
    let trees = folders.flatten().filter(|folder| folder.path().join("train/NORMAL").is_dir());
    trees.min_by_key(DirEntry::depth).map(DirEntry::into_path)
}

fn image(root: &Path, tree: &Path, path: &Path) -> Image {
    let relative = path.strip_prefix(tree).expect("walking a tree yields paths below it");
    let parts: Vec<_> = relative.iter().map(|part| part.to_string_lossy()).collect();
    let name = parts.last().expect("a file below a folder has a name");
    let objection = if name.starts_with("._") || parts.iter().any(|part| part == "__MACOSX") {
        Some(Reason::ArchiveLeftover)
    } else if parts[0] == "chest_xray" {
        Some(Reason::NestedCopy)
    } else {
        source::inside(root, path).err()
    };
    Image { file: parts.join("/"), path: path.into(), objection }
}

/// Returns whether a class name contains the word `normal`.
pub fn is_normal(class: &str) -> bool {
    class.split(|c: char| !c.is_alphanumeric()).any(|word| word.eq_ignore_ascii_case("normal"))
}

/// Returns whether the image at `path` is in a class of normal images although its file name
/// says pneumonia, as for 18 of the tutorial's 25 images.
pub fn misfiled(class: &str, path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    is_normal(class) && matches!(KaggleName::parse(name), Some(KaggleName::Pneumonia { .. }))
}

/// Set of images to sample from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SamplingFrame {
    /// Normal images: in `<split>/NORMAL/`, with a file name that does not say pneumonia.
    Normal {
        /// `train`, `test` or `val`.
        split: String,
    },
    /// Every image below `train/`, as in the tutorial's `sample_kaggle_dataset.py`: images of
    /// pneumonia included, although all become "normal".
    AsTutorial,
}

impl fmt::Display for SamplingFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Normal { split } => write!(f, "`{split}/NORMAL`"),
            Self::AsTutorial => write!(f, "`train`"),
        }
    }
}

impl SamplingFrame {
    fn exclusion(&self, image: &Image) -> Option<Reason> {
        let split = match self {
            Self::Normal { split } => split,
            Self::AsTutorial => "train",
        };
        if image.objection.is_some() {
            return image.objection;
        }
        if image.split() != split {
            return Some(Reason::OtherSplit);
        }
        if *self == Self::AsTutorial {
            return None;
        }
        let in_class_folder = image.file.split('/').count() == 3;
        match image.finding() {
            _ if !in_class_folder => Some(Reason::OtherFolder),
            NORMAL => None,
            _ => Some(Reason::Pneumonia),
        }
    }

    /// Samples `count` of `images` and returns the result for each image, in their order.
    ///
    /// `shuffle` permutes the indices of the candidates; the first `count` are kept, or all if
    /// there are fewer.
    pub fn draw(
        &self,
        images: &[Image],
        count: usize,
        shuffle: impl FnOnce(&mut [usize]),
    ) -> Vec<Verdict> {
        let mut results: Vec<_> = images
            .iter()
            .map(|image| Verdict::Dropped(self.exclusion(image).unwrap_or(Reason::NotSampled)))
            .collect();
        let mut candidates: Vec<_> = (0..images.len())
            .filter(|&i| results[i] == Verdict::Dropped(Reason::NotSampled))
            .collect();
        shuffle(&mut candidates);
        for &sampled in candidates.iter().take(count) {
            results[sampled] = Verdict::Kept;
        }
        results
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "fixtures are written directly")]
mod tests {
    use super::*;

    /// A small data set in the folders of Kaggle's archive.
    fn unzipped() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in [
            "chest_xray/train/NORMAL/IM-0240-0001.jpeg",
            "chest_xray/train/NORMAL/NORMAL2-IM-0995-0001-0001.jpeg",
            "chest_xray/train/NORMAL/person1_bacteria_2.jpeg",
            "chest_xray/train/NORMAL/._IM-0240-0001.jpeg",
            "chest_xray/train/NORMAL/.DS_Store",
            "chest_xray/train/NORMAL/more/a.jpeg",
            "chest_xray/train/PNEUMONIA/person378_virus_761.jpeg",
            "chest_xray/test/NORMAL/IM-0001-0001.jpeg",
            "chest_xray/chest_xray/train/NORMAL/IM-0240-0001.jpeg",
            "chest_xray/__MACOSX/chest_xray/train/NORMAL/._IM-0240-0001.jpeg",
            "__MACOSX/train/NORMAL/._IM-0240-0001.jpeg",
        ] {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, b"image").unwrap();
        }
        folder
    }

    fn sampled(pool: &SamplingFrame, count: usize) -> Vec<(String, String)> {
        let folder = unzipped();
        let images = list(folder.path()).unwrap();
        let results = pool.draw(&images, count, |candidates| candidates.reverse());
        let text = |result: &Verdict| match result {
            Verdict::Kept => "kept".to_string(),
            Verdict::Dropped(reason) => reason.to_string(),
        };
        images.into_iter().map(|image| image.file).zip(results.iter().map(text)).collect()
    }

    fn pairs(rows: &[(&str, &str)]) -> Vec<(String, String)> {
        rows.iter().map(|(file, result)| (file.to_string(), result.to_string())).collect()
    }

    #[test]
    fn pneumonia_in_a_normal_class_is_detected_by_file_name() {
        let misfiled = |class: &str| misfiled(class, "x/person1_virus_6.jpeg");
        assert!(misfiled("normal") && misfiled("NORMAL") && misfiled("chest normal"));
        assert!(!misfiled("abnormal") && !misfiled("pneumonia"));
        assert!(!super::misfiled("normal", "normal/IM-0240-0001.jpeg"));
    }

    #[test]
    fn normal_images_are_sampled_and_all_others_have_a_reason() {
        let expected = [
            ("__MACOSX/chest_xray/train/NORMAL/._IM-0240-0001.jpeg", "archive leftover"),
            ("chest_xray/train/NORMAL/IM-0240-0001.jpeg", "nested copy"),
            ("test/NORMAL/IM-0001-0001.jpeg", "other split"),
            ("train/NORMAL/._IM-0240-0001.jpeg", "archive leftover"),
            ("train/NORMAL/IM-0240-0001.jpeg", "not sampled"),
            ("train/NORMAL/NORMAL2-IM-0995-0001-0001.jpeg", "kept"),
            ("train/NORMAL/more/a.jpeg", "other folder"),
            ("train/NORMAL/person1_bacteria_2.jpeg", "pneumonia"),
            ("train/PNEUMONIA/person378_virus_761.jpeg", "pneumonia"),
        ];
        assert_eq!(sampled(&SamplingFrame::Normal { split: "train".into() }, 1), pairs(&expected));
    }

    #[test]
    fn the_tutorial_samples_from_all_images_below_train() {
        let kept: Vec<_> = sampled(&SamplingFrame::AsTutorial, 4)
            .into_iter()
            .filter(|(_, r)| r == "kept")
            .collect();
        let expected = [
            ("train/NORMAL/NORMAL2-IM-0995-0001-0001.jpeg", "kept"),
            ("train/NORMAL/more/a.jpeg", "kept"),
            ("train/NORMAL/person1_bacteria_2.jpeg", "kept"),
            ("train/PNEUMONIA/person378_virus_761.jpeg", "kept"),
        ];
        assert_eq!(kept, pairs(&expected));
    }

    #[test]
    fn all_candidates_are_kept_if_there_are_too_few() {
        let kept = sampled(&SamplingFrame::Normal { split: "test".into() }, 9)
            .iter()
            .filter(|(_, f)| f == "kept")
            .count();
        assert_eq!(kept, 1);
    }

    #[test]
    fn the_data_set_is_found_in_its_root_and_parent_folders() {
        let folder = unzipped();
        let outer = list(folder.path()).unwrap();
        let files = |images: Vec<Image>| images.into_iter().map(|i| i.file).collect::<Vec<_>>();
        assert_eq!(files(list(&folder.path().join("chest_xray")).unwrap()), files(outer));
        let missing = list(&folder.path().join("nowhere")).unwrap_err();
        assert!(matches!(missing, KaggleError::Missing { .. }), "{missing}");
        let leaf = list(&folder.path().join("chest_xray/train/NORMAL")).unwrap_err();
        assert!(matches!(leaf, KaggleError::NoDataSet { .. }), "{leaf}");
    }

    #[cfg(unix)]
    #[test]
    fn links_out_of_the_source_are_not_followed() {
        let folder = unzipped();
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("secret.jpeg"), b"secret").unwrap();
        let normal = folder.path().join("chest_xray/train/NORMAL");
        std::os::unix::fs::symlink(outside.path().join("secret.jpeg"), normal.join("IM-1-1.jpeg"))
            .unwrap();
        std::os::unix::fs::symlink(outside.path(), normal.join("folder")).unwrap();
        let images = list(folder.path()).unwrap();
        let exclusions = |end: &str| {
            images.iter().filter(|i| i.file.ends_with(end)).map(|i| i.objection).collect::<Vec<_>>()
        };
        assert_eq!(exclusions("IM-1-1.jpeg"), [Some(Reason::UnsafePath)]);
        assert_eq!(exclusions("secret.jpeg"), []);
    }

    #[test]
    fn the_file_name_overrides_the_folder_in_findings() {
        let finding = |file: &str| {
            let image = Image { file: file.into(), path: PathBuf::new(), objection: None };
            image.finding()
        };
        assert_eq!(finding("train/NORMAL/kaggle_1.jpeg"), "No Finding");
        assert_eq!(finding("train/NORMAL/person1_bacteria_2.jpeg"), "Pneumonia/Bacterial");
        assert_eq!(finding("train/PNEUMONIA/person1_virus_2.jpeg"), "Pneumonia/Viral");
        assert_eq!(finding("train/PNEUMONIA/kaggle_11.jpeg"), "Pneumonia");
    }
}
