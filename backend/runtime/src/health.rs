//! Liveness of loops: readiness depends on each loop's last turn, not on the HTTP server.
//!
//! A worker whose blocking read hangs still answers HTTP. Each loop therefore registers once, with
//! the longest silence that is normal for it, and reports every turn, idle ones too. A loop that
//! panicked or hangs goes silent and the process stops being ready; nothing has to notice the
//! crash. Silence is measured on the monotonic clock, so setting the machine's time changes nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The loops of a process. Clones share the same registry.
#[derive(Debug, Clone, Default)]
pub struct Health {
    loops: Arc<Mutex<BTreeMap<String, Pulse>>>,
}

#[derive(Debug)]
struct Pulse {
    last_turn: Instant,
    allowed_silence: Duration,
}

/// The handle with which one loop reports its turns. Clones report for the same loop.
#[derive(Debug, Clone)]
pub struct Beat {
    name: String,
    health: Health,
}

/// How one loop does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoopHealth {
    /// The loop's name.
    pub name: String,
    /// The time since its last turn.
    pub silence: Duration,
    /// The longest silence that is normal for it.
    pub allowed_silence: Duration,
}

impl LoopHealth {
    /// Returns whether the loop turned recently enough.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.silence <= self.allowed_silence
    }
}

impl Health {
    /// Returns a registry without loops.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Registers a loop; registering counts as its first turn, and replaces a loop of this name.
    #[must_use]
    pub fn register(&self, name: &str, allowed_silence: Duration) -> Beat {
        self.register_at(name, allowed_silence, Instant::now())
    }

    /// Returns how every loop does, by name.
    #[must_use]
    pub fn report(&self) -> Vec<LoopHealth> {
        self.report_at(Instant::now())
    }

    /// Returns whether every loop turned recently enough.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.report().iter().all(LoopHealth::is_alive)
    }

    fn register_at(&self, name: &str, allowed_silence: Duration, now: Instant) -> Beat {
        let pulse = Pulse { last_turn: now, allowed_silence };
        self.lock().insert(name.to_owned(), pulse);
        Beat { name: name.to_owned(), health: self.clone() }
    }

    fn report_at(&self, now: Instant) -> Vec<LoopHealth> {
        self.lock()
            .iter()
            .map(|(name, pulse)| LoopHealth {
                name: name.clone(),
                silence: now.saturating_duration_since(pulse.last_turn),
                allowed_silence: pulse.allowed_silence,
            })
            .collect()
    }

    /// A poisoned lock guards a map of times that is still true.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Pulse>> {
        self.loops.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Beat {
    /// Reports one turn of the loop.
    pub fn turn(&self) {
        self.turn_at(Instant::now());
    }

    /// Takes the loop out of the registry, when it ends because it should.
    pub fn retire(self) {
        self.health.lock().remove(&self.name);
    }

    fn turn_at(&self, now: Instant) {
        if let Some(pulse) = self.health.lock().get_mut(&self.name) {
            pulse.last_turn = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALLOWED: Duration = Duration::from_secs(10);

    #[test]
    fn a_loop_that_stops_turning_is_not_alive_although_others_turn() {
        let (health, start) = (Health::new(), Instant::now());
        let sync = health.register_at("sync", ALLOWED, start);
        let relay = health.register_at("relay", ALLOWED, start);
        sync.turn_at(start + Duration::from_secs(5));
        relay.turn_at(start + Duration::from_secs(20));

        let report = health.report_at(start + Duration::from_secs(20));
        let dead: Vec<&str> = report.iter().filter(|one| !one.is_alive()).map(|one| one.name.as_str()).collect();
        assert_eq!(dead, ["sync"]);
    }

    #[test]
    fn a_dropped_handle_does_not_hide_a_loop_that_died() {
        let (health, start) = (Health::new(), Instant::now());
        drop(health.register_at("sync", ALLOWED, start));
        let report = health.report_at(start + Duration::from_secs(11));
        assert!(report.iter().any(|one| !one.is_alive()));
    }

    #[test]
    fn a_retired_loop_is_not_reported() {
        let health = Health::new();
        health.register("sync", Duration::ZERO).retire();
        assert_eq!(health.report(), []);
        assert!(health.is_alive());
    }
}
