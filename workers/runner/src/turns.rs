//! One turn: the work for a leased entry, kept alive, and what follows it.
//!
//! - **Panics, hangs and errors** end the turn and put the entry off, by a delay that grows and is scattered. Entries
//!   are never parked: what an error says about one order or job is counted in Postgres by the work itself.
//! - **A lost lease** does not stop the work. Fences in Postgres decide whose writes count, and a call cut off in the
//!   middle would turn a known outcome into an unknown one; when Redis is emptied that would be every call at once.
//! - **Shutdown** lets turns finish. Those that have not when the deadline comes are dropped, and their entries go
//!   back to the queue: what they had started is due again in Postgres.

use std::collections::HashMap;
use std::error::Error;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::TimeDelta;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use kamiflow_domain::backoff::{RetryClass, next_delay};
use kamiflow_domain::engine::{EngineError, TickOutcome};
use kamiflow_domain::market_trouble;
use kamiflow_kernel::{Clock, MerchantId};
use kamiflow_queue::{Completion, Entry, KeepAliveEnd, Lease, Next, Queue, When};
use kamiflow_store::StoreError;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use crate::pools::PoolKind;
use crate::waker::Waker;

/// Does the work for one entry of a pool.
pub(crate) type Work = Arc<dyn Fn(Entry) -> BoxFuture<'static, Result<TickOutcome, WorkError>> + Send + Sync>;

/// How long an entry rests that says it is due and in which nothing moved: it must not spin.
const NOTHING_MOVED: TimeDelta = TimeDelta::seconds(1);
/// Bugs and damage: a fast repetition helps nobody.
const OUR_BUG: RetryClass = RetryClass::PlatformFault;
/// How often a completion is tried; after that the entry is taken over when its lease ends.
const COMPLETION_TRIES: u32 = 3;

