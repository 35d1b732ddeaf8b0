//! Every random choice of the sandbox, drawn from its seed.

use std::sync::Mutex;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha12Rng;

use crate::{state::lock, text::hex_lower};

/// A stream of choices that repeats with its seed.
#[derive(Debug)]
pub(crate) struct Dice(Mutex<ChaCha12Rng>);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Mutex::new(ChaCha12Rng::seed_from_u64(seed)))
    }

    pub(crate) fn chance(&self, probability: f64) -> bool {
        if probability <= 0.0 {
            return false;
        }
        probability >= 1.0 || lock(&self.0).random::<f64>() < probability
    }

    /// Returns a number below `count`, or 0 when there is none.
    pub(crate) fn below(&self, count: usize) -> usize {
        if count < 2 { 0 } else { lock(&self.0).random_range(0..count) }
    }

    pub(crate) fn pick<'a, T>(&self, choices: &'a [T]) -> Option<&'a T> {
        choices.get(self.below(choices.len()))
    }

    /// Returns 40 hexadecimal digits, the shape of the platform's tokens and codes.
    pub(crate) fn token(&self) -> String {
        let bytes: [u8; 20] = lock(&self.0).random();
        hex_lower(&bytes)
    }

    /// Returns `count` decimal digits.
    pub(crate) fn digits(&self, count: usize) -> String {
        let mut rng = lock(&self.0);
        (0..count).map(|_| char::from(b'0' + rng.random_range(0..10_u8))).collect()
    }
}
