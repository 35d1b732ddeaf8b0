//! `bench latency`: from the moment an order is paid, which is when its push message leaves, to its voucher.
//!
//! Buyers order at a steady pace, never in step with what is delivered, so a worker that falls behind shows as latency.
//! Both moments are the sandbox's own, in milliseconds.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use kamiflow_test_support::fleet::Mall;
use kamiflow_test_support::program::note;
use serde::Serialize;
use tokio::time::{Instant, MissedTickBehavior};

use crate::at_least_one;
use crate::deliver;
use crate::fleet::{self, Plan, Readiness};
use crate::measure::{CpuWatch, Watched, median, percentile, rounded};
use crate::process::Platform;
use crate::servers::Servers;

const DATABASE: &str = "bench_latency";
const EVERY: Duration = Duration::from_millis(50);
/// Seconds that are told together.
const SLICE: usize = 5;

/// Options of `bench latency`.
#[derive(Args)]
pub(crate) struct Options {
    /// Shops.
    #[arg(long, value_name = "N", value_parser = at_least_one(), default_value_t = 500)]
    shops: usize,

    /// Merchants.
    #[arg(long, value_name = "N", value_parser = at_least_one(), default_value_t = 50)]
    merchants: usize,

    /// Orders a second.
    #[arg(long, value_name = "N", value_parser = at_least_one(), default_value_t = 200)]
    rate: usize,

    /// Seconds that count.
    #[arg(long, value_name = "SECONDS", value_parser = at_least_one(), default_value_t = 30)]
    seconds: usize,

    /// Seconds before, which do not: a young process plans its statements and fills its caches.
    #[arg(long, value_name = "SECONDS", default_value_t = 15)]
    warm_up: usize,

    /// Milliseconds every answer of the sandbox waits.
    #[arg(long, value_name = "MS", default_value_t = 20)]
    latency_ms: u64,

    /// Shops the worker delivers for at once.
    #[arg(long, value_name = "N", value_parser = at_least_one(), default_value_t = 32)]
    concurrency: usize,

    /// Writes what each order waited to this file, as CSV.
    #[arg(long, value_name = "FILE")]
    samples: Option<PathBuf>,
}

/// What was measured.
#[derive(Serialize)]
pub(crate) struct Figures {
    p50_ms: f64,
    p99_ms: f64,
    orders_per_s: f64,
    shops: usize,
}

/// Measures.
pub(crate) async fn run(servers: &Servers, dir: &Path, options: &Options, runs: u32) -> Result<Figures> {
    let (mut middles, mut tails, mut rates) = (Vec::new(), Vec::new(), Vec::new());
    for run in 1..=runs {
        let (latencies, rate) = once(servers, dir, options, run).await?;
        let (p50, p99) = (percentile(latencies.clone(), 0.5), percentile(latencies, 0.99));
        note(format_args!("Run {run} of {runs}: p50 {p50:.0} ms, p99 {p99:.0} ms at {rate:.0} orders/s"));
        middles.push(p50);
        tails.push(p99);
        rates.push(rate);
    }
    servers.drop_database(DATABASE).await?;
    Ok(Figures {
        p50_ms: rounded(median(middles), 0),
        p99_ms: rounded(median(tails), 0),
        orders_per_s: rounded(median(rates), 1),
        shops: options.shops,
    })
}

