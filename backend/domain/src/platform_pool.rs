//! Orders that the platform served itself: finds out which of our cards, or which code of its own, the buyer got.
//!
//! Three ways, the surest first: the keyed hash of a decrypted number (the call is budgeted: protocol 9.1), a masked
//! text that fits exactly one card in the platform's stock, and else nothing: the order is delivered all the same,
//! and an exception says that its card is not known.

use std::collections::HashMap;

use kamiflow_kernel::{
    CardUseId, CardUseState, DeliveryId, DeliveryMethod, DeliveryState, LineId, OrderSn, OrderState, PoolId,
    ReasonCode, RedemptionMethod, SecretText,
};
use kamiflow_store::card_claims::{self, HeldMove};
use kamiflow_store::deliveries::{self, DeliveryChange, DeliveryRow};
use kamiflow_store::exceptions::{self, NewException};
use kamiflow_store::order_events::{self, NewEvent};
use kamiflow_store::platform_stock::{self, LinkedLine, PLATFORM_CODE};
use kamiflow_store::{StoreError, TenantTx, cards, orders, outbox, rollups};
use serde_json::json;

use crate::deliver;
use crate::engine::{Engine, EngineError, Wake};
use crate::market_trouble;
use crate::marketplace::PlatformOrder;
use crate::redeem::{self, Delivered};
use crate::shop_access::Shop;

/// Cards of a pool that a mask is compared with.
const MOST_CANDIDATES: i64 = 5_000;

/// An order that the platform shipped, with its delivery.
#[derive(Debug, Clone)]
pub(crate) struct ToLink {
    pub(crate) delivery: DeliveryRow,
    pub(crate) order: PlatformOrder,
}

/// What could be learned about the codes of an order.
enum Codes {
    /// The numbers themselves.
    Clear(Vec<SecretText>),
    /// Masked texts.
    Masked(Vec<String>),
    /// Nothing.
    Hidden,
}

/// Links orders that the platform served.
pub(crate) async fn link_all(
    engine: &Engine,
    shop: &Shop,
    to_link: Vec<ToLink>,
    wakes: &mut Vec<Wake>,
) -> Result<(), EngineError> {
    for link in to_link {
        let codes = read_codes(engine, shop, &link.order).await?;
        match store(engine, shop, &link, codes).await {
            Ok(more) => wakes.extend(more),
            Err(error) if error.is_connection_lost() => return Err(error.into()),
            // One order that cannot be linked must not keep the others waiting.
            Err(error) => {
                tracing::error!(order.sn = %link.order.order_sn, error = ?error, "An order could not be linked");
                deliver::count_failure(engine, shop, &link.order.order_sn).await?;
            }
        }
    }
    Ok(())
}

async fn read_codes(engine: &Engine, shop: &Shop, order: &PlatformOrder) -> Result<Codes, EngineError> {
    let ciphers: Vec<String> =
        order.cards.iter().map(|card| card.number_cipher.clone()).filter(|cipher| !cipher.is_empty()).collect();
    if ciphers.is_empty() {
        return Ok(Codes::Hidden);
    }
    match engine.market.decrypt(&shop.access, &order.order_sn, &ciphers).await {
        Ok(numbers) => return Ok(Codes::Clear(numbers)),
        Err(error) if market_trouble::is_shared(&error) => {
            market_trouble::settle(engine, shop, &error).await?;
        }
        Err(error) => {
            tracing::info!(order.sn = %order.order_sn, error = %error, "Card numbers could not be decrypted; trying masks")
        }
    }
    Ok(match engine.market.mask(&shop.access, &order.order_sn, &ciphers).await {
        Ok(masks) => Codes::Masked(masks),
        Err(_unavailable) => Codes::Hidden,
    })
}

