//! What the staff does with submissions: takes a case, looks at pictures, decides.
//!
//! Who may review is decided by whoever calls: the staff's log-in and roles are not this module's, which takes a
//! reviewer's id and name and writes them into what the merchant reads. `ctx.merchant` is the merchant of the case.
//! What was submitted is opened for whoever has the case, and for nobody else.

use chrono::{DateTime, TimeDelta, Utc};
use kamiflow_kernel::{Role, SecretBytes, SecretText, UserId, VerificationId};
use kamiflow_store::audit::NewAudit;
use kamiflow_store::jobs::{self, NewJob};
use kamiflow_store::team::members::MemberRow;
use kamiflow_store::verifications::{DecidedVerification, Decision, QueuedVerification, Staff, VerificationRow};
use kamiflow_store::{StoreError, TenantTx, audit, merchants, outbox, verification_pictures, verifications};
use serde_json::json;
use uuid::Uuid;

use super::{HISTORY, KEPT, StoredSubject, SubmissionView, destruction, renewal};
use crate::accounts::letter::Letter;
use crate::ctx::Ctx;
use crate::engine::{Engine, Wake};
use crate::teams;

/// After so long without a decision somebody else may take the case.
pub const CLAIM_KEPT: TimeDelta = TimeDelta::hours(1);
/// One number in more merchants than this is flagged.
const MERCHANTS_OF_ONE_NUMBER: i64 = 3;
pub(crate) const MOST_REASON: usize = 500;

/// Returns whether a number stands in suspiciously many merchants.
#[must_use]
pub const fn is_flagged(merchants_with_number: i64) -> bool {
    merchants_with_number > MERCHANTS_OF_ONE_NUMBER
}

/// A member of the staff who reviews.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reviewer {
    /// Who.
    pub id: Uuid,
    /// As the merchant is told.
    pub name: String,
}

impl Reviewer {
    fn staff(&self) -> Staff<'_> {
        Staff { id: self.id, name: &self.name }
    }

    /// As the audit log names her, spelled as [`crate::ctx::Actor::name`] spells it.
    pub(crate) fn actor(&self) -> String {
        format!("staff:{}", UserId::from_uuid(self.id))
    }
}

/// A case, opened for its reviewer.
#[derive(Debug)]
pub struct Case {
    /// Which.
    pub id: VerificationId,
    /// `person` or `company`.
    pub kind: String,
    /// The person's or company's name.
    pub name: SecretText,
    /// The resident identity number or credit code.
    pub number: SecretText,
    /// The company's legal representative; empty for a person.
    pub legal_representative: SecretText,
    /// How many pictures there are.
    pub pictures: i64,
    /// When it was submitted.
    pub submitted_at: DateTime<Utc>,
    /// In how many merchants the number stands, this one among them.
    pub merchants_with_number: i64,
    /// Whether those are suspiciously many.
    pub flagged: bool,
}

/// A picture, opened.
#[derive(Debug)]
pub struct Picture {
    /// For the header of the answer.
    pub media_type: String,
    /// The file.
    pub file: SecretBytes,
}

/// A reviewer's decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The merchant may go live.
    Approve,
    /// Not like this.
    Reject {
        /// Why, for the merchant: 1 to 500 characters.
        reason: String,
    },
}

/// Why a reviewer cannot do it.
#[derive(Debug, thiserror::Error)]
pub enum ReviewError {
    /// There is no such case of this merchant.
    #[error("the case was not found")]
    CaseUnknown,
    /// Somebody else has the case.
    #[error("{name} has had the case since {since}")]
    ClaimedBy {
        /// Who.
        name: String,
        /// Since when.
        since: DateTime<Utc>,
    },
    /// Pictures and decisions are for whoever has the case.
    #[error("take the case first")]
    NotClaimed,
    /// Whoever has had the identity open knows the number that a recovery is asked for with, and could have asked.
    #[error("somebody decides who has not had the identity of this merchant open")]
    KnowsIdentity,
    /// It is over.
    #[error("the case is decided")]
    Decided,
    /// There is no such picture, or it was destroyed.
    #[error("there is no such picture")]
    PictureUnknown,
    /// A rejection must say why, in at most 500 characters.
    #[error("say in 1 to 500 characters what the merchant has to do")]
    Reason,
    /// The store failed.
    #[error("the case could not be read or written")]
    Store(#[source] StoreError),
}

impl From<StoreError> for ReviewError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound("verification" | "recovery") => Self::CaseUnknown,
            other => Self::Store(other),
        }
    }
}

/// A case as the staff's page shows it.
#[derive(Debug)]
pub struct CasePage {
    /// Which.
    pub id: VerificationId,
    /// Whose, by name.
    pub merchant: String,
    /// This submission and others of the merchant, the latest first.
    pub submissions: Vec<SubmissionView>,
    /// This one among them.
    pub submission: SubmissionView,
    /// Who has it, and since when.
    pub claimed: Option<(String, DateTime<Utc>)>,
    /// Whether the reviewer may take it.
    pub may_claim: bool,
    /// What was submitted, for whoever has the case.
    pub opened: Option<Case>,
}

