//! Generates cards from a pattern such as `VIP-{A:4}-{9:6}`, with a random source that cannot be guessed.
//!
//! | part | characters |
//! | --- | --- |
//! | `{A:n}` | n capital letters without I and O |
//! | `{a:n}` | n small letters without i, l and o |
//! | `{9:n}` | n digits |
//! | `{X:n}` | n capital letters or digits without I, O, 0 and 1 |
//! | `{H:n}` | n hexadecimal digits, capital |
//! | `{{`, `}}` | a brace |
//! | anything else | itself |
//!
//! A code a stranger can guess is a card given away. So a pattern is refused unless there are a million possible codes
//! for each one that is made; where a card has a secret too, the secret carries that, and the number need only be unique.

use std::collections::HashSet;

use kamiflow_kernel::SecretText;
use rand::{CryptoRng, RngExt};

use crate::card_file::NumberHashKey;

/// The most cards one generation makes.
pub const MOST_CARDS: u32 = 1_000_000;
/// How many codes must be possible for each one made, if it is to stay a secret.
pub const GUESS_FACTOR: u128 = 1_000_000;
/// How many numbers must be possible for each one made, where a secret protects the card.
const UNIQUE_FACTOR: u128 = 100;
const MOST_CHARACTERS: usize = 128;
/// With at least a hundred numbers per card, this many repetitions in a row happen to a broken random source only.
const MOST_REPEATS: u32 = 128;

const CAPITALS: &str = "ABCDEFGHJKLMNPQRSTUVWXYZ";
const SMALL: &str = "abcdefghjkmnpqrstuvwxyz";
const DIGITS: &str = "0123456789";
const UNAMBIGUOUS: &str = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ";
const HEXADECIMAL: &str = "0123456789ABCDEF";

/// Why a text is not a pattern. Positions count characters from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Nothing.
    #[error("the pattern is empty")]
    Empty,
    /// A brace that is not closed.
    #[error("the brace at character {position} is not closed")]
    OpenBrace {
        /// Where the brace stands.
        position: usize,
    },
    /// A closing brace without an opening one.
    #[error("the brace at character {position} closes nothing; write }}}} for a brace itself")]
    LoneBrace {
        /// Where the brace stands.
        position: usize,
    },
    /// A part that is not known.
    #[error("`{{{text}}}` at character {position} is not one of {{A:n}}, {{a:n}}, {{9:n}}, {{X:n}}, {{H:n}}")]
    UnknownPart {
        /// Where the part starts.
        position: usize,
        /// What stands between the braces.
        text: String,
    },
    /// A count that is not from 1 to 64.
    #[error("the count at character {position} is not a number from 1 to 64")]
    BadCount {
        /// Where the part starts.
        position: usize,
    },
    /// A character that cannot stand in a card.
    #[error("the character at {position} is a space at the edge, or cannot be printed")]
    BadCharacter {
        /// Where it stands.
        position: usize,
    },
    /// Codes longer than 128 characters.
    #[error("codes would have {length} characters; at most 128 are allowed")]
    TooLong {
        /// How long they would be.
        length: usize,
    },
}

/// Why cards cannot be generated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GenerationError {
    /// Zero cards, or too many.
    #[error("the count must be from 1 to {MOST_CARDS}")]
    BadCount,
    /// The codes would be guessable, or would run out.
    #[error("the {part} allows {possible} codes, {needed} are needed; make it longer")]
    TooFewCodes {
        /// `number` or `secret`.
        part: &'static str,
        /// How many codes the pattern allows.
        possible: u128,
        /// How many it must allow.
        needed: u128,
    },
    /// The random source repeats itself.
    #[error("the random source repeats itself")]
    BrokenRandomSource,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(char),
    Random { alphabet: &'static str, count: usize },
}

/// A parsed pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CardPattern {
    parts: Vec<Part>,
}

