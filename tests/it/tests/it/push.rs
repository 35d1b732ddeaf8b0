//! Message push over a real connection: hints in, orders delivered, nothing twice.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use kamiflow_domain::engine::Engine;
use kamiflow_domain::push_hint::{NoticeKind, PushNotice, push_hint};
use kamiflow_kernel::{GatewayKind, OrderSn};
use kamiflow_pinduoduo::AppKeys;
use kamiflow_pinduoduo::push::{
    NotStored, PushConfig, PushKind, PushListener, PushMessage, PushPhase, PushSink, PushStatus, connect,
};
use kamiflow_queue::Queue;
use kamiflow_runner::{Liveness, PoolKind, PushSettings, Runner, RunnerConfig, RunnerHandle, queue_config};
use kamiflow_runtime::local::LocalRedis;
use kamiflow_test_support::{Servers, World, WorldOptions};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

const READ: &str = "pdd.order.information.get";

/// Stores hints like the runner's sink, and refuses as many messages as a test wants first.
struct Sink {
    engine: Engine,
    refuse: AtomicUsize,
}

impl PushSink for Sink {
    fn store(&self, message: PushMessage) -> BoxFuture<'_, Result<(), NotStored>> {
        async move {
            let refused = self.refuse.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
            if refused.is_ok() {
                return Err(NotStored("not now".to_owned()));
            }
            let Some(order_sn) = message.order_sn else { return Ok(()) };
            let kind = if message.kind == PushKind::TradeSellerShip { NoticeKind::Shipped } else { NoticeKind::Other };
            let notice = PushNotice { mall: message.mall, order_sn, kind };
            let stored = push_hint(&self.engine, GatewayKind::Sandbox, &notice).await;
            stored.map(drop).map_err(|error| NotStored(error.to_string()))
        }
        .boxed()
    }
}

struct Listening {
    listener: PushListener,
    stop: CancellationToken,
}

impl Listening {
    async fn start(world: &World, refuse: usize) -> Self {
        let keys = AppKeys::new("sandbox-client", "sandbox-secret-0001".into());
        let mut config = PushConfig::new(world.sandbox.push_url().parse().unwrap(), keys);
        config.backoff_from = Duration::from_millis(20);
        let sink = Sink { engine: world.engine.clone(), refuse: AtomicUsize::new(refuse) };
        let stop = CancellationToken::new();
        let listener = connect(config, Arc::clone(&world.engine.clock), Arc::new(sink), stop.clone());
        let listening = Self { listener, stop };
        listening.until(|status| status.phase == PushPhase::Connected).await;
        listening
    }

    async fn until(&self, reached: impl FnMut(&PushStatus) -> bool) {
        let mut status = self.listener.watch();
        let waited = tokio::time::timeout(Duration::from_secs(30), status.wait_for(reached)).await;
        waited.expect("the listener never got there").unwrap();
    }

    async fn end(self) {
        self.stop.cancel();
        self.listener.stopped().await;
    }
}

async fn delivered_once(world: &World, order: &OrderSn) {
    assert_eq!(world.state(order).await, "delivered");
    assert_eq!(world.vouchers_sent().await[order.as_str()].len(), 1);
}

async fn spent(world: &World) -> i64 {
    world.sql().await.count("SELECT count(*) FROM card_uses WHERE state <> 'available'", &[]).await.unwrap()
}

async fn hinted(world: &World, order: &OrderSn) {
    world.until(&format!("SELECT count(*) FROM order_hints WHERE order_sn = '{order}'"), 1).await;
}

#[tokio::test]
async fn a_message_becomes_a_hint_and_the_hint_a_delivery() {
    let world = World::start().await;
    let listening = Listening::start(&world, 0).await;
    let order = world.one_order("VOUCHER").await;
    hinted(&world, &order).await;
    world.deliver().await;
    delivered_once(&world, &order).await;
    listening.end().await;
}

