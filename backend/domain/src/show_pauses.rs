//! What is paused, what waits for it, and what goes first when it ends.

use chrono::{DateTime, Utc};
use kamiflow_kernel::{GatewayKind, OrderSn, Permission, ShopId, ShopScope};
use kamiflow_store::held_work::{self, HeldBy};
use kamiflow_store::pauses::PauseRow;
use kamiflow_store::{StoreError, TenantTx, card_pools, cards, pauses, products, shops};

use crate::ctx::{ActError, Ctx};
use crate::engine::Engine;
use crate::list_shops::MOST;
use crate::pause::{self, PauseScope, PausedWork};
use crate::pool_access;

/// Orders shown that go on first.
const FIRST: i64 = 5;

/// Which pauses are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// All that the actor sees.
    All,
    /// Those of one thing.
    Of(PauseScope),
    /// Those of a shop and of its merchant, each with what of that shop waits.
    Holding(ShopId),
}

impl Which {
    fn takes(self, scope: PauseScope) -> bool {
        match self {
            Self::All => true,
            Self::Of(one) => one == scope,
            Self::Holding(shop) => scope == PauseScope::Merchant || scope == PauseScope::Shop(shop),
        }
    }

    /// Returns the scope in which is counted what a pause holds.
    const fn counted(self, scope: PauseScope) -> PauseScope {
        match self {
            Self::Holding(shop) => PauseScope::Shop(shop),
            Self::All | Self::Of(_) => scope,
        }
    }
}

/// A pause in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PauseLine {
    /// What.
    pub scope: PauseScope,
    /// As its forms name it.
    pub target: String,
    /// What it is called; empty for the merchant as a whole.
    pub name: String,
    /// Which work.
    pub work: PausedWork,
    /// Why.
    pub reason: String,
    /// Until when; `None` until somebody ends it.
    pub ends_at: Option<DateTime<Utc>>,
    /// How much of the actor's shops waits.
    pub waiting: i64,
    /// Of deliveries: what goes on first when it ends, where that was asked for.
    pub first: Vec<First>,
    /// Whether the actor may end it.
    pub may_end: bool,
}

/// A delivery that goes on first, and until when it must be shipped.
pub type First = (OrderSn, Option<DateTime<Utc>>);

/// Lists pauses in force, the oldest first, each of deliveries with what goes on first when it ends. With a platform only
/// what is paused of its shops, and what of them waits.
///
/// # Errors
/// When the actor may not look at shops, or the store fails.
pub async fn show_pauses(
    engine: &Engine,
    ctx: &Ctx,
    which: Which,
    gateway: Option<GatewayKind>,
) -> Result<Vec<PauseLine>, ActError> {
    ctx.require(Permission::ShowShops)?;
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    let shops = match gateway {
        Some(gateway) => {
            let shops = shops::list(&tx, None, MOST).await?.into_iter();
            Some(shops.filter(|row| row.gateway == gateway && ctx.sees(row.id).is_ok()).map(|row| row.id).collect())
        }
        None => shops_of(ctx),
    };
    let look = Look { ctx, which, gateway, shops };
    let active = pauses::list_active(&tx, ctx.now).await?;
    let mut lines = lines_among(&mut tx, &look, active).await?;
    for line in lines.iter_mut().filter(|line| line.work == PausedWork::Delivery) {
        line.first = first_of(&mut tx, line.scope, look.shops.as_deref()).await?;
    }
    tx.commit().await?;
    Ok(lines)
}

/// Who looks at pauses, and at which.
pub(crate) struct Look<'a> {
    /// The actor.
    pub(crate) ctx: &'a Ctx,
    /// Which are asked for.
    pub(crate) which: Which,
    /// Of shops of which platform; `None` for both.
    pub(crate) gateway: Option<GatewayKind>,
    /// The shops whose work is counted; `None` for all.
    pub(crate) shops: Option<Vec<ShopId>>,
}

/// Lists pauses in force that hold a shop's work, with what of that shop waits and goes on first.
pub(crate) async fn lines_holding(tx: &mut TenantTx, ctx: &Ctx, shop: ShopId) -> Result<Vec<PauseLine>, StoreError> {
    let active = pauses::list_active(tx, ctx.now).await?;
    let look = Look { ctx, which: Which::Holding(shop), gateway: None, shops: shops_of(ctx) };
    let mut lines = lines_among(tx, &look, active).await?;
    // Both hold the same work of the shop: it is shown once.
    if let Some(line) = lines.iter_mut().find(|line| line.work == PausedWork::Delivery) {
        line.first = first_of(tx, PauseScope::Shop(shop), look.shops.as_deref()).await?;
    }
    Ok(lines)
}

