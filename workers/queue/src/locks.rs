//! Named locks with an expiry, for work that should be done by one process at a time.
//!
//! They save work and prove nothing: after a pause, a failover or an emptied Redis two processes may hold one lock.

use std::time::Duration;

use crate::entry::check_name;
use crate::script::{self, Script};
use crate::{Queue, QueueError};

/// Locks shared by all processes.
#[derive(Clone)]
pub struct Locks {
    queue: Queue,
}

impl Locks {
    pub(crate) fn new(queue: Queue) -> Self {
        Self { queue }
    }

    /// Takes a free lock or extends one's own, and returns whether `holder` has it for another `ttl`.
    ///
    /// # Errors
    ///
    /// See [`QueueError`].
    pub async fn try_lease(&self, name: &str, holder: &str, ttl: Duration) -> Result<bool, QueueError> {
        let arguments = [holder.to_owned(), as_expiry(ttl)];
        self.ask(&script::LOCK, name, holder, &arguments).await
    }

    /// Extends one's own lock and returns whether `holder` still has it.
    ///
    /// # Errors
    ///
    /// See [`QueueError`].
    pub async fn renew(&self, name: &str, holder: &str, ttl: Duration) -> Result<bool, QueueError> {
        let arguments = [holder.to_owned(), as_expiry(ttl)];
        self.ask(&script::RENEW_LOCK, name, holder, &arguments).await
    }

    /// Gives one's own lock back and returns whether `holder` still had it.
    ///
    /// # Errors
    ///
    /// See [`QueueError`].
    pub async fn release(&self, name: &str, holder: &str) -> Result<bool, QueueError> {
        self.ask(&script::UNLOCK, name, holder, &[holder.to_owned()]).await
    }

    /// Returns who has a lock.
    ///
    /// # Errors
    ///
    /// See [`QueueError`].
    pub async fn holder(&self, name: &str) -> Result<Option<String>, QueueError> {
        check_name("lock", name)?;
        let mut command = redis::cmd("GET");
        command.arg(self.queue.shared.keys.lock(name));
        self.queue.shared.connections.query(&command).await
    }

    async fn ask(&self, script: &Script, name: &str, holder: &str, arguments: &[String]) -> Result<bool, QueueError> {
        check_name("lock", name)?;
        check_name("lock holder", holder)?;
        let keys = [self.queue.shared.keys.lock(name)];
        let answer: i64 = script.run(&self.queue.shared.connections, &keys, arguments).await?;
        Ok(answer == 1)
    }
}

fn as_expiry(ttl: Duration) -> String {
    ttl.as_millis().max(1).to_string()
}
