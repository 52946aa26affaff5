//! Parser of `--set stage.key=value`: settings of the pipeline file on the command line.

use toml::{Table, Value};

use super::{ConfigError, Known, check};

/// Parses arguments of `--set` into a table of a pipeline file. A value is TOML, but strings need
/// no quotes and an array of strings may be written as `a,b`.
///
/// # Errors
/// For an argument without a value, an unknown key, or a wrong type.
pub fn parse(items: &[String], known: &[Known<'_>]) -> Result<Table, ConfigError> {
    let mut root = Table::new();
    for item in items {
        let (key, text) =
            item.split_once('=').ok_or_else(|| ConfigError::NoValue { item: item.clone() })?;
        let (key, text) = (key.trim(), text.trim());
        match key.split_once('.') {
            Some((stage, name)) => {
                let defaults = known.iter().find(|(known, _)| *known == stage).map(|(_, d)| d);
                let value = typed(text, defaults.and_then(|d| d.get(name)));
                match root.entry(stage).or_insert_with(|| Table::new().into()) {
                    Value::Table(table) => drop(table.insert(name.to_owned(), value)),
                    other => *other = value,
                }
            }
            None => {
                drop(root.insert(key.to_owned(), typed(text, check::top_default(key).as_ref())))
            }
        }
    }
    check::set(&root, known)?;
    Ok(root)
}

/// Parses `text` as a value of the type of `default`.
fn typed(text: &str, default: Option<&Value>) -> Value {
    let toml = format!("value = {text}").parse::<Table>().ok();
    let toml = toml.filter(|table| table.len() == 1).and_then(|mut table| table.remove("value"));
    let string = || Value::String(text.to_owned());
    match (default, toml) {
        (Some(Value::String(_)), Some(Value::String(text))) => Value::String(text),
        (Some(Value::String(_)), _) => string(),
        (Some(Value::Array(_)), Some(Value::Array(list))) => Value::Array(list),
        (Some(Value::Array(_)), Some(Value::String(text))) => Value::Array(vec![text.into()]),
        (Some(Value::Array(_)), _) if text.is_empty() => Value::Array(Vec::new()),
        (Some(Value::Array(_)), _) => {
            Value::Array(text.split(',').map(|part| part.trim().into()).collect())
        }
        (_, Some(value)) => value,
        (_, None) => string(),
    }
}

/// Arguments of `--set` for `table`, which may contain stages and top-level keys.
pub fn to_items(table: &Table) -> Vec<String> {
    let mut items = Vec::new();
    for (key, value) in table {
        match value {
            Value::Table(stage) => {
                items.extend(stage.iter().map(|(name, value)| format!("{key}.{name}={value}")));
            }
            value => items.push(format!("{key}={value}")),
        }
    }
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(items: &[&str]) -> Result<Table, String> {
        let toy = "epochs = 25\nrate = 0.1\nflip = false\nname = \"\"\nlist = []\npositive = \"\"";
        let known = [("toy", toy.parse().unwrap())];
        let items: Vec<String> = items.iter().map(ToString::to_string).collect();
        parse(&items, &known).map_err(|e| format!("{e}; {}", e.hint()))
    }

    #[test]
    fn values_have_the_types_of_their_keys() {
        let items = [
            "toy.epochs=40",
            "toy.rate=1e-4",
            "toy.flip=true",
            "toy.name=5",
            "toy.list=a, b",
            "positive=no finding",
            "seed=7",
        ];
        let expected = "positive = \"no finding\"\nseed = 7\n[toy]\nepochs = 40\nrate = 1e-4\n\
                        flip = true\nname = \"5\"\nlist = [\"a\", \"b\"]";
        let table = set(&items).unwrap();
        assert_eq!(table, expected.parse::<Table>().unwrap());
        // The arguments passed to a child process give the same table.
        let again = to_items(&table);
        let again: Vec<&str> = again.iter().map(String::as_str).collect();
        assert_eq!(set(&again).unwrap(), table);
        let quoted = set(&["toy.list=[\"a, b\", \"c\"]", "toy.name=\"x = 1\""]).unwrap();
        let expected = "[toy]\nlist = [\"a, b\", \"c\"]\nname = \"x = 1\"";
        assert_eq!(quoted, expected.parse::<Table>().unwrap());
        assert_eq!(set(&["toy.list=a,b=c"]).unwrap()["toy"]["list"][1].as_str(), Some("b=c"));
    }

    #[test]
    fn errors_name_the_key_and_a_hint() {
        let error = |item| set(&[item]).unwrap_err();
        assert!(error("toy.epoch=3").contains("unknown key `toy.epoch` in `--set`"));
        assert!(error("toy.epoch=3").contains("did you mean `epochs`?"));
        assert!(error("epochs=3").contains("did you mean `toy.epochs`?"));
        assert!(error("tyo.epochs=3").contains("did you mean `toy`?"));
        assert!(error("toy.epochs=many").contains("is the string \"many\", expected a whole"));
        assert!(error("toy.epochs=-1").contains("is -1, expected a whole number"));
        assert!(error("toy.epochs").contains("`--set toy.epochs` has no value"));
        assert!(error("toy.positive=a").contains("write it without the stage: `--set positive=…`"));
        assert!(error("default-profile=x").contains("give `--profile x`"));
        assert!(error("profile=x").contains("unknown key `profile`"));
        assert!(error("=x").contains("unknown key ``"));
        for odd in ["toy=1", "toy.a.b=1", "toy.epochs=1\nx = 2", "toy..x=1", ".x=1", "seed.x=1"] {
            assert!(set(&[odd]).is_err(), "{odd}");
        }
    }
}
