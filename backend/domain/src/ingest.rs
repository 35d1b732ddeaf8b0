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
use kamiflow_kernel::{OrderSn, OrderState, ShopId};
use kamiflow_store::order_events::NewEvent;
use kamiflow_store::order_hints::{HintRow, HintSource, NewHints};
use kamiflow_store::orders::OrderRow;
use kamiflow_store::sku_lookup::SkuFacts;
use kamiflow_store::told::Told;
use kamiflow_store::{StoreError, TenantTx, order_hints, orders, sku_lookup, told};
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
    /// The shop with what it may do as of this transaction.
    pub shop: Option<Shop>,
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
    let id = shop.access.shop;
    // What the tick opened may be seconds old: going live and stopping count from their commit.
    let current = shop_access::as_of_now(tx, shop).await?;
    let shop = &current;
    let latest = latest_by_number(read_orders);
    let sns: Vec<OrderSn> = latest.values().map(|order| order.order_sn.clone()).collect();
    let mut items = lock_and_merge(tx, id, &latest, &sns, read).await?;
    let mut facts = decide_all(tx, shop, &mut items).await?;
    // Decided before it is inserted: a new order is written once.
    let fresh: Vec<OrderRow> = items.iter().filter(|item| item.before.is_none()).map(|item| item.row.clone()).collect();
    let inserted: HashSet<String> = orders::insert_new(tx, id, &fresh).await?.into_iter().collect();
    let (mut items, raced): (Vec<Item>, Vec<Item>) =
        items.into_iter().partition(|item| item.before.is_some() || inserted.contains(&item.row.order_sn));
    if !raced.is_empty() {
        // Another reader inserted these meanwhile; its rows count as known.
        let sns: Vec<OrderSn> = raced.iter().filter_map(|item| item.row.order_sn.parse().ok()).collect();
        let mut known = lock_and_merge(tx, id, &latest, &sns, read).await?;
        known.retain(|item| item.before.is_some());
        facts.extend(decide_all(tx, shop, &mut known).await?);
        items.append(&mut known);
    }
    items.sort_by(|a, b| a.row.order_sn.cmp(&b.row.order_sn));
    let announced = settle_hints(tx, id, &items, read).await?;

    let report = write(tx, shop, &items, read).await?;
    let decided: Vec<Decision> = items.iter().map(|item| item.decision).collect();
    let batch = effects::Batch { items: &items, decisions: &decided, facts: &facts, read };
    let mut wakes = effects::apply(tx, shop, &batch).await?;
    outside::note(tx, id, &items, read).await?;
    wakes.dedup();
    let orders = items.into_iter().map(|item| item.row).collect();
    Ok(Ingested { announced, wakes, orders, shop: Some(current), ..report })
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

/// Locks the orders that are stored and merges what was read into them; orders that are not stored are new.
async fn lock_and_merge(
    tx: &mut TenantTx,
    shop: ShopId,
    latest: &BTreeMap<&str, &PlatformOrder>,
    sns: &[OrderSn],
    read: Read,
) -> Result<Vec<Item>, StoreError> {
    let stored = orders::lock_by_sn(tx, shop, sns).await?;
    let mut known: HashMap<String, OrderRow> = stored.into_iter().map(|row| (row.order_sn.clone(), row)).collect();
    let mut items = Vec::with_capacity(sns.len());
    for sn in sns {
        let Some(order) = latest.get(sn.as_str()) else { continue };
        let read_row = merge::new_row(order, read);
        let before = known.remove(sn.as_str());
        let (row, content_changed, read_again) = match &before {
            None => (read_row, true, false),
            Some(before) => match merge::merge(before, &read_row) {
                Merge::Unchanged => (before.clone(), false, false),
                Merge::Take(row) => (row, true, false),
                Merge::Restrict(row) => (row, true, true),
            },
        };
        let carries_cards = outside::carries_cards(order);
        items.push(Item { row, before, content_changed, read_again, carries_cards, decision: Decision::Stay });
    }
    Ok(items)
}

