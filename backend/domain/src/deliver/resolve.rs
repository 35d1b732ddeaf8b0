//! Resolves an attempt whose outcome nobody stored: a crash, a time-out, an answer that made no sense.
//!
//! Nobody looks before the attempt's deadline and the time to resolve have passed, so the first sender can no longer
//! be sending. Whoever looks raises the fence first; the order itself is then read back. Status 2 with our own
//! unresolved attempt is delivery, with that evidence. Status 1 proves failure only where the call is known to move
//! the status ([`proves_failure`]); otherwise the identical request is sent again where the gateway makes that safe,
//! and a person decides where it does not. What the delivery holds stays held.

use chrono::TimeDelta;
use futures_util::try_join;
use kamiflow_kernel::{AttemptId, AttemptState, DeliveryMethod, DeliveryState, OrderSn, OrderState, ReasonCode};
use kamiflow_store::attempts::{self, AttemptRow, NewAttempt};
use kamiflow_store::card_claims::{self, HeldCards, HeldMove};
use kamiflow_store::deliveries::{self, DeliveryChange, DeliveryRow};
use kamiflow_store::exceptions::{self, NewException};
use kamiflow_store::order_events::{self, NewEvent};
use kamiflow_store::{StoreError, TenantTx, orders, rollups};
use serde_json::{Value, json};

use super::admission::{self, Case, Hold};
use super::send::{self, Started};
use super::settle::Proven;
use super::{Fresh, Turn, payload, settle};
use crate::engine::{Engine, EngineError, Wake};
use crate::gate::Evidence;
use crate::ingest::{self, Read, Source};
use crate::market_trouble;
use crate::pause_check::Paused;
use crate::shop_access::Shop;

/// Identical resends of one delivery that may have reached the platform: enough to outlast a storm of ten minutes
/// (ADR 0020).
const MOST_RESENDS: usize = 7;
/// The longest wait for the outcome of a resend is the first one, doubled so many times.
const MOST_DOUBLINGS: u32 = 3;
/// How long one resolver has before the next may take over.
const RESOLVER_TIME: TimeDelta = TimeDelta::seconds(30);

/// Resolves the delivery of one order; returns whether there was something to resolve.
pub(super) async fn one(
    engine: &Engine,
    shop: &Shop,
    order_sn: &str,
    wakes: &mut Vec<Wake>,
) -> Result<bool, EngineError> {
    let Some((row, attempts)) = take_over(engine, shop, order_sn).await? else { return Ok(false) };
    let Ok(number) = order_sn.parse::<OrderSn>() else { return Ok(false) };
    let read_at = engine.now();
    let order = match engine.market.order(&shop.access, &number).await {
        Ok(order) => order,
        Err(error) => {
            let delay = market_trouble::after_failed_read(engine, shop, &error).await?;
            put_off(engine, shop, &row, delay).await?;
            return Ok(true);
        }
    };
    let fresh = Fresh { evidence: Evidence::of(&order, read_at), order };
    let evidence = &fresh.evidence;
    match judge(engine, shop, (&row, &attempts), &fresh)? {
        Judgment::Delivered => wakes.extend(delivered(engine, shop, &row, evidence).await?),
        Judgment::Gone => refunded_meanwhile(engine, shop, &row, evidence).await?,
        Judgment::SendAgain => match start_again(engine, shop, (&row, &attempts), &fresh, wakes).await? {
            Again::Started(started) => {
                let sent = send::all(engine, shop, vec![*started]).await;
                settle::all(engine, shop, sent, wakes).await?;
            }
            Again::Later => {}
            Again::Unfit(held) => ask(engine, shop, &row, admission::told(&held), evidence).await?,
        },
        Judgment::Later => put_off(engine, shop, &row, RESOLVER_TIME.to_std().unwrap_or_default()).await?,
        Judgment::Ask(reason) => ask(engine, shop, &row, json!({ "reason": reason }), evidence).await?,
    }
    Ok(true)
}

