//! Turns over a Redis of its own, with work made for each test.

use std::sync::atomic::{AtomicU32, Ordering};

use chrono::{DateTime, Utc};
use kamiflow_domain::engine::Wake;
use kamiflow_kernel::ShopId;
use kamiflow_queue::{Placement, QueueConfig};
use kamiflow_runtime::clock::SystemClock;
use kamiflow_runtime::local::LocalRedis;
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;

use super::*;
use crate::pool::PoolLoop;
use crate::step::Step;
use crate::waker::entry;

struct Fixture {
    _folder: tempfile::TempDir,
    redis: LocalRedis,
    queue: Queue,
    merchant: MerchantId,
    shop: ShopId,
}

impl Fixture {
    async fn new(lease_ttl: Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let redis = LocalRedis::start(folder.path()).await.unwrap();
        let config = QueueConfig { lease_ttl, ..QueueConfig::new(redis.url(), "test:") };
        let queue = Queue::connect(config).await.unwrap();
        let (merchant, shop) = (MerchantId::generate(), ShopId::generate());
        Self { _folder: folder, redis, queue, merchant, shop }
    }

    fn entry(&self) -> Entry {
        entry(&self.shop.to_string(), self.merchant).unwrap()
    }

    fn turns(&self, work: Work) -> Arc<Turns> {
        Arc::new(Turns {
            kind: PoolKind::Deliver,
            work,
            queue: self.queue.clone(),
            waker: Waker::new(&self.queue),
            clock: Arc::new(SystemClock),
            deadline: CancellationToken::new(),
            failures: Failures::default(),
        })
    }

    /// Schedules the entry and takes it.
    async fn lease(&self) -> Lease {
        self.queue.schedule("deliver", &self.entry(), When::Now).await.unwrap();
        let mut consumer = self.queue.consumer("deliver").unwrap();
        let mut leases = consumer.take(1, Duration::from_secs(5)).await.unwrap();
        leases.pop().expect("the entry was scheduled")
    }

    async fn placement(&self, pool: &str) -> Placement {
        self.queue.placements(pool, &[self.entry()]).await.unwrap()[0]
    }
}

fn returning(result: impl Fn() -> Result<TickOutcome, WorkError> + Send + Sync + 'static) -> Work {
    Arc::new(move |_entry| std::future::ready(result()).boxed())
}

fn store_away() -> WorkError {
    EngineError::Store(StoreError::Unavailable("away".to_owned())).into()
}

fn soon(placement: Placement) -> bool {
    let now = SystemClock.now();
    matches!(placement, Placement::Due(at) if at > now && at < now + TimeDelta::minutes(6))
}

#[tokio::test]
async fn a_turn_wakes_others_and_comes_back_when_it_asked_to() {
    let fixture = Fixture::new(Duration::from_secs(30)).await;
    let at = DateTime::<Utc>::from_timestamp(4_102_444_800, 0).unwrap();
    let wakes = vec![Wake::Redeem(fixture.shop), Wake::Redeem(fixture.shop)];
    let outcome = TickOutcome { next: Some(at), wakes, done: 1, ..TickOutcome::default() };
    let turns = fixture.turns(returning(move || Ok(outcome.clone())));
    turns.run(fixture.lease().await).await;
    assert_eq!(fixture.placement("deliver").await, Placement::Due(at));
    assert_eq!(fixture.placement("redeem").await, Placement::Ready);
}

#[tokio::test]
async fn a_turn_that_failed_or_panicked_is_put_off_and_never_parked() {
    let fixture = Fixture::new(Duration::from_secs(30)).await;
    let calls = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&calls);
    let turns = fixture.turns(returning(move || match counted.fetch_add(1, Ordering::Relaxed) % 2 {
        0 => Err(store_away()),
        _ => panic!("a bug"),
    }));
    for turn in 1..=30 {
        turns.run(fixture.lease().await).await;
        assert!(soon(fixture.placement("deliver").await), "turn {turn}");
    }
    assert_eq!(calls.load(Ordering::Relaxed), 30);
}

#[tokio::test]
async fn a_turn_for_what_is_gone_is_over() {
    let fixture = Fixture::new(Duration::from_secs(30)).await;
    let turns = fixture.turns(returning(|| Err(EngineError::Store(StoreError::NotFound("shop")).into())));
    turns.run(fixture.lease().await).await;
    assert_eq!(fixture.placement("deliver").await, Placement::Absent);
}

