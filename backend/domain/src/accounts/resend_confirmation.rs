//! Sends the mail of a sign-up once more, with a new link; the former one is good for nothing then.

use std::time::Duration;

use kamiflow_kernel::{EmailAddress, EmailAddressError, LoginName, MerchantId};
use kamiflow_store::{StoreError, sign_ups};

use super::even::evenly;
use super::letter::{Addressed, Letter};
use super::secrets::fresh;
use super::sign_up::CONFIRM_FOR;
use super::throttle::{self, Passage, ThrottleDown};
use super::{Accounts, Visit, after, send_mail};

/// Why no mail was asked for.
#[derive(Debug, thiserror::Error)]
pub enum ResendConfirmationError {
    /// The address is none.
    #[error(transparent)]
    Email(#[from] EmailAddressError),
    /// Too many from one place.
    #[error("too many attempts: try again in {} seconds", retry_after.as_secs())]
    TooMany {
        /// Not before.
        retry_after: Duration,
    },
    /// Attempts cannot be counted.
    #[error(transparent)]
    Throttle(#[from] ThrottleDown),
    /// The store failed.
    #[error("the mail could not be stored")]
    Store(#[from] StoreError),
}

/// Sends the mail again if there is a sign-up that waits; the answer and its time are the same if there is none.
///
/// # Errors
/// When the text is no address, too many are asked for, or the store fails.
pub async fn resend_confirmation(
    accounts: &Accounts,
    visit: &Visit,
    email: &str,
) -> Result<(), ResendConfirmationError> {
    let email: EmailAddress = email.parse()?;
    evenly(send_again(accounts, visit, email)).await
}

async fn send_again(accounts: &Accounts, visit: &Visit, email: EmailAddress) -> Result<(), ResendConfirmationError> {
    if let Passage::Wait(retry_after) = accounts.throttle.pass(&throttle::of_requests("resend", visit)).await? {
        return Err(ResendConfirmationError::TooMany { retry_after });
    }
    let login = LoginName::from(email.clone());
    let silent = accounts.throttle.pass(&throttle::of_mails("sign-up", &login)).await? != Passage::Open;

    let mut tx = accounts.store.tenant_tx(MerchantId::PLATFORM).await?;
    let waiting = sign_ups::lock_latest(&mut tx, &login, visit.now).await?.filter(|_row| !silent);
    let token = fresh();
    let link = format!("{}/confirm?token={}", accounts.config.base_url, token.secret.expose());
    let letter = match &waiting {
        Some(row) => {
            sign_ups::update_token(&mut tx, row.id, &token.hash, after(visit.now, CONFIRM_FOR)).await?;
            Letter::ConfirmEmail { link }
        }
        None => Letter::Nothing { filler: link },
    };
    let mail = Addressed { to: email, locale: visit.locale, letter };
    let wake = send_mail::plan(&mut tx, &mail, visit.now, CONFIRM_FOR).await?;
    tx.commit().await?;
    accounts.wakes.wake(MerchantId::PLATFORM, &[wake]).await;
    Ok(())
}
