//! Access tokens: short JWTs signed with Ed25519 that name a user and a session, and nothing that could be out of date.
//!
//! A key has an id, which stands in the token's header. To exchange a key, a new one is added and made active; the old
//! one stays listed for as long as its last token lives. A token proves who sent it at most ten minutes ago; whether
//! the session still lives and what the user's role is are asked of the database with each request. What a signature says is
//! remembered for the token's life: verifying it anew is a twentieth of a page.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use chrono::{DateTime, Utc};
use ed25519_dalek::{Signature, SigningKey, VerifyingKey};
use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::signature::{Error as SignatureError, Signer, Verifier};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode};
use kamiflow_kernel::{SecretBytes, SecretText, SessionId, UserId};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

const ISSUER: &str = "kamiflow";
/// Most tokens whose signatures are remembered: more than members who work at once, and about two megabytes.
const REMEMBERED: usize = 20_000;

/// The keys are unusable as configured.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccessKeysError {
    /// A key is not 32 bytes long.
    #[error("access key `{0}` is not 32 bytes long")]
    WrongLength(String),
    /// The active key is not there.
    #[error("the active access key `{0}` is not listed")]
    ActiveMissing(String),
    /// The library refused to sign.
    #[error("an access token could not be signed")]
    Signing,
}

/// A token is none of ours, was changed, or is too old.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this access token is not good")]
pub struct AccessTokenRefused;

/// Whom a token names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bearer {
    /// The user.
    pub user: UserId,
    /// The session.
    pub session: SessionId,
}

#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    iss: String,
    sub: UserId,
    sid: SessionId,
    iat: i64,
    exp: i64,
}

/// What a token says whose signature is good.
#[derive(Debug, Clone, Copy)]
struct Signed {
    bearer: Bearer,
    iat: i64,
    exp: i64,
}

impl Signed {
    /// Returns whom the token names, if it is good at this moment.
    fn at(self, now: DateTime<Utc>) -> Result<Bearer, AccessTokenRefused> {
        let is_of_now = now.timestamp() < self.exp && self.iat <= now.timestamp().saturating_add(60);
        is_of_now.then_some(self.bearer).ok_or(AccessTokenRefused)
    }
}

struct Key {
    signs: EncodingKey,
    verifies: DecodingKey,
}

/// Signs and reads access tokens.
pub struct AccessKeys {
    keys: BTreeMap<String, Key>,
    active: String,
    /// By the SHA-256 of whole tokens, signatures included. None is kept that was not verified.
    verified: RwLock<HashMap<[u8; 32], Signed>>,
}

impl AccessKeys {
    /// Builds the keys from their seeds; `active` signs.
    ///
    /// # Errors
    /// When a seed is not 32 bytes long or the active key is missing.
    pub fn new(
        seeds: impl IntoIterator<Item = (String, SecretBytes)>,
        active: &str,
    ) -> Result<Arc<Self>, AccessKeysError> {
        // A second call finds the same provider installed.
        let _installed = PROVIDER.install_default();
        let mut keys = BTreeMap::new();
        for (id, seed) in seeds {
            let bytes: [u8; 32] =
                seed.expose().try_into().map_err(|_length| AccessKeysError::WrongLength(id.clone()))?;
            let public = SigningKey::from_bytes(&bytes).verifying_key();
            let key =
                Key { signs: EncodingKey::from_ed_der(&bytes), verifies: DecodingKey::from_ed_der(public.as_bytes()) };
            keys.insert(id, key);
        }
        if !keys.contains_key(active) {
            return Err(AccessKeysError::ActiveMissing(active.to_owned()));
        }
        Ok(Arc::new(Self { keys, active: active.to_owned(), verified: RwLock::default() }))
    }

    pub(super) fn sign(
        &self,
        bearer: Bearer,
        now: DateTime<Utc>,
        expires_at: DateTime<Utc>,
    ) -> Result<SecretText, AccessKeysError> {
        let Some(key) = self.keys.get(&self.active) else {
            return Err(AccessKeysError::ActiveMissing(self.active.clone()));
        };
        let header = Header { kid: Some(self.active.clone()), ..Header::new(Algorithm::EdDSA) };
        let (iat, exp) = (now.timestamp(), expires_at.timestamp());
        let claims = Claims { iss: ISSUER.to_owned(), sub: bearer.user, sid: bearer.session, iat, exp };
        encode(&header, &claims, &key.signs).map(SecretText::new).map_err(|_error| AccessKeysError::Signing)
    }

