//! Signature of a call, and digest of a push connection.

use base64::{Engine, prelude::BASE64_STANDARD};
use md5::{Digest, Md5};

use crate::{
    params::{Param, Params},
    text::{hex_lower, hex_upper},
};

/// Returns whether `sign` belongs to the parameters as received.
///
/// Clients disagree on two points the platform does not document, so either reading is accepted:
/// empty values may be signed or left out, and a nested JSON value may be signed as received or
/// as compact text with sorted keys.
pub(crate) fn verifies(params: &Params, secret: &str, sign: &str) -> bool {
    let has_empty = params.iter().any(|param| param.text.is_empty());
    let has_nested = params.iter().any(|param| param.as_received.is_some());
    let matches = |skip_empty, as_received| digest(params, secret, skip_empty, as_received) == sign;
    matches(false, false)
        || (has_empty && matches(true, false))
        || (has_nested && matches(false, true))
        || (has_empty && has_nested && matches(true, true))
}

fn digest(params: &Params, secret: &str, skip_empty: bool, as_received: bool) -> String {
    let mut md5 = Md5::new();
    md5.update(secret);
    for Param { key, text, as_received: raw } in params.iter() {
        if key == "sign" || (skip_empty && text.is_empty()) {
            continue;
        }
        md5.update(key);
        match raw {
            Some(raw) if as_received => md5.update(raw),
            _ => md5.update(text),
        }
    }
    md5.update(secret);
    hex_upper(&md5.finalize())
}

/// Returns the digest that opens a push connection: Base64 of the hexadecimal text of the MD5.
pub(crate) fn push_digest(client_id: &str, ms: &str, secret: &str) -> String {
    let mut md5 = Md5::new();
    md5.update(client_id);
    md5.update(ms);
    md5.update(secret);
    BASE64_STANDARD.encode(hex_lower(&md5.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_push_digest_is_reproduced() {
        assert_eq!(push_digest("app", "1700000000000", "secret"), "OTgxODMwNDI2NWZiN2NiNzA2NzIxOTI0ZjJlMDMxMjE=");
    }

    #[test]
    fn empty_and_nested_values_are_accepted_in_both_readings() {
        let params = Params::parse("", "application/json", br#"{"b":{"z":1, "a":[ 2 ]},"a":"","n":null}"#).unwrap();
        for base in
            [r#"sab{"a":[2],"z":1}s"#, r#"sb{"a":[2],"z":1}s"#, r#"sab{"z":1, "a":[ 2 ]}s"#, r#"sb{"z":1, "a":[ 2 ]}s"#]
        {
            assert!(verifies(&params, "s", &hex_upper(&Md5::digest(base))), "{base}");
        }
        assert!(!verifies(&params, "s", &hex_upper(&Md5::digest("sabs"))));
    }
}
