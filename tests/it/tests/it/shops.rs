//! Shops: products, mappings, going live with a backlog, pauses; and keys while master keys change.

use chrono::TimeDelta;
use kamiflow_domain::compat::Refusal;
use kamiflow_domain::engine::Wake;
use kamiflow_domain::go_live::{GoLive, GoLiveError, go_live, return_to_trial_run};
use kamiflow_domain::map_sku::{MapSku, MapSkuError, map_sku};
use kamiflow_domain::marketplace::{PlatformProduct, PlatformSku, ProductDetail};
use kamiflow_domain::pause::{Pause, PauseError, pause, resume};
use kamiflow_domain::sync_products::sync_products;
use kamiflow_kernel::{
    Clock, DeliveryMethod, GatewayKind, GoodsId, PlatformSkuId, PoolId, ReasonCode, RedemptionMethod, ShopState, SkuId,
};
use kamiflow_store::pauses::{self, PauseScope, PausedWork};
use kamiflow_store::products::{self, Handling};
use kamiflow_store::{SealError, StoreError, shops};
use kamiflow_test_support::{Merchant, Shop, TestApp, refused_by};
use serde_json::json;
use uuid::Uuid;

fn product(goods_id: i64, on_sale: bool) -> PlatformProduct {
    PlatformProduct {
        goods_id: GoodsId(goods_id),
        name: format!("goods {goods_id}"),
        image_url: String::new(),
        on_sale,
        skus: vec![PlatformSku {
            sku_id: PlatformSkuId(goods_id * 10),
            outer_id: String::new(),
            spec: "one".to_owned(),
            quantity: 5,
            on_sale,
        }],
    }
}

const VIRTUAL: ProductDetail = ProductDetail { goods_type: Some(1), delivery_type: Some(0), cat_id: Some(9) };

#[tokio::test]
async fn a_sync_reads_every_page_keeps_what_is_gone_as_off_sale_and_survives_a_number_shown_twice() {
    let app = TestApp::new().await;
    let merchant = app.merchant().await;
    let shop = merchant.shop().await;
    let mut list: Vec<PlatformProduct> = (1..=150).map(|n| product(n, true)).collect();
    list.insert(50, product(20, true));
    app.market.set_products(list, VIRTUAL);
    let synced = sync_products(&app.engine, &merchant.ctx(), shop.id).await.unwrap();
    assert_eq!((synced.details, synced.more_details), (150, false));
    app.clock.advance(TimeDelta::minutes(1));
    app.market.set_products(vec![product(1, true)], VIRTUAL);
    assert_eq!(sync_products(&app.engine, &merchant.ctx(), shop.id).await.unwrap().details, 0);
    let sql = merchant.sql().await;
    assert_eq!(sql.count("SELECT count(*) FROM skus WHERE on_sale", &[]).await.unwrap(), 1);
    assert_eq!(sql.count("SELECT count(*) FROM products WHERE goods_type = 1 AND cat_id = 9", &[]).await.unwrap(), 150);
}

fn deliver(method: DeliveryMethod, pool: Option<PoolId>, redemption: RedemptionMethod) -> Handling {
    Handling::Deliver { method, pool, redemption, cards_per_unit: 1 }
}

async fn map(app: &TestApp, merchant: &Merchant<'_>, sku: SkuId, handling: Handling) -> Result<Vec<Wake>, MapSkuError> {
    let request = MapSku { sku, handling, settings: json!({}) };
    map_sku(&app.engine, &merchant.ctx(), &request).await
}

