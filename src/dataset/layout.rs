//! Roles of the folders of a data set: classes, parts such as `train` and `test`,
//! collections, and nested copies.
//!
//! A plain data set has one folder per class. Unzipped archives differ: `train/NORMAL/x.jpeg`
//! below one or two folders with the archive's name, or with a copy of the tree inside itself.
//! Such layouts are recognised by names ([`words`]) and by trees of equal structure.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::words::{self, Part};

/// Interpretation of the top-level folders of a data set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Choice {
    /// detect the interpretation from folder names and structure
    #[default]
    Auto,
    /// every top-level folder is a class
    ClassFolders,
    /// every top-level folder is a part that contains class folders
    PartFolders,
}

/// Parent folder of class folders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// Folder names of the path relative to the dataset folder.
    pub path: Vec<String>,
    /// Name of the part; empty if the data set has no parts.
    pub part: String,
    /// Name of the collection; empty if there is only one.
    pub collection: String,
}

impl Root {
    /// Returns this root with the enclosing folder `name` as its part or collection.
    fn enclosed_by(self, name: &str) -> Self {
        match words::part(name) {
            Some(Part::Train | Part::Validation | Part::Test) => {
                Self { part: name.to_owned(), collection: self.part, ..self }
            }
            _ => Self { collection: name.to_owned(), ..self },
        }
    }
}

/// Exclusion reason of a file that is not an image of a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exclusion {
    /// A file in a folder of masks.
    MaskByFolder,
    /// A file with the name of an image and a word for masks.
    MaskByName,
    /// A file of a nested copy, equal to the file at the same path of the enclosing tree.
    NestedCopy,
    /// A file in a part, but not in a class folder.
    NoClass,
    /// A file outside the parts.
    OutsideParts,
}

impl Exclusion {
    /// Returns the text in the selection log.
    pub fn text(self) -> &'static str {
        match self {
            Self::MaskByFolder => "a mask by its folder",
            Self::MaskByName => "a mask by its name",
            Self::NestedCopy => "nested copy of the data set",
            Self::NoClass => "in no class folder",
            Self::OutsideParts => "outside the parts of the data set",
        }
    }

    /// Returns whether the file is a mask.
    pub fn is_mask(self) -> bool {
        matches!(self, Self::MaskByFolder | Self::MaskByName)
    }
}

/// Error: the top-level folders are not classes and contain no class folders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoClasses {
    /// Names of the folders.
    pub names: Vec<String>,
}

/// The roles of the folders of a data set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Parent folders of class folders; the dataset folder itself in a plain data set.
    pub roots: Vec<Root>,
    /// Whether the class folders contain the parts: `NORMAL/train/x.jpeg`.
    pub parts_in_classes: bool,
    /// Whether the classes were recognised by tree structure only, not by names.
    pub uncertain: bool,
    /// Folders that are a copy of the tree that contains them.
    copies: Vec<Vec<String>>,
}

/// Class folder, part and collection of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Number of path components up to and including the class folder.
    pub depth: usize,
    /// Folder name of the part; empty if there is none.
    pub part: String,
    /// Name of the collection; empty if there is only one.
    pub collection: String,
    /// Path of the same file in the enclosing tree, if the file is in a nested copy.
    pub twin: Option<String>,
}

impl Layout {
    /// Layout in which every top-level folder is a class.
    fn plain() -> Self {
        let root = Root { path: vec![], part: String::new(), collection: String::new() };
        Self { roots: vec![root], parts_in_classes: false, uncertain: false, copies: vec![] }
    }

