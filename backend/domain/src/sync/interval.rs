//! How often a shop is polled: at its plan's floor while something happens, ever slower while nothing does. Pure.

use std::time::Duration;

use rand::{Rng, RngExt};

/// Returns the interval after a tick.
///
/// Something found, or a wake from outside, brings the shop back to its floor at once: orders come in bunches. Idle
/// ticks grow it by half up to the ceiling, which 15 s reach in eight ticks for 300 s.
#[must_use]
pub(super) fn next_interval(current: Duration, floor: Duration, ceiling: Duration, busy: bool) -> Duration {
    let ceiling = ceiling.max(floor);
    if busy {
        return floor;
    }
    current.clamp(floor, ceiling).mul_f64(1.5).min(ceiling)
}

/// Returns the pause until the next tick: the interval, a tenth of it more or less, so that shops that were connected
/// or restored together spread out.
pub(super) fn jittered(interval: Duration, rng: &mut impl Rng) -> Duration {
    let spread = interval / 10;
    (interval - spread) + rng.random_range(Duration::ZERO..=spread * 2)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    const FLOOR: Duration = Duration::from_secs(15);
    const CEILING: Duration = Duration::from_secs(300);

    #[test]
    fn an_idle_shop_slows_down_to_the_ceiling_and_one_order_brings_it_back() {
        let mut interval = FLOOR;
        let mut steps = Vec::new();
        while interval < CEILING {
            interval = next_interval(interval, FLOOR, CEILING, false);
            steps.push(interval.as_secs());
        }
        assert_eq!(steps, [22, 33, 50, 75, 113, 170, 256, 300]);
        assert_eq!(next_interval(interval, FLOOR, CEILING, false), CEILING);
        assert_eq!(next_interval(interval, FLOOR, CEILING, true), FLOOR);
        // A plan slower than the ceiling, and an interval stored under another plan.
        let slow = Duration::from_secs(600);
        assert_eq!(next_interval(FLOOR, slow, CEILING, false), slow);
        assert_eq!(next_interval(slow, FLOOR, CEILING, false), CEILING);
    }

    #[test]
    fn pauses_spread_by_a_tenth_around_the_interval() {
        let mut rng = StdRng::seed_from_u64(7);
        let pauses: Vec<Duration> = (0..500).map(|_| jittered(CEILING, &mut rng)).collect();
        let (least, most) = (pauses.iter().min().unwrap(), pauses.iter().max().unwrap());
        assert!(*least >= CEILING * 9 / 10 && *most <= CEILING * 11 / 10);
        assert!(*most - *least > CEILING / 6, "{least:?} {most:?}");
    }
}
