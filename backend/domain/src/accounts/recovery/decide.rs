//! What the staff does with a request: compares it with the verified identity, and decides.

use chrono::{DateTime, Utc};
use kamiflow_kernel::{MerchantId, RecoveryId};
use kamiflow_store::account_recoveries::{self, Approval, ListedRecovery, RecoveryRow};
use kamiflow_store::jobs::{self, NewJob};
use kamiflow_store::team::members;
use kamiflow_store::{Store, StoreError, TenantTx, audit, merchants, verifications};
use serde_json::json;

use super::{NEWS_FOR, News, WAIT, link, tell_team};
use crate::accounts::letter::{Addressed, Letter, RecoveryStep};
use crate::accounts::secrets::fresh;
use crate::accounts::send_mail;
use crate::acts;
use crate::ctx::Ctx;
use crate::engine::Wake;
use crate::teams;
use crate::verification::SubmissionView;
use crate::verification::review::{MOST_REASON, ReviewError, Reviewer, Verdict};

/// A request, as the staff's page shows it.
#[derive(Debug)]
pub struct RecoveryPage {
    /// The request.
    pub row: RecoveryRow,
    /// Whose, by name.
    pub merchant: String,
    /// The owner's log-in name.
    pub login: String,
    /// What the merchant was verified with; its number is the one that was typed.
    pub verified: Option<SubmissionView>,
    /// How many owners the merchant has besides.
    pub other_owners: i64,
}

/// Lists the requests of all merchants, those that wait for a decision first.
///
/// # Errors
/// When the store fails.
pub async fn list_recoveries(store: &Store, limit: i32) -> Result<Vec<ListedRecovery>, StoreError> {
    // Ids, times and names of reviewers; each is opened in its merchant's own transaction.
    let mut tx = store.system_tx().await?;
    let rows = account_recoveries::list(&mut tx, limit).await?;
    tx.commit().await?;
    Ok(rows)
}

/// Shows a request, and writes down who looked.
///
/// # Errors
/// [`StoreError::NotFound`] when this merchant has no such one.
pub async fn show_recovery(store: &Store, ctx: &Ctx, id: RecoveryId) -> Result<RecoveryPage, StoreError> {
    let mut tx = store.tenant_tx(ctx.merchant).await?;
    let row = account_recoveries::lock(&mut tx, id).await?;
    let merchant = merchants::find(&mut tx).await?.map_or_else(String::new, |row| row.name);
    let login = members::list(&mut tx).await?.into_iter().find(|member| member.user == row.owner);
    let verified = verifications::find_approved(&mut tx).await?.as_ref().map(SubmissionView::from);
    let other_owners = members::count_owners(&mut tx).await? - 1;
    acts::record(&mut tx, ctx, "account.recovery_look", id, json!({})).await?;
    tx.commit().await?;
    let login = login.map(|member| member.login.to_string()).unwrap_or_default();
    Ok(RecoveryPage { row, merchant, login, verified, other_owners })
}

/// Decides about a request; an approved one waits for [`WAIT`] before its link is sent.
///
/// # Errors
/// When it is decided or stopped, the reviewer who approves could have asked for it, a rejection says nothing, or the store
/// fails.
pub async fn decide_recovery(
    store: &Store,
    ctx: &Ctx,
    reviewer: &Reviewer,
    (id, verdict): (RecoveryId, &Verdict),
) -> Result<Vec<Wake>, ReviewError> {
    let is_approved = *verdict == Verdict::Approve;
    if is_approved && has_seen_number_elsewhere(store, ctx.merchant, reviewer).await? {
        return Err(ReviewError::KnowsIdentity);
    }
    let mut tx = store.tenant_tx(ctx.merchant).await?;
    let row = account_recoveries::lock(&mut tx, id).await?;
    if is_approved && has_seen_number(&mut tx, reviewer).await? {
        return Err(ReviewError::KnowsIdentity);
    }
    let stop = fresh();
    let (is_changed, step) = match verdict {
        Verdict::Approve => {
            let link_at = ctx.now + WAIT;
            let approval = Approval { by: &reviewer.name, at: ctx.now, link_at, stop_hash: &stop.hash };
            (account_recoveries::update_approved(&mut tx, id, &approval).await?, RecoveryStep::Approved)
        }
        Verdict::Reject { reason } if (1..=MOST_REASON).contains(&reason.trim().chars().count()) => {
            let said = (reviewer.name.as_str(), reason.trim());
            (account_recoveries::update_rejected(&mut tx, id, said, ctx.now).await?, RecoveryStep::Rejected)
        }
        Verdict::Reject { .. } => return Err(ReviewError::Reason),
    };
    if !is_changed {
        return Err(ReviewError::Decided);
    }
    let mut wakes = Vec::new();
    let stop = match verdict {
        Verdict::Approve => {
            wakes.push(plan_link(&mut tx, id, ctx.now + WAIT).await?);
            Some((row.site.as_str(), &stop.secret))
        }
        Verdict::Reject { reason } => {
            if let Ok(to) = row.contact.parse() {
                let letter = Letter::RecoveryRefused { reason: reason.trim().to_owned() };
                let locale = teams::language_of(&mut tx, row.owner).await?;
                let mail = Addressed { to, locale, letter };
                wakes.push(send_mail::plan(&mut tx, &mail, ctx.now, NEWS_FOR).await?);
            }
            None
        }
    };
    wakes.extend(tell_team(&mut tx, ctx.now, &News { owner: row.owner, step, stop }).await?);
    let detail = json!({ "approved": is_approved, "reviewer": reviewer.name });
    acts::record(&mut tx, ctx, "account.recovery_decide", id, detail).await?;
    tx.commit().await?;
    Ok(wakes)
}

async fn plan_link(
    tx: &mut kamiflow_store::TenantTx,
    id: RecoveryId,
    due_at: DateTime<Utc>,
) -> Result<Wake, StoreError> {
    let key = id.to_string();
    let job = NewJob { name: link::NAME, key: &key, payload: json!({ "recovery": id }), due_at };
    Ok(Wake::Job(jobs::insert(tx, &job).await?))
}

/// Returns whether a reviewer has had an identity of this merchant open. A case remembers who claimed it last; those before
/// stand in the log.
async fn has_seen_number(tx: &mut TenantTx, reviewer: &Reviewer) -> Result<bool, StoreError> {
    let claims = (&[reviewer.actor()][..], "verification.claim");
    Ok(verifications::exists_claimed_by(tx, reviewer.id).await?
        || audit::count_since(tx, claims, DateTime::<Utc>::UNIX_EPOCH).await? > 0)
}

/// Returns whether a reviewer has had an identity open at another merchant whose number stands at this one too.
async fn has_seen_number_elsewhere(
    store: &Store,
    merchant: MerchantId,
    reviewer: &Reviewer,
) -> Result<bool, StoreError> {
    // Ids of merchants; whether a case was open there is read in each one's own transaction.
    let mut tx = store.system_tx().await?;
    let others = verifications::list_merchants_of_identity(&mut tx, merchant).await?;
    tx.commit().await?;
    for other in others {
        let mut tx = store.tenant_tx(other).await?;
        let has_seen = has_seen_number(&mut tx, reviewer).await?;
        tx.commit().await?;
        if has_seen {
            return Ok(true);
        }
    }
    Ok(false)
}
