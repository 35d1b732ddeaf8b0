//! How long each shop's tokens live, and how many orders wait for a new authorization.

use chrono::{DateTime, TimeDelta, Utc};
use kamiflow_kernel::{Permission, ShopId, ShopState};
use kamiflow_store::token_lives::TokenLifeRow;
use kamiflow_store::{StoreError, token_lives};

use crate::ctx::{ActError, Ctx};
use crate::engine::Engine;
use crate::marketplace::TokenLevels;
use crate::refresh_token;

const MOST: i64 = 1_000;

/// How urgent a new authorization is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// Nothing has to be done.
    None,
    /// A fifth of the life is left, or less.
    Soon,
    /// A twentieth.
    Now,
    /// Nothing is delivered until then.
    Expired,
}

/// The life of one shop's tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenLife {
    /// The shop.
    pub shop: ShopId,
    /// Its name.
    pub name: String,
    /// Where it is.
    pub state: ShopState,
    /// When the access token ends.
    pub expires_at: DateTime<Utc>,
    /// When single permissions end.
    pub levels: TokenLevels,
    /// How urgent it is.
    pub urgency: Urgency,
    /// Orders to ship, which wait when the token is dead.
    pub waiting: i64,
}

/// Lists the shops the actor sees by the time that is left.
///
/// # Errors
/// When the actor may not look at shops, or the store fails.
pub async fn list_token_lives(engine: &Engine, ctx: &Ctx) -> Result<Vec<TokenLife>, ActError> {
    ctx.require(Permission::ShowShops)?;
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    let rows = token_lives::list(&mut tx, None, MOST).await?;
    tx.commit().await?;
    let seen = rows.into_iter().filter(|row| ctx.sees(row.shop).is_ok());
    Ok(seen.map(|row| life(row, ctx.now)).collect::<Result<_, _>>()?)
}

pub(crate) fn life(row: TokenLifeRow, now: DateTime<Utc>) -> Result<TokenLife, StoreError> {
    let state = row.state.parse().map_err(|unknown| StoreError::Corrupt(format!("{unknown}")))?;
    let urgency = urgency(&row, now);
    Ok(TokenLife {
        levels: row.levels(),
        urgency,
        state,
        shop: row.shop,
        name: row.name,
        expires_at: row.expires_at,
        waiting: row.waiting,
    })
}

fn urgency(row: &TokenLifeRow, now: DateTime<Utc>) -> Urgency {
    if row.dead_reason.is_some() || row.expires_at <= now {
        return Urgency::Expired;
    }
    let due = |share: TimeDelta| row.expires_at - share <= now;
    let [(_, soon), (_, urgent), _] = refresh_token::reminders(row.issued_at, row.expires_at);
    match (due(soon), due(urgent)) {
        (_, true) => Urgency::Now,
        (true, false) => Urgency::Soon,
        (false, false) => Urgency::None,
    }
}
