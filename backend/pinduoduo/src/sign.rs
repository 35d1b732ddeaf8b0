//! The request signature (protocol 1.4) and the push connection's digest (protocol 8.1).

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};

const UPPER: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];

/// Returns the signature of exactly these parameters, 32 upper-case hexadecimal digits.
///
/// The parameters are what is sent, common ones included, `sign` itself left out. The map is sorted by
/// bytes, which is the order the platform signs in. Empty values must not be in it: SDKs disagree on
/// whether they are signed, so this client never sends one ([`crate::Params`] drops them).
#[must_use]
pub fn sign(params: &BTreeMap<String, String>, client_secret: &str) -> String {
    let mut md5 = Md5::new();
    md5.update(client_secret.as_bytes());
    for (key, value) in params {
        md5.update(key.as_bytes());
        md5.update(value.as_bytes());
    }
    md5.update(client_secret.as_bytes());
    hex(&md5.finalize())
}

/// Returns the digest in the path of a push connection opened at `unix_ms`.
///
/// It is Base64 of the 32 lower-case hexadecimal digits as text, not of the 16 bytes.
#[must_use]
pub fn push_digest(client_id: &str, unix_ms: i64, client_secret: &str) -> String {
    let mut md5 = Md5::new();
    md5.update(client_id.as_bytes());
    md5.update(unix_ms.to_string().as_bytes());
    md5.update(client_secret.as_bytes());
    STANDARD.encode(hex(&md5.finalize()).to_lowercase())
}

fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| UPPER.get(usize::from(nibble)).copied().unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[cfg(test)]
mod tests;