    pub(super) fn read(&self, token: &str, now: DateTime<Utc>) -> Result<Bearer, AccessTokenRefused> {
        let hash = Sha256::digest(token).into();
        let known = self.verified.read().unwrap_or_else(PoisonError::into_inner).get(&hash).copied();
        if let Some(signed) = known {
            return signed.at(now);
        }
        let signed = self.verify(token)?;
        let bearer = signed.at(now)?;
        self.remember(hash, signed, now);
        Ok(bearer)
    }

    fn verify(&self, token: &str) -> Result<Signed, AccessTokenRefused> {
        let refused = |_error| AccessTokenRefused;
        let id = decode_header(token).map_err(refused)?.kid.ok_or(AccessTokenRefused)?;
        let key = self.keys.get(&id).ok_or(AccessTokenRefused)?;
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[ISSUER]);
        validation.set_required_spec_claims(&["iss", "sub", "exp"]);
        // Time is an input: compared with the clock that everything else uses.
        validation.validate_exp = false;
        let claims = decode::<Claims>(token, &key.verifies, &validation).map_err(refused)?.claims;
        Ok(Signed { bearer: Bearer { user: claims.sub, session: claims.sid }, iat: claims.iat, exp: claims.exp })
    }

    fn remember(&self, hash: [u8; 32], signed: Signed, now: DateTime<Utc>) {
        let mut verified = self.verified.write().unwrap_or_else(PoisonError::into_inner);
        if verified.len() >= REMEMBERED {
            verified.retain(|_, signed| signed.at(now).is_ok());
        }
        if verified.len() < REMEMBERED {
            verified.insert(hash, signed);
        }
    }
}

impl std::fmt::Debug for AccessKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccessKeys").field("ids", &self.keys.keys()).field("active", &self.active).finish()
    }
}

/// Ed25519 alone: the library's own set of algorithms would bring RSA and two more curves.
static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |algorithm, key| match algorithm {
        Algorithm::EdDSA => {
            let seed: [u8; 32] = key.as_bytes().try_into().map_err(|_length| ErrorKind::InvalidEddsaKey)?;
            Ok(Box::new(Ed25519(SigningKey::from_bytes(&seed))))
        }
        _ => Err(ErrorKind::InvalidAlgorithm.into()),
    },
    verifier_factory: |algorithm, key| match algorithm {
        Algorithm::EdDSA => {
            let public = key.try_get_as_bytes()?.try_into().map_err(|_length| ErrorKind::InvalidEddsaKey)?;
            let public = VerifyingKey::from_bytes(public).map_err(|_error| ErrorKind::InvalidEddsaKey)?;
            Ok(Box::new(Ed25519Public(public)))
        }
        _ => Err(ErrorKind::InvalidAlgorithm.into()),
    },
    key_utils: KeyUtils::new_unimplemented(),
};

struct Ed25519(SigningKey);
struct Ed25519Public(VerifyingKey);

impl Signer<Vec<u8>> for Ed25519 {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, SignatureError> {
        Ok(self.0.sign(message).to_bytes().to_vec())
    }
}

impl JwtSigner for Ed25519 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::EdDSA
    }
}

impl Verifier<Vec<u8>> for Ed25519Public {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), SignatureError> {
        let signature = Signature::from_slice(signature).map_err(|_error| SignatureError::new())?;
        // Strict: no key of small order, so that one signature belongs to one message and key.
        self.0.verify_strict(message, &signature).map_err(|_error| SignatureError::new())
    }
}

