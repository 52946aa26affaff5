//! The Kaggle set `chest_xray` (Kermany et al. 2018), as it lies on disks.

use std::fmt;
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

use super::identity::{KaggleName, Pathogen};
use super::source;
use super::verdict::{Reason, Verdict};

/// How far below the source the tree may lie: `archive/chest_xray/`, and room for one more.
const DEPTH: usize = 3;

/// The finding of a normal film, in the words of the covid-chestxray-dataset.
pub const NORMAL: &str = "No Finding";

/// Why the set could not be listed or sampled.
#[derive(Debug, thiserror::Error)]
pub enum KaggleError {
    /// The folder is not there.
    #[error("`{}` does not exist or is no folder", path.display())]
    Missing {
        /// The folder asked for.
        path: PathBuf,
    },
    /// The folder holds no tree of the set.
    #[error("`{}` holds no `train/NORMAL`, nor does any folder up to {DEPTH} levels below", path.display())]
    NoTree {
        /// The folder asked for.
        path: PathBuf,
    },
    /// A part of the tree cannot be listed.
    #[error("cannot list `{}`", path.display())]
    Unlistable {
        /// The folder asked for.
        path: PathBuf,
        /// What the system said.
        source: walkdir::Error,
    },
}

/// An image of the tree, by its name at least.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Relative to the tree, with `/` (`train/NORMAL/IM-0240-0001.jpeg`).
    pub file: String,
    /// Where it is.
    pub path: PathBuf,
    /// Why it cannot be sampled at all, if so.
    pub objection: Option<Reason>,
}

impl Image {
    /// The split folder: `train`, `test` or `val`.
    pub fn split(&self) -> &str {
        self.file.split('/').next().unwrap_or_default()
    }

    /// The name without folders.
    pub fn name(&self) -> &str {
        self.file.rsplit('/').next().unwrap_or_default()
    }

    /// What the film shows, in the words of the covid-chestxray-dataset. A name
    /// that says pneumonia counts for more than a folder that says `NORMAL`.
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

/// Lists every image of the set below `source`, sorted bytewise by [`Image::file`].
///
/// The tree is the highest folder that holds `train/NORMAL`. Listed with an
/// objection, because they are no films or come twice: `__MACOSX` and `._` files,
/// a nested copy of the tree, and links that leave `source`.
///
/// # Errors
/// See [`KaggleError`].
pub fn list(source: &Path) -> Result<Vec<Image>, KaggleError> {
    let missing = || KaggleError::Missing { path: source.into() };
    let root = source.canonicalize().map_err(|_| missing())?;
    if !root.is_dir() {
        return Err(missing());
    }
    let tree = find(&root).ok_or_else(|| KaggleError::NoTree { path: source.into() })?;
    let mut images = Vec::new();
    for entry in WalkDir::new(&tree) {
        let entry =
            entry.map_err(|e| KaggleError::Unlistable { path: source.into(), source: e })?;
        let name = entry.file_name().to_string_lossy();
        // `._x.jpeg` is listed for what it is.
        let listed = source::looks_like_an_image(name.trim_start_matches("._"));
        if !entry.file_type().is_dir() && listed {
            images.push(image(&root, &tree, entry.path()));
        }
    }
    images.sort_by(|a, b| a.file.cmp(&b.file));
    Ok(images)
}

fn find(root: &Path) -> Option<PathBuf> {
    let is_source =
        |entry: &DirEntry| entry.file_type().is_dir() && entry.file_name() != "__MACOSX";
    let folders =
        WalkDir::new(root).max_depth(DEPTH).sort_by_file_name().into_iter().filter_entry(is_source);
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

/// Whether a class is one of normal films, by its name.
pub fn is_normal(class: &str) -> bool {
    class.split(|c: char| !c.is_alphanumeric()).any(|word| word.eq_ignore_ascii_case("normal"))
}

/// Whether a film at `path` stands in a class of normal films though its name says
/// pneumonia, as 18 of the tutorial's 25 do.
pub fn misfiled(class: &str, path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    is_normal(class) && matches!(KaggleName::parse(name), Some(KaggleName::Pneumonia { .. }))
}

/// From what the films are drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pool {
    /// Films without a finding: below `<split>/NORMAL/` and not named as pneumonia.
    Normal {
        /// `train`, `test` or `val`.
        split: String,
    },
    /// Every image below `train/`, as the tutorial's `sample_kaggle_dataset.py`
    /// listed them: pneumonia too, though they end up as "normal".
    AsTutorial,
}

impl fmt::Display for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Normal { split } => write!(f, "`{split}/NORMAL`"),
            Self::AsTutorial => write!(f, "`train`"),
        }
    }
}

