//! `bench fairness`: how much longer merchant B's buyers wait while merchant A has twenty thousand orders.
//!
//! In one run B's buyers order at a slow pace, first while A has nothing to do, then while A's whole backlog arrives at
//! once and is delivered. Only orders count that were paid while A still had orders without vouchers.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::Args;
use kamiflow_test_support::fleet::Mall;
use kamiflow_test_support::program::note;
use serde::Serialize;

use crate::at_least_one;
use crate::deliver;
use crate::fleet::{self, Plan, Readiness};
use crate::latency;
use crate::measure::{CpuWatch, Watched, median, percentile, rounded};
use crate::process::Platform;
use crate::servers::Servers;

const DATABASE: &str = "bench_fairness";
/// Fewer orders than this say nothing about the slowest of a hundred.
const LEAST: usize = 100;

/// Options of `bench fairness`.
#[derive(Args)]
pub(crate) struct Options {
    /// Orders of merchant A.
    #[arg(long, value_name = "N", value_parser = at_least_one(), default_value_t = 20_000)]
    orders: usize,

    /// Shops of each merchant.
    #[arg(long, value_name = "N", value_parser = at_least_one(), default_value_t = 10)]
    shops: usize,

    /// Orders of merchant B a second.
    #[arg(long, value_name = "N", value_parser = at_least_one(), default_value_t = 10)]
    rate: usize,

    /// Seconds B's buyers order, each time.
    #[arg(long, value_name = "SECONDS", value_parser = at_least_one(), default_value_t = 25)]
    seconds: usize,

    /// Milliseconds every answer of the sandbox waits.
    #[arg(long, value_name = "MS", default_value_t = 20)]
    latency_ms: u64,

    /// Shops the worker delivers for at once.
    #[arg(long, value_name = "N", value_parser = at_least_one(), default_value_t = 16)]
    concurrency: usize,
}

/// What was measured.
#[derive(Serialize)]
pub(crate) struct Figures {
    /// B's p99 under load to B's p99 without.
    ratio: f64,
}

/// Measures.
pub(crate) async fn run(servers: &Servers, dir: &Path, options: &Options, runs: u32) -> Result<Figures> {
    let mut ratios = Vec::new();
    for run in 1..=runs {
        let (idle, busy) = once(servers, dir, options, run).await?;
        note(format_args!("Run {run} of {runs}: B's p99 is {idle:.0} ms alone and {busy:.0} ms beside A"));
        ratios.push(busy / idle.max(1.0));
    }
    servers.drop_database(DATABASE).await?;
    Ok(Figures { ratio: rounded(median(ratios), 2) })
}

async fn once(servers: &Servers, dir: &Path, options: &Options, run: u32) -> Result<(f64, f64)> {
    servers.fresh_database(DATABASE).await?;
    let plan = Plan { applications: 2, shops: options.shops * 2 };
    let platform = Platform::start(dir, &fleet::scenario(&plan, 100.0, true)).await?;
    let engine = fleet::engine(servers.app_url(DATABASE), &platform)?;
    let shops = fleet::set_up(&engine, &plan, Readiness { cards: options.orders + 1_000, poll_floor_s: 15 }).await?;
    platform.set_latency(options.latency_ms).await?;
    let settings = deliver::WorkerShape { database: DATABASE, concurrency: options.concurrency, run };
    let worker = deliver::start_worker(servers, &platform, settings).await?;
    deliver::until_idle(&platform, shops.len(), Duration::from_secs(120)).await?;
    let malls_of = |application: usize| -> Vec<Mall> {
        shops.iter().filter(|shop| shop.mall.owner == application).map(|shop| shop.mall).collect()
    };
    let (a, b) = (malls_of(0), malls_of(1));

    note("B's buyers order, A's do not");
    // The first orders of a process pay for its caches.
    latency::buy(&platform, &b, options.rate, 3).await?;
    let alone = latency::buy(&platform, &b, options.rate, options.seconds).await?;
    deliver::until_sent(&platform, alone.len() + 3 * options.rate, Duration::from_secs(60)).await?;
    let idle = percentile(latency::latencies(&platform, &alone).await?, 0.99);

    note(format_args!("A's buyers order {} times, B's go on", options.orders));
    let burst = platform.order(&a, options.orders.div_ceil(options.shops.max(1))).await?;
    let cpu = CpuWatch::begin(&[
        ("postgres", Watched::Family(servers.postgres.pid())),
        ("redis", Watched::Process(servers.redis.pid())),
        platform.process.watched(),
        worker.process.watched(),
    ]);
    let beside = latency::buy(&platform, &b, options.rate, options.seconds).await?;
    cpu.tell("A's burst");
    let all = alone.len() + 3 * options.rate + burst.len() + beside.len();
    deliver::until_sent(&platform, all, Duration::from_secs(300)).await?;
    let books = platform.vouchers().await?;
    let a_ended = burst.iter().filter_map(|(_, sn)| books.at_ms.get(sn)).max().copied().unwrap_or_default();
    let counted: Vec<String> =
        beside.into_iter().filter(|sn| books.paid_ms.get(sn).is_some_and(|paid| *paid < a_ended)).collect();
    ensure!(counted.len() >= LEAST, "A was done after {} orders of B; give A more --orders", counted.len());
    let busy = percentile(latency::latencies(&platform, &counted).await?, 0.99);
    worker.process.stop().await?;
    platform.process.stop().await?;
    Ok((idle, busy))
}
