//! `bench deliver`: delivered orders a second of the whole product, beside chains a second of a bare client.
//!
//! Both get the same orders of the same malls from the same sandbox in one run, one after the other:
//! - **The product**: a worker that knows the shops and is idle; then buyers order, all at once. What counts is when
//!   the sandbox saw vouchers arrive, from the 5th to the 95th of a hundred, so that neither end blurs the rate.
//! - **The bare client**: our platform client, without database and queue, doing `pdd.order.information.get` and then
//!   `pdd.voucher.voucher.info.send` for each order, with as many chains at once as the worker delivers for shops.
//!   Before it a bare loop of reads alone says what one call costs.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use kamiflow_domain::engine::Engine;
use kamiflow_domain::marketplace::{HandOver, ShopAccess, Voucher};
use kamiflow_kernel::OrderSn;
use kamiflow_test_support::fleet::Mall;
use kamiflow_test_support::program::note;
use serde::Serialize;

use crate::at_least_one;
use crate::fleet::{self, FleetShop, Plan, Readiness};
use crate::measure::{CpuWatch, Watched, median, percentile, rounded};
use crate::process::{Platform, Worker, WorkerSettings, work};
use crate::servers::Servers;

const DATABASE: &str = "bench_deliver";
/// How often the sandbox is asked how far the orders are; it counts calls cheaply.
const LOOK_EVERY: Duration = Duration::from_millis(250);
const SEND: &str = "pdd.voucher.voucher.info.send";
const READ: &str = "pdd.order.information.get";

/// Options of `bench deliver`.
#[derive(Args, Clone)]
pub(crate) struct Options {
    /// Malls.
    #[arg(long, value_name = "N", value_parser = at_least_one(), default_value_t = 200)]
    pub(crate) malls: usize,

    /// Merchants, each with an application; malls are dealt out among them.
    #[arg(long, value_name = "N", value_parser = at_least_one(), default_value_t = 20)]
    pub(crate) merchants: usize,

    /// Orders per mall.
    #[arg(long, value_name = "N", value_parser = at_least_one(), default_value_t = 50)]
    pub(crate) orders: usize,

    /// Milliseconds every answer of the sandbox waits.
    #[arg(long, value_name = "MS", default_value_t = 20)]
    pub(crate) latency_ms: u64,

    /// Shops the worker delivers for at once, and chains of the bare client.
    #[arg(long, value_name = "N", value_parser = at_least_one(), default_value_t = 32)]
    pub(crate) concurrency: usize,

    /// Seconds after which a run that has not ended is given up.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..), default_value_t = 300)]
    pub(crate) deadline: u64,
}

/// What was measured.
#[derive(Serialize)]
pub(crate) struct Figures {
    /// Of orders to chains; the median of the runs' own ratios.
    ratio: f64,
    orders_per_s: f64,
    bare_chains_per_s: f64,
    bare_calls_per_s: f64,
    calls_per_order: f64,
}

struct Once {
    orders_per_s: f64,
    chains_per_s: f64,
    calls_per_s: f64,
    calls_per_order: f64,
}

/// Measures.
pub(crate) async fn run(servers: &Servers, dir: &Path, options: &Options, runs: u32) -> Result<Figures> {
    let mut all = Vec::new();
    for run in 1..=runs {
        let once = once(servers, dir, options, run).await?;
        note(format_args!(
            "Run {run} of {runs}: {:.0} orders/s, {:.0} bare chains/s, {:.2} calls per order",
            once.orders_per_s, once.chains_per_s, once.calls_per_order
        ));
        all.push(once);
    }
    servers.drop_database(DATABASE).await?;
    let middle = |figure: fn(&Once) -> f64| median(all.iter().map(figure).collect());
    Ok(Figures {
        ratio: rounded(middle(|once| once.orders_per_s / once.chains_per_s), 3),
        orders_per_s: rounded(middle(|once| once.orders_per_s), 1),
        bare_chains_per_s: rounded(middle(|once| once.chains_per_s), 1),
        bare_calls_per_s: rounded(middle(|once| once.calls_per_s), 1),
        calls_per_order: rounded(middle(|once| once.calls_per_order), 3),
    })
}