    /// Recognises the folder roles from the files' `paths`, relative to the dataset folder with
    /// `/`.
    ///
    /// # Errors
    /// [`NoClasses`] for `train/` and `test/`, or `images/` and `masks/`, that contain no class
    /// folders.
    pub fn recognise<'a>(
        paths: impl Iterator<Item = &'a str>,
        choice: Choice,
    ) -> Result<Self, NoClasses> {
        let mut tree = Folder::default();
        paths.for_each(|path| tree.add(path));
        let mut layout = Self::plain();
        match choice {
            Choice::ClassFolders => return Ok(layout),
            Choice::PartFolders => {
                let children = tree.folders.iter();
                layout.roots = children
                    .flat_map(|(name, child)| child.roots(&[name.as_str()], name))
                    .collect();
            }
            Choice::Auto => match tree.resolve(&mut layout, &[]) {
                Resolved::Roots(roots) => layout.roots = roots,
                Resolved::Plain => {}
                Resolved::NoClasses(names) => return Err(NoClasses { names }),
            },
        }
        Ok(layout)
    }

    /// Returns whether the top-level folders are the classes.
    pub fn is_plain(&self) -> bool {
        matches!(self.roots.as_slice(), [Root { path, .. }] if path.is_empty())
    }

    /// Returns the class folder, part and collection of the file at `path`.
    ///
    /// # Errors
    /// The exclusion reason of a file of no class.
    pub fn place(&self, path: &str) -> Result<Place, Exclusion> {
        let actual: Vec<&str> = path.split('/').collect();
        let starts_with = |path: &[&str], prefix: &[String]| {
            path.len() > prefix.len() && prefix.iter().zip(path).all(|(a, b)| a == b)
        };
        let copy = self.copies.iter().find(|copy| starts_with(&actual, copy));
        let mut parts = actual.clone();
        if let Some(copy) = copy {
            parts.remove(copy.len() - 1);
        }
        let root = self.roots.iter().find(|root| starts_with(&parts, &root.path));
        let Some(root) = root else {
            let is_mask = parts.iter().rev().skip(1).any(|folder| words::is_mask(folder));
            return Err(if is_mask { Exclusion::MaskByFolder } else { Exclusion::OutsideParts });
        };
        let below = &parts[root.path.len()..];
        match below {
            [_] => return Err(Exclusion::NoClass),
            [class, ..] if !self.is_plain() && words::is_images(class) => {
                return Err(Exclusion::NoClass);
            }
            [class, ..] if !self.is_plain() && words::is_mask(class) => {
                return Err(Exclusion::MaskByFolder);
            }
            _ => {}
        }
        let part = match self.parts_in_classes && below.len() > 2 {
            true => below[1].to_owned(),
            false => root.part.clone(),
        };
        Ok(Place {
            depth: root.path.len() + 1 + (actual.len() - parts.len()),
            part,
            collection: root.collection.clone(),
            twin: copy.map(|_| parts.join("/")),
        })
    }
}

/// Tree of folders and candidate images.
#[derive(Debug, Default)]
struct Folder {
    folders: BTreeMap<String, Folder>,
    /// Names of the files directly in the folder.
    files: BTreeSet<String>,
}

/// Result of [`Folder::resolve`].
enum Resolved {
    /// The parent folders of class folders.
    Roots(Vec<Root>),
    /// The subfolders are presumably classes.
    Plain,
    /// The subfolders, of these names, are not classes and contain no classes.
    NoClasses(Vec<String>),
}

impl Folder {
    fn add(&mut self, path: &str) {
        match path.split_once('/') {
            Some((name, rest)) => self.folders.entry(name.to_owned()).or_default().add(rest),
            None => {
                self.files.insert(path.to_owned());
            }
        }
    }

    /// Returns whether the folder directly contains files that may be images, by extension.
    fn has_images(&self) -> bool {
        let no_image = ["csv", "tsv", "txt", "xlsx", "xls", "json", "md", "pdf", "xml"];
        let extension = |name: &str| name.rsplit_once('.').map(|(_, e)| e.to_lowercase());
        let may_be = |name: &String| !extension(name).is_some_and(|e| no_image.contains(&&*e));
        self.files.iter().any(may_be)
    }

