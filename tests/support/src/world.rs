//! The engine against the sandbox over real sockets: a live shop with every kind of goods mapped.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use kamiflow_domain::connect_shop::{ConnectShop, Grant, Purpose, connect_shop};
use kamiflow_domain::ctx::{Actor, Ctx};
use kamiflow_domain::deliver;
use kamiflow_domain::engine::{Engine, EngineConfig, Wake};
use kamiflow_domain::go_live::{GoLive, go_live};
use kamiflow_domain::import_cards::import_cards;
use kamiflow_domain::map_sku::{MapSku, map_sku};
use kamiflow_domain::marketplace::{TokenLevels, Tokens};
use kamiflow_domain::push_hint::{NoticeKind, PushNotice, push_hint};
use kamiflow_domain::register_application::{ApplicationOwner, RegisterApplication, register_application};
use kamiflow_domain::sync;
use kamiflow_domain::sync_products::sync_products;
use kamiflow_kernel::{
    Clock, DeliveryMethod, GatewayKind, MallId, MerchantId, OrderSn, PoolId, RedemptionMethod, ShopId, SkuId,
};
use kamiflow_pinduoduo::limits::{CallBudget, NoBudget};
use kamiflow_pinduoduo::marketplace::{GatewayConfig, PinduoduoMarket};
use kamiflow_pinduoduo::{CardKey, ClientConfig};
use kamiflow_sandbox::{Sandbox, SandboxConfig, SandboxHandle, Scenario};
use kamiflow_store::card_pools::{self, NewPool, StockCount};
use kamiflow_store::merchants::NewMerchant;
use kamiflow_store::products::Handling;
use kamiflow_store::{Store, StoreConfig, TenantTx, merchants};
use serde_json::{Value, json};

use crate::app::TestApp;
use crate::database::{self, TestDatabase};
use crate::fleet;
use crate::raw::RawSql;
use crate::sandbox_hands::SandboxHands;

/// The machine's time plus what a test has let pass.
#[derive(Debug, Default)]
pub struct ShiftedClock(AtomicI64);

impl ShiftedClock {
    /// Lets time pass.
    pub fn advance(&self, by: TimeDelta) {
        self.0.fetch_add(by.num_milliseconds(), Ordering::SeqCst);
    }
}

impl Clock for ShiftedClock {
    fn now(&self) -> DateTime<Utc> {
        #[expect(clippy::disallowed_methods, reason = "this is a clock")]
        let now = Utc::now();
        now + TimeDelta::milliseconds(self.0.load(Ordering::SeqCst))
    }
}

/// How a world differs from the usual one.
pub struct WorldOptions {
    /// The platform.
    pub scenario: Scenario,
    /// The engine.
    pub engine: EngineConfig,
    /// Cards in the voucher pool.
    pub cards: usize,
    /// Whether the shop is live.
    pub live: bool,
}

impl Default for WorldOptions {
    fn default() -> Self {
        let mut scenario = Scenario::demo(1);
        // Buyers order when a test says so.
        fleet::silence_buyers(&mut scenario);
        Self { scenario, engine: EngineConfig::default(), cards: 20, live: true }
    }
}

async fn start_sandbox(scenario: Scenario) -> SandboxHandle {
    let config = SandboxConfig {
        listen: "127.0.0.1:0".parse().unwrap(),
        scenario,
        seed: 7,
        control_token: Some("control".to_owned()),
    };
    tokio::task::spawn_blocking(move || Sandbox::start(config).unwrap()).await.unwrap()
}

/// Returns how a sandbox is called as a platform.
fn reached(kind: GatewayKind, sandbox: &SandboxHandle) -> GatewayConfig {
    let mut client = ClientConfig::new(kind, sandbox.gateway_url().parse().unwrap());
    client.total_timeout = Duration::from_millis(700);
    GatewayConfig { client, card_key: None }
}

