//! The number of a resident identity card (居民身份证, GB 11643).

use std::fmt;

use chrono::{Datelike, NaiveDate};
use zeroize::{Zeroize, ZeroizeOnDrop};

const LENGTH: usize = 18;
/// ISO 7064 MOD 11-2, as GB 11643 tabulates it: weight of each of the first 17 digits.
const WEIGHTS: [u32; LENGTH - 1] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
/// Check character by the weighted sum modulo 11.
const CHECKS: &[u8; 11] = b"10X98765432";
/// First two digits that GB/T 2260 gives to provinces, and 81 to 83 of the residence permits.
const PROVINCES: &[u32] = &[
    11, 12, 13, 14, 15, 21, 22, 23, 31, 32, 33, 34, 35, 36, 37, 41, 42, 43, 44, 45, 46, 50, 51, 52, 53, 54, 61, 62, 63,
    64, 65, 71, 81, 82, 83, 91,
];
/// Nobody who signs up is older.
const MOST_YEARS: i32 = 120;
/// Who is younger cannot do business alone (Civil Code, art. 18).
const LEAST_YEARS: u32 = 16;

/// A number that is well formed: its checksum holds and its birth date is one a merchant can have.
///
/// It is never shown whole by `Debug`, not serialized, and wiped on drop.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct ResidentId(String);

/// Why a text is no number of a resident who may sign up. Says nothing of what was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ResidentIdError {
    /// Not 17 digits and a digit or X.
    #[error("a resident identity number has 17 digits and a last digit or X")]
    Shape,
    /// The first two digits are no province.
    #[error("the first two digits of the identity number are no province")]
    Province,
    /// The digits of the birth date are no date, or one that cannot be.
    #[error("the identity number holds no plausible date of birth")]
    BirthDate,
    /// The person is too young to do business.
    #[error("the person is under {LEAST_YEARS} years old")]
    TooYoung,
    /// A digit is mistyped.
    #[error("the identity number is mistyped: its last character does not fit the others")]
    Checksum,
}

impl ResidentId {
    /// Parses a number as people type it; `today` is the day in China.
    ///
    /// # Errors
    /// When the text is not a number whose bearer may sign up today.
    pub fn parse(text: &str, today: NaiveDate) -> Result<Self, ResidentIdError> {
        let text = text.trim().to_ascii_uppercase();
        let digits = digits(&text).ok_or(ResidentIdError::Shape)?;
        if check_character(&digits) != text.bytes().last() {
            return Err(ResidentIdError::Checksum);
        }
        let number = |from: usize, to: usize| text.get(from..to).and_then(|part| part.parse::<u32>().ok());
        if !number(0, 2).is_some_and(|province| PROVINCES.contains(&province)) {
            return Err(ResidentIdError::Province);
        }
        let born = birth_date(&text).ok_or(ResidentIdError::BirthDate)?;
        if born > today || born.year() + MOST_YEARS < today.year() {
            return Err(ResidentIdError::BirthDate);
        }
        if today.years_since(born).is_none_or(|years| years < LEAST_YEARS) {
            return Err(ResidentIdError::TooYoung);
        }
        Ok(Self(text))
    }

    /// Returns the whole number; every call is a place to look at in a review.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Returns the last four characters, which tell a person which card is meant.
    #[must_use]
    pub fn last4(&self) -> &str {
        self.0.get(LENGTH - 4..).unwrap_or_default()
    }
}

impl fmt::Debug for ResidentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ResidentId(…{})", self.last4())
    }
}

fn digits(text: &str) -> Option<Vec<u32>> {
    let (body, last) = text.split_at_checked(LENGTH - 1)?;
    let last_fits = matches!(last.as_bytes(), [b'0'..=b'9' | b'X']);
    let digits: Vec<u32> = body.chars().map(|char| char.to_digit(10)).collect::<Option<_>>()?;
    (last_fits && digits.len() == LENGTH - 1).then_some(digits)
}

fn check_character(digits: &[u32]) -> Option<u8> {
    let sum: u32 = digits.iter().zip(WEIGHTS).map(|(digit, weight)| digit * weight).sum();
    CHECKS.get(usize::try_from(sum % 11).ok()?).copied()
}

