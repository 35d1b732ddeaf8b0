//! The application over sockets, on real servers.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use kamiflow_kernel::{Clock as _, SecretBytes};
use kamiflow_queue::QueueConfig;
use kamiflow_runtime::clock::SystemClock;
use kamiflow_runtime::local::{LocalServers, PostgresOptions};
use kamiflow_store::{KeyRing, StoreConfig, migrate};
use reqwest::{Client, Method, Response};
use serde_json::Value;
use tokio::sync::OnceCell;
use tokio::task::JoinHandle;

use super::*;

/// A process has one recorder, its tests may be many.
static METRICS: OnceCell<Metrics> = OnceCell::const_new();

struct TestApplication {
    base: String,
    client: Client,
    health: Health,
    servers: Option<LocalServers>,
    shutdown: CancellationToken,
    served: JoinHandle<std::io::Result<()>>,
    _folder: tempfile::TempDir,
}

impl TestApplication {
    async fn start(metrics_token: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o711)).unwrap();
        let servers = LocalServers::start(folder.path(), &PostgresOptions::throwaway("kamiflow")).await.unwrap();
        migrate::run(&servers.postgres.owner_url(), SystemClock.now()).await.unwrap();
        let ring = KeyRing::new([("k1".to_owned(), SecretBytes::new(vec![7; 32]))], "k1").unwrap();
        let config = StoreConfig { url: servers.postgres.app_url(), pool_size: 2, wait: Duration::from_secs(5) };
        let health = Health::new();
        let metrics = METRICS.get_or_init(async || Metrics::install().unwrap()).await;
        let dependencies = Dependencies {
            store: Store::new(&config, ring).unwrap(),
            queue: Queue::connect(QueueConfig::new(servers.redis.url(), "test")).await.unwrap(),
            health: health.clone(),
            metrics: metrics.clone(),
        };
        let settings = config::Server {
            listen: "127.0.0.1:0".parse().unwrap(),
            metrics_token: metrics_token.map(SecretText::from),
        };
        let application = Application::bind(&settings, dependencies).unwrap();
        let base = format!("http://{}", application.addr());
        let shutdown = CancellationToken::new();
        let served = tokio::spawn(application.run(shutdown.clone()));
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder().timeout(Duration::from_secs(20)).build().unwrap();
        Self { base, client, health, servers: Some(servers), shutdown, served, _folder: folder }
    }

    async fn send(&self, method: Method, path: &str) -> Response {
        self.client.request(method, format!("{}{path}", self.base)).send().await.unwrap()
    }

    async fn get(&self, path: &str) -> Response {
        self.send(Method::GET, path).await
    }

    async fn readiness(&self) -> (u16, Value) {
        let answer = self.get("/readyz").await;
        (answer.status().as_u16(), json(answer).await)
    }
}

async fn json(answer: Response) -> Value {
    serde_json::from_str(&answer.text().await.unwrap()).unwrap()
}

