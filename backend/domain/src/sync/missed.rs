//! What a window shows that was not known: the findings of a reconciliation.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use kamiflow_kernel::OrderSn;
use kamiflow_store::orders::OrderRow;
use kamiflow_store::refunds::ChangedRefund;
use serde::Serialize;

use crate::ingest;
use crate::marketplace::PlatformOrder;

/// Findings by number, each once, however often pages and windows show it.
#[derive(Debug, Default)]
pub(crate) struct Missed {
    pub(crate) orders: BTreeMap<String, MissedOrder>,
    pub(crate) differing: BTreeMap<String, DifferingOrder>,
    pub(crate) refunds: BTreeMap<i64, MissedRefund>,
}

/// An order nobody had seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MissedOrder {
    /// The platform's number.
    pub order_sn: OrderSn,
    /// 1 to ship, 2 shipped, 3 received (protocol 3.1).
    pub order_status: i16,
    /// 1 none or closed, 2 in progress, 3 refunding, 4 refunded.
    pub refund_status: i16,
    /// The platform's last change.
    pub updated_at: DateTime<Utc>,
}

/// An order that stands elsewhere on the platform than we thought.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DifferingOrder {
    /// The platform's number.
    pub order_sn: OrderSn,
    /// What differs.
    pub changes: Vec<StatusChange>,
}

/// One number of the platform about an order (protocol 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct StatusChange {
    /// Its name there.
    pub field: &'static str,
    /// As it was stored.
    pub stored: i16,
    /// As the platform says.
    pub read: i16,
}

/// An after-sale that was not known, or not as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MissedRefund {
    /// The platform's number of it.
    pub after_sales_id: i64,
    /// Its order.
    pub order_sn: String,
    /// Whether it was never seen; otherwise it had changed.
    pub fresh: bool,
}

impl Missed {
    /// Takes what is new about an order over; `row` is what storing the read makes of it.
    pub(crate) fn order(&mut self, stored: Option<&OrderRow>, read: &PlatformOrder, row: &OrderRow) {
        let order_sn = read.order_sn.clone();
        let Some(stored) = stored else {
            let (order_status, refund_status) = (row.order_status, row.refund_status);
            let missed = MissedOrder { order_sn, order_status, refund_status, updated_at: row.updated_at };
            self.orders.insert(row.order_sn.clone(), missed);
            return;
        };
        let changes: Vec<StatusChange> = ingest::status_changes(stored, row)
            .map(|(field, stored, read)| StatusChange { field, stored, read })
            .collect();
        // A memo or an amount alone changes nothing about what is to be done.
        if !changes.is_empty() {
            self.differing.insert(row.order_sn.clone(), DifferingOrder { order_sn, changes });
        }
    }

    /// Takes what is new about after-sales over.
    pub(crate) fn refunds(&mut self, changed: &[ChangedRefund]) {
        for refund in changed {
            let (after_sales_id, order_sn) = (refund.after_sales_id, refund.order_sn.clone());
            let missed = MissedRefund { after_sales_id, order_sn, fresh: refund.fresh };
            self.refunds.insert(after_sales_id, missed);
        }
    }
}