/// Shows a case; what was submitted only to whoever has it.
///
/// # Errors
/// When there is no such case of this merchant, or the store fails.
pub async fn show_case(
    engine: &Engine,
    ctx: &Ctx,
    reviewer: &Reviewer,
    id: VerificationId,
) -> Result<CasePage, ReviewError> {
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    let row = verifications::lock(&mut tx, id).await?;
    let merchant = merchants::find(&mut tx).await?.map_or_else(String::new, |row| row.name);
    let submissions = verifications::list(&mut tx, HISTORY).await?.iter().map(SubmissionView::from).collect();
    let is_open = row.state == "submitted";
    let page = CasePage {
        id,
        merchant,
        submissions,
        submission: SubmissionView::from(&row),
        claimed: row.claimed_name.clone().zip(row.claimed_at).filter(|_claim| is_open),
        may_claim: is_open && held_by_another(&row, reviewer, ctx.now).is_none(),
        opened: None,
    };
    if !is_open || row.claimed_by != Some(reviewer.id) {
        tx.commit().await?;
        return Ok(page);
    }
    let opened = open_case(engine, tx, row).await?;
    Ok(CasePage { may_claim: false, opened: Some(opened), ..page })
}

/// Lists the latest decisions about cases of all merchants.
///
/// # Errors
/// When the store fails.
pub async fn list_decisions(engine: &Engine, limit: i32) -> Result<Vec<DecidedVerification>, StoreError> {
    // Ids, names of reviewers and reasons; nothing of what was submitted.
    let mut tx = engine.store.system_tx().await?;
    let decisions = verifications::list_decisions(&mut tx, limit).await?;
    tx.commit().await?;
    Ok(decisions)
}

/// Lists the cases of all merchants that wait for a decision, the oldest first.
///
/// # Errors
/// When the store fails.
pub async fn list_queue(engine: &Engine, limit: i32) -> Result<Vec<QueuedVerification>, StoreError> {
    // Ids and times of all merchants' cases; each is opened in its merchant's own transaction.
    let mut tx = engine.store.system_tx().await?;
    let queue = verifications::list_queue(&mut tx, limit).await?;
    tx.commit().await?;
    Ok(queue)
}

/// Takes a case, or opens it again for whoever has it.
///
/// # Errors
/// When somebody else has it, or it is decided.
pub async fn claim_case(
    engine: &Engine,
    ctx: &Ctx,
    reviewer: &Reviewer,
    id: VerificationId,
) -> Result<Case, ReviewError> {
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    let row = verifications::lock(&mut tx, id).await?;
    if row.state != "submitted" {
        return Err(ReviewError::Decided);
    }
    if let Some((name, since)) = held_by_another(&row, reviewer, ctx.now) {
        return Err(ReviewError::ClaimedBy { name, since });
    }
    verifications::update_claimed(&mut tx, id, reviewer.staff(), ctx.now).await?;
    record(&mut tx, ctx, reviewer, "verification.claim", (id, json!({}))).await?;
    open_case(engine, tx, row).await
}

/// Returns who else has a case, and since when; nobody, once the claim is too old.
fn held_by_another(row: &VerificationRow, reviewer: &Reviewer, now: DateTime<Utc>) -> Option<(String, DateTime<Utc>)> {
    let (by, since) = row.claimed_by.zip(row.claimed_at)?;
    let is_held = by != reviewer.id && since + CLAIM_KEPT > now;
    row.claimed_name.clone().zip(Some(since)).filter(|_claim| is_held)
}

/// Opens what was submitted, and ends the transaction.
async fn open_case(engine: &Engine, mut tx: TenantTx, row: VerificationRow) -> Result<Case, ReviewError> {
    let subject = open(&mut tx, &row).await?;
    let pictures = verification_pictures::count(&mut tx, row.id).await?;
    tx.commit().await?;
    // How many merchants, never which.
    let mut tx = engine.store.system_tx().await?;
    let merchants_with_number = verifications::count_merchants(&mut tx, &row.number_hash).await?;
    tx.commit().await?;
    Ok(Case {
        id: row.id,
        kind: row.kind,
        name: subject.name.as_str().into(),
        number: subject.number.as_str().into(),
        legal_representative: subject.legal_representative.as_str().into(),
        pictures,
        submitted_at: row.submitted_at,
        merchants_with_number,
        flagged: is_flagged(merchants_with_number),
    })
}

