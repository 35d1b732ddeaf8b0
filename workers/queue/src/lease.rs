//! The right to work on an entry, as long as it is refreshed.

use std::sync::Arc;

use metrics::counter;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::script;
use crate::{Entry, Next, Queue, QueueError};

/// The right to work on one entry until it is completed or taken over.
///
/// A lease saves work, it proves nothing: a holder that stalls for longer than the lease time runs beside its
/// successor. What must not happen twice is fenced in Postgres. Dropping a lease abandons the entry, which is then
/// taken over when the lease time has passed.
pub struct Lease {
    parts: LeaseParts,
}

pub(crate) struct LeaseParts {
    pub(crate) queue: Queue,
    pub(crate) pool: Arc<str>,
    pub(crate) consumer: Arc<str>,
    pub(crate) token: Arc<str>,
    pub(crate) entry: Entry,
    pub(crate) stream_id: String,
    pub(crate) taken_over: bool,
}

/// Whether a lease is still one's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Holding {
    /// The lease is ours and lasts another lease time.
    Held,
    /// Somebody took the entry over, or Redis was emptied: stop working on it.
    Lost,
}

/// What a completion did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Completion {
    /// The entry left the consumer, and what was to follow is scheduled.
    Completed,
    /// The lease was lost before: nothing changed, and nothing was scheduled.
    Lost,
}

/// Why [`Lease::keep_alive`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum KeepAliveEnd {
    /// The lease is lost, or Redis could not be reached for a whole lease time, which comes to the same.
    Lost,
    /// The shutdown token was cancelled; the lease is still held.
    Shutdown,
}

impl Lease {
    pub(crate) fn new(parts: LeaseParts) -> Self {
        Self { parts }
    }

    /// Returns what is worked on, with its group.
    pub fn entry(&self) -> &Entry {
        &self.parts.entry
    }

    /// Returns what is worked on.
    pub fn member(&self) -> &str {
        self.parts.entry.member()
    }

    /// Returns whose concurrency the work counts against.
    pub fn group(&self) -> &str {
        self.parts.entry.group()
    }

    /// Returns the pool the entry was taken from.
    pub fn pool(&self) -> &str {
        &self.parts.pool
    }

    /// Returns whether an earlier holder abandoned the entry.
    pub fn is_taken_over(&self) -> bool {
        self.parts.taken_over
    }

    /// Extends the lease by a full lease time; called at least every third of it.
    ///
    /// # Errors
    ///
    /// See [`QueueError`]; the lease may still be ours.
    pub async fn renew(&self) -> Result<Holding, QueueError> {
        let parts = &self.parts;
        let shared = &parts.queue.shared;
        let arguments = [
            parts.pool.to_string(),
            parts.consumer.to_string(),
            parts.token.to_string(),
            parts.stream_id.clone(),
            parts.entry.as_str().to_owned(),
            shared.config.lease_ttl.as_millis().to_string(),
        ];
        let held: i64 = script::RENEW.run(&shared.connections, &[self.base()], &arguments).await?;
        Ok(if held == 1 { Holding::Held } else { Holding::Lost })
    }

    /// Renews every third of the lease time until the lease is lost or `shutdown` is cancelled.
    ///
    /// Run it beside the work and stop working when it ends with [`KeepAliveEnd::Lost`]. While a process winds down,
    /// its work in flight still needs its leases: pass a token that is cancelled when that work must end, not the one
    /// that asks the process to stop.
    pub async fn keep_alive(&self, shutdown: &CancellationToken) -> KeepAliveEnd {
        let ttl = self.parts.queue.shared.config.lease_ttl;
        let mut held_until = Instant::now() + ttl;
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return KeepAliveEnd::Shutdown,
                () = tokio::time::sleep(ttl / 3) => {}
            }
            let asked = Instant::now();
            match self.renew().await {
                Ok(Holding::Held) => held_until = asked + ttl,
                Ok(Holding::Lost) => return KeepAliveEnd::Lost,
                Err(error) => warn!(queue.pool = %self.parts.pool, queue.member = %self.member(), %error,
                    "Renewing a lease failed"),
            }
            if Instant::now() >= held_until {
                return KeepAliveEnd::Lost;
            }
        }
    }

    fn base(&self) -> String {
        let keys = &self.parts.queue.shared.keys;
        keys.base(keys.partition_of(&self.parts.entry), &self.parts.pool)
    }
}

impl Queue {
    /// Ends a run: acknowledges the entry, schedules what follows and admits the next of its group, in one script.
    ///
    /// A schedule that arrived during the run makes the entry run again at its date, whatever `next` says.
    ///
    /// # Errors
    ///
    /// See [`QueueError`]. The call may be repeated; if the first one took effect the second says
    /// [`Completion::Lost`]. If it is not repeated, the entry is taken over and runs once more.
    pub async fn complete(&self, lease: &Lease, next: Next) -> Result<Completion, QueueError> {
        let parts = &lease.parts;
        let arguments = [
            parts.pool.to_string(),
            parts.token.to_string(),
            parts.stream_id.clone(),
            parts.entry.as_str().to_owned(),
            self.shared.config.group_limit_of(&parts.pool).to_string(),
            next.as_argument(),
        ];
        let completed: i64 = script::COMPLETE.run(&self.shared.connections, &[lease.base()], &arguments).await?;
        if completed == 1 {
            return Ok(Completion::Completed);
        }
        counter!("kamiflow_queue_leases_lost_total", "pool" => parts.pool.to_string()).increment(1);
        Ok(Completion::Lost)
    }
}
