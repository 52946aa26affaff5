//! Messages and progress on stderr.

use std::fmt::Display;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use super::{Failure, Globals};

/// Notes, warnings, errors and progress on stderr. Cheap to clone; usable from any thread.
#[derive(Debug, Clone)]
pub struct Ui {
    quiet: bool,
    verbose: u8,
    json: bool,
    bar: ProgressBar,
    warnings: Arc<Mutex<Vec<String>>>,
}

const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const HINT: Style = AnsiColor::Cyan.on_default().bold();

impl Ui {
    /// Creates the interface from the flags.
    pub fn new(globals: &Globals) -> Self {
        Self {
            quiet: globals.quiet,
            verbose: globals.verbose,
            json: globals.json,
            bar: ProgressBar::hidden(),
            warnings: Arc::default(),
        }
    }

    /// Returns true if only errors and warnings are printed (`-q`).
    pub fn quiet(&self) -> bool {
        self.quiet
    }

    /// Returns true if the result is printed as JSON.
    pub fn json(&self) -> bool {
        self.json
    }

    /// Number of `-v` flags.
    pub fn verbosity(&self) -> u8 {
        self.verbose
    }

    /// Prints a note, unless `-q` is given.
    pub fn note(&self, message: impl Display) {
        if !self.quiet {
            self.line(&clean(message));
        }
    }

    /// Prints a detail, only if `-v` is given.
    pub fn detail(&self, message: impl Display) {
        if self.verbose > 0 && !self.quiet {
            self.line(&clean(message));
        }
    }

    /// Prints a warning. Warnings are also part of the JSON document.
    pub fn warn(&self, message: impl Display) {
        let message = message.to_string();
        self.line(&format!("{WARNING}warning:{WARNING:#} {}", clean(&message)));
        self.warnings.lock().expect("no panic while held").push(message);
    }

    /// Prints an error after which the command continues.
    pub fn error(&self, message: impl Display) {
        self.line(&format!("{ERROR}error:{ERROR:#} {}", clean(message)));
    }

    /// Prints the stderr of another program.
    pub fn pass_on(&self, messages: &str) {
        self.line(&clean(messages.trim_end()));
    }

    /// Returns the warnings so far.
    pub fn warnings(&self) -> Vec<String> {
        self.warnings.lock().expect("no panic while held").clone()
    }

    /// Starts a progress bar over `total` items, named in the plural by `things` (`images`), with
    /// rate and remaining time. The bar shows only if stderr is a terminal, and is removed when
    /// dropped.
    pub fn progress(&self, label: &str, total: usize, things: &str) -> Progress {
        let bar = ProgressBar::new(total as u64);
        let shown = !self.quiet && std::io::stderr().is_terminal();
        let target =
            if shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        bar.set_draw_target(target);
        // The most important part comes first: a narrow terminal cuts off the rest.
        let template = format!(
            "{{msg}} {{human_pos}}/{{human_len}} {{eta}} left {{wide_bar}} {{rate}} {things}/s"
        );
        let style = ProgressStyle::with_template(&template).expect("a valid template");
        let rate = |state: &ProgressState, out: &mut dyn std::fmt::Write| {
            let _ = write!(out, "{:.1}", state.per_sec());
        };
        bar.set_style(style.with_key("rate", rate));
        bar.set_message(label.to_owned());
        Progress { ui: Self { bar: bar.clone(), ..self.clone() }, bar }
    }

    /// Prints a failure with its causes and hints; returns the exit code.
    pub fn failure(&self, failure: &Failure) -> ExitCode {
        let mut text = format!("{ERROR}error:{ERROR:#} {}", truncate(clean(&failure.error)));
        for cause in failure.error.chain().skip(1) {
            text += &format!("\n  caused by: {}", truncate(clean(cause)));
        }
        for (i, hint) in failure.hints.iter().enumerate() {
            text += if i == 0 { "\n\n" } else { "\n" };
            text += &format!("{HINT}hint:{HINT:#} {}", clean(hint));
        }
        self.line(&text);
        ExitCode::from(failure.kind.code())
    }

    fn line(&self, text: &str) {
        self.bar.suspend(|| {
            // An error cannot be reported if stderr is closed.
            let _ = writeln!(anstream::stderr().lock(), "{text}");
        });
    }
}

/// Truncates an error message, which may quote a long line of a file.
fn truncate(mut text: String) -> String {
    const MAX_CHARS: usize = 2000;
    if let Some((end, _)) = text.char_indices().nth(MAX_CHARS) {
        text.truncate(end);
        text.push('…');
    }
    text
}

/// Escapes control characters as in JSON (`\u001b`), so that text such as a file name cannot
/// control the terminal.
pub fn clean(text: impl Display) -> String {
    let is_control = |c: char| {
        (c.is_control() && !matches!(c, '\n' | '\t'))
            // Bidirectional controls, which reorder the letters.
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
            // Line breaks that only some programs recognise.
            || matches!(c, '\u{2028}' | '\u{2029}')
    };
    let mut clean = String::new();
    for c in text.to_string().chars() {
        match is_control(c) {
            true => clean += &format!("\\u{:04x}", u32::from(c)),
            false => clean.push(c),
        }
    }
    clean
}

/// Escapes as [`clean`], and also line breaks and tabs.
pub fn one_line(text: impl Display) -> String {
    clean(text).replace('\n', "\\u000a").replace('\t', "\\u0009")
}

/// Progress bar. Messages must go through its [`Ui`], which redraws the bar.
#[derive(Debug)]
pub struct Progress {
    ui: Ui,
    bar: ProgressBar,
}

impl Progress {
    /// Adds `n` finished items.
    pub fn add(&self, n: usize) {
        self.bar.inc(n as u64);
    }

    /// Sets the total number of finished items.
    pub fn set(&self, n: usize) {
        self.bar.set_position(n as u64);
    }

    /// Returns true if the bar is visible: on a terminal, unless quiet.
    pub fn shows(&self) -> bool {
        !self.bar.is_hidden()
    }

    /// Interface for printing while the bar is visible.
    pub fn ui(&self) -> &Ui {
        &self.ui
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_control_a_terminal() {
        let name = "a\u{1b}]0;x\u{7}\u{9b}2J\u{202e}gnp.exe";
        assert_eq!(clean(name), "a\\u001b]0;x\\u0007\\u009b2J\\u202egnp.exe");
        assert_eq!(one_line("a\nerror: b\tc"), "a\\u000aerror: b\\u0009c");
        assert_eq!(truncate("é".repeat(2001)).chars().count(), 2001);
        assert_eq!(truncate("é".repeat(2000)), "é".repeat(2000));
        assert_eq!(clean("two\nlines\tof é"), "two\nlines\tof é");
    }
}
