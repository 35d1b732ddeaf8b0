//! TCP, silent and frozen servers, wrong credentials, full memory: no call waits for ever.

use std::time::{Duration, Instant};

use tokio::net::{TcpListener, UnixStream};

use super::support::{POOL, TestRedis, entry, take, take_one, within};
use crate::{Completion, Next, Queue, QueueConfig, QueueError, When};

const SHORT: Duration = Duration::from_millis(200);

#[tokio::test]
async fn the_queue_works_over_tcp() {
    let redis = TestRedis::start();
    let socket = redis.socket();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let relay = tokio::spawn(async move {
        loop {
            let (mut outside, _) = listener.accept().await.unwrap();
            let mut inside = UnixStream::connect(&socket).await.unwrap();
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut outside, &mut inside).await });
        }
    });
    let queue = Queue::connect(QueueConfig::new(format!("redis://127.0.0.1:{port}/"), "test:")).await.unwrap();
    queue.schedule(POOL, &entry("shop_1", "mer_1"), When::Now).await.unwrap();
    let lease = take_one(&mut queue.consumer(POOL).unwrap()).await;
    assert_eq!(queue.complete(&lease, Next::Done).await.unwrap(), Completion::Completed);
    relay.abort();
}

#[tokio::test]
async fn a_server_that_accepts_and_says_nothing_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let config = QueueConfig {
        connect_timeout: SHORT,
        response_timeout: SHORT,
        ..QueueConfig::new(format!("redis://127.0.0.1:{port}/"), "test:")
    };
    let begin = Instant::now();
    let refusal = Queue::connect(config).await.err().unwrap();
    assert!(refusal.is_unavailable(), "{refusal:?}");
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn a_frozen_server_parks_neither_a_command_nor_a_waiting_consumer() {
    let redis = TestRedis::start();
    let queue = redis.queue_with(|config| config.response_timeout = SHORT).await;
    let mut consumer = queue.consumer(POOL).unwrap();
    let waiting = tokio::spawn(async move {
        let answer = consumer.take(1, Duration::from_millis(500)).await.map(|leases| leases.len());
        (consumer, answer)
    });
    redis.until_blocked(&queue, 1).await;
    redis.signal("STOP");
    let refusal = within(queue.schedule(POOL, &entry("shop_1", "mer_1"), When::Now)).await.unwrap_err();
    assert!(refusal.is_unavailable(), "{refusal:?}");
    let (mut consumer, answer) = within(waiting).await.unwrap();
    assert!(answer.unwrap_err().is_unavailable());

    redis.signal("CONT");
    let shop = entry("shop_2", "mer_2");
    within(async { while queue.schedule(POOL, &shop, When::Now).await.is_err() {} }).await;
    // The schedule that went unanswered may have taken effect as well: unknown means unknown.
    let leases = take(&mut consumer, 10).await;
    assert!(leases.iter().any(|lease| *lease.entry() == shop));
}

#[tokio::test]
async fn wrong_credentials_and_a_full_memory_are_refusals() {
    let redis = TestRedis::start();
    let queue = redis.queue().await;
    let mut consumer = queue.consumer(POOL).unwrap();
    queue.schedule(POOL, &entry("shop_0", "mer_1"), When::Now).await.unwrap();
    redis.command(&queue, &["CONFIG", "SET", "maxmemory", "1"]).await;
    let refusal = queue.schedule(POOL, &entry("shop_1", "mer_1"), When::Now).await.unwrap_err();
    assert!(matches!(refusal, QueueError::Refused(_)), "{refusal:?}");
    let lease = take_one(&mut consumer).await;
    let completion = queue.complete(&lease, Next::Now).await.unwrap();
    assert_eq!(completion, Completion::Completed, "what is there still drains");
    redis.command(&queue, &["CONFIG", "SET", "maxmemory", "0"]).await;
    queue.schedule(POOL, &entry("shop_1", "mer_1"), When::Now).await.unwrap();

    redis.command(&queue, &["ACL", "SETUSER", "worker", "on", ">right", "+@all", "~*"]).await;
    let url = format!("unix://{}?user=worker&pass=wrong", redis.socket().display());
    let refusal = Queue::connect(QueueConfig::new(url, "test:")).await.err().unwrap();
    assert!(matches!(refusal, QueueError::Refused(_)), "{refusal:?}");
    let url = format!("unix://{}?user=worker&pass=right", redis.socket().display());
    assert!(Queue::connect(QueueConfig::new(url, "test:")).await.is_ok());
}
