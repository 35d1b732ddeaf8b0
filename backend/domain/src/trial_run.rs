//! What a shop in trial run would send: the engine's own decision about each order, with the shop as if it were live.
//!
//! Nothing is computed twice: [`ingest::decide`] says what is done about an order, and here it is asked about what sync
//! stored. So the view cannot promise what the engine then does not do, and it hands over and redeems nothing because
//! nothing here can.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use chrono::{DateTime, Utc};
use kamiflow_kernel::{DeliveryMethod, OrderId, OrderSn, Permission, PoolId, ReasonCode, ShopId, ShopState};
use kamiflow_store::orders::OrderRow;
use kamiflow_store::sku_lookup::SkuFacts;
use kamiflow_store::trial_orders::{self, SeenOrder};
use kamiflow_store::{StoreError, TenantTx, card_pools, orders, sku_lookup};

use crate::compat;
use crate::ctx::{ActError, Ctx};
use crate::engine::Engine;
use crate::ingest::{self, Decision};
use crate::shop_access::{self, Shop};

/// Most orders on a page.
pub const MOST_ON_PAGE: i64 = 50;

/// Which orders.
#[derive(Debug, Clone, Copy)]
pub struct TrialRunPage {
    /// Of which shop.
    pub shop: ShopId,
    /// Behind the last order of the page before.
    pub after: Option<OrderId>,
}

/// What would be done about an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Would {
    /// Sent by us.
    Send {
        /// How.
        method: DeliveryMethod,
        /// From which kind of cards; none where no card of ours is sent.
        pool: Option<(PoolId, String)>,
        /// How many cards.
        cards: i32,
    },
    /// The platform sends a code by itself.
    PlatformSends,
    /// Nothing yet: the platform says something that forbids it.
    Wait(&'static str),
    /// A person is asked first.
    Ask(ReasonCode),
    /// Nothing: not ours to deliver, or over.
    Nothing,
}

/// An order of a trial run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrialOrder {
    /// For the next page.
    pub id: OrderId,
    /// The order.
    pub order_sn: OrderSn,
    /// Product and SKU.
    pub goods: String,
    /// How many were bought.
    pub quantity: i32,
    /// When it was paid. On going live from now on, what was paid before is backlog.
    pub paid_at: Option<DateTime<Utc>>,
    /// Until when it must be shipped.
    pub last_ship_at: Option<DateTime<Utc>>,
    /// What would be done.
    pub would: Would,
}

/// Shows what a shop would send. A shop that is live sends it, so there its list is empty.
///
/// # Errors
/// When the actor may not look at orders; [`StoreError::NotFound`] for another merchant's shop.
pub async fn list_trial_orders(engine: &Engine, ctx: &Ctx, page: TrialRunPage) -> Result<Vec<TrialOrder>, ActError> {
    ctx.require(Permission::ShowOrders)?;
    ctx.sees(page.shop)?;
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    let opened = shop_access::open(&tx, page.shop).await?;
    if opened.state == ShopState::Live {
        return Ok(Vec::new());
    }
    let as_live = Shop { state: ShopState::Live, deliver_from: Some(DateTime::UNIX_EPOCH), ..opened };
    let seen = trial_orders::list(&mut tx, page.shop, page.after, MOST_ON_PAGE).await?;
    let rows = read(&mut tx, page.shop, &seen).await?;
    let numbers: Vec<i64> = rows.iter().map(|(_, row)| row.platform_sku_id).collect();
    let facts: HashMap<i64, SkuFacts> =
        sku_lookup::list(&tx, page.shop, &numbers).await?.into_iter().map(|sku| (sku.platform_sku_id, sku)).collect();
    let mut names: HashMap<PoolId, String> = HashMap::new();
    let mut list = Vec::with_capacity(rows.len());
    for (id, row) in rows {
        let sku = facts.get(&row.platform_sku_id);
        let would = match ingest::decide(&row, sku, &as_live)? {
            Decision::Deliver => send(&mut tx, &row, sku, &mut names).await?,
            other => not_sent(other, sku),
        };
        let Ok(order_sn) = row.order_sn.parse() else { continue };
        list.push(TrialOrder {
            id,
            order_sn,
            goods: [row.goods_name.as_str(), row.goods_spec.as_str()].join(" ").trim().to_owned(),
            quantity: row.goods_count,
            paid_at: row.paid_at,
            last_ship_at: row.last_ship_at,
            would,
        });
    }
    tx.commit().await?;
    Ok(list)
}

async fn read(tx: &mut TenantTx, shop: ShopId, seen: &[SeenOrder]) -> Result<Vec<(OrderId, OrderRow)>, StoreError> {
    let mut rows = Vec::with_capacity(seen.len());
    for order in seen {
        let Ok(order_sn) = order.order_sn.parse() else { continue };
        if let Some(row) = orders::find_by_sn(tx, shop, &order_sn).await? {
            rows.push((order.id, row));
        }
    }
    Ok(rows)
}

async fn send(
    tx: &mut TenantTx,
    row: &OrderRow,
    sku: Option<&SkuFacts>,
    names: &mut HashMap<PoolId, String>,
) -> Result<Would, StoreError> {
    let method = sku.and_then(|sku| sku.delivery_method.as_deref()?.parse::<DeliveryMethod>().ok());
    let (Some(sku), Some(method)) = (sku, method) else { return Ok(Would::Ask(ReasonCode::UnmappedSku)) };
    let claimed = compat::TABLE.iter().find(|line| line.method == method).map(|line| line.cards);
    let units = row.goods_count.saturating_mul(sku.cards_per_unit.unwrap_or(1));
    let cards = claimed.map_or(0, |claimed| if claimed == compat::CardsClaimed::Zero { 0 } else { units });
    let pool = match sku.pool_id.map(PoolId::from_uuid) {
        None => None,
        Some(pool) => {
            let name = match names.entry(pool) {
                Entry::Occupied(known) => known.get().clone(),
                Entry::Vacant(unknown) => unknown.insert(card_pools::fetch(tx, pool).await?.name).clone(),
            };
            Some((pool, name))
        }
    };
    Ok(Would::Send { method, pool, cards })
}

fn not_sent(decision: Decision, sku: Option<&SkuFacts>) -> Would {
    let by_platform = sku.and_then(|sku| sku.delivery_method.as_deref()).is_some_and(|method| {
        [DeliveryMethod::PlatformPool, DeliveryMethod::PlatformCodes].iter().any(|known| known.as_str() == method)
    });
    match decision {
        Decision::Wait(_) if by_platform => Would::PlatformSends,
        Decision::Wait(reason) => Would::Wait(reason),
        Decision::Ask(code) => Would::Ask(code),
        _ => Would::Nothing,
    }
}
