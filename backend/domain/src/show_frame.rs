//! What stands around every page of the console: the merchants somebody works for, the shops she sees, and of those in the
//! mode she looks at what is paused as a whole, when they were read, and what waits for a person. Read together, because
//! every page waits for it.

use chrono::{DateTime, Utc};
use futures_util::try_join;
use kamiflow_kernel::{Permission, ShopId, ShopState, UserId};
use kamiflow_store::shops::FramedShop;
use kamiflow_store::team::members;
use kamiflow_store::{UserTx, pauses, shops, token_lives};

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
    let read = async |tx: &UserTx| {
        let hers = tx.shared_tenant();
        try_join!(members::list_seats(tx), shops::list_framed(hers, ctx.now, MOST), pauses::list_active(hers, ctx.now))
    };
    let (mut tx, (seats, framed, active)) = engine.store.user_tx_reading(ctx.merchant, user, read).await?;
    let seen: Vec<FramedShop> = framed.into_iter().filter(|row| ctx.sees(row.shop.id).is_ok()).collect();
    let shops: Vec<ShopSummary> = seen.iter().map(|row| ShopSummary::from(row.shop.clone())).collect();
    let is_test = is_test(&shops);
    let looked_at: Vec<&FramedShop> =
        seen.iter().zip(&shops).filter(|(_, shop)| shop.is_sandbox() == is_test).map(|(row, _)| row).collect();
    let ids_of = |rows: &[&FramedShop]| rows.iter().map(|row| row.shop.id).collect::<Vec<ShopId>>();
    let expired: Vec<&FramedShop> = looked_at.iter().copied().filter(|row| row.is_expired).collect();
    let expired = match expired.is_empty() {
        true => Vec::new(),
        false => token_lives::count_waiting(tx.tenant(), &ids_of(&expired)).await?,
    };
    let live: Vec<&FramedShop> = looked_at.iter().copied().filter(|row| row.shop.state == ShopState::Live).collect();
    let which = Which::Of(PauseScope::Merchant);
    let look = Look { ctx, which, gateway: None, shops: Some(ids_of(&looked_at)) };
    let pauses = show_pauses::lines_among(tx.tenant(), &look, active).await?;
    tx.commit().await?;
    Ok(FrameView {
        seats: seats.into_iter().map(Seat::from).collect(),
        is_test,
        pauses,
        expired,
        need_person: looked_at.iter().map(|row| row.need_person).sum(),
        has_live: !live.is_empty(),
        last_read_at: live.iter().filter_map(|row| row.last_read_at).max(),
        shops,
    })
}
