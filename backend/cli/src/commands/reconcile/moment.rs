//! A moment as an operator writes it.

use std::str::FromStr;

use chrono::{DateTime, TimeDelta, Utc};
use kamiflow_kernel::parse_platform_time;

/// A moment, or how long ago it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    At(DateTime<Utc>),
    Ago(TimeDelta),
}

impl Moment {
    /// Returns the moment, given the present.
    pub(super) fn at(self, now: DateTime<Utc>) -> DateTime<Utc> {
        match self {
            Self::At(at) => at,
            Self::Ago(age) => now - age,
        }
    }
}

/// A text that is no moment.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("write it as '2026-11-20 08:00' (Beijing time), 2026-11-20, 2026-11-20T00:00:00Z, or an age like 90m, 6h, 3d")]
pub(super) struct NoMoment;

impl FromStr for Moment {
    type Err = NoMoment;

    fn from_str(text: &str) -> Result<Self, NoMoment> {
        if let Some(age) = age(text) {
            return Ok(Self::Ago(age));
        }
        if let Ok(at) = DateTime::parse_from_rfc3339(text) {
            return Ok(Self::At(at.to_utc()));
        }
        // What is left out is zero.
        [text.to_owned(), format!("{text}:00"), format!("{text} 00:00:00")]
            .iter()
            .find_map(|text| parse_platform_time(text).ok())
            .map(Self::At)
            .ok_or(NoMoment)
    }
}

/// Ages up to a year; the platform answers less.
fn age(text: &str) -> Option<TimeDelta> {
    let unit = text.chars().last()?;
    let seconds = match unit {
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return None,
    };
    let number: i64 = text.strip_suffix(unit)?.parse().ok()?;
    (1..=31_536_000 / seconds).contains(&number).then(|| TimeDelta::seconds(number * seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_beijing_time_unless_they_say_otherwise() {
        let midnight = DateTime::parse_from_rfc3339("2026-11-20T00:00:00+08:00").unwrap().to_utc();
        let same =
            ["2026-11-20", "2026-11-20 00:00", "2026-11-20 00:00:00", "2026-11-20T00:00", "2026-11-19T16:00:00Z"];
        for text in same {
            assert_eq!(text.parse(), Ok(Moment::At(midnight)), "{text}");
        }
        let now = midnight + TimeDelta::days(3);
        assert_eq!("3d".parse::<Moment>().unwrap().at(now), midnight);
        assert_eq!("72h".parse::<Moment>().unwrap().at(now), midnight);
        assert_eq!("90m".parse(), Ok(Moment::Ago(TimeDelta::minutes(90))));
        for wrong in ["", "d", "0h", "-3d", "3w", "yesterday", "2026-11-31", "2026-11-20 25:00", "999999999999h"] {
            assert_eq!(wrong.parse::<Moment>(), Err(NoMoment), "{wrong}");
        }
    }
}
