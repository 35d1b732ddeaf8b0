//! Sends mail over SMTP.

use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use kamiflow_domain::accounts::mailer::{Mail, MailError, Mailer};
use kamiflow_kernel::SecretText;
use lettre::message::{Mailbox, MultiPart};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};

/// How long a server may take for one step of the conversation.
const PATIENCE: Duration = Duration::from_secs(20);

/// The mail server or the sender's address is unusable as configured.
#[derive(Debug, thiserror::Error)]
pub enum SmtpError {
    /// The address of the server.
    #[error("the address of the mail server cannot be used: write smtp://, smtps:// or smtp://…?tls=required")]
    Url(#[source] lettre::transport::smtp::Error),
    /// The sender.
    #[error("`{0}` is no sender of mail: write something like Kamiflow <noreply@example.com>")]
    From(String),
}

/// Sends mail over SMTP, over a few connections that are kept.
#[derive(Clone)]
pub struct SmtpMailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

impl SmtpMailer {
    /// Returns a mailer that connects when there is something to send.
    ///
    /// # Errors
    /// When the server's address or the sender is unusable.
    pub fn new(url: &SecretText, from: &str) -> Result<Self, SmtpError> {
        let from = from.parse().map_err(|_error| SmtpError::From(from.to_owned()))?;
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(url.expose())
            .map_err(SmtpError::Url)?
            .timeout(Some(PATIENCE))
            .build();
        Ok(Self { transport, from })
    }

    fn message(&self, mail: &Mail) -> Result<Message, Box<dyn std::error::Error + Send + Sync>> {
        let body = MultiPart::alternative_plain_html(mail.text.clone(), mail.html.clone());
        let to: Mailbox = mail.to.as_str().parse()?;
        Ok(Message::builder().from(self.from.clone()).to(to).subject(mail.subject.clone()).multipart(body)?)
    }
}

impl Mailer for SmtpMailer {
    fn send<'a>(&'a self, mail: &'a Mail) -> BoxFuture<'a, Result<(), MailError>> {
        async move {
            // An address that no message can carry will not become one.
            let message = self.message(mail).map_err(MailError::Refused)?;
            match self.transport.send(message).await {
                Ok(_answer) => Ok(()),
                Err(error) if error.is_permanent() => Err(MailError::Refused(Box::new(error))),
                Err(error) => Err(MailError::Later(Box::new(error))),
            }
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests;
