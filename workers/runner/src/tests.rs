//! The loops over a Postgres and a Redis of their own.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use kamiflow_domain::engine::{Engine, EngineConfig};
use kamiflow_domain::refresh_token;
use kamiflow_kernel::{ApplicationId, Clock, GatewayKind, JobId, MallId, MerchantId, SecretBytes, SecretText, ShopId};
use kamiflow_pinduoduo::limits::{CallBudget, NoBudget};
use kamiflow_pinduoduo::marketplace::PinduoduoMarket;
use kamiflow_queue::{ChannelEvent, Placement, Queue, QueueConfig, When};
use kamiflow_runtime::clock::SystemClock;
use kamiflow_runtime::local::{LocalServers, PostgresOptions};
use kamiflow_store::applications::NewApplication;
use kamiflow_store::jobs::{JobRow, NewJob};
use kamiflow_store::merchants::NewMerchant;
use kamiflow_store::shops::NewShop;
use kamiflow_store::{KeyRing, Store, StoreConfig, applications, jobs, merchants, migrate, outbox, shops};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::waker::entry;
use crate::{Liveness, PoolKind, Relay, Runner, RunnerConfig, RunnerError, Step, Sweep, Turn};

pub(crate) struct World {
    pub(crate) queue: Queue,
    pub(crate) engine: Engine,
    pub(crate) merchant: MerchantId,
    // Last, so that connections end before their servers.
    servers: LocalServers,
    _folder: tempfile::TempDir,
}

impl World {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let servers = LocalServers::start(folder.path(), &PostgresOptions::throwaway("kamiflow")).await.unwrap();
        migrate::run(&servers.postgres.owner_url(), SystemClock.now()).await.unwrap();
        let config = StoreConfig { url: servers.postgres.app_url(), pool_size: 8, wait: Duration::from_secs(10) };
        let ring = KeyRing::new([("k".to_owned(), SecretBytes::new(vec![7; 32]))], "k").unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let budget: Arc<dyn CallBudget> = Arc::new(NoBudget);
        let engine = Engine {
            store: Store::new(&config, ring).unwrap(),
            market: Arc::new(PinduoduoMarket::new([], &clock, &budget).unwrap()),
            clock,
            config: Arc::new(EngineConfig::default()),
        };
        let queue = Queue::connect(QueueConfig::new(servers.redis.url(), "test:")).await.unwrap();
        let merchant = MerchantId::generate();
        let mut tx = engine.store.tenant_tx(merchant).await.unwrap();
        merchants::insert(&mut tx, &NewMerchant { name: "m", poll_floor_s: 15 }).await.unwrap();
        tx.commit().await.unwrap();
        Self { queue, engine, merchant, servers, _folder: folder }
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.engine.now()
    }

    async fn job(&self, name: &str, payload: Value, due_at: DateTime<Utc>) -> JobId {
        let mut tx = self.engine.store.tenant_tx(self.merchant).await.unwrap();
        let id = jobs::insert(&mut tx, &NewJob { name, key: "k", payload, due_at }).await.unwrap();
        tx.commit().await.unwrap();
        id
    }

    async fn find_job(&self, id: JobId) -> Option<JobRow> {
        let mut tx = self.engine.store.tenant_tx(self.merchant).await.unwrap();
        let found = jobs::find(&mut tx, id).await.unwrap();
        tx.commit().await.unwrap();
        found
    }

    /// A shop without tokens whose windows are due since it was connected.
    pub(crate) async fn shop(&self, connected_at: DateTime<Utc>) -> ShopId {
        let (id, application) = (ShopId::generate(), ApplicationId::generate());
        let mut tx = self.engine.store.tenant_tx(self.merchant).await.unwrap();
        let new = NewApplication {
            id: application,
            gateway: GatewayKind::Sandbox,
            client_id: "client",
            client_secret: &SecretText::new("secret".to_owned()),
            app_type: "isv",
            packages: &[],
        };
        applications::insert(&mut tx, &new).await.unwrap();
        let new = NewShop {
            id,
            application_owner: self.merchant,
            application,
            gateway: GatewayKind::Sandbox,
            mall: MallId(1),
            name: "shop",
            connected_at,
            watermark: connected_at,
            interval_ms: 15_000,
        };
        shops::insert(&mut tx, &new).await.unwrap();
        tx.commit().await.unwrap();
        id
    }

    async fn placement(&self, pool: PoolKind, member: impl std::fmt::Display) -> Placement {
        let entry = entry(&member.to_string(), self.merchant).unwrap();
        self.queue.placements(pool.as_str(), &[entry]).await.unwrap()[0]
    }

    pub(crate) fn empty_redis(&self) {
        let socket = self.servers.redis.socket_path();
        let emptied = std::process::Command::new("redis-cli").arg("-s").arg(socket).arg("FLUSHALL").output().unwrap();
        assert!(emptied.status.success());
    }
}

