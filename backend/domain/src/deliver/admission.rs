//! Whether a delivery may start now: one judgment for first sends and identical resends.
//!
//! Judged in the transaction that starts, after the read was ingested: by the read itself, by the order as it is stored
//! and locked, which may know more than the read did, by the shop's standing and the pauses, both kept as they are until
//! the transaction ends, and by the cards that an earlier attempt of unknown or failed outcome left with the delivery.

use chrono::{DateTime, Utc};
use kamiflow_kernel::{DeliveryId, DeliveryMethod, DeliveryState, OrderState};
use kamiflow_store::card_claims::{self, HeldCards};
use kamiflow_store::deliveries::DeliveryRow;
use kamiflow_store::orders::OrderRow;
use kamiflow_store::{StoreError, TenantTx};
use serde_json::{Value, json};

use super::{Turn, is_live};
use crate::gate::{Closed, Evidence};
use crate::ingest::{DELIVERABLE, stored_evidence};
use crate::market_trouble;
use crate::pause_check::Paused;

/// What is known about a delivery that is to start.
#[derive(Clone, Copy)]
pub(super) struct Case<'a> {
    pub(super) row: &'a DeliveryRow,
    /// Its order as it is stored, locked.
    pub(super) known: &'a OrderRow,
    /// What was read a moment ago.
    pub(super) evidence: &'a Evidence,
    /// The cards it holds already, if it holds any.
    pub(super) held: Option<&'a HeldCards>,
}

/// Why a delivery may not start now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hold {
    /// Its order is not to be handed over; whoever decides otherwise makes it due.
    NotToDeliver,
    /// The platform stopped the shop or its application, or wants its token renewed.
    NoCalls,
    /// Paused, holding a card of a paused batch, or of a shop in trial run; whoever ends that makes it due.
    Paused,
    /// The order is closed, for now or for good.
    Closed(Closed),
    /// The evidence is too old by now.
    Stale,
    /// The cards it holds are no longer fit to be sent, and it can never send others.
    Unfit(HeldCards),
}

/// Returns what keeps a delivery from starting, if anything does.
///
/// # Errors
/// When a stored text is unknown to this program.
pub(super) fn held_back(turn: Turn<'_>, case: Case<'_>, paused: &Paused) -> Result<Option<Hold>, StoreError> {
    let Turn { engine, shop, now } = turn;
    let Case { row, known, evidence, held } = case;
    let handing_over = row.state()? == DeliveryState::HandingOver;
    let decided = match known.state()? {
        OrderState::Seen => !handing_over && known.verdict == DELIVERABLE,
        OrderState::AwaitingCards | OrderState::Reserved => !handing_over,
        OrderState::HandingOver => handing_over,
        _ => false,
    };
    // Its cards may have been freed and sent to somebody else by what a restore has lost.
    let lost = row.payload_hash.is_some() && shop.restored_at.is_some_and(|restored| row.created_at < restored);
    if !decided || lost {
        return Ok(Some(Hold::NotToDeliver));
    }
    let denied = |api| shop.denied_apis.iter().any(|denied| denied == api);
    if !market_trouble::may_call(shop) || engine.market.hand_over_api(row.method()?).is_some_and(denied) {
        return Ok(Some(Hold::NoCalls));
    }
    if !is_live(shop) || paused.delivery_of(shop.access.shop, row) {
        return Ok(Some(Hold::Paused));
    }
    if let Err(closed) = evidence.open_for_delivery().and_then(|()| stored_evidence(known).open_for_delivery()) {
        return Ok(Some(Hold::Closed(closed)));
    }
    if let Some(held) = held {
        if held.expiring > 0 || held.gone > 0 {
            return Ok(Some(Hold::Unfit(*held)));
        }
        if held.paused > 0 {
            return Ok(Some(Hold::Paused));
        }
    }
    let stale = (now - evidence.read_at).to_std().is_ok_and(|age| age > engine.config.evidence_max_age);
    Ok(stale.then_some(Hold::Stale))
}

/// Returns what the cards are good for that deliveries hold since an earlier attempt.
///
/// # Errors
/// When the store fails.
pub(super) async fn held_cards(
    tx: &mut TenantTx,
    rows: &[DeliveryRow],
    paused: &Paused,
    at: DateTime<Utc>,
) -> Result<Vec<HeldCards>, StoreError> {
    let holding: Vec<DeliveryId> = rows
        .iter()
        .filter(|row| matches!(row.state(), Ok(DeliveryState::Reserved | DeliveryState::HandingOver)))
        // What the platform hands out is linked, not sent.
        .filter(|row| matches!(row.method(), Ok(DeliveryMethod::VoucherSend | DeliveryMethod::PickupPage)))
        .map(DeliveryRow::id)
        .collect();
    card_claims::list_held(tx, &holding, &paused.batches(), at).await
}

/// Returns for people what is wrong with held cards.
pub(super) fn told(held: &HeldCards) -> Value {
    json!({
        "reason": "the cards held for the order can no longer be sent, and a delivery never sends others",
        "cards": held.cards,
        "expired_or_about_to": held.expiring,
        "taken_out_of_stock": held.gone,
    })
}
