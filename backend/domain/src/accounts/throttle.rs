//! Slows attempts down, so that nobody finds a password by trying and nobody is locked out by a stranger who tries.
//!
//! ```text
//! log-in from …              is counted at …
//!   a browser known to the account   account × browser                      nobody else reaches this line
//!   any other place                  place, and place × account             a stranger slows down himself
//! ```
//! Each gate lets some attempts through at once, then asks for a delay that doubles with each up to a longest one, and
//! forgets after a quiet time. An attempt is counted when it begins, so that a hundred at the same time count as a
//! hundred; one that goes well is forgiven. There is no gate for an account alone: whoever knows its name could close it.

use std::time::Duration;

use futures_util::future::BoxFuture;
use kamiflow_kernel::{LoginName, MerchantId, SessionId, UserId};

use super::Visit;

/// A line of attempts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gate {
    /// What is counted; hashed before it is stored.
    pub key: String,
    /// Attempts that go through at once.
    pub free: u32,
    /// The delay after them; it doubles with each attempt.
    pub first_delay: Duration,
    /// The longest delay.
    pub longest_delay: Duration,
    /// After so long without an attempt all is forgotten.
    pub forgotten_after: Duration,
}

/// What a gate says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passage {
    /// Go on.
    Open,
    /// Not before this time has passed.
    Wait(Duration),
}

/// Attempts cannot be counted, so none is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("attempts cannot be counted at the moment")]
pub struct ThrottleDown;

/// Counts attempts, for all processes together.
pub trait Throttle: Send + Sync {
    /// Counts an attempt at all gates, or at none if one of them is closed.
    fn pass<'a>(&'a self, gates: &'a [Gate]) -> BoxFuture<'a, Result<Passage, ThrottleDown>>;

    /// Forgets what was counted at these gates: the attempt went well.
    fn forgive<'a>(&'a self, gates: &'a [Gate]) -> BoxFuture<'a, ()>;
}

const HOUR: Duration = Duration::from_secs(60 * 60);

/// Returns the gates of a log-in from a browser that the account was used with before.
pub(super) fn of_known_browser(login: &LoginName, device_hash: &[u8; 32]) -> Vec<Gate> {
    let device: String = device_hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    vec![Gate {
        key: format!("browser|{login}|{device}"),
        free: 10,
        first_delay: Duration::from_secs(1),
        longest_delay: Duration::from_secs(60),
        forgotten_after: HOUR,
    }]
}

/// Returns the gates of a log-in from anywhere else.
pub(super) fn of_place(login: &impl std::fmt::Display, visit: &Visit) -> Vec<Gate> {
    let place = visit.place();
    vec![
        Gate {
            key: format!("pair|{login}|{place}"),
            free: 5,
            first_delay: Duration::from_secs(15),
            longest_delay: Duration::from_secs(15 * 60),
            forgotten_after: HOUR,
        },
        // Wider, because an office shares an address.
        Gate {
            key: format!("place|{place}"),
            free: 50,
            first_delay: Duration::from_secs(1),
            longest_delay: Duration::from_secs(60),
            forgotten_after: HOUR,
        },
    ]
}

/// Returns the gate of requests that make mail, by where they come from.
pub(crate) fn of_requests(what: &str, visit: &Visit) -> Vec<Gate> {
    vec![Gate {
        key: format!("{what}|{}", visit.place()),
        free: 20,
        first_delay: Duration::from_secs(2),
        longest_delay: Duration::from_secs(5 * 60),
        forgotten_after: HOUR,
    }]
}

/// Returns the gate of questions to somebody's authenticators.
pub(crate) fn of_questions(user: UserId) -> Vec<Gate> {
    vec![Gate {
        key: format!("passkey|{user}"),
        free: 20,
        first_delay: Duration::from_secs(2),
        longest_delay: Duration::from_secs(60),
        forgotten_after: Duration::from_secs(10 * 60),
    }]
}

/// Returns the gate of mails of a kind to one address. It closes in silence: who asks learns nothing.
pub(crate) fn of_mails(what: &str, login: &LoginName) -> Vec<Gate> {
    vec![Gate {
        key: format!("mail|{what}|{login}"),
        free: 3,
        first_delay: Duration::from_secs(10 * 60),
        longest_delay: Duration::from_secs(60 * 60),
        forgotten_after: Duration::from_secs(4 * 60 * 60),
    }]
}

/// Returns the gate of what a merchant's team sets off beyond it, such as mails to strangers: `free` of a kind at once.
#[must_use]
pub fn of_merchant(what: &str, merchant: MerchantId, free: u32) -> Vec<Gate> {
    vec![Gate {
        key: format!("{what}|{merchant}"),
        free,
        first_delay: Duration::from_secs(2),
        longest_delay: Duration::from_secs(10 * 60),
        forgotten_after: HOUR,
    }]
}

/// Returns the gate of proofs that a session gives.
pub(super) fn of_session(session: SessionId) -> Vec<Gate> {
    vec![Gate {
        key: format!("session|{session}"),
        free: 5,
        first_delay: Duration::from_secs(2),
        longest_delay: Duration::from_secs(15 * 60),
        forgotten_after: HOUR,
    }]
}

/// Returns the gate of second steps. Only who knows the password comes here, so the account itself may be counted.
pub(super) fn of_second_step(user: UserId) -> Vec<Gate> {
    vec![Gate {
        key: format!("second|{user}"),
        free: 5,
        first_delay: Duration::from_secs(2),
        longest_delay: Duration::from_secs(5 * 60),
        forgotten_after: HOUR,
    }]
}
