//! What a section is, the list of all sections, and loading several at once.

use super::reader::{ConfigError, Reader};
use super::source::EnvSource;
use super::variable::Variable;
use super::{
    api, auth, backup, database, gateway, keyring, mail, redis, retention, sandbox_desk, server, telemetry,
    test_servers, ui, worker,
};

/// A typed group of variables.
pub trait Section: Sized {
    /// Reads the section; `None` means that at least one problem was noted.
    fn read(reader: &mut Reader<'_>) -> Option<Self>;
}

/// Reads one section, or a tuple of them.
///
/// # Errors
/// Names every variable that is missing or wrong in any of the sections, with its cure.
pub fn load<S: Section>(source: &impl EnvSource) -> Result<S, ConfigError> {
    let mut reader = Reader::new(source);
    let value = S::read(&mut reader);
    reader.finish(value)
}

macro_rules! tuple_of_sections {
    ($($name:ident: $field:ident),+) => {
        impl<$($name: Section),+> Section for ($($name,)+) {
            fn read(reader: &mut Reader<'_>) -> Option<Self> {
                // All first, then `?`: the second section's problems count too.
                $(let $field = $name::read(reader);)+
                Some(($($field?,)+))
            }
        }
    };
}

tuple_of_sections!(A: a, B: b);
tuple_of_sections!(A: a, B: b, C: c);
tuple_of_sections!(A: a, B: b, C: c, D: d);
tuple_of_sections!(A: a, B: b, C: c, D: d, E: e);
tuple_of_sections!(A: a, B: b, C: c, D: d, E: e, F: f);

/// A section as the reference describes it.
#[derive(Debug)]
pub struct SectionReference {
    /// The heading.
    pub title: &'static str,
    /// What the section is about, in Markdown.
    pub about: &'static str,
    /// Its variables, in the order of the reference.
    pub variables: &'static [&'static Variable],
}

/// Every variable there is, section by section.
pub static SECTIONS: &[SectionReference] = &[
    database::REFERENCE,
    backup::REFERENCE,
    redis::REFERENCE,
    keyring::REFERENCE,
    gateway::REFERENCE,
    sandbox_desk::REFERENCE,
    server::REFERENCE,
    ui::REFERENCE,
    api::REFERENCE,
    auth::REFERENCE,
    mail::REFERENCE,
    worker::REFERENCE,
    retention::REFERENCE,
    telemetry::REFERENCE,
    test_servers::REFERENCE,
];

/// Lists variables that start with `KAMIFLOW_` and mean nothing, so that a process can warn about
/// typing errors when it starts.
///
/// They are no error: Kubernetes injects `KAMIFLOW_SERVICE_HOST`, `KAMIFLOW_PORT_…` and the like
/// into every pod beside a service named `kamiflow`; those are left out here.
pub fn unknown_names(source: &impl EnvSource) -> Vec<String> {
    let mut unknown: Vec<String> = source
        .names()
        .into_iter()
        .filter(|name| name.starts_with("KAMIFLOW_"))
        .filter(|name| !name.contains("_SERVICE_") && !name.contains("_PORT"))
        .filter(|name| !all_variables().any(|variable| variable.name == name))
        .collect();
    unknown.sort();
    unknown
}

/// Iterates over every declared variable.
pub(super) fn all_variables() -> impl Iterator<Item = &'static Variable> {
    SECTIONS.iter().flat_map(|section| section.variables.iter().copied())
}
