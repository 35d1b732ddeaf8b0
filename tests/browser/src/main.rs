//! Programs that look at the whole site from outside: through headless Chromium, and through the API's own document.
#![allow(clippy::print_stdout, reason = "a program of developers says on stdout what it found")]

mod api_fuzz;
mod browser;
mod journeys;
mod screenshots;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Programs that look at the whole site from outside.
#[derive(Parser)]
#[command(name = "cargo dev", bin_name = "cargo dev")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Sends the API what its document allows and what it does not.
    ApiFuzz(api_fuzz::Options),
    /// Takes a picture of every page in each language, theme and width, and fails on what does not fit.
    Screenshots(screenshots::Options),
    /// Walks what people do, from sign-up to the first delivered order, and prints how long it takes.
    Journeys(journeys::Options),
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    match Arguments::parse().command {
        Command::ApiFuzz(options) => api_fuzz::run(&options).await,
        Command::Screenshots(options) => screenshots::run(&options).await,
        Command::Journeys(options) => journeys::run(&options).await,
    }
}
