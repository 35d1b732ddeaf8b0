//! What stands around every page of the console: the merchants somebody works for, the shops she sees, and of those in the
//! mode she looks at what is paused as a whole, when they were read, and what waits for a person. Read together, because
//! every page waits for it.

use chrono::{DateTime, Utc};
use kamiflow_kernel::{Permission, ShopId, ShopState, UserId};
use kamiflow_store::shops::FramedShop;
use kamiflow_store::team::members;
use kamiflow_store::{StoreError, TenantTx, pauses, shops, token_lives};

use crate::accounts::Seat;
use crate::accounts::authenticate::Account;
use crate::ctx::{ActError, Ctx};
use crate::engine::Engine;
use crate::list_shops::{MOST, ShopSummary};
use crate::pause::PauseScope;
use crate::show_pauses::{self, Look, PauseLine, Which};

/// The console's frame.
#[derive(Debug, Clone)]
pub struct FrameView {
    /// The user's seats in other merchants.
    pub elsewhere: Vec<Seat>,
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

/// Reads it for somebody who is logged in, whose circumstances these are; `is_test` says by the shops which of them are
/// looked at. What most pages need is read in one round trip, and what few need when it is known that they do.
///
/// # Errors
/// When the actor may not see shops, or the store fails.
pub async fn show_frame(
    engine: &Engine,
    ctx: &Ctx,
    account: &Account,
    is_test: impl Fn(&[ShopSummary]) -> bool,
) -> Result<FrameView, ActError> {
    ctx.require(Permission::ShowShops)?;
    let read = async |tx: &TenantTx| shops::list_framed(tx, ctx.now, MOST).await;
    let framed = engine.store.read_at_once(ctx.merchant, read).await?;
    let may_be_paused = framed.first().is_none_or(|row| row.is_merchant_paused);
    let seen: Vec<FramedShop> = framed.into_iter().filter(|row| ctx.sees(row.shop.id).is_ok()).collect();
    let shops: Vec<ShopSummary> = seen.iter().map(|row| ShopSummary::from(row.shop.clone())).collect();
    let is_test = is_test(&shops);
    let looked_at: Vec<&FramedShop> =
        seen.iter().zip(&shops).filter(|(_, shop)| shop.is_sandbox() == is_test).map(|(row, _)| row).collect();
    let expired: Vec<ShopId> = looked_at.iter().filter(|row| row.is_expired).map(|row| row.shop.id).collect();
    let expired = match expired.is_empty() {
        true => Vec::new(),
        false => count_waiting(engine, ctx, &expired).await?,
    };
    let pauses = match may_be_paused {
        true => list_pauses(engine, ctx, looked_at.iter().map(|row| row.shop.id).collect()).await?,
        false => Vec::new(),
    };
    let elsewhere = match account.works_elsewhere {
        true => list_elsewhere(engine, ctx, account.user).await?,
        false => Vec::new(),
    };
    let live: Vec<&FramedShop> = looked_at.iter().copied().filter(|row| row.shop.state == ShopState::Live).collect();
    Ok(FrameView {
        elsewhere,
        is_test,
        pauses,
        expired,
        need_person: looked_at.iter().map(|row| row.need_person).sum(),
        has_live: !live.is_empty(),
        last_read_at: live.iter().filter_map(|row| row.last_read_at).max(),
        shops,
    })
}

/// Counts the orders that wait for another authorization of shops.
async fn count_waiting(engine: &Engine, ctx: &Ctx, shops: &[ShopId]) -> Result<Vec<(ShopId, i64)>, StoreError> {
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    let waiting = token_lives::count_waiting(&mut tx, shops).await?;
    tx.commit().await?;
    Ok(waiting)
}

/// Lists the pauses of the merchant as a whole, with what of these shops waits for their end.
async fn list_pauses(engine: &Engine, ctx: &Ctx, shops: Vec<ShopId>) -> Result<Vec<PauseLine>, StoreError> {
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    let active = pauses::list_active(&tx, ctx.now).await?;
    let look = Look { ctx, which: Which::Of(PauseScope::Merchant), gateway: None, shops: Some(shops) };
    let lines = show_pauses::lines_among(&mut tx, &look, active).await?;
    tx.commit().await?;
    Ok(lines)
}

/// Lists the user's seats in other merchants.
async fn list_elsewhere(engine: &Engine, ctx: &Ctx, user: UserId) -> Result<Vec<Seat>, StoreError> {
    let tx = engine.store.user_tx(ctx.merchant, user).await?;
    let seats = members::list_seats(&tx).await?;
    tx.commit().await?;
    Ok(seats.into_iter().filter(|seat| seat.merchant != ctx.merchant).map(Seat::from).collect())
}
