//! `cargo dev chaos …`: builds the product and the chaos program, and runs it.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};
use kamiflow_runtime::config::{EnvSource as _, ProcessEnv};

use crate::repository::Repository;

/// An option of ours, not of the program: what is struck is the release build.
const RELEASE: &str = "--release";

/// Becomes the chaos program.
pub(crate) fn run(repository: &Repository, arguments: &[OsString]) -> Result<ExitCode> {
    let is_release = arguments.iter().any(|argument| argument == RELEASE);
    let mut build = Command::new("cargo");
    build.args(["build", "--package", "kamiflow-cli", "--package", "kamiflow-chaos"]);
    if is_release {
        build.arg(RELEASE);
    }
    // `cargo run` describes this package to us; an inner cargo would take it for a change of the environment.
    for name in ProcessEnv.names() {
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            build.env_remove(name);
        }
    }
    if !build.current_dir(repository.path("")).status().context("could not run cargo")?.success() {
        bail!("the chaos program does not build");
    }
    let folder = ProcessEnv.get("CARGO_TARGET_DIR").map_or_else(|| repository.path("target"), PathBuf::from);
    let program = folder.join(if is_release { "release" } else { "debug" }).join("kamiflow-chaos");
    let rest = arguments.iter().filter(|argument| *argument != RELEASE);
    let error = Command::new(&program).args(rest).exec();
    Err(error).with_context(|| format!("could not run {}", program.display()))
}
