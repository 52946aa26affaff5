//! Rendering of the templates with minijinja.

use base64::prelude::{BASE64_STANDARD, Engine};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Rest, Serde};
use minijinja::{
    AutoEscape, Environment, UndefinedBehavior, Value, context, default_auto_escape_callback,
    escape_formatter,
};
use sha2::{Digest, Sha256};

use super::{Page, card, claim, tripod};

/// Error in a template: a bug of this module.
#[derive(Debug, thiserror::Error)]
#[error("cannot render the report")]
pub struct RenderError(#[from] minijinja::Error);

/// Returns the report as a self-contained HTML file.
///
/// # Errors
///
/// If a template is invalid.
pub fn html(page: &Page) -> Result<String, RenderError> {
    let environment = environment();
    let script = include_str!("browser.js");
    let context = context! {
        page => Serde(page),
        style => include_str!("style.css"),
        script => script,
        // The content security policy allows only the script with this hash.
        script_hash => BASE64_STANDARD.encode(Sha256::digest(script)),
    };
    Ok(environment.get_template("page.html")?.render(context)?)
}

/// Returns the model card in Markdown, with the status of the items of TRIPOD+AI and CLAIM.
///
/// # Errors
///
/// If a template is invalid.
pub fn model_card(page: &Page) -> Result<String, RenderError> {
    let (tripod, claim) = (tripod::items(page), claim::items(page));
    let environment = environment();
    let context = context! {
        page => Serde(page),
        unmet => card::unmet_count(tripod.iter().chain(&claim)),
        tripod => Serde(tripod),
        claim => Serde(claim),
    };
    Ok(environment.get_template("card.md")?.render(context)?)
}

/// Name of the escaping of the model card.
const MARKDOWN: &str = "markdown";

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|name| match name.ends_with(".md") {
        true => AutoEscape::Custom(MARKDOWN.into()),
        false => default_auto_escape_callback(name),
    });
    // Markdown can contain HTML, and class names are arbitrary.
    environment.set_formatter(|out, state, value| match state.auto_escape() {
        AutoEscape::Custom(kind) if kind == MARKDOWN => {
            Ok(out.write_str(&value.to_string().replace('<', "&lt;"))?)
        }
        _ => escape_formatter(out, state, value),
    });
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    environment.set_syntax(syntax.expect("the default delimiters are valid"));
    for (name, text) in [
        ("page.html", include_str!("page.html")),
        ("parts.html", include_str!("parts.html")),
        ("card.md", include_str!("card.md")),
    ] {
        environment.add_template(name, text).expect("the built-in templates are valid");
    }
    environment.add_filter("fixed", fixed);
    environment.add_filter("percent", percent);
    environment.add_filter("counted", counted);
    environment.add_filter("cell", cell);
    environment.add_filter("sentence", sentence);
    environment.add_filter("prose", prose);
    environment.add_filter("short", |hash: &str| hash.chars().take(12).collect::<String>());
    environment
}

/// Formats a number with `digits` decimal places; a missing number as a dash.
fn fixed(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.digits$}"))
}

/// Formats a proportion in percent; a missing one as a dash.
fn percent(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{:.0} %", 100.0 * value))
}

/// Formats a count with its noun: `1 image`, `2 images`. An irregular plural is given as `many`.
fn counted(n: usize, one: &str, many: Rest<String>) -> String {
    match (n, many.first()) {
        (1, _) => format!("1 {one}"),
        (n, Some(many)) => format!("{n} {many}"),
        (n, None) => format!("{n} {one}s"),
    }
}

/// Capitalises the first letter and adds a final full stop.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
    let end = if text.ends_with('.') { "" } else { "." };
    first + letters.as_str() + end
}

/// Converts text to HTML: escapes it, and formats text in backticks as code.
fn prose(text: &str) -> Value {
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let part = |(i, part): (usize, &str)| match i % 2 {
        1 => format!("<code>{part}</code>"),
        _ => part.to_owned(),
    };
    Value::from_safe_string(escaped.split('`').enumerate().map(part).collect())
}

/// Escapes text for a cell of a Markdown table.
fn cell(text: Value) -> String {
    text.to_string().replace('|', "\\|").replace('\n', " ")
}
