//! The platform's side of redemption at the port: orders, codes, a ledger of what took effect, and answers to order.
//!
//! The sandbox proves the wire; this proves decisions, because every answer, lost or late, can be put in a line.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use chrono::{DateTime, Utc};
use kamiflow_domain::marketplace::{
    ApplicationAccess, CardUpload, ErrorClass, HandOver, MallInfo, MarketError, MarketResult, Marketplace, OrderPage,
    OtaCard, PageRequest, PlatformOrder, PreparedCall, ProductDetail, ProductPage, Redeem, Redeemed, RefundPage,
    ShopAccess, TimeSpan, Tokens,
};
use kamiflow_kernel::{DeliveryMethod, GoodsId, OrderSn, SecretText};

/// What happens to one redemption call.
#[derive(Debug, Clone)]
pub(crate) enum Fate {
    /// It takes effect, and the answer arrives.
    Answered,
    /// It takes effect, and nobody hears of it.
    EffectWithoutAnswer,
    /// It is lost on the way.
    Lost,
    /// The platform says 99 and takes the use at the second look-up after it.
    InProgress,
    /// The platform fails it without effect.
    Refused(ErrorClass, &'static str),
}

#[derive(Default)]
struct State {
    orders: HashMap<OrderSn, PlatformOrder>,
    codes: HashMap<String, OtaCard>,
    listed_refunds: HashSet<OrderSn>,
    fates: VecDeque<Fate>,
    /// Look-ups until an effect shows, by code.
    late: HashMap<String, u8>,
    /// Uses that took effect, by what identifies the use on the platform.
    ledger: Vec<String>,
    calls: Vec<Redeem>,
    order_reads: usize,
    prepares: usize,
}

/// A scripted platform.
#[derive(Default)]
pub(crate) struct Platform(Mutex<State>);

impl Platform {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub(crate) fn put_order(&self, order: PlatformOrder) {
        self.state().orders.insert(order.order_sn.clone(), order);
    }

    pub(crate) fn change_order(&self, sn: &OrderSn, change: impl FnOnce(&mut PlatformOrder)) {
        change(self.state().orders.get_mut(sn).unwrap());
    }

    pub(crate) fn put_code(&self, code: &str, of: &OrderSn, uses: i32) {
        let card = OtaCard { order_sn: Some(of.clone()), status: 1, remain_times: uses, total_times: uses };
        self.state().codes.insert(code.to_owned(), card);
    }

    pub(crate) fn change_code(&self, code: &str, change: impl FnOnce(&mut OtaCard)) {
        change(self.state().codes.get_mut(code).unwrap());
    }

    pub(crate) fn list_refund(&self, sn: &OrderSn) {
        self.state().listed_refunds.insert(sn.clone());
    }

    /// The next calls end like this; afterwards every call is answered.
    pub(crate) fn next_calls(&self, fates: impl IntoIterator<Item = Fate>) {
        self.state().fates.extend(fates);
    }

    pub(crate) fn ledger(&self) -> Vec<String> {
        self.state().ledger.clone()
    }

    pub(crate) fn calls(&self) -> Vec<Redeem> {
        self.state().calls.clone()
    }

    pub(crate) fn order_reads(&self) -> usize {
        self.state().order_reads
    }

    pub(crate) fn prepares(&self) -> usize {
        self.state().prepares
    }
}

impl State {
    fn take_effect(&mut self, redeem: &Redeem) {
        let entry = match redeem {
            Redeem::Ota { number, .. } => {
                let card = self.codes.get_mut(number.expose()).unwrap();
                card.remain_times -= 1;
                if card.remain_times == 0 {
                    card.status = 2;
                }
                format!("ota {}", number.expose())
            }
            Redeem::ReportCard { number, used, .. } => {
                let entry = format!("{} {}", if *used { "used" } else { "destroyed" }, number.expose());
                // The platform takes the report of a card once.
                if self.ledger.contains(&entry) {
                    return;
                }
                entry
            }
            Redeem::Realtime { serial_no, .. } => {
                let entry = format!("realtime {serial_no}");
                if self.ledger.contains(&entry) {
                    return;
                }
                entry
            }
        };
        self.ledger.push(entry);
    }
}

pub(crate) fn failure(class: ErrorClass, sub_code: &str, after: Option<Duration>) -> MarketError {
    let code = if sub_code.is_empty() { 0 } else { 50001 };
    MarketError {
        api: "scripted".to_owned(),
        class,
        code,
        sub_code: sub_code.to_owned(),
        message: String::new(),
        after,
    }
}

fn not_played<T>() -> MarketResult<'static, T> {
    Box::pin(async { Err(failure(ErrorClass::Rejected, "not played", None)) })
}

