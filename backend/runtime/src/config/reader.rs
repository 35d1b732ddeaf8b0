//! Turns variables into values and collects what is wrong with them.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use kamiflow_kernel::SecretText;

use super::source::EnvSource;
use super::variable::{Kind, Preset, Variable};

/// What is wrong with one variable, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The variable.
    pub name: &'static str,
    /// A sentence that reads alone and ends with the cure. Never shows a secret.
    pub message: String,
}

/// Every problem of the configuration, not only the first.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    /// At least one problem.
    pub problems: Vec<Problem>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the configuration is incomplete or wrong:")?;
        for problem in &self.problems {
            write!(formatter, "\n  {}", problem.message)?;
        }
        Ok(())
    }
}

/// Reads variables from a source.
///
/// Every method returns `None` after it noted a problem, so that a section reads all its variables
/// before it gives up.
pub struct Reader<'a> {
    source: &'a dyn EnvSource,
    problems: Vec<Problem>,
    #[cfg(test)]
    pub(super) read: std::collections::BTreeSet<&'static str>,
}

impl<'a> Reader<'a> {
    /// Returns a reader that has found no problem yet.
    pub(super) fn new(source: &'a dyn EnvSource) -> Self {
        Self {
            source,
            problems: Vec::new(),
            #[cfg(test)]
            read: std::collections::BTreeSet::new(),
        }
    }

    /// Returns the value, or all problems.
    pub(super) fn finish<T>(self, value: Option<T>) -> Result<T, ConfigError> {
        match value {
            Some(value) if self.problems.is_empty() => Ok(value),
            _ => Err(ConfigError { problems: self.problems }),
        }
    }

    /// Notes a problem; `cure` starts with a verb.
    pub(super) fn problem(&mut self, variable: &Variable, what: &str, cure: &str) {
        self.problems.push(Problem { name: variable.name, message: format!("{} {what}: {cure}", variable.name) });
    }

    /// Returns what is set, without blanks around it. An empty value counts as not set, because
    /// manifests and compose files cannot express the difference.
    pub(super) fn raw(&mut self, variable: &Variable) -> Option<String> {
        #[cfg(test)]
        self.read.insert(variable.name);
        let value = self.source.get(variable.name)?;
        let trimmed = value.trim();
        (!trimmed.is_empty()).then(|| trimmed.to_owned())
    }

    /// Returns what is set, else the preset; notes a problem when a required variable is missing.
    fn value(&mut self, variable: &Variable) -> Option<String> {
        match (self.raw(variable), &variable.preset) {
            (Some(value), _) => Some(value),
            (None, Preset::Value(value)) => Some((*value).to_owned()),
            (None, _) => {
                let cure = format!("set it to e.g. {}", variable.example());
                self.problem(variable, "is not set", &cure);
                None
            }
        }
    }

    /// Parses one value and notes a problem when it is not of the variable's kind.
    fn parse<T>(&mut self, variable: &Variable, value: &str, parser: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let parsed = parser(value);
        if parsed.is_none() {
            let expected = variable.kind.describe();
            let what = if variable.secret {
                format!("is not {expected}")
            } else {
                format!("is `{value}`, which is not {expected}")
            };
            let cure = format!("set it to e.g. {}", variable.example());
            self.problem(variable, &what, &cure);
        }
        parsed
    }

    /// Parses a variable that may be left out; the outer `None` stands for a problem.
    #[expect(clippy::option_option, reason = "absent and wrong are different, and the wrong one is already noted")]
    pub(super) fn optional<T>(
        &mut self,
        variable: &Variable,
        parser: impl FnOnce(&str) -> Option<T>,
    ) -> Option<Option<T>> {
        match self.raw(variable) {
            None => Some(None),
            Some(value) => self.parse(variable, &value, parser).map(Some),
        }
    }

    /// Parses a variable that is required or has a preset.
    pub(super) fn required<T>(&mut self, variable: &Variable, parser: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let value = self.value(variable)?;
        self.parse(variable, &value, parser)
    }

    pub(super) fn text(&mut self, variable: &Variable) -> Option<String> {
        self.required(variable, |value| Some(value.to_owned()))
    }

    pub(super) fn number(&mut self, variable: &Variable) -> Option<u64> {
        let range = variable.kind.range();
        self.required(variable, |value| parse_number(value, &range))
    }

    pub(super) fn count(&mut self, variable: &Variable) -> Option<u32> {
        let range = variable.kind.range();
        self.required(variable, |value| u32::try_from(parse_number(value, &range)?).ok())
    }

    pub(super) fn seconds(&mut self, variable: &Variable) -> Option<Duration> {
        self.number(variable).map(Duration::from_secs)
    }

    pub(super) fn switch(&mut self, variable: &Variable) -> Option<bool> {
        self.required(variable, |value| match value {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        })
    }

    pub(super) fn address(&mut self, variable: &Variable) -> Option<SocketAddr> {
        self.required(variable, |value| value.parse().ok())
    }

    pub(super) fn secret_url(&mut self, variable: &Variable) -> Option<SecretText> {
        self.required(variable, |value| parse_url(variable, value)).map(SecretText::new)
    }

    #[expect(clippy::option_option, reason = "absent and wrong are different, and the wrong one is already noted")]
    pub(super) fn optional_url(&mut self, variable: &Variable) -> Option<Option<String>> {
        self.optional(variable, |value| parse_url(variable, value))
    }

    #[expect(clippy::option_option, reason = "absent and wrong are different, and the wrong one is already noted")]
    pub(super) fn optional_number(&mut self, variable: &Variable) -> Option<Option<u64>> {
        let range = variable.kind.range();
        self.optional(variable, |value| parse_number(value, &range))
    }

    /// Returns the text of the file that a variable names; the outer `None` stands for a problem.
    #[expect(clippy::option_option, reason = "absent and wrong are different, and the wrong one is already noted")]
    pub(super) fn file_text(&mut self, variable: &Variable) -> Option<Option<String>> {
        let Some(path) = self.raw(variable) else { return Some(None) };
        match std::fs::read_to_string(&path) {
            Ok(text) => Some(Some(text)),
            Err(error) => {
                let what = format!("names `{path}`, which cannot be read ({error})");
                self.problem(variable, &what, "mount the file or correct the path");
                None
            }
        }
    }

    /// Returns the path of a file that can be read; the outer `None` stands for a problem.
    #[expect(clippy::option_option, reason = "absent and wrong are different, and the wrong one is already noted")]
    pub(super) fn readable_file(&mut self, variable: &Variable) -> Option<Option<String>> {
        let text = self.file_text(variable)?;
        Some(text.and_then(|_text| self.raw(variable)))
    }

    pub(super) fn optional_secret(&mut self, variable: &Variable) -> Option<SecretText> {
        self.raw(variable).map(SecretText::new)
    }
}

/// Accepts digits only: `+5`, `5.0` and `1_000` are typing errors more often than wishes.
fn parse_number(value: &str, range: &std::ops::RangeInclusive<u64>) -> Option<u64> {
    if !value.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number = value.parse().ok()?;
    range.contains(&number).then_some(number)
}

/// Checks the scheme and that something follows it; the client libraries parse the rest.
fn parse_url(variable: &Variable, value: &str) -> Option<String> {
    let Kind::Url(schemes) = &variable.kind else {
        return Some(value.to_owned());
    };
    let (scheme, rest) = value.split_once("://")?;
    (schemes.contains(&scheme) && !rest.is_empty()).then(|| value.to_owned())
}
