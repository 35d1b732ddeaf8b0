//! Section GATEWAY: which Open Platform is called, and how carefully.

use std::time::Duration;

use kamiflow_kernel::GatewayKind;

use super::reader::Reader;
use super::section::{Section, SectionReference};
use super::variable::{Kind, Preset, Variable};

/// The platform's index of changed orders trails its clock; a window that ends closer to now than
/// this misses orders for good, so production cannot be set below it.
const PRODUCTION_LAG_FLOOR: u64 = 180;
const PRODUCTION_LAG: &str = "180";
const SANDBOX_LAG: &str = "2";

const USED_BY: &[&str] = &["serve", "work", "status", "order"];

static KIND: Variable = Variable {
    name: "KAMIFLOW_GATEWAY_KIND",
    kind: Kind::Choice(&["production", "sandbox"]),
    preset: Preset::Value("production"),
    doc: "`production` is Pinduoduo's gateway, whose addresses are built in; `sandbox` is \
          `kamiflow sandbox`. A tenant cannot choose.",
    secret: false,
    used_by: USED_BY,
};

static URL: Variable = Variable {
    name: "KAMIFLOW_GATEWAY_URL",
    kind: Kind::Url(&["http", "https"]),
    preset: Preset::Optional,
    doc: "The sandbox's base address. Required for the sandbox, refused for production.",
    secret: false,
    used_by: USED_BY,
};

static PUSH_URL: Variable = Variable {
    name: "KAMIFLOW_GATEWAY_PUSH_URL",
    kind: Kind::Url(&["ws", "wss"]),
    preset: Preset::Optional,
    doc: "The sandbox's message push address. Without it the sandbox is only polled. Refused for \
          production.",
    secret: false,
    used_by: &["work"],
};

static SANDBOX_URL: Variable = Variable {
    name: "KAMIFLOW_GATEWAY_SANDBOX_URL",
    kind: Kind::Url(&["http", "https"]),
    preset: Preset::Optional,
    doc: "The base address of a sandbox beside the production gateway, for sandbox shops. Windows of orders end 2 s \
          behind its clock, an unknown outcome is left to a person, and nothing is imported into its stock. Refused \
          where KAMIFLOW_GATEWAY_KIND is sandbox.",
    secret: false,
    used_by: USED_BY,
};

static SANDBOX_PUSH_URL: Variable = Variable {
    name: "KAMIFLOW_GATEWAY_SANDBOX_PUSH_URL",
    kind: Kind::Url(&["ws", "wss"]),
    preset: Preset::Optional,
    doc: "The message push address of the sandbox beside production. Without it that sandbox is only polled.",
    secret: false,
    used_by: &["work"],
};

static LAG_SECONDS: Variable = Variable {
    name: "KAMIFLOW_GATEWAY_LAG_SECONDS",
    kind: Kind::Seconds(0..=3600),
    preset: Preset::PerGateway { production: PRODUCTION_LAG, sandbox: SANDBOX_LAG },
    doc: "How far behind the platform's clock a window of orders ends. At least 180 in production.",
    secret: false,
    used_by: &["work"],
};

static RESEND_SAFE: Variable = Variable {
    name: "KAMIFLOW_GATEWAY_RESEND_SAFE",
    kind: Kind::Switch,
    preset: Preset::Value("false"),
    doc: "Whether the gateway is known to ignore an identical second `voucher.info.send`. Only \
          then is a send of unknown outcome repeated; otherwise a person decides.",
    secret: false,
    used_by: &["work"],
};

static LIMIT_PERCENT: Variable = Variable {
    name: "KAMIFLOW_GATEWAY_LIMIT_PERCENT",
    kind: Kind::Count(1..=100),
    preset: Preset::Value("80"),
    doc: "Our share of the platform's published rate limits.",
    secret: false,
    used_by: &["work"],
};

static LIMIT_SCALE: Variable = Variable {
    name: "KAMIFLOW_GATEWAY_LIMIT_SCALE",
    kind: Kind::Count(1..=10_000),
    preset: Preset::Value("1"),
    doc: "Multiplies the rate limits against a sandbox that runs faster than the platform. \
          Refused for production.",
    secret: false,
    used_by: &["work"],
};

static WINDOW_MAX_ORDERS: Variable = Variable {
    name: "KAMIFLOW_GATEWAY_WINDOW_MAX_ORDERS",
    kind: Kind::Count(100..=100_000),
    preset: Preset::Value("2000"),
    doc: "A window with more orders is cut in two.",
    secret: false,
    used_by: &["work"],
};

