//! The shops of a bench: the platform they are on, and the same shops connected, mapped, stocked and live.

use anyhow::{Context as _, Result, ensure};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use kamiflow_domain::engine::Engine;
use kamiflow_domain::import_cards::{ImportedCards, import_cards};
use kamiflow_domain::marketplace::ShopAccess;
use kamiflow_domain::shop_access;
use kamiflow_kernel::{MerchantId, PoolId, ShopId};
use kamiflow_sandbox::Scenario;
use kamiflow_test_support::fleet::{self, Fleet, Mall, Owner};
use kamiflow_test_support::program::note;
use uuid::Uuid;

use crate::process::Platform;

/// What merchants and malls of every bench are called.
pub(crate) const FLEET: Fleet =
    Fleet { name: "bench", master_key: *b"a key for figures, never secrets", first_mall: 700_000_000 };
/// Shops that are connected at once.
const AT_ONCE: usize = 12;

/// How many merchants, each with an application of their own, and how many shops all of them have together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) applications: usize,
    pub(crate) shops: usize,
}

impl Plan {
    /// Returns every mall; merchants take turns.
    pub(crate) fn malls(&self) -> Vec<Mall> {
        FLEET.malls(self.shops, self.applications).collect()
    }
}

/// Returns the platform of a plan; with limits they are so many times the real platform's.
pub(crate) fn scenario(plan: &Plan, limits: f64, limited: bool) -> Scenario {
    let mut scenario = FLEET.scenario(plan.applications, &plan.malls());
    scenario.limits.enabled = limited;
    scenario.limits.factor = limits;
    scenario
}

/// Returns an engine whose calls are not counted against limits: it arranges, and it is the bare client.
pub(crate) fn engine(database_url: String, platform: &Platform) -> Result<Engine> {
    FLEET.engine(FLEET.store(database_url, AT_ONCE + 4)?, &platform.gateway_url)
}

/// A connected shop.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FleetShop {
    pub(crate) merchant: MerchantId,
    pub(crate) shop: ShopId,
    pub(crate) mall: Mall,
}

impl FleetShop {
    /// Returns what a call for it needs.
    pub(crate) async fn access(&self, engine: &Engine) -> Result<ShopAccess> {
        let tx = engine.store.tenant_tx(self.merchant).await?;
        let opened = shop_access::open(&tx, self.shop).await?;
        tx.commit().await?;
        Ok(opened.access)
    }
}

/// What shops are made to be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Readiness {
    /// Cards per merchant; none: shops are connected, nothing more.
    pub(crate) cards: usize,
    /// Fastest polling of the merchants' plan, seconds.
    pub(crate) poll_floor_s: i32,
}

/// Connects every shop of a plan through the use cases; with cards they are mapped, stocked and live.
pub(crate) async fn set_up(engine: &Engine, plan: &Plan, readiness: Readiness) -> Result<Vec<FleetShop>> {
    note(format_args!("Connecting {} shops of {} merchants", plan.shops, plan.applications));
    let owners: Vec<(Owner, Option<PoolId>)> =
        stream::iter(0..plan.applications).map(|n| owner(engine, n, readiness)).buffered(AT_ONCE).try_collect().await?;
    let mut shops = Vec::with_capacity(plan.shops);
    let connecting = plan.malls().into_iter().map(|mall| {
        let owner = owners.get(mall.owner).copied();
        async move { connect(engine, owner.context("no such merchant")?, mall).await }
    });
    let mut connected = stream::iter(connecting.collect::<Vec<_>>()).buffer_unordered(AT_ONCE);
    while let Some(shop) = connected.next().await {
        shops.push(shop?);
        if shops.len() % 1_000 == 0 {
            note(format_args!("{} shops are connected", shops.len()));
        }
    }
    Ok(shops)
}

/// Signs a merchant up; with a pool, if there are cards.
async fn owner(engine: &Engine, number: usize, readiness: Readiness) -> Result<(Owner, Option<PoolId>)> {
    let owner = FLEET.sign_up(engine, number, readiness.poll_floor_s).await?;
    if readiness.cards == 0 {
        return Ok((owner, None));
    }
    let pool = fleet::empty_pool(&engine.store, owner.id, "cards").await?;
    import(engine, owner.id, pool, card_file(readiness.cards)).await?;
    Ok((owner, Some(pool)))
}

async fn connect(engine: &Engine, (owner, pool): (Owner, Option<PoolId>), mall: Mall) -> Result<FleetShop> {
    let shop = FLEET.connect(engine, owner, mall).await?;
    if let Some(pool) = pool {
        FLEET.make_live(engine, owner, shop, pool).await.context("a shop cannot go live")?;
    }
    Ok(FleetShop { merchant: owner.id, shop, mall })
}

/// Returns a file of so many cards, each with a number and a secret.
pub(crate) fn card_file(count: usize) -> String {
    use std::fmt::Write as _;
    let stem = Uuid::now_v7().simple().to_string();
    let stem = stem.get(20..).unwrap_or_default();
    (0..count).fold(String::with_capacity(count * 40), |mut file, n| {
        // Writing to a text cannot fail.
        let _ = writeln!(file, "KF{stem}{n:07},{:016}", n * 7_919);
        file
    })
}

/// Imports a file.
pub(crate) async fn import(engine: &Engine, merchant: MerchantId, pool: PoolId, file: String) -> Result<ImportedCards> {
    let request = fleet::cards(pool, Uuid::now_v7().simple().to_string(), file);
    let imported = import_cards(engine, &FLEET.act(engine, merchant), request).await?;
    ensure!(imported.rejected == 0, "{} lines of the file were refused", imported.rejected);
    Ok(imported)
}