#[tokio::test]
async fn the_echo_of_our_own_shipping_is_not_read() {
    let world = World::start().await;
    let listening = Listening::start(&world, 0).await;
    let order = world.one_order("VOUCHER").await;
    hinted(&world, &order).await;
    world.deliver().await;
    // The deal, then the shipping that our voucher caused.
    listening.until(|status| status.stored >= 2).await;
    assert_eq!(world.sql().await.count("SELECT count(*) FROM order_hints", &[]).await.unwrap(), 0);
    world.deliver().await;
    assert_eq!(world.calls(READ).await, 1);
    // Somebody else's shipping is news.
    let other = world.one_order("VOUCHER").await;
    listening.until(|status| status.stored >= 3).await;
    world.deliver().await;
    let manual = world.order("VOUCHER", json!({ "state": "risk_review" })).await.remove(0);
    world.control("POST", &format!("/orders/{manual}/ship"), &json!({})).await;
    hinted(&world, &manual).await;
    world.deliver().await;
    assert_eq!(world.state(&manual).await, "shipped_elsewhere");
    delivered_once(&world, &other).await;
    listening.end().await;
}

#[tokio::test]
async fn a_message_twice_and_one_that_comes_again_spend_one_card() {
    let world = World::start().await;
    let listening = Listening::start(&world, 1).await;
    let refused = world.one_order("VOUCHER").await;
    let failed = async {
        while world.control("GET", "/push", &Value::Null).await["applications"]["sandbox-client"]["failed"] != 1 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), failed).await.unwrap();
    assert_eq!(world.sql().await.count("SELECT count(*) FROM order_hints", &[]).await.unwrap(), 0);

    world.fault(json!({ "api": "pdd_trade_TradeConfirmed", "kind": "duplicate_push", "remaining": 1 })).await;
    let doubled = world.one_order("VOUCHER").await;
    listening.until(|status| status.stored >= 2).await;
    world.deliver().await;
    delivered_once(&world, &doubled).await;

    world.time_passes(600).await;
    hinted(&world, &refused).await;
    world.deliver().await;
    delivered_once(&world, &refused).await;
    world.push(&refused).await;
    world.deliver().await;
    assert_eq!(spent(&world).await, 2);
    listening.end().await;
}

#[tokio::test]
async fn a_connection_that_breaks_is_opened_again_and_sends_nothing_twice() {
    let world = World::start().await;
    // What was on its way when the connection broke comes again in 0.6 s instead of ten minutes.
    world.control("PATCH", "/switches", &json!({ "pmc": { "redelivery_factor": 0.001 } })).await;
    let listening = Listening::start(&world, 0).await;
    let mut orders = Vec::new();
    for broken in 1..=3 {
        let cut = world.control("POST", "/push/sandbox-client/disconnect", &json!({})).await;
        assert_eq!(cut["disconnected"], 1);
        // Sold while nobody listens.
        let order = world.one_order("VOUCHER").await;
        hinted(&world, &order).await;
        listening.until(|status| status.failures >= broken && status.phase == PushPhase::Connected).await;
        world.deliver().await;
        orders.push(order);
    }
    // Everything was acknowledged: three deals, and the three shippings that we caused.
    listening.until(|status| status.stored >= 6).await;
    world.deliver().await;
    for order in &orders {
        delivered_once(&world, order).await;
    }
    assert_eq!(spent(&world).await, 3);
    listening.end().await;
}

#[tokio::test]
async fn a_message_that_was_never_sent_is_made_good_by_the_window() {
    let world = World::start().await;
    let listening = Listening::start(&world, 0).await;
    world.fault(json!({ "api": "pdd_trade_*", "kind": "missed_push", "remaining": 1 })).await;
    let missed = world.one_order("VOUCHER").await;
    let told = world.one_order("VOUCHER").await;
    hinted(&world, &told).await;
    world.deliver().await;
    assert_eq!(world.state_or_none(&missed).await, None);
    world.time_passes(5).await;
    world.sync().await;
    world.deliver().await;
    delivered_once(&world, &missed).await;
    delivered_once(&world, &told).await;
    listening.end().await;
}

