//! Which delivery method serves which goods: one table, used by mapping pages, the engine and the sandbox alike.
//!
//! The platform describes a product by `goods_type` and `delivery_type` (protocol 4.1). Each [`Row`] says for one method
//! who holds the code, how the buyer gets it, how many cards an order claims, which call ships it, what proves that, and
//! which redemption methods may follow. What is not in the table is refused; nothing is guessed.
//!
//! Two facts shape it:
//! - `delivery_type` 0 means "no logistics": the platform itself calls such goods virtual.
//! - For vouchers sold by an ISV no `goods_type` is documented. So `voucher_send` is allowed for goods without logistics
//!   that are not of a type with a delivery of its own; the merchant's mapping is what declares them vouchers.

use kamiflow_kernel::{DeliveryMethod, RedemptionMethod};

/// Whether a product is virtual, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Virtual goods.
    Virtual(VirtualReason),
    /// Goods that are sent by post; not ours to deliver.
    Physical(PhysicalReason),
    /// Not known, or contradictory: a person decides by mapping the SKU.
    Unknown,
}

/// Why goods are virtual.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum VirtualReason {
    /// `goods_type` 15: the merchant's own card codes, handed out by the platform.
    MerchantCards,
    /// `goods_type` 19: codes made by the platform.
    PlatformCards,
    /// `goods_type` 5, 6, 8 or 9: somebody charges an account.
    DirectCharge,
    /// `delivery_type` 0: no logistics.
    NoLogistics,
}

/// Why goods are physical.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PhysicalReason {
    /// `delivery_type` 1: sent by post.
    Logistics,
    /// `goods_type` 2, 3, 4 or 18: imported goods, which pass customs.
    Imported,
}

/// Returns whether goods are virtual. `None` is a field the platform did not send.
#[must_use]
pub const fn classify(goods_type: Option<i32>, delivery_type: Option<i32>) -> Kind {
    match (goods_type, delivery_type) {
        (Some(15), None | Some(0)) => Kind::Virtual(VirtualReason::MerchantCards),
        (Some(19), None | Some(0)) => Kind::Virtual(VirtualReason::PlatformCards),
        (Some(5 | 6 | 8 | 9), None | Some(0)) => Kind::Virtual(VirtualReason::DirectCharge),
        // An import without logistics, or card codes with logistics, is a contradiction.
        (Some(2 | 3 | 4 | 18), None | Some(1)) => Kind::Physical(PhysicalReason::Imported),
        (Some(2 | 3 | 4 | 18 | 5 | 6 | 8 | 9 | 15 | 19), _) => Kind::Unknown,
        (Some(1), Some(1)) => Kind::Physical(PhysicalReason::Logistics),
        // Coupons (7) and types that are not documented: only "no logistics" tells anything about them.
        (_, Some(0)) => Kind::Virtual(VirtualReason::NoLogistics),
        _ => Kind::Unknown,
    }
}

/// Who holds the codes until the buyer has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CodeHolder {
    /// We do, in a card pool.
    Pool,
    /// The platform does; we imported them.
    PlatformImported,
    /// The platform does; it made them.
    PlatformMade,
    /// There is no code: a fulfiller charges the buyer's account.
    NoCode,
}

/// How the buyer gets what was bought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BuyerPath {
    /// We attach the codes to the order by a call.
    AttachedToOrder,
    /// The platform hands out a code by itself.
    HandedOutByPlatform,
    /// The account is charged.
    AccountCharged,
    /// The buyer opens our page with the order number.
    PickupPage,
}

/// How many cards of ours one order claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CardsClaimed {
    /// None at the time of the order.
    Zero,
    /// As many as the order's quantity.
    Quantity,
}

impl CardsClaimed {
    /// Returns how many cards an order of this quantity claims.
    #[must_use]
    pub const fn for_quantity(self, quantity: u32) -> u32 {
        match self {
            Self::Zero => 0,
            Self::Quantity => quantity,
        }
    }
}

/// What proves that a hand-over happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Proof {
    /// The call's answer `is_success`, or order status 2 with our unresolved attempt.
    SendAcknowledged,
    /// The order carries `card_info_list`, or stands at status 2.
    CardOnOrder,
    /// The call's answer `success`.
    ChargeAcknowledged,
    /// The shipment call's answer `is_success`; that the buyer saw the code is another fact, the page's own record.
    ShipmentAcknowledged,
    /// The platform shows the order as shipped.
    OrderShipped,
}

/// A redemption method that may follow, and what it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Redemption {
    /// The method.
    pub method: RedemptionMethod,
    /// What must be known or declared first.
    pub needs: Option<Requirement>,
}

/// What a method needs beyond the goods being right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Requirement {
    /// The merchant declares which field of a card is the platform's `out_voucher_id`.
    DeclaredVoucherId,
    /// The card number is known; the platform does not tell it, the buyer does.
    KnownCardNumber,
    /// Somebody, a person or a program, charges and reports the result.
    Fulfiller,
}