/// Why a turn failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WorkError {
    /// The engine stopped early.
    #[error("the engine stopped early")]
    Engine(#[from] EngineError),
    /// An entry that this program did not write.
    #[error("an entry does not name a merchant and one of its shops or jobs")]
    Entry(#[from] kamiflow_kernel::IdParseError),
}

/// Runs the turns of one pool.
pub(crate) struct Turns {
    pub(crate) kind: PoolKind,
    pub(crate) work: Work,
    pub(crate) queue: Queue,
    pub(crate) waker: Waker,
    pub(crate) clock: Arc<dyn Clock>,
    /// Cancelled when turns in flight must end.
    pub(crate) deadline: CancellationToken,
    pub(crate) failures: Failures,
}

/// How a turn ended.
enum End {
    Finished(TickOutcome),
    Failed(WorkError),
    Panicked,
    Overlong,
    HandedBack,
}

impl Turns {
    /// Runs one turn to its end and completes the entry.
    pub(crate) async fn run(&self, lease: Lease) {
        let started = Instant::now();
        let end = self.work(&lease).await;
        let outcome = end.outcome();
        metrics::histogram!("kamiflow_tick_seconds", "pool" => self.kind.as_str()).record(started.elapsed());
        metrics::counter!("kamiflow_ticks_total", "pool" => self.kind.as_str(), "outcome" => outcome).increment(1);
        let next = self.follow(&lease, end).await;
        self.complete(&lease, next).await;
    }

    /// Gives an entry back untouched.
    pub(crate) async fn hand_back(&self, lease: Lease) {
        self.complete(&lease, Next::Now).await;
    }

    async fn work(&self, lease: &Lease) -> End {
        let guarded = AssertUnwindSafe(async { (self.work)(lease.entry().clone()).await }).catch_unwind();
        let mut work = pin!(tokio::time::timeout(self.kind.longest_turn(), guarded));
        tokio::select! {
            outcome = &mut work => return End::of(outcome),
            kept = lease.keep_alive(&self.deadline) => match kept {
                KeepAliveEnd::Shutdown => return End::HandedBack,
                KeepAliveEnd::Lost => {
                    warn!(queue.pool = %self.kind, queue.member = lease.member(), "A turn goes on without its lease");
                }
            },
        }
        tokio::select! {
            outcome = &mut work => End::of(outcome),
            () = self.deadline.cancelled() => End::HandedBack,
        }
    }

    /// Wakes others, and decides when the entry runs again.
    async fn follow(&self, lease: &Lease, end: End) -> Next {
        let (pool, member) = (self.kind, lease.member());
        match end {
            End::Finished(outcome) => {
                self.failures.forget(member);
                self.after(lease, outcome).await
            }
            End::HandedBack => {
                info!(queue.pool = %pool, queue.member = member, "Handed a turn back that had not ended");
                Next::Now
            }
            End::Failed(WorkError::Entry(cause)) => {
                let error: &dyn Error = &cause;
                error!(queue.pool = %pool, error, "Dropped an entry nobody can work on");
                Next::Done
            }
            End::Failed(WorkError::Engine(EngineError::Store(StoreError::NotFound(what)))) => {
                debug!(queue.pool = %pool, queue.member = member, "What a turn was for is gone: no {what}");
                Next::Done
            }
            End::Failed(WorkError::Engine(cause)) => {
                let error: &dyn Error = &cause;
                warn!(queue.pool = %pool, queue.member = member, error, "A turn of `{member}` in `{pool}` failed");
                self.later(delay(&cause, self.failures.count(member)))
            }
            End::Panicked => {
                error!(queue.pool = %pool, queue.member = member, "A turn of `{member}` in `{pool}` panicked");
                self.later(next_delay(OUR_BUG, self.failures.count(member), &mut rand::rng()))
            }
            End::Overlong => {
                let limit = pool.longest_turn();
                error!(queue.pool = %pool, queue.member = member, "A turn of `{member}` was given up after {limit:?}");
                self.later(next_delay(OUR_BUG, self.failures.count(member), &mut rand::rng()))
            }
        }
    }

    fn later(&self, delay: Duration) -> Next {
        Next::At(self.clock.now() + TimeDelta::from_std(delay).unwrap_or(TimeDelta::minutes(5)))
    }

    async fn after(&self, lease: &Lease, outcome: TickOutcome) -> Next {
        if !outcome.wakes.is_empty() {
            match lease.group().parse::<MerchantId>() {
                Ok(merchant) => self.waker.wake(merchant, &outcome.wakes).await,
                Err(error) => warn!(%error, "A turn ended for a group that is no merchant"),
            }
        }
        for (merchant, wakes) in &outcome.wakes_elsewhere {
            self.waker.wake(*merchant, wakes).await;
        }
        if outcome.done > 0 {
            self.waker.hint_outbox(lease.entry()).await;
        }
        next_turn(&outcome, self.clock.now())
    }

    /// Completes an entry; if the lease is lost, what follows is scheduled all the same.
    async fn complete(&self, lease: &Lease, next: Next) {
        for attempt in 1..=COMPLETION_TRIES {
            match self.queue.complete(lease, next).await {
                Ok(Completion::Completed) => return,
                Ok(Completion::Lost) => break,
                Err(cause) => {
                    let (error, pool): (&dyn Error, _) = (&cause, self.kind);
                    warn!(queue.pool = %pool, queue.member = lease.member(), error, "Completing an entry failed");
                }
            }
            if attempt < COMPLETION_TRIES {
                let pause = next_delay(RetryClass::Storage, attempt, &mut rand::rng());
                tokio::time::sleep(pause).await;
            }
        }
        let when = match next {
            Next::Done => return,
            Next::Now => When::Now,
            Next::At(at) => When::At(at),
        };
        // An emptied Redis has forgotten the entry, and a successor is satisfied by one that stands there already.
        if let Err(cause) = self.queue.schedule(self.kind.as_str(), lease.entry(), when).await {
            let error: &dyn Error = &cause;
            warn!(queue.pool = %self.kind, queue.member = lease.member(), error, "The sweep must find an entry again");
        }
    }
}

impl End {
    fn of<E1, E2>(outcome: Result<Result<Result<TickOutcome, WorkError>, E1>, E2>) -> Self {
        match outcome {
            Ok(Ok(Ok(outcome))) => Self::Finished(outcome),
            Ok(Ok(Err(error))) => Self::Failed(error),
            Ok(Err(_panic)) => Self::Panicked,
            Err(_elapsed) => Self::Overlong,
        }
    }

    const fn outcome(&self) -> &'static str {
        match self {
            Self::Finished(TickOutcome { done: 0, .. }) => "idle",
            Self::Finished(_) => "worked",
            Self::Failed(WorkError::Engine(EngineError::Market(_))) => "platform_error",
            Self::Failed(WorkError::Engine(EngineError::Store(_))) => "store_error",
            Self::Failed(WorkError::Entry(_)) => "unknown_entry",
            Self::Panicked => "panicked",
            Self::Overlong => "overlong",
            Self::HandedBack => "handed_back",
        }
    }
}

/// When a turn that ended well is followed by the next one.
fn next_turn(outcome: &TickOutcome, now: chrono::DateTime<chrono::Utc>) -> Next {
    match outcome.next {
        None => Next::Done,
        Some(at) if at > now => Next::At(at),
        Some(_) if outcome.done == 0 => Next::At(now + NOTHING_MOVED),
        Some(_) => Next::Now,
    }
}

/// How long to wait after an error, the `attempt`th in a row.
fn delay(error: &EngineError, attempt: u32) -> Duration {
    let class = match error {
        EngineError::Market(error) => return market_trouble::delay(error, attempt),
        EngineError::Store(error) if error.is_transient() || error.is_connection_lost() => RetryClass::Storage,
        EngineError::Store(_) => OUR_BUG,
    };
    next_delay(class, attempt, &mut rand::rng())
}

/// Failures in a row of each member, as this process has seen them. Only delays depend on it, so it need not be
/// shared or kept.
#[derive(Default)]
pub(crate) struct Failures(Mutex<HashMap<String, u32>>);

impl Failures {
    /// Counts a failure and returns how many there were in a row.
    fn count(&self, member: &str) -> u32 {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(member.to_owned()).or_default();
        *count = count.saturating_add(1);
        *count
    }

    fn forget(&self, member: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(member);
    }
}

#[cfg(test)]
mod tests;
