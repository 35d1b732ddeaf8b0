//! Follows the orders that the demo's buyers made, from the placing to the end state, by what Postgres says.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use kamiflow_domain::engine::Engine;
use kamiflow_kernel::{MerchantId, OrderSn, OrderState, RedemptionMethod, ShopId};
use kamiflow_store::order_progress::{self, ProgressRow};

/// Orders one statement asks for.
const CHUNK: usize = 500;
/// How long after the delivery a buyer wants the money back. The platform dates refunds in whole seconds; one that
/// comes at once could not be told from a refund that raced the hand-over.
const SECOND_THOUGHTS: Duration = Duration::from_secs(2);

/// What a buyer wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    /// What was bought.
    Goods,
    /// The money back, before anything is delivered.
    MoneyBeforeDelivery,
    /// The money back, after the delivery.
    MoneyAfterDelivery,
}

/// An order that is followed.
#[derive(Debug, Clone)]
pub(super) struct Followed {
    pub(super) shop: ShopId,
    pub(super) order_sn: OrderSn,
    pub(super) wish: Wish,
    /// What Postgres said last; none until the order was seen.
    pub(super) row: Option<ProgressRow>,
    /// When the delivery was noticed, and whether the money was asked back since.
    delivered: Option<Instant>,
    refund_asked: bool,
}

impl Followed {
    /// Returns where the order is.
    pub(super) fn state(&self) -> Option<OrderState> {
        self.row.as_ref().and_then(|row| row.state().ok())
    }

    /// Returns whether nothing more will happen by itself: it ended, it is delivered and there is nothing to redeem,
    /// or a person must say something first.
    pub(super) fn has_ended(&self) -> bool {
        let (Some(row), Some(state)) = (&self.row, self.state()) else { return false };
        let at_rest = || {
            let nothing_to_redeem = matches!(row.redemption(), Ok(None | Some(RedemptionMethod::None)));
            state.is_end() || state == OrderState::Delivered && (nothing_to_redeem || row.exceptions > 0)
        };
        match self.wish {
            Wish::Goods => row.in_review || at_rest(),
            Wish::MoneyBeforeDelivery | Wish::MoneyAfterDelivery => {
                row.in_review || state == OrderState::ClosedRefunded
            }
        }
    }
}

/// How far the orders are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) orders: u64,
    pub(super) seen: u64,
    pub(super) delivered: u64,
    pub(super) redeemed: u64,
    pub(super) skipped: u64,
    /// Orders about which something is open.
    pub(super) exceptions: u64,
    pub(super) ended: u64,
}

impl Counts {
    fn add(&mut self, order: &Followed) {
        self.orders += 1;
        self.ended += u64::from(order.has_ended());
        let Some(row) = &order.row else { return };
        let is = |state: OrderState| u64::from(order.state() == Some(state));
        self.seen += 1;
        self.delivered += u64::from(row.delivered);
        self.redeemed += is(OrderState::Redeemed);
        self.skipped += is(OrderState::Skipped);
        self.exceptions += u64::from(row.exceptions > 0);
    }
}

/// All orders that are followed.
pub(super) struct Tracker {
    merchant: MerchantId,
    shops: BTreeMap<i64, ShopId>,
    orders: Mutex<Vec<Followed>>,
}

impl Tracker {
    /// Returns a tracker of a merchant's shops, by their numbers.
    pub(super) fn new(merchant: MerchantId, shops: BTreeMap<i64, ShopId>) -> Self {
        Self { merchant, shops, orders: Mutex::default() }
    }

    /// Begins to follow an order.
    pub(super) fn placed(&self, shop: i64, order_sn: &str, wish: Wish) -> Result<()> {
        let shop = *self.shops.get(&shop).context("the sandbox sells in a shop that is not connected")?;
        let followed =
            Followed { shop, order_sn: order_sn.parse()?, wish, row: None, delivered: None, refund_asked: false };
        self.lock().push(followed);
        Ok(())
    }

    /// Asks Postgres about the orders that have not ended.
    pub(super) async fn refresh(&self, engine: &Engine) -> Result<()> {
        self.read(engine, |order| !order.has_ended()).await
    }

    /// Asks Postgres about every order.
    pub(super) async fn refresh_all(&self, engine: &Engine) -> Result<()> {
        self.read(engine, |_order| true).await
    }

    /// Returns how far the orders are.
    pub(super) fn counts(&self) -> Counts {
        self.lock().iter().fold(Counts::default(), |mut counts, order| {
            counts.add(order);
            counts
        })
    }

    /// Returns the orders whose buyers want their money back now, each once.
    pub(super) fn take_refunds(&self) -> Vec<OrderSn> {
        let mut orders = self.lock();
        let wanting = orders.iter_mut().filter(|order| {
            let thought = order.delivered.is_some_and(|since| since.elapsed() >= SECOND_THOUGHTS);
            order.wish == Wish::MoneyAfterDelivery && thought && !order.refund_asked
        });
        wanting
            .map(|order| {
                order.refund_asked = true;
                order.order_sn.clone()
            })
            .collect()
    }

    /// Returns every order.
    pub(super) fn orders(&self) -> Vec<Followed> {
        self.lock().clone()
    }

    async fn read(&self, engine: &Engine, wanted: impl Fn(&Followed) -> bool) -> Result<()> {
        let mut by_shop: BTreeMap<ShopId, Vec<OrderSn>> = BTreeMap::new();
        for order in self.lock().iter().filter(|order| wanted(order)) {
            by_shop.entry(order.shop).or_default().push(order.order_sn.clone());
        }
        for (shop, sns) in by_shop {
            for chunk in sns.chunks(CHUNK) {
                let mut tx = engine.store.tenant_tx(self.merchant).await?;
                let rows = order_progress::list(&mut tx, shop, chunk).await?;
                tx.commit().await?;
                self.store(rows);
            }
        }
        Ok(())
    }

    fn store(&self, rows: Vec<ProgressRow>) {
        let mut by_sn: BTreeMap<String, ProgressRow> =
            rows.into_iter().map(|row| (row.order_sn.clone(), row)).collect();
        for order in self.lock().iter_mut() {
            if let Some(row) = by_sn.remove(order.order_sn.as_str()) {
                if row.delivered && order.delivered.is_none() {
                    order.delivered = Some(Instant::now());
                }
                order.row = Some(row);
            }
        }
    }

    /// A poisoned lock guards orders that are still true.
    fn lock(&self) -> MutexGuard<'_, Vec<Followed>> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
