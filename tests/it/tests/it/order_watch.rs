//! Orders whose latest shipping time nears: told once, told again when it is past, taken back by themselves.

use chrono::{TimeDelta, Utc};
use kamiflow_domain::order_watch::{self, Told};
use kamiflow_domain::retry_order;
use kamiflow_kernel::OrderSn;
use kamiflow_test_support::{World, WorldOptions, numbered};
use serde_json::{Value, json};

/// A world without cards, and an order that waits for one.
async fn waiting_order() -> (World, OrderSn) {
    let world = World::with(WorldOptions { cards: 0, ..WorldOptions::default() }).await;
    let order = world.one_order("VOUCHER").await;
    world.deliver_all(std::slice::from_ref(&order)).await;
    assert_eq!(world.state(&order).await, "awaiting_cards");
    (world, order)
}

/// Lets time pass until so long before (or, negative, after) the order's latest shipping time.
async fn until_before(world: &World, order: &OrderSn, before: TimeDelta) {
    let text = world.text("SELECT last_ship_at::text FROM orders WHERE order_sn = $1", order).await;
    let ship_by = chrono::DateTime::parse_from_str(&text, "%Y-%m-%d %H:%M:%S%#z").unwrap().with_timezone(&Utc);
    // For everybody: the platform refuses calls from another time.
    world.time_passes((ship_by - before - world.engine.now()).num_seconds()).await;
}

/// One turn of the watch over all shops.
async fn look(world: &World) -> Vec<Told> {
    let mut told = Vec::new();
    for owned in order_watch::list_shops(&world.engine, 100).await.unwrap() {
        assert_eq!((owned.merchant, owned.shop), (world.merchant, world.shop));
        let ctx = world.engine.ctx("ship-by-watch", owned.merchant);
        told.push(order_watch::look(&world.engine, &ctx, owned.shop).await.unwrap());
    }
    told
}

async fn severity(world: &World, order: &OrderSn) -> (bool, Value) {
    let sql = "SELECT needs_review, detail::text FROM exceptions
                WHERE order_sn = $1 AND code = 'ship_by_near' AND resolved_at IS NULL";
    let rows = world.sql().await.query(sql, &[&order.as_str()]).await.unwrap();
    assert_eq!(rows.len(), 1);
    (rows[0].get(0), serde_json::from_str(rows[0].get(1)).unwrap())
}

#[tokio::test]
async fn an_order_is_told_of_once_when_its_time_nears_and_once_when_it_is_past() {
    let (world, order) = waiting_order().await;
    until_before(&world, &order, TimeDelta::hours(3)).await;
    assert_eq!(look(&world).await, [], "three hours before, nothing is to be said");

    until_before(&world, &order, TimeDelta::hours(1)).await;
    assert_eq!(look(&world).await, [Told { near: 1, ..Told::default() }]);
    let (review, detail) = severity(&world, &order).await;
    assert!(!review && detail["past"] == json!(false) && detail["state"] == json!("awaiting_cards"), "{detail}");
    assert_eq!(look(&world).await, [], "once");

    until_before(&world, &order, TimeDelta::hours(-1)).await;
    assert_eq!(look(&world).await, [Told { past: 1, ..Told::default() }]);
    let (review, detail) = severity(&world, &order).await;
    assert!(review && detail["past"] == json!(true), "{detail}");
    assert_eq!(look(&world).await, [], "once");
    let events = "SELECT count(*)::text FROM order_events e JOIN orders o ON o.id = e.order_id
                   WHERE o.order_sn = $1 AND e.kind = 'ship_by_near'";
    assert_eq!(world.text(events, &order).await, "2");
}

#[tokio::test]
async fn what_is_handed_over_takes_its_warning_along() {
    let (world, order) = waiting_order().await;
    until_before(&world, &order, TimeDelta::hours(1)).await;
    look(&world).await;
    assert_eq!(world.exceptions(&order).await, ["out_of_stock", "ship_by_near"]);
    world.import(world.vouchers, &numbered("W", 1)).await;
    world.clock.advance(TimeDelta::minutes(2));
    world.deliver().await;
    assert_eq!(world.state(&order).await, "delivered");
    assert_eq!(world.exceptions(&order).await, [""; 0]);
    until_before(&world, &order, TimeDelta::hours(-1)).await;
    assert_eq!(look(&world).await, []);
}

#[tokio::test]
async fn an_order_with_more_time_or_an_open_refund_hurries_nobody() {
    let (world, order) = waiting_order().await;
    until_before(&world, &order, TimeDelta::hours(1)).await;
    look(&world).await;
    let sql = world.sql().await;
    sql.execute("UPDATE orders SET last_ship_at = last_ship_at + interval '1 day'", &[]).await.unwrap();
    assert_eq!(look(&world).await, [Told { settled: 1, ..Told::default() }]);
    assert_eq!(world.exceptions(&order).await, ["out_of_stock"]);
    sql.execute("UPDATE orders SET last_ship_at = last_ship_at - interval '2 days', refund_status = 2", &[])
        .await
        .unwrap();
    assert_eq!(look(&world).await, []);
    // The refund was withdrawn, and the time has passed meanwhile.
    sql.execute("UPDATE orders SET refund_status = 1", &[]).await.unwrap();
    assert_eq!(look(&world).await, [Told { past: 1, ..Told::default() }]);
}

#[tokio::test]
async fn a_person_who_closed_the_warning_is_asked_again_only_when_the_time_is_past() {
    let (world, order) = waiting_order().await;
    let close = async || {
        retry_order::retry(&world.engine, &world.ctx(), world.shop, &order).await.unwrap();
        assert!(!world.exceptions(&order).await.contains(&"ship_by_near".to_owned()));
    };
    until_before(&world, &order, TimeDelta::hours(1)).await;
    look(&world).await;
    close().await;
    assert_eq!(look(&world).await, []);
    until_before(&world, &order, TimeDelta::hours(-1)).await;
    assert_eq!(look(&world).await, [Told { past: 1, ..Told::default() }]);
    close().await;
    assert_eq!(look(&world).await, []);
}

#[tokio::test]
async fn a_shop_that_never_went_live_is_told_of_nothing_and_a_stopped_one_of_everything() {
    let world = World::with(WorldOptions { live: false, ..WorldOptions::default() }).await;
    let order = world.one_order("VOUCHER").await;
    world.deliver_all(std::slice::from_ref(&order)).await;
    until_before(&world, &order, TimeDelta::hours(-1)).await;
    assert_eq!(look(&world).await, [], "somebody else delivers for a shop in trial run");

    let (world, order) = waiting_order().await;
    let stop = "UPDATE shops SET state = 'stopped', stop_reason = 'reauthorization_needed'";
    world.sql().await.execute(stop, &[]).await.unwrap();
    until_before(&world, &order, TimeDelta::hours(-1)).await;
    assert_eq!(look(&world).await, [Told { past: 1, ..Told::default() }]);
}
