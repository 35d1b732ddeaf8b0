//! Tokens that end: refreshed once, or the shop stops and loses nothing until its owner comes.

use std::time::Duration;

use chrono::TimeDelta;
use kamiflow_domain::connect_shop::{ConnectShop, ConnectedShop, Grant, Purpose, connect_shop};
use kamiflow_domain::pause::{Pause, pause, resume};
use kamiflow_domain::tokens::{Recovery, recover};
use kamiflow_domain::{deliver, sync};
use kamiflow_kernel::ApplicationId;
use kamiflow_store::pauses::{PauseScope, PausedWork};
use kamiflow_test_support::{World, WorldOptions};
use serde_json::json;

const REFRESH: &str = "pdd.pop.auth.token.refresh";
const REAUTHORIZE: &str = "reauthorization_needed";

/// A platform whose refresh gives a later end, or does not.
async fn world(refresh_extends: bool) -> World {
    let mut options = WorldOptions::default();
    for application in &mut options.scenario.applications {
        application.refresh_extends = refresh_extends;
        application.token_lifetime_s = 400 * 86_400;
        application.refresh_lifetime_s = 400 * 86_400;
    }
    World::with(options).await
}

async fn version(world: &World) -> i64 {
    world.sql().await.count("SELECT token_version FROM credentials", &[]).await.unwrap()
}

async fn watermark(world: &World) -> i64 {
    let sql = "SELECT extract(epoch FROM orders_watermark)::bigint FROM shop_sync";
    world.sql().await.count(sql, &[]).await.unwrap()
}

/// The owner clicks on the authorization page, and the code comes back to us.
async fn reauthorize(world: &World) -> ConnectedShop {
    let page = json!({ "client_id": "sandbox-client", "mall_id": world.mall });
    let answer = world.control("POST", "/tokens/authorize", &page).await;
    let rows = world.sql().await.query("SELECT id FROM applications", &[]).await.unwrap();
    let request = ConnectShop {
        application: ApplicationId::from_uuid(rows[0].get("id")),
        grant: Grant::Code(answer["code"].as_str().unwrap().into()),
        purpose: Purpose::Reauthorize(world.shop),
        look_back: Duration::from_secs(60),
    };
    connect_shop(&world.engine, &world.ctx(), &request).await.unwrap()
}

#[tokio::test]
async fn a_refresh_that_extends_the_life_goes_unnoticed() {
    let world = world(true).await;
    let order = world.one_order("VOUCHER").await;
    world.push(&order).await;
    world.control("POST", "/tokens/expire", &json!({})).await;
    world.deliver().await;
    assert_eq!(world.calls(REFRESH).await, 1);
    world.deliver().await;
    assert_eq!(world.state(&order).await, "delivered");
    assert_eq!(version(&world).await, 2);
    assert_eq!(world.shop_state().await.0, "live");
    assert!(world.shop_exceptions().await.is_empty());
    assert_eq!(world.calls(REFRESH).await, 1);
}

#[tokio::test]
async fn a_reader_recovers_like_a_sender() {
    let world = world(true).await;
    let order = world.one_order("VOUCHER").await;
    world.time_passes(10).await;
    world.control("POST", "/tokens/expire", &json!({})).await;
    world.sync().await;
    assert_eq!(world.state_or_none(&order).await, None);
    world.sync().await;
    world.deliver().await;
    assert_eq!(world.state(&order).await, "delivered");
    assert_eq!(world.calls(REFRESH).await, 1);
}

#[tokio::test]
async fn a_refresh_that_extends_nothing_stops_the_shop_and_loses_nothing() {
    let world = world(false).await;
    world.sync().await;
    let before = watermark(&world).await;
    let hinted = world.one_order("VOUCHER").await;
    let unannounced = world.one_order("VOUCHER").await;
    world.push(&hinted).await;
    world.control("POST", "/tokens/expire", &json!({})).await;
    for _ in 0..4 {
        world.deliver().await;
        world.sync().await;
    }
    assert_eq!(world.shop_state().await, ("stopped".to_owned(), Some(REAUTHORIZE.to_owned())));
    assert_eq!(world.shop_exceptions().await, [REAUTHORIZE]);
    assert_eq!(world.calls(REFRESH).await, 1);
    assert!(world.vouchers_sent().await.is_empty());
    assert_eq!(watermark(&world).await, before, "what was not read is not proved");

    // The owner comes three quarters of an hour later.
    world.time_passes(2_700).await;
    let again = reauthorize(&world).await;
    assert!(again.reauthorized && again.shop == world.shop);
    assert_eq!(world.shop_state().await, ("live".to_owned(), None));
    assert!(world.shop_exceptions().await.is_empty());
    world.sync().await;
    world.deliver().await;
    for order in [&hinted, &unannounced] {
        assert_eq!(world.state(order).await, "delivered");
        assert_eq!(world.vouchers_sent().await[order.as_str()].len(), 1);
    }
}

