//! `kamiflow serve`: HTTP.

use std::net::SocketAddr;

use anyhow::Result;
use clap::Args;
use kamiflow_runtime::config::{self, Database, Keyring, ProcessEnv, Redis, Server, Telemetry, Ui, Worker};
use kamiflow_runtime::health::Health;
use kamiflow_runtime::shutdown;
use kamiflow_runtime::telemetry::{self, Metrics};
use kamiflow_server::{Application, Dependencies, Site};
use tracing::info;

use crate::connect;
use crate::console::Console;
use crate::exit::{Exit, WrongUsage};

pub(crate) const EXAMPLES: &str = "\
Examples:
  kamiflow serve
  kamiflow serve --listen 0.0.0.0:8080
  curl http://127.0.0.1:8080/readyz";

/// What the command reads.
type Sections = ((Database, Redis, Keyring), Server, Ui, Worker, Telemetry);

/// Options of `kamiflow serve`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Listens here instead of at KAMIFLOW_SERVER_LISTEN; port 0 picks a free one.
    #[arg(long, value_name = "IP:PORT")]
    listen: Option<SocketAddr>,
}

/// Serves until SIGTERM or SIGINT.
pub(crate) async fn run(options: Options, console: Console) -> Result<Exit> {
    let ((database, redis, keyring), mut server, ui, worker, logs): Sections = config::load(&ProcessEnv)?;
    telemetry::init(&logs)?;
    connect::warn_of_unknown_variables();
    let shutdown = shutdown::on_signals()?;
    if let Some(listen) = options.listen {
        server.listen = listen;
    }
    let store = connect::store(&database, &keyring)?;
    connect::require_fit(&store).await?;
    let site = Site::load(&ui).map_err(|error| WrongUsage(error.to_string()))?;
    let dependencies = Dependencies {
        store,
        queue: connect::queue(&redis, &worker).await?,
        health: Health::new(),
        metrics: Metrics::install()?,
    };
    let application = Application::bind_site(&server, dependencies, &site)?;
    info!(http.listen = %application.addr(), "Serving on http://{}", application.addr());
    connect::announce(console, application.addr())?;
    application.run(shutdown).await?;
    info!("Stopped");
    Ok(Exit::Done)
}
