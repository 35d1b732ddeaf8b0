//! `kamiflow serve`: HTTP.

use std::net::SocketAddr;

use anyhow::Result;
use clap::Args;
use kamiflow_domain::engine::Engine;
use kamiflow_kernel::GatewayKind;
use kamiflow_runtime::config::{
    self, Api, Auth, Database, Gateway, Keyring, Mail, ProcessEnv, Redis, SandboxDesk, Server, Telemetry, Ui, Worker,
};
use kamiflow_runtime::health::Health;
use kamiflow_runtime::shutdown;
use kamiflow_runtime::telemetry::{self, Metrics};
use kamiflow_server::{Application, Dependencies, Site};
use tracing::info;

use crate::connect;
use crate::console::Console;
use crate::exit::{Exit, WrongUsage};
use crate::platform::{self, Platform};
use crate::sandbox_control::Control;
use crate::site;

pub(crate) const EXAMPLES: &str = "\
Examples:
  kamiflow serve
  kamiflow serve --listen 0.0.0.0:8080
  curl http://127.0.0.1:8080/readyz";

/// What the command reads.
type Sections = ((Database, Redis, Keyring), (Server, Ui, Api, Auth, Mail), (Gateway, SandboxDesk), Worker, Telemetry);

/// Options of `kamiflow serve`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Listens here instead of at KAMIFLOW_SERVER_LISTEN; port 0 picks a free one.
    #[arg(long, value_name = "IP:PORT")]
    listen: Option<SocketAddr>,
}

/// Serves until SIGTERM or SIGINT.
pub(crate) async fn run(options: Options, console: Console) -> Result<Exit> {
    let ((database, redis, keyring), (mut server, ui, api, auth, mail), (gateway, sandbox), worker, logs): Sections =
        config::load(&ProcessEnv)?;
    telemetry::init(&logs)?;
    connect::warn_of_unknown_variables();
    let shutdown = shutdown::on_signals()?;
    if let Some(listen) = options.listen {
        server.listen = listen;
    }
    let store = connect::store_for_threads(&database, &keyring, Application::site_threads())?;
    connect::require_fit(&store).await?;
    let files = Site::load(&ui).map_err(|error| WrongUsage(error.to_string()))?;
    let queue = connect::queue(&redis, &worker).await?;
    let platform = Platform {
        gateway: &gateway,
        poll_ceiling: worker.poll_ceiling,
        card_key: platform::card_key(&gateway)?,
        inside_platform_cloud: false,
    };
    let engine = platform.engine(store.clone(), Some(&queue))?;
    let mut product = site::product(&auth, api, &gateway, &engine, &queue).await?;
    product.platform.egress_ips.clone_from(&ui.egress_ips);
    product.inbox = mail.inbox;
    product.sandbox = desk(&engine, &gateway, sandbox).await?;
    store.close_idle();
    let dependencies = Dependencies { store, queue, health: Health::new(), metrics: Metrics::install()? };
    let application = Application::bind_site(&server, dependencies, &files, |base_url| site::at(product, base_url))?;
    info!(http.listen = %application.addr(), "Serving on http://{}", application.addr());
    connect::announce(console, application.addr())?;
    application.run(shutdown).await?;
    info!("Stopped");
    Ok(Exit::Done)
}

/// Returns the sandbox that merchants may try, if this server runs one.
async fn desk(
    engine: &Engine,
    gateway: &Gateway,
    settings: SandboxDesk,
) -> Result<Option<kamiflow_server::SandboxDesk>> {
    let Some((url, token)) = settings.control else { return Ok(None) };
    if gateway.endpoints().all(|endpoint| endpoint.kind() != GatewayKind::Sandbox) {
        let text =
            "KAMIFLOW_SANDBOX_CONTROL_URL is set although no sandbox is reached: set KAMIFLOW_GATEWAY_SANDBOX_URL";
        return Err(WrongUsage(text.to_owned()).into());
    }
    let control = Control::new(url, token.expose())?;
    let application = (settings.client_id.as_str(), &settings.client_secret);
    Ok(Some(site::sandbox_desk(engine, control, application).await?))
}
