//! The stored words of an order as people read them.

use kamiflow_domain::show_order::{ExceptionView, OrderView};
use kamiflow_kernel::OrderState;

use crate::components::OrderBadge;
use crate::t;

/// Who gave a delivery up is told by the cause alone: the state is the same as after a delivery.
const GIVEN_UP: &str = "given_up_by_person";

/// Returns whether something about the order waits for a person.
pub(crate) fn needs_person(order: &OrderView) -> bool {
    order.exceptions.iter().any(|open| open.needs_review || open.blocking)
}

/// Returns the open exception that says most about why the order stands still.
pub(crate) fn worst(order: &OrderView) -> Option<&ExceptionView> {
    let holds = |open: &&ExceptionView| open.needs_review || open.blocking;
    order.exceptions.iter().find(holds).or_else(|| order.exceptions.first())
}

/// Returns the badge of an order.
pub(crate) fn badge(state: &str, cause: &str, needs_person: bool) -> OrderBadge {
    let Ok(state) = state.parse::<OrderState>() else { return OrderBadge::Exception };
    if needs_person {
        return OrderBadge::Review;
    }
    match state {
        OrderState::Seen => OrderBadge::Waiting,
        OrderState::HeldBacklog => OrderBadge::Review,
        OrderState::AwaitingCards => OrderBadge::Exception,
        OrderState::Reserved | OrderState::HandingOver => OrderBadge::Sending,
        OrderState::Done if cause == GIVEN_UP => OrderBadge::Closed,
        OrderState::Delivered | OrderState::AwaitingRedemption | OrderState::Done => OrderBadge::Delivered,
        OrderState::Redeemed => OrderBadge::Redeemed,
        OrderState::Skipped
        | OrderState::ShippedElsewhere
        | OrderState::ClosedRefunded
        | OrderState::ClosedCancelled => OrderBadge::Closed,
    }
}

/// Returns the words of a state.
pub(crate) fn state(state: &str, cause: &str) -> &'static str {
    let Ok(state) = state.parse::<OrderState>() else { return "" };
    match state {
        OrderState::Seen => t::order::seen(),
        OrderState::Skipped => t::order::skipped(),
        OrderState::HeldBacklog => t::order::held_backlog(),
        OrderState::AwaitingCards => t::order::awaiting_cards(),
        OrderState::Reserved => t::order::reserved(),
        OrderState::HandingOver => t::order::handing_over(),
        OrderState::Delivered => t::order::delivered(),
        OrderState::AwaitingRedemption => t::order::awaiting_redemption(),
        OrderState::Redeemed => t::order::redeemed(),
        OrderState::Done if cause == GIVEN_UP => t::order::done_given_up(),
        OrderState::Done => t::order::done(),
        OrderState::ShippedElsewhere => t::order::shipped_elsewhere(),
        OrderState::ClosedRefunded => t::order::closed_refunded(),
        OrderState::ClosedCancelled => t::order::closed_cancelled(),
    }
}

/// Returns what is known instead of cards about an order that was closed, if it was.
pub(crate) fn closed(state: &str, cause: &str) -> Option<&'static str> {
    Some(match state.parse::<OrderState>().ok()? {
        OrderState::Skipped => t::order::closed_skipped(),
        OrderState::ShippedElsewhere => t::order::closed_elsewhere(),
        OrderState::ClosedRefunded => t::order::closed_refund(),
        OrderState::ClosedCancelled => t::order::closed_cancel(),
        OrderState::Done if cause == GIVEN_UP => t::order::closed_given_up(),
        _ => return None,
    })
}

/// Returns a delivery method's name.
pub(crate) fn method(method: &str) -> &'static str {
    match method {
        "voucher_send" => t::order::m_voucher_send(),
        "platform_pool" => t::order::m_platform_pool(),
        "platform_codes" => t::order::m_platform_codes(),
        "charge_notify" => t::order::m_charge_notify(),
        "pickup_page" => t::order::m_pickup_page(),
        _ => t::order::m_none(),
    }
}

/// Returns a reason's short name, and its sentence: what happened, what it means, what to do.
pub(crate) fn reason(code: &str) -> (&'static str, &'static str) {
    match code {
        "unmapped_sku" => (t::reasons::unmapped_sku(), t::reasons::unmapped_sku_text()),
        "out_of_stock" => (t::reasons::out_of_stock(), t::reasons::out_of_stock_text()),
        "method_mismatch" => (t::reasons::method_mismatch(), t::reasons::method_mismatch_text()),
        "unknown_outcome" => (t::reasons::unknown_outcome(), t::reasons::unknown_outcome_text()),
        "hand_over_refused" => (t::reasons::hand_over_refused(), t::reasons::hand_over_refused_text()),
        "cards_unfit" => (t::reasons::cards_unfit(), t::reasons::cards_unfit_text()),
        "refund_raced" => (t::reasons::refund_raced(), t::reasons::refund_raced_text()),
        "refunded_after_delivery" => {
            (t::reasons::refunded_after_delivery(), t::reasons::refunded_after_delivery_text())
        }
        "shipped_elsewhere" => (t::reasons::shipped_elsewhere(), t::reasons::shipped_elsewhere_text()),
        "awaiting_fulfiller" => (t::reasons::awaiting_fulfiller(), t::reasons::awaiting_fulfiller_text()),
        "charge_failed" => (t::reasons::charge_failed(), t::reasons::charge_failed_text()),
        "link_unresolved" => (t::reasons::link_unresolved(), t::reasons::link_unresolved_text()),
        "upload_unknown" => (t::reasons::upload_unknown(), t::reasons::upload_unknown_text()),
        "redemption_refused" => (t::reasons::redemption_refused(), t::reasons::redemption_refused_text()),
        "redemption_unknown" => (t::reasons::redemption_unknown(), t::reasons::redemption_unknown_text()),
        "approval_needed" => (t::reasons::approval_needed(), t::reasons::approval_needed_text()),
        "unparsable_order_sn" => (t::reasons::unparsable_order_sn(), t::reasons::unparsable_order_sn_text()),
        "coverage_gap" => (t::reasons::coverage_gap(), t::reasons::coverage_gap_text()),
        "reauthorization_needed" => (t::reasons::reauthorization_needed(), t::reasons::reauthorization_needed_text()),
        "permission_missing" => (t::reasons::permission_missing(), t::reasons::permission_missing_text()),
        "stopped_by_platform" => (t::reasons::stopped_by_platform(), t::reasons::stopped_by_platform_text()),
        "poisoned" => (t::reasons::poisoned(), t::reasons::poisoned_text()),
        "ship_by_near" => (t::reasons::ship_by_near(), t::reasons::ship_by_near_text()),
        "verification_needed" => (t::reasons::verification_needed(), t::reasons::verification_needed_text()),
        "another_tool_at_work" => (t::reasons::another_tool_at_work(), t::reasons::another_tool_at_work_text()),
        _ => (t::reasons::other(), t::reasons::other_text()),
    }
}
