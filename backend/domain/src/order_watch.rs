//! Tells of orders whose latest shipping time nears while nothing was handed over, and again when it has passed.
//!
//! Once each per order: a person who closed the first is asked again only when the time is past, and then not any more.
//! What is handed over or closed takes its exception along in the same transaction; whatever else ends the hurry (more
//! time, a refund, a risk review) is noticed here.

use chrono::{DateTime, TimeDelta, Utc};
use kamiflow_kernel::{ReasonCode, ShopId};
use kamiflow_store::exceptions::{self, NewException};
use kamiflow_store::order_events::{self, NewEvent};
use kamiflow_store::ship_by::{self, LateOrder};
use kamiflow_store::system::OwnedShop;
use kamiflow_store::{StoreError, rollups};
use serde_json::json;

use crate::ctx::Ctx;
use crate::engine::Engine;

/// Orders of one look at a shop; the next look sees the others.
const MOST_ORDERS: i64 = 500;

/// What a look at a shop changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Told {
    /// Orders whose time nears.
    pub near: usize,
    /// Orders whose time is past.
    pub past: usize,
    /// Exceptions that ended by themselves.
    pub settled: usize,
}

/// Lists the shops of all merchants that [`look`] has something to do in, at most `limit`.
///
/// # Errors
/// When the store fails.
pub async fn list_shops(engine: &Engine, limit: i32) -> Result<Vec<OwnedShop>, StoreError> {
    let now = engine.now();
    // Ids only; each shop is then looked at in its merchant's own transaction.
    let mut tx = engine.store.system_tx().await?;
    let shops = ship_by::list_shops(&mut tx, near(engine, now), now, limit).await?;
    tx.commit().await?;
    Ok(shops)
}

/// Tells of a shop's orders that must be handed over soon or should have been, and takes back what is settled.
///
/// # Errors
/// When the store fails.
pub async fn look(engine: &Engine, ctx: &Ctx, shop: ShopId) -> Result<Told, StoreError> {
    let (now, near) = (ctx.now, near(engine, ctx.now));
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    let settled = ship_by::resolve_settled(&mut tx, shop, near, now).await?;
    let late = ship_by::list_untold(&mut tx, shop, near, now, MOST_ORDERS).await?;
    let (past, nearing): (Vec<&LateOrder>, Vec<&LateOrder>) = late.iter().partition(|order| order.last_ship_at <= now);

    let past_sns: Vec<&str> = past.iter().map(|order| order.order_sn.as_str()).collect();
    ship_by::update_past(&mut tx, shop, &past_sns).await?;
    let news: Vec<NewException> = late.iter().map(|order| exception(shop, order, now)).collect();
    let opened = exceptions::open(&mut tx, &news).await?;
    let events: Vec<NewEvent> = late
        .iter()
        .map(|order| NewEvent { order: order.order(), kind: "ship_by_near", detail: detail(order, now) })
        .collect();
    order_events::append(&tx, now, &events).await?;
    rollups::add(&mut tx, shop, now, &[("exceptions", i64::try_from(opened).unwrap_or(i64::MAX))]).await?;
    let told = Told { near: nearing.len(), past: past.len(), settled };
    tx.commit().await?;
    Ok(told)
}

fn near(engine: &Engine, now: DateTime<Utc>) -> DateTime<Utc> {
    let notice = TimeDelta::from_std(engine.config.ship_by_notice).unwrap_or(TimeDelta::hours(2));
    now + notice
}

fn exception(shop: ShopId, order: &LateOrder, now: DateTime<Utc>) -> NewException {
    NewException {
        shop,
        order: Some((order.order(), order.order_sn.clone())),
        code: ReasonCode::ShipByNear,
        // While the time only nears, stock or a retry may still come by themselves; past it, a person must know.
        needs_review: order.last_ship_at <= now,
        detail: detail(order, now),
    }
}

fn detail(order: &LateOrder, now: DateTime<Utc>) -> serde_json::Value {
    json!({ "last_ship_at": order.last_ship_at, "past": order.last_ship_at <= now, "state": order.state })
}
