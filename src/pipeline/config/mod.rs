//! Pipeline file `pipeline.toml`: a table per stage, and profiles that override the tables.
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

mod check;
mod error;
mod set;

use std::path::Path;

use serde::de::DeserializeOwned;
use toml::{Table, Value};

use crate::io::bounded;

pub use check::nearest;
pub use error::ConfigError;
pub use set::{parse as parse_set, to_items};

/// Maximum size of a pipeline file in bytes; the built-in one has 6 kB.
const MAX_BYTES: u64 = 1 << 20;

/// Built-in pipeline file; the user's file overrides it.
pub const BUILT_IN: &str = include_str!("../../../pipeline.toml");

/// Name of the arguments of `--set` in errors.
const SET: &str = "--set";

/// Settings shared by several stages. They are set at the top of the file or in a profile, and
/// are not allowed in the table of a stage.
pub const SHARED: [&str; 1] = ["positive"];

/// Name of a stage and its default settings, which have the types of the keys.
pub type Known<'a> = (&'a str, Table);

/// Key of the seed in the table of a stage that uses one.
pub const SEED: &str = "seed";

/// Pipeline file with a chosen profile.
#[derive(Debug, Clone)]
pub struct Config {
    /// Path of the file, or `the built-in pipeline`.
    pub origin: String,
    /// Name of the profile.
    pub profile: String,
    root: Table,
    /// Settings of `--set`, which override all tables.
    set: Table,
    /// Stages and their keys.
    known: Vec<(String, Table)>,
}

