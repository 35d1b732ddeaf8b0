//! `cargo dev with-servers -- COMMAND`: a private Postgres and Redis for the time of one command.
//!
//! Each run has a folder of its own, so runs do not disturb each other; folders of runs that were
//! killed are removed by the next one. On Ctrl-C the terminal signals the command too: it is waited
//! for, and then the servers stop. SIGTERM reaches us alone and is passed on.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitCode, ExitStatus};

use anyhow::{Context as _, Result, bail};
use kamiflow_runtime::config::{EnvSource as _, ProcessEnv, TestServers};
use kamiflow_runtime::local::{self, LocalServers, PostgresOptions};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

use crate::repository::Repository;

const FOLDER: &str = ".kamiflow/test";

/// Runs the command and returns its exit status as ours.
pub(crate) fn run(repository: &Repository, command: &[OsString]) -> Result<ExitCode> {
    tokio::runtime::Runtime::new()?.block_on(async {
        let parent = repository.path(FOLDER);
        local::sweep(&parent).context("could not clear away an earlier run")?;
        let dir = parent.join(std::process::id().to_string());
        let servers = LocalServers::start(&dir, &PostgresOptions::throwaway("kamiflow")).await?;
        let status = run_command(&servers, command).await;
        servers.stop()?;
        local::wipe(&dir)?;
        Ok(exit_code(status?))
    })
}

async fn run_command(servers: &LocalServers, command: &[OsString]) -> Result<ExitStatus> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut child = spawn(servers, command)?;
    loop {
        tokio::select! {
            status = child.wait() => return Ok(status?),
            // The terminal has sent it to the command as well, whose choice it is when to end.
            _ = interrupt.recv() => {}
            _ = terminate.recv() => pass_on(&child)?,
        }
    }
}

fn spawn(servers: &LocalServers, command: &[OsString]) -> Result<Child> {
    let Some((program, arguments)) = command.split_first() else { bail!("no command is given") };
    let mut child = Command::new(program);
    child
        .args(arguments)
        .env(TestServers::DATABASE_URL, servers.postgres.superuser_url("postgres"))
        .env(TestServers::REDIS_URL, servers.redis.url())
        .kill_on_drop(true);
    // `cargo run` describes this package to us; an inner cargo would take it for a change of the
    // environment and build anew.
    for name in ProcessEnv.names() {
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            child.env_remove(name);
        }
    }
    child.spawn().with_context(|| format!("could not run {}", program.display()))
}

/// Asks the command to end, so that it can end what it started.
fn pass_on(child: &Child) -> Result<()> {
    if let Some(id) = child.id() {
        kill(Pid::from_raw(i32::try_from(id)?), Signal::SIGTERM)?;
    }
    Ok(())
}

/// Shells report a signal as 128 + its number.
fn exit_code(status: ExitStatus) -> ExitCode {
    let number = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    ExitCode::from(u8::try_from(number).unwrap_or(1))
}
