//! Decrypting what the platform encrypted (protocol 9.2). Used for card numbers only, never for buyers.

use kamiflow_kernel::SecretText;
use serde::{Deserialize, Serialize};

use crate::api::{ApiMeta, api};
use crate::wire::{self, CipherText};

/// A text to decrypt.
#[derive(Debug, Clone)]
pub struct Encrypted {
    /// The order it came from.
    pub data_tag: String,
    /// The text.
    pub encrypted_data: CipherText,
}

/// `pdd.open.decrypt.batch`: plain texts; outside the platform's cloud one call per 10 s.
#[derive(Debug, Clone)]
pub struct DecryptBatch {
    /// The texts, at most [`DecryptBatch::MAX_TEXTS`].
    pub texts: Vec<Encrypted>,
}

/// `pdd.open.decrypt.mask.batch`: the same with stars in the plain texts, no cloud restriction.
#[derive(Debug, Clone)]
pub struct DecryptMaskBatch {
    /// The texts, at most [`DecryptBatch::MAX_TEXTS`].
    pub texts: Vec<Encrypted>,
}

impl DecryptBatch {
    /// Most texts of one call.
    pub const MAX_TEXTS: usize = 100;
}

/// The answer of both.
#[derive(Debug, Clone, Deserialize)]
pub struct Decrypted {
    /// One entry per text.
    #[serde(default, deserialize_with = "wire::list")]
    pub data_decrypt_list: Vec<DecryptedText>,
}

/// A decrypted text, or why it was not decrypted.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct DecryptedText {
    /// The order it came from.
    #[serde(default, deserialize_with = "wire::text")]
    pub data_tag: Option<String>,
    /// 1 card password, 2 card number; the others are buyer data.
    #[serde(default, deserialize_with = "wire::int")]
    pub data_type: Option<i64>,
    /// The plain or masked text.
    #[serde(default, deserialize_with = "wire::secret")]
    pub decrypted_data: Option<SecretText>,
    /// What was sent.
    #[serde(default, deserialize_with = "wire::cipher")]
    pub encrypted_data: Option<CipherText>,
    /// 0 when this text was decrypted.
    #[serde(default, deserialize_with = "wire::int")]
    pub error_code: Option<i64>,
    /// Why not.
    #[serde(default, deserialize_with = "wire::text")]
    pub error_msg: Option<String>,
}

#[derive(Serialize)]
struct WireText<'a> {
    data_tag: &'a str,
    encrypted_data: &'a str,
}

fn wire_texts(texts: &[Encrypted]) -> Vec<WireText<'_>> {
    texts
        .iter()
        .map(|text| WireText { data_tag: &text.data_tag, encrypted_data: text.encrypted_data.as_str() })
        .collect()
}

api!(DecryptBatch => ApiMeta::read("pdd.open.decrypt.batch", "open_decrypt_batch_response"), Decrypted,
    |this, params| { params.json("data_list", &wire_texts(&this.texts)); });
api!(DecryptMaskBatch => ApiMeta::read("pdd.open.decrypt.mask.batch", "open_decrypt_mask_batch_response"), Decrypted,
    |this, params| { params.json("data_list", &wire_texts(&this.texts)); });
