//! The deliver tick of one shop: read, reserve, start, send, settle.
//!
//! ```text
//! due hints and deliveries
//!    │ read each order (no transaction)                          ── the push read and the gate's evidence in one call
//!    ▼
//! transaction 1: ingest ▸ lock deliveries ▸ claim cards ▸ lines ▸ attempts 'started'       (reserve)
//!                what is new and may start: claim cards ▸ order, delivery, lines, attempts (at_once)
//!    │ send, concurrently, never after the deadline               ── the only moment a card can leave us
//!    ▼
//! transaction 2: attempts ended ▸ cards sent ▸ deliveries delivered ▸ redemptions planned  (settle)
//! ```
//! **A crash** before transaction 1 commits leaves nothing. Between the two, the delivery stays `handing_over` with a
//! due time after which whoever takes it over raises the fence and reads the order back ([`resolve`]); the first
//! worker's late writes then find another fence and write nothing. Transaction 2 may run any number of times.
//!
//! **Batches**: up to [`EngineConfig::batch`](crate::engine::EngineConfig) orders of one shop share both transactions.
//! If the first one fails, its orders are tried one by one, so that one bad order never holds up the others.

mod admission;
mod at_once;
mod claim;
mod payload;
mod reserve;
mod resolve;
mod send;
mod settle;
mod starts;

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::stream::{self, StreamExt};
use futures_util::try_join;
use kamiflow_kernel::{MerchantId, OrderSn, ShopId, ShopState};
use kamiflow_store::deliveries::due::DueDelivery;
use kamiflow_store::order_hints::HintRow;
use kamiflow_store::pauses::PausedLevels;
use kamiflow_store::{StoreError, deliveries, order_hints, stock_waits};

pub(crate) use reserve::count_failure;
use settle::DueAgain;

use crate::engine::{Engine, EngineError, TickOutcome, Wake};
use crate::gate::Evidence;
use crate::ingest;
use crate::market_trouble;
use crate::marketplace::{ErrorClass, MarketError, PlatformOrder};
use crate::pause_check::Paused;
use crate::platform_pool;
use crate::shop_access::{self, Shop};

/// Longest read of an order: what is left of the evidence's two seconds is for the transaction that starts it.
const SLOWEST_READ: Duration = Duration::from_millis(1_500);

/// One of so many places of a batch is kept for hints.
const HINTS_SHARE: usize = 4;

/// An order that was read a moment ago.
#[derive(Debug, Clone)]
pub(crate) struct Fresh {
    /// What the platform says.
    pub(crate) order: PlatformOrder,
    /// What the gate looks at.
    pub(crate) evidence: Evidence,
}

/// The circumstances of one transaction of a tick.
#[derive(Clone, Copy)]
struct Turn<'a> {
    engine: &'a Engine,
    shop: &'a Shop,
    now: DateTime<Utc>,
}

impl Turn<'_> {
    /// Until when an attempt that starts now may leave this machine.
    fn send_deadline(&self) -> DateTime<Utc> {
        self.now + self.engine.config.send_deadline
    }

    /// When somebody may ask how an attempt ended that starts now and of which nothing more was heard.
    fn resolve_at(&self) -> DateTime<Utc> {
        self.send_deadline() + self.engine.config.resolve_after
    }
}

struct Work {
    shop: Shop,
    hints: Vec<HintRow>,
    to_read: Vec<OrderSn>,
    unresolved: Vec<String>,
}

/// Runs one tick: at most a batch of orders.
///
/// # Errors
/// When the store fails, or the platform refuses the shop as a whole.
pub async fn tick(engine: &Engine, merchant: MerchantId, shop: ShopId) -> Result<TickOutcome, EngineError> {
    let work = look(engine, merchant, shop).await?;
    let mut outcome = TickOutcome::default();
    if !market_trouble::may_call(&work.shop) {
        return Ok(outcome);
    }
    for order_sn in &work.unresolved {
        match resolve::one(engine, &work.shop, order_sn, &mut outcome.wakes).await {
            Ok(looked) => outcome.done += usize::from(looked),
            // Its turn comes again when the resolver's time is over; the others must not wait for it.
            Err(EngineError::Store(error)) if !is_about_us(&error) => {
                tracing::error!(order.sn = %order_sn, error = ?error, "An order could not be resolved");
            }
            Err(error) => return Err(error),
        }
    }
    let fresh = read_all(engine, &work).await?;
    let due_again = hand_over(engine, &work.shop, fresh, &mut outcome).await?;
    // Whatever of this shop is still due comes back at the tail of the queue.
    outcome.wakes.retain(|wake| *wake != Wake::Deliver(shop));
    outcome.next = match due_again {
        Some(DueAgain(due)) => due,
        None => next(engine, merchant, shop).await?,
    };
    Ok(outcome)
}

