//! The one way an order enters: push, peek, window and gate all come through here.
//!
//! ```text
//! read (no transaction) ──► lock the orders ──► merge ──► decide ──► write orders, plan deliveries, close, burn
//! ```
//! A read that is older than what is stored changes nothing. A read with the same `updated_at` but other content
//! keeps the more restrictive of both and asks for another read, because the platform's times have whole seconds
//! and nobody can say which came later. What the engine decides about an order ([`decide`]) is a pure function of
//! the order, its SKU's mapping and the shop, so it is the same wherever the order was read.

mod decide;
mod effects;
mod merge;
mod outside;

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, Duration, Utc};
use futures_util::try_join;
use kamiflow_kernel::{OrderSn, OrderState, ShopId};
use kamiflow_store::deliveries::NewDelivery;
use kamiflow_store::order_events::NewEvent;
use kamiflow_store::order_hints::{HintRow, HintSource, NewHints};
use kamiflow_store::orders::OrderRow;
use kamiflow_store::sku_lookup::SkuFacts;
use kamiflow_store::told::Told;
use kamiflow_store::{StoreError, TenantTx, deliveries, order_hints, orders, sku_lookup, told};
use serde_json::json;

pub(crate) use decide::evidence as stored_evidence;
pub use decide::{DELIVERABLE, Decision, decide};
pub use effects::settle_refund_after_send;

use crate::engine::Wake;
use crate::marketplace::PlatformOrder;
use crate::push_hint::after_fruitless_read;
use crate::shop_access::{self, Shop};
use merge::Merge;

/// What brought an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// A cheap look up to now.
    Peek,
    /// A window that proves coverage.
    Window,
    /// A hint, from push or from ourselves.
    Hint,
    /// The read before a hand-over or a redemption.
    Gate,
    /// An operator's reconciliation.
    Reconcile,
}

impl Source {
    /// Returns the name stored with the order.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Peek => "peek",
            Self::Window => "window",
            Self::Hint => "hint",
            Self::Gate => "gate",
            Self::Reconcile => "reconcile",
        }
    }
}

/// One read of the platform.
#[derive(Debug, Clone, Copy)]
pub struct Read {
    /// When it began, by our clock.
    pub started: DateTime<Utc>,
    /// What it was.
    pub source: Source,
}

/// What an ingestion found.
#[derive(Debug, Clone, Default)]
pub struct Ingested {
    /// Orders never seen before.
    pub fresh: usize,
    /// Orders that changed.
    pub changed: usize,
    /// Orders that a hint had announced.
    pub announced: usize,
    /// Who should look now.
    pub wakes: Vec<Wake>,
    /// The orders as they are stored now, locked until the transaction ends.
    pub orders: Vec<OrderRow>,
}

/// An order between the merge and the write.
struct Item {
    row: OrderRow,
    before: Option<OrderRow>,
    /// The platform's content is other than it was.
    content_changed: bool,
    read_again: bool,
    /// The platform shows a code on it.
    carries_cards: bool,
    decision: Decision,
}

/// Stores what was read about orders of a shop, and does what follows from it.
///
/// # Errors
/// When the store fails; nothing is kept then, and running again with the same read is safe.
pub async fn ingest(
    tx: &mut TenantTx,
    shop: &Shop,
    read_orders: &[PlatformOrder],
    read: Read,
) -> Result<Ingested, StoreError> {
    let looked = look(tx, shop, read_orders, read).await?;
    store(tx, looked).await
}

/// Orders that were read, with what is stored of them, locked, and what was decided about each. Nothing is written yet.
pub(crate) struct Looked<'a> {
    /// The shop with what it may do as of this transaction.
    pub(crate) shop: Shop,
    read: Read,
    latest: Vec<(&'a PlatformOrder, OrderRow)>,
    items: Vec<Item>,
    skus: Skus,
}

/// A new order that is to be handed over, and not stored yet.
pub(crate) struct Born {
    /// As it would be stored.
    pub(crate) row: OrderRow,
    /// The delivery that would be planned for it.
    pub(crate) plan: NewDelivery,
}

impl Born {
    /// What is told of an order that was never seen before.
    pub(crate) fn seen(&self, source: Source) -> NewEvent {
        seen(&self.row, source)
    }
}

