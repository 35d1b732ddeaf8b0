//! Section REDIS: how Redis is reached.

use kamiflow_kernel::SecretText;

use super::reader::Reader;
use super::section::{Section, SectionReference};
use super::variable::{Kind, Preset, Variable};

pub(super) const SCHEMES: &[&str] = &["redis", "rediss", "redis+unix", "unix"];

static URL: Variable = Variable {
    name: "KAMIFLOW_REDIS_URL",
    kind: Kind::Url(SCHEMES),
    preset: Preset::Required,
    doc: "Redis 7 or newer, with `maxmemory-policy noeviction`.",
    secret: true,
    used_by: &["serve", "work", "status", "order"],
};

static PREFIX: Variable = Variable {
    name: "KAMIFLOW_REDIS_PREFIX",
    kind: Kind::Text,
    preset: Preset::Value("kamiflow"),
    doc: "Starts every key, so that several installations can share one Redis. Letters, digits, \
          `_` and `-`.",
    secret: false,
    used_by: &["serve", "work", "status", "order"],
};

pub(super) const REFERENCE: SectionReference = SectionReference {
    title: "Redis",
    about: "Redis coordinates; emptying it at any moment loses nothing.",
    variables: &[&URL, &PREFIX],
};

/// Redis, for coordination.
#[derive(Debug)]
pub struct Redis {
    /// `redis://…`, with the password.
    pub url: SecretText,
    /// The start of every key.
    pub prefix: String,
}

impl Section for Redis {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let url = reader.secret_url(&URL);
        let prefix = reader.text(&PREFIX);
        // Braces in the prefix would become the cluster's hash tag and put every key on one node.
        if let Some(prefix) = prefix.as_deref()
            && !prefix.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
        {
            reader.problem(&PREFIX, &format!("is `{prefix}`"), "use letters, digits, `_` and `-` only");
            return None;
        }
        Some(Self { url: url?, prefix: prefix? })
    }
}
