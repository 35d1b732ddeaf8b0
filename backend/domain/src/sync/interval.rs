//! How often a shop is polled: at its plan's floor while something happens, ever slower while nothing does. Pure.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use kamiflow_kernel::ShopId;

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

/// Returns when a shop is due again, about an interval from now.
///
/// Every shop has a phase of its own within the interval and is due at that. Shops that were connected or restored
/// together would otherwise be read together for ever, and everything else wait for them each time.
#[must_use]
pub(super) fn due_at(now: DateTime<Utc>, interval: Duration, shop: ShopId) -> DateTime<Utc> {
    let interval_ms = i64::try_from(interval.as_millis()).unwrap_or(i64::MAX).max(1);
    // The last bits of an id are random.
    let phase = i64::try_from(shop.as_uuid().as_u128() % u128::from(interval_ms.unsigned_abs())).unwrap_or_default();
    let earliest = now.timestamp_millis() + interval_ms / 2;
    let wait_ms = interval_ms / 2 + (phase - earliest).rem_euclid(interval_ms);
    now + TimeDelta::milliseconds(wait_ms)
}

#[cfg(test)]
mod tests {
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
    fn shops_read_at_the_same_moment_are_due_all_over_the_interval_and_stay_apart() {
        let now = DateTime::from_timestamp_millis(1_790_000_000_123).unwrap();
        let shops: Vec<ShopId> = (0..400).map(|_| ShopId::generate()).collect();
        let mut in_each_quarter = [0; 4];
        for shop in shops {
            let pause = (due_at(now, FLOOR, shop) - now).to_std().unwrap();
            assert!(pause >= FLOOR / 2 && pause < FLOOR * 3 / 2, "{pause:?}");
            in_each_quarter[usize::try_from((pause - FLOOR / 2).as_millis() * 4 / FLOOR.as_millis()).unwrap()] += 1;
            // From then on it is one interval, however long a tick takes.
            let first = due_at(now, FLOOR, shop);
            let second = due_at(first + TimeDelta::milliseconds(700), FLOOR, shop);
            assert_eq!((second - first).to_std().unwrap(), FLOOR);
        }
        assert!(in_each_quarter.iter().all(|count| (60..=140).contains(count)), "{in_each_quarter:?}");
    }
}
