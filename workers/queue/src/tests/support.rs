//! A private Redis per test, reached over a unix socket, and short ways to say common things.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tempfile::TempDir;

use crate::{Consumer, Entry, Lease, Placement, Queue, QueueConfig};

pub(crate) const POOL: &str = "sync";

/// A redis-server of one test; it dies with the value.
pub(crate) struct TestRedis {
    folder: TempDir,
    server: Child,
}

impl TestRedis {
    pub(crate) fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let server = start_server(&folder);
        Self { folder, server }
    }

    pub(crate) fn restart(&mut self) {
        self.server.kill().unwrap();
        self.server.wait().unwrap();
        self.server = start_server(&self.folder);
    }

    /// Stops the server in its tracks (`STOP`), as a frozen machine would, or lets it go on (`CONT`).
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.server.id().to_string();
        let status = Command::new("kill").args(["-s", name, &pid]).status().unwrap();
        assert!(status.success());
    }

    pub(crate) fn socket(&self) -> PathBuf {
        socket(&self.folder)
    }

    pub(crate) fn config(&self) -> QueueConfig {
        QueueConfig {
            limiter_settling: Duration::ZERO,
            ..QueueConfig::new(format!("unix://{}", socket(&self.folder).display()), "test:")
        }
    }

    pub(crate) async fn queue(&self) -> Queue {
        Queue::connect(self.config()).await.unwrap()
    }

    pub(crate) async fn queue_with(&self, change: impl FnOnce(&mut QueueConfig)) -> Queue {
        let mut config = self.config();
        change(&mut config);
        Queue::connect(config).await.unwrap()
    }

    pub(crate) async fn command(&self, queue: &Queue, words: &[&str]) -> redis::Value {
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        queue.shared.connections.query(&command).await.unwrap()
    }

    /// Reads one number out of INFO.
    pub(crate) async fn info(&self, queue: &Queue, section: &str, field: &str) -> u64 {
        let mut command = redis::cmd("INFO");
        command.arg(section);
        let text: String = queue.shared.connections.query(&command).await.unwrap();
        let value = text.lines().find_map(|line| line.strip_prefix(field)).unwrap_or("0");
        let digits: String = value.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().unwrap()
    }

    pub(crate) async fn until_blocked(&self, queue: &Queue, readers: u64) {
        within(async {
            while self.info(queue, "clients", "blocked_clients:").await != readers {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
}

impl Drop for TestRedis {
    fn drop(&mut self) {
        drop(self.server.kill());
        drop(self.server.wait());
    }
}

fn socket(folder: &TempDir) -> PathBuf {
    folder.path().join("redis.sock")
}

fn start_server(folder: &TempDir) -> Child {
    let mut server = Command::new("redis-server")
        .args(["--port", "0", "--save", "", "--appendonly", "no"])
        .arg("--unixsocket")
        .arg(socket(folder))
        .arg("--dir")
        .arg(folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .expect("redis-server must be installed");
    let log = BufReader::new(server.stdout.take().unwrap());
    let ready = log
        .lines()
        .map_while(Result::ok)
        .any(|line| line.contains("ready to accept connections") || line.contains("Ready to accept connections"));
    assert!(ready, "redis-server ended before it was ready");
    server
}

/// Fails instead of hanging.
pub(crate) async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), work).await.expect("the test should have been done by now")
}

pub(crate) fn entry(member: impl std::fmt::Display, group: &str) -> Entry {
    Entry::new(&member.to_string(), group).unwrap()
}

/// The server's clock, in the queue's precision.
pub(crate) async fn server_now(queue: &Queue) -> DateTime<Utc> {
    let (seconds, micros): (i64, i64) = queue.shared.connections.query(&redis::cmd("TIME")).await.unwrap();
    DateTime::from_timestamp_millis(seconds * 1_000 + micros / 1_000).unwrap()
}

pub(crate) async fn in_an_hour(queue: &Queue) -> DateTime<Utc> {
    server_now(queue).await + TimeDelta::hours(1)
}

pub(crate) async fn take(consumer: &mut Consumer, max: usize) -> Vec<Lease> {
    consumer.take(max, Duration::ZERO).await.unwrap()
}

pub(crate) async fn take_one(consumer: &mut Consumer) -> Lease {
    let mut leases = take(consumer, 1).await;
    assert_eq!(leases.len(), 1, "expected one entry to be ready");
    leases.remove(0)
}

pub(crate) async fn placement(queue: &Queue, entry: &Entry) -> Placement {
    queue.placements(POOL, std::slice::from_ref(entry)).await.unwrap()[0]
}
