//! What a lease guarantees its holder, and what becomes of entries whose holder is gone.

use std::time::Duration;

use chrono::TimeDelta;
use tokio_util::sync::CancellationToken;

use super::support::{POOL, TestRedis, entry, placement, server_now, take, take_one, within};
use crate::{Completion, Holding, KeepAliveEnd, Next, Placement, When};

const LONG: Duration = Duration::from_secs(5);

#[tokio::test]
async fn an_abandoned_entry_is_taken_over_and_its_first_holder_is_told() {
    let redis = TestRedis::start();
    let queue = redis.queue_with(|config| config.lease_ttl = Duration::from_millis(60)).await;
    let shop = entry("shop_1", "mer_1");
    queue.schedule(POOL, &shop, When::Now).await.unwrap();
    let mut first = queue.consumer(POOL).unwrap();
    let mut second = queue.consumer(POOL).unwrap();
    let lost = take_one(&mut first).await;
    let taken_at = server_now(&queue).await;

    let lease = within(async {
        loop {
            if let Some(lease) = second.take(10, LONG).await.unwrap().pop() {
                return lease;
            }
        }
    })
    .await;
    assert!(server_now(&queue).await - taken_at >= TimeDelta::milliseconds(59), "not before its time");
    assert!(lease.is_taken_over() && !lost.is_taken_over());
    assert_eq!(lost.renew().await.unwrap(), Holding::Lost);
    assert_eq!(queue.complete(&lost, Next::Now).await.unwrap(), Completion::Lost);
    assert_eq!(placement(&queue, &shop).await, Placement::Leased);
    assert_eq!(queue.complete(&lease, Next::Done).await.unwrap(), Completion::Completed);
    assert_eq!(placement(&queue, &shop).await, Placement::Absent, "a lost lease schedules nothing");
}

#[tokio::test]
async fn a_consumer_that_takes_over_its_own_entry_has_one_valid_lease() {
    let redis = TestRedis::start();
    let queue = redis.queue().await;
    queue.schedule(POOL, &entry("shop_1", "mer_1"), When::Now).await.unwrap();
    let mut consumer = queue.consumer(POOL).unwrap();
    let old = take_one(&mut consumer).await;
    let new = consumer.take_over(1, Duration::ZERO).await.unwrap().remove(0);
    assert_eq!(queue.complete(&old, Next::Done).await.unwrap(), Completion::Lost);
    assert_eq!(queue.complete(&new, Next::Done).await.unwrap(), Completion::Completed);
    assert_eq!(queue.complete(&new, Next::Done).await.unwrap(), Completion::Lost, "only once");
}

#[tokio::test]
async fn a_refreshed_entry_is_not_taken_over() {
    let redis = TestRedis::start();
    let ttl = Duration::from_millis(400);
    let queue = redis.queue_with(|config| config.lease_ttl = ttl).await;
    queue.schedule(POOL, &entry("shop_1", "mer_1"), When::Now).await.unwrap();
    let mut holder = queue.consumer(POOL).unwrap();
    let mut thief = queue.consumer(POOL).unwrap();
    let lease = take_one(&mut holder).await;
    let end = server_now(&queue).await + TimeDelta::milliseconds(1_200);
    let shutdown = CancellationToken::new();
    let watch = async {
        while server_now(&queue).await < end {
            assert!(thief.take(1, ttl).await.unwrap().is_empty());
        }
        shutdown.cancel();
    };
    let (kept, ()) = within(async { tokio::join!(lease.keep_alive(&shutdown), watch) }).await;
    assert_eq!(kept, KeepAliveEnd::Shutdown);
    assert_eq!(queue.complete(&lease, Next::Done).await.unwrap(), Completion::Completed);
}

#[tokio::test]
async fn keeping_alive_ends_when_the_lease_is_lost() {
    let redis = TestRedis::start();
    let queue = redis.queue_with(|config| config.lease_ttl = Duration::from_millis(60)).await;
    queue.schedule(POOL, &entry("shop_1", "mer_1"), When::Now).await.unwrap();
    let lease = take_one(&mut queue.consumer(POOL).unwrap()).await;
    let taken = queue.consumer(POOL).unwrap().take_over(1, Duration::ZERO).await.unwrap();
    assert_eq!(taken.len(), 1);
    assert_eq!(within(lease.keep_alive(&CancellationToken::new())).await, KeepAliveEnd::Lost);
}

#[tokio::test]
async fn what_runs_again_at_once_goes_to_the_tail() {
    let redis = TestRedis::start();
    let queue = redis.queue_with(|config| config.group_limit = 1).await;
    for shop in ["a", "b", "c"] {
        queue.schedule(POOL, &entry(shop, "mer_1"), When::Now).await.unwrap();
    }
    let mut consumer = queue.consumer(POOL).unwrap();
    let mut order = Vec::new();
    for _ in 0..6 {
        let lease = take_one(&mut consumer).await;
        order.push(lease.member().to_owned());
        assert_eq!(queue.complete(&lease, Next::Now).await.unwrap(), Completion::Completed);
    }
    assert_eq!(order, ["a", "b", "c", "a", "b", "c"]);
}

