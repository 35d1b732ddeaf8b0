//! The message push (protocol 8): one WebSocket per application, carrying the messages of all its malls.
//!
//! A message is a hint that something changed, never the truth. The platform delivers at least once and in
//! no order, so the contract with the sink is small: it stores the hint and says so; only then is the
//! message acknowledged. A message whose hint was not stored is answered with `Fail`, one whose connection
//! broke is not answered, and the platform delivers both again.
//!
//! The connection lives in one task until it is stopped. A heartbeat goes out every few seconds; a
//! connection that has been silent for three minutes is taken for dead. Whatever ends a connection, the
//! next one is tried for ever, with pauses that double and are scattered, so that a platform that comes
//! back is not met by every installation in the same second.
//!
//! At most [`PushConfig::max_in_flight`] messages are being stored at once. When that many are, nothing
//! further is read and the platform's own buffers wait: memory stays bounded whatever arrives. An idle
//! connection holds one 4 KiB read buffer and shares its TLS configuration with all others.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use kamiflow_kernel::Clock;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use url::Url;

pub use decoded::{Decoded, decode};
pub use frame::{PushKind, PushMessage};

use crate::keys::AppKeys;

mod decoded;
mod frame;
mod session;

/// Where and how to listen.
#[derive(Debug, Clone)]
pub struct PushConfig {
    /// The push server, `wss://message-api.pinduoduo.com` or the sandbox's; from server configuration only.
    pub url: Url,
    /// The application.
    pub keys: AppKeys,
    /// Pause between heartbeats; the official client's is 5 s.
    pub heartbeat: Duration,
    /// A connection without any frame for so long is dead; the official client's is 3 min.
    pub silence: Duration,
    /// Until the handshake is done.
    pub connect_timeout: Duration,
    /// First pause before connecting again.
    pub backoff_from: Duration,
    /// Longest pause before connecting again.
    pub backoff_to: Duration,
    /// Messages being stored at once.
    pub max_in_flight: usize,
    /// How long storing one hint may take before the message counts as failed.
    pub store_timeout: Duration,
}

impl PushConfig {
    /// Returns the official client's timing.
    #[must_use]
    pub const fn new(url: Url, keys: AppKeys) -> Self {
        Self {
            url,
            keys,
            heartbeat: Duration::from_secs(5),
            silence: Duration::from_mins(3),
            connect_timeout: Duration::from_secs(10),
            backoff_from: Duration::from_secs(1),
            backoff_to: Duration::from_mins(1),
            max_in_flight: 64,
            store_timeout: Duration::from_secs(30),
        }
    }
}

/// Why a hint was not stored; sent to the platform, so without private data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotStored(pub String);

/// Stores hints.
pub trait PushSink: Send + Sync + 'static {
    /// Stores what a message hints at. The message is acknowledged after this has succeeded, so it must be
    /// durable then; the same message may come again.
    fn store(&self, message: PushMessage) -> BoxFuture<'_, Result<(), NotStored>>;
}

/// Where a listener is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PushPhase {
    /// Opens a connection.
    Connecting,
    /// Listens.
    Connected,
    /// Pauses before the next connection.
    Pausing,
    /// Was stopped.
    Stopped,
}

/// What a listener does, for status and readiness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushStatus {
    /// Where it is.
    pub phase: PushPhase,
    /// Since when it has been connected; `None` while it is not.
    pub connected_since: Option<DateTime<Utc>>,
    /// When the last frame of any kind came.
    pub last_frame_at: Option<DateTime<Utc>>,
    /// Connections that were lost or refused since the start.
    pub failures: u64,
    /// Why the last one was.
    pub last_failure: Option<String>,
    /// Messages whose hint was stored since the start.
    pub stored: u64,
}

/// A running listener. Dropping it does not stop it; its token does.
#[derive(Debug)]
pub struct PushListener {
    status: watch::Receiver<PushStatus>,
    task: JoinHandle<()>,
}

impl PushListener {
    /// Returns what the listener does now.
    #[must_use]
    pub fn status(&self) -> PushStatus {
        self.status.borrow().clone()
    }

    /// Returns a way to wait for changes of [`Self::status`].
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<PushStatus> {
        self.status.clone()
    }

    /// Waits until the listener has stopped.
    pub async fn stopped(self) {
        if let Err(error) = self.task.await {
            warn!(%error, "A push listener ended abnormally");
        }
    }
}

struct Shared {
    config: PushConfig,
    clock: Arc<dyn Clock>,
    sink: Arc<dyn PushSink>,
    status: watch::Sender<PushStatus>,
}

/// Starts listening until `stop` is cancelled. On stop, hints being stored are finished and answered.
#[must_use]
pub fn connect(
    config: PushConfig,
    clock: Arc<dyn Clock>,
    sink: Arc<dyn PushSink>,
    stop: CancellationToken,
) -> PushListener {
    let (status, observed) = watch::channel(PushStatus {
        phase: PushPhase::Connecting,
        connected_since: None,
        last_frame_at: None,
        failures: 0,
        last_failure: None,
        stored: 0,
    });
    let shared = Shared { config, clock, sink, status };
    let task = tokio::spawn(async move {
        // Boxed, so that the task's idle size is that of one session and not of every stage's locals.
        Box::pin(listen(&shared, &stop)).await;
        shared.status.send_modify(|status| {
            status.phase = PushPhase::Stopped;
            status.connected_since = None;
        });
    });
    PushListener { status: observed, task }
}

async fn listen(shared: &Shared, stop: &CancellationToken) {
    let client_id = shared.config.keys.client_id();
    let mut pause = shared.config.backoff_from;
    loop {
        shared.status.send_modify(|status| status.phase = PushPhase::Connecting);
        let frames_before = shared.status.borrow().last_frame_at;
        let end = session::run(shared, stop).await;
        if stop.is_cancelled() {
            return;
        }
        let heard = shared.status.borrow().last_frame_at != frames_before;
        if heard {
            pause = shared.config.backoff_from;
        }
        let wait = scatter(pause);
        metrics::counter!("kamiflow_push_disconnects_total").increment(1);
        info!(client_id, reason = %end, "Push connection ended, the next follows in {} ms", wait.as_millis());
        shared.status.send_modify(|status| {
            status.phase = PushPhase::Pausing;
            status.connected_since = None;
            status.failures += 1;
            status.last_failure = Some(end.to_string());
        });
        if stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
            return;
        }
        pause = (pause * 2).min(shared.config.backoff_to);
    }
}

/// Half of the pause is certain, half is chance.
fn scatter(pause: Duration) -> Duration {
    let half = pause / 2;
    half + half.mul_f64(rand::random::<f64>())
}

#[cfg(test)]
mod tests;
