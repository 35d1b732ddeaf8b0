//! A lock has one holder, and only that holder renews or releases it.

use std::time::Duration;

use futures_util::future::join_all;

use super::support::{TestRedis, within};

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_lock_has_one_holder() {
    let redis = TestRedis::start();
    let locks = redis.queue().await.locks();
    let names: Vec<String> = (0..20).map(|n| format!("process_{n}")).collect();
    let answers = join_all(names.iter().map(|name| locks.try_lease("push.3", name, LONG))).await;
    let winners: Vec<_> = names.iter().zip(answers).filter(|(_, won)| *won.as_ref().unwrap()).collect();
    assert_eq!(winners.len(), 1);
    let winner = winners[0].0;
    assert_eq!(locks.holder("push.3").await.unwrap().as_deref(), Some(winner.as_str()));
    assert!(locks.try_lease("push.3", winner, LONG).await.unwrap(), "its holder may take it again");
    assert!(locks.try_lease("push.4", "other", LONG).await.unwrap(), "locks are independent");
}

#[tokio::test]
async fn only_the_holder_renews_and_releases() {
    let redis = TestRedis::start();
    let locks = redis.queue().await.locks();
    assert!(locks.try_lease("fold", "one", LONG).await.unwrap());
    assert!(!locks.renew("fold", "two", LONG).await.unwrap());
    assert!(!locks.release("fold", "two").await.unwrap());
    assert!(locks.renew("fold", "one", LONG).await.unwrap());
    assert!(locks.release("fold", "one").await.unwrap());
    assert!(!locks.release("fold", "one").await.unwrap());
    assert!(!locks.renew("fold", "one", LONG).await.unwrap(), "renewing never takes a free lock");
    assert!(locks.try_lease("fold", "two", LONG).await.unwrap());
}

#[tokio::test]
async fn a_lock_that_is_not_renewed_becomes_free() {
    let redis = TestRedis::start();
    let locks = redis.queue().await.locks();
    assert!(locks.try_lease("fold", "dead", Duration::from_millis(30)).await.unwrap());
    within(async { while !locks.try_lease("fold", "living", LONG).await.unwrap() {} }).await;
    assert!(!locks.renew("fold", "dead", LONG).await.unwrap());
}