async fn store(engine: &Engine, shop: &Shop, link: &ToLink, codes: Codes) -> Result<Vec<Wake>, StoreError> {
    let now = engine.now();
    let id = shop.access.shop;
    let mut tx = engine.store.tenant_tx(shop.access.merchant).await?;
    let number: Vec<OrderSn> = vec![link.order.order_sn.clone()];
    let order_rows = orders::lock_by_sn(&tx, id, &number).await?;
    let Some(row) = deliveries::lock_waiting(&tx, id, &[link.delivery.order_sn.as_str()]).await?.pop() else {
        return Ok(Vec::new());
    };
    if row.state()? != DeliveryState::Pending {
        return Ok(Vec::new());
    }
    let lines = lines(&mut tx, &row, codes).await?;
    platform_stock::insert_lines(&mut tx, row.id(), &lines).await?;
    card_claims::move_held(&tx, &[row.id()], HANDED_OUT, now).await?;
    let change = DeliveryChange {
        id: row.id(),
        fence: row.fence,
        next_fence: row.fence + 1,
        state: DeliveryState::Delivered,
        due_at: None,
        failures: 0,
        payload_hash: None,
        delivered_at: Some(now),
    };
    deliveries::update_fenced(&tx, &[change]).await?;
    for from in [OrderState::Seen, OrderState::AwaitingCards, OrderState::HeldBacklog] {
        orders::transition(&tx, &[row.order()], &[from], OrderState::Delivered, "platform_delivered").await?;
    }
    exceptions::resolve(&tx, id, &[row.order_sn.as_str()], &[ReasonCode::ShipByNear], "delivered").await?;
    let known = lines.iter().filter(|line| line.card_use.is_some() || line.code.is_some()).count();
    if known < lines.len() {
        let exception = NewException {
            shop: id,
            order: Some((row.order(), row.order_sn.clone())),
            code: ReasonCode::LinkUnresolved,
            needs_review: false,
            detail: json!({ "lines": lines.len(), "known": known }),
        };
        exceptions::open(&mut tx, &[exception]).await?;
    }
    let wakes = plan_redemption(&mut tx, shop, &row, &lines, engine).await?;
    let event = NewEvent {
        order: row.order(),
        kind: "delivered",
        detail: json!({ "by": "platform", "lines": lines.len(), "linked": known }),
    };
    order_events::append(&tx, now, &[event]).await?;
    rollups::add(&mut tx, id, now, &[("delivered", 1), ("delivered_by_platform", 1)]).await?;
    let ids: Vec<String> = order_rows.iter().map(|order| order.key().id.to_string()).collect();
    outbox::push(&mut tx, "order.delivered", json!({ "shop": id.to_string(), "orders": ids })).await?;
    tx.commit().await?;
    Ok(wakes)
}

const HANDED_OUT: HeldMove = HeldMove {
    from: CardUseState::AtPlatform,
    to: CardUseState::Sent,
    cause: "handed_out",
    exposes: true,
    lets_go: false,
};

async fn lines(tx: &mut TenantTx, row: &DeliveryRow, codes: Codes) -> Result<Vec<LinkedLine>, StoreError> {
    let count = usize::try_from(row.lines_expected).unwrap_or(0);
    let ours = row.method()? == DeliveryMethod::PlatformPool;
    let mut uses: Vec<Option<CardUseId>> = Vec::new();
    let mut clear: Vec<SecretText> = Vec::new();
    match codes {
        Codes::Clear(numbers) if ours => uses = uses_by_hash(tx, row, &numbers).await?,
        Codes::Clear(numbers) => clear = numbers,
        Codes::Masked(masks) if ours => uses = uses_by_mask(tx, row, &masks).await?,
        Codes::Masked(_) | Codes::Hidden => {}
    }
    let key = tx.data_key().await?;
    let mut lines = Vec::with_capacity(count);
    for (index, line_no) in (0..count).zip(1..) {
        let id = LineId::generate();
        let code = match clear.get(index) {
            Some(number) => Some((key.id(), key.seal(PLATFORM_CODE, id.as_uuid(), number.expose().as_bytes())?)),
            None => None,
        };
        lines.push(LinkedLine { id, line_no, card_use: uses.get(index).copied().flatten(), code });
    }
    Ok(lines)
}

async fn stocked(tx: &mut TenantTx, row: &DeliveryRow) -> Result<Vec<platform_stock::StockedCard>, StoreError> {
    match row.pool_id {
        Some(pool) => platform_stock::list(tx, PoolId::from_uuid(pool), MOST_CANDIDATES).await,
        None => Ok(Vec::new()),
    }
}