static PICKUP_LOGISTICS_ID: Variable = Variable {
    name: "KAMIFLOW_GATEWAY_PICKUP_LOGISTICS_ID",
    kind: Kind::Count(1..=u64::MAX),
    preset: Preset::Optional,
    doc: "The platform's logistics company that shipments of the pick-up page are declared with. \
          Without it the method `pickup_page` cannot be chosen.",
    secret: false,
    used_by: &["work"],
};

static CARD_KEY_FILE: Variable = Variable {
    name: "KAMIFLOW_GATEWAY_CARD_KEY_FILE",
    kind: Kind::Path,
    preset: Preset::Optional,
    doc: "A file with the public key that card passwords are encrypted with for the platform's own \
          stock, PEM or Base64, as the platform's contact hands it over. Without it cards cannot be \
          imported there (`platform_pool`).",
    secret: false,
    used_by: &["work"],
};

static AUTOMATIC_APPROVAL: Variable = Variable {
    name: "KAMIFLOW_GATEWAY_AUTOMATIC_APPROVAL",
    kind: Kind::Switch,
    preset: Preset::Value("false"),
    doc: "Whether whoever submits an identity for verification is approved without a person's look, \
          for demonstrations. Refused for production.",
    secret: false,
    used_by: &["serve", "work"],
};

pub(super) const REFERENCE: SectionReference = SectionReference {
    title: "Gateway",
    about: "The Pinduoduo Open Platform.",
    variables: &[
        &KIND,
        &URL,
        &PUSH_URL,
        &SANDBOX_URL,
        &SANDBOX_PUSH_URL,
        &LAG_SECONDS,
        &RESEND_SAFE,
        &LIMIT_PERCENT,
        &LIMIT_SCALE,
        &WINDOW_MAX_ORDERS,
        &PICKUP_LOGISTICS_ID,
        &CARD_KEY_FILE,
        &AUTOMATIC_APPROVAL,
    ],
};

/// The Open Platform's gateway.
#[derive(Debug, Clone)]
pub struct Gateway {
    /// Which platform, and where the sandbox is.
    pub endpoint: GatewayEndpoint,
    /// A sandbox beside the real platform, for sandbox shops; none where `endpoint` is a sandbox itself.
    pub beside: Option<SandboxAddress>,
    /// How far behind the platform's clock a window of orders ends.
    pub lag: Duration,
    /// Whether an identical second send is known to be ignored.
    pub resend_safe: bool,
    /// Our share of the platform's rate limits, 1 to 100.
    pub limit_percent: u32,
    /// What rate limits are multiplied with; always 1 in production.
    pub limit_scale: u32,
    /// A window with more orders is cut in two.
    pub window_max_orders: u32,
    /// The logistics company of pick-up page shipments.
    pub pickup_logistics_id: Option<u64>,
    /// The text of the key for imports into the platform's stock.
    pub card_key: Option<String>,
    /// Whether verifications are approved by themselves; never in production.
    pub automatic_approval: bool,
}

/// Which platform is called, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GatewayEndpoint {
    /// Pinduoduo itself, at its built-in addresses.
    Production,
    /// A simulator.
    Sandbox(SandboxAddress),
}

/// Where a simulator is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SandboxAddress {
    /// Its base address, `http://…`.
    pub url: String,
    /// Its message push address, `ws://…`; `None` means polling only.
    pub push_url: Option<String>,
}

impl Gateway {
    /// Returns every gateway that is reached, the one of real shops first.
    pub fn endpoints(&self) -> impl Iterator<Item = GatewayEndpoint> + '_ {
        let beside = self.beside.clone().map(GatewayEndpoint::Sandbox);
        std::iter::once(self.endpoint.clone()).chain(beside)
    }
}

impl GatewayEndpoint {
    /// Returns the kind without the addresses.
    #[must_use]
    pub const fn kind(&self) -> GatewayKind {
        match self {
            Self::Production => GatewayKind::Production,
            Self::Sandbox(_) => GatewayKind::Sandbox,
        }
    }
}