enum Judgment {
    Delivered,
    /// Refunded or cancelled while the outcome was open.
    Gone,
    SendAgain,
    Later,
    Ask(&'static str),
}

fn judge(
    engine: &Engine,
    shop: &Shop,
    (row, attempts): (&DeliveryRow, &[AttemptRow]),
    Fresh { order, evidence }: &Fresh,
) -> Result<Judgment, StoreError> {
    if order.order_status >= 2 {
        return Ok(Judgment::Delivered);
    }
    if order.refund_status == 4 || order.confirm_status == 2 {
        return Ok(Judgment::Gone);
    }
    if shop.restored_at.is_some_and(|restored| row.created_at < restored) {
        // What was lost may have ended it otherwise: freed its cards, and sent them to somebody else.
        return Ok(Judgment::Ask("restored from a backup: its cards may have been sent to another order since"));
    }
    let method = row.method()?;
    let rules = engine.config.of(shop.access.application.gateway);
    let safe = proves_failure(method) || method == DeliveryMethod::VoucherSend && rules.resend_safe;
    let mut sends = 0;
    for attempt in attempts {
        // What the platform refused did not happen, and says nothing against one more.
        sends += usize::from(attempt.state()? != AttemptState::Failed);
    }
    Ok(match (safe, sends > MOST_RESENDS, evidence.open_for_delivery()) {
        (true, false, Ok(())) => Judgment::SendAgain,
        // An open refund or review may end; until then nothing is sent and nothing is given up.
        (true, false, Err(_closed)) => Judgment::Later,
        (true, true, _) => Judgment::Ask("the identical request was sent as often as is allowed"),
        (false, _, _) => Judgment::Ask("the gateway does not promise that an identical request is safe"),
    })
}

/// Whether an order still to ship proves that the call did not happen: both calls are documented to ship the order.
const fn proves_failure(method: DeliveryMethod) -> bool {
    matches!(method, DeliveryMethod::PickupPage)
}

/// Raises the fence, so that nobody else's late answer is written, and takes the time to look.
async fn take_over(
    engine: &Engine,
    shop: &Shop,
    order_sn: &str,
) -> Result<Option<(DeliveryRow, Vec<AttemptRow>)>, StoreError> {
    let now = engine.now();
    let mut tx = engine.store.tenant_tx(shop.access.merchant).await?;
    let Some(mut row) = deliveries::lock_by_sn(&tx, shop.access.shop, &[order_sn]).await?.pop() else {
        return Ok(None);
    };
    let attempts = attempts::list(&mut tx, &[row.id()]).await?;
    let resolvable = attempts
        .last()
        .and_then(|attempt| attempt.send_deadline)
        .map(|deadline| deadline + engine.config.resolve_after);
    let due = row.due_at.is_some_and(|due| due <= now);
    let Some(resolvable) = resolvable.filter(|_| due && matches!(row.state(), Ok(DeliveryState::HandingOver))) else {
        return Ok(None);
    };
    if resolvable > now {
        // Made due too early, by the end of a pause, say: it is not to be looked at again and again until then.
        let change = DeliveryChange { due_at: Some(resolvable), ..unchanged(&row, DeliveryState::HandingOver) };
        deliveries::update_fenced(&tx, &[change]).await?;
        tx.commit().await?;
        return Ok(None);
    }
    let change = DeliveryChange {
        due_at: Some(now + RESOLVER_TIME),
        next_fence: row.fence + 1,
        ..unchanged(&row, DeliveryState::HandingOver)
    };
    deliveries::update_fenced(&tx, &[change]).await?;
    // A sender that died leaves 'started' behind: from here on its outcome is unknown.
    attempts::expire_started(&mut tx, row.id(), now).await?;
    tx.commit().await?;
    row.fence += 1;
    Ok(Some((row, attempts)))
}

fn unchanged(row: &DeliveryRow, state: DeliveryState) -> DeliveryChange {
    DeliveryChange {
        id: row.id(),
        fence: row.fence,
        next_fence: row.fence,
        state,
        due_at: None,
        failures: row.failures,
        payload_hash: None,
        delivered_at: None,
    }
}

/// Locks the order and the delivery and checks the fence; `None` when somebody took over.
async fn relock(
    tx: &mut TenantTx,
    shop: &Shop,
    row: &DeliveryRow,
) -> Result<Option<(Vec<orders::OrderRow>, DeliveryRow)>, StoreError> {
    let numbers: Vec<OrderSn> = row.order_sn.parse().into_iter().collect();
    let sns = [row.order_sn.as_str()];
    let (order_rows, mut locked) = try_join!(
        orders::lock_by_sn(tx, shop.access.shop, &numbers),
        deliveries::lock_waiting(tx, shop.access.shop, &sns),
    )?;
    Ok(locked.pop().filter(|locked| locked.fence == row.fence).map(|locked| (order_rows, locked)))
}

async fn delivered(
    engine: &Engine,
    shop: &Shop,
    row: &DeliveryRow,
    evidence: &Evidence,
) -> Result<Vec<Wake>, StoreError> {
    let now = engine.now();
    let mut tx = engine.store.tenant_tx(shop.access.merchant).await?;
    let Some((order_rows, locked)) = relock(&mut tx, shop, row).await? else { return Ok(Vec::new()) };
    let outcome = json!({ "resolved_by": "the order is shipped", "evidence": evidence });
    attempts::resolve_open(&mut tx, row.id(), AttemptState::ResolvedDelivered, &outcome, now).await?;
    let proven = Proven { rows: &[&locked], order_rows: &order_rows, ends: &[], cause: "evidence" };
    let wakes = settle::mark_delivered(Turn { engine, shop, now }, &mut tx, proven).await?.wakes;
    rollups::add(&mut tx, shop.access.shop, now, &[("resolved_by_evidence", 1)]).await?;
    tx.commit().await?;
    Ok(wakes)
}

/// The order ended while nobody knew whether the buyer has the cards: they may, so the cards are never sold again.
async fn refunded_meanwhile(
    engine: &Engine,
    shop: &Shop,
    row: &DeliveryRow,
    evidence: &Evidence,
) -> Result<(), StoreError> {
    let now = engine.now();
    let mut tx = engine.store.tenant_tx(shop.access.merchant).await?;
    let Some((_orders, locked)) = relock(&mut tx, shop, row).await? else { return Ok(()) };
    card_claims::move_held(&tx, &[locked.id()], HeldMove::QUARANTINED, now).await?;
    let change = DeliveryChange { next_fence: locked.fence + 1, ..unchanged(&locked, DeliveryState::Released) };
    deliveries::update_fenced(&tx, &[change]).await?;
    orders::transition(&tx, &[locked.order()], &[OrderState::HandingOver], OrderState::ClosedRefunded, "refund_raced")
        .await?;
    let exception = NewException {
        shop: shop.access.shop,
        order: Some((locked.order(), locked.order_sn.clone())),
        code: ReasonCode::RefundRaced,
        needs_review: false,
        detail: json!({ "evidence": evidence, "cards": "quarantined" }),
    };
    exceptions::open(&mut tx, &[exception]).await?;
    rollups::add(&mut tx, shop.access.shop, now, &[("refund_raced", 1)]).await?;
    let event = NewEvent { order: locked.order(), kind: "refund_raced", detail: json!({ "cards": "quarantined" }) };
    order_events::append(&tx, now, &[event]).await?;
    tx.commit().await
}

/// What came of the wish to send again.
enum Again {
    /// Ours to send.
    Started(Box<Started>),
    /// Not now; the delivery is due again.
    Later,
    /// Not with these cards, and there are no others.
    Unfit(HeldCards),
}

/// Starts the identical request again, judged in this transaction exactly as a first send is.
async fn start_again(
    engine: &Engine,
    shop: &Shop,
    (row, attempts): (&DeliveryRow, &[AttemptRow]),
    fresh: &Fresh,
    wakes: &mut Vec<Wake>,
) -> Result<Again, StoreError> {
    let Some(last) = attempts.last() else { return Ok(Again::Later) };
    let mut tx = engine.store.tenant_tx(shop.access.merchant).await?;
    let paused = Paused::keep(&mut tx, engine.now()).await?;
    let read = Read { started: fresh.evidence.read_at, source: Source::Gate };
    let looked = ingest::look(&tx, shop, std::slice::from_ref(&fresh.order), read).await?;
    let shop = &looked.shop.clone();
    let ingested = ingest::store(&mut tx, looked).await?;
    let Some((_orders, locked)) = relock(&mut tx, shop, row).await? else { return Ok(Again::Later) };
    let Some(known) = ingested.orders.first() else { return Ok(Again::Later) };
    let turn = Turn { engine, shop, now: engine.now() };
    let held = admission::held_cards(&mut tx, std::slice::from_ref(&locked), &paused, turn.now).await?;
    let case = Case { row: &locked, known, evidence: &fresh.evidence, held: held.first() };
    let again = match admission::held_back(turn, case, &paused)? {
        None => Again::Started(Box::new(write_again(turn, &mut tx, &locked, last, &fresh.evidence).await?)),
        Some(Hold::Unfit(held)) => Again::Unfit(held),
        Some(hold) => {
            let until = match hold {
                Hold::Paused => paused.look_again(turn.now),
                _ => turn.now + RESOLVER_TIME,
            };
            let change = DeliveryChange { due_at: Some(until), ..unchanged(&locked, DeliveryState::HandingOver) };
            deliveries::update_fenced(&tx, &[change]).await?;
            Again::Later
        }
    };
    tx.commit().await?;
    wakes.extend(ingested.wakes);
    Ok(again)
}

async fn write_again(
    turn: Turn<'_>,
    tx: &mut TenantTx,
    locked: &DeliveryRow,
    last: &AttemptRow,
    evidence: &Evidence,
) -> Result<Started, StoreError> {
    let Turn { engine, now, .. } = turn;
    let key = tx.data_key_by_id(last.data_key()).await?;
    let call = payload::open(&key, locked, &last.payload_sealed)?;
    let deadline = now + engine.config.send_deadline;
    let fence = locked.fence + 1;
    let n = last.n + 1;
    let change = DeliveryChange {
        next_fence: fence,
        due_at: Some(deadline + look_after(engine, n)),
        ..unchanged(locked, DeliveryState::HandingOver)
    };
    deliveries::update_fenced(tx, &[change]).await?;
    let attempt = AttemptId::generate();
    let new = NewAttempt {
        id: attempt,
        delivery: locked.id(),
        n,
        method: locked.method()?.as_str(),
        idempotency_key: last.idempotency_key.clone(),
        data_key: last.data_key(),
        payload_sealed: last.payload_sealed.clone(),
        payload_hash: last.payload_hash.clone(),
        evidence: serde_json::to_value(evidence).unwrap_or_default(),
        evidence_at: evidence.read_at,
        fence,
    };
    attempts::start(tx, &[new], now, deadline).await?;
    let event =
        NewEvent { order: locked.order(), kind: "handing_over", detail: json!({ "attempt": n, "identical": true }) };
    order_events::append(tx, now, &[event]).await?;
    Ok(Started { delivery: locked.clone(), attempt, fence, n, call, deadline })
}

/// Returns how long after its deadline the outcome of the `n`th attempt is looked for: as long after the second as after
/// the first, and after each further one twice as long as before.
fn look_after(engine: &Engine, n: i32) -> std::time::Duration {
    let doublings = u32::try_from(n - 2).unwrap_or_default().min(MOST_DOUBLINGS);
    engine.config.resolve_after * 2_u32.pow(doublings)
}

async fn put_off(
    engine: &Engine,
    shop: &Shop,
    row: &DeliveryRow,
    delay: std::time::Duration,
) -> Result<(), StoreError> {
    let tx = engine.store.tenant_tx(shop.access.merchant).await?;
    let change = DeliveryChange { due_at: Some(engine.now() + delay), ..unchanged(row, DeliveryState::HandingOver) };
    deliveries::update_fenced(&tx, &[change]).await?;
    tx.commit().await
}

fn with_evidence(mut reason: Value, evidence: &Evidence) -> Value {
    if let Some(detail) = reason.as_object_mut() {
        detail.insert("evidence".to_owned(), serde_json::to_value(evidence).unwrap_or_default());
    }
    reason
}

/// Leaves it to a person, with the cards held.
async fn ask(
    engine: &Engine,
    shop: &Shop,
    row: &DeliveryRow,
    reason: Value,
    evidence: &Evidence,
) -> Result<(), StoreError> {
    let now = engine.now();
    let mut tx = engine.store.tenant_tx(shop.access.merchant).await?;
    if deliveries::update_fenced(&tx, &[unchanged(row, DeliveryState::HandingOver)]).await?.is_empty() {
        // Somebody took over; what they find counts.
        return Ok(());
    }
    let exception = NewException {
        shop: shop.access.shop,
        order: Some((row.order(), row.order_sn.clone())),
        code: ReasonCode::UnknownOutcome,
        needs_review: true,
        detail: with_evidence(reason.clone(), evidence),
    };
    let opened = exceptions::open(&mut tx, &[exception]).await?;
    rollups::add(&mut tx, shop.access.shop, now, &[("exceptions", i64::try_from(opened).unwrap_or(0))]).await?;
    let event = NewEvent { order: row.order(), kind: "needs_review", detail: reason };
    order_events::append(&tx, now, &[event]).await?;
    tx.commit().await
}
