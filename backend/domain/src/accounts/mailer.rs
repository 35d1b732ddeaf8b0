//! The port to whatever sends mail.

use futures_util::future::BoxFuture;
use kamiflow_kernel::EmailAddress;

/// A mail as it leaves: one recipient, a text and the same as HTML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// To whom.
    pub to: EmailAddress,
    /// One line.
    pub subject: String,
    /// Plain text.
    pub text: String,
    /// HTML without anything that is loaded from elsewhere.
    pub html: String,
}

/// Why a mail was not sent.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// The server refused this mail for good: the address does not exist, or it does not want it.
    #[error("the mail server refused the mail")]
    Refused(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The server cannot be reached, or is busy: later it may take it.
    #[error("the mail server did not take the mail")]
    Later(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Sends mail.
pub trait Mailer: Send + Sync {
    /// Hands one mail to a server.
    fn send<'a>(&'a self, mail: &'a Mail) -> BoxFuture<'a, Result<(), MailError>>;
}
