//! What one tick reads: a peek, and the windows that are due.

use std::collections::HashSet;

use chrono::{DateTime, TimeDelta, Utc};
use kamiflow_store::coverage::{CoverageKind, ReadSpan};
use kamiflow_store::shop_sync::ShopSyncRow;

use super::Work;
use super::pages::{Pages, PartRead, Purpose, may_list_refunds};
use super::plan;
use super::trouble::{Stop, Trouble};
use super::window::PAGE_SIZE;
use crate::engine::{Engine, Wake};
use crate::ingest::{Read, Source};
use crate::marketplace::PageRequest;

/// A peek reads at most so many pages; what is left is the window's.
const PEEK_PAGES: u32 = 5;

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
struct Reader<'a> {
    engine: &'a Engine,
    work: &'a Work,
    round: &'a mut Round,
    pages: Pages<'a>,
}

/// Reads everything that is due; what came before an error is in the round all the same.
pub(super) async fn read(engine: &Engine, work: &Work, round: &mut Round) -> Result<(), Stop> {
    let pages = Pages::new(engine, &work.shop, Purpose::Sync);
    let mut reader = Reader { engine, work, round, pages };
    let end = reader.all().await;
    let Reader { round, pages, .. } = reader;
    round.wakes.extend(pages.wakes);
    round.news += pages.news;
    end
}

impl Reader<'_> {
    async fn all(&mut self) -> Result<(), Stop> {
        let platform_now = self.engine.market.time(&self.work.shop.access.application).await?;
        self.peek(platform_now).await?;
        self.windows(CoverageKind::Orders, platform_now).await?;
        if may_list_refunds(&self.work.shop) {
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
            self.pages.peeked(&page, read).await?;
            if !page.has_next {
                break;
            }
        }
        self.round.peeked_to = Some(span.to);
        Ok(())
    }

    /// Reads windows of a kind until none is due or the tick's time is over; the first is always read.
    async fn windows(&mut self, kind: CoverageKind, platform_now: DateTime<Utc>) -> Result<(), Stop> {
        let lag = self.engine.config.of(self.work.shop.access.application.gateway).window_lag;
        let end = platform_now - TimeDelta::from_std(lag).unwrap_or(TimeDelta::seconds(180));
        let step = plan::window_step(lag);
        while let Some(span) = plan::next_window(*self.round.watermark(kind), end, step) {
            // Earliest on top. Halves move the watermark one by one, so that a tick that ends between them has still
            // made progress; it goes on until that is so.
            let mut parts = vec![span];
            while let Some(part) = parts.pop() {
                match self.pages.part(kind, part).await? {
                    PartRead::Read(read) => {
                        self.round.spans.push(read);
                        let watermark = self.round.watermark(kind);
                        let moved = part.to > *watermark;
                        *watermark = part.to.max(*watermark);
                        if moved && self.is_out_of_time() {
                            self.round.behind |= plan::next_window(*self.round.watermark(kind), end, step).is_some();
                            return Ok(());
                        }
                    }
                    PartRead::TooMany(early, late) => parts.extend([late, early]),
                }
            }
        }
        Ok(())
    }

    fn is_out_of_time(&self) -> bool {
        let spent = (self.engine.now() - self.round.started).to_std();
        spent.is_ok_and(|spent| spent >= self.engine.config.tick_budget)
    }
}
