//! One-time tokens of users: made, found again by whoever presents one.

use std::time::Duration;

use chrono::{DateTime, Utc};
use kamiflow_kernel::{SecretText, UserId};
use kamiflow_store::accounts::lookup;
use kamiflow_store::accounts::tokens::{self, NewToken, TokenPurpose};
use kamiflow_store::{Store, StoreError, UserTx};

use super::after;
use super::secrets::{fresh, hash_of};

/// Makes a token for the transaction's user.
pub(super) async fn issue(
    tx: &mut UserTx,
    purpose: TokenPurpose,
    payload: serde_json::Value,
    now: DateTime<Utc>,
    good_for: Duration,
) -> Result<SecretText, StoreError> {
    let token = fresh();
    let new = NewToken { purpose, hash: &token.hash, payload, at: now, expires_at: after(now, good_for) };
    tokens::insert(tx, &new).await?;
    Ok(token.secret)
}

/// Finds whose a token is that somebody presents, and its hash.
pub(super) async fn whose(store: &Store, token: &SecretText) -> Result<Option<(UserId, [u8; 32])>, StoreError> {
    let hash = hash_of(token);
    // Nobody is known yet; the function tells an id for a hash of 256 random bits.
    let mut tx = store.system_tx().await?;
    let user = lookup::find_user_of_token(&mut tx, &hash).await?;
    tx.commit().await?;
    Ok(user.map(|user| (user, hash)))
}
