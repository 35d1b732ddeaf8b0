//! A refund, and its push message.

use std::sync::Arc;

use serde_json::json;

use crate::pmc::hub::Message;

/// A refund of one order.
#[derive(Debug, Clone)]
pub(crate) struct Refund {
    pub(crate) id: u64,
    pub(crate) order_sn: Arc<str>,
    /// Numbering of `pdd.refund.information.get` (1 refund only); the list API counts one higher.
    pub(crate) bill_type: i64,
    pub(crate) after_sales_status: i64,
    pub(crate) amount_fen: i64,
    pub(crate) reason: String,
    /// 1000 asked by the buyer, 1003 made by the system.
    pub(crate) operation: i64,
    pub(crate) created_ms: i64,
    pub(crate) updated_ms: i64,
    pub(crate) update_seq: u64,
}

impl Refund {
    /// Returns whether nothing more can happen to it.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.after_sales_status, 9..=13)
    }

    pub(crate) fn message(&self, topic: &str, mall_id: u64) -> Message {
        Message {
            topic: topic.to_owned(),
            content: json!({
                "mall_id": mall_id,
                "tid": &*self.order_sn,
                "refund_id": self.id,
                "refund_fee": self.amount_fen,
                "bill_type": self.bill_type,
                "operation": self.operation,
                "modified": self.updated_ms,
            })
            .to_string(),
        }
    }
}
