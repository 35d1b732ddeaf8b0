//! Workers are killed, Redis is emptied and the gateway fails in every way while orders arrive: nothing is lost,
//! nothing is sent twice, nothing is sold that is not there, and nothing is stuck.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use kamiflow_kernel::OrderSn;
use kamiflow_runtime::local::LocalRedis;
use kamiflow_sandbox::scenario::{VoucherRepeat, VoucherStatus};
use kamiflow_test_support::{World, WorldOptions};
use serde_json::json;

const ORDERS: usize = 200;
/// Of 200 orders of one to three cards.
const CARDS: usize = 500;
/// A killed worker's send is resolved 20 s after its start at the earliest.
const PATIENCE: Duration = Duration::from_secs(240);

/// A worker process of its own, as an operator runs it.
struct Worker(Child);

impl Worker {
    fn start(world: &World, redis: &LocalRedis) -> Self {
        let address = world.sandbox.addr();
        let child = Command::new(binary())
            .args(["work", "--listen", "127.0.0.1:0"])
            .env("KAMIFLOW_DATABASE_URL", world.database.url("kamiflow_app"))
            .env("KAMIFLOW_DATABASE_POOL_SIZE", "8")
            .env("KAMIFLOW_REDIS_URL", redis.url())
            .env("KAMIFLOW_KEYRING_KEYS", "m1:bTFtMW0xbTFtMW0xbTFtMW0xbTFtMW0xbTFtMW0xbTE=")
            .env("KAMIFLOW_GATEWAY_KIND", "sandbox")
            .env("KAMIFLOW_GATEWAY_URL", format!("http://{address}"))
            .env("KAMIFLOW_GATEWAY_PUSH_URL", format!("ws://{address}"))
            .env("KAMIFLOW_GATEWAY_RESEND_SAFE", "true")
            .env("KAMIFLOW_GATEWAY_LIMIT_SCALE", "100")
            .env("KAMIFLOW_TELEMETRY_LOG", "error")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("`kamiflow` is built beside the tests: cargo build -p kamiflow-cli");
        Self(child)
    }
}

impl Drop for Worker {
    /// SIGKILL: nothing is finished and nothing handed back.
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _reaped = self.0.wait();
    }
}

fn binary() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().and_then(|deps| deps.parent()).unwrap().join("kamiflow")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_workers_an_emptied_redis_and_a_failing_gateway_lose_and_repeat_nothing() {
    let mut options = WorldOptions { cards: CARDS, ..WorldOptions::default() };
    options.scenario.voucher_send.repeat = VoucherRepeat::Idempotent;
    options.scenario.voucher_send.status = VoucherStatus::Stays;
    options.engine.sandbox.resend_safe = true;
    let world = World::with(options).await;
    let folder = tempfile::tempdir().unwrap();
    let redis = LocalRedis::start(folder.path()).await.unwrap();
    for (api, kind, probability) in [
        ("pdd.voucher.voucher.info.send", "drop_connection", 0.05),
        ("pdd.voucher.voucher.info.send", "truncated_body", 0.05),
        ("pdd.order.information.get", "http_502_html", 0.05),
        ("pdd.order.number.list.increment.get", "drop_connection", 0.1),
        ("*", "missed_push", 0.1),
        ("*", "duplicate_push", 0.1),
    ] {
        let after_effect = kind == "drop_connection";
        world
            .fault(json!({ "api": api, "kind": kind, "probability": probability, "after_effect": after_effect }))
            .await;
    }
    world
        .fault(json!({ "api": "pdd.voucher.voucher.info.send", "kind": "timeout_after_effect", "remaining": 3 }))
        .await;
    world
        .fault(json!({ "api": "pdd.voucher.voucher.info.send", "kind": "code", "code": 70031, "remaining": 10 }))
        .await;

    let mut workers = vec![Worker::start(&world, &redis), Worker::start(&world, &redis)];
    let mut orders: Vec<OrderSn> = Vec::new();
    for round in 0..10 {
        for quantity in 1..=2 {
            let more = json!({ "count": ORDERS / 20, "quantity": quantity + usize::from(round % 3 == 0) });
            orders.extend(world.order("VOUCHER", more).await);
        }
        // Half of what was ordered is under way before the next blow falls.
        reach(&world, "SELECT count(*) FROM deliveries WHERE state <> 'pending'", orders.len() / 2).await;
        match round % 3 {
            0 => workers[round % 2] = Worker::start(&world, &redis),
            1 => flush(&redis).await,
            _ => {
                workers.clear();
                workers.extend([Worker::start(&world, &redis), Worker::start(&world, &redis)]);
            }
        }
    }
    world.control("DELETE", "/faults", &json!({})).await;
    reach(&world, "SELECT count(*) FROM orders WHERE state = 'delivered'", ORDERS).await;
    drop(workers);
    agree(&world, &orders).await;
}