async fn once(servers: &Servers, dir: &Path, options: &Options, run: u32) -> Result<Once> {
    servers.fresh_database(DATABASE).await?;
    let plan = Plan { applications: options.merchants.max(1), shops: options.malls };
    let platform = Platform::start(dir, &fleet::scenario(&plan, 100.0, true)).await?;
    let engine = fleet::engine(servers.app_url(DATABASE), &platform)?;
    let cards = options.malls.div_ceil(plan.applications) * options.orders * 11 / 10 + 100;
    let shops = fleet::set_up(&engine, &plan, Readiness { cards, poll_floor_s: 15 }).await?;
    let malls: Vec<Mall> = shops.iter().map(|shop| shop.mall).collect();
    platform.set_latency(options.latency_ms).await?;

    let shape = WorkerShape { database: DATABASE, concurrency: options.concurrency, run };
    let worker = start_worker(servers, &platform, shape).await?;
    until_idle(&platform, shops.len(), Duration::from_secs(options.deadline)).await?;
    let patience = Duration::from_secs(options.deadline);
    let sold = deliver(servers, &platform, &worker, (&malls, options.orders, patience)).await?;
    worker.process.stop().await?;

    let bare = bare(&engine, &platform, &shops, options).await?;
    platform.process.stop().await?;
    Ok(Once { chains_per_s: bare.0, calls_per_s: bare.1, ..sold })
}

/// A worker that delivers for so many shops at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WorkerShape {
    pub(crate) database: &'static str,
    pub(crate) concurrency: usize,
    /// Queues of an earlier run are not continued.
    pub(crate) run: u32,
}

/// Starts one against a sandbox whose limits are a hundred times the platform's.
pub(crate) async fn start_worker(servers: &Servers, platform: &Platform, shape: WorkerShape) -> Result<Worker> {
    let prefix = format!("{}-{}", shape.database, shape.run);
    let more = BTreeMap::from([
        ("KAMIFLOW_WORKER_DELIVER_CONCURRENCY", shape.concurrency.to_string()),
        ("KAMIFLOW_GATEWAY_LIMIT_SCALE", "100".to_owned()),
        ("KAMIFLOW_GATEWAY_LIMIT_PERCENT", "100".to_owned()),
        ("KAMIFLOW_GATEWAY_RESEND_SAFE", "true".to_owned()),
    ]);
    work(servers, platform, &WorkerSettings { database: shape.database, redis_prefix: &prefix, more }).await
}

/// Waits until every shop has been looked at and the worker has nothing more to ask.
pub(crate) async fn until_idle(platform: &Platform, shops: usize, patience: Duration) -> Result<()> {
    note("Waiting until the worker knows every shop and is idle");
    let began = Instant::now();
    let mut ticks = tokio::time::interval(LOOK_EVERY * 4);
    let mut last = u64::MAX;
    loop {
        ticks.tick().await;
        let counts = platform.counts().await?;
        let lists = counts.by_api.get("pdd.order.number.list.increment.get").copied().unwrap_or_default();
        // A second of next to no calls after each shop was read at least once.
        if lists >= u64::try_from(shops)? && counts.total.saturating_sub(last) <= u64::try_from(shops / 20 + 2)? {
            return Ok(());
        }
        if began.elapsed() > patience {
            bail!("the worker is not idle after {patience:?}: {lists} lists were read, {} calls", counts.total);
        }
        last = counts.total;
    }
}

/// Lets buyers order so often in each mall, all at once; returns orders a second.
pub(crate) async fn sell(
    servers: &Servers,
    platform: &Platform,
    worker: &Worker,
    wanted: (&[Mall], usize, Duration),
) -> Result<f64> {
    Ok(deliver(servers, platform, worker, wanted).await?.orders_per_s)
}

async fn deliver(
    servers: &Servers,
    platform: &Platform,
    worker: &Worker,
    (malls, each, patience): (&[Mall], usize, Duration),
) -> Result<Once> {
    let before = platform.counts().await?;
    let cpu = CpuWatch::begin(&[
        ("postgres", Watched::Family(servers.postgres.pid())),
        ("redis", Watched::Process(servers.redis.pid())),
        platform.process.watched(),
        worker.process.watched(),
    ]);
    note(format_args!("Buyers order {} times in {} malls", malls.len() * each, malls.len()));
    let orders = platform.order(malls, each).await?;
    until_sent(platform, orders.len(), patience).await?;
    cpu.tell("deliveries");
    let after = platform.counts().await?;

    let vouchers = platform.vouchers().await?;
    ensure!(vouchers.twice == 0, "{} vouchers were sent twice", vouchers.twice);
    let at: Vec<f64> = orders.iter().filter_map(|(_, sn)| vouchers.at_ms.get(sn)).map(|at_ms| *at_ms as f64).collect();
    ensure!(at.len() == orders.len(), "{} of {} orders were delivered", at.len(), orders.len());
    let seconds = (percentile(at.clone(), 0.95) - percentile(at, 0.05)) / 1_000.0;
    let calls: u64 = [READ, SEND]
        .iter()
        .map(|api| {
            after.by_api.get(*api).copied().unwrap_or_default() - before.by_api.get(*api).copied().unwrap_or_default()
        })
        .sum();
    let all = after.total - before.total;
    note(format_args!(
        "{calls} reads and sends, {all} calls with lists of orders and refunds; {} refused",
        after.refused - before.refused
    ));
    Ok(Once {
        orders_per_s: orders.len() as f64 * 0.9 / seconds.max(1e-3),
        chains_per_s: 0.0,
        calls_per_s: 0.0,
        calls_per_order: calls as f64 / orders.len() as f64,
    })
}

