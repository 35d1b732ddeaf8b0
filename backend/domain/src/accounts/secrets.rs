//! Random secrets that somebody is handed, and the hashes of them that are stored.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kamiflow_kernel::SecretText;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// 256 random bits: nobody finds one by trying, so a plain hash of it is stored.
pub(crate) struct Fresh {
    /// What is handed out.
    pub(crate) secret: SecretText,
    /// What is stored.
    pub(crate) hash: [u8; 32],
}

/// Makes a secret.
pub(crate) fn fresh() -> Fresh {
    let mut bytes = Zeroizing::new([0_u8; 32]);
    rand::fill(bytes.as_mut_slice());
    let secret = SecretText::new(URL_SAFE_NO_PAD.encode(bytes.as_slice()));
    let hash = hash_of(&secret);
    Fresh { secret, hash }
}

/// Returns what is stored of a secret that somebody presents.
pub(crate) fn hash_of(secret: &SecretText) -> [u8; 32] {
    Sha256::digest(secret.expose().as_bytes()).into()
}