impl std::str::FromStr for CardPattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        if text.is_empty() {
            return Err(PatternError::Empty);
        }
        let edges = [text.chars().next(), text.chars().next_back()];
        let mut parts = Vec::new();
        let mut rest = text.chars().zip(1..).peekable();
        while let Some((c, position)) = rest.next() {
            match c {
                '{' | '}' if rest.next_if(|(next, _)| *next == c).is_some() => parts.push(Part::Literal(c)),
                '}' => return Err(PatternError::LoneBrace { position }),
                '{' => {
                    let mut inside = String::new();
                    loop {
                        match rest.next() {
                            Some(('}', _)) => break,
                            Some((c, _)) => inside.push(c),
                            None => return Err(PatternError::OpenBrace { position }),
                        }
                    }
                    parts.push(part(&inside, position)?);
                }
                c if c.is_control() || (c.is_whitespace() && c != ' ') => {
                    return Err(PatternError::BadCharacter { position });
                }
                c => parts.push(Part::Literal(c)),
            }
        }
        if edges.contains(&Some(' ')) {
            let position = if text.starts_with(' ') { 1 } else { text.chars().count() };
            return Err(PatternError::BadCharacter { position });
        }
        let pattern = Self { parts };
        let length = pattern.length();
        if length > MOST_CHARACTERS { Err(PatternError::TooLong { length }) } else { Ok(pattern) }
    }
}

fn part(inside: &str, position: usize) -> Result<Part, PatternError> {
    let unknown = || PatternError::UnknownPart { position, text: inside.chars().take(20).collect() };
    let (kind, count) = inside.split_once(':').ok_or_else(unknown)?;
    let alphabet = match kind {
        "A" => CAPITALS,
        "a" => SMALL,
        "9" => DIGITS,
        "X" => UNAMBIGUOUS,
        "H" => HEXADECIMAL,
        _ => return Err(unknown()),
    };
    let digits = !count.is_empty() && count.bytes().all(|byte| byte.is_ascii_digit());
    let count = count.parse().ok().filter(|count| digits && (1..=64).contains(count));
    Ok(Part::Random { alphabet, count: count.ok_or(PatternError::BadCount { position })? })
}

impl CardPattern {
    /// Returns how many different codes the pattern allows, at most `u128::MAX`.
    #[must_use]
    pub fn possible_codes(&self) -> u128 {
        self.parts.iter().fold(1, |product: u128, part| match part {
            Part::Literal(_) => product,
            Part::Random { alphabet, count } => {
                let size = u128::try_from(alphabet.len()).unwrap_or(u128::MAX);
                let count = u32::try_from(*count).unwrap_or(u32::MAX);
                product.saturating_mul(size.saturating_pow(count))
            }
        })
    }

    fn length(&self) -> usize {
        let length = |part: &Part| match part {
            Part::Literal(_) => 1,
            Part::Random { count, .. } => *count,
        };
        self.parts.iter().map(length).sum()
    }

    fn draw(&self, rng: &mut impl CryptoRng) -> String {
        // Room for any code, so that growing leaves no copies behind that nobody wipes.
        let mut code = String::with_capacity(MOST_CHARACTERS * 4);
        for part in &self.parts {
            match part {
                Part::Literal(c) => code.push(*c),
                Part::Random { alphabet, count } => {
                    let draw = |_| alphabet.chars().nth(rng.random_range(0..alphabet.len()));
                    code.extend((0..*count).filter_map(draw));
                }
            }
        }
        code
    }
}

/// A generated card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GeneratedCard {
    /// The number, different from every other of the same generation.
    pub number: SecretText,
    /// The secret, where the generation has a pattern for it.
    pub secret: Option<SecretText>,
}

/// A request for cards that was found possible and safe.
#[derive(Debug, Clone)]
pub struct Generation {
    number: CardPattern,
    secret: Option<CardPattern>,
    count: u32,
}

