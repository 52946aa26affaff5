//! Roles of the folders of a data set: classes, parts such as `train` and `test`,
//! collections, and copies of the whole.
//!
//! A plain data set has a folder for each class. Archives are unzipped otherwise:
//! `train/NORMAL/x.jpeg` below one or two folders with the archive's name, or with the
//! tree once more inside itself. Whatever is not plain is recognised by names
//! ([`words`]) and by trees that are equal to each other, and reported.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::words::{self, Part};

/// How the folders of a data set are taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Choice {
    /// As their names and their folders suggest.
    #[default]
    Auto,
    /// Every folder of the data set is a class.
    ClassFolders,
    /// Every folder of the data set is a part of it; the classes are inside.
    PartFolders,
}

/// A folder whose folders are classes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// Its path from the dataset folder, a name for each folder.
    pub path: Vec<String>,
    /// The name of the part that it is; empty if it is the whole.
    pub part: String,
    /// The name of the collection that it is of; empty if there is only one.
    pub collection: String,
}

impl Root {
    /// The same of what the folder `name`, around several such trees, holds.
    fn of(self, name: &str) -> Self {
        match words::part(name) {
            Some(Part::Train | Part::Validation | Part::Test) => {
                Self { part: name.to_owned(), collection: self.part, ..self }
            }
            _ => Self { collection: name.to_owned(), ..self },
        }
    }
}

/// Why a file is not among the images of a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exclusion {
    /// It lies in a folder called `masks` or alike, beside the images.
    MaskByFolder,
    /// Its name is that of an image with the word mask.
    MaskByName,
    /// The same file lies at the same place of the enclosing tree.
    NestedCopy,
    /// It lies in a part, and in no class folder.
    NoClass,
    /// It lies beside the parts.
    BesideParts,
}

impl Exclusion {
    /// The text in the selection log.
    pub fn text(self) -> &'static str {
        match self {
            Self::MaskByFolder => "a mask by its folder",
            Self::MaskByName => "a mask by its name",
            Self::NestedCopy => "nested copy of the data set",
            Self::NoClass => "in no class folder",
            Self::BesideParts => "beside the parts of the data set",
        }
    }

    /// Whether it is a mask.
    pub fn is_mask(self) -> bool {
        matches!(self, Self::MaskByFolder | Self::MaskByName)
    }
}

/// Top-level folders that cannot be classes, and hold none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoClasses {
    /// Their names.
    pub names: Vec<String>,
}

/// The roles of the folders of a data set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// The folders whose folders are classes: the dataset folder itself if it is plain.
    pub roots: Vec<Root>,
    /// Whether each class folder holds the parts: `NORMAL/train/x.jpeg`.
    pub parts_in_classes: bool,
    /// Whether only the equality of trees, and no name, tells the classes.
    pub uncertain: bool,
    /// Folders that hold the tree above them once more.
    copies: Vec<Vec<String>>,
}

/// Where a file belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// How many folders of its path lead to the class folder, that included.
    pub depth: usize,
    /// The part, by the name of its folder; empty if none.
    pub part: String,
    /// The collection; empty if there is only one.
    pub collection: String,
    /// Its path in the enclosing tree, if it lies in a copy of it.
    pub twin: Option<String>,
}

impl Layout {
    /// Every folder is a class.
    fn plain() -> Self {
        let root = Root { path: vec![], part: String::new(), collection: String::new() };
        Self { roots: vec![root], parts_in_classes: false, uncertain: false, copies: vec![] }
    }

