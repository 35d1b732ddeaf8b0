//! A merchant with a live shop and orders that are delivered and wait to be redeemed.

use std::io::Cursor;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use chrono::{DateTime, FixedOffset, NaiveTime, TimeDelta, Utc};
use kamiflow_domain::approve_redemption::{self, RedemptionView};
use kamiflow_domain::ctx::{Actor, Ctx};
use kamiflow_domain::engine::{Engine, EngineError, TickOutcome};
use kamiflow_domain::import_cards::{FileChoices, ImportCards, ImportMode, import_cards};
use kamiflow_domain::marketplace::{PlatformItem, PlatformOrder};
use kamiflow_domain::redeem::{self, Delivered};
use kamiflow_domain::redemption_rules::{Conditions, Rule, RuleAction, RuleSet};
use kamiflow_domain::save_rules;
use kamiflow_kernel::{
    DeliveryId, Fen, GatewayKind, GoodsId, LineId, MerchantId, OrderId, OrderSn, PlatformSkuId, PoolId,
    RedemptionMethod, RuleId, ShopId, SkuId,
};
use kamiflow_store::card_pools::{self, NewPool};
use kamiflow_store::redemptions::acts;
use kamiflow_test_support::{RawSql, TestApp};
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::platform::Platform;

const GOODS: i64 = 2_557_644_875;
const SKU: i64 = GOODS * 10;

/// The scene.
pub(crate) struct Scene {
    pub(crate) engine: Engine,
    pub(crate) platform: Arc<Platform>,
    pub(crate) merchant: MerchantId,
    pub(crate) shop: ShopId,
    sku: SkuId,
    sql: RawSql,
    orders: AtomicU32,
    app: TestApp,
}

impl Scene {
    /// Sets the scene: a live shop whose one rule redeems at once.
    pub(crate) async fn new() -> Self {
        let scene = Self::without_rules().await;
        scene.rules([(RuleAction::Redeem, Conditions::default())]).await;
        scene
    }

    pub(crate) async fn without_rules() -> Self {
        let app = TestApp::new().await;
        let merchant = app.merchant().await;
        let shop = merchant.shop().await;
        shop.goes_live().await;
        let sku = shop.sku(GOODS, Some(1), Some(0)).await;
        let (merchant, shop) = (merchant.id, shop.id);
        let platform = Arc::new(Platform::default());
        let engine = Engine { market: platform.clone(), ..app.engine.clone() };
        let sql = app.sql_as(Some(merchant)).await;
        let scene = Self { engine, platform, merchant, shop, sku, sql, orders: AtomicU32::new(0), app };
        // Straight into the table: the rows of other methods below refer to this one mapping's store as well.
        scene
            .execute(
                "INSERT INTO sku_mappings (id, merchant_id, sku_id, delivery_method, redemption_method, settings)
                 VALUES ($1, $2, $3, 'platform_codes', 'ota',
                         '{\"store_id\": 9001, \"store_name\": \"main\"}')",
                &[&Uuid::now_v7(), &merchant.as_uuid(), &sku.as_uuid()],
            )
            .await;
        scene
    }

    pub(crate) async fn execute(&self, text: &str, values: &[&(dyn ToSql + Sync)]) {
        self.sql.execute(text, values).await.unwrap();
    }

    pub(crate) fn ctx(&self) -> Ctx {
        let now = self.engine.now();
        Ctx { actor: Actor::Operator, merchant: self.merchant, request_id: "test".to_owned(), now }
    }

    pub(crate) fn advance(&self, by: TimeDelta) {
        self.app.clock.advance(by);
    }

    /// Lets time pass until a day has begun at Pinduoduo, so that what a test does within hours is of one day.
    pub(crate) fn day_begins(&self) {
        let beijing = FixedOffset::east_opt(8 * 3600).unwrap();
        let now = self.engine.now().with_timezone(&beijing).naive_local();
        let tomorrow = now.date().succ_opt().unwrap().and_time(NaiveTime::MIN);
        self.advance(tomorrow - now + TimeDelta::minutes(1));
    }

    /// Saves rules, the first that matches wins; returns their ids.
    pub(crate) async fn rules(&self, rules: impl IntoIterator<Item = (RuleAction, Conditions)>) -> Vec<RuleId> {
        let rules: Vec<Rule> = rules
            .into_iter()
            .map(|(action, conditions)| Rule {
                id: RuleId::generate(),
                name: "rule".to_owned(),
                enabled: true,
                conditions,
                action,
            })
            .collect();
        let ids = rules.iter().map(|rule| rule.id).collect();
        save_rules::save(&self.engine, &self.ctx(), &RuleSet::new(rules).unwrap()).await.unwrap();
        ids
    }

    /// Puts a delivered order with so many lines there, planned for redemption, its codes in order.
    pub(crate) async fn delivered(&self, method: RedemptionMethod, lines: usize) -> (OrderSn, Vec<String>) {
        self.delivered_knowing(method, lines, lines).await
    }

