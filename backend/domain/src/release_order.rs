//! A person gives a hand-over up: the buyer is declared to have nothing, and the cards are quarantined.
//!
//! Whether a card left us is exactly what nobody knows here, so none of them ever goes back into stock, and no new
//! delivery is started: what the buyer is owed is settled between people, by a refund or another card.

use kamiflow_kernel::{Action, AttemptState, DeliveryState, OrderSn, OrderState, Permission, ReasonCode, ShopId};
use kamiflow_store::card_claims::{self, HeldMove};
use kamiflow_store::deliveries::{self, DeliveryChange};
use kamiflow_store::exceptions;
use kamiflow_store::order_events::{self, NewEvent};
use kamiflow_store::orders::{self, OrderRow};
use kamiflow_store::{StoreError, TenantTx, attempts};
use serde_json::json;

use crate::acts;
use crate::ctx::{Ctx, Denied};
use crate::engine::Engine;
use crate::retry_order::listed;

/// Why a hand-over was not given up. Nothing was changed then.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseOrderError {
    /// No such order in this shop.
    #[error("the order was not found")]
    NotFound,
    /// Nothing open about the order asks a person whether to give it up.
    #[error("nothing about the order waits for this decision{}", open_now(open))]
    NotOpen {
        /// What is open.
        open: Vec<ReasonCode>,
    },
    /// The order is not where a hand-over can be given up.
    #[error("the order is in state {0}")]
    State(OrderState),
    /// The actor may not do it.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
}

fn open_now(open: &[ReasonCode]) -> String {
    let told: Vec<String> =
        open.iter().map(|code| format!("; `{code}` is open, safe are: {}", listed(code.recovery().safe))).collect();
    told.concat()
}

/// Gives a hand-over up; returns how many cards were quarantined.
///
/// # Errors
/// See [`ReleaseOrderError`].
pub async fn release(engine: &Engine, ctx: &Ctx, shop: ShopId, order_sn: &OrderSn) -> Result<usize, ReleaseOrderError> {
    ctx.require(Permission::HandleOrders)?;
    ctx.sees(shop)?;
    let sn = order_sn.as_str();
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    let numbers = std::slice::from_ref(order_sn);
    let order = orders::lock_by_sn(&tx, shop, numbers).await?.pop().ok_or(ReleaseOrderError::NotFound)?;
    let row = deliveries::lock_waiting(&tx, shop, &[sn]).await?.pop();
    let answered = answered(&mut tx, shop, sn).await?;
    let from = order.state()?;
    let Some(row) = row else { return Err(ReleaseOrderError::State(from)) };
    if !matches!(row.state()?, DeliveryState::HandingOver | DeliveryState::Reserved) {
        return Err(ReleaseOrderError::State(from));
    }
    let outcome = json!({ "resolved_by": ctx.actor.name() });
    attempts::resolve_open(&mut tx, row.id(), AttemptState::ResolvedNotDelivered, &outcome, ctx.now).await?;
    let cards = card_claims::move_held(&tx, &[row.id()], HeldMove::QUARANTINED, ctx.now).await?;
    // The fence rises: whoever still works on it writes nothing any more.
    let change = DeliveryChange {
        id: row.id(),
        fence: row.fence,
        next_fence: row.fence + 1,
        state: DeliveryState::Released,
        due_at: None,
        failures: row.failures,
        payload_hash: None,
        delivered_at: None,
    };
    deliveries::update_fenced(&tx, &[change]).await?;
    orders::transition(&tx, &[order.key()], &[from], OrderState::Done, "given_up_by_person").await?;
    exceptions::resolve(&tx, shop, &[sn], &answered, "released, cards quarantined").await?;
    record(&mut tx, ctx, &order, cards).await?;
    tx.commit().await?;
    Ok(cards)
}

/// Returns the open reasons that this decision answers; without one it is not a person's to make.
async fn answered(tx: &mut TenantTx, shop: ShopId, sn: &str) -> Result<Vec<ReasonCode>, ReleaseOrderError> {
    let rows = exceptions::list_open(tx, shop, &[sn]).await?;
    let open: Vec<ReasonCode> = rows.iter().filter_map(|row| row.code.parse().ok()).collect();
    let answered: Vec<ReasonCode> =
        open.iter().copied().filter(|code| code.recovery().safe.contains(&Action::ReleaseQuarantined)).collect();
    if answered.is_empty() { Err(ReleaseOrderError::NotOpen { open }) } else { Ok(answered) }
}

async fn record(tx: &mut TenantTx, ctx: &Ctx, order: &OrderRow, cards: usize) -> Result<(), StoreError> {
    let detail = json!({ "actor": ctx.actor.name(), "cards_quarantined": cards });
    let event = NewEvent { order: order.key(), kind: "released", detail: detail.clone() };
    order_events::append(tx, ctx.now, &[event]).await?;
    acts::record(tx, ctx, "order.release", order.key().id, detail).await
}
