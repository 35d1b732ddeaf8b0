//! One shop: how it is connected, how long its tokens live, what is paused and what waits for that.

use chrono::{DateTime, Utc};
use kamiflow_kernel::{ApplicationId, MerchantId, Permission, ShopId, ShopState};
use kamiflow_store::applications::ApplicationRow;
use kamiflow_store::{applications, shop_sync, shops, token_lives};

use crate::connection_tokens::{self, TokenLife};
use crate::ctx::{ActError, Ctx};
use crate::engine::Engine;
use crate::list_shops::ShopSummary;
use crate::show_pauses::{PauseLine, lines_holding};

/// Letters of a client id that are shown at either end.
const SHOWN: usize = 4;

/// The application a shop is connected through. Its secret is never shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplicationView {
    /// Its id.
    pub application: ApplicationId,
    /// Whether it is the operator's, hosted for all merchants.
    pub is_hosted: bool,
    /// Its public id, as the platform's pages are asked for with it.
    pub client_id: String,
    /// The same with the middle hidden, as pages show it.
    pub masked_client_id: String,
    /// Its type on the platform; empty where nobody said.
    pub app_type: String,
    /// Whether the platform lets it call nothing.
    pub is_stopped: bool,
}

impl From<ApplicationRow> for ApplicationView {
    fn from(row: ApplicationRow) -> Self {
        Self {
            application: row.id,
            is_hosted: row.owner == MerchantId::PLATFORM,
            masked_client_id: masked(&row.client_id),
            client_id: row.client_id.clone(),
            is_stopped: row.is_stopped(),
            app_type: row.app_type,
        }
    }
}

/// A shop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShopView {
    /// What lists show.
    pub summary: ShopSummary,
    /// What it is connected through.
    pub application: ApplicationView,
    /// The lives of its tokens; none once it is disconnected.
    pub life: Option<TokenLife>,
    /// When it was read last without a failure.
    pub last_synced_at: Option<DateTime<Utc>>,
    /// Pauses of it and of its merchant, with what of it waits and goes on first.
    pub pauses: Vec<PauseLine>,
}

/// Shows a shop.
///
/// # Errors
/// When the actor may not look at shops; [`kamiflow_store::StoreError::NotFound`] for one the actor does not see.
pub async fn show_shop(engine: &Engine, ctx: &Ctx, shop: ShopId) -> Result<ShopView, ActError> {
    ctx.require(Permission::ShowShops)?;
    ctx.sees(shop)?;
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    let row = shops::fetch(&mut tx, shop).await?;
    let application = applications::fetch(&mut tx, row.application).await?.into();
    let life = token_lives::list(&mut tx, Some(shop), 1).await?.pop();
    let life = life.map(|life| connection_tokens::life(life, ctx.now)).transpose()?;
    let last_synced_at = shop_sync::fetch(&tx, shop).await?.last_ok_at;
    let mut pauses = lines_holding(&mut tx, ctx, shop).await?;
    if row.state == ShopState::Disconnected {
        pauses.iter_mut().for_each(|pause| pause.first.clear());
    }
    tx.commit().await?;
    Ok(ShopView { summary: row.into(), application, life, last_synced_at, pauses })
}

/// Hides the middle of a client id; a short one is hidden whole.
fn masked(client_id: &str) -> String {
    let letters: Vec<char> = client_id.chars().collect();
    match (letters.first_chunk::<SHOWN>(), letters.last_chunk::<SHOWN>()) {
        (Some(head), Some(tail)) if letters.len() > 2 * SHOWN => {
            format!("{} •••• {}", head.iter().collect::<String>(), tail.iter().collect::<String>())
        }
        _ => "••••".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_a_client_id_is_hidden() {
        assert_eq!(masked("0123456789abcdef"), "0123 •••• cdef");
        assert_eq!(masked("12345678"), "••••");
        assert_eq!(masked(""), "••••");
    }
}
