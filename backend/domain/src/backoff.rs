//! How long to wait before trying again, by the class of the error: decorrelated jitter, capped.
//!
//! Decorrelated jitter draws each delay between a base and three times the one before. The previous delay would have to
//! be stored, while the number of the attempt is stored anyway (Postgres counts attempts, workers are killed at will);
//! so the envelope of that walk is used: the delay is uniform between the base and base × 3^attempt, up to the cap. It
//! has the property that matters: shops that failed together do not come back together.

use std::time::Duration;

use rand::{Rng, RngExt};

/// What kind of error asks for another try. The platform's codes are mapped to these at its edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryClass {
    /// No answer: connection refused or lost, time-out, an answer that is no JSON. What the call did is not judged here.
    Transport,
    /// The platform failed inside (50000, 50002, 52001, 52002).
    PlatformFault,
    /// A limit was met (52101, 70031); `advised` is the delay the platform or our own limiter asked for.
    Limited {
        /// The shortest delay allowed.
        advised: Option<Duration>,
    },
    /// The API is degraded or under maintenance (52102, 52103, 70033).
    Unavailable,
    /// A business answer that asks to come back, such as 1000010 or 100005 of a redemption.
    Busy,
    /// Postgres or Redis is away.
    Storage,
}

impl RetryClass {
    /// Returns the shortest first delay and the longest delay of all.
    #[must_use]
    pub const fn range(self) -> (Duration, Duration) {
        match self {
            Self::Transport => (Duration::from_millis(500), Duration::from_secs(120)),
            Self::PlatformFault => (Duration::from_secs(1), Duration::from_secs(300)),
            Self::Limited { .. } => (Duration::from_secs(1), Duration::from_secs(60)),
            Self::Unavailable => (Duration::from_secs(30), Duration::from_secs(1800)),
            Self::Busy => (Duration::from_secs(5), Duration::from_secs(600)),
            Self::Storage => (Duration::from_millis(200), Duration::from_secs(10)),
        }
    }
}

/// Returns the delay before the next try. `attempt` is the number of tries that failed so far, from 1.
///
/// An advised delay is a floor, even beyond the cap of the class; up to a quarter of it is added, so that those who got
/// the same advice do not return in step.
pub fn next_delay(class: RetryClass, attempt: u32, rng: &mut impl Rng) -> Duration {
    let (base, cap) = class.range();
    let growth = 3_u32.checked_pow(attempt.max(1)).unwrap_or(u32::MAX);
    let upper = base.saturating_mul(growth).min(cap);
    let own = between(base, upper, rng);
    let RetryClass::Limited { advised: Some(advised) } = class else { return own };
    own.max(between(advised, advised.saturating_add(advised / 4), rng))
}

fn between(low: Duration, high: Duration, rng: &mut impl Rng) -> Duration {
    if low >= high { low } else { rng.random_range(low..=high) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    const CLASSES: [RetryClass; 6] = [
        RetryClass::Transport,
        RetryClass::PlatformFault,
        RetryClass::Limited { advised: None },
        RetryClass::Unavailable,
        RetryClass::Busy,
        RetryClass::Storage,
    ];

    proptest! {
        #[test]
        fn a_delay_stays_between_base_and_cap_and_is_reproducible(
            at in 0..CLASSES.len(), attempt in any::<u32>(), seed in any::<u64>()
        ) {
            let class = CLASSES[at];
            let delay = next_delay(class, attempt, &mut StdRng::seed_from_u64(seed));
            let (base, cap) = class.range();
            prop_assert!(base <= delay && delay <= cap, "{:?} {:?}", class, delay);
            prop_assert_eq!(delay, next_delay(class, attempt, &mut StdRng::seed_from_u64(seed)));
        }

        #[test]
        fn an_advised_delay_is_never_undercut(seconds in 0..100_000_u64, attempt in 0..40_u32, seed in any::<u64>()) {
            let advised = Duration::from_secs(seconds);
            let class = RetryClass::Limited { advised: Some(advised) };
            let delay = next_delay(class, attempt, &mut StdRng::seed_from_u64(seed));
            prop_assert!(delay >= advised);
            prop_assert!(delay <= (advised + advised / 4).max(class.range().1));
        }
    }

    #[test]
    fn delays_grow_and_spread() {
        let mut rng = StdRng::seed_from_u64(1);
        let mut sample = |attempt| (0..200).map(|_| next_delay(RetryClass::Transport, attempt, &mut rng)).collect();
        let (first, sixth): (Vec<Duration>, Vec<Duration>) = (sample(1), sample(6));
        let mean = |delays: &[Duration]| delays.iter().sum::<Duration>() / 200;
        assert!(mean(&sixth) > mean(&first) * 20, "{:?} {:?}", mean(&first), mean(&sixth));
        let distinct: std::collections::HashSet<_> = first.iter().collect();
        assert!(distinct.len() > 190, "callers that failed together must not return together");
    }
}
