//! Numbers and moments as people read them.

use chrono::{DateTime, Utc};
use kamiflow_kernel::format_platform_time;

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

/// Writes a moment to the minute, in Asia/Shanghai.
pub(crate) fn moment(at: DateTime<Utc>) -> String {
    let text = format_platform_time(at);
    text.get(..16).unwrap_or(&text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
