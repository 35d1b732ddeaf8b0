//! Says who sends a request: the access token names a session, the database says what it is worth now.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use kamiflow_kernel::{Locale, LoginName, MerchantId, Role, SessionId, ShopScope, Theme, UserId};
use kamiflow_store::StoreError;
use kamiflow_store::accounts::lookup::{self, SeatRow};

use super::{Accounts, Visit};
use crate::ctx::{Actor, Ctx, Member};

/// Somebody who is logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Who.
    pub user: UserId,
    /// On which device.
    pub session: SessionId,
    /// What is typed to log in.
    pub login: LoginName,
    /// Shown to the team.
    pub name: String,
    /// The language.
    pub locale: Locale,
    /// How pages look.
    pub theme: Theme,
    /// Whether the next thing to do is to choose a password; everything else waits.
    pub must_change_password: bool,
    /// Until when what asks for a fresh proof is allowed.
    pub sudo_until: Option<DateTime<Utc>>,
    /// Whether the user has a second factor.
    pub has_second_factor: bool,
    /// Whether the user has seats in other merchants than the one the session works for.
    pub works_elsewhere: bool,
    /// The seat in the merchant the session works for.
    pub seat: Option<Seat>,
}

/// A seat in a merchant's team.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seat {
    /// The merchant.
    pub merchant: MerchantId,
    /// Her name.
    pub merchant_name: String,
    /// Her code, behind the `@` of staff's log-in names.
    pub merchant_code: String,
    /// The end of the days of grace, if she was closed.
    pub closes_at: Option<DateTime<Utc>>,
    /// What the member is.
    pub role: Role,
    /// Which shops the member sees.
    pub shops: ShopScope,
}

/// Why nobody is known to send a request.
#[derive(Debug, thiserror::Error)]
pub enum AuthenticateError {
    /// The token is not good: refresh the session, or log in.
    #[error("the access token is not good")]
    TokenRefused,
    /// The session has ended: log in.
    #[error("the session has ended")]
    SessionEnded,
    /// The store failed.
    #[error("the session could not be read")]
    Store(#[from] StoreError),
}

impl From<SeatRow> for Seat {
    fn from(row: SeatRow) -> Self {
        Self {
            merchant: row.merchant,
            merchant_name: row.merchant_name,
            merchant_code: row.merchant_code,
            closes_at: row.closes_at,
            role: row.role,
            shops: row.shops,
        }
    }
}

impl Account {
    /// Returns the circumstances of an act for the session's merchant; `None` without a seat, for a merchant whose days
    /// of grace are over, and while a password must be chosen.
    #[must_use]
    pub fn ctx(&self, visit: &Visit) -> Option<Ctx> {
        let seat = self.seat.as_ref().filter(|seat| seat.closes_at.is_none_or(|at| visit.now < at))?;
        if self.must_change_password {
            return None;
        }
        Some(self.acting(visit, seat.merchant, (seat.role, seat.shops.clone())))
    }

    /// Returns the circumstances of an act with a seat that was looked up, or just taken.
    pub(crate) fn acting(&self, visit: &Visit, merchant: MerchantId, (role, shops): (Role, ShopScope)) -> Ctx {
        let member = Member {
            user: self.user,
            session: self.session,
            role,
            shops,
            sudo_until: self.sudo_until,
            ip_prefix: visit.ip_prefix(),
        };
        Ctx { actor: Actor::Member(Arc::new(member)), merchant, request_id: visit.request_id.clone(), now: visit.now }
    }

    /// Returns the merchant whose transaction acts upon the account itself are written in.
    pub(super) fn home(&self) -> MerchantId {
        self.seat.as_ref().map_or(MerchantId::PLATFORM, |seat| seat.merchant)
    }
}

/// Says who an access token belongs to.
///
/// # Errors
/// When the token or the session is not good, or the store fails.
pub async fn authenticate(accounts: &Accounts, visit: &Visit, access: &str) -> Result<Account, AuthenticateError> {
    let bearer = accounts.keys.read(access, visit.now).map_err(|_refused| AuthenticateError::TokenRefused)?;
    // It is not known yet which merchant the session works for; one row of this session is told.
    let mut statement = accounts.store.system_statement().await?;
    let found = lookup::authenticate(&mut statement, bearer.user, bearer.session, visit.now).await?;
    drop(statement);
    let found = found.ok_or(AuthenticateError::SessionEnded)?;
    Ok(Account {
        user: bearer.user,
        session: bearer.session,
        login: found.login,
        name: found.name,
        locale: found.locale,
        theme: found.theme,
        must_change_password: found.must_change_password,
        sudo_until: found.sudo_until,
        has_second_factor: found.has_second_factor,
        works_elsewhere: found.works_elsewhere,
        seat: found.seat.map(Seat::from),
    })
}
