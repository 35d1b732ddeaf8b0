//! Where loops report that they still turn; what is done about silence is the process's business.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Reports one turn of one loop.
pub type Beat = Box<dyn Fn() + Send + Sync>;

type Register = dyn Fn(&str, Duration) -> Beat + Send + Sync;

/// Registers loops, each with the longest silence that is normal for it.
///
/// A process passes its health registry in as a closure, so that this crate needs to know none:
///
/// ```
/// # use std::time::Duration;
/// # use kamiflow_runner::Liveness;
/// # struct Health;
/// # struct Turns;
/// # impl Health { fn register(&self, _name: &str, _silence: Duration) -> Turns { Turns } }
/// # impl Turns { fn turn(&self) {} }
/// # let health = Health;
/// let liveness = Liveness::new(move |name, allowed_silence| {
///     let beat = health.register(name, allowed_silence);
///     Box::new(move || beat.turn())
/// });
/// ```
#[derive(Clone)]
pub struct Liveness(Arc<Register>);

impl Liveness {
    /// Wraps a registry.
    pub fn new(register: impl Fn(&str, Duration) -> Beat + Send + Sync + 'static) -> Self {
        Self(Arc::new(register))
    }

    /// Returns a registry that forgets everything, for tests and benchmarks.
    #[must_use]
    pub fn unobserved() -> Self {
        Self::new(|_name, _allowed_silence| Box::new(|| ()))
    }

    pub(crate) fn register(&self, name: &str, allowed_silence: Duration) -> Beat {
        (self.0)(name, allowed_silence)
    }
}

impl fmt::Debug for Liveness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Liveness")
    }
}
