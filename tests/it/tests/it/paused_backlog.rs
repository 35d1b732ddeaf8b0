//! A backlog that is paused costs nothing, keeps nobody waiting, and goes in the right order when the pause ends.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use kamiflow_domain::engine::EngineConfig;
use kamiflow_domain::pause::{Pause, pause, resume};
use kamiflow_kernel::{DeliveryMethod, OrderSn, RedemptionMethod};
use kamiflow_store::pauses::{self, PauseScope, PausedWork};
use kamiflow_test_support::{World, WorldOptions, numbered};
use serde_json::json;

const READ: &str = "pdd.order.information.get";

async fn world(batch: usize) -> World {
    let mut options = WorldOptions::default();
    options.engine = EngineConfig { batch, ..options.engine };
    World::with(options).await
}

fn delivery(scope: PauseScope, ends_at: Option<DateTime<Utc>>) -> Pause {
    Pause { scope, work: PausedWork::Delivery, reason: "盘点".to_owned(), ends_at }
}

async fn set_pause(world: &World, scope: PauseScope, ends_at: Option<DateTime<Utc>>) {
    pause(&world.engine, &world.ctx(), &delivery(scope, ends_at)).await.unwrap();
}

async fn end_pause(world: &World, scope: PauseScope) {
    resume(&world.engine, &world.ctx(), scope, PausedWork::Delivery).await.unwrap();
}

/// Orders of vouchers that were read once and wait for the end of a pause.
async fn backlog(world: &World, count: usize) -> Vec<OrderSn> {
    let before = attempts(world).await;
    let orders = world.order("VOUCHER", json!({ "count": count })).await;
    world.deliver_all(&orders).await;
    for order in &orders {
        assert_eq!(world.state(order).await, "seen");
    }
    assert_eq!(attempts(world).await, before);
    orders
}

async fn attempts(world: &World) -> i64 {
    world.sql().await.count("SELECT count(*) FROM delivery_attempts", &[]).await.unwrap()
}

async fn delivered(world: &World) -> BTreeSet<String> {
    world.vouchers_sent().await.into_keys().collect()
}

#[tokio::test]
async fn a_paused_backlog_is_read_once_and_never_again_until_the_pause_ends() {
    let world = World::start().await;
    let scopes = [
        PauseScope::Merchant,
        PauseScope::Shop(world.shop),
        PauseScope::Sku(world.skus["VOUCHER"].0),
        PauseScope::Pool(world.vouchers),
    ];
    for scope in scopes {
        set_pause(&world, scope, None).await;
        let orders = backlog(&world, 4).await;
        let reads = world.calls(READ).await;
        for _ in 0..5 {
            world.time_passes(660).await;
            world.deliver().await;
        }
        assert_eq!(world.calls(READ).await, reads, "{scope:?}");
        end_pause(&world, scope).await;
        world.deliver().await;
        for order in &orders {
            assert_eq!(world.state(order).await, "delivered", "{scope:?}");
        }
        assert_eq!(world.calls(READ).await, reads + 4, "{scope:?}: once more, for the gate");
        world.sql().await.execute("DELETE FROM order_hints", &[]).await.unwrap();
    }
}

#[tokio::test]
async fn a_large_paused_backlog_takes_no_place_from_other_orders() {
    let world = world(4).await;
    let pool = world.pool("pickup").await;
    world.import(pool, &numbered("P", 3)).await;
    world.map("PICKUP", DeliveryMethod::PickupPage, Some(pool), RedemptionMethod::None).await;
    let scope = PauseScope::Sku(world.skus["VOUCHER"].0);
    set_pause(&world, scope, None).await;
    backlog(&world, 12).await;
    // All of it is due, and all of it ships earlier than anything else.
    let sql = world.sql().await;
    sql.execute("UPDATE deliveries SET due_at = now() - interval '1 hour', last_ship_at = now()", &[]).await.unwrap();
    let urgent = world.order("PICKUP", json!({ "count": 3 })).await;
    let reads = world.calls(READ).await;
    for order in &urgent {
        world.push(order).await;
    }
    world.deliver().await;
    for order in &urgent {
        assert_eq!(world.state(order).await, "delivered");
    }
    assert_eq!(world.calls(READ).await, reads + 3);
    let due = "SELECT count(*) FROM deliveries WHERE due_at <= $1";
    assert_eq!(
        sql.count(due, &[&world.engine.now()]).await.unwrap(),
        0,
        "the shop does not come back for what is paused"
    );
}

