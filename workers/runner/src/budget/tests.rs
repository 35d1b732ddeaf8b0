//! The budget over a Redis of its own.

use std::time::Duration;

use kamiflow_pinduoduo::limits::{Bucket, CallBudget};
use kamiflow_queue::{Queue, QueueConfig};
use kamiflow_runtime::local::LocalRedis;

use super::*;

async fn budget() -> (tempfile::TempDir, LocalRedis, SharedBudget) {
    let folder = tempfile::tempdir().unwrap();
    let redis = LocalRedis::start(folder.path()).await.unwrap();
    let config = QueueConfig { limiter_settling: Duration::ZERO, ..QueueConfig::new(redis.url(), "test:") };
    let budget = SharedBudget::new(&Queue::connect(config).await.unwrap());
    (folder, redis, budget)
}

fn bucket(key: &str, permits: u32, burst: u32) -> Bucket {
    Bucket { key: key.to_owned(), permits, per: Duration::from_secs(60), burst }
}

#[tokio::test]
async fn a_call_that_cannot_wait_is_told_when_there_is_room() {
    let (_folder, _redis, budget) = budget().await;
    let buckets = [bucket("sandbox:mall:1:client:pdd.order.list.get", 6, 2)];
    for _ in 0..2 {
        budget.acquire(&buckets, Duration::ZERO).await.unwrap();
    }
    let denied = budget.acquire(&buckets, Duration::from_secs(1)).await.unwrap_err();
    assert!((Duration::from_secs(5)..=Duration::from_secs(10)).contains(&denied.retry_after), "{denied:?}");
    let other_mall = [bucket("sandbox:mall:2:client:pdd.order.list.get", 6, 2)];
    budget.acquire(&other_mall, Duration::ZERO).await.unwrap();
}

#[tokio::test]
async fn a_call_without_room_in_one_bucket_takes_nothing_from_the_others() {
    let (_folder, _redis, budget) = budget().await;
    let (mall, total) = (bucket("sandbox:mall:1:client:pdd.a", 60, 2), bucket("sandbox:api:pdd.a", 1, 1));
    let both = [mall.clone(), total.clone()];
    budget.acquire(&both, Duration::ZERO).await.unwrap();
    budget.acquire(&both, Duration::ZERO).await.unwrap_err();
    // One of the mall's two permits is still there.
    budget.acquire(&[mall], Duration::ZERO).await.unwrap();
}

#[tokio::test]
async fn calls_wait_in_the_order_they_came() {
    let (_folder, _redis, budget) = budget().await;
    // One permit every 20 ms.
    let buckets = [bucket("sandbox:mall:1:client:pdd.a", 3_000, 1)];
    budget.acquire(&buckets, Duration::ZERO).await.unwrap();
    let order = Mutex::new(Vec::new());
    let calls = (0..10).map(|number| {
        let (budget, buckets, order) = (&budget, &buckets, &order);
        async move {
            budget.acquire(buckets, Duration::from_secs(20)).await.unwrap();
            order.lock().unwrap().push(number);
        }
    });
    futures_util::future::join_all(calls).await;
    assert_eq!(order.into_inner().unwrap(), (0..10).collect::<Vec<_>>());
    assert!(budget.lines.lock().unwrap().is_empty(), "a line goes with the last one who stands in it");
}

#[tokio::test]
async fn a_limiter_that_cannot_be_asked_grants_nothing() {
    let (_folder, redis, budget) = budget().await;
    redis.stop().unwrap();
    let denied = budget.acquire(&[bucket("sandbox:api:pdd.a", 60, 2)], Duration::from_secs(1)).await.unwrap_err();
    assert_eq!(denied.retry_after, AFTER_NO_ANSWER);
}

#[test]
fn names_fit_into_keys_differ_with_the_key_and_show_the_api() {
    let long = format!("production:mall:123456789:{}:pdd.order.number.list.increment.get", "c".repeat(40));
    let (one, other) = (name_of(&long), name_of(&long.replace("mall:1", "mall:2")));
    assert_ne!(one, other);
    assert!(one.len() <= 64 && one.ends_with(".order.number.list.increment.get"), "{one}");
    translate(&bucket(&long, 1, 1)).unwrap();
}
