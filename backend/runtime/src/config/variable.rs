//! The declaration of one environment variable.

use std::ops::RangeInclusive;

/// One environment variable: its name, what it holds and why it exists.
#[derive(Debug)]
pub struct Variable {
    /// `KAMIFLOW_<SECTION>_<FIELD>`, with the unit where there is one.
    pub name: &'static str,
    /// What a valid value looks like.
    pub kind: Kind,
    /// What holds when it is not set.
    pub preset: Preset,
    /// What it is for, in one or two sentences of Markdown.
    pub doc: &'static str,
    /// Whether its value must never be shown.
    pub secret: bool,
    /// The subcommands of `kamiflow` that read it.
    pub used_by: &'static [&'static str],
}

/// What a valid value looks like.
#[derive(Debug)]
pub enum Kind {
    /// Any text that is not empty.
    Text,
    /// An address with one of these schemes.
    Url(&'static [&'static str]),
    /// A whole number of seconds.
    Seconds(RangeInclusive<u64>),
    /// A whole number.
    Count(RangeInclusive<u64>),
    /// `true` or `false`.
    Switch,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A comma-separated list of these words.
    Choices(&'static [&'static str]),
    /// `IP:PORT` to listen on.
    Address,
    /// A file that exists.
    Path,
    /// A comma-separated list of `id:base64 of 32 bytes`.
    Keys,
    /// A comma-separated list of addresses and networks.
    Networks,
    /// A comma-separated list of IP addresses.
    Ips,
    /// A `tracing` filter.
    Filter,
}

/// What holds when a variable is not set.
#[derive(Debug)]
pub enum Preset {
    /// Nothing: the process does not start without it.
    Required,
    /// Nothing: the feature is off.
    Optional,
    /// This value.
    Value(&'static str),
    /// A value that depends on `KAMIFLOW_GATEWAY_KIND`.
    PerGateway {
        /// The value for the production gateway.
        production: &'static str,
        /// The value for the sandbox.
        sandbox: &'static str,
    },
    /// Nothing, but what the text names stands in for it.
    Instead(&'static str),
}

impl Variable {
    /// Returns a value that would be accepted, for error messages.
    #[must_use]
    pub fn example(&self) -> String {
        match (&self.preset, &self.kind) {
            (Preset::Value(value), _) => (*value).to_owned(),
            (Preset::PerGateway { production, .. }, _) => (*production).to_owned(),
            (_, Kind::Text) => "some-text".to_owned(),
            (_, Kind::Url(schemes)) => {
                let scheme = schemes.first().copied().unwrap_or("https");
                format!("{scheme}://localhost/kamiflow")
            }
            (_, Kind::Seconds(range) | Kind::Count(range)) => range.start().to_string(),
            (_, Kind::Switch) => "true".to_owned(),
            (_, Kind::Choice(words) | Kind::Choices(words)) => words.first().copied().unwrap_or_default().to_owned(),
            (_, Kind::Address) => "127.0.0.1:8080".to_owned(),
            (_, Kind::Path) => "/run/secrets/kamiflow".to_owned(),
            (_, Kind::Keys) => "k1:<the output of `openssl rand -base64 32`>".to_owned(),
            (_, Kind::Networks) => "10.0.0.0/8".to_owned(),
            (_, Kind::Ips) => "192.0.2.10,192.0.2.11".to_owned(),
            (_, Kind::Filter) => "info".to_owned(),
        }
    }
}

impl Kind {
    /// Says what a valid value is, as the end of "… is not ".
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Text => "a text".to_owned(),
            Self::Url(schemes) => format!("a URL that starts with {}://", schemes.join(":// or ")),
            Self::Seconds(range) => format!("a number of seconds{}", limits(range)),
            Self::Count(range) => format!("a whole number{}", limits(range)),
            Self::Switch => "true or false".to_owned(),
            Self::Choice(words) => format!("one of {}", words.join(", ")),
            Self::Choices(words) => format!("a comma-separated list of {}", words.join(", ")),
            Self::Address => "an address of the form IP:PORT".to_owned(),
            Self::Path => "a file that can be read".to_owned(),
            Self::Keys => "a comma-separated list of id:base64-of-32-bytes".to_owned(),
            Self::Networks => "a comma-separated list of addresses and networks".to_owned(),
            Self::Ips => "a comma-separated list of IP addresses".to_owned(),
            Self::Filter => "a log filter".to_owned(),
        }
    }

    /// Returns the numbers a numeric kind accepts, or all of them.
    #[must_use]
    pub fn range(&self) -> RangeInclusive<u64> {
        match self {
            Self::Seconds(range) | Self::Count(range) => range.clone(),
            _ => 0..=u64::MAX,
        }
    }
}

/// Says the limits of a range, leaving out those nobody meets.
fn limits(range: &RangeInclusive<u64>) -> String {
    if *range.end() >= u64::from(u32::MAX) {
        format!(" of at least {}", range.start())
    } else {
        format!(" from {} to {}", range.start(), range.end())
    }
}
