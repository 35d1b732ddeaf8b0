//! Money as integer fen (分), never floating point.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An amount in fen, 1/100 yuan.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fen(pub i64);

/// A text that is not an amount in yuan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an amount in yuan with at most two decimals")]
pub struct MoneyError(pub String);

impl Fen {
    /// Returns the amount of a yuan decimal such as `9.9`, `0.10` or `-3`, without floating point.
    ///
    /// Zeros beyond the second decimal are accepted, other digits there are not: an amount is never rounded.
    ///
    /// # Errors
    /// When the text is not such a decimal, or the amount does not fit.
    pub fn from_yuan(text: &str) -> Result<Self, MoneyError> {
        let refuse = || MoneyError(text.to_owned());
        let trimmed = text.trim();
        let (negative, digits) = match trimmed.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, trimmed),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) {
            return Err(refuse());
        }
        let (cents, beyond) = fraction.split_at_checked(2).unwrap_or((fraction, ""));
        if beyond.bytes().any(|byte| byte != b'0') {
            return Err(refuse());
        }
        let whole: i64 = whole.parse().map_err(|_overflow| refuse())?;
        let cents: i64 = format!("{cents:0<2}").parse().map_err(|_overflow| refuse())?;
        let amount = whole.checked_mul(100).and_then(|fen| fen.checked_add(cents)).ok_or_else(refuse)?;
        Ok(Self(if negative { -amount } else { amount }))
    }
}

impl fmt::Display for Fen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let magnitude = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:02}", magnitude / 100, magnitude % 100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn yuan_texts_become_fen() {
        for (text, fen) in
            [("9.9", 990), ("0.1", 10), ("0.01", 1), ("12", 1200), ("-3.05", -305), ("1.500", 150), ("0.0", 0)]
        {
            assert_eq!(Fen::from_yuan(text), Ok(Fen(fen)), "{text}");
        }
        for text in ["", ".5", "1.005", "1e3", "一", "99999999999999999999", "1.2.3", "--1", "-"] {
            assert!(Fen::from_yuan(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn display_and_parse_are_inverse(fen in -1_000_000_000_000i64..1_000_000_000_000) {
            prop_assert_eq!(Fen::from_yuan(&Fen(fen).to_string()), Ok(Fen(fen)));
        }
    }
}
