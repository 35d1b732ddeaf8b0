//! `kamiflow sandbox`: a Pinduoduo on this machine.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;
use kamiflow_runtime::shutdown;
use kamiflow_sandbox::{Sandbox, SandboxConfig, Scenario};
use serde_json::json;

use crate::connect;
use crate::console::{Console, Tone};
use crate::exit::{Exit, WrongUsage};

pub(crate) const EXAMPLES: &str = "\
Examples:
  kamiflow sandbox --listen 127.0.0.1:9000
  kamiflow sandbox --listen 127.0.0.1:9000 --scenario docs/sandbox.example.toml --seed 7
  KAMIFLOW_GATEWAY_KIND=sandbox KAMIFLOW_GATEWAY_URL=http://127.0.0.1:9000 \\
    KAMIFLOW_GATEWAY_PUSH_URL=ws://127.0.0.1:9000 kamiflow work
  curl -H \"Authorization: Bearer $TOKEN\" http://127.0.0.1:9000/control/ledger

docs/sandbox.md describes scenarios and control.";

/// Options of `kamiflow sandbox`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// A loopback address; port 0 picks a free one.
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:9000")]
    listen: SocketAddr,

    /// A scenario in TOML; without it, one mall with every kind of goods and no buyers.
    #[arg(long, value_name = "FILE")]
    scenario: Option<PathBuf>,

    /// The same seed makes the same choices.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// The bearer token of /control/; drawn at random and printed if left out.
    #[arg(long, value_name = "TOKEN")]
    control_token: Option<String>,
}

/// Runs the sandbox until SIGTERM or SIGINT.
pub(crate) async fn run(options: Options, console: Console) -> Result<Exit> {
    connect::log_quietly()?;
    let shutdown = shutdown::on_signals()?;
    let scenario = match &options.scenario {
        Some(path) => read(path)?,
        None => Scenario::default(),
    };
    let config = SandboxConfig {
        listen: options.listen,
        scenario,
        seed: options.seed,
        control_token: options.control_token.clone(),
    };
    let sandbox = Sandbox::start(config).context("the sandbox did not start")?;
    let places = [
        ("gateway", sandbox.gateway_url()),
        ("push", sandbox.push_url()),
        ("authorization", sandbox.auth_url()),
        ("control", sandbox.control_url()),
        ("control_token", sandbox.control_token().to_owned()),
    ];
    if console.is_json() {
        let places: serde_json::Map<_, _> =
            places.into_iter().map(|(name, value)| (name.to_owned(), json!(value))).collect();
        console.print_json(&places)?;
    } else {
        for (name, value) in places {
            let name = format!("{:<14}", name.replace('_', " "));
            console.print(format_args!("{} {value}", console.toned(Tone::Faint, name)));
        }
    }
    shutdown.cancelled().await;
    sandbox.stop().await;
    Ok(Exit::Done)
}

fn read(path: &std::path::Path) -> Result<Scenario> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| WrongUsage(format!("cannot read {shown}: {error}")))?;
    Ok(Scenario::from_toml(&text).map_err(|error| WrongUsage(format!("{shown}: {error}")))?)
}
