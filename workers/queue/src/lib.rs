//! The work queue over Redis: due sets, ready streams, leases, rate limits, locks and live events.
//!
//! This crate is the only one that knows Redis, and it knows nothing of shops or orders. Postgres is the truth;
//! everything here can vanish at any moment and is built again from it.
//!
//! # The picture
//!
//! ```text
//!                 schedule(at)                       schedule(now)
//!                      │                                   │
//!                      ▼                                   │
//!          due  (sorted set: entry → ms)                   │
//!                      │ promote, every 100 ms             │
//!                      ▼                                   ▼
//!              is a slot of the group free? ──no──► line of the group (list)
//!                      │ yes                               │ when a slot becomes free
//!                      ▼                                   ▼
//!          ready  (stream, one consumer group per pool) ◄──┘
//!                      │ take: XREADGROUP, grant
//!                      ▼
//!          leased (pending entry, holder token, slot with expiry) ──ttl passes──► taken over: XAUTOCLAIM
//!                      │ complete: XACK + XDEL + what follows
//!                      ▼
//!          gone, due again, or ready again at the tail
//! ```
//!
//! An [`Entry`] is a member (a shop, a job) and the group (a merchant) whose concurrency it counts against. A pool
//! is a name; each pool is cut into 64 partitions, and all keys of a partition carry the tag `{pNN}`. The group
//! decides the partition, because then its slots, its line and its entries are under one tag and the limit is exact
//! within one script. Each arrow above is one Lua script, so an entry is never in two places or in none.
//!
//! # Guarantees
//!
//! - A pool holds an entry at most once. Scheduling one that is ready or leased is remembered, and a run that begins
//!   after the schedule satisfies it; a schedule during a run makes the entry due again when the run completes.
//! - No more entries of a group are leased at once than its limit. Those over the limit stand in the group's own
//!   line and never in front of another group: between two entries of merchant A, everybody else has a turn.
//! - A completion or renewal by a holder that lost the lease changes nothing and says so.
//! - A lease saves work and proves nothing: two holders of one entry are rare, not impossible. Fences are in
//!   Postgres.
//! - Nothing is parked. Entries have no attempt counter and no dead letters; who fails is scheduled later.
//!
//! # What happens on a crash
//!
//! - A consumer dies: its entries stay pending, nobody refreshes them, and after the lease time the next `take` of
//!   any consumer of the pool takes them over. Its record is deleted once nothing is pending for it.
//! - A consumer stalls beyond its lease: it loses the entry and learns so by [`Lease::renew`] or on completion.
//! - Redis restarts or is emptied: calls fail for a moment, connections and scripts are replaced, consumer groups
//!   are created at 0 by the next `take`, which also wakes [`Queue::emptied`]. [`Queue::ensure_epoch`] then tells
//!   exactly one process to schedule everything again, and limiters start without burst.
//! - An answer is lost: schedule, renew, locks and complete may be repeated. Entries read but never received are
//!   taken over like those of a dead consumer.
//!
//! # How to add a pool
//!
//! Choose a name, schedule into it, run a loop around [`Consumer::take`] and name it to the [`Promoter`]; streams
//! and groups appear by themselves. Give it its own group limit in [`QueueConfig::pool_group_limits`] if the default
//! does not fit, and record [`PoolStats`] for it so that it is scaled.
//!
//! # Connections and Redis Cluster
//!
//! Commands share a few multiplexed connections. Each consumer has one more for its blocking read, which waits on
//! all 64 streams at once. The scripts that look at a whole pool take any number of partitions as keys: a single
//! node gets all 64 in one call. In a cluster each would be called once per partition, and a consumer would need one
//! blocking connection per node; no key layout changes. The client is a single-node client today.

mod channels;
mod config;
mod connection;
mod consumer;
mod entry;
mod error;
mod incarnation;
mod keys;
mod lease;
mod limiter;
mod locks;
mod promoter;
mod queue;
mod script;
mod stats;
mod throttle;

#[cfg(test)]
mod tests;

pub use channels::{ChannelEvent, Channels, Subscription};
pub use config::QueueConfig;
pub use consumer::Consumer;
pub use entry::{Entry, Next, Placement, When};
pub use error::QueueError;
pub use lease::{Completion, Holding, KeepAliveEnd, Lease};
pub use limiter::{Bucket, Decision, Limiter, Metered, Prefetch, Rate};
pub use locks::Locks;
pub use promoter::Promoter;
pub use queue::{EpochState, Queue};
pub use stats::{MemoryPolicy, PoolStats};
pub use throttle::{Line, Throttle};