/// What a process runs, on a queue that is the world's own on the shared Redis.
async fn run(world: &World, push: Option<PushSettings>) -> RunnerHandle {
    let config = RunnerConfig { pools: PoolKind::ALL.map(|kind| (kind, 2)).to_vec(), push, mailer: None };
    run_on(&Servers::get().await.redis_url, world, config).await
}

async fn run_on(redis: &str, world: &World, config: RunnerConfig) -> RunnerHandle {
    let queue = Queue::connect(queue_config(redis, &format!("it-{}", world.merchant), 4)).await.unwrap();
    Runner::start(&config, &world.engine, &queue, &Liveness::unobserved(), &CancellationToken::new()).unwrap()
}

fn listening_to(world: &World) -> PushSettings {
    PushSettings::new(GatewayKind::Sandbox, world.sandbox.push_url().parse().unwrap())
}

async fn until_delivered(world: &World, count: i64) {
    world.until("SELECT count(*) FROM orders WHERE state = 'delivered'", count).await;
}

#[tokio::test]
async fn an_order_is_delivered_by_the_running_workers_without_anybodys_help() {
    let world = World::start().await;
    let running = run(&world, Some(listening_to(&world))).await;
    let mut orders = world.order("VOUCHER", json!({ "count": 3 })).await;
    until_delivered(&world, 3).await;
    orders.push(world.one_order("VOUCHER").await);
    until_delivered(&world, 4).await;
    assert!(running.stop(Duration::from_secs(20)).await.finished);
    for order in &orders {
        delivered_once(&world, order).await;
    }
    assert_eq!(spent(&world).await, 4);
}

#[tokio::test]
async fn two_processes_share_a_shop_and_one_that_stops_leaves_nothing_behind() {
    let world = World::with(WorldOptions { cards: 40, ..WorldOptions::default() }).await;
    let leaves = run(&world, Some(listening_to(&world))).await;
    let stays = run(&world, Some(listening_to(&world))).await;
    let mut orders = world.order("VOUCHER", json!({ "count": 15 })).await;
    until_delivered(&world, 1).await;
    orders.extend(world.order("VOUCHER", json!({ "count": 15 })).await);
    assert!(leaves.stop(Duration::from_secs(20)).await.finished);
    orders.extend(world.order("VOUCHER", json!({ "count": 5 })).await);
    until_delivered(&world, 35).await;
    assert!(stays.stop(Duration::from_secs(20)).await.finished);
    for order in &orders {
        delivered_once(&world, order).await;
    }
    assert_eq!(spent(&world).await, 35);
}

/// Lets a server stand still, or go on.
fn signal(pid: i32, name: &str) {
    assert!(Command::new("kill").args([name, &pid.to_string()]).status().unwrap().success());
}

#[tokio::test]
async fn while_redis_hangs_messages_are_stored_one_after_the_other_without_waiting_for_it() {
    let world = World::start().await;
    let folder = tempfile::tempdir().unwrap();
    let redis = LocalRedis::start(folder.path()).await.unwrap();
    // Nobody delivers: the hints stay where they are.
    let config = RunnerConfig { pools: vec![(PoolKind::Redeem, 1)], push: Some(listening_to(&world)), mailer: None };
    let running = run_on(&redis.url(), &world, config).await;
    let first = world.one_order("VOUCHER").await;
    hinted(&world, &first).await;
    signal(redis.pid(), "-STOP");
    let began = Instant::now();
    for _ in 0..6 {
        let order = world.one_order("VOUCHER").await;
        hinted(&world, &order).await;
    }
    let took = began.elapsed();
    signal(redis.pid(), "-CONT");
    // A wake is given up after two seconds; five of them one after the other would be ten.
    assert!(took < Duration::from_secs(8), "{took:?}");
    running.stop(Duration::from_secs(20)).await;
}

#[tokio::test]
async fn without_push_the_running_workers_find_orders_themselves() {
    let world = World::start().await;
    let order = world.one_order("VOUCHER").await;
    world.time_passes(5).await;
    let running = run(&world, None).await;
    until_delivered(&world, 1).await;
    assert!(running.stop(Duration::from_secs(20)).await.finished);
    delivered_once(&world, &order).await;
}
