//! Section TEST: the servers that the test suite runs on.

use super::reader::Reader;
use super::redis::SCHEMES;
use super::section::{Section, SectionReference};
use super::variable::{Kind, Preset, Variable};

const USED_BY: &[&str] = &["the test suite"];

static DATABASE_URL: Variable = Variable {
    name: "KAMIFLOW_TEST_DATABASE_URL",
    kind: Kind::Url(&["postgres", "postgresql"]),
    preset: Preset::Required,
    doc: "Postgres as a superuser, who creates a database per test. `./dev test` sets it to a \
          private server; never point it at one that matters.",
    secret: false,
    used_by: USED_BY,
};

static REDIS_URL: Variable = Variable {
    name: "KAMIFLOW_TEST_REDIS_URL",
    kind: Kind::Url(SCHEMES),
    preset: Preset::Required,
    doc: "Redis for tests. `./dev test` sets it to a private server.",
    secret: false,
    used_by: USED_BY,
};

pub(super) const REFERENCE: SectionReference = SectionReference {
    title: "Tests",
    about: "Set by `./dev test` and `cargo dev with-servers -- COMMAND`.",
    variables: &[&DATABASE_URL, &REDIS_URL],
};

/// The private servers of a test run.
#[derive(Debug, Clone)]
pub struct TestServers {
    /// Postgres as a superuser.
    pub database_url: String,
    /// Redis.
    pub redis_url: String,
}

impl TestServers {
    /// The variable that holds the database's URL.
    pub const DATABASE_URL: &'static str = "KAMIFLOW_TEST_DATABASE_URL";
    /// The variable that holds Redis' URL.
    pub const REDIS_URL: &'static str = "KAMIFLOW_TEST_REDIS_URL";
}

impl Section for TestServers {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let database_url = reader.optional_url(&DATABASE_URL);
        let redis_url = reader.optional_url(&REDIS_URL);
        let cure = "run the tests with ./dev test, or cargo dev with-servers -- COMMAND";
        for (variable, value) in [(&DATABASE_URL, &database_url), (&REDIS_URL, &redis_url)] {
            if let Some(None) = value {
                reader.problem(variable, "is not set", cure);
            }
        }
        Some(Self { database_url: database_url??, redis_url: redis_url?? })
    }
}
