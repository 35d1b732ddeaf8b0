//! The gate before every hand-over and every redemption: what the platform said about the order, read moments ago.
//!
//! No attempt starts unless evidence read at most two seconds before shows an order that may be served. The
//! evidence is stored on the attempt, and a constraint compares its time with the start.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::marketplace::PlatformOrder;

/// After-sale states in which nothing is open: none, refused and closed, withdrawn, timed out (protocol 3.1).
const AFTER_SALES_CLOSED: [i16; 4] = [0, 9, 11, 12];

/// What was read about an order, and when the read began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// When the read began, by our clock.
    pub read_at: DateTime<Utc>,
    /// 1: the deal is made.
    pub confirm_status: i16,
    /// 1 to ship, 2 shipped, 3 received.
    pub order_status: i16,
    /// 1: none or closed.
    pub refund_status: i16,
    /// 0: normal.
    pub risk_control_status: i16,
    /// See protocol 3.1.
    pub after_sales_status: i16,
    /// 0 normal, 1 deposit.
    pub trade_type: i16,
    /// Deposit orders: 2 when all is paid.
    pub step_trade_status: Option<i16>,
    /// 1 not a lottery order, 2 a lottery order.
    pub is_lucky_flag: i16,
    /// 1: the group is formed.
    pub group_status: i16,
    /// The platform's last change.
    pub updated_at: DateTime<Utc>,
}

/// Why the gate is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Closed {
    /// The deal is not made.
    #[error("the deal is not made yet")]
    NotConfirmed,
    /// The order is cancelled.
    #[error("the order is cancelled")]
    Cancelled,
    /// The order is shipped already.
    #[error("the order is already shipped")]
    AlreadyShipped,
    /// The order was not shipped yet, so there is nothing to redeem.
    #[error("the order is not shipped yet")]
    NotShipped,
    /// A refund is asked for or made.
    #[error("a refund is open or made")]
    Refund,
    /// The platform reviews the order.
    #[error("the platform reviews the order")]
    RiskReview,
    /// An after-sale is open.
    #[error("an after-sale is open")]
    AfterSale,
    /// The rest of a deposit order is not paid.
    #[error("the deposit order is not fully paid")]
    DepositUnpaid,
    /// The lottery or the group is not decided.
    #[error("the lottery or group is not decided")]
    LotteryOpen,
}

impl Evidence {
    /// Takes the evidence out of an order whose read began at `read_at`.
    #[must_use]
    pub const fn of(order: &PlatformOrder, read_at: DateTime<Utc>) -> Self {
        Self {
            read_at,
            confirm_status: order.confirm_status,
            order_status: order.order_status,
            refund_status: order.refund_status,
            risk_control_status: order.risk_control_status,
            after_sales_status: order.after_sales_status,
            trade_type: order.trade_type,
            step_trade_status: order.step_trade_status,
            is_lucky_flag: order.is_lucky_flag,
            group_status: order.group_status,
            updated_at: order.updated_at,
        }
    }

    /// Returns whether something may be handed over.
    ///
    /// # Errors
    /// The reason why not.
    pub const fn open_for_delivery(&self) -> Result<(), Closed> {
        if let Err(closed) = self.untroubled() {
            return Err(closed);
        }
        match self.order_status {
            1 => {}
            _ => return Err(Closed::AlreadyShipped),
        }
        match (self.trade_type, self.step_trade_status) {
            (0, _) | (_, Some(2)) => {}
            _ => return Err(Closed::DepositUnpaid),
        }
        // A lottery is decided when its group is formed and the deal is made; the losers are refunded.
        if self.group_status != 1 { Err(Closed::LotteryOpen) } else { Ok(()) }
    }

    /// Returns whether a use may be declared.
    ///
    /// # Errors
    /// The reason why not.
    pub const fn open_for_redemption(&self) -> Result<(), Closed> {
        if let Err(closed) = self.untroubled() {
            return Err(closed);
        }
        match self.order_status {
            2 | 3 => Ok(()),
            _ => Err(Closed::NotShipped),
        }
    }

    const fn untroubled(&self) -> Result<(), Closed> {
        match self.confirm_status {
            1 => {}
            2 => return Err(Closed::Cancelled),
            _ => return Err(Closed::NotConfirmed),
        }
        if self.refund_status != 1 {
            return Err(Closed::Refund);
        }
        if self.risk_control_status != 0 {
            return Err(Closed::RiskReview);
        }
        if !after_sale_is_closed(self.after_sales_status) {
            return Err(Closed::AfterSale);
        }
        Ok(())
    }
}

/// Returns whether nothing is open in this after-sale state.
#[must_use]
pub const fn after_sale_is_closed(status: i16) -> bool {
    let [a, b, c, d] = AFTER_SALES_CLOSED;
    status == a || status == b || status == c || status == d
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clean() -> Evidence {
        Evidence {
            read_at: DateTime::UNIX_EPOCH,
            confirm_status: 1,
            order_status: 1,
            refund_status: 1,
            risk_control_status: 0,
            after_sales_status: 0,
            trade_type: 0,
            step_trade_status: None,
            is_lucky_flag: 1,
            group_status: 1,
            updated_at: DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn only_a_clean_paid_order_passes() {
        assert_eq!(clean().open_for_delivery(), Ok(()));
        let closed = |change: fn(&mut Evidence)| {
            let mut evidence = clean();
            change(&mut evidence);
            evidence.open_for_delivery().unwrap_err()
        };
        assert_eq!(closed(|e| e.confirm_status = 0), Closed::NotConfirmed);
        assert_eq!(closed(|e| e.confirm_status = 2), Closed::Cancelled);
        assert_eq!(closed(|e| e.order_status = 2), Closed::AlreadyShipped);
        assert_eq!(closed(|e| e.order_status = 0), Closed::AlreadyShipped);
        assert_eq!(closed(|e| e.refund_status = 2), Closed::Refund);
        assert_eq!(closed(|e| e.risk_control_status = 1), Closed::RiskReview);
        assert_eq!(closed(|e| e.group_status = 0), Closed::LotteryOpen);
        assert_eq!(closed(|e| e.trade_type = 1), Closed::DepositUnpaid);
        assert_eq!(
            closed(|e| {
                e.trade_type = 1;
                e.step_trade_status = Some(1);
            }),
            Closed::DepositUnpaid
        );
    }

    #[test]
    fn every_after_sale_state_but_four_closes_the_gate() {
        for status in 0..40 {
            let evidence = Evidence { after_sales_status: status, ..clean() };
            let open = [0, 9, 11, 12].contains(&status);
            assert_eq!(evidence.open_for_delivery().is_ok(), open, "after_sales_status {status}");
        }
    }

    #[test]
    fn redemption_needs_a_shipped_order() {
        assert_eq!(clean().open_for_redemption(), Err(Closed::NotShipped));
        for order_status in [2, 3] {
            assert_eq!(Evidence { order_status, ..clean() }.open_for_redemption(), Ok(()));
        }
        assert_eq!(
            Evidence { order_status: 3, after_sales_status: 2, ..clean() }.open_for_redemption(),
            Err(Closed::AfterSale)
        );
    }
}
