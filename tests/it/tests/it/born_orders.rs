//! New orders that are stored as they are handed over: written once, judged like any other, never beside another reader.

use chrono::TimeDelta;
use kamiflow_domain::deliver;
use kamiflow_test_support::{World, WorldOptions};
use serde_json::json;

use crate::delivery::uses;

/// An order as another reader stores it, of a shop and a number.
fn stored_by_another(world: &World, order_sn: &str) -> String {
    let (merchant, shop) = (world.merchant.as_uuid(), world.shop.as_uuid());
    format!(
        "INSERT INTO orders (id, order_day, merchant_id, shop_id, order_sn, order_status, refund_status, confirm_status,
             group_status, risk_control_status, after_sales_status, trade_type, is_lucky_flag, goods_id, platform_sku_id,
             goods_count, updated_at, content_hash, read_at)
         VALUES (gen_random_uuid(), to_date(left('{order_sn}', 6), 'YYMMDD'), '{merchant}', '{shop}', '{order_sn}', 1, 1, 0, 1,
             0, 0, 0, 0, 1, 1, 1, now() - interval '1 day', '', now() - interval '1 day')"
    )
}

#[tokio::test]
async fn a_new_order_is_written_as_it_starts_and_tells_what_any_other_tells() {
    let world = World::start().await;
    let order = world.one_order("VOUCHER").await;
    world.push(&order).await;
    world.deliver().await;
    let sql = world.sql().await;
    let told: Vec<String> = sql
        .query("SELECT kind FROM order_events ORDER BY at, id", &[])
        .await
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect();
    assert_eq!(told, ["seen", "handing_over", "delivered"]);
    // Fence 1 from the start; nobody ever saw the delivery wait.
    let born = "SELECT count(*) FROM deliveries WHERE state = 'delivered' AND fence = 1 AND payload_hash IS NOT NULL";
    assert_eq!(sql.count(born, &[]).await.unwrap(), 1);
    assert_eq!(sql.count("SELECT count(*) FROM order_hints WHERE source = 'push'", &[]).await.unwrap(), 0);
    let seen = "SELECT sum(n)::bigint FROM rollup_deltas WHERE metric = 'orders_seen'";
    assert_eq!(sql.count(seen, &[]).await.unwrap(), 1);
}

#[tokio::test]
async fn an_order_that_another_reader_stores_meanwhile_is_delivered_once() {
    let world = World::start().await;
    let order = world.one_order("VOUCHER").await;
    world.push(&order).await;
    let other = world.sql().await;
    other.execute("BEGIN", &[]).await.unwrap();
    other.execute(&stored_by_another(&world, order.as_str()), &[]).await.unwrap();
    let storing = async {
        world.until("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'", 1).await;
        other.execute("COMMIT", &[]).await.unwrap();
    };
    let (ticked, ()) = tokio::join!(deliver::tick(&world.engine, world.merchant, world.shop), storing);
    ticked.unwrap();
    assert_eq!(world.state(&order).await, "delivered");
    assert_eq!(world.vouchers_sent().await[order.as_str()].len(), 1);
    assert_eq!(uses(&world, "sent").await, 1);
    assert_eq!(uses(&world, "reserved").await, 0);
    assert_eq!(world.sql().await.count("SELECT count(*) FROM orders", &[]).await.unwrap(), 1);
}

#[tokio::test]
async fn new_orders_of_which_one_is_short_of_cards_start_the_others() {
    let world = World::with(WorldOptions { cards: 2, ..WorldOptions::default() }).await;
    let orders = world.order("VOUCHER", json!({ "count": 3 })).await;
    for order in &orders {
        world.push(order).await;
    }
    world.deliver().await;
    let mut states = Vec::new();
    for order in &orders {
        states.push(world.state(order).await);
    }
    states.sort();
    assert_eq!(states, ["awaiting_cards", "delivered", "delivered"]);
    assert_eq!(uses(&world, "available").await, 0);
}

#[tokio::test]
async fn known_and_new_orders_of_one_batch_go_each_their_way() {
    let world = World::start().await;
    let known = world.one_order("VOUCHER").await;
    // Polls store and plan; they start nothing.
    world.sync().await;
    assert_eq!(world.state(&known).await, "seen");
    let new = world.one_order("VOUCHER").await;
    world.push(&new).await;
    world.clock.advance(TimeDelta::seconds(1));
    world.deliver().await;
    assert_eq!(world.state(&known).await, "delivered");
    assert_eq!(world.state(&new).await, "delivered");
    let sent = world.vouchers_sent().await;
    assert_eq!((sent[known.as_str()].len(), sent[new.as_str()].len()), (1, 1));
    let sql = world.sql().await;
    assert_eq!(sql.count("SELECT count(*) FROM delivery_attempts WHERE state = 'succeeded'", &[]).await.unwrap(), 2);
}
