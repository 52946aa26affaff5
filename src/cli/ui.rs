//! What the user sees on stderr while a command works.

use std::fmt::Display;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use super::{Failure, Globals};

/// Notes, warnings, errors and progress on stderr. Cheap to clone, safe to use
/// from any thread.
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
    /// As the flags ask.
    pub fn new(globals: &Globals) -> Self {
        Self {
            quiet: globals.quiet,
            verbose: globals.verbose,
            json: globals.json,
            bar: ProgressBar::hidden(),
            warnings: Arc::default(),
        }
    }

    /// Whether only errors and warnings are wanted.
    pub fn quiet(&self) -> bool {
        self.quiet
    }

    /// Whether the result goes out as JSON.
    pub fn json(&self) -> bool {
        self.json
    }

    /// How many `-v` were given.
    pub fn verbosity(&self) -> u8 {
        self.verbose
    }

    /// Says something worth knowing; silent with `-q`.
    pub fn note(&self, message: impl Display) {
        if !self.quiet {
            self.line(&clean(message));
        }
    }

    /// Says something for the curious: only with `-v`.
    pub fn detail(&self, message: impl Display) {
        if self.verbose > 0 && !self.quiet {
            self.line(&clean(message));
        }
    }

    /// Warns. Warnings also stand in the JSON document.
    pub fn warn(&self, message: impl Display) {
        let message = message.to_string();
        self.line(&format!("{WARNING}warning:{WARNING:#} {}", clean(&message)));
        self.warnings.lock().expect("no panic while held").push(message);
    }

    /// Reports an error that the command goes on from; its exit code will tell.
    pub fn error(&self, message: impl Display) {
        self.line(&format!("{ERROR}error:{ERROR:#} {}", clean(message)));
    }

    /// Passes on what another program said on its stderr.
    pub fn pass_on(&self, messages: &str) {
        self.line(&clean(messages.trim_end()));
    }

    /// The warnings so far.
    pub fn warnings(&self) -> Vec<String> {
        self.warnings.lock().expect("no panic while held").clone()
    }

    /// Starts a progress bar over `total` things, such as `images`, with their rate and
    /// the time left. It shows on a terminal only, whatever goes to stdout, and
    /// vanishes when dropped.
    pub fn progress(&self, label: &str, total: usize, things: &str) -> Progress {
        let bar = ProgressBar::new(total as u64);
        let shown = !self.quiet && std::io::stderr().is_terminal();
        let target =
            if shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        bar.set_draw_target(target);
        // What matters most stands first: a narrow terminal cuts the line off.
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

    /// Prints the failure; returns its exit code.
    pub fn failure(&self, failure: &Failure) -> ExitCode {
        let mut text = format!("{ERROR}error:{ERROR:#} {}", brief(clean(&failure.error)));
        for cause in failure.error.chain().skip(1) {
            text += &format!("\n  caused by: {}", brief(clean(cause)));
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
            // Nobody is left to tell when stderr is closed.
            let _ = writeln!(anstream::stderr().lock(), "{text}");
        });
    }
}

/// An error cut off where no screen shows more: it may quote a line of a file.
fn brief(mut text: String) -> String {
    const LONGEST: usize = 2000;
    if let Some((end, _)) = text.char_indices().nth(LONGEST) {
        text.truncate(end);
        text.push('…');
    }
    text
}

/// Text for a terminal: what would steer it stands as JSON writes it, `\u001b`. File
/// names may hold anything.
pub fn clean(text: impl Display) -> String {
    let steers = |c: char| {
        (c.is_control() && !matches!(c, '\n' | '\t'))
            // They turn the order of letters about.
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
            // Line breaks that only some programs know.
            || matches!(c, '\u{2028}' | '\u{2029}')
    };
    let mut clean = String::new();
    for c in text.to_string().chars() {
        match steers(c) {
            true => clean += &format!("\\u{:04x}", u32::from(c)),
            false => clean.push(c),
        }
    }
    clean
}

/// Text within a line: [`clean`], and without line breaks, which a name may hold.
pub fn one_line(text: impl Display) -> String {
    clean(text).replace('\n', "\\u000a").replace('\t', "\\u0009")
}

/// A running progress bar. Messages through its [`Ui`] do not tear it.
#[derive(Debug)]
pub struct Progress {
    ui: Ui,
    bar: ProgressBar,
}

impl Progress {
    /// Counts `n` more things done.
    pub fn add(&self, n: usize) {
        self.bar.inc(n as u64);
    }

    /// Says that `n` things in all are done.
    pub fn set(&self, n: usize) {
        self.bar.set_position(n as u64);
    }

    /// Whether it shows: on a terminal, unless quiet.
    pub fn shows(&self) -> bool {
        !self.bar.is_hidden()
    }

    /// The way to print while the bar shows.
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
    fn names_cannot_steer_a_terminal() {
        let name = "a\u{1b}]0;x\u{7}\u{9b}2J\u{202e}gnp.exe";
        assert_eq!(clean(name), "a\\u001b]0;x\\u0007\\u009b2J\\u202egnp.exe");
        assert_eq!(one_line("a\nerror: b\tc"), "a\\u000aerror: b\\u0009c");
        assert_eq!(brief("é".repeat(2001)).chars().count(), 2001);
        assert_eq!(brief("é".repeat(2000)), "é".repeat(2000));
        assert_eq!(clean("two\nlines\tof é"), "two\nlines\tof é");
    }
}
