//! Shops of several merchants that share one application, and what the platform and the books say of it.

use std::time::Duration;

use chrono::TimeDelta;
use kamiflow_domain::connect_shop::{ConnectShop, Grant, Purpose, connect_shop};
use kamiflow_domain::ctx::{Actor, Ctx};
use kamiflow_domain::go_live::{GoLive, go_live};
use kamiflow_domain::import_cards::{FileChoices, ImportCards, ImportMode, import_cards};
use kamiflow_domain::map_sku::{MapSku, map_sku};
use kamiflow_domain::marketplace::{TokenLevels, Tokens};
use kamiflow_domain::push_hint::{NoticeKind, PushNotice, push_hint};
use kamiflow_domain::register_application::{ApplicationOwner, RegisterApplication, register_application};
use kamiflow_domain::sync_products::sync_products;
use kamiflow_domain::{deliver, redeem, show_order, sync};
use kamiflow_kernel::{
    ApplicationId, DeliveryMethod, GatewayKind, MallId, MerchantId, OrderSn, PoolId, RedemptionMethod, ShopId, SkuId,
};
use kamiflow_sandbox::Scenario;
use kamiflow_store::card_pools::{self, NewPool};
use kamiflow_store::merchants::NewMerchant;
use kamiflow_store::products::Handling;
use kamiflow_store::{merchants, system};
use kamiflow_test_support::{RawSql, World, WorldOptions, numbered};
use serde_json::json;
use uuid::Uuid;

/// A live shop with ten vouchers for its one SKU.
pub(super) struct Stall<'a> {
    world: &'a World,
    pub(super) merchant: MerchantId,
    pub(super) shop: ShopId,
    mall: i64,
    sku: i64,
}

