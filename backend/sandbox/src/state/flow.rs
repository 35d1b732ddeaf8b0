//! The state machine of an order: what each event changes, pushes and schedules.
//!
//! It follows section 4.7 of the protocol notes, which is inferred. Every function takes the
//! locked mall and the [`Effects`] to fill.

use std::sync::Arc;

use serde_json::json;

use super::{
    Effects,
    cards::{CARD_NUMBER, CARD_PASSWORD, Card, DESTROYED, IN_PROGRESS, UNUSED, USED},
    ledger::Fact,
    mall::MallState,
    order::{Item, NewOrder, NewOrderState, Order},
    refund::Refund,
    schedule::Event,
    write,
};
use crate::{pmc::hub::Message, scenario::StockCard, text::order_sn};

const DAY_MS: i64 = 86_400_000;

pub(crate) fn to_ms(seconds: f64) -> i64 {
    let ms = (seconds * 1000.0).round().clamp(0.0, 4_000_000_000_000.0);
    // Within the clamp the text of the float is a plain integer.
    format!("{ms:.0}").parse().unwrap_or(0)
}

pub(crate) fn trade_message(topic: &str, mall_id: u64, order_sn: &str) -> Message {
    Message { topic: topic.to_owned(), content: json!({"mall_id": mall_id, "tid": order_sn}).to_string() }
}

impl Effects<'_> {
    fn trade(&mut self, topic: &str, mall_id: u64, order_sn: &str) {
        self.messages.push(trade_message(topic, mall_id, order_sn));
    }

    pub(crate) fn after(&mut self, delay_ms: i64, event: Event) {
        self.events.push((self.now_ms + delay_ms, event));
    }
}

/// Makes one order. Returns its number, or `None` when the mall has no such sku.
pub(crate) fn place(state: &mut MallState, effects: &mut Effects<'_>, wanted: &NewOrder) -> Option<Arc<str>> {
    let item = state.item(wanted.sku_id)?;
    let paid_ms = wanted
        .paid_at
        .map_or_else(|| effects.now_ms - to_ms(wanted.paid_s_ago), |paid_at_s| paid_at_s.saturating_mul(1000));
    let seq = effects.world.next();
    let sn: Arc<str> = order_sn(paid_ms, seq).into();
    let order = new_order(wanted, item, Arc::clone(&sn), paid_ms, seq);
    write(&effects.world.order_malls).insert(Arc::clone(&sn), state.mall_id);
    let confirmed = order.confirm_status == 1;
    state.insert(order);
    if confirmed {
        effects.trade("pdd_trade_TradeConfirmed", state.mall_id, &sn);
        issue_cards(state, effects, &sn);
    }
    if matches!(wanted.state, NewOrderState::Shipped | NewOrderState::Received) {
        ship(state, effects, &sn, "shipped_elsewhere");
    }
    if wanted.state == NewOrderState::Received {
        receive(state, effects, &sn);
    }
    if let Some(delay_s) = wanted.refund_after_s {
        effects.after(to_ms(delay_s), Event::AskRefund { order_sn: Arc::clone(&sn) });
    }
    Some(sn)
}

fn new_order(wanted: &NewOrder, item: Arc<Item>, sn: Arc<str>, paid_ms: i64, seq: u64) -> Order {
    use NewOrderState as State;
    let kind = wanted.state;
    let confirm_status = match kind {
        State::GroupForming => 0,
        State::GroupFailed | State::Cancelled => 2,
        _ => 1,
    };
    let mut order = Order {
        sn,
        item,
        quantity: wanted.quantity,
        created_ms: paid_ms - 5000,
        paid_ms: (kind != State::Cancelled).then_some(paid_ms),
        confirmed_ms: (confirm_status == 1).then_some(paid_ms),
        shipped_ms: None,
        received_ms: None,
        updated_ms: paid_ms,
        update_seq: seq,
        order_status: 1,
        refund_status: if kind == State::GroupFailed { 4 } else { 1 },
        confirm_status,
        group_status: match kind {
            State::GroupForming | State::Lottery => 0,
            State::GroupFailed | State::Cancelled => 2,
            _ => 1,
        },
        risk_control_status: i64::from(kind == State::RiskReview),
        after_sales_status: 0,
        step_trade_status: match kind {
            State::Deposit => Some(1),
            State::DepositPaid => Some(2),
            _ => None,
        },
        is_lucky_flag: if matches!(kind, State::Lottery | State::LotteryWon) { 2 } else { 1 },
        is_test_order: wanted.test_order,
        buyer_memo: wanted.buyer_memo.clone(),
        phone: wanted.phone.clone(),
        remark: String::new(),
        remark_tag: 0,
        remark_tag_name: String::new(),
        logistics_id: 0,
        tracking_number: String::new(),
        receives_after_s: wanted.receives_after_s,
        cards: Vec::new(),
        vouchers: Vec::new(),
        sends: Vec::new(),
        serials: Vec::new(),
        history: Vec::new(),
    };
    order.note(paid_ms, "paid", "");
    if confirm_status == 1 {
        order.note(paid_ms, "confirmed", "");
    }
    order
}

