//! The platform's call limits, shared by all processes through the queue's limiter.
//!
//! A call takes one permit of each of its buckets in one script, or none of any. A call that finds no room waits for
//! its turn, up to what its caller can wait, and is otherwise refused with the time after which there will be room.
//!
//! Calls of one process that compete for the same first bucket stand in a line, and only its head asks Redis: a
//! hundred waiting calls would otherwise all wake for each single permit, and luck would decide whose it is. Permits
//! are not fetched ahead: those that are not used in time would be lost to the other processes, and the round trip
//! that is saved is a hundredth of the call it stands before.

use std::collections::HashMap;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use kamiflow_pinduoduo::limits::{Bucket, CallBudget, Denied};
use kamiflow_queue::{Bucket as QueueBucket, Decision, Limiter, Queue, QueueError, Rate};
use sha2::{Digest, Sha256};
use tokio::time::Instant;
use tracing::{error, warn};

/// When a call is worth another try while the limiter cannot be asked.
const AFTER_NO_ANSWER: Duration = Duration::from_secs(1);
/// When a call is worth another try that did not even become the head of its line.
const AFTER_A_LONG_LINE: Duration = Duration::from_secs(1);
/// Longest readable end of a bucket's name; see [`name_of`].
const READABLE: usize = 31;

type Line = Arc<tokio::sync::Mutex<()>>;

/// Grants calls from buckets that all processes share. Cheap to clone.
#[derive(Clone)]
pub struct SharedBudget {
    limiter: Limiter,
    lines: Arc<Mutex<HashMap<String, Line>>>,
}

impl SharedBudget {
    /// Returns the budget over a queue's limiter.
    #[must_use]
    pub fn new(queue: &Queue) -> Self {
        Self { limiter: queue.limiter(), lines: Arc::default() }
    }

    async fn wait_for_turn(&self, buckets: &[Bucket], max_wait: Duration) -> Result<(), Denied> {
        let Some(first) = buckets.first() else { return Ok(()) };
        let translated = buckets.iter().map(translate).collect::<Result<Vec<_>, _>>().map_err(|cause| {
            let error: &dyn Error = &cause;
            error!(error, "A call limit of `{}` cannot be kept, so no call is made", first.key);
            Denied { retry_after: Duration::from_mins(5) }
        })?;
        let until = Instant::now() + max_wait;
        let place = Place::in_line(self, &first.key);
        let head = tokio::time::timeout_at(until, place.line.lock()).await;
        let Ok(_head) = head else {
            return Err(denied(&first.key, AFTER_A_LONG_LINE));
        };
        loop {
            match self.limiter.acquire(&translated).await {
                Ok(Decision::Granted) => return Ok(()),
                Ok(Decision::RetryAfter(after)) => {
                    if Instant::now() + after > until {
                        return Err(denied(&first.key, after));
                    }
                    tokio::time::sleep(after).await;
                }
                Err(cause) => {
                    let error: &dyn Error = &cause;
                    warn!(error, "The limiter cannot be asked, so no call is made");
                    return Err(denied(&first.key, AFTER_NO_ANSWER));
                }
            }
        }
    }
}

impl CallBudget for SharedBudget {
    fn acquire<'a>(&'a self, buckets: &'a [Bucket], max_wait: Duration) -> BoxFuture<'a, Result<(), Denied>> {
        self.wait_for_turn(buckets, max_wait).boxed()
    }
}

/// A place in the line of a bucket; the line goes with the last one who stands in it.
struct Place<'a> {
    budget: &'a SharedBudget,
    key: &'a str,
    line: Line,
}

impl<'a> Place<'a> {
    fn in_line(budget: &'a SharedBudget, key: &'a str) -> Self {
        let mut lines = budget.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let line = Arc::clone(lines.entry(key.to_owned()).or_default());
        Self { budget, key, line }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut lines = self.budget.lines.lock().unwrap_or_else(PoisonError::into_inner);
        // The map's and ours: nobody else stands here, and nobody can come while the map is locked.
        if Arc::strong_count(&self.line) == 2 {
            lines.remove(self.key);
        }
    }
}

fn denied(key: &str, retry_after: Duration) -> Denied {
    let api = key.rsplit(':').next().unwrap_or_default().to_owned();
    metrics::counter!("kamiflow_calls_denied_total", "api" => api).increment(1);
    Denied { retry_after }
}

fn translate(bucket: &Bucket) -> Result<QueueBucket, QueueError> {
    // All buckets of a gateway share the scope and so a cluster's slot: totals stand beside the malls' own limits.
    let scope = bucket.key.split(':').next().unwrap_or_default();
    let rate = Rate { count: bucket.permits, period: bucket.per, burst: bucket.burst };
    QueueBucket::new(scope, &name_of(&bucket.key), rate)
}

/// The name of a bucket in Redis: a digest of its key, which may be longer than a name can be, and the key's end for
/// whoever looks at it there.
fn name_of(key: &str) -> String {
    let digest = Sha256::digest(key.as_bytes());
    let mut name: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let api = key.rsplit(':').next().unwrap_or_default();
    let readable: String = api.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')).collect();
    let start = readable.len().saturating_sub(READABLE);
    name.push('.');
    name.push_str(readable.get(start..).unwrap_or_default());
    name
}

#[cfg(test)]
mod tests;