impl Looked<'_> {
    /// Takes new orders out that are to be handed over, and of which `fits` says that they can be right away. Whoever
    /// takes them stores them.
    ///
    /// # Errors
    /// What `fits` returns.
    pub(crate) fn take_born(
        &mut self,
        mut fits: impl FnMut(&Born) -> Result<bool, StoreError>,
    ) -> Result<Vec<Born>, StoreError> {
        let mut taken = Vec::new();
        for item in std::mem::take(&mut self.items) {
            let plan = match item.decision {
                Decision::Deliver if item.before.is_none() && !item.is_odd() => {
                    effects::plan_of(&item.row, self.skus.facts.get(&item.row.platform_sku_id), self.read.started)
                }
                _ => None,
            };
            let born = plan.map(|plan| Born { row: item.row.clone(), plan });
            match born {
                Some(born) if fits(&born)? => taken.push(born),
                _ => self.items.push(item),
            }
        }
        Ok(taken)
    }

    /// Returns whether nothing is left to store.
    pub(crate) const fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
}

/// Looks at what was read beside what is stored, and decides. The rows are locked until the transaction ends.
///
/// # Errors
/// When the store fails.
pub(crate) async fn look<'a>(
    tx: &TenantTx,
    shop: &Shop,
    read_orders: &'a [PlatformOrder],
    read: Read,
) -> Result<Looked<'a>, StoreError> {
    let id = shop.access.shop;
    let latest: Vec<(&PlatformOrder, OrderRow)> =
        latest_by_number(read_orders).into_values().map(|order| (order, merge::new_row(order, read))).collect();
    let sns: Vec<OrderSn> = latest.iter().map(|(order, _)| order.order_sn.clone()).collect();
    let mut skus = Skus::named_by(latest.iter().map(|(_, row)| row));
    // What the tick opened may be seconds old: going live and stopping count from their commit.
    let (current, stored, listed) = try_join!(
        shop_access::as_of_now(tx, shop),
        orders::lock_by_sn(tx, id, &sns),
        sku_lookup::list(tx, id, &skus.asked),
    )?;
    skus.learn(listed);
    let mut items = merged(stored, &latest);
    decide_all(tx, &current, &mut items, &mut skus).await?;
    Ok(Looked { shop: current, read, latest, items, skus })
}

/// Stores what was looked at, and does what follows from it.
///
/// # Errors
/// When the store fails; nothing is kept then.
pub(crate) async fn store(tx: &mut TenantTx, looked: Looked<'_>) -> Result<Ingested, StoreError> {
    let Looked { shop, read, latest, items, mut skus } = looked;
    let id = shop.access.shop;
    // Decided before it is inserted: a new order is written once.
    let fresh: Vec<OrderRow> = items.iter().filter(|item| item.before.is_none()).map(|item| item.row.clone()).collect();
    let inserted: HashSet<String> = orders::insert_new(tx, id, &fresh).await?.into_iter().collect();
    let (mut items, raced): (Vec<Item>, Vec<Item>) =
        items.into_iter().partition(|item| item.before.is_some() || inserted.contains(&item.row.order_sn));
    if !raced.is_empty() {
        // Another reader inserted these meanwhile; its rows count as known.
        let sns: Vec<OrderSn> = raced.iter().filter_map(|item| item.row.order_sn.parse().ok()).collect();
        let mut known = merged(orders::lock_by_sn(tx, id, &sns).await?, &latest);
        known.retain(|item| item.before.is_some());
        decide_all(tx, &shop, &mut known, &mut skus).await?;
        items.append(&mut known);
    }
    items.sort_by(|a, b| a.row.order_sn.cmp(&b.row.order_sn));
    let decided: Vec<Decision> = items.iter().map(|item| item.decision).collect();
    let batch = effects::Batch { items: &items, decisions: &decided, facts: &skus.facts, read };
    let (report, mut wakes) = write(tx, id, &batch).await?;
    wakes.extend(effects::apply(tx, &shop, &batch).await?);
    outside::note(tx, id, &items, read).await?;
    wakes.dedup();
    let orders = items.into_iter().map(|item| item.row).collect();
    Ok(Ingested { wakes, orders, ..report })
}

/// The same order may stand on two pages of one read: its latest state counts.
fn latest_by_number(read_orders: &[PlatformOrder]) -> BTreeMap<&str, &PlatformOrder> {
    let mut latest: BTreeMap<&str, &PlatformOrder> = BTreeMap::new();
    for order in read_orders {
        latest
            .entry(order.order_sn.as_str())
            .and_modify(|known| {
                if order.updated_at >= known.updated_at {
                    *known = order;
                }
            })
            .or_insert(order);
    }
    latest
}

