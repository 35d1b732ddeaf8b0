//! Section DATABASE: how Postgres is reached.

use kamiflow_kernel::SecretText;

use super::reader::Reader;
use super::section::{Section, SectionReference};
use super::variable::{Kind, Preset, Variable};

const SCHEMES: &[&str] = &["postgres", "postgresql"];

static URL: Variable = Variable {
    name: "KAMIFLOW_DATABASE_URL",
    kind: Kind::Url(SCHEMES),
    preset: Preset::Required,
    doc: "Postgres as the application role (`kamiflow_app`), which row-level security binds.",
    secret: true,
    used_by: &["serve", "work", "status", "order"],
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
    doc: "Connections one process opens at most. All processes together must stay below \
          Postgres' `max_connections`.",
    secret: false,
    used_by: &["serve", "work"],
};

pub(super) const REFERENCE: SectionReference = SectionReference {
    title: "Database",
    about: "Postgres holds the truth. The roles are created once by `migrations/bootstrap.sql`.",
    variables: &[&URL, &OWNER_URL, &POOL_SIZE],
};

/// Postgres as the application role.
#[derive(Debug)]
pub struct Database {
    /// `postgres://…`, with the password.
    pub url: SecretText,
    /// The most connections of this process.
    pub pool_size: u32,
}

impl Section for Database {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let url = reader.secret_url(&URL);
        let pool_size = reader.count(&POOL_SIZE);
        Some(Self { url: url?, pool_size: pool_size? })
    }
}

/// Postgres as the owner of the schema.
#[derive(Debug)]
pub struct DatabaseOwner {
    /// `postgres://…`, with the password.
    pub url: SecretText,
}

impl Section for DatabaseOwner {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let url = reader.secret_url(&OWNER_URL)?;
        Some(Self { url })
    }
}