    /// Recognises the roles of the subfolders. Records nested copies and parts inside classes in
    /// `layout`.
    fn resolve(&self, layout: &mut Layout, path: &[&str]) -> Resolved {
        let mut children: Vec<(&str, &Folder)> =
            self.folders.iter().map(|(name, child)| (name.as_str(), child)).collect();
        if let Some(copy) = self.nested_copy() {
            layout.copies.push(to_strings(&[path, &[copy]].concat()));
            children.retain(|(name, _)| *name != copy);
        }
        match children.as_slice() {
            [] => return Resolved::Plain,
            [(name, child)] => return child.resolve_only(layout, path, name),
            _ => {}
        }

        // `images/<class>/` and `masks/<class>/`.
        let images: Vec<_> =
            children.iter().copied().filter(|(name, _)| words::is_images(name)).collect();
        let are_kinds =
            children.iter().all(|(name, _)| words::is_images(name) || words::is_mask(name));
        if are_kinds && !images.is_empty() {
            if images.iter().any(|(_, child)| child.folders.len() < 2) {
                return Resolved::NoClasses(child_names(&children));
            }
            let roots = |(name, child): &(&str, &Self)| child.roots(&[path, &[*name]].concat(), "");
            return Resolved::Roots(images.iter().flat_map(roots).collect());
        }

        let inner: Vec<BTreeSet<String>> =
            children.iter().map(|(_, child)| child.class_names()).collect();
        let all: BTreeSet<&String> = inner.iter().flatten().collect();
        let in_several =
            |name: &&&String| inner.iter().filter(|set| set.contains(**name)).count() > 1;
        let is_part = |(name, _): &&(&str, &Folder)| words::part(name).is_some();
        let roots_of = |children: &[(&str, &Folder)]| -> Vec<Root> {
            let roots =
                |(name, child): &(&str, &Self)| child.roots(&[path, &[*name]].concat(), name);
            children.iter().flat_map(roots).collect()
        };

        // `train/<class>/` and `test/<class>/`, possibly with unrelated folders.
        let parts = children.iter().filter(is_part).count();
        let inside_are_parts = all.len() >= 2 && all.iter().all(|name| words::part(name).is_some());
        if parts >= 2 && !inside_are_parts {
            let with_classes = inner.iter().filter(|set| !set.is_empty()).count();
            let shared = all.iter().any(|name| in_several(&name));
            if all.len() >= 2 && (shared || with_classes == 1) {
                let has_classes = |(name, child): &(&str, &Folder)| {
                    let inside = child.class_names();
                    words::part(name).is_some() || inside.iter().any(|name| in_several(&&name))
                };
                let children: Vec<_> = children.iter().copied().filter(has_classes).collect();
                return Resolved::Roots(roots_of(&children));
            }
        }
        // Collections or folds, each with its own parts.
        if !children.iter().any(|(name, _)| words::is_finding(name)) {
            let mut probe = layout.clone();
            let mut collected: Vec<Root> = Vec::new();
            for (name, child) in &children {
                match child.resolve(&mut probe, &[path, &[*name]].concat()) {
                    Resolved::Roots(roots) if roots.iter().any(|root| !root.part.is_empty()) => {
                        collected.extend(roots.into_iter().map(|root| root.enclosed_by(name)));
                    }
                    _ => break,
                }
            }
            let below = |name: &str| collected.iter().any(|root| root.path[path.len()] == name);
            if children.iter().all(|(name, _)| below(name)) {
                *layout = probe;
                return Resolved::Roots(collected);
            }
        }
        if parts == children.len() {
            return Resolved::NoClasses(child_names(&children));
        }

        // Subfolders of equal structure.
        let no_images = children.iter().all(|(_, child)| !child.has_images());
        if no_images && inside_are_parts && inner.iter().all(|set| !set.is_empty()) {
            layout.parts_in_classes = path.is_empty();
            return Resolved::Plain;
        }
        let finding_outside = children.iter().any(|(name, _)| words::is_finding(name));
        let finding_inside = all.iter().any(|name| words::is_finding(name));
        let equal = all.len() >= 2 && inner.iter().all(|set| set.len() == all.len());
        let overlap = all.iter().any(|name| inner.iter().all(|set| set.contains(*name)));
        let numbered = |names: &[&str]| {
            names.windows(2).all(|pair| words::differ_in_digits_only(pair[0], pair[1]))
        };
        let outside: Vec<&str> = children.iter().map(|(name, _)| *name).collect();
        let inside: Vec<&str> = all.iter().map(|name| name.as_str()).collect();
        let are_parts = match (finding_outside, finding_inside) {
            _ if !no_images => false,
            (true, false) => false,
            (false, true) => all.len() >= 2 && overlap,
            (true, true) => equal && numbered(&outside),
            // `covid/1`, `covid/2`, …: patients or studies, numbered in each class.
            (false, false) => equal && !numbered(&inside),
        };
        if !are_parts {
            return Resolved::Plain;
        }
        layout.uncertain = !finding_inside;
        Resolved::Roots(roots_of(&children))
    }

