//! Reading a range of a shop's history again: what had been missed is stored, delivered by whoever is woken, and told.
//!
//! ```text
//! from ├── slice ──┤── slice ──┤── … ──┤ min(to, platform now − lag)        each slice: 30 minutes at most
//!        orders, after-sales              coverage, restored mark, audit with the last one
//! ```
//! It reads by the same code as the regular windows (`sync::pages`): last page first, bisected where a window holds too
//! many, counted against the same limits. So there is one way orders enter, and running twice is harmless: what was
//! stored by the first run is no news to the second.
//!
//! **A crash**, or a run that is stopped, keeps what it has stored and the coverage of the slices it has finished; the
//! report says from where to go on. What is missed is known only to the run that finds it, hence told with every end.
//!
//! **Coverage.** Each run writes one span per kind into the ledger. Gaps inside of it are closed by that, and the
//! shop's open `coverage_gap` is resolved when none is left as deep as the platform answers.
//!
//! **Restored shops** stay in trial run until everything between snapshot and restore was read after the restore
//! ([`restored_shops`]): the run that completes that clears the mark.

mod range;
mod report;
mod standing;

use std::collections::HashSet;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use kamiflow_kernel::{CoverageId, ReasonCode, ShopId};
use kamiflow_store::coverage::{CoverageKind, Gap, ReadSpan};
use kamiflow_store::restored_shops::{self, Clearing};
use kamiflow_store::{StoreError, TenantTx, coverage, coverage_repair, exceptions};
use serde_json::json;

pub use range::RangeError;
pub use report::{GapView, Report, RestoredView};
pub use standing::NotWorking;

use crate::acts;
use crate::ctx::Ctx;
use crate::engine::{Engine, Wake};
use crate::market_trouble;
use crate::marketplace::{ErrorClass, MarketError, TimeSpan};
use crate::shop_access::Shop;
use crate::sync::{Missed, Pages, PartRead, Purpose, Stop, Trouble, may_list_refunds, plan};

/// Failures in a row of one slice after which a run gives up.
const MOST_FAILURES: u32 = 12;
/// The same for waiting until the limits let a call through: other readers of the mall take their share.
const MOST_WAITS: u32 = 300;

/// What to read.
#[derive(Debug, Clone, Copy)]
pub struct ReconcileShop {
    /// Whose history.
    pub shop: ShopId,
    /// From this update time, included.
    pub from: DateTime<Utc>,
    /// To this update time; none: as far as the platform's lists are complete.
    pub to: Option<DateTime<Utc>>,
    /// What to do with what is found.
    pub mode: Mode,
}

/// What to do with what is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Store it and repair the proof.
    Repair,
    /// Tell it, and change nothing.
    Compare,
}

/// Why a shop cannot be reconciled, or a run ended early.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// The range makes no sense.
    #[error(transparent)]
    Range(#[from] RangeError),
    /// The shop may not be called.
    #[error(transparent)]
    NotWorking(#[from] NotWorking),
    /// The platform refuses, and trying again would not help, or did not.
    #[error("the platform refused; what was read is kept, go on from {}", resume_at.to_rfc3339())]
    Refused {
        /// What it said.
        #[source]
        error: MarketError,
        /// Where to go on.
        resume_at: DateTime<Utc>,
    },
    /// A window did not hold still.
    #[error("a window of {kind} changed every time it was read; go on from {}", resume_at.to_rfc3339())]
    Unsettled {
        /// Of which kind.
        kind: &'static str,
        /// Where to go on.
        resume_at: DateTime<Utc>,
    },
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
}

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// There is more to read.
    More,
    /// There is more to read, after a pause.
    Wait(Duration),
    /// Everything was read.
    Done,
}

/// A run over one shop.
pub struct Reconciliation {
    engine: Engine,
    ctx: Ctx,
    shop: Shop,
    purpose: Purpose,
    range: TimeSpan,
    /// Everything before it was read.
    next: DateTime<Utc>,
    orders_span: Option<CoverageId>,
    refunds_span: Option<CoverageId>,
    failures: u32,
    wakes: HashSet<Wake>,
    missed: Missed,
    found: Found,
}

/// What is counted on the way.
#[derive(Debug, Default)]
struct Found {
    windows: usize,
    orders: usize,
    refunds: usize,
    unreadable: usize,
    /// Gaps inside the range when the run began.
    gaps: Vec<GapView>,
    gaps_left: Vec<GapView>,
    restored: Option<RestoredView>,
}