/// Waits until so many vouchers were sent.
pub(crate) async fn until_sent(platform: &Platform, wanted: usize, patience: Duration) -> Result<()> {
    let began = Instant::now();
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    let mut told = Instant::now();
    loop {
        ticks.tick().await;
        let sent = platform.counts().await?.by_api.get(SEND).copied().unwrap_or_default();
        if sent >= u64::try_from(wanted)? {
            return Ok(());
        }
        if told.elapsed() > Duration::from_secs(5) {
            note(format_args!("{sent} of {wanted} orders are delivered"));
            told = Instant::now();
        }
        if began.elapsed() > patience {
            bail!("{sent} of {wanted} orders are delivered after {patience:?}");
        }
    }
}

/// Chains a second, and reads alone a second.
async fn bare(engine: &Engine, platform: &Platform, shops: &[FleetShop], options: &Options) -> Result<(f64, f64)> {
    let malls: Vec<Mall> = shops.iter().map(|shop| shop.mall).collect();
    let mut accesses: BTreeMap<u64, ShopAccess> = BTreeMap::new();
    for shop in shops {
        accesses.insert(shop.mall.id, shop.access(engine).await?);
    }
    let mut chains = Vec::new();
    for (mall, order_sn) in platform.order(&malls, options.orders).await? {
        let access = accesses.get(&mall).cloned().context("an order of no mall")?;
        chains.push((access, order_sn.parse::<OrderSn>()?));
    }
    // Interleaved as buyers are: not one mall after the other.
    let stride = options.orders.max(1);
    let chains: Vec<_> = (0..stride).flat_map(|n| chains.iter().skip(n).step_by(stride).cloned()).collect();
    let chains = Arc::new(chains);

    let watched = [platform.process.watched()];
    let cpu = CpuWatch::begin(&watched);
    let reads = race(engine, &chains, options.concurrency, Work::Read).await?;
    cpu.tell("bare reads");
    let cpu = CpuWatch::begin(&watched);
    let whole = race(engine, &chains, options.concurrency, Work::Chain).await?;
    cpu.tell("bare chains");
    Ok((whole, reads))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    Read,
    Chain,
}

/// Does the work for all orders, so many at once; returns orders a second.
async fn race(
    engine: &Engine,
    chains: &Arc<Vec<(ShopAccess, OrderSn)>>,
    concurrency: usize,
    work: Work,
) -> Result<f64> {
    let next = Arc::new(AtomicUsize::new(0));
    let began = Instant::now();
    let mut lanes = Vec::new();
    for _ in 0..concurrency.max(1) {
        let (engine, chains, next) = (engine.clone(), Arc::clone(chains), Arc::clone(&next));
        lanes.push(tokio::spawn(async move {
            while let Some((access, order_sn)) = chains.get(next.fetch_add(1, Ordering::Relaxed)) {
                engine.market.order(access, order_sn).await?;
                if work == Work::Chain {
                    let hand_over = HandOver::Vouchers {
                        order_sn: order_sn.clone(),
                        out_biz_no: order_sn.as_str().to_owned(),
                        vouchers: vec![Voucher {
                            id: format!("V{order_sn}"),
                            number: format!("KF{order_sn} 0123456789012345").as_str().into(),
                        }],
                    };
                    let call = engine.market.prepare_hand_over(&hand_over);
                    engine.market.hand_over(access, &call, engine.now() + Duration::from_secs(5)).await?;
                }
            }
            Ok::<(), anyhow::Error>(())
        }));
    }
    for lane in lanes {
        lane.await??;
    }
    Ok(chains.len() as f64 / began.elapsed().as_secs_f64())
}
