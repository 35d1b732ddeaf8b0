//! The counting of attempts, shared by all processes through the queue's Redis.

use std::error::Error;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use kamiflow_domain::accounts::Wakes;
use kamiflow_domain::accounts::throttle::{Gate, Passage, Throttle, ThrottleDown};
use kamiflow_domain::engine::Wake;
use kamiflow_kernel::MerchantId;
use kamiflow_queue::{Decision, Line, Queue};
use sha2::{Digest, Sha256};
use tracing::{error, warn};

use crate::waker::Waker;

/// Counts attempts in Redis. What is counted there by are hashes: a key says neither who nor where from.
#[derive(Clone)]
pub struct SharedThrottle {
    lines: kamiflow_queue::Throttle,
}

impl SharedThrottle {
    /// Returns the throttle over a queue's Redis.
    #[must_use]
    pub fn new(queue: &Queue) -> Self {
        Self { lines: queue.throttle() }
    }
}

impl Throttle for SharedThrottle {
    fn pass<'a>(&'a self, gates: &'a [Gate]) -> BoxFuture<'a, Result<Passage, ThrottleDown>> {
        async move {
            let lines: Vec<Line> = gates.iter().map(line).collect();
            match self.lines.pass(&lines).await {
                Ok(Decision::Granted) => Ok(Passage::Open),
                Ok(Decision::RetryAfter(wait)) => Ok(Passage::Wait(wait)),
                Err(cause) => {
                    let error: &dyn Error = &cause;
                    error!(error, "Attempts cannot be counted, so none is allowed");
                    Err(ThrottleDown)
                }
            }
        }
        .boxed()
    }

    fn forgive<'a>(&'a self, gates: &'a [Gate]) -> BoxFuture<'a, ()> {
        async move {
            let names: Vec<String> = gates.iter().map(name).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            if let Err(cause) = self.lines.forgive(&names).await {
                let error: &dyn Error = &cause;
                warn!(error, "Attempts were not forgiven; they are with time");
            }
        }
        .boxed()
    }
}

fn line(gate: &Gate) -> Line {
    Line {
        name: name(gate),
        free: gate.free,
        first_delay: gate.first_delay,
        longest_delay: gate.longest_delay,
        forgotten_after: gate.forgotten_after,
    }
}

fn name(gate: &Gate) -> String {
    let digest = Sha256::digest(gate.key.as_bytes());
    digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

impl Wakes for Waker {
    fn wake<'a>(&'a self, merchant: MerchantId, wakes: &'a [Wake]) -> BoxFuture<'a, ()> {
        Self::wake(self, merchant, wakes).boxed()
    }
}
