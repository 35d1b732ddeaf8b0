//! Section API: how much of the API a token may use.

use super::reader::Reader;
use super::section::{Section, SectionReference};
use super::variable::{Kind, Preset, Variable};

static REQUESTS_PER_MINUTE: Variable = Variable {
    name: "KAMIFLOW_API_REQUESTS_PER_MINUTE",
    kind: Kind::Count(1..=1_000_000),
    preset: Preset::Value("600"),
    doc: "How many requests each token of the API may send in a minute, over all processes.",
    secret: false,
    used_by: &["serve"],
};

static BURST: Variable = Variable {
    name: "KAMIFLOW_API_BURST",
    kind: Kind::Count(1..=100_000),
    preset: Preset::Value("60"),
    doc: "How many of them it may send at once after a quiet time.",
    secret: false,
    used_by: &["serve"],
};

pub(super) const REFERENCE: SectionReference = SectionReference {
    title: "API",
    about: "The API for merchants' own programs, `/api/v1`.",
    variables: &[&REQUESTS_PER_MINUTE, &BURST],
};

/// How much of the API a token may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Api {
    /// Requests of one token in a minute.
    pub requests_per_minute: u32,
    /// Those at once after a quiet time.
    pub burst: u32,
}

impl Section for Api {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let requests_per_minute = reader.count(&REQUESTS_PER_MINUTE);
        let burst = reader.count(&BURST);
        Some(Self { requests_per_minute: requests_per_minute?, burst: burst? })
    }
}
