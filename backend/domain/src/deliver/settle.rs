//! Transaction 2: what the platform answered becomes true for the delivery, its cards and its order.
//!
//! May run any number of times: it looks only at deliveries that are still handing over under the sender's fence.
//! Somebody who took a delivery over has raised the fence, and then nothing of ours is written.

use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::try_join;
use kamiflow_kernel::{AttemptState, DeliveryId, DeliveryState, LineId, OrderState, ReasonCode, RedemptionMethod};
use kamiflow_store::attempts::{self, AttemptEnd};
use kamiflow_store::card_claims::{self, HeldMove};
use kamiflow_store::deliveries::{self, DeliveryChange, DeliveryRow};
use kamiflow_store::exceptions::{self, NewException};
use kamiflow_store::order_events::{self, NewEvent};
use kamiflow_store::order_hints::{HintSource, NewHints};
use kamiflow_store::orders::{OrderKey, OrderRow};
use kamiflow_store::told::Told;
use kamiflow_store::{StoreError, TenantTx, delivery_lines, order_hints, orders, rollups, told};
use serde_json::json;

use super::Turn;
use super::send::Sent;
use crate::engine::{Engine, EngineError, Wake};
use crate::ingest::settle_refund_after_send;
use crate::market_trouble;
use crate::marketplace::{ErrorClass, MarketError};
use crate::redeem::{self, Delivered};
use crate::shop_access::Shop;

/// How often an answer that could not be stored is written again; afterwards it is an unknown outcome like any other.
const STORE_TRIES: u32 = 8;

/// When a shop is due again, as of the transaction that stored what its batch ended in.
#[derive(Debug)]
pub(super) struct DueAgain(pub(super) Option<DateTime<Utc>>);

/// Stores the outcomes of a batch. Returns when the shop is due again if one transaction could store all of them.
///
/// # Errors
/// When an outcome could not be stored in time, or the platform refused the shop as a whole.
pub(super) async fn all(
    engine: &Engine,
    shop: &Shop,
    sent: Vec<Sent>,
    wakes: &mut Vec<Wake>,
) -> Result<Option<DueAgain>, EngineError> {
    if sent.is_empty() {
        return Ok(None);
    }
    let mut due_again = None;
    match store_patiently(engine, shop, &sent).await {
        Ok((more, due)) => {
            wakes.extend(more);
            due_again = Some(due);
        }
        Err(error) if sent.len() > 1 && !error.is_connection_lost() => {
            // One answer that the database refuses must not cost the others theirs.
            for one in &sent {
                match store_patiently(engine, shop, std::slice::from_ref(one)).await {
                    Ok((more, _due)) => wakes.extend(more),
                    Err(error) => {
                        tracing::error!(order.sn = %one.started.delivery.order_sn, error = ?error, "An answer could not be stored; it will be read back");
                    }
                }
            }
        }
        Err(error) => return Err(error.into()),
    }
    // Trouble that concerns more than one order is dealt with once, after every answer is stored.
    let trouble =
        sent.iter().filter_map(|sent| sent.result.as_ref().err()).find(|error| market_trouble::is_shared(error));
    if let Some(error) = trouble {
        market_trouble::settle(engine, shop, error).await?;
    }
    Ok(due_again)
}

/// Writes answers again while the store is away.
async fn store_patiently(engine: &Engine, shop: &Shop, sent: &[Sent]) -> Result<(Vec<Wake>, DueAgain), StoreError> {
    let mut tries = 0;
    loop {
        match store(engine, shop, sent).await {
            Ok(stored) => return Ok(stored),
            Err(error)
                if tries < STORE_TRIES && (error.is_transient() || matches!(error, StoreError::CommitUnknown(_))) =>
            {
                tries += 1;
                tracing::warn!(shop.id = %shop.access.shop, error = %error, tries, "Answers could not be stored; writing them again");
                tokio::time::sleep(Duration::from_millis(50) * 2_u32.pow(tries)).await;
            }
            Err(error) => return Err(error),
        }
    }
}

