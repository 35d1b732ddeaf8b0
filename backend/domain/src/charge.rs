//! Charge orders: SUCCESS is reported only after a fulfiller said that it charged; FAIL, which refunds, never by itself.

use chrono::{DateTime, Utc};
use kamiflow_kernel::{DeliveryMethod, DeliveryState, OrderSn, Permission, ReasonCode, ShopId};
use kamiflow_store::charge_requests::{self, Charged};
use kamiflow_store::deliveries::{self, DeliveryRow};
use kamiflow_store::exceptions::{self, NewException};
use kamiflow_store::{StoreError, TenantTx};
use serde_json::json;

use crate::acts;
use crate::ctx::{Ctx, Denied};
use crate::engine::{Engine, Wake};
use crate::shop_access::Shop;

/// Lets charge deliveries pass whose charge was made, and asks for the charges of the others.
///
/// # Errors
/// When the store fails.
pub(crate) async fn only_charged<T>(
    tx: &mut TenantTx,
    shop: &Shop,
    ready: Vec<T>,
    row_of: impl for<'a> Fn(&'a T) -> &'a DeliveryRow,
    now: DateTime<Utc>,
) -> Result<Vec<T>, StoreError> {
    let is_charge = |row: &DeliveryRow| matches!(row.method(), Ok(DeliveryMethod::ChargeNotify));
    let ids: Vec<_> = ready.iter().map(&row_of).filter(|row| is_charge(row)).map(DeliveryRow::id).collect();
    if ids.is_empty() {
        return Ok(ready);
    }
    let states = charge_requests::list(tx, &ids).await?;
    let state_of =
        |row: &DeliveryRow| states.iter().find(|state| state.delivery_id == row.id).map(|state| state.state.as_str());
    let (passing, held): (Vec<T>, Vec<T>) = ready.into_iter().partition(|item| {
        let row = row_of(item);
        !is_charge(row) || state_of(row) == Some("charged")
    });
    let mut asks = Vec::new();
    let mut news = Vec::new();
    for item in &held {
        let row = row_of(item);
        let failed = state_of(row) == Some("failed");
        if state_of(row).is_none() {
            asks.push((row.id(), row.id.simple().to_string()));
        }
        news.push(NewException {
            shop: shop.access.shop,
            order: Some((row.order(), row.order_sn.clone())),
            code: if failed { ReasonCode::ChargeFailed } else { ReasonCode::AwaitingFulfiller },
            needs_review: failed,
            detail: json!({ "quantity": row.lines_expected }),
        });
    }
    charge_requests::insert(tx, &asks, now).await?;
    exceptions::open(tx, &news).await?;
    let sns: Vec<&str> = held.iter().map(|item| row_of(item).order_sn.as_str()).collect();
    deliveries::due::reschedule(tx, shop.access.shop, &sns, None).await?;
    Ok(passing)
}

/// What a fulfiller reports.
#[derive(Debug, Clone)]
pub struct ReportCharge {
    /// In which shop.
    pub shop: ShopId,
    /// For which order.
    pub order_sn: OrderSn,
    /// Whether the charge was made.
    pub charged: Charged,
    /// What proves it: a transaction number, a time; never buyer data.
    pub proof: serde_json::Value,
}

/// Why a report was not taken.
#[derive(Debug, thiserror::Error)]
pub enum ReportChargeError {
    /// There is no charge to report on.
    #[error("order {0} has no charge that waits for an answer")]
    NothingToReport(OrderSn),
    /// The actor may not do it.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
}

/// Takes a fulfiller's report; a charge that was made is reported to the platform by the next tick.
///
/// # Errors
/// When the order is not a charge order of this shop, or its charge was reported as made before.
pub async fn report(engine: &Engine, ctx: &Ctx, report: &ReportCharge) -> Result<Vec<Wake>, ReportChargeError> {
    ctx.require(Permission::HandleOrders)?;
    ctx.sees(report.shop)?;
    let nothing = || ReportChargeError::NothingToReport(report.order_sn.clone());
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    let sn = report.order_sn.as_str();
    let row = deliveries::lock_waiting(&tx, report.shop, &[sn]).await?.pop().ok_or_else(nothing)?;
    let open = matches!(row.state(), Ok(DeliveryState::Pending | DeliveryState::Reserved));
    if !open || !charge_requests::answer(&mut tx, row.id(), report.charged, &report.proof, ctx.now).await? {
        return Err(nothing());
    }
    let wakes = match report.charged {
        Charged::Yes => {
            let waiting = [ReasonCode::AwaitingFulfiller, ReasonCode::ChargeFailed];
            exceptions::resolve(&tx, report.shop, &[sn], &waiting, "charged").await?;
            vec![Wake::Deliver(report.shop)]
        }
        Charged::No => Vec::new(),
    };
    // Due in both cases: a failed charge becomes an exception that asks a person.
    deliveries::due::reschedule(&mut tx, report.shop, &[sn], Some(ctx.now)).await?;
    let detail = json!({ "charged": report.charged == Charged::Yes });
    acts::record(&mut tx, ctx, "charge.report", row.order().id, detail).await?;
    tx.commit().await?;
    Ok(wakes)
}