impl Generation {
    /// Checks that there are enough codes for the cards wanted.
    ///
    /// # Errors
    /// When the count is out of range, or the codes would be guessable.
    pub fn new(number: CardPattern, secret: Option<CardPattern>, count: u32) -> Result<Self, GenerationError> {
        if !(1..=MOST_CARDS).contains(&count) {
            return Err(GenerationError::BadCount);
        }
        let enough = |part, pattern: &CardPattern, factor: u128| {
            let (possible, needed) = (pattern.possible_codes(), factor.saturating_mul(u128::from(count)));
            if possible < needed { Err(GenerationError::TooFewCodes { part, possible, needed }) } else { Ok(()) }
        };
        match &secret {
            None => enough("number", &number, GUESS_FACTOR)?,
            Some(secret) => {
                enough("number", &number, UNIQUE_FACTOR)?;
                enough("secret", secret, GUESS_FACTOR)?;
            }
        }
        Ok(Self { number, secret, count })
    }

    /// Returns the cards, one at a time; it ends after the first error.
    pub fn cards<R: CryptoRng>(self, mut rng: R) -> GeneratedCards<R> {
        let key = NumberHashKey::new(rng.random());
        GeneratedCards { left: self.count, generation: self, rng, key, seen: HashSet::new() }
    }
}

/// The cards of a [`Generation`].
pub struct GeneratedCards<R> {
    generation: Generation,
    rng: R,
    key: NumberHashKey,
    /// Keyed hashes of the numbers made so far, so that they need not stay in memory themselves.
    seen: HashSet<[u8; 16]>,
    left: u32,
}

impl<R: CryptoRng> Iterator for GeneratedCards<R> {
    type Item = Result<GeneratedCard, GenerationError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        for _ in 0..MOST_REPEATS {
            let number = SecretText::new(self.generation.number.draw(&mut self.rng));
            if self.seen.insert(self.key.fingerprint(number.expose())) {
                let secret = self.generation.secret.as_ref();
                let secret = secret.map(|pattern| SecretText::new(pattern.draw(&mut self.rng)));
                return Some(Ok(GeneratedCard { number, secret }));
            }
        }
        self.left = 0;
        Some(Err(GenerationError::BrokenRandomSource))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    fn pattern(text: &str) -> CardPattern {
        text.parse().unwrap()
    }

    fn generate(number: &str, secret: Option<&str>, count: u32, seed: u64) -> Vec<(String, Option<String>)> {
        let generation = Generation::new(pattern(number), secret.map(pattern), count).unwrap();
        let text = |secret: SecretText| secret.expose().to_owned();
        let cards = generation.cards(StdRng::seed_from_u64(seed));
        cards.map(|card| card.unwrap()).map(|card| (text(card.number), card.secret.map(text))).collect()
    }

    #[test]
    fn codes_follow_the_pattern() {
        let shape = |code: &str| code.chars().map(|c| if c.is_ascii_digit() { '9' } else { 'A' }).collect::<String>();
        for (code, secret) in generate("VIP-{A:4}-{9:6}{{}}", Some("{H:16}"), 200, 3) {
            assert_eq!(shape(&code), "AAAAAAAAA999999AA", "{code}");
            assert!(code.starts_with("VIP-") && code.ends_with("{}"), "{code}");
            assert!(!code.get(4..8).unwrap().contains(['I', 'O']));
            assert!(secret.is_some_and(|secret| secret.len() == 16));
        }
    }

    #[test]
    fn every_character_of_an_alphabet_turns_up_about_as_often() {
        for (text, alphabet) in [
            ("{A:64}", CAPITALS),
            ("{a:64}", SMALL),
            ("{9:64}", DIGITS),
            ("{X:64}", UNAMBIGUOUS),
            ("{H:64}", HEXADECIMAL),
        ] {
            let all: String = generate(text, None, 1000, 5).into_iter().map(|(number, _)| number).collect();
            let expected = all.len() / alphabet.len();
            for c in alphabet.chars() {
                let count = all.matches(c).count();
                assert!(count.abs_diff(expected) < expected / 5, "{text}: {c} {count} times, not about {expected}");
            }
            assert_eq!(all.chars().filter(|c| !alphabet.contains(*c)).count(), 0);
        }
    }

