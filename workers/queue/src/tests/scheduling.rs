//! When an entry is handed out, and that many schedules of it are one run.

use chrono::TimeDelta;

use super::support::{POOL, TestRedis, entry, in_an_hour, placement, server_now, take, take_one, within};
use crate::{Completion, Entry, Next, Placement, QueueError, When};

#[tokio::test]
async fn an_entry_scheduled_many_times_is_handed_out_once() {
    let redis = TestRedis::start();
    let queue = redis.queue().await;
    let shop = entry("shop_1", "mer_1");
    for _ in 0..5 {
        queue.schedule(POOL, &shop, When::Now).await.unwrap();
    }
    let mut consumer = queue.consumer(POOL).unwrap();
    let leases = take(&mut consumer, 10).await;
    assert_eq!(leases.len(), 1);
    assert_eq!((leases[0].member(), leases[0].group()), ("shop_1", "mer_1"));
    assert!(take(&mut consumer, 10).await.is_empty());
}

#[tokio::test]
async fn a_schedule_during_a_run_makes_the_entry_run_again() {
    let redis = TestRedis::start();
    let queue = redis.queue().await;
    let shop = entry("shop_1", "mer_1");
    let mut consumer = queue.consumer(POOL).unwrap();
    for next in [Next::Done, Next::At(in_an_hour(&queue).await)] {
        queue.schedule(POOL, &shop, When::Now).await.unwrap();
        let lease = take_one(&mut consumer).await;
        queue.schedule(POOL, &shop, When::Now).await.unwrap();
        assert!(take(&mut consumer, 10).await.is_empty(), "never a second one beside the first");
        assert_eq!(queue.complete(&lease, next).await.unwrap(), Completion::Completed);
        assert_eq!(placement(&queue, &shop).await, Placement::Ready);

        let lease = take_one(&mut consumer).await;
        assert_eq!(queue.complete(&lease, Next::Done).await.unwrap(), Completion::Completed);
    }
    let left = placement(&queue, &shop).await;
    assert!(matches!(left, Placement::Due(_)), "the date asked for by the first run is kept: {left:?}");
}

#[tokio::test]
async fn a_schedule_before_a_run_begins_is_satisfied_by_that_run() {
    let redis = TestRedis::start();
    let queue = redis.queue().await;
    let shop = entry("shop_1", "mer_1");
    queue.schedule(POOL, &shop, When::Now).await.unwrap();
    queue.schedule(POOL, &shop, When::Now).await.unwrap();
    let mut consumer = queue.consumer(POOL).unwrap();
    let lease = take_one(&mut consumer).await;
    let _ = queue.complete(&lease, Next::Done).await.unwrap();
    assert_eq!(placement(&queue, &shop).await, Placement::Absent);
}

#[tokio::test]
async fn a_later_date_given_during_a_run_survives_it() {
    let redis = TestRedis::start();
    let queue = redis.queue().await;
    let shop = entry("shop_1", "mer_1");
    let sooner = in_an_hour(&queue).await;
    let later = sooner + TimeDelta::hours(1);
    let mut consumer = queue.consumer(POOL).unwrap();

    queue.schedule(POOL, &shop, When::Now).await.unwrap();
    let lease = take_one(&mut consumer).await;
    queue.schedule(POOL, &shop, When::At(later)).await.unwrap();
    queue.schedule(POOL, &shop, When::At(sooner)).await.unwrap();
    // The tail comes first; the date is still remembered then.
    let _ = queue.complete(&lease, Next::Now).await.unwrap();
    assert_eq!(placement(&queue, &shop).await, Placement::Ready);
    let lease = take_one(&mut consumer).await;
    let _ = queue.complete(&lease, Next::At(later)).await.unwrap();
    assert_eq!(placement(&queue, &shop).await, Placement::Due(sooner));
}

#[tokio::test]
async fn the_earliest_of_several_dates_wins() {
    let redis = TestRedis::start();
    let queue = redis.queue().await;
    let shop = entry("shop_1", "mer_1");
    let at = in_an_hour(&queue).await;
    for offset in [5, 0, 10] {
        let when = When::At(at + TimeDelta::minutes(offset));
        queue.schedule(POOL, &shop, when).await.unwrap();
    }
    assert_eq!(placement(&queue, &shop).await, Placement::Due(at));
    queue.schedule(POOL, &shop, When::Now).await.unwrap();
    assert_eq!(placement(&queue, &shop).await, Placement::Ready);
    assert_eq!(queue.stats(POOL).await.unwrap().due, 0);
}