fn market<const N: usize>(gateways: [GatewayConfig; N], clock: &Arc<dyn Clock>) -> Arc<PinduoduoMarket> {
    let budget: Arc<dyn CallBudget> = Arc::new(NoBudget);
    Arc::new(PinduoduoMarket::new(gateways, clock, &budget).unwrap())
}

/// A merchant with one shop on a sandbox of its own.
pub struct World {
    /// What use cases take.
    pub engine: Engine,
    /// The engine's clock, and the client's.
    pub clock: Arc<ShiftedClock>,
    /// The merchant.
    pub merchant: MerchantId,
    /// Her shop.
    pub shop: ShopId,
    /// The shop's mall.
    pub mall: i64,
    /// SKUs by the first word of their code: VOUCHER, POOL, OTA, CHARGE, PICKUP, PHYSICAL.
    pub skus: BTreeMap<String, (SkuId, i64)>,
    /// Pool of the vouchers.
    pub vouchers: PoolId,
    /// The platform.
    pub sandbox: SandboxHandle,
    http: reqwest::Client,
    /// The database; last, so that connections end before it is dropped.
    pub database: TestDatabase,
}

impl World {
    /// Starts the usual one.
    pub async fn start() -> Self {
        Self::with(WorldOptions::default()).await
    }

    /// Starts one.
    pub async fn with(options: WorldOptions) -> Self {
        kamiflow_pinduoduo::install_crypto_provider();
        let database = TestDatabase::migrated().await;
        let sandbox = start_sandbox(options.scenario).await;
        let clock = Arc::new(ShiftedClock::default());
        let http = reqwest::Client::new();
        let card_key = card_key(&http, &sandbox).await;
        let as_clock: Arc<dyn Clock> = clock.clone();
        let market =
            market([GatewayConfig { card_key: Some(card_key), ..reached(GatewayKind::Sandbox, &sandbox) }], &as_clock);
        let store_config =
            StoreConfig { url: database.url("kamiflow_app"), pool_size: 8, wait: Duration::from_secs(10) };
        let engine = Engine {
            store: Store::new(&store_config, TestApp::key_ring(&["m1"], "m1")).unwrap(),
            market,
            clock: as_clock,
            config: Arc::new(options.engine),
        };
        let mut world = Self {
            merchant: MerchantId::generate(),
            shop: ShopId::generate(),
            mall: 100_000_001,
            skus: BTreeMap::new(),
            vouchers: PoolId::generate(),
            engine,
            clock,
            sandbox,
            http,
            database,
        };
        world.arrange(options.cards, options.live).await;
        world
    }

    /// Starts another sandbox, which plays the real platform beside this world's own from now on.
    pub async fn reach_production(&mut self) -> SandboxHandle {
        let production = start_sandbox(WorldOptions::default().scenario).await;
        let gateways = [reached(GatewayKind::Sandbox, &self.sandbox), reached(GatewayKind::Production, &production)];
        self.engine.market = market(gateways, &self.engine.clock);
        production
    }

    async fn arrange(&mut self, cards: usize, live: bool) {
        let mut tx = self.tx().await;
        merchants::insert(&mut tx, &NewMerchant { name: "测试商家", poll_floor_s: 15 }).await.unwrap();
        tx.commit().await.unwrap();
        self.connect().await;
        sync_products(&self.engine, &self.ctx(), self.shop).await.unwrap();
        let rows = self.sql().await.query("SELECT id, outer_id, platform_sku_id FROM skus", &[]).await.unwrap();
        for row in rows {
            let code: String = row.get("outer_id");
            let id = SkuId::from_uuid(row.get("id"));
            self.skus.insert(code.split('-').next().unwrap().to_owned(), (id, row.get("platform_sku_id")));
        }
        self.vouchers = self.pool("vouchers").await;
        if cards > 0 {
            self.import(self.vouchers, &numbered("V", cards)).await;
        }
        self.map("VOUCHER", DeliveryMethod::VoucherSend, Some(self.vouchers), RedemptionMethod::None).await;
        if live {
            let from = self.engine.now() - TimeDelta::minutes(1);
            let request = GoLive { shop: self.shop, deliver_from: from, release: Vec::new() };
            go_live(&self.engine, &self.ctx(), &request).await.unwrap();
        }
    }

