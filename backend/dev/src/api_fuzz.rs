//! `cargo dev api-fuzz …`: install schemathesis if it is missing, and run the program that sets it on a site of its own.

use std::ffi::OsString;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};

use crate::repository::Repository;
use crate::screenshots;

/// Becomes the program's command.
pub(crate) fn run(repository: &Repository, arguments: &[OsString]) -> Result<ExitCode> {
    let mut setup = Command::new(repository.path("dev"));
    setup.arg("setup-api-fuzz").current_dir(repository.path(""));
    if !setup.status().context("could not run ./dev")?.success() {
        bail!("schemathesis is not there: see above");
    }
    screenshots::replace(repository, "api-fuzz", arguments)
}
