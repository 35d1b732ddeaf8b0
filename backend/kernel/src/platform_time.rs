//! The platform's clock: `yyyy-MM-dd HH:mm:ss` in Asia/Shanghai, which has had no daylight saving since 1991.

use chrono::format::{Item, Numeric, Pad};
use chrono::{DateTime, Duration, NaiveDateTime, NaiveTime, Utc};

const SHANGHAI_OFFSET: Duration = Duration::hours(8);

/// `%Y-%m-%d %H:%M:%S`, read once: lists write hundreds of times.
const FORMAT: [Item<'static>; 11] = [
    Item::Numeric(Numeric::Year, Pad::Zero),
    Item::Literal("-"),
    Item::Numeric(Numeric::Month, Pad::Zero),
    Item::Literal("-"),
    Item::Numeric(Numeric::Day, Pad::Zero),
    Item::Space(" "),
    Item::Numeric(Numeric::Hour, Pad::Zero),
    Item::Literal(":"),
    Item::Numeric(Numeric::Minute, Pad::Zero),
    Item::Literal(":"),
    Item::Numeric(Numeric::Second, Pad::Zero),
];

/// A text that is not a time of the platform.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a time of the form 2026-11-22 10:20:30")]
pub struct PlatformTimeError(pub String);

/// Returns the moment a platform time means. A `T` between date and time is accepted (protocol 1.5).
///
/// # Errors
/// When the text has another shape.
pub fn parse_platform_time(text: &str) -> Result<DateTime<Utc>, PlatformTimeError> {
    let refuse = || PlatformTimeError(text.to_owned());
    let local = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S")
        .or_else(|_blank| NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S"))
        .map_err(|_shape| refuse())?;
    local.checked_sub_signed(SHANGHAI_OFFSET).map(|utc| utc.and_utc()).ok_or_else(refuse)
}

/// Returns a moment as the platform writes it, to the second.
#[must_use]
pub fn format_platform_time(at: DateTime<Utc>) -> String {
    (at.naive_utc() + SHANGHAI_OFFSET).format_with_items(FORMAT.iter()).to_string()
}

/// Returns when the platform's day of a moment began.
#[must_use]
pub fn platform_day_start(at: DateTime<Utc>) -> DateTime<Utc> {
    let midnight = (at.naive_utc() + SHANGHAI_OFFSET).date().and_time(NaiveTime::MIN);
    (midnight - SHANGHAI_OFFSET).and_utc()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_at_midnight_in_shanghai() {
        for (at, start) in [
            ("2026-11-22 00:00:00", "2026-11-22 00:00:00"),
            ("2026-11-22 07:59:59", "2026-11-22 00:00:00"),
            ("2026-11-22 23:59:59", "2026-11-22 00:00:00"),
        ] {
            let day = platform_day_start(parse_platform_time(at).unwrap());
            assert_eq!(format_platform_time(day), start, "{at}");
        }
    }

    #[test]
    fn shanghai_is_eight_hours_ahead() {
        let at = parse_platform_time("2026-11-22 00:00:01").unwrap();
        assert_eq!(at.to_rfc3339(), "2026-11-21T16:00:01+00:00");
        assert_eq!(format_platform_time(at), "2026-11-22 00:00:01");
        assert_eq!(parse_platform_time("2026-11-22T00:00:01"), Ok(at));
        assert!(parse_platform_time("0000-00-00 00:00:00").is_err());
    }
}