#[tokio::test]
async fn entries_become_ready_when_their_time_has_come_and_not_before() {
    let redis = TestRedis::start();
    let queue = redis.queue().await;
    let (soon, late) = (entry("soon", "mer_1"), entry("late", "mer_1"));
    let at = server_now(&queue).await + TimeDelta::milliseconds(50);
    queue.schedule(POOL, &soon, When::At(at)).await.unwrap();
    queue.schedule(POOL, &late, When::At(in_an_hour(&queue).await)).await.unwrap();
    within(async {
        while queue.promote(POOL, 100).await.unwrap() == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(server_now(&queue).await >= at);
    assert_eq!(placement(&queue, &soon).await, Placement::Ready);
    assert!(matches!(placement(&queue, &late).await, Placement::Due(_)));
}

#[tokio::test]
async fn a_tick_is_won_by_one_promoter() {
    let redis = TestRedis::start();
    let queue = redis.queue().await;
    let at = server_now(&queue).await + TimeDelta::milliseconds(20);
    let shops: Vec<_> = (0..50).map(|n| (entry(n, &format!("mer_{n}")), When::At(at))).collect();
    queue.schedule_many(POOL, &shops).await.unwrap();
    let mut promoters =
        [crate::Promoter::new(&queue, &[POOL, "deliver"]).unwrap(), crate::Promoter::new(&queue, &[POOL]).unwrap()];
    let mut moved = 0;
    within(async {
        while moved < 50 {
            let first = promoters[0].step().await.unwrap();
            let second = promoters[1].step().await.unwrap();
            moved += first + second;
        }
    })
    .await;
    assert_eq!(queue.stats(POOL).await.unwrap().ready, 50);
}

#[tokio::test]
async fn many_entries_are_scheduled_counted_and_found() {
    let redis = TestRedis::start();
    let queue = redis.queue().await;
    let at = in_an_hour(&queue).await;
    let ready: Vec<_> = (0..2_000).map(|n| (entry(n, &format!("mer_{}", n % 700)), When::Now)).collect();
    let due: Vec<_> = (0..1_000).map(|n| (entry(n, &format!("later_{n}")), When::At(at))).collect();
    queue.schedule_many(POOL, &ready).await.unwrap();
    queue.schedule_many(POOL, &due).await.unwrap();
    let mut consumer = queue.consumer(POOL).unwrap();
    let leases = take(&mut consumer, 100).await;
    assert_eq!(leases.len(), 100);

    let stats = queue.stats(POOL).await.unwrap();
    assert_eq!((stats.due, stats.overdue, stats.ready, stats.pending, stats.leased), (1_000, 0, 1_900, 100, 100));
    assert_eq!(stats.backlog(), 2_000);
    assert_eq!(queue.stats("deliver").await.unwrap().backlog(), 0, "pools do not see each other");

    let asked = [ready[0].0.clone(), entry("nobody", "mer_1"), due[9].0.clone(), leases[0].entry().clone()];
    assert_eq!(queue.is_queued_or_leased(POOL, &asked).await.unwrap(), [true, false, true, true]);
    assert_eq!(placement(&queue, leases[0].entry()).await, Placement::Leased);
}

#[tokio::test]
async fn names_that_could_break_a_key_are_refused() {
    let redis = TestRedis::start();
    let queue = redis.queue().await;
    let long = "x".repeat(65);
    for name in ["", "a|b", "{p01}", "a b", "店铺", long.as_str()] {
        assert!(matches!(Entry::new(name, "mer_1"), Err(QueueError::InvalidName { .. })), "{name}");
        assert!(matches!(Entry::new("shop_1", name), Err(QueueError::InvalidName { .. })), "{name}");
        assert!(queue.schedule(name, &entry("shop_1", "mer_1"), When::Now).await.is_err(), "{name}");
        assert!(queue.consumer(name).is_err(), "{name}");
    }
    assert!(Entry::new(&"x".repeat(64), "mer_1").is_ok());
}

#[tokio::test]
async fn the_memory_policy_is_reported() {
    let redis = TestRedis::start();
    let queue = redis.queue().await;
    assert!(queue.check_policy().await.unwrap().is_noeviction());
    redis.command(&queue, &["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]).await;
    let policy = queue.check_policy().await.unwrap();
    assert!(!policy.is_noeviction());
    assert_eq!((policy.policy.as_str(), policy.limit), ("allkeys-lru", 0));
}
