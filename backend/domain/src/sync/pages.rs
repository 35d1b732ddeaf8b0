//! One window, asked for page by page; each page is stored in a transaction of its own. No call inside a transaction.
//!
//! The regular windows and a reconciliation read alike. What differs is the name the read is stored under, and that a
//! reconciliation looks at what is stored before it stores, to say what had been missed; or stores nothing at all.

use std::collections::{HashMap, HashSet};

use kamiflow_kernel::OrderSn;
use kamiflow_store::coverage::{CoverageKind, CoverageSource, ReadSpan};
use kamiflow_store::order_hints::{HintSource, NewHints};
use kamiflow_store::orders::OrderRow;
use kamiflow_store::refunds::NewRefund;
use kamiflow_store::{StoreError, TenantTx, order_hints, orders, refunds, shops};
use tracing::{error, warn};

use super::missed::Missed;
use super::plan;
use super::trouble::{Stop, Trouble};
use super::window::{Seen, Step, WindowRead};
use crate::engine::{Engine, Wake};
use crate::ingest::{self, Read, Source};
use crate::marketplace::{OrderPage, PageRequest, PlatformRefund, RefundPage, TimeSpan};
use crate::shop_access::Shop;

/// The API that lists after-sales, as an application's denials name it.
const REFUND_LIST: &str = "pdd.refund.list.increment.get";
/// A window that keeps changing is read so many times before the shop waits.
const WINDOW_PASSES: u32 = 3;

/// What is done with what is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The regular windows.
    Sync,
    /// A reconciliation: as the regular windows, and it says what had been missed.
    Repair,
    /// The same without storing anything.
    Compare,
}

impl Purpose {
    const fn source(self) -> Source {
        match self {
            Self::Sync => Source::Window,
            Self::Repair | Self::Compare => Source::Reconcile,
        }
    }

    const fn coverage(self) -> CoverageSource {
        match self {
            Self::Sync => CoverageSource::Window,
            Self::Repair | Self::Compare => CoverageSource::Reconcile,
        }
    }
}

/// How reading a part of a window ended.
pub(crate) enum PartRead {
    /// In full.
    Read(ReadSpan),
    /// It holds too many; these are its halves, earlier first.
    TooMany(TimeSpan, TimeSpan),
}

/// A shop's pages, and what they brought.
pub(crate) struct Pages<'a> {
    engine: &'a Engine,
    shop: &'a Shop,
    purpose: Purpose,
    /// Who should look now.
    pub(crate) wakes: HashSet<Wake>,
    /// Orders and after-sales that were new or had changed.
    pub(crate) news: usize,
    /// What had been missed; empty for [`Purpose::Sync`].
    pub(crate) missed: Missed,
    /// Entries that could not be read, counted for each page that showed one.
    pub(crate) unreadable: usize,
}

/// Counts of one window.
#[derive(Default)]
struct Counts {
    fresh: usize,
    announced: usize,
}

/// Returns whether the shop's application may list after-sales.
pub(crate) fn may_list_refunds(shop: &Shop) -> bool {
    !shop.denied_apis.iter().any(|api| api == REFUND_LIST)
}

impl<'a> Pages<'a> {
    pub(crate) fn new(engine: &'a Engine, shop: &'a Shop, purpose: Purpose) -> Self {
        let (wakes, missed) = (HashSet::new(), Missed::default());
        Self { engine, shop, purpose, wakes, news: 0, missed, unreadable: 0 }
    }

    /// Reads a part of a window, or says how to split it.
    pub(crate) async fn part(&mut self, kind: CoverageKind, span: TimeSpan) -> Result<PartRead, Stop> {
        let halves = plan::bisect(span);
        let max = halves.map(|_| self.engine.config.window_max_orders);
        match (self.window(kind, span, max).await?, halves) {
            (Some(read), _) => Ok(PartRead::Read(read)),
            (None, Some((early, late))) => Ok(PartRead::TooMany(early, late)),
            // Without a limit no window holds too many.
            (None, None) => Err(Stop::Trouble(Trouble::Unsettled(kind))),
        }
    }

    /// Reads one window; `None` when it holds more than `max`.
    async fn window(&mut self, kind: CoverageKind, span: TimeSpan, max: Option<u32>) -> Result<Option<ReadSpan>, Stop> {
        for _pass in 0..WINDOW_PASSES {
            let mut window = WindowRead::begin(max);
            let mut counts = Counts::default();
            let complete = loop {
                match window.step() {
                    Step::Ask(request) => {
                        let (seen, stored) = self.page(kind, span, request).await?;
                        counts.fresh += stored.fresh;
                        counts.announced += stored.announced;
                        window.accept(seen);
                    }
                    Step::TooMany => return Ok(None),
                    Step::Again => break false,
                    Step::Complete => break true,
                }
            };
            if complete {
                return Ok(Some(counts.of(kind, self.purpose.coverage(), span, window.found())));
            }
            metrics::counter!("kamiflow_sync_windows_read_again_total", "kind" => kind.as_str()).increment(1);
        }
        Err(Stop::Trouble(Trouble::Unsettled(kind)))
    }

