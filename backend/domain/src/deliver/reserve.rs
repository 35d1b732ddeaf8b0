//! Transaction 1: what was read is ingested; what may be handed over is claimed in full and started.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::try_join;
use kamiflow_kernel::{
    AttemptId, DataKeyId, DeliveryId, DeliveryMethod, DeliveryState, LineId, OrderSn, OrderState, PoolId, ReasonCode,
};
use kamiflow_store::attempts::{self, AttemptRow};
use kamiflow_store::card_claims::{Claimed, HeldCards};
use kamiflow_store::deliveries::{self, DeliveryChange, DeliveryRow};
use kamiflow_store::delivery_lines::NewLine;
use kamiflow_store::exceptions::{self, NewException};
use kamiflow_store::order_events::{self, NewEvent};
use kamiflow_store::orders::OrderRow;
use kamiflow_store::stock_waits::NewWait;
use kamiflow_store::{StoreError, TenantTx, delivery_lines, order_hints, orders, rollups, stock_waits};
use serde_json::json;

use super::admission::{self, Case, Hold, held_back};
use super::claim::{self, Holding, Way};
use super::payload::{self, Payload};
use super::starts::{self, Start, Starts};
use super::{Fresh, Turn, at_once};
use crate::charge;
use crate::deliver::send::Started;
use crate::engine::{Engine, Wake};
use crate::ingest::{self, Looked, Read, Source};
use crate::pause_check::Paused;
use crate::platform_pool::ToLink;
use crate::shop_access::Shop;

/// How long a delivery that may not be started now waits for another look, if nothing wakes it before.
const LOOK_AGAIN: TimeDelta = TimeDelta::seconds(60);

/// What transaction 1 did.
#[derive(Debug, Default)]
pub(super) struct Reserved {
    pub(super) started: Vec<Started>,
    pub(super) to_link: Vec<ToLink>,
    pub(super) wakes: Vec<Wake>,
    /// Orders that were new or changed.
    pub(super) moved: usize,
}

impl Reserved {
    pub(super) fn append(&mut self, mut other: Self) {
        self.started.append(&mut other.started);
        self.to_link.append(&mut other.to_link);
        self.wakes.append(&mut other.wakes);
        self.moved += other.moved;
    }
}

/// A delivery that the gate lets pass, on its way through the transaction.
struct Ready<'a> {
    row: &'a DeliveryRow,
    fresh: &'a Fresh,
    /// Earlier attempts; they all sent the same payload.
    earlier: Vec<AttemptRow>,
    /// Whether it waited for cards, and so left a wait and an exception that end now.
    waited: bool,
}

/// Ingests freshly read orders and starts what may be handed over.
///
/// # Errors
/// When the store fails; nothing is kept and nothing may be sent then.
pub(super) async fn batch(engine: &Engine, shop: &Shop, fresh: &[Fresh]) -> Result<Reserved, StoreError> {
    if let Some(reserved) = run(engine, shop, fresh, Way::Fast).await? {
        return Ok(reserved);
    }
    Ok(run(engine, shop, fresh, Way::Fair).await?.unwrap_or_default())
}

/// Returns `None`, with nothing kept, when the fast way found too few cards.
async fn run(engine: &Engine, shop: &Shop, fresh: &[Fresh], way: Way) -> Result<Option<Reserved>, StoreError> {
    let mut tx = engine.store.tenant_tx_keeping_pauses(shop.access.merchant).await?;
    let began = fresh.iter().map(|order| order.evidence.read_at).min().unwrap_or_else(|| engine.now());
    let orders: Vec<_> = fresh.iter().map(|order| order.order.clone()).collect();
    let read = Read { started: began, source: Source::Hint };
    let (mut looked, paused) = try_join!(ingest::look(&tx, shop, &orders, read), Paused::load(&tx, engine.now()))?;
    let shop = &looked.shop.clone();
    let turn = Turn { engine, shop, now: engine.now() };
    let by_sn: HashMap<&str, &Fresh> = fresh.iter().map(|order| (order.order.order_sn.as_str(), order)).collect();
    let mut reserved = Reserved::default();
    if way == Way::Fast {
        let born = at_once::take(turn, &mut looked, &by_sn, &paused)?;
        let Some(started) = at_once::start(turn, &mut tx, born, &paused).await? else { return Ok(None) };
        reserved.moved += started.len();
        reserved.started = started;
    }
    if !looked.is_empty() {
        let given = Given { by_sn: &by_sn, paused: &paused, way };
        let Some(rest) = in_steps(turn, &mut tx, looked, given).await? else { return Ok(None) };
        reserved.append(rest);
    }
    let attempts: Vec<AttemptId> = reserved.started.iter().map(|started| started.attempt).collect();
    match tx.commit().await {
        Ok(()) => Ok(Some(reserved)),
        // Either nothing happened, or every attempt is there under our fence: then it is ours to send.
        Err(error @ StoreError::CommitUnknown(_)) => {
            confirm(engine, shop, &attempts, error).await.map(|()| Some(reserved))
        }
        Err(error) => Err(error),
    }
}

