//! Reading a shop by windows: what is sold is found, whatever push and the platform's lists do.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use kamiflow_domain::connect_shop::{ConnectShop, Grant, Purpose, connect_shop};
use kamiflow_domain::engine::EngineConfig;
use kamiflow_domain::marketplace::{TokenLevels, Tokens};
use kamiflow_domain::{deliver, sync};
use kamiflow_kernel::{ApplicationId, MallId, OrderSn, ShopId};
use kamiflow_sandbox::Scenario;
use kamiflow_store::coverage::{self, CoverageKind, Gap};
use kamiflow_test_support::{World, WorldOptions};
use serde_json::json;

const INCREMENTS: &str = "pdd.order.number.list.increment.get";
/// Longer than a peek looks back, so that only windows find what happened before.
const BEYOND_PEEKS_S: i64 = 2_400;

async fn seen(world: &World) -> i64 {
    world.sql().await.count("SELECT count(*) FROM orders", &[]).await.unwrap()
}

async fn first_seen_by(world: &World, order: &OrderSn) -> String {
    let sql = "SELECT e.detail->>'source' FROM order_events e JOIN orders o ON o.id = e.order_id
                WHERE o.order_sn = $1 AND e.kind = 'seen'";
    world.text(sql, order).await
}

async fn gaps(world: &World) -> Vec<Gap> {
    let since = world.engine.now() - TimeDelta::hours(1);
    coverage::list_gaps(&mut world.tx().await, world.shop, CoverageKind::Orders, since).await.unwrap()
}

async fn moment(world: &World, column: &str) -> DateTime<Utc> {
    let sql = format!("SELECT {column} FROM shop_sync WHERE shop_id = $1");
    world.sql().await.query(&sql, &[&world.shop.as_uuid()]).await.unwrap()[0].get(0)
}

#[tokio::test]
async fn pages_that_shift_while_they_are_read_lose_no_order() {
    let world = World::start().await;
    let orders = world.order("VOUCHER", json!({ "count": 250 })).await;
    world.time_passes(BEYOND_PEEKS_S).await;
    world.control("PATCH", "/switches", &json!({ "latency_ms": 60 })).await;

    let read = AtomicBool::new(false);
    let reading = async {
        world.sync().await;
        read.store(true, Ordering::SeqCst);
    };
    let shifting = async {
        // The first question is the peek's, the second tells the window how many pages there are.
        while world.calls(INCREMENTS).await < 2 {
            tokio::task::yield_now().await;
        }
        let mut shifted = 0;
        for order in orders.iter().step_by(4) {
            world.control("POST", &format!("/orders/{order}/memo"), &json!({ "buyer_memo": "尽快" })).await;
            shifted += usize::from(!read.load(Ordering::SeqCst));
        }
        shifted
    };
    let ((), shifted) = tokio::join!(reading, shifting);
    assert!(shifted > 20, "only {shifted} orders left their page while pages were read");

    world.control("PATCH", "/switches", &json!({ "latency_ms": 0 })).await;
    world.time_passes(10).await;
    world.sync().await;
    assert_eq!(seen(&world).await, 250);
    assert_eq!(gaps(&world).await, []);
}

#[tokio::test]
async fn an_order_that_push_never_announced_is_found_by_the_window() {
    let world = World::start().await;
    world.sync().await;
    let order = world.one_order("VOUCHER").await;
    world.time_passes(BEYOND_PEEKS_S).await;
    world.sync().await;
    assert_eq!(first_seen_by(&world, &order).await, "window");
    let found = "SELECT coalesce(sum(fresh), 0)::bigint FROM coverage WHERE kind = 'orders'";
    assert_eq!(world.sql().await.count(found, &[]).await.unwrap(), 1);
    world.deliver().await;
    assert_eq!(world.state(&order).await, "delivered");
}

#[tokio::test]
async fn an_order_of_just_now_is_found_before_its_window_is_due() {
    let mut options = WorldOptions::default();
    options.engine.sandbox.window_lag = Duration::from_secs(180);
    let world = World::with(options).await;
    let order = world.one_order("VOUCHER").await;
    world.time_passes(1).await;
    world.sync().await;
    assert_eq!(first_seen_by(&world, &order).await, "peek");
    world.deliver().await;
    assert_eq!(world.state(&order).await, "delivered");
}

