//! What a push message becomes: a hint that its order is to be read again, never more.
//!
//! The listener acknowledges a message only after the hint is committed, so a lost connection or a crash makes the
//! platform send it again. A hint twice is one hint. The platform gives no promise of order, completeness or even
//! visibility: right after a push the order may be unknown (45001) or unchanged, hence [`after_fruitless_read`].

use std::time::Duration;

use kamiflow_kernel::{DeliveryState, GatewayKind, MallId, OrderSn, ShopId};
use kamiflow_store::order_hints::{HintSource, NewHints};
use kamiflow_store::{StoreError, TenantTx, deliveries, order_hints};

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

/// Writes the hint of a push message down; the message may be acknowledged once this returned `Ok`.
///
/// Returns whom to wake; `None` for a mall that is connected to nobody or is not synced, whose message is
/// acknowledged all the same: the windows find what happens to it later.
///
/// # Errors
/// When the hint could not be stored; the message must not be acknowledged then.
pub async fn push_hint(engine: &Engine, gateway: GatewayKind, notice: &PushNotice) -> Result<Option<Wake>, StoreError> {
    let mut system = engine.store.system_tx().await?;
    let owner = order_hints::find_shop_of_mall(&mut system, gateway, notice.mall).await?;
    system.commit().await?;
    let Some((merchant, shop)) = owner else {
        metrics::counter!("kamiflow_push_messages_total", "outcome" => "unknown_mall").increment(1);
        return Ok(None);
    };
    let now = engine.now();
    let hints = NewHints { dirty_since: now, due_at: now, source: HintSource::Push };
    let mut tx = engine.store.tenant_tx(merchant).await?;
    if notice.kind != NoticeKind::Other && follows_our_own_doing(&mut tx, shop, notice).await? {
        metrics::counter!("kamiflow_push_messages_total", "outcome" => "expected").increment(1);
        return Ok(None);
    }
    order_hints::upsert(&mut tx, shop, std::slice::from_ref(&notice.order_sn), hints).await?;
    tx.commit().await?;
    metrics::counter!("kamiflow_push_messages_total", "outcome" => "hinted").increment(1);
    Ok(Some(Wake::Deliver(shop)))
}

/// Whether a shipping is the echo of our own hand-over, or a receipt what was to follow it: reading the order again would
/// double the calls per order, and the next peek reads it anyway.
async fn follows_our_own_doing(tx: &mut TenantTx, shop: ShopId, notice: &PushNotice) -> Result<bool, StoreError> {
    let delivery = deliveries::find_by_sn(tx, shop, notice.order_sn.as_str()).await?;
    Ok(delivery.is_some_and(|row| {
        // One whose outcome was left to a person is not due: there the echo is the evidence that was missing.
        row.payload_hash.is_some()
            && match row.state() {
                Ok(DeliveryState::HandingOver) => row.due_at.is_some(),
                Ok(DeliveryState::Delivered) => true,
                _ => false,
            }
    }))
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
