//! What is to be done about an order, given what the platform says, its SKU and its shop: pure.

use kamiflow_kernel::{DeliveryMethod, OrderState, ReasonCode, ShopState};
use kamiflow_store::StoreError;
use kamiflow_store::orders::OrderRow;
use kamiflow_store::sku_lookup::SkuFacts;

use crate::compat::{self, Kind};
use crate::gate::{Closed, Evidence};
use crate::shop_access::Shop;

/// Lines of the largest delivery (constraint deliveries_lines_expected); a person looks at a larger order.
const MOST_LINES: i32 = 10_000;

/// Verdict of an order that is to be handed over.
pub const DELIVERABLE: &str = "deliverable";

/// The decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Stay.
    Stay,
    /// Not ours to deliver.
    Skip(&'static str),
    /// Paid before the shop delivers.
    HoldBacklog,
    /// Cannot be decided without a person.
    Ask(ReasonCode),
    /// May not be handed over now; looked at again when the platform says something else.
    Wait(&'static str),
    /// Hand it over.
    Deliver,
    /// The platform has handed it out itself; find out what.
    Link,
    /// Somebody else shipped it.
    ShippedElsewhere,
    /// Refunded.
    Refunded,
    /// Cancelled.
    Cancelled,
    /// A refund is open after the hand-over.
    RefundOpen,
    /// Only the redemption may care.
    Redemption,
}

impl Decision {
    /// Writes the state that follows at once; the states of the hand-over itself are the deliver tick's.
    pub(super) fn write_state(self, row: &mut OrderRow) {
        let (state, cause, verdict) = match self {
            Self::Skip(reason) if row.state == OrderState::Seen.as_str() => {
                (OrderState::Skipped, "not_virtual", reason)
            }
            Self::HoldBacklog if row.state == OrderState::Seen.as_str() => {
                (OrderState::HeldBacklog, "backlog", "paid before the shop's first delivery")
            }
            Self::Deliver if row.state == OrderState::Skipped.as_str() => (OrderState::Seen, "mapped", DELIVERABLE),
            Self::ShippedElsewhere => (OrderState::ShippedElsewhere, "shipped_elsewhere", "shipped by somebody else"),
            Self::Refunded => (OrderState::ClosedRefunded, "refunded", "refunded"),
            Self::Cancelled => (OrderState::ClosedCancelled, "cancelled", "cancelled before delivery"),
            Self::Wait(reason) => {
                reason.clone_into(&mut row.verdict);
                return;
            }
            Self::Ask(code) => {
                code.as_str().clone_into(&mut row.verdict);
                return;
            }
            Self::Deliver => {
                DELIVERABLE.clone_into(&mut row.verdict);
                return;
            }
            _ => return,
        };
        state.as_str().clone_into(&mut row.state);
        cause.clone_into(&mut row.state_cause);
        verdict.clone_into(&mut row.verdict);
    }
}

/// Decides.
///
/// # Errors
/// When a stored text is unknown to this program.
pub fn decide(row: &OrderRow, sku: Option<&SkuFacts>, shop: &Shop) -> Result<Decision, StoreError> {
    let state = row.state()?;
    Ok(match state {
        OrderState::Seen => decide_seen(row, sku, shop),
        OrderState::Skipped => match (closed_by_platform(row), mapped_method(sku)) {
            (Some(closed @ (Decision::Refunded | Decision::Cancelled)), _) => closed,
            (None, Some(_method)) => decide_seen(row, sku, shop),
            _ => Decision::Stay,
        },
        OrderState::HeldBacklog | OrderState::AwaitingCards => match closed_by_platform(row) {
            Some(Decision::ShippedElsewhere) => shipped(sku),
            Some(closed) => closed,
            None => Decision::Stay,
        },
        OrderState::Reserved => closed_by_platform(row).unwrap_or(Decision::Stay),
        // The attempt's outcome decides; nothing may be concluded before it is known.
        OrderState::HandingOver => Decision::Stay,
        OrderState::Delivered | OrderState::AwaitingRedemption | OrderState::Redeemed | OrderState::Done => {
            match row.refund_status {
                4 => Decision::Refunded,
                2 | 3 => Decision::RefundOpen,
                _ => Decision::Redemption,
            }
        }
        OrderState::ShippedElsewhere if row.refund_status == 4 => Decision::Refunded,
        OrderState::ShippedElsewhere | OrderState::ClosedRefunded | OrderState::ClosedCancelled => Decision::Stay,
    })
}

fn decide_seen(row: &OrderRow, sku: Option<&SkuFacts>, shop: &Shop) -> Decision {
    let kind = sku.map_or(Kind::Unknown, |sku| compat::classify(sku.goods_type, sku.delivery_type));
    let method = mapped_method(sku);
    if method.is_none() {
        if let Kind::Physical(_reason) = kind {
            return Decision::Skip("physical goods");
        }
        if sku.is_some_and(|sku| sku.delivery_method.as_deref() == Some("skip")) {
            return Decision::Skip("mapped to no delivery");
        }
    }
    match closed_by_platform(row) {
        Some(Decision::ShippedElsewhere) => return shipped(sku),
        Some(closed) => return closed,
        None => {}
    }
    let Some(method) = method else { return Decision::Ask(ReasonCode::UnmappedSku) };
    let mismatch = sku.is_none_or(|sku| compat::allowed(sku.goods_type, sku.delivery_type, method).is_err());
    if mismatch || row.item_count != 1 || row.goods_count < 1 || lines(row, sku) > MOST_LINES {
        return Decision::Ask(ReasonCode::MethodMismatch);
    }
    if is_backlog(row, shop) {
        return Decision::HoldBacklog;
    }
    if shop.state != ShopState::Live {
        return Decision::Wait("trial run: would be delivered");
    }
    if matches!(method, DeliveryMethod::PlatformPool | DeliveryMethod::PlatformCodes) {
        return Decision::Wait("the platform hands the code out");
    }
    match evidence(row).open_for_delivery() {
        Ok(()) => Decision::Deliver,
        Err(closed) => Decision::Wait(waiting_for(closed)),
    }
}

/// Lines a full hand-over of the order has.
pub(super) fn lines(row: &OrderRow, sku: Option<&SkuFacts>) -> i32 {
    let per_unit = match mapped_method(sku) {
        Some(DeliveryMethod::VoucherSend | DeliveryMethod::PickupPage) => sku.and_then(|sku| sku.cards_per_unit),
        _ => None,
    };
    row.goods_count.saturating_mul(per_unit.unwrap_or(1))
}

/// What the platform alone decides about an order that has not left us.
const fn closed_by_platform(row: &OrderRow) -> Option<Decision> {
    if row.refund_status == 4 {
        return Some(Decision::Refunded);
    }
    if row.confirm_status == 2 {
        return Some(Decision::Cancelled);
    }
    if row.order_status >= 2 {
        return Some(Decision::ShippedElsewhere);
    }
    None
}

fn shipped(sku: Option<&SkuFacts>) -> Decision {
    match mapped_method(sku) {
        Some(DeliveryMethod::PlatformPool | DeliveryMethod::PlatformCodes) => Decision::Link,
        _ => Decision::ShippedElsewhere,
    }
}

fn mapped_method(sku: Option<&SkuFacts>) -> Option<DeliveryMethod> {
    sku?.delivery_method.as_deref()?.parse().ok()
}

fn is_backlog(row: &OrderRow, shop: &Shop) -> bool {
    let Some(from) = shop.deliver_from else { return false };
    let paid = row.paid_at.or(row.confirmed_at).or(row.platform_created_at).unwrap_or(row.updated_at);
    shop.state == ShopState::Live && row.state_cause != "released_backlog" && paid < from
}

/// The stored order as evidence: good for deciding, never for opening the gate.
pub(crate) fn evidence(row: &OrderRow) -> Evidence {
    Evidence {
        read_at: row.read_at,
        confirm_status: row.confirm_status,
        order_status: row.order_status,
        refund_status: row.refund_status,
        risk_control_status: row.risk_control_status,
        after_sales_status: row.after_sales_status,
        trade_type: row.trade_type,
        step_trade_status: row.step_trade_status,
        is_lucky_flag: row.is_lucky_flag,
        group_status: row.group_status,
        updated_at: row.updated_at,
    }
}

const fn waiting_for(closed: Closed) -> &'static str {
    match closed {
        Closed::NotConfirmed => "the deal is not made yet",
        Closed::Cancelled => "cancelled",
        Closed::AlreadyShipped => "already shipped",
        Closed::NotShipped => "not shipped",
        Closed::Refund => "a refund is open",
        Closed::RiskReview => "the platform reviews the order",
        Closed::AfterSale => "an after-sale is open",
        Closed::DepositUnpaid => "the deposit order is not fully paid",
        Closed::LotteryOpen => "the lottery or group is not decided",
    }
}
