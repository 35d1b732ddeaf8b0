//! `cargo dev tidy`: the house rules that neither compiler nor clippy knows.
//!
//! Every check reads the list of files and returns findings; none changes anything. To add a check,
//! write a function `fn(&Tree) -> Vec<Finding>` in a file under `tidy/`, with tests, and list it in
//! [`CHECKS`].

mod dependencies;
mod environment;
mod layers;
mod migrations;
mod names;
mod sources;
mod top_level;
mod tree;

use std::process::ExitCode;

use anyhow::Result;

use self::tree::{Finding, Tree};
use crate::env_docs;
use crate::repository::{Repository, say};

type Check = fn(&Tree) -> Vec<Finding>;

const CHECKS: &[Check] = &[
    top_level::check,
    sources::check,
    names::check,
    layers::check,
    environment::check,
    migrations::check,
    dependencies::check,
];

/// Prints every finding as `path:line: what: cure`.
pub(crate) fn run(repository: &Repository) -> Result<ExitCode> {
    let tree = Tree::read(repository)?;
    let mut findings: Vec<Finding> = CHECKS.iter().flat_map(|check| check(&tree)).collect();
    if !env_docs::is_current(repository) {
        findings.push(Finding::new(env_docs::FILE, 1, "is out of date", "run cargo dev env-docs"));
    }
    findings.sort();
    for finding in &findings {
        say(&finding.to_string());
    }
    if findings.is_empty() {
        say(&format!("tidy: {} files, nothing to do", tree.len()));
        return Ok(ExitCode::SUCCESS);
    }
    say(&format!("tidy: {} to do", findings.len()));
    Ok(ExitCode::FAILURE)
}
