//! Envelope encryption: master keys wrap one data key per merchant, data keys seal columns.
//!
//! ```text
//! key ring (environment)   m1, m2, …        several live at once, one of them active
//!        └ wraps           data_keys row    names the master key that wraps it
//!              └ seals     a column         associated data = table, column, row id, merchant
//! ```
//! A ciphertext moved to another row, column or merchant does not open. Rotation of a master key wraps data keys
//! anew and touches no sealed column. The cipher is XChaCha20-Poly1305: its 24-byte nonce may be drawn at random
//! for every column of a large stock without counting.
//!
//! # The hash key outlives its data key
//! Duplicate card numbers are found by a keyed hash, and a unique index over it is what makes sure of it. The key of
//! the hash is derived from the merchant's *first* data key and from then on handed down, wrapped together with every
//! later one. So exchanging a data key changes no hash: at every moment of a re-seal, and in every process whichever
//! data key it still holds, equal numbers have equal hashes, and the index goes on refusing the second.

use std::collections::BTreeMap;
use std::fmt;

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use kamiflow_kernel::{DataKeyId, MerchantId, SecretBytes};
use sha2::Sha256;
use uuid::Uuid;
use zeroize::Zeroizing;

const FORMAT: u8 = 1;
const NONCE_LENGTH: usize = 24;
const KEY_LENGTH: usize = 32;
/// Version of the derivation of card hashes; stored beside every hash.
pub(crate) const CARD_HASH_VERSION: i16 = 1;

/// The key ring is unusable as configured.
#[derive(Debug, thiserror::Error)]
pub enum KeyRingError {
    /// No key at all.
    #[error("the key ring is empty: give at least one master key")]
    Empty,
    /// The active key is not in the ring.
    #[error("the active master key `{0}` is not in the key ring")]
    ActiveMissing(String),
    /// A key is not 32 bytes long.
    #[error("master key `{0}` is not 32 bytes long")]
    WrongLength(String),
}

/// Sealing or opening failed. Says nothing about contents.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The bytes are not what was sealed for this place, or the key is another one.
    #[error("a sealed value does not open here")]
    DoesNotOpen,
    /// The data key is wrapped by a master key that is not in the ring.
    #[error("master key `{0}` is not in the key ring; put it back until rotation has ended")]
    MasterKeyMissing(String),
    /// The random source failed.
    #[error("the random source failed")]
    Random,
}

/// The master keys, by id.
pub struct KeyRing {
    keys: BTreeMap<String, Zeroizing<[u8; KEY_LENGTH]>>,
    active: String,
}

impl KeyRing {
    /// Builds a ring; `active` wraps new data keys.
    ///
    /// # Errors
    /// When a key is not 32 bytes long or the active one is missing.
    pub fn new(keys: impl IntoIterator<Item = (String, SecretBytes)>, active: &str) -> Result<Self, KeyRingError> {
        let mut ring = BTreeMap::new();
        for (id, key) in keys {
            let key: [u8; KEY_LENGTH] =
                key.expose().try_into().map_err(|_length| KeyRingError::WrongLength(id.clone()))?;
            ring.insert(id, Zeroizing::new(key));
        }
        if ring.is_empty() {
            return Err(KeyRingError::Empty);
        }
        if !ring.contains_key(active) {
            return Err(KeyRingError::ActiveMissing(active.to_owned()));
        }
        Ok(Self { keys: ring, active: active.to_owned() })
    }

    /// Returns the id of the key that wraps new data keys.
    #[must_use]
    pub fn active_id(&self) -> &str {
        &self.active
    }

    /// Makes a new data key for a merchant; returns it with its wrapped form.
    pub(crate) fn generate(&self, merchant: MerchantId) -> Result<(DataKey, Vec<u8>), SealError> {
        let bytes = random_key();
        let hash_key = derive_hash_key(&bytes)?;
        let key = DataKey { id: DataKeyId::generate(), merchant, bytes, hash_key };
        let wrapped = self.wrap(&key)?;
        Ok((key, wrapped))
    }

