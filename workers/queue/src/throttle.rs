//! Delays that grow with each attempt, shared by all processes.
//!
//! A line of attempts is one hash in Redis: how many there were, and when the next one may be. An attempt is counted when
//! it begins and forgiven when it went well, so that many at the same time count as many. All lines of an attempt are
//! judged and counted by one script, in all of them or in none; they share one tag, because log-ins are rare compared
//! with work. When Redis is emptied, everybody begins anew: what a limiter must not do is right here, since a delay that
//! nobody earned would keep the rightful out.

use std::time::Duration;

use crate::entry::check_name;
use crate::limiter::Decision;
use crate::script;
use crate::{Queue, QueueError};

/// One line of attempts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its name; hash what must not be read in Redis.
    pub name: String,
    /// Attempts that go through at once.
    pub free: u32,
    /// The delay after them; it doubles with each attempt.
    pub first_delay: Duration,
    /// The longest delay.
    pub longest_delay: Duration,
    /// After so long without an attempt all is forgotten.
    pub forgotten_after: Duration,
}

/// Counts attempts and says how long to wait. Cheap to clone.
#[derive(Clone)]
pub struct Throttle {
    queue: Queue,
}

impl Throttle {
    pub(crate) fn new(queue: Queue) -> Self {
        Self { queue }
    }

    /// Counts an attempt in every line, or in none if one of them asks to wait.
    ///
    /// # Errors
    ///
    /// See [`QueueError`]; without an answer nothing is known of the attempts before.
    pub async fn pass(&self, lines: &[Line]) -> Result<Decision, QueueError> {
        if lines.is_empty() {
            return Ok(Decision::Granted);
        }
        let (mut keys, mut arguments) = (Vec::new(), Vec::new());
        for line in lines {
            keys.push(self.key(&line.name)?);
            for part in [line.first_delay, line.longest_delay, line.forgotten_after] {
                arguments.push(part.as_millis().max(1).to_string());
            }
            arguments.push(line.free.to_string());
        }
        let wait: u64 = script::PASS.run(&self.queue.shared.connections, &keys, &arguments).await?;
        Ok(if wait == 0 { Decision::Granted } else { Decision::RetryAfter(Duration::from_millis(wait)) })
    }

    /// Forgets all attempts of these lines.
    ///
    /// # Errors
    ///
    /// See [`QueueError`].
    pub async fn forgive(&self, names: &[&str]) -> Result<(), QueueError> {
        if names.is_empty() {
            return Ok(());
        }
        let mut command = redis::cmd("DEL");
        for name in names {
            command.arg(self.key(name)?);
        }
        self.queue.shared.connections.query(&command).await
    }

    fn key(&self, name: &str) -> Result<String, QueueError> {
        check_name("line of attempts", name)?;
        Ok(self.queue.shared.keys.throttle(name))
    }
}
