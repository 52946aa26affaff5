//! Macro that declares a setting once: flag, key in `pipeline.toml`, default and help.

/// Declares a stage's `Settings` and the `Flags` that override them.
///
/// ```ignore
/// settings! {
///     /// Settings of `cxr-train`: `[train]` in `pipeline.toml`.
///     /// Number of passes over the training images
///     epochs: usize = 25,
///     /// Sample as the tutorial did
///     as_tutorial: bool = false,
/// }
/// ```
///
/// declares `Settings { pub epochs: usize, .. }` with `Default`, serde (keys in
/// kebab case, unknown keys are refused) and `Flags { pub epochs: Option<usize>, .. }`
/// with clap's `Args`. The doc comment of a field is the help of its flag; [`command`]
/// adds the default.
#[macro_export]
macro_rules! settings {
    (
        $(#[$outer:meta])*
        pub struct Settings {
            $( $(#[$meta:meta])* $field:ident : $ty:ty = $default:expr ),* $(,)?
        }
    ) => {
        $(#[$outer])*
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
        pub struct Settings { $( $(#[$meta])* pub $field: $ty, )* }

        impl Default for Settings {
            fn default() -> Self {
                Self { $( $field: $default, )* }
            }
        }

        /// The flags that override [`Settings`].
        #[derive(Debug, Clone, Default, clap::Args, serde::Serialize)]
        #[serde(rename_all = "kebab-case")]
        pub struct Flags {
            $(
                $(#[$meta])*
                #[arg(long)]
                #[serde(skip_serializing_if = "Option::is_none")]
                pub $field: Option<$ty>,
            )*
        }
    };
}

pub use settings;

/// Completes a command with arguments from `Flags`: adds defaults to the help, makes the value
/// of boolean flags optional, and splits lists at commas.
pub fn command(command: clap::Command, defaults: &toml::Table) -> clap::Command {
    defaults.iter().fold(command, |command, (key, default)| {
        let id = key.replace('-', "_");
        if !command.get_arguments().any(|a| a.get_id() == id.as_str()) {
            return command;
        }
        command.mut_arg(id, |arg| {
            let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
            let shown = match default {
                toml::Value::String(text) => text.clone(),
                toml::Value::Array(list) if list.is_empty() => "none".into(),
                other => other.to_string(),
            };
            let arg = match default {
                toml::Value::Boolean(false) => arg.help(help),
                _ if shown.is_empty() => arg.help(help),
                _ => arg.help(format!("{help} [default: {shown}]")),
            };
            match default {
                toml::Value::Boolean(_) => arg
                    .num_args(0..=1)
                    .require_equals(true)
                    .default_missing_value("true")
                    .value_name("BOOL"),
                // A path may contain commas.
                toml::Value::Array(_) if is_path(&arg) => arg.value_name("PATH"),
                toml::Value::Array(_) => arg.value_delimiter(','),
                toml::Value::Integer(_) | toml::Value::Float(_) => arg.value_name("N"),
                _ => arg,
            }
        })
    })
}

/// Returns true if the values of `arg` are paths.
fn is_path(arg: &clap::Arg) -> bool {
    arg.get_value_parser().type_id() == std::any::TypeId::of::<std::path::PathBuf>()
}

#[cfg(test)]
mod tests {
    use clap::{Args, FromArgMatches};

    settings! {
        /// An example.
        pub struct Settings {
            /// Number of passes
            epochs: usize = 25,
            /// Sample as the tutorial did
            as_tutorial: bool = false,
            /// Classes to use
            classes: Vec<String> = vec![],
            /// Files to use
            files: Vec<std::path::PathBuf> = vec![],
        }
    }

    #[test]
    fn flags_help_and_defaults_come_from_one_declaration() {
        let defaults = toml::Table::try_from(Settings::default()).unwrap();
        let mut command = super::command(Flags::augment_args(clap::Command::new("x")), &defaults);
        assert!(command.render_help().to_string().contains("Number of passes [default: 25]"));
        let args = ["x", "--as-tutorial", "--classes", "a,b", "--files", "a,b", "--files", "c"];
        let flags = Flags::from_arg_matches(&command.get_matches_from(args)).unwrap();
        assert_eq!((flags.epochs, flags.as_tutorial), (None, Some(true)));
        assert_eq!(flags.classes.unwrap(), ["a", "b"]);
        assert_eq!(flags.files.unwrap(), ["a,b", "c"].map(std::path::PathBuf::from));
    }
}
