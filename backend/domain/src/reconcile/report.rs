//! What a run tells.

use chrono::{DateTime, Utc};
use kamiflow_kernel::ShopId;
use serde::Serialize;

use super::Reconciliation;
use crate::sync::{DifferingOrder, MissedOrder, MissedRefund, Purpose, may_list_refunds};

/// What a run found and did, also when it ended early.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The shop.
    pub shop: ShopId,
    /// Its mall.
    pub mall: i64,
    /// Whether nothing was to be changed.
    pub dry_run: bool,
    /// Whether the range was read to its end.
    pub complete: bool,
    /// The first update time read.
    pub from: DateTime<Utc>,
    /// The end of the range; what is newer is the regular reading's.
    pub to: DateTime<Utc>,
    /// From where to go on, if the run ended early.
    pub resume_at: Option<DateTime<Utc>>,
    /// Windows read in full.
    pub windows: usize,
    /// Orders read; one that was updated twice may count twice.
    pub orders: usize,
    /// After-sales read.
    pub refunds: usize,
    /// Entries of the platform's lists that could not be understood. Those with a number were hinted.
    pub unreadable: usize,
    /// Orders nobody had seen.
    pub missed_orders: Vec<MissedOrder>,
    /// Orders that stand elsewhere than was stored.
    pub differing_orders: Vec<DifferingOrder>,
    /// After-sales that were not known, or not as they are.
    pub missed_refunds: Vec<MissedRefund>,
    /// Gaps in the proof when the run began, as far as they lie in the range.
    pub gaps: Vec<GapView>,
    /// Gaps that are left, as deep as the platform answers.
    pub gaps_left: Vec<GapView>,
    /// Whether after-sales were left out because the application may not list them.
    pub refunds_denied: bool,
    /// What became of the mark of a restored shop; none: it had none.
    pub restored: Option<RestoredView>,
}

impl Report {
    /// Returns whether the run found that nothing had been missed.
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        self.missed_orders.is_empty() && self.differing_orders.is_empty() && self.missed_refunds.is_empty()
    }
}

/// Update times nobody had read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GapView {
    /// `orders` or `refunds`.
    pub kind: &'static str,
    /// From.
    pub from: DateTime<Utc>,
    /// To.
    pub to: DateTime<Utc>,
}

/// What became of the mark of a shop that came back from a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum RestoredView {
    /// Part of what must be read was not.
    NotCovered {
        /// It begins here.
        from: DateTime<Utc>,
        /// It ends here.
        to: DateTime<Utc>,
    },
    /// The shop may go live again.
    Cleared {
        /// Orders that waited for cards and are held as backlog now.
        held: usize,
        /// Orders with cards that a person has to look at.
        review: usize,
    },
}

impl Reconciliation {
    /// Returns what was found until now.
    #[must_use]
    pub fn report(&self) -> Report {
        let complete = self.next >= self.range.to;
        Report {
            shop: self.shop.access.shop,
            mall: self.shop.access.mall.0,
            dry_run: self.purpose == Purpose::Compare,
            complete,
            from: self.range.from,
            to: self.range.to,
            resume_at: (!complete).then_some(self.next),
            windows: self.found.windows,
            orders: self.found.orders,
            refunds: self.found.refunds,
            unreadable: self.found.unreadable,
            missed_orders: self.missed.orders.values().cloned().collect(),
            differing_orders: self.missed.differing.values().cloned().collect(),
            missed_refunds: self.missed.refunds.values().cloned().collect(),
            gaps: self.found.gaps.clone(),
            gaps_left: if complete { self.found.gaps_left.clone() } else { self.found.gaps.clone() },
            refunds_denied: !may_list_refunds(&self.shop),
            restored: self.found.restored.clone(),
        }
    }
}
