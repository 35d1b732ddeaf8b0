//! Numbers and moments as people read them.

use chrono::{DateTime, FixedOffset, Utc};
use leptos::prelude::*;

/// Where merchants are, whatever their browsers say.
const SHANGHAI_SECONDS: i32 = 8 * 3_600;

/// Writes a moment by Shanghai's clock, exact for who hovers and for programs.
pub(crate) fn moment(at: DateTime<Utc>) -> AnyView {
    let shown = written(at, "%Y-%m-%d %H:%M");
    let exact = written(at, "%Y-%m-%d %H:%M:%S");
    view! { <time datetime=at.to_rfc3339() title=exact>{shown}</time> }.into_any()
}

fn written(at: DateTime<Utc>, format: &str) -> String {
    FixedOffset::east_opt(SHANGHAI_SECONDS)
        .map_or_else(|| at.format(format).to_string(), |zone| at.with_timezone(&zone).format(format).to_string())
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_284_000, "1,284,000")] {
            assert_eq!(count(number), text);
        }
    }
}
