//! Section SANDBOX: the sandbox's controls, for sandbox shops of merchants.

use kamiflow_kernel::SecretText;

use super::reader::Reader;
use super::section::{Section, SectionReference};
use super::variable::{Kind, Preset, Variable};

static CONTROL_URL: Variable = Variable {
    name: "KAMIFLOW_SANDBOX_CONTROL_URL",
    kind: Kind::Url(&["http", "https"]),
    preset: Preset::Optional,
    doc: "The address of the sandbox's `/control/`, as `kamiflow sandbox` prints it. With it merchants may make sandbox \
          shops and simulate buyers; only where a sandbox is reached: KAMIFLOW_GATEWAY_KIND is sandbox, or \
          KAMIFLOW_GATEWAY_SANDBOX_URL is set.",
    secret: false,
    used_by: &["serve"],
};

static CONTROL_TOKEN: Variable = Variable {
    name: "KAMIFLOW_SANDBOX_CONTROL_TOKEN",
    kind: Kind::Text,
    preset: Preset::Optional,
    doc: "The token of `/control/`. Required with KAMIFLOW_SANDBOX_CONTROL_URL.",
    secret: true,
    used_by: &["serve"],
};

static CLIENT_ID: Variable = Variable {
    name: "KAMIFLOW_SANDBOX_CLIENT_ID",
    kind: Kind::Text,
    preset: Preset::Value("sandbox-client"),
    doc: "The application that sandbox shops are connected through; the sandbox's scenario must know it.",
    secret: false,
    used_by: &["serve"],
};

static CLIENT_SECRET: Variable = Variable {
    name: "KAMIFLOW_SANDBOX_CLIENT_SECRET",
    kind: Kind::Text,
    preset: Preset::Value("sandbox-secret-0001"),
    doc: "Its secret. The preset is that of the built-in scenario, which guards nothing.",
    secret: true,
    used_by: &["serve"],
};

pub(super) const REFERENCE: SectionReference = SectionReference {
    title: "Sandbox shops",
    about: "What a server that runs a sandbox lends to merchants.",
    variables: &[&CONTROL_URL, &CONTROL_TOKEN, &CLIENT_ID, &CLIENT_SECRET],
};

/// The sandbox's controls.
#[derive(Debug)]
pub struct SandboxDesk {
    /// Address and token of `/control/`; none: no sandbox shops.
    pub control: Option<(String, SecretText)>,
    /// The application.
    pub client_id: String,
    /// Its secret.
    pub client_secret: SecretText,
}

impl Section for SandboxDesk {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let url = reader.optional_url(&CONTROL_URL)?;
        let token = reader.raw(&CONTROL_TOKEN).map(SecretText::from);
        let (client_id, client_secret) = (reader.text(&CLIENT_ID)?, reader.text(&CLIENT_SECRET)?);
        let control = match (url, token) {
            (Some(url), Some(token)) => Some((url, token)),
            (None, None) => None,
            (Some(_), None) => {
                reader.problem(&CONTROL_TOKEN, "is not set", "set it to what `kamiflow sandbox` printed");
                return None;
            }
            (None, Some(_)) => {
                reader.problem(&CONTROL_URL, "is not set", "set it to what `kamiflow sandbox` printed");
                return None;
            }
        };
        Some(Self { control, client_id, client_secret: client_secret.into() })
    }
}