impl Reconciliation {
    /// Begins a run.
    ///
    /// # Errors
    /// When the range or the shop cannot be read; nothing was done then.
    pub async fn begin(engine: &Engine, ctx: &Ctx, request: &ReconcileShop) -> Result<Self, ReconcileError> {
        range::check_order(request.from, request.to)?;
        let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
        let shop = standing::open_working(&mut tx, request.shop).await?;
        tx.commit().await?;
        let refused = |error| ReconcileError::Refused { error, resume_at: request.from };
        let platform_now = engine.market.time(&shop.access.application).await.map_err(refused)?;
        let lag = engine.config.of(shop.access.application.gateway).window_lag;
        let range = range::readable(request.from, request.to, platform_now, lag)?;
        let purpose = match request.mode {
            Mode::Repair => Purpose::Repair,
            Mode::Compare => Purpose::Compare,
        };
        let mut run = Self {
            engine: engine.clone(),
            ctx: ctx.clone(),
            shop,
            purpose,
            range,
            next: range.from,
            orders_span: None,
            refunds_span: None,
            failures: 0,
            wakes: HashSet::new(),
            missed: Missed::default(),
            found: Found::default(),
        };
        let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
        let gaps = run.list_gaps(&mut tx).await?;
        tx.commit().await?;
        run.found.gaps = gaps.into_iter().filter(|gap| gap.from < range.to && gap.to > range.from).collect();
        Ok(run)
    }

    /// Returns how much was read, and how much there is: windows.
    #[must_use]
    pub fn progress(&self) -> (u64, u64) {
        let windows = |span: TimeDelta| {
            let (seconds, window) = (span.num_seconds(), plan::MAX_SPAN.num_seconds());
            u64::try_from((seconds + window - 1) / window).unwrap_or_default()
        };
        (windows(self.next - self.range.from), windows(self.range.to - self.range.from))
    }

    /// Takes whom to wake because of what was stored since the last time.
    pub fn take_wakes(&mut self) -> Vec<Wake> {
        self.wakes.drain().collect()
    }

    /// Reads one slice.
    ///
    /// # Errors
    /// When going on makes no sense. What was read until then is stored, and [`Self::report`] tells it.
    pub async fn step(&mut self) -> Result<Step, ReconcileError> {
        if self.next >= self.range.to {
            return Ok(Step::Done);
        }
        let slice = TimeSpan { from: self.next, to: (self.next + plan::MAX_SPAN).min(self.range.to) };
        match self.read(slice).await {
            Ok(spans) => {
                self.keep(slice, &spans).await?;
                self.failures = 0;
                self.next = slice.to;
                Ok(if self.next < self.range.to { Step::More } else { Step::Done })
            }
            Err(Stop::Store(error)) => Err(error.into()),
            Err(Stop::Trouble(trouble)) => self.after(trouble).await,
        }
    }

    async fn read(&mut self, slice: TimeSpan) -> Result<Vec<ReadSpan>, Stop> {
        let mut pages = Pages::new(&self.engine, &self.shop, self.purpose);
        let read = read_slice(&mut pages, slice, may_list_refunds(&self.shop)).await;
        // What was stored before an error is no news to the next try: it has to be told now.
        let Pages { wakes, mut missed, unreadable, .. } = pages;
        self.wakes.extend(wakes);
        self.found.unreadable += unreadable;
        self.missed.orders.append(&mut missed.orders);
        self.missed.differing.append(&mut missed.differing);
        self.missed.refunds.append(&mut missed.refunds);
        read
    }

    /// Writes the proof of a slice; with the last one, what follows from the whole range.
    async fn keep(&mut self, slice: TimeSpan, spans: &[ReadSpan]) -> Result<(), StoreError> {
        let is_last = slice.to >= self.range.to;
        self.found.windows += spans.len();
        for span in spans {
            let found = usize::try_from(span.found).unwrap_or_default();
            match span.kind {
                CoverageKind::Orders => self.found.orders += found,
                CoverageKind::Refunds => self.found.refunds += found,
            }
        }
        if self.purpose == Purpose::Compare {
            self.found.gaps_left = self.found.gaps.clone();
            return Ok(());
        }
        let shop = self.shop.access.shop;
        let now = self.engine.now();
        let mut tx = self.engine.store.tenant_tx(self.ctx.merchant).await?;
        for span in spans {
            let own = match span.kind {
                CoverageKind::Orders => &mut self.orders_span,
                CoverageKind::Refunds => &mut self.refunds_span,
            };
            *own = Some(coverage_repair::record(&mut tx, shop, *own, span, now).await?);
        }
        if is_last {
            self.conclude(&mut tx, now).await?;
        }
        tx.commit().await
    }