    /// Makes the data key that takes the place of another: it seals with bytes of its own and hashes as the other does.
    pub(crate) fn succeed(&self, old: &DataKey) -> Result<(DataKey, Vec<u8>), SealError> {
        let (id, merchant) = (DataKeyId::generate(), old.merchant);
        let key = DataKey { id, merchant, bytes: random_key(), hash_key: old.hash_key.clone() };
        let wrapped = self.wrap(&key)?;
        Ok((key, wrapped))
    }

    /// Wraps a data key with the active master key.
    pub(crate) fn wrap(&self, key: &DataKey) -> Result<Vec<u8>, SealError> {
        let master = self.master(&self.active)?;
        let mut plain = Zeroizing::new([0u8; 2 * KEY_LENGTH]);
        let (bytes, hash_key) = plain.split_at_mut(KEY_LENGTH);
        bytes.copy_from_slice(key.bytes.as_slice());
        hash_key.copy_from_slice(key.hash_key.as_slice());
        encrypt(master, &wrap_context(&self.active, key.id, key.merchant), plain.as_slice())
    }

    /// Opens a wrapped data key.
    pub(crate) fn unwrap(
        &self,
        id: DataKeyId,
        merchant: MerchantId,
        master_key_id: &str,
        wrapped: &[u8],
    ) -> Result<DataKey, SealError> {
        let master = self.master(master_key_id)?;
        let plain = decrypt(master, &wrap_context(master_key_id, id, merchant), wrapped)?;
        let (bytes, hash_key) = plain.split_at_checked(KEY_LENGTH).ok_or(SealError::DoesNotOpen)?;
        let key = |part: &[u8]| part.try_into().map(Zeroizing::new).map_err(|_length| SealError::DoesNotOpen);
        Ok(DataKey { id, merchant, bytes: key(bytes)?, hash_key: key(hash_key)? })
    }

    fn master(&self, id: &str) -> Result<&[u8; KEY_LENGTH], SealError> {
        self.keys.get(id).map(|key| &**key).ok_or_else(|| SealError::MasterKeyMissing(id.to_owned()))
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRing").field("ids", &self.keys.keys()).field("active", &self.active).finish()
    }
}

/// A merchant's data key.
pub struct DataKey {
    id: DataKeyId,
    merchant: MerchantId,
    bytes: Zeroizing<[u8; KEY_LENGTH]>,
    /// Handed down from key to key, so that hashes stay what they are.
    hash_key: Zeroizing<[u8; KEY_LENGTH]>,
}

impl DataKey {
    /// Returns the key's id, stored beside everything it seals.
    #[must_use]
    pub const fn id(&self) -> DataKeyId {
        self.id
    }

    /// Returns whose it is.
    pub(crate) const fn merchant(&self) -> MerchantId {
        self.merchant
    }

    /// Seals a value for one place: `table.column` of the row `row`.
    ///
    /// # Errors
    /// When the random source fails.
    pub fn seal(&self, place: &'static str, row: Uuid, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        encrypt(&self.bytes, &column_context(place, row, self.merchant), plain)
    }

    /// Opens a value sealed for the same place.
    ///
    /// # Errors
    /// When it was sealed for another place or with another key, or was changed.
    pub fn open(&self, place: &'static str, row: Uuid, sealed: &[u8]) -> Result<SecretBytes, SealError> {
        decrypt(&self.bytes, &column_context(place, row, self.merchant), sealed)
            .map(|plain| SecretBytes::new(plain.to_vec()))
    }

    /// Returns the keyed hash of a card number: equal numbers of one merchant have equal hashes.
    ///
    /// # Errors
    /// Never for keys of this length; the type of the library asks for it.
    pub fn card_hash(&self, number: &str) -> Result<[u8; 32], SealError> {
        let mut mac = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(self.hash_key.as_slice())
            .map_err(|_length| SealError::DoesNotOpen)?;
        mac.update(number.as_bytes());
        Ok(mac.finalize().into_bytes().into())
    }

