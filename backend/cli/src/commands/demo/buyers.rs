//! The demo's buyers: a fixed mix of orders at a steady pace, some of whom want their money back.

use std::time::Duration;

use anyhow::Result;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::catalog::{self, Good};
use super::tracker::{Tracker, Wish};
use crate::sandbox_control::{BuyerOrder, Control};

/// How often buyers come; several at once at a high pace.
const EVERY: Duration = Duration::from_millis(100);
/// After so many orders the mix begins anew.
const CYCLE: u64 = 20;
/// The two orders whose buyers want their money back are in the first cycle, and then in every so manieth.
const REFUND_CYCLES: u64 = 5;
/// Buyers confirm receipt after so long.
const RECEIVES_AFTER_S: f64 = 3.0;

/// How many orders, and how fast.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// Stops after so many; none: never.
    pub(super) orders: Option<u64>,
    /// Orders per second.
    pub(super) per_second: f64,
}

/// Returns what the `index`th buyer buys, from 0, and whether the money is wanted back.
fn choice(index: u64) -> (Good, u32, Wish) {
    let refunds = (index / CYCLE).is_multiple_of(REFUND_CYCLES);
    match index % CYCLE {
        1 | 14 => (Good::Voucher, 3, Wish::Goods),
        2 | 12 => (Good::Pool, 1, Wish::Goods),
        3 => (Good::Pickup, 1, Wish::Goods),
        4 | 16 => (Good::Charge, 1, Wish::Goods),
        5 => (Good::Physical, 1, Wish::Goods),
        6 if refunds => (Good::Voucher, 1, Wish::MoneyBeforeDelivery),
        7 => (Good::Unmapped, 1, Wish::Goods),
        8 if refunds => (Good::Voucher, 1, Wish::MoneyAfterDelivery),
        9 => (Good::PlatformCodes, 1, Wish::Goods),
        10 => (Good::Voucher, 2, Wish::Goods),
        17 => (Good::Pickup, 2, Wish::Goods),
        _ => (Good::Voucher, 1, Wish::Goods),
    }
}

/// Lets buyers order until all have, or the token is cancelled.
pub(super) async fn shop(control: &Control, tracker: &Tracker, pace: Pace, stop: &CancellationToken) -> Result<()> {
    let began = Instant::now();
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut placed = 0;
    while pace.orders.is_none_or(|wanted| placed < wanted) {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            _ = ticks.tick() => {}
        }
        let due = due(pace, began.elapsed());
        while placed < due {
            place(control, tracker, placed).await?;
            placed += 1;
        }
    }
    Ok(())
}

/// Returns how many orders should have been made after a time; the first comes at once.
fn due(pace: Pace, elapsed: Duration) -> u64 {
    let ticks = elapsed.as_secs_f64() * pace.per_second;
    // Whole orders only; the fraction waits for the next tick.
    let whole = Duration::try_from_secs_f64(ticks).map_or(u64::MAX, |orders| orders.as_secs());
    pace.orders.map_or(whole + 1, |wanted| wanted.min(whole + 1))
}

async fn place(control: &Control, tracker: &Tracker, index: u64) -> Result<()> {
    let (good, quantity, wish) = choice(index);
    // Both shops sell everything: each cycle the other one begins.
    let shops = u64::try_from(catalog::SHOPS).unwrap_or(1);
    let shop = i64::try_from((index + index / CYCLE) % shops).unwrap_or_default() + 1;
    let order = BuyerOrder {
        mall_id: catalog::mall_id(shop),
        sku_id: good.sku_id(shop),
        quantity,
        phone: format!("139{:08}", index % 100_000_000),
        // A refund before the delivery must come before the delivery even on a fast machine: the platform is still
        // looking at this order when its buyer wants the money back.
        state: if wish == Wish::MoneyBeforeDelivery { "risk_review" } else { "paid" },
        receives_after_s: Some(RECEIVES_AFTER_S),
    };
    for order_sn in control.buy(&[order]).await? {
        if wish == Wish::MoneyBeforeDelivery {
            refund(control, &order_sn).await?;
        }
        tracker.placed(shop, &order_sn, wish)?;
    }
    Ok(())
}

/// Asks for the money back and agrees to it, as buyer and merchant do on the platform's own pages.
pub(super) async fn refund(control: &Control, order_sn: &str) -> Result<()> {
    let refund = control.ask_refund(order_sn).await?;
    control.agree_refund(refund).await
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_first_ten_orders_show_every_product_and_both_refunds() {
        let first: Vec<_> = (0..10).map(choice).collect();
        let goods: BTreeSet<Good> = first.iter().map(|(good, ..)| *good).collect();
        assert_eq!(goods, BTreeSet::from(Good::ALL));
        assert!(first.iter().any(|(_, quantity, _)| *quantity > 1));
        for wish in [Wish::MoneyBeforeDelivery, Wish::MoneyAfterDelivery] {
            assert_eq!(first.iter().filter(|(.., wanted)| *wanted == wish).count(), 1);
        }
    }

    #[test]
    fn the_pace_is_kept_and_never_exceeds_the_order() {
        let pace = Pace { orders: Some(5), per_second: 2.0 };
        let after = |millis| due(pace, Duration::from_millis(millis));
        assert_eq!([after(0), after(499), after(500), after(1_000), after(60_000)], [1, 1, 2, 3, 5]);
        assert_eq!(due(Pace { orders: None, ..pace }, Duration::from_secs(10)), 21);
    }
}
