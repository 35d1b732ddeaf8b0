//! A private Postgres and Redis that can be struck down and stood up again, and a database per phase.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use kamiflow_runtime::local::{LocalPostgres, LocalRedis, PostgresOptions};
use kamiflow_test_support::fleet::Databases;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::sync::Mutex;

/// The migrated database that others are copied from.
const TEMPLATE: &str = "chaos_template";
const POLL: Duration = Duration::from_millis(10);
const PATIENCE: Duration = Duration::from_secs(60);

/// Both servers. Each has a lock: who restarts one does so alone.
pub(crate) struct Servers {
    dir: PathBuf,
    postgres: Mutex<Option<LocalPostgres>>,
    redis: Mutex<Option<LocalRedis>>,
    /// Their URLs stay the same over restarts.
    pub(crate) databases: Databases,
    redis_url: String,
    redis_socket: PathBuf,
}

impl Servers {
    /// Starts both, Postgres as durable as in production, and makes the template anew.
    pub(crate) async fn start(dir: &Path) -> Result<Self> {
        let postgres = LocalPostgres::start(&dir.join("postgres"), &options()).await?;
        let redis = LocalRedis::start(&dir.join("redis")).await?;
        let databases = Databases::begin(postgres.superuser_url("postgres"), TEMPLATE).await?;
        Ok(Self {
            dir: dir.to_owned(),
            databases,
            redis_url: redis.url(),
            redis_socket: redis.socket_path(),
            postgres: Mutex::new(Some(postgres)),
            redis: Mutex::new(Some(redis)),
        })
    }

    /// Stops both.
    pub(crate) async fn stop(self) -> Result<()> {
        let (postgres, redis) = (self.postgres.into_inner(), self.redis.into_inner());
        tokio::task::spawn_blocking(move || {
            redis.map_or(Ok(()), LocalRedis::stop)?;
            postgres.map_or(Ok(()), LocalPostgres::stop)
        })
        .await??;
        Ok(())
    }

    /// Returns the URL of Redis; it stays the same over restarts.
    pub(crate) fn redis_url(&self) -> &str {
        &self.redis_url
    }

    /// Ends Postgres at once, as a crash would, and starts it again: it recovers from its log.
    pub(crate) async fn restart_postgres(&self) -> Result<()> {
        let mut place = self.postgres.lock().await;
        let Some(server) = place.take() else { bail!("Postgres is not running") };
        let pid = server.pid();
        // SIGQUIT is Postgres' immediate shutdown.
        kill(Pid::from_raw(pid), Signal::SIGQUIT)?;
        let ended = async {
            while is_running(pid) {
                tokio::time::sleep(POLL).await;
            }
        };
        tokio::time::timeout(PATIENCE, ended).await.context("Postgres did not end")?;
        tokio::task::spawn_blocking(move || server.stop()).await??;
        *place = Some(LocalPostgres::start(&self.dir.join("postgres"), &options()).await?);
        Ok(())
    }

    /// Ends Redis at once and starts an empty one after a while.
    pub(crate) async fn restart_redis(&self, down: Duration) -> Result<()> {
        let mut place = self.redis.lock().await;
        let Some(server) = place.take() else { bail!("Redis is not running") };
        tokio::task::spawn_blocking(move || server.stop()).await??;
        tokio::time::sleep(down).await;
        *place = Some(LocalRedis::start(&self.dir.join("redis")).await?);
        Ok(())
    }

    /// Empties Redis.
    pub(crate) async fn flush_redis(&self) -> Result<()> {
        // Who restarts Redis has emptied it as well; waiting avoids talking to nobody.
        let _running = self.redis.lock().await;
        let mut stream = UnixStream::connect(&self.redis_socket).await?;
        stream.write_all(b"FLUSHALL\r\n").await?;
        let mut answer = [0_u8; 5];
        stream.read_exact(&mut answer).await?;
        if answer != *b"+OK\r\n" {
            bail!("Redis refused FLUSHALL");
        }
        Ok(())
    }
}

fn options() -> PostgresOptions {
    PostgresOptions::durable("kamiflow")
}

/// Whether a process runs; one that ended and that nobody has waited for does not.
fn is_running(pid: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X'])))
}
