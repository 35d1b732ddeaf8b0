//! Opens another merchant: who opens it is its first owner, and works for it from then on.

use std::time::Duration;

use chrono::{DateTime, Utc};
use kamiflow_kernel::{EmailAddress, MerchantCode, MerchantId, Role, ShopScope};
use kamiflow_store::accounts::{sessions, users};
use kamiflow_store::merchants::{self, NewMerchant};
use kamiflow_store::team::members::{self, MembershipRow};
use kamiflow_store::{StoreError, UserTx};
use serde_json::json;

use crate::accounts::new_session::record;
use crate::accounts::sign_up::one_line;
use crate::accounts::switch_merchant::list_merchants;
use crate::accounts::throttle::{self, Passage, ThrottleDown};
use crate::accounts::{Account, Accounts, Visit};

/// Fastest polling of a new merchant's shops, seconds.
const POLL_FLOOR_S: i32 = 15;
/// Merchants one account may own.
const MOST: usize = 10;

/// Why no merchant was opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenMerchantError {
    /// The name is empty or longer than 120 characters.
    #[error("a merchant's name has 1 to 120 characters")]
    Name,
    /// A sub-account is its merchant's own: an owner has an address.
    #[error("an owner needs an e-mail address")]
    NeedsAddress,
    /// The account owns enough of them.
    #[error("one account owns at most {MOST} merchants")]
    Enough,
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
    #[error("the merchant could not be stored")]
    Store(#[from] StoreError),
}

/// Opens a merchant for an account with an address.
///
/// # Errors
/// See [`OpenMerchantError`].
pub async fn open_merchant(
    accounts: &Accounts,
    visit: &Visit,
    account: &Account,
    name: &str,
) -> Result<MerchantId, OpenMerchantError> {
    let name = one_line(name, 120).ok_or(OpenMerchantError::Name)?;
    if account.login.as_str().parse::<EmailAddress>().is_err() {
        return Err(OpenMerchantError::NeedsAddress);
    }
    let seats = list_merchants(accounts, account).await?;
    if seats.iter().filter(|seat| seat.role == Role::Owner).count() >= MOST {
        return Err(OpenMerchantError::Enough);
    }
    let gates = throttle::of_requests("open-merchant", visit);
    if let Passage::Wait(retry_after) = accounts.throttle.pass(&gates).await? {
        return Err(OpenMerchantError::TooMany { retry_after });
    }
    let merchant = MerchantId::generate();
    let mut tx = accounts.store.user_tx(merchant, account.user).await?;
    users::lock(&mut tx).await?;
    found(&mut tx, &name, visit.now).await?;
    sessions::update_merchant(&mut tx, account.session, Some(merchant)).await?;
    record(&mut tx, visit, "merchant.open", json!({ "role": Role::Owner })).await?;
    tx.commit().await?;
    Ok(merchant)
}

/// Makes the transaction's merchant, with the transaction's user as its owner.
pub(crate) async fn found(tx: &mut UserTx, name: &str, at: DateTime<Utc>) -> Result<(), StoreError> {
    merchants::insert(tx.tenant(), &NewMerchant { name, poll_floor_s: POLL_FLOOR_S }).await?;
    merchants::update_code(tx.tenant(), &random_code()?).await?;
    let seat = MembershipRow { user: tx.user(), role: Role::Owner, shops: ShopScope::All };
    members::insert(tx.tenant(), &seat, at).await
}

/// Makes a merchant's code: nine consonants, so that it spells nothing and two of a million merchants rarely meet.
fn random_code() -> Result<MerchantCode, StoreError> {
    const LETTERS: [char; 20] =
        ['b', 'c', 'd', 'f', 'g', 'h', 'j', 'k', 'm', 'n', 'p', 'q', 'r', 's', 't', 'v', 'w', 'x', 'y', 'z'];
    let mut bytes = [0_u8; 9];
    rand::fill(&mut bytes);
    let letter = |byte: u8| LETTERS.get(usize::from(byte) % LETTERS.len()).copied().unwrap_or('x');
    let code: String = bytes.iter().map(|byte| letter(*byte)).collect();
    MerchantCode::try_from(code).map_err(|error| StoreError::Corrupt(error.to_string()))
}
