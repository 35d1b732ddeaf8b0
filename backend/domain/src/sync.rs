//! The sync tick of one shop: everything that happens to its orders is seen, and it is proved which part was read.
//!
//! ```text
//!                    watermark                    platform now − lag        platform now
//!        ───────────────┼──────────────────────────────┼─────────────────────────┼────►  update time
//! window          [overlap──────────────────────────►──]        proves; moves the watermark
//! peek                                                    [─────────────────────►]  finds quickly; proves nothing
//! ```
//! Push is faster than both and promises nothing; it only makes an order be read (`push_hint`). **The peek** looks at
//! the latest updates up to now, first page first, and stops after a few pages. **The window** ends a lag behind the
//! platform's clock, because the platform's list is late itself; it is read from the last page to the first
//! ([`window`]), and only a window that is complete moves the watermark. One that is not is read again, never skipped:
//! after a few times the shop waits like after any other failure. Windows with too many orders are bisected.
//! **After-sales** have windows of their own, and each that tells something new hints its order.
//!
//! **A crash** loses nothing: pages are stored one by one through [`ingest`](crate::ingest), which may run any number
//! of times, and watermark and coverage move together in the last transaction of the tick.
//!
//! **A gap** between the spans of the coverage ledger cannot come from here; if it is there all the same (a restored
//! or edited database), the tick that opens the next span finds it, opens an exception, and moves the watermark back
//! to its start, so that the ordinary windows close it.

mod interval;
mod missed;
mod pages;
pub mod plan;
mod read;
mod settle;
mod trouble;
pub mod window;

pub(crate) use missed::Missed;
pub use missed::{DifferingOrder, MissedOrder, MissedRefund, StatusChange};
pub(crate) use pages::{Pages, PartRead, Purpose, may_list_refunds};
pub(crate) use trouble::{Stop, Trouble};

use futures_util::try_join;
use kamiflow_kernel::{MerchantId, ShopId};
use kamiflow_store::shop_sync::{self, ShopSyncRow};

use crate::engine::{Engine, EngineError, TickOutcome};
use crate::market_trouble;
use crate::shop_access::{self, Shop};
use read::Round;

/// A shop, and where its reading stands.
struct Work {
    shop: Shop,
    sync: ShopSyncRow,
}

/// Runs one tick: a peek, the windows that are due, and those of after-sales.
///
/// # Errors
/// When the store fails. What the platform refuses is dealt with here and decides when the shop is due again.
pub async fn tick(engine: &Engine, merchant: MerchantId, shop: ShopId) -> Result<TickOutcome, EngineError> {
    let started = engine.now();
    let tx = engine.store.tenant_tx(merchant).await?;
    let (opened, sync) = try_join!(shop_access::open(&tx, shop), shop_sync::fetch(&tx, shop))?;
    tx.commit().await?;
    if !market_trouble::may_call(&opened) {
        market_trouble::tell_stopped(engine, &opened).await?;
        return Ok(TickOutcome::default());
    }
    if let Some(until) = sync.breaker_until.filter(|until| *until > started) {
        return Ok(TickOutcome { next: Some(until), ..TickOutcome::default() });
    }
    let work = Work { shop: opened, sync };
    let mut round = Round::begin(&work.sync, started);
    let end = match read::read(engine, &work, &mut round).await {
        Ok(()) => Ok(()),
        Err(Stop::Trouble(trouble)) => Err(trouble),
        Err(Stop::Store(error)) => return Err(error.into()),
    };
    settle::round(engine, &work, round, end).await
}
