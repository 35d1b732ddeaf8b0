//! `cargo dev bench …`: builds the product and its benches for release, and runs one.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};
use kamiflow_runtime::config::{EnvSource as _, ProcessEnv};

use crate::repository::Repository;

/// Both at once: cargo would build shared crates twice if it were asked one after the other for programs that want
/// different features of them.
const BUILD: &[&str] = &["build", "--release", "--package", "kamiflow-cli", "--package", "kamiflow-load"];

/// Becomes the bench.
pub(crate) fn run(repository: &Repository, arguments: &[OsString]) -> Result<ExitCode> {
    let mut build = Command::new("cargo");
    build.args(BUILD).current_dir(repository.path(""));
    // `cargo run` describes this package to us; an inner cargo would take it for a change of the environment.
    for name in ProcessEnv.names() {
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            build.env_remove(name);
        }
    }
    if !build.status().context("could not run cargo")?.success() {
        bail!("the benches do not build");
    }
    // Relative to the root, where the build has run, whatever folder this was called in.
    let folder = repository.path(ProcessEnv.get("CARGO_TARGET_DIR").as_deref().unwrap_or("target"));
    let program = folder.join("release/kamiflow-load");
    let error = Command::new(&program).args(arguments).exec();
    Err(error).with_context(|| format!("could not run {}", program.display()))
}
