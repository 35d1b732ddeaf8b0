//! The tokens of a merchant, as a page shows them.

use std::collections::HashMap;

use kamiflow_kernel::{ApiTokenId, Permission};
pub use kamiflow_store::api_tokens::ApiTokenRow;
use kamiflow_store::team::members;
use kamiflow_store::{TenantTx, api_tokens};

use crate::ctx::{ActError, Ctx};
use crate::engine::Engine;

/// A token, and who made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiTokenView {
    /// The token.
    pub row: ApiTokenRow,
    /// What its maker is called.
    pub maker: String,
}

/// Lists the tokens: those that are not revoked first, the newest first.
///
/// # Errors
/// When the actor may not see tokens, or the store fails.
pub async fn list_tokens(engine: &Engine, ctx: &Ctx) -> Result<Vec<ApiTokenView>, ActError> {
    ctx.require(Permission::ManageIntegrations)?;
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    let rows = api_tokens::list(&mut tx).await?;
    let names: HashMap<_, _> = members::list(&mut tx).await?.into_iter().map(|row| (row.user, row.name)).collect();
    tx.commit().await?;
    let view = |row: ApiTokenRow| {
        let maker = names.get(&row.made_by).cloned().unwrap_or_default();
        ApiTokenView { row, maker }
    };
    Ok(rows.into_iter().map(view).collect())
}

/// Returns what tokens are called, for the audit log.
///
/// # Errors
/// When the actor may not look at the log, or the store fails.
pub async fn list_token_names(engine: &Engine, ctx: &Ctx) -> Result<Vec<(ApiTokenId, String)>, ActError> {
    ctx.require(Permission::ShowAudit)?;
    let mut tx: TenantTx = engine.store.tenant_tx(ctx.merchant).await?;
    let rows = api_tokens::list(&mut tx).await?;
    tx.commit().await?;
    Ok(rows.into_iter().map(|row| (row.id, row.name)).collect())
}
