//! `kamiflow reconcile`: reads a range of shops' history again, and tells what had been missed.

mod moment;
mod screen;

use std::time::Duration;

use anyhow::{Result, anyhow};
use chrono::{DateTime, Utc};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use kamiflow_domain::ctx::{Actor, Ctx};
use kamiflow_domain::engine::Engine;
use kamiflow_domain::reconcile::{Mode, ReconcileError, ReconcileShop, Reconciliation, Report, Step};
use kamiflow_kernel::{GatewayKind, MallId, MerchantId, ShopId, ShopState};
use kamiflow_queue::Queue;
use kamiflow_runner::Waker;
use kamiflow_runtime::config::{self, Database, Gateway, Keyring, ProcessEnv, Redis, Worker};
use kamiflow_runtime::shutdown;
use kamiflow_store::{restored_shops, shops, system};
use serde::Serialize;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::moment::Moment;
use crate::connect;
use crate::console::{Console, chain};
use crate::exit::{Exit, NotFound, WrongUsage};
use crate::platform::Platform;

pub(crate) const EXAMPLES: &str = "\
Examples:
  kamiflow reconcile --shop shop_0190… --from '2026-11-20 08:00' --to '2026-11-20 12:00'
  kamiflow reconcile --shop 100000001 --from 6h            # a mall's number; the last six hours
  kamiflow reconcile --all-shops --from 2d --dry-run       # tells, and changes nothing
  kamiflow reconcile --restored                            # after `kamiflow restore`, 3 minutes later or more

Times are Beijing time, RFC 3339 with an offset, or an age (90m, 6h, 3d). The platform tells the last 90 days. What is
found is stored and delivered like any order, once; a second run finds nothing. Ctrl-C ends it after the window that is
being read and says where to go on. Exits with 1 when a shop could not be read to the end.";

/// Shops of a merchant that are listed at once.
const PAGE: i64 = 500;

/// Options of `kamiflow reconcile`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The shop: its id, or the number of its mall.
    #[arg(long, value_name = "SHOP", required_unless_present_any = ["all_shops", "restored"])]
    shop: Option<String>,

    /// Every connected shop, one after another.
    #[arg(long, conflicts_with_all = ["shop", "restored"])]
    all_shops: bool,

    /// Every shop that was restored from a backup and not reconciled since, from its snapshot on.
    #[arg(long, conflicts_with_all = ["shop", "from", "to"])]
    restored: bool,

    /// Reads what was updated from here on.
    #[arg(long, value_name = "TIME", required_unless_present = "restored")]
    from: Option<Moment>,

    /// Reads what was updated until here; otherwise as far as the platform's lists are complete.
    #[arg(long, value_name = "TIME")]
    to: Option<Moment>,

    /// Only tells what is missing or differs.
    #[arg(long)]
    dry_run: bool,
}

/// A shop to read.
struct Target {
    merchant: MerchantId,
    shop: ShopId,
    from: DateTime<Utc>,
}

/// How one shop went.
#[derive(Serialize)]
struct Outcome {
    shop: ShopId,
    /// None: nothing was read.
    report: Option<Report>,
    /// None: everything was read.
    error: Option<String>,
}

/// What the command works with.
struct Desk {
    engine: Engine,
    queue: Queue,
    gateways: Vec<GatewayKind>,
    stop: CancellationToken,
}

/// Reads the shops and tells.
pub(crate) async fn run(options: Options, console: Console) -> Result<Exit> {
    connect::log_quietly()?;
    let (database, redis, keyring, gateway, worker): (Database, Redis, Keyring, Gateway, Worker) =
        config::load(&ProcessEnv)?;
    // Limits are counted in Redis, together with the workers'; without it no call leaves.
    let queue = connect::queue(&redis, &worker).await?;
    let platform =
        Platform { gateway: &gateway, poll_ceiling: worker.poll_ceiling, card_key: None, inside_platform_cloud: false };
    let engine = platform.engine(connect::store(&database, &keyring)?, Some(&queue))?;
    let gateways = gateway.endpoints().map(|endpoint| endpoint.kind()).collect();
    let desk = Desk { engine, queue, gateways, stop: shutdown::on_signals()? };
    let now = desk.engine.now();
    let to = options.to.map(|to| to.at(now));
    let mut outcomes = Vec::new();
    for target in desk.targets(&options, now).await? {
        if desk.stop.is_cancelled() {
            break;
        }
        let outcome = desk.reconcile(&target, to, mode(&options), console).await;
        // One shop by its name: what is wrong with the question is the command's error.
        let outcome = match outcome {
            Err(error) if options.shop.is_some() => return Err(usage(error)),
            Err(error) => Outcome { shop: target.shop, report: None, error: Some(chain(&error.into())) },
            Ok(outcome) => outcome,
        };
        if !console.is_json() {
            screen::show(&outcome, console);
        }
        outcomes.push(outcome);
    }
    if console.is_json() {
        console.print_json(&json!({ "shops": outcomes }))?;
    } else if outcomes.is_empty() {
        console.print(format_args!("There is no shop to reconcile."));
    }
    let is_done = |outcome: &Outcome| outcome.error.is_none() && outcome.report.as_ref().is_some_and(|r| r.complete);
    Ok(if outcomes.iter().all(is_done) && !desk.stop.is_cancelled() { Exit::Done } else { Exit::Failed })
}

