//! New orders that may start right away, stored as they are handed over.
//!
//! Stored first and started afterwards, an order and its delivery would each be written twice within one transaction, and
//! of an order that comes alone that is a fifth of what it costs Postgres. So the cards are claimed first, and order,
//! delivery, lines and attempt are then inserted as they would stand in the end. Whatever is known already, waits for
//! something or finds too few cards takes the way in steps ([`super::reserve`]), judged by the same [`admission`].

use std::collections::HashMap;

use futures_util::try_join;
use kamiflow_kernel::{DeliveryId, OrderSn, OrderState};
use kamiflow_store::deliveries::{self, DeliveryRow, StartedDelivery};
use kamiflow_store::order_events::NewEvent;
use kamiflow_store::orders::OrderRow;
use kamiflow_store::told::{self, Told};
use kamiflow_store::{StoreError, TenantTx, attempts, delivery_lines, order_hints, orders};

use super::admission::{self, Case};
use super::send::Started;
use super::starts::{self, Start, Starts};
use super::{Fresh, Turn, claim};
use crate::gate::Evidence;
use crate::ingest::{Born, Looked, Source};
use crate::pause_check::Paused;

/// A new order that starts.
pub(super) struct Starting<'a> {
    born: Born,
    /// Its delivery as it would be if it waited.
    row: DeliveryRow,
    evidence: &'a Evidence,
}

/// Takes those new orders out that nothing keeps from starting.
///
/// # Errors
/// When a stored text is unknown to this program.
pub(super) fn take<'a>(
    turn: Turn<'_>,
    looked: &mut Looked<'_>,
    by_sn: &HashMap<&str, &'a Fresh>,
    paused: &Paused,
) -> Result<Vec<Starting<'a>>, StoreError> {
    let evidence_of = |born: &Born| by_sn.get(born.row.order_sn.as_str()).map(|fresh| &fresh.evidence);
    let pending = |born: &Born| born.plan.pending(DeliveryId::generate(), turn.now);
    let fits = |born: &Born| {
        // Without cards there may be somebody to wait for.
        let Some(evidence) = evidence_of(born).filter(|_| born.plan.pool.is_some()) else { return Ok(false) };
        let case = Case { row: &pending(born), known: &born.row, evidence, held: None };
        Ok(admission::held_back(turn, case, paused)?.is_none())
    };
    let born = looked.take_born(fits)?;
    Ok(born
        .into_iter()
        .filter_map(|born| Some(Starting { row: pending(&born), evidence: evidence_of(&born)?, born }))
        .collect())
}

/// Claims their cards, and stores and starts them. Returns `None` when there are too few cards, or when another reader has
/// stored one of the orders meanwhile: the transaction must not be committed then.
///
/// # Errors
/// When the store fails.
pub(super) async fn start(
    turn: Turn<'_>,
    tx: &mut TenantTx,
    starting: Vec<Starting<'_>>,
    paused: &Paused,
) -> Result<Option<Vec<Started>>, StoreError> {
    if starting.is_empty() {
        return Ok(Some(Vec::new()));
    }
    let Turn { shop, now, .. } = turn;
    let id = shop.access.shop;
    let pending: Vec<&DeliveryRow> = starting.iter().map(|one| &one.row).collect();
    let handed_over: Vec<OrderRow> = starting.iter().map(handing_over).collect();
    let batches = paused.batches();
    // In this order: locks go order → cards.
    let (inserted, holding) =
        try_join!(orders::insert_new(tx, id, &handed_over), claim::claim_fast(tx, &pending, &batches, now),)?;
    let Some(holding) = holding.filter(|_| inserted.len() == starting.len()) else { return Ok(None) };

    let mut starts = Starts::default();
    for one in &starting {
        let cards = holding.cards.get(&one.row.id()).map_or(&[][..], Vec::as_slice);
        let plan = starts::first_payload(turn, tx, &one.row, cards).await?;
        starts.add(turn, Start { row: &one.row, n: 1, evidence: one.evidence, plan })?;
    }
    let Starts { news, events, started } = starts;
    let deliveries: Vec<StartedDelivery<'_>> = starting
        .iter()
        .zip(&news)
        .map(|(one, attempt)| StartedDelivery {
            id: one.row.id(),
            new: &one.born.plan,
            fence: attempt.fence,
            due_at: turn.resolve_at(),
            payload_hash: &attempt.payload_hash,
        })
        .collect();
    let events: Vec<NewEvent> = starting.iter().map(|one| one.born.seen(Source::Hint)).chain(events).collect();
    let sums = [("orders_seen", i64::try_from(starting.len()).unwrap_or(i64::MAX))];
    let told = Told { shop: id, at: now, events: &events, sums: &sums, outbox: None };
    let read_at = starting.iter().map(|one| one.evidence.read_at).min().unwrap_or(now);
    let answered: Vec<OrderSn> = starting.iter().filter_map(|one| one.born.row.order_sn.parse().ok()).collect();
    // In this order: lines belong to a delivery, and an attempt is compared with its delivery.
    try_join!(
        deliveries::insert_started(tx, id, &deliveries),
        delivery_lines::insert(tx, &holding.lines),
        attempts::start(tx, &news, now, turn.send_deadline()),
        order_hints::clear_read(tx, id, &answered, read_at),
        told::write(tx, told),
    )?;
    Ok(Some(started))
}

fn handing_over(one: &Starting<'_>) -> OrderRow {
    let state = OrderState::HandingOver.as_str().to_owned();
    OrderRow { state, state_cause: "started".to_owned(), ..one.born.row.clone() }
}
