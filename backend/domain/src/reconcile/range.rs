//! Which range can be read. Pure.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use kamiflow_kernel::format_platform_time;

use crate::marketplace::TimeSpan;
use crate::sync::plan;

/// A moment this little ahead of the platform's clock is meant as now.
const CLOCK_SLACK: TimeDelta = TimeDelta::minutes(2);

/// Why a range cannot be read. Times are told as the platform shows them, in Beijing time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    /// It ends before it begins.
    #[error("the range begins at {}, which is not before its end at {}", format_platform_time(*from), format_platform_time(*to))]
    Backwards {
        /// Its begin.
        from: DateTime<Utc>,
        /// Its end.
        to: DateTime<Utc>,
    },
    /// It ends after the present.
    #[error("the range ends at {}, and at the platform it is {}", format_platform_time(*to), format_platform_time(*now))]
    Future {
        /// Its end.
        to: DateTime<Utc>,
        /// The platform's clock.
        now: DateTime<Utc>,
    },
    /// The platform does not answer so far back.
    #[error(
        "the platform tells what changed in the last 90 days: the earliest begin is {}, and what lies before can be \
         read order by order only (`kamiflow order process`)",
        format_platform_time(*earliest)
    )]
    TooDeep {
        /// The earliest begin.
        earliest: DateTime<Utc>,
    },
    /// All of it is so new that the platform's lists may still change.
    #[error(
        "nothing of the range can be proved yet: the platform's lists are complete up to {}; what is newer is the \
         regular reading's",
        format_platform_time(*complete_to)
    )]
    TooNew {
        /// Up to where lists are complete.
        complete_to: DateTime<Utc>,
    },
}

/// Refuses a range that ends before it begins, before anybody is asked anything.
pub(super) fn check_order(from: DateTime<Utc>, to: Option<DateTime<Utc>>) -> Result<(), RangeError> {
    match to {
        Some(to) if to <= from => Err(RangeError::Backwards { from, to }),
        _ => Ok(()),
    }
}

/// Returns what of a range can be read and proved, in whole seconds.
pub(super) fn readable(
    from: DateTime<Utc>,
    to: Option<DateTime<Utc>>,
    platform_now: DateTime<Utc>,
    lag: Duration,
) -> Result<TimeSpan, RangeError> {
    if let Some(to) = to.filter(|to| *to > platform_now + CLOCK_SLACK) {
        return Err(RangeError::Future { to, now: platform_now });
    }
    let earliest = plan::whole_second(platform_now - plan::DEPTH) + TimeDelta::seconds(1);
    if from < earliest {
        return Err(RangeError::TooDeep { earliest });
    }
    let complete_to = plan::whole_second(platform_now - TimeDelta::from_std(lag).unwrap_or(TimeDelta::seconds(180)));
    let end = to.map_or(complete_to, |to| plan::whole_second(to).min(complete_to));
    let from = plan::whole_second(from);
    if from >= end {
        return Err(RangeError::TooNew { complete_to });
    }
    Ok(TimeSpan { from, to: end })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAG: Duration = Duration::from_secs(180);

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_795_000_000 + second, 0).unwrap()
    }

    #[test]
    fn a_range_is_cut_where_lists_are_still_late() {
        let now = at(10_000);
        assert_eq!(readable(at(0), None, now, LAG), Ok(TimeSpan { from: at(0), to: at(9_820) }));
        assert_eq!(readable(at(0), Some(at(9_999)), now, LAG), Ok(TimeSpan { from: at(0), to: at(9_820) }));
        assert_eq!(readable(at(0), Some(at(5_000)), now, LAG), Ok(TimeSpan { from: at(0), to: at(5_000) }));
        let fraction = at(0) + TimeDelta::milliseconds(900);
        assert_eq!(readable(fraction, Some(at(60)), now, LAG), Ok(TimeSpan { from: at(0), to: at(60) }));
    }

    #[test]
    fn ranges_that_cannot_be_read_are_refused_with_the_one_that_can() {
        let now = at(10_000);
        assert_eq!(check_order(at(5), Some(at(5))), Err(RangeError::Backwards { from: at(5), to: at(5) }));
        assert_eq!(readable(at(0), Some(at(11_000)), now, LAG), Err(RangeError::Future { to: at(11_000), now }));
        assert_eq!(readable(at(9_900), None, now, LAG), Err(RangeError::TooNew { complete_to: at(9_820) }));
        let deep = readable(now - TimeDelta::days(90), None, now, LAG).unwrap_err();
        let RangeError::TooDeep { earliest } = deep else { panic!("{deep}") };
        assert!(readable(earliest, None, now, LAG).is_ok(), "what is told as earliest works");
        assert!(RangeError::TooDeep { earliest }.to_string().contains("90 days"));
    }
}
