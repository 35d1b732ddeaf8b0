//! The project's own commands: `cargo dev …`.

mod bench;
mod build_ui;
mod chaos;
mod env_docs;
mod repository;
mod screenshots;
mod tidy;
mod with_servers;

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::repository::Repository;

/// The project's own commands.
#[derive(Parser)]
#[command(name = "cargo dev", bin_name = "cargo dev")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Sends the API what its own document allows and what it does not, and fails on an answer that it does not describe
    #[command(after_help = "Example: cargo dev with-servers -- cargo dev api-fuzz --examples 100")]
    ApiFuzz {
        /// The program's own options.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTIONS")]
        arguments: Vec<OsString>,
    },
    /// Runs axe-core over every page in Chromium, in both themes, and fails on a violation
    #[command(after_help = "Example: cargo dev with-servers -- cargo dev axe --only /console/orders")]
    Axe {
        /// The program's own options.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTIONS")]
        arguments: Vec<OsString>,
    },
    /// Runs Lighthouse on landing page, log-in and dashboard, and fails below 95
    #[command(after_help = "Example: cargo dev with-servers -- cargo dev lighthouse --json")]
    Lighthouse {
        /// The program's own options.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTIONS")]
        arguments: Vec<OsString>,
    },
    /// Checks what the compiler does not: layers, names, file sizes, headers, documents.
    Tidy,
    /// Builds everything for release and measures; `cargo dev bench --help` lists the benches.
    #[command(
        disable_help_flag = true,
        after_help = "Examples:\n  cargo dev bench import --json\n  cargo dev bench deliver --latency-ms 0"
    )]
    Bench {
        /// The bench and its options.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "BENCH")]
        arguments: Vec<OsString>,
    },
    /// Builds everything and breaks it while orders arrive; `cargo dev chaos --help` tells how.
    #[command(
        disable_help_flag = true,
        after_help = "Examples:\n  cargo dev chaos --orders 2000 --faults 100 --seed 7 --json\n  \
                      cargo dev chaos --release --replay .kamiflow/chaos/plan-7.jsonl"
    )]
    Chaos {
        /// `--release` for the release build, and the program's own options.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTIONS")]
        arguments: Vec<OsString>,
    },
    /// Builds what browsers download into .kamiflow/site: islands, style sheet, icons; fails over the budget.
    BuildUi,
    /// Writes docs/reference/env.md from the declarations of the variables.
    EnvDocs {
        /// Writes nothing; fails if the file is out of date.
        #[arg(long)]
        check: bool,
    },
    /// Takes pictures of every page in each language, theme and width, and fails on what does not fit.
    #[command(
        disable_help_flag = true,
        after_help = "Example: cargo dev with-servers -- cargo dev screenshots --only pricing"
    )]
    Screenshots {
        /// The program's own options.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTIONS")]
        arguments: Vec<OsString>,
    },
    /// Walks what people do on the site in headless Chromium, from sign-up to a renewed authorization
    #[command(after_help = "Example: cargo dev with-servers -- cargo dev journeys --json")]
    Journeys {
        /// The program's own options.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTIONS")]
        arguments: Vec<OsString>,
    },
    /// Runs a command with a private Postgres and Redis, and stops them when it ends.
    #[command(after_help = "Example: cargo dev with-servers -- cargo nextest run --package kamiflow-store")]
    WithServers {
        /// The command and its arguments.
        #[arg(trailing_var_arg = true, required = true, value_name = "COMMAND")]
        command: Vec<OsString>,
    },
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let repository = Repository::find()?;
    match arguments.command {
        Command::ApiFuzz { arguments } => screenshots::fuzz(&repository, &arguments),
        Command::Axe { arguments } => screenshots::run_with(&repository, "axe", &arguments),
        Command::Lighthouse { arguments } => screenshots::run_with(&repository, "lighthouse", &arguments),
        Command::Tidy => tidy::run(&repository),
        Command::Bench { arguments } => bench::run(&repository, &arguments),
        Command::Chaos { arguments } => chaos::run(&repository, &arguments),
        Command::BuildUi => build_ui::run(&repository),
        Command::EnvDocs { check } => env_docs::run(&repository, check),
        Command::Screenshots { arguments } => screenshots::run(&repository, "screenshots", &arguments),
        Command::Journeys { arguments } => screenshots::run(&repository, "journeys", &arguments),
        Command::WithServers { command } => with_servers::run(&repository, &command),
    }
}
