//! Section UI: the pages that `kamiflow serve` shows.

use std::net::IpAddr;
use std::path::PathBuf;

use ipnet::IpNet;

use super::reader::Reader;
use super::section::{Section, SectionReference};
use super::variable::{Kind, Preset, Variable};

static FOLDER: Variable = Variable {
    name: "KAMIFLOW_UI_FOLDER",
    kind: Kind::Text,
    preset: Preset::Value(".kamiflow/site"),
    doc: "The folder of built files that browsers download, made by `cargo dev build-ui`. `serve` does not start without it.",
    secret: false,
    used_by: &["serve"],
};

static PUBLIC_URL: Variable = Variable {
    name: "KAMIFLOW_UI_PUBLIC_URL",
    kind: Kind::Url(&["http", "https"]),
    preset: Preset::Instead("`http://` and where `serve` listens, and `localhost` at that port"),
    doc: "The address people type, without a path; links in mails begin with it. Requests for another host are refused, and so are forms sent from \
          another site. With `https`, cookies are Secure and browsers are told to stay on https. Passkeys are bound to its host, which must be a name \
          and no IP address.",
    secret: false,
    used_by: &["serve", "work", "staff"],
};

static HOSTS: Variable = Variable {
    name: "KAMIFLOW_UI_HOSTS",
    kind: Kind::Text,
    preset: Preset::Optional,
    doc: "More hosts that are answered, separated by commas, each with its port unless it is the usual one.",
    secret: false,
    used_by: &["serve"],
};

static TRUSTED_PROXIES: Variable = Variable {
    name: "KAMIFLOW_UI_TRUSTED_PROXIES",
    kind: Kind::Networks,
    preset: Preset::Optional,
    doc: "The proxies in front, as addresses or networks separated by commas. Only what they say in `X-Forwarded-For` \
          is believed; without any, a client's address is the one that connected.",
    secret: false,
    used_by: &["serve"],
};

static DEVELOPMENT: Variable = Variable {
    name: "KAMIFLOW_UI_DEVELOPMENT",
    kind: Kind::Switch,
    preset: Preset::Value("false"),
    doc: "Shows pages for developers, such as `/styleguide`.",
    secret: false,
    used_by: &["serve"],
};

static EGRESS_IPS: Variable = Variable {
    name: "KAMIFLOW_EGRESS_IPS",
    kind: Kind::Ips,
    preset: Preset::Optional,
    doc: "The addresses from which `serve` and `work` reach the platform, separated by commas. Merchants are shown them to enter in the IP white list \
          of their own applications; without any, they are told to ask whoever runs this server.",
    secret: false,
    used_by: &["serve"],
};

pub(super) const REFERENCE: SectionReference = SectionReference {
    title: "UI",
    about: "The web pages, and who may ask for them.",
    variables: &[&FOLDER, &PUBLIC_URL, &HOSTS, &TRUSTED_PROXIES, &DEVELOPMENT, &EGRESS_IPS],
};

/// The web pages, and who may ask for them.
#[derive(Debug, Clone, Default)]
pub struct Ui {
    /// The built files.
    pub folder: PathBuf,
    /// The address people type, without a slash at its end.
    pub public_url: Option<String>,
    /// More hosts that are answered.
    pub hosts: Vec<String>,
    /// Who is believed about a client's address.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether pages for developers are there.
    pub development: bool,
    /// Where the platform sees this installation's calls come from.
    pub egress_ips: Vec<IpAddr>,
}

impl Ui {
    /// Returns what links begin with, without a slash at its end, for a server that listens at a port.
    #[must_use]
    pub fn base_url(&self, port: u16) -> String {
        self.public_url.clone().unwrap_or_else(|| format!("http://localhost:{port}"))
    }
}

