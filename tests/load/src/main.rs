//! The benches as programs: each measures one promise on real servers, prints figures, and ends by itself.
//!
//! ```text
//! this process           arranges, is the load, measures
//!   ├ Postgres, Redis    private, below --dir; Postgres durable: fsync on, synchronous_commit on
//!   ├ kamiflow sandbox   the platform, a process of its own
//!   └ kamiflow work      the product, a process of its own
//! ```
//! What is said on the way goes to stderr; the last line of stdout is the result, with `--json` as one object. Each
//! figure is the median of `--runs` runs on a database of its own. Ratios are measured within one run, so that what
//! else the machine does weighs on both sides. docs/performance.md explains each bench and shows its figures.
#![allow(clippy::as_conversions, reason = "a program that prints figures; its counts are far below 2^52")]

mod deliver;
mod fairness;
mod fleet;
mod growth;
mod idle;
mod import;
mod latency;
mod measure;
mod process;
mod sandbox;
mod servers;
mod timing;
mod web;
mod wire;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::builder::RangedU64ValueParser;
use clap::{Parser, Subcommand};
use kamiflow_test_support::program::{self, note};
use serde_json::Value;

use crate::servers::Servers;

/// Measures what the product promises.
#[derive(Parser)]
#[command(name = "cargo dev bench", bin_name = "cargo dev bench")]
struct Arguments {
    #[command(subcommand)]
    bench: Bench,

    /// Prints the result as one JSON object.
    #[arg(long, global = true)]
    json: bool,

    /// Repetitions of which the median counts.
    #[arg(long, global = true, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=99))]
    runs: u32,

    /// Where the private servers live.
    #[arg(long, global = true, value_name = "FOLDER", default_value = ".kamiflow/bench")]
    dir: PathBuf,
}

#[derive(Subcommand)]
enum Bench {
    /// Imports a file of cards: sealing, duplicates, ledger.
    Import(import::Options),
    /// Signed calls a second of the simulated platform.
    Sandbox(sandbox::Options),
    /// Delivered orders a second of the whole product, beside those of a bare client.
    Deliver(deliver::Options),
    /// Milliseconds from payment to voucher at a steady pace.
    Latency(latency::Options),
    /// Thousands of shops in which nothing happens.
    Idle(idle::Options),
    /// Whether deliveries become slower after millions of orders.
    Growth(growth::Options),
    /// Requests a second and latencies of a page over a million orders, beside a bare handler of the same query.
    Web(web::Options),
    /// Whether sign-up, log-in and reset tell known from unknown addresses, by what they answer or by how long it takes.
    Timing(timing::Options),
    /// The bare handler of `web`, as a process of its own.
    #[command(hide = true)]
    BareWeb(web::bare::Options),
    /// How much longer one merchant's buyers wait while another has a long backlog.
    Fairness(fairness::Options),
}

/// Parses how many: none of anything measures nothing.
pub(crate) fn at_least_one() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..)
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    program::run(run(&arguments))
}

async fn run(arguments: &Arguments) -> Result<bool> {
    if let Bench::BareWeb(options) = &arguments.bench {
        // It ends by the signals that its own server takes.
        return web::bare::run(options).await.map(|()| true);
    }
    let dir = &arguments.dir;
    std::fs::create_dir_all(dir).with_context(|| format!("could not create {}", dir.display()))?;
    let figures = tokio::select! {
        figures = measure(arguments) => figures?,
        // The servers and processes end with the measurement, which is dropped here.
        () = program::interrupted() => bail!("interrupted"),
    };
    program::show(&figures, arguments.json)?;
    note("Done");
    Ok(true)
}

async fn measure(arguments: &Arguments) -> Result<Value> {
    if let Bench::Sandbox(options) = &arguments.bench {
        // Only the platform is measured: no server is needed.
        return Ok(serde_json::to_value(sandbox::run(&arguments.dir, options, arguments.runs).await?)?);
    }
    let servers = Servers::start(&arguments.dir).await?;
    let figures = measure_on(&servers, arguments).await;
    // Neither the figures nor what went wrong may be lost to it; the servers' watchdogs end what is left.
    if let Err(error) = servers.stop().await {
        note(format_args!("The servers did not stop well: {error:#}"));
    }
    figures
}

async fn measure_on(servers: &Servers, arguments: &Arguments) -> Result<Value> {
    let (dir, runs) = (&arguments.dir, arguments.runs);
    Ok(match &arguments.bench {
        Bench::Sandbox(options) => serde_json::to_value(sandbox::run(dir, options, runs).await?)?,
        Bench::Import(options) => serde_json::to_value(import::run(servers, options, runs).await?)?,
        Bench::Deliver(options) => serde_json::to_value(deliver::run(servers, dir, options, runs).await?)?,
        Bench::Latency(options) => serde_json::to_value(latency::run(servers, dir, options, runs).await?)?,
        Bench::Idle(options) => serde_json::to_value(idle::run(servers, dir, options, runs).await?)?,
        Bench::Growth(options) => serde_json::to_value(growth::run(servers, dir, options, runs).await?)?,
        Bench::Web(options) => serde_json::to_value(web::run(servers, dir, options, runs).await?)?,
        Bench::Timing(options) => serde_json::to_value(timing::run(servers, options).await?)?,
        Bench::BareWeb(_) => bail!("it needs no servers"),
        Bench::Fairness(options) => serde_json::to_value(fairness::run(servers, dir, options, runs).await?)?,
    })
}
