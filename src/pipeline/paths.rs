//! Where the files of a profile lie.

use std::path::{Path, PathBuf};

/// What a path in `pipeline.toml` may hold between two `/`.
pub const PLACEHOLDERS: [&str; 3] = ["{dataset}", "{artifacts}", "{profile}"];

/// The words in braces in `path` that look like placeholders: the known ones wherever they
/// stand, others where they are a whole part of the path.
pub fn placeholders(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|part| {
        let word = part.strip_prefix('{').and_then(|part| part.strip_suffix('}'));
        let is_word = |word: &str| {
            !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
        };
        match word {
            Some(word) if is_word(word) => Some(part),
            _ => PLACEHOLDERS.into_iter().find(|name| part.contains(name)),
        }
    })
}

/// The folders of one profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// Folder of class folders: `dataset`.
    pub dataset: PathBuf,
    /// Folder of all profiles: `artifacts`.
    pub artifacts: PathBuf,
    /// The profile's name.
    pub profile: String,
    /// The dataset as it was given: `{artifacts}/{profile}/dataset`.
    template: String,
}

impl Paths {
    /// What the stage `stage` writes: `artifacts/<profile>/<stage>`.
    pub fn stage(&self, stage: &str) -> PathBuf {
        self.artifacts.join(&self.profile).join(stage)
    }

    /// Where features are kept for all profiles.
    pub fn features_cache(&self) -> PathBuf {
        self.artifacts.join("cache/features")
    }

    /// Fills in `{dataset}`, `{artifacts}` and `{profile}` in a setting.
    pub fn expand(&self, template: &str) -> PathBuf {
        self.expand_with(template, &self.dataset)
    }

    /// Whole `{..}` components only, so that odd characters in the user's own
    /// paths survive.
    fn expand_with(&self, template: &str, dataset: &Path) -> PathBuf {
        let part = |part: &str| match part {
            "{dataset}" => dataset.to_owned(),
            "{artifacts}" => self.artifacts.clone(),
            "{profile}" => PathBuf::from(&self.profile),
            other => PathBuf::from(other),
        };
        let root = if template.starts_with('/') { "/" } else { "" };
        template.split('/').fold(PathBuf::from(root), |path, p| path.join(part(p)))
    }

    /// The dataset as it was given, a path or a template.
    pub fn dataset_template(&self) -> &str {
        &self.template
    }

    /// The folders of `profile`, the dataset given as a template.
    pub fn new(dataset: &str, artifacts: PathBuf, profile: &str) -> Self {
        let (profile, template) = (profile.to_owned(), dataset.to_owned());
        let mut paths = Self { dataset: PathBuf::new(), artifacts, profile, template };
        paths.dataset = paths.expand_with(dataset, Path::new(""));
        paths
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_found_and_odd_names_are_not() {
        let found = |path| placeholders(path).collect::<Vec<_>>();
        assert_eq!(found("{artifacts}/{profil}/x"), ["{artifacts}", "{profil}"]);
        assert_eq!(found("{dataset}-old/x"), ["{dataset}"]);
        assert!(found("/data/a{b}c/{}/{x y}").is_empty());
    }

    #[test]
    fn templates_follow_the_folders() {
        let paths = Paths::new("{artifacts}/{profile}/dataset", "out".into(), "demo");
        assert_eq!(paths.dataset, Path::new("out/demo/dataset"));
        assert_eq!(paths.expand("{dataset}/covid"), Path::new("out/demo/dataset/covid"));
        assert_eq!(paths.expand("/data/x"), Path::new("/data/x"));
        assert_eq!(paths.stage("train"), Path::new("out/demo/train"));
    }
}
