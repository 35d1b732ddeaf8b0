//! Encrypting card passwords for the platform's stock (`encryptPassword`, protocol 4.3).

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kamiflow_kernel::SecretText;
use rsa::pkcs1::DecodeRsaPublicKey;
use rsa::pkcs8::DecodePublicKey;
use rsa::traits::PublicKeyParts;
use rsa::{Pkcs1v15Encrypt, RsaPublicKey};

/// Bytes PKCS#1 v1.5 adds at least.
const PADDING: usize = 11;

/// The public key the platform's contact hands over, RSA with PKCS#1 v1.5 padding.
#[derive(Clone)]
pub struct CardKey(RsaPublicKey);

/// A key that cannot be used, or a password it cannot encrypt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CardKeyError {
    /// Neither PEM nor Base64 of an RSA public key.
    #[error("not an RSA public key: expected PEM, or Base64 of its DER form")]
    NotAKey,
    /// Longer than one block of the key holds.
    #[error("a card password may have at most {0} bytes with this key")]
    TooLong(usize),
    /// The padding's random bytes could not be drawn.
    #[error("the card password could not be encrypted")]
    Failed,
}

impl CardKey {
    /// Reads a key: PEM of either kind, or bare Base64 of the DER form, as Java tools print it.
    ///
    /// # Errors
    /// When the text is none of these.
    pub fn parse(text: &str) -> Result<Self, CardKeyError> {
        let text = text.trim();
        if text.starts_with("-----") {
            return RsaPublicKey::from_public_key_pem(text)
                .or_else(|_spki| RsaPublicKey::from_pkcs1_pem(text))
                .map(Self)
                .map_err(|_pem| CardKeyError::NotAKey);
        }
        let compact: String = text.split_ascii_whitespace().collect();
        let der = STANDARD.decode(compact).map_err(|_base64| CardKeyError::NotAKey)?;
        RsaPublicKey::from_public_key_der(&der)
            .or_else(|_spki| RsaPublicKey::from_pkcs1_der(&der))
            .map(Self)
            .map_err(|_der| CardKeyError::NotAKey)
    }

    /// Encrypts a card password; the block is written as Base64, which no document confirms.
    ///
    /// # Errors
    /// When the password does not fit into one block.
    pub fn encrypt(&self, password: &SecretText) -> Result<SecretText, CardKeyError> {
        let longest = self.0.size().saturating_sub(PADDING);
        if password.expose().len() > longest {
            return Err(CardKeyError::TooLong(longest));
        }
        self.0
            .encrypt(&mut rand::rng(), Pkcs1v15Encrypt, password.expose().as_bytes())
            .map(|block| SecretText::new(STANDARD.encode(block)))
            .map_err(|_rsa| CardKeyError::Failed)
    }
}

impl fmt::Debug for CardKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CardKey({} bits)", self.0.size() * 8)
    }
}

#[cfg(test)]
mod tests {
    use rsa::RsaPrivateKey;
    use rsa::pkcs1::EncodeRsaPublicKey;
    use rsa::pkcs8::{EncodePublicKey, LineEnding};

    use super::*;

    #[test]
    fn every_form_of_a_key_encrypts_what_its_private_key_decrypts() {
        let private = RsaPrivateKey::new(&mut rand::rng(), 1024).unwrap();
        let public = private.to_public_key();
        let der = public.to_public_key_der().unwrap();
        let forms = [
            public.to_public_key_pem(LineEnding::LF).unwrap(),
            public.to_pkcs1_pem(LineEnding::CRLF).unwrap(),
            STANDARD.encode(der.as_bytes()),
        ];
        for form in forms {
            let key = CardKey::parse(&form).unwrap();
            let block = key.encrypt(&SecretText::from("P@ss-卡密-1")).unwrap();
            let plain = private.decrypt(Pkcs1v15Encrypt, &STANDARD.decode(block.expose()).unwrap()).unwrap();
            assert_eq!(String::from_utf8(plain).unwrap(), "P@ss-卡密-1");
            let too_long = SecretText::new("x".repeat(128 - 10));
            assert_eq!(key.encrypt(&too_long), Err(CardKeyError::TooLong(117)));
            assert_eq!(format!("{key:?}"), "CardKey(1024 bits)");
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for text in ["", "hello", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "AAAA"] {
            assert_eq!(CardKey::parse(text).err(), Some(CardKeyError::NotAKey), "{text}");
        }
    }
}
