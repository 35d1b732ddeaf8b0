//! What is paused, what waits for it, and what goes first when it ends.

use chrono::{DateTime, Utc};
use kamiflow_kernel::{OrderSn, Permission, ShopId, ShopScope};
use kamiflow_store::held_work::{self, HeldBy};
use kamiflow_store::pauses::PauseRow;
use kamiflow_store::{StoreError, TenantTx, card_pools, cards, pauses, products, shops};

use crate::ctx::{ActError, Ctx};
use crate::engine::Engine;
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
    /// Whether the actor may end it.
    pub may_end: bool,
}

/// A delivery that goes on first, and until when it must be shipped.
pub type First = (OrderSn, Option<DateTime<Utc>>);

/// Lists pauses in force, the oldest first, and what goes on first when those of delivery end.
///
/// # Errors
/// When the actor may not look at shops, or the store fails.
pub async fn show_pauses(engine: &Engine, ctx: &Ctx, which: Which) -> Result<(Vec<PauseLine>, Vec<First>), ActError> {
    ctx.require(Permission::ShowShops)?;
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    let lines = lines_of(&mut tx, ctx, which).await?;
    let held = lines.iter().find(|line| line.work == PausedWork::Delivery).map(|line| line.scope);
    let first = match held {
        Some(scope) => first_of(&mut tx, ctx, scope).await?,
        None => Vec::new(),
    };
    tx.commit().await?;
    Ok((lines, first))
}

/// Lists pauses in force that the actor sees.
pub(crate) async fn lines_of(tx: &mut TenantTx, ctx: &Ctx, which: Which) -> Result<Vec<PauseLine>, StoreError> {
    let active = pauses::list_active(tx, ctx.now).await?;
    lines_among(tx, ctx, which, active).await
}

/// Describes those of these pauses that are asked for and that the actor sees.
pub(crate) async fn lines_among(
    tx: &mut TenantTx,
    ctx: &Ctx,
    which: Which,
    active: Vec<PauseRow>,
) -> Result<Vec<PauseLine>, StoreError> {
    let mut lines = Vec::new();
    for row in active {
        if !which.takes(row.scope) {
            continue;
        }
        if let Some(name) = find_name(tx, ctx, row.scope).await? {
            lines.push(line(tx, ctx, (row, which), name).await?);
        }
    }
    Ok(lines)
}

/// Lists what goes on first when a pause of delivery ends, as a tick takes it.
pub(crate) async fn first_of(tx: &mut TenantTx, ctx: &Ctx, scope: PauseScope) -> Result<Vec<First>, StoreError> {
    let shops = shops_of(ctx);
    let next = held_work::list_next(tx, held_by(scope, shops.as_deref()), FIRST).await?;
    Ok(next.into_iter().filter_map(|next| Some((next.order_sn.parse().ok()?, next.last_ship_at))).collect())
}

async fn line(
    tx: &mut TenantTx,
    ctx: &Ctx,
    (row, which): (PauseRow, Which),
    name: String,
) -> Result<PauseLine, StoreError> {
    let shops = shops_of(ctx);
    let held = held_work::count(tx, held_by(which.counted(row.scope), shops.as_deref())).await?;
    Ok(PauseLine {
        scope: row.scope,
        target: pause::target_name(ctx, row.scope),
        name,
        work: row.work,
        reason: row.reason,
        ends_at: row.ends_at,
        waiting: match row.work {
            PausedWork::Delivery => held.deliveries,
            PausedWork::Redemption => held.redemptions,
        },
        may_end: pause::may(ctx, row.scope),
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
    let name = find_name(&mut tx, ctx, scope).await?;
    tx.commit().await?;
    Ok(name)
}

async fn find_name(tx: &mut TenantTx, ctx: &Ctx, scope: PauseScope) -> Result<Option<String>, StoreError> {
    match name_of(tx, ctx, scope).await {
        Ok(name) => Ok(Some(name)),
        Err(StoreError::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn name_of(tx: &mut TenantTx, ctx: &Ctx, scope: PauseScope) -> Result<String, StoreError> {
    match scope {
        PauseScope::Merchant => Ok(String::new()),
        PauseScope::Shop(shop) => {
            ctx.sees(shop)?;
            Ok(shops::fetch(tx, shop).await?.name)
        }
        PauseScope::Sku(sku) => {
            let row = products::fetch_sku(tx, sku).await?;
            ctx.sees(row.shop)?;
            Ok(format!("{} {}", row.goods_name, row.spec).trim().to_owned())
        }
        PauseScope::Pool(pool) => {
            pool_access::check(tx, ctx, pool).await?;
            Ok(card_pools::fetch(tx, pool).await?.name)
        }
        // A batch says what other shops stock.
        PauseScope::Batch(_) if ctx.shops().is_some() => Err(StoreError::NotFound("batch")),
        PauseScope::Batch(batch) => {
            let row = cards::fetch_batch(tx, batch).await?;
            Ok(format!("{} {}", card_pools::fetch(tx, row.pool).await?.name, row.file_name).trim().to_owned())
        }
    }
}