    async fn connect(&mut self) {
        let register = RegisterApplication {
            owner: ApplicationOwner::Own,
            gateway: GatewayKind::Sandbox,
            client_id: "sandbox-client".to_owned(),
            client_secret: "sandbox-secret-0001".into(),
            app_type: String::new(),
            packages: Vec::new(),
        };
        let application = register_application(&self.engine, &self.ctx(), &register).await.unwrap();
        let expires_at = self.engine.now() + TimeDelta::days(300);
        let tokens = Tokens {
            access_token: "sandbox-token-0001".into(),
            refresh_token: "sandbox-refresh-0001".into(),
            expires_at,
            refresh_expires_at: expires_at,
            mall: MallId(self.mall),
            owner_name: "demo".to_owned(),
            scopes: Vec::new(),
            levels: TokenLevels::default(),
        };
        let request = ConnectShop {
            application,
            grant: Grant::Tokens(Box::new(tokens)),
            purpose: Purpose::Connect,
            look_back: Duration::from_secs(60),
        };
        self.shop = connect_shop(&self.engine, &self.ctx(), &request).await.unwrap().shop;
    }

    /// Returns the circumstances of an act of the merchant, now.
    #[must_use]
    pub fn ctx(&self) -> Ctx {
        let now = self.engine.now();
        Ctx { actor: Actor::Operator, merchant: self.merchant, request_id: "test".to_owned(), now }
    }

    /// Begins a transaction of the merchant.
    pub async fn tx(&self) -> TenantTx {
        self.engine.store.tenant_tx(self.merchant).await.unwrap()
    }

    /// Connects as the application role, bound to the merchant.
    pub async fn sql(&self) -> RawSql {
        RawSql::bound(database::connect(&self.database.url("kamiflow_app")).await, Some(self.merchant)).await
    }

    /// Connects as the application role, bound to any merchant.
    pub async fn sql_of(&self, merchant: MerchantId) -> RawSql {
        RawSql::bound(database::connect(&self.database.url("kamiflow_app")).await, Some(merchant)).await
    }

    /// Connects as the superuser, for what no role of ours may do.
    pub async fn sql_as_superuser(&self) -> RawSql {
        RawSql::bound(database::connect(&self.database.url_as_superuser()).await, None).await
    }

    /// Makes an empty card pool.
    pub async fn pool(&self, name: &str) -> PoolId {
        let id = PoolId::generate();
        let mut tx = self.tx().await;
        card_pools::insert(
            &mut tx,
            &NewPool { id, name, gateway: GatewayKind::Sandbox, min_validity_s: 0, low_stock_at: 0 },
        )
        .await
        .unwrap();
        tx.commit().await.unwrap();
        id
    }

    /// Imports cards from the text of a file; returns whom that wakes.
    pub async fn import(&self, pool: PoolId, file: &str) -> Vec<Wake> {
        let request = fleet::cards(pool, format!("test-{}", uuid::Uuid::now_v7().simple()), file.to_owned());
        import_cards(&self.engine, &self.ctx(), request).await.unwrap().wakes
    }

    /// Counts a pool's uses.
    pub async fn stock(&self, pool: PoolId) -> StockCount {
        let mut tx = self.tx().await;
        card_pools::count_stock(&mut tx, pool, self.engine.now()).await.unwrap()
    }