/// Merges what was read into the orders that are stored and locked; orders that are not stored are new.
fn merged(stored: Vec<OrderRow>, latest: &[(&PlatformOrder, OrderRow)]) -> Vec<Item> {
    let mut known: HashMap<String, OrderRow> = stored.into_iter().map(|row| (row.order_sn.clone(), row)).collect();
    let mut items = Vec::with_capacity(latest.len());
    for (order, read_row) in latest {
        let before = known.remove(order.order_sn.as_str());
        let (row, content_changed, read_again) = match &before {
            None => (read_row.clone(), true, false),
            Some(before) => match merge::merge(before, read_row) {
                Merge::Unchanged => (before.clone(), false, false),
                Merge::Take(row) => (row, true, false),
                Merge::Restrict(row) => (row, true, true),
            },
        };
        let carries_cards = outside::carries_cards(order);
        items.push(Item { row, before, content_changed, read_again, carries_cards, decision: Decision::Stay });
    }
    items
}

/// What is known of SKUs, by the platform's numbers.
struct Skus {
    asked: Vec<i64>,
    facts: HashMap<i64, SkuFacts>,
}

impl Skus {
    /// Nothing yet, of the SKUs that orders name.
    fn named_by<'a>(rows: impl Iterator<Item = &'a OrderRow>) -> Self {
        let asked: HashSet<i64> = rows.map(|row| row.platform_sku_id).collect();
        Self { asked: asked.into_iter().collect(), facts: HashMap::new() }
    }

    fn learn(&mut self, listed: Vec<SkuFacts>) {
        self.facts.extend(listed.into_iter().map(|sku| (sku.platform_sku_id, sku)));
    }
}

/// Decides about each order.
async fn decide_all(tx: &TenantTx, shop: &Shop, items: &mut [Item], skus: &mut Skus) -> Result<(), StoreError> {
    // What was read may be older than what is stored, and name another SKU.
    let mut stored = Skus::named_by(items.iter().map(|item| &item.row));
    stored.asked.retain(|sku| !skus.asked.contains(sku));
    if !stored.asked.is_empty() {
        skus.learn(sku_lookup::list(tx, shop.access.shop, &stored.asked).await?);
    }
    for item in items {
        let sku = skus.facts.get(&item.row.platform_sku_id);
        item.decision = decide(&item.row, sku, shop)?;
        item.decision.write_state(&mut item.row);
        outside::take_out(item, sku);
    }
    Ok(())
}

/// Settles the hints of orders whose read does not simply answer them, before deliveries are locked. Returns how many
/// hints are gone, and the orders whose hints are answered and left to be cleared.
///
/// A hint whose order shows nothing new yet is read again a few times and then left to the window: a push may come
/// before the platform's own reads know of the change. And two reads with the same time that differ ask for another.
async fn settle_odd_hints(
    tx: &mut TenantTx,
    shop: ShopId,
    items: &[Item],
    read: Read,
) -> Result<(usize, Vec<OrderSn>), StoreError> {
    let waits_for_news = |item: &&Item| {
        matches!(read.source, Source::Hint | Source::Gate)
            && !item.content_changed
            && item.before.as_ref().is_some_and(|before| before.state == OrderState::Seen.as_str())
    };
    let (fruitless, answered): (Vec<&Item>, Vec<&Item>) = items.iter().partition(waits_for_news);
    let numbers = |items: Vec<&Item>| -> Vec<OrderSn> {
        items.into_iter().filter_map(|item| item.row.order_sn.parse().ok()).collect()
    };
    let again = numbers(items.iter().filter(|item| item.read_again).collect());
    let (fruitless, answered) = (numbers(fruitless), numbers(answered));
    if fruitless.is_empty() && again.is_empty() {
        return Ok((0, answered));
    }
    let mut gone = order_hints::clear_read(tx, shop, &answered, read.started).await?;
    for hint in order_hints::list_among(tx, shop, &fruitless).await? {
        gone += usize::from(defer_fruitless(tx, shop, &hint, read.started).await?);
    }
    let due_at = read.started + Duration::seconds(6);
    let hints = NewHints { dirty_since: read.started, due_at, source: HintSource::Conflict };
    order_hints::upsert(tx, shop, &again, hints).await?;
    Ok((gone, Vec::new()))
}

/// Puts off a hint whose read told nothing new, or leaves its order to the window. Returns whether it is gone.
///
/// # Errors
/// When the store fails.
pub async fn defer_fruitless(
    tx: &mut TenantTx,
    shop: ShopId,
    hint: &HintRow,
    read_started: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let tries = u16::try_from(hint.tries).unwrap_or(0).saturating_add(1);
    if let Some(delay) = after_fruitless_read(tries) {
        order_hints::defer(tx, shop, hint, read_started + delay).await?;
        return Ok(false);
    }
    let Ok(order_sn) = hint.order_sn.parse() else { return Ok(false) };
    Ok(order_hints::clear_read(tx, shop, &[order_sn], read_started).await? > 0)
}

