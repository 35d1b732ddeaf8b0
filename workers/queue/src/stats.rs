//! Figures for metrics and for `doctor`.

use metrics::gauge;

use crate::QueueError;

/// How much waits and how much runs in a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolStats {
    /// The pool.
    pub pool: String,
    /// Entries whose time has not come.
    pub due: u64,
    /// Entries whose time has come and that the promoter has not moved yet.
    pub overdue: u64,
    /// Entries that wait for a consumer or for a slot of their group.
    pub ready: u64,
    /// Entries delivered to a consumer and not completed.
    pub pending: u64,
    /// Those of the pending ones that have a lease; the rest were delivered to a consumer that died at once.
    pub leased: u64,
}

impl PoolStats {
    pub(crate) fn from_counts(pool: &str, counts: (u64, u64, u64, u64, u64)) -> Self {
        let (due, overdue, live, pending, leased) = counts;
        Self { pool: pool.to_owned(), due, overdue, ready: live.saturating_sub(pending), pending, leased }
    }

    /// Returns what KEDA scales on.
    pub fn backlog(&self) -> u64 {
        self.overdue + self.ready + self.pending
    }

    /// Sets the gauges `kamiflow_queue_backlog{pool}` and `kamiflow_queue_entries{pool,place}`.
    pub fn record(&self) {
        gauge!("kamiflow_queue_backlog", "pool" => self.pool.clone()).set(as_gauge(self.backlog()));
        let places = [("due", self.due), ("overdue", self.overdue), ("ready", self.ready), ("pending", self.pending)];
        for (place, count) in places {
            gauge!("kamiflow_queue_entries", "pool" => self.pool.clone(), "place" => place).set(as_gauge(count));
        }
    }
}

/// Gauges are floating point; counts past 2^32 entries do not occur in a Redis.
fn as_gauge(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

/// What Redis does when its memory is full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryPolicy {
    /// The value of `maxmemory-policy`.
    pub policy: String,
    /// The value of `maxmemory` in bytes; 0 is no limit.
    pub limit: u64,
}

impl MemoryPolicy {
    /// Returns whether Redis refuses writes instead of forgetting keys, which the queue needs.
    pub fn is_noeviction(&self) -> bool {
        self.policy == "noeviction"
    }

    pub(crate) fn parse(info: &str) -> Result<Self, QueueError> {
        let field = |name: &str| {
            let prefix = format!("{name}:");
            info.lines().find_map(|line| line.strip_prefix(prefix.as_str()))
        };
        let (Some(policy), Some(limit)) = (field("maxmemory_policy"), field("maxmemory")) else {
            return Err(QueueError::Protocol("INFO memory lacks maxmemory and its policy".into()));
        };
        Ok(Self {
            policy: policy.trim().to_owned(),
            limit: limit.trim().parse().map_err(|error| QueueError::Protocol(Box::new(error)))?,
        })
    }
}
