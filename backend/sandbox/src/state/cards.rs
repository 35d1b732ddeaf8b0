//! Card codes the platform hands out: imported ones (goods_type 15) and its own (goods_type 19).

use base64::{Engine, prelude::BASE64_STANDARD};
use md5::{Digest, Md5};
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use rsa::{Pkcs1v15Encrypt, RsaPrivateKey, pkcs8::EncodePublicKey, pkcs8::LineEnding};

/// 1 unused, 2 used, 3 expired, 4 destroyed.
pub(crate) const UNUSED: i64 = 1;
/// See [`UNUSED`].
pub(crate) const USED: i64 = 2;
/// See [`UNUSED`].
pub(crate) const EXPIRED: i64 = 3;
/// See [`UNUSED`].
pub(crate) const DESTROYED: i64 = 4;
/// A redemption that has not ended.
pub(crate) const IN_PROGRESS: i64 = 99;

/// A code that belongs to an order.
#[derive(Debug, Clone)]
pub(crate) struct Card {
    pub(crate) card_no: String,
    pub(crate) password: String,
    pub(crate) sealed_no: String,
    pub(crate) sealed_password: String,
    pub(crate) is_ota: bool,
    pub(crate) state: i64,
    pub(crate) total_times: i64,
    pub(crate) remain_times: i64,
    pub(crate) starts_ms: i64,
    pub(crate) expires_ms: i64,
    pub(crate) verified_ms: Option<i64>,
}

impl Card {
    /// Returns the state a reader sees at `now_ms`.
    pub(crate) fn state_at(&self, now_ms: i64) -> i64 {
        if self.state == UNUSED && now_ms >= self.expires_ms { EXPIRED } else { self.state }
    }
}

/// What kind of text a cipher holds, in the numbering of the decrypt APIs.
pub(crate) const CARD_PASSWORD: u8 = 1;
/// See [`CARD_PASSWORD`].
pub(crate) const CARD_NUMBER: u8 = 2;

/// Seals and opens the `~cipher~version~` texts of `card_info_list`.
///
/// Only the shape imitates the platform. The cipher has to keep a client from reading codes
/// without the decrypt API, no more.
#[derive(Debug)]
pub(crate) struct CipherBox {
    key: [u8; 16],
}

impl CipherBox {
    pub(crate) fn new(seed: u64) -> Self {
        Self { key: md5_of(&[b"card cipher", &seed.to_le_bytes()]) }
    }

    pub(crate) fn seal(&self, data_type: u8, text: &str) -> String {
        let mut plain = vec![data_type];
        plain.extend_from_slice(text.as_bytes());
        let tag = md5_of(&[&self.key, &plain]);
        let mut cipher = tag.to_vec();
        cipher.extend(self.mixed(&tag, &plain));
        format!("~{}~1~", BASE64_STANDARD.encode(cipher))
    }

    /// Returns the type and the text of a cipher this sandbox sealed.
    pub(crate) fn open(&self, sealed: &str) -> Option<(u8, String)> {
        let (cipher, version) = sealed.strip_prefix('~')?.strip_suffix('~')?.split_once('~')?;
        let cipher = BASE64_STANDARD.decode(cipher).ok().filter(|_| version == "1")?;
        let (tag, body) = cipher.split_at_checked(16)?;
        let plain = self.mixed(tag, body);
        if md5_of(&[&self.key, &plain]) != tag {
            return None;
        }
        let (data_type, text) = plain.split_first()?;
        Some((*data_type, String::from_utf8(text.to_vec()).ok()?))
    }

    fn mixed(&self, tag: &[u8], bytes: &[u8]) -> Vec<u8> {
        let blocks = (0_u32..).flat_map(|n| md5_of(&[&self.key, tag, &n.to_le_bytes()]));
        bytes.iter().zip(blocks).map(|(byte, mask)| byte ^ mask).collect()
    }
}

fn md5_of(parts: &[&[u8]]) -> [u8; 16] {
    let mut md5 = Md5::new();
    for part in parts {
        md5.update(part);
    }
    md5.finalize().into()
}

/// The key pair for `encryptPassword`, which a platform contact would hand over.
#[derive(Debug)]
pub(crate) struct ImportKey {
    private: RsaPrivateKey,
    public_pem: String,
}

impl ImportKey {
    /// Makes the key pair that belongs to a seed.
    pub(crate) fn generate(seed: u64) -> Result<Self, String> {
        let mut rng = ChaCha20Rng::seed_from_u64(seed ^ 0x5253_4120_6b65_7921);
        let private = RsaPrivateKey::new(&mut rng, 2048).map_err(|error| error.to_string())?;
        let public_pem =
            private.to_public_key().to_public_key_pem(LineEnding::LF).map_err(|error| error.to_string())?;
        Ok(Self { private, public_pem })
    }

    pub(crate) fn public_pem(&self) -> &str {
        &self.public_pem
    }

    /// Decrypts Base64 of an RSA/ECB/PKCS1Padding block.
    pub(crate) fn open(&self, encrypted: &str) -> Option<String> {
        let block = BASE64_STANDARD.decode(encrypted).ok()?;
        let plain = self.private.decrypt(Pkcs1v15Encrypt, &block).ok()?;
        String::from_utf8(plain).ok()
    }
}

#[cfg(test)]
mod tests {
    use rsa::{RsaPublicKey, pkcs8::DecodePublicKey};

    use super::*;

    #[test]
    fn sealed_texts_open_to_their_type_and_text_only_here() {
        let cipher_box = CipherBox::new(1);
        let sealed = cipher_box.seal(CARD_NUMBER, "卡-0001-with-more-than-one-block");
        assert!(sealed.starts_with('~') && sealed.ends_with("~1~"), "{sealed}");
        assert_eq!(cipher_box.open(&sealed), Some((CARD_NUMBER, "卡-0001-with-more-than-one-block".to_owned())));
        assert_eq!(CipherBox::new(2).open(&sealed), None);
        assert_eq!(cipher_box.open("~Q0FSRA==~1~"), None);
        assert_eq!(cipher_box.open("C0001"), None);
    }

    #[test]
    fn a_password_encrypted_with_the_public_key_opens() {
        let key = ImportKey::generate(3).unwrap();
        assert_eq!(key.public_pem(), ImportKey::generate(3).unwrap().public_pem());
        let public = RsaPublicKey::from_public_key_pem(key.public_pem()).unwrap();
        let mut rng = ChaCha20Rng::seed_from_u64(9);
        let block = public.encrypt(&mut rng, Pkcs1v15Encrypt, "密码-1".as_bytes()).unwrap();
        assert_eq!(key.open(&BASE64_STANDARD.encode(block)).as_deref(), Some("密码-1"));
        assert_eq!(key.open("bm9wZQ=="), None);
    }
}
