//! TLS to real servers with an authority of their own: who is trusted, who is refused, and what the refusal says.
//!
//! The servers listen on addresses of the loopback network that this process draws by chance, on their usual ports: the
//! certificate names one of them, so that the other is a server with a wrong name.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use kamiflow_kernel::Clock as _;
use kamiflow_queue::{ChannelEvent, Queue, QueueConfig};
use kamiflow_runtime::clock::SystemClock;
use kamiflow_runtime::local::{LocalPostgres, PostgresOptions};
use kamiflow_store::{Store, StoreConfig, StoreError, migrate, system};
use kamiflow_test_support::TestApp;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use crate::startup;

/// Files of an authority and of a server it vouches for.
struct Certificates {
    folder: tempfile::TempDir,
    named: Ipv4Addr,
    unnamed: Ipv4Addr,
    certificate: String,
    key: String,
}

impl Certificates {
    fn make() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [a, b] = [0, 1].map(|n| uuid::Uuid::now_v7().as_bytes()[14 + n].clamp(1, 254));
        let (named, unnamed) = (Ipv4Addr::new(127, a, b, 1), Ipv4Addr::new(127, a, b, 2));
        let authority = authority("ours");
        let key = KeyPair::generate().unwrap();
        let server = CertificateParams::new([named.to_string()]).unwrap().signed_by(&key, &authority).unwrap();
        std::fs::write(folder.path().join("ca.pem"), authority.pem()).unwrap();
        std::fs::write(folder.path().join("stranger.pem"), self::authority("a stranger").pem()).unwrap();
        Self { folder, named, unnamed, certificate: server.pem(), key: key.serialize_pem() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }
}

fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// Starts a Postgres that takes TLS on both addresses and nothing else.
async fn postgres(folder: &Path, certificates: &Certificates) -> LocalPostgres {
    let options = PostgresOptions::throwaway("kamiflow");
    let plain = LocalPostgres::start(folder, &options).await.unwrap();
    let (client, connection) =
        tokio_postgres::connect(&plain.superuser_url("kamiflow"), tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let hba = "local all all trust\nhostssl all all 127.0.0.0/8 trust\n";
    for (name, text) in [("tls.key", &*certificates.key), ("tls.crt", &*certificates.certificate), ("tls_hba", hba)] {
        // Written by the server, so that they belong to its user and nobody else reads the key.
        let line = text.escape_default();
        // The row is read first: a program that ends before it was handed its input fails the statement.
        let write = format!("COPY (SELECT 1) TO PROGRAM 'umask 077; cat > /dev/null; printf %b \"{line}\" > {name}'");
        client.batch_execute(&write).await.unwrap();
    }
    let data: String = client.query_one("SHOW data_directory", &[]).await.unwrap().get(0);
    let (named, unnamed) = (certificates.named, certificates.unnamed);
    for (setting, value) in [
        ("listen_addresses", format!("{named},{unnamed}")),
        ("ssl_key_file", "tls.key".to_owned()),
        ("ssl_cert_file", "tls.crt".to_owned()),
        ("hba_file", format!("{data}/tls_hba")),
        ("ssl", "on".to_owned()),
    ] {
        client.batch_execute(&format!("ALTER SYSTEM SET {setting} = '{value}'")).await.unwrap();
    }
    drop(client);
    tokio::task::spawn_blocking(move || plain.stop()).await.unwrap().unwrap();
    // The folder's socket comes back too: it is what the arrangement goes on with.
    LocalPostgres::start(folder, &options).await.unwrap()
}

/// Reads a row through the pool; the error is what an operator would be shown.
async fn reach(url: &str) -> Result<(), String> {
    let config = StoreConfig { url: url.to_owned(), pool_size: 1, wait: Duration::from_secs(10) };
    let read = async {
        let mut tx = Store::new(&config, TestApp::key_ring(&["m1"], "m1"))?.system_tx().await?;
        system::fetch_instance(&mut tx).await?;
        tx.commit().await
    };
    read.await.map_err(|error: StoreError| error.to_string())
}

#[tokio::test]
async fn postgres_is_reached_by_tls_and_a_stranger_or_a_wrong_name_is_refused() {
    let (folder, certificates) = (tempfile::tempdir().unwrap(), Certificates::make());
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o711)).unwrap();
    let server = postgres(folder.path(), &certificates).await;
    let (named, unnamed) = (certificates.named, certificates.unnamed);
    let (ca, stranger) = (certificates.path("ca.pem"), certificates.path("stranger.pem"));
    let url = |host: Ipv4Addr, role: &str, query: &str| format!("postgres://{role}@{host}/kamiflow{query}");
    let with = |mode: &str, file: &Path| format!("?sslmode={mode}&sslrootcert={}", file.display());

    // The schema, by TLS as well.
    let owner = url(named, "kamiflow_owner", &with("verify-full", &ca));
    assert!(!migrate::run(&owner, SystemClock.now()).await.unwrap().is_empty());

    for (host, query, refused) in [
        (named, with("verify-full", &ca), None),
        (named, with("require", &ca), None),
        (unnamed, with("verify-ca", &ca), None),
        (unnamed, with("require", &ca), None),
        (unnamed, with("verify-full", &ca), Some("not valid for name")),
        (named, with("verify-full", &stranger), Some("UnknownIssuer")),
        (named, with("require", &stranger), Some("UnknownIssuer")),
        (named, "?sslmode=require".to_owned(), Some("UnknownIssuer")),
        (named, "?sslmode=verify-full".to_owned(), Some("UnknownIssuer")),
        (named, String::new(), Some("no encryption")),
        (named, "?sslmode=prefer".to_owned(), Some("write disable, require")),
    ] {
        let outcome = reach(&url(host, "kamiflow_app", &query)).await;
        match (refused, &outcome) {
            (None, Ok(())) => {}
            (Some(part), Err(said)) => assert!(said.contains(part), "{host} {query}: {said}"),
            _ => panic!("{host} {query}: {outcome:?}"),
        }
    }

    // The session really is encrypted.
    let (client, connection) =
        tokio_postgres::connect(&server.superuser_url("kamiflow"), tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let config = StoreConfig {
        url: url(named, "kamiflow_app", &with("verify-full", &ca)),
        pool_size: 1,
        wait: Duration::from_secs(10),
    };
    let store = Store::new(&config, TestApp::key_ring(&["m1"], "m1")).unwrap();
    store.system_tx().await.unwrap().commit().await.unwrap();
    let encrypted = "SELECT count(*) FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid)
                     WHERE a.usename = 'kamiflow_app' AND s.ssl AND s.version LIKE 'TLSv1.%'";
    let count: i64 = client.query_one(encrypted, &[]).await.unwrap().get(0);
    assert!(count >= 1);

    // What an operator sees who forgot the authority, and who named it by the variable.
    let app_url = url(named, "kamiflow_app", "?sslmode=verify-full");
    let said = startup::run(startup::kamiflow(&["status"], &app_url, RING).await).await;
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(said.contains("UnknownIssuer") && said.contains("KAMIFLOW_DATABASE_CA_FILE"), "{said}");
    let mut command = startup::kamiflow(&["status", "--json"], &url(named, "kamiflow_app", ""), RING).await;
    command.env("KAMIFLOW_DATABASE_CA_FILE", &ca);
    let output = startup::run(command).await;
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
}

