//! Shows a member the cards of one order: it is written down before they are shown, and happens only so often a day.
//!
//! The act itself is what is counted. It is written first, which takes the end of the merchant's line of acts until the
//! transaction ends; so the count after it is exact, and two requests at once cannot both be the last one allowed.

use chrono::{DateTime, Utc};
use kamiflow_kernel::{DeliveryState, OrderSn, Permission, SecretBytes, SecretText, ShopId, platform_day_start};
use kamiflow_store::delivery_lines::{self, LiveLine};
use kamiflow_store::order_events::{self, NewEvent};
use kamiflow_store::orders::{self, OrderRow};
use kamiflow_store::{StoreError, TenantTx, api_tokens, audit, cards, deliveries};
use serde_json::json;

use crate::acts;
use crate::ctx::{ActError, Actor, Ctx, Denied};
use crate::engine::Engine;
use crate::notices::{self, Notice};

/// The act, as the audit log names it.
const ACTION: &str = "card.reveal";
/// From which part of the quota on, in hundredths, leaders are told.
const ALERT_PER_CENT: u32 = 80;

/// A card in clear.
#[derive(Debug, Clone)]
pub struct RevealedCard {
    /// The line of the delivery, from 1.
    pub line_no: i32,
    /// Its number.
    pub number: SecretText,
    /// Its secret, if it has one.
    pub secret: Option<SecretText>,
}

/// How many orders' cards a member has looked at today.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reveals {
    /// So many.
    pub used: u32,
    /// So many may be.
    pub most: u32,
}

impl Reveals {
    /// Returns how many are left.
    #[must_use]
    pub const fn left(self) -> u32 {
        self.most.saturating_sub(self.used)
    }

    /// Returns from which use on leaders are told.
    const fn alert_at(self) -> u32 {
        (self.most * ALERT_PER_CENT).div_ceil(100)
    }
}

/// The cards of an order.
#[derive(Debug, Clone)]
pub struct RevealedCards {
    /// By line.
    pub cards: Vec<RevealedCard>,
    /// What is left for today.
    pub reveals: Reveals,
}

/// Why no card is shown. Nothing was counted then.
#[derive(Debug, thiserror::Error)]
pub enum RevealCardsError {
    /// No such order in this shop.
    #[error("the order was not found")]
    NotFound,
    /// No card of ours may have left us for this order.
    #[error("no card of this order has been sent")]
    NothingSent,
    /// The member has looked at enough for today.
    #[error("the cards of {0} orders were looked at today, which is the most")]
    QuotaUsed(u32),
    /// The actor may not do it.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
}

/// Reveals the cards that were sent, or may have been, for one order.
///
/// # Errors
/// See [`RevealCardsError`].
pub async fn reveal_cards(
    engine: &Engine,
    ctx: &Ctx,
    shop: ShopId,
    order_sn: &OrderSn,
) -> Result<RevealedCards, RevealCardsError> {
    ctx.require(Permission::RevealCards)?;
    ctx.sees(shop)?;
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    let order = orders::find_by_sn(&mut tx, shop, order_sn).await?.ok_or(RevealCardsError::NotFound)?;
    let cards = opened(&mut tx, shop, order_sn).await?;
    if cards.is_empty() {
        return Err(RevealCardsError::NothingSent);
    }
    record(&mut tx, ctx, &order, cards.len()).await?;
    let reveals = count(&mut tx, engine, ctx).await?;
    if reveals.used > reveals.most {
        return Err(RevealCardsError::QuotaUsed(reveals.most));
    }
    // Not only at that one: it may be an order of a sandbox shop, which alarms nobody.
    if reveals.used >= reveals.alert_at() {
        let notice = Notice::RevealsNearQuota { member: ctx.actor.name(), shop, most: reveals.most };
        notices::tell(&mut tx, ctx.now, &notice).await?;
    }
    tx.commit().await?;
    Ok(RevealedCards { cards, reveals })
}

