//! One merchant's crowd neither delays another nor exceeds its own limit, whoever crashes.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use futures_util::future::join_all;

use super::support::{POOL, TestRedis, entry, take, take_one, within};
use crate::{Completion, Entry, Next, Queue, When};

/// A group in the same partition as another: the worst neighbor.
fn neighbor_of(queue: &Queue, other: &str) -> Entry {
    let keys = &queue.shared.keys;
    let partition = keys.partition_of(&entry("x", other));
    (0..)
        .map(|n| entry("the_one", &format!("neighbor_{n}")))
        .find(|candidate| keys.partition_of(candidate) == partition)
        .unwrap()
}

#[tokio::test]
async fn twenty_thousand_entries_of_one_merchant_do_not_delay_another() {
    let redis = TestRedis::start();
    let queue = redis.queue_with(|config| config.group_limit = 4).await;
    let flood: Vec<_> = (0..20_000).map(|n| (entry(n, "mer_a"), When::Now)).collect();
    queue.schedule_many(POOL, &flood).await.unwrap();
    let mut consumer = queue.consumer(POOL).unwrap();
    let mut others = vec![neighbor_of(&queue, "mer_a")];
    others.extend((0..20).map(|n| entry("the_one", &format!("mer_b{n}"))));
    for other in &others {
        queue.schedule(POOL, other, When::Now).await.unwrap();
        let mut before = 0;
        loop {
            let lease = take_one(&mut consumer).await;
            assert_eq!(queue.complete(&lease, Next::Now).await.unwrap(), Completion::Completed);
            if lease.entry() == other {
                break;
            }
            before += usize::from(lease.group() == "mer_a");
        }
        assert!(before <= 4, "{before} entries of the flood went before {other}");
    }
    assert_eq!(queue.stats(POOL).await.unwrap().backlog(), 20_021);
}

#[tokio::test]
async fn groups_that_share_a_partition_are_served_as_often_as_one_that_has_its_own() {
    const ROUNDS: usize = 12;
    let redis = TestRedis::start();
    let queue = redis.queue_with(|config| config.group_limit = 1).await;
    let partition = |entry: &Entry| queue.shared.keys.partition_of(entry);
    let shared = partition(&entry("shop", "mer_0"));
    let all: Vec<Entry> = (0..).map(|n| entry("shop", &format!("mer_{n}"))).take(10_000).collect();
    let (crowd, others): (Vec<Entry>, Vec<Entry>) = all.into_iter().partition(|entry| partition(entry) == shared);
    let groups: Vec<Entry> = crowd.into_iter().take(3).chain(others.into_iter().take(1)).collect();
    for group in &groups {
        queue.schedule(POOL, group, When::Now).await.unwrap();
    }
    let mut consumer = queue.consumer(POOL).unwrap();
    let mut served: HashMap<Entry, usize> = HashMap::new();
    // Each is due again as soon as it was served, so there is always more to do than room.
    for _ in 0..ROUNDS * groups.len() {
        let lease = take_one(&mut consumer).await;
        *served.entry(lease.entry().clone()).or_default() += 1;
        assert_eq!(queue.complete(&lease, Next::Now).await.unwrap(), Completion::Completed);
    }
    for group in &groups {
        let count = served.get(group).copied().unwrap_or_default();
        assert!(count.abs_diff(ROUNDS) <= 2, "{group} was served {count} times, not about {ROUNDS}");
    }
}