async fn store(engine: &Engine, shop: &Shop, sent: &[Sent]) -> Result<(Vec<Wake>, DueAgain), StoreError> {
    let mut tx = engine.store.tenant_tx(shop.access.merchant).await?;
    let turn = Turn { engine, shop, now: engine.now() };
    let now = turn.now;
    let sns: Vec<_> = sent.iter().filter_map(|sent| sent.started.delivery.order_sn.parse().ok()).collect();
    // Locks go order → delivery → pool → cards.
    let texts: Vec<&str> = sent.iter().map(|sent| sent.started.delivery.order_sn.as_str()).collect();
    let (order_rows, locked) = try_join!(
        orders::lock_by_sn(&tx, shop.access.shop, &sns),
        deliveries::lock_waiting(&tx, shop.access.shop, &texts),
    )?;
    let mine: Vec<(&Sent, &DeliveryRow)> = sent
        .iter()
        .filter_map(|sent| {
            let row = locked.iter().find(|row| row.id == sent.started.delivery.id)?;
            let held = row.fence == sent.started.fence && matches!(row.state(), Ok(DeliveryState::HandingOver));
            held.then_some((sent, row))
        })
        .collect();

    let mut delivered = Vec::new();
    for (sent, row) in &mine {
        match &sent.result {
            Ok(()) => delivered.push((*sent, *row)),
            Err(error) if error.class == ErrorClass::AlreadyDone => delivered.push((*sent, *row)),
            Err(error) => store_failure(turn, &mut tx, sent, row, error).await?,
        }
    }
    let ends: Vec<AttemptEnd> = delivered
        .iter()
        .map(|(sent, _)| AttemptEnd {
            id: sent.started.attempt,
            fence: sent.started.fence,
            state: AttemptState::Succeeded,
            outcome: json!({ "by": "acknowledgment" }),
        })
        .collect();
    let rows: Vec<&DeliveryRow> = delivered.iter().map(|(_, row)| *row).collect();
    let proven = Proven { rows: &rows, order_rows: &order_rows, ends: &ends, cause: "acknowledged" };
    let Marked { wakes, next_due } = mark_delivered(turn, &mut tx, proven).await?;
    for (_, row) in delivered.iter().filter(|(sent, _)| sent.started.n > 1) {
        let outcome = json!({ "resolved_by": "a later identical attempt" });
        attempts::resolve_open(&mut tx, row.id(), AttemptState::ResolvedDelivered, &outcome, now).await?;
    }
    tx.commit().await?;
    Ok((wakes, DueAgain(next_due)))
}

/// Deliveries of which it is proven that they were handed over; they and their orders are locked, and under our fence.
pub(super) struct Proven<'a> {
    pub(super) rows: &'a [&'a DeliveryRow],
    pub(super) order_rows: &'a [OrderRow],
    /// Attempts that end by it.
    pub(super) ends: &'a [AttemptEnd],
    /// What proves it, as order_transitions names it.
    pub(super) cause: &'static str,
}

/// What follows from deliveries that are delivered now.
pub(super) struct Marked {
    pub(super) wakes: Vec<Wake>,
    /// When the next delivery or hint of the shop is due.
    next_due: Option<DateTime<Utc>>,
}

/// Makes deliveries delivered: attempts ended, cards sent, orders moved, redemptions planned, refunds that raced settled.
pub(super) async fn mark_delivered(
    turn: Turn<'_>,
    tx: &mut TenantTx,
    proven: Proven<'_>,
) -> Result<Marked, StoreError> {
    let Turn { shop, now, .. } = turn;
    let Proven { rows, order_rows, ends, cause } = proven;
    let id = shop.access.shop;
    if rows.is_empty() {
        return Ok(Marked { wakes: Vec::new(), next_due: deliveries::due::next_due(tx, id).await? });
    }
    let ids: Vec<DeliveryId> = rows.iter().map(|row| row.id()).collect();
    let changes: Vec<DeliveryChange> = rows
        .iter()
        .map(|row| DeliveryChange {
            id: row.id(),
            fence: row.fence,
            next_fence: row.fence,
            state: DeliveryState::Delivered,
            due_at: None,
            failures: 0,
            payload_hash: None,
            delivered_at: Some(now),
        })
        .collect();
    let keys: Vec<_> = rows.iter().map(|row| row.order()).collect();
    let sns: Vec<&str> = rows.iter().map(|row| row.order_sn.as_str()).collect();
    let ended = [
        ReasonCode::UnknownOutcome,
        ReasonCode::HandOverRefused,
        ReasonCode::CardsUnfit,
        ReasonCode::AwaitingFulfiller,
        ReasonCode::ShipByNear,
    ];
    let (_ended, cards, ..) = try_join!(
        attempts::end(tx, ends, now),
        card_claims::move_held(tx, &ids, HeldMove::SENT, now),
        deliveries::update_fenced(tx, &changes),
        orders::transition(tx, &keys, &[OrderState::HandingOver], OrderState::Delivered, cause),
        exceptions::resolve(tx, id, &sns, &ended, "delivered"),
    )?;

    let mut wakes = plan_redemptions(tx, shop, rows, now).await?;
    let refunded: Vec<&OrderRow> =
        order_rows.iter().filter(|order| order.refund_status != 1 && sns.contains(&order.order_sn.as_str())).collect();
    wakes.extend(settle_refund_after_send(tx, id, &refunded, now).await?);

    let events: Vec<NewEvent> = rows
        .iter()
        .map(|row| NewEvent {
            order: row.order(),
            kind: "delivered",
            detail: json!({ "by": cause, "lines": row.lines_expected }),
        })
        .collect();
    let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    metrics::counter!("kamiflow_deliveries_total", "by" => cause).increment(u64::try_from(rows.len()).unwrap_or(0));
    let waited: i64 = rows.iter().map(|row| (now - row.created_at).num_milliseconds()).sum();
    let sums = [("delivered", count(rows.len())), ("cards_sent", count(cards)), ("seen_to_delivered_ms", waited)];
    let orders: Vec<String> = rows.iter().map(|row| row.order().id.to_string()).collect();
    let outbox = Some(("order.delivered", json!({ "shop": id.to_string(), "orders": orders })));
    let told = Told { shop: id, at: now, events: &events, sums: &sums, outbox };
    let ((), next_due) = try_join!(told::write(tx, told), deliveries::due::next_due(tx, id))?;
    Ok(Marked { wakes, next_due })
}