#[tokio::test]
async fn a_turn_longer_than_its_lease_keeps_it() {
    let fixture = Fixture::new(Duration::from_millis(300)).await;
    let end = Arc::new(Notify::new());
    let ended = Arc::clone(&end);
    let work: Work = Arc::new(move |_entry| {
        let ended = Arc::clone(&ended);
        async move {
            ended.notified().await;
            Ok(TickOutcome::default())
        }
        .boxed()
    });
    let (turns, lease) = (fixture.turns(work), fixture.lease().await);
    let running = tokio::spawn(async move { turns.run(lease).await });
    // Another consumer looks for abandoned entries well past the lease time.
    let mut other = fixture.queue.consumer("deliver").unwrap();
    let until = Instant::now() + Duration::from_millis(1_500);
    while Instant::now() < until {
        assert!(other.take(1, Duration::from_millis(100)).await.unwrap().is_empty());
    }
    end.notify_one();
    running.await.unwrap();
    assert_eq!(fixture.placement("deliver").await, Placement::Absent);
}

#[tokio::test]
async fn a_turn_whose_redis_was_emptied_is_scheduled_again_all_the_same() {
    let fixture = Fixture::new(Duration::from_secs(30)).await;
    let at = DateTime::<Utc>::from_timestamp(4_102_444_800, 0).unwrap();
    let outcome = TickOutcome { next: Some(at), done: 1, ..TickOutcome::default() };
    let turns = fixture.turns(returning(move || Ok(outcome.clone())));
    let lease = fixture.lease().await;
    let emptied = std::process::Command::new("redis-cli")
        .args(["-s", &fixture.redis.socket_path().display().to_string(), "FLUSHALL"])
        .output()
        .unwrap();
    assert!(emptied.status.success());
    turns.run(lease).await;
    assert_eq!(fixture.placement("deliver").await, Placement::Due(at));
}

#[tokio::test]
async fn what_has_not_ended_at_the_deadline_is_handed_back() {
    let fixture = Fixture::new(Duration::from_secs(30)).await;
    let turns = fixture.turns(Arc::new(|_entry| std::future::pending().boxed()));
    let lease = fixture.lease().await;
    turns.deadline.cancel();
    turns.run(lease).await;
    assert_eq!(fixture.placement("deliver").await, Placement::Ready);
}

#[tokio::test]
async fn a_pool_runs_no_more_turns_at_once_than_it_has_slots_and_hands_back_what_a_stop_met() {
    let fixture = Fixture::new(Duration::from_secs(30)).await;
    let shops: Vec<Entry> =
        (0..5).map(|_| entry(&ShopId::generate().to_string(), MerchantId::generate()).unwrap()).collect();
    let scheduled: Vec<_> = shops.iter().map(|entry| (entry.clone(), When::Now)).collect();
    fixture.queue.schedule_many("deliver", &scheduled).await.unwrap();
    let turns = fixture.turns(Arc::new(|_entry| std::future::pending().boxed()));
    let (running, stop) = (TaskTracker::new(), CancellationToken::new());
    let mut pool = PoolLoop::new(Arc::clone(&turns), 2, running.clone(), stop.clone()).unwrap();
    for _ in 0..2 {
        let _more = pool.step().await.unwrap();
    }
    let leased = |places: Vec<Placement>| places.iter().filter(|place| **place == Placement::Leased).count();
    assert_eq!(leased(fixture.queue.placements("deliver", &shops).await.unwrap()), 2);

    turns.deadline.cancel();
    running.close();
    running.wait().await;
    stop.cancel();
    let _more = pool.step().await.unwrap();
    assert_eq!(fixture.queue.placements("deliver", &shops).await.unwrap(), [Placement::Ready; 5]);
}

#[test]
fn what_is_due_and_did_not_move_must_not_spin() {
    let now = DateTime::<Utc>::from_timestamp(1_700_000_000, 0).unwrap();
    let outcome = |next, done| TickOutcome { next, done, ..TickOutcome::default() };
    assert_eq!(next_turn(&outcome(None, 5), now), Next::Done);
    assert_eq!(next_turn(&outcome(Some(now), 5), now), Next::Now);
    assert_eq!(next_turn(&outcome(Some(now), 0), now), Next::At(now + NOTHING_MOVED));
    let later = now + TimeDelta::hours(1);
    assert_eq!(next_turn(&outcome(Some(later), 0), now), Next::At(later));
}
