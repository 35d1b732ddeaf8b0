//! `cargo dev screenshots …` and the other commands of the program that looks at the site from outside: build the pages and
//! the program, install what it needs beside Chromium, and run it.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};
use kamiflow_runtime::config::{EnvSource as _, ProcessEnv};

use crate::build_ui;
use crate::repository::Repository;

/// Becomes the program's command.
pub(crate) fn run(repository: &Repository, command: &str, arguments: &[OsString]) -> Result<ExitCode> {
    build_ui::run(repository)?;
    replace(repository, command, arguments)
}

/// Becomes a command that is called as the tool it needs, which is installed if it is missing.
pub(crate) fn run_with(repository: &Repository, command: &str, arguments: &[OsString]) -> Result<ExitCode> {
    set_up(repository, command)?;
    run(repository, command, arguments)
}

/// Becomes `api-fuzz`, which sees no pages.
pub(crate) fn fuzz(repository: &Repository, arguments: &[OsString]) -> Result<ExitCode> {
    set_up(repository, "api-fuzz")?;
    replace(repository, "api-fuzz", arguments)
}

fn set_up(repository: &Repository, tool: &str) -> Result<()> {
    let mut setup = Command::new(repository.path("dev"));
    setup.arg(format!("setup-{tool}")).current_dir(repository.path(""));
    if !setup.status().context("could not run ./dev")?.success() {
        bail!("what `cargo dev {tool}` needs is not there: see above");
    }
    Ok(())
}

/// Builds the program and becomes its command.
fn replace(repository: &Repository, command: &str, arguments: &[OsString]) -> Result<ExitCode> {
    let mut build = Command::new("cargo");
    // By its name alone, so that it shares every library with the tests.
    build.args(["build", "--bin", "kamiflow-browser"]).current_dir(repository.path(""));
    // `cargo run` describes this package to us; an inner cargo would take it for a change of the environment.
    for name in ProcessEnv.names() {
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            build.env_remove(name);
        }
    }
    if !build.status().context("could not run cargo")?.success() {
        bail!("the program that looks at pages does not build");
    }
    let target = ProcessEnv.get("CARGO_TARGET_DIR").map_or_else(|| repository.path("target"), PathBuf::from);
    let program = target.join("debug/kamiflow-browser");
    let error = Command::new(&program).arg(command).args(arguments).current_dir(repository.path("")).exec();
    Err(error).with_context(|| format!("could not run {}", program.display()))
}
