//! What stands around every page of the console: the merchants somebody works for, the shops she sees, what is paused as a
//! whole, and how many orders wait for an authorization that has ended. Read together, because every page waits for it.

use kamiflow_kernel::{Permission, ShopId, UserId};
use kamiflow_store::team::members;
use kamiflow_store::{TenantTx, pauses, shops, token_lives};

use crate::accounts::Seat;
use crate::ctx::{ActError, Ctx};
use crate::engine::Engine;
use crate::list_shops::{MOST, ShopSummary};
use crate::pause::PauseScope;
use crate::show_pauses::{self, PauseLine, Which};

/// The console's frame.
#[derive(Debug, Clone)]
pub struct FrameView {
    /// The user's seats in all merchants.
    pub seats: Vec<Seat>,
    /// The shops the actor sees, oldest connection first; disconnected ones too.
    pub shops: Vec<ShopSummary>,
    /// Pauses of the merchant as a whole.
    pub pauses: Vec<PauseLine>,
    /// The shops among them whose authorization has ended, with the orders that wait for another one.
    pub expired: Vec<(ShopId, i64)>,
}

/// Reads it for a user, whose circumstances these are.
///
/// # Errors
/// When the actor may not see shops, or the store fails.
pub async fn show_frame(engine: &Engine, ctx: &Ctx, user: UserId) -> Result<FrameView, ActError> {
    ctx.require(Permission::ShowShops)?;
    let mut tx = engine.store.user_tx(ctx.merchant, user).await?;
    let seats = members::list_seats(&mut tx).await?;
    let hers: &TenantTx = tx.tenant();
    let (shops, expired, active) = futures_util::try_join!(
        shops::list(hers, None, MOST),
        token_lives::count_expired(hers, ctx.now, MOST),
        pauses::list_active(hers, ctx.now),
    )?;
    let which = Which::Of(PauseScope::Merchant);
    let pauses = show_pauses::lines_among(tx.tenant(), ctx, which, active).await?;
    tx.commit().await?;
    let sees = |shop| ctx.sees(shop).is_ok();
    Ok(FrameView {
        seats: seats.into_iter().map(Seat::from).collect(),
        shops: shops.into_iter().filter(|row| sees(row.id)).map(ShopSummary::from).collect(),
        pauses,
        expired: expired.into_iter().filter(|(shop, _)| sees(*shop)).collect(),
    })
}
