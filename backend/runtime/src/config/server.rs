//! Section SERVER: the HTTP server.

use std::net::SocketAddr;

use kamiflow_kernel::SecretText;

use super::reader::Reader;
use super::section::{Section, SectionReference};
use super::variable::{Kind, Preset, Variable};

static LISTEN: Variable = Variable {
    name: "KAMIFLOW_SERVER_LISTEN",
    kind: Kind::Address,
    preset: Preset::Value("127.0.0.1:8080"),
    doc: "Where health, readiness and metrics are served. Port 0 picks a free one.",
    secret: false,
    used_by: &["serve", "work"],
};

static METRICS_TOKEN: Variable = Variable {
    name: "KAMIFLOW_SERVER_METRICS_TOKEN",
    kind: Kind::Text,
    preset: Preset::Optional,
    doc: "If set, `/metrics` asks for it as a bearer token.",
    secret: true,
    used_by: &["serve", "work"],
};

pub(super) const REFERENCE: SectionReference =
    SectionReference { title: "Server", about: "HTTP.", variables: &[&LISTEN, &METRICS_TOKEN] };

/// The HTTP server.
#[derive(Debug)]
pub struct Server {
    /// The address to bind.
    pub listen: SocketAddr,
    /// The bearer token of `/metrics`.
    pub metrics_token: Option<SecretText>,
}

impl Section for Server {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let listen = reader.address(&LISTEN);
        let metrics_token = reader.optional_secret(&METRICS_TOKEN);
        Some(Self { listen: listen?, metrics_token })
    }
}