    /// Reads and stores one page of a window.
    async fn page(&mut self, kind: CoverageKind, span: TimeSpan, request: PageRequest) -> Result<(Seen, Counts), Stop> {
        let access = &self.shop.access;
        let started = self.engine.now();
        match kind {
            CoverageKind::Orders => {
                let page = self.engine.market.orders_updated(access, span, request).await?;
                let counts = self.orders(&page, Read { started, source: self.purpose.source() }).await?;
                let numbers = page.orders.iter().map(|order| order.order_sn.to_string());
                Ok((seen(numbers, &page.unreadable, page.total), counts))
            }
            CoverageKind::Refunds => {
                let page = self.engine.market.refunds_updated(access, span, request).await?;
                let counts = self.refunds(&page, started).await?;
                let numbers = page.refunds.iter().map(|refund| refund.after_sales_id.to_string());
                // An order may have several after-sales, so its number does not tell them apart.
                let nameless = vec![None; page.unreadable.len()];
                Ok((seen(numbers, &nameless, Some(page.total)), counts))
            }
        }
    }

    async fn orders(&mut self, page: &OrderPage, read: Read) -> Result<Counts, StoreError> {
        self.unreadable += page.unreadable.len();
        if self.purpose == Purpose::Compare {
            self.compare(page, read).await
        } else {
            self.store_orders(page, read).await
        }
    }

    /// Says what storing a page would find.
    async fn compare(&mut self, page: &OrderPage, read: Read) -> Result<Counts, StoreError> {
        let mut tx = self.engine.store.tenant_tx(self.shop.access.merchant).await?;
        for order in &page.orders {
            let stored = orders::find_by_sn(&mut tx, self.shop.access.shop, &order.order_sn).await?;
            if let Some(row) = ingest::preview(stored.as_ref(), order, read) {
                self.missed.order(stored.as_ref(), order, &row);
            }
        }
        Ok(Counts::default())
    }

    /// Stores a page; an order that the database refuses is hinted and must not hold up the others.
    async fn store_orders(&mut self, page: &OrderPage, read: Read) -> Result<Counts, StoreError> {
        match self.store_page(page, read).await {
            Err(error) if page.orders.len() > 1 && !error.is_connection_lost() => {
                warn!(shop.id = %self.shop.access.shop, error = ?error, "A page was refused; its orders are stored one by one");
            }
            stored => return stored,
        }
        let mut counts = Counts::default();
        let rest = OrderPage { orders: Vec::new(), ..page.clone() };
        self.store_page(&rest, read).await?;
        for order in &page.orders {
            let one = OrderPage { orders: vec![order.clone()], unreadable: Vec::new(), ..page.clone() };
            match self.store_page(&one, read).await {
                Ok(stored) => {
                    counts.fresh += stored.fresh;
                    counts.announced += stored.announced;
                }
                Err(error) if error.is_connection_lost() => return Err(error),
                Err(error) => {
                    error!(order.sn = %order.order_sn, error = ?error, "An order could not be stored; it is hinted");
                    let refused = OrderPage {
                        orders: Vec::new(),
                        unreadable: vec![Some(order.order_sn.clone())],
                        ..page.clone()
                    };
                    self.store_page(&refused, read).await?;
                }
            }
        }
        Ok(counts)
    }

    async fn store_page(&mut self, page: &OrderPage, read: Read) -> Result<Counts, StoreError> {
        let unreadable: Vec<OrderSn> = page.unreadable.iter().flatten().cloned().collect();
        if page.orders.is_empty() && unreadable.is_empty() {
            return Ok(Counts::default());
        }
        let shop = self.shop.access.shop;
        let mut tx = self.engine.store.tenant_tx(self.shop.access.merchant).await?;
        let before = self.known(&mut tx, page).await?;
        let ingested = ingest::ingest(&mut tx, self.shop, &page.orders, read).await?;
        // Read alone it may be readable, and if not, its hint shows that it is there.
        let hints = NewHints { dirty_since: read.started, due_at: read.started, source: HintSource::Unreadable };
        order_hints::upsert(&tx, shop, &unreadable, hints).await?;
        tx.commit().await?;
        if let Some(before) = before {
            self.note(page, &before, &ingested.orders, read);
        }
        if !unreadable.is_empty() {
            self.wakes.insert(Wake::Deliver(shop));
        }
        self.news += ingested.fresh + ingested.changed;
        self.wakes.extend(ingested.wakes);
        Ok(Counts { fresh: ingested.fresh, announced: ingested.announced })
    }

