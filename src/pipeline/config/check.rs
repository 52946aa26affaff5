//! Checks of the keys and types of a whole pipeline file, including stages that do not run.

use toml::{Table, Value};

use super::{ConfigError, Known, SHARED};

/// Type of a key that does not belong to a stage.
#[derive(Debug, Clone, Copy)]
enum Type {
    Text,
    Count,
    Texts,
}

/// Keys at the top of the file, outside of the tables of stages and profiles.
const TOP_KEYS: [(&str, Type); 7] = [
    ("default-profile", Type::Text),
    ("dataset", Type::Text),
    ("artifacts", Type::Text),
    ("seed", Type::Count),
    ("positive", Type::Text),
    ("threads", Type::Count),
    ("cache-limit", Type::Count),
];

/// Keys of a profile, outside of the tables of stages.
const PROFILE_KEYS: [(&str, Type); 5] = [
    ("about", Type::Text),
    ("stages", Type::Texts),
    ("dataset", Type::Text),
    ("seed", Type::Count),
    ("positive", Type::Text),
];

/// Settings that are a text or a whole number: `depth = "range"` or `depth = 12`.
const TEXT_OR_COUNT: [&str; 1] = ["depth"];

/// Checks the keys and types of a pipeline file.
///
/// # Errors
/// For the first unknown key or value of a wrong type.
pub(super) fn file(origin: &str, root: &Table, known: &[Known<'_>]) -> Result<(), ConfigError> {
    for (key, value) in root {
        if key != "profile" {
            entry(origin, "", key, value, &TOP_KEYS, known)?;
            continue;
        }
        let Value::Table(profiles) = value else {
            let name = value.as_str().unwrap_or("strict");
            return Err(ConfigError::Misplaced {
                key: key.clone(),
                origin: origin.to_owned(),
                problem: "is not a table of profiles",
                hint: format!(
                    "to choose a profile, write `default-profile = \"{name}\"`, or give \
                     `--profile {name}`"
                ),
            });
        };
        for (name, profile) in profiles {
            let prefix = format!("profile.{name}");
            for (key, value) in table(origin, &prefix, profile)? {
                entry(origin, &format!("{prefix}."), key, value, &PROFILE_KEYS, known)?;
            }
        }
    }
    Ok(())
}

/// Checks the keys and types of `--set`.
///
/// # Errors
/// For the first unknown key or value of a wrong type.
pub(super) fn set(root: &Table, known: &[Known<'_>]) -> Result<(), ConfigError> {
    if let Some(name) = root.get("default-profile") {
        return Err(ConfigError::Misplaced {
            key: "default-profile".to_owned(),
            origin: super::SET.to_owned(),
            problem: "has no effect, because the profile is chosen first",
            hint: format!("give `--profile {}`", name.as_str().unwrap_or("NAME")),
        });
    }
    root.iter().try_for_each(|(key, value)| entry(super::SET, "", key, value, &TOP_KEYS, known))
}

/// Empty value of the type of a top-level key; `None` for an unknown key.
pub(super) fn top_default(key: &str) -> Option<Value> {
    let (_, ty) = TOP_KEYS.iter().find(|(name, _)| *name == key)?;
    Some(match ty {
        Type::Text => Value::String(String::new()),
        Type::Count => Value::Integer(0),
        Type::Texts => Value::Array(Vec::new()),
    })
}

/// Checks a key of the file or of a profile; `prefix` are its tables.
fn entry(
    origin: &str,
    prefix: &str,
    key: &str,
    value: &Value,
    keys: &[(&str, Type)],
    known: &[Known<'_>],
) -> Result<(), ConfigError> {
    let full = format!("{prefix}{key}");
    if let Some((_, defaults)) = known.iter().find(|(name, _)| *name == key) {
        return table(origin, &full, value)?
            .iter()
            .try_for_each(|(name, value)| setting(origin, &full, name, value, defaults));
    }
    match keys.iter().find(|(name, _)| *name == key) {
        Some((_, Type::Text)) if value.is_str() => Ok(()),
        Some((_, Type::Text)) => Err(wrong_type(origin, full, "a string", value)),
        Some((_, Type::Count)) => count(origin, full, value),
        Some((_, Type::Texts)) => texts(origin, full, value),
        None => {
            // Either a setting without its stage, or a misspelt key.
            let owner = known.iter().find(|(_, defaults)| defaults.contains_key(key));
            let stages = known.iter().map(|(name, _)| *name);
            let candidates: Vec<&str> = keys.iter().map(|(name, _)| *name).chain(stages).collect();
            let nearest = match owner {
                Some((stage, _)) => Some(format!("{stage}.{key}")),
                None => nearest(key, &candidates).map(str::to_owned),
            };
            Err(ConfigError::UnknownKey { key: full, origin: origin.to_owned(), nearest })
        }
    }
}

/// Checks a setting in `table`, the table of a stage.
fn setting(
    origin: &str,
    table: &str,
    name: &str,
    value: &Value,
    defaults: &Table,
) -> Result<(), ConfigError> {
    let full = format!("{table}.{name}");
    if SHARED.contains(&name) {
        return Err(ConfigError::Misplaced {
            key: full,
            origin: origin.to_owned(),
            problem: "is one setting for all stages",
            hint: match origin {
                super::SET => format!("write it without the stage: `--set {name}=…`"),
                _ => format!("write `{name} = {value}` at the top of the file, or in a profile"),
            },
        });
    }
    let Some(default) = defaults.get(name) else {
        let names: Vec<&str> =
            defaults.keys().map(String::as_str).filter(|name| !SHARED.contains(name)).collect();
        return Err(ConfigError::UnknownKey {
            key: full,
            origin: origin.to_owned(),
            nearest: nearest(name, &names).map(str::to_owned),
        });
    };
    match (default, value) {
        (Value::Integer(_), _) => count(origin, full, value),
        (Value::Array(_), _) => texts(origin, full, value),
        (Value::Float(_), Value::Integer(_)) => Ok(()),
        (Value::Float(_), Value::Float(number)) if number.is_finite() => Ok(()),
        (Value::Float(_), _) => Err(wrong_type(origin, full, "a number", value)),
        (Value::Boolean(_), Value::Boolean(_)) | (Value::String(_), Value::String(_)) => Ok(()),
        (Value::String(_), Value::Integer(_)) if TEXT_OR_COUNT.contains(&name) => Ok(()),
        (Value::Boolean(_), _) => Err(wrong_type(origin, full, "true or false", value)),
        (Value::String(_), _) => Err(wrong_type(origin, full, "a string", value)),
        // No setting has a default of these types.
        (Value::Datetime(_) | Value::Table(_), _) => Ok(()),
    }
}

fn table<'a>(origin: &str, key: &str, value: &'a Value) -> Result<&'a Table, ConfigError> {
    value.as_table().ok_or_else(|| wrong_type(origin, key.to_owned(), "a table", value))
}

fn count(origin: &str, key: String, value: &Value) -> Result<(), ConfigError> {
    match value {
        Value::Integer(0..) => Ok(()),
        _ => Err(wrong_type(origin, key, "a whole number, 0 or more", value)),
    }
}

fn texts(origin: &str, key: String, value: &Value) -> Result<(), ConfigError> {
    match value {
        Value::Array(list) if list.iter().all(Value::is_str) => Ok(()),
        _ => Err(wrong_type(origin, key, "an array of strings", value)),
    }
}

fn wrong_type(origin: &str, key: String, expected: &'static str, value: &Value) -> ConfigError {
    let got = match value {
        Value::String(text) => format!("the string \"{}\"", text.escape_debug()),
        Value::Array(_) => "an array".to_owned(),
        Value::Table(_) => "a table".to_owned(),
        Value::Datetime(_) => "a date or time".to_owned(),
        number => number.to_string(),
    };
    ConfigError::Type { key, origin: origin.to_owned(), expected, got }
}

/// Returns the candidate with the smallest Levenshtein distance to `word`; `None` if the distance
/// exceeds both 2 and a third of the length of `word`.
pub fn nearest<'a>(word: &str, candidates: &[&'a str]) -> Option<&'a str> {
    let distance = |candidate: &&&str| strsim::levenshtein(word, candidate);
    let best = candidates.iter().min_by_key(distance)?;
    (strsim::levenshtein(word, best) <= 2.max(word.len() / 3)).then_some(best)
}