/// Describes those of these pauses that are looked at and that the actor sees.
pub(crate) async fn lines_among(
    tx: &mut TenantTx,
    look: &Look<'_>,
    active: Vec<PauseRow>,
) -> Result<Vec<PauseLine>, StoreError> {
    let mut lines = Vec::new();
    for row in active {
        if !look.which.takes(row.scope) {
            continue;
        }
        let Some(named) = find_named(tx, look.ctx, row.scope).await? else { continue };
        let is_elsewhere = look.gateway.zip(named.gateway).is_some_and(|(wanted, is)| wanted != is);
        if !is_elsewhere {
            lines.push(line(tx, look, row, named.name).await?);
        }
    }
    Ok(lines)
}

/// Lists what goes on first when a pause of delivery ends, as a tick takes it.
async fn first_of(tx: &mut TenantTx, scope: PauseScope, shops: Option<&[ShopId]>) -> Result<Vec<First>, StoreError> {
    let next = held_work::list_next(tx, held_by(scope, shops), FIRST).await?;
    Ok(next.into_iter().filter_map(|next| Some((next.order_sn.parse().ok()?, next.last_ship_at))).collect())
}

async fn line(tx: &mut TenantTx, look: &Look<'_>, row: PauseRow, name: String) -> Result<PauseLine, StoreError> {
    let counted = held_by(look.which.counted(row.scope), look.shops.as_deref());
    let held = held_work::count(tx, counted).await?;
    Ok(PauseLine {
        scope: row.scope,
        target: pause::target_name(look.ctx, row.scope),
        name,
        work: row.work,
        reason: row.reason,
        ends_at: row.ends_at,
        waiting: match row.work {
            PausedWork::Delivery => held.deliveries,
            PausedWork::Redemption => held.redemptions,
        },
        first: Vec::new(),
        may_end: pause::may(look.ctx, row.scope),
    })
}

/// Returns the shops that the actor is limited to.
fn shops_of(ctx: &Ctx) -> Option<Vec<ShopId>> {
    match ctx.shops() {
        Some(ShopScope::Only(shops)) => Some(shops.iter().copied().collect()),
        Some(ShopScope::All) | None => None,
    }
}

fn held_by(scope: PauseScope, shops: Option<&[ShopId]>) -> HeldBy<'_> {
    let all = HeldBy { shops, ..HeldBy::default() };
    match scope {
        PauseScope::Merchant => all,
        PauseScope::Shop(shop) => HeldBy { shop: Some(shop), ..all },
        PauseScope::Sku(sku) => HeldBy { sku: Some(sku), ..all },
        PauseScope::Pool(pool) => HeldBy { pool: Some(pool), ..all },
        PauseScope::Batch(batch) => HeldBy { batch: Some(batch), ..all },
    }
}

/// Returns what a target is called; `None` for one that the actor does not see, or that is not there.
///
/// # Errors
/// When the store fails.
pub async fn name_of_target(engine: &Engine, ctx: &Ctx, scope: PauseScope) -> Result<Option<String>, ActError> {
    ctx.require(Permission::ShowShops)?;
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    let named = find_named(&mut tx, ctx, scope).await?;
    tx.commit().await?;
    Ok(named.map(|named| named.name))
}

/// What a target is called, and the platform of the shops it belongs to; `None` for the merchant as a whole.
struct Named {
    name: String,
    gateway: Option<GatewayKind>,
}

async fn find_named(tx: &mut TenantTx, ctx: &Ctx, scope: PauseScope) -> Result<Option<Named>, StoreError> {
    match name_of(tx, ctx, scope).await {
        Ok((name, gateway)) => Ok(Some(Named { name, gateway })),
        Err(StoreError::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn name_of(tx: &mut TenantTx, ctx: &Ctx, scope: PauseScope) -> Result<(String, Option<GatewayKind>), StoreError> {
    match scope {
        PauseScope::Merchant => Ok((String::new(), None)),
        PauseScope::Shop(shop) => {
            ctx.sees(shop)?;
            let row = shops::fetch(tx, shop).await?;
            Ok((row.name, Some(row.gateway)))
        }
        PauseScope::Sku(sku) => {
            let row = products::fetch_sku(tx, sku).await?;
            ctx.sees(row.shop)?;
            let gateway = shops::fetch(tx, row.shop).await?.gateway;
            Ok((format!("{} {}", row.goods_name, row.spec).trim().to_owned(), Some(gateway)))
        }
        PauseScope::Pool(pool) => {
            pool_access::check(tx, ctx, pool).await?;
            let row = card_pools::fetch(tx, pool).await?;
            Ok((row.name, Some(row.gateway)))
        }
        // A batch says what other shops stock.
        PauseScope::Batch(_) if ctx.shops().is_some() => Err(StoreError::NotFound("batch")),
        PauseScope::Batch(batch) => {
            let row = cards::fetch_batch(tx, batch).await?;
            let pool = card_pools::fetch(tx, row.pool).await?;
            Ok((format!("{} {}", pool.name, row.file_name).trim().to_owned(), Some(pool.gateway)))
        }
    }
}