/// Returns how much the actor has looked at today.
///
/// # Errors
/// When the actor may look at none, or the store fails.
pub async fn count_reveals(engine: &Engine, ctx: &Ctx) -> Result<Reveals, ActError> {
    ctx.require(Permission::RevealCards)?;
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    let reveals = count(&mut tx, engine, ctx).await?;
    tx.commit().await?;
    Ok(reveals)
}

async fn count(tx: &mut TenantTx, engine: &Engine, ctx: &Ctx) -> Result<Reveals, StoreError> {
    let today: DateTime<Utc> = platform_day_start(ctx.now);
    let actors = counted_together(tx, ctx, today).await?;
    let used = audit::count_since(tx, (&actors, ACTION), today).await?;
    Ok(Reveals { used: u32::try_from(used).unwrap_or(u32::MAX), most: engine.config.reveals_per_day })
}

/// A person and the tokens that the person made have one quota: a token must not be a way around it. Tokens that were not used
/// today revealed nothing.
async fn counted_together(tx: &mut TenantTx, ctx: &Ctx, today: DateTime<Utc>) -> Result<Vec<String>, StoreError> {
    let person = match &ctx.actor {
        Actor::Member(member) => member.user,
        Actor::Token(caller) => caller.maker,
        Actor::Engine(_) | Actor::Operator | Actor::Staff(_) => return Ok(vec![ctx.actor.name()]),
    };
    let mut actors = vec![person.to_string()];
    actors.extend(api_tokens::list_used(tx, person, today).await?.into_iter().map(Actor::name_of_token));
    Ok(actors)
}

async fn record(tx: &mut TenantTx, ctx: &Ctx, order: &OrderRow, cards: usize) -> Result<(), StoreError> {
    let detail = json!({ "actor": ctx.actor.name(), "cards": cards });
    let event = NewEvent { order: order.key(), kind: "cards_revealed", detail: detail.clone() };
    order_events::append(tx, ctx.now, &[event]).await?;
    acts::record(tx, ctx, ACTION, order.key().id, detail).await
}

async fn opened(tx: &mut TenantTx, shop: ShopId, order_sn: &OrderSn) -> Result<Vec<RevealedCard>, StoreError> {
    let Some(delivery) = deliveries::find_by_sn(tx, shop, order_sn.as_str()).await? else { return Ok(Vec::new()) };
    if !matches!(delivery.state()?, DeliveryState::HandingOver | DeliveryState::Delivered) {
        return Ok(Vec::new());
    }
    let mut cards = Vec::new();
    for line in delivery_lines::list_live(tx, &[delivery.id()]).await? {
        cards.extend(open(tx, &line).await?);
    }
    Ok(cards)
}

async fn open(tx: &mut TenantTx, line: &LiveLine) -> Result<Option<RevealedCard>, StoreError> {
    let (Some(key), Some(card), Some(number)) = (line.data_key(), line.card_id, &line.number_sealed) else {
        return Ok(None);
    };
    let key = tx.data_key_by_id(key).await?;
    let number = text(&key.open(cards::NUMBER, card, number)?)?;
    let secret = match &line.secret_sealed {
        Some(sealed) => Some(text(&key.open(cards::SECRET, card, sealed)?)?),
        None => None,
    };
    Ok(Some(RevealedCard { line_no: line.line_no, number, secret }))
}

fn text(bytes: &SecretBytes) -> Result<SecretText, StoreError> {
    let text = std::str::from_utf8(bytes.expose());
    text.map(SecretText::from).map_err(|_not_text| StoreError::Corrupt("a card is no text".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaders_are_told_at_four_fifths_of_the_quota() {
        let of = |most| Reveals { used: 0, most }.alert_at();
        assert_eq!((of(200), of(3), of(1)), (160, 3, 1));
        assert_eq!(Reveals { used: 201, most: 200 }.left(), 0);
    }
}
