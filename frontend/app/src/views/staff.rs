//! `/staff/…`.

use chrono::{DateTime, Utc};
use kamiflow_domain::verification::SubmissionView;
use kamiflow_domain::verification::review::CasePage;
use kamiflow_kernel::{MerchantId, RecoveryId, VerificationId};

use super::account::Session;

/// The list of cases.
#[derive(Debug)]
pub enum Queue {
    /// The role sees no identities.
    Closed,
    /// What waits for a decision, the oldest first.
    Open(Vec<OpenCase>),
    /// What was decided, the latest first.
    Decided(Vec<DecidedCase>),
}

/// Which case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseRef {
    /// Whose.
    pub merchant: MerchantId,
    /// Which.
    pub case: VerificationId,
    /// Whether it is about a company.
    pub is_company: bool,
    /// The number's last four characters.
    pub last4: String,
}

/// A case that waits.
#[derive(Debug)]
pub struct OpenCase {
    /// Which.
    pub case: CaseRef,
    /// Since when.
    pub submitted_at: DateTime<Utc>,
    /// Who has it, and since when.
    pub held: Option<(String, DateTime<Utc>)>,
    /// Whether that is who looks at the list.
    pub is_mine: bool,
    /// In how many merchants the number stands, where those are suspiciously many.
    pub flagged: Option<i64>,
}

/// A case that was decided.
#[derive(Debug)]
pub struct DecidedCase {
    /// Which.
    pub case: CaseRef,
    /// How.
    pub is_approved: bool,
    /// By whom; nobody in a demonstration.
    pub by: Option<String>,
    /// When.
    pub at: DateTime<Utc>,
    /// Why it was rejected.
    pub reason: String,
    /// In how many merchants the number stood then, where those were suspiciously many.
    pub flagged: Option<i64>,
}

/// One case.
#[derive(Debug)]
pub struct Case {
    /// Whose.
    pub merchant: MerchantId,
    /// What is shown of it.
    pub page: CasePage,
    /// The picture that is looked at.
    pub picture: Option<i16>,
}

/// Owners who lost everything.
#[derive(Debug)]
pub struct Recoveries(pub Vec<ListedRequest>);

/// A request of one.
#[derive(Debug)]
pub struct ListedRequest {
    /// Of which merchant's owner.
    pub merchant: MerchantId,
    /// Which.
    pub recovery: RecoveryId,
    /// How far it is.
    pub state: String,
    /// When it was asked for.
    pub asked_at: DateTime<Utc>,
    /// Who decided.
    pub by: Option<String>,
    /// When the link goes out.
    pub link_at: Option<DateTime<Utc>>,
}

/// One request, beside the verified identity.
#[derive(Debug)]
pub struct Recovery {
    /// Of which merchant's owner.
    pub merchant: MerchantId,
    /// Which.
    pub recovery: RecoveryId,
    /// The merchant's name.
    pub merchant_name: String,
    /// The owner's log-in name.
    pub login: String,
    /// What the merchant was verified with; its number is the one that was typed.
    pub verified: Option<SubmissionView>,
    /// How many owners there are besides.
    pub other_owners: i64,
    /// How far it is.
    pub state: String,
    /// Where the link would go; empty when it is over.
    pub contact: String,
    /// When it was asked for.
    pub asked_at: DateTime<Utc>,
    /// Who decided, and when.
    pub decided: Option<(String, DateTime<Utc>)>,
    /// When the link goes out.
    pub link_at: Option<DateTime<Utc>>,
    /// Why it was rejected.
    pub reason: String,
}

/// Where a member of the staff is logged in.
#[derive(Debug)]
pub struct OwnSessions(pub Vec<Session>);
