//! Fills the platform's own stock of a SKU up by itself when it runs low (`platform_pool`).
//!
//! A watch finds what is low and plans a job for each SKU; the job counts again and imports what is missing through
//! [`upload_cards`], whose states make it exactly once. As long as an import into a shop's stock has an unknown outcome,
//! nothing more goes there by itself: otherwise every minute would quarantine more cards.

use chrono::{DateTime, Utc};
use kamiflow_kernel::{MerchantId, Permission, SkuId};
use kamiflow_store::jobs::{self, NewJob};
use kamiflow_store::platform_stock::{self, StockLevel, TopUp};
use kamiflow_store::{StoreError, products};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::acts;
use crate::ctx::{Ctx, Denied};
use crate::engine::{Engine, Wake};
use crate::upload_cards::{MOST_CARDS, UploadCards, UploadError, upload_cards};

/// The job's name.
pub const NAME: &str = "top_up.v1";
/// The most that may be asked to lie in the platform's stock of one SKU.
pub const MOST: i32 = 100_000;

/// The job's payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payload {
    /// The SKU.
    pub sku: SkuId,
}

/// How a SKU's stock is to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetTopUp {
    /// The SKU; it must be mapped to `platform_pool`.
    pub sku: SkuId,
    /// The amounts; `None`: a person imports.
    pub top_up: Option<TopUp>,
}

/// Why the amounts were not stored.
#[derive(Debug, thiserror::Error)]
pub enum SetTopUpError {
    /// The SKU is not mapped to `platform_pool`.
    #[error("sku {0} is not mapped to platform_pool")]
    NotMapped(SkuId),
    /// The amounts make no sense.
    #[error("the stock must be filled up from at least 1 card on, to no less than that, and to {MOST} cards at most")]
    Amounts,
    /// The actor may not do it.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
}

/// Says how much of a SKU is to lie in the platform's stock.
///
/// # Errors
/// See [`SetTopUpError`].
pub async fn set(engine: &Engine, ctx: &Ctx, request: SetTopUp) -> Result<(), SetTopUpError> {
    ctx.require(Permission::MapSkus)?;
    let SetTopUp { sku, top_up } = request;
    if top_up.is_some_and(|TopUp { below, to }| below < 1 || to < below || to > MOST) {
        return Err(SetTopUpError::Amounts);
    }
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    if ctx.shops().is_some() {
        let row = products::fetch_sku(&mut tx, sku).await.map_err(|error| match error {
            StoreError::NotFound(_) => SetTopUpError::NotMapped(sku),
            other => other.into(),
        })?;
        ctx.sees(row.shop).map_err(|_hidden| SetTopUpError::NotMapped(sku))?;
    }
    let before = platform_stock::find_top_up(&mut tx, sku).await?;
    if !platform_stock::update_top_up(&mut tx, sku, top_up).await? {
        return Err(SetTopUpError::NotMapped(sku));
    }
    let shown = |top_up: Option<TopUp>| top_up.map(|TopUp { below, to }| json!({ "below": below, "to": to }));
    let detail = json!({ "before": shown(before), "after": shown(top_up) });
    acts::record(&mut tx, ctx, "sku.top_up", sku, detail).await?;
    tx.commit().await?;
    Ok(())
}

/// Plans a job for each SKU of all merchants whose stock is low, at most `limit`; returns whom to wake, by merchant.
/// A SKU that has a job already, be it one that failed and waits, is left to it.
///
/// # Errors
/// When the store fails.
pub async fn watch(engine: &Engine, limit: i32) -> Result<Vec<(MerchantId, Wake)>, StoreError> {
    // Ids only; each job is planned in its merchant's own transaction.
    let mut tx = engine.store.system_tx().await?;
    let low = platform_stock::list_low(&mut tx, NAME, limit).await?;
    tx.commit().await?;
    let mut wakes = Vec::with_capacity(low.len());
    for owned in low {
        let mut tx = engine.store.tenant_tx(owned.merchant).await?;
        // The schema looks for the job by the SKU's bare id.
        let key = owned.sku.as_uuid().to_string();
        let job = NewJob { name: NAME, key: &key, payload: json!(Payload { sku: owned.sku }), due_at: engine.now() };
        let id = jobs::insert(&mut tx, &job).await?;
        tx.commit().await?;
        wakes.push((owned.merchant, Wake::Job(id)));
    }
    Ok(wakes)
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filled {
    /// So many cards were imported; none: nothing was to be done, or nothing can be done now. The watch looks again.
    Enough(usize),
    /// So many were imported, and one call holds no more.
    More(usize),
    /// An import of another hand is under way: again at this moment.
    Later(DateTime<Utc>),
}

/// Imports what is missing of a SKU, never more than its pool has.
///
/// # Errors
/// [`UploadError::Refused`] when the platform refuses, [`UploadError::NoPassword`] when a card cannot be imported at all,
/// and when the store fails.
pub async fn run(engine: &Engine, ctx: &Ctx, payload: Payload) -> Result<Filled, UploadError> {
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    let level = platform_stock::find_level(&mut tx, payload.sku).await?;
    tx.commit().await?;
    let missing = level.map_or(0, missing);
    if missing == 0 {
        return Ok(Filled::Enough(0));
    }
    let request = UploadCards { sku: payload.sku, count: missing };
    match upload_cards(engine, ctx, request).await {
        Ok(report) => {
            let uploaded = report.uploaded;
            let full = u32::try_from(uploaded).is_ok_and(|uploaded| uploaded < missing && uploaded >= MOST_CARDS);
            Ok(if full { Filled::More(uploaded) } else { Filled::Enough(uploaded) })
        }
        Err(UploadError::UnderWay(_)) => Ok(Filled::Later(engine.now() + engine.config.resolve_after)),
        // Nothing to take, nothing to be taken now, or a person has been asked: the watch says when that has changed.
        Err(
            UploadError::NoStock
            | UploadError::Paused(_)
            | UploadError::ShopNotLive(_)
            | UploadError::NotMapped(_)
            | UploadError::Unknown(_)
            | UploadError::Overtaken(_),
        ) => Ok(Filled::Enough(0)),
        Err(error) => Err(error),
    }
}

/// How many cards are missing.
fn missing(level: StockLevel) -> u32 {
    if level.unknown || level.stock >= i64::from(level.below) {
        return 0;
    }
    u32::try_from(i64::from(level.to) - level.stock).unwrap_or(0)
}
