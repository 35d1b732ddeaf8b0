//! Says what a token is worth, at the beginning of each request.

use std::sync::Arc;

use chrono::TimeDelta;
use kamiflow_kernel::SecretText;
use kamiflow_store::api_tokens::{self, FoundApiToken};
use kamiflow_store::{Store, StoreError};

use super::{LIVE, TEST};
use crate::accounts::Visit;
use crate::accounts::secrets::hash_of;
use crate::ctx::{Actor, ApiCaller, Ctx};

/// How often it is written down that a token is used.
const NOTED_EVERY: TimeDelta = TimeDelta::minutes(1);
/// Characters of 256 random bits.
const LENGTH: usize = 43;

/// Why a token is not taken.
#[derive(Debug, thiserror::Error)]
pub enum AuthenticateTokenError {
    /// There is no such token, or it is good no more; which of both is not told.
    #[error("the token is not good")]
    Refused,
    /// The store failed.
    #[error("the token could not be read")]
    Store(#[from] StoreError),
}

/// Returns the circumstances of what a token does.
///
/// # Errors
/// When the token is not good or the store fails.
pub async fn authenticate(store: &Store, visit: &Visit, token: &SecretText) -> Result<Ctx, AuthenticateTokenError> {
    if !has_its_shape(token.expose()) {
        return Err(AuthenticateTokenError::Refused);
    }
    // It is not known yet whose it is; one row, for a hash of 256 random bits.
    let mut tx = store.system_tx().await?;
    let found = api_tokens::find_by_hash(&mut tx, &hash_of(token), visit.now).await?;
    tx.commit().await?;
    let found = found.ok_or(AuthenticateTokenError::Refused)?;
    note_use(store, visit, &found).await?;
    let caller = ApiCaller {
        token: found.id,
        maker: found.made_by,
        role: found.role,
        scopes: found.scopes,
        shops: found.shops,
        sees_all: found.sees_all,
        is_test: found.is_test,
        ip_prefix: visit.ip_prefix(),
    };
    Ok(Ctx {
        actor: Actor::Token(Arc::new(caller)),
        merchant: found.merchant,
        request_id: visit.request_id.clone(),
        now: visit.now,
    })
}

fn has_its_shape(token: &str) -> bool {
    let random = token.strip_prefix(LIVE).or_else(|| token.strip_prefix(TEST));
    random.is_some_and(|random| {
        random.len() == LENGTH && random.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    })
}

async fn note_use(store: &Store, visit: &Visit, found: &FoundApiToken) -> Result<(), StoreError> {
    if found.last_used_at.is_some_and(|at| visit.now - at < NOTED_EVERY) {
        return Ok(());
    }
    let mut tx = store.tenant_tx(found.merchant).await?;
    api_tokens::update_used(&mut tx, found.id, &visit.ip_prefix(), visit.now).await?;
    tx.commit().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::secrets::fresh;

    #[test]
    fn only_what_could_be_a_token_is_looked_for() {
        let random = fresh().secret;
        for prefix in [LIVE, TEST] {
            assert!(has_its_shape(&format!("{prefix}{}", random.expose())));
        }
        for bad in ["", "kf_live_", "kf_live_short", random.expose(), &format!("kf_dead_{}", random.expose())] {
            assert!(!has_its_shape(bad), "{bad}");
        }
        assert!(!has_its_shape(&format!("{LIVE}{}", "é".repeat(LENGTH))));
    }
}