impl Marketplace for Platform {
    fn order<'a>(&'a self, _access: &'a ShopAccess, order_sn: &'a OrderSn) -> MarketResult<'a, PlatformOrder> {
        let mut state = self.state();
        state.order_reads += 1;
        let order = state.orders.get(order_sn).cloned();
        Box::pin(async { order.ok_or_else(|| failure(ErrorClass::NotFound, "45001", None)) })
    }

    fn refunds_among<'a>(&'a self, _access: &'a ShopAccess, orders: &'a [OrderSn]) -> MarketResult<'a, Vec<OrderSn>> {
        let state = self.state();
        let listed = orders.iter().filter(|sn| state.listed_refunds.contains(*sn)).cloned().collect();
        Box::pin(async { Ok(listed) })
    }

    fn ota_prepare<'a>(
        &'a self,
        _access: &'a ShopAccess,
        number: &'a SecretText,
        _store_id: Option<i64>,
    ) -> MarketResult<'a, OtaCard> {
        let mut state = self.state();
        state.prepares += 1;
        let code = number.expose().to_owned();
        let late = state.late.get(&code).copied();
        let mut card = state.codes.get(&code).cloned();
        match late {
            Some(0) => {
                state.late.remove(&code);
                let store_name = String::new();
                let order_sn = card.clone().and_then(|card| card.order_sn).unwrap();
                state.take_effect(&Redeem::Ota { order_sn, number: number.clone(), store_id: 1, store_name });
                card = state.codes.get(&code).cloned();
            }
            Some(n) => {
                state.late.insert(code, n - 1);
                card = card.map(|card| OtaCard { status: 99, ..card });
            }
            None => {}
        }
        Box::pin(async { card.ok_or_else(|| failure(ErrorClass::Rejected, "100006", None)) })
    }

    fn redeem<'a>(
        &'a self,
        _access: &'a ShopAccess,
        redeem: &'a Redeem,
        _not_after: DateTime<Utc>,
    ) -> MarketResult<'a, Redeemed> {
        let mut state = self.state();
        state.calls.push(redeem.clone());
        let answer = match state.fates.pop_front().unwrap_or(Fate::Answered) {
            Fate::Answered => {
                state.take_effect(redeem);
                Ok(Redeemed::Done)
            }
            Fate::EffectWithoutAnswer => {
                state.take_effect(redeem);
                Err(failure(ErrorClass::OutcomeUnknown, "", None))
            }
            Fate::Lost => Err(failure(ErrorClass::OutcomeUnknown, "", None)),
            Fate::InProgress => {
                if let Redeem::Ota { number, .. } = redeem {
                    state.late.insert(number.expose().to_owned(), 1);
                }
                Ok(Redeemed::InProgress)
            }
            Fate::Refused(class, sub_code) => Err(failure(class, sub_code, None)),
        };
        Box::pin(async { answer })
    }

    fn time<'a>(&'a self, _application: &'a ApplicationAccess) -> MarketResult<'a, DateTime<Utc>> {
        not_played()
    }
    fn probe<'a>(&'a self, _application: &'a ApplicationAccess) -> MarketResult<'a, ()> {
        not_played()
    }
    fn create_tokens<'a>(&'a self, _application: &'a ApplicationAccess, _code: &'a str) -> MarketResult<'a, Tokens> {
        not_played()
    }
    fn refresh_tokens<'a>(
        &'a self,
        _application: &'a ApplicationAccess,
        _refresh_token: &'a SecretText,
    ) -> MarketResult<'a, Tokens> {
        not_played()
    }
    fn mall<'a>(&'a self, _access: &'a ShopAccess) -> MarketResult<'a, MallInfo> {
        not_played()
    }
    fn permit_push<'a>(&'a self, _access: &'a ShopAccess) -> MarketResult<'a, ()> {
        not_played()
    }
    fn orders_updated<'a>(
        &'a self,
        _access: &'a ShopAccess,
        _span: TimeSpan,
        _page: PageRequest,
    ) -> MarketResult<'a, OrderPage> {
        not_played()
    }
    fn refunds_updated<'a>(
        &'a self,
        _access: &'a ShopAccess,
        _span: TimeSpan,
        _page: PageRequest,
    ) -> MarketResult<'a, RefundPage> {
        not_played()
    }
    fn products<'a>(&'a self, _access: &'a ShopAccess, _page: PageRequest) -> MarketResult<'a, ProductPage> {
        not_played()
    }
    fn product_detail<'a>(&'a self, _access: &'a ShopAccess, _goods: GoodsId) -> MarketResult<'a, ProductDetail> {
        not_played()
    }
    fn hand_over_api(&self, _method: DeliveryMethod) -> Option<&'static str> {
        None
    }
    fn prepare_hand_over(&self, _hand_over: &HandOver) -> PreparedCall {
        PreparedCall { api: "not played".to_owned(), body: "{}".into() }
    }
    fn hand_over<'a>(
        &'a self,
        _access: &'a ShopAccess,
        _call: &'a PreparedCall,
        _not_after: DateTime<Utc>,
    ) -> MarketResult<'a, ()> {
        not_played()
    }
    fn upload_cards<'a>(
        &'a self,
        _access: &'a ShopAccess,
        _upload: &'a CardUpload,
        _not_after: DateTime<Utc>,
    ) -> MarketResult<'a, i64> {
        not_played()
    }
    fn decrypt<'a>(
        &'a self,
        _access: &'a ShopAccess,
        _order_sn: &'a OrderSn,
        _ciphers: &'a [String],
    ) -> MarketResult<'a, Vec<SecretText>> {
        not_played()
    }
    fn mask<'a>(
        &'a self,
        _access: &'a ShopAccess,
        _order_sn: &'a OrderSn,
        _ciphers: &'a [String],
    ) -> MarketResult<'a, Vec<String>> {
        not_played()
    }
}