/// Brings an order's group, deposit, lottery or risk review to its good end.
pub(crate) fn resolve(state: &mut MallState, effects: &mut Effects<'_>, sn: &str) -> bool {
    let now_ms = effects.now_ms;
    let Some((newly_confirmed, risk_lifted)) = state.update(sn, effects, |order| {
        let newly_confirmed = order.confirm_status == 0;
        let risk_lifted = order.risk_control_status == 1;
        order.confirm_status = 1;
        order.group_status = 1;
        order.risk_control_status = 0;
        order.confirmed_ms = order.confirmed_ms.or(Some(now_ms));
        if order.step_trade_status.is_some() {
            order.step_trade_status = Some(2);
        }
        order.note(now_ms, if newly_confirmed { "confirmed" } else { "resolved" }, "");
        (newly_confirmed, risk_lifted)
    }) else {
        return false;
    };
    if newly_confirmed {
        effects.trade("pdd_trade_TradeConfirmed", state.mall_id, sn);
    }
    if risk_lifted {
        effects.trade("pdd_trade_TradeRiskChanged", state.mall_id, sn);
    }
    issue_cards(state, effects, sn);
    true
}

/// Puts an order under risk review.
pub(crate) fn review_risk(state: &mut MallState, effects: &mut Effects<'_>, sn: &str) -> bool {
    let now_ms = effects.now_ms;
    let changed = state.update(sn, effects, |order| {
        order.risk_control_status = 1;
        order.note(now_ms, "risk_review", "");
    });
    if changed.is_some() {
        effects.trade("pdd_trade_TradeRiskChanged", state.mall_id, sn);
    }
    changed.is_some()
}

/// Hands out codes for goods_type 15 (from stock) and 19 (generated) and ships the order.
pub(crate) fn issue_cards(state: &mut MallState, effects: &mut Effects<'_>, sn: &str) {
    let Some(order) = state.orders.get(sn) else { return };
    let wanted = usize::try_from(order.quantity).unwrap_or(0);
    let item = Arc::clone(&order.item);
    let sn = Arc::clone(&order.sn);
    if order.order_status != 1 || !order.cards.is_empty() || order.unshippable_because().is_some() {
        return;
    }
    let codes: Vec<StockCard> = match item.goods_type {
        15 => {
            let stock = state.stock.entry(item.sku_id).or_default();
            if stock.len() < wanted {
                let waiting = state.waiting.entry(item.sku_id).or_default();
                if !waiting.contains(&sn) {
                    waiting.push_back(sn);
                }
                return;
            }
            stock.drain(..wanted).collect()
        }
        19 => (0..wanted)
            .map(|_| StockCard {
                card_no: format!("{:012}", effects.world.next() + 700_000_000_000),
                password: effects.world.dice.digits(6),
            })
            .collect(),
        _ => return,
    };
    let is_ota = item.goods_type == 19;
    for code in &codes {
        let (card_no, goods_type) = (code.card_no.clone(), item.goods_type);
        if is_ota {
            state.ota_cards.insert(card_no.clone(), Arc::clone(&sn));
            write(&effects.world.card_malls).insert(card_no.clone(), state.mall_id);
        }
        let fact = Fact::IssuedCard { card_no, sku_id: item.sku_id, goods_type };
        state.record(effects.now_ms, "", &sn, fact);
    }
    let (now_ms, cipher) = (effects.now_ms, &effects.world.cipher);
    let uses = if is_ota { item.ota_uses } else { 1 };
    let cards: Vec<Card> = codes
        .into_iter()
        .map(|code| Card {
            sealed_no: cipher.seal(CARD_NUMBER, &code.card_no),
            sealed_password: cipher.seal(CARD_PASSWORD, &code.password),
            card_no: code.card_no,
            password: code.password,
            is_ota,
            state: UNUSED,
            total_times: uses,
            remain_times: uses,
            starts_ms: now_ms,
            expires_ms: now_ms + item.valid_days * DAY_MS,
            verified_ms: None,
        })
        .collect();
    state.update(&sn, effects, |order| {
        order.note(now_ms, "cards_issued", format!("{} codes", cards.len()));
        order.cards = cards;
    });
    ship(state, effects, &sn, "shipped");
}