#[tokio::test]
async fn a_mapping_that_does_not_fit_the_goods_is_refused_with_its_reason() {
    use DeliveryMethod::{ChargeNotify, PlatformCodes, VoucherSend};
    let app = TestApp::new().await;
    let merchant = app.merchant().await;
    let shop = merchant.shop().await;
    let pool = Some(merchant.pool("p").await.id);
    let voucher = shop.sku(1, Some(1), Some(0)).await;
    let post = shop.sku(2, Some(1), Some(1)).await;
    let codes = shop.sku(4, Some(19), Some(0)).await;
    // The last: a later sync would ask for its detail again, and the scripted platform would know it by then.
    let unknown = shop.sku(3, None, None).await;
    let none = RedemptionMethod::None;
    let run = async |sku, handling| map(&app, &merchant, sku, handling).await;
    let refused = run(post, deliver(VoucherSend, pool, none)).await;
    assert!(matches!(refused, Err(MapSkuError::Incompatible(Refusal::Physical(_)))));
    let refused = run(unknown, deliver(VoucherSend, pool, none)).await;
    assert!(matches!(refused, Err(MapSkuError::Incompatible(Refusal::UnknownKind))));
    let refused = run(voucher, deliver(ChargeNotify, None, none)).await;
    assert!(matches!(refused, Err(MapSkuError::Incompatible(Refusal::OtherKind(_)))));
    let refused = run(voucher, deliver(VoucherSend, pool, RedemptionMethod::Ota)).await;
    assert!(matches!(refused, Err(MapSkuError::Incompatible(Refusal::OtherRedemption))));
    let refused = run(voucher, deliver(VoucherSend, None, none)).await;
    assert!(matches!(refused, Err(MapSkuError::PoolMissing(VoucherSend))));
    let refused = run(codes, deliver(PlatformCodes, pool, none)).await;
    assert!(matches!(refused, Err(MapSkuError::PoolNotUsed(PlatformCodes))));
    let refused = run(voucher, deliver(VoucherSend, pool, RedemptionMethod::Realtime)).await;
    assert!(matches!(refused, Err(MapSkuError::SettingMissing("out_voucher_id"))));
    let refused = run(codes, deliver(PlatformCodes, None, RedemptionMethod::Ota)).await;
    assert!(matches!(refused, Err(MapSkuError::SettingMissing("store_id"))));
    let foreign = Some(app.merchant().await.pool("p").await.id);
    assert!(matches!(run(voucher, deliver(VoucherSend, foreign, none)).await, Err(MapSkuError::PoolUnknown)));
    assert!(matches!(run(SkuId::generate(), Handling::Skip).await, Err(MapSkuError::SkuUnknown)));
    let real = Some(merchant.pool_at("real", GatewayKind::Production).await.id);
    let refused = run(voucher, deliver(VoucherSend, real, none)).await;
    assert!(matches!(refused, Err(MapSkuError::PoolOfOtherPlatform(GatewayKind::Production))));
    run(post, Handling::Skip).await.unwrap();
    run(voucher, deliver(VoucherSend, pool, none)).await.unwrap();
    let mut tx = merchant.tx().await;
    assert_eq!(products::fetch_sku(&mut tx, voucher).await.unwrap().delivery_method.as_deref(), Some("voucher_send"));
}

#[tokio::test]
async fn sample_cards_are_mapped_to_no_sku_of_a_real_shop() {
    let app = TestApp::new().await;
    let merchant = app.merchant().await;
    let shop = merchant.shop().await;
    let sku = shop.sku(1, Some(1), Some(0)).await;
    let (samples, real) = (merchant.pool("samples").await, merchant.pool_at("real", GatewayKind::Production).await);
    // As if it were a shop of the real platform, which tests cannot reach.
    merchant.sql().await.execute("UPDATE shops SET gateway = 'production'", &[]).await.unwrap();
    let run = async |pool| {
        let handling = deliver(DeliveryMethod::VoucherSend, Some(pool), RedemptionMethod::None);
        map(&app, &merchant, sku, handling).await
    };
    assert!(matches!(run(samples.id).await, Err(MapSkuError::PoolOfOtherPlatform(GatewayKind::Sandbox))));
    run(real.id).await.unwrap();
    // Whoever writes past the use case is refused as well: mapped anew, or a pool that changes sides.
    let sql = merchant.sql().await;
    let moved = sql.execute("UPDATE sku_mappings SET pool_id = $1", &[&samples.id.as_uuid()]).await;
    assert_eq!(refused_by(moved), "sku_mappings_pool_of_its_gateway");
    let changed = sql.execute("UPDATE card_pools SET gateway = 'sandbox' WHERE name = 'real'", &[]).await;
    assert_eq!(refused_by(changed), "card_pools_gateway_stays");
    assert_eq!(sql.execute("UPDATE card_pools SET low_stock_at = 7", &[]).await.unwrap(), 2);
}

/// Inserts an order of SKU 70, paid so long ago.
async fn order(merchant: &Merchant<'_>, shop: &Shop<'_>, state: &str, paid_ago: TimeDelta) -> String {
    let (id, day) = (Uuid::now_v7(), chrono::NaiveDate::default());
    let (sn, paid_at) = (format!("o-{}", id.simple()), merchant.ctx().now - paid_ago);
    merchant
        .sql()
        .await
        .execute(
            "INSERT INTO orders (id, order_day, merchant_id, shop_id, order_sn, state, order_status, refund_status,
                                 confirm_status, group_status, risk_control_status, after_sales_status, trade_type,
                                 is_lucky_flag, goods_id, platform_sku_id, goods_count, updated_at, content_hash,
                                 read_at, paid_at)
             VALUES ($1, $2, $3, $4, $5::text, $6::text, 1, 1, 1, 1, 0, 0, 0, 1, 7, 70, 1, $7, '\\x00', $7, $7)",
            &[&id, &day, &merchant.id.as_uuid(), &shop.id.as_uuid(), &sn, &state, &paid_at],
        )
        .await
        .unwrap();
    sn
}

