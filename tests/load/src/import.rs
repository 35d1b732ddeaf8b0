//! `bench import`: a file of cards into an empty pool, sealed, checked for duplicates, each with its ledger entry.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, ensure};
use clap::Args;
use kamiflow_domain::engine::{Engine, EngineConfig};
use kamiflow_kernel::Clock;
use kamiflow_pinduoduo::limits::{CallBudget, NoBudget};
use kamiflow_pinduoduo::marketplace::PinduoduoMarket;
use kamiflow_runtime::clock::SystemClock;
use kamiflow_store::card_uses;
use kamiflow_test_support::fleet::{empty_pool, insert_merchant};
use kamiflow_test_support::program::note;
use serde::Serialize;

use crate::at_least_one;
use crate::fleet::{self, FLEET};
use crate::measure::{CpuWatch, Watched, median, rounded};
use crate::servers::Servers;

const DATABASE: &str = "bench_import";

/// Options of `bench import`.
#[derive(Args)]
pub(crate) struct Options {
    /// Cards in the file.
    #[arg(long, value_name = "N", value_parser = at_least_one(), default_value_t = 100_000)]
    rows: usize,
}

/// What was measured.
#[derive(Serialize)]
pub(crate) struct Figures {
    rows: usize,
    seconds: f64,
}

/// Measures.
pub(crate) async fn run(servers: &Servers, options: &Options, runs: u32) -> Result<Figures> {
    let mut seconds = Vec::new();
    for run in 1..=runs {
        let took = once(servers, options.rows).await?;
        note(format_args!("Run {run} of {runs}: {} cards in {took:.2} s", options.rows));
        seconds.push(took);
    }
    servers.drop_database(DATABASE).await?;
    Ok(Figures { rows: options.rows, seconds: rounded(median(seconds), 3) })
}

async fn once(servers: &Servers, rows: usize) -> Result<f64> {
    servers.fresh_database(DATABASE).await?;
    let engine = offline_engine(servers, DATABASE)?;
    let merchant = insert_merchant(&engine.store, "导入", 15).await?;
    let pool = empty_pool(&engine.store, merchant, "cards").await?;
    let file = fleet::card_file(rows);

    let cpu = CpuWatch::begin(&[("postgres", Watched::Family(servers.postgres.pid()))]);
    let began = Instant::now();
    let imported = fleet::import(&engine, merchant, pool, file).await?;
    let took = began.elapsed().as_secs_f64();
    cpu.tell("the import");

    ensure!(imported.accepted == u64::try_from(rows)?, "{} of {rows} cards arrived", imported.accepted);
    let mut tx = engine.store.tenant_tx(merchant).await?;
    let broken = card_uses::count_broken_chains(&mut tx).await?;
    ensure!(broken == 0, "{broken} cards have no sound ledger");
    Ok(took)
}

/// Returns an engine without a platform: an import asks none, and neither do accounts.
pub(crate) fn offline_engine(servers: &Servers, database: &str) -> Result<Engine> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let budget: Arc<dyn CallBudget> = Arc::new(NoBudget);
    Ok(Engine {
        store: FLEET.store(servers.app_url(database), 4)?,
        market: Arc::new(PinduoduoMarket::new([], &clock, &budget)?),
        clock,
        config: Arc::new(EngineConfig::default()),
    })
}
