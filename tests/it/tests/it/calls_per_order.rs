//! What an order costs in calls of the platform, when the running workers hear of it by push.

use std::time::Duration;

use kamiflow_kernel::GatewayKind;
use kamiflow_queue::Queue;
use kamiflow_runner::{Liveness, PoolKind, PushSettings, Runner, RunnerConfig, queue_config};
use kamiflow_test_support::{Servers, World, WorldOptions};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

const ORDERS: usize = 40;

/// Reads of lists: paid per shop and interval whether anything is sold or not, so they are no cost of an order. Lists of
/// refunds and orders are what proves that push has missed nothing, and each page of them stands for up to a hundred orders.
const POLLS: [&str; 2] = ["pdd.order.number.list.increment.get", "pdd.refund.list.increment.get"];

#[tokio::test]
async fn with_push_an_order_costs_one_read_and_one_send() {
    let world = World::with(WorldOptions { cards: ORDERS, ..WorldOptions::default() }).await;
    let prefix = format!("calls-{}", world.merchant);
    let queue = Queue::connect(queue_config(&Servers::get().await.redis_url, &prefix, 4)).await.unwrap();
    let push = PushSettings::new(GatewayKind::Sandbox, world.sandbox.push_url().parse().unwrap());
    let config = RunnerConfig { pools: PoolKind::ALL.map(|kind| (kind, 2)).to_vec(), push: Some(push), mailer: None };
    let running =
        Runner::start(&config, &world.engine, &queue, &Liveness::unobserved(), &CancellationToken::new()).unwrap();
    // The listener is there once an order that nobody polled for is delivered.
    world.one_order("VOUCHER").await;
    world.until("SELECT count(*) FROM orders WHERE state = 'delivered'", 1).await;
    world.control("DELETE", "/calls", &json!({})).await;

    // Buyers come one after the other and several at once; both are how orders arrive.
    for _ in 0..4 {
        world.one_order("VOUCHER").await;
    }
    world.order("VOUCHER", json!({ "count": ORDERS - 5 })).await;
    let all = i64::try_from(ORDERS).unwrap();
    world.until("SELECT count(*) FROM orders WHERE state = 'delivered'", all).await;
    // The platform tells of each shipping that we caused; nobody reads an order for that.
    let echoes = async {
        loop {
            let push = world.control("GET", "/push", &Value::Null).await;
            if push["applications"]["sandbox-client"]["backlog"] == 0 {
                break;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), echoes).await.unwrap();
    world.until("SELECT 1 - count(*) FROM (SELECT FROM order_hints WHERE due_at <= now() LIMIT 1) h", 1).await;
    assert!(running.stop(Duration::from_secs(20)).await.finished);

    let counts = world.control("GET", "/calls/count", &Value::Null).await;
    let by_api = counts["by_api"].as_object().unwrap();
    let calls: i64 = by_api
        .iter()
        .filter(|(api, _)| !POLLS.contains(&api.as_str()))
        .filter_map(|(_, count)| count["calls"].as_i64())
        .sum();
    let served = all - 1;
    assert!(calls * 10 <= served * 21, "{calls} calls for {served} orders: {counts:#}");
    assert!(calls >= served * 2, "fewer than a read and a send each cannot be: {counts:#}");
    assert_eq!(world.vouchers_sent().await.len(), ORDERS);
}