    /// Same as [`resolve`](Self::resolve) for the only subfolder `name` of the folder `path`: a
    /// class, or a folder around the data set.
    fn resolve_only(&self, layout: &mut Layout, path: &[&str], name: &str) -> Resolved {
        let below = [path, &[name]].concat();
        let part = words::part(name).map_or("", |_| name);
        match self.resolve(layout, &below) {
            Resolved::Roots(roots) => Resolved::Roots(roots),
            _ if !self.has_images() && self.folders.len() >= 2 => {
                let inside_are_classes = self.folders.keys().any(|name| words::is_finding(name));
                match inside_are_classes || !part.is_empty() || words::is_images(name) {
                    true => Resolved::Roots(self.roots(&below, part)),
                    false => Resolved::Plain,
                }
            }
            _ if !part.is_empty() || words::is_images(name) => {
                Resolved::NoClasses(vec![name.to_owned()])
            }
            _ => Resolved::Plain,
        }
    }

    /// Returns the subfolder that is a copy of this folder: it has the same subfolders, and most
    /// of its files have the same relative paths.
    fn nested_copy(&self) -> Option<&str> {
        let is_copy = |(name, child): &(&String, &Self)| {
            let mut others = self.folders.keys().filter(|other| other != name);
            self.folders.len() > 2
                && others.all(|other| child.folders.contains_key(other))
                && 2 * child.count_shared(self) > child.count()
        };
        self.folders.iter().find(is_copy).map(|(name, _)| name.as_str())
    }

    /// Returns the number of files at any depth.
    fn count(&self) -> usize {
        self.files.len() + self.folders.values().map(Self::count).sum::<usize>()
    }

    /// Returns the number of files, at any depth, whose relative path exists in `other`.
    fn count_shared(&self, other: &Self) -> usize {
        let below =
            self.folders.iter().filter_map(|(name, child)| Some((child, other.folders.get(name)?)));
        self.files.intersection(&other.files).count()
            + below.map(|(child, other)| child.count_shared(other)).sum::<usize>()
    }

    /// Returns the names, in lower case, of folders that may be classes; `images`, `masks` and the
    /// like are not classes.
    fn class_names(&self) -> BTreeSet<String> {
        let folders =
            self.class_parents().into_iter().flat_map(|(_, folder)| folder.folders.keys());
        let is_class = |name: &&String| !words::is_images(name) && !words::is_mask(name);
        folders.filter(is_class).map(|name| name.to_lowercase()).collect()
    }

    /// Returns the parents of class folders with their relative paths: this folder, or its
    /// intermediate folders, such as `images` in `train/images/NORMAL`.
    fn class_parents(&self) -> Vec<(Vec<&str>, &Self)> {
        let is_intermediate = |name: &String| words::is_images(name) || words::is_mask(name);
        let image_folders = self.folders.iter().filter(|(name, _)| words::is_images(name));
        let intermediate: Vec<_> = image_folders
            .filter(|(_, child)| !child.folders.is_empty())
            .map(|(name, child)| (vec![name.as_str()], child))
            .collect();
        match intermediate.is_empty() || !self.folders.keys().all(is_intermediate) {
            true => vec![(vec![], self)],
            false => intermediate,
        }
    }

    /// Returns the roots of this folder, at `path`, as the part `part`.
    fn roots(&self, path: &[&str], part: &str) -> Vec<Root> {
        let root = |(below, _): (Vec<&str>, &Folder)| Root {
            path: to_strings(&[path, &below[..]].concat()),
            part: part.to_owned(),
            collection: String::new(),
        };
        self.class_parents().into_iter().map(root).collect()
    }
}

