//! The unified social credit code of a company (统一社会信用代码, GB 32100).

use std::fmt;
use std::str::FromStr;

use zeroize::{Zeroize, ZeroizeOnDrop};

const LENGTH: usize = 18;
const MODULUS: usize = 31;
/// Digits and capitals without I, O, S, V and Z: a character's place is its value.
const ALPHABET: &[u8; MODULUS] = b"0123456789ABCDEFGHJKLMNPQRTUWXY";
/// Powers of three modulo 31, as GB 32100 tabulates them.
const WEIGHTS: [usize; LENGTH - 1] = [1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28];
/// Where the six digits of the registering district stand.
const DISTRICT: std::ops::Range<usize> = 2..8;

/// A code that is well formed: its checksum holds.
///
/// Codes of companies are public, those of sole traders are near to a person's; so this one is as reserved as
/// [`crate::ResidentId`].
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct CreditCode(String);

/// Why a text is no unified social credit code. Says nothing of what was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CreditCodeError {
    /// Not 18 characters of the standard's alphabet.
    #[error("a unified social credit code has 18 digits and capitals, none of them I, O, S, V or Z")]
    Shape,
    /// The district is not made of digits.
    #[error("the third to eighth character of the credit code must be the digits of a district")]
    District,
    /// A character is mistyped.
    #[error("the credit code is mistyped: its last character does not fit the others")]
    Checksum,
}

impl CreditCode {
    /// Returns the whole code.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Returns the last four characters.
    #[must_use]
    pub fn last4(&self) -> &str {
        self.0.get(LENGTH - 4..).unwrap_or_default()
    }
}

impl FromStr for CreditCode {
    type Err = CreditCodeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim().to_ascii_uppercase();
        let values: Vec<usize> = text.bytes().map(value).collect::<Option<_>>().ok_or(CreditCodeError::Shape)?;
        if values.len() != LENGTH {
            return Err(CreditCodeError::Shape);
        }
        if check_value(&values) != values.last().copied() {
            return Err(CreditCodeError::Checksum);
        }
        if !text.get(DISTRICT).is_some_and(|district| district.bytes().all(|byte| byte.is_ascii_digit())) {
            return Err(CreditCodeError::District);
        }
        Ok(Self(text))
    }
}

impl fmt::Debug for CreditCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CreditCode(…{})", self.last4())
    }
}

fn value(byte: u8) -> Option<usize> {
    ALPHABET.iter().position(|known| *known == byte)
}

fn check_value(values: &[usize]) -> Option<usize> {
    let body = values.get(..LENGTH - 1)?;
    let sum: usize = body.iter().zip(WEIGHTS).map(|(value, weight)| value * weight).sum();
    Some((MODULUS - sum % MODULUS) % MODULUS)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// By Horner's rule from the last character, instead of the table of weights.
    fn by_horner(body: &str) -> char {
        let sum = body.bytes().rev().fold(0, |sum, byte| (sum * 3 + value(byte).unwrap()) % MODULUS);
        char::from(ALPHABET[(MODULUS - sum) % MODULUS])
    }

    #[test]
    fn the_code_of_the_standard_is_taken_and_each_refusal_has_its_reason() {
        // GB 32100-2015, appendix A.
        let code: CreditCode = " 91350100m000100y43 ".parse().unwrap();
        assert_eq!((code.expose(), code.last4()), ("91350100M000100Y43", "0Y43"));
        assert_eq!(format!("{code:?}"), "CreditCode(…0Y43)");
        let refused = |text: &str| text.parse::<CreditCode>().unwrap_err();
        for shape in ["", "91350100M000100Y4", "91350100I000100Y43", "91350100M000100Y433", "９1350100M000100Y43"] {
            assert_eq!(refused(shape), CreditCodeError::Shape, "{shape}");
        }
        assert_eq!(refused("91350100M000100Y44"), CreditCodeError::Checksum);
        let body = "9135010AM000100Y4";
        assert_eq!(refused(&format!("{body}{}", by_horner(body))), CreditCodeError::District);
    }

    fn body() -> impl Strategy<Value = String> {
        ("[0-9A-HJ-NPQRTUWXY]{2}", "[0-9]{6}", "[0-9A-HJ-NPQRTUWXY]{9}").prop_map(|(a, b, c)| a + &b + &c)
    }

    proptest! {
        #[test]
        fn every_code_made_by_the_standards_formula_is_taken(body in body()) {
            let whole = format!("{body}{}", by_horner(&body));
            let code: CreditCode = whole.parse().unwrap();
            prop_assert_eq!(code.expose(), whole.as_str());
        }

        #[test]
        fn one_wrong_character_or_two_swapped_neighbors_never_pass(body in body(), at in 0usize..17, by in 1usize..31) {
            let whole = format!("{body}{}", by_horner(&body));
            let mut wrong = whole.clone().into_bytes();
            wrong[at] = ALPHABET[(value(wrong[at]).unwrap() + by) % MODULUS];
            prop_assert!(String::from_utf8(wrong).unwrap().parse::<CreditCode>().is_err());
            let mut swapped = whole.clone().into_bytes();
            swapped.swap(at, at + 1);
            let swapped = String::from_utf8(swapped).unwrap();
            prop_assert!(swapped == whole || swapped.parse::<CreditCode>().is_err());
        }

        #[test]
        fn no_text_breaks_it(text in ".*") {
            let _parsed = text.parse::<CreditCode>();
        }
    }
}
