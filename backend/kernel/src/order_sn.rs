//! The platform's order number, `YYMMDD-` and digits.

use std::fmt;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

/// An order number as the platform gave it.
///
/// The platform documents `YYMMDD-` and 15 digits (protocol 3.1); a number of another shape is still
/// an order that must not be lost, so only emptiness, length and characters are refused here and
/// [`OrderSn::day`] says whether the documented shape holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OrderSn(String);

/// A text that cannot be an order number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an order number: expected something like 261122-100000000000017")]
pub struct OrderSnError(pub String);

impl OrderSn {
    /// Longest number that is accepted, in characters.
    pub const MAX_LENGTH: usize = 64;

    /// Returns the number as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the day (Asia/Shanghai) written in the number, or `None` for a shape the platform does not document.
    #[must_use]
    pub fn day(&self) -> Option<NaiveDate> {
        let (day, rest) = self.0.split_once('-')?;
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if day.len() != 6 || rest.len() != 15 || !digits(day) || !digits(rest) {
            return None;
        }
        NaiveDate::parse_from_str(&format!("20{day}"), "%Y%m%d").ok()
    }
}

impl TryFrom<String> for OrderSn {
    type Error = OrderSnError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if text.is_empty() || text.len() > Self::MAX_LENGTH || !text.bytes().all(allowed) {
            return Err(OrderSnError(text.chars().take(Self::MAX_LENGTH).collect()));
        }
        Ok(Self(text))
    }
}

impl std::str::FromStr for OrderSn {
    type Err = OrderSnError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::try_from(text.to_owned())
    }
}

impl From<OrderSn> for String {
    fn from(sn: OrderSn) -> Self {
        sn.0
    }
}

impl fmt::Display for OrderSn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_day_is_read_only_from_the_documented_shape() {
        let sn: OrderSn = "261122-100000000000017".parse().unwrap();
        assert_eq!(sn.day(), NaiveDate::from_ymd_opt(2026, 11, 22));
        for odd in ["261322-100000000000017", "26112-100000000000017", "261122-1", "X"] {
            assert_eq!(odd.parse::<OrderSn>().unwrap().day(), None, "{odd}");
        }
        for bad in ["", "a b", "订单", "1;drop"] {
            assert!(bad.parse::<OrderSn>().is_err(), "{bad}");
        }
    }
}
