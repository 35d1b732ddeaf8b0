//! Somebody says that an order's codes were used: the merchant's own system, the pick-up page, or a person.

use chrono::{DateTime, Utc};
use kamiflow_kernel::{DeliveryId, LineId, OrderSn, OrderState, Permission, RedemptionMethod, SecretText, ShopId};
use kamiflow_store::order_events::{self, NewEvent};
use kamiflow_store::orders::{self, OrderKey};
use kamiflow_store::redemptions::{self, acts};
use kamiflow_store::{StoreError, TenantTx, deliveries};
use serde_json::json;

use crate::acts as audited;
use crate::ctx::{Ctx, Denied};
use crate::engine::{Engine, Wake};
use crate::redeem::{self, Delivered};

/// A report of use.
#[derive(Debug, Clone)]
pub struct ReportUse {
    /// In which shop.
    pub shop: ShopId,
    /// Of which order.
    pub order_sn: OrderSn,
    /// When the code was used; never later than now.
    pub used_at: DateTime<Utc>,
    /// Codes the platform made and the buyer showed; they are what OTA redemption needs.
    pub codes: Vec<SecretText>,
}

/// Why a report is refused.
#[derive(Debug, thiserror::Error)]
pub enum ReportUseError {
    /// No such order in this shop.
    #[error("the order was not found")]
    NotFound,
    /// Nothing was delivered yet.
    #[error("the order is not delivered yet")]
    NotDelivered,
    /// A use in the future.
    #[error("the time of use is in the future")]
    InFuture,
    /// More codes than the order has lines without one.
    #[error("the order takes {room} codes at most")]
    TooManyCodes {
        /// Lines without a code.
        room: usize,
    },
    /// The actor may not do it.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
}

/// Records a use and lets the rules look at the order again. A second report changes nothing.
///
/// # Errors
/// When the order is unknown or not delivered, or the report contradicts it.
pub async fn report(engine: &Engine, ctx: &Ctx, report: &ReportUse) -> Result<Vec<Wake>, ReportUseError> {
    ctx.require(Permission::Redeem)?;
    ctx.sees(report.shop)?;
    if report.used_at > ctx.now {
        return Err(ReportUseError::InFuture);
    }
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    let order = lock(&mut tx, report.shop, &report.order_sn).await?;
    let delivery = deliveries::find_by_sn(&mut tx, report.shop, report.order_sn.as_str()).await?;
    let delivery = delivery.filter(|row| row.delivered_at.is_some()).ok_or(ReportUseError::NotDelivered)?;

    let told = keep_codes(&mut tx, delivery.id(), &report.codes).await?;
    plan_told(&mut tx, report, &delivery, &told, ctx.now).await?;
    let told = told.len();
    let first = acts::record_use(&mut tx, order, report.used_at).await?;
    if !first && told == 0 {
        return Ok(Vec::new());
    }
    let detail = json!({ "by": ctx.actor.name(), "used_at": report.used_at, "codes": told });
    order_events::append(&tx, ctx.now, &[NewEvent { order, kind: "use_reported", detail }]).await?;
    let detail = json!({ "order_sn": report.order_sn, "used_at": report.used_at, "codes": told });
    let wakes = wake(&mut tx, ctx, report.shop, &report.order_sn).await?;
    audited::record(&mut tx, ctx, "redemption.report_use", order.id, detail).await?;
    tx.commit().await?;
    Ok(wakes)
}

/// Records that the buyer saw the codes, and lets the rules look at the order again. Only the first time counts.
///
/// # Errors
/// When the order is unknown.
pub async fn seen_by_buyer(
    engine: &Engine,
    ctx: &Ctx,
    shop: ShopId,
    order_sn: &OrderSn,
) -> Result<Vec<Wake>, ReportUseError> {
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    let order = lock(&mut tx, shop, order_sn).await?;
    if !acts::record_seen(&mut tx, order, ctx.now).await? {
        return Ok(Vec::new());
    }
    let detail = json!({ "by": ctx.actor.name() });
    order_events::append(&tx, ctx.now, &[NewEvent { order, kind: "seen_by_buyer", detail }]).await?;
    let wakes = wake(&mut tx, ctx, shop, order_sn).await?;
    tx.commit().await?;
    Ok(wakes)
}

async fn lock(tx: &mut TenantTx, shop: ShopId, order_sn: &OrderSn) -> Result<OrderKey, ReportUseError> {
    let rows = orders::lock_by_sn(tx, shop, std::slice::from_ref(order_sn)).await?;
    rows.first().map(orders::OrderRow::key).ok_or(ReportUseError::NotFound)
}

/// Puts codes on the lines that have none; a code that is known already is the same report again. Returns the lines
/// whose codes are new.
async fn keep_codes(
    tx: &mut TenantTx,
    delivery: DeliveryId,
    codes: &[SecretText],
) -> Result<Vec<LineId>, ReportUseError> {
    if codes.is_empty() {
        return Ok(Vec::new());
    }
    let mut free = Vec::new();
    let mut known = Vec::new();
    for line in acts::list_platform_lines(tx, delivery).await? {
        match line.code() {
            Some(sealed) => known.push(redeem::open_code(tx, sealed).await?),
            None => free.push(line.line()),
        }
    }
    let mut new: Vec<&SecretText> = Vec::new();
    for code in codes {
        if !known.contains(code) && !new.contains(&code) {
            new.push(code);
        }
    }
    if new.len() > free.len() {
        return Err(ReportUseError::TooManyCodes { room: free.len() });
    }
    let mut told = Vec::new();
    for (line, code) in free.into_iter().zip(new) {
        if acts::set_platform_code(tx, line, code.expose().as_bytes()).await? {
            told.push(line);
        }
    }
    Ok(told)
}

/// Lines whose code was not known had nothing to redeem until now.
async fn plan_told(
    tx: &mut TenantTx,
    report: &ReportUse,
    delivery: &deliveries::DeliveryRow,
    told: &[LineId],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let method = delivery.redemption()?;
    if told.is_empty() || method == RedemptionMethod::None {
        return Ok(());
    }
    let order = delivery.order();
    let delivered = Delivered {
        shop: report.shop,
        delivery: delivery.id(),
        order_day: order.day,
        order_id: order.id,
        order_sn: report.order_sn.clone(),
        method,
        lines: told.to_vec(),
    };
    redeem::plan(tx, &[delivered], now).await?;
    let (from, to) = (OrderState::Delivered, OrderState::AwaitingRedemption);
    orders::transition(tx, &[order], &[from], to, "redemption_planned").await?;
    Ok(())
}

async fn wake(tx: &mut TenantTx, ctx: &Ctx, shop: ShopId, order_sn: &OrderSn) -> Result<Vec<Wake>, ReportUseError> {
    let woken = redemptions::wake_orders(tx, shop, std::slice::from_ref(order_sn), ctx.now).await?;
    Ok(if woken > 0 { vec![Wake::Redeem(shop)] } else { Vec::new() })
}
