//! Many merchants with many shops: the sandbox's scenario, and the same shops connected, mapped, stocked and live.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use chrono::TimeDelta;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use kamiflow_domain::connect_shop::{ConnectShop, Grant, Purpose, connect_shop};
use kamiflow_domain::engine::{Engine, EngineConfig};
use kamiflow_domain::go_live::{GoLive, go_live};
use kamiflow_domain::map_sku::{MapSku, map_sku};
use kamiflow_domain::marketplace::{ShopAccess, Tokens};
use kamiflow_domain::register_application::{ApplicationOwner, RegisterApplication, register_application};
use kamiflow_domain::shop_access;
use kamiflow_domain::sync_products::sync_products;
use kamiflow_kernel::{
    ApplicationId, Clock, DeliveryMethod, GatewayKind, MallId, MerchantId, PoolId, RedemptionMethod, ShopId,
};
use kamiflow_pinduoduo::ClientConfig;
use kamiflow_pinduoduo::limits::{CallBudget, NoBudget};
use kamiflow_pinduoduo::marketplace::{GatewayConfig, PinduoduoMarket};
use kamiflow_runtime::clock::SystemClock;
use kamiflow_sandbox::Scenario;
use kamiflow_sandbox::scenario::FixedToken;
use kamiflow_store::products::{self, Handling};
use serde_json::json;

use crate::merchant::{self, act};
use crate::process::{Mall, Platform};
use crate::progress::note;

/// Secret of every application.
pub(crate) const CLIENT_SECRET: &str = "bench-secret-0001";
const FIRST_MALL: u64 = 700_000_000;
const TEN_YEARS_S: i64 = 10 * 365 * 86_400;
/// Shops that are connected at once.
const AT_ONCE: usize = 12;

/// How many merchants, each with an application of their own, and how many shops all of them have together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) applications: usize,
    pub(crate) shops: usize,
}

impl Plan {
    /// Returns every mall with its application's number; applications take turns.
    pub(crate) fn malls(&self) -> impl Iterator<Item = (usize, Mall)> + use<> {
        let applications = self.applications.max(1);
        (0..self.shops).zip(FIRST_MALL..).map(move |(n, id)| (n % applications, Mall { id, sku_id: id * 100 }))
    }
}

/// Returns the `client_id` of an application.
pub(crate) fn client_id(application: usize) -> String {
    format!("bench-client-{application:05}")
}

/// Returns the token of a mall.
pub(crate) fn access_token(mall: u64) -> String {
    format!("bench-token-{mall}")
}

/// Returns the platform of a plan: malls with one voucher product each and nobody who orders by himself.
pub(crate) fn scenario(plan: &Plan, limits: f64, limited: bool) -> Scenario {
    let mut scenario = Scenario::demo(1);
    scenario.buyers.orders_per_minute = 0.0;
    scenario.buyers.refund_before_probability = 0.0;
    scenario.buyers.refund_after_probability = 0.0;
    scenario.buyers.receives_after_s = None;
    scenario.limits.enabled = limited;
    scenario.limits.factor = limits;
    let (application, model) = (scenario.applications.pop(), scenario.malls.pop());
    let (Some(application), Some(mut model)) = (application, model) else { return scenario };
    model.goods.truncate(1);
    model.stores.clear();
    for n in 0..plan.applications {
        let mut application = application.clone();
        (application.client_id, application.client_secret) = (client_id(n), CLIENT_SECRET.to_owned());
        scenario.applications.push(application);
    }
    for (application, mall) in plan.malls() {
        let mut opened = model.clone();
        opened.mall_id = mall.id;
        opened.name = format!("店{}", mall.id);
        opened.tokens = vec![FixedToken {
            client_id: client_id(application),
            access_token: access_token(mall.id),
            refresh_token: None,
            expires_in: Some(TEN_YEARS_S),
            pmc_permitted: true,
        }];
        for goods in &mut opened.goods {
            goods.goods_id = mall.id * 10;
            for sku in &mut goods.skus {
                sku.sku_id = mall.sku_id;
            }
        }
        scenario.malls.push(opened);
    }
    scenario
}

/// Returns an engine whose calls are not counted against limits: it arranges, and it is the bare client.
pub(crate) fn engine(database_url: String, platform: &Platform) -> Result<Engine> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let budget: Arc<dyn CallBudget> = Arc::new(NoBudget);
    let client = ClientConfig::new(GatewayKind::Sandbox, platform.gateway_url.parse()?);
    let gateway = GatewayConfig { client, card_key: None };
    Ok(Engine {
        store: merchant::store(database_url, AT_ONCE + 4)?,
        market: Arc::new(PinduoduoMarket::new([gateway], &clock, &budget)?),
        clock,
        config: Arc::new(EngineConfig { window_lag: Duration::from_secs(2), ..EngineConfig::default() }),
    })
}