async fn once(servers: &Servers, dir: &Path, options: &Options, run: u32) -> Result<(Vec<f64>, f64)> {
    servers.fresh_database(DATABASE).await?;
    let plan = Plan { applications: options.merchants.max(1), shops: options.shops };
    let platform = Platform::start(dir, &fleet::scenario(&plan, 100.0, true)).await?;
    let engine = fleet::engine(servers.app_url(DATABASE), &platform)?;
    let seconds = options.seconds + options.warm_up;
    let cards = seconds * options.rate / plan.applications * 3 / 2 + 200;
    let shops = fleet::set_up(&engine, &plan, Readiness { cards, poll_floor_s: 15 }).await?;
    platform.set_latency(options.latency_ms).await?;
    let settings = deliver::WorkerShape { database: DATABASE, concurrency: options.concurrency, run };
    let worker = deliver::start_worker(servers, &platform, settings).await?;
    deliver::until_idle(&platform, shops.len(), Duration::from_secs(300)).await?;

    let malls: Vec<Mall> = shops.iter().map(|shop| shop.mall).collect();
    note(format_args!("Buyers order {} times a second for {seconds} s", options.rate));
    buy(&platform, &malls, options.rate, options.warm_up).await?;
    let cpu = CpuWatch::begin(&[
        ("postgres", Watched::Family(servers.postgres.pid())),
        ("redis", Watched::Process(servers.redis.pid())),
        platform.process.watched(),
        worker.process.watched(),
    ]);
    let began = Instant::now();
    let counted = buy(&platform, &malls, options.rate, options.seconds).await?;
    let rate = counted.len() as f64 / began.elapsed().as_secs_f64();
    cpu.tell("deliveries");
    deliver::until_sent(&platform, (options.seconds + options.warm_up) * options.rate, Duration::from_secs(60)).await?;
    let samples = samples(&platform, &counted).await?;
    if let Some(file) = &options.samples {
        write(file, &samples).with_context(|| format!("could not write {}", file.display()))?;
    }
    let latencies: Vec<f64> = samples.iter().map(Sample::wait_ms).collect();
    for (second, slice) in latencies.chunks((options.rate * SLICE).max(1)).enumerate() {
        let [p50, p90, p99] = [0.5, 0.9, 0.99].map(|share| percentile(slice.to_vec(), share));
        note(format_args!("From second {}: p50 {p50:.0} ms, p90 {p90:.0} ms, p99 {p99:.0} ms", second * SLICE));
    }
    worker.process.stop().await?;
    platform.process.stop().await?;
    Ok((latencies, rate))
}

/// Lets buyers order in one mall after the other, at a pace that waits for nothing.
pub(crate) async fn buy(platform: &Platform, malls: &[Mall], rate: usize, seconds: usize) -> Result<Vec<String>> {
    let mut bought = Vec::with_capacity(rate * seconds);
    let mut ticks = tokio::time::interval(EVERY);
    // A late tick is made up for, so that the pace stays.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let per_second = 1_000 / usize::try_from(EVERY.as_millis())?;
    // A step that is prime to the number of malls visits all of them in an order that looks like none.
    let mut mall = malls.iter().cycle().step_by(malls.len() / 3 * 2 + 1);
    let wanted = rate * seconds;
    for tick in 1..=seconds * per_second {
        ticks.tick().await;
        let due = wanted * tick / (seconds * per_second);
        let batch: Vec<Mall> = mall.by_ref().take(due - bought.len()).copied().collect();
        bought.extend(platform.order_once_each(&batch).await?);
    }
    Ok(bought)
}

/// Returns the milliseconds from payment to voucher of some orders, in their order.
pub(crate) async fn latencies(platform: &Platform, orders: &[String]) -> Result<Vec<f64>> {
    Ok(samples(platform, orders).await?.iter().map(Sample::wait_ms).collect())
}

/// One order's way, in the sandbox's milliseconds.
struct Sample {
    order_sn: String,
    paid_ms: i64,
    sent_ms: i64,
}

impl Sample {
    fn wait_ms(&self) -> f64 {
        (self.sent_ms - self.paid_ms) as f64
    }
}

async fn samples(platform: &Platform, orders: &[String]) -> Result<Vec<Sample>> {
    let books = platform.vouchers().await?;
    ensure!(books.twice == 0, "{} vouchers were sent twice", books.twice);
    let sample = |sn: &String| {
        Some(Sample { order_sn: sn.clone(), paid_ms: *books.paid_ms.get(sn)?, sent_ms: *books.at_ms.get(sn)? })
    };
    let samples: Vec<Sample> = orders.iter().filter_map(sample).collect();
    ensure!(samples.len() == orders.len(), "{} of {} orders were delivered", samples.len(), orders.len());
    Ok(samples)
}

fn write(file: &Path, samples: &[Sample]) -> Result<()> {
    let mut lines = String::from("order_sn,paid_ms,sent_ms,wait_ms\n");
    for Sample { order_sn, paid_ms, sent_ms } in samples {
        writeln!(lines, "{order_sn},{paid_ms},{sent_ms},{}", sent_ms - paid_ms)?;
    }
    Ok(std::fs::write(file, lines)?)
}
