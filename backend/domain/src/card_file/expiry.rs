//! The expiry of a card as merchants write it. A date without a time lasts until the end of that day in Shanghai.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};

use super::Reason;

const SHANGHAI_OFFSET: TimeDelta = TimeDelta::hours(8);
/// What merchants write for a card that never expires.
const NEVER: &[&str] = &["永久", "永久有效", "长期", "长期有效", "never"];

/// Returns when a card expires, `None` for never, or why the text is refused.
pub(super) fn parse(text: &str, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, Reason> {
    let text = text.trim();
    if text.is_empty() || NEVER.contains(&text.to_lowercase().as_str()) {
        return Ok(None);
    }
    from_local(local(text).ok_or(Reason::BadExpiry)?, now).map(Some)
}

/// Returns the moment a Shanghai wall-clock time means, unless it is past.
pub(super) fn from_local(local: NaiveDateTime, now: DateTime<Utc>) -> Result<DateTime<Utc>, Reason> {
    let at = local.checked_sub_signed(SHANGHAI_OFFSET).ok_or(Reason::BadExpiry)?.and_utc();
    if at <= now { Err(Reason::Expired) } else { Ok(at) }
}

/// Returns the end of a day, the last whole second of it.
pub(super) fn end_of_day(day: NaiveDate) -> NaiveDateTime {
    day.and_hms_opt(23, 59, 59).unwrap_or_else(|| day.and_time(NaiveTime::MIN))
}

/// Returns whether the text is a date alone, so that what follows it in a line separated by spaces may be its time.
pub(super) fn is_date(text: &str) -> bool {
    date(text).is_some()
}

/// Returns whether the text is a time of day alone.
pub(super) fn is_time(text: &str) -> bool {
    time(text).is_some()
}

fn local(text: &str) -> Option<NaiveDateTime> {
    if let Some(day) = date(text) {
        return Some(end_of_day(day));
    }
    let (day, at) = text.split_once(|c: char| c.is_whitespace() || c == 'T' || c == '日')?;
    Some(date(day)?.and_time(time(at.trim_start())?))
}

/// Accepts `2026-12-31`, `2026/12/31`, `2026.12.31`, `20261231` and `2026年12月31日`, with or without leading zeros.
fn date(text: &str) -> Option<NaiveDate> {
    if text.len() == 8 && digits(text) {
        let (year, rest) = text.split_at_checked(4)?;
        let (month, day) = rest.split_at_checked(2)?;
        return NaiveDate::from_ymd_opt(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?);
    }
    let text = text.strip_suffix('日').unwrap_or(text);
    let separator = text.chars().find(|c| !c.is_ascii_digit())?;
    let (year, rest) = text.split_once(separator)?;
    let (month, day) = match separator {
        '-' | '/' | '.' => rest.split_once(separator)?,
        '年' => rest.split_once('月')?,
        _ => return None,
    };
    let shaped = year.len() == 4 && (1..=2).contains(&month.len()) && (1..=2).contains(&day.len());
    if !shaped || ![year, month, day].into_iter().all(digits) {
        return None;
    }
    NaiveDate::from_ymd_opt(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?)
}

/// Accepts `23:59` and `23:59:59`; a time without seconds is the start of its minute.
fn time(text: &str) -> Option<NaiveTime> {
    let mut parts = text.split(':');
    let (hour, minute) = (parts.next()?, parts.next()?);
    let second = parts.next().unwrap_or("0");
    if parts.next().is_some() || ![hour, minute, second].into_iter().all(|part| part.len() <= 2 && digits(part)) {
        return None;
    }
    NaiveTime::from_hms_opt(hour.parse().ok()?, minute.parse().ok()?, second.parse().ok()?)
}

fn digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use kamiflow_kernel::{format_platform_time, parse_platform_time};
    use proptest::prelude::*;

    use super::*;

    fn parsed(text: &str) -> Result<Option<String>, Reason> {
        parse(text, parse_platform_time("2026-11-22 12:00:00").unwrap()).map(|at| at.map(format_platform_time))
    }

    #[test]
    fn every_usual_form_of_a_date_is_read_as_shanghai_time() {
        for (text, expected) in [
            ("2026-12-31", "2026-12-31 23:59:59"),
            ("2026/12/31", "2026-12-31 23:59:59"),
            ("2026/1/5 8:30", "expired"),
            ("2027/1/5 8:30", "2027-01-05 08:30:00"),
            ("2026.12.31", "2026-12-31 23:59:59"),
            ("20261231", "2026-12-31 23:59:59"),
            ("2026年12月31日", "2026-12-31 23:59:59"),
            ("2026年12月31日 10:00", "2026-12-31 10:00:00"),
            ("2026-12-31 10:20:30", "2026-12-31 10:20:30"),
            ("2026-12-31T10:20:30", "2026-12-31 10:20:30"),
            ("20261231 10:20:30", "2026-12-31 10:20:30"),
            ("2026-11-22", "2026-11-22 23:59:59"),
            ("2026-11-22 12:00:00", "expired"),
            ("2026-11-22 12:00:01", "2026-11-22 12:00:01"),
        ] {
            let expected = if expected == "expired" { Err(Reason::Expired) } else { Ok(Some(expected.to_owned())) };
            assert_eq!(parsed(text), expected, "{text}");
        }
        for text in ["", "  ", "永久", "Never"] {
            assert_eq!(parsed(text), Ok(None), "{text}");
        }
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in [
            "2026-02-30",
            "2026-13-01",
            "26-12-31",
            "2026-12",
            "31/12/2026",
            "2026-12-31 25:00",
            "soon",
            "202612311",
            "2026-12-31 10",
            "2026-12-31 10:00:00:00",
            "+2026-12-31",
            "2026--31",
            "2026-12/31",
            "２０２６-12-31",
        ] {
            assert_eq!(parsed(text), Err(Reason::BadExpiry), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_gets_an_answer(text in "\\PC{0,24}") {
            let _answer = parsed(&text);
        }
    }
}
