//! Who is woken when stock arrives: those whom it can serve right now, oldest first, and nobody is forgotten.

use chrono::TimeDelta;
use kamiflow_domain::pause::{Pause, pause, resume};
use kamiflow_kernel::{DeliveryMethod, OrderSn, RedemptionMethod};
use kamiflow_store::deliveries;
use kamiflow_store::pauses::{PauseScope, PausedWork};
use kamiflow_test_support::{World, WorldOptions};
use serde_json::json;

/// A voucher order that waits for a card, and a younger one of another SKU that waits for one of the same pool.
async fn two_waiting() -> (World, OrderSn, OrderSn) {
    let world = World::with(WorldOptions { cards: 0, ..WorldOptions::default() }).await;
    world.map("PICKUP", DeliveryMethod::PickupPage, Some(world.vouchers), RedemptionMethod::None).await;
    let mut orders = Vec::new();
    for code in ["VOUCHER", "PICKUP"] {
        let order = world.one_order(code).await;
        world.deliver_all(std::slice::from_ref(&order)).await;
        assert_eq!(world.state(&order).await, "awaiting_cards");
        orders.push(order);
    }
    let since = "UPDATE stock_waits w SET since = d.created_at FROM deliveries d WHERE d.id = w.delivery_id";
    world.sql().await.execute(since, &[]).await.unwrap();
    let younger = orders.remove(1);
    (world, orders.remove(0), younger)
}

async fn set(world: &World, change: &str) {
    assert!(world.sql().await.execute(change, &[]).await.unwrap() > 0, "{change}");
}

#[tokio::test]
async fn stock_is_not_kept_for_a_paused_sku_and_its_end_wakes_who_waited() {
    let (world, older, younger) = two_waiting().await;
    let scope = PauseScope::Sku(world.skus["VOUCHER"].0);
    let request = Pause { scope, work: PausedWork::Delivery, reason: "盘点".to_owned(), ends_at: None };
    pause(&world.engine, &world.ctx(), &request).await.unwrap();
    assert!(!world.import(world.vouchers, "A000001\n").await.is_empty());
    world.deliver().await;
    assert_eq!(world.state(&younger).await, "delivered");
    assert_eq!(world.state(&older).await, "awaiting_cards");

    assert!(world.import(world.vouchers, "A000002\n").await.is_empty(), "nobody whom it could serve");
    let wakes = resume(&world.engine, &world.ctx(), scope, PausedWork::Delivery).await.unwrap();
    assert!(!wakes.is_empty());
    world.deliver().await;
    assert_eq!(world.state(&older).await, "delivered", "without waiting for the sweep");
}

#[tokio::test]
async fn stock_is_not_kept_for_an_order_under_refund() {
    let (world, older, younger) = two_waiting().await;
    let sql = world.sql().await;
    sql.execute("UPDATE orders SET refund_status = 2 WHERE order_sn = $1", &[&older.as_str()]).await.unwrap();
    world.import(world.vouchers, "A000001\n").await;
    world.deliver().await;
    assert_eq!(world.state(&younger).await, "delivered");
    assert_eq!(world.state(&older).await, "awaiting_cards");
}

#[tokio::test]
async fn nobody_is_woken_where_the_platform_may_not_be_called_or_all_is_paused() {
    let (world, older, _younger) = two_waiting().await;
    let mut stock = 0;
    for (stops, goes_on) in [
        ("UPDATE credentials SET dead_reason = 'reauthorization_needed'", "UPDATE credentials SET dead_reason = NULL"),
        (
            "UPDATE applications SET state = 'stopped', stop_reason = '70034'",
            "UPDATE applications SET state = 'active', stop_reason = NULL",
        ),
        ("UPDATE shops SET state = 'trial_run'", "UPDATE shops SET state = 'live'"),
        (
            "INSERT INTO pauses (id, merchant_id, scope, target_id, work, reason)
             SELECT gen_random_uuid(), merchant_id, 'shop', id, 'delivery', 'x' FROM shops",
            "DELETE FROM pauses",
        ),
        (
            "INSERT INTO pauses (id, merchant_id, scope, target_id, work, reason)
             SELECT gen_random_uuid(), merchant_id, 'pool', pool_id, 'delivery', 'x' FROM stock_waits LIMIT 1",
            "DELETE FROM pauses",
        ),
        (
            "INSERT INTO pauses (id, merchant_id, scope, target_id, work, reason)
             SELECT gen_random_uuid(), merchant_id, 'merchant', merchant_id, 'delivery', 'x' FROM shops",
            "DELETE FROM pauses",
        ),
    ] {
        set(&world, stops).await;
        stock += 1;
        let wakes = world.import(world.vouchers, &format!("B{stock:06}\n")).await;
        assert!(wakes.is_empty(), "{stops}");
        set(&world, goes_on).await;
    }
    assert!(!world.import(world.vouchers, "C000001\n").await.is_empty());
    world.deliver().await;
    assert_eq!(world.state(&older).await, "delivered");
}