/// What a batch is started by.
#[derive(Clone, Copy)]
struct Given<'a> {
    by_sn: &'a HashMap<&'a str, &'a Fresh>,
    paused: &'a Paused,
    way: Way,
}

/// Stores what was looked at, and starts what is due of it.
async fn in_steps(
    turn: Turn<'_>,
    tx: &mut TenantTx,
    looked: Looked<'_>,
    given: Given<'_>,
) -> Result<Option<Reserved>, StoreError> {
    let Given { by_sn, paused, way } = given;
    let shop = turn.shop;
    let ingested = ingest::store(tx, looked).await?;
    let moved = ingested.fresh + ingested.changed;
    let mut reserved = Reserved { wakes: ingested.wakes, moved, ..Reserved::default() };
    let stored: HashMap<&str, &OrderRow> =
        ingested.orders.iter().map(|order| (order.order_sn.as_str(), order)).collect();
    let sns: Vec<&str> = stored.keys().copied().collect();
    let rows = deliveries::lock_by_sn(tx, shop.access.shop, &sns).await?;
    let ids: Vec<DeliveryId> = rows.iter().map(DeliveryRow::id).collect();
    let mut attempts = attempts_of(tx, &rows, &ids).await?;
    let held = admission::held_cards(tx, &rows, paused, turn.now).await?;
    let mut ready = Vec::new();
    let mut waiting = Waiting::default();
    for row in &rows {
        let sn = row.order_sn.as_str();
        let (Some(order), Some(known)) = (by_sn.get(sn), stored.get(sn)) else { continue };
        let held = held.iter().find(|held| held.delivery == row.id());
        match admit(turn, Case { row, known, evidence: &order.evidence, held }, order, paused)? {
            Admission::No => {}
            Admission::Rest => waiting.rest.push(sn),
            Admission::Held(hold) => waiting.add(row, hold),
            Admission::Link => reserved.to_link.push(ToLink { delivery: row.clone(), order: order.order.clone() }),
            Admission::Yes => {
                let earlier = attempts.remove(&row.id()).unwrap_or_default();
                let waited = known.state()? == OrderState::AwaitingCards;
                ready.push(Ready { row, fresh: order, earlier, waited });
            }
        }
    }
    waiting.write(turn, tx, paused).await?;
    let ready = charge::only_charged(tx, shop, ready, |ready| ready.row, turn.now).await?;
    let Some(started) = start(turn, tx, ready, paused, way).await? else { return Ok(None) };
    reserved.started = started;
    Ok(Some(reserved))
}

async fn attempts_of(
    tx: &mut TenantTx,
    rows: &[DeliveryRow],
    ids: &[DeliveryId],
) -> Result<HashMap<DeliveryId, Vec<AttemptRow>>, StoreError> {
    let mut attempts: HashMap<DeliveryId, Vec<AttemptRow>> = HashMap::new();
    if rows.iter().any(|row| row.payload_hash.is_some()) {
        for attempt in attempts::list(tx, ids).await? {
            attempts.entry(DeliveryId::from_uuid(attempt.delivery_id)).or_default().push(attempt);
        }
    }
    Ok(attempts)
}

