//! `/staff/…`.

use chrono::{DateTime, Utc};
use kamiflow_domain::verification::review::CasePage;
use kamiflow_kernel::{MerchantId, VerificationId};

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
