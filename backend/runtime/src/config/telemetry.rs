//! Section TELEMETRY: logs.

use tracing_subscriber::EnvFilter;

use super::reader::Reader;
use super::section::{Section, SectionReference};
use super::variable::{Kind, Preset, Variable};

const USED_BY: &[&str] = &["every command"];

static LOG: Variable = Variable {
    name: "KAMIFLOW_TELEMETRY_LOG",
    kind: Kind::Filter,
    preset: Preset::Value("info"),
    doc: "What is logged, in the syntax of `tracing-subscriber`'s `EnvFilter`, e.g. \
          `info,kamiflow_runner=debug`.",
    secret: false,
    used_by: USED_BY,
};

static FORMAT: Variable = Variable {
    name: "KAMIFLOW_TELEMETRY_FORMAT",
    kind: Kind::Choice(&["text", "json"]),
    preset: Preset::Value("text"),
    doc: "`text` for people, `json` (one object per line) for log collectors. Logs go to stderr.",
    secret: false,
    used_by: USED_BY,
};

pub(super) const REFERENCE: SectionReference = SectionReference {
    title: "Telemetry",
    about: "Logs. Metrics are served by the HTTP server.",
    variables: &[&LOG, &FORMAT],
};

/// Logs.
#[derive(Debug, Clone)]
pub struct Telemetry {
    /// A valid filter.
    pub log: String,
    /// How a line looks.
    pub format: LogFormat,
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

impl Section for Telemetry {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let log = reader.required(&LOG, |value| EnvFilter::try_new(value).is_ok().then(|| value.to_owned()));
        let format = reader.required(&FORMAT, |value| match value {
            "text" => Some(LogFormat::Text),
            "json" => Some(LogFormat::Json),
            _ => None,
        });
        Some(Self { log: log?, format: format? })
    }
}