async fn look(engine: &Engine, merchant: MerchantId, shop: ShopId) -> Result<Work, EngineError> {
    let now = engine.now();
    let limit = i64::try_from(engine.config.batch).unwrap_or(50);
    let mut tx = engine.store.tenant_tx(merchant).await?;
    let unpaused = PausedLevels::default();
    let (mut paused, opened, mut due, hints) = try_join!(
        Paused::load(&tx, now),
        shop_access::open(&tx, shop),
        deliveries::due::list_due(&tx, shop, now, &unpaused, limit),
        order_hints::list_due(&tx, shop, now, limit),
    )?;
    if !paused.is_empty() {
        // Work is put off below for what is paused: kept so, or an end of the pause that makes it due would be overtaken.
        paused = Paused::keep(&mut tx, now).await?;
    }
    // What is paused costs no read: it is put off here, however much it is, and takes nobody's place in the batch. The
    // same goes for what was decided before a shop went back to trial run.
    let mut levels = paused.levels_of(shop);
    levels.everything |= opened.state == ShopState::TrialRun;
    if !levels.is_empty() {
        deliveries::due::put_off_paused(&mut tx, shop, now, &levels, paused.look_again(now)).await?;
    }
    if opened.missed_waits {
        stock_waits::take_missed(&mut tx, shop, now).await?;
    }
    if !levels.is_empty() || opened.missed_waits {
        due = deliveries::due::list_due(&tx, shop, now, &levels, limit).await?;
    }
    tx.commit().await?;
    let (unresolved, deliverable): (Vec<_>, Vec<_>) = due.into_iter().partition(DueDelivery::is_unresolved);
    let to_read = share(engine.config.batch, &deliverable, &hints);
    let unresolved = unresolved.into_iter().map(|due| due.order_sn).collect();
    Ok(Work { shop: opened, hints, to_read, unresolved })
}

/// Chooses what a batch reads: deliveries first, but never without a place for hints. A hint may be a refund that one of
/// those deliveries must not miss, and a backlog can be long.
fn share(batch: usize, deliverable: &[DueDelivery], hints: &[HintRow]) -> Vec<OrderSn> {
    let due: BTreeSet<&str> = deliverable.iter().map(|due| due.order_sn.as_str()).collect();
    let hints: Vec<&str> =
        hints.iter().map(|hint| hint.order_sn.as_str()).filter(|order_sn| !due.contains(order_sn)).collect();
    let kept = hints.len().min(batch / HINTS_SHARE);
    deliverable
        .iter()
        .map(|due| due.order_sn.as_str())
        .take(batch.saturating_sub(kept))
        .chain(hints)
        .filter_map(|order_sn| order_sn.parse().ok())
        .take(batch)
        .collect()
}

async fn read_all(engine: &Engine, work: &Work) -> Result<Vec<Fresh>, EngineError> {
    let access = &work.shop.access;
    // Collected first: a stream over a closure that borrows cannot be shown to be `Send`.
    let reads: Vec<_> = work
        .to_read
        .iter()
        .map(|order_sn| async move {
            let read_at = engine.now();
            let read = tokio::time::timeout(SLOWEST_READ, engine.market.order(access, order_sn)).await;
            (order_sn, read_at, read.unwrap_or_else(|_elapsed| Err(too_slow())))
        })
        .collect();
    let mut reads = stream::iter(reads).buffer_unordered(engine.config.batch.max(1));
    let mut fresh = Vec::with_capacity(work.to_read.len());
    let mut failed: Vec<(&OrderSn, DateTime<Utc>, MarketError)> = Vec::new();
    while let Some((order_sn, read_at, result)) = reads.next().await {
        match result {
            Ok(order) => fresh.push(Fresh { evidence: Evidence::of(&order, read_at), order }),
            Err(error) => failed.push((order_sn, read_at, error)),
        }
    }
    for (order_sn, read_at, error) in failed {
        put_off(engine, work, order_sn, read_at, &error).await?;
    }
    Ok(fresh)
}

