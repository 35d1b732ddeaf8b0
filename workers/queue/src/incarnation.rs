//! Which incarnation of the data the queue was filled from: a restored database makes everything here worthless.
//!
//! After a restore the rows are those of an earlier moment. Entries, leases, locks and limits that were made for the
//! later ones must not be believed: they are removed, and the queue is filled anew from Postgres as after an emptied
//! Redis.

use crate::{Queue, QueueError};

/// Keys looked at by one step of a scan.
const SCAN: usize = 1_000;

impl Queue {
    /// Takes the queue for an incarnation of the data, named by any text. If it was filled from another one, every
    /// key of the prefix is removed first, and [`Queue::ensure_epoch`] begins a new epoch. Returns whether it was.
    ///
    /// A Redis that knows no incarnation is one that was emptied, or a new one: what it holds is not removed.
    ///
    /// # Errors
    ///
    /// See [`QueueError`]. Calling again is safe: the incarnation is written last.
    pub async fn adopt(&self, incarnation: &str) -> Result<bool, QueueError> {
        let key = self.shared.keys.incarnation();
        let known: Option<String> = self.shared.connections.query(redis::cmd("GET").arg(&key)).await?;
        if known.as_deref() == Some(incarnation) {
            return Ok(false);
        }
        let another = known.is_some();
        if another {
            self.remove_all().await?;
        }
        let () = self.shared.connections.query(redis::cmd("SET").arg(&key).arg(incarnation)).await?;
        Ok(another)
    }

    /// Removes every key of the prefix but the incarnation, which is overwritten last: whoever dies on the way leaves
    /// it, and the next one begins anew.
    async fn remove_all(&self) -> Result<(), QueueError> {
        let keep = self.shared.keys.incarnation();
        // The configuration allows no character in a prefix that a pattern would not take literally.
        let pattern = format!("{}*", self.shared.config.prefix);
        let mut cursor: u64 = 0;
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(SCAN);
            let (next, mut keys): (u64, Vec<String>) = self.shared.connections.query(&scan).await?;
            keys.retain(|key| *key != keep);
            if !keys.is_empty() {
                let _removed: u64 = self.shared.connections.query(redis::cmd("UNLINK").arg(&keys)).await?;
            }
            cursor = next;
            if cursor == 0 {
                return Ok(());
            }
        }
    }
}