#[tokio::test]
async fn an_order_that_was_put_off_for_want_of_a_token_goes_on_with_the_next_one_at_once() {
    let world = world(false).await;
    let scope = PauseScope::Shop(world.shop);
    let request = Pause { scope, work: PausedWork::Delivery, reason: "盘点".to_owned(), ends_at: None };
    pause(&world.engine, &world.ctx(), &request).await.unwrap();
    let order = world.one_order("VOUCHER").await;
    world.push(&order).await;
    world.deliver().await;
    assert_eq!(world.state_or_none(&order).await.as_deref(), Some("seen"), "known, and waiting");
    world.control("POST", "/tokens/expire", &json!({})).await;
    resume(&world.engine, &world.ctx(), scope, PausedWork::Delivery).await.unwrap();
    for _ in 0..4 {
        world.deliver().await;
        world.sync().await;
    }
    assert_eq!(world.shop_state().await, ("stopped".to_owned(), Some(REAUTHORIZE.to_owned())));
    reauthorize(&world).await;
    world.deliver().await;
    assert_eq!(world.state(&order).await, "delivered");
}

#[tokio::test]
async fn a_token_that_another_authorization_killed_stops_the_shop_with_its_reason() {
    let world = world(true).await;
    let order = world.one_order("VOUCHER").await;
    world.push(&order).await;
    // Another program authorizes the same application: our tokens are dead, and nobody gave us the new ones.
    let page = json!({ "client_id": "sandbox-client", "mall_id": world.mall });
    world.control("POST", "/tokens/authorize", &page).await;
    for _ in 0..3 {
        world.deliver().await;
    }
    assert_eq!(world.shop_state().await, ("stopped".to_owned(), Some(REAUTHORIZE.to_owned())));
    assert_eq!(world.shop_exceptions().await, [REAUTHORIZE]);
    assert_eq!(world.calls(REFRESH).await, 1, "a dead refresh token is not tried again and again");

    reauthorize(&world).await;
    world.time_passes(5).await;
    world.sync().await;
    world.deliver().await;
    assert_eq!(world.state(&order).await, "delivered");
}

#[tokio::test]
async fn a_worker_with_an_older_token_takes_the_newer_one_and_refreshes_nothing() {
    let world = world(true).await;
    let used = version(&world).await;
    reauthorize(&world).await;
    let recovery = recover(&world.engine, &world.ctx(), world.shop, used).await.unwrap();
    let Recovery::RetryWith(shop) = recovery else { panic!("{recovery:?}") };
    assert!(shop.access.token_version > used);
    assert!(world.engine.market.mall(&shop.access).await.is_ok(), "the newer token works");
    assert_eq!(world.calls(REFRESH).await, 0);
}

#[tokio::test]
async fn workers_that_meet_one_dead_token_refresh_it_once() {
    let world = world(true).await;
    let orders = world.order("VOUCHER", json!({ "count": 6 })).await;
    for order in &orders {
        world.push(order).await;
    }
    world.time_passes(5).await;
    world.control("POST", "/tokens/expire", &json!({})).await;
    world.fault(json!({ "api": REFRESH, "kind": "slow", "ms": 200 })).await;
    let hand = || deliver::tick(&world.engine, world.merchant, world.shop);
    let read = || sync::tick(&world.engine, world.merchant, world.shop);
    let (a, b, c) = tokio::join!(hand(), hand(), read());
    // Whoever waits for the other's refresh may say so; what counts is below.
    drop((a, b, c));
    assert_eq!(world.calls(REFRESH).await, 1);
    assert_eq!(version(&world).await, 2);

    world.clock.advance(TimeDelta::seconds(31));
    world.sync().await;
    world.deliver().await;
    for order in &orders {
        assert_eq!(world.state(order).await, "delivered");
    }
    assert_eq!(world.vouchers_sent().await.len(), 6);
    assert_eq!(world.calls(REFRESH).await, 1);
}

#[tokio::test]
async fn a_refresh_without_an_answer_is_repeated_once_with_the_same_token() {
    let world = world(true).await;
    let order = world.one_order("VOUCHER").await;
    world.push(&order).await;
    world.control("POST", "/tokens/expire", &json!({})).await;
    world.fault(json!({ "api": REFRESH, "kind": "truncated_body", "remaining": 1 })).await;
    world.deliver().await;
    world.deliver().await;
    assert_eq!(world.state(&order).await, "delivered");
    assert_eq!((world.calls(REFRESH).await, version(&world).await), (2, 2));
    assert!(world.shop_exceptions().await.is_empty());
}