impl Section for Gateway {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let endpoint = read_endpoint(reader);
        let lag = read_lag(reader, endpoint.as_ref());
        let resend_safe = reader.switch(&RESEND_SAFE);
        let limit_percent = reader.count(&LIMIT_PERCENT);
        let limit_scale = reader.count(&LIMIT_SCALE);
        let window_max_orders = reader.count(&WINDOW_MAX_ORDERS);
        let pickup_logistics_id = reader.optional_number(&PICKUP_LOGISTICS_ID);
        let card_key = reader.file_text(&CARD_KEY_FILE);
        let automatic_approval = reader.switch(&AUTOMATIC_APPROVAL);
        let beside = read_beside(reader, endpoint.as_ref());
        let endpoint = endpoint?;
        if endpoint == GatewayEndpoint::Production && limit_scale? != 1 {
            let cure = "leave it out, or set KAMIFLOW_GATEWAY_KIND to sandbox";
            reader.problem(&LIMIT_SCALE, "is set for the production gateway", cure);
        }
        if endpoint == GatewayEndpoint::Production && automatic_approval? {
            let cure = "leave it out: people look at identities";
            reader.problem(&AUTOMATIC_APPROVAL, "is set for the production gateway", cure);
        }
        Some(Self {
            endpoint,
            beside: beside?,
            lag: lag?,
            resend_safe: resend_safe?,
            limit_percent: limit_percent?,
            limit_scale: limit_scale?,
            window_max_orders: window_max_orders?,
            pickup_logistics_id: pickup_logistics_id?,
            card_key: card_key?,
            automatic_approval: automatic_approval?,
        })
    }
}

fn read_endpoint(reader: &mut Reader<'_>) -> Option<GatewayEndpoint> {
    let kind = reader.required(&KIND, |value| match value {
        "production" => Some(false),
        "sandbox" => Some(true),
        _ => None,
    });
    let url = reader.optional_url(&URL);
    let push_url = reader.optional_url(&PUSH_URL);
    let (is_sandbox, url, push_url) = (kind?, url?, push_url?);
    if is_sandbox {
        let Some(url) = url else {
            let cure = "set it to what `kamiflow sandbox` printed, e.g. http://127.0.0.1:9000";
            reader.problem(&URL, "is not set although the gateway is the sandbox", cure);
            return None;
        };
        return Some(GatewayEndpoint::Sandbox(SandboxAddress { url, push_url }));
    }
    // An address beside `production` is a forgotten test setting, or an attempt to send real
    // credentials elsewhere.
    let cure = "leave it out, or set KAMIFLOW_GATEWAY_KIND to sandbox";
    for (variable, value) in [(&URL, url), (&PUSH_URL, push_url)] {
        if value.is_some() {
            reader.problem(variable, "is set for the production gateway", cure);
        }
    }
    Some(GatewayEndpoint::Production)
}

/// Reads where a sandbox beside the real platform is.
#[allow(clippy::option_option, reason = "the outer one says whether what was written could be read")]
fn read_beside(reader: &mut Reader<'_>, endpoint: Option<&GatewayEndpoint>) -> Option<Option<SandboxAddress>> {
    let url = reader.optional_url(&SANDBOX_URL);
    let push_url = reader.optional_url(&SANDBOX_PUSH_URL);
    let (endpoint, url, push_url) = (endpoint?, url?, push_url?);
    if let GatewayEndpoint::Sandbox(_) = endpoint {
        let cure = "leave it out: KAMIFLOW_GATEWAY_URL is the sandbox already";
        for (variable, value) in [(&SANDBOX_URL, url), (&SANDBOX_PUSH_URL, push_url)] {
            if value.is_some() {
                reader.problem(variable, "is set although the gateway is a sandbox itself", cure);
            }
        }
        return Some(None);
    }
    if url.is_none() && push_url.is_some() {
        let cure = "set it to what `kamiflow sandbox` printed, e.g. http://127.0.0.1:9000";
        reader.problem(&SANDBOX_URL, "is not set although KAMIFLOW_GATEWAY_SANDBOX_PUSH_URL is", cure);
        return None;
    }
    Some(url.map(|url| SandboxAddress { url, push_url }))
}

fn read_lag(reader: &mut Reader<'_>, endpoint: Option<&GatewayEndpoint>) -> Option<Duration> {
    let set = reader.optional_number(&LAG_SECONDS)?;
    let (preset, floor) = match endpoint? {
        GatewayEndpoint::Production => (PRODUCTION_LAG, PRODUCTION_LAG_FLOOR),
        GatewayEndpoint::Sandbox(_) => (SANDBOX_LAG, 0),
    };
    let seconds = match set {
        Some(seconds) => seconds,
        None => preset.parse().ok()?,
    };
    if seconds < floor {
        let what = format!("is {seconds}, which would miss orders in production");
        reader.problem(&LAG_SECONDS, &what, "set it to 180 or more");
        return None;
    }
    Some(Duration::from_secs(seconds))
}