#[tokio::test]
async fn overdue_entries_of_one_merchant_do_not_delay_another() {
    let redis = TestRedis::start();
    let queue = redis.queue_with(|config| config.group_limit = 4).await;
    let at = super::support::server_now(&queue).await + chrono::TimeDelta::milliseconds(300);
    let other = neighbor_of(&queue, "mer_a");
    let mut flood: Vec<_> = (0..2_000).map(|n| (entry(n, "mer_a"), When::At(at))).collect();
    flood.push((other.clone(), When::At(at)));
    queue.schedule_many(POOL, &flood).await.unwrap();
    let mut moved = 0;
    within(async {
        while moved < flood.len() {
            moved += queue.promote(POOL, 500).await.unwrap();
        }
    })
    .await;
    let leases = take(&mut queue.consumer(POOL).unwrap(), 100).await;
    assert_eq!(leases.len(), 5, "four of the flood and the other");
    assert!(leases.iter().any(|lease| *lease.entry() == other));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_group_ever_exceeds_its_limit_over_many_consumers() {
    const LIMIT: usize = 3;
    const MEMBERS: usize = 60;
    let redis = TestRedis::start();
    let queue = redis
        .queue_with(|config| {
            config.pool_group_limits = [(POOL.to_owned(), 3)].into();
        })
        .await;
    let shops: Vec<_> = (0..MEMBERS * 5).map(|n| (entry(n, &format!("mer_{}", n % 5)), When::Now)).collect();
    queue.schedule_many(POOL, &shops).await.unwrap();
    let running: Mutex<HashMap<String, usize>> = Mutex::default();
    let finished = std::sync::atomic::AtomicUsize::new(0);
    let worker = async || {
        let mut consumer = queue.consumer(POOL).unwrap();
        while finished.load(std::sync::atomic::Ordering::SeqCst) < shops.len() {
            let leases = consumer.take(5, Duration::from_millis(5)).await.unwrap();
            for lease in &leases {
                let mut running = running.lock().unwrap();
                let count = running.entry(lease.group().to_owned()).or_default();
                *count += 1;
                assert!(*count <= LIMIT, "{count} of {}", lease.group());
            }
            tokio::task::yield_now().await;
            for lease in &leases {
                *running.lock().unwrap().get_mut(lease.group()).unwrap() -= 1;
                assert_eq!(queue.complete(lease, Next::Done).await.unwrap(), Completion::Completed);
                finished.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            }
        }
    };
    within(join_all((0..4).map(|_| worker()))).await;
    assert_eq!(finished.into_inner(), shops.len());
    assert_eq!(queue.stats(POOL).await.unwrap().backlog(), 0);
}

#[tokio::test]
async fn crashed_holders_leak_no_slots() {
    let redis = TestRedis::start();
    let queue = redis.queue_with(|config| config.group_limit = 2).await;
    let shops: Vec<_> = (0..6).map(|n| (entry(n, "mer_a"), When::Now)).collect();
    queue.schedule_many(POOL, &shops).await.unwrap();
    let mut consumer = queue.consumer(POOL).unwrap();
    for _ in 0..3 {
        // The consumer "crashes" with both; whoever comes finds exactly these two, again and again.
        let first = consumer.take(10, Duration::ZERO).await.unwrap();
        let again = consumer.take_over(10, Duration::ZERO).await.unwrap();
        assert_eq!(again.len(), 2);
        assert!(take(&mut consumer, 10).await.is_empty());
        for lease in &again {
            assert_eq!(queue.complete(lease, Next::Done).await.unwrap(), Completion::Completed);
        }
        assert_eq!(first.len(), 2);
    }
    assert_eq!(queue.stats(POOL).await.unwrap().backlog(), 0);
}

#[tokio::test]
async fn an_abandoned_entry_whose_slot_was_given_away_waits_its_turn() {
    let redis = TestRedis::start();
    let queue = redis
        .queue_with(|config| {
            config.group_limit = 1;
            config.lease_ttl = Duration::from_millis(50);
        })
        .await;
    let mut consumer = queue.consumer(POOL).unwrap();
    queue.schedule(POOL, &entry("abandoned", "mer_a"), When::Now).await.unwrap();
    drop(take_one(&mut consumer).await);
    queue.schedule(POOL, &entry("successor", "mer_a"), When::Now).await.unwrap();
    // No consumer looks while the lease runs out, so the promoter gives the slot away.
    within(async {
        while queue.stats(POOL).await.unwrap().ready == 1 && redis_stream_length(&queue).await == 1 {
            queue.promote(POOL, 10).await.unwrap();
        }
    })
    .await;
    let taken = consumer.take_over(10, Duration::from_millis(50)).await.unwrap();
    assert!(taken.is_empty(), "the limit holds");
    let lease = take_one(&mut consumer).await;
    assert_eq!(lease.member(), "successor");
    let _ = queue.complete(&lease, Next::Done).await.unwrap();
    assert_eq!(take_one(&mut consumer).await.member(), "abandoned");
}

async fn redis_stream_length(queue: &Queue) -> u64 {
    let keys = &queue.shared.keys;
    let stream = keys.ready(keys.partition_of(&entry("x", "mer_a")), POOL);
    let mut command = redis::cmd("XLEN");
    command.arg(stream);
    queue.shared.connections.query(&command).await.unwrap()
}

#[tokio::test]
async fn a_raised_limit_takes_effect_without_a_completion() {
    let redis = TestRedis::start();
    let strict = redis.queue_with(|config| config.group_limit = 1).await;
    let shops: Vec<_> = (0..10).map(|n| (entry(n, "mer_a"), When::Now)).collect();
    strict.schedule_many(POOL, &shops).await.unwrap();
    assert_eq!(take(&mut strict.consumer(POOL).unwrap(), 10).await.len(), 1);
    let generous = redis.queue_with(|config| config.group_limit = 4).await;
    generous.promote(POOL, 10).await.unwrap();
    assert_eq!(take(&mut generous.consumer(POOL).unwrap(), 10).await.len(), 3);
}

#[tokio::test]
async fn a_newcomer_does_not_overtake_its_groups_line_when_a_slot_runs_out() {
    let redis = TestRedis::start();
    let queue = redis
        .queue_with(|config| {
            config.group_limit = 1;
            config.lease_ttl = Duration::from_millis(50);
        })
        .await;
    let mut consumer = queue.consumer(POOL).unwrap();
    queue.schedule(POOL, &entry("abandoned", "mer_a"), When::Now).await.unwrap();
    drop(take_one(&mut consumer).await);
    queue.schedule(POOL, &entry("waiting", "mer_a"), When::Now).await.unwrap();
    let run_out = super::support::server_now(&queue).await + chrono::TimeDelta::milliseconds(60);
    within(async { while super::support::server_now(&queue).await < run_out {} }).await;
    queue.schedule(POOL, &entry("newcomer", "mer_a"), When::Now).await.unwrap();
    queue.promote(POOL, 10).await.unwrap();
    // The take-over of the abandoned one is refused, since its slot is in use again.
    assert_eq!(take_one(&mut consumer).await.member(), "waiting");
}