fn failed(readiness: &Value) -> Vec<&str> {
    let checks = readiness["checks"].as_array().unwrap();
    checks.iter().filter(|check| check["ok"] == false).map(|check| check["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_process_is_ready_until_a_loop_or_a_server_stops() {
    let mut application = TestApplication::start(None).await;
    let beat = application.health.register("sync", Duration::from_secs(60));
    let (status, body) = application.readiness().await;
    assert_eq!((status, &body["ready"]), (200, &Value::Bool(true)), "{body}");

    beat.retire();
    let _silent = application.health.register("deliver", Duration::ZERO);
    let (status, body) = application.readiness().await;
    assert_eq!((status, failed(&body)), (503, vec!["loop:deliver"]), "{body}");

    application.servers.take().unwrap().stop().unwrap();
    let (status, body) = application.readiness().await;
    assert_eq!((status, failed(&body)), (503, vec!["database", "redis", "loop:deliver"]), "{body}");
    assert!(!body.to_string().contains("postgres"), "what a server said stays inside: {body}");
    assert_eq!(application.get("/healthz").await.status(), 200, "the process itself is alive");
}

#[tokio::test]
async fn an_unknown_address_and_a_wrong_method_are_problem_documents() {
    let application = TestApplication::start(None).await;
    let answer = application.get("/nowhere").await;
    assert_eq!(answer.status(), 404);
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    let body = json(answer).await;
    assert_eq!((&body["status"], &body["code"]), (&Value::from(404), &Value::from("route.unknown")));

    let answer = application.send(Method::POST, "/healthz").await;
    assert_eq!((answer.status().as_u16(), answer.headers()["allow"].to_str().unwrap()), (405, "GET, HEAD"));
    assert_eq!(application.send(Method::HEAD, "/healthz").await.status(), 200);
}

#[tokio::test]
async fn metrics_ask_for_the_token_where_one_is_configured() {
    let application = TestApplication::start(Some("right")).await;
    ::metrics::counter!("kamiflow_test_total").increment(3);
    let ask = async |token: Option<&str>| {
        let request = application.client.get(format!("{}/metrics", application.base));
        let request = match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        request.send().await.unwrap()
    };
    for wrong in [None, Some("wrong"), Some("righ"), Some("")] {
        let answer = ask(wrong).await;
        assert_eq!(answer.status(), 401, "{wrong:?}");
        assert!(!answer.text().await.unwrap().contains("kamiflow_test_total"));
    }
    let answer = ask(Some("right")).await;
    assert_eq!(answer.status(), 200);
    assert!(answer.text().await.unwrap().contains("kamiflow_test_total 3"));
}

#[tokio::test]
async fn metrics_tell_what_a_process_knows_without_any_worker() {
    let application = TestApplication::start(None).await;
    assert_eq!(application.get("/nowhere/at/all").await.status(), 404);
    assert_eq!(application.get("/readyz").await.status(), 200);
    let text = application.get("/metrics").await.text().await.unwrap();
    for line in [
        "kamiflow_http_requests_total{route=\"none\",method=\"GET\",status=\"404\"} ",
        "kamiflow_http_requests_total{route=\"/readyz\",method=\"GET\",status=\"200\"} ",
        "kamiflow_http_request_seconds_bucket{route=\"/readyz\",le=\"10\"} ",
        "kamiflow_database_connections_max 2",
        "kamiflow_database_connections{state=\"idle\"} ",
        "kamiflow_queue_backlog{pool=\"deliver\"} 0",
        "kamiflow_redis_up 1",
        "process_resident_memory_bytes ",
        "process_cpu_seconds_total ",
        "process_open_fds ",
    ] {
        assert!(text.lines().any(|found| found.starts_with(line)), "{line} is missing in\n{text}");
    }
}

#[tokio::test]
async fn a_process_is_not_ready_on_a_schema_or_with_keys_that_do_not_fit() {
    let application = TestApplication::start(None).await;
    let servers = application.servers.as_ref().unwrap();
    let (client, connection) =
        tokio_postgres::connect(&servers.postgres.superuser_url("kamiflow"), tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('99')").await.unwrap();
    let (status, body) = application.readiness().await;
    assert_eq!(status, 200, "a newer schema does not stop what runs: {body}");
    client.batch_execute("DELETE FROM __diesel_schema_migrations WHERE version = '99'").await.unwrap();

    let key = "INSERT INTO data_keys (id, merchant_id, master_key_id, wrapped)
               VALUES (gen_random_uuid(), '00000000-0000-0000-0000-000000000000', 'k0', '\\x00')";
    client.batch_execute(key).await.unwrap();
    let (status, body) = application.readiness().await;
    assert_eq!((status, failed(&body)), (503, vec!["key_ring"]), "{body}");
    assert!(!body.to_string().contains("k0"), "names of keys stay inside: {body}");

    client.batch_execute("DELETE FROM __diesel_schema_migrations WHERE version LIKE '%7'").await.unwrap();
    let (status, body) = application.readiness().await;
    assert_eq!((status, failed(&body)), (503, vec!["schema"]), "{body}");
}

#[tokio::test]
async fn the_server_ends_when_the_token_is_cancelled_and_frees_its_address() {
    let application = TestApplication::start(None).await;
    let taken = application.base.trim_start_matches("http://").parse().unwrap();
    assert_eq!(application.get("/healthz").await.status(), 200);
    application.shutdown.cancel();
    application.served.await.unwrap().unwrap();
    std::net::TcpListener::bind::<SocketAddr>(taken).unwrap();
}
