//! `cxr dag`: graph of a profile's stages.

use std::fmt::{self, Write};

use clap::{Arg, ArgMatches, Command, ValueEnum, value_parser};
use serde::Serialize;

use super::plan;
use crate::cli::{Context, Failure, Outcome};

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// A line per stage with the stages it reads from
    Text,
    /// Mermaid, for Markdown
    Mermaid,
    /// DOT, for Graphviz
    Dot,
}

/// Arguments of `cxr dag`.
pub fn command() -> Command {
    Command::new("dag")
        .about("Print the graph of the profile's stages")
        .arg(
            Arg::new("format")
                .long("format")
                .value_parser(value_parser!(Format))
                .default_value("text")
                .help("Output format"),
        )
        .after_help(
            "Examples:\n  # Render the graph as SVG\n  cxr dag --format dot | dot -Tsvg > dag.svg",
        )
}

#[derive(Debug, Serialize)]
struct Summary {
    profile: String,
    stages: Vec<&'static str>,
    /// Pairs of a stage and a stage that reads its files.
    edges: Vec<(&'static str, &'static str)>,
    #[serde(skip)]
    text: String,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Prints the graph.
///
/// # Errors
/// If the profile has no valid list of stages.
pub fn run(ctx: &Context, matches: &ArgMatches) -> Result<Outcome, Failure> {
    let stages: Vec<&str> = plan::stages(ctx)?.iter().map(|s| s.name).collect();
    let mut edges = Vec::new();
    for stage in plan::stages(ctx)? {
        let before = stage.after.iter().filter(|a| stages.contains(a));
        edges.extend(before.map(|a| (*a, stage.name)));
    }
    let format = matches.get_one("format").expect("it has a default");
    let text = render(*format, &stages, &edges);
    Ok(Outcome::new(&Summary { profile: ctx.config.profile.clone(), stages, edges, text }))
}

fn render(format: Format, stages: &[&str], edges: &[(&str, &str)]) -> String {
    let mut text = String::new();
    // Writing to a `String` cannot fail.
    let _ = match format {
        Format::Text => stages.iter().try_for_each(|stage| {
            let before: Vec<_> = edges.iter().filter(|e| e.1 == *stage).map(|e| e.0).collect();
            let arrow = if before.is_empty() { "" } else { "  <- " };
            writeln!(text, "{stage}{arrow}{}", before.join(", "))
        }),
        Format::Mermaid => {
            text += "graph LR\n";
            stages.iter().for_each(|s| text += &format!("    {s}\n"));
            edges.iter().try_for_each(|(a, b)| writeln!(text, "    {a} --> {b}"))
        }
        Format::Dot => {
            text += "digraph pipeline {\n    rankdir=LR;\n    node [shape=box];\n";
            stages.iter().for_each(|s| text += &format!("    \"{s}\";\n"));
            edges.iter().for_each(|(a, b)| text += &format!("    \"{a}\" -> \"{b}\";\n"));
            writeln!(text, "}}")
        }
    };
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_graph_is_rendered_in_three_formats() {
        let (stages, edges) = (["split", "train"], [("split", "train")]);
        let rendered = |format| render(format, &stages, &edges);
        assert_eq!(rendered(Format::Text), "split\ntrain  <- split\n");
        assert_eq!(
            rendered(Format::Mermaid),
            "graph LR\n    split\n    train\n    split --> train\n"
        );
        assert!(rendered(Format::Dot).contains("\"split\" -> \"train\";"));
    }
}
