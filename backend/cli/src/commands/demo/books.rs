//! Compares the sandbox's books with ours. The sandbox writes down what really happened on its side, independently of
//! what it answered, so a hand-over that was doubled, lost or made of a card that is not ours shows here.

use std::collections::{BTreeMap, BTreeSet};

use kamiflow_kernel::{DeliveryMethod, OrderState};

use crate::sandbox_control::{Ledger, LedgerOrder};

/// The code that a charge was reported as made with.
const CHARGED: &str = "SUCCESS";
/// Codes of the merchant that the platform hands out.
const MERCHANT_CARDS: i64 = 15;
/// Differences that are told in words.
const MOST_NOTES: usize = 20;

/// An order as our books have it.
#[derive(Debug, Clone)]
pub(super) struct OurOrder {
    /// None: Postgres does not know it.
    pub(super) state: Option<OrderState>,
    pub(super) method: Option<DeliveryMethod>,
    pub(super) delivered: bool,
    pub(super) ended: bool,
    pub(super) in_review: bool,
    /// The cards it holds, as far as they are known.
    pub(super) cards: Vec<OurCard>,
}

/// A card as buyers see it.
#[derive(Debug, Clone)]
pub(super) struct OurCard {
    pub(super) number: String,
    /// What a voucher of it says: the number, and the secret if there is one.
    pub(super) shown: String,
}

/// What the comparison found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    /// Hand-overs beyond what was bought.
    pub(super) duplicates: u64,
    /// Orders that were not delivered, or not known, although they should be.
    pub(super) lost: u64,
    /// Cards that went to two orders, or that the order does not hold in our books.
    pub(super) oversold: u64,
    /// Cards that buyers got.
    pub(super) cards_issued: u64,
    /// The differences, for people.
    pub(super) notes: Vec<String>,
}

/// What the sandbox did for one order.
#[derive(Debug, Default)]
struct Effects<'a> {
    vouchers: Vec<&'a str>,
    issued: Vec<(&'a str, bool)>,
    charges: u64,
    shipments: u64,
}

/// Compares every order of the ledger. `complete` says that every order had time to end: then one that did not is lost.
pub(super) fn compare(ledger: &Ledger, ours: &BTreeMap<String, OurOrder>, complete: bool) -> Verdict {
    let effects = effects(ledger);
    let none = Effects::default();
    let mut verdict = Verdict::default();
    let mut holders: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for order in &ledger.orders {
        let sn = order.order_sn.as_str();
        let done = effects.get(sn).unwrap_or(&none);
        verdict.duplicates(order, done);
        let Some(our) = ours.get(sn).filter(|our| our.state.is_some()) else {
            if complete || !done.is_empty() {
                verdict.lost(sn, "Postgres does not know it");
            }
            continue;
        };
        verdict.compare_hand_over(order, done, our, complete);
        let handed_out = done.numbers(our);
        verdict.cards_issued += u64::try_from(handed_out.len()).unwrap_or_default();
        for number in handed_out {
            holders.entry(number).or_default().insert(sn);
        }
        verdict.compare_cards(sn, done, our);
    }
    for (_, orders) in holders.into_iter().filter(|(_, orders)| orders.len() > 1) {
        let shown: Vec<&str> = orders.iter().copied().collect();
        verdict.oversold += u64::try_from(orders.len() - 1).unwrap_or_default();
        verdict.note(format!("one card went to the orders {}", shown.join(", ")));
    }
    verdict
}

fn effects(ledger: &Ledger) -> BTreeMap<&str, Effects<'_>> {
    let mut effects: BTreeMap<&str, Effects<'_>> = BTreeMap::new();
    for voucher in &ledger.vouchers {
        effects.entry(&voucher.order_sn).or_default().vouchers.push(&voucher.voucher_no);
    }
    for issued in &ledger.issued_cards {
        let ours = issued.goods_type == MERCHANT_CARDS;
        effects.entry(&issued.order_sn).or_default().issued.push((&issued.card_no, ours));
    }
    for charge in ledger.charges.iter().filter(|charge| charge.status == CHARGED) {
        effects.entry(&charge.order_sn).or_default().charges += 1;
    }
    for shipment in &ledger.shipments {
        effects.entry(&shipment.order_sn).or_default().shipments += 1;
    }
    effects
}

