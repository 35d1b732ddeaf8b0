//! `bench idle`: ten thousand shops in which nothing happens, polled every minute by one worker process.
//!
//! How late a poll is, is read from Postgres: `shop_sync.next_due_at` says when a shop is due, and changes when its tick
//! has ended. What is overdue is looked at several times a second, so a lag is known to one look, and includes the tick
//! itself; polls that no look met overdue count with one look's length.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use chrono::{DateTime, Utc};
use clap::Args;
use kamiflow_test_support::program::note;
use serde::Serialize;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_postgres::Client;
use uuid::Uuid;

use crate::at_least_one;
use crate::fleet::{self, Plan, Readiness};
use crate::measure::{CpuWatch, Watched, median, percentile, resident_mb, rounded};
use crate::process::{Platform, WorkerSettings, work};
use crate::servers::Servers;

const DATABASE: &str = "bench_idle";
const LOOK_EVERY: Duration = Duration::from_millis(250);
const OVERDUE: &str = "SELECT shop_id, next_due_at, extract(epoch FROM clock_timestamp() - next_due_at)::float8
                         FROM shop_sync WHERE next_due_at < clock_timestamp()";
/// All rows, and how many a day the open spans become: those of orders are closed hourly, of refunds every six hours
/// (`kamiflow_store::coverage`).
const SPANS: &str = "SELECT count(*)::float8,
                            coalesce(sum(CASE kind WHEN 'orders' THEN 24 ELSE 4 END) FILTER (WHERE NOT closed), 0)::float8
                       FROM coverage";
/// More rows a day and shop than these would make coverage the largest table: 300,000 for ten thousand shops.
const MOST_ROWS_A_DAY: f64 = 30.0;

/// Options of `bench idle`.
#[derive(Args)]
pub(crate) struct Options {
    /// Shops.
    #[arg(long, value_name = "N", value_parser = at_least_one(), default_value_t = 10_000)]
    shops: usize,

    /// Applications they are dealt out among; several are measured one after the other, and the worst is the result.
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = at_least_one(), default_value = "1,2000")]
    applications: Vec<usize>,

    /// Seconds between two polls of a shop.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..), default_value_t = 60)]
    interval: u32,

    /// Seconds that count; before them every shop is polled once.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..), default_value_t = 120)]
    seconds: u64,
}

/// What was measured; of several shapes the worst.
#[derive(Serialize)]
pub(crate) struct Figures {
    shops: usize,
    lag_p99_ms: f64,
    rss_mb: f64,
    cpu_percent: f64,
}

#[derive(Default)]
struct Shape {
    lag_ms: Vec<f64>,
    rss_mb: Vec<f64>,
    cpu_percent: Vec<f64>,
}

/// Measures.
pub(crate) async fn run(servers: &Servers, dir: &Path, options: &Options, runs: u32) -> Result<Figures> {
    let mut worst = Figures { shops: options.shops, lag_p99_ms: 0.0, rss_mb: 0.0, cpu_percent: 0.0 };
    for applications in &options.applications {
        let mut shape = Shape::default();
        for run in 1..=runs {
            once(servers, dir, options, (*applications, run), &mut shape).await?;
        }
        worst.lag_p99_ms = worst.lag_p99_ms.max(rounded(median(shape.lag_ms), 0));
        worst.rss_mb = worst.rss_mb.max(rounded(median(shape.rss_mb), 1));
        worst.cpu_percent = worst.cpu_percent.max(rounded(median(shape.cpu_percent), 1));
    }
    servers.drop_database(DATABASE).await?;
    Ok(worst)
}