impl JwtVerifier for Ed25519Public {
    fn algorithm(&self) -> Algorithm {
        Algorithm::EdDSA
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn keys(ids: &[&str], active: &str) -> Arc<AccessKeys> {
        let seed = |id: &str| SecretBytes::new(id.bytes().cycle().take(32).collect());
        AccessKeys::new(ids.iter().map(|id| ((*id).to_owned(), seed(id))), active).unwrap()
    }

    fn bearer() -> Bearer {
        Bearer { user: UserId::generate(), session: SessionId::generate() }
    }

    #[test]
    fn a_token_is_good_until_its_end_and_names_its_bearer() {
        let (now, bearer, keys) = (DateTime::UNIX_EPOCH + TimeDelta::days(20_000), bearer(), keys(&["k1"], "k1"));
        let token = keys.sign(bearer, now, now + TimeDelta::minutes(10)).unwrap();
        assert_eq!(keys.read(token.expose(), now + TimeDelta::minutes(9)), Ok(bearer));
        assert!(keys.read(token.expose(), now + TimeDelta::minutes(10)).is_err());
        assert!(keys.read(token.expose(), now - TimeDelta::minutes(2)).is_err());
    }

    #[test]
    fn a_remembered_token_ends_like_any_other_and_makes_room() {
        let (now, keys) = (DateTime::UNIX_EPOCH + TimeDelta::days(20_000), keys(&["k1"], "k1"));
        let token = keys.sign(bearer(), now, now + TimeDelta::minutes(10)).unwrap();
        assert_eq!(keys.read(token.expose(), now), keys.read(token.expose(), now));
        assert_eq!(keys.verified.read().unwrap().len(), 1);
        assert!(keys.read(token.expose(), now + TimeDelta::minutes(10)).is_err());
        // One that was refused is not remembered, whatever it is refused for.
        assert!(keys.read(&format!("{}x", token.expose()), now).is_err());
        let late = keys.sign(bearer(), now, now).unwrap();
        assert!(keys.read(late.expose(), now).is_err());
        assert_eq!(keys.verified.read().unwrap().len(), 1);
        for number in 0..REMEMBERED {
            let signed = Signed { bearer: bearer(), iat: 0, exp: now.timestamp() + 600 };
            keys.remember(Sha256::digest(number.to_be_bytes()).into(), signed, now);
        }
        assert_eq!(keys.verified.read().unwrap().len(), REMEMBERED);
        let later = now + TimeDelta::minutes(11);
        let next = keys.sign(bearer(), later, later + TimeDelta::minutes(10)).unwrap();
        assert!(keys.read(next.expose(), later).is_ok());
        assert_eq!(keys.verified.read().unwrap().len(), 1, "those that had ended made room");
    }

    #[test]
    fn an_exchanged_key_reads_what_it_signed_until_it_is_removed() {
        let (now, bearer) = (DateTime::UNIX_EPOCH + TimeDelta::days(20_000), bearer());
        let token = keys(&["k1"], "k1").sign(bearer, now, now + TimeDelta::minutes(10)).unwrap();
        assert_eq!(keys(&["k1", "k2"], "k2").read(token.expose(), now), Ok(bearer));
        assert!(keys(&["k2"], "k2").read(token.expose(), now).is_err());
    }

    #[test]
    fn a_token_that_was_changed_or_signed_otherwise_is_refused() {
        let (now, keys) = (DateTime::UNIX_EPOCH + TimeDelta::days(20_000), keys(&["k1"], "k1"));
        let token = keys.sign(bearer(), now, now + TimeDelta::minutes(10)).unwrap();
        let other = keys.sign(bearer(), now, now + TimeDelta::minutes(10)).unwrap();
        let part = |token: &SecretText, n: usize| token.expose().split('.').nth(n).unwrap().to_owned();
        let mixed = format!("{}.{}.{}", part(&token, 0), part(&other, 1), part(&token, 2));
        // Header {"alg":"none","kid":"k1"} with the claims of a good one.
        let unsigned = format!("eyJhbGciOiJub25lIiwia2lkIjoiazEifQ.{}.", part(&token, 1));
        let hmac = format!("eyJhbGciOiJIUzI1NiIsImtpZCI6ImsxIn0.{}.{}", part(&token, 1), part(&token, 2));
        for bad in [mixed, unsigned, hmac, String::new(), "a.b.c".to_owned(), part(&token, 1)] {
            assert_eq!(keys.read(&bad, now), Err(AccessTokenRefused), "{bad}");
        }
    }
}
