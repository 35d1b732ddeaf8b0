//! The states of orders, deliveries, attempts, cards and redemptions. Their allowed transitions are tables in Postgres.

use crate::text_enum::text_enum;

text_enum! {
    /// Where an order is. Exceptions and reviews are rows of their own, so that nothing forgets it.
    OrderState("order state") {
        /// Seen, not decided yet: not paid for delivery, unmapped, or just found.
        Seen => "seen",
        /// Not ours to deliver: physical goods, or a SKU mapped to "no delivery".
        Skipped => "skipped",
        /// Paid before the shop's `deliver_from`, or held by trial run: sent only when a person asks.
        HeldBacklog => "held_backlog",
        /// Deliverable, waits for stock.
        AwaitingCards => "awaiting_cards",
        /// Cards are claimed, nothing has left us.
        Reserved => "reserved",
        /// An attempt has started.
        HandingOver => "handing_over",
        /// The platform acknowledged the hand-over.
        Delivered => "delivered",
        /// Delivered, and redemption is to be done.
        AwaitingRedemption => "awaiting_redemption",
        /// Every line is redeemed.
        Redeemed => "redeemed",
        /// Nothing more to do.
        Done => "done",
        /// Shipped by somebody else before we started.
        ShippedElsewhere => "shipped_elsewhere",
        /// Refunded.
        ClosedRefunded => "closed_refunded",
        /// Cancelled before delivery.
        ClosedCancelled => "closed_cancelled",
    }
}

impl OrderState {
    /// Returns whether the engine has nothing more to do for an order in this state.
    #[must_use]
    pub const fn is_end(self) -> bool {
        matches!(
            self,
            Self::Skipped
                | Self::Redeemed
                | Self::Done
                | Self::ShippedElsewhere
                | Self::ClosedRefunded
                | Self::ClosedCancelled
        )
    }
}

text_enum! {
    /// How a SKU's orders are handed over.
    DeliveryMethod("delivery method") {
        /// `pdd.voucher.voucher.info.send` with our cards.
        VoucherSend => "voucher_send",
        /// Codes imported ahead; the platform hands them out.
        PlatformPool => "platform_pool",
        /// The platform makes and delivers the codes (goods_type 19); we hold none.
        PlatformCodes => "platform_codes",
        /// `pdd.virtual.mobile.charge.notify` after somebody charged.
        ChargeNotify => "charge_notify",
        /// The buyer opens our pick-up page; shipment is declared.
        PickupPage => "pickup_page",
    }
}

text_enum! {
    /// How a delivered order is declared used.
    RedemptionMethod("redemption method") {
        /// `pdd.voucher.virtual.card.verification`.
        ReportCard => "report_card",
        /// The OTA pair: prepare, then verification.
        Ota => "ota",
        /// `pdd.voucher.realtime.verify.sync`.
        Realtime => "realtime",
        /// Nothing is declared.
        None => "none",
    }
}

text_enum! {
    /// Where a delivery is.
    DeliveryState("delivery state") {
        /// Known, nothing claimed.
        Pending => "pending",
        /// Lines are claimed in full.
        Reserved => "reserved",
        /// An attempt has started and is unresolved.
        HandingOver => "handing_over",
        /// Acknowledged.
        Delivered => "delivered",
        /// Given up: refunded, cancelled or shipped elsewhere before anything left us.
        Released => "released",
    }
}

text_enum! {
    /// Where an attempt to hand over is.
    AttemptState("attempt state") {
        /// Written, not started.
        Planned => "planned",
        /// May have left us.
        Started => "started",
        /// The platform said yes.
        Succeeded => "succeeded",
        /// The platform said no, and nothing happened.
        Failed => "failed",
        /// Nobody knows yet.
        Unknown => "unknown",
        /// An unknown outcome that evidence settled as delivered.
        ResolvedDelivered => "resolved_delivered",
        /// An unknown outcome that evidence settled as not delivered.
        ResolvedNotDelivered => "resolved_not_delivered",
    }
}

text_enum! {
    /// Where one permitted use of a card is.
    CardUseState("card use state") {
        /// In stock.
        Available => "available",
        /// Claimed by a live delivery line, nothing sent.
        Reserved => "reserved",
        /// Being imported into the platform's own stock; may be there.
        Uploading => "uploading",
        /// In the platform's own stock.
        AtPlatform => "at_platform",
        /// Sent to, or shown to, the buyer, or may have been.
        Sent => "sent",
        /// May have left us; never handed out again without a person.
        Quarantined => "quarantined",
        /// Left us and worth nothing to us: refunded after the send, or replaced.
        Burned => "burned",
        /// Taken out of stock by a person.
        Void => "void",
    }
}

text_enum! {
    /// Where a redemption is.
    RedemptionState("redemption state") {
        /// Waits for a rule's condition, `due_at` says until when at the earliest.
        Waiting => "waiting",
        /// Waits for a person's approval.
        AwaitingApproval => "awaiting_approval",
        /// A call was started and is unresolved.
        Calling => "calling",
        /// The platform knows it as used.
        Done => "done",
        /// Stopped: an after-sale, a rule that says never, or an answer that forbids it.
        Stopped => "stopped",
    }
}

text_enum! {
    /// Where a connected shop is.
    ShopState("shop state") {
        /// Syncs and shows what it would send; hands over nothing.
        TrialRun => "trial_run",
        /// Delivers and redeems.
        Live => "live",
        /// Stopped by the platform's answer or by its owner; history stays.
        Stopped => "stopped",
        /// Disconnected; its mall may be connected anew.
        Disconnected => "disconnected",
    }
}

text_enum! {
    /// Which Open Platform a shop lives on; resolved to a URL by server configuration only.
    GatewayKind("gateway") {
        /// The real one.
        Production => "production",
        /// The sandbox.
        Sandbox => "sandbox",
    }
}