    /// Returns the keyed hash of a message for one purpose; it outlives an exchange of keys, as hashes of cards do.
    ///
    /// Every purpose has a key of its own, so that a hash made for one says nothing in another.
    ///
    /// # Errors
    /// Never for keys of this length; the types of the libraries ask for it.
    pub fn mac(&self, purpose: &'static str, message: &[u8]) -> Result<[u8; 32], SealError> {
        let mut key = Zeroizing::new([0u8; KEY_LENGTH]);
        Hkdf::<Sha256>::new(None, self.hash_key.as_slice())
            .expand(purpose.as_bytes(), key.as_mut_slice())
            .map_err(|_length| SealError::DoesNotOpen)?;
        let mut mac = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(key.as_slice())
            .map_err(|_length| SealError::DoesNotOpen)?;
        mac.update(message);
        Ok(mac.finalize().into_bytes().into())
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataKey").field("id", &self.id).finish_non_exhaustive()
    }
}

fn random_key() -> Zeroizing<[u8; KEY_LENGTH]> {
    let mut bytes = Zeroizing::new([0u8; KEY_LENGTH]);
    rand::fill(&mut *bytes);
    bytes
}

fn derive_hash_key(bytes: &[u8; KEY_LENGTH]) -> Result<Zeroizing<[u8; KEY_LENGTH]>, SealError> {
    let mut derived = Zeroizing::new([0u8; KEY_LENGTH]);
    Hkdf::<Sha256>::new(None, bytes.as_slice())
        .expand_multi_info(&[b"card-hash", &CARD_HASH_VERSION.to_be_bytes()], derived.as_mut_slice())
        .map_err(|_length| SealError::DoesNotOpen)?;
    Ok(derived)
}

fn wrap_context(master_key_id: &str, id: DataKeyId, merchant: MerchantId) -> Vec<u8> {
    format!("kamiflow|data_keys.wrapped|{master_key_id}|{id}|{merchant}").into_bytes()
}

fn column_context(place: &str, row: Uuid, merchant: MerchantId) -> Vec<u8> {
    let mut context = Vec::with_capacity(place.len() + 44);
    context.extend_from_slice(b"kamiflow|");
    context.extend_from_slice(place.as_bytes());
    context.push(b'|');
    context.extend_from_slice(row.as_bytes());
    context.extend_from_slice(merchant.as_uuid().as_bytes());
    context
}

fn encrypt(key: &[u8; KEY_LENGTH], context: &[u8], plain: &[u8]) -> Result<Vec<u8>, SealError> {
    let mut nonce = [0u8; NONCE_LENGTH];
    rand::fill(&mut nonce);
    let sealed = XChaCha20Poly1305::new(key.into())
        .encrypt(&XNonce::from(nonce), Payload { msg: plain, aad: context })
        .map_err(|_opaque| SealError::Random)?;
    let mut out = Vec::with_capacity(1 + NONCE_LENGTH + sealed.len());
    out.push(FORMAT);
    out.extend_from_slice(&nonce);
    out.extend_from_slice(&sealed);
    Ok(out)
}

