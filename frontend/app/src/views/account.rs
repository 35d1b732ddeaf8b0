//! `/account/…`.

use chrono::{DateTime, Utc};
use kamiflow_kernel::{FactorId, MerchantId, Role, SessionId};

/// Devices and second factors.
#[derive(Debug)]
pub struct Security {
    /// Where somebody is logged in.
    pub sessions: Vec<Session>,
    /// What somebody proves herself with beside the password.
    pub factors: Vec<Factor>,
    /// Recovery codes that have not been used.
    pub codes_left: i64,
    /// Whether passkeys may be added: the site's address has a name.
    pub has_passkeys: bool,
}

/// Another password.
#[derive(Debug)]
pub struct NewPassword {
    /// Whether the present one was given to her, so that nothing else comes first.
    pub is_temporary: bool,
}

/// By what somebody may prove herself anew.
#[derive(Debug)]
pub struct Proofs {
    /// Whether a passkey will do.
    pub passkey: bool,
}

/// A browser that is logged in.
#[derive(Debug)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// Whether it is the one that asks.
    pub is_this: bool,
    /// What it calls itself.
    pub browser: String,
    /// Where from, without the last part.
    pub place: String,
    /// When it was used last.
    pub last_used_at: DateTime<Utc>,
}

/// A second factor.
#[derive(Debug)]
pub struct Factor {
    /// Its id.
    pub id: FactorId,
    /// `totp` or `passkey`.
    pub kind: String,
    /// What its owner calls it.
    pub name: String,
    /// Since when.
    pub created_at: DateTime<Utc>,
    /// When it was used last.
    pub last_used_at: Option<DateTime<Utc>>,
}

/// What deleting the account asks for.
#[derive(Debug)]
pub struct Deletion {
    /// What is typed to log in.
    pub login: String,
    /// Whether the account is its merchant's.
    pub is_sub_account: bool,
    /// Merchants that would be left without an owner.
    pub orphans: Vec<Orphan>,
}

/// A merchant that would be left without an owner.
#[derive(Debug)]
pub struct Orphan {
    /// Its name.
    pub name: String,
    /// Its shops that deliver.
    pub live: Vec<String>,
    /// Whether the session works for it.
    pub is_present: bool,
}

/// The merchants somebody has a seat with.
#[derive(Debug)]
pub struct Merchants {
    /// The oldest seat first.
    pub seats: Vec<SeatWith>,
    /// Whether another merchant may be opened: a sub-account is its merchant's own.
    pub may_open: bool,
}

/// A seat with a merchant.
#[derive(Debug)]
pub struct SeatWith {
    /// Which.
    pub merchant: MerchantId,
    /// Its name.
    pub name: String,
    /// Behind the `@` of staff's log-in names.
    pub code: String,
    /// As what.
    pub role: Role,
    /// The end of the days of grace, if it was closed.
    pub closes_at: Option<DateTime<Utc>>,
    /// Whether they are over.
    pub has_closed: bool,
    /// Whether the session works for it.
    pub is_present: bool,
}
