//! Jobs: rows of the jobs table, each a versioned name and ids.
//!
//! A job is read again when its turn comes: a row that is gone is done, one that is parked waits for a person. What
//! fails is put off with growing delays and parked after too many failures in a row. Only failures that say
//! something about the job count; a database that is away, a restart or a panic does not.
//!
//! # How to add a job
//! Write the use case in the domain with a versioned name and a payload of ids, and name it in [`dispatch`]. Never
//! change what a name means: rows of the old version may be years old.

use chrono::TimeDelta;
use kamiflow_domain::accounts::mailer::{MailError, Mailer};
use kamiflow_domain::accounts::recovery;
use kamiflow_domain::accounts::send_mail::{self, SendMailError, Sent};
use kamiflow_domain::backoff::{RetryClass, next_delay};
use kamiflow_domain::ctx::Ctx;
use kamiflow_domain::engine::{Engine, EngineError, TickOutcome, Wake};
use kamiflow_domain::market_trouble;
use kamiflow_domain::notices;
use kamiflow_domain::redeem::destroyed;
use kamiflow_domain::refresh_token;
use kamiflow_domain::sync_products::{self, SyncProductsError};
use kamiflow_domain::teams::end_merchant::{self, Ending};
use kamiflow_domain::top_up::{self, Filled};
use kamiflow_domain::upload_cards::UploadError;
use kamiflow_domain::verification::{destruction, renewal};
use kamiflow_domain::watch_application::{self, Watched};
use kamiflow_kernel::{ApplicationId, JobId, MerchantId, ShopId};
use kamiflow_store::jobs::{self, JobRow};
use kamiflow_store::{StoreError, TenantTx};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tracing::{error, warn};

/// How often products are read.
const PRODUCTS_EVERY: TimeDelta = TimeDelta::hours(1);
/// How often it is looked whether somebody sends mail by now.
const MAILER_LOOK: TimeDelta = TimeDelta::minutes(5);

#[derive(Deserialize)]
struct OfShop {
    shop: ShopId,
}

#[derive(Deserialize)]
struct OfApplication {
    application: ApplicationId,
}

/// How a job ended well.
enum JobEnd {
    /// It is not needed any more.
    Done,
    /// It is not needed any more, and these have work now.
    Woke(Vec<(MerchantId, Vec<Wake>)>),
    /// It has another turn.
    Again(chrono::DateTime<chrono::Utc>),
}

