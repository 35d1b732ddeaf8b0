//! What stands around every page of the console: the merchants somebody works for, the shops she sees, and of those in the
//! mode she looks at what is paused as a whole, when they were read, and what waits for a person. Read together, because
//! every page waits for it.

use chrono::{DateTime, Utc};
use kamiflow_kernel::{Permission, ShopId, ShopState, UserId};
use kamiflow_store::team::members;
use kamiflow_store::{TenantTx, dashboard, pauses, shop_sync, shops, token_lives};

use crate::accounts::Seat;
use crate::ctx::{ActError, Ctx};
use crate::engine::Engine;
use crate::list_shops::{MOST, ShopSummary};
use crate::pause::PauseScope;
use crate::show_pauses::{self, Look, PauseLine, Which};

/// The console's frame.
#[derive(Debug, Clone)]
pub struct FrameView {
    /// The user's seats in all merchants.
    pub seats: Vec<Seat>,
    /// The shops the actor sees, oldest connection first; disconnected ones and those of the other mode too.
    pub shops: Vec<ShopSummary>,
    /// Whether sandbox shops are looked at. All that follows is about shops of this mode.
    pub is_test: bool,
    /// Pauses of the merchant as a whole.
    pub pauses: Vec<PauseLine>,
    /// The shops whose authorization has ended, with the orders that wait for another one.
    pub expired: Vec<(ShopId, i64)>,
    /// Orders that wait for a person.
    pub need_person: i64,
    /// Whether a shop delivers by itself.
    pub has_live: bool,
    /// When one of the live shops was read last without a failure.
    pub last_read_at: Option<DateTime<Utc>>,
}

/// Reads it for a user, whose circumstances these are; `is_test` says by the shops which of them are looked at.
///
/// # Errors
/// When the actor may not see shops, or the store fails.
pub async fn show_frame(
    engine: &Engine,
    ctx: &Ctx,
    user: UserId,
    is_test: impl Fn(&[ShopSummary]) -> bool,
) -> Result<FrameView, ActError> {
    ctx.require(Permission::ShowShops)?;
    let mut tx = engine.store.user_tx(ctx.merchant, user).await?;
    let seats = members::list_seats(&mut tx).await?;
    let hers: &TenantTx = tx.tenant();
    let (shops, expired, active, need_person, last_read) = futures_util::try_join!(
        shops::list(hers, None, MOST),
        token_lives::count_expired(hers, ctx.now, MOST),
        pauses::list_active(hers, ctx.now),
        dashboard::need_person_by_shop(hers),
        shop_sync::list_last_read(hers, MOST),
    )?;
    let sees = |shop| ctx.sees(shop).is_ok();
    let shops: Vec<ShopSummary> = shops.into_iter().filter(|row| sees(row.id)).map(ShopSummary::from).collect();
    let is_test = is_test(&shops);
    let looked_at: Vec<ShopId> =
        shops.iter().filter(|shop| shop.is_sandbox() == is_test).map(|shop| shop.shop).collect();
    let is_looked_at = |shop: &ShopId| looked_at.contains(shop);
    let has_live = shops.iter().any(|shop| shop.state == ShopState::Live && is_looked_at(&shop.shop));
    let which = Which::Of(PauseScope::Merchant);
    let look = Look { ctx, which, gateway: None, shops: Some(looked_at.clone()) };
    let pauses = show_pauses::lines_among(tx.tenant(), &look, active).await?;
    tx.commit().await?;
    Ok(FrameView {
        seats: seats.into_iter().map(Seat::from).collect(),
        is_test,
        pauses,
        expired: expired.into_iter().filter(|(shop, _)| is_looked_at(shop)).collect(),
        need_person: need_person.iter().filter(|(shop, _)| is_looked_at(shop)).map(|(_, orders)| *orders).sum(),
        has_live,
        last_read_at: last_read.into_iter().filter(|(shop, _)| is_looked_at(shop)).map(|(_, at)| at).max(),
        shops,
    })
}