const RING: &str = "m1:bTFtMW0xbTFtMW0xbTFtMW0xbTFtMW0xbTFtMW0xbTE=";

/// A Redis that takes TLS on both addresses.
struct TlsRedis(Child);

impl TlsRedis {
    fn start(certificates: &Certificates) -> Self {
        for (name, text) in [("redis.key", &certificates.key), ("redis.crt", &certificates.certificate)] {
            std::fs::write(certificates.path(name), text).unwrap();
        }
        let (named, unnamed) = (certificates.named.to_string(), certificates.unnamed.to_string());
        let child = Command::new("redis-server")
            .args(["--port", "0", "--tls-port", "6379", "--bind", &named, &unnamed, "--tls-auth-clients", "no"])
            .arg("--tls-cert-file")
            .arg(certificates.path("redis.crt"))
            .arg("--tls-key-file")
            .arg(certificates.path("redis.key"))
            .args(["--tls-ca-cert-file"])
            .arg(certificates.path("ca.pem"))
            .args(["--save", "", "--appendonly", "no", "--dir"])
            .arg(certificates.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server with TLS is installed by ./dev setup");
        Self(child)
    }
}

impl Drop for TlsRedis {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _reaped = self.0.wait();
    }
}

#[tokio::test]
async fn redis_is_reached_by_tls_and_a_stranger_or_a_wrong_name_is_refused() {
    kamiflow_pinduoduo::install_crypto_provider();
    let certificates = Certificates::make();
    let _server = TlsRedis::start(&certificates);
    let listening = async {
        let mut looks = tokio::time::interval(Duration::from_millis(10));
        while tokio::net::TcpStream::connect((certificates.named, 6379)).await.is_err() {
            looks.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), listening).await.expect("Redis does not listen");
    let connect = async |scheme: &str, host: Ipv4Addr, ca: Option<String>| {
        let mut config = QueueConfig::new(format!("{scheme}://{host}:6379/"), "test:");
        config.ca_pem = ca;
        Queue::connect(config).await.map_err(|error| format!("{error:?}"))
    };
    let (ca, stranger) = (certificates.text("ca.pem"), certificates.text("stranger.pem"));
    let queue = connect("rediss", certificates.named, Some(ca.clone())).await.unwrap();
    assert!(queue.place().ends_with("(TLS)"), "{}", queue.place());
    // The connection for blocking reads and the subscription go the same way.
    queue.consumer("sync").unwrap().take(1, Duration::from_millis(1)).await.unwrap();
    let mut live = queue.channels().subscribe(&["live"]).unwrap();
    let subscribed = tokio::time::timeout(Duration::from_secs(10), live.next()).await;
    assert_eq!(subscribed, Ok(ChannelEvent::Connected));
    for (scheme, host, ca, part) in [
        ("rediss", certificates.unnamed, Some(ca), "not valid for name"),
        ("rediss", certificates.named, Some(stranger), "UnknownIssuer"),
        ("rediss", certificates.named, None, "UnknownIssuer"),
        ("redis", certificates.named, None, ""),
    ] {
        let said = connect(scheme, host, ca).await.err().unwrap_or_else(|| panic!("{scheme} {host} was accepted"));
        assert!(said.contains(part), "{said}");
    }
}