    async fn conclude(&mut self, tx: &mut TenantTx, now: DateTime<Utc>) -> Result<(), StoreError> {
        let shop = self.shop.access.shop;
        self.found.gaps_left = self.list_gaps(tx).await?;
        if self.found.gaps_left.is_empty() {
            exceptions::resolve(tx, shop, &[""], &[ReasonCode::CoverageGap], "reconciled").await?;
        }
        self.found.restored = self.clear_restored(tx, now).await?;
        let detail = json!({
            "from": self.range.from,
            "to": self.range.to,
            "missed_orders": self.missed.orders.len(),
            "differing_orders": self.missed.differing.len(),
            "missed_refunds": self.missed.refunds.len(),
            "restored": self.found.restored,
        });
        acts::record(tx, &self.ctx, "shop.reconcile", shop, detail).await
    }

    /// Clears the mark of a restored shop once all that lies between snapshot and restore was read since: by this run,
    /// or by it and others together.
    async fn clear_restored(&self, tx: &mut TenantTx, now: DateTime<Utc>) -> Result<Option<RestoredView>, StoreError> {
        let shop = self.shop.access.shop;
        let Some(restored) = restored_shops::find(tx, shop).await? else { return Ok(None) };
        let wanted = restored.range();
        let mut covered = true;
        for kind in self.kinds() {
            covered &= coverage_repair::covers(tx, shop, kind, wanted, restored.restored_at).await?;
        }
        let read = if covered { wanted } else { (self.range.from, self.range.to) };
        Ok(match restored_shops::clear_restored(tx, shop, read, now).await? {
            Clearing::NothingToClear => None,
            Clearing::NotCovered { from, to } => Some(RestoredView::NotCovered { from, to }),
            Clearing::Cleared { held, review } => Some(RestoredView::Cleared { held, review }),
        })
    }

    fn kinds(&self) -> impl Iterator<Item = CoverageKind> + use<> {
        let refunds = may_list_refunds(&self.shop).then_some(CoverageKind::Refunds);
        [Some(CoverageKind::Orders), refunds].into_iter().flatten()
    }

    async fn list_gaps(&self, tx: &mut TenantTx) -> Result<Vec<GapView>, StoreError> {
        let since = self.engine.now() - plan::DEPTH;
        let mut gaps = Vec::new();
        for kind in self.kinds() {
            let of_kind = coverage::list_gaps(tx, self.shop.access.shop, kind, since).await?;
            let view = |gap: Gap| GapView { kind: kind.as_str(), from: gap.from_at, to: gap.to_at };
            gaps.extend(of_kind.into_iter().map(view));
        }
        Ok(gaps)
    }

    /// Decides what to do after the platform refused, or a window would not hold still.
    async fn after(&mut self, trouble: Trouble) -> Result<Step, ReconcileError> {
        self.failures += 1;
        let resume_at = self.next;
        let error = match trouble {
            Trouble::Unsettled(kind) if self.failures >= MOST_FAILURES => {
                return Err(ReconcileError::Unsettled { kind: kind.as_str(), resume_at });
            }
            Trouble::Unsettled(_) => return Ok(Step::Wait(Duration::from_secs(2))),
            Trouble::Market(error) => error,
        };
        let most = if error.class == ErrorClass::NotSent { MOST_WAITS } else { MOST_FAILURES };
        if self.failures >= most {
            return Err(ReconcileError::Refused { error, resume_at });
        }
        if !market_trouble::is_shared(&error) {
            let pause = market_trouble::delay(&error, self.failures).max(error.after.unwrap_or_default());
            return Ok(Step::Wait(pause));
        }
        if self.purpose == Purpose::Compare {
            return Err(ReconcileError::Refused { error, resume_at });
        }
        let pause = market_trouble::settle(&self.engine, &self.shop, &error).await?;
        let denied_before = self.shop.denied_apis.len();
        let mut tx = self.engine.store.tenant_tx(self.ctx.merchant).await?;
        self.shop = standing::open_working(&mut tx, self.shop.access.shop).await?;
        tx.commit().await?;
        let api_denied = error.class == ErrorClass::StopApi;
        // Without the list of after-sales the orders can still be read; without the list of orders nothing can.
        if api_denied && (self.shop.denied_apis.len() == denied_before || may_list_refunds(&self.shop)) {
            return Err(ReconcileError::Refused { error, resume_at });
        }
        Ok(if api_denied { Step::More } else { Step::Wait(pause) })
    }
}

async fn read_slice(pages: &mut Pages<'_>, slice: TimeSpan, with_refunds: bool) -> Result<Vec<ReadSpan>, Stop> {
    let mut spans = Vec::new();
    let refunds = with_refunds.then_some(CoverageKind::Refunds);
    for kind in [Some(CoverageKind::Orders), refunds].into_iter().flatten() {
        // Earliest on top.
        let mut parts = vec![slice];
        while let Some(part) = parts.pop() {
            match pages.part(kind, part).await? {
                PartRead::Read(read) => spans.push(read),
                PartRead::TooMany(early, late) => parts.extend([late, early]),
            }
        }
    }
    Ok(spans)
}
