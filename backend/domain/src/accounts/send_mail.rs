//! Sends a mail that a use case wrote down: a job of the merchant whose row it is, or of the platform.
//!
//! At least once: a process that dies between the server's answer and its own commit sends the mail again.

use std::time::Duration;

use chrono::{DateTime, Utc};
use kamiflow_kernel::{JobId, MailId, SecretBytes};
use kamiflow_store::jobs::NewJob;
use kamiflow_store::{Store, StoreError, TenantTx, jobs, mails};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::after;
use super::letter::Addressed;
use super::mailer::{MailError, Mailer};
use crate::ctx::Ctx;
use crate::engine::Wake;

/// The job's name.
pub const NAME: &str = "send_mail.v1";

/// The job's payload.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct SendMail {
    /// The mail.
    pub mail: MailId,
}

/// How an attempt to send ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// The server has it.
    Sent,
    /// It was sent before, or nobody needs it any more.
    Needless,
    /// The server refuses it for good.
    Refused,
}

/// Why a mail was not sent yet.
#[derive(Debug, thiserror::Error)]
pub enum SendMailError {
    /// The server did not take it now.
    #[error("the mail was not sent")]
    Mail(#[source] MailError),
    /// The store failed.
    #[error("the mail could not be read or removed")]
    Store(#[from] StoreError),
}

/// Writes a mail down, sealed, in the transaction that causes it; returns whom to wake after the commit.
pub(crate) async fn plan(
    tx: &mut TenantTx,
    mail: &Addressed,
    now: DateTime<Utc>,
    useful_for: Duration,
) -> Result<Wake, StoreError> {
    let id = MailId::generate();
    let contents = serde_json::to_vec(mail).map_err(|error| StoreError::Corrupt(error.to_string()))?;
    mails::insert(tx, id, &SecretBytes::new(contents), now, after(now, useful_for)).await?;
    let key = id.to_string();
    let job = NewJob { name: NAME, key: &key, payload: json!(SendMail { mail: id }), due_at: now };
    let job: JobId = jobs::insert(tx, &job).await?;
    Ok(Wake::Job(job))
}

/// Sends a mail and removes it.
///
/// # Errors
/// When the server does not take it now, or the store fails; the mail stays.
pub async fn send_mail(
    store: &Store,
    mailer: &dyn Mailer,
    ctx: &Ctx,
    request: SendMail,
) -> Result<Sent, SendMailError> {
    let mut tx = store.tenant_tx(ctx.merchant).await?;
    let row = mails::find(&mut tx, request.mail).await?;
    tx.commit().await?;
    let Some(row) = row else { return Ok(Sent::Needless) };
    let addressed: Addressed = serde_json::from_slice(row.contents.expose())
        .map_err(|error| StoreError::Corrupt(format!("a mail cannot be read: {error}")))?;
    let sent = match addressed.rendered() {
        Some(mail) if ctx.now < row.expires_at => match mailer.send(&mail).await {
            Ok(()) => Sent::Sent,
            Err(MailError::Refused(_)) => Sent::Refused,
            Err(error @ MailError::Later(_)) => return Err(SendMailError::Mail(error)),
        },
        _ => Sent::Needless,
    };
    let mut tx = store.tenant_tx(ctx.merchant).await?;
    mails::delete(&mut tx, request.mail).await?;
    tx.commit().await?;
    Ok(sent)
}
