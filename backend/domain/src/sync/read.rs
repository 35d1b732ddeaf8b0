//! Asking the platform and storing page by page; no call inside a transaction.

use std::collections::HashSet;

use chrono::{DateTime, TimeDelta, Utc};
use kamiflow_kernel::OrderSn;
use kamiflow_store::coverage::{CoverageKind, CoverageSource, ReadSpan};
use kamiflow_store::order_hints::{HintSource, NewHints};
use kamiflow_store::refunds::NewRefund;
use kamiflow_store::shop_sync::ShopSyncRow;
use kamiflow_store::{StoreError, order_hints, refunds};
use tracing::{error, warn};

use super::Work;
use super::plan;
use super::window::{PAGE_SIZE, Seen, Step, WindowRead};
use crate::engine::{Engine, Wake};
use crate::ingest::{self, Read, Source};
use crate::marketplace::{MarketError, OrderPage, PageRequest, PlatformRefund, RefundPage, TimeSpan};

/// The API that lists after-sales, as an application's denials name it.
const REFUND_LIST: &str = "pdd.refund.list.increment.get";
/// A peek reads at most so many pages; what is left is the window's.
const PEEK_PAGES: u32 = 5;
/// A window that keeps changing is read so many times before the shop waits.
const WINDOW_PASSES: u32 = 3;

/// What a tick has done so far.
pub(super) struct Round {
    pub(super) started: DateTime<Utc>,
    pub(super) orders_watermark: DateTime<Utc>,
    pub(super) refunds_watermark: DateTime<Utc>,
    pub(super) peeked_to: Option<DateTime<Utc>>,
    /// Windows read in full, each kind in order.
    pub(super) spans: Vec<ReadSpan>,
    pub(super) wakes: HashSet<Wake>,
    /// Orders and after-sales that were new or had changed.
    pub(super) news: usize,
    /// Whether windows are left that could have been read at once.
    pub(super) behind: bool,
    /// What went wrong with after-sales; orders do not wait for them.
    pub(super) refund_trouble: Option<Trouble>,
}

/// Why reading stopped.
#[derive(Debug, Clone)]
pub(super) enum Trouble {
    /// The platform refused.
    Market(MarketError),
    /// A window changed every time it was read.
    Unsettled(CoverageKind),
}

/// Why reading stopped, the store's failures included: with those the tick itself fails.
#[derive(Debug)]
pub(super) enum Stop {
    Store(StoreError),
    Trouble(Trouble),
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<MarketError> for Stop {
    fn from(error: MarketError) -> Self {
        Self::Trouble(Trouble::Market(error))
    }
}

/// Counts of one window.
#[derive(Default)]
struct Counts {
    fresh: usize,
    announced: usize,
}

impl Round {
    pub(super) fn begin(sync: &ShopSyncRow, started: DateTime<Utc>) -> Self {
        Self {
            started,
            orders_watermark: sync.orders_watermark,
            refunds_watermark: sync.refunds_watermark,
            peeked_to: None,
            spans: Vec::new(),
            wakes: HashSet::new(),
            news: 0,
            behind: false,
            refund_trouble: None,
        }
    }

    const fn watermark(&mut self, kind: CoverageKind) -> &mut DateTime<Utc> {
        match kind {
            CoverageKind::Orders => &mut self.orders_watermark,
            CoverageKind::Refunds => &mut self.refunds_watermark,
        }
    }
}

/// One tick's reading.
pub(super) struct Reader<'a> {
    pub(super) engine: &'a Engine,
    pub(super) work: &'a Work,
    pub(super) round: &'a mut Round,
}

