//! The web application on a socket of its own, with built files that are made up.

use std::fs;

use kamiflow_queue::{Queue, QueueConfig};
use kamiflow_runtime::config::{self, Ui};
use kamiflow_runtime::health::Health;
use kamiflow_runtime::telemetry::Metrics;
use kamiflow_server::{Application, Dependencies, Site};
use reqwest::header::{ACCEPT, HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder};
use tokio::sync::OnceCell;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::app::TestApp;

/// A process has one recorder, its tests may be many.
static METRICS: OnceCell<Metrics> = OnceCell::const_new();

/// `kamiflow serve`, in this process.
pub struct TestSite {
    /// What it works with.
    pub app: TestApp,
    /// Where it listens: `http://127.0.0.1:PORT`.
    pub base: String,
    client: Client,
    shutdown: CancellationToken,
    served: JoinHandle<std::io::Result<()>>,
    _folder: tempfile::TempDir,
}

impl TestSite {
    /// Starts one as it starts without any configuration.
    pub async fn start() -> Self {
        Self::with(|_settings| {}).await
    }

    /// Starts one whose configuration is changed.
    pub async fn with(change: impl FnOnce(&mut Ui)) -> Self {
        let app = TestApp::new().await;
        let folder = Self::built_files();
        let mut settings = Ui { folder: folder.path().to_owned(), ..Ui::default() };
        change(&mut settings);
        let (url, prefix) = app.redis().await;
        let dependencies = Dependencies {
            store: app.store().clone(),
            queue: Queue::connect(QueueConfig::new(url, prefix)).await.unwrap(),
            health: Health::new(),
            metrics: METRICS.get_or_init(async || Metrics::install().unwrap()).await.clone(),
        };
        let server = config::Server { listen: "127.0.0.1:0".parse().unwrap(), metrics_token: None };
        let application = Application::bind_site(&server, dependencies, &Site::load(&settings).unwrap()).unwrap();
        let base = format!("http://{}", application.addr());
        let shutdown = CancellationToken::new();
        let served = tokio::spawn(application.run(shutdown.clone()));
        let _installed = rustls::crypto::ring::default_provider().install_default();
        // As a default, so that a request can ask for something else: `header` adds a second one.
        let accept = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("text/html,*/*;q=0.8"))]);
        let client = Client::builder().redirect(Policy::none()).default_headers(accept).build().unwrap();
        Self { app, base, client, shutdown, served, _folder: folder }
    }

    /// Makes a folder such as `cargo dev build-ui` writes.
    pub fn built_files() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let roles =
            [("style", "css"), ("boot", "js"), ("module", "js"), ("wasm", "wasm"), ("icons", "svg"), ("mark", "svg")];
        let mut manifest = serde_json::Map::new();
        for (role, extension) in roles {
            let name = format!("{role}.0123456789abcdef.{extension}");
            for (suffix, contents) in [("", "plain"), (".br", "brotli"), (".gz", "gzip")] {
                fs::write(folder.path().join(format!("{name}{suffix}")), format!("{role} {contents}")).unwrap();
            }
            manifest.insert(role.to_owned(), name.into());
        }
        fs::write(folder.path().join("manifest.json"), serde_json::Value::Object(manifest).to_string()).unwrap();
        folder
    }

    /// Returns a request as a browser starts it: it asks for a page, and follows no redirection.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base))
    }

    /// Returns a request for a page.
    pub fn get(&self, path: &str) -> RequestBuilder {
        self.request(Method::GET, path)
    }

    /// Returns a form sent from a page of the site.
    pub fn post(&self, path: &str, body: &str) -> RequestBuilder {
        self.request(Method::POST, path)
            .header("origin", &self.base)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body.to_owned())
    }

    /// Stops it, so that its connections end before its database is dropped.
    pub async fn stop(self) {
        self.shutdown.cancel();
        self.served.await.unwrap().unwrap();
    }
}