impl Effects<'_> {
    fn is_empty(&self) -> bool {
        self.vouchers.is_empty() && self.charges == 0 && self.shipments == 0
    }

    /// Returns the numbers the buyer got; those of the pick-up page are known to us only.
    fn numbers<'a>(&'a self, our: &'a OurOrder) -> Vec<&'a str> {
        // A voucher is the number, or number and secret with a blank between.
        let mut numbers: Vec<&str> = self.vouchers.iter().filter_map(|shown| shown.split(' ').next()).collect();
        numbers.extend(self.issued.iter().map(|(number, _)| *number));
        if our.method == Some(DeliveryMethod::PickupPage) && our.delivered {
            numbers.extend(our.cards.iter().map(|card| card.number.as_str()));
        }
        numbers
    }
}

impl Verdict {
    /// Returns whether the books agree.
    pub(super) const fn is_clean(&self) -> bool {
        self.duplicates == 0 && self.lost == 0 && self.oversold == 0
    }

    fn duplicates(&mut self, order: &LedgerOrder, done: &Effects<'_>) {
        let bought = u64::try_from(order.quantity).unwrap_or_default();
        let got = u64::try_from(done.vouchers.len()).unwrap_or_default();
        let more = [(got, bought, "vouchers"), (done.charges, 1, "charges"), (done.shipments, 1, "shipments")];
        for (got, right, what) in more {
            if got > right {
                self.duplicates += got - right;
                self.note(format!("order {} got {got} {what} instead of {right}", order.order_sn));
            }
        }
    }

    fn compare_hand_over(&mut self, order: &LedgerOrder, done: &Effects<'_>, our: &OurOrder, complete: bool) {
        let sn = order.order_sn.as_str();
        let bought = u64::try_from(order.quantity).unwrap_or_default();
        let vouchers = u64::try_from(done.vouchers.len()).unwrap_or_default();
        let whole = match our.method {
            Some(DeliveryMethod::VoucherSend) => vouchers >= bought,
            Some(DeliveryMethod::ChargeNotify) => done.charges > 0,
            Some(DeliveryMethod::PickupPage) => done.shipments > 0,
            Some(DeliveryMethod::PlatformPool | DeliveryMethod::PlatformCodes) | None => order.delivered_ms.is_some(),
        };
        let refunded = our.state == Some(OrderState::ClosedRefunded);
        if our.delivered && !whole {
            self.lost(sn, "we have it as delivered, its buyer got nothing or too little");
        } else if !done.is_empty() && !our.delivered && complete && !our.in_review && !refunded {
            self.lost(sn, "its buyer got something, we do not have it as delivered");
        } else if complete && !our.ended {
            let state = our.state.map_or("unseen", OrderState::as_str);
            let (status, refund) = (order.order_status, order.refund_status);
            self.lost(sn, &format!("it has not ended: {state} (platform: order {status}, refund {refund})"));
        }
    }

    /// What was handed over must be what the order holds. Refunded orders may have let their cards go.
    fn compare_cards(&mut self, sn: &str, done: &Effects<'_>, our: &OurOrder) {
        if our.state == Some(OrderState::ClosedRefunded) {
            return;
        }
        let sent = |shown: &str| our.cards.iter().any(|card| card.shown == shown);
        let held = |number: &str| our.cards.iter().any(|card| card.number == number);
        let linked = !our.cards.is_empty();
        let strange_vouchers = done.vouchers.iter().filter(|shown| !sent(shown)).count();
        let strange_cards = done.issued.iter().filter(|(number, ours)| *ours && linked && !held(number)).count();
        let strange = strange_vouchers + strange_cards;
        if strange > 0 {
            self.oversold += u64::try_from(strange).unwrap_or_default();
            self.note(format!("order {sn} got {strange} cards that it does not hold in our books"));
        }
    }

    fn lost(&mut self, sn: &str, why: &str) {
        self.lost += 1;
        self.note(format!("order {sn}: {why}"));
    }

    fn note(&mut self, note: String) {
        if self.notes.len() < MOST_NOTES {
            self.notes.push(note);
        }
    }
}

#[cfg(test)]
mod tests;
