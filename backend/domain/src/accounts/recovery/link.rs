//! Sends the link of a recovery when its days of waiting are over: a job of the merchant.

use std::time::Duration;

use kamiflow_kernel::RecoveryId;
use kamiflow_store::account_recoveries::{self, RecoveryEnd};
use kamiflow_store::accounts::tokens::TokenPurpose;
use kamiflow_store::{Store, StoreError};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::accounts::letter::{Addressed, Letter};
use crate::accounts::{one_time, send_mail};
use crate::acts;
use crate::ctx::Ctx;
use crate::engine::Wake;
use crate::teams;

/// Name of the job; its payload is `{"recovery": id}`.
pub const NAME: &str = "send_recovery_link.v1";
const LINK_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// The job's payload.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Payload {
    /// The request.
    pub recovery: RecoveryId,
}

/// Sends the link of an approved request; one that was stopped stays stopped.
///
/// # Errors
/// When the store fails.
pub async fn run(store: &Store, ctx: &Ctx, payload: Payload) -> Result<Vec<Wake>, StoreError> {
    let id = payload.recovery;
    let mut tx = store.tenant_tx(ctx.merchant).await?;
    let owner = account_recoveries::lock(&mut tx, id).await?.owner;
    tx.commit().await?;
    let mut tx = store.user_tx(ctx.merchant, owner).await?;
    let row = account_recoveries::lock(tx.tenant(), id).await?;
    let Ok(to) = row.contact.parse() else { return Ok(Vec::new()) };
    if row.state != "approved" || row.link_at.is_none_or(|at| at > ctx.now) {
        return Ok(Vec::new());
    }
    let about = json!({ "merchant": ctx.merchant, "recovery": id });
    let token = one_time::issue(&mut tx, TokenPurpose::RecoverAccount, about, ctx.now, LINK_FOR).await?;
    let link = format!("{}/recover/finish?token={}", row.site, token.expose());
    let locale = teams::language_of(tx.tenant(), owner).await?;
    let mail = Addressed { to, locale, letter: Letter::RecoveryLink { link } };
    let wake = send_mail::plan(tx.tenant(), &mail, ctx.now, LINK_FOR).await?;
    account_recoveries::update_ended(tx.tenant(), id, RecoveryEnd::Linked, ctx.now).await?;
    acts::record(tx.tenant(), ctx, "account.recovery_link", id, json!({})).await?;
    tx.commit().await?;
    Ok(vec![wake])
}
