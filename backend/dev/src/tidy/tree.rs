//! The files under inspection, and what is found in them.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::Result;

use crate::repository::Repository;

/// The texts of the check-out by path. Files that are not UTF-8 are there with an empty text.
#[derive(Default)]
pub(super) struct Tree {
    files: BTreeMap<String, String>,
}

impl Tree {
    /// Reads every file that belongs to the check-out.
    pub(super) fn read(repository: &Repository) -> Result<Self> {
        let files = repository.files()?;
        let texts = files.into_iter().map(|file| {
            let text = repository.read(&file).unwrap_or_default();
            (file, text)
        });
        Ok(Self { files: texts.collect() })
    }

    /// Returns a made-up tree.
    #[cfg(test)]
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        let files = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
        Self { files: files.collect() }
    }

    pub(super) fn len(&self) -> usize {
        self.files.len()
    }

    /// Iterates over all paths and texts, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// Iterates over the Rust files.
    pub(super) fn rust(&self) -> impl Iterator<Item = (&str, &str)> {
        self.iter().filter(|(path, _)| path.ends_with(".rs"))
    }

    /// Iterates over the crates' manifests, without the workspace's.
    pub(super) fn manifests(&self) -> impl Iterator<Item = (&str, &str)> {
        // Fuzzing is a workspace of its own, because it needs another compiler.
        self.iter().filter(|(path, _)| path.ends_with("/Cargo.toml") && !path.starts_with("tests/fuzz/"))
    }

    pub(super) fn get(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(String::as_str)
    }
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Finding {
    path: String,
    line: usize,
    what: String,
    cure: String,
}

impl Finding {
    /// `what` continues after the path; `cure` starts with a verb.
    pub(super) fn new(path: &str, line: usize, what: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, what: what.into(), cure: cure.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}: {}: {}", self.path, self.line, self.what, self.cure)
    }
}

/// Returns the line of the first occurrence, for manifests whose parser keeps no positions.
pub(super) fn line_of(text: &str, needle: &str) -> usize {
    text.lines().position(|line| line.contains(needle)).map_or(1, |index| index + 1)
}

/// Shows findings as lines, for tests.
#[cfg(test)]
pub(super) fn lines(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(Finding::to_string).collect()
}
