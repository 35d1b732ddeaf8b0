//! The demo's own installation: private servers, a master key, and a sandbox, all under one folder.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kamiflow_domain::accounts::mailer::Mailer;
use kamiflow_domain::engine::Engine;
use kamiflow_kernel::{Clock as _, SecretBytes, SecretText};
use kamiflow_queue::Queue;
use kamiflow_runner::{PoolKind, PushSettings, Runner, RunnerConfig, RunnerHandle, SmtpMailer, queue_config};
use kamiflow_runtime::clock::SystemClock;
use kamiflow_runtime::config::{Gateway, GatewayEndpoint, SandboxAddress};
use kamiflow_runtime::health::Health;
use kamiflow_runtime::local::{self, LocalMail, LocalServers, PostgresOptions};
use kamiflow_sandbox::{Sandbox, SandboxConfig, SandboxHandle, Scenario};
use kamiflow_store::{KeyRing, Store, StoreConfig, migrate};
use tokio_util::sync::CancellationToken;

use crate::console::Console;
use crate::platform::{self, Platform};
use crate::sandbox_control::Control;

const DATABASE: &str = "kamiflow";
const MASTER_KEY: &str = "master.key";
const MASTER_KEY_ID: &str = "demo";
/// How other commands reach the running demo; a file that a shell can read.
const ENV: &str = "env";
const CONNECTIONS: usize = 32;
/// The sender of the demo's mails.
const SENDER: &str = "Kamiflow <noreply@kamiflow.example>";
/// How long what is in flight may take when the demo stops.
const STOP: Duration = Duration::from_secs(25);
/// Idle shops are read at least so often.
const POLL_CEILING: Duration = Duration::from_secs(10);
/// Turns of each pool at once; merchants' limit included, since the demo has one merchant.
const CONCURRENCY: [(PoolKind, usize); 4] =
    [(PoolKind::Sync, 4), (PoolKind::Deliver, 8), (PoolKind::Redeem, 4), (PoolKind::Jobs, 2)];
const MERCHANT_CONCURRENCY: u32 = 8;

/// Everything that runs for the demo.
pub(super) struct Installation {
    pub(super) engine: Engine,
    pub(super) queue: Queue,
    pub(super) control: Control,
    pub(super) gateway: Gateway,
    push: Option<PushSettings>,
    mail: Option<LocalMail>,
    sandbox: SandboxHandle,
    servers: LocalServers,
    env: PathBuf,
}

impl Installation {
    /// Starts servers and sandbox; nothing works yet.
    pub(super) async fn start(dir: &Path, scenario: Scenario, seed: u64, console: Console) -> Result<Self> {
        let first = !dir.join(MASTER_KEY).exists();
        fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
        console.step(if first {
            "Creating a private Postgres and Redis (the first time usually 3 to 10 seconds)"
        } else {
            "Starting the private Postgres and Redis (usually 1 to 3 seconds)"
        });
        let servers = LocalServers::start(dir, &PostgresOptions::durable(DATABASE)).await?;
        console.step("Bringing the schema up to date (usually below 2 seconds)");
        migrate::run(&servers.postgres.owner_url(), SystemClock.now()).await?;
        let config =
            StoreConfig { url: servers.postgres.app_url(), pool_size: CONNECTIONS, wait: Duration::from_secs(10) };
        let master = master_key(dir)?;
        let ring = KeyRing::new([(MASTER_KEY_ID.to_owned(), master.clone())], MASTER_KEY_ID)?;
        let store = Store::new(&config, ring)?;
        let queue = Queue::connect(queue_config(&servers.redis.url(), DATABASE, MERCHANT_CONCURRENCY)).await?;

        console.step("Starting a sandbox Pinduoduo");
        let sandbox = Sandbox::start(SandboxConfig { scenario, seed, ..SandboxConfig::default() })?;
        let control = Control::new(sandbox.control_url(), sandbox.control_token())?;
        let gateway = gateway(&sandbox);
        let platform = Platform {
            gateway: &gateway,
            poll_ceiling: POLL_CEILING,
            card_key: platform::sandbox_card_key(&control).await,
            // The sandbox knows no inside and outside of the platform's cloud.
            inside_platform_cloud: true,
        };
        let engine = platform.engine(store, Some(&queue))?;
        let push = platform::push(&gateway)?;
        let mail = LocalMail::start(&dir.join("mail")).await?;
        let env = fs::canonicalize(dir)?.join(ENV);
        write_private(&env, &variables(&servers, &sandbox, &master))?;
        Ok(Self { engine, queue, control, gateway, push, mail, sandbox, servers, env })
    }