/// Opens a picture for whoever has the case; that it was looked at is written down before it is given out.
///
/// # Errors
/// When the reviewer does not have the case, or there is no such picture.
pub async fn look_at_picture(
    engine: &Engine,
    ctx: &Ctx,
    reviewer: &Reviewer,
    (id, position): (VerificationId, i16),
) -> Result<Picture, ReviewError> {
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    has_claim(&verifications::lock(&mut tx, id).await?, reviewer)?;
    let row = verification_pictures::find(&mut tx, id, position).await?.ok_or(ReviewError::PictureUnknown)?;
    if row.picture_sealed.is_empty() {
        return Err(ReviewError::PictureUnknown);
    }
    let key = tx.data_key_by_id(row.data_key_id).await?;
    let file = key
        .open(verification_pictures::PICTURE, row.id, &row.picture_sealed)
        .map_err(|error| ReviewError::Store(error.into()))?;
    verification_pictures::insert_look(&mut tx, id, position, reviewer.staff(), ctx.now).await?;
    record(&mut tx, ctx, reviewer, "verification.look", (id, json!({ "picture": position }))).await?;
    tx.commit().await?;
    Ok(Picture { media_type: row.media_type, file })
}

/// Decides about a case; returns whom to wake: shops that waited for the approval.
///
/// # Errors
/// When the reviewer does not have the case, or it is decided.
pub async fn decide_case(
    engine: &Engine,
    ctx: &Ctx,
    reviewer: &Reviewer,
    (id, verdict): (VerificationId, &Verdict),
) -> Result<Vec<Wake>, ReviewError> {
    let reason = match verdict {
        Verdict::Approve => "",
        Verdict::Reject { reason } => reason.trim(),
    };
    let approved = *verdict == Verdict::Approve;
    if !approved && !(1..=MOST_REASON).contains(&reason.chars().count()) {
        return Err(ReviewError::Reason);
    }
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    let row = verifications::lock(&mut tx, id).await?;
    has_claim(&row, reviewer)?;
    let decision = Decision { approved, reason, by: Some(reviewer.staff()), at: ctx.now };
    let mut wakes = write_decision(&mut tx, id, &decision).await?;
    wakes.extend(tell(&mut tx, ctx, &row, (!approved).then(|| reason.to_owned())).await?);
    record(&mut tx, ctx, reviewer, "verification.decide", (id, json!({ "approved": approved }))).await?;
    tx.commit().await?;
    Ok(wakes)
}

/// Writes the decision to every owner, and to whoever submitted and is still of the team, as far as they have addresses.
async fn tell(
    tx: &mut TenantTx,
    ctx: &Ctx,
    row: &VerificationRow,
    refused: Option<String>,
) -> Result<Vec<Wake>, StoreError> {
    let merchant = merchants::find(tx).await?.map_or_else(String::new, |row| row.name);
    let letter = Letter::VerificationDecided { merchant, refused };
    let is_meant = |member: &MemberRow| member.role == Role::Owner || member.user.to_string() == row.submitted_by;
    teams::write_to_members(tx, ctx.now, is_meant, &letter).await
}

/// Writes a decision, and what follows from it: the destruction, the news, and shops that go on.
pub(super) async fn write_decision(
    tx: &mut TenantTx,
    id: VerificationId,
    decision: &Decision<'_>,
) -> Result<Vec<Wake>, StoreError> {
    if !verifications::update_decided(tx, id, decision).await? {
        return Ok(Vec::new());
    }
    let key = id.to_string();
    let payload = json!({ "verification": id });
    let due_at = decision.at + KEPT;
    let job = jobs::insert(tx, &NewJob { name: destruction::NAME, key: &key, payload, due_at }).await?;
    let news = json!({ "kind": "verification_decided", "verification": id, "approved": decision.approved });
    outbox::push(tx, "notify", news).await?;
    let mut wakes = vec![Wake::Job(job)];
    if decision.approved {
        wakes.extend(renewal::follow_approval(tx, decision.at).await?);
    }
    Ok(wakes)
}

fn has_claim(row: &VerificationRow, reviewer: &Reviewer) -> Result<(), ReviewError> {
    if row.state != "submitted" {
        return Err(ReviewError::Decided);
    }
    if row.claimed_by != Some(reviewer.id) {
        return Err(ReviewError::NotClaimed);
    }
    Ok(())
}

async fn open(tx: &mut TenantTx, row: &VerificationRow) -> Result<StoredSubject, StoreError> {
    let key = tx.data_key_by_id(row.data_key_id).await?;
    let text = key.open(verifications::SUBJECT, row.id.as_uuid(), &row.subject_sealed)?;
    serde_json::from_slice(text.expose())
        .map_err(|_shape| StoreError::Corrupt("a submission is not what this program wrote".to_owned()))
}

/// An act of the staff, in the merchant's own log.
async fn record(
    tx: &mut TenantTx,
    ctx: &Ctx,
    reviewer: &Reviewer,
    action: &'static str,
    (id, mut detail): (VerificationId, serde_json::Value),
) -> Result<(), StoreError> {
    if let Some(detail) = detail.as_object_mut() {
        detail.insert("reviewer".to_owned(), reviewer.name.as_str().into());
    }
    let (actor, target) = (reviewer.actor(), id.to_string());
    let (request_id, ip) = (ctx.request_id.as_str(), ctx.actor.ip_prefix());
    let act = NewAudit { actor: &actor, action, target: &target, request_id, ip, detail, at: ctx.now };
    audit::insert(tx, &act).await
}