/// Waits until a count is reached; what holds it up is told when it is not.
async fn reach(world: &World, count: &str, wanted: usize) {
    let sql = world.sql().await;
    let began = Instant::now();
    loop {
        let reached = sql.count(count, &[]).await.unwrap();
        if usize::try_from(reached).unwrap() >= wanted {
            return;
        }
        if began.elapsed() > PATIENCE {
            let rows = sql
                .query(
                    "SELECT o.order_sn, o.state, o.verdict, d.state AS delivery, d.due_at::text AS due, d.failures,
                            (SELECT string_agg(a.state, ',' ORDER BY a.n) FROM delivery_attempts a WHERE a.delivery_id = d.id) AS attempts,
                            (SELECT string_agg(e.code, ',') FROM exceptions e WHERE e.order_sn = o.order_sn AND e.resolved_at IS NULL) AS open
                       FROM orders o LEFT JOIN deliveries d ON d.order_sn = o.order_sn WHERE o.state <> 'delivered' LIMIT 20",
                    &[],
                )
                .await
                .unwrap();
            let stuck: Vec<String> = rows.iter().map(|row| format!("{row:?}")).collect();
            panic!("{reached} of {wanted} after {PATIENCE:?}: {count}\n{}", stuck.join("\n"));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn flush(redis: &LocalRedis) {
    let client = redis::Client::open(redis.url().replace("redis+unix", "unix")).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let () = redis::cmd("FLUSHALL").query_async(&mut connection).await.unwrap();
}

/// The sandbox's own ledger, Postgres and the card ledger say the same.
async fn agree(world: &World, orders: &[OrderSn]) {
    let ledger = world.ledger().await;
    let quantities: std::collections::BTreeMap<&str, u64> = ledger["orders"]
        .as_array()
        .unwrap()
        .iter()
        .map(|order| (order["order_sn"].as_str().unwrap(), order["quantity"].as_u64().unwrap()))
        .collect();
    let sent = world.vouchers_sent().await;
    assert_eq!(sent.len(), orders.len(), "lost");
    let mut distinct = BTreeSet::new();
    for order in orders {
        let vouchers = &sent[order.as_str()];
        assert_eq!(u64::try_from(vouchers.len()).unwrap(), quantities[order.as_str()], "duplicate or part of {order}");
        distinct.extend(vouchers.iter().cloned());
    }
    let total: usize = sent.values().map(Vec::len).sum();
    assert_eq!(distinct.len(), total, "oversold: one card went to two orders");
    let sql = world.sql().await;
    let count = |statement: &'static str| {
        let sql = &sql;
        async move { sql.count(statement, &[]).await.unwrap() }
    };
    let total = i64::try_from(total).unwrap();
    assert_eq!(count("SELECT count(*) FROM card_uses WHERE state = 'sent'").await, total);
    assert_eq!(
        count("SELECT count(*) FROM card_uses WHERE state NOT IN ('sent', 'available')").await,
        0,
        "stuck cards"
    );
    assert_eq!(count("SELECT count(*) FROM card_ledger WHERE event = 'sent'").await, total);
    assert_eq!(
        count("SELECT count(*) FROM exceptions WHERE resolved_at IS NULL AND needs_review").await,
        0,
        "in review"
    );
    let again = count("SELECT count(*) FROM delivery_attempts WHERE n > 1").await;
    assert!(again > 0, "no blow fell: the test has tested nothing");
    let broken = "SELECT count(*) FROM card_ledger l WHERE l.hash <> card_ledger_hash(l.prev_hash, l.card_use_id, l.seq, l.event, l.pool_id, l.delivery_id, l.at)";
    assert_eq!(count(broken).await, 0, "the card ledger's chain is broken");
}
