//! Start and stop of a sandbox: one thread with its own actix system, so that callers may live on
//! any runtime.

use std::{
    any::Any,
    net::{SocketAddr, TcpListener, TcpStream},
    os::fd::AsFd,
    sync::{Arc, mpsc},
    time::Duration,
};

use actix_web::{
    App, HttpResponse, HttpServer,
    dev::{Extensions, ServerHandle},
    web,
};
use tokio::sync::oneshot;

use crate::{
    authorize,
    control::{self, ControlToken},
    dice::Dice,
    error::SandboxError,
    gateway::{self, Socket},
    pmc,
    scenario::Scenario,
    state::World,
};

mod buyers;

/// 5000 codes of an import with their RSA blocks fit.
const MAX_BODY_BYTES: usize = 8 << 20;
const TICK: Duration = Duration::from_millis(20);

/// How to start a sandbox.
#[derive(Debug, Clone)]
pub struct SandboxConfig {
    /// A loopback address; port 0 picks a free port.
    pub listen: SocketAddr,
    /// What to simulate.
    pub scenario: Scenario,
    /// Source of every random choice.
    pub seed: u64,
    /// Bearer token of `/control/`; drawn at random when left out.
    pub control_token: Option<String>,
}

impl Default for SandboxConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            scenario: Scenario::default(),
            seed: 1,
            control_token: None,
        }
    }
}

/// Starts sandboxes.
#[derive(Debug)]
pub struct Sandbox;

/// A running sandbox. Dropping it stops the server without waiting.
#[derive(Debug)]
pub struct SandboxHandle {
    address: SocketAddr,
    control_token: String,
    server: ServerHandle,
    finished: Option<oneshot::Receiver<()>>,
}

impl Sandbox {
    /// Starts a sandbox and returns once it listens.
    ///
    /// # Errors
    /// The scenario is not usable, or the address is not loopback or not free.
    pub fn start(config: SandboxConfig) -> Result<SandboxHandle, SandboxError> {
        let SandboxConfig { listen, scenario, seed, control_token } = config;
        if !listen.ip().is_loopback() {
            return Err(SandboxError::NotLoopback(listen));
        }
        let listen_error = |source| SandboxError::Listen { address: listen, source };
        let listener = TcpListener::bind(listen).map_err(listen_error)?;
        let address = listener.local_addr().map_err(listen_error)?;
        let world = web::Data::new(World::new(&scenario, seed)?);
        // The one choice that must not repeat with the seed: it keeps other programs out.
        let control_token = control_token.unwrap_or_else(|| Dice::new(rand::random()).token());
        let token = ControlToken(control_token.clone());
        let (started, server) = mpsc::channel();
        let (finish, finished) = oneshot::channel();
        std::thread::Builder::new()
            .name("sandbox".to_owned())
            .spawn(move || {
                actix_web::rt::System::new().block_on(run(listener, world, token, started));
                // Nobody waits when the handle was dropped.
                let _ = finish.send(());
            })
            .map_err(SandboxError::Thread)?;
        let server = server
            .recv()
            .map_err(|_gone| std::io::Error::other("the server ended while it started"))
            .and_then(|server| server)
            .map_err(listen_error)?;
        Ok(SandboxHandle { address, control_token, server, finished: Some(finished) })
    }
}

impl SandboxHandle {
    /// Returns the address it listens on.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.address
    }

    /// Returns the URL of the API gateway.
    #[must_use]
    pub fn gateway_url(&self) -> String {
        format!("http://{}/api/router", self.address)
    }

    /// Returns the base of the push URL; clients append `/message/{client_id}/{ms}/{digest}`.
    #[must_use]
    pub fn push_url(&self) -> String {
        format!("ws://{}", self.address)
    }

    /// Returns the URL of the authorization page.
    #[must_use]
    pub fn auth_url(&self) -> String {
        format!("http://{}/service-market/auth", self.address)
    }

    /// Returns the base URL of control.
    #[must_use]
    pub fn control_url(&self) -> String {
        format!("http://{}/control", self.address)
    }

    /// Returns the bearer token of control.
    #[must_use]
    pub fn control_token(&self) -> &str {
        &self.control_token
    }

    /// Stops the server, cuts its connections and waits until it is gone.
    pub async fn stop(mut self) {
        self.server.stop(false).await;
        if let Some(finished) = self.finished.take() {
            // An error says the thread is gone, which is what was waited for.
            let _ = finished.await;
        }
    }
}

impl Drop for SandboxHandle {
    fn drop(&mut self) {
        // The command is sent at once; only the wait for its end is given up.
        drop(self.server.stop(false));
    }
}

async fn run(
    listener: TcpListener,
    world: web::Data<World>,
    token: ControlToken,
    started: mpsc::Sender<std::io::Result<ServerHandle>>,
) {
    let shared = world.clone();
    let token = web::Data::new(token);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(shared.clone())
            .app_data(token.clone())
            .app_data(web::PayloadConfig::new(MAX_BODY_BYTES))
            .configure(routes)
    })
    .on_connect(keep_socket)
    .workers(std::thread::available_parallelism().map_or(2, |cores| cores.get().min(4)))
    .backlog(4096)
    .shutdown_timeout(1)
    .disable_signals()
    .listen(listener);
    let server = match server {
        Ok(server) => server.run(),
        Err(error) => {
            // The starter is waiting for exactly this message.
            let _ = started.send(Err(error));
            return;
        }
    };
    let _ = started.send(Ok(server.handle()));
    let ticker = actix_web::rt::spawn(tick(world));
    if let Err(error) = server.await {
        tracing::error!(%error, "The sandbox's server failed");
    }
    ticker.abort();
}

fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/api/router", web::to(gateway::route))
        .route("/api/router/", web::to(gateway::route))
        .route("/message/{client_id}/{ms}/{digest}", web::get().to(pmc::connect))
        .route("/oauth/token", web::post().to(authorize::legacy_token))
        .service(web::scope("/control").configure(control::routes))
        .default_service(web::to(probe));
    for page in ["/service-market/auth", "/open.html", "/h5-login.html"] {
        config.route(page, web::get().to(authorize::page)).route(page, web::post().to(authorize::choose));
    }
}

/// Answers probes of the root; anything else does not exist here.
async fn probe(request: actix_web::HttpRequest) -> HttpResponse {
    if request.path() == "/" {
        HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("Kamiflow sandbox\n")
    } else {
        HttpResponse::NotFound().finish()
    }
}

/// Keeps a second handle of each connection for the faults that cut it.
fn keep_socket(connection: &dyn Any, data: &mut Extensions) {
    let Some(stream) = connection.downcast_ref::<actix_web::rt::net::TcpStream>() else { return };
    // Answers are small and sent whole; waiting to merge them only adds delay.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "A connection keeps its default delay");
    }
    match stream.as_fd().try_clone_to_owned() {
        Ok(socket) => {
            data.insert(Socket(Arc::new(TcpStream::from(socket))));
        }
        Err(error) => tracing::warn!(%error, "A connection cannot be cut by faults"),
    }
}

/// Lets time pass: due events, redelivery, buyers.
async fn tick(world: web::Data<World>) {
    let mut interval = tokio::time::interval(TICK);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut shoppers = buyers::Shoppers::default();
    loop {
        interval.tick().await;
        shoppers.step(&world);
        world.run_due();
        world.hub.dispatch(&world);
    }
}
