//! `pipeline.toml`: a table per stage, and profiles that override them.
//!
//! ```toml
//! default-profile = "tutorial"
//!
//! [train]
//! epochs = 25
//!
//! [profile.quick]
//! about = "a first look"
//! stages = ["preprocess", "split", "extract", "train"]
//!
//! [profile.quick.train]
//! epochs = 3
//! ```

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use toml::{Table, Value};

use crate::io::bounded;

/// The largest pipeline file that is read; the built-in one has 6 kB.
const MAX_BYTES: u64 = 1 << 20;

/// The pipeline file that the user's own is laid over.
pub const BUILT_IN: &str = include_str!("../../pipeline.toml");

/// The keys of the file, and of a profile, that are no stage's table.
const TOP_KEYS: [&str; 6] =
    ["default-profile", "dataset", "artifacts", "seed", "threads", "cache-limit"];
const PROFILE_KEYS: [&str; 4] = ["about", "stages", "dataset", "seed"];

/// Why a pipeline file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the pipeline file `{}`", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// It is no TOML.
    #[error("`{origin}` is not valid TOML")]
    Syntax {
        /// The file, or `the built-in pipeline`.
        origin: String,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// A key that no stage reads.
    #[error("unknown key `{key}` in `{origin}`{}", nearest.as_ref().map(|n| format!("; did you mean `{n}`?")).unwrap_or_default())]
    UnknownKey {
        /// The key with its tables.
        key: String,
        /// The file, or `the built-in pipeline`.
        origin: String,
        /// The known key that is most like it.
        nearest: Option<String>,
    },
    /// A key with a value of the wrong kind.
    #[error("`{key}` in `{origin}` has an unusable value")]
    Value {
        /// The key or table.
        key: String,
        /// The file, or `the built-in pipeline`.
        origin: String,
        /// What is wrong with it.
        source: Box<toml::de::Error>,
    },
    /// A profile that the file does not have.
    #[error("no profile `{name}` in `{origin}`; it has {}", known.join(", "))]
    UnknownProfile {
        /// The profile asked for.
        name: String,
        /// The file, or `the built-in pipeline`.
        origin: String,
        /// The profiles it has.
        known: Vec<String>,
    },
}

/// A pipeline file with one of its profiles chosen.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file, or `the built-in pipeline`.
    pub origin: String,
    /// The name of the profile.
    pub profile: String,
    root: Table,
}

impl Config {
    /// Reads `file`; without one, `pipeline.toml` in the working folder if it
    /// exists. The file is laid over [`BUILT_IN`], so it holds only what it
    /// changes. `known` are the stages and their defaults: every key is checked
    /// against them, whichever stage asks first.
    pub fn load(
        file: Option<&Path>,
        profile: Option<&str>,
        known: &[(&str, Table)],
    ) -> Result<Self, ConfigError> {
        let local = Path::new("pipeline.toml");
        match file.or_else(|| local.exists().then_some(local)) {
            Some(path) => {
                let text = bounded::read_text(path, MAX_BYTES)
                    .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
                Self::parse(&path.display().to_string(), &text, profile, known)
            }
            None => Self::parse("the built-in pipeline", "", profile, known),
        }
    }

    /// Reads the text of a pipeline file, named `origin` in errors.
    pub fn parse(
        origin: &str,
        text: &str,
        profile: Option<&str>,
        known: &[(&str, Table)],
    ) -> Result<Self, ConfigError> {
        let own: Table = text.parse().map_err(|source| ConfigError::Syntax {
            origin: origin.to_owned(),
            source: Box::new(source),
        })?;
        check_file(origin, &own, known)?;
        let mut root: Table = BUILT_IN.parse().expect("the built-in pipeline is tested");
        overlay(&mut root, own);
        let mut config = Self { origin: origin.to_owned(), profile: String::new(), root };
        config.profile = match profile {
            Some(name) => name.to_owned(),
            None => config.value("default-profile")?.unwrap_or_default(),
        };
        if config.profile_table().is_none() {
            return Err(ConfigError::UnknownProfile {
                name: config.profile,
                known: profiles(&config.root).keys().cloned().collect(),
                origin: config.origin,
            });
        }
        Ok(config)
    }

    /// A key of the chosen profile, else of the file; `None` if neither has it.
    pub fn value<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, ConfigError> {
        let value = self.profile_table().and_then(|t| t.get(key)).or_else(|| self.root.get(key));
        value.map(|v| v.clone().try_into().map_err(|e| self.unusable(key, e))).transpose()
    }

    /// The stages that the profile runs, in the order of the file.
    pub fn stages(&self) -> Result<Vec<String>, ConfigError> {
        Ok(self.value("stages")?.unwrap_or_default())
    }

    /// A stage's settings: the defaults of `S`, then `[stage]`, then
    /// `[profile.<name>.stage]`, then `flags`.
    pub fn settings<S>(&self, stage: &str, flags: Table) -> Result<S, ConfigError>
    where
        S: DeserializeOwned,
    {
        let mut settings = Table::new();
        for layer in [Some(&self.root), self.profile_table()] {
            if let Some(Value::Table(table)) = layer.and_then(|l| l.get(stage)) {
                overlay(&mut settings, table.clone());
            }
        }
        settings.extend(flags);
        settings.try_into().map_err(|e| self.unusable(stage, e))
    }

