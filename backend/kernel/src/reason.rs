//! Reason codes of exceptions: what the engine does about each by itself, and what a person may and may not do.

use crate::text_enum::text_enum;

text_enum! {
    /// Why an order or a shop needs recovery or a person. Codes are API: add, never rename.
    ReasonCode("reason code") {
        /// The SKU is mapped to nothing; the product is virtual or of unknown kind.
        UnmappedSku => "unmapped_sku",
        /// The pool has fewer cards than the order's quantity.
        OutOfStock => "out_of_stock",
        /// The method cannot serve this kind of goods.
        MethodMismatch => "method_mismatch",
        /// An attempt's outcome could not be read back.
        UnknownOutcome => "unknown_outcome",
        /// The platform refused the hand-over for a reason that a retry does not cure.
        HandOverRefused => "hand_over_refused",
        /// Cards that are held for an order expired, or were taken out of stock, before they could be sent.
        CardsUnfit => "cards_unfit",
        /// A refund came between evidence and settlement.
        RefundRaced => "refund_raced",
        /// A refund after the delivery.
        RefundedAfterDelivery => "refunded_after_delivery",
        /// The order was shipped by somebody else.
        ShippedElsewhere => "shipped_elsewhere",
        /// A charge order waits for somebody to charge it.
        AwaitingFulfiller => "awaiting_fulfiller",
        /// The fulfiller reported that the charge failed; nothing is reported to the platform by itself.
        ChargeFailed => "charge_failed",
        /// The platform handed out a code that could not be matched to a card of ours.
        LinkUnresolved => "link_unresolved",
        /// An upload to the platform's stock has an unknown outcome.
        UploadUnknown => "upload_unknown",
        /// A redemption was refused for a reason that a retry does not cure.
        RedemptionRefused => "redemption_refused",
        /// A redemption's outcome is not known.
        RedemptionUnknown => "redemption_unknown",
        /// A rule asks a person to approve a redemption.
        ApprovalNeeded => "approval_needed",
        /// The order number has no readable day.
        UnparsableOrderSn => "unparsable_order_sn",
        /// The sync windows of a shop do not join.
        CoverageGap => "coverage_gap",
        /// The shop's token must be given anew by its owner.
        ReauthorizationNeeded => "reauthorization_needed",
        /// The application lacks the permission for a call.
        PermissionMissing => "permission_missing",
        /// The platform stopped this shop or application (risk control).
        StoppedByPlatform => "stopped_by_platform",
        /// An order failed the same way too often.
        Poisoned => "poisoned",
        /// The latest shipping time is near or past and nothing was delivered.
        ShipByNear => "ship_by_near",
        /// The merchant has another owner or name and was not verified again in time.
        VerificationNeeded => "verification_needed",
        /// Several orders within an hour were shipped, or got cards, from elsewhere.
        AnotherToolAtWork => "another_tool_at_work",
    }
}

text_enum! {
    /// What a person, or the engine, may do about an exception.
    Action("action") {
        /// Map the SKU to a pool and method.
        MapSku => "map_sku",
        /// Load cards into the pool.
        AddStock => "add_stock",
        /// Read the order again and go on from there.
        Retry => "retry",
        /// Send the identical request again.
        ResendIdentical => "resend_identical",
        /// Declare that the buyer has the cards.
        ConfirmDelivered => "confirm_delivered",
        /// Declare that the buyer has nothing; cards are quarantined, a new delivery is not started.
        ReleaseQuarantined => "release_quarantined",
        /// Claim other cards and send them.
        SendOtherCards => "send_other_cards",
        /// Give the shop's authorization anew.
        Reauthorize => "reauthorize",
        /// Approve the redemption.
        Approve => "approve",
        /// Report a charge as done.
        ReportCharged => "report_charged",
        /// Close the exception; nothing else changes.
        Acknowledge => "acknowledge",
        /// Put the cards back into stock.
        RestoreCards => "restore_cards",
        /// Submit the merchant's identity for review.
        Verify => "verify",
    }
}

/// What happens about a reason code without a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recovery {
    /// What the engine does by itself, for people; empty when it can do nothing.
    pub automatic: &'static str,
    /// What a person may do.
    pub safe: &'static [Action],
    /// What would risk a second card, a lost card or a false report.
    pub forbidden: &'static [Action],
    /// Whether the order stands still until the exception is resolved.
    pub blocking: bool,
}

