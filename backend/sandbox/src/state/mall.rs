//! A mall: goods, orders by number and by time, refunds, card stock and its part of the ledger.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Arc, Mutex},
};

use super::{
    Effects,
    ledger::{CardRecord, Entry, Fact, Import, LedgerView, OrderRecord},
    order::{Item, Order},
    refund::Refund,
};
use crate::{
    dice::Dice,
    limits::Windows,
    scenario::{self, Buyers, StockCard},
};

/// Time in seconds and a sequence number: lists are sorted by it.
pub(crate) type TimeKey = (i64, u64);

/// A mall.
#[derive(Debug)]
pub(crate) struct Mall {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) stores: Vec<scenario::Store>,
    pub(crate) buyers: Option<Buyers>,
    /// Choices of this mall's buyers, apart from other malls' so that they repeat with the seed.
    pub(crate) dice: Dice,
    pub(crate) windows: Windows,
    pub(crate) state: Mutex<MallState>,
}

impl Mall {
    pub(crate) fn new(config: &scenario::Mall, seed: u64) -> Self {
        let mut state = MallState::new(config.mall_id);
        for goods in &config.goods {
            state.put_goods(goods.clone());
        }
        Self {
            id: config.mall_id,
            name: config.name.clone(),
            stores: config.stores.clone(),
            buyers: config.buyers.clone(),
            dice: Dice::new(seed ^ config.mall_id.wrapping_mul(0x9E37_79B9_7F4A_7C15)),
            windows: Windows::new(),
            state: Mutex::new(state),
        }
    }

    /// Returns the merchant account's name.
    pub(crate) fn owner_name(&self) -> String {
        format!("pdd{}01", self.id)
    }
}

/// A product as it stands.
#[derive(Debug)]
pub(crate) struct GoodsState {
    pub(crate) config: scenario::Goods,
    pub(crate) created_ms: i64,
}

/// What changes in a mall.
#[derive(Debug)]
pub(crate) struct MallState {
    pub(crate) mall_id: u64,
    pub(crate) goods: BTreeMap<u64, GoodsState>,
    /// Item snapshots, rebuilt when goods change and shared by orders.
    items: HashMap<u64, Arc<Item>>,
    pub(crate) stock: HashMap<u64, VecDeque<StockCard>>,
    /// Orders of goods_type 15 that wait for stock, oldest first.
    pub(crate) waiting: HashMap<u64, VecDeque<Arc<str>>>,
    pub(crate) orders: HashMap<Arc<str>, Order>,
    by_update: BTreeMap<TimeKey, Arc<str>>,
    by_confirm: BTreeMap<TimeKey, Arc<str>>,
    pub(crate) refunds: BTreeMap<u64, Refund>,
    pub(crate) refunds_by_update: BTreeMap<TimeKey, u64>,
    /// Platform-generated codes: order of each.
    pub(crate) ota_cards: HashMap<String, Arc<str>>,
    pub(crate) ledger: Vec<Entry>,
    pub(crate) imports: Vec<Import>,
    pub(crate) bought: u64,
}

impl MallState {
    fn new(mall_id: u64) -> Self {
        Self {
            mall_id,
            goods: BTreeMap::new(),
            items: HashMap::new(),
            stock: HashMap::new(),
            waiting: HashMap::new(),
            orders: HashMap::new(),
            by_update: BTreeMap::new(),
            by_confirm: BTreeMap::new(),
            refunds: BTreeMap::new(),
            refunds_by_update: BTreeMap::new(),
            ota_cards: HashMap::new(),
            ledger: Vec::new(),
            imports: Vec::new(),
            bought: 0,
        }
    }

    /// Adds or replaces a product. Stock of codes grows by what the product brings.
    pub(crate) fn put_goods(&mut self, goods: scenario::Goods) {
        for sku in &goods.skus {
            self.items.insert(
                sku.sku_id,
                Arc::new(Item {
                    goods_id: goods.goods_id,
                    sku_id: sku.sku_id,
                    goods_type: goods.goods_type,
                    delivery_type: goods.delivery_type,
                    goods_name: goods.name.clone(),
                    spec: sku.spec.clone(),
                    outer_id: sku.outer_id.clone(),
                    outer_goods_id: goods.outer_goods_id.clone(),
                    image_url: format!("https://img.example/{}.jpg", goods.goods_id),
                    cat_id: goods.cat_id,
                    price_fen: sku.price_fen,
                    ota_uses: goods.ota_uses,
                    valid_days: goods.valid_days,
                }),
            );
            self.stock.entry(sku.sku_id).or_default().extend(sku.cards.iter().cloned());
        }
        let created_ms = 1_795_000_000_000;
        self.goods.insert(goods.goods_id, GoodsState { config: goods, created_ms });
    }

    pub(crate) fn item(&self, sku_id: Option<u64>) -> Option<Arc<Item>> {
        let sku_id = match sku_id {
            Some(sku_id) => sku_id,
            None => self.goods.values().next()?.config.skus.first()?.sku_id,
        };
        self.items.get(&sku_id).cloned()
    }

    /// Returns the skus buyers may choose, each as often as its weight.
    pub(crate) fn choices(&self) -> Vec<u64> {
        self.goods
            .values()
            .filter(|goods| goods.config.is_onsale)
            .flat_map(|goods| {
                let weight = usize::try_from(goods.config.weight).unwrap_or(0);
                goods.config.skus.iter().flat_map(move |sku| std::iter::repeat_n(sku.sku_id, weight))
            })
            .collect()
    }