/// Hands out codes to orders that waited for stock, oldest first.
pub(crate) fn serve_waiting(state: &mut MallState, effects: &mut Effects<'_>, sku_id: u64) {
    for sn in state.waiting.remove(&sku_id).unwrap_or_default() {
        issue_cards(state, effects, &sn);
    }
}

/// Ships an order. `event` is its name in the history.
pub(crate) fn ship(state: &mut MallState, effects: &mut Effects<'_>, sn: &str, event: &'static str) {
    let now_ms = effects.now_ms;
    let shipped = state.update(sn, effects, |order| {
        if order.order_status != 1 {
            return None;
        }
        order.order_status = 2;
        order.shipped_ms = Some(now_ms);
        order.note(now_ms, event, "");
        Some((Arc::clone(&order.sn), order.receives_after_s))
    });
    if let Some(Some((order_sn, receives_after_s))) = shipped {
        effects.trade("pdd_trade_TradeSellerShip", state.mall_id, &order_sn);
        let auto_ms = effects.switches.logistics.auto_receive_s.saturating_mul(1000);
        let delay_ms = receives_after_s.map_or(auto_ms, to_ms);
        effects.after(delay_ms, Event::Receive { order_sn });
    }
}

/// The buyer confirms receipt. Returns whether the order was in a state for it.
pub(crate) fn receive(state: &mut MallState, effects: &mut Effects<'_>, sn: &str) -> bool {
    let now_ms = effects.now_ms;
    let ready = state.orders.get(sn).is_some_and(|order| order.order_status == 2 && order.refund_status == 1);
    if ready {
        state.update(sn, effects, |order| {
            order.order_status = 3;
            order.received_ms = Some(now_ms);
            order.note(now_ms, "received", "");
        });
        effects.trade("pdd_trade_TradeSuccess", state.mall_id, sn);
    }
    ready
}

/// Opens a refund. Returns its id, or `None` when the order has a running or paid one.
pub(crate) fn create_refund(
    state: &mut MallState,
    effects: &mut Effects<'_>,
    sn: &str,
    reason: &str,
    operation: i64,
) -> Option<u64> {
    let now_ms = effects.now_ms;
    let order = state.orders.get(sn)?;
    if order.refund_status != 1 || order.paid_ms.is_none() {
        return None;
    }
    let refund = Refund {
        id: 600_000 + effects.world.next(),
        order_sn: Arc::clone(&order.sn),
        bill_type: 1,
        after_sales_status: 2,
        amount_fen: order.amount_fen(),
        reason: reason.to_owned(),
        operation,
        created_ms: now_ms,
        updated_ms: now_ms,
        update_seq: 0,
    };
    let refund_id = refund.id;
    state.put_refund(refund, effects);
    state.update(sn, effects, |order| {
        order.refund_status = 2;
        order.after_sales_status = 2;
        order.note(now_ms, "refund_created", reason);
    });
    tell_refund(state, effects, refund_id, "pdd_refund_RefundCreated");
    Some(refund_id)
}

