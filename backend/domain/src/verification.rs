//! Identity checks (实名认证) of merchants: who or what sells.
//!
//! ```text
//! none ──► submitted ──► approved ──(new owner, new name: asked again)──► submitted …
//!              └───────► rejected ──► submitted …
//! ```
//! - A merchant who is not approved prepares everything and runs shops on trial; only going live on the real platform
//!   waits ([`is_approved`]). A shop on the sandbox sends nothing to anybody, so it goes live without.
//! - Who was approved and changes owner or name is asked again. Running shops go on for [`RENEW_WITHIN`]; then a job
//!   stops them, and the approval sets them going again where they stood ([`renewal`]).
//! - Number, names and pictures are sealed with the merchant's data key and destroyed [`KEPT`] after the decision
//!   ([`destruction`]). What stays is the kind, the last four characters, the decision and who made it; and a hash under
//!   the platform's key, which tells that one number stands in several merchants, and in nobody's hands tells more.
//! - Nobody approves by a program, except in a demonstration: [`Approval::automatic`] cannot be made for the real
//!   platform.

pub mod destruction;
pub mod renewal;
pub mod review;

use chrono::{DateTime, FixedOffset, NaiveDate, TimeDelta, Utc};
use kamiflow_kernel::{
    CreditCode, CreditCodeError, GatewayKind, MerchantId, Permission, ResidentId, ResidentIdError, SecretBytes,
    VerificationId,
};
use kamiflow_store::verification_pictures::{LookRow, NewPicture};
use kamiflow_store::verifications::{Decision, NewVerification, VerificationRow};
use kamiflow_store::{Store, StoreError, TenantTx, outbox, verification_pictures, verifications};
use serde::{Deserialize, Serialize};
use serde_json::json;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::acts;
use crate::ctx::{ActError, Ctx, Denied};
use crate::engine::{Engine, Wake};
use crate::verification_picture::{self, PictureError};

/// How long running shops go on after a new owner or name.
pub const RENEW_WITHIN: TimeDelta = TimeDelta::days(7);
/// How long after the decision pictures and numbers are kept.
pub const KEPT: TimeDelta = TimeDelta::days(30);
/// What a merchant may expect of the staff.
pub const REVIEW_WITHIN: TimeDelta = TimeDelta::hours(24);
/// Purpose of the hash that finds one number in several merchants.
const NUMBER_HASH: &str = "verification-number/1";
/// Submissions that the merchant is shown.
const HISTORY: i64 = 20;
const LOOKS: i64 = 100;
const BEIJING_S: i32 = 8 * 3600;

/// Who decides about submissions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Approval {
    automatic: bool,
}

/// Approval by a program was asked for on the real platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("verifications are approved by people; automatic approval is for a sandbox only")]
pub struct AutomaticApprovalRefused;

impl Approval {
    /// People decide.
    #[must_use]
    pub const fn by_staff() -> Self {
        Self { automatic: false }
    }

    /// Whoever submits is approved: for demonstrations.
    ///
    /// # Errors
    /// On the real platform.
    pub const fn automatic(gateway: GatewayKind) -> Result<Self, AutomaticApprovalRefused> {
        match gateway {
            GatewayKind::Sandbox => Ok(Self { automatic: true }),
            GatewayKind::Production => Err(AutomaticApprovalRefused),
        }
    }
}

/// Whom or what a submission is about. Shows nothing in `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub enum Subject {
    /// A person who sells in her own name.
    Person {
        /// As on the card.
        name: String,
        /// The card's number.
        number: ResidentId,
    },
    /// A company or a sole trader with a license.
    Company {
        /// As on the license.
        name: String,
        /// The license's code.
        code: CreditCode,
        /// The legal representative's name.
        legal_representative: String,
    },
}

impl std::fmt::Debug for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Subject({}, …{})", self.kind(), self.last4())
    }
}

