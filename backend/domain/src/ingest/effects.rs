//! What follows from decisions: deliveries planned or released, exceptions opened and resolved, cards burned.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Duration, NaiveDate, Utc};
use kamiflow_kernel::{
    DeliveryId, DeliveryMethod, DeliveryState, OrderSn, OrderState, PoolId, ReasonCode, RedemptionMethod, ShopId,
};
use kamiflow_store::card_claims::{self, HeldMove};
use kamiflow_store::deliveries::{self, DeliveryChange, DeliveryRow, NewDelivery};
use kamiflow_store::exceptions::{self, NewException};
use kamiflow_store::orders::OrderRow;
use kamiflow_store::sku_lookup::SkuFacts;
use kamiflow_store::{StoreError, TenantTx, attempts, card_pools, delivery_lines, redemptions, rollups, stock_waits};
use serde_json::json;

use super::decide::lines;
use super::{Decision, Item, Read, Source};
use crate::engine::Wake;
use crate::redeem::destroyed;
use crate::shop_access::Shop;
use crate::sync_products;

/// Exceptions that an order's end resolves.
const ENDED_BY_CLOSING: [ReasonCode; 8] = [
    ReasonCode::UnmappedSku,
    ReasonCode::OutOfStock,
    ReasonCode::MethodMismatch,
    ReasonCode::HandOverRefused,
    ReasonCode::CardsUnfit,
    ReasonCode::AwaitingFulfiller,
    ReasonCode::ShipByNear,
    ReasonCode::Poisoned,
];

/// Orders that were read together, with what was decided about each.
pub(super) struct Batch<'a> {
    pub(super) items: &'a [Item],
    pub(super) decisions: &'a [Decision],
    pub(super) facts: &'a HashMap<i64, SkuFacts>,
    pub(super) read: Read,
}

impl Batch<'_> {
    fn chosen(&self, wanted: fn(&Item, Decision) -> bool) -> Vec<&OrderRow> {
        let decided = self.items.iter().zip(self.decisions);
        decided.filter(|(item, decision)| wanted(item, **decision)).map(|(item, _)| &item.row).collect()
    }
}

/// Returns the deliveries that the decisions ask for.
pub(super) fn plans(batch: &Batch<'_>) -> Vec<NewDelivery> {
    let asked = batch.chosen(|item, decision| {
        matches!(decision, Decision::Deliver) && item.is_news()
            || matches!(decision, Decision::Link) && item.content_changed
    });
    let plan = |row: &OrderRow| plan_of(row, batch.facts.get(&row.platform_sku_id), batch.read.started);
    asked.into_iter().filter_map(plan).collect()
}

/// Answers the questions that stood before deliveries which are planned now.
pub(super) async fn planned(
    tx: &TenantTx,
    shop: ShopId,
    batch: &Batch<'_>,
    planned: &[NewDelivery],
) -> Result<(), StoreError> {
    // Nobody can have asked about an order that was not there.
    let known = |plan: &&NewDelivery| {
        batch.items.iter().any(|item| item.before.is_some() && item.row.order_sn == plan.order_sn)
    };
    let known_planned: Vec<&str> = planned.iter().filter(known).map(|plan| plan.order_sn.as_str()).collect();
    let mapped = [ReasonCode::UnmappedSku, ReasonCode::MethodMismatch];
    exceptions::resolve(tx, shop, &known_planned, &mapped, "mapped").await?;
    Ok(())
}

/// Does what follows from decisions beyond planning.
pub(super) async fn apply(tx: &mut TenantTx, shop: &Shop, batch: &Batch<'_>) -> Result<Vec<Wake>, StoreError> {
    let Batch { facts, read, .. } = *batch;
    let id = shop.access.shop;
    let mut wakes = Vec::new();
    let chosen = |wanted| batch.chosen(wanted);

    ask(tx, id, batch).await?;
    let unknown = |row: &OrderRow| !facts.contains_key(&row.platform_sku_id);
    if chosen(|item, decision| matches!(decision, Decision::Ask(_)) && item.is_news()).into_iter().any(unknown) {
        wakes.push(sync_products::plan(tx, id, read.started).await?);
    }

    // Whatever is not to be handed over now must not be due either, whoever planned it before.
    let waiting = chosen(|item, decision| {
        let held = matches!(decision, Decision::Wait(_) | Decision::Ask(_) | Decision::Skip(_) | Decision::HoldBacklog);
        held && item.before.is_some() && item.is_news()
    });
    if !waiting.is_empty() {
        let sns: Vec<&str> = waiting.iter().map(|row| row.order_sn.as_str()).collect();
        deliveries::due::reschedule(tx, id, &sns, None).await?;
    }

    let closed = chosen(|item, decision| {
        matches!(decision, Decision::Refunded | Decision::Cancelled | Decision::ShippedElsewhere)
            && !item.was_delivered()
    });
    wakes.extend(release(tx, shop, &closed, read.started).await?);

    // Nobody knows how the hand-over ended, and the platform says something new: that may settle it.
    let unsettled = chosen(|item, _decision| {
        let told = item.row.order_status >= 2 || item.row.refund_status == 4 || item.row.confirm_status == 2;
        told && item.content_changed && item.row.state == OrderState::HandingOver.as_str()
    });
    let sns: Vec<&str> = unsettled.iter().map(|row| row.order_sn.as_str()).collect();
    if deliveries::due::revive(tx, id, &sns, read.started).await? > 0 {
        wakes.push(Wake::Deliver(id));
    }

    let refunded = chosen(|item, decision| {
        matches!(decision, Decision::Refunded | Decision::RefundOpen) && item.was_delivered() && item.content_changed
    });
    wakes.extend(settle_refund_after_send(tx, id, &refunded, read.started).await?);

    let touched: Vec<OrderSn> = chosen(|item, decision| {
        item.content_changed
            && item.was_delivered()
            && matches!(decision, Decision::Redemption | Decision::RefundOpen | Decision::Refunded)
    })
    .into_iter()
    .filter_map(|row| row.order_sn.parse().ok())
    .collect();
    // The gate's own read of a redemption must not wake that redemption again.
    if read.source != Source::Gate && redemptions::wake_orders(tx, id, &touched, read.started).await? > 0 {
        wakes.push(Wake::Redeem(id));
    }
    Ok(wakes)
}