impl Section for Ui {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let folder = reader.text(&FOLDER);
        let public_url = reader.optional_url(&PUBLIC_URL).and_then(|url| origin(reader, url));
        let hosts = reader.raw(&HOSTS).map(|hosts| words(&hosts).map(str::to_lowercase).collect()).unwrap_or_default();
        let trusted_proxies = reader.optional(&TRUSTED_PROXIES, parse_networks);
        let development = reader.switch(&DEVELOPMENT);
        let egress_ips = reader.optional(&EGRESS_IPS, parse_ips);
        Some(Self {
            folder: folder?.into(),
            public_url: public_url?,
            hosts,
            trusted_proxies: trusted_proxies?.unwrap_or_default(),
            development: development?,
            egress_ips: egress_ips?.unwrap_or_default(),
        })
    }
}

/// Refuses a public address with a path: pages live at its root.
#[expect(clippy::option_option, reason = "absent and wrong are different, and the wrong one is already noted")]
fn origin(reader: &mut Reader<'_>, url: Option<String>) -> Option<Option<String>> {
    let Some(url) = url else { return Some(None) };
    let origin = url.trim_end_matches('/');
    let host = origin.split_once("://").map_or("", |(_, host)| host);
    if host.is_empty() || host.contains(['/', '?', '#', '@']) {
        reader.problem(
            &PUBLIC_URL,
            "is more than a scheme and a host",
            "leave out path and user, e.g. https://kamiflow.example",
        );
        return None;
    }
    Some(Some(origin.to_lowercase()))
}

fn words(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|word| !word.is_empty())
}

/// Accepts addresses and networks.
fn parse_networks(list: &str) -> Option<Vec<IpNet>> {
    words(list)
        .map(|word| word.parse::<IpNet>().ok().or_else(|| word.parse::<std::net::IpAddr>().ok().map(IpNet::from)))
        .collect()
}

/// Accepts addresses; what is between two commas must be one.
fn parse_ips(list: &str) -> Option<Vec<IpAddr>> {
    list.split(',').map(|word| word.trim().parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{EnvMap, load};
    use super::*;

    fn read(name: &str, value: &str) -> Result<Ui, String> {
        load::<Ui>(&EnvMap::new().with(name, value)).map_err(|error| error.to_string())
    }

    #[test]
    fn the_public_address_is_a_scheme_and_a_host() {
        assert_eq!(
            read("KAMIFLOW_UI_PUBLIC_URL", "https://Kami.example/").unwrap().public_url.unwrap(),
            "https://kami.example"
        );
        for wrong in ["https://kami.example/shop", "https://me@kami.example", "ftp://kami.example", "https:///"] {
            assert!(read("KAMIFLOW_UI_PUBLIC_URL", wrong).unwrap_err().contains("KAMIFLOW_UI_PUBLIC_URL"), "{wrong}");
        }
    }

    #[test]
    fn proxies_are_addresses_or_networks_and_none_by_default() {
        assert_eq!(load::<Ui>(&EnvMap::new()).unwrap().trusted_proxies, []);
        let proxies = read("KAMIFLOW_UI_TRUSTED_PROXIES", "10.0.0.0/8, 192.0.2.7,::1").unwrap().trusted_proxies;
        assert_eq!(proxies.len(), 3);
        assert!(proxies[0].contains(&"10.1.2.3".parse::<std::net::IpAddr>().unwrap()));
        assert!(read("KAMIFLOW_UI_TRUSTED_PROXIES", "10.0.0.0/99").is_err());
    }

    #[test]
    fn outbound_addresses_are_single_addresses_and_what_is_none_is_named() {
        assert!(load::<Ui>(&EnvMap::new()).unwrap().egress_ips.is_empty());
        let ips = read("KAMIFLOW_EGRESS_IPS", "192.0.2.10, 2001:db8::1").unwrap().egress_ips;
        assert_eq!(ips.iter().map(IpAddr::to_string).collect::<Vec<_>>(), ["192.0.2.10", "2001:db8::1"]);
        for wrong in ["192.0.2.0/24", "192.0.2.10,", "192.0.2.300", "kamiflow.example"] {
            let refused = read("KAMIFLOW_EGRESS_IPS", wrong).unwrap_err();
            let told = format!("KAMIFLOW_EGRESS_IPS is `{wrong}`, which is not a comma-separated list of IP addresses");
            assert!(refused.contains(&told), "{refused}");
        }
    }
}