impl ReasonCode {
    /// Returns what recovers from this reason.
    #[must_use]
    pub const fn recovery(self) -> Recovery {
        use Action as A;
        match self {
            Self::UnmappedSku => r(
                "delivers by itself once the SKU is mapped",
                &[A::MapSku, A::Acknowledge],
                &[A::ConfirmDelivered],
                true,
            ),
            Self::OutOfStock => r(
                "delivers by itself when stock arrives, oldest order first",
                &[A::AddStock, A::MapSku],
                &[A::ConfirmDelivered],
                false,
            ),
            Self::MethodMismatch => r("", &[A::MapSku], &[A::ResendIdentical, A::SendOtherCards], true),
            Self::UnknownOutcome => r(
                "reads the order back; resends the identical request where that is safe",
                &[A::ResendIdentical, A::ConfirmDelivered, A::ReleaseQuarantined],
                &[A::SendOtherCards, A::RestoreCards],
                true,
            ),
            Self::HandOverRefused => r("", &[A::Retry, A::MapSku, A::ReleaseQuarantined], &[], true),
            // The delivery's one payload names these cards, so there is no sending others.
            Self::CardsUnfit => r(
                "",
                &[A::Retry, A::ReleaseQuarantined],
                &[A::SendOtherCards, A::RestoreCards, A::ConfirmDelivered],
                true,
            ),
            Self::RefundRaced => r("the card is burned", &[A::Acknowledge], &[A::RestoreCards], false),
            Self::RefundedAfterDelivery => {
                r("the card is burned; redemption stops", &[A::Acknowledge], &[A::RestoreCards, A::Approve], false)
            }
            Self::ShippedElsewhere => {
                r("the cards go back to stock; nothing is sent", &[A::Acknowledge], &[A::SendOtherCards], false)
            }
            Self::AwaitingFulfiller => r(
                "reports to the platform when the fulfiller has charged",
                &[A::ReportCharged],
                &[A::ConfirmDelivered],
                false,
            ),
            Self::ChargeFailed => r("", &[A::ReportCharged, A::Acknowledge], &[A::ConfirmDelivered], true),
            Self::LinkUnresolved => {
                r("tries again to match the code", &[A::Retry, A::Acknowledge], &[A::RestoreCards], false)
            }
            Self::UploadUnknown => r("", &[A::ReleaseQuarantined, A::ConfirmDelivered], &[A::RestoreCards], true),
            Self::RedemptionRefused => r("", &[A::Retry, A::Acknowledge], &[], false),
            Self::RedemptionUnknown => {
                r("looks the code up again before any second call", &[A::Retry, A::Acknowledge], &[], false)
            }
            Self::ApprovalNeeded => r("", &[A::Approve, A::Acknowledge], &[], false),
            Self::UnparsableOrderSn => {
                r("the order is processed from the default partition", &[A::Acknowledge], &[], false)
            }
            Self::CoverageGap => r("reads the missing range again", &[A::Retry], &[], false),
            Self::ReauthorizationNeeded => {
                r("goes on by itself after re-authorization, by latest shipping time", &[A::Reauthorize], &[], true)
            }
            Self::PermissionMissing => r("", &[A::Reauthorize, A::Retry], &[], true),
            Self::StoppedByPlatform => {
                r("an application is tried again from time to time; a mall waits for a person", &[A::Retry], &[], true)
            }
            Self::Poisoned => r("", &[A::Retry, A::Acknowledge], &[], true),
            Self::ShipByNear => r("goes in front of the queue", &[A::Retry, A::AddStock], &[], false),
            Self::VerificationNeeded => r("goes on by itself once the merchant is verified", &[A::Verify], &[], true),
            Self::AnotherToolAtWork => r("", &[A::Acknowledge], &[A::SendOtherCards], false),
        }
    }
}

const fn r(automatic: &'static str, safe: &'static [Action], forbidden: &'static [Action], blocking: bool) -> Recovery {
    Recovery { automatic, safe, forbidden, blocking }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_reason_allows_what_it_forbids_and_every_reason_has_a_way_out() {
        for code in ReasonCode::ALL {
            let recovery = code.recovery();
            assert!(!recovery.safe.is_empty(), "{code} leaves nothing to do");
            for action in recovery.safe {
                assert!(!recovery.forbidden.contains(action), "{code} both allows and forbids {action}");
            }
        }
    }
}
