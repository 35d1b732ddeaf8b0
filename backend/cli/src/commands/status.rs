//! `kamiflow status`: how the installation does, for people, monitors and scripts.

mod findings;
mod report;
mod screen;

use anyhow::Result;
use clap::Args;
use kamiflow_kernel::Clock as _;
use kamiflow_runtime::clock::SystemClock;
use kamiflow_runtime::config::{self, Database, ProcessEnv, Redis, Worker};

use self::report::Report;
use crate::connect;
use crate::console::Console;
use crate::exit::Exit;

pub(crate) const EXAMPLES: &str = "\
Examples:
  kamiflow status
  kamiflow status --json | jq '.findings'
  kamiflow status --shops 1000
  kamiflow status --json > /dev/null || page-somebody

Needs KAMIFLOW_DATABASE_URL and KAMIFLOW_REDIS_URL, no master key. Exits with 1 if something is wrong: a server that
does not answer, shops that are not read, tokens that ended, parked jobs, gaps in the coverage. Orders that wait for
a person are shown and are not an error.";

/// Options of `kamiflow status`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Shows at most so many shops; the sums always count all of them.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(0..=10_000))]
    shops: u32,
}

/// Asks everything and shows it.
pub(crate) async fn run(options: Options, console: Console) -> Result<Exit> {
    connect::log_quietly()?;
    let (database, redis, worker): (Database, Redis, Worker) = config::load(&ProcessEnv)?;
    let store = connect::store_without_keys(&database)?;
    // Redis may be the very thing that is wrong; the report then says so.
    let queue = connect::queue(&redis, &worker).await;
    let shops = usize::try_from(options.shops)?;
    let report = Report::gather(&store, queue, shops, SystemClock.now()).await;
    if console.is_json() {
        console.print_json(&report)?;
    } else {
        screen::show(&report, console);
    }
    Ok(if report.healthy { Exit::Done } else { Exit::Failed })
}