/// What the platform's token of a stall is said to be good for.
type Scopes<'a> = &'a [&'a str];

/// Returns the circumstances of an act of a merchant, now.
pub(super) fn ctx(world: &World, merchant: MerchantId) -> Ctx {
    Ctx { actor: Actor::Operator, merchant, request_id: "test".to_owned(), now: world.engine.now() }
}

/// Returns the circumstances of an act of whoever runs the installation, now.
pub(super) fn operator(world: &World) -> Ctx {
    ctx(world, MerchantId::PLATFORM)
}

/// A platform with `malls` malls, none of them connected.
pub(super) async fn world(malls: usize) -> World {
    let mut options = WorldOptions { live: false, cards: 0, ..WorldOptions::default() };
    let buyers = options.scenario.buyers.clone();
    options.scenario = Scenario { buyers, limits: options.scenario.limits, ..Scenario::demo(malls + 1) };
    // The world's own shop goes through an application of its own; the tests are about the other one.
    let mut other = options.scenario.applications[0].clone();
    other.client_id = "hosted".to_owned();
    for (number, mall) in options.scenario.malls.iter_mut().enumerate() {
        let mut token = mall.tokens[0].clone();
        token.client_id = "hosted".to_owned();
        token.access_token = format!("hosted-token-{number}");
        token.refresh_token = Some(format!("hosted-refresh-{number}"));
        mall.tokens.push(token);
    }
    other.refresh_extends = true;
    options.scenario.applications.push(other);
    World::with(options).await
}

/// Registers the application that the stalls share.
pub(super) async fn register(world: &World, owner: ApplicationOwner, ctx: &Ctx) -> ApplicationId {
    let request = RegisterApplication {
        owner,
        gateway: GatewayKind::Sandbox,
        client_id: "hosted".to_owned(),
        client_secret: "sandbox-secret-0001".into(),
        app_type: String::new(),
        packages: Vec::new(),
    };
    register_application(&world.engine, ctx, &request).await.unwrap()
}

/// Registers it as the operator's, for all merchants.
pub(super) async fn hosted(world: &World) -> ApplicationId {
    register(world, ApplicationOwner::Hosted, &operator(world)).await
}

/// Signs a merchant up.
pub(super) async fn merchant(world: &World) -> MerchantId {
    let id = MerchantId::generate();
    let mut tx = world.engine.store.tenant_tx(id).await.unwrap();
    merchants::insert(&mut tx, &NewMerchant { name: "另一商家", poll_floor_s: 15 }).await.unwrap();
    tx.commit().await.unwrap();
    id
}

impl<'a> Stall<'a> {
    /// Connects the mall with this number, from 1, for a merchant.
    pub(super) async fn open(
        world: &'a World,
        merchant: MerchantId,
        application: ApplicationId,
        number: i64,
        scopes: Scopes<'_>,
    ) -> Self {
        let (engine, ctx, mall) = (&world.engine, ctx(world, merchant), 100_000_001 + number);
        let expires_at = engine.now() + TimeDelta::days(300);
        let tokens = Tokens {
            access_token: format!("hosted-token-{number}").into(),
            refresh_token: format!("hosted-refresh-{number}").into(),
            expires_at,
            refresh_expires_at: expires_at,
            mall: MallId(mall),
            owner_name: "demo".to_owned(),
            scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
            levels: TokenLevels::default(),
        };
        let request = ConnectShop {
            application,
            grant: Grant::Tokens(Box::new(tokens)),
            purpose: Purpose::Connect,
            look_back: Duration::from_secs(60),
        };
        let shop = connect_shop(engine, &ctx, &request).await.unwrap().shop;
        sync_products(engine, &ctx, shop).await.unwrap();
        let mut stall = Self { world, merchant, shop, mall, sku: 0 };
        let sql = "SELECT id, platform_sku_id FROM skus WHERE shop_id = $1 AND outer_id LIKE 'VOUCHER%'";
        let rows = stall.sql().await.query(sql, &[&shop.as_uuid()]).await.unwrap();
        stall.sku = rows[0].get(1);
        stall.stock(SkuId::from_uuid(rows[0].get(0)), number).await;
        let request = GoLive { shop, deliver_from: engine.now() - TimeDelta::minutes(1), release: Vec::new() };
        go_live(engine, &ctx, &request).await.unwrap();
        stall
    }

    async fn stock(&self, sku: SkuId, number: i64) {
        let (engine, ctx, pool) = (&self.world.engine, ctx(self.world, self.merchant), PoolId::generate());
        let mut tx = engine.store.tenant_tx(self.merchant).await.unwrap();
        let name = format!("vouchers-{number}");
        card_pools::insert(
            &mut tx,
            &NewPool { id: pool, name: &name, gateway: GatewayKind::Sandbox, min_validity_s: 0, low_stock_at: 0 },
        )
        .await
        .unwrap();
        tx.commit().await.unwrap();
        let request = ImportCards {
            pool,
            caller_id: format!("test-{}", Uuid::now_v7().simple()),
            file_name: "cards.txt".to_owned(),
            choices: FileChoices::default(),
            mode: ImportMode::AllOrNothing,
            uses_permitted: 1,
            file: std::io::Cursor::new(numbered(&format!("S{number}N"), 10).into_bytes()),
        };
        import_cards(engine, &ctx, request).await.unwrap();
        let handling = Handling::Deliver {
            method: DeliveryMethod::VoucherSend,
            pool: Some(pool),
            redemption: RedemptionMethod::None,
            cards_per_unit: 1,
        };
        map_sku(engine, &ctx, &MapSku { sku, handling, settings: json!({}) }).await.unwrap();
    }

    pub(super) async fn sql(&self) -> RawSql {
        self.world.sql_of(self.merchant).await
    }

    /// A buyer orders, and the platform says so.
    pub(super) async fn order(&self) -> OrderSn {
        let body = json!({ "mall_id": self.mall, "sku_id": self.sku });
        let made = self.world.control("POST", "/orders", &body).await;
        let order_sn: OrderSn = made["order_sns"][0].as_str().unwrap().parse().unwrap();
        let notice = PushNotice { mall: MallId(self.mall), order_sn: order_sn.clone(), kind: NoticeKind::Other };
        push_hint(&self.world.engine, GatewayKind::Sandbox, &notice).await.unwrap();
        order_sn
    }

    pub(super) async fn deliver(&self) {
        deliver::tick(&self.world.engine, self.merchant, self.shop).await.unwrap();
    }

    /// One turn in every pool.
    pub(super) async fn turns(&self) {
        let engine = &self.world.engine;
        sync::tick(engine, self.merchant, self.shop).await.unwrap();
        self.deliver().await;
        redeem::tick(engine, &ctx(self.world, self.merchant), self.shop).await.unwrap();
    }

    /// The shop's own open exceptions.
    pub(super) async fn exceptions(&self) -> Vec<String> {
        let sql =
            "SELECT code FROM exceptions WHERE shop_id = $1 AND order_sn = '' AND resolved_at IS NULL ORDER BY code";
        let rows = self.sql().await.query(sql, &[&self.shop.as_uuid()]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    pub(super) async fn count(&self, sql: &str) -> i64 {
        self.sql().await.count(sql, &[]).await.unwrap()
    }

    /// Returns what of its shop or application an order waits for.
    pub(super) async fn standing(&self, order_sn: &OrderSn) -> Option<(&'static str, String)> {
        let ctx = ctx(self.world, self.merchant);
        let view = show_order::show(&self.world.engine, &ctx, self.shop, order_sn).await.unwrap()?;
        view.shop_standing.map(|standing| (standing.level, standing.reason))
    }
}

/// Counts the calls that the platform has answered.
pub(super) async fn calls(world: &World) -> i64 {
    world.control("GET", "/calls/count", &json!({})).await["total"].as_i64().unwrap()
}

/// Lets that count begin at nothing.
pub(super) async fn forget_calls(world: &World) {
    world.control("DELETE", "/calls", &json!({})).await;
}

/// Lets the platform answer calls of the shared application with a code.
pub(super) async fn refuse(world: &World, api: &str, code: i64) {
    world.fault(json!({ "api": api, "client_id": "hosted", "kind": "code", "code": code })).await;
}

/// Returns an application's state, why it is stopped, and the APIs it is denied.
pub(super) async fn state(world: &World, id: ApplicationId) -> (String, Option<String>, Vec<String>) {
    let sql = world.sql_as_superuser().await;
    let columns = "SELECT state, stop_reason, denied_apis FROM applications WHERE id = $1";
    let rows = sql.query(columns, &[&id.as_uuid()]).await.unwrap();
    (rows[0].get(0), rows[0].get(1), rows[0].get(2))
}

/// Returns the state of an application that nothing is wrong with.
pub(super) fn active() -> (String, Option<String>, Vec<String>) {
    ("active".to_owned(), None, Vec::new())
}

/// Counts the stalls that the sweep would put into a queue within the hour.
pub(super) async fn due_shops(world: &World) -> usize {
    let mut tx = world.engine.store.system_tx().await.unwrap();
    let due = system::list_due_shops(&mut tx, world.engine.now() + TimeDelta::hours(1), 100).await.unwrap();
    due.iter().filter(|due| due.merchant != world.merchant).count()
}
