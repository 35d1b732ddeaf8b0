//! Connections to Redis: shared ones for commands, one of its own for each reader that blocks.
//!
//! deadpool-redis opens, checks and replaces the command connections. A connection is not lent to one task at a
//! time: it is multiplexed, so a lane keeps it checked out and its users write into it side by side. That saves the
//! pool's PING before each command and lets the client merge writes. A connection that failed or did not answer in
//! time is thrown away, because a late answer must never be taken for the next one.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use redis::aio::{MultiplexedConnection, PubSub};
use redis::io::tcp::{TcpSettings, socket2::TcpKeepalive};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, FromRedisValue, IntoConnectionInfo,
    TlsCertificates,
};
use tokio::sync::Mutex;

use crate::{QueueConfig, QueueError};

pub(crate) struct Connections {
    client: Client,
    pool: deadpool_redis::Pool,
    lanes: Vec<Mutex<Option<Lane>>>,
    next_lane: AtomicUsize,
    next_generation: AtomicU64,
    connect_timeout: Duration,
    place: String,
}

struct Lane {
    connection: deadpool_redis::Connection,
    generation: u64,
}

impl Connections {
    pub(crate) fn new(config: &QueueConfig) -> Result<Self, QueueError> {
        let address = parse_url(&config.url, config.ca_pem.as_deref())?;
        let place = place_of(&address);
        let settings = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(config.connect_timeout))
            .set_response_timeout(Some(config.response_timeout));
        let manager = deadpool_redis::Manager::new_with_config(address.clone(), settings)?;
        let pool = deadpool_redis::Pool::builder(manager)
            .max_size(config.connections)
            .wait_timeout(Some(config.connect_timeout))
            .create_timeout(Some(config.connect_timeout))
            .recycle_timeout(Some(config.response_timeout))
            .runtime(deadpool_redis::Runtime::Tokio1)
            .build()
            .map_err(|error| QueueError::InvalidConfig(error.to_string()))?;
        Ok(Self {
            client: Client::open(address)?,
            pool,
            lanes: (0..config.connections).map(|_| Mutex::new(None)).collect(),
            next_lane: AtomicUsize::new(0),
            next_generation: AtomicU64::new(0),
            connect_timeout: config.connect_timeout,
            place,
        })
    }

    /// Where the server is, without any password.
    pub(crate) fn place(&self) -> &str {
        &self.place
    }

    /// Sends one command over the next lane.
    ///
    /// A failure is not tried again here: whether the command took effect is unknown, and only the caller knows
    /// whether it may be repeated.
    pub(crate) async fn query<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, QueueError> {
        Ok(self.query_raw(command).await??)
    }

    /// As [`Connections::query`], with what the server refused told apart from what did not reach it.
    pub(crate) async fn query_raw<T: FromRedisValue>(
        &self,
        command: &Cmd,
    ) -> Result<Result<T, redis::RedisError>, QueueError> {
        let index = self.next_lane.fetch_add(1, Ordering::Relaxed) % self.lanes.len().max(1);
        let (mut connection, generation) = self.lane(index).await?;
        match command.query_async(&mut connection).await {
            Err(error) if error.is_io_error() || error.is_unrecoverable_error() => {
                self.discard(index, generation).await;
                Err(error.into())
            }
            answer => Ok(answer),
        }
    }

    async fn lane(&self, index: usize) -> Result<(MultiplexedConnection, u64), QueueError> {
        let Some(lane) = self.lanes.get(index) else {
            return Err(QueueError::unavailable("no such lane"));
        };
        let mut lane = lane.lock().await;
        if let Some(open) = &*lane {
            return Ok((open.connection.as_ref().clone(), open.generation));
        }
        let connection = self.pool.get().await.map_err(refusal_of_pool)?;
        let generation = self.next_generation.fetch_add(1, Ordering::Relaxed);
        let shared = connection.as_ref().clone();
        *lane = Some(Lane { connection, generation });
        Ok((shared, generation))
    }

    /// Takes the connection out of the pool for good, unless another task already replaced it.
    async fn discard(&self, index: usize, generation: u64) {
        let Some(lane) = self.lanes.get(index) else { return };
        let mut lane = lane.lock().await;
        if lane.as_ref().is_some_and(|open| open.generation == generation)
            && let Some(open) = lane.take()
        {
            drop(deadpool_redis::Connection::take(open.connection));
        }
    }

    /// Opens a connection of its own for reads that block; the caller bounds each read.
    pub(crate) async fn open_blocking(&self) -> Result<MultiplexedConnection, QueueError> {
        let settings =
            AsyncConnectionConfig::new().set_connection_timeout(Some(self.connect_timeout)).set_response_timeout(None);
        Ok(self.client.get_multiplexed_async_connection_with_config(&settings).await?)
    }

    pub(crate) async fn open_subscription(&self) -> Result<PubSub, QueueError> {
        match tokio::time::timeout(self.connect_timeout, self.client.get_async_pubsub()).await {
            Ok(opened) => Ok(opened?),
            Err(elapsed) => Err(QueueError::unavailable(elapsed)),
        }
    }
}