fn to_strings(path: &[&str]) -> Vec<String> {
    path.iter().map(|name| (*name).to_owned()).collect()
}

fn child_names(children: &[(&str, &Folder)]) -> Vec<String> {
    children.iter().map(|(name, _)| (*name).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recognise(paths: &[&str]) -> Layout {
        Layout::recognise(paths.iter().copied(), Choice::Auto).unwrap()
    }

    /// Class, part and collection of every file, or the exclusion reason.
    fn roles(paths: &[&str]) -> Vec<String> {
        let layout = recognise(paths);
        let role = |path: &&str| match layout.place(path) {
            Ok(Place { depth, part, collection, .. }) => {
                let class = path.split('/').nth(depth - 1).unwrap();
                [class, part.as_str(), collection.as_str()].join(" ").trim_end().to_owned()
            }
            Err(exclusion) => exclusion.text().to_owned(),
        };
        paths.iter().map(role).collect()
    }

    #[test]
    fn the_kaggle_set_has_parts() {
        let below = |prefix: &str| -> Vec<String> {
            [
                "train/NORMAL/1",
                "train/PNEUMONIA/2",
                "test/NORMAL/3",
                "test/PNEUMONIA/4",
                "val/NORMAL/5",
            ]
            .iter()
            .map(|path| format!("{prefix}{path}.jpeg"))
            .collect()
        };
        let expected =
            ["NORMAL train", "PNEUMONIA train", "NORMAL test", "PNEUMONIA test", "NORMAL val"];
        for prefix in ["", "chest_xray/", "archive/chest_xray/", "chest_xray/chest_xray/"] {
            let paths = below(prefix);
            let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
            assert_eq!(roles(&paths), expected, "{prefix}");
            assert!(!recognise(&paths).uncertain);
        }
        // A copy of the tree inside itself.
        let both = [below("chest_xray/"), below("chest_xray/chest_xray/")].concat();
        let paths: Vec<&str> = both.iter().map(String::as_str).collect();
        assert_eq!(roles(&paths), [expected, expected].concat());
        let layout = recognise(&paths);
        assert_eq!(layout.place(paths[0]).unwrap().twin, None);
        assert_eq!(layout.place(paths[5]).unwrap().twin.as_deref(), Some(paths[0]));
    }

    #[test]
    fn parts_are_recognised_by_many_names_and_among_other_folders() {
        let paths = [
            "Training/a/1.png",
            "Training/b/2.png",
            "Validation/a/3.png",
            "testing_set/4.png",
            "figures/5.png",
        ];
        assert_eq!(
            roles(&paths),
            [
                "a Training",
                "b Training",
                "a Validation",
                "in no class folder",
                "outside the parts of the data set"
            ]
        );
        let folds = ["fold1/a/1.png", "fold1/b/1.png", "fold2/a/2.png", "fold2/b/2.png"];
        assert_eq!(roles(&folds), ["a fold1", "b fold1", "a fold2", "b fold2"]);
        let folds = [
            "fold1/train/a/1.png",
            "fold1/train/b/1.png",
            "fold1/test/a/2.png",
            "fold1/test/b/2.png",
            "fold2/train/a/2.png",
            "fold2/train/b/2.png",
            "fold2/test/a/1.png",
            "fold2/test/b/1.png",
        ];
        assert_eq!(roles(&folds)[..2], ["a train fold1", "b train fold1"]);
        let sites = ["x/covid/1.png", "x/normal/1.png", "y/covid/2.png", "y/normal/2.png"];
        assert_eq!(roles(&sites), ["covid x", "normal x", "covid y", "normal y"]);
        assert!(!recognise(&sites).uncertain);
        let unknown = ["x/a/1.png", "x/b/1.png", "y/a/2.png", "y/b/2.png"];
        assert_eq!(roles(&unknown), ["a x", "b x", "a y", "b y"]);
        assert!(recognise(&unknown).uncertain);
        let one = ["chest_xray/train/NORMAL/1.png", "chest_xray/train/PNEUMONIA/1.png"];
        assert_eq!(roles(&one), ["NORMAL train", "PNEUMONIA train"]);
    }

    #[test]
    fn covid_qu_ex_has_two_collections_with_parts() {
        let mut paths = Vec::new();
        for collection in ["Infection Segmentation Data", "Lung Segmentation Data"] {
            for part in ["Train", "Val", "Test"] {
                for class in ["COVID-19", "Non-COVID", "Normal"] {
                    for kind in ["images", "lung masks"] {
                        paths
                            .push(format!("{collection}/{collection}/{part}/{class}/{kind}/1.png"));
                    }
                }
            }
        }
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        let roles = roles(&paths);
        assert_eq!(roles[0], "COVID-19 Train Infection Segmentation Data");
        assert_eq!(roles[35], "Normal Test Lung Segmentation Data");
    }

    #[test]
    fn plain_data_sets_stay_plain() {
        for paths in [
            &["covid/1.png", "normal/2.png"][..],
            &[
                "covid/images/1.png",
                "covid/masks/1.png",
                "normal/images/1.png",
                "normal/masks/1.png",
            ],
            &["a/images/1.png", "a/masks/1.png", "b/images/1.png", "b/masks/1.png"],
            &["covid/siteA/1.png", "covid/siteB/1.png", "normal/siteA/1.png", "normal/siteB/1.png"],
            &["a/patient1/1.png", "a/patient2/1.png", "b/patient1/1.png", "b/patient2/1.png"],
            &["covid/external/1.png", "covid/2.png", "normal/external/1.png", "normal/2.png"],
            &["covid/deep/er/1.png"],
            &["covid/images/1.png"],
            &["mask/1.png", "no mask/1.png"],
            &["normal/1.png", "pneumonia/bacteria/1.png", "pneumonia/virus/1.png"],
        ] {
            let layout = recognise(paths);
            assert!(layout.is_plain() && !layout.parts_in_classes, "{paths:?}");
            let classes: Vec<_> = paths.iter().map(|p| p.split('/').next().unwrap()).collect();
            assert_eq!(roles(paths), classes);
        }
        let inside = ["a/train/1.png", "a/test/2.png", "b/train/1.png", "b/test/2.png"];
        assert_eq!(roles(&inside), ["a train", "a test", "b train", "b test"]);
    }

    #[test]
    fn intermediate_folders_are_not_classes() {
        let images = ["images/covid/1.png", "images/normal/2.png", "masks/covid/1.png"];
        assert_eq!(roles(&images), ["covid", "normal", "a mask by its folder"]);
        let parts = [
            "train/images/a/1.png",
            "train/images/b/2.png",
            "train/masks/a/1.png",
            "test/images/a/3.png",
            "test/images/b/3.png",
        ];
        let expected = ["a train", "b train", "a mask by its folder", "a test", "b test"];
        assert_eq!(roles(&parts), expected);
        let around = [
            "COVID-19_Radiography_Dataset/COVID/images/1.png",
            "COVID-19_Radiography_Dataset/Normal/images/1.png",
        ];
        assert_eq!(roles(&around), ["COVID", "Normal"]);
    }

    #[test]
    fn parts_and_image_folders_without_classes_are_refused() {
        for paths in [
            &["train/1.png", "test/2.png"][..],
            &["train/1.png"],
            &["images/1.png", "masks/1.png"],
            &["images_001/images/1.png", "images_002/images/2.png"],
            &["train/images/1.png", "test/images/2.png"],
            &[
                "train/patient00001/study1/1.jpg",
                "train/patient00002/study1/1.jpg",
                "valid/patient64541/study1/1.jpg",
                "valid/patient64542/study1/1.jpg",
            ],
        ] {
            let refused = Layout::recognise(paths.iter().copied(), Choice::Auto);
            assert!(refused.is_err(), "{paths:?}: {refused:?}");
            let plain = Layout::recognise(paths.iter().copied(), Choice::ClassFolders);
            assert!(plain.unwrap().is_plain());
        }
        let paths = ["a/x/1.png", "b/y/1.png"];
        let forced = Layout::recognise(paths.into_iter(), Choice::PartFolders).unwrap();
        assert_eq!(forced.place("a/x/1.png").unwrap().part, "a");
    }
}
