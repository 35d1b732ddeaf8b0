//! Programs that look at the whole site from outside: through headless Chromium, and through the API's own document.
#![allow(clippy::print_stdout, reason = "a program of developers says on stdout what it found")]

mod api_fuzz;
mod axe;
mod browser;
mod journeys;
mod lighthouse;
mod screenshots;
mod site;
mod tour;

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
    /// Runs axe-core over every page, in both themes.
    Axe(axe::Options),
    /// Runs Lighthouse on the first pages somebody sees.
    Lighthouse(lighthouse::Options),
    /// Takes a picture of every page in each language, theme and width, and fails on what does not fit.
    Screenshots(screenshots::Options),
    /// Walks what people do, from sign-up to a renewed authorization, and prints how long each takes.
    Journeys(journeys::Options),
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    match Arguments::parse().command {
        Command::ApiFuzz(options) => api_fuzz::run(&options).await,
        Command::Axe(options) => axe::run(&options).await,
        Command::Lighthouse(options) => lighthouse::run(&options).await,
        Command::Screenshots(options) => screenshots::run(&options).await,
        Command::Journeys(options) => journeys::run(&options).await,
    }
}
