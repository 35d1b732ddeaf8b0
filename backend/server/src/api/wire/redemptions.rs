//! Redemptions in a list.

use chrono::{DateTime, Utc};
use kamiflow_domain::list_redemptions::ListedRedemption;
use kamiflow_kernel::{RedemptionId, RedemptionState, ShopId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

/// Which redemptions, and which page of them.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct RedemptionQuery {
    /// Entries of the page, at most; 50 without.
    #[param(minimum = 1, maximum = 50, nullable = false)]
    pub(crate) limit: Option<usize>,
    /// `next` of the page before; the first page without.
    #[param(nullable = false, pattern = "^[A-Za-z0-9_-]+$", max_length = 200)]
    pub(crate) cursor: Option<String>,
    /// Only redemptions of this shop.
    #[param(value_type = String, required = false, nullable = false, pattern = "^shop_[0-9a-f]{32}$")]
    pub(crate) shop: Option<ShopId>,
    /// Only redemptions in this state. A page may have fewer entries then, and still a next one.
    #[param(value_type = StateOfRedemption, inline, required = false, nullable = false)]
    pub(crate) state: Option<RedemptionState>,
}

/// Where a redemption is.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "the document's list of what the kernel's enum says; a test compares them")]
pub(crate) enum StateOfRedemption {
    /// Waits for a rule's condition.
    Waiting,
    /// Waits for a person's approval.
    AwaitingApproval,
    /// A call was started and its outcome is not known yet.
    Calling,
    /// The platform knows it as used.
    Done,
    /// Stopped: an after-sale, a rule that says never, or an answer that forbids it.
    Stopped,
}

/// A redemption in a list; an order has one for each of its cards' uses.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ListedRedemptionView {
    /// Its id.
    #[schema(value_type = String, pattern = "^red_[0-9a-f]{32}$")]
    id: RedemptionId,
    /// Its shop.
    #[schema(value_type = String, pattern = "^shop_[0-9a-f]{32}$")]
    shop: ShopId,
    /// Its order's number: with the shop it addresses the order, and what is approved.
    #[schema(example = "261122-100000000000017")]
    order_sn: String,
    /// Which use of the card, from 1.
    #[schema(minimum = 1)]
    use_no: i32,
    /// Where it is; see the filter `state` of the list.
    #[schema(example = "awaiting_approval")]
    state: String,
    /// How it is declared.
    #[schema(example = "report_card")]
    method: String,
    /// When it is looked at again by itself.
    due_at: Option<DateTime<Utc>>,
    /// Calls so far.
    #[schema(minimum = 0)]
    attempts: i32,
    /// When it was planned; the list's order.
    planned_at: DateTime<Utc>,
    /// When it was done.
    done_at: Option<DateTime<Utc>>,
    /// What it waits for, or why it ended, as sentences in `zh` and `en`.
    #[schema(value_type = Value)]
    explanation: Value,
}

impl From<ListedRedemption> for ListedRedemptionView {
    fn from(row: ListedRedemption) -> Self {
        Self {
            id: row.id,
            shop: row.shop,
            order_sn: row.order_sn,
            use_no: row.use_no,
            state: row.state,
            method: row.method,
            due_at: row.due_at,
            attempts: row.attempts,
            planned_at: row.created_at,
            done_at: row.done_at,
            explanation: row.explanation,
        }
    }
}

/// A page of redemptions.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RedemptionList {
    /// The redemptions, the newest first.
    pub(crate) redemptions: Vec<ListedRedemptionView>,
    /// The cursor of the next page; null at the end.
    pub(crate) next: Option<String>,
}

#[cfg(test)]
mod tests {
    use utoipa::PartialSchema as _;

    use super::*;

    #[test]
    fn the_filter_lists_the_states_there_are() {
        let schema = serde_json::to_value(StateOfRedemption::schema()).unwrap();
        let listed: Vec<&str> = schema["enum"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        assert_eq!(listed, RedemptionState::ALL.iter().map(|state| state.as_str()).collect::<Vec<_>>());
    }
}
