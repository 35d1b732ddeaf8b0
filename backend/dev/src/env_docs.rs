//! `cargo dev env-docs`: the environment reference, generated from the declarations.

use std::fs;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use kamiflow_runtime::config;

use crate::repository::{Repository, say};

/// The generated file.
pub(crate) const FILE: &str = "docs/reference/env.md";

/// Writes the reference, or checks that it is up to date.
pub(crate) fn run(repository: &Repository, check: bool) -> Result<ExitCode> {
    if is_current(repository) {
        return Ok(ExitCode::SUCCESS);
    }
    if check {
        say(&format!("{FILE}:1: is out of date: run cargo dev env-docs"));
        return Ok(ExitCode::FAILURE);
    }
    let path = repository.path(FILE);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("could not create {}", folder.display()))?;
    }
    fs::write(&path, config::reference()).with_context(|| format!("could not write {FILE}"))?;
    say(&format!("Wrote {FILE}"));
    Ok(ExitCode::SUCCESS)
}

/// Returns whether the file says what the code says.
pub(crate) fn is_current(repository: &Repository) -> bool {
    repository.read(FILE).is_ok_and(|text| text == config::reference())
}