fn birth_date(text: &str) -> Option<NaiveDate> {
    NaiveDate::parse_from_str(text.get(6..14)?, "%Y%m%d").ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    /// ISO 7064, pure system MOD 11-2, by its recursive definition: another way to the same character than the table.
    fn by_recursion(body: &str) -> char {
        let product = body.chars().fold(0, |p, char| ((p + char.to_digit(10).unwrap()) * 2) % 11);
        match (12 - product) % 11 {
            10 => 'X',
            check => char::from_digit(check, 10).unwrap(),
        }
    }

    #[test]
    fn the_numbers_of_the_standard_have_its_check_characters() {
        // GB 11643-1999, appendix A.
        for whole in ["11010519491231002X", "440524188001010014"] {
            assert_eq!(by_recursion(&whole[..17]), whole.chars().last().unwrap());
            assert_eq!(check_character(&digits(whole).unwrap()), whole.bytes().last());
        }
        assert_eq!(ResidentId::parse(" 11010519491231002x ", day("2026-01-01")).unwrap().last4(), "002X");
        // Born in 1880.
        let long_dead = ResidentId::parse("440524188001010014", day("2026-01-01"));
        assert_eq!(long_dead, Err(ResidentIdError::BirthDate));
    }

    #[test]
    fn each_refusal_has_its_reason() {
        let whole = |body: &str| format!("{body}{}", by_recursion(body));
        let refused = |text: &str| ResidentId::parse(text, day("2026-11-23")).unwrap_err();
        for shape in ["", "1101051949123100", "1101051949123100２X", "110105194912310021X", "X1010519491231002X"] {
            assert_eq!(refused(shape), ResidentIdError::Shape, "{shape}");
        }
        assert_eq!(refused(&whole("99010519491231002")), ResidentIdError::Province);
        for body in ["11010519490229002", "11010520261124002", "11010519001231002"] {
            assert_eq!(refused(&whole(body)), ResidentIdError::BirthDate, "{body}");
        }
        // Sixteen tomorrow, and today.
        assert_eq!(refused(&whole("11010520101124002")), ResidentIdError::TooYoung);
        assert!(ResidentId::parse(&whole("11010520101123002"), day("2026-11-23")).is_ok());
        assert_eq!(refused("110105194912310020"), ResidentIdError::Checksum);
    }

    #[test]
    fn debug_shows_neither_birthday_nor_sequence() {
        let id = ResidentId::parse("11010519491231002X", day("2026-01-01")).unwrap();
        assert_eq!(format!("{id:?}"), "ResidentId(…002X)");
    }

    fn body() -> impl Strategy<Value = String> {
        (0..PROVINCES.len(), 0u32..10_000, 0i64..20_000, 0u32..1000).prop_map(|(province, county, age, serial)| {
            let born = day("2000-06-15") - chrono::TimeDelta::days(age);
            format!("{}{county:04}{}{serial:03}", PROVINCES[province], born.format("%Y%m%d"))
        })
    }

    proptest! {
        #[test]
        fn every_number_made_by_the_standards_recursion_is_taken(body in body()) {
            let whole = format!("{body}{}", by_recursion(&body));
            let id = ResidentId::parse(&whole, day("2026-11-23")).unwrap();
            prop_assert_eq!(id.expose(), whole.as_str());
            prop_assert!(whole.ends_with(id.last4()));
        }

        #[test]
        fn one_wrong_digit_or_two_swapped_neighbors_never_pass(body in body(), at in 0usize..17, by in 1u32..10) {
            let whole = format!("{body}{}", by_recursion(&body));
            let mut wrong: Vec<char> = whole.chars().collect();
            wrong[at] = char::from_digit((wrong[at].to_digit(10).unwrap() + by) % 10, 10).unwrap();
            let wrong: String = wrong.into_iter().collect();
            prop_assert!(ResidentId::parse(&wrong, day("2026-11-23")).is_err());
            let mut swapped: Vec<char> = whole.chars().collect();
            swapped.swap(at, at + 1);
            let swapped: String = swapped.into_iter().collect();
            prop_assert!(swapped == whole || ResidentId::parse(&swapped, day("2026-11-23")).is_err());
        }

        #[test]
        fn no_text_breaks_it(text in ".*") {
            let _parsed = ResidentId::parse(&text, day("2026-11-23"));
        }
    }
}
