//! The `kamiflow` binary: one program, one subcommand per task.
//!
//! A command returns an [`Exit`]; an error that reaches this file is told once, as text on stderr or, with `--json`,
//! as an object on stdout.

mod arguments;
mod commands;
mod connect;
mod console;
mod exit;
mod platform;
mod sandbox_control;
mod site;
mod trouble;

use std::process::ExitCode;

use clap::Parser as _;
use kamiflow_runtime::crash;

use crate::arguments::Arguments;
use crate::console::Console;
use crate::exit::Exit;

/// A worker and a server allocate from all of their threads, small and short-lived; docs/performance.md has the difference.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // Two TLS providers can be linked into one binary, and rustls refuses to guess.
    kamiflow_pinduoduo::install_crypto_provider();
    let console = Console::new(arguments.json);
    let ended = crash::forbid_core_dumps()
        .and_then(|()| tokio::runtime::Builder::new_multi_thread().enable_all().build())
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(commands::run(arguments.command, &console)));
    let exit = ended.map_err(trouble::explained).unwrap_or_else(|error| {
        console.failure(&error);
        Exit::of(&error)
    });
    exit.into()
}