    fn profile_table(&self) -> Option<&Table> {
        profiles(&self.root).get(&self.profile)?.as_table()
    }

    fn unusable(&self, key: &str, source: toml::de::Error) -> ConfigError {
        ConfigError::Value {
            key: key.to_owned(),
            origin: self.origin.clone(),
            source: Box::new(source),
        }
    }
}

fn profiles(root: &Table) -> &Table {
    root.get("profile").and_then(Value::as_table).expect("the built-in pipeline has profiles")
}

/// Lays `top` over `base`, table by table.
fn overlay(base: &mut Table, top: Table) {
    for (key, value) in top {
        match (base.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => overlay(below, above),
            (_, value) => drop(base.insert(key, value)),
        }
    }
}

/// Refuses keys that nothing reads.
fn check_file(origin: &str, root: &Table, known: &[(&str, Table)]) -> Result<(), ConfigError> {
    for (key, value) in root {
        if key != "profile" {
            check_key(origin, "", key, value, &TOP_KEYS, known)?;
            continue;
        }
        for (name, profile) in value.as_table().into_iter().flatten() {
            let at = format!("profile.{name}.");
            for (key, value) in profile.as_table().into_iter().flatten() {
                check_key(origin, &at, key, value, &PROFILE_KEYS, known)?;
            }
        }
    }
    Ok(())
}

fn check_key(
    origin: &str,
    at: &str,
    key: &str,
    value: &Value,
    keys: &[&str],
    known: &[(&str, Table)],
) -> Result<(), ConfigError> {
    let unknown = |key: &str, full: String, candidates: &[&str]| ConfigError::UnknownKey {
        key: full,
        origin: origin.to_owned(),
        nearest: nearest(key, candidates).map(str::to_owned),
    };
    if let Some((_, defaults)) = known.iter().find(|(name, _)| *name == key) {
        let names: Vec<&str> = defaults.keys().map(String::as_str).collect();
        for name in value.as_table().into_iter().flat_map(Table::keys) {
            if !names.contains(&name.as_str()) {
                return Err(unknown(name, format!("{at}{key}.{name}"), &names));
            }
        }
    } else if !keys.contains(&key) {
        let stages = known.iter().map(|(name, _)| *name);
        let candidates: Vec<&str> = keys.iter().copied().chain(stages).collect();
        return Err(unknown(key, format!("{at}{key}"), &candidates));
    }
    Ok(())
}

/// The candidate most like `word`, if any is alike.
pub fn nearest<'a>(word: &str, candidates: &[&'a str]) -> Option<&'a str> {
    let best = candidates.iter().min_by_key(|c| distance(word, c))?;
    (distance(word, best) <= 2.max(word.len() / 3)).then_some(best)
}

/// Levenshtein's distance, in characters.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let best = (diagonal + usize::from(x != *y)).min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = std::mem::replace(&mut row[j + 1], best);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, serde::Deserialize, serde::Serialize)]
    #[serde(default, deny_unknown_fields)]
    struct Toy {
        epochs: usize,
        rate: f64,
    }

    impl Default for Toy {
        fn default() -> Self {
            Self { epochs: 25, rate: 1e-3 }
        }
    }

    fn parse(text: &str, profile: Option<&str>) -> Result<Config, ConfigError> {
        let known = [("toy", Table::try_from(Toy::default()).unwrap())];
        Config::parse("p.toml", text, profile, &known)
    }

    #[test]
    fn flags_beat_profiles_beat_stages_beat_defaults() {
        let text = "[toy]\nepochs = 5\nrate = 1\n[profile.quick.toy]\nepochs = 3";
        let config = parse(text, Some("quick")).unwrap();
        let toy = |flags| config.settings::<Toy>("toy", flags).unwrap();
        assert_eq!(toy(Table::new()), Toy { epochs: 3, rate: 1.0 });
        assert_eq!(toy("epochs = 7".parse().unwrap()).epochs, 7);
        let other = parse(text, Some("tutorial")).unwrap();
        assert_eq!(other.settings::<Toy>("toy", Table::new()).unwrap().epochs, 5);
    }

    #[test]
    fn a_profile_overrides_the_keys_of_the_file() {
        let config = parse("seed = 1\n[profile.a]\nseed = 2", Some("a")).unwrap();
        assert_eq!(config.value::<u64>("seed").unwrap(), Some(2));
        assert_eq!(parse("", None).unwrap().profile, "tutorial");
    }

    #[test]
    fn what_is_wrong_is_named() {
        let error = |text: &str, profile| parse(text, profile).unwrap_err().to_string();
        let key = "unknown key `profile.a.toy.epoch` in `p.toml`; did you mean `epochs`?";
        assert_eq!(error("[profile.a.toy]\nepoch = 3", None), key);
        assert_eq!(error("[tyo]", None), "unknown key `tyo` in `p.toml`; did you mean `toy`?");
        assert_eq!(error("zzzzzzzzz = 1", None), "unknown key `zzzzzzzzz` in `p.toml`");
        assert_eq!(error("[toy", None), "`p.toml` is not valid TOML");
        assert!(error("", Some("nope")).starts_with("no profile `nope` in `p.toml`; it has "));
        let config = parse("[toy]\nepochs = \"many\"", None).unwrap();
        let wrong = config.settings::<Toy>("toy", Table::new()).unwrap_err();
        assert_eq!(wrong.to_string(), "`toy` in `p.toml` has an unusable value");
    }
}