/// Which field of a form cannot be taken, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SubjectError {
    /// The person's or company's name.
    #[error("write the name as it stands on the document")]
    Name,
    /// The legal representative's name.
    #[error("write the legal representative's name as it stands on the license")]
    LegalRepresentative,
    /// The resident identity number.
    #[error(transparent)]
    ResidentId(#[from] ResidentIdError),
    /// The unified social credit code.
    #[error(transparent)]
    CreditCode(#[from] CreditCodeError),
}

impl Subject {
    /// Reads the form of a person.
    ///
    /// # Errors
    /// Names the field that cannot be taken.
    pub fn person(name: &str, number: &str, now: DateTime<Utc>) -> Result<Self, SubjectError> {
        let name = named(name, 60).ok_or(SubjectError::Name)?;
        Ok(Self::Person { name, number: ResidentId::parse(number, beijing_day(now))? })
    }

    /// Reads the form of a company.
    ///
    /// # Errors
    /// Names the field that cannot be taken.
    pub fn company(name: &str, code: &str, legal_representative: &str) -> Result<Self, SubjectError> {
        Ok(Self::Company {
            name: named(name, 120).ok_or(SubjectError::Name)?,
            code: code.parse()?,
            legal_representative: named(legal_representative, 60).ok_or(SubjectError::LegalRepresentative)?,
        })
    }

    const fn kind(&self) -> &'static str {
        match self {
            Self::Person { .. } => "person",
            Self::Company { .. } => "company",
        }
    }

    fn number(&self) -> &str {
        match self {
            Self::Person { number, .. } => number.expose(),
            Self::Company { code, .. } => code.expose(),
        }
    }

    fn last4(&self) -> &str {
        match self {
            Self::Person { number, .. } => number.last4(),
            Self::Company { code, .. } => code.last4(),
        }
    }

    fn sealed_form(&self) -> Result<SecretBytes, StoreError> {
        let (name, legal_representative) = match self {
            Self::Person { name, .. } => (name, ""),
            Self::Company { name, legal_representative, .. } => (name, legal_representative.as_str()),
        };
        let stored = StoredSubject {
            name: name.clone(),
            number: self.number().to_owned(),
            legal_representative: legal_representative.to_owned(),
        };
        let text = serde_json::to_vec(&stored).map_err(|error| StoreError::Corrupt(error.to_string()))?;
        Ok(SecretBytes::new(text))
    }
}

/// What is sealed of a submission.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
struct StoredSubject {
    name: String,
    number: String,
    legal_representative: String,
}

/// Two to so many characters, no control characters, no markup.
fn named(text: &str, most: usize) -> Option<String> {
    let text = text.trim();
    let length = text.chars().count();
    let fits = (2..=most).contains(&length) && !text.chars().any(|char| char.is_control() || "<>".contains(char));
    fits.then(|| text.to_owned())
}

/// The request: one or two pictures, as they were uploaded.
#[derive(Debug)]
pub struct SubmitVerification {
    /// Whom it is about.
    pub subject: Subject,
    /// The files.
    pub pictures: Vec<Vec<u8>>,
}

/// Why a submission is not taken.
#[derive(Debug, thiserror::Error)]
pub enum SubmitVerificationError {
    /// None, or more than two.
    #[error("send one or two pictures; these are {0}")]
    PictureCount(usize),
    /// A picture cannot be taken.
    #[error("picture {position} cannot be taken")]
    Picture {
        /// 1 or 2.
        position: i16,
        /// Why.
        #[source]
        reason: PictureError,
    },
    /// The last one is not decided about yet.
    #[error("a submission is being reviewed; wait for its decision")]
    UnderReview,
    /// Nothing is asked.
    #[error("the merchant is verified already")]
    AlreadyApproved,
    /// The actor may not do it.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The store failed.
    #[error("the submission could not be stored")]
    Store(#[source] StoreError),
}

impl From<StoreError> for SubmitVerificationError {
    fn from(error: StoreError) -> Self {
        match error.constraint() {
            Some("verifications_one_open") => Self::UnderReview,
            _ => Self::Store(error),
        }
    }
}

/// What a submission came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubmittedVerification {
    /// Its id.
    pub id: VerificationId,
    /// Whom to wake: shops that wait for an approval, where approval is automatic.
    pub wakes: Vec<Wake>,
}

