//! One process at a time for work that would only be repeated by the others.

use std::time::Duration;

use kamiflow_queue::{Locks, Queue, QueueError};
use tracing::debug;

/// A named lock that its holder extends on each turn. It saves work and proves nothing: whatever it guards must be
/// harmless when two processes do it.
pub(crate) struct Leader {
    locks: Locks,
    name: &'static str,
    holder: String,
    ttl: Duration,
}

impl Leader {
    /// The lock of this name, for this process; it passes to another one when nobody turned for `ttl`.
    pub(crate) fn new(queue: &Queue, name: &'static str, ttl: Duration) -> Self {
        Self { locks: queue.locks(), name, holder: uuid::Uuid::now_v7().to_string(), ttl }
    }

    /// Returns whether it is this process's turn.
    pub(crate) async fn is_ours(&self) -> Result<bool, QueueError> {
        self.locks.try_lease(self.name, &self.holder, self.ttl).await
    }

    /// Lets another process go on at once.
    pub(crate) async fn resign(self) {
        if let Err(error) = self.locks.release(self.name, &self.holder).await {
            debug!(%error, "The lock `{}` was not given back and will expire", self.name);
        }
    }
}