async fn confirm(engine: &Engine, shop: &Shop, started: &[AttemptId], error: StoreError) -> Result<(), StoreError> {
    let mut tx = engine.store.tenant_tx(shop.access.merchant).await?;
    let there = attempts::count(&mut tx, started).await?;
    tx.commit().await?;
    if there == started.len() { Ok(()) } else { Err(error) }
}

enum Admission {
    /// Not due, or in no state for it.
    No,
    /// The platform hands it out.
    Link,
    /// The platform will hand it out; its order says when.
    Rest,
    /// May not start now.
    Held(Hold),
    /// Start it.
    Yes,
}

/// Judges a delivery that may be due.
fn admit(turn: Turn<'_>, case: Case<'_>, order: &Fresh, paused: &Paused) -> Result<Admission, StoreError> {
    let row = case.row;
    let startable = matches!(row.state()?, DeliveryState::Pending | DeliveryState::Reserved);
    if !startable || row.due_at.is_none_or(|due| due > turn.now) {
        return Ok(Admission::No);
    }
    if matches!(row.method()?, DeliveryMethod::PlatformPool | DeliveryMethod::PlatformCodes) {
        // The platform served it already, so this is as good in trial run.
        return Ok(if order.order.order_status >= 2 { Admission::Link } else { Admission::Rest });
    }
    Ok(held_back(turn, case, paused)?.map_or(Admission::Yes, Admission::Held))
}

/// What may not start now, by when it is looked at again.
#[derive(Default)]
struct Waiting<'a> {
    rest: Vec<&'a str>,
    later: Vec<&'a str>,
    paused: Vec<&'a str>,
    at_once: Vec<&'a str>,
    unfit: Vec<(&'a DeliveryRow, HeldCards)>,
}

impl<'a> Waiting<'a> {
    fn add(&mut self, row: &'a DeliveryRow, hold: Hold) {
        let sn = row.order_sn.as_str();
        match hold {
            Hold::NotToDeliver => self.rest.push(sn),
            Hold::Closed(_) | Hold::NoCalls => self.later.push(sn),
            Hold::Paused => self.paused.push(sn),
            Hold::Stale => self.at_once.push(sn),
            Hold::Unfit(held) => self.unfit.push((row, held)),
        }
    }

    async fn write(mut self, turn: Turn<'_>, tx: &mut TenantTx, paused: &Paused) -> Result<(), StoreError> {
        let (id, now) = (turn.shop.access.shop, turn.now);
        ask_about_cards(turn, tx, &self.unfit).await?;
        self.rest.extend(self.unfit.iter().map(|(row, _)| row.order_sn.as_str()));
        let times = [
            (self.rest, None),
            (self.later, Some(now + LOOK_AGAIN)),
            (self.paused, Some(paused.look_again(now))),
            (self.at_once, Some(now)),
        ];
        for (sns, due_at) in times {
            if !sns.is_empty() {
                deliveries::due::reschedule(tx, id, &sns, due_at).await?;
            }
        }
        Ok(())
    }
}

/// Leaves deliveries to a person whose cards can no longer be sent; they stay held, because nothing else may be sent.
async fn ask_about_cards(
    turn: Turn<'_>,
    tx: &mut TenantTx,
    unfit: &[(&DeliveryRow, HeldCards)],
) -> Result<(), StoreError> {
    if unfit.is_empty() {
        return Ok(());
    }
    let shop = turn.shop.access.shop;
    let news: Vec<NewException> = unfit
        .iter()
        .map(|(row, held)| NewException {
            shop,
            order: Some((row.order(), row.order_sn.clone())),
            code: ReasonCode::CardsUnfit,
            needs_review: true,
            detail: admission::told(held),
        })
        .collect();
    let opened = exceptions::open(tx, &news).await?;
    rollups::add(tx, shop, turn.now, &[("exceptions", i64::try_from(opened).unwrap_or(i64::MAX))]).await?;
    let events: Vec<NewEvent> = unfit
        .iter()
        .map(|(row, held)| NewEvent { order: row.order(), kind: "needs_review", detail: admission::told(held) })
        .collect();
    order_events::append(tx, turn.now, &events).await
}

