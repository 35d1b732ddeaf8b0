//! Events that the sandbox brings about by itself at a later time.

use std::{cmp::Ordering, sync::Arc};

/// What happens later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// The buyer confirms receipt, or the platform does for them.
    Receive { order_sn: Arc<str> },
    /// The buyer asks for a refund.
    AskRefund { order_sn: Arc<str> },
    /// A refund's money arrives.
    PayRefund { refund_id: u64 },
    /// Risk review ends well.
    LiftRisk { order_sn: Arc<str> },
    /// A redemption in progress ends.
    EndRedemption { order_sn: Arc<str>, card_no: String },
}

/// An event with its time, mall and a tie-breaker that keeps the order of making.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Scheduled {
    pub(crate) at_ms: i64,
    sequence: u64,
    pub(crate) mall_id: u64,
    pub(crate) event: Event,
}

impl Scheduled {
    pub(crate) fn new(at_ms: i64, sequence: u64, mall_id: u64, event: Event) -> Self {
        Self { at_ms, sequence, mall_id, event }
    }
}

impl Ord for Scheduled {
    /// Reversed: a `BinaryHeap` gives its greatest first and the earliest event is wanted.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at_ms, other.sequence).cmp(&(self.at_ms, self.sequence))
    }
}

impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