    /// Maps the SKU whose code begins so.
    pub async fn map(
        &self,
        code: &str,
        method: DeliveryMethod,
        pool: Option<PoolId>,
        redemption: RedemptionMethod,
    ) -> Vec<Wake> {
        let handling = Handling::Deliver { method, pool, redemption, cards_per_unit: 1 };
        let settings = match redemption {
            RedemptionMethod::Ota => json!({ "store_id": 9001, "store_name": "总店" }),
            RedemptionMethod::Realtime => json!({ "out_voucher_id": "card_use" }),
            _ => json!({}),
        };
        map_sku(&self.engine, &self.ctx(), &MapSku { sku: self.skus[code].0, handling, settings }).await.unwrap()
    }

    /// Lets buyers order a SKU; `more` are further fields of control's `POST /orders`.
    pub async fn order(&self, code: &str, more: Value) -> Vec<OrderSn> {
        let mut body = json!({ "mall_id": self.mall, "sku_id": self.skus[code].1 });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let made = self.control("POST", "/orders", &body).await;
        made["order_sns"].as_array().unwrap().iter().map(|sn| sn.as_str().unwrap().parse().unwrap()).collect()
    }

    /// Lets one buyer order one piece.
    pub async fn one_order(&self, code: &str) -> OrderSn {
        self.order(code, json!({})).await.remove(0)
    }

    /// Adds a fault.
    pub async fn fault(&self, rule: Value) {
        self.control("POST", "/faults", &rule).await;
    }

    /// Calls control.
    pub async fn control(&self, method: &str, path: &str, body: &Value) -> Value {
        let request = self
            .http
            .request(method.parse().unwrap(), format!("{}{path}", self.sandbox.control_url()))
            .bearer_auth("control")
            .body(body.to_string());
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "{method} {path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    /// Returns what only the sandbox's operator can do.
    #[must_use]
    pub fn hands(&self) -> SandboxHands {
        SandboxHands { http: self.http.clone(), url: self.sandbox.control_url() }
    }

    /// Reads what really happened on the platform.
    pub async fn ledger(&self) -> Value {
        self.control("GET", "/ledger", &json!({})).await
    }

    /// Returns the voucher numbers that took effect, by order.
    pub async fn vouchers_sent(&self) -> BTreeMap<String, Vec<String>> {
        let mut sent: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for voucher in self.ledger().await["vouchers"].as_array().unwrap() {
            let text = |key: &str| voucher[key].as_str().unwrap().to_owned();
            sent.entry(text("order_sn")).or_default().push(text("voucher_no"));
        }
        sent
    }

    /// Takes a push notice about an order, as the listener does.
    pub async fn push(&self, order_sn: &OrderSn) {
        let notice = PushNotice { mall: MallId(self.mall), order_sn: order_sn.clone(), kind: NoticeKind::Other };
        push_hint(&self.engine, GatewayKind::Sandbox, &notice).await.unwrap();
    }

    /// Runs one deliver tick.
    pub async fn deliver(&self) {
        deliver::tick(&self.engine, self.merchant, self.shop).await.unwrap();
    }

    /// Hints orders and runs deliver ticks, as often as it takes to look at all of them.
    pub async fn deliver_all(&self, orders: &[OrderSn]) {
        for order_sn in orders {
            self.push(order_sn).await;
        }
        for _ in 0..=orders.len() / self.engine.config.batch {
            self.deliver().await;
        }
    }

    /// Returns where the engine is with an order.
    pub async fn state(&self, order_sn: &OrderSn) -> String {
        self.text("SELECT state FROM orders WHERE order_sn = $1", order_sn).await
    }

    /// Returns where the engine is with an order, if it has seen it.
    pub async fn state_or_none(&self, order_sn: &OrderSn) -> Option<String> {
        let sql = "SELECT state FROM orders WHERE order_sn = $1";
        self.sql().await.query(sql, &[&order_sn.as_str()]).await.unwrap().first().map(|row| row.get(0))
    }

    /// Returns the open exceptions of an order, by code.
    pub async fn exceptions(&self, order_sn: &OrderSn) -> Vec<String> {
        let sql = "SELECT code FROM exceptions WHERE order_sn = $1 AND resolved_at IS NULL ORDER BY code";
        self.sql().await.query(sql, &[&order_sn.as_str()]).await.unwrap().iter().map(|row| row.get(0)).collect()
    }

    /// Returns the one text that a query about an order finds.
    pub async fn text(&self, sql: &str, order_sn: &OrderSn) -> String {
        let rows = self.sql().await.query(sql, &[&order_sn.as_str()]).await.unwrap();
        assert_eq!(rows.len(), 1, "{sql} about {order_sn}");
        rows[0].get(0)
    }
}

/// What tests of syncing, push, tokens and pauses ask of a world.
impl World {
    /// Runs one sync tick.
    pub async fn sync(&self) {
        sync::tick(&self.engine, self.merchant, self.shop).await.unwrap();
    }