    /// Starts the workers.
    pub(super) fn work(&self) -> Result<RunnerHandle> {
        let mailer: Option<Arc<dyn Mailer>> = match &self.mail {
            Some(mail) => Some(Arc::new(SmtpMailer::new(&SecretText::new(mail.url()), SENDER)?)),
            None => None,
        };
        let config = RunnerConfig { pools: CONCURRENCY.to_vec(), push: self.push.clone(), mailer };
        let liveness = platform::liveness(&Health::new());
        // The handle is stopped when the demo ends, so that a signal first lets the books be closed.
        Ok(Runner::start(&config, &self.engine, &self.queue, &liveness, &CancellationToken::new())?)
    }

    /// Returns where caught mails are shown, if they are caught.
    pub(super) fn inbox(&self) -> Option<String> {
        self.mail.as_ref().map(LocalMail::page)
    }

    /// Returns how the sandbox can be watched and how other commands are pointed at the demo, for people.
    pub(super) fn places(&self) -> String {
        let (url, token) = (self.sandbox.control_url(), self.sandbox.control_token());
        let program = std::env::current_exe().map_or_else(|_| "kamiflow".to_owned(), |path| path.display().to_string());
        format!(
            "The sandbox's books: curl -H 'Authorization: Bearer {token}' {url}/ledger\n\
             In another terminal: (set -a; . {}; {program} status), and order show ORDER_SN, doctor, … likewise",
            self.env.display()
        )
    }

    /// Stops sandbox and servers.
    pub(super) async fn stop(self, console: Console) -> Result<()> {
        let began = Instant::now();
        // It would point at servers that are gone.
        let _ = fs::remove_file(&self.env);
        drop(self.mail);
        self.sandbox.stop().await;
        drop((self.engine, self.queue));
        let servers = self.servers;
        tokio::task::spawn_blocking(move || servers.stop()).await??;
        console.step(format_args!("Stopped everything in {:.1} s", began.elapsed().as_secs_f32()));
        Ok(())
    }
}

/// Lets the workers finish what is in flight.
pub(super) async fn stop_workers(workers: RunnerHandle) {
    workers.stop(STOP).await;
}

/// Deletes what an earlier demo left.
pub(super) fn wipe(dir: &Path) -> Result<()> {
    Ok(local::wipe(dir)?)
}

fn gateway(sandbox: &SandboxHandle) -> Gateway {
    Gateway {
        endpoint: GatewayEndpoint::Sandbox(SandboxAddress {
            url: sandbox.gateway_url(),
            push_url: Some(sandbox.push_url()),
        }),
        beside: None,
        lag: Duration::from_secs(2),
        // The scenario's voucher_send is idempotent.
        resend_safe: true,
        limit_percent: 80,
        limit_scale: 1,
        automatic_approval: true,
        window_max_orders: 2_000,
        pickup_logistics_id: None,
        card_key: None,
    }
}

/// Reads the key that wraps the demo's data keys, or makes it. Without it the kept database cannot be opened.
fn master_key(dir: &Path) -> Result<SecretBytes> {
    let path = dir.join(MASTER_KEY);
    if let Ok(bytes) = fs::read(&path) {
        if bytes.len() != 32 {
            bail!("{} is damaged; start anew with --fresh", path.display());
        }
        return Ok(SecretBytes::new(bytes));
    }
    let mut bytes = vec![0; 32];
    rand::fill(bytes.as_mut_slice());
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    file.write_all(&bytes)?;
    Ok(SecretBytes::new(bytes))
}

/// Returns the demo's configuration as lines that a shell and `env` understand.
fn variables(servers: &LocalServers, sandbox: &SandboxHandle, master: &SecretBytes) -> String {
    let key = format!("{MASTER_KEY_ID}:{}", STANDARD.encode(master.expose()));
    let lines = [
        ("KAMIFLOW_DATABASE_URL", servers.postgres.app_url()),
        ("KAMIFLOW_DATABASE_OWNER_URL", servers.postgres.owner_url()),
        ("KAMIFLOW_REDIS_URL", servers.redis.url()),
        ("KAMIFLOW_REDIS_PREFIX", DATABASE.to_owned()),
        ("KAMIFLOW_KEYRING_KEYS", key),
        ("KAMIFLOW_GATEWAY_KIND", "sandbox".to_owned()),
        ("KAMIFLOW_GATEWAY_URL", sandbox.gateway_url()),
        ("KAMIFLOW_GATEWAY_PUSH_URL", sandbox.push_url()),
        ("KAMIFLOW_GATEWAY_RESEND_SAFE", "true".to_owned()),
        ("KAMIFLOW_WORKER_MERCHANT_CONCURRENCY", MERCHANT_CONCURRENCY.to_string()),
    ];
    lines.into_iter().map(|(name, value)| format!("{name}='{}'\n", value.replace('\'', "'\\''"))).collect()
}

/// Writes a file that only its owner may read, whatever was there before.
fn write_private(path: &Path, text: &str) -> Result<()> {
    let _ = fs::remove_file(path);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    Ok(file.write_all(text.as_bytes())?)
}