/// Agrees to a refund; `by_platform` tells who did. Codes of the order are destroyed.
pub(crate) fn agree_refund(
    state: &mut MallState,
    effects: &mut Effects<'_>,
    refund_id: u64,
    by_platform: bool,
) -> bool {
    let now_ms = effects.now_ms;
    let Some(mut refund) = state.refunds.get(&refund_id).cloned() else { return false };
    if refund.is_over() || matches!(refund.after_sales_status, 4 | 5) {
        return false;
    }
    refund.after_sales_status = if by_platform { 5 } else { 4 };
    let (status, sn) = (refund.after_sales_status, Arc::clone(&refund.order_sn));
    state.put_refund(refund, effects);
    state.update(&sn, effects, |order| {
        order.refund_status = 3;
        order.after_sales_status = status;
        for card in order.cards.iter_mut().filter(|card| card.state == UNUSED) {
            card.state = DESTROYED;
        }
        order.note(now_ms, "refund_agreed", "");
    });
    tell_refund(state, effects, refund_id, "pdd_refund_RefundAgreeAgreement");
    effects.after(effects.switches.refunds.pays_after_ms, Event::PayRefund { refund_id });
    true
}

/// Closes a refund without money: the buyer withdrew it.
pub(crate) fn close_refund(state: &mut MallState, effects: &mut Effects<'_>, refund_id: u64) -> bool {
    let now_ms = effects.now_ms;
    let Some(mut refund) = state.refunds.get(&refund_id).cloned() else { return false };
    if refund.is_over() || matches!(refund.after_sales_status, 4 | 5) {
        return false;
    }
    refund.after_sales_status = 11;
    let sn = Arc::clone(&refund.order_sn);
    state.put_refund(refund, effects);
    state.update(&sn, effects, |order| {
        order.refund_status = 1;
        order.after_sales_status = 11;
        order.note(now_ms, "refund_closed", "");
    });
    tell_refund(state, effects, refund_id, "pdd_refund_RefundClosed");
    issue_cards(state, effects, &sn);
    true
}

fn tell_refund(state: &MallState, effects: &mut Effects<'_>, refund_id: u64, topic: &str) {
    if let Some(refund) = state.refunds.get(&refund_id) {
        effects.messages.push(refund.message(topic, state.mall_id));
    }
}

/// Ends one use of a platform-generated code.
pub(crate) fn end_redemption(state: &mut MallState, effects: &Effects<'_>, sn: &str, card_no: &str) {
    let now_ms = effects.now_ms;
    let Some(order) = state.orders.get_mut(sn) else { return };
    let Some(card) = order.cards.iter_mut().find(|card| card.card_no == card_no) else { return };
    if card.state == DESTROYED {
        return;
    }
    card.remain_times = (card.remain_times - 1).max(0);
    card.state = if card.remain_times == 0 { USED } else { UNUSED };
    card.verified_ms = Some(now_ms);
    order.note(now_ms, "redeemed", card_no);
}

/// Marks a code as being redeemed.
pub(crate) fn begin_redemption(state: &mut MallState, effects: &mut Effects<'_>, sn: &Arc<str>, card_no: &str) {
    let card = state.orders.get_mut(sn).and_then(|order| order.cards.iter_mut().find(|card| card.card_no == card_no));
    if let Some(card) = card {
        card.state = IN_PROGRESS;
        effects.after(
            effects.switches.ota.in_progress_ms,
            Event::EndRedemption { order_sn: Arc::clone(sn), card_no: card_no.to_owned() },
        );
    }
}

/// Carries out a scheduled event.
pub(crate) fn carry_out(state: &mut MallState, effects: &mut Effects<'_>, event: Event) {
    let now_ms = effects.now_ms;
    match event {
        Event::Receive { order_sn } => {
            receive(state, effects, &order_sn);
        }
        Event::AskRefund { order_sn } => {
            create_refund(state, effects, &order_sn, "不想要了", 1000);
        }
        Event::LiftRisk { order_sn } => {
            resolve(state, effects, &order_sn);
        }
        Event::EndRedemption { order_sn, card_no } => {
            end_redemption(state, effects, &order_sn, &card_no);
        }
        Event::PayRefund { refund_id } => {
            let Some(mut refund) = state.refunds.get(&refund_id).cloned() else { return };
            refund.after_sales_status = 10;
            let sn = Arc::clone(&refund.order_sn);
            state.put_refund(refund, effects);
            state.update(&sn, effects, |order| {
                order.refund_status = 4;
                order.after_sales_status = 10;
                order.note(now_ms, "refunded", "");
            });
        }
    }
}
