//! Rates and bursts hold over many tasks, and a call costs all of its buckets or none.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::join_all;

use super::support::{TestRedis, server_now, within};
use crate::{Bucket, Decision, QueueError, Rate};

const HOUR: Duration = Duration::from_secs(3_600);

fn bucket(name: &str, count: u32, period: Duration, burst: u32) -> Bucket {
    Bucket::new("app_1", name, Rate { count, period, burst }).unwrap()
}

fn wait_of(decision: Decision) -> Duration {
    match decision {
        Decision::RetryAfter(wait) => wait,
        Decision::Granted => panic!("expected to wait"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_gets_exactly_the_burst() {
    let redis = TestRedis::start();
    let limiter = redis.queue().await.limiter();
    let buckets = [bucket("orders", 1, HOUR, 50)];
    let decisions = join_all((0..300).map(|_| limiter.acquire(&buckets))).await;
    let (granted, refused): (Vec<_>, Vec<_>) =
        decisions.into_iter().map(Result::unwrap).partition(|decision| *decision == Decision::Granted);
    assert_eq!(granted.len(), 50);
    for refusal in refused {
        let wait = wait_of(refusal);
        assert!(wait <= HOUR && wait > HOUR - Duration::from_secs(60), "{wait:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rate_over_many_tasks_is_that_of_the_servers_clock() {
    const BURST: u32 = 100;
    let redis = TestRedis::start();
    let queue = redis.queue().await;
    let limiter = queue.limiter();
    let buckets = [bucket("orders", 1_000, Duration::from_secs(1), BURST)];
    let granted = AtomicU64::new(0);
    let begin = server_now(&queue).await;
    let worker = async || {
        while granted.load(Ordering::Relaxed) < 1_000 {
            if limiter.acquire(&buckets).await.unwrap() == Decision::Granted {
                granted.fetch_add(1, Ordering::Relaxed);
            }
        }
    };
    within(join_all((0..20).map(|_| worker()))).await;
    let elapsed = u64::try_from((server_now(&queue).await - begin).num_milliseconds()).unwrap();
    let granted = granted.into_inner();
    // One permit per millisecond; the millisecond cut off by the clock's precision counts too.
    assert!(granted <= u64::from(BURST) + elapsed + 2, "{granted} in {elapsed} ms");
    assert!(granted * 2 >= elapsed, "{granted} in {elapsed} ms is far below the rate");
}

#[tokio::test]
async fn a_call_is_granted_by_all_buckets_or_costs_none_of_them() {
    let redis = TestRedis::start();
    let limiter = redis.queue().await.limiter();
    let mall = bucket("mall_9", 1, HOUR, 10);
    let api = bucket("api", 1, HOUR * 2, 1);
    let both = [mall.clone(), api.clone()];
    assert_eq!(limiter.acquire(&both).await.unwrap(), Decision::Granted);
    for _ in 0..5 {
        let wait = wait_of(limiter.acquire(&both).await.unwrap());
        assert!(wait > HOUR, "the longest wait counts: {wait:?}");
    }
    let mall_only = [mall];
    for left in (0..9).rev() {
        assert_eq!(limiter.acquire(&mall_only).await.unwrap(), Decision::Granted, "{left} should be left");
    }
    let _ = wait_of(limiter.acquire(&mall_only).await.unwrap());
}

#[tokio::test]
async fn several_permits_cost_as_much_as_single_ones() {
    let redis = TestRedis::start();
    let limiter = redis.queue().await.limiter();
    let buckets = [bucket("orders", 1, HOUR, 10)];
    assert_eq!(limiter.acquire_many(&buckets, 7).await.unwrap(), Decision::Granted);
    let wait = wait_of(limiter.acquire_many(&buckets, 4).await.unwrap());
    assert!(wait <= HOUR, "one permit is missing: {wait:?}");
    assert_eq!(limiter.acquire_many(&buckets, 3).await.unwrap(), Decision::Granted);
    let impossible = limiter.acquire_many(&buckets, 11).await;
    assert!(matches!(impossible, Err(QueueError::InvalidConfig(_))), "{impossible:?}");
    let twice = limiter.acquire(&[buckets[0].clone(), buckets[0].clone()]).await;
    assert!(matches!(twice, Err(QueueError::InvalidConfig(_))), "{twice:?}");
    assert_eq!(limiter.acquire(&[]).await.unwrap(), Decision::Granted);
}

#[tokio::test]
async fn after_an_emptying_a_bucket_starts_without_burst_and_does_recover() {
    let redis = TestRedis::start();
    let queue = redis.queue_with(|config| config.limiter_settling = Duration::from_secs(60)).await;
    let limiter = queue.limiter();
    for _ in 0..2 {
        let quick = [bucket("orders", 20, Duration::from_secs(1), 100)];
        let slow = [bucket("refunds", 1, HOUR, 100)];
        let wait = wait_of(limiter.acquire(&quick).await.unwrap());
        assert!(wait <= Duration::from_millis(50), "{wait:?}");
        let first = wait_of(limiter.acquire(&slow).await.unwrap());
        let second = wait_of(limiter.acquire(&slow).await.unwrap());
        assert!(second <= first && first <= HOUR, "the assumption is made once: {first:?}, {second:?}");
        let begin = server_now(&queue).await;
        within(async { while limiter.acquire(&quick).await.unwrap() != Decision::Granted {} }).await;
        let waited = server_now(&queue).await - begin;
        assert!(waited.num_milliseconds() < 5_000, "{waited}");
        // The burst is still used up.
        let _ = wait_of(limiter.acquire_many(&quick, 50).await.unwrap());
        redis.command(&queue, &["FLUSHALL"]).await;
    }
}

#[tokio::test]
async fn a_stock_of_permits_saves_round_trips_and_no_more() {
    let redis = TestRedis::start();
    let queue = redis.queue().await;
    let limiter = queue.limiter();
    let buckets = vec![bucket("orders", 1, HOUR, 25)];
    let mut stock = limiter.prefetch(buckets.clone(), 10, HOUR);
    let calls = async || redis.info(&queue, "commandstats", "cmdstat_evalsha:calls=").await;
    assert_eq!(stock.acquire().await.unwrap(), Decision::Granted);
    let begin = calls().await;
    for _ in 0..19 {
        assert_eq!(stock.acquire().await.unwrap(), Decision::Granted);
    }
    assert_eq!(calls().await - begin, 1);
    for _ in 0..5 {
        assert_eq!(stock.acquire().await.unwrap(), Decision::Granted, "less than a batch is left");
    }
    let _ = wait_of(stock.acquire().await.unwrap());

    let fresh = vec![bucket("others", 1, HOUR, 2)];
    let mut forfeited = limiter.prefetch(fresh, 2, Duration::ZERO);
    assert_eq!(forfeited.acquire().await.unwrap(), Decision::Granted);
    let _ = wait_of(forfeited.acquire().await.unwrap());
}

#[tokio::test]
async fn independent_calls_are_decided_one_by_one() {
    let redis = TestRedis::start();
    let limiter = redis.queue().await.limiter();
    let (a, b) = (bucket("a", 1, HOUR, 1), bucket("b", 1, HOUR, 2));
    let calls = [vec![a.clone()], vec![a], vec![b.clone()], vec![b]];
    let granted: Vec<bool> =
        limiter.acquire_each(&calls).await.into_iter().map(|decision| decision.unwrap() == Decision::Granted).collect();
    assert_eq!(granted[2..], [true, true]);
    assert_eq!(granted[..2].iter().filter(|granted| **granted).count(), 1);
}

#[tokio::test]
async fn a_meter_counts_down_refuses_at_nothing_and_is_full_when_it_is_new() {
    let redis = TestRedis::start();
    let limiter = redis.queue().await.limiter();
    let (mine, other) = (bucket("mine", 60, HOUR, 3), bucket("other", 60, HOUR, 3));
    for left in [2, 1, 0] {
        let metered = limiter.meter(&mine).await.unwrap();
        assert_eq!((metered.decision, metered.left), (Decision::Granted, left));
        let used = 3 - left;
        assert!(metered.full_after > mine.interval() * (used - 1) && metered.full_after <= mine.interval() * used);
    }
    let refused = limiter.meter(&mine).await.unwrap();
    let wait = wait_of(refused.decision);
    assert!(refused.left == 0 && wait > Duration::ZERO && wait <= mine.interval(), "{refused:?}");
    assert_eq!(limiter.meter(&other).await.unwrap().left, 2, "each bucket by itself");
}
