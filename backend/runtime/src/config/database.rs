//! Section DATABASE: how Postgres is reached.

use kamiflow_kernel::SecretText;

use super::reader::Reader;
use super::section::{Section, SectionReference};
use super::variable::{Kind, Preset, Variable};
use crate::local::percent_encode;

const SCHEMES: &[&str] = &["postgres", "postgresql"];

static URL: Variable = Variable {
    name: "KAMIFLOW_DATABASE_URL",
    kind: Kind::Url(SCHEMES),
    preset: Preset::Required,
    doc: "Postgres as the application role (`kamiflow_app`), which row-level security binds. TLS is \
          asked for as libpq does: `?sslmode=verify-full` checks the server's certificate and its \
          name, `require` with a CA file its issuer only; without `sslmode` there is none.",
    secret: true,
    used_by: &["serve", "work", "status", "order", "doctor"],
};

static OWNER_URL: Variable = Variable {
    name: "KAMIFLOW_DATABASE_OWNER_URL",
    kind: Kind::Url(SCHEMES),
    preset: Preset::Required,
    doc: "The same database as the owner of its tables (`kamiflow_owner`), for migrations only.",
    secret: true,
    used_by: &["migrate"],
};

static POOL_SIZE: Variable = Variable {
    name: "KAMIFLOW_DATABASE_POOL_SIZE",
    kind: Kind::Count(1..=1000),
    preset: Preset::Value("16"),
    doc: "Connections one process opens at most; `serve` shares them out among its threads, one for each core, as long \
          as each gets two. Two for each core are fastest for `serve` beside Postgres on the same machine; more of them \
          serve pages while others wait for Postgres. All processes together must stay below Postgres' \
          `max_connections`.",
    secret: false,
    used_by: &["serve", "work"],
};

static CA_FILE: Variable = Variable {
    name: "KAMIFLOW_DATABASE_CA_FILE",
    kind: Kind::Path,
    preset: Preset::Instead("the public authorities, which are compiled in,"),
    doc: "A PEM file with the authorities that may have issued Postgres' certificate, for both URLs; \
          the same as `sslrootcert=` in a URL. Implies `sslmode=verify-full` where a URL says nothing.",
    secret: false,
    used_by: &["every command that reads a URL of the database"],
};

pub(super) const REFERENCE: SectionReference = SectionReference {
    title: "Database",
    about: "Postgres holds the truth. The roles are created once by `migrations/bootstrap.sql`.",
    variables: &[&URL, &OWNER_URL, &CA_FILE, &POOL_SIZE],
};

/// Postgres as the application role.
#[derive(Debug)]
pub struct Database {
    /// `postgres://…`, with the password, and with the CA file as `sslrootcert`.
    pub url: SecretText,
    /// The most connections of this process.
    pub pool_size: u32,
}

impl Section for Database {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let url = read_url(reader, &URL);
        let pool_size = reader.count(&POOL_SIZE);
        Some(Self { url: url?, pool_size: pool_size? })
    }
}

/// Postgres as the owner of the schema.
#[derive(Debug)]
pub struct DatabaseOwner {
    /// `postgres://…`, with the password, and with the CA file as `sslrootcert`.
    pub url: SecretText,
}

impl Section for DatabaseOwner {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let url = read_url(reader, &OWNER_URL)?;
        Some(Self { url })
    }
}

/// Reads a URL and adds what the other variables say about the way there, so that every program that is given the URL
/// (`pg_dump` too) goes the same way.
fn read_url(reader: &mut Reader<'_>, variable: &'static Variable) -> Option<SecretText> {
    let file = reader.readable_file(&CA_FILE);
    let url = reader.secret_url(variable)?;
    let Some(file) = file? else { return Some(url) };
    let text = url.expose();
    let (_, query) = text.split_once('?').unwrap_or((text, ""));
    let says = |name: &str| query.split('&').any(|pair| pair.split_once('=').is_some_and(|(key, _)| key == name));
    let mut added = Vec::new();
    if !says("sslmode") {
        added.push("sslmode=verify-full".to_owned());
    }
    if !says("sslrootcert") {
        added.push(format!("sslrootcert={}", percent_encode(&file)));
    }
    let glue = match (text.contains('?'), query.is_empty()) {
        (false, _) => "?",
        (true, true) => "",
        (true, false) => "&",
    };
    let glue = if added.is_empty() { "" } else { glue };
    Some(SecretText::new(format!("{text}{glue}{}", added.join("&"))))
}
