//! What a command says: results on stdout, everything else on stderr, colors on terminals only.
//!
//! With `--json` stdout carries nothing but JSON, one document per command, and errors are JSON too.

mod table;

use std::fmt::{Arguments, Display};
use std::io::{self, IsTerminal as _, Write as _};

use owo_colors::{OwoColorize as _, Stream};
use serde::Serialize;
use serde_json::json;

pub(crate) use self::table::Table;
use crate::exit::Exit;

/// Where a command writes to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Console {
    json: bool,
}

/// How a word is meant; a color on terminals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// As it should be.
    Good,
    /// Somebody should look.
    Warn,
    /// Wrong.
    Bad,
    /// Less important than what stands beside it.
    Faint,
    /// A heading.
    Strong,
}

impl Console {
    /// Returns a console that speaks JSON or to people.
    pub(crate) const fn new(json: bool) -> Self {
        Self { json }
    }

    /// Returns whether results are to be JSON.
    pub(crate) const fn is_json(self) -> bool {
        self.json
    }

    /// Returns whether somebody watches stderr, where progress is shown.
    pub(crate) fn is_watched(self) -> bool {
        io::stderr().is_terminal()
    }

    /// Prints a result for programs, on one line.
    pub(crate) fn print_json(self, value: &impl Serialize) -> anyhow::Result<()> {
        let text = serde_json::to_string(value)?;
        self.print(format_args!("{text}"));
        Ok(())
    }

    /// Prints a line of the result.
    pub(crate) fn print(self, line: Arguments<'_>) {
        // Whoever stopped reading (`| head`) wants no more.
        let _ = writeln!(io::stdout().lock(), "{line}");
    }

    /// Says what is going on, beside the result.
    pub(crate) fn note(self, line: impl Display) {
        let _ = writeln!(io::stderr().lock(), "{line}");
    }

    /// Announces a step that takes a while.
    pub(crate) fn step(self, line: impl Display) {
        let arrow = "==>".if_supports_color(Stream::Stderr, |text| text.bold()).to_string();
        self.note(format_args!("{arrow} {line}"));
    }

    /// Tells an error with all its causes.
    pub(crate) fn failure(self, error: &anyhow::Error) {
        if self.json {
            let causes: Vec<String> = error.chain().skip(1).map(ToString::to_string).collect();
            let problem = json!({ "code": Exit::of(error).word(), "message": error.to_string(), "causes": causes });
            let _ = self.print_json(&json!({ "error": problem }));
        }
        let label = "kamiflow:".if_supports_color(Stream::Stderr, |text| text.red()).to_string();
        self.note(format_args!("{label} {}", chain(error)));
    }

    /// Returns a word in its tone, for stdout.
    pub(crate) fn toned(self, tone: Tone, text: impl Display) -> String {
        let text = text.to_string();
        let stream = Stream::Stdout;
        match tone {
            Tone::Good => text.if_supports_color(stream, |text| text.green()).to_string(),
            Tone::Warn => text.if_supports_color(stream, |text| text.yellow()).to_string(),
            Tone::Bad => text.if_supports_color(stream, |text| text.red()).to_string(),
            Tone::Faint => text.if_supports_color(stream, |text| text.dimmed()).to_string(),
            Tone::Strong => text.if_supports_color(stream, |text| text.bold()).to_string(),
        }
    }
}

/// Joins an error and its causes; one that only repeats what was said is left out.
pub(crate) fn chain(error: &anyhow::Error) -> String {
    error.chain().fold(String::new(), |mut text, cause| {
        let cause = cause.to_string();
        if !text.contains(&cause) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&cause);
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    #[test]
    fn causes_are_told_once_each() {
        let error = Err::<(), _>(anyhow::anyhow!("refused")).context("cannot connect").unwrap_err();
        assert_eq!(chain(&error), "cannot connect: refused");
        let error = Err::<(), _>(anyhow::anyhow!("refused")).context("cannot connect: refused").unwrap_err();
        assert_eq!(chain(&error), "cannot connect: refused");
    }
}