    /// The same, but only the first codes are known to us and planned; the others are the platform's secret.
    pub(crate) async fn delivered_knowing(
        &self,
        method: RedemptionMethod,
        lines: usize,
        known: usize,
    ) -> (OrderSn, Vec<String>) {
        let number = self.orders.fetch_add(1, Ordering::Relaxed) + 1;
        let sn: OrderSn = format!("{}-{number:015}", self.engine.now().format("%y%m%d")).parse().unwrap();
        let now = self.engine.now();
        self.platform.put_order(platform_order(&sn, now, lines));
        let order = self.insert_order(&sn, now, lines).await;
        let pool = if method == RedemptionMethod::Ota { None } else { Some(self.pool(number, lines).await) };
        let delivery = self.insert_delivery(&sn, order, (method, pool), lines).await;
        let mut ids = Vec::new();
        let mut codes = Vec::new();
        for n in 1..=lines {
            let (line, code) = (LineId::generate(), code_of(number, n));
            let card_use = match pool {
                Some(pool) => Some(self.card_use(pool, n).await),
                None => None,
            };
            self.execute(
                "INSERT INTO delivery_lines (id, merchant_id, delivery_id, item_no, line_no, card_use_id)
                 VALUES ($1, $2, $3, 1, $4::integer, $5)",
                &[
                    &line.as_uuid(),
                    &self.merchant.as_uuid(),
                    &delivery.as_uuid(),
                    &i32::try_from(n).unwrap(),
                    &card_use,
                ],
            )
            .await;
            if pool.is_none() {
                self.platform.put_code(&code, &sn, 1);
            }
            if pool.is_none() && n <= known {
                let mut tx = self.engine.store.tenant_tx(self.merchant).await.unwrap();
                assert!(acts::set_platform_code(&mut tx, line, code.as_bytes()).await.unwrap());
                tx.commit().await.unwrap();
            }
            ids.push(line);
            codes.push(code);
        }
        self.execute(
            "UPDATE deliveries SET state = 'delivered', delivered_at = $2 WHERE id = $1",
            &[&delivery.as_uuid(), &now],
        )
        .await;
        self.plan(&sn, order, delivery, (method, &ids[..known])).await;
        (sn, codes)
    }

    pub(crate) async fn plan(
        &self,
        sn: &OrderSn,
        order_id: OrderId,
        delivery: DeliveryId,
        (method, lines): (RedemptionMethod, &[LineId]),
    ) {
        let mut tx = self.engine.store.tenant_tx(self.merchant).await.unwrap();
        let delivered = Delivered {
            shop: self.shop,
            delivery,
            order_day: sn.day().unwrap(),
            order_id,
            order_sn: sn.clone(),
            method,
            lines: lines.to_vec(),
        };
        // Twice: planning again must change nothing.
        for _ in 0..2 {
            redeem::plan(&mut tx, std::slice::from_ref(&delivered), self.engine.now()).await.unwrap();
        }
        tx.commit().await.unwrap();
    }

