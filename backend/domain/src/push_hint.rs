//! What a push message becomes: a hint that its order is to be read again, never more.
//!
//! The listener acknowledges a message only after the hint is committed, so a lost connection or a crash makes the
//! platform send it again. A hint twice is one hint. The platform gives no promise of order, completeness or even
//! visibility: right after a push the order may be unknown (45001) or unchanged, hence [`after_fruitless_read`].

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use kamiflow_kernel::{DeliveryState, GatewayKind, MallId, MerchantId, OrderSn, ShopId};
use kamiflow_store::deliveries::DeliveryRow;
use kamiflow_store::order_hints::{HintSource, NewHints};
use kamiflow_store::{StoreError, TenantTx, deliveries, order_hints, system};

use crate::engine::{Engine, Wake};

/// What a push message says, as far as it is believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushNotice {
    /// The mall it is about.
    pub mall: MallId,
    /// The order it is about.
    pub order_sn: OrderSn,
    /// What it says happened.
    pub kind: NoticeKind,
}

/// What a push message says happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoticeKind {
    /// The order was shipped.
    Shipped,
    /// The buyer confirmed receipt.
    Received,
    /// Anything else.
    Other,
}

/// Writes the hint of one push message down; the message may be acknowledged once this returned `Ok`.
///
/// Returns whom to wake; `None` for a mall that is connected to nobody or is not synced, and for a message that tells
/// nothing new. Such messages are acknowledged all the same: the windows find what happens to their orders later.
///
/// # Errors
/// When the hint could not be stored; the message must not be acknowledged then.
pub async fn push_hint(engine: &Engine, gateway: GatewayKind, notice: &PushNotice) -> Result<Option<Wake>, StoreError> {
    let owners = find_owners(engine, gateway, &[notice.mall]).await?;
    let Some(owner) = owners.get(&notice.mall) else { return Ok(None) };
    let wakes = push_hints(engine, owner.merchant, &[(owner.shop, notice.clone())]).await?;
    Ok(wakes.into_iter().next())
}

/// Whose a mall is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MallOwner {
    /// The merchant.
    pub merchant: MerchantId,
    /// The shop that the mall is.
    pub shop: ShopId,
}

/// Finds whose malls are; one that is connected to nobody or is not synced is left out.
///
/// # Errors
/// When the store fails.
pub async fn find_owners(
    engine: &Engine,
    gateway: GatewayKind,
    malls: &[MallId],
) -> Result<HashMap<MallId, MallOwner>, StoreError> {
    // Messages name malls, not merchants.
    let mut tx = engine.store.system_tx().await?;
    let owned = system::list_shops_of_malls(&mut tx, gateway, malls).await?;
    tx.commit().await?;
    Ok(owned
        .into_iter()
        .map(|owned| (owned.mall(), MallOwner { merchant: owned.merchant(), shop: owned.shop() }))
        .collect())
}

/// Writes the hints of several messages to one merchant down, in one transaction: what a burst costs is its commits.
///
/// Returns whom to wake. All of the messages may be acknowledged once this returned `Ok`, none of them otherwise.
///
/// # Errors
/// When the hints could not be stored.
pub async fn push_hints(
    engine: &Engine,
    merchant: MerchantId,
    notices: &[(ShopId, PushNotice)],
) -> Result<Vec<Wake>, StoreError> {
    let now = engine.now();
    let tx = engine.store.tenant_tx(merchant).await?;
    let expected = echoes(&tx, notices).await?;
    let is_news = |shop: ShopId, notice: &PushNotice| {
        notice.kind == NoticeKind::Other || !expected.contains(&(shop, notice.order_sn.to_string()))
    };
    // In the order of ids: two writers then lock hints in the same order.
    let mut news: BTreeMap<ShopId, Vec<OrderSn>> = BTreeMap::new();
    for (shop, notice) in notices.iter().filter(|(shop, notice)| is_news(*shop, notice)) {
        news.entry(*shop).or_default().push(notice.order_sn.clone());
    }
    let hints = NewHints { dirty_since: now, due_at: now, source: HintSource::Push };
    for (shop, orders) in &news {
        order_hints::upsert(&tx, *shop, orders, hints).await?;
    }
    tx.commit().await?;
    let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    let hinted: usize = news.values().map(Vec::len).sum();
    metrics::counter!("kamiflow_push_messages_total", "outcome" => "hinted").increment(count(hinted));
    metrics::counter!("kamiflow_push_messages_total", "outcome" => "expected").increment(count(notices.len() - hinted));
    Ok(news.into_keys().map(Wake::Deliver).collect())
}

/// Returns the orders whose shipping is the echo of our own hand-over, or whose receipt is what was to follow it: reading
/// them again would double the calls per order, and the next peek reads them anyway.
async fn echoes(tx: &TenantTx, notices: &[(ShopId, PushNotice)]) -> Result<HashSet<(ShopId, String)>, StoreError> {
    let asked: Vec<(ShopId, &str)> = notices
        .iter()
        .filter(|(_, notice)| notice.kind != NoticeKind::Other)
        .map(|(shop, notice)| (*shop, notice.order_sn.as_str()))
        .collect();
    let rows = deliveries::list_of_shops(tx, &asked).await?;
    let follows_our_own_doing = |row: &DeliveryRow| {
        // One whose outcome was left to a person is not due: there the echo is the evidence that was missing.
        row.payload_hash.is_some()
            && match row.state() {
                Ok(DeliveryState::HandingOver) => row.due_at.is_some(),
                Ok(DeliveryState::Delivered) => true,
                _ => false,
            }
    };
    let echoes = rows.into_iter().filter(|(_, row)| follows_our_own_doing(row));
    Ok(echoes.map(|(shop, row)| (shop, row.order_sn)).collect())
}

/// Returns how long to wait before a hinted order is read again after `tries` reads that found it unknown or
/// unchanged, this one included; `None`: it is left to the window.
#[must_use]
pub const fn after_fruitless_read(tries: u16) -> Option<Duration> {
    match tries {
        0 | 1 => Some(Duration::from_secs(2)),
        2 => Some(Duration::from_secs(10)),
        3 => Some(Duration::from_secs(60)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hinted_order_is_read_again_three_times_and_then_left_to_the_window() {
        let delays: Vec<_> = (1..=4).map(|tries| after_fruitless_read(tries).map(|delay| delay.as_secs())).collect();
        assert_eq!(delays, [Some(2), Some(10), Some(60), None]);
    }
}
