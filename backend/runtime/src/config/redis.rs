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
    doc: "Redis 7 or newer, with `maxmemory-policy noeviction`. `rediss://` is TLS, which checks the \
          server's certificate and its name.",
    secret: true,
    used_by: &["serve", "work", "status", "order", "doctor"],
};

static PREFIX: Variable = Variable {
    name: "KAMIFLOW_REDIS_PREFIX",
    kind: Kind::Text,
    preset: Preset::Value("kamiflow"),
    doc: "Starts every key, so that several installations can share one Redis. Letters, digits, \
          `_` and `-`.",
    secret: false,
    used_by: &["serve", "work", "status", "order", "doctor"],
};

static CA_FILE: Variable = Variable {
    name: "KAMIFLOW_REDIS_CA_FILE",
    kind: Kind::Path,
    preset: Preset::Instead("the public authorities, which are compiled in,"),
    doc: "A PEM file with the authorities that may have issued the certificate of a `rediss://` server.",
    secret: false,
    used_by: &["serve", "work", "status", "order", "doctor"],
};

pub(super) const REFERENCE: SectionReference = SectionReference {
    title: "Redis",
    about: "Redis coordinates; emptying it at any moment loses nothing.",
    variables: &[&URL, &CA_FILE, &PREFIX],
};

/// Redis, for coordination.
#[derive(Debug)]
pub struct Redis {
    /// `redis://…`, with the password.
    pub url: SecretText,
    /// The authorities of a `rediss://` server, in PEM form, where they are not the public ones.
    pub ca_pem: Option<String>,
    /// The start of every key.
    pub prefix: String,
}

impl Section for Redis {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let url = reader.secret_url(&URL);
        let ca_pem = reader.file_text(&CA_FILE);
        let prefix = reader.text(&PREFIX);
        // Braces in the prefix would become the cluster's hash tag and put every key on one node.
        if let Some(prefix) = prefix.as_deref()
            && !prefix.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
        {
            reader.problem(&PREFIX, &format!("is `{prefix}`"), "use letters, digits, `_` and `-` only");
            return None;
        }
        let (url, ca_pem) = (url?, ca_pem?);
        if ca_pem.is_some() && !url.expose().starts_with("rediss://") {
            let cure = "begin KAMIFLOW_REDIS_URL with rediss://, or leave the file out";
            reader.problem(&CA_FILE, "is set although Redis is reached without TLS", cure);
            return None;
        }
        Some(Self { url, ca_pem, prefix: prefix? })
    }
}
