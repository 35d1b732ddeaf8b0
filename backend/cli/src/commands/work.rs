//! `kamiflow work`: the background half.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Result, anyhow};
use clap::Args;
use kamiflow_domain::accounts::mailer::Mailer;
use kamiflow_domain::engine::EngineConfig;
use kamiflow_runner::{PoolKind, Runner, RunnerConfig, SmtpMailer};
use kamiflow_runtime::config::{self, Config, Mail, Pool, ProcessEnv, Retention, Ui, Worker};
use kamiflow_runtime::health::Health;
use kamiflow_runtime::shutdown;
use kamiflow_runtime::telemetry::{self, Metrics};
use kamiflow_server::{Application, Dependencies};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::commands::prune;
use crate::connect;
use crate::console::Console;
use crate::exit::{Exit, WrongUsage};
use crate::platform::{self, Platform};

pub(crate) const EXAMPLES: &str = "\
Examples:
  kamiflow work
  kamiflow work --pools sync,deliver
  kamiflow work --pools redeem --listen 127.0.0.1:8081

SIGTERM ends the taking of work; what is in flight is finished or handed back within
KAMIFLOW_WORKER_SHUTDOWN_SECONDS (25). A second signal ends the process at once.";

/// Options of `kamiflow work`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Runs these pools only: sync, deliver, redeem, jobs.
    #[arg(long, value_name = "LIST")]
    pools: Option<String>,

    /// Serves health and metrics here instead of at KAMIFLOW_SERVER_LISTEN; port 0 picks a free one.
    #[arg(long, value_name = "IP:PORT")]
    listen: Option<SocketAddr>,
}

/// Works until SIGTERM or SIGINT.
pub(crate) async fn run(options: Options, console: Console) -> Result<Exit> {
    let (mut config, ages, mail, ui): (Config, Retention, Mail, Ui) = config::load(&ProcessEnv)?;
    if let Some(pools) = &options.pools {
        let wrong = || WrongUsage(format!("--pools `{pools}`: list some of sync, deliver, redeem, jobs, none twice"));
        config.worker.pools = Pool::parse_list(pools).ok_or_else(wrong)?;
    }
    if let Some(listen) = options.listen {
        config.server.listen = listen;
    }
    telemetry::init(&config.telemetry)?;
    connect::warn_of_unknown_variables();
    let shutdown = shutdown::on_signals()?;
    let health = Health::new();
    let metrics = Metrics::install()?;
    let store = connect::store(&config.database, &config.keyring)?;
    connect::require_fit(&store).await?;
    let queue = connect::queue(&config.redis, &config.worker).await?;
    let platform = Platform {
        gateway: &config.gateway,
        poll_ceiling: config.worker.poll_ceiling,
        card_key: platform::card_key(&config.gateway)?,
        inside_platform_cloud: false,
    };
    let mut engine = platform.engine(store.clone(), Some(&queue))?;
    engine.config = Arc::new(EngineConfig {
        retention: prune::policy(&ages),
        ship_by_notice: config.worker.ship_by_notice,
        site: ui.public_url,
        ..(*engine.config).clone()
    });
    let application = Application::bind(
        &config.server,
        Dependencies { store, queue: queue.clone(), health: health.clone(), metrics },
    )?;
    connect::announce(console, application.addr())?;
    info!(http.listen = %application.addr(), "Serving health and metrics on http://{}", application.addr());

    let mailer = mailer(&mail)?;
    let runner_config = RunnerConfig { pools: pools(&config.worker)?, push: platform::push(&config.gateway)?, mailer };
    let handle = Runner::start(&runner_config, &engine, &queue, &platform::liveness(&health), &shutdown)?;
    // Probes and scrapes go on while what is in flight is finished.
    let closing = CancellationToken::new();
    let served = tokio::spawn(application.run(closing.clone()));
    shutdown.cancelled().await;
    let stopped = handle.stop(config.worker.shutdown).await;
    closing.cancel();
    if stopped.finished {
        info!("Stopped; everything in flight was finished");
    } else {
        warn!("Stopped; what was in flight too long was handed back");
    }
    served.await??;
    Ok(Exit::Done)
}

/// Returns who sends mail, if a server is configured.
fn mailer(mail: &Mail) -> Result<Option<Arc<dyn Mailer>>> {
    let Some(url) = &mail.url else { return Ok(None) };
    Ok(Some(Arc::new(SmtpMailer::new(url, &mail.from)?)))
}

/// Returns the pools to run with their concurrency.
pub(crate) fn pools(worker: &Worker) -> Result<Vec<(PoolKind, usize)>> {
    let concurrency = |pool: Pool| match pool {
        Pool::Sync => worker.sync_concurrency,
        Pool::Deliver => worker.deliver_concurrency,
        Pool::Redeem => worker.redeem_concurrency,
        Pool::Jobs => worker.jobs_concurrency,
    };
    let named = |pool: &Pool| {
        let kind: PoolKind = pool.as_str().parse().map_err(|error| anyhow!("{error}"))?;
        Ok((kind, usize::try_from(concurrency(*pool))?))
    };
    worker.pools.iter().map(named).collect()
}