/// One slow order must not make the evidence of its whole batch too old; it is read again by a later tick.
fn too_slow() -> MarketError {
    MarketError {
        api: "order".to_owned(),
        class: ErrorClass::RetryLater,
        code: 0,
        sub_code: String::new(),
        message: "the read took longer than the gate waits".to_owned(),
        after: None,
    }
}

/// An order that could not be read keeps its place: its hint and its delivery are due again later.
async fn put_off(
    engine: &Engine,
    work: &Work,
    order_sn: &OrderSn,
    read_at: DateTime<Utc>,
    error: &MarketError,
) -> Result<(), EngineError> {
    let shop = work.shop.access.shop;
    let delay = market_trouble::after_failed_read(engine, &work.shop, error).await?;
    let mut tx = engine.store.tenant_tx(work.shop.access.merchant).await?;
    if let Some(hint) = work.hints.iter().find(|hint| hint.order_sn == order_sn.as_str()) {
        if error.class == ErrorClass::NotFound {
            ingest::defer_fruitless(&mut tx, shop, hint, read_at).await?;
        } else {
            order_hints::defer(&mut tx, shop, hint, read_at + delay).await?;
        }
    }
    deliveries::due::postpone(&mut tx, shop, &[order_sn.as_str()], read_at + delay).await?;
    tx.commit().await?;
    Ok(())
}

/// Returns when the shop is due again, if the last of its transactions has told.
async fn hand_over(
    engine: &Engine,
    shop: &Shop,
    fresh: Vec<Fresh>,
    outcome: &mut TickOutcome,
) -> Result<Option<DueAgain>, EngineError> {
    if fresh.is_empty() {
        return Ok(None);
    }
    let reserved = match reserve::batch(engine, shop, &fresh).await {
        Ok(reserved) => reserved,
        Err(error) if fresh.len() > 1 && !is_about_us(&error) => {
            tracing::warn!(shop.id = %shop.access.shop, error = %error, "A batch failed; its orders are tried one by one");
            one_by_one(engine, shop, &fresh).await?
        }
        Err(error) => return Err(error.into()),
    };
    outcome.wakes.extend(reserved.wakes);
    outcome.done += reserved.moved + reserved.started.len() + reserved.to_link.len();
    let sent = send::all(engine, shop, reserved.started).await;
    let due_again = settle::all(engine, shop, sent, &mut outcome.wakes).await?;
    if reserved.to_link.is_empty() {
        return Ok(due_again);
    }
    platform_pool::link_all(engine, shop, reserved.to_link, &mut outcome.wakes).await?;
    Ok(None)
}

async fn one_by_one(engine: &Engine, shop: &Shop, fresh: &[Fresh]) -> Result<reserve::Reserved, StoreError> {
    let mut all = reserve::Reserved::default();
    for order in fresh {
        match reserve::batch(engine, shop, std::slice::from_ref(order)).await {
            Ok(one) => all.append(one),
            // What is started is ours to send, whatever happens to the rest.
            Err(error) if is_about_us(&error) && all.started.is_empty() => return Err(error),
            Err(error) if is_about_us(&error) => break,
            // The order's hint and delivery stay due; poison is counted so that it does not spin.
            Err(error) => {
                tracing::error!(order.sn = %order.order.order_sn, error = ?error, "An order could not be reserved");
                reserve::count_failure(engine, shop, &order.order.order_sn).await?;
            }
        }
    }
    Ok(all)
}

/// Whether the failure would meet any order: no use in trying the next one.
fn is_about_us(error: &StoreError) -> bool {
    error.is_connection_lost()
}

async fn next(engine: &Engine, merchant: MerchantId, shop: ShopId) -> Result<Option<DateTime<Utc>>, EngineError> {
    let tx = engine.store.tenant_tx(merchant).await?;
    let next = deliveries::due::next_due(&tx, shop).await?;
    tx.commit().await?;
    Ok(next)
}

/// Whether the shop hands anything over at all.
pub(crate) fn is_live(shop: &Shop) -> bool {
    shop.state == ShopState::Live
}
