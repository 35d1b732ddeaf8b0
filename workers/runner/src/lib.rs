//! The background half of Kamiflow: pools of workers over the queue, and the loops around them.
//!
//! # The picture
//!
//! ```text
//!  Postgres ── sweep: what is due and in no queue ──► queue ──► pool loop ─► turn: one tick of one shop, or one job
//!     ▲                                                 ▲                      │ the domain's use case
//!     │◄──────────────── transactions ──────────────────┼──────────────────────┤
//!     │                                                 └── wakes, next turn ──┘
//!     ├── outbox ─► relay ─► live:<merchant>
//!     ├── rollup deltas ─► folder ─► hourly sums
//!     └── hints ◄── push listeners ◄── the platform
//! ```
//!
//! Nothing here decides about orders: a turn calls a use case of the domain, which does its own transactions and says
//! when it wants its next turn and whom to wake. What this crate adds is *when*, *how many at once* and *what if*.
//!
//! # Guarantees
//!
//! - **No loop ends before shutdown.** A step is bounded, a panic or error is logged and followed by another step,
//!   and each turn of a loop is reported to [`Liveness`], so that one that hangs makes the process unready.
//! - **Nothing is forgotten.** Everything that is due has its time in Postgres. Wakes and schedules in Redis only
//!   make it sooner; the [`Sweep`] finds what they lost.
//! - **One merchant never fills a pool.** The queue hands out at most `merchant_concurrency` entries of a merchant and
//!   pool at once, over all processes.
//! - **A stop loses nothing.** No work is taken any more, what is in flight is finished, and what has not ended shortly
//!   before the deadline is handed back ([`RunnerHandle::stop`]).
//!
//! # What happens on a crash
//!
//! Leases expire and entries are taken over within the lease time; locks of single loops pass on when they expire;
//! attempts in flight are due in Postgres and read back by whoever takes the shop next.
//!
//! # How to add a loop
//!
//! Implement [`Step`], or [`Chore`] if one process at a time is enough, and start it in `runner`. For a job see `jobs`.

mod budget;
mod housekeeping;
mod jobs;
mod leader;
mod live;
mod liveness;
mod pool;
mod pools;
mod push;
mod relay;
mod retention;
mod runner;
mod smtp;
mod step;
mod sweep;
mod throttle;
mod turns;
mod waker;
mod work;

#[cfg(test)]
mod tests;

pub use budget::SharedBudget;
pub use housekeeping::{
    BacklogGauge, Chore, Led, LedgerRoots, PartitionCheck, PlatformStockWatch, RollupFolder, ShipByWatch, StockSweep,
    StockWatch, TokenWatch,
};
pub use live::{LiveEvent, LiveFeed};
pub use liveness::{Beat, Liveness};
pub use pools::{PoolKind, UnknownPool, queue_config};
pub use push::{PushListeners, PushSettings};
pub use relay::Relay;
pub use retention::Retention;
pub use runner::{Runner, RunnerConfig, RunnerError, RunnerHandle, Stopped};
pub use smtp::{SmtpError, SmtpMailer};
pub use step::{Step, StepError, Turn};
pub use sweep::Sweep;
pub use throttle::SharedThrottle;
pub use waker::Waker;