/// Opens the questions that decisions leave to a person.
async fn ask(tx: &mut TenantTx, id: ShopId, batch: &Batch<'_>) -> Result<(), StoreError> {
    let Batch { items, decisions, read, .. } = *batch;
    let asked: Vec<NewException> = items
        .iter()
        .zip(decisions)
        .filter(|(item, _)| item.is_news())
        .filter_map(|(item, decision)| match decision {
            Decision::Ask(code) => Some(question(id, &item.row, *code)),
            _ => None,
        })
        .collect();
    let odd: Vec<NewException> = items
        .iter()
        .filter(|item| item.before.is_none() && item.is_odd())
        .map(|item| NewException { needs_review: false, ..question(id, &item.row, ReasonCode::UnparsableOrderSn) })
        .collect();
    exceptions::open(tx, &odd).await?;
    let opened = exceptions::open(tx, &asked).await?;
    rollups::add(tx, id, read.started, &[("exceptions", i64::try_from(opened).unwrap_or(i64::MAX))]).await
}

impl Item {
    /// Whether the decision about it may be new.
    fn is_news(&self) -> bool {
        match &self.before {
            None => true,
            Some(before) => {
                self.content_changed || before.verdict != self.row.verdict || before.state != self.row.state
            }
        }
    }

    /// Whether the order's number names no day.
    pub(super) fn is_odd(&self) -> bool {
        self.row.order_day == NaiveDate::default()
    }

    fn was_delivered(&self) -> bool {
        self.before.as_ref().and_then(|before| before.state().ok()).is_some_and(|state| {
            matches!(
                state,
                OrderState::Delivered | OrderState::AwaitingRedemption | OrderState::Redeemed | OrderState::Done
            )
        })
    }
}

/// Returns the delivery that an order of a mapped SKU asks for.
pub(super) fn plan_of(row: &OrderRow, sku: Option<&SkuFacts>, now: DateTime<Utc>) -> Option<NewDelivery> {
    let sku = sku?;
    let method: DeliveryMethod = sku.delivery_method.as_deref()?.parse().ok()?;
    let redemption: RedemptionMethod = sku.redemption_method.as_deref()?.parse().ok()?;
    Some(NewDelivery {
        order: row.key(),
        order_sn: row.order_sn.clone(),
        sku: sku.sku_id,
        method,
        redemption,
        pool: sku.pool_id.map(PoolId::from_uuid),
        lines_expected: lines(row, Some(sku)),
        due_at: Some(now),
        last_ship_at: row.last_ship_at,
    })
}

fn question(shop: ShopId, row: &OrderRow, code: ReasonCode) -> NewException {
    NewException {
        shop,
        order: Some((row.key(), row.order_sn.clone())),
        code,
        needs_review: true,
        detail: json!({
            "goods_id": row.goods_id.to_string(),
            "sku_id": row.platform_sku_id.to_string(),
            "outer_id": row.outer_id,
            "goods_name": row.goods_name,
            "goods_spec": row.goods_spec,
            "lines": row.item_count,
        }),
    }
}