/// Submits a merchant's identity for review.
///
/// # Errors
/// See [`SubmitVerificationError`].
pub async fn submit_verification(
    engine: &Engine,
    ctx: &Ctx,
    request: SubmitVerification,
) -> Result<SubmittedVerification, SubmitVerificationError> {
    ctx.require(Permission::Verify)?;
    ctx.require_sudo()?;
    let SubmitVerification { subject, pictures } = request;
    if !(1..=2).contains(&pictures.len()) {
        return Err(SubmitVerificationError::PictureCount(pictures.len()));
    }
    let mut cleaned = Vec::with_capacity(pictures.len());
    for (position, file) in (1_i16..).zip(pictures) {
        let picture = verification_picture::clean(file).await;
        cleaned.push((position, picture.map_err(|reason| SubmitVerificationError::Picture { position, reason })?));
    }
    let number_hash = hash_number(&engine.store, subject.kind(), subject.number()).await?;
    let id = VerificationId::generate();
    let form = subject.sealed_form()?;

    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    if verifications::find_approved(&mut tx).await?.is_some_and(|row| row.asked_again.is_none()) {
        return Err(SubmitVerificationError::AlreadyApproved);
    }
    let new = NewVerification {
        id,
        kind: subject.kind(),
        subject: &form,
        last4: subject.last4(),
        number_hash,
        submitted_by: &ctx.actor.name(),
        submitted_at: ctx.now,
    };
    verifications::insert(&mut tx, &new).await?;
    for (position, picture) in &cleaned {
        let media_type = verification_picture::MEDIA_TYPE;
        let new = NewPicture { verification: id, position: *position, media_type, picture };
        verification_pictures::insert(&mut tx, &new).await?;
    }
    let detail = json!({ "kind": subject.kind(), "pictures": cleaned.len() });
    acts::record(&mut tx, ctx, "verification.submit", id, detail).await?;
    outbox::push(&mut tx, "notify", json!({ "kind": "verification_submitted", "verification": id })).await?;
    let wakes = if engine.config.approval.automatic {
        let decision = Decision { approved: true, reason: "", by: None, at: ctx.now };
        review::write_decision(&mut tx, id, &decision).await?
    } else {
        Vec::new()
    };
    tx.commit().await?;
    Ok(SubmittedVerification { id, wakes })
}

/// Returns the hash of a number under the platform's own key: equal numbers are equal in every merchant.
async fn hash_number(store: &Store, kind: &str, number: &str) -> Result<[u8; 32], StoreError> {
    // The key is the platform's, who is a merchant like others here; no row but that key is looked at.
    let mut tx = store.tenant_tx(MerchantId::PLATFORM).await?;
    let key = tx.data_key().await?;
    tx.commit().await?;
    let message = Zeroizing::new(format!("{kind}|{number}"));
    Ok(key.mac(NUMBER_HASH, message.as_bytes())?)
}

/// Returns the hash that a number was submitted with, a person's or a company's; nothing for what is no such number.
pub(crate) async fn hash_as_submitted(
    store: &Store,
    number: &str,
    now: DateTime<Utc>,
) -> Result<Option<[u8; 32]>, StoreError> {
    if let Ok(number) = ResidentId::parse(number, beijing_day(now)) {
        return hash_number(store, "person", number.expose()).await.map(Some);
    }
    let Ok(code) = number.parse::<CreditCode>() else { return Ok(None) };
    hash_number(store, "company", code.expose()).await.map(Some)
}

fn beijing_day(now: DateTime<Utc>) -> NaiveDate {
    FixedOffset::east_opt(BEIJING_S).map_or_else(|| now.date_naive(), |zone| now.with_timezone(&zone).date_naive())
}

/// Where a merchant is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nothing was submitted.
    None,
    /// The staff looks at it.
    Submitted,
    /// Approved.
    Approved,
    /// Rejected; to be submitted anew.
    Rejected,
}