/// Claims, plans and starts; everything in the caller's transaction. Returns `None` as [`claim::claim`] does.
async fn start(
    turn: Turn<'_>,
    tx: &mut TenantTx,
    ready: Vec<Ready<'_>>,
    paused: &Paused,
    way: Way,
) -> Result<Option<Vec<Started>>, StoreError> {
    let Turn { shop, now, .. } = turn;
    let claiming: Vec<&DeliveryRow> = ready
        .iter()
        .map(|ready| ready.row)
        .filter(|row| row.pool_id.is_some() && matches!(row.state(), Ok(DeliveryState::Pending)))
        .collect();
    let Some(mut holding) = claim::claim(tx, &claiming, &paused.batches(), now, way).await? else { return Ok(None) };
    wait_for_stock(tx, shop, &ready, &holding, now).await?;
    let going: Vec<&Ready<'_>> = ready.iter().filter(|ready| !holding.short.contains(&ready.row.id())).collect();
    if going.is_empty() {
        return Ok(Some(Vec::new()));
    }
    holding.lines.extend(going.iter().flat_map(|ready| lines_without_cards(ready.row)));
    let mut plans = Vec::with_capacity(going.len());
    for ready in &going {
        let cards = holding.cards.get(&ready.row.id()).map_or(&[][..], Vec::as_slice);
        plans.push(plan(turn, tx, ready, cards).await?);
    }
    write_start(turn, tx, &going, &holding.lines, plans).await.map(Some)
}

/// Methods without cards have a line per unit all the same: it is what redemptions hang on.
fn lines_without_cards(row: &DeliveryRow) -> Vec<NewLine> {
    let bare = row.pool_id.is_none() && matches!(row.state(), Ok(DeliveryState::Pending));
    let count = if bare { row.lines_expected } else { 0 };
    (1..=count).map(|line_no| NewLine { id: LineId::generate(), delivery: row.id(), line_no, card_use: None }).collect()
}

async fn plan(
    turn: Turn<'_>,
    tx: &mut TenantTx,
    ready: &Ready<'_>,
    cards: &[Claimed],
) -> Result<(Payload, DataKeyId), StoreError> {
    if let Some(attempt) = ready.earlier.last() {
        let key = tx.data_key_by_id(attempt.data_key()).await?;
        let call = payload::open(&key, ready.row, &attempt.payload_sealed)?;
        let again = Payload { call, sealed: attempt.payload_sealed.clone(), hash: attempt.payload_hash.clone() };
        return Ok((again, attempt.data_key()));
    }
    starts::first_payload(turn, tx, ready.row, cards).await
}