fn refusal_of_pool(error: deadpool_redis::PoolError) -> QueueError {
    match error {
        deadpool_redis::PoolError::Backend(cause) => cause.into(),
        other => QueueError::unavailable(other),
    }
}

/// Parses a URL and sets what it cannot say: keepalive, so that a peer that vanished is noticed, and who may have issued
/// the server's certificate.
pub(crate) fn parse_url(url: &str, ca_pem: Option<&str>) -> Result<ConnectionInfo, QueueError> {
    // The client's own message would repeat the URL, and the URL may hold a password.
    let unusable = |error: &redis::RedisError| {
        QueueError::InvalidConfig(format!("the Redis URL is not usable: {}", error.category()))
    };
    let mut info = url.into_connection_info().map_err(|error| unusable(&error))?;
    match (info.addr(), ca_pem) {
        (ConnectionAddr::TcpTls { insecure: true, .. }, _) => {
            let reason = "`#insecure` would trust whoever answers: name the authority instead";
            return Err(QueueError::InvalidConfig(reason.to_owned()));
        }
        (ConnectionAddr::TcpTls { .. }, Some(pem)) => info = with_authority(info, pem)?,
        (ConnectionAddr::TcpTls { .. }, None) | (_, None) => {}
        (_, Some(_)) => {
            let reason = "an authority is named, but only rediss:// is reached by TLS";
            return Err(QueueError::InvalidConfig(reason.to_owned()));
        }
    }
    let keepalive = TcpKeepalive::new().with_time(Duration::from_secs(15)).with_interval(Duration::from_secs(5));
    let tcp = TcpSettings::default().set_nodelay(true).set_keepalive(keepalive);
    Ok(info.set_tcp_settings(tcp))
}

/// Lets the authorities of a PEM text, and no others, vouch for the server.
fn with_authority(info: ConnectionInfo, pem: &str) -> Result<ConnectionInfo, QueueError> {
    if !pem.contains("-----BEGIN CERTIFICATE-----") {
        return Err(QueueError::InvalidConfig("the authorities' file holds no certificate in PEM form".to_owned()));
    }
    let certificates = TlsCertificates { client_tls: None, root_cert: Some(pem.as_bytes().to_vec()) };
    let client = Client::build_with_tls(info, certificates)
        .map_err(|error| QueueError::InvalidConfig(format!("the authorities' file cannot be read: {error}")))?;
    Ok(client.get_connection_info().clone())
}

pub(crate) fn place_of(info: &ConnectionInfo) -> String {
    match info.addr() {
        ConnectionAddr::Tcp(host, port) => format!("{host}:{port}"),
        ConnectionAddr::TcpTls { host, port, .. } => format!("{host}:{port} (TLS)"),
        ConnectionAddr::Unix(path) => path.display().to_string(),
        _ => "an address of another kind".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tcp_and_both_unix_forms_are_understood() {
        for url in ["unix:///run/redis.sock", "redis+unix:///run/redis.sock"] {
            let info = parse_url(url, None).unwrap();
            assert_eq!(info.addr(), &ConnectionAddr::Unix("/run/redis.sock".into()));
        }
        let info = parse_url("redis://:secret@127.0.0.1:6390/2", None).unwrap();
        assert_eq!(info.addr(), &ConnectionAddr::Tcp("127.0.0.1".to_owned(), 6390));
        assert!(info.tcp_settings().keepalive().is_some());
    }

    #[test]
    fn a_place_has_no_password() {
        let info = parse_url("rediss://u:hunter2@cache.example/3", None).unwrap();
        assert_eq!(place_of(&info), "cache.example:6379 (TLS)");
    }

    #[test]
    fn a_bad_url_is_refused_without_repeating_its_password() {
        for (url, ca) in [
            ("http://u:hunter2@localhost/", None),
            ("redis://u:hunter2@", None),
            ("rediss://u:hunter2@localhost/#insecure", None),
            ("rediss://u:hunter2@localhost/", Some("no certificate")),
            ("redis://u:hunter2@localhost/", Some("-----BEGIN CERTIFICATE-----")),
        ] {
            let refusal = parse_url(url, ca).unwrap_err();
            assert!(matches!(refusal, QueueError::InvalidConfig(_)), "{refusal}");
            assert!(!format!("{refusal:?}").contains("hunter2"), "{refusal:?}");
        }
    }
}