const fn mode(options: &Options) -> Mode {
    if options.dry_run { Mode::Compare } else { Mode::Repair }
}

fn usage(error: ReconcileError) -> anyhow::Error {
    match error {
        ReconcileError::Range(error) => WrongUsage(error.to_string()).into(),
        error => error.into(),
    }
}

impl Desk {
    async fn targets(&self, options: &Options, now: DateTime<Utc>) -> Result<Vec<Target>> {
        let from = options.from.map(|from| from.at(now));
        match (&options.shop, from) {
            (Some(name), Some(from)) => {
                let (merchant, shop) = self.find(name).await?;
                Ok(vec![Target { merchant, shop, from }])
            }
            (_, from) => self.list(from).await,
        }
    }

    /// Finds a shop by what an operator calls it.
    async fn find(&self, name: &str) -> Result<(MerchantId, ShopId)> {
        // Whose shop it is; everything else happens in that merchant's transactions.
        let mut tx = self.engine.store.system_tx().await?;
        let found = if let Ok(mall) = name.parse::<i64>() {
            let mut found = None;
            for gateway in &self.gateways {
                let owned = system::list_shops_of_malls(&mut tx, *gateway, &[MallId(mall)]).await?;
                found = found.or_else(|| owned.first().map(|owned| (owned.merchant(), owned.shop())));
            }
            found
        } else {
            let wrong =
                |_error| WrongUsage(format!("--shop `{name}` is neither a shop's id (shop_…) nor a mall's number"));
            let shop: ShopId = name.parse().map_err(wrong)?;
            system::find_merchant_of_shop(&mut tx, shop).await?.map(|merchant| (merchant, shop))
        };
        tx.commit().await?;
        let missing = || {
            NotFound(format!(
                "there is no working shop `{name}`; a stopped shop is found by its id, which `kamiflow status` shows"
            ))
        };
        Ok(found.ok_or_else(missing)?)
    }

    /// Lists connected shops; without a moment those that were restored, each from its own snapshot on.
    async fn list(&self, from: Option<DateTime<Utc>>) -> Result<Vec<Target>> {
        let mut tx = self.engine.store.system_tx().await?;
        let merchants = system::list_merchants(&mut tx).await?;
        tx.commit().await?;
        let mut targets = Vec::new();
        for merchant in merchants {
            let mut tx = self.engine.store.tenant_tx(merchant).await?;
            let mut after = None;
            loop {
                let page = shops::list(&tx, after, PAGE).await?;
                after = page.last().map(|row| row.id);
                for row in page.into_iter().filter(|row| row.state != ShopState::Disconnected) {
                    let from = match from {
                        Some(from) => Some(from),
                        None => restored_shops::find(&mut tx, row.id)
                            .await?
                            .filter(|restored| restored.reconciled_at.is_none())
                            .map(|restored| restored.range().0),
                    };
                    targets.extend(from.map(|from| Target { merchant, shop: row.id, from }));
                }
                if after.is_none() {
                    break;
                }
            }
            tx.commit().await?;
        }
        Ok(targets)
    }

    async fn reconcile(
        &self,
        target: &Target,
        to: Option<DateTime<Utc>>,
        mode: Mode,
        console: Console,
    ) -> Result<Outcome, ReconcileError> {
        let request_id = format!("cli-{}", Uuid::now_v7().simple());
        let ctx = Ctx { actor: Actor::Operator, merchant: target.merchant, request_id, now: self.engine.now() };
        let request = ReconcileShop { shop: target.shop, from: target.from, to, mode };
        let mut run = Reconciliation::begin(&self.engine, &ctx, &request).await?;
        let bar = progress_bar(console, target.shop, run.progress().1);
        let ended = self.read(target.merchant, &mut run, &bar).await;
        bar.finish_and_clear();
        let error = ended.err().map(|error| chain(&anyhow!(error)));
        Ok(Outcome { shop: target.shop, report: Some(run.report()), error })
    }

    /// Steps to the end, or until somebody stops it.
    async fn read(
        &self,
        merchant: MerchantId,
        run: &mut Reconciliation,
        bar: &ProgressBar,
    ) -> Result<(), ReconcileError> {
        while !self.stop.is_cancelled() {
            let step = run.step().await;
            // Also after an error: what was stored before it is due.
            Waker::new(&self.queue).wake(merchant, &run.take_wakes()).await;
            bar.set_position(run.progress().0);
            match step? {
                Step::More => {}
                Step::Wait(pause) => self.pause(pause).await,
                Step::Done => break,
            }
        }
        Ok(())
    }

    async fn pause(&self, pause: Duration) {
        let _rested = self.stop.run_until_cancelled(tokio::time::sleep(pause)).await;
    }
}

fn progress_bar(console: Console, shop: ShopId, windows: u64) -> ProgressBar {
    if !console.is_watched() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(windows);
    if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} windows, {eta} left") {
        bar.set_style(style);
    }
    bar.set_message(shop.to_string());
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
