//! Puts the routes together, binds the socket and serves until shutdown.

use std::any::Any;
use std::net::SocketAddr;
use std::num::NonZero;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::middleware::{Compress, DefaultHeaders, from_fn};
use actix_web::{App, HttpServer, web};
use kamiflow_kernel::SecretText;
use kamiflow_queue::Queue;
use kamiflow_runner::LiveFeed;
use kamiflow_runtime::config;
use kamiflow_runtime::health::Health;
use kamiflow_runtime::telemetry::Metrics;
use kamiflow_store::{Store, settle_thread};
use leptos_actix::LeptosRoutes as _;
use tokio_util::sync::CancellationToken;

use crate::live::{self, Hub};
use crate::product::Product;
use crate::web::{self as site, Pages, Site};
use crate::{api, forms, health, metrics, problem, requests};

/// Health and metrics are a handful of requests a minute; more threads would only be idle.
const THREADS: usize = 2;
/// How long requests under way may take once shutdown began.
const DRAIN_SECONDS: u64 = 10;
/// How long a client may take to send a request's head; a slower one only holds a connection.
const HEAD_PATIENCE: Duration = Duration::from_secs(10);

/// What the handlers work with. Cheap to clone.
#[derive(Clone)]
pub struct Dependencies {
    /// Postgres.
    pub store: Store,
    /// Redis.
    pub queue: Queue,
    /// The loops of this process.
    pub health: Health,
    /// What this process counts.
    pub metrics: Metrics,
}

/// What every handler can reach.
pub(crate) struct State {
    pub(crate) dependencies: Dependencies,
    pub(crate) metrics_token: Option<SecretText>,
}

/// Why the socket could not be taken.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {addr}")]
pub struct BindError {
    /// The address that was configured.
    pub addr: SocketAddr,
    /// What the system said.
    pub source: std::io::Error,
}

/// A bound server that does not serve yet.
pub struct Application {
    addr: SocketAddr,
    server: Server,
    /// What open pages follow, where there are pages.
    hub: Option<Hub>,
}

impl Application {
    /// Takes the socket; port 0 picks a free one, which [`Application::addr`] then tells.
    ///
    /// # Errors
    /// When the address is taken or may not be listened on.
    pub fn bind(settings: &config::Server, dependencies: Dependencies) -> Result<Self, BindError> {
        let refuse = |source| BindError { addr: settings.listen, source };
        let state = web::Data::from(Arc::new(State { dependencies, metrics_token: settings.metrics_token.clone() }));
        let unserved = HttpServer::new(move || {
            App::new()
                .app_data(state.clone())
                .wrap(DefaultHeaders::new().add(("X-Content-Type-Options", "nosniff")))
                .wrap(from_fn(requests::record))
                .configure(routes)
        })
        .workers(THREADS)
        .shutdown_timeout(DRAIN_SECONDS)
        .disable_signals()
        .bind(settings.listen)
        .map_err(refuse)?;
        let addr = unserved.addrs().first().copied().unwrap_or(settings.listen);
        Ok(Self { addr, server: unserved.run(), hub: None })
    }

    /// Returns how many threads serve pages, each with connections of its own ([`Store::for_threads`]).
    #[must_use]
    pub fn site_threads() -> usize {
        std::thread::available_parallelism().map_or(2, NonZero::get)
    }

    /// Takes the socket for the web pages, beside what [`Application::bind`] serves. `product` is told what links to the
    /// site begin with.
    ///
    /// # Errors
    /// When the address is taken or may not be listened on.
    pub fn bind_site(
        settings: &config::Server,
        dependencies: Dependencies,
        site: &Site,
        product: impl FnOnce(&str) -> Product,
    ) -> Result<Self, BindError> {
        let refuse = |source| BindError { addr: settings.listen, source };
        // Bound here, because which hosts are answered depends on the port that was given.
        let listener = std::net::TcpListener::bind(settings.listen).map_err(refuse)?;
        let addr = listener.local_addr().map_err(refuse)?;
        let feed = LiveFeed::new(&dependencies.queue).map_err(|error| refuse(std::io::Error::other(error)))?;
        let hub = Hub::start(feed);
        let hub_data = web::Data::new(hub.clone());
        let state = web::Data::from(Arc::new(State { dependencies, metrics_token: settings.metrics_token.clone() }));
        let (site_data, addresses) = (web::Data::new(site.clone()), web::Data::new(site.addresses(addr)));
        let product = web::Data::new(product(&site.base_url(addr)));
        let pages = Pages::new(site);
        let unserved = HttpServer::new(move || {
            settle_thread();
            App::new()
                .app_data(state.clone())
                .app_data(site_data.clone())
                .app_data(product.clone())
                .app_data(addresses.clone())
                .app_data(hub_data.clone())
                .configure(health::configure)
                .configure(metrics::configure)
                .configure(site::configure)
                .configure(api::configure)
                .configure(live::configure)
                .configure(forms::configure)
                .leptos_routes_with_context(pages.routes.clone(), site::provide, pages.app())
                .default_service(web::to(site::not_found))
                // The last one wrapped is the first to see a request.
                .wrap(from_fn(site::frame))
                .wrap(Compress::default())
                .wrap(from_fn(site::deadline))
                .wrap(from_fn(site::admit))
                .wrap(from_fn(site::dress))
                .wrap(from_fn(requests::record))
                .wrap(from_fn(site::tag))
        })
        .workers(Self::site_threads())
        .on_connect(|connection, _data| send_at_once(connection))
        .client_request_timeout(HEAD_PATIENCE)
        .shutdown_timeout(DRAIN_SECONDS)
        .disable_signals()
        .listen(listener)
        .map_err(refuse)?;
        Ok(Self { addr, server: unserved.run(), hub: Some(hub) })
    }

    /// Returns the address that is listened on.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Serves until the token is cancelled, then finishes the requests under way.
    ///
    /// # Errors
    /// When the server's threads cannot be started.
    pub async fn run(self, shutdown: CancellationToken) -> std::io::Result<()> {
        let (handle, hub) = (self.server.handle(), self.hub);
        let served = tokio::spawn(self.server);
        let stopper = tokio::spawn(async move {
            shutdown.cancelled().await;
            // Streams of open pages would hold the draining up.
            if let Some(hub) = hub {
                hub.stop();
            }
            handle.stop(true).await;
        });
        let ended = served.await.map_err(std::io::Error::other)?;
        stopper.abort();
        ended
    }
}

/// The routes of a process without pages.
fn routes(services: &mut web::ServiceConfig) {
    services.configure(health::configure).configure(metrics::configure).default_service(web::to(problem::not_found));
}

/// A page is sent as its head and its body. Waiting for the head to be acknowledged, as TCP does by itself, would make every
/// page 40 ms later.
fn send_at_once(connection: &dyn Any) {
    let Some(stream) = connection.downcast_ref::<actix_web::rt::net::TcpStream>() else { return };
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "A connection keeps its default delay");
    }
}

#[cfg(test)]
mod tests;
