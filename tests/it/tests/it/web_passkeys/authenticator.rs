//! An authenticator made of software: a P-256 key that answers questions as a browser passes them on.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kamiflow_test_support::{Answer, TestSite, between};
use rcgen::{KeyPair, PublicKeyData as _, SigningKey as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

const PRESENT: u8 = 0x01;
const VERIFIED: u8 = 0x04;
const HAS_KEY: u8 = 0x40;

/// A question, as its page holds it.
pub(super) struct Question {
    options: Value,
    /// Names it in the answer.
    pub(super) token: String,
}

impl Question {
    /// Reads the page that a form was answered with.
    pub(super) fn of(answer: &Answer) -> Self {
        assert_eq!((answer.status, answer.cache.as_str()), (200, "no-store"), "{} {}", answer.to(), answer.body);
        let options = between(&answer.body, "data-options=\"", "\"").replace("&quot;", "\"").replace("&amp;", "&");
        let options: Value = serde_json::from_str(&options).unwrap();
        let token = between(between(&answer.body, "name=\"token\"", ">"), "value=\"", "\"").to_owned();
        Self { options: options["publicKey"].clone(), token }
    }

    /// Returns the keys that it names, as they are written in it.
    pub(super) fn keys(&self, list: &str) -> Vec<&str> {
        let keys = self.options[list].as_array().map(Vec::as_slice).unwrap_or_default();
        keys.iter().map(|key| key["id"].as_str().unwrap()).collect()
    }
}

/// One key with its counter, used on the pages of an origin.
pub(super) struct Authenticator {
    key: KeyPair,
    id: Vec<u8>,
    /// What the browser says where the page is.
    pub(super) origin: String,
    /// Signatures so far.
    pub(super) counter: u32,
}

impl Authenticator {
    /// Makes one for the pages of a site.
    pub(super) fn at(site: &TestSite) -> Self {
        let key = KeyPair::generate().unwrap();
        let id = Sha256::digest(key.der_bytes()).to_vec();
        Self { key, id, origin: site.base.replace("127.0.0.1", "localhost"), counter: 0 }
    }

    /// Returns how questions name its key.
    pub(super) fn id(&self) -> String {
        URL_SAFE_NO_PAD.encode(&self.id)
    }

    /// Answers a question for a new key, where Chromium would pass it on: it makes no key that asks for more verification than
    /// the site does.
    pub(super) fn registers(&mut self, question: &Question) -> String {
        let verification = &question.options["authenticatorSelection"]["userVerification"];
        let protection = &question.options["extensions"]["credentialProtectionPolicy"];
        assert!(
            verification == "required" || protection != "userVerificationRequired",
            "Chromium refuses {}",
            question.options
        );
        let mut data = self.data(question.options["rp"]["id"].as_str().unwrap(), PRESENT | VERIFIED | HAS_KEY);
        data.extend([0_u8; 16]);
        data.extend(u16::try_from(self.id.len()).unwrap().to_be_bytes());
        data.extend(&self.id);
        data.extend(self.public_key());
        // {"fmt": "none", "attStmt": {}, "authData": data}
        let mut object = b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x59".to_vec();
        object.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        object.extend(data);
        let client = self.client("webauthn.create", question);
        self.credential(&json!({
            "attestationObject": URL_SAFE_NO_PAD.encode(object), "clientDataJSON": URL_SAFE_NO_PAD.encode(client),
            "transports": ["internal"],
        }))
    }

    /// Answers a question for this key.
    pub(super) fn signs(&mut self, question: &Question) -> String {
        let data = self.data(question.options["rpId"].as_str().unwrap(), PRESENT | VERIFIED);
        let client = self.client("webauthn.get", question);
        let signature = self.key.sign(&[data.as_slice(), &Sha256::digest(&client)].concat()).unwrap();
        self.credential(&json!({
            "authenticatorData": URL_SAFE_NO_PAD.encode(data), "clientDataJSON": URL_SAFE_NO_PAD.encode(client),
            "signature": URL_SAFE_NO_PAD.encode(signature),
        }))
    }

    fn credential(&self, response: &Value) -> String {
        json!({ "id": self.id(), "rawId": self.id(), "type": "public-key", "response": response }).to_string()
    }

    fn data(&mut self, site: &str, flags: u8) -> Vec<u8> {
        self.counter += 1;
        let mut data = Sha256::digest(site).to_vec();
        data.push(flags);
        data.extend(self.counter.to_be_bytes());
        data
    }

    fn client(&self, kind: &str, question: &Question) -> Vec<u8> {
        let challenge = &question.options["challenge"];
        let said = json!({ "type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": false });
        said.to_string().into_bytes()
    }

    /// {1: EC2, 3: ES256, -1: P-256, -2: x, -3: y}
    fn public_key(&self) -> Vec<u8> {
        let (x, y) = self.key.der_bytes()[1..].split_at(32);
        [b"\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20", x, b"\x22\x58\x20", y].concat()
    }
}
