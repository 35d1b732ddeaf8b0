//! Mails about one's own account, to the address of the transaction's user; staff without one are told nothing.

use std::time::Duration;

use kamiflow_store::accounts::users;
use kamiflow_store::{StoreError, UserTx};

use super::letter::{Addressed, Letter};
use super::{Accounts, Visit, send_mail};
use crate::engine::Wake;

/// News of yesterday is no news.
const USEFUL_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// Writes a letter to the transaction's user.
pub(super) async fn own(tx: &mut UserTx, visit: &Visit, letter: Letter) -> Result<Vec<Wake>, StoreError> {
    let row = users::fetch(tx).await?;
    let Some(to) = row.email else { return Ok(Vec::new()) };
    let mail = Addressed { to, locale: row.locale, letter };
    Ok(vec![send_mail::plan(tx.tenant(), &mail, visit.now, USEFUL_FOR).await?])
}

/// Tells that second factors were changed.
pub(super) async fn factors_changed(
    accounts: &Accounts,
    tx: &mut UserTx,
    visit: &Visit,
) -> Result<Vec<Wake>, StoreError> {
    let link = format!("{}/account/security", accounts.config.base_url);
    own(tx, visit, Letter::FactorsChanged { at: visit.now, link }).await
}