#[tokio::test]
async fn an_outage_longer_than_a_window_is_read_in_several_that_join() {
    let world = World::start().await;
    world.sync().await;
    let mut orders = Vec::new();
    for _ in 0..4 {
        orders.push(world.one_order("VOUCHER").await);
        world.time_passes(25 * 60).await;
    }
    world.sync().await;
    let longest = "SELECT max(extract(epoch FROM to_at - from_at))::bigint FROM coverage
                    WHERE kind = 'orders' AND windows = 1";
    assert_eq!(world.sql().await.count(longest, &[]).await.unwrap(), 30 * 60, "a window is half an hour at most");
    let windows = "SELECT sum(windows) FROM coverage WHERE kind = 'orders'";
    assert!(world.sql().await.count(windows, &[]).await.unwrap() >= 5);
    assert_eq!(gaps(&world).await, []);
    let reached = "SELECT count(*) FROM shop_sync s WHERE s.orders_watermark =
                     (SELECT max(c.to_at) FROM coverage c WHERE c.kind = 'orders')
                     AND s.orders_watermark > now() + interval '99 minutes'";
    assert_eq!(world.sql().await.count(reached, &[]).await.unwrap(), 1, "everything up to the present was proved");
    world.deliver().await;
    for order in &orders {
        assert_eq!(world.state(order).await, "delivered");
    }
}