    /// Reads and locks what is stored about a page's orders, for a reconciliation; the locks are ingestion's own, taken
    /// in its order.
    async fn known(
        &self,
        tx: &mut TenantTx,
        page: &OrderPage,
    ) -> Result<Option<HashMap<String, OrderRow>>, StoreError> {
        if self.purpose != Purpose::Repair {
            return Ok(None);
        }
        let shop = self.shop.access.shop;
        shops::share_standing(tx, shop).await?;
        let numbers: Vec<OrderSn> = page.orders.iter().map(|order| order.order_sn.clone()).collect();
        let rows = orders::lock_by_sn(tx, shop, &numbers).await?;
        Ok(Some(rows.into_iter().map(|row| (row.order_sn.clone(), row)).collect()))
    }

    /// Notes what a stored page told, given what was stored before and after it.
    fn note(&mut self, page: &OrderPage, before: &HashMap<String, OrderRow>, after: &[OrderRow], read: Read) {
        // Somebody else may have seen an order between our look and the insertion; then it was not missed.
        let by_us = |row: &&OrderRow| row.source == read.source.as_str();
        let first_seen: HashSet<&str> = after.iter().filter(by_us).map(|row| row.order_sn.as_str()).collect();
        for order in &page.orders {
            let stored = before.get(order.order_sn.as_str());
            let Some(row) = ingest::preview(stored, order, read) else { continue };
            if stored.is_some() || first_seen.contains(order.order_sn.as_str()) {
                self.missed.order(stored, order, &row);
            }
        }
    }

    /// Stores what a peek has read.
    pub(super) async fn peeked(&mut self, page: &OrderPage, read: Read) -> Result<(), StoreError> {
        self.store_orders(page, read).await.map(|_counts| ())
    }

    async fn refunds(
        &mut self,
        page: &RefundPage,
        started: chrono::DateTime<chrono::Utc>,
    ) -> Result<Counts, StoreError> {
        self.unreadable += page.unreadable.len();
        if page.refunds.is_empty() && page.unreadable.is_empty() {
            return Ok(Counts::default());
        }
        let shop = self.shop.access.shop;
        let read: Vec<NewRefund<'_>> = page.refunds.iter().map(new_refund).collect();
        let mut tx = self.engine.store.tenant_tx(self.shop.access.merchant).await?;
        if self.purpose == Purpose::Compare {
            self.missed.refunds(&refunds::list_news(&mut tx, shop, &read).await?);
            return Ok(Counts::default());
        }
        let changed = refunds::upsert(&mut tx, shop, &read, started).await?;
        let unreadable = page.unreadable.iter().flatten().cloned();
        let orders: Vec<OrderSn> =
            changed.iter().filter_map(|refund| refund.order_sn.parse().ok()).chain(unreadable).collect();
        let hints = NewHints { dirty_since: started, due_at: started, source: HintSource::Refund };
        order_hints::upsert(&tx, shop, &orders, hints).await?;
        tx.commit().await?;
        if self.purpose == Purpose::Repair {
            self.missed.refunds(&changed);
        }
        if !orders.is_empty() {
            self.wakes.insert(Wake::Deliver(shop));
        }
        self.news += changed.len();
        Ok(Counts { fresh: changed.iter().filter(|refund| refund.fresh).count(), announced: 0 })
    }
}

impl Counts {
    fn of(&self, kind: CoverageKind, source: CoverageSource, span: TimeSpan, found: usize) -> ReadSpan {
        let count = |n: usize| i32::try_from(n).unwrap_or(i32::MAX);
        ReadSpan {
            kind,
            source,
            from: span.from,
            to: span.to,
            found: count(found),
            announced: count(self.announced),
            fresh: count(self.fresh),
        }
    }
}

fn seen(numbers: impl Iterator<Item = String>, unreadable: &[Option<OrderSn>], total: Option<u32>) -> Seen {
    let named = unreadable.iter().flatten().map(OrderSn::to_string);
    Seen {
        numbers: numbers.chain(named).collect(),
        nameless: unreadable.iter().filter(|order_sn| order_sn.is_none()).count(),
        total,
    }
}

const fn new_refund(refund: &PlatformRefund) -> NewRefund<'_> {
    NewRefund {
        after_sales_id: refund.after_sales_id,
        order_sn: &refund.order_sn,
        status: refund.status,
        kind: refund.kind,
        amount: refund.amount,
        created_at: refund.created_at,
        updated_at: refund.updated_at,
    }
}
