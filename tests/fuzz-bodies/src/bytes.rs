//! Choices drawn from the front of an input; an input that has ended chooses the first of everything.

/// What is left of an input.
#[derive(Debug, Clone, Copy)]
pub struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    /// Wraps an input.
    #[must_use]
    pub const fn new(input: &'a [u8]) -> Self {
        Self(input)
    }

    /// Draws one byte.
    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// Draws a number below `end`, which is not 0.
    pub fn below(&mut self, end: u8) -> u8 {
        self.byte().checked_rem(end).unwrap_or_default()
    }

    /// Draws yes or no.
    pub fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// Draws a value, or none in half of the cases.
    pub fn maybe<T>(&mut self, draw: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.flag().then(|| draw(self))
    }

    /// Draws one of the values, of which there is at least one.
    pub fn one_of<T: Copy>(&mut self, values: &[T]) -> T {
        let at = usize::from(self.byte()).checked_rem(values.len()).unwrap_or_default();
        *values.get(at).expect("there is a value to draw")
    }

    /// Returns what was not drawn.
    #[must_use]
    pub const fn rest(self) -> &'a [u8] {
        self.0
    }
}