async fn write_start(
    turn: Turn<'_>,
    tx: &mut TenantTx,
    going: &[&Ready<'_>],
    lines: &[NewLine],
    plans: Vec<(Payload, DataKeyId)>,
) -> Result<Vec<Started>, StoreError> {
    let Turn { shop, now, .. } = turn;
    let deadline = turn.send_deadline();
    let mut changes = Vec::with_capacity(going.len());
    let mut starts = Starts::default();
    for (ready, plan) in going.iter().zip(plans) {
        let row = ready.row;
        changes.push(DeliveryChange {
            id: row.id(),
            fence: row.fence,
            next_fence: row.fence + 1,
            state: DeliveryState::HandingOver,
            due_at: Some(turn.resolve_at()),
            failures: row.failures,
            payload_hash: Some(plan.0.hash.clone()),
            delivered_at: None,
        });
        let n = ready.earlier.last().map_or(1, |attempt| attempt.n + 1);
        starts.add(turn, Start { row, n, evidence: &ready.fresh.evidence, plan })?;
    }
    let Starts { news, events, started } = starts;
    let keys: Vec<_> = going.iter().map(|ready| ready.row.order()).collect();
    let before = [OrderState::Seen, OrderState::AwaitingCards, OrderState::Reserved];
    // In this order: a delivery's lines are counted when it changes, and an attempt is compared with its delivery.
    try_join!(
        delivery_lines::insert(tx, lines),
        deliveries::update_fenced(tx, &changes),
        attempts::start(tx, &news, now, deadline),
        orders::transition(tx, &keys, &before, OrderState::HandingOver, "started"),
        order_events::append(tx, now, &events),
    )?;
    let waited = || going.iter().filter(|ready| ready.waited).map(|ready| ready.row);
    stock_waits::delete(tx, &waited().map(DeliveryRow::id).collect::<Vec<_>>()).await?;
    let sns: Vec<&str> = waited().map(|row| row.order_sn.as_str()).collect();
    exceptions::resolve(tx, shop.access.shop, &sns, &[ReasonCode::OutOfStock], "stock arrived").await?;
    Ok(started)
}

/// Writes down who waits for cards; the pools are locked since the claim found too few.
async fn wait_for_stock(
    tx: &mut TenantTx,
    shop: &Shop,
    ready: &[Ready<'_>],
    holding: &Holding,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let short: Vec<&DeliveryRow> =
        ready.iter().map(|ready| ready.row).filter(|row| holding.short.contains(&row.id())).collect();
    if short.is_empty() {
        return Ok(());
    }
    let id = shop.access.shop;
    let waits: Vec<NewWait> = short
        .iter()
        .filter_map(|row| {
            let pool = PoolId::from_uuid(row.pool_id?);
            Some(NewWait { delivery: row.id(), pool, shop: id, cards: row.lines_expected, since: row.created_at })
        })
        .collect();
    stock_waits::insert(tx, &waits).await?;
    let sns: Vec<&str> = short.iter().map(|row| row.order_sn.as_str()).collect();
    deliveries::due::reschedule(tx, id, &sns, None).await?;
    let keys: Vec<_> = short.iter().map(|row| row.order()).collect();
    orders::transition(tx, &keys, &[OrderState::Seen], OrderState::AwaitingCards, "shortage").await?;
    let news: Vec<NewException> = short
        .iter()
        .map(|row| NewException {
            shop: id,
            order: Some((row.order(), row.order_sn.clone())),
            code: ReasonCode::OutOfStock,
            needs_review: false,
            detail: json!({ "cards": row.lines_expected, "pool": row.pool_id.map(|pool| PoolId::from_uuid(pool).to_string()) }),
        })
        .collect();
    let opened = exceptions::open(tx, &news).await?;
    rollups::add(tx, id, now, &[("out_of_stock", i64::try_from(opened).unwrap_or(i64::MAX))]).await?;
    let events: Vec<NewEvent> = short
        .iter()
        .map(|row| NewEvent {
            order: row.order(),
            kind: "awaiting_cards",
            detail: json!({ "cards": row.lines_expected }),
        })
        .collect();
    order_events::append(tx, now, &events).await
}

/// Counts a failure of one order that concerns nobody else, and leaves it to a person when there are too many.
///
/// # Errors
/// When the store fails.
pub(crate) async fn count_failure(engine: &Engine, shop: &Shop, order_sn: &OrderSn) -> Result<(), StoreError> {
    let mut tx = engine.store.tenant_tx(shop.access.merchant).await?;
    let now = engine.now();
    for hint in order_hints::list_among(&mut tx, shop.access.shop, std::slice::from_ref(order_sn)).await? {
        let delay = TimeDelta::seconds(i64::from(hint.tries.clamp(1, 100)) * 6);
        order_hints::defer(&mut tx, shop.access.shop, &hint, now + delay).await?;
    }
    let rows = deliveries::lock_by_sn(&tx, shop.access.shop, &[order_sn.as_str()]).await?;
    for row in rows.iter().filter(|row| matches!(row.state(), Ok(DeliveryState::Pending | DeliveryState::Reserved))) {
        let failures = row.failures + 1;
        let poisoned = failures >= engine.config.poison_after;
        let delay = TimeDelta::seconds(i64::from(failures.clamp(1, 10)) * 6);
        let change = DeliveryChange {
            id: row.id(),
            fence: row.fence,
            next_fence: row.fence,
            state: row.state()?,
            due_at: (!poisoned).then(|| now + delay),
            failures,
            payload_hash: None,
            delivered_at: None,
        };
        deliveries::update_fenced(&tx, &[change]).await?;
        if poisoned {
            let exception = NewException {
                shop: shop.access.shop,
                order: Some((row.order(), row.order_sn.clone())),
                code: ReasonCode::Poisoned,
                needs_review: true,
                detail: json!({ "failures": failures }),
            };
            exceptions::open(&mut tx, &[exception]).await?;
        }
    }
    tx.commit().await
}