impl Standing {
    /// Returns the stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Submitted => "submitted",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
        }
    }

    fn of(row: Option<&VerificationRow>) -> Self {
        match row.map(|row| row.state.as_str()) {
            None => Self::None,
            Some("approved") => Self::Approved,
            Some("rejected") => Self::Rejected,
            Some(_) => Self::Submitted,
        }
    }
}

/// One submission, as the merchant sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubmissionView {
    /// Its id.
    pub id: VerificationId,
    /// `person` or `company`.
    pub kind: String,
    /// Where it is.
    pub standing: Standing,
    /// The number's last four characters.
    pub last4: String,
    /// When it was submitted.
    pub submitted_at: DateTime<Utc>,
    /// Until when the staff means to decide.
    pub expected_by: Option<DateTime<Utc>>,
    /// When it was decided.
    pub decided_at: Option<DateTime<Utc>>,
    /// Who decided.
    pub decided_by: Option<String>,
    /// Why it was rejected.
    pub reason: String,
    /// In how many merchants the number stood when it was decided: for the staff alone.
    pub merchants_with_number: Option<i64>,
    /// When number and pictures were destroyed.
    pub destroyed_at: Option<DateTime<Utc>>,
}

impl From<&VerificationRow> for SubmissionView {
    fn from(row: &VerificationRow) -> Self {
        let standing = Standing::of(Some(row));
        Self {
            id: row.id,
            kind: row.kind.clone(),
            standing,
            last4: row.last4.clone(),
            submitted_at: row.submitted_at,
            expected_by: (standing == Standing::Submitted).then(|| row.submitted_at + REVIEW_WITHIN),
            decided_at: row.decided_at,
            decided_by: row.decided_name.clone(),
            reason: row.reason.clone(),
            merchants_with_number: row.merchants_with_number,
            destroyed_at: row.destroyed_at,
        }
    }
}

/// What a merchant is shown about her verification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerificationView {
    /// Where the latest submission is.
    pub standing: Standing,
    /// Whether shops may go live.
    pub may_go_live: bool,
    /// Until when running shops go on, where a new owner or name asks for another submission.
    pub renew_by: Option<DateTime<Utc>>,
    /// Submissions, the latest first.
    pub submissions: Vec<SubmissionView>,
    /// Who of the staff looked at pictures, the latest first.
    pub looks: Vec<LookRow>,
}

/// Shows a merchant's verification.
///
/// # Errors
/// When the actor may not submit it, or the store fails.
pub async fn show_verification(engine: &Engine, ctx: &Ctx) -> Result<VerificationView, ActError> {
    ctx.require(Permission::Verify)?;
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    let rows = verifications::list(&mut tx, HISTORY).await?;
    let approved = verifications::find_approved(&mut tx).await?;
    let looks = verification_pictures::list_looks(&mut tx, ctx.now + TimeDelta::seconds(1), LOOKS).await?;
    tx.commit().await?;
    Ok(VerificationView {
        standing: Standing::of(rows.first()),
        may_go_live: approved.as_ref().is_some_and(|row| row.asked_again.is_none()),
        renew_by: approved.and_then(|row| row.renew_by),
        submissions: rows.iter().map(SubmissionView::from).collect(),
        looks,
    })
}

/// What going live waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unverified {
    /// Where the latest submission is.
    pub standing: Standing,
    /// Until when the staff means to decide about it.
    pub expected_by: Option<DateTime<Utc>>,
}

/// Looks whether the merchant may go live, and keeps that so until the transaction ends.
pub(crate) async fn is_approved(tx: &mut TenantTx) -> Result<Result<(), Unverified>, StoreError> {
    if verifications::find_approved(tx).await?.is_some_and(|row| row.asked_again.is_none()) {
        return Ok(Ok(()));
    }
    let rows = verifications::list(tx, 1).await?;
    let latest = rows.first().map(SubmissionView::from);
    Ok(Err(Unverified {
        standing: Standing::of(rows.first()),
        expected_by: latest.and_then(|latest| latest.expected_by),
    }))
}