/// One line of the table.
#[derive(Debug, PartialEq, Eq)]
pub struct Row {
    /// The delivery method.
    pub method: DeliveryMethod,
    /// The kinds of virtual goods it serves.
    pub serves: &'static [VirtualReason],
    /// Who holds the codes.
    pub holder: CodeHolder,
    /// How the buyer gets what was bought.
    pub path: BuyerPath,
    /// How many cards an order claims.
    pub cards: CardsClaimed,
    /// The platform's call that hands over or ships, `None` where the platform ships by itself.
    pub ship_call: Option<&'static str>,
    /// What proves the hand-over.
    pub proof: Proof,
    /// What must be there before the method can be chosen.
    pub needs: Option<Requirement>,
    /// The redemption methods that may follow.
    pub redemption: &'static [Redemption],
}

const fn plain(method: RedemptionMethod) -> Redemption {
    Redemption { method, needs: None }
}

/// The whole table, one row per method.
pub const TABLE: &[Row] = &[
    Row {
        method: DeliveryMethod::VoucherSend,
        serves: &[VirtualReason::NoLogistics],
        holder: CodeHolder::Pool,
        path: BuyerPath::AttachedToOrder,
        cards: CardsClaimed::Quantity,
        ship_call: Some("pdd.voucher.voucher.info.send"),
        proof: Proof::SendAcknowledged,
        needs: None,
        redemption: &[
            plain(RedemptionMethod::None),
            Redemption { method: RedemptionMethod::Realtime, needs: Some(Requirement::DeclaredVoucherId) },
        ],
    },
    Row {
        method: DeliveryMethod::PlatformPool,
        serves: &[VirtualReason::MerchantCards],
        holder: CodeHolder::PlatformImported,
        path: BuyerPath::HandedOutByPlatform,
        cards: CardsClaimed::Zero,
        ship_call: None,
        proof: Proof::CardOnOrder,
        needs: None,
        redemption: &[plain(RedemptionMethod::ReportCard), plain(RedemptionMethod::None)],
    },
    Row {
        method: DeliveryMethod::PlatformCodes,
        serves: &[VirtualReason::PlatformCards],
        holder: CodeHolder::PlatformMade,
        path: BuyerPath::HandedOutByPlatform,
        cards: CardsClaimed::Zero,
        ship_call: None,
        proof: Proof::OrderShipped,
        needs: None,
        redemption: &[
            Redemption { method: RedemptionMethod::Ota, needs: Some(Requirement::KnownCardNumber) },
            plain(RedemptionMethod::None),
        ],
    },
    Row {
        method: DeliveryMethod::ChargeNotify,
        serves: &[VirtualReason::DirectCharge],
        holder: CodeHolder::NoCode,
        path: BuyerPath::AccountCharged,
        cards: CardsClaimed::Zero,
        ship_call: Some("pdd.virtual.mobile.charge.notify"),
        proof: Proof::ChargeAcknowledged,
        needs: Some(Requirement::Fulfiller),
        redemption: &[plain(RedemptionMethod::None)],
    },
    Row {
        method: DeliveryMethod::PickupPage,
        serves: &[VirtualReason::NoLogistics],
        holder: CodeHolder::Pool,
        path: BuyerPath::PickupPage,
        cards: CardsClaimed::Quantity,
        ship_call: Some("pdd.logistics.online.send"),
        proof: Proof::ShipmentAcknowledged,
        needs: None,
        redemption: &[plain(RedemptionMethod::None)],
    },
];

/// Why a method cannot serve goods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The goods are sent by post.
    #[error("the goods are physical")]
    Physical(PhysicalReason),
    /// The platform's fields do not say what the goods are, or contradict each other.
    #[error("the goods are of unknown kind")]
    UnknownKind,
    /// The goods are virtual, but are delivered in another way.
    #[error("the method does not serve goods of this kind")]
    OtherKind(VirtualReason),
    /// The redemption method cannot follow this delivery method.
    #[error("the redemption method cannot follow this delivery method")]
    OtherRedemption,
}

impl Refusal {
    /// Returns the stable code. Codes are API: add, never rename.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Physical(_) => "compat.physical",
            Self::UnknownKind => "compat.unknown_kind",
            Self::OtherKind(_) => "compat.other_kind",
            Self::OtherRedemption => "compat.other_redemption",
        }
    }
}

/// Returns the row of a method, if it serves such goods.
///
/// # Errors
/// When the goods are physical, of unknown kind, or delivered in another way.
pub fn allowed(
    goods_type: Option<i32>,
    delivery_type: Option<i32>,
    method: DeliveryMethod,
) -> Result<&'static Row, Refusal> {
    let kind = match classify(goods_type, delivery_type) {
        Kind::Virtual(kind) => kind,
        Kind::Physical(reason) => return Err(Refusal::Physical(reason)),
        Kind::Unknown => return Err(Refusal::UnknownKind),
    };
    TABLE.iter().find(|row| row.method == method && row.serves.contains(&kind)).ok_or(Refusal::OtherKind(kind))
}

impl Row {
    /// Returns what a redemption method needs after this delivery method.
    ///
    /// # Errors
    /// When the redemption method cannot follow.
    pub fn redemption(&self, method: RedemptionMethod) -> Result<Redemption, Refusal> {
        self.redemption.iter().find(|entry| entry.method == method).copied().ok_or(Refusal::OtherRedemption)
    }
}

#[cfg(test)]
mod tests;