/// A connected shop.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FleetShop {
    pub(crate) merchant: MerchantId,
    pub(crate) shop: ShopId,
    pub(crate) mall: Mall,
    pub(crate) application: usize,
}

impl FleetShop {
    /// Returns what a call for it needs.
    pub(crate) async fn access(&self, engine: &Engine) -> Result<ShopAccess> {
        let mut tx = engine.store.tenant_tx(self.merchant).await?;
        let opened = shop_access::open(&mut tx, self.shop).await?;
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

/// A merchant with an application and, if there are cards, a pool.
#[derive(Clone, Copy)]
struct Owner {
    id: MerchantId,
    application: ApplicationId,
    pool: Option<PoolId>,
}

/// Connects every shop of a plan through the use cases; with cards they are mapped, stocked and live.
pub(crate) async fn set_up(engine: &Engine, plan: &Plan, readiness: Readiness) -> Result<Vec<FleetShop>> {
    note(format_args!("Connecting {} shops of {} merchants", plan.shops, plan.applications));
    let owners: Vec<Owner> =
        stream::iter(0..plan.applications).map(|n| owner(engine, n, readiness)).buffered(AT_ONCE).try_collect().await?;
    let mut shops = Vec::with_capacity(plan.shops);
    let connecting = plan.malls().map(|(application, mall)| {
        let owner = owners.get(application).copied();
        async move { connect(engine, owner.context("no such merchant")?, application, mall).await }
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

async fn owner(engine: &Engine, number: usize, readiness: Readiness) -> Result<Owner> {
    let id = merchant::sign_up(&engine.store, &format!("商家{number}"), readiness.poll_floor_s).await?;
    let request = RegisterApplication {
        owner: ApplicationOwner::Own,
        gateway: GatewayKind::Sandbox,
        client_id: client_id(number),
        client_secret: CLIENT_SECRET.into(),
        app_type: String::new(),
        packages: Vec::new(),
    };
    let application = register_application(engine, &act(engine, id), &request).await?;
    let pool = if readiness.cards > 0 {
        let pool = merchant::pool(&engine.store, id).await?;
        merchant::import(engine, id, pool, merchant::card_file(readiness.cards)).await?;
        Some(pool)
    } else {
        None
    };
    Ok(Owner { id, application, pool })
}

async fn connect(engine: &Engine, owner: Owner, application: usize, mall: Mall) -> Result<FleetShop> {
    let expires_at = engine.now() + TimeDelta::days(300);
    let tokens = Tokens {
        access_token: access_token(mall.id).as_str().into(),
        refresh_token: format!("{}-refresh", access_token(mall.id)).as_str().into(),
        expires_at,
        refresh_expires_at: expires_at,
        mall: MallId(mall.id.try_into()?),
        owner_name: "bench".to_owned(),
        scopes: Vec::new(),
    };
    let request = ConnectShop {
        application: owner.application,
        grant: Grant::Tokens(Box::new(tokens)),
        purpose: Purpose::Connect,
        look_back: Duration::from_secs(10),
    };
    let shop = connect_shop(engine, &act(engine, owner.id), &request).await?.shop;
    if let Some(pool) = owner.pool {
        make_live(engine, owner.id, shop, pool).await.context("a shop cannot go live")?;
    }
    Ok(FleetShop { merchant: owner.id, shop, mall, application })
}

async fn make_live(engine: &Engine, merchant: MerchantId, shop: ShopId, pool: PoolId) -> Result<()> {
    while sync_products(engine, &act(engine, merchant), shop).await?.more_details {}
    let mut tx = engine.store.tenant_tx(merchant).await?;
    let skus = products::list_skus(&mut tx, shop, None, 10).await?;
    tx.commit().await?;
    for sku in skus {
        let handling = Handling::Deliver {
            method: DeliveryMethod::VoucherSend,
            pool: Some(pool),
            redemption: RedemptionMethod::None,
            cards_per_unit: 1,
        };
        map_sku(engine, &act(engine, merchant), &MapSku { sku: sku.id, handling, settings: json!({}) }).await?;
    }
    // The platform tells times of payment in whole seconds.
    let deliver_from = engine.now() - TimeDelta::seconds(1);
    go_live(engine, &act(engine, merchant), &GoLive { shop, deliver_from, release: Vec::new() }).await?;
    Ok(())
}