/// Releases what is held for orders that need nothing any more: never-exposed cards go back into stock.
///
/// Cards that were held before a restore do not: they may have been sent by what was lost, to this very buyer.
async fn release(
    tx: &mut TenantTx,
    shop: &Shop,
    closed: &[&OrderRow],
    now: DateTime<Utc>,
) -> Result<Vec<Wake>, StoreError> {
    if closed.is_empty() {
        return Ok(Vec::new());
    }
    let restored_at = shop.restored_at;
    let shop = shop.access.shop;
    let sns: Vec<&str> = closed.iter().map(|row| row.order_sn.as_str()).collect();
    exceptions::resolve(tx, shop, &sns, &ENDED_BY_CLOSING, "the order needs nothing any more").await?;
    let locked = deliveries::lock_waiting(tx, shop, &sns).await?;
    let open: Vec<&DeliveryRow> = locked
        .iter()
        .filter(|row| matches!(row.state(), Ok(DeliveryState::Pending | DeliveryState::Reserved)))
        .collect();
    let ids: Vec<DeliveryId> = open.iter().map(|row| row.id()).collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let pools: HashSet<PoolId> = open
        .iter()
        .filter(|row| matches!(row.state(), Ok(DeliveryState::Reserved)))
        .filter_map(|row| row.pool_id.map(PoolId::from_uuid))
        .collect();
    let mut pools: Vec<PoolId> = pools.into_iter().collect();
    pools.sort_unstable();
    if !pools.is_empty() {
        card_pools::lock(tx, &pools).await?;
        let before_restore = |row: &&&DeliveryRow| restored_at.is_some_and(|restored| row.created_at < restored);
        let (doubtful, ours): (Vec<&DeliveryRow>, Vec<&DeliveryRow>) = open.iter().partition(before_restore);
        let ids_of = |rows: Vec<&DeliveryRow>| rows.into_iter().map(DeliveryRow::id).collect::<Vec<_>>();
        let (doubtful, ours) = (ids_of(doubtful), ids_of(ours));
        // Their lines stay: they say what the buyer may have.
        card_claims::move_held(tx, &doubtful, HeldMove::QUARANTINED, now).await?;
        card_claims::move_held(tx, &ours, HeldMove::RELEASED, now).await?;
        delivery_lines::end(tx, &ours).await?;
    }
    stock_waits::delete(tx, &ids).await?;
    let changes: Vec<DeliveryChange> = open.iter().map(|row| ended(row)).collect();
    deliveries::update_fenced(tx, &changes).await?;
    let mut wakes = Vec::new();
    for pool in pools {
        wakes.extend(stock_waits::wake(tx, pool, now).await?.into_iter().map(Wake::Deliver));
    }
    Ok(wakes)
}

fn ended(row: &DeliveryRow) -> DeliveryChange {
    DeliveryChange {
        id: row.id(),
        fence: row.fence,
        next_fence: row.fence + 1,
        state: DeliveryState::Released,
        due_at: None,
        failures: row.failures,
        payload_hash: None,
        delivered_at: None,
    }
}

/// Settles refunds that came after the hand-over, or between the evidence and the settlement (`refund_raced`).
///
/// A card whose order is refunded, or whose refund raced the hand-over, is burned: the buyer has seen it. The platform
/// is told that a code it handed out itself is destroyed.
///
/// # Errors
/// When the store fails.
pub async fn settle_refund_after_send(
    tx: &mut TenantTx,
    shop: ShopId,
    rows: &[&OrderRow],
    now: DateTime<Utc>,
) -> Result<Vec<Wake>, StoreError> {
    let mut wakes = Vec::new();
    if rows.is_empty() {
        return Ok(wakes);
    }
    let sns: Vec<&str> = rows.iter().map(|row| row.order_sn.as_str()).collect();
    let locked = deliveries::lock_waiting(tx, shop, &sns).await?;
    let ids: Vec<DeliveryId> = locked.iter().map(DeliveryRow::id).collect();
    let evidence: HashMap<_, DateTime<Utc>> =
        attempts::list(tx, &ids).await?.into_iter().map(|attempt| (attempt.delivery_id, attempt.evidence_at)).collect();
    let mut burned = Vec::new();
    let mut news = Vec::new();
    let mut raced_orders = 0;
    for row in rows {
        let Some(delivery) = locked.iter().find(|delivery| delivery.order_sn == row.order_sn) else { continue };
        let raced =
            evidence.get(&delivery.id).is_some_and(|at| dated_between(row.updated_at, *at, delivery.delivered_at));
        if raced || row.refund_status == 4 {
            burned.push(delivery.id());
            if delivery.method()? == DeliveryMethod::PlatformPool {
                wakes.push(destroyed::plan(tx, delivery.id(), now).await?);
            }
        }
        raced_orders += i64::from(raced);
        news.push(NewException {
            shop,
            order: Some((row.key(), row.order_sn.clone())),
            code: if raced { ReasonCode::RefundRaced } else { ReasonCode::RefundedAfterDelivery },
            needs_review: false,
            detail: json!({ "refund_status": row.refund_status, "after_sales_status": row.after_sales_status }),
        });
    }
    card_claims::move_held(tx, &burned, HeldMove::BURNED, now).await?;
    exceptions::open(tx, &news).await?;
    rollups::add(tx, shop, now, &[("refund_raced", raced_orders)]).await?;
    Ok(wakes)
}

/// The platform's times have whole seconds: one of slack on both sides errs towards "raced".
fn dated_between(refund: DateTime<Utc>, evidence: DateTime<Utc>, delivered: Option<DateTime<Utc>>) -> bool {
    let slack = Duration::seconds(1);
    refund >= evidence - slack && delivered.is_none_or(|at| refund <= at + slack)
}