impl Reader<'_> {
    /// Reads everything that is due.
    pub(super) async fn all(&mut self) -> Result<(), Stop> {
        let platform_now = self.engine.market.time(&self.work.shop.access.application).await?;
        self.peek(platform_now).await?;
        self.windows(CoverageKind::Orders, platform_now).await?;
        if !self.work.shop.denied_apis.iter().any(|api| api == REFUND_LIST) {
            match self.windows(CoverageKind::Refunds, platform_now).await {
                Err(Stop::Trouble(trouble)) => self.round.refund_trouble = Some(trouble),
                other => other?,
            }
        }
        Ok(())
    }

    async fn peek(&mut self, platform_now: DateTime<Utc>) -> Result<(), Stop> {
        let sync = &self.work.sync;
        let Some(span) = plan::peek_span(sync.last_peek_at, sync.orders_watermark, platform_now) else {
            return Ok(());
        };
        for number in 1..=PEEK_PAGES {
            let request = PageRequest { number, size: PAGE_SIZE, with_total: false };
            let read = Read { started: self.engine.now(), source: Source::Peek };
            let page = self.engine.market.orders_updated(&self.work.shop.access, span, request).await?;
            self.store_orders(&page, read).await?;
            if !page.has_next {
                break;
            }
        }
        self.round.peeked_to = Some(span.to);
        Ok(())
    }

    /// Reads windows of a kind until none is due or the tick's time is over; the first is always read.
    async fn windows(&mut self, kind: CoverageKind, platform_now: DateTime<Utc>) -> Result<(), Stop> {
        let lag = self.engine.config.window_lag;
        let end = platform_now - TimeDelta::from_std(lag).unwrap_or(TimeDelta::seconds(180));
        let step = plan::window_step(lag);
        while let Some(span) = plan::next_window(*self.round.watermark(kind), end, step) {
            // Earliest on top. Halves move the watermark one by one, so that a tick that ends between them has still
            // made progress; it goes on until that is so.
            let mut parts = vec![span];
            while let Some(part) = parts.pop() {
                let halves = plan::bisect(part);
                let max = halves.map(|_| self.engine.config.window_max_orders);
                match (self.window(kind, part, max).await?, halves) {
                    (Some(read), _) => {
                        self.round.spans.push(read);
                        let watermark = self.round.watermark(kind);
                        let moved = part.to > *watermark;
                        *watermark = part.to.max(*watermark);
                        if moved && self.is_out_of_time() {
                            self.round.behind |= plan::next_window(*self.round.watermark(kind), end, step).is_some();
                            return Ok(());
                        }
                    }
                    (None, Some((early, late))) => parts.extend([late, early]),
                    // Without a limit no window holds too many.
                    (None, None) => return Err(Stop::Trouble(Trouble::Unsettled(kind))),
                }
            }
        }
        Ok(())
    }

    fn is_out_of_time(&self) -> bool {
        let spent = (self.engine.now() - self.round.started).to_std();
        spent.is_ok_and(|spent| spent >= self.engine.config.tick_budget)
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
                return Ok(Some(counts.of(kind, span, window.found())));
            }
            metrics::counter!("kamiflow_sync_windows_read_again_total", "kind" => kind.as_str()).increment(1);
        }
        Err(Stop::Trouble(Trouble::Unsettled(kind)))
    }

    /// Reads and stores one page of a window.
    async fn page(&mut self, kind: CoverageKind, span: TimeSpan, request: PageRequest) -> Result<(Seen, Counts), Stop> {
        let access = &self.work.shop.access;
        let started = self.engine.now();
        match kind {
            CoverageKind::Orders => {
                let page = self.engine.market.orders_updated(access, span, request).await?;
                let counts = self.store_orders(&page, Read { started, source: Source::Window }).await?;
                let numbers = page.orders.iter().map(|order| order.order_sn.to_string());
                Ok((seen(numbers, &page.unreadable, page.total), counts))
            }
            CoverageKind::Refunds => {
                let page = self.engine.market.refunds_updated(access, span, request).await?;
                let counts = self.store_refunds(&page, started).await?;
                let numbers = page.refunds.iter().map(|refund| refund.after_sales_id.to_string());
                // An order may have several after-sales, so its number does not tell them apart.
                let nameless = vec![None; page.unreadable.len()];
                Ok((seen(numbers, &nameless, Some(page.total)), counts))
            }
        }
    }

    /// Stores a page; an order that the database refuses is hinted and must not hold up the others.
    async fn store_orders(&mut self, page: &OrderPage, read: Read) -> Result<Counts, StoreError> {
        match self.store_page(page, read).await {
            Err(error) if page.orders.len() > 1 && !error.is_connection_lost() => {
                warn!(shop.id = %self.work.shop.access.shop, error = ?error, "A page was refused; its orders are stored one by one");
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
        let shop = self.work.shop.access.shop;
        let mut tx = self.engine.store.tenant_tx(self.work.shop.access.merchant).await?;
        let ingested = ingest::ingest(&mut tx, &self.work.shop, &page.orders, read).await?;
        // Read alone it may be readable, and if not, its hint shows that it is there.
        let hints = NewHints { dirty_since: read.started, due_at: read.started, source: HintSource::Unreadable };
        order_hints::upsert(&mut tx, shop, &unreadable, hints).await?;
        tx.commit().await?;
        if !unreadable.is_empty() {
            self.round.wakes.insert(Wake::Deliver(shop));
        }
        self.round.news += ingested.fresh + ingested.changed;
        self.round.wakes.extend(ingested.wakes);
        Ok(Counts { fresh: ingested.fresh, announced: ingested.announced })
    }

    async fn store_refunds(&mut self, page: &RefundPage, started: DateTime<Utc>) -> Result<Counts, StoreError> {
        if page.refunds.is_empty() && page.unreadable.is_empty() {
            return Ok(Counts::default());
        }
        let shop = self.work.shop.access.shop;
        let read: Vec<NewRefund<'_>> = page.refunds.iter().map(new_refund).collect();
        let mut tx = self.engine.store.tenant_tx(self.work.shop.access.merchant).await?;
        let changed = refunds::upsert(&mut tx, shop, &read, started).await?;
        let unreadable = page.unreadable.iter().flatten().cloned();
        let orders: Vec<OrderSn> =
            changed.iter().filter_map(|refund| refund.order_sn.parse().ok()).chain(unreadable).collect();
        let hints = NewHints { dirty_since: started, due_at: started, source: HintSource::Refund };
        order_hints::upsert(&mut tx, shop, &orders, hints).await?;
        tx.commit().await?;
        if !orders.is_empty() {
            self.round.wakes.insert(Wake::Deliver(shop));
        }
        self.round.news += changed.len();
        Ok(Counts { fresh: changed.iter().filter(|refund| refund.fresh).count(), announced: 0 })
    }
}

impl Counts {
    fn of(&self, kind: CoverageKind, span: TimeSpan, found: usize) -> ReadSpan {
        let count = |n: usize| i32::try_from(n).unwrap_or(i32::MAX);
        ReadSpan {
            kind,
            source: CoverageSource::Window,
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
