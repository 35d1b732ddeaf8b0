//! Redis is emptied, restarted or away while the queue works, and the queue goes on.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::support::{POOL, TestRedis, entry, take, take_one, within};
use crate::{Completion, EpochState, Holding, Next, Queue, When};

const SHOPS: usize = 200;

fn shops() -> Vec<(crate::Entry, When)> {
    (0..SHOPS).map(|n| (entry(n, &format!("mer_{}", n % 20)), When::Now)).collect()
}

/// What a worker process does: take, complete, report.
async fn work(queue: Queue, done: mpsc::UnboundedSender<(usize, Completion)>, shutdown: CancellationToken) {
    let mut consumer = queue.consumer(POOL).unwrap();
    while !shutdown.is_cancelled() {
        for lease in consumer.take(16, Duration::from_millis(20)).await.unwrap() {
            let member = lease.member().parse().unwrap();
            let completion = queue.complete(&lease, Next::Done).await.unwrap();
            done.send((member, completion)).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn emptying_redis_while_consumers_run_leaves_a_working_queue() {
    let redis = TestRedis::start();
    let queue = redis.queue().await;
    let (sender, mut done) = mpsc::unbounded_channel();
    let shutdown = CancellationToken::new();
    let workers: Vec<_> = (0..3).map(|_| tokio::spawn(work(queue.clone(), sender.clone(), shutdown.clone()))).collect();

    assert_eq!(queue.ensure_epoch().await.unwrap(), EpochState::Fresh);
    for round in 0..10 {
        queue.schedule_many(POOL, &shops()).await.unwrap();
        // Some runs are in the middle when everything goes away.
        for _ in 0..round * 10 {
            let _ = within(done.recv()).await.unwrap();
        }
        redis.command(&queue, &["FLUSHALL"]).await;
        within(queue.emptied()).await;
        assert_eq!(queue.ensure_epoch().await.unwrap(), EpochState::Fresh);
    }

    // Only completions after this point count: everything scheduled now must run.
    let lease_free = within(async {
        while queue.stats(POOL).await.unwrap().backlog() > 0 {
            tokio::task::yield_now().await;
        }
        while done.try_recv().is_ok() {}
    });
    lease_free.await;
    queue.schedule_many(POOL, &shops()).await.unwrap();
    let mut runs: HashMap<usize, usize> = HashMap::new();
    while runs.len() < SHOPS {
        let (member, completion) = within(done.recv()).await.unwrap();
        if completion == Completion::Completed {
            *runs.entry(member).or_default() += 1;
        }
    }
    assert_eq!(queue.stats(POOL).await.unwrap().backlog(), 0);
    shutdown.cancel();
    for worker in workers {
        within(worker).await.unwrap();
    }
}

#[tokio::test]
async fn a_reader_blocked_while_redis_is_emptied_sees_what_comes_after() {
    let redis = TestRedis::start();
    let queue = redis.queue().await;
    let mut consumer = queue.consumer(POOL).unwrap();
    assert!(take(&mut consumer, 1).await.is_empty());
    let waiting = tokio::spawn(async move {
        loop {
            let leases = consumer.take(1, Duration::from_secs(5)).await.unwrap();
            if !leases.is_empty() {
                return leases.len();
            }
        }
    });
    redis.until_blocked(&queue, 1).await;
    redis.command(&queue, &["FLUSHALL"]).await;
    queue.schedule(POOL, &entry("shop_1", "mer_1"), When::Now).await.unwrap();
    assert_eq!(within(waiting).await.unwrap(), 1);
}

#[tokio::test]
async fn a_lease_from_before_the_emptying_is_lost() {
    let redis = TestRedis::start();
    let queue = redis.queue().await;
    let shop = entry("shop_1", "mer_1");
    let mut consumer = queue.consumer(POOL).unwrap();
    queue.schedule(POOL, &shop, When::Now).await.unwrap();
    let old = take_one(&mut consumer).await;
    redis.command(&queue, &["FLUSHALL"]).await;
    assert_eq!(old.renew().await.unwrap(), Holding::Lost);
    queue.schedule(POOL, &shop, When::Now).await.unwrap();
    let new = take_one(&mut consumer).await;
    assert_eq!(queue.complete(&old, Next::Now).await.unwrap(), Completion::Lost);
    assert_eq!(queue.complete(&new, Next::Done).await.unwrap(), Completion::Completed);
}

#[tokio::test]
async fn an_epoch_is_begun_by_exactly_one_of_many() {
    let redis = TestRedis::start();
    let queue = redis.queue().await;
    for _ in 0..3 {
        let states = join_all((0..20).map(|_| queue.ensure_epoch())).await;
        let fresh = states.into_iter().filter(|state| *state.as_ref().unwrap() == EpochState::Fresh);
        assert_eq!(fresh.count(), 1);
        assert_eq!(queue.ensure_epoch().await.unwrap(), EpochState::Known);
        redis.command(&queue, &["FLUSHALL"]).await;
    }
}

#[tokio::test]
async fn forgotten_scripts_are_sent_again() {
    let redis = TestRedis::start();
    let queue = redis.queue().await;
    let mut consumer = queue.consumer(POOL).unwrap();
    for _ in 0..2 {
        queue.schedule(POOL, &entry("shop_1", "mer_1"), When::Now).await.unwrap();
        redis.command(&queue, &["SCRIPT", "FLUSH"]).await;
        let lease = take_one(&mut consumer).await;
        redis.command(&queue, &["SCRIPT", "FLUSH"]).await;
        assert_eq!(lease.renew().await.unwrap(), Holding::Held);
        redis.command(&queue, &["SCRIPT", "FLUSH"]).await;
        assert_eq!(queue.complete(&lease, Next::Done).await.unwrap(), Completion::Completed);
    }
}

#[tokio::test]
async fn a_restarted_server_is_found_again() {
    let mut redis = TestRedis::start();
    let queue = redis.queue().await;
    let mut consumer = queue.consumer(POOL).unwrap();
    let shop = entry("shop_1", "mer_1");
    queue.schedule(POOL, &shop, When::Now).await.unwrap();
    assert!(consumer.take(1, Duration::from_millis(10)).await.unwrap().len() == 1);
    redis.restart();
    within(async {
        let mut failures = 0;
        while let Err(error) = queue.schedule(POOL, &shop, When::Now).await {
            assert!(error.is_unavailable(), "{error:?}");
            failures += 1;
            assert!(failures <= 4, "each connection fails at most once");
        }
    })
    .await;
    let leases = within(async {
        loop {
            match consumer.take(1, Duration::from_millis(10)).await {
                Ok(leases) if !leases.is_empty() => return leases,
                Ok(_) => {}
                Err(error) => assert!(error.is_unavailable(), "{error:?}"),
            }
        }
    })
    .await;
    assert_eq!(queue.complete(&leases[0], Next::Done).await.unwrap(), Completion::Completed);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable() {
    let redis = TestRedis::start();
    let config = redis.config();
    drop(redis);
    let refusal = Queue::connect(config).await.err().unwrap();
    assert!(refusal.is_unavailable(), "{refusal:?}");
}

#[tokio::test]
async fn a_queue_filled_from_another_incarnation_of_the_data_forgets_everything() {
    let redis = TestRedis::start();
    let queue = redis.queue().await;
    queue.schedule_many(POOL, &shops()).await.unwrap();
    assert!(!queue.adopt("installation:1").await.unwrap(), "nobody knew where it came from");
    assert_eq!(queue.ensure_epoch().await.unwrap(), EpochState::Fresh);
    assert!(!queue.adopt("installation:1").await.unwrap());
    assert!(queue.stats(POOL).await.unwrap().backlog() > 0, "an ordinary start keeps what is there");

    let lock = queue.locks();
    assert!(lock.try_lease("a", "somebody", Duration::from_secs(60)).await.unwrap());
    assert!(queue.adopt("installation:2").await.unwrap());
    let stats = queue.stats(POOL).await.unwrap();
    assert_eq!(stats.backlog(), 0, "{stats:?}");
    assert!(lock.try_lease("a", "somebody-else", Duration::from_secs(60)).await.unwrap(), "locks are gone, too");
    assert_eq!(queue.ensure_epoch().await.unwrap(), EpochState::Fresh);
    assert!(!queue.adopt("installation:2").await.unwrap());
}