    async fn insert_order(&self, sn: &OrderSn, now: DateTime<Utc>, count: usize) -> OrderId {
        let id = OrderId::generate();
        self.execute(
            "INSERT INTO orders (id, order_day, merchant_id, shop_id, order_sn, state, state_cause, order_status,
                 refund_status, confirm_status, group_status, risk_control_status, after_sales_status, trade_type,
                 is_lucky_flag, goods_id, platform_sku_id, goods_count, pay_amount_fen, updated_at, content_hash,
                 read_at, delivered_at)
             VALUES ($1, $2, $3, $4, $5::text, 'awaiting_redemption', 'redemption_planned', 2, 1, 1, 1, 0, 0, 0, 1, $6, $7,
                 $8::integer, 990, $9, '', $9, $9)",
            &[
                &id.as_uuid(),
                &sn.day().unwrap(),
                &self.merchant.as_uuid(),
                &self.shop.as_uuid(),
                &sn.as_str(),
                &GOODS,
                &SKU,
                &i32::try_from(count).unwrap(),
                &now,
            ],
        )
        .await;
        id
    }

    async fn insert_delivery(
        &self,
        sn: &OrderSn,
        order: OrderId,
        (method, pool): (RedemptionMethod, Option<PoolId>),
        lines: usize,
    ) -> DeliveryId {
        let id = DeliveryId::generate();
        let delivery_method = match method {
            RedemptionMethod::Ota => "platform_codes",
            RedemptionMethod::ReportCard => "platform_pool",
            RedemptionMethod::Realtime | RedemptionMethod::None => "voucher_send",
        };
        self.execute(
            "INSERT INTO deliveries (id, merchant_id, shop_id, order_day, order_id, order_sn, sku_id, method,
                 redemption_method, pool_id, lines_expected)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8::text, $9::text, $10, $11::integer)",
            &[
                &id.as_uuid(),
                &self.merchant.as_uuid(),
                &self.shop.as_uuid(),
                &sn.day().unwrap(),
                &order.as_uuid(),
                &sn.as_str(),
                &self.sku.as_uuid(),
                &delivery_method,
                &method.as_str(),
                &pool.map(PoolId::as_uuid),
                &i32::try_from(lines).unwrap(),
            ],
        )
        .await;
        id
    }

    /// Makes a pool with the codes of an order in it.
    async fn pool(&self, number: u32, lines: usize) -> PoolId {
        let id = PoolId::generate();
        let mut tx = self.engine.store.tenant_tx(self.merchant).await.unwrap();
        let name = format!("pool {number}");
        let new = NewPool { id, name: &name, gateway: GatewayKind::Sandbox, min_validity_s: 0, low_stock_at: 0 };
        card_pools::insert(&mut tx, &new).await.unwrap();
        tx.commit().await.unwrap();
        let file: String = (1..=lines).map(|n| format!("{},secret-{n}\n", code_of(number, n))).collect();
        let request = ImportCards {
            pool: id,
            caller_id: name,
            file_name: "cards.txt".to_owned(),
            file: Cursor::new(file.into_bytes()),
            choices: FileChoices::default(),
            uses_permitted: 1,
            mode: ImportMode::SkipBad,
        };
        let imported = import_cards(&self.engine, &self.ctx(), request).await.unwrap();
        assert_eq!(imported.accepted, u64::try_from(lines).unwrap());
        id
    }

    /// Returns the use of the nth card of a pool.
    async fn card_use(&self, pool: PoolId, n: usize) -> Uuid {
        let text = "SELECT u.id FROM card_uses u WHERE u.pool_id = $1 ORDER BY u.card_id";
        let rows = self.sql.query(text, &[&pool.as_uuid()]).await.unwrap();
        rows[n - 1].get(0)
    }

    pub(crate) async fn tick(&self) -> Result<TickOutcome, EngineError> {
        let ctx = self.engine.ctx("redeem", self.merchant);
        redeem::tick(&self.engine, &ctx, self.shop).await
    }

    /// Ticks whenever something is due, until the time is over.
    pub(crate) async fn run_for(&self, time: TimeDelta) {
        let end = self.engine.now() + time;
        loop {
            let outcome = self.tick().await.unwrap();
            let Some(next) = outcome.next.filter(|next| *next <= end) else { break };
            let now = self.engine.now();
            assert!(next > now || outcome.done > 0, "the same tick again: {outcome:?}");
            self.advance((next - now).max(TimeDelta::zero()));
        }
        let left = end - self.engine.now();
        self.advance(left);
    }

    pub(crate) async fn redemptions(&self, sn: &OrderSn) -> Vec<RedemptionView> {
        approve_redemption::list(&self.engine, &self.ctx(), self.shop, sn).await.unwrap()
    }

    /// The states of an order's redemptions.
    pub(crate) async fn states(&self, sn: &OrderSn) -> Vec<&'static str> {
        self.redemptions(sn).await.iter().map(|view| view.state.as_str()).collect()
    }

    pub(crate) async fn order_state(&self, sn: &OrderSn) -> String {
        let text = "SELECT state FROM orders WHERE merchant_id = $1 AND order_sn = $2";
        self.sql.query(text, &[&self.merchant.as_uuid(), &sn.as_str()]).await.unwrap()[0].get(0)
    }

    pub(crate) async fn open_exceptions(&self, sn: &OrderSn) -> Vec<String> {
        let text =
            "SELECT code FROM exceptions WHERE merchant_id = $1 AND order_sn = $2 AND resolved_at IS NULL ORDER BY 1";
        let rows = self.sql.query(text, &[&self.merchant.as_uuid(), &sn.as_str()]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    pub(crate) async fn events(&self, sn: &OrderSn) -> Vec<String> {
        let text = "SELECT e.kind FROM order_events e JOIN orders o ON o.id = e.order_id WHERE o.order_sn = $1 ORDER BY e.at, e.id";
        self.sql.query(text, &[&sn.as_str()]).await.unwrap().iter().map(|row| row.get(0)).collect()
    }
}

fn platform_order(sn: &OrderSn, now: DateTime<Utc>, count: usize) -> PlatformOrder {
    PlatformOrder {
        order_sn: sn.clone(),
        order_status: 2,
        refund_status: 1,
        confirm_status: 1,
        group_status: 1,
        risk_control_status: 0,
        after_sales_status: 0,
        trade_type: 0,
        step_trade_status: None,
        is_lucky_flag: 1,
        items: vec![PlatformItem {
            goods_id: GoodsId(GOODS),
            sku_id: PlatformSkuId(SKU),
            outer_id: String::new(),
            goods_name: String::new(),
            goods_spec: String::new(),
            count: u32::try_from(count).unwrap(),
        }],
        pay_amount: Fen(990),
        created_at: Some(now),
        paid_at: Some(now),
        confirmed_at: Some(now),
        last_ship_at: None,
        shipped_at: Some(now),
        received_at: None,
        updated_at: now,
        cards: Vec::new(),
    }
}

fn code_of(number: u32, n: usize) -> String {
    format!("CODE-{number:04}-{n:04}")
}