#[tokio::test]
async fn cards_of_a_paused_batch_cover_nobody() {
    let (world, _older, _younger) = two_waiting().await;
    let stop = "UPDATE shops SET state = 'trial_run'";
    set(&world, stop).await;
    world.import(world.vouchers, "A000001\n").await;
    set(&world, "UPDATE shops SET state = 'live'").await;
    set(
        &world,
        "INSERT INTO pauses (id, merchant_id, scope, target_id, work, reason)
         SELECT gen_random_uuid(), merchant_id, 'batch', id, 'delivery', 'x' FROM card_batches",
    )
    .await;
    let other = world.pool("other").await;
    world.import(other, "D000001\n").await;
    let before =
        world.sql().await.count("SELECT count(*) FROM deliveries WHERE due_at IS NOT NULL", &[]).await.unwrap();
    let mut tx = world.tx().await;
    kamiflow_store::card_pools::lock(&mut tx, &[world.vouchers]).await.unwrap();
    let woken = kamiflow_store::stock_waits::wake(&mut tx, world.vouchers, world.engine.now()).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!((woken.len(), before), (0, 0));
}

#[tokio::test]
async fn who_is_held_by_somebody_when_stock_arrives_is_woken_by_the_shops_next_look() {
    let (world, older, younger) = two_waiting().await;
    let holding = world.tx().await;
    let held = deliveries::lock_waiting(&holding, world.shop, &[older.as_str()]).await.unwrap();
    assert_eq!(held.len(), 1);
    let wakes = world.import(world.vouchers, "A000001\n").await;
    assert!(!wakes.is_empty(), "the shop is told, whoever holds its order");
    world.deliver().await;
    assert_eq!(world.state(&younger).await, "awaiting_cards", "the card is the older order's");
    holding.commit().await.unwrap();
    world.deliver().await;
    assert_eq!(world.state(&older).await, "delivered", "without waiting for the sweep");
    let marks = "SELECT count(*) FROM stock_waits WHERE missed_at IS NOT NULL";
    assert_eq!(world.sql().await.count(marks, &[]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_waiting_order_goes_on_by_the_sweep_when_its_refund_is_withdrawn() {
    let (world, older, younger) = two_waiting().await;
    let sql = world.sql().await;
    sql.execute("UPDATE orders SET refund_status = 2 WHERE order_sn = $1", &[&older.as_str()]).await.unwrap();
    world.import(world.vouchers, "A000001\nA000002\n").await;
    world.deliver().await;
    assert_eq!(world.state(&younger).await, "delivered");
    sql.execute("UPDATE orders SET refund_status = 1 WHERE order_sn = $1", &[&older.as_str()]).await.unwrap();
    world.clock.advance(TimeDelta::seconds(60));
    // What the sweep does for every pool that somebody waits for.
    let mut tx = world.tx().await;
    kamiflow_store::card_pools::lock(&mut tx, &[world.vouchers]).await.unwrap();
    kamiflow_store::stock_waits::wake(&mut tx, world.vouchers, world.engine.now()).await.unwrap();
    tx.commit().await.unwrap();
    world.deliver().await;
    assert_eq!(world.state(&older).await, "delivered", "{}", json!(world.exceptions(&older).await));
}