async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), work).await.expect("the test should have been done by now")
}

#[tokio::test]
async fn the_outbox_is_told_once_and_is_empty_then() {
    let world = World::start().await;
    let mut relay = Relay::new(world.engine.store.clone(), &world.queue).unwrap();
    let channel = format!("live:{}", world.merchant);
    let mut pages = world.queue.channels().subscribe(&[&channel]).unwrap();
    assert_eq!(within(pages.next()).await, ChannelEvent::Connected);

    let mut tx = world.engine.store.tenant_tx(world.merchant).await.unwrap();
    for number in 0..600 {
        outbox::push(&mut tx, "order.delivered", json!({ "orders": [number] })).await.unwrap();
    }
    tx.commit().await.unwrap();
    assert_eq!(relay.step().await.unwrap(), Turn::More);
    assert_eq!(relay.step().await.unwrap(), Turn::Rest);
    assert_eq!(relay.step().await.unwrap(), Turn::Rest);

    let mut told = Vec::new();
    while told.len() < 600 {
        let ChannelEvent::Message { channel: heard_on, payload } = within(pages.next()).await else { continue };
        assert_eq!(heard_on, channel);
        let event: Value = serde_json::from_slice(&payload).unwrap();
        assert_eq!(event["topic"], "order.delivered");
        told.push(event["payload"]["orders"][0].as_i64().unwrap());
    }
    told.sort_unstable();
    assert_eq!(told, (0..600).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_could_not_be_told_stays_in_the_outbox() {
    let world = World::start().await;
    let mut relay = Relay::new(world.engine.store.clone(), &world.queue).unwrap();
    assert_eq!(relay.step().await.unwrap(), Turn::Rest);
    let mut tx = world.engine.store.tenant_tx(world.merchant).await.unwrap();
    outbox::push(&mut tx, "notify", json!({})).await.unwrap();
    tx.commit().await.unwrap();
    // The relay still leads when its messages are refused.
    let socket = world.servers.redis.socket_path();
    let cli = |words: &[&str]| {
        let done = std::process::Command::new("redis-cli").arg("-s").arg(&socket).args(words).output().unwrap();
        assert!(done.status.success());
    };
    cli(&["ACL", "SETUSER", "default", "-publish"]);
    relay.step().await.unwrap_err();
    cli(&["ACL", "SETUSER", "default", "+publish"]);
    let mut tx = world.engine.store.system_tx().await.unwrap();
    let left = kamiflow_store::system::claim_outbox(&mut tx, 10).await.unwrap();
    assert_eq!(left.len(), 1);
}

#[tokio::test]
async fn an_emptied_redis_gets_everything_back_at_its_time() {
    let world = World::start().await;
    let shop = world.shop(world.now() - TimeDelta::minutes(1)).await;
    let due_at = world.now() + TimeDelta::minutes(10);
    let job = world.job("later.v1", json!({}), due_at).await;
    let mut sweep = Sweep::new(world.engine.clone(), &world.queue);
    for _ in 0..2 {
        world.empty_redis();
        assert_eq!(world.placement(PoolKind::Sync, shop).await, Placement::Absent);
        assert_eq!(sweep.step().await.unwrap(), Turn::Rest);
        assert_ne!(world.placement(PoolKind::Sync, shop).await, Placement::Absent);
        let Placement::Due(at) = world.placement(PoolKind::Jobs, job).await else { panic!("the job is not due") };
        assert_eq!(at.timestamp_millis(), due_at.timestamp_millis());
    }
}

#[tokio::test]
async fn the_sweep_adds_what_is_late_and_in_no_queue_and_leaves_the_rest_alone() {
    let world = World::start().await;
    let mut sweep = Sweep::new(world.engine.clone(), &world.queue);
    let _rest = sweep.step().await.unwrap();

    let late = world.job("late.v1", json!({}), world.now() - TimeDelta::minutes(1)).await;
    let young = world.job("young.v1", json!({}), world.now() - TimeDelta::seconds(5)).await;
    let queued = world.job("queued.v1", json!({}), world.now() - TimeDelta::minutes(1)).await;
    let at = world.now() + TimeDelta::minutes(5);
    let waiting = entry(&queued.to_string(), world.merchant).unwrap();
    world.queue.schedule("jobs", &waiting, When::At(at)).await.unwrap();

    let _rest = sweep.step().await.unwrap();
    assert_eq!(world.placement(PoolKind::Jobs, late).await, Placement::Ready);
    assert_eq!(world.placement(PoolKind::Jobs, young).await, Placement::Absent);
    assert!(matches!(world.placement(PoolKind::Jobs, queued).await, Placement::Due(_)));
}

#[tokio::test]
async fn a_runner_finds_due_work_by_itself_and_stops_with_nothing_in_flight() {
    let world = World::start().await;
    let shop = world.shop(world.now() - TimeDelta::minutes(1)).await;
    let long_ago = world.now() - TimeDelta::minutes(1);
    // The shop has no tokens: the job's subject is gone, so the job is done. The other one can never succeed.
    let done = world.job(refresh_token::JOB, json!({ "shop": shop }), long_ago).await;
    let failing = world.job("unheard_of.v1", json!({}), long_ago).await;

    let config = RunnerConfig { pools: PoolKind::ALL.map(|pool| (pool, 2)).to_vec(), push: None, mailer: None };
    let shutdown = CancellationToken::new();
    let runner = Runner::start(&config, &world.engine, &world.queue, &Liveness::unobserved(), &shutdown).unwrap();
    within(async {
        while world.find_job(done).await.is_some() || world.find_job(failing).await.is_none_or(|job| job.failures == 0)
        {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let row = world.find_job(failing).await.unwrap();
    assert_eq!(row.last_error.as_deref(), Some("this program knows no job `unheard_of.v1`"));
    assert!(row.due_at > long_ago && !row.parked);

    let stopped = within(runner.stop(Duration::from_secs(25))).await;
    assert!(stopped.finished);
    for pool in PoolKind::ALL {
        assert_eq!(world.queue.stats(pool.as_str()).await.unwrap().pending, 0, "{pool}");
    }
}

#[tokio::test]
async fn a_job_that_fails_again_and_again_waits_for_a_person() {
    let world = World::start().await;
    let job = world.job("unheard_of.v1", json!({}), world.now()).await;
    for failures in 1..=world.engine.config.poison_after {
        let outcome = crate::jobs::run(&world.engine, None, world.merchant, job).await.unwrap();
        let row = world.find_job(job).await.unwrap();
        assert_eq!(row.failures, failures);
        assert_eq!((row.parked, outcome.next.is_none()), (failures == world.engine.config.poison_after, row.parked));
        // Not due yet: another turn leaves it alone. Then its time comes.
        if !row.parked {
            assert_eq!(
                crate::jobs::run(&world.engine, None, world.merchant, job).await.unwrap().next,
                Some(row.due_at)
            );
            world.job("unheard_of.v1", json!({}), world.now()).await;
        }
    }
}

#[tokio::test]
async fn a_runner_without_a_pool_or_with_one_twice_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let redis = kamiflow_runtime::local::LocalRedis::start(folder.path()).await.unwrap();
    let queue = Queue::connect(QueueConfig::new(redis.url(), "test:")).await.unwrap();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let budget: Arc<dyn CallBudget> = Arc::new(NoBudget);
    let ring = KeyRing::new([("k".to_owned(), SecretBytes::new(vec![7; 32]))], "k").unwrap();
    let store = StoreConfig { url: "postgres://localhost".to_owned(), pool_size: 1, wait: Duration::from_secs(1) };
    let engine = Engine {
        store: Store::new(&store, ring).unwrap(),
        market: Arc::new(PinduoduoMarket::new([], &clock, &budget).unwrap()),
        clock,
        config: Arc::new(EngineConfig::default()),
    };
    let start = |pools: &[PoolKind]| {
        let config = RunnerConfig { pools: pools.iter().map(|pool| (*pool, 1)).collect(), push: None, mailer: None };
        Runner::start(&config, &engine, &queue, &Liveness::unobserved(), &CancellationToken::new()).err()
    };
    assert!(matches!(start(&[]), Some(RunnerError::NoPools)));
    let twice = start(&[PoolKind::Sync, PoolKind::Jobs, PoolKind::Sync]);
    assert!(matches!(twice, Some(RunnerError::PoolTwice(PoolKind::Sync))));
}