impl Config {
    /// Reads `file`, by default `pipeline.toml` in the working folder if it exists. The file
    /// overrides [`BUILT_IN`]. `set` are arguments of `--set`, `known` the stages and their
    /// defaults, against which every key is checked.
    ///
    /// # Errors
    /// If the file cannot be read, and as [`Config::parse`].
    pub fn load(
        file: Option<&Path>,
        profile: Option<&str>,
        set: &[String],
        known: &[Known<'_>],
    ) -> Result<Self, ConfigError> {
        let local = Path::new("pipeline.toml");
        match file.or_else(|| local.exists().then_some(local)) {
            Some(path) => {
                let text = bounded::read_text(path, MAX_BYTES)
                    .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
                Self::parse(&path.display().to_string(), &text, profile, set, known)
            }
            None => Self::parse("the built-in pipeline", "", profile, set, known),
        }
    }

    /// Parses the text of a pipeline file, named `origin` in errors.
    ///
    /// # Errors
    /// For invalid TOML, an unknown key or profile, or a value of a wrong type.
    pub fn parse(
        origin: &str,
        text: &str,
        profile: Option<&str>,
        set: &[String],
        known: &[Known<'_>],
    ) -> Result<Self, ConfigError> {
        let own: Table = text.parse().map_err(|source| ConfigError::Syntax {
            origin: origin.to_owned(),
            source: Box::new(source),
        })?;
        check::file(origin, &own, known)?;
        let mut root: Table = BUILT_IN.parse().expect("the built-in pipeline is tested");
        overlay(&mut root, own);
        let mut config = Self {
            origin: origin.to_owned(),
            profile: String::new(),
            root,
            set: set::parse(set, known)?,
            known: known.iter().map(|(name, keys)| ((*name).to_owned(), keys.clone())).collect(),
        };
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

    /// Parses another pipeline file for the same stages, without `--set`.
    ///
    /// # Errors
    /// As [`Config::parse`].
    pub fn another(&self, text: &str, profile: Option<&str>) -> Result<Self, ConfigError> {
        let known: Vec<Known<'_>> =
            self.known.iter().map(|(name, keys)| (name.as_str(), keys.clone())).collect();
        Self::parse("the built-in pipeline", text, profile, &[], &known)
    }

    /// Returns true if the file has the profile `name`.
    pub fn has_profile(&self, name: &str) -> bool {
        profiles(&self.root).contains_key(name)
    }

    /// Value of a key in `--set`, else in the chosen profile, else in the file; `None` if missing.
    ///
    /// # Errors
    /// If the value has another type.
    pub fn value<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, ConfigError> {
        let value = self.layers().rev().find_map(|layer| layer.get(key));
        let origin = if self.set.contains_key(key) { SET } else { &self.origin };
        value.map(|v| v.clone().try_into().map_err(|e| unusable(key, origin, e))).transpose()
    }

    /// Stages of the profile, in the order of the file.
    ///
    /// # Errors
    /// As [`Config::value`].
    pub fn stages(&self) -> Result<Vec<String>, ConfigError> {
        Ok(self.value("stages")?.unwrap_or_default())
    }

    /// Settings of a stage, from the defaults of `S`, `[stage]`, `[profile.<name>.stage]`, `--set`
    /// and `flags`; the last wins.
    ///
    /// # Errors
    /// If a value is not valid for the stage.
    pub fn settings<S>(&self, stage: &str, flags: Table) -> Result<S, ConfigError>
    where
        S: DeserializeOwned,
    {
        self.typed(stage, self.merged(stage, flags))
    }

    /// Untyped settings of a stage, as used by [`Config::settings`].
    pub fn merged(&self, stage: &str, flags: Table) -> Table {
        let mut settings = self.stage_table(stage);
        let keys = self.known.iter().find(|(name, _)| name == stage).map(|(_, keys)| keys);
        for key in SHARED.into_iter().filter(|key| keys.is_some_and(|k| k.contains_key(*key))) {
            let value = self.layers().rev().find_map(|layer| layer.get(key)).cloned();
            settings.extend(value.map(|value| (key.to_owned(), value)));
        }
        settings.extend(flags);
        settings.remove(SEED);
        settings
    }

    /// Typed settings of `stage`, from the result of [`Config::merged`].
    ///
    /// # Errors
    /// If a value is not valid for the stage.
    pub fn typed<S: DeserializeOwned>(&self, stage: &str, merged: Table) -> Result<S, ConfigError> {
        merged.try_into().map_err(|source| {
            // The wrong value comes from `--set` if the settings without `--set` are valid.
            let without = Self { set: Table::new(), ..self.clone() };
            let usable = without.merged(stage, Table::new()).try_into::<S>().is_ok();
            let origin = if usable && self.set.contains_key(stage) { SET } else { &self.origin };
            unusable(stage, origin, source)
        })
    }

    /// `seed` in the table of a stage; `None` if missing.
    ///
    /// # Errors
    /// As [`Config::value`].
    pub fn seed_of(&self, stage: &str) -> Result<Option<u64>, ConfigError> {
        let seed = self.stage_table(stage).remove(SEED);
        let origin = if self.is_set(stage, SEED) { SET } else { &self.origin };
        seed.map(|v| v.try_into().map_err(|e| unusable(stage, origin, e))).transpose()
    }

    /// Returns true if `--set` contains the setting `key` of `stage`, or the shared setting `key`.
    pub fn is_set(&self, stage: &str, key: &str) -> bool {
        let own =
            self.set.get(stage).and_then(Value::as_table).is_some_and(|t| t.contains_key(key));
        own || (self.set.contains_key(key) && (key == SEED || SHARED.contains(&key)))
    }

    /// Settings of `--set` for `stage`: its own settings and the top-level keys.
    pub fn set_for(&self, stage: &str) -> Table {
        let is_relevant = |(key, value): &(&String, &Value)| *key == stage || !value.is_table();
        self.set
            .iter()
            .filter(is_relevant)
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    }

    /// Merged tables of `stage`.
    fn stage_table(&self, stage: &str) -> Table {
        let mut settings = Table::new();
        for layer in self.layers() {
            if let Some(Value::Table(table)) = layer.get(stage) {
                overlay(&mut settings, table.clone());
            }
        }
        settings
    }

    /// File, profile and `--set`; later layers override earlier layers.
    fn layers(&self) -> impl DoubleEndedIterator<Item = &Table> {
        [Some(&self.root), self.profile_table(), Some(&self.set)].into_iter().flatten()
    }

    fn profile_table(&self) -> Option<&Table> {
        profiles(&self.root).get(&self.profile)?.as_table()
    }
}

fn unusable(key: &str, origin: &str, source: toml::de::Error) -> ConfigError {
    ConfigError::Value { key: key.to_owned(), origin: origin.to_owned(), source: Box::new(source) }
}

/// Seed of `stage` in the root table of a pipeline file.
pub fn seed_in(root: &Table, stage: &str) -> Option<u64> {
    root.get(stage)?.get(SEED)?.as_integer()?.try_into().ok()
}

/// Returns true if two values are equal; 1 equals 1.0, and 12 equals "12" (`depth`).
pub fn same(a: &Value, b: &Value) -> bool {
    let number = |value: &Value| value.as_float().or(value.as_integer().map(|n| n as f64));
    match (a, b) {
        (Value::String(text), Value::Integer(n)) | (Value::Integer(n), Value::String(text)) => {
            n.to_string() == *text
        }
        _ => match (number(a), number(b)) {
            (Some(a), Some(b)) => a == b,
            _ => a == b,
        },
    }
}

fn profiles(root: &Table) -> &Table {
    root.get("profile").and_then(Value::as_table).expect("the built-in pipeline has profiles")
}

/// Overrides `base` with `top`, recursively for tables.
fn overlay(base: &mut Table, top: Table) {
    for (key, value) in top {
        match (base.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => overlay(below, above),
            (_, value) => drop(base.insert(key, value)),
        }
    }
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
        Config::parse("p.toml", text, profile, &[], &known)
    }

    #[test]
    fn flags_override_profiles_which_override_stages_which_override_defaults() {
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
    fn the_depth_may_be_a_text_or_an_integer() {
        use crate::image::Depth;

        #[derive(Debug, serde::Deserialize)]
        struct Deep {
            depth: Depth,
        }
        let known = [("preprocess", "depth = \"file\"\nname = \"\"".parse().unwrap())];
        let depth = |text: &str, items: &[String]| {
            let config = Config::parse("p.toml", text, None, items, &known)?;
            config.settings::<Deep>("preprocess", Table::new()).map(|deep| deep.depth)
        };
        for text in ["depth = 12", "depth = \"12\""] {
            let text = format!("[preprocess]\n{text}");
            assert_eq!(depth(&text, &[]).unwrap(), Depth::Bits(12));
            let set = ["preprocess.depth=10".to_owned()];
            assert_eq!(depth(&text, &set).unwrap(), Depth::Bits(10));
        }
        let error = |text: &str| depth(text, &[]).unwrap_err().to_string();
        assert_eq!(
            error("[preprocess]\ndepth = 7"),
            "`preprocess` in `p.toml` has an invalid value"
        );
        let wrong = "`preprocess.name` in `p.toml` is 12, expected a string";
        assert_eq!(error("[preprocess]\nname = 12"), wrong);
        // The setting of the file is not reported as overridden.
        assert!(same(&Value::Integer(12), &Value::String("12".to_owned())));
        assert!(!same(&Value::Integer(12), &Value::String("range".to_owned())));
    }

    #[test]
    fn errors_name_the_key_and_the_file() {
        let error = |text: &str, profile| parse(text, profile).unwrap_err().to_string();
        let key = "unknown key `profile.a.toy.epoch` in `p.toml`; did you mean `epochs`?";
        assert_eq!(error("[profile.a.toy]\nepoch = 3", None), key);
        assert_eq!(error("[tyo]", None), "unknown key `tyo` in `p.toml`; did you mean `toy`?");
        assert_eq!(error("zzzzzzzzz = 1", None), "unknown key `zzzzzzzzz` in `p.toml`");
        assert_eq!(error("[toy", None), "`p.toml` is not valid TOML");
        assert!(
            error("", Some("nope")).starts_with("no profile `nope` in `p.toml`; the profiles are ")
        );
        let many =
            "`toy.epochs` in `p.toml` is the string \"many\", expected a whole number, 0 or more";
        assert_eq!(error("[toy]\nepochs = \"many\"", None), many);
        let config = parse("[toy]\nrate = 1.5", None).unwrap();
        let flags = "rate = \"fast\"".parse().unwrap();
        let wrong = config.settings::<Toy>("toy", flags).unwrap_err();
        assert_eq!(wrong.to_string(), "`toy` in `p.toml` has an invalid value");
        // A value whose type is right, but which the stage refuses.
        #[derive(Debug, Default, serde::Deserialize)]
        enum Mode {
            #[default]
            A,
        }
        #[derive(Debug, Default, serde::Deserialize)]
        #[serde(default)]
        struct Picky {
            mode: Mode,
        }
        let known = [("picky", "mode = \"A\"".parse().unwrap())];
        let set = |text: &str, item: &str| {
            let config = Config::parse("p.toml", text, None, &[item.to_owned()], &known).unwrap();
            config.settings::<Picky>("picky", Table::new()).unwrap_err().to_string()
        };
        let file = "[picky]\nmode = \"B\"";
        assert_eq!(set("", "picky.mode=B"), "`picky` in `--set` has an invalid value");
        assert_eq!(set(file, "seed=1"), "`picky` in `p.toml` has an invalid value");
        let name = parse("profile = \"strict\"", None).unwrap_err();
        assert!(name.hint().contains("`default-profile = \"strict\"`"), "{}", name.hint());
    }
}
