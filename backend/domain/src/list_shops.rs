//! The shops of a merchant, as lists show them.

use chrono::{DateTime, Utc};
use kamiflow_kernel::{GatewayKind, MallId, Permission, ShopId, ShopState};
use kamiflow_store::shops::{self, ShopRow};

use crate::ctx::{ActError, Ctx};
use crate::engine::Engine;

/// Shops of one merchant; nobody has as many.
pub(crate) const MOST: i64 = 1_000;

/// A shop in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShopSummary {
    /// Its id.
    pub shop: ShopId,
    /// Its name on the platform.
    pub name: String,
    /// Which platform it lives on.
    pub gateway: GatewayKind,
    /// Its number there.
    pub mall: MallId,
    /// Where it is.
    pub state: ShopState,
    /// Why it is stopped, if it is.
    pub stop_reason: Option<String>,
    /// Orders paid from then on are delivered; `None` in trial run.
    pub deliver_from: Option<DateTime<Utc>>,
    /// Since when.
    pub connected_at: DateTime<Utc>,
}

impl ShopSummary {
    /// Returns whether the shop lives on a sandbox: test mode everywhere.
    #[must_use]
    pub fn is_sandbox(&self) -> bool {
        self.gateway == GatewayKind::Sandbox
    }
}

impl From<ShopRow> for ShopSummary {
    fn from(row: ShopRow) -> Self {
        Self {
            shop: row.id,
            name: row.name,
            gateway: row.gateway,
            mall: MallId(row.mall_id),
            state: row.state,
            stop_reason: row.stop_reason,
            deliver_from: row.deliver_from,
            connected_at: row.connected_at,
        }
    }
}

/// Lists the shops the actor sees, oldest connection first; disconnected ones too.
///
/// # Errors
/// When the actor may not see shops, or the store fails.
pub async fn list_shops(engine: &Engine, ctx: &Ctx) -> Result<Vec<ShopSummary>, ActError> {
    ctx.require(Permission::ShowShops)?;
    let tx = engine.store.tenant_tx(ctx.merchant).await?;
    let rows = shops::list(&tx, None, MOST).await?;
    tx.commit().await?;
    Ok(rows.into_iter().filter(|row| ctx.sees(row.id).is_ok()).map(ShopSummary::from).collect())
}
