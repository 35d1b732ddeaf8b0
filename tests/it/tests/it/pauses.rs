//! Stopping: pauses at every level, and the platform's own stop.

use kamiflow_domain::pause::{Pause, PauseError, pause, resume};
use kamiflow_store::pauses::{PauseScope, PausedWork};
use kamiflow_test_support::World;
use serde_json::json;

async fn attempts(world: &World) -> i64 {
    world.sql().await.count("SELECT count(*) FROM delivery_attempts", &[]).await.unwrap()
}

fn scopes(world: &World) -> [PauseScope; 4] {
    [
        PauseScope::Merchant,
        PauseScope::Shop(world.shop),
        PauseScope::Sku(world.skus["VOUCHER"].0),
        PauseScope::Pool(world.vouchers),
    ]
}

fn delivery(scope: PauseScope) -> Pause {
    Pause { scope, work: PausedWork::Delivery, reason: "盘点".to_owned(), ends_at: None }
}

#[tokio::test]
async fn no_hand_over_starts_under_a_pause_and_its_end_delivers() {
    let world = World::start().await;
    for (served, scope) in (0_i64..).zip(scopes(&world)) {
        pause(&world.engine, &world.ctx(), &delivery(scope)).await.unwrap();
        let order = world.one_order("VOUCHER").await;
        for _ in 0..2 {
            world.push(&order).await;
            world.deliver().await;
        }
        assert_eq!(attempts(&world).await, served, "{scope:?}");
        assert!(!world.vouchers_sent().await.contains_key(order.as_str()), "{scope:?}");
        assert_ne!(world.state(&order).await, "delivered", "{scope:?}");

        let wakes = resume(&world.engine, &world.ctx(), scope, PausedWork::Delivery).await.unwrap();
        assert!(!wakes.is_empty(), "{scope:?}");
        world.deliver().await;
        assert_eq!(world.state(&order).await, "delivered", "{scope:?}");
    }
    assert_eq!(world.vouchers_sent().await.len(), 4);
}

#[tokio::test]
async fn a_pause_of_something_else_stops_nothing() {
    let world = World::start().await;
    let other = world.pool("another").await;
    pause(&world.engine, &world.ctx(), &delivery(PauseScope::Pool(other))).await.unwrap();
    pause(&world.engine, &world.ctx(), &delivery(PauseScope::Sku(world.skus["PICKUP"].0))).await.unwrap();
    let redemption = Pause { work: PausedWork::Redemption, ..delivery(PauseScope::Merchant) };
    pause(&world.engine, &world.ctx(), &redemption).await.unwrap();
    let order = world.one_order("VOUCHER").await;
    world.deliver_all(std::slice::from_ref(&order)).await;
    assert_eq!(world.state(&order).await, "delivered");
}

#[tokio::test]
async fn a_pause_that_ends_by_itself_needs_nobody() {
    let world = World::start().await;
    let ends_at = Some(world.engine.now() + chrono::TimeDelta::seconds(60));
    pause(&world.engine, &world.ctx(), &Pause { ends_at, ..delivery(PauseScope::Merchant) }).await.unwrap();
    let order = world.one_order("VOUCHER").await;
    world.deliver_all(std::slice::from_ref(&order)).await;
    assert_eq!(attempts(&world).await, 0);
    world.clock.advance(chrono::TimeDelta::seconds(120));
    world.deliver().await;
    assert_eq!(world.state(&order).await, "delivered");
}

#[tokio::test]
async fn a_pause_of_another_merchants_things_is_refused() {
    let world = World::start().await;
    let stranger = PauseScope::Pool(kamiflow_kernel::PoolId::generate());
    let refused = pause(&world.engine, &world.ctx(), &delivery(stranger)).await.unwrap_err();
    assert!(matches!(refused, PauseError::TargetUnknown), "{refused}");
    let past = Pause { ends_at: Some(world.engine.now()), ..delivery(PauseScope::Merchant) };
    let refused = pause(&world.engine, &world.ctx(), &past).await.unwrap_err();
    assert!(matches!(refused, PauseError::EndsInThePast), "{refused}");
}

#[tokio::test]
async fn the_platforms_risk_control_stops_the_shop() {
    for api in ["pdd.order.information.get", "pdd.voucher.voucher.info.send"] {
        let world = World::start().await;
        let order = world.one_order("VOUCHER").await;
        world.fault(json!({ "api": api, "kind": "code", "code": 70034 })).await;
        world.deliver_all(std::slice::from_ref(&order)).await;
        let stopped = ("stopped".to_owned(), Some("stopped_by_platform".to_owned()));
        assert_eq!(world.shop_state().await, stopped, "{api}");
        assert_eq!(world.shop_exceptions().await, ["stopped_by_platform"], "{api}");

        world.control("DELETE", "/faults", &json!({})).await;
        world.control("DELETE", "/calls", &json!({})).await;
        world.clock.advance(chrono::TimeDelta::minutes(5));
        world.push(&order).await;
        world.deliver().await;
        world.sync().await;
        let calls = world.control("GET", "/calls/count", &json!({})).await;
        assert_eq!(calls["total"], 0, "{api}: a stopped shop calls nobody");
        assert!(world.vouchers_sent().await.is_empty(), "{api}");
    }
}
