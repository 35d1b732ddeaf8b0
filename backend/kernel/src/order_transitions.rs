//! The ways an order may go: the same table as `order_transitions` in Postgres, compared by a test over all pairs.

use crate::OrderState;
use crate::OrderState as S;

/// Every allowed transition: from, to, cause.
pub const ORDER_TRANSITIONS: &[(OrderState, OrderState, &str)] = &[
    (S::Seen, S::Skipped, "not_virtual"),
    (S::Seen, S::HeldBacklog, "backlog"),
    (S::Seen, S::HeldBacklog, "restored"),
    (S::Seen, S::AwaitingCards, "shortage"),
    (S::Seen, S::Reserved, "claimed"),
    (S::Seen, S::HandingOver, "started"),
    (S::AwaitingCards, S::HandingOver, "started"),
    (S::Seen, S::ShippedElsewhere, "shipped_elsewhere"),
    (S::Seen, S::ClosedRefunded, "refunded"),
    (S::Seen, S::ClosedCancelled, "cancelled"),
    (S::Seen, S::Delivered, "platform_delivered"),
    (S::Skipped, S::Seen, "mapped"),
    (S::HeldBacklog, S::Seen, "released_backlog"),
    (S::HeldBacklog, S::Delivered, "platform_delivered"),
    (S::HeldBacklog, S::ShippedElsewhere, "shipped_elsewhere"),
    (S::HeldBacklog, S::ClosedRefunded, "refunded"),
    (S::HeldBacklog, S::ClosedCancelled, "cancelled"),
    (S::AwaitingCards, S::Seen, "remapped"),
    (S::AwaitingCards, S::HeldBacklog, "restored"),
    (S::AwaitingCards, S::Reserved, "claimed"),
    (S::AwaitingCards, S::Delivered, "platform_delivered"),
    (S::AwaitingCards, S::ShippedElsewhere, "shipped_elsewhere"),
    (S::AwaitingCards, S::ClosedRefunded, "refunded"),
    (S::AwaitingCards, S::ClosedCancelled, "cancelled"),
    (S::Reserved, S::HandingOver, "started"),
    (S::Reserved, S::Seen, "released"),
    (S::Reserved, S::ShippedElsewhere, "shipped_elsewhere"),
    (S::Reserved, S::ClosedRefunded, "refunded"),
    (S::Reserved, S::ClosedCancelled, "cancelled"),
    (S::Reserved, S::Done, "given_up_by_person"),
    (S::HandingOver, S::Reserved, "certain_failure"),
    (S::HandingOver, S::Delivered, "acknowledged"),
    (S::HandingOver, S::Delivered, "evidence"),
    (S::HandingOver, S::Delivered, "confirmed_by_person"),
    (S::HandingOver, S::ClosedRefunded, "refund_raced"),
    (S::HandingOver, S::Done, "given_up_by_person"),
    (S::Delivered, S::AwaitingRedemption, "redemption_planned"),
    (S::Delivered, S::Done, "nothing_to_redeem"),
    (S::Delivered, S::ClosedRefunded, "refunded"),
    (S::AwaitingRedemption, S::Redeemed, "redeemed"),
    (S::AwaitingRedemption, S::Done, "redemption_stopped"),
    (S::AwaitingRedemption, S::ClosedRefunded, "refunded"),
    (S::Done, S::AwaitingRedemption, "redemption_reopened"),
    (S::Redeemed, S::ClosedRefunded, "refunded"),
    (S::Done, S::ClosedRefunded, "refunded"),
    (S::ShippedElsewhere, S::ClosedRefunded, "refunded"),
    (S::Skipped, S::ClosedRefunded, "refunded"),
    (S::Skipped, S::ClosedCancelled, "cancelled"),
];

impl OrderState {
    /// Returns whether an order may go to another state by a cause.
    #[must_use]
    pub fn may_become(self, to: Self, cause: &str) -> bool {
        ORDER_TRANSITIONS.contains(&(self, to, cause))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closed_orders_stay_closed_and_nothing_is_delivered_twice() {
        for (from, to, cause) in ORDER_TRANSITIONS {
            assert!(!matches!(from, S::ClosedRefunded | S::ClosedCancelled), "{from} → {to} by {cause}");
            let delivered_before = matches!(from, S::Delivered | S::AwaitingRedemption | S::Redeemed | S::Done);
            assert!(!(delivered_before && matches!(to, S::HandingOver | S::Reserved | S::Delivered)), "{from} → {to}");
        }
        assert!(S::Seen.may_become(S::HandingOver, "started"));
        assert!(!S::Seen.may_become(S::HandingOver, "acknowledged"));
    }
}
