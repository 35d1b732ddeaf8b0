//! Numbers and moments as people read them.

mod browser;

pub(crate) use self::browser::browser;

use chrono::{DateTime, TimeDelta, Utc};
use kamiflow_kernel::{Fen, format_platform_time, platform_day_start};

/// Writes a count with a comma per thousand.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Writes milliseconds as seconds with one decimal.
pub(crate) fn seconds(ms: i64) -> String {
    let tenths = (ms.max(0) + 50) / 100;
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// Writes a moment to the minute, in Asia/Shanghai.
pub(crate) fn moment(at: DateTime<Utc>) -> String {
    let text = format_platform_time(at);
    text.get(..16).unwrap_or(&text).to_owned()
}

/// Writes an amount with its sign, a comma per thousand, and two decimals.
pub(crate) fn yuan(amount: Fen) -> String {
    let text = Fen(amount.0.saturating_abs()).to_string();
    let (whole, cents) = text.split_once('.').unwrap_or((&text, "00"));
    let sign = if amount.0 < 0 { "−" } else { "" };
    format!("{sign}¥{}.{cents}", whole.parse().map_or_else(|_too_long| whole.to_owned(), count))
}

/// Writes a moment in Shanghai, to the minute; today's without its day.
pub(crate) fn minute(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let text = format_platform_time(at);
    let minute = text.get(..16).unwrap_or(&text);
    let short = if is_of_today(at, now) { minute.get(11..) } else { Some(minute) };
    short.unwrap_or(minute).to_owned()
}

/// Writes a moment in Shanghai, to the second; today's without its day.
pub(crate) fn second(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let text = format_platform_time(at);
    let short = if is_of_today(at, now) { text.get(11..) } else { text.get(5..) };
    short.unwrap_or(&text).to_owned()
}

fn is_of_today(at: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    let today = platform_day_start(now);
    (today..today + TimeDelta::days(1)).contains(&at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_are_rounded_to_tenths_of_seconds() {
        assert_eq!([0, 49, 50, 1_949, 1_950, -3].map(seconds), ["0.0", "0.0", "0.1", "1.9", "2.0", "0.0"]);
    }

    #[test]
    fn a_moment_is_shown_where_the_shops_are() {
        let at = "2026-11-22T16:05:59Z".parse().unwrap();
        assert_eq!(moment(at), "2026-11-23 00:05");
    }

    #[test]
    fn thousands_are_grouped() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_284_000, "1,284,000")] {
            assert_eq!(count(number), text);
        }
    }

    #[test]
    fn amounts_have_two_decimals_and_their_sign_in_front() {
        for (fen, text) in [(0, "¥0.00"), (123_450, "¥1,234.50"), (-1_200, "−¥12.00"), (7, "¥0.07")] {
            assert_eq!(yuan(Fen(fen)), text);
        }
    }

    #[test]
    fn todays_moments_go_without_their_day() {
        let at = |text: &str| kamiflow_kernel::parse_platform_time(text).unwrap();
        let now = at("2026-11-22 13:41:22");
        assert_eq!(minute(at("2026-11-22 00:05:09"), now), "00:05");
        assert_eq!(second(at("2026-11-22 00:05:09"), now), "00:05:09");
        assert_eq!(minute(at("2026-11-21 23:59:59"), now), "2026-11-21 23:59");
        assert_eq!(second(at("2026-11-21 23:59:59"), now), "11-21 23:59:59");
    }
}