async fn once(
    servers: &Servers,
    dir: &Path,
    options: &Options,
    (applications, run): (usize, u32),
    shape: &mut Shape,
) -> Result<()> {
    servers.fresh_database(DATABASE).await?;
    let plan = Plan { applications, shops: options.shops };
    // One application with ten thousand malls has ten thousand malls' limits; the platform's totals are scaled for it.
    let platform = Platform::start(dir, &fleet::scenario(&plan, 100.0, true)).await?;
    let engine = fleet::engine(servers.app_url(DATABASE), &platform)?;
    let readiness = Readiness { cards: 0, poll_floor_s: options.interval.try_into()? };
    fleet::set_up(&engine, &plan, readiness).await?;

    let seconds = options.interval.to_string();
    let more = BTreeMap::from([
        ("KAMIFLOW_GATEWAY_LIMIT_SCALE", "100".to_owned()),
        ("KAMIFLOW_WORKER_POLL_FLOOR_SECONDS", seconds.clone()),
        ("KAMIFLOW_WORKER_POLL_CEILING_SECONDS", seconds),
    ]);
    let prefix = format!("{DATABASE}-{applications}-{run}");
    let settings = WorkerSettings { database: DATABASE, redis_prefix: &prefix, more };
    let worker = work(servers, &platform, &settings).await?;
    let client = servers.superuser(DATABASE).await?;
    let warm_up = Duration::from_secs(u64::from(options.interval) * 3 / 2);
    note(format_args!("{} shops of {applications} applications settle for {warm_up:?}", options.shops));
    watch(&client, warm_up).await?;
    let never = client.query_one("SELECT count(*) FROM shop_sync WHERE last_ok_at IS NULL", &[]).await?;
    ensure!(never.get::<_, i64>(0) == 0, "{} shops were never read", never.get::<_, i64>(0));

    let spans_before = spans(&client).await?;
    let ticks_before = sync_ticks(&worker.page("/metrics").await?);
    let cpu = CpuWatch::begin(&[
        ("postgres", Watched::Family(servers.postgres.pid())),
        ("redis", Watched::Process(servers.redis.pid())),
        platform.process.watched(),
        worker.process.watched(),
    ]);
    let mut lags = watch(&client, Duration::from_secs(options.seconds)).await?;
    let shares = cpu.tell("idling");
    let ticks = sync_ticks(&worker.page("/metrics").await?) - ticks_before;
    let missing = (ticks as usize).saturating_sub(lags.len());
    lags.extend(std::iter::repeat_n(LOOK_EVERY.as_secs_f64() * 1_000.0, missing));
    let lag = percentile(lags, 0.99);
    let rss = resident_mb(worker.process.pid());
    let busy = shares.iter().find(|(name, _)| *name == "worker").map_or(0.0, |(_, share)| share * 100.0);
    // What is closed in its turn, and what is added beyond that. No span is an hour old yet: each is to be extended.
    let ((before, _), (after, in_turn)) = (spans_before, spans(&client).await?);
    let rows_a_day = in_turn + (after - before) * 86_400.0 / options.seconds as f64;
    note(format_args!(
        "Run {run}, {applications} applications: {ticks:.0} polls, lag p99 {lag:.0} ms, worker {rss:.0} MB and \
         {busy:.0} % of a core, {rows_a_day:.0} coverage rows a day"
    ));
    shape.lag_ms.push(lag);
    shape.rss_mb.push(rss);
    shape.cpu_percent.push(busy);
    worker.process.stop().await?;
    platform.process.stop().await?;
    let most = MOST_ROWS_A_DAY * options.shops as f64;
    ensure!(
        rows_a_day <= most,
        "{rows_a_day:.0} coverage rows a day: {} idle shops may write {most:.0}",
        options.shops
    );
    Ok(())
}

/// Looks for a time at what is overdue; returns the lag of each poll that was seen overdue, in milliseconds.
async fn watch(client: &Client, time: Duration) -> Result<Vec<f64>> {
    let overdue = client.prepare(OVERDUE).await?;
    let mut lags: HashMap<(Uuid, DateTime<Utc>), f64> = HashMap::new();
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let began = Instant::now();
    while began.elapsed() < time {
        ticks.tick().await;
        for row in client.query(&overdue, &[]).await? {
            let lag = row.get::<_, f64>(2) * 1_000.0 + LOOK_EVERY.as_secs_f64() * 1_000.0;
            lags.insert((row.get(0), row.get(1)), lag);
        }
    }
    Ok(lags.into_values().collect())
}

async fn spans(client: &Client) -> Result<(f64, f64)> {
    let row = client.query_one(SPANS, &[]).await?;
    Ok((row.get(0), row.get(1)))
}

/// Sums the finished ticks of the pool sync.
fn sync_ticks(metrics: &str) -> f64 {
    metrics
        .lines()
        .filter(|line| line.starts_with("kamiflow_ticks_total{") && line.contains("pool=\"sync\""))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::sync_ticks;

    #[test]
    fn ticks_of_sync_are_summed_over_their_outcomes() {
        let page = "# TYPE kamiflow_ticks_total counter\n\
                    kamiflow_ticks_total{pool=\"sync\",outcome=\"done\"} 7\n\
                    kamiflow_ticks_total{outcome=\"failed\",pool=\"sync\"} 2\n\
                    kamiflow_ticks_total{pool=\"deliver\",outcome=\"done\"} 90\n";
        assert_eq!(sync_ticks(page), 9.0);
    }
}
