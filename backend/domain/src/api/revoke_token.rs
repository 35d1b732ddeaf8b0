//! Revokes a token of the API, from the next request on. It asks for no fresh proof: who finds a leak must be quick.

use kamiflow_kernel::{ApiTokenId, Permission};
use kamiflow_store::{StoreError, api_tokens};
use serde_json::json;

use crate::acts;
use crate::ctx::{ActError, Ctx};
use crate::engine::Engine;

/// Revokes a token for good.
///
/// # Errors
/// When the actor may not; [`StoreError::NotFound`] when there is no such token or it was revoked before.
pub async fn revoke_token(engine: &Engine, ctx: &Ctx, id: ApiTokenId) -> Result<(), ActError> {
    ctx.require(Permission::ManageIntegrations)?;
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    if !api_tokens::update_revoked(&mut tx, id, ctx.now).await? {
        return Err(StoreError::NotFound("token").into());
    }
    acts::record(&mut tx, ctx, "api_token.revoke", id, json!({})).await?;
    tx.commit().await?;
    Ok(())
}