    /// Lets time pass for everybody: the platform and us.
    pub async fn time_passes(&self, seconds: i64) {
        self.control("POST", "/clock/advance", &json!({ "seconds": seconds })).await;
        self.clock.advance(TimeDelta::seconds(seconds));
    }

    /// Lets it be two hours into the next day for us, whatever the time is now; returns the day that is over.
    ///
    /// # Panics
    /// At the end of time.
    pub fn day_passes(&self) -> NaiveDate {
        let now = self.engine.now();
        let today = now.date_naive();
        let tomorrow = today.succ_opt().unwrap().and_time(NaiveTime::MIN).and_utc();
        self.clock.advance(tomorrow - now + TimeDelta::hours(2));
        today
    }

    /// Counts the calls of an API that the platform has answered.
    pub async fn calls(&self, api: &str) -> i64 {
        let counts = self.control("GET", "/calls/count", &Value::Null).await;
        counts["by_api"][api]["calls"].as_i64().unwrap_or_default()
    }

    /// Returns the open exceptions of the shop itself, by code.
    pub async fn shop_exceptions(&self) -> Vec<String> {
        let sql = "SELECT code FROM exceptions WHERE order_sn = '' AND resolved_at IS NULL ORDER BY code";
        self.sql().await.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
    }

    /// Returns the shop's state and why it is stopped.
    pub async fn shop_state(&self) -> (String, Option<String>) {
        let sql = "SELECT state, stop_reason FROM shops WHERE id = $1";
        let rows = self.sql().await.query(sql, &[&self.shop.as_uuid()]).await.unwrap();
        (rows[0].get(0), rows[0].get(1))
    }

    /// Waits until a count that others change is so large; fails after half a minute.
    pub async fn until(&self, count: &str, at_least: i64) {
        self.until_as(&self.sql().await, count, at_least).await;
    }

    /// Waits until a count is reached, as somebody sees it.
    pub async fn until_as(&self, sql: &RawSql, count: &str, at_least: i64) {
        let reached = async {
            let mut looks = tokio::time::interval(Duration::from_millis(20));
            while sql.count(count, &[]).await.unwrap() < at_least {
                looks.tick().await;
            }
        };
        let in_time = tokio::time::timeout(Duration::from_secs(30), reached).await;
        assert!(in_time.is_ok(), "never reached {at_least}: {count}");
    }
}

/// Returns the text of a file with numbered cards.
#[must_use]
pub fn numbered(prefix: &str, count: usize) -> String {
    (1..=count).map(|n| format!("{prefix}{n:06}\n")).collect()
}

async fn card_key(http: &reqwest::Client, sandbox: &SandboxHandle) -> CardKey {
    let url = format!("{}/import-key", sandbox.control_url());
    let answer = http.get(url).bearer_auth("control").send().await.unwrap().text().await.unwrap();
    let answer: Value = serde_json::from_str(&answer).unwrap();
    CardKey::parse(answer["public_key_pem"].as_str().unwrap()).unwrap()
}
