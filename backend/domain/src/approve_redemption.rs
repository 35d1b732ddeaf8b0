//! A person's word about an order's redemption: approve it, or stop it.

use kamiflow_kernel::{OrderSn, OrderState, Permission, ReasonCode, RedemptionState, ShopId};
use kamiflow_store::order_events::{self, NewEvent};
use kamiflow_store::redemptions::acts::{self, Decision};
use kamiflow_store::{StoreError, TenantTx, exceptions, orders, redemptions};
use serde_json::json;

use crate::acts as audited;
use crate::ctx::{Ctx, Denied};
use crate::engine::{Engine, Wake};
use crate::redeem::settle::{Writer, move_order};
use crate::redeem::{Reason, refund_state};
use crate::redemption_rules::RefundState;

/// Exceptions that a person's word answers.
const ANSWERED: [ReasonCode; 4] =
    [ReasonCode::ApprovalNeeded, ReasonCode::RedemptionRefused, ReasonCode::RedemptionUnknown, ReasonCode::Poisoned];

/// Why nothing was decided.
#[derive(Debug, thiserror::Error)]
pub enum ApproveRedemptionError {
    /// No such order in this shop.
    #[error("the order was not found")]
    NotFound,
    /// The order has nothing to redeem, or all of it is done or being called.
    #[error("there is nothing to decide about")]
    NothingOpen,
    /// A refund is open or made: declaring the codes used would be false.
    #[error("a refund of the order is open or made")]
    Refund,
    /// The order has ended without redemption and stays so.
    #[error("the order is in state {0}")]
    Ended(OrderState),
    /// The actor may not do it.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
}

/// Approves the redemption of an order: rules are not asked again, refunds and the gate are.
///
/// # Errors
/// When there is nothing to approve, or a refund stands against it.
pub async fn approve(
    engine: &Engine,
    ctx: &Ctx,
    shop: ShopId,
    order_sn: &OrderSn,
) -> Result<Vec<Wake>, ApproveRedemptionError> {
    ctx.require(Permission::Redeem)?;
    ctx.sees(shop)?;
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    let order = lock(&mut tx, shop, order_sn).await?;
    if !matches!(refund_state(order.refund_status, order.after_sales_status), RefundState::None | RefundState::Closed) {
        return Err(ApproveRedemptionError::Refund);
    }
    let state = order.state()?;
    if state == OrderState::Done {
        orders::transition(&tx, &[order.key()], &[state], OrderState::AwaitingRedemption, "redemption_reopened")
            .await?;
    } else if state != OrderState::AwaitingRedemption {
        return Err(ApproveRedemptionError::Ended(state));
    }
    let actor = ctx.actor.name();
    let explanation = Reason::Approved { by: actor.clone() }.explain();
    let approved = acts::approve(&mut tx, Decision { shop, order_sn, now: ctx.now }, &actor, &explanation).await?;
    if approved == 0 {
        return Err(ApproveRedemptionError::NothingOpen);
    }
    exceptions::resolve(&tx, shop, &[order_sn.as_str()], &ANSWERED, "approved").await?;
    record(&mut tx, ctx, &order, ("redemption.approve", "redemption_approved", approved)).await?;
    tx.commit().await?;
    Ok(vec![Wake::Redeem(shop)])
}

/// Stops the redemption of an order for good, until somebody approves it after all.
///
/// # Errors
/// When there is nothing to stop.
pub async fn stop(engine: &Engine, ctx: &Ctx, shop: ShopId, order_sn: &OrderSn) -> Result<(), ApproveRedemptionError> {
    ctx.require(Permission::Redeem)?;
    ctx.sees(shop)?;
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    let order = lock(&mut tx, shop, order_sn).await?;
    let explanation = Reason::StoppedBy { by: ctx.actor.name() }.explain();
    let deliveries = acts::stop(&mut tx, shop, std::slice::from_ref(order_sn), &explanation).await?;
    if deliveries.is_empty() {
        return Err(ApproveRedemptionError::NothingOpen);
    }
    let writer = Writer { store: &engine.store, ctx, shop, now: ctx.now };
    for progress in redemptions::lock_progress(&mut tx, &deliveries).await? {
        move_order(&mut tx, writer, &progress).await?;
    }
    exceptions::resolve(&tx, shop, &[order_sn.as_str()], &ANSWERED, "stopped").await?;
    record(&mut tx, ctx, &order, ("redemption.stop", "redemption_stopped", deliveries.len())).await?;
    tx.commit().await?;
    Ok(())
}

/// Returns where each redemption of an order stands and why, for people.
///
/// # Errors
/// When the store fails.
pub async fn list(
    engine: &Engine,
    ctx: &Ctx,
    shop: ShopId,
    order_sn: &OrderSn,
) -> Result<Vec<RedemptionView>, ApproveRedemptionError> {
    ctx.require(Permission::ShowRedemptions)?;
    ctx.sees(shop)?;
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    let rows = acts::list(&mut tx, shop, std::slice::from_ref(order_sn)).await?;
    tx.commit().await?;
    rows.into_iter()
        .map(|row| {
            Ok(RedemptionView {
                id: row.id(),
                state: row.state()?,
                method: row.method()?,
                due_at: row.due_at,
                explanation: row.explanation,
                outcome: row.outcome,
                approved_by: row.approved_by,
                attempts: row.attempts,
                done_at: row.done_at,
            })
        })
        .collect()
}

/// A redemption as people see it.
#[derive(Debug, Clone, serde::Serialize)]
pub struct RedemptionView {
    /// Its id.
    pub id: kamiflow_kernel::RedemptionId,
    /// Where it is.
    pub state: RedemptionState,
    /// How it is declared.
    pub method: kamiflow_kernel::RedemptionMethod,
    /// When the engine looks again by itself.
    pub due_at: Option<chrono::DateTime<chrono::Utc>>,
    /// Why it stands there: a list of sentences in `zh` and `en`.
    pub explanation: serde_json::Value,
    /// What the platform said last.
    pub outcome: serde_json::Value,
    /// Who approved it.
    pub approved_by: Option<String>,
    /// Calls so far.
    pub attempts: i32,
    /// When the platform took it.
    pub done_at: Option<chrono::DateTime<chrono::Utc>>,
}

async fn lock(tx: &mut TenantTx, shop: ShopId, order_sn: &OrderSn) -> Result<orders::OrderRow, ApproveRedemptionError> {
    let rows = orders::lock_by_sn(tx, shop, std::slice::from_ref(order_sn)).await?;
    rows.into_iter().next().ok_or(ApproveRedemptionError::NotFound)
}

/// Writes an act down twice: in the audit log, and where people look at the order.
async fn record(
    tx: &mut TenantTx,
    ctx: &Ctx,
    order: &orders::OrderRow,
    (action, kind, redemptions): (&'static str, &'static str, usize),
) -> Result<(), StoreError> {
    let key = order.key();
    let detail = json!({ "order_sn": order.order_sn, "redemptions": redemptions });
    audited::record(tx, ctx, action, key.id, detail).await?;
    let detail = json!({ "by": ctx.actor.name(), "redemptions": redemptions });
    order_events::append(tx, ctx.now, &[NewEvent { order: key, kind, detail }]).await
}
