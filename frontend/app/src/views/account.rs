//! `/account/…`.

use chrono::{DateTime, Utc};
use kamiflow_kernel::{FactorId, SessionId};

/// Devices and second factors.
#[derive(Debug)]
pub struct Security {
    /// Where somebody is logged in.
    pub sessions: Vec<Session>,
    /// What somebody proves herself with beside the password.
    pub factors: Vec<Factor>,
    /// Recovery codes that have not been used.
    pub codes_left: i64,
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
}
