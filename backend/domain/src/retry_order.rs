//! A person lets an order be tried again, after looking at what stood in its way.
//!
//! Only exceptions whose reason lists a retry as safe are closed by it. One that blocks the order and does not list
//! it refuses the whole act: a retry of an unknown outcome, say, could send a second card.

use kamiflow_kernel::{Action, DeliveryState, OrderSn, Permission, ReasonCode, ShopId};
use kamiflow_store::deliveries::{self, DeliveryChange, DeliveryRow};
use kamiflow_store::exceptions::{self, OpenException};
use kamiflow_store::order_events::{self, NewEvent};
use kamiflow_store::{StoreError, TenantTx, orders};
use serde_json::json;

use crate::acts;
use crate::approve_redemption::{self, ApproveRedemptionError};
use crate::ctx::{Ctx, Denied};
use crate::engine::{Engine, Wake};
use crate::process_order;

/// Reasons that are about the redemption, not about the delivery.
const OF_REDEMPTION: [ReasonCode; 2] = [ReasonCode::RedemptionRefused, ReasonCode::RedemptionUnknown];

/// What a retry did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retried {
    /// Exceptions it closed.
    pub closed: Vec<ReasonCode>,
    /// Whom to wake.
    pub wakes: Vec<Wake>,
}

/// Why an order was not retried. Nothing was changed then.
#[derive(Debug, thiserror::Error)]
pub enum RetryOrderError {
    /// No such order in this shop.
    #[error("the order was not found")]
    NotFound,
    /// Something open about the order forbids it.
    #[error("`{code}` does not allow a retry; safe are: {}", listed(safe))]
    NotSafe {
        /// What is open.
        code: ReasonCode,
        /// What may be done instead.
        safe: &'static [Action],
    },
    /// The redemption may not be tried again.
    #[error("the redemption was not retried")]
    Redemption(#[from] ApproveRedemptionError),
    /// The actor may not do it.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
}

/// Returns actions as a list for people.
pub(crate) fn listed(actions: &[Action]) -> String {
    actions.iter().map(|action| action.as_str()).collect::<Vec<_>>().join(", ")
}

/// Closes what a retry may close and makes the order due.
///
/// # Errors
/// See [`RetryOrderError`].
pub async fn retry(engine: &Engine, ctx: &Ctx, shop: ShopId, order_sn: &OrderSn) -> Result<Retried, RetryOrderError> {
    ctx.require(Permission::HandleOrders)?;
    ctx.sees(shop)?;
    let sn = order_sn.as_str();
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    let numbers = std::slice::from_ref(order_sn);
    let order = orders::lock_by_sn(&tx, shop, numbers).await?.pop().ok_or(RetryOrderError::NotFound)?;
    let delivery = deliveries::lock_waiting(&tx, shop, &[sn]).await?.pop();
    let open = exceptions::list_open(&mut tx, shop, &[sn]).await?;
    let closed = closable(&open)?;
    exceptions::resolve(&tx, shop, &[sn], &closed, "retried").await?;
    if let Some(row) = &delivery {
        make_due(&mut tx, ctx, row).await?;
    }
    process_order::hint(&mut tx, ctx, shop, order_sn).await?;
    let codes: Vec<&str> = closed.iter().map(|code| code.as_str()).collect();
    let detail = json!({ "actor": ctx.actor.name(), "closed": codes });
    let event = NewEvent { order: order.key(), kind: "retried", detail: detail.clone() };
    order_events::append(&tx, ctx.now, &[event]).await?;
    acts::record(&mut tx, ctx, "order.retry", order.key().id, detail).await?;
    tx.commit().await?;

    let mut wakes = vec![Wake::Deliver(shop)];
    if closed.iter().any(|code| OF_REDEMPTION.contains(code)) {
        wakes.extend(approve_redemption::approve(engine, ctx, shop, order_sn).await?);
    }
    Ok(Retried { closed, wakes })
}

/// Returns the open reasons that a retry closes.
fn closable(open: &[OpenException]) -> Result<Vec<ReasonCode>, RetryOrderError> {
    let mut closable = Vec::new();
    for exception in open {
        let code: ReasonCode =
            exception.code.parse().map_err(|_unknown| StoreError::Corrupt(format!("reason `{}`", exception.code)))?;
        let safe = code.recovery().safe;
        if safe.contains(&Action::Retry) {
            closable.push(code);
        } else if exception.blocking || exception.needs_review {
            return Err(RetryOrderError::NotSafe { code, safe });
        }
    }
    Ok(closable)
}

/// Failures are counted anew. A delivery whose attempt is open keeps its own time: nobody resolves it earlier.
async fn make_due(tx: &mut TenantTx, ctx: &Ctx, row: &DeliveryRow) -> Result<(), StoreError> {
    let state = row.state()?;
    let due = match state {
        DeliveryState::Pending | DeliveryState::Reserved => true,
        DeliveryState::HandingOver => row.due_at.is_none(),
        DeliveryState::Delivered | DeliveryState::Released => false,
    };
    if due {
        let change = DeliveryChange {
            id: row.id(),
            fence: row.fence,
            next_fence: row.fence,
            state,
            due_at: Some(ctx.now),
            failures: 0,
            payload_hash: None,
            delivered_at: None,
        };
        deliveries::update_fenced(tx, &[change]).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(code: ReasonCode) -> OpenException {
        OpenException {
            order_sn: String::new(),
            code: code.as_str().to_owned(),
            blocking: code.recovery().blocking,
            needs_review: false,
            detail: json!({}),
        }
    }

    #[test]
    fn a_retry_closes_what_lists_it_and_is_refused_by_what_blocks_without_listing_it() {
        let refused = [ReasonCode::HandOverRefused, ReasonCode::OutOfStock].map(open);
        assert_eq!(closable(&refused).unwrap(), [ReasonCode::HandOverRefused]);
        let unknown = [ReasonCode::Poisoned, ReasonCode::UnknownOutcome].map(open);
        let error = closable(&unknown).unwrap_err();
        assert!(matches!(error, RetryOrderError::NotSafe { code: ReasonCode::UnknownOutcome, .. }));
        assert!(error.to_string().contains("release_quarantined"), "{error}");
    }
}