/// Why a job failed.
#[derive(Debug, thiserror::Error)]
enum JobError {
    #[error("this program knows no job `{0}`")]
    UnknownName(String),
    #[error("the payload is not what the job needs")]
    Payload(#[source] serde_json::Error),
    #[error("the shop must be authorized anew")]
    ShopStopped,
    #[error("cards cannot be imported")]
    Upload(#[source] UploadError),
    #[error("a mail was not sent")]
    Mail(#[source] MailError),
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl From<SendMailError> for JobError {
    fn from(error: SendMailError) -> Self {
        match error {
            SendMailError::Mail(error) => Self::Mail(error),
            SendMailError::Store(error) => Self::Engine(error.into()),
        }
    }
}

impl From<UploadError> for JobError {
    fn from(error: UploadError) -> Self {
        match error {
            UploadError::Refused(error) => Self::Engine(error.into()),
            UploadError::Store(error) => Self::Engine(error.into()),
            other => Self::Upload(other),
        }
    }
}

impl From<StoreError> for JobError {
    fn from(error: StoreError) -> Self {
        Self::Engine(error.into())
    }
}

impl From<SyncProductsError> for JobError {
    fn from(error: SyncProductsError) -> Self {
        match error {
            SyncProductsError::Stopped | SyncProductsError::ApplicationStopped => Self::ShopStopped,
            SyncProductsError::Market(error) => Self::Engine((*error).into()),
            SyncProductsError::Store(error) => Self::Engine(error.into()),
        }
    }
}

/// Runs a job if it is due, and writes down how it ended.
pub(crate) async fn run(
    engine: &Engine,
    mailer: Option<&dyn Mailer>,
    merchant: MerchantId,
    id: JobId,
) -> Result<TickOutcome, EngineError> {
    let ctx = engine.ctx("jobs", merchant);
    let mut tx = engine.store.tenant_tx(merchant).await?;
    let job = jobs::find(&mut tx, id).await?;
    tx.commit().await?;
    let Some(job) = job.filter(|job| !job.parked) else { return Ok(TickOutcome::default()) };
    if job.due_at > ctx.now {
        return Ok(TickOutcome { next: Some(job.due_at), ..TickOutcome::default() });
    }
    let end = match dispatch(engine, mailer, &ctx, &job).await {
        // Says nothing about the job: its turn is put off and not counted.
        Err(JobError::Engine(EngineError::Store(error))) if error.is_transient() || error.is_connection_lost() => {
            return Err(error.into());
        }
        end => end,
    };
    let (end, wakes_elsewhere) = match end {
        Ok(JobEnd::Woke(wakes)) => (Ok(JobEnd::Done), wakes),
        end => (end, Vec::new()),
    };
    let mut tx = engine.store.tenant_tx(merchant).await?;
    let next = write_end(&mut tx, engine, &job, end).await?;
    tx.commit().await?;
    Ok(TickOutcome { next, done: 1, wakes_elsewhere, ..TickOutcome::default() })
}

async fn dispatch(engine: &Engine, mailer: Option<&dyn Mailer>, ctx: &Ctx, job: &JobRow) -> Result<JobEnd, JobError> {
    match job.name.as_str() {
        refresh_token::JOB => {
            let OfShop { shop } = payload(job)?;
            let next = refresh_token::step(engine, ctx, shop).await?;
            Ok(next.map_or(JobEnd::Done, JobEnd::Again))
        }
        sync_products::NAME => {
            let OfShop { shop } = payload(job)?;
            let found = match sync_products::sync_products(engine, ctx, shop).await {
                // No failure of the job, and parked it would stay when the application calls again.
                Err(SyncProductsError::ApplicationStopped) => return Ok(JobEnd::Again(engine.now() + PRODUCTS_EVERY)),
                found => found?,
            };
            let after = if found.more_details { TimeDelta::zero() } else { PRODUCTS_EVERY };
            Ok(JobEnd::Again(engine.now() + after))
        }
        watch_application::NAME => {
            let OfApplication { application } = payload(job)?;
            Ok(match watch_application::step(engine, ctx, application).await? {
                Watched::Stopped { look_again } => JobEnd::Again(look_again),
                Watched::Active { wakes } => JobEnd::Woke(wakes),
            })
        }
        top_up::NAME => Ok(match top_up::run(engine, ctx, payload(job)?).await? {
            Filled::Enough(_) => JobEnd::Done,
            Filled::More(_) => JobEnd::Again(engine.now()),
            Filled::Later(at) => JobEnd::Again(at),
        }),
        destroyed::NAME => {
            destroyed::run(engine, ctx, payload(job)?).await?;
            Ok(JobEnd::Done)
        }
        destruction::NAME => {
            destruction::run(engine, ctx, payload(job)?).await?;
            Ok(JobEnd::Done)
        }
        recovery::link::NAME => {
            let wakes = recovery::link::run(&engine.store, ctx, payload(job)?).await?;
            Ok(JobEnd::Woke(vec![(ctx.merchant, wakes)]))
        }
        notices::NAME => {
            let wakes = notices::run(engine, ctx, payload(job)?).await?;
            Ok(JobEnd::Woke(vec![(ctx.merchant, wakes)]))
        }
        end_merchant::NAME => Ok(match end_merchant::run(engine, ctx).await? {
            Ending::Nothing => JobEnd::Done,
            Ending::Later(at) => JobEnd::Again(at),
            Ending::Ended(wakes) => JobEnd::Woke(vec![(ctx.merchant, wakes)]),
        }),
        renewal::NAME => Ok(renewal::step(engine, ctx).await?.map_or(JobEnd::Done, JobEnd::Again)),
        send_mail::NAME => mail(engine, mailer, ctx, job).await,
        unknown => Err(JobError::UnknownName(unknown.to_owned())),
    }
}

async fn mail(engine: &Engine, mailer: Option<&dyn Mailer>, ctx: &Ctx, job: &JobRow) -> Result<JobEnd, JobError> {
    let Some(mailer) = mailer else {
        warn!(job.id = %job.id, "Mail waits: set KAMIFLOW_MAIL_URL");
        return Ok(JobEnd::Again(engine.now() + MAILER_LOOK));
    };
    let sent = send_mail::send_mail(&engine.store, mailer, ctx, payload(job)?).await?;
    if sent == Sent::Refused {
        // Its words are gone with it; the address is nobody's to read in a log.
        warn!(job.id = %job.id, "The mail server refused a mail for good");
    }
    Ok(JobEnd::Done)
}

fn payload<T: DeserializeOwned>(job: &JobRow) -> Result<T, JobError> {
    T::deserialize(&job.payload).map_err(JobError::Payload)
}

async fn write_end(
    tx: &mut TenantTx,
    engine: &Engine,
    job: &JobRow,
    end: Result<JobEnd, JobError>,
) -> Result<Option<chrono::DateTime<chrono::Utc>>, StoreError> {
    let error = match end {
        Ok(JobEnd::Again(at)) => {
            jobs::update_due(tx, job.id, at).await?;
            return Ok(Some(at));
        }
        // What the job was about is gone.
        Ok(JobEnd::Done | JobEnd::Woke(_)) | Err(JobError::Engine(EngineError::Store(StoreError::NotFound(_)))) => {
            jobs::delete(tx, job.id).await?;
            return Ok(None);
        }
        Err(error) => error,
    };
    let failures = u32::try_from(job.failures).unwrap_or(0).saturating_add(1);
    let delay = match &error {
        JobError::Engine(EngineError::Market(error)) => market_trouble::delay(error, failures),
        JobError::Engine(EngineError::Store(_))
        | JobError::UnknownName(_)
        | JobError::Payload(_)
        | JobError::Mail(_)
        | JobError::Upload(_) => next_delay(RetryClass::PlatformFault, failures, &mut rand::rng()),
        JobError::ShopStopped => next_delay(RetryClass::Unavailable, failures, &mut rand::rng()),
    };
    let retry_at = engine.now() + TimeDelta::from_std(delay).unwrap_or(PRODUCTS_EVERY);
    let park_after = engine.config.poison_after;
    let counted = jobs::update_failed(tx, job.id, &error.to_string(), retry_at, park_after).await?;
    let cause: &dyn std::error::Error = &error;
    let (id, name) = (job.id, &job.name);
    if counted >= park_after {
        error!(job.id = %id, error = cause, "Job `{name}` failed {counted} times and waits for a person");
        return Ok(None);
    }
    warn!(job.id = %id, error = cause, "Job `{name}` failed {counted} times and is tried again");
    Ok(Some(retry_at))
}
