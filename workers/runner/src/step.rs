//! How every loop of the runner turns: bounded steps, errors that never end it, one shutdown token.

use std::error::Error;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use kamiflow_domain::backoff::{RetryClass, next_delay};
use kamiflow_queue::QueueError;
use kamiflow_store::StoreError;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use crate::liveness::{Beat, Liveness};

/// Longest step. Statements and calls have limits of their own far below it, so a step that reaches it hangs.
const STEP_LIMIT: Duration = Duration::from_secs(30);
/// The longest pause after failures; see [`RetryClass::Storage`].
const LONGEST_BACKOFF: Duration = Duration::from_secs(10);

/// What a loop does after a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Turn {
    /// There is more to do: the next step follows at once.
    More,
    /// The loop rests.
    Rest,
}

/// Why a step failed; the loop tries again after a pause.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// Postgres did not do what was asked.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// Redis did not do what was asked.
    #[error("the queue failed")]
    Queue(#[from] QueueError),
}

/// A loop, one step at a time.
pub trait Step: Send + 'static {
    /// The loop's name in logs, metrics and health.
    fn name(&self) -> String;

    /// How long the loop rests.
    fn pause(&self) -> Duration;

    /// Does one bounded piece of work. A step may be dropped in the middle.
    fn step(&mut self) -> impl Future<Output = Result<Turn, StepError>> + Send;

    /// Rests, or less if something wakes the loop.
    fn rest(&mut self) -> impl Future<Output = ()> + Send {
        tokio::time::sleep(self.pause())
    }

    /// Gives back what the loop holds.
    fn end(self) -> impl Future<Output = ()> + Send
    where
        Self: Sized,
    {
        std::future::ready(())
    }
}

/// Registers a loop and starts it.
pub(crate) fn spawn<S: Step>(step: S, liveness: &Liveness, stop: &CancellationToken) -> tokio::task::JoinHandle<()> {
    let allowed_silence = step.pause() + STEP_LIMIT + LONGEST_BACKOFF;
    let beat = liveness.register(&step.name(), allowed_silence);
    tokio::spawn(drive(step, beat, stop.clone()))
}

/// Turns a loop until `stop` is cancelled. A step in progress is finished.
async fn drive<S: Step>(mut this: S, beat: Beat, stop: CancellationToken) {
    let name = this.name();
    let mut failures = 0;
    while !stop.is_cancelled() {
        beat();
        match step_caught(&mut this).await {
            Ok(turn) => {
                failures = 0;
                match turn {
                    Turn::More => tokio::task::yield_now().await,
                    Turn::Rest => rest(&stop, this.rest()).await,
                }
            }
            Err(cause) => {
                failures += 1;
                let pause = next_delay(RetryClass::Storage, failures, &mut rand::rng());
                report(&name, &cause, pause);
                rest(&stop, tokio::time::sleep(pause)).await;
            }
        }
    }
    this.end().await;
}

async fn rest(stop: &CancellationToken, resting: impl Future<Output = ()>) {
    // Interrupted or rested: the loop looks at the token next.
    let _rested = stop.run_until_cancelled(resting).await;
}

enum Failure {
    Step(StepError),
    Panicked,
    Hung,
}

async fn step_caught<S: Step>(this: &mut S) -> Result<Turn, Failure> {
    match tokio::time::timeout(STEP_LIMIT, AssertUnwindSafe(this.step()).catch_unwind()).await {
        Ok(Ok(Ok(turn))) => Ok(turn),
        Ok(Ok(Err(cause))) => Err(Failure::Step(cause)),
        // The panic hook has printed it already, with its place.
        Ok(Err(_panic)) => Err(Failure::Panicked),
        Err(_elapsed) => Err(Failure::Hung),
    }
}

fn report(name: &str, failure: &Failure, pause: Duration) {
    let kind = match failure {
        Failure::Step(cause) => {
            let cause: &dyn Error = cause;
            warn!(runner.loop = name, error = cause, "A step of `{name}` failed, the next follows in {pause:?}");
            "failed"
        }
        Failure::Panicked => {
            error!(runner.loop = name, "A step of `{name}` panicked, the next follows in {pause:?}");
            "panicked"
        }
        Failure::Hung => {
            error!(runner.loop = name, "A step of `{name}` was given up after {STEP_LIMIT:?}");
            "hung"
        }
    };
    metrics::counter!("kamiflow_loop_failures_total", "loop" => name.to_owned(), "kind" => kind).increment(1);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Fails in each way once, then works until it has turned ten times.
    struct Troubled {
        steps: usize,
        ended: Arc<AtomicUsize>,
        stop: CancellationToken,
    }

    impl Step for Troubled {
        fn name(&self) -> String {
            "troubled".to_owned()
        }

        fn pause(&self) -> Duration {
            Duration::from_secs(1)
        }

        async fn step(&mut self) -> Result<Turn, StepError> {
            self.steps += 1;
            match self.steps {
                1 => panic!("a bug"),
                2 => Err(StoreError::Unavailable("away".to_owned()).into()),
                3 => std::future::pending().await,
                4 => Ok(Turn::More),
                10 => {
                    self.stop.cancel();
                    Ok(Turn::Rest)
                }
                _ => Ok(Turn::Rest),
            }
        }

        async fn end(self) {
            self.ended.store(self.steps, Ordering::Relaxed);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_loop_survives_panics_errors_and_hangs_and_beats_every_turn() {
        let (stop, ended, beats) = (CancellationToken::new(), Arc::default(), Arc::new(AtomicUsize::new(0)));
        let beaten = Arc::clone(&beats);
        let liveness = Liveness::new(move |name, allowed| {
            assert_eq!((name, allowed), ("troubled", Duration::from_secs(41)));
            let beaten = Arc::clone(&beaten);
            Box::new(move || {
                beaten.fetch_add(1, Ordering::Relaxed);
            })
        });
        let troubled = Troubled { steps: 0, ended: Arc::clone(&ended), stop: stop.clone() };
        spawn(troubled, &liveness, &stop).await.unwrap();
        assert_eq!((ended.load(Ordering::Relaxed), beats.load(Ordering::Relaxed)), (10, 10));
    }
}
