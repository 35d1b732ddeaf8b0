//! Section KEYRING: the master keys that wrap each merchant's data key.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use kamiflow_kernel::SecretBytes;
use zeroize::Zeroizing;

use super::reader::Reader;
use super::section::{Section, SectionReference};
use super::variable::{Kind, Preset, Variable};

/// Padding may be missing: secret stores and shells tend to strip `=`.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

static KEYS: Variable = Variable {
    name: "KAMIFLOW_KEYRING_KEYS",
    kind: Kind::Keys,
    preset: Preset::Instead("`KAMIFLOW_KEYRING_FILE`"),
    doc: "Master keys as `id:base64`, separated by commas; each is 32 bytes \
          (`openssl rand -base64 32`). Old keys stay listed until every data key is wrapped anew.",
    secret: true,
    used_by: &["serve", "work", "order", "rotate-keys"],
};

static FILE: Variable = Variable {
    name: "KAMIFLOW_KEYRING_FILE",
    kind: Kind::Path,
    preset: Preset::Instead("`KAMIFLOW_KEYRING_KEYS`"),
    doc: "A file with one `id:base64` per line, for secrets that are mounted. Empty lines and \
          lines that start with `#` are skipped.",
    secret: false,
    used_by: &["serve", "work", "order", "rotate-keys"],
};

static ACTIVE: Variable = Variable {
    name: "KAMIFLOW_KEYRING_ACTIVE",
    kind: Kind::Text,
    preset: Preset::Instead("the only key, if there is one"),
    doc: "The id of the key that wraps new data keys.",
    secret: false,
    used_by: &["serve", "work", "order", "rotate-keys"],
};

pub(super) const REFERENCE: SectionReference = SectionReference {
    title: "Key ring",
    about: "Losing these keys loses every card and credential: back them up apart from the \
            database.",
    variables: &[&KEYS, &FILE, &ACTIVE],
};

/// The master keys.
#[derive(Debug)]
pub struct Keyring {
    /// At least one key; ids are unique.
    pub keys: Vec<KeyringKey>,
    /// The id of the key that wraps new data keys; one of `keys`.
    pub active: String,
}

/// One master key.
#[derive(Debug, Clone)]
pub struct KeyringKey {
    /// Its name, stored beside everything it wraps: 1 to 32 of `a-z`, `0-9`, `_`, `-`.
    pub id: String,
    /// The key itself: always 32 bytes.
    pub bytes: SecretBytes,
}

impl Section for Keyring {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let active = reader.raw(&ACTIVE);
        let (variable, text) = entries(reader)?;
        let keys = match parse_keys(&text) {
            Ok(keys) => keys,
            Err(what) => {
                let cure = format!("write each key as {}", KEYS.example());
                reader.problem(variable, &what, &cure);
                return None;
            }
        };
        let active = match (active, keys.as_slice()) {
            (Some(active), _) => active,
            (None, [only]) => only.id.clone(),
            (None, _) => {
                let cure = format!("set it to one of {}", ids(&keys));
                reader.problem(&ACTIVE, "is not set although there are several keys", &cure);
                return None;
            }
        };
        if !keys.iter().any(|key| key.id == active) {
            let what = format!("is `{active}`, which is no key of the ring");
            reader.problem(&ACTIVE, &what, &format!("set it to one of {}", ids(&keys)));
            return None;
        }
        Some(Self { keys, active })
    }
}

/// Returns the key entries separated by commas or line ends, and the variable to blame for them.
fn entries(reader: &mut Reader<'_>) -> Option<(&'static Variable, Zeroizing<String>)> {
    let keys = reader.raw(&KEYS).map(Zeroizing::new);
    let file = reader.raw(&FILE);
    match (keys, file) {
        (Some(keys), None) => Some((&KEYS, keys)),
        (None, Some(path)) => match std::fs::read_to_string(&path) {
            Ok(text) => Some((&FILE, Zeroizing::new(text))),
            Err(error) => {
                let what = format!("names `{path}`, which cannot be read ({error})");
                reader.problem(&FILE, &what, "mount the file or correct the path");
                None
            }
        },
        (Some(_), Some(_)) => {
            let what = "is set although KAMIFLOW_KEYRING_KEYS is set too";
            reader.problem(&FILE, what, "keep one of the two");
            None
        }
        (None, None) => {
            let cure = format!("set it to e.g. {}, or set {}", KEYS.example(), FILE.name);
            reader.problem(&KEYS, "is not set", &cure);
            None
        }
    }
}

/// Parses the entries; errors name the entry by number or id, never by content.
pub(super) fn parse_keys(text: &str) -> Result<Vec<KeyringKey>, String> {
    let mut keys = Vec::new();
    let mut seen = BTreeSet::new();
    let entries = text.split([',', '\n']).map(str::trim).filter(|entry| !entry.is_empty() && !entry.starts_with('#'));
    for (index, entry) in entries.enumerate() {
        let number = index + 1;
        let Some((id, encoded)) = entry.split_once(':') else {
            return Err(format!("has an entry without `:` (number {number})"));
        };
        if !is_id(id) {
            return Err(format!("has an entry whose id is not 1 to 32 of a-z, 0-9, `_` and `-` (number {number})"));
        }
        let bytes = decode(encoded).ok_or_else(|| format!("has the key `{id}`, which is not 32 bytes in base64"))?;
        if !seen.insert(id) {
            return Err(format!("names the key `{id}` twice"));
        }
        keys.push(KeyringKey { id: id.to_owned(), bytes });
    }
    if keys.is_empty() {
        return Err("holds no key".to_owned());
    }
    Ok(keys)
}

fn is_id(id: &str) -> bool {
    (1..=32).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-'))
}

fn decode(encoded: &str) -> Option<SecretBytes> {
    let bytes = SecretBytes::new(BASE64.decode(encoded.trim()).ok()?);
    (bytes.expose().len() == 32).then_some(bytes)
}

fn ids(keys: &[KeyringKey]) -> String {
    let ids: Vec<&str> = keys.iter().map(|key| key.id.as_str()).collect();
    ids.join(", ")
}
