//! Lets a stopped application call again, and forgets which APIs it was denied: its owner says that it may.

use kamiflow_kernel::{ApplicationId, Permission};
use kamiflow_store::applications::Resumption;
use kamiflow_store::{StoreError, applications};
use serde_json::json;

use crate::acts;
use crate::ctx::{Ctx, Denied};
use crate::engine::{Engine, Wake};
use crate::watch_application::{self, WakesByMerchant};

/// What it was before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resumed {
    /// The platform's code that had stopped it, if it was stopped.
    pub stop_reason: Option<String>,
    /// APIs it had been denied.
    pub denied_apis: Vec<String>,
    /// Whom to wake.
    pub wakes: WakesByMerchant,
}

/// Why an application was not resumed.
#[derive(Debug, thiserror::Error)]
pub enum ResumeApplicationError {
    /// The context's merchant owns no such application; hosted ones are the operator's.
    #[error("the application was not found")]
    NotFound,
    /// The actor may not do it.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The store failed.
    #[error("the application could not be resumed")]
    Store(#[source] StoreError),
}

impl From<StoreError> for ResumeApplicationError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound(_) => Self::NotFound,
            other => Self::Store(other),
        }
    }
}

/// Resumes an application of the context's merchant: all its shops, of whichever merchants, are due at once.
///
/// One that nothing is wrong with may be resumed as well; that changes nothing.
///
/// # Errors
/// When the merchant does not own it, or the store fails. Once it is resumed, shops that were not told because the
/// store failed are told by the job.
pub async fn resume_application(
    engine: &Engine,
    ctx: &Ctx,
    id: ApplicationId,
) -> Result<Resumed, ResumeApplicationError> {
    ctx.require(Permission::ManageShops)?;
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    let before = watch_application::own(&mut tx, id).await?;
    applications::resume(&mut tx, id, Resumption::Person, ctx.now).await?;
    let job: Wake = watch_application::plan(&mut tx, id, ctx.now).await?;
    let detail = json!({ "stop_reason": before.stop_reason, "denied_apis": before.denied_apis });
    acts::record(&mut tx, ctx, "application.resume", id, detail).await?;
    tx.commit().await?;
    let mut wakes = watch_application::tell(engine, id).await?;
    wakes.push((ctx.merchant, vec![job]));
    Ok(Resumed { stop_reason: before.stop_reason, denied_apis: before.denied_apis, wakes })
}