async fn hints(merchant: &Merchant<'_>) -> Vec<String> {
    let rows = merchant.sql().await.query("SELECT order_sn FROM order_hints ORDER BY order_sn", &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn orders_that_waited_for_a_mapping_are_looked_at_again() {
    let app = TestApp::new().await;
    let merchant = app.merchant().await;
    let shop = merchant.shop().await;
    let sku = shop.sku(7, Some(1), Some(0)).await;
    let waiting = order(&merchant, &shop, "seen", TimeDelta::hours(1)).await;
    let undecided = order(&merchant, &shop, "awaiting_cards", TimeDelta::hours(1)).await;
    order(&merchant, &shop, "delivered", TimeDelta::hours(1)).await;
    merchant
        .sql()
        .await
        .execute(
            "INSERT INTO exceptions (id, merchant_id, shop_id, order_day, order_id, order_sn, code, blocking, needs_review)
             SELECT id, merchant_id, shop_id, order_day, id, order_sn, $1, true, false FROM orders WHERE order_sn = $2",
            &[&ReasonCode::UnmappedSku.as_str(), &waiting],
        )
        .await
        .unwrap();
    let pool = merchant.pool("p").await;
    let handling = deliver(DeliveryMethod::VoucherSend, Some(pool.id), RedemptionMethod::None);
    assert_eq!(map(&app, &merchant, sku, handling).await.unwrap(), [Wake::Deliver(shop.id)]);
    let mut looked_at = [waiting, undecided];
    looked_at.sort();
    assert_eq!(hints(&merchant).await, looked_at);
}

#[tokio::test]
async fn going_live_holds_the_backlog_but_for_what_was_ticked() {
    let app = TestApp::new().await;
    let merchant = app.merchant().await;
    let shop = merchant.shop().await;
    let ticked = order(&merchant, &shop, "held_backlog", TimeDelta::days(3)).await;
    let held = order(&merchant, &shop, "held_backlog", TimeDelta::days(2)).await;
    let recent = order(&merchant, &shop, "held_backlog", TimeDelta::hours(1)).await;
    let seen_in_trial = order(&merchant, &shop, "seen", TimeDelta::days(2)).await;
    let request = GoLive {
        shop: shop.id,
        deliver_from: app.clock.now() - TimeDelta::hours(2),
        release: vec![ticked.parse().unwrap()],
    };
    let live = go_live(&app.engine, &merchant.ctx(), &request).await.unwrap();
    assert_eq!((live.released, live.waiting), (2, 3));
    let mut expected = vec![ticked.clone(), recent.clone(), seen_in_trial];
    expected.sort();
    assert_eq!(hints(&merchant).await, expected);
    let sql = merchant.sql().await;
    let rows = sql.query("SELECT order_sn FROM orders WHERE state_cause = 'released_backlog' ORDER BY paid_at", &[]);
    let released: Vec<String> = rows.await.unwrap().iter().map(|row| row.get(0)).collect();
    assert_eq!(released, [ticked, recent]);
    assert_eq!(sql.count("SELECT count(*) FROM order_events WHERE kind = 'released_backlog'", &[]).await.unwrap(), 2);
    let still = sql.count("SELECT count(*) FROM orders WHERE state = 'held_backlog' AND order_sn = $1", &[&held]).await;
    assert_eq!(still.unwrap(), 1);

    return_to_trial_run(&app.engine, &merchant.ctx(), shop.id).await.unwrap();
    let mut tx = merchant.tx().await;
    let row = shops::fetch(&mut tx, shop.id).await.unwrap();
    assert_eq!((row.state, row.deliver_from), (ShopState::TrialRun, None));
    shops::update_state(&mut tx, shop.id, &shops::ShopChange::Stop { reason: "x" }).await.unwrap();
    tx.commit().await.unwrap();
    let stopped = go_live(&app.engine, &merchant.ctx(), &request).await.unwrap_err();
    assert!(matches!(stopped, GoLiveError::ShopStopped { .. }));
    let thief = app.merchant().await;
    let foreign = go_live(&app.engine, &thief.ctx(), &request).await.unwrap_err();
    assert!(matches!(foreign, GoLiveError::ShopUnknown));
}

#[tokio::test]
async fn work_is_paused_at_every_level_and_goes_on() {
    let app = TestApp::new().await;
    let merchant = app.merchant().await;
    let shop = merchant.shop().await;
    shop.goes_live().await;
    let sku = shop.sku(7, Some(1), Some(0)).await;
    let pool = merchant.pool("p").await;
    let batch = pool.import("A1,s\n").await.batch.unwrap();
    let levels = [
        PauseScope::Merchant,
        PauseScope::Shop(shop.id),
        PauseScope::Sku(sku),
        PauseScope::Pool(pool.id),
        PauseScope::Batch(batch),
    ];
    let active = async || {
        let tx = merchant.tx().await;
        let rows = pauses::list_active(&tx, app.clock.now()).await.unwrap();
        rows.into_iter().map(|row| row.scope).collect::<Vec<_>>()
    };
    for scope in levels {
        let ends_at = (scope == PauseScope::Merchant).then(|| app.clock.now_plus(TimeDelta::hours(1)));
        let request = Pause { scope, work: PausedWork::Delivery, reason: "盘点".to_owned(), ends_at };
        pause(&app.engine, &merchant.ctx(), &request).await.unwrap();
        pause(&app.engine, &merchant.ctx(), &request).await.unwrap();
        let thief = app.merchant().await;
        if scope != PauseScope::Merchant {
            let refused = pause(&app.engine, &thief.ctx(), &request).await.unwrap_err();
            assert!(matches!(refused, PauseError::TargetUnknown));
        }
    }
    assert_eq!(active().await, levels);
    app.clock.advance(TimeDelta::hours(1));
    assert_eq!(active().await, levels[1..]);
    for scope in &levels[1..] {
        let wakes = resume(&app.engine, &merchant.ctx(), *scope, PausedWork::Delivery).await.unwrap();
        assert_eq!(wakes, [Wake::Deliver(shop.id)], "{scope:?}");
    }
    assert_eq!(resume(&app.engine, &merchant.ctx(), levels[1], PausedWork::Delivery).await.unwrap(), []);
    assert_eq!(active().await, []);
    let late = Pause {
        scope: PauseScope::Merchant,
        work: PausedWork::Redemption,
        reason: String::new(),
        ends_at: Some(app.clock.now()),
    };
    let refused = pause(&app.engine, &merchant.ctx(), &late).await.unwrap_err();
    assert!(matches!(refused, PauseError::EndsInThePast));
}

#[tokio::test]
async fn two_master_keys_live_at_once_and_each_data_key_names_the_one_that_wraps_it() {
    let app = TestApp::new().await;
    let before = app.merchant().await;
    before.pool("p").await.import("A1,s1\n").await;
    let shop = before.shop().await;

    let both = app.another_store(TestApp::key_ring(&["m1", "m2"], "m2"));
    let after = kamiflow_kernel::MerchantId::generate();
    let mut tx = both.tenant_tx(after).await.unwrap();
    let new = kamiflow_store::merchants::NewMerchant { name: "later", poll_floor_s: 15 };
    kamiflow_store::merchants::insert(&mut tx, &new).await.unwrap();
    tx.commit().await.unwrap();
    let wraps = app.sql_as_superuser().await;
    let rows = wraps.query("SELECT merchant_id, master_key_id FROM data_keys", &[]).await.unwrap();
    let master_of = |merchant: kamiflow_kernel::MerchantId| -> String {
        rows.iter().find(|row| row.get::<_, Uuid>(0) == merchant.as_uuid()).unwrap().get(1)
    };
    assert_eq!((master_of(before.id), master_of(after)), ("m1".to_owned(), "m2".to_owned()));

    let tx = both.tenant_tx(before.id).await.unwrap();
    let opened = kamiflow_domain::shop_access::open(&tx, shop.id).await.unwrap();
    assert_eq!(opened.access.access_token.expose(), "access-1");

    let only_new = app.another_store(TestApp::key_ring(&["m2"], "m2"));
    let tx = only_new.tenant_tx(before.id).await.unwrap();
    let lost = kamiflow_domain::shop_access::open(&tx, shop.id).await.unwrap_err();
    assert!(matches!(lost, StoreError::Seal(SealError::MasterKeyMissing(id)) if id == "m1"));
    let mut tx = only_new.tenant_tx(after).await.unwrap();
    tx.data_key().await.unwrap();
}