async fn uses_by_hash(
    tx: &mut TenantTx,
    row: &DeliveryRow,
    numbers: &[SecretText],
) -> Result<Vec<Option<CardUseId>>, StoreError> {
    let Some(pool) = row.pool_id.map(PoolId::from_uuid) else { return Ok(Vec::new()) };
    let key = tx.data_key().await?;
    let mut hashes = Vec::with_capacity(numbers.len());
    for number in numbers {
        hashes.push(key.card_hash(number.expose())?);
    }
    let mut by_hash: HashMap<Vec<u8>, Vec<CardUseId>> = HashMap::new();
    for card in platform_stock::list_by_hash(tx, pool, &hashes).await? {
        by_hash.entry(card.number_hash.clone()).or_default().push(card.card_use());
    }
    Ok(hashes.iter().map(|hash| by_hash.get_mut(hash.as_slice()).and_then(Vec::pop)).collect())
}

async fn uses_by_mask(
    tx: &mut TenantTx,
    row: &DeliveryRow,
    masks: &[String],
) -> Result<Vec<Option<CardUseId>>, StoreError> {
    let candidates = stocked(tx, row).await?;
    if i64::try_from(candidates.len()).unwrap_or(i64::MAX) >= MOST_CANDIDATES {
        // That a mask fits one card is only proven by comparing all of them.
        return Ok(Vec::new());
    }
    let mut open = Vec::with_capacity(candidates.len());
    for card in candidates {
        let key = tx.data_key_by_id(card.data_key()).await?;
        let number = key.open(cards::NUMBER, card.card().as_uuid(), &card.number_sealed)?;
        open.push((card.card_use(), number));
    }
    let mut uses = Vec::with_capacity(masks.len());
    for mask in masks {
        let mut fitting = open.iter().filter(|(_, number)| fits(mask, number.expose()));
        let first = fitting.next().map(|(card_use, _)| *card_use);
        let only = if fitting.next().is_some() { None } else { first };
        uses.push(only.filter(|card_use| !uses.contains(&Some(*card_use))));
    }
    Ok(uses)
}

/// Whether a number fits a masked text: as long, and equal wherever the text is not hidden. Nothing but stars fits nothing.
fn fits(mask: &str, number: &[u8]) -> bool {
    let Ok(number) = std::str::from_utf8(number) else { return false };
    let shown = mask.chars().any(|c| c != '*');
    shown
        && mask.chars().count() == number.chars().count()
        && mask.chars().zip(number.chars()).all(|(masked, clear)| masked == '*' || masked == clear)
}

/// Only lines whose code is known can be declared used.
async fn plan_redemption(
    tx: &mut TenantTx,
    shop: &Shop,
    row: &DeliveryRow,
    lines: &[LinkedLine],
    engine: &Engine,
) -> Result<Vec<Wake>, StoreError> {
    let known: Vec<LineId> =
        lines.iter().filter(|line| line.card_use.is_some() || line.code.is_some()).map(|line| line.id).collect();
    let method = row.redemption()?;
    if known.is_empty() || method == RedemptionMethod::None {
        return Ok(Vec::new());
    }
    let delivery: DeliveryId = row.id();
    let delivered = Delivered {
        shop: shop.access.shop,
        delivery,
        order_day: row.order_day,
        order_id: row.order().id,
        order_sn: row.number()?,
        method,
        lines: known,
    };
    let wakes = redeem::plan(tx, &[delivered], engine.now()).await?;
    orders::transition(
        tx,
        &[row.order()],
        &[OrderState::Delivered],
        OrderState::AwaitingRedemption,
        "redemption_planned",
    )
    .await?;
    Ok(wakes)
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn a_mask_fits_only_numbers_it_could_hide() {
        assert!(fits("12****78", b"12345678"));
        assert!(!fits("12****78", b"12345679"));
        assert!(!fits("12****78", b"123456789"));
        assert!(!fits("********", b"12345678"));
    }
}