    #[test]
    fn errors_say_where() {
        let error = |text: &str| text.parse::<CardPattern>().unwrap_err();
        assert_eq!(error(""), PatternError::Empty);
        assert_eq!(error("卡{A:4"), PatternError::OpenBrace { position: 2 });
        assert_eq!(error("AB}C"), PatternError::LoneBrace { position: 3 });
        assert_eq!(error("A{Z:3}"), PatternError::UnknownPart { position: 2, text: "Z:3".to_owned() });
        assert_eq!(error("{A}"), PatternError::UnknownPart { position: 1, text: "A".to_owned() });
        for text in ["{A:0}", "{A:65}", "{A:}", "{A:+5}", "{A:1 }"] {
            assert_eq!(error(text), PatternError::BadCount { position: 1 }, "{text}");
        }
        assert_eq!(error("A\tB"), PatternError::BadCharacter { position: 2 });
        assert_eq!(error("AB "), PatternError::BadCharacter { position: 3 });
        assert_eq!(error("{A:64}{A:64}{A:1}"), PatternError::TooLong { length: 129 });
        assert_eq!(error("A}").to_string(), "the brace at character 2 closes nothing; write }} for a brace itself");
    }

    #[test]
    fn codes_that_could_be_guessed_are_refused() {
        let eight_digits = pattern("{9:8}");
        assert!(Generation::new(eight_digits.clone(), None, 100).is_ok());
        assert_eq!(
            Generation::new(eight_digits.clone(), None, 101).unwrap_err(),
            GenerationError::TooFewCodes { part: "number", possible: 100_000_000, needed: 101_000_000 }
        );
        assert!(Generation::new(eight_digits.clone(), Some(pattern("{X:8}")), 101).is_ok());
        let weak = Generation::new(eight_digits, Some(pattern("{9:4}")), 101).unwrap_err();
        assert!(matches!(weak, GenerationError::TooFewCodes { part: "secret", .. }), "{weak}");
        assert!(matches!(
            Generation::new(pattern("FIXED"), None, 1),
            Err(GenerationError::TooFewCodes { possible: 1, .. })
        ));
        for count in [0, MOST_CARDS + 1] {
            assert_eq!(Generation::new(pattern("{X:32}"), None, count).unwrap_err(), GenerationError::BadCount);
        }
    }

    /// A source that always gives the same bytes.
    struct Stuck;

    impl rand::TryRng for Stuck {
        type Error = std::convert::Infallible;
        fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
            Ok(7)
        }
        fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
            Ok(7)
        }
        fn try_fill_bytes(&mut self, into: &mut [u8]) -> Result<(), Self::Error> {
            into.fill(7);
            Ok(())
        }
    }

    impl rand::TryCryptoRng for Stuck {}

    #[test]
    fn a_stuck_random_source_ends_the_generation() {
        let cards: Vec<_> = Generation::new(pattern("{X:16}"), None, 5).unwrap().cards(Stuck).collect();
        assert_eq!(cards.len(), 2);
        assert_eq!(cards[1], Err(GenerationError::BrokenRandomSource));
    }

    proptest! {
        #[test]
        fn numbers_are_unique_and_as_many_as_asked(seed in any::<u64>(), count in 1..400_u32) {
            // A hundred numbers per card at the most: collisions do happen while drawing.
            let cards = generate("{9:5}", Some("{X:8}"), count, seed);
            let distinct: HashSet<_> = cards.iter().map(|(number, _)| number).collect();
            prop_assert_eq!(distinct.len(), usize::try_from(count).unwrap());
        }

        #[test]
        fn any_text_is_parsed_or_refused(text in "[A-Za-z0-9{}: -]{0,24}") {
            if let Ok(pattern) = text.parse::<CardPattern>() {
                prop_assert!(pattern.possible_codes() >= 1);
            }
        }
    }
}