/// Writes what the read says and what was decided: hints it answers are cleared, orders changed, deliveries planned.
async fn write(tx: &mut TenantTx, id: ShopId, batch: &effects::Batch<'_>) -> Result<(Ingested, Vec<Wake>), StoreError> {
    let effects::Batch { items, read, .. } = *batch;
    let moved = |item: &&Item| match &item.before {
        Some(before) => item.content_changed || before.state != item.row.state || before.verdict != item.row.verdict,
        // Inserted as it was decided.
        None => false,
    };
    let changes: Vec<OrderRow> = items.iter().filter(moved).map(|item| item.row.clone()).collect();
    let events = events(items, read);
    let fresh = items.iter().filter(|item| item.before.is_none()).count();
    let skipped = items
        .iter()
        .filter(|item| {
            item.row.state == OrderState::Skipped.as_str()
                && item.before.as_ref().is_none_or(|before| before.state != item.row.state)
        })
        .count();
    let sums = [("orders_seen", count(fresh)), ("orders_skipped", count(skipped))];
    let (odd, answered) = settle_odd_hints(tx, id, items, read).await?;
    let planned = effects::plans(batch);
    let (cleared, (), newly_planned, ()) = try_join!(
        order_hints::clear_read(tx, id, &answered, read.started),
        orders::update_content(tx, &changes),
        deliveries::plan(tx, id, &planned),
        told::write(tx, Told { shop: id, at: read.started, events: &events, sums: &sums, outbox: None }),
    )?;
    effects::planned(tx, id, batch, &planned).await?;
    let announced = odd + cleared;
    let changed = items.iter().filter(|item| item.before.is_some() && item.content_changed).count();
    let wakes = if newly_planned > 0 { vec![Wake::Deliver(id)] } else { Vec::new() };
    Ok((Ingested { fresh, changed, announced, ..Ingested::default() }, wakes))
}

fn events(items: &[Item], read: Read) -> Vec<NewEvent> {
    let mut events = Vec::new();
    for item in items {
        if item.before.is_none() {
            events.push(seen(&item.row, read.source));
        } else if item.content_changed {
            events.push(event(item, "changed", platform_change(item)));
        }
        let was = item.before.as_ref().map_or(OrderState::Seen.as_str(), |before| before.state.as_str());
        if was != item.row.state {
            events.push(event(
                item,
                "state",
                json!({ "to": item.row.state, "cause": item.row.state_cause, "reason": item.row.verdict }),
            ));
        }
    }
    events
}

fn seen(row: &OrderRow, source: Source) -> NewEvent {
    let detail = json!({ "source": source.as_str(), "quantity": row.goods_count });
    NewEvent { order: row.key(), kind: "seen", detail }
}

fn platform_change(item: &Item) -> serde_json::Value {
    let Some(before) = &item.before else { return json!({}) };
    let changes = status_changes(before, &item.row).map(|(name, from, to)| (name.to_owned(), json!([from, to])));
    changes.collect::<serde_json::Map<_, _>>().into()
}

/// Returns the platform's numbers that two rows of an order differ in, by name, with both values.
pub(crate) fn status_changes(from: &OrderRow, to: &OrderRow) -> impl Iterator<Item = (&'static str, i16, i16)> {
    [
        ("order_status", from.order_status, to.order_status),
        ("refund_status", from.refund_status, to.refund_status),
        ("confirm_status", from.confirm_status, to.confirm_status),
        ("risk_control_status", from.risk_control_status, to.risk_control_status),
        ("after_sales_status", from.after_sales_status, to.after_sales_status),
    ]
    .into_iter()
    .filter(|(_, from, to)| from != to)
}

/// Returns the row that storing a read of an order would leave, or `None` if the read tells nothing new.
pub(crate) fn preview(stored: Option<&OrderRow>, order: &PlatformOrder, read: Read) -> Option<OrderRow> {
    let row = merge::new_row(order, read);
    let Some(stored) = stored else { return Some(row) };
    match merge::merge(stored, &row) {
        Merge::Unchanged => None,
        Merge::Take(row) | Merge::Restrict(row) => Some(row),
    }
}

fn event(item: &Item, kind: &'static str, detail: serde_json::Value) -> NewEvent {
    NewEvent { order: item.row.key(), kind, detail }
}

fn count(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