#[tokio::test]
async fn a_window_with_too_many_orders_is_split() {
    let options = WorldOptions::default();
    let engine = EngineConfig { window_max_orders: 5, ..options.engine.clone() };
    let world = World::with(WorldOptions { engine, ..options }).await;
    world.sync().await;
    for _ in 0..6 {
        world.order("VOUCHER", json!({ "count": 3 })).await;
        world.time_passes(20).await;
    }
    world.time_passes(BEYOND_PEEKS_S).await;
    world.sync().await;
    assert_eq!(seen(&world).await, 18);
    let spans = "SELECT found FROM coverage WHERE kind = 'orders' AND found > 0 ORDER BY from_at";
    let found: Vec<i32> = world.sql().await.query(spans, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
    assert!(found.len() >= 4, "18 orders at most 5 at a time: {found:?}");
    assert!(found.iter().all(|found| *found <= 5), "{found:?}");
    assert_eq!(gaps(&world).await, [], "halves join");
}

#[tokio::test]
async fn one_order_by_push_peek_and_window_at_once_is_delivered_once() {
    let world = World::start().await;
    let order = world.one_order("VOUCHER").await;
    world.time_passes(10).await;
    world.push(&order).await;
    let tick = || sync::tick(&world.engine, world.merchant, world.shop);
    let hand = || deliver::tick(&world.engine, world.merchant, world.shop);
    let (read, again, sent, sent_again) = tokio::join!(tick(), tick(), hand(), hand());
    read.unwrap();
    again.unwrap();
    // A tick that lost the race may say so; what counts is in the database and at the buyer.
    drop((sent, sent_again));
    world.push(&order).await;
    world.sync().await;
    world.deliver().await;
    assert_eq!(world.state(&order).await, "delivered");
    assert_eq!(seen(&world).await, 1);
    let deliveries = "SELECT count(*) FROM deliveries";
    assert_eq!(world.sql().await.count(deliveries, &[]).await.unwrap(), 1);
    assert_eq!(world.vouchers_sent().await[order.as_str()].len(), 1);
}

#[tokio::test]
async fn a_gap_in_the_proof_is_noticed_and_read() {
    let world = World::start().await;
    world.sync().await;
    world.time_passes(300).await;
    let order = world.one_order("VOUCHER").await;
    world.time_passes(3_300).await;
    // As after restoring a backup, or somebody's hand: the watermark runs ahead of what was read.
    let ahead = "UPDATE shop_sync SET orders_watermark = date_trunc('second', now()) + interval '50 minutes'";
    world.sql().await.execute(ahead, &[]).await.unwrap();
    world.sync().await;
    assert_eq!(world.shop_exceptions().await, ["coverage_gap"]);
    assert_eq!(gaps(&world).await.len(), 1);
    assert_eq!(world.state_or_none(&order).await, None);

    world.sync().await;
    assert_eq!(gaps(&world).await, []);
    assert!(world.shop_exceptions().await.is_empty());
    world.deliver().await;
    assert_eq!(world.state(&order).await, "delivered");
}

async fn second_shop(world: &World) -> ShopId {
    let rows = world.sql().await.query("SELECT id FROM applications", &[]).await.unwrap();
    let expires_at = world.engine.now() + TimeDelta::days(300);
    let tokens = Tokens {
        access_token: "sandbox-token-0002".into(),
        refresh_token: "sandbox-refresh-0002".into(),
        expires_at,
        refresh_expires_at: expires_at,
        mall: MallId(100_000_002),
        owner_name: "demo".to_owned(),
        scopes: Vec::new(),
        levels: TokenLevels::default(),
    };
    let request = ConnectShop {
        application: ApplicationId::from_uuid(rows[0].get("id")),
        grant: Grant::Tokens(Box::new(tokens)),
        purpose: Purpose::Connect,
        look_back: Duration::from_secs(60),
    };
    connect_shop(&world.engine, &world.ctx(), &request).await.unwrap().shop
}

#[tokio::test]
async fn a_shop_that_fails_waits_alone_and_loses_nothing() {
    let mut options = WorldOptions::default();
    options.scenario.malls = Scenario::demo(2).malls;
    let world = World::with(options).await;
    let other = second_shop(&world).await;
    world.sync().await;
    let watermark = moment(&world, "orders_watermark").await;
    world.fault(json!({ "api": INCREMENTS, "mall_id": world.mall, "kind": "code", "code": 50000 })).await;
    let order = world.one_order("VOUCHER").await;
    let elsewhere = json!({ "mall_id": 100_000_002, "sku_id": 50_000_000_201_u64 });
    world.control("POST", "/orders", &elsewhere).await;
    world.time_passes(BEYOND_PEEKS_S).await;
    for _ in 0..5 {
        world.sync().await;
    }
    let until = moment(&world, "breaker_until").await;
    assert!(until > world.engine.now());
    let calls = world.calls(INCREMENTS).await;
    world.sync().await;
    assert_eq!(world.calls(INCREMENTS).await, calls, "an open breaker calls nobody");

    sync::tick(&world.engine, world.merchant, other).await.unwrap();
    let sql = "SELECT count(*) FROM orders WHERE shop_id = $1";
    assert_eq!(world.sql().await.count(sql, &[&other.as_uuid()]).await.unwrap(), 1, "the other shop goes on");
    assert_eq!(moment(&world, "orders_watermark").await, watermark, "what was not read is not proved");

    world.control("DELETE", "/faults", &json!({})).await;
    world.clock.advance(until - world.engine.now() + TimeDelta::seconds(1));
    world.sync().await;
    world.deliver().await;
    assert_eq!(world.state(&order).await, "delivered");
    let closed = "SELECT count(*) FROM shop_sync WHERE shop_id = $1 AND failures = 0 AND breaker_until IS NULL";
    assert_eq!(world.sql().await.count(closed, &[&world.shop.as_uuid()]).await.unwrap(), 1);
}

#[tokio::test]
async fn a_shop_that_fails_again_and_again_is_tried_every_few_minutes() {
    let world = World::with(WorldOptions::default()).await;
    world.sync().await;
    // "Temporarily unavailable": the waits of that kind grow to half an hour.
    world.fault(json!({ "api": INCREMENTS, "mall_id": world.mall, "kind": "code", "code": 52102 })).await;
    for failures in 1..=8 {
        world.time_passes(BEYOND_PEEKS_S).await;
        world.sync().await;
        let sql = "SELECT count(*) FROM shop_sync WHERE failures = $1";
        assert_eq!(world.sql().await.count(sql, &[&failures]).await.unwrap(), 1, "{failures}");
        let wait: TimeDelta = moment(&world, "next_due_at").await - world.engine.now();
        assert!(wait <= TimeDelta::seconds(150), "after {failures} failures it waits {wait}");
        world.clock.advance(wait);
    }
}

#[tokio::test]
async fn an_after_sale_makes_its_order_be_read_again() {
    let mut options = WorldOptions::default();
    options.scenario.refunds.pays_after_ms = 0;
    let world = World::with(options).await;
    let order = world.one_order("VOUCHER").await;
    world.deliver_all(std::slice::from_ref(&order)).await;
    let refund = world.control("POST", &format!("/orders/{order}/refund"), &json!({})).await;
    world.control("POST", &format!("/refunds/{}/agree", refund["refund_id"]), &json!({})).await;
    // The money is paid when the first moment passes; a window ends two seconds ago.
    world.time_passes(1).await;
    world.time_passes(5).await;
    world.sync().await;
    let hinted = "SELECT count(*) FROM order_hints WHERE source = 'refund'";
    assert_eq!(world.sql().await.count(hinted, &[]).await.unwrap(), 1);
    assert_eq!(world.sql().await.count("SELECT count(*) FROM refunds", &[]).await.unwrap(), 1);
    world.deliver().await;
    assert_eq!(world.state(&order).await, "closed_refunded");
    assert_eq!(world.sql().await.count("SELECT count(*) FROM order_hints", &[]).await.unwrap(), 0);
}