/// Decides about each order; returns what is known of their SKUs.
async fn decide_all(tx: &mut TenantTx, shop: &Shop, items: &mut [Item]) -> Result<HashMap<i64, SkuFacts>, StoreError> {
    let skus: HashSet<i64> = items.iter().map(|item| item.row.platform_sku_id).collect();
    let skus: Vec<i64> = skus.into_iter().collect();
    let facts: HashMap<i64, SkuFacts> = sku_lookup::list(tx, shop.access.shop, &skus)
        .await?
        .into_iter()
        .map(|sku| (sku.platform_sku_id, sku))
        .collect();
    for item in items {
        let sku = facts.get(&item.row.platform_sku_id);
        item.decision = decide(&item.row, sku, shop)?;
        item.decision.write_state(&mut item.row);
        outside::take_out(item, sku);
    }
    Ok(facts)
}

/// Clears the hints this read answers; returns how many there were.
///
/// A hint whose order shows nothing new yet is read again a few times and then left to the window: a push may come
/// before the platform's own reads know of the change.
async fn settle_hints(tx: &mut TenantTx, shop: ShopId, items: &[Item], read: Read) -> Result<usize, StoreError> {
    let waits_for_news = |item: &&Item| {
        matches!(read.source, Source::Hint | Source::Gate)
            && !item.content_changed
            && item.before.as_ref().is_some_and(|before| before.state == OrderState::Seen.as_str())
    };
    let (fruitless, answered): (Vec<&Item>, Vec<&Item>) = items.iter().partition(waits_for_news);
    let numbers = |items: Vec<&Item>| -> Vec<OrderSn> {
        items.into_iter().filter_map(|item| item.row.order_sn.parse().ok()).collect()
    };
    let mut cleared = order_hints::clear_read(tx, shop, &numbers(answered), read.started).await?;
    let fruitless = numbers(fruitless);
    if fruitless.is_empty() {
        return Ok(cleared);
    }
    for hint in order_hints::list_among(tx, shop, &fruitless).await? {
        cleared += usize::from(defer_fruitless(tx, shop, &hint, read.started).await?);
    }
    Ok(cleared)
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

async fn write(tx: &mut TenantTx, shop: &Shop, items: &[Item], read: Read) -> Result<Ingested, StoreError> {
    let id = shop.access.shop;
    let moved = |item: &&Item| match &item.before {
        Some(before) => item.content_changed || before.state != item.row.state || before.verdict != item.row.verdict,
        // Inserted as it was decided.
        None => false,
    };
    let changes: Vec<OrderRow> = items.iter().filter(moved).map(|item| item.row.clone()).collect();
    orders::update_content(tx, &changes).await?;

    let mut events = Vec::new();
    for item in items {
        if item.before.is_none() {
            events.push(event(
                item,
                "seen",
                json!({ "source": read.source.as_str(), "quantity": item.row.goods_count }),
            ));
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
    let again: Vec<OrderSn> =
        items.iter().filter(|item| item.read_again).filter_map(|item| item.row.order_sn.parse().ok()).collect();
    if !again.is_empty() {
        let hints = NewHints {
            dirty_since: read.started,
            due_at: read.started + Duration::seconds(6),
            source: HintSource::Conflict,
        };
        order_hints::upsert(tx, id, &again, hints).await?;
    }

    let fresh = items.iter().filter(|item| item.before.is_none()).count();
    let skipped = items
        .iter()
        .filter(|item| {
            item.row.state == OrderState::Skipped.as_str()
                && item.before.as_ref().is_none_or(|before| before.state != item.row.state)
        })
        .count();
    let sums = [("orders_seen", count(fresh)), ("orders_skipped", count(skipped))];
    told::write(tx, Told { shop: id, at: read.started, events: &events, sums: &sums, outbox: None }).await?;
    let changed = items.iter().filter(|item| item.before.is_some() && item.content_changed).count();
    Ok(Ingested { fresh, changed, ..Ingested::default() })
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
