//! The demo's web application: the pages that `kamiflow serve` shows, and an owner to log in as.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

use anyhow::{Context as _, Result};
use kamiflow_domain::accounts::confirm_email::open_account;
use kamiflow_domain::accounts::sign_up::{SignUp, SignUpError};
use kamiflow_domain::accounts::{Accounts, Visit};
use kamiflow_domain::engine::Engine;
use kamiflow_kernel::Locale;
use kamiflow_queue::Queue;
use kamiflow_runtime::config::{self, Api, Auth, EnvMap, Gateway, Server, Ui};
use kamiflow_runtime::health::Health;
use kamiflow_runtime::telemetry::Metrics;
use kamiflow_server::{Application, Dependencies, Product, Site};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::catalog;
use crate::console::Console;
use crate::sandbox_control::Control;
use crate::site;

/// Who owns the demo's merchant. Nothing of value is behind it, and the demo listens on this machine only.
pub(super) const EMAIL: &str = "demo@kamiflow.example";
pub(super) const PASSWORD: &str = "kamiflow-demo-2026";
/// The merchant's name.
const MERCHANT: &str = "卡密流演示商家";

/// Pages that are being served.
pub(super) struct Served {
    addr: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<std::io::Result<()>>,
}

/// What the pages are put together from.
pub(super) struct Parts<'a> {
    pub(super) engine: &'a Engine,
    pub(super) queue: &'a Queue,
    pub(super) control: &'a Control,
    /// The platform that shops are authorized on.
    pub(super) gateway: &'a Gateway,
    /// Where caught mails are shown.
    pub(super) inbox: Option<String>,
}

/// Puts together what the pages work with, and opens the owner's account unless an earlier demo did.
pub(super) async fn product(parts: &Parts<'_>) -> Result<Product> {
    let (auth, api): (Auth, Api) = config::load(&EnvMap::new())?;
    let mut product = site::product(&auth, api, parts.gateway, parts.engine, parts.queue).await?;
    make_owner(&product.accounts, parts.engine).await?;
    let application = (catalog::CLIENT_ID, &catalog::CLIENT_SECRET.into());
    product.sandbox = Some(site::sandbox_desk(parts.engine, parts.control.clone(), application).await?);
    product.inbox.clone_from(&parts.inbox);
    Ok(product)
}

/// Serves the pages in `folder`; `None` where they are not built. Without an address of the visitor's choice it listens
/// at port 8080, or at any port if that is taken.
pub(super) fn serve(
    folder: &Path,
    listen: Option<SocketAddr>,
    (parts, product): (&Parts<'_>, &Product),
    console: Console,
) -> Result<Option<Served>> {
    let ui = Ui { folder: folder.to_owned(), ..Ui::default() };
    let files = match Site::load(&ui) {
        Ok(files) => files,
        Err(error) => {
            console.note(format_args!("No web pages: {error}"));
            return Ok(None);
        }
    };
    let dependencies = Dependencies {
        store: parts.engine.store.clone(),
        queue: parts.queue.clone(),
        health: Health::new(),
        metrics: Metrics::install()?,
    };
    let bind = |listen, dependencies| {
        let server = Server { listen, metrics_token: None };
        Application::bind_site(&server, dependencies, &files, |base_url| site::at(product.clone(), base_url))
    };
    let usual = SocketAddr::from((Ipv4Addr::LOCALHOST, 8080));
    let application = match listen {
        Some(listen) => bind(listen, dependencies)?,
        None => match bind(usual, dependencies.clone()) {
            Ok(application) => application,
            Err(_taken) => bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), dependencies)?,
        },
    };
    let (addr, stop) = (application.addr(), CancellationToken::new());
    let task = tokio::spawn(application.run(stop.clone()));
    Ok(Some(Served { addr, stop, task }))
}

impl Served {
    /// Returns where the pages are, for people.
    pub(super) fn place(&self) -> String {
        format!(
            "Open http://localhost:{} and log in as {EMAIL} with the password {PASSWORD}, or sign up",
            self.addr.port()
        )
    }

    /// Finishes the requests under way.
    pub(super) async fn stop(self) -> Result<()> {
        self.stop.cancel();
        self.task.await?.context("the web pages ended badly")
    }
}

/// Opens the owner's account with its merchant, unless an earlier demo did.
async fn make_owner(accounts: &Accounts, engine: &Engine) -> Result<()> {
    let visit = Visit {
        request_id: "demo".to_owned(),
        now: engine.now(),
        ip: IpAddr::from(Ipv4Addr::LOCALHOST),
        user_agent: "kamiflow demo".to_owned(),
        locale: Locale::Zh,
    };
    let request = SignUp { email: EMAIL.to_owned(), password: PASSWORD.into(), merchant_name: MERCHANT.to_owned() };
    match open_account(accounts, &visit, request).await {
        Ok(_made) => Ok(()),
        Err(SignUpError::Store(error)) if error.constraint() == Some("users_login_once") => Ok(()),
        Err(error) => Err(error.into()),
    }
}