#[tokio::test]
async fn a_waiting_consumer_wakes_for_an_entry() {
    let redis = TestRedis::start();
    let queue = redis.queue().await;
    let mut consumer = queue.consumer(POOL).unwrap();
    let waiting = tokio::spawn(async move { consumer.take(10, LONG).await });
    redis.until_blocked(&queue, 1).await;
    queue.schedule(POOL, &entry("shop_1", "mer_1"), When::Now).await.unwrap();
    let leases = within(waiting).await.unwrap().unwrap();
    assert_eq!(leases.len(), 1);
    assert_eq!(placement(&queue, leases[0].entry()).await, Placement::Leased);
    assert_eq!(queue.complete(&leases[0], Next::Done).await.unwrap(), Completion::Completed);
}

#[tokio::test]
async fn a_wait_that_is_given_up_loses_nothing() {
    let redis = TestRedis::start();
    let queue = redis.queue_with(|config| config.lease_ttl = Duration::from_millis(2_000)).await;
    let mut consumer = queue.consumer(POOL).unwrap();
    let waiting = tokio::spawn(async move { consumer.take(10, LONG).await.map(|leases| leases.len()) });
    redis.until_blocked(&queue, 1).await;
    waiting.abort();
    // Scheduled before the server may have noticed that the reader is gone: then it is delivered to nobody, and
    // taken over.
    queue.schedule(POOL, &entry("shop_1", "mer_1"), When::Now).await.unwrap();
    let mut other = queue.consumer(POOL).unwrap();
    within(async { while other.take(1, LONG).await.unwrap().is_empty() {} }).await;
    redis.until_blocked(&queue, 0).await;
}

#[tokio::test]
async fn a_take_never_hands_out_more_than_asked() {
    let redis = TestRedis::start();
    let queue = redis.queue().await;
    let shops: Vec<_> = (0..300).map(|n| (entry(n, &format!("mer_{n}")), When::Now)).collect();
    queue.schedule_many(POOL, &shops).await.unwrap();
    let mut consumer = queue.consumer(POOL).unwrap();
    let mut seen = std::collections::HashSet::new();
    for max in [1, 3, 7, 64, 65, 100, 200] {
        let leases = take(&mut consumer, max).await;
        assert_eq!(leases.len(), max.min(300 - seen.len()));
        for lease in leases {
            assert!(seen.insert(lease.member().to_owned()), "handed out twice");
        }
    }
    assert_eq!(seen.len(), 300);
}

#[tokio::test]
async fn a_consumer_is_deleted_only_when_nothing_is_pending_for_it() {
    let redis = TestRedis::start();
    let queue = redis.queue().await;
    let shop = entry("shop_1", "mer_1");
    queue.schedule(POOL, &shop, When::Now).await.unwrap();
    let mut dead = queue.consumer(POOL).unwrap();
    drop(take_one(&mut dead).await);
    dead.close().await.unwrap();
    queue.retire_consumers(POOL, Duration::ZERO).await.unwrap();
    assert_eq!(queue.stats(POOL).await.unwrap().pending, 1, "its entry survived both");

    let mut living = queue.consumer(POOL).unwrap();
    let lease = living.take_over(1, Duration::ZERO).await.unwrap().remove(0);
    let _ = queue.complete(&lease, Next::Done).await.unwrap();
    assert!(queue.retire_consumers(POOL, Duration::from_secs(600)).await.unwrap() == 0, "too young");
    assert!(queue.retire_consumers(POOL, Duration::ZERO).await.unwrap() > 0);
    assert_eq!(queue.retire_consumers(POOL, Duration::ZERO).await.unwrap(), 0, "none is left");
}

#[tokio::test]
async fn what_was_delivered_to_a_consumer_that_died_before_its_lease_is_taken_over() {
    let redis = TestRedis::start();
    let queue = redis.queue().await;
    let shop = entry("shop_1", "mer_1");
    let mut living = queue.consumer(POOL).unwrap();
    take(&mut living, 1).await;
    queue.schedule(POOL, &shop, When::Now).await.unwrap();
    let keys = &queue.shared.keys;
    let stream = keys.ready(keys.partition_of(&shop), POOL);
    redis.command(&queue, &["XREADGROUP", "GROUP", POOL, "dead", "STREAMS", &stream, ">"]).await;
    let stats = queue.stats(POOL).await.unwrap();
    assert_eq!((stats.pending, stats.leased), (1, 0));
    assert!(take(&mut living, 1).await.is_empty());

    let lease = living.take_over(1, Duration::ZERO).await.unwrap().remove(0);
    assert_eq!(queue.complete(&lease, Next::Done).await.unwrap(), Completion::Completed);
    assert_eq!(queue.stats(POOL).await.unwrap().backlog(), 0);
}

#[tokio::test]
async fn deleting_the_record_of_a_consumer_that_waits_does_not_deafen_it() {
    let redis = TestRedis::start();
    let queue = redis.queue().await;
    let mut consumer = queue.consumer(POOL).unwrap();
    queue.schedule(POOL, &entry("shop_1", "mer_1"), When::Now).await.unwrap();
    // Redis 7.0 keeps a record only from the first entry on.
    let lease = take_one(&mut consumer).await;
    assert_eq!(queue.complete(&lease, Next::Done).await.unwrap(), Completion::Completed);
    let waiting = tokio::spawn(async move { consumer.take(1, LONG).await });
    redis.until_blocked(&queue, 1).await;
    assert!(queue.retire_consumers(POOL, Duration::ZERO).await.unwrap() > 0);
    queue.schedule(POOL, &entry("shop_1", "mer_1"), When::Now).await.unwrap();
    let leases = within(waiting).await.unwrap().unwrap();
    assert_eq!(queue.complete(&leases[0], Next::Done).await.unwrap(), Completion::Completed);
}
