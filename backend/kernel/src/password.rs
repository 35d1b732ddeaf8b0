//! Passwords that somebody chose, before they are hashed.

use crate::secret::SecretText;

/// A password as somebody typed it, of a length that is accepted. Whether it is common is the domain's to say.
#[derive(Clone, Debug)]
pub struct NewPassword(SecretText);

/// Why a password is refused for its form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Too easy to find by trying.
    #[error("a password has at least {} characters", NewPassword::MIN_CHARACTERS)]
    TooShort,
    /// Hashing very long texts would be work that anybody could order.
    #[error("a password has at most {} bytes", NewPassword::MAX_BYTES)]
    TooLong,
}

impl NewPassword {
    /// Fewest characters.
    pub const MIN_CHARACTERS: usize = 10;
    /// Most bytes.
    pub const MAX_BYTES: usize = 256;

    /// Checks the length of a password.
    ///
    /// # Errors
    /// When it is too short or too long.
    pub fn new(text: SecretText) -> Result<Self, PasswordError> {
        if text.expose().len() > Self::MAX_BYTES {
            return Err(PasswordError::TooLong);
        }
        if text.expose().chars().count() < Self::MIN_CHARACTERS {
            return Err(PasswordError::TooShort);
        }
        Ok(Self(text))
    }

    /// Returns the password itself.
    #[must_use]
    pub const fn secret(&self) -> &SecretText {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_is_counted_in_characters_and_bounded_in_bytes() {
        let password = |text: &str| NewPassword::new(text.into()).map(|_password| ());
        assert_eq!(password("九个字的密码不够长"), Err(PasswordError::TooShort));
        assert_eq!(password("十个字的密码刚刚好了"), Ok(()));
        assert_eq!(password(&"a".repeat(257)), Err(PasswordError::TooLong));
    }
}