    /// Adds an order and indexes it.
    pub(crate) fn insert(&mut self, order: Order) {
        let sn = Arc::clone(&order.sn);
        self.by_update.insert((order.updated_ms.div_euclid(1000), order.update_seq), Arc::clone(&sn));
        if let Some(confirmed_ms) = order.confirmed_ms {
            let key = (confirmed_ms.div_euclid(1000), order.update_seq);
            self.by_confirm.insert(key, Arc::clone(&sn));
        }
        self.orders.insert(sn, order);
    }

    /// Changes an order, which moves it to the end of the update order.
    pub(crate) fn update<R>(
        &mut self,
        order_sn: &str,
        effects: &Effects<'_>,
        change: impl FnOnce(&mut Order) -> R,
    ) -> Option<R> {
        let order = self.orders.get_mut(order_sn)?;
        self.by_update.remove(&(order.updated_ms.div_euclid(1000), order.update_seq));
        let was_confirmed = order.confirmed_ms.is_some();
        let result = change(order);
        order.updated_ms = effects.now_ms;
        order.update_seq = effects.world.next();
        let key = |at_ms: i64| (at_ms.div_euclid(1000), order.update_seq);
        self.by_update.insert(key(order.updated_ms), Arc::clone(&order.sn));
        if let (false, Some(confirmed_ms)) = (was_confirmed, order.confirmed_ms) {
            self.by_confirm.insert(key(confirmed_ms), Arc::clone(&order.sn));
        }
        Some(result)
    }

    /// Returns orders updated between two seconds (both included), latest first.
    pub(crate) fn updated_between(&self, from_s: i64, to_s: i64) -> impl Iterator<Item = &Order> {
        self.between(&self.by_update, from_s, to_s)
    }

    /// Returns orders made between two seconds (both included), latest first.
    pub(crate) fn confirmed_between(&self, from_s: i64, to_s: i64) -> impl Iterator<Item = &Order> {
        self.between(&self.by_confirm, from_s, to_s)
    }

    fn between<'a>(
        &'a self,
        index: &'a BTreeMap<TimeKey, Arc<str>>,
        from_s: i64,
        to_s: i64,
    ) -> impl Iterator<Item = &'a Order> {
        // An inverted range would panic.
        index
            .range((from_s, 0)..=(to_s.max(from_s), if to_s < from_s { 0 } else { u64::MAX }))
            .rev()
            .filter_map(|(_, sn)| self.orders.get(sn))
    }

    /// Adds a refund or moves it to the end of the update order.
    pub(crate) fn put_refund(&mut self, mut refund: Refund, effects: &Effects<'_>) {
        self.refunds_by_update.remove(&(refund.updated_ms.div_euclid(1000), refund.update_seq));
        refund.updated_ms = effects.now_ms;
        refund.update_seq = effects.world.next();
        self.refunds_by_update.insert((refund.updated_ms.div_euclid(1000), refund.update_seq), refund.id);
        self.refunds.insert(refund.id, refund);
    }

    /// Records a fact.
    pub(crate) fn record(&mut self, at_ms: i64, client_id: &str, order_sn: &Arc<str>, fact: Fact) {
        self.ledger.push(Entry {
            at_ms,
            mall_id: self.mall_id,
            client_id: client_id.to_owned(),
            order_sn: Arc::clone(order_sn),
            fact,
        });
    }

    /// Adds this mall's part to a view of the ledger.
    pub(crate) fn view_ledger(&self, order_sn: Option<&str>, view: &mut LedgerView) {
        let wanted = |sn: &str| order_sn.is_none_or(|wanted| wanted == sn);
        for entry in self.ledger.iter().filter(|entry| wanted(&entry.order_sn)) {
            view.add(entry.clone());
        }
        if order_sn.is_none() {
            view.imports.extend(self.imports.iter().cloned());
        }
        let mut orders: Vec<&Order> = self.orders.values().filter(|o| wanted(&o.sn)).collect();
        orders.sort_by_key(|order| (order.created_ms, Arc::clone(&order.sn)));
        view.orders.extend(orders.into_iter().map(|order| order_record(order, self.mall_id)));
    }
}

fn order_record(order: &Order, mall_id: u64) -> OrderRecord {
    let first =
        |events: &[&str]| order.history.iter().find(|entry| events.contains(&entry.event)).map(|entry| entry.at_ms);
    OrderRecord {
        order_sn: Arc::clone(&order.sn),
        mall_id,
        sku_id: order.item.sku_id,
        outer_id: order.item.outer_id.clone(),
        goods_type: order.item.goods_type,
        delivery_type: order.item.delivery_type,
        quantity: order.quantity,
        order_status: order.order_status,
        refund_status: order.refund_status,
        confirm_status: order.confirm_status,
        risk_control_status: order.risk_control_status,
        after_sales_status: order.after_sales_status,
        paid_ms: order.paid_ms,
        confirmed_ms: order.confirmed_ms,
        delivered_ms: first(&["vouchers_sent", "shipped", "charged", "cards_issued"]),
        redeemed_ms: first(&["redeemed"]),
        vouchers: order.vouchers.len(),
        cards: order
            .cards
            .iter()
            .map(|card| CardRecord {
                card_no: card.card_no.clone(),
                password: card.password.clone(),
                state: card.state,
                remain_times: card.remain_times,
            })
            .collect(),
        history: order.history.clone(),
    }
}