    /// The roles of the folders in which files lie at `paths`, relative to the dataset
    /// folder with `/`.
    ///
    /// # Errors
    /// [`NoClasses`] for `train/` and `test/`, or `images/` and `masks/`, without class
    /// folders inside.
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
                let kids = tree.folders.iter();
                layout.roots =
                    kids.flat_map(|(name, kid)| kid.roots(&[name.as_str()], name)).collect();
            }
            Choice::Auto => match tree.resolve(&mut layout, &[]) {
                Found::Roots(roots) => layout.roots = roots,
                Found::Plain => {}
                Found::NoClasses(names) => return Err(NoClasses { names }),
            },
        }
        Ok(layout)
    }

    /// Whether the folders of the dataset folder are the classes.
    pub fn is_plain(&self) -> bool {
        matches!(self.roots.as_slice(), [Root { path, .. }] if path.is_empty())
    }

    /// Where the file at `path` belongs.
    ///
    /// # Errors
    /// The reason why it belongs to no class.
    pub fn place(&self, path: &str) -> Result<Place, Exclusion> {
        let actual: Vec<&str> = path.split('/').collect();
        let begins = |path: &[&str], prefix: &[String]| {
            path.len() > prefix.len() && prefix.iter().zip(path).all(|(a, b)| a == b)
        };
        let copy = self.copies.iter().find(|copy| begins(&actual, copy));
        let mut parts = actual.clone();
        if let Some(copy) = copy {
            parts.remove(copy.len() - 1);
        }
        let root = self.roots.iter().find(|root| begins(&parts, &root.path));
        let Some(root) = root else {
            let is_mask = parts.iter().rev().skip(1).any(|folder| words::is_mask(folder));
            return Err(if is_mask { Exclusion::MaskByFolder } else { Exclusion::BesideParts });
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

/// A folder with what may be images in it, however deep.
#[derive(Debug, Default)]
struct Folder {
    folders: BTreeMap<String, Folder>,
    /// Names of the files directly in it.
    files: BTreeSet<String>,
}

/// What [`Folder::resolve`] finds.
enum Found {
    /// The folders whose folders are classes.
    Roots(Vec<Root>),
    /// The folder's own folders are classes, as far as can be told.
    Plain,
    /// The folder's own folders, of these names, are no classes and hold none.
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

    /// Whether files that may be images lie directly in it; tables and texts may not.
    fn has_images(&self) -> bool {
        let no_image = ["csv", "tsv", "txt", "xlsx", "xls", "json", "md", "pdf", "xml"];
        let extension = |name: &str| name.rsplit_once('.').map(|(_, e)| e.to_lowercase());
        let may_be = |name: &String| !extension(name).is_some_and(|e| no_image.contains(&&*e));
        self.files.iter().any(may_be)
    }

    /// The roles of this folder's folders. Copies and folders of masks are entered in
    /// `layout`.
    fn resolve(&self, layout: &mut Layout, path: &[&str]) -> Found {
        let mut kids: Vec<(&str, &Folder)> =
            self.folders.iter().map(|(name, kid)| (name.as_str(), kid)).collect();
        if let Some(copy) = self.copy() {
            layout.copies.push(owned(&[path, &[copy]].concat()));
            kids.retain(|(name, _)| *name != copy);
        }
        match kids.as_slice() {
            [] => return Found::Plain,
            [(name, kid)] => return kid.resolve_only(layout, path, name),
            _ => {}
        }

        // `images/` beside `masks/`, with the classes inside.
        let images: Vec<_> =
            kids.iter().copied().filter(|(name, _)| words::is_images(name)).collect();
        let are_kinds = kids.iter().all(|(name, _)| words::is_images(name) || words::is_mask(name));
        if are_kinds && !images.is_empty() {
            if images.iter().any(|(_, kid)| kid.folders.len() < 2) {
                return Found::NoClasses(names(&kids));
            }
            let of = |(name, kid): &(&str, &Self)| kid.roots(&[path, &[*name]].concat(), "");
            return Found::Roots(images.iter().flat_map(of).collect());
        }

        let inner: Vec<BTreeSet<String>> = kids.iter().map(|(_, kid)| kid.class_names()).collect();
        let all: BTreeSet<&String> = inner.iter().flatten().collect();
        let in_several =
            |name: &&&String| inner.iter().filter(|set| set.contains(**name)).count() > 1;
        let is_part = |(name, _): &&(&str, &Folder)| words::part(name).is_some();
        let roots_of = |kids: &[(&str, &Folder)]| -> Vec<Root> {
            let of = |(name, kid): &(&str, &Self)| kid.roots(&[path, &[*name]].concat(), name);
            kids.iter().flat_map(of).collect()
        };

        // `train/`, `test/`, perhaps with others beside.
        let parts = kids.iter().filter(is_part).count();
        let inside_are_parts = all.len() >= 2 && all.iter().all(|name| words::part(name).is_some());
        if parts >= 2 && !inside_are_parts {
            let with_classes = inner.iter().filter(|set| !set.is_empty()).count();
            let shared = all.iter().any(|name| in_several(&name));
            if all.len() >= 2 && (shared || with_classes == 1) {
                let of_tree = |(name, kid): &(&str, &Folder)| {
                    let inside = kid.class_names();
                    words::part(name).is_some() || inside.iter().any(|name| in_several(&&name))
                };
                let kids: Vec<_> = kids.iter().copied().filter(of_tree).collect();
                return Found::Roots(roots_of(&kids));
            }
        }
        // Collections, or folds, that have parts of their own.
        if !kids.iter().any(|(name, _)| words::is_finding(name)) {
            let mut probe = layout.clone();
            let mut collected: Vec<Root> = Vec::new();
            for (name, kid) in &kids {
                match kid.resolve(&mut probe, &[path, &[*name]].concat()) {
                    Found::Roots(roots) if roots.iter().any(|root| !root.part.is_empty()) => {
                        collected.extend(roots.into_iter().map(|root| root.of(name)));
                    }
                    _ => break,
                }
            }
            let below = |name: &str| collected.iter().any(|root| root.path[path.len()] == name);
            if kids.iter().all(|(name, _)| below(name)) {
                *layout = probe;
                return Found::Roots(collected);
            }
        }
        if parts == kids.len() {
            return Found::NoClasses(names(&kids));
        }

        // Trees that are equal to each other.
        let no_images = kids.iter().all(|(_, kid)| !kid.has_images());
        if no_images && inside_are_parts && inner.iter().all(|set| !set.is_empty()) {
            layout.parts_in_classes = path.is_empty();
            return Found::Plain;
        }
        let finding_outside = kids.iter().any(|(name, _)| words::is_finding(name));
        let finding_inside = all.iter().any(|name| words::is_finding(name));
        let equal = all.len() >= 2 && inner.iter().all(|set| set.len() == all.len());
        let overlap = all.iter().any(|name| inner.iter().all(|set| set.contains(*name)));
        let numbered =
            |names: &[&str]| names.windows(2).all(|pair| words::differ_in_digits(pair[0], pair[1]));
        let outside: Vec<&str> = kids.iter().map(|(name, _)| *name).collect();
        let inside: Vec<&str> = all.iter().map(|name| name.as_str()).collect();
        let are_parts = match (finding_outside, finding_inside) {
            _ if !no_images => false,
            (true, false) => false,
            (false, true) => all.len() >= 2 && overlap,
            (true, true) => equal && numbered(&outside),
            // `covid/1`, `covid/2`, …: patients or studies, each class counted anew.
            (false, false) => equal && !numbered(&inside),
        };
        if !are_parts {
            return Found::Plain;
        }
        layout.uncertain = !finding_inside;
        Found::Roots(roots_of(&kids))
    }

    /// As [`resolve`](Self::resolve) for the only folder, called `name`, of the folder at
    /// `path`: a class, or a folder around the data set.
    fn resolve_only(&self, layout: &mut Layout, path: &[&str], name: &str) -> Found {
        let below = [path, &[name]].concat();
        let part = words::part(name).map_or("", |_| name);
        match self.resolve(layout, &below) {
            Found::Roots(roots) => Found::Roots(roots),
            _ if !self.has_images() && self.folders.len() >= 2 => {
                let inside_are_classes = self.folders.keys().any(|name| words::is_finding(name));
                match inside_are_classes || !part.is_empty() || words::is_images(name) {
                    true => Found::Roots(self.roots(&below, part)),
                    false => Found::Plain,
                }
            }
            _ if !part.is_empty() || words::is_images(name) => {
                Found::NoClasses(vec![name.to_owned()])
            }
            _ => Found::Plain,
        }
    }

    /// The folder of this one that holds the same folders as this one once more, and
    /// most of its own files at the same places, as unzipping an archive into itself
    /// leaves it.
    fn copy(&self) -> Option<&str> {
        let is_copy = |(name, kid): &(&String, &Self)| {
            let mut others = self.folders.keys().filter(|other| other != name);
            self.folders.len() > 2
                && others.all(|other| kid.folders.contains_key(other))
                && 2 * kid.shared_with(self) > kid.count()
        };
        self.folders.iter().find(is_copy).map(|(name, _)| name.as_str())
    }

    /// Files, however deep.
    fn count(&self) -> usize {
        self.files.len() + self.folders.values().map(Self::count).sum::<usize>()
    }

    /// Files, however deep, with a file of `other` at the same place.
    fn shared_with(&self, other: &Self) -> usize {
        let below =
            self.folders.iter().filter_map(|(name, kid)| Some((kid, other.folders.get(name)?)));
        self.files.intersection(&other.files).count()
            + below.map(|(kid, other)| kid.shared_with(other)).sum::<usize>()
    }

    /// The folders that may be classes of a part, by name in lower case; those of masks
    /// and other kinds of files are none.
    fn class_names(&self) -> BTreeSet<String> {
        let folders =
            self.class_parents().into_iter().flat_map(|(_, folder)| folder.folders.keys());
        let is_class = |name: &&String| !words::is_images(name) && !words::is_mask(name);
        folders.filter(is_class).map(|name| name.to_lowercase()).collect()
    }

    /// This folder as the parent of class folders, or those below it that are between:
    /// `train/images/NORMAL`.
    fn class_parents(&self) -> Vec<(Vec<&str>, &Self)> {
        let is_between = |name: &String| words::is_images(name) || words::is_mask(name);
        let of_images = self.folders.iter().filter(|(name, _)| words::is_images(name));
        let between: Vec<_> = of_images
            .filter(|(_, kid)| !kid.folders.is_empty())
            .map(|(name, kid)| (vec![name.as_str()], kid))
            .collect();
        match between.is_empty() || !self.folders.keys().all(is_between) {
            true => vec![(vec![], self)],
            false => between,
        }
    }

    /// This folder at `path` as a part.
    fn roots(&self, path: &[&str], part: &str) -> Vec<Root> {
        let root = |(below, _): (Vec<&str>, &Folder)| Root {
            path: owned(&[path, &below[..]].concat()),
            part: part.to_owned(),
            collection: String::new(),
        };
        self.class_parents().into_iter().map(root).collect()
    }
}

fn owned(path: &[&str]) -> Vec<String> {
    path.iter().map(|name| (*name).to_owned()).collect()
}

fn names(kids: &[(&str, &Folder)]) -> Vec<String> {
    kids.iter().map(|(name, _)| (*name).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recognised(paths: &[&str]) -> Layout {
        Layout::recognise(paths.iter().copied(), Choice::Auto).unwrap()
    }

    /// Class and part of every file, or why it has none.
    fn placed(paths: &[&str]) -> Vec<String> {
        let layout = recognised(paths);
        let of = |path: &&str| match layout.place(path) {
            Ok(Place { depth, part, collection, .. }) => {
                let class = path.split('/').nth(depth - 1).unwrap();
                [class, part.as_str(), collection.as_str()].join(" ").trim_end().to_owned()
            }
            Err(exclusion) => exclusion.text().to_owned(),
        };
        paths.iter().map(of).collect()
    }

    #[test]
    fn kaggles_folder_comes_in_parts() {
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
            assert_eq!(placed(&paths), expected, "{prefix}");
            assert!(!recognised(&paths).uncertain);
        }
        // The tree once more inside itself.
        let both = [below("chest_xray/"), below("chest_xray/chest_xray/")].concat();
        let paths: Vec<&str> = both.iter().map(String::as_str).collect();
        assert_eq!(placed(&paths), [expected, expected].concat());
        let layout = recognised(&paths);
        assert_eq!(layout.place(paths[0]).unwrap().twin, None);
        assert_eq!(layout.place(paths[5]).unwrap().twin.as_deref(), Some(paths[0]));
    }

    #[test]
    fn parts_have_many_names_and_neighbours() {
        let paths = [
            "Training/a/1.png",
            "Training/b/2.png",
            "Validation/a/3.png",
            "testing_set/4.png",
            "figures/5.png",
        ];
        assert_eq!(
            placed(&paths),
            [
                "a Training",
                "b Training",
                "a Validation",
                "in no class folder",
                "beside the parts of the data set"
            ]
        );
        let folds = ["fold1/a/1.png", "fold1/b/1.png", "fold2/a/2.png", "fold2/b/2.png"];
        assert_eq!(placed(&folds), ["a fold1", "b fold1", "a fold2", "b fold2"]);
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
        assert_eq!(placed(&folds)[..2], ["a train fold1", "b train fold1"]);
        let sites = ["x/covid/1.png", "x/normal/1.png", "y/covid/2.png", "y/normal/2.png"];
        assert_eq!(placed(&sites), ["covid x", "normal x", "covid y", "normal y"]);
        assert!(!recognised(&sites).uncertain);
        let unknown = ["x/a/1.png", "x/b/1.png", "y/a/2.png", "y/b/2.png"];
        assert_eq!(placed(&unknown), ["a x", "b x", "a y", "b y"]);
        assert!(recognised(&unknown).uncertain);
        let one = ["chest_xray/train/NORMAL/1.png", "chest_xray/train/PNEUMONIA/1.png"];
        assert_eq!(placed(&one), ["NORMAL train", "PNEUMONIA train"]);
    }

    #[test]
    fn covid_qu_ex_is_two_collections_in_parts() {
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
        let placed = placed(&paths);
        assert_eq!(placed[0], "COVID-19 Train Infection Segmentation Data");
        assert_eq!(placed[35], "Normal Test Lung Segmentation Data");
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
            let layout = recognised(paths);
            assert!(layout.is_plain() && !layout.parts_in_classes, "{paths:?}");
            let classes: Vec<_> = paths.iter().map(|p| p.split('/').next().unwrap()).collect();
            assert_eq!(placed(paths), classes);
        }
        let inside = ["a/train/1.png", "a/test/2.png", "b/train/1.png", "b/test/2.png"];
        assert_eq!(placed(&inside), ["a train", "a test", "b train", "b test"]);
    }

    #[test]
    fn folders_between_are_no_classes() {
        let images = ["images/covid/1.png", "images/normal/2.png", "masks/covid/1.png"];
        assert_eq!(placed(&images), ["covid", "normal", "a mask by its folder"]);
        let parts = [
            "train/images/a/1.png",
            "train/images/b/2.png",
            "train/masks/a/1.png",
            "test/images/a/3.png",
            "test/images/b/3.png",
        ];
        let expected = ["a train", "b train", "a mask by its folder", "a test", "b test"];
        assert_eq!(placed(&parts), expected);
        let around = [
            "COVID-19_Radiography_Dataset/COVID/images/1.png",
            "COVID-19_Radiography_Dataset/Normal/images/1.png",
        ];
        assert_eq!(placed(&around), ["COVID", "Normal"]);
    }

    #[test]
    fn parts_and_kinds_without_classes_are_refused() {
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