impl Pool {
    fn objection(&self, image: &Image) -> Option<Reason> {
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

    /// Draws `count` of `images` and says what became of each, in their order.
    ///
    /// `shuffle` is given the indices of the candidates; the first `count` of
    /// what it leaves are kept. Fewer are kept where there are fewer.
    pub fn draw(
        &self,
        images: &[Image],
        count: usize,
        shuffle: impl FnOnce(&mut [usize]),
    ) -> Vec<Verdict> {
        let mut verdicts: Vec<_> = images
            .iter()
            .map(|image| Verdict::Dropped(self.objection(image).unwrap_or(Reason::NotSampled)))
            .collect();
        let mut candidates: Vec<_> = (0..images.len())
            .filter(|&i| verdicts[i] == Verdict::Dropped(Reason::NotSampled))
            .collect();
        shuffle(&mut candidates);
        for &drawn in candidates.iter().take(count) {
            verdicts[drawn] = Verdict::Kept;
        }
        verdicts
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "fixtures are written directly")]
mod tests {
    use super::*;

    /// A small set, unzipped as Kaggle's archive comes out.
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
            std::fs::write(path, b"film").unwrap();
        }
        folder
    }

    fn fates(pool: &Pool, count: usize) -> Vec<(String, String)> {
        let folder = unzipped();
        let images = list(folder.path()).unwrap();
        let verdicts = pool.draw(&images, count, |candidates| candidates.reverse());
        let text = |verdict: &Verdict| match verdict {
            Verdict::Kept => "kept".to_string(),
            Verdict::Dropped(reason) => reason.to_string(),
        };
        images.into_iter().map(|image| image.file).zip(verdicts.iter().map(text)).collect()
    }

    fn pairs(rows: &[(&str, &str)]) -> Vec<(String, String)> {
        rows.iter().map(|(file, fate)| (file.to_string(), fate.to_string())).collect()
    }

    #[test]
    fn pneumonia_among_normals_is_known_by_name() {
        let misfiled = |class: &str| misfiled(class, "x/person1_virus_6.jpeg");
        assert!(misfiled("normal") && misfiled("NORMAL") && misfiled("chest normal"));
        assert!(!misfiled("abnormal") && !misfiled("pneumonia"));
        assert!(!super::misfiled("normal", "normal/IM-0240-0001.jpeg"));
    }

    #[test]
    fn normal_films_are_drawn_and_everything_else_is_named() {
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
        assert_eq!(fates(&Pool::Normal { split: "train".into() }, 1), pairs(&expected));
    }

    #[test]
    fn the_tutorial_draws_from_everything_below_train() {
        let kept: Vec<_> =
            fates(&Pool::AsTutorial, 4).into_iter().filter(|(_, fate)| fate == "kept").collect();
        let expected = [
            ("train/NORMAL/NORMAL2-IM-0995-0001-0001.jpeg", "kept"),
            ("train/NORMAL/more/a.jpeg", "kept"),
            ("train/NORMAL/person1_bacteria_2.jpeg", "kept"),
            ("train/PNEUMONIA/person378_virus_761.jpeg", "kept"),
        ];
        assert_eq!(kept, pairs(&expected));
    }

    #[test]
    fn fewer_candidates_than_asked_are_all_kept() {
        let kept = fates(&Pool::Normal { split: "test".into() }, 9)
            .iter()
            .filter(|(_, f)| f == "kept")
            .count();
        assert_eq!(kept, 1);
    }

    #[test]
    fn the_folder_itself_and_its_parents_are_sources() {
        let folder = unzipped();
        let outer = list(folder.path()).unwrap();
        let files = |images: Vec<Image>| images.into_iter().map(|i| i.file).collect::<Vec<_>>();
        assert_eq!(files(list(&folder.path().join("chest_xray")).unwrap()), files(outer));
        let missing = list(&folder.path().join("nowhere")).unwrap_err();
        assert!(matches!(missing, KaggleError::Missing { .. }), "{missing}");
        let leaf = list(&folder.path().join("chest_xray/train/NORMAL")).unwrap_err();
        assert!(matches!(leaf, KaggleError::NoTree { .. }), "{leaf}");
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
        let of = |end: &str| {
            images.iter().filter(|i| i.file.ends_with(end)).map(|i| i.objection).collect::<Vec<_>>()
        };
        assert_eq!(of("IM-1-1.jpeg"), [Some(Reason::UnsafePath)]);
        assert_eq!(of("secret.jpeg"), []);
    }

    #[test]
    fn findings_follow_the_name_before_the_folder() {
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