#[tokio::test]
async fn when_a_pause_ends_the_earliest_latest_shipping_time_goes_first() {
    let world = world(2).await;
    set_pause(&world, PauseScope::Merchant, None).await;
    let orders = backlog(&world, 6).await;
    let sql = world.sql().await;
    let mut expected = Vec::new();
    for (place, hours) in [4_i64, 1, 6, 3, 5, 2].into_iter().enumerate() {
        let at = world.engine.now() + TimeDelta::hours(hours);
        let sn = orders[place].as_str();
        sql.execute("UPDATE deliveries SET last_ship_at = $1 WHERE order_sn = $2", &[&at, &sn]).await.unwrap();
        expected.push((hours, sn.to_owned()));
    }
    sql.execute("DELETE FROM order_hints", &[]).await.unwrap();
    expected.sort();
    end_pause(&world, PauseScope::Merchant).await;
    for turn in 1..=3 {
        world.deliver().await;
        let first: BTreeSet<String> = expected.iter().take(turn * 2).map(|(_, sn)| sn.clone()).collect();
        assert_eq!(delivered(&world).await, first, "after {turn} turns");
    }
}

#[tokio::test]
async fn news_is_read_beside_a_backlog_that_goes_on() {
    let world = world(4).await;
    set_pause(&world, PauseScope::Merchant, None).await;
    backlog(&world, 8).await;
    world.sql().await.execute("DELETE FROM order_hints", &[]).await.unwrap();
    end_pause(&world, PauseScope::Merchant).await;
    let news = world.one_order("VOUCHER").await;
    world.push(&news).await;
    world.deliver().await;
    assert_eq!(world.state_or_none(&news).await.as_deref(), Some("delivered"), "a hint has a place in every batch");
    assert_eq!(delivered(&world).await.len(), 4);
}

#[tokio::test]
async fn a_pause_that_gets_an_earlier_end_is_over_at_that_end() {
    let world = World::start().await;
    let start = world.engine.now();
    set_pause(&world, PauseScope::Merchant, Some(start + TimeDelta::minutes(9))).await;
    let order = backlog(&world, 1).await.remove(0);
    set_pause(&world, PauseScope::Merchant, Some(start + TimeDelta::minutes(2))).await;
    world.deliver().await;
    world.clock.advance(TimeDelta::minutes(3));
    world.deliver().await;
    assert_eq!(world.state(&order).await, "delivered");
}

#[tokio::test]
async fn a_pause_waits_for_hand_overs_that_are_starting_and_nothing_starts_behind_it() {
    let world = World::start().await;
    let order = world.one_order("VOUCHER").await;
    world.push(&order).await;
    let mut starting = world.tx().await;
    pauses::keep(&mut starting).await.unwrap();
    let ctx = world.ctx();
    let request = delivery(PauseScope::Shop(world.shop), None);
    let pausing = pause(&world.engine, &ctx, &request);
    let watching = async {
        let waits = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
                        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        world.until(waits, 1).await;
        assert_eq!(world.sql().await.count("SELECT count(*) FROM pauses", &[]).await.unwrap(), 0);
        starting.commit().await.unwrap();
    };
    let (paused, ()) = tokio::join!(pausing, watching);
    paused.unwrap();
    world.deliver().await;
    assert_eq!(attempts(&world).await, 0);
    assert!(world.vouchers_sent().await.is_empty());
}
