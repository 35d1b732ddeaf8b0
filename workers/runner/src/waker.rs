//! Tells the pools, after a commit, what somebody should look at soon.
//!
//! A wake that is lost costs time and nothing else: the row it is about has its due time in Postgres, where the sweep
//! finds it. So nothing here fails; it logs.

use std::collections::HashMap;
use std::error::Error;

use kamiflow_domain::engine::Wake;
use kamiflow_kernel::MerchantId;
use kamiflow_queue::{Channels, Entry, Queue, QueueError, When};
use tracing::warn;

use crate::pools::PoolKind;

/// The channel on which the relay is told that there may be something in the outbox.
pub(crate) const OUTBOX_HINT: &str = "outbox";

/// Schedules what a commit made due. Cheap to clone.
#[derive(Clone)]
pub struct Waker {
    queue: Queue,
    channels: Channels,
}

impl Waker {
    /// Returns a waker over a queue.
    #[must_use]
    pub fn new(queue: &Queue) -> Self {
        Self { queue: queue.clone(), channels: queue.channels() }
    }

    /// Schedules what a merchant's commit made due.
    pub async fn wake(&self, merchant: MerchantId, wakes: &[Wake]) {
        let mut by_pool: HashMap<PoolKind, Vec<(Entry, When)>> = HashMap::new();
        for wake in wakes {
            let (pool, member) = match wake {
                Wake::Sync(shop) => (PoolKind::Sync, shop.to_string()),
                Wake::Deliver(shop) => (PoolKind::Deliver, shop.to_string()),
                Wake::Redeem(shop) => (PoolKind::Redeem, shop.to_string()),
                Wake::Job(job) => (PoolKind::Jobs, job.to_string()),
            };
            match entry(&member, merchant) {
                Ok(entry) => by_pool.entry(pool).or_default().push((entry, When::Now)),
                Err(error) => warn!(%error, "A wake of `{member}` is not an entry"),
            }
        }
        for (pool, mut entries) in by_pool {
            entries.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
            entries.dedup();
            log(self.queue.schedule_many(pool.as_str(), &entries).await, "Waking a pool");
        }
    }

    /// Tells the relay that there may be something in the outbox, and pages what moved ([`crate::LiveFeed`]).
    pub(crate) async fn hint_outbox(&self, moved: &Entry) {
        log(self.channels.publish(OUTBOX_HINT, moved.as_str().as_bytes()).await, "Waking the outbox relay");
    }
}

/// Returns the entry of a shop or job: its group is its merchant.
pub(crate) fn entry(member: &str, merchant: MerchantId) -> Result<Entry, QueueError> {
    Entry::new(member, &merchant.to_string())
}

fn log<T>(result: Result<T, QueueError>, what: &str) {
    if let Err(cause) = result {
        let cause: &dyn Error = &cause;
        warn!(error = cause, "{what} failed; the sweep will find it");
    }
}
