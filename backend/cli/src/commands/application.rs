//! `kamiflow application`: the applications of all merchants, and the way back for one the platform has stopped.

use anyhow::Result;
use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use kamiflow_domain::ctx::{Actor, Ctx};
use kamiflow_domain::resume_application::{ResumeApplicationError, resume_application};
use kamiflow_kernel::{ApplicationId, Clock as _, GatewayKind, MerchantId};
use kamiflow_runner::Waker;
use kamiflow_runtime::clock::SystemClock;
use kamiflow_runtime::config::{self, Database, Gateway, Keyring, ProcessEnv, Redis, Worker};
use kamiflow_store::system::{self, OwnedApplication};
use kamiflow_store::{Store, StoreError};
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use crate::connect;
use crate::console::{Console, Table, Tone, chain};
use crate::exit::{Exit, NotFound, WrongUsage};
use crate::platform::Platform;

const LIST_EXAMPLES: &str = "\
Examples:
  kamiflow application list
  kamiflow application list --json | jq '.[] | select(.state == \"stopped\")'

Needs KAMIFLOW_DATABASE_URL only.";

const RESUME_EXAMPLES: &str = "\
Examples:
  kamiflow application resume 4f1c0e
  kamiflow application resume 4f1c0e --gateway sandbox

After what the platform refused was put right: an address added to the white list, the secret corrected, a permission
granted. Forgets which APIs the application was denied, and makes every shop of it due at once. Should the platform
still refuse, the first shop that calls stops it again. Without this command a stopped application is probed after a
minute and then later and later, at least every hour; a denied API is never tried again by itself.";

/// Options of `kamiflow application`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    action: ApplicationCommand,
}

#[derive(Debug, Subcommand)]
enum ApplicationCommand {
    /// Lists applications with their shops, why one is stopped, and which APIs it was denied.
    #[command(after_help = LIST_EXAMPLES)]
    List,
    /// Lets a stopped application call again, and all its shops with it.
    #[command(after_help = RESUME_EXAMPLES)]
    Resume(Target),
}

/// Which application.
#[derive(Debug, Args)]
struct Target {
    /// Its public id on the platform.
    #[arg(value_name = "CLIENT_ID")]
    client_id: String,

    /// Where it is registered; needed for an id that two gateways know.
    #[arg(long, value_name = "GATEWAY")]
    gateway: Option<GatewayKind>,
}

/// An application. The JSON is API: fields are added, never renamed.
#[derive(Debug, Serialize)]
struct ApplicationReport {
    application: ApplicationId,
    client_id: String,
    gateway: GatewayKind,
    /// None: hosted by the operator.
    merchant: Option<MerchantId>,
    shops: i64,
    state: String,
    stop_reason: Option<String>,
    stopped_at: Option<DateTime<Utc>>,
    denied_apis: Vec<String>,
}

impl From<OwnedApplication> for ApplicationReport {
    fn from(row: OwnedApplication) -> Self {
        Self {
            application: row.application,
            client_id: row.client_id,
            gateway: row.gateway,
            merchant: Some(row.owner).filter(|owner| *owner != MerchantId::PLATFORM),
            shops: row.shops,
            state: row.state,
            stop_reason: row.stop_reason,
            stopped_at: row.stopped_at,
            denied_apis: row.denied_apis,
        }
    }
}

/// Does what was asked for.
pub(crate) async fn run(options: Options, console: Console) -> Result<Exit> {
    connect::log_quietly()?;
    match options.action {
        ApplicationCommand::List => list(console).await,
        ApplicationCommand::Resume(target) => resume(&target, console).await,
    }
}

async fn read(store: &Store) -> Result<Vec<OwnedApplication>, StoreError> {
    // The operator looks at the applications of everybody; no secret is among what is read.
    let mut tx = store.system_tx().await?;
    let rows = system::list_applications(&mut tx).await?;
    tx.commit().await?;
    Ok(rows)
}

