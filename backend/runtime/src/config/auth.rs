//! Section AUTH: access tokens and passwords.

use super::keyring::{KeyringKey, parse_keys};
use super::reader::Reader;
use super::section::{Section, SectionReference};
use super::variable::{Kind, Preset, Variable};

static KEYS: Variable = Variable {
    name: "KAMIFLOW_AUTH_KEYS",
    kind: Kind::Keys,
    preset: Preset::Instead("a key that the process makes for itself, right for one process only,"),
    doc: "Keys that sign access tokens, as `id:base64`, separated by commas; each is 32 bytes (`openssl rand -base64 32`). \
          To exchange one, add the new one, make it active, and remove the old one after ten minutes.",
    secret: true,
    used_by: &["serve"],
};

static KEYS_FILE: Variable = Variable {
    name: "KAMIFLOW_AUTH_KEYS_FILE",
    kind: Kind::Path,
    preset: Preset::Instead("`KAMIFLOW_AUTH_KEYS`"),
    doc: "A file with one `id:base64` per line, for secrets that are mounted.",
    secret: false,
    used_by: &["serve"],
};

static ACTIVE: Variable = Variable {
    name: "KAMIFLOW_AUTH_ACTIVE",
    kind: Kind::Text,
    preset: Preset::Instead("the first key"),
    doc: "The id of the key that signs.",
    secret: false,
    used_by: &["serve"],
};

static HASH_MEMORY: Variable = Variable {
    name: "KAMIFLOW_AUTH_HASH_MEMORY_KIB",
    kind: Kind::Count(64..=1_048_576),
    preset: Preset::Value("19456"),
    doc: "Memory that hashing one password takes (argon2id). Hashes made otherwise are replaced at the next log-in.",
    secret: false,
    used_by: &["serve"],
};

static HASH_ITERATIONS: Variable = Variable {
    name: "KAMIFLOW_AUTH_HASH_ITERATIONS",
    kind: Kind::Count(1..=100),
    preset: Preset::Value("2"),
    doc: "Passes over that memory.",
    secret: false,
    used_by: &["serve"],
};

static HASH_LANES: Variable = Variable {
    name: "KAMIFLOW_AUTH_HASH_LANES",
    kind: Kind::Count(1..=16),
    preset: Preset::Value("1"),
    doc: "Lanes of that memory.",
    secret: false,
    used_by: &["serve"],
};

static HASH_AT_ONCE: Variable = Variable {
    name: "KAMIFLOW_AUTH_HASH_AT_ONCE",
    kind: Kind::Count(1..=1_000),
    preset: Preset::Value("8"),
    doc: "Passwords that are hashed at the same time; the others wait. Bounds memory.",
    secret: false,
    used_by: &["serve"],
};

pub(super) const REFERENCE: SectionReference = SectionReference {
    title: "Accounts",
    about: "Sessions are in the database, so losing the keys of access tokens signs nobody out.",
    variables: &[&KEYS, &KEYS_FILE, &ACTIVE, &HASH_MEMORY, &HASH_ITERATIONS, &HASH_LANES, &HASH_AT_ONCE],
};

/// How people's sessions are signed and their passwords hashed.
#[derive(Debug)]
pub struct Auth {
    /// Keys of access tokens; none means that the process makes one for itself.
    pub keys: Vec<KeyringKey>,
    /// The id of the key that signs; one of `keys`, or nothing if there is none.
    pub active: Option<String>,
    /// Memory of one hash, KiB.
    pub hash_memory_kib: u32,
    /// Passes over it.
    pub hash_iterations: u32,
    /// Lanes of it.
    pub hash_lanes: u32,
    /// Passwords that are hashed at the same time.
    pub hash_at_once: u32,
}

impl Section for Auth {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let (keys, active) = keys(reader)?;
        let memory = reader.count(&HASH_MEMORY);
        let iterations = reader.count(&HASH_ITERATIONS);
        let lanes = reader.count(&HASH_LANES);
        let at_once = reader.count(&HASH_AT_ONCE);
        Some(Self {
            keys,
            active,
            hash_memory_kib: memory?,
            hash_iterations: iterations?,
            hash_lanes: lanes?,
            hash_at_once: at_once?,
        })
    }
}

fn keys(reader: &mut Reader<'_>) -> Option<(Vec<KeyringKey>, Option<String>)> {
    let (inline, file) = (reader.raw(&KEYS), reader.file_text(&KEYS_FILE)?);
    let active = reader.raw(&ACTIVE);
    let (variable, text) = match (inline, file) {
        (Some(_), Some(_)) => {
            reader.problem(&KEYS_FILE, "is set although KAMIFLOW_AUTH_KEYS is set too", "keep one of the two");
            return None;
        }
        (Some(text), None) => (&KEYS, text),
        (None, Some(text)) => (&KEYS_FILE, text),
        (None, None) => return Some((Vec::new(), None)),
    };
    let keys = match parse_keys(&text) {
        Ok(keys) => keys,
        Err(what) => {
            reader.problem(variable, &what, &format!("write each key as {}", KEYS.example()));
            return None;
        }
    };
    let active = active.or_else(|| keys.first().map(|key| key.id.clone()));
    if !keys.iter().any(|key| Some(&key.id) == active.as_ref()) {
        reader.problem(&ACTIVE, "names no key that is listed", "name one of KAMIFLOW_AUTH_KEYS");
        return None;
    }
    Some((keys, active))
}
