//! Accounts of people: signing up, logging in, sessions, second factors, teams (docs/adr/0014-accounts.md).
//!
//! ```text
//! sign_up ─ mail ─► confirm_email: user, merchant, owner        Visit    who is at the door
//! log_in ──► second_step ──► a session: access token (10 min), refresh token (exchanged at each use)
//! authenticate: access token ──► Account: user, session, seat ──► Account::ctx ──► use cases of the merchant
//! ```
//! # What a stranger learns
//! Nothing about who has an account: unknown, unconfirmed and known names meet the same work and the same answer,
//! after the same time. What is for the owner of an address alone is said by mail to that address.
//!
//! # What a stranger can stop
//! Nothing: attempts are slowed down per place they come from and per pair of place and account. A browser that the
//! account was used with before has a line of its own ([`throttle`]).
//!
//! # What is told in a log
//! Ids. No address, no token, no code.

mod device;
mod enrollment;
mod even;
mod frequent_passwords;
pub(crate) mod new_session;
mod one_time;
pub(crate) mod secrets;
mod told;

pub mod access_token;
pub mod authenticate;
pub mod change_email;
pub mod change_password;
pub mod confirm_email;
pub mod delete_account;
pub mod letter;
pub mod log_in;
pub mod mailer;
pub mod passkey;
pub mod password;
pub mod proof;
pub mod recovery;
pub mod refresh_session;
pub mod remove_factor;
pub mod resend_confirmation;
pub mod reset_password;
pub mod second_step;
pub mod send_mail;
pub mod sessions;
pub mod sign_up;
pub mod staff;
pub mod sudo;
pub mod switch_merchant;
pub mod throttle;
pub mod totp;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::BoxFuture;
use kamiflow_kernel::{Clock, Locale, MerchantId};
use kamiflow_store::{Store, StoreError};

use self::access_token::AccessKeys;
use self::password::{HashCost, PasswordHasher};
use self::throttle::Throttle;
use crate::engine::Wake;

pub use self::authenticate::{Account, Seat};
pub use self::enrollment::{Chosen, EnrollError};
pub use self::new_session::NewSession;

/// Wakes workers for what was just committed. Only saves time: a sweep finds what a lost wake would have said.
pub trait Wakes: Send + Sync {
    /// Tells the workers of a merchant.
    fn wake<'a>(&'a self, merchant: MerchantId, wakes: &'a [Wake]) -> BoxFuture<'a, ()>;
}

/// What use cases of accounts work with. Cheap to clone.
#[derive(Clone)]
pub struct Accounts {
    /// Truth.
    pub store: Store,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Slows attempts down.
    pub throttle: Arc<dyn Throttle>,
    /// Wakes who sends mail.
    pub wakes: Arc<dyn Wakes>,
    /// Signs access tokens.
    pub keys: Arc<AccessKeys>,
    /// Hashes passwords.
    pub hasher: Arc<PasswordHasher>,
    /// Settings.
    pub config: Arc<AccountsConfig>,
}

/// Settings of accounts; all come from server configuration.
#[derive(Debug, Clone)]
pub struct AccountsConfig {
    /// What links in mails begin with, without a slash at the end: `https://kamiflow.example`.
    pub base_url: String,
    /// What hashing a password costs.
    pub hash_cost: HashCost,
    /// Life of an access token.
    pub access_for: Duration,
    /// A session ends when it was not used for so long.
    pub session_for: Duration,
}

impl Default for AccountsConfig {
    fn default() -> Self {
        Self {
            base_url: "http://localhost:8080".to_owned(),
            hash_cost: HashCost::default(),
            access_for: Duration::from_secs(10 * 60),
            session_for: Duration::from_secs(30 * 24 * 60 * 60),
        }
    }
}

impl Accounts {
    /// Makes what accounts need once per installation: the platform's data key, which two first sign-ups at the same
    /// time would otherwise both make. Called when a process starts.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn prepare(&self) -> Result<(), StoreError> {
        let mut tx = self.store.tenant_tx(MerchantId::PLATFORM).await?;
        match tx.data_key().await {
            Ok(_key) => tx.commit().await,
            // Another process made it meanwhile.
            Err(error) if error.constraint() == Some("data_keys_one_active") => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Who is at the door: what the server knows of a request before it knows who somebody is.
#[derive(Debug, Clone)]
pub struct Visit {
    /// Found again in logs and in the audit log.
    pub request_id: String,
    /// The moment the request began.
    pub now: DateTime<Utc>,
    /// Where from, as far as trusted proxies tell.
    pub ip: IpAddr,
    /// What the browser calls itself.
    pub user_agent: String,
    /// The language of the page.
    pub locale: Locale,
}

impl Visit {
    /// Returns where the visitor comes from without the last part: a /24 or a /48, which is what is kept.
    #[must_use]
    pub fn ip_prefix(&self) -> String {
        match self.ip.to_canonical() {
            IpAddr::V4(ip) => {
                let [a, b, c, _] = ip.octets();
                format!("{a}.{b}.{c}.0/24")
            }
            IpAddr::V6(ip) => {
                let [a, b, c, ..] = ip.segments();
                format!("{a:x}:{b:x}:{c:x}::/48")
            }
        }
    }

    /// Returns what attempts are counted by: an address, or the /64 that one subscriber has.
    fn place(&self) -> String {
        match self.ip.to_canonical() {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => {
                let [a, b, c, d, ..] = ip.segments();
                format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
            }
        }
    }

    /// Returns what the browser calls itself, as much as is kept.
    fn browser(&self) -> String {
        self.user_agent.chars().filter(|c| !c.is_control()).take(300).collect()
    }
}

/// Returns a moment so much later.
pub(crate) fn after(now: DateTime<Utc>, span: Duration) -> DateTime<Utc> {
    TimeDelta::from_std(span).ok().and_then(|span| now.checked_add_signed(span)).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_of_an_address_names_no_household() {
        let from = |ip: &str| Visit {
            request_id: String::new(),
            now: DateTime::UNIX_EPOCH,
            ip: ip.parse().unwrap(),
            user_agent: "a\nb".to_owned(),
            locale: Locale::Zh,
        };
        assert_eq!(from("203.0.113.77").ip_prefix(), "203.0.113.0/24");
        assert_eq!(from("::ffff:203.0.113.77").ip_prefix(), "203.0.113.0/24");
        assert_eq!(from("2001:db8:1:2:3::4").ip_prefix(), "2001:db8:1::/48");
        assert_eq!(from("2001:db8:1:2:3::4").place(), from("2001:db8:1:2:9::9").place());
        assert_eq!(from("::1").browser(), "ab");
    }
}