fn decrypt(key: &[u8; KEY_LENGTH], context: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let (format, rest) = sealed.split_first().ok_or(SealError::DoesNotOpen)?;
    let (nonce, body) = rest.split_at_checked(NONCE_LENGTH).ok_or(SealError::DoesNotOpen)?;
    let nonce: [u8; NONCE_LENGTH] = nonce.try_into().map_err(|_length| SealError::DoesNotOpen)?;
    if *format != FORMAT {
        return Err(SealError::DoesNotOpen);
    }
    XChaCha20Poly1305::new(key.into())
        .decrypt(&XNonce::from(nonce), Payload { msg: body, aad: context })
        .map(Zeroizing::new)
        .map_err(|_opaque| SealError::DoesNotOpen)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(ids: &[&str], active: &str) -> KeyRing {
        let keys = ids.iter().map(|id| {
            let mut bytes = vec![0u8; 32];
            bytes[..id.len()].copy_from_slice(id.as_bytes());
            ((*id).to_owned(), SecretBytes::new(bytes))
        });
        KeyRing::new(keys, active).unwrap()
    }

    #[test]
    fn a_sealed_value_opens_only_in_its_own_place() {
        let (key, _wrapped) = ring(&["m1"], "m1").generate(MerchantId::generate()).unwrap();
        let (row, other) = (Uuid::now_v7(), Uuid::now_v7());
        let sealed = key.seal("cards.secret", row, b"C0001").unwrap();
        assert_eq!(key.open("cards.secret", row, &sealed).unwrap().expose(), b"C0001");
        assert!(key.open("cards.number", row, &sealed).is_err());
        assert!(key.open("cards.secret", other, &sealed).is_err());
        let mut changed = sealed.clone();
        *changed.last_mut().unwrap() ^= 1;
        assert!(key.open("cards.secret", row, &changed).is_err());
        assert!(key.open("cards.secret", row, &[]).is_err());
    }

    #[test]
    fn a_data_key_survives_a_change_of_master_keys() {
        let merchant = MerchantId::generate();
        let (key, wrapped) = ring(&["m1"], "m1").generate(merchant).unwrap();
        let sealed = key.seal("cards.secret", Uuid::nil(), b"x").unwrap();
        let both = ring(&["m1", "m2"], "m2");
        let opened = both.unwrap(key.id(), merchant, "m1", &wrapped).unwrap();
        let rewrapped = both.wrap(&opened).unwrap();
        let only_new = ring(&["m2"], "m2");
        let again = only_new.unwrap(key.id(), merchant, "m2", &rewrapped).unwrap();
        assert_eq!(again.open("cards.secret", Uuid::nil(), &sealed).unwrap().expose(), b"x");
        assert!(matches!(only_new.unwrap(key.id(), merchant, "m1", &wrapped), Err(SealError::MasterKeyMissing(_))));
        assert!(both.unwrap(key.id(), MerchantId::generate(), "m1", &wrapped).is_err());
    }

    #[test]
    fn hashes_are_equal_within_a_merchant_only() {
        let ring = ring(&["m1"], "m1");
        let (a, _) = ring.generate(MerchantId::generate()).unwrap();
        let (b, _) = ring.generate(MerchantId::generate()).unwrap();
        assert_eq!(a.card_hash("C1").unwrap(), a.card_hash("C1").unwrap());
        assert_ne!(a.card_hash("C1").unwrap(), a.card_hash("C2").unwrap());
        assert_ne!(a.card_hash("C1").unwrap(), b.card_hash("C1").unwrap());
        assert_eq!(a.mac("x", b"C1").unwrap(), a.mac("x", b"C1").unwrap());
        assert_ne!(a.mac("x", b"C1").unwrap(), a.mac("y", b"C1").unwrap());
        assert_ne!(a.mac("x", b"C1").unwrap(), a.card_hash("C1").unwrap());
        assert_ne!(a.mac("x", b"C1").unwrap(), b.mac("x", b"C1").unwrap());
    }

    #[test]
    fn a_successor_seals_anew_and_hashes_as_before() {
        let (m1, both, m2) = (ring(&["m1"], "m1"), ring(&["m1", "m2"], "m2"), ring(&["m2"], "m2"));
        let merchant = MerchantId::generate();
        let (first, _) = m1.generate(merchant).unwrap();
        let (second, wrapped) = both.succeed(&first).unwrap();
        let second = m2.unwrap(second.id(), merchant, "m2", &wrapped).unwrap();
        let (third, _) = m2.succeed(&second).unwrap();
        assert_eq!(first.card_hash("C1").unwrap(), third.card_hash("C1").unwrap());
        assert_eq!(first.mac("x", b"C1").unwrap(), third.mac("x", b"C1").unwrap());
        let sealed = first.seal("cards.secret", Uuid::nil(), b"x").unwrap();
        assert!(second.open("cards.secret", Uuid::nil(), &sealed).is_err());
    }
}