async fn list(console: Console) -> Result<Exit> {
    let database: Database = config::load(&ProcessEnv)?;
    let store = connect::store_without_keys(&database)?;
    let reports: Vec<ApplicationReport> = read(&store).await?.into_iter().map(Into::into).collect();
    if console.is_json() {
        console.print_json(&reports)?;
        return Ok(Exit::Done);
    }
    let mut table = Table::new(&["client id", "gateway", "owner", "shops", "state", "since", "denied"]);
    for report in reports {
        let owner = report.merchant.map_or_else(|| "hosted".to_owned(), |merchant| merchant.to_string());
        let (state, tone) = match &report.stop_reason {
            Some(code) => (format!("{} ({code})", report.state), Tone::Bad),
            None => (report.state, Tone::Good),
        };
        let since = report.stopped_at.map_or_else(String::new, |at| at.format("%Y-%m-%d %H:%M:%S UTC").to_string());
        table.row([
            (report.client_id, None),
            (report.gateway.to_string(), None),
            (owner, Some(Tone::Faint)),
            (report.shops.to_string(), None),
            (state, Some(tone)),
            (since, None),
            (report.denied_apis.join(" "), Some(Tone::Warn)),
        ]);
    }
    table.print(console);
    Ok(Exit::Done)
}

async fn resume(target: &Target, console: Console) -> Result<Exit> {
    let (database, redis, keyring, gateway, worker): (Database, Redis, Keyring, Gateway, Worker) =
        config::load(&ProcessEnv)?;
    let store = connect::store(&database, &keyring)?;
    let queue = match connect::queue(&redis, &worker).await {
        Ok(queue) => Some(queue),
        Err(error) => {
            tracing::warn!("Going on without Redis; the sweep finds the shops: {}", chain(&error));
            None
        }
    };
    let found = find(&read(&store).await?, target)?;
    let platform =
        Platform { gateway: &gateway, poll_ceiling: worker.poll_ceiling, card_key: None, inside_platform_cloud: false };
    let engine = platform.engine(store, queue.as_ref())?;
    let request_id = format!("cli-{}", Uuid::now_v7().simple());
    let ctx = Ctx { actor: Actor::Operator, merchant: found.owner, request_id, now: SystemClock.now() };
    let resumed = match resume_application(&engine, &ctx, found.application).await {
        Ok(resumed) => resumed,
        Err(ResumeApplicationError::NotFound) => return Err(unknown(target).into()),
        Err(error) => return Err(error.into()),
    };
    if let Some(queue) = &queue {
        let waker = Waker::new(queue);
        for (merchant, wakes) in &resumed.wakes {
            waker.wake(*merchant, wakes).await;
        }
    }
    if console.is_json() {
        console.print_json(&json!({
            "client_id": found.client_id,
            "was_stopped_by": resumed.stop_reason,
            "was_denied": resumed.denied_apis,
            "shops": found.shops,
        }))?;
    } else {
        let was = match (&resumed.stop_reason, resumed.denied_apis.as_slice()) {
            (Some(code), _) => format!("was stopped by {code}"),
            (None, []) => "nothing was wrong with it".to_owned(),
            (None, denied) => format!("was denied {}", denied.join(" ")),
        };
        let done = console.toned(Tone::Good, "resumed");
        console.print(format_args!("{done} {} with {} shops ({was})", found.client_id, found.shops));
    }
    Ok(Exit::Done)
}

fn find(rows: &[OwnedApplication], target: &Target) -> Result<OwnedApplication> {
    let fits = |row: &&OwnedApplication| {
        row.client_id == target.client_id && target.gateway.is_none_or(|gateway| row.gateway == gateway)
    };
    let fitting: Vec<&OwnedApplication> = rows.iter().filter(fits).collect();
    match fitting.as_slice() {
        [only] => Ok((*only).clone()),
        [] => Err(unknown(target).into()),
        _ => {
            let id = &target.client_id;
            Err(WrongUsage(format!("two gateways know {id}: choose one with --gateway production or sandbox")).into())
        }
    }
}

fn unknown(target: &Target) -> NotFound {
    NotFound(format!("there is no application {}; to see them: kamiflow application list", target.client_id))
}
