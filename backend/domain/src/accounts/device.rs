//! The token by which a browser is known again. It proves nothing: it chooses the line that attempts are counted in.

use kamiflow_kernel::SecretText;
use kamiflow_store::accounts::{devices, lookup};
use kamiflow_store::{Store, StoreError};

use super::secrets::{Fresh, fresh, hash_of};

/// Returns the browser's token, or a new one for a browser that has none or something else.
pub(super) fn of(presented: Option<&SecretText>) -> Fresh {
    match presented {
        // As long as ours are; anything else is not from us.
        Some(token) if token.expose().len() == 43 => Fresh { secret: token.clone(), hash: hash_of(token) },
        _ => fresh(),
    }
}

/// Returns whether an account was used with this browser before.
pub(super) async fn is_known(
    store: &Store,
    login: Option<&lookup::Login>,
    hash: &[u8; 32],
) -> Result<bool, StoreError> {
    // The same question for an account that does not exist: nobody has the nil id.
    let user = login.map_or(kamiflow_kernel::UserId::from_uuid(uuid::Uuid::nil()), |login| login.user);
    let mut tx = store.user_tx(kamiflow_kernel::MerchantId::PLATFORM, user).await?;
    let known = devices::exists(&mut tx, hash).await?;
    tx.commit().await?;
    Ok(known)
}