async fn plan_redemptions(
    tx: &mut TenantTx,
    shop: &Shop,
    rows: &[&DeliveryRow],
    now: DateTime<Utc>,
) -> Result<Vec<Wake>, StoreError> {
    let redeemable: Vec<&&DeliveryRow> =
        rows.iter().filter(|row| !matches!(row.redemption(), Ok(RedemptionMethod::None) | Err(_))).collect();
    if redeemable.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<DeliveryId> = redeemable.iter().map(|row| row.id()).collect();
    let lines = delivery_lines::list_live(tx, &ids).await?;
    let mut delivered = Vec::with_capacity(redeemable.len());
    for row in redeemable {
        delivered.push(Delivered {
            shop: shop.access.shop,
            delivery: row.id(),
            order_day: row.order_day,
            order_id: row.order().id,
            order_sn: row.number()?,
            method: row.redemption()?,
            lines: lines
                .iter()
                .filter(|line| line.delivery_id == row.id)
                .map(|line| LineId::from_uuid(line.id))
                .collect(),
        });
    }
    let keys: Vec<OrderKey> =
        delivered.iter().map(|delivered| OrderKey { day: delivered.order_day, id: delivered.order_id }).collect();
    let wakes = redeem::plan(tx, &delivered, now).await?;
    orders::transition(tx, &keys, &[OrderState::Delivered], OrderState::AwaitingRedemption, "redemption_planned")
        .await?;
    Ok(wakes)
}

/// What a failed hand-over means: certain, so that it may be tried again; certain and final; or not known.
async fn store_failure(
    turn: Turn<'_>,
    tx: &mut TenantTx,
    sent: &Sent,
    row: &DeliveryRow,
    error: &MarketError,
) -> Result<(), StoreError> {
    let Turn { engine, shop, now } = turn;
    let unknown = error.class == ErrorClass::OutcomeUnknown;
    let end = AttemptEnd {
        id: sent.started.attempt,
        fence: sent.started.fence,
        state: if unknown { AttemptState::Unknown } else { AttemptState::Failed },
        outcome: error.told(),
    };
    attempts::end(tx, &[end], now).await?;
    order_events::append(tx, now, &[NewEvent { order: row.order(), kind: "attempt_failed", detail: error.told() }])
        .await?;
    if unknown {
        // The delivery stays as it is: due when its deadline and the time to resolve have passed.
        return Ok(());
    }
    // Beside an earlier attempt of unknown outcome a certain failure of this one proves nothing about that one.
    let doubtful = sent.started.n > 1 && attempts::has_unknown(tx, row.id()).await?;
    let verdict = Verdict::of(engine, error, row, doubtful, now);
    let change = DeliveryChange {
        id: row.id(),
        fence: row.fence,
        next_fence: row.fence,
        state: if doubtful { DeliveryState::HandingOver } else { DeliveryState::Reserved },
        due_at: verdict.due_at,
        failures: verdict.failures,
        payload_hash: None,
        delivered_at: None,
    };
    deliveries::update_fenced(tx, &[change]).await?;
    if !doubtful {
        orders::transition(tx, &[row.order()], &[OrderState::HandingOver], OrderState::Reserved, "certain_failure")
            .await?;
    }
    if let Some(code) = verdict.review {
        let exception = NewException {
            shop: shop.access.shop,
            order: Some((row.order(), row.order_sn.clone())),
            code,
            needs_review: true,
            detail: error.told(),
        };
        exceptions::open(tx, &[exception]).await?;
        rollups::add(tx, shop.access.shop, now, &[("exceptions", 1)]).await?;
        // What the platform refused may have ended meanwhile; then nothing needs a person any more.
        let again = NewHints { dirty_since: now, due_at: now, source: HintSource::Conflict };
        order_hints::upsert(tx, shop.access.shop, &[row.number()?], again).await?;
    }
    Ok(())
}

struct Verdict {
    due_at: Option<DateTime<Utc>>,
    failures: i32,
    review: Option<ReasonCode>,
}

impl Verdict {
    fn of(engine: &Engine, error: &MarketError, row: &DeliveryRow, doubtful: bool, now: DateTime<Utc>) -> Self {
        // What never left this machine says nothing about the order.
        let failures = row.failures + i32::from(error.class != ErrorClass::NotSent);
        let review = match error.class {
            ErrorClass::Rejected | ErrorClass::NotFound | ErrorClass::StopApi if doubtful => {
                Some(ReasonCode::UnknownOutcome)
            }
            ErrorClass::Rejected | ErrorClass::NotFound | ErrorClass::StopApi => Some(ReasonCode::HandOverRefused),
            _ if failures >= engine.config.poison_after => Some(ReasonCode::Poisoned),
            _ => None,
        };
        let delay = market_trouble::delay(error, u32::try_from(failures).unwrap_or(1));
        Self { due_at: review.is_none().then(|| now + delay), failures, review }
    }
}
