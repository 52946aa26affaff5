//! Folders of a profile.

use std::path::{Path, PathBuf};

/// Placeholders in the paths of `pipeline.toml`.
pub const PLACEHOLDERS: [&str; 3] = ["{dataset}", "{artifacts}", "{profile}"];

/// Returns the placeholders in `path`: known placeholders anywhere, and unknown words in braces
/// that are a whole part of the path.
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

/// Folders of one profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// Folder with one folder of images per class: `dataset`.
    pub dataset: PathBuf,
    /// Folder of all profiles: `artifacts`.
    pub artifacts: PathBuf,
    /// Name of the profile.
    pub profile: String,
    /// Dataset as given, such as `{artifacts}/{profile}/dataset`.
    template: String,
}

impl Paths {
    /// Output folder of a stage: `artifacts/<profile>/<stage>`.
    pub fn stage(&self, stage: &str) -> PathBuf {
        self.artifacts.join(&self.profile).join(stage)
    }

    /// Feature cache of all profiles.
    pub fn features_cache(&self) -> PathBuf {
        self.artifacts.join("cache/features")
    }

    /// Replaces `{dataset}`, `{artifacts}` and `{profile}` in a setting.
    pub fn expand(&self, template: &str) -> PathBuf {
        self.expand_with(template, &self.dataset)
    }

    /// Replaces whole path components only, so that braces in the user's own paths stay.
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

    /// Dataset as given, a path or a template.
    pub fn dataset_template(&self) -> &str {
        &self.template
    }

    /// Creates the paths of `profile`; `dataset` may contain placeholders.
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
    fn placeholders_are_found_and_other_braces_are_not() {
        let found = |path| placeholders(path).collect::<Vec<_>>();
        assert_eq!(found("{artifacts}/{profil}/x"), ["{artifacts}", "{profil}"]);
        assert_eq!(found("{dataset}-old/x"), ["{dataset}"]);
        assert!(found("/data/a{b}c/{}/{x y}").is_empty());
    }

    #[test]
    fn templates_are_expanded() {
        let paths = Paths::new("{artifacts}/{profile}/dataset", "out".into(), "demo");
        assert_eq!(paths.dataset, Path::new("out/demo/dataset"));
        assert_eq!(paths.expand("{dataset}/covid"), Path::new("out/demo/dataset/covid"));
        assert_eq!(paths.expand("/data/x"), Path::new("/data/x"));
        assert_eq!(paths.stage("train"), Path::new("out/demo/train"));
    }
}
