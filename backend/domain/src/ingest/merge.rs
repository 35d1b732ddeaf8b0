//! What a new read makes of what is stored: pure.

use chrono::{DateTime, TimeDelta, Utc};
use kamiflow_kernel::{OrderId, OrderState};
use kamiflow_store::orders::{OrderRow, partition_day};
use sha2::{Digest, Sha256};

use super::Read;
use crate::gate::after_sale_is_closed;
use crate::marketplace::PlatformOrder;

/// The outcome of a merge.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Merge {
    /// The read is stale, or says the same.
    Unchanged,
    /// The read is newer.
    Take(OrderRow),
    /// The read has the same time and other content: the more restrictive of both, to be read again.
    Restrict(OrderRow),
}

/// A change after this much time would carry a later `updated_at`: the platform's times have whole seconds, and our
/// clock may be ahead of its by some.
const SETTLED_AFTER: TimeDelta = TimeDelta::seconds(5);

/// Returns a read order as a row that was just seen.
pub(super) fn new_row(order: &PlatformOrder, read: Read) -> OrderRow {
    let item = order.items.first();
    let mut row = OrderRow {
        id: OrderId::generate().as_uuid(),
        order_day: partition_day(&order.order_sn),
        order_sn: order.order_sn.to_string(),
        state: OrderState::Seen.as_str().to_owned(),
        state_cause: "seen".to_owned(),
        verdict: String::new(),
        order_status: order.order_status,
        refund_status: order.refund_status,
        confirm_status: order.confirm_status,
        group_status: order.group_status,
        risk_control_status: order.risk_control_status,
        after_sales_status: order.after_sales_status,
        trade_type: order.trade_type,
        step_trade_status: order.step_trade_status,
        is_lucky_flag: order.is_lucky_flag,
        goods_id: item.map_or(0, |item| item.goods_id.0),
        platform_sku_id: item.map_or(0, |item| item.sku_id.0),
        outer_id: item.map(|item| item.outer_id.clone()).unwrap_or_default(),
        goods_name: item.map(|item| item.goods_name.clone()).unwrap_or_default(),
        goods_spec: item.map(|item| item.goods_spec.clone()).unwrap_or_default(),
        goods_count: item.map_or(0, |item| i32::try_from(item.count).unwrap_or(i32::MAX)),
        item_count: i16::try_from(order.items.len()).unwrap_or(i16::MAX),
        pay_amount_fen: order.pay_amount.0,
        platform_created_at: order.created_at,
        paid_at: order.paid_at,
        confirmed_at: order.confirmed_at,
        last_ship_at: order.last_ship_at,
        shipped_at: order.shipped_at,
        received_at: order.received_at,
        updated_at: order.updated_at,
        content_hash: Vec::new(),
        read_at: read.started,
        source: read.source.as_str().to_owned(),
    };
    row.content_hash = content_hash(&row);
    row
}

/// Merges a new read into what is stored.
pub(super) fn merge(stored: &OrderRow, new: &OrderRow) -> Merge {
    if new.updated_at < stored.updated_at || new.content_hash == stored.content_hash {
        return Merge::Unchanged;
    }
    let taken = OrderRow {
        id: stored.id,
        state: stored.state.clone(),
        state_cause: stored.state_cause.clone(),
        verdict: stored.verdict.clone(),
        source: stored.source.clone(),
        ..new.clone()
    };
    if new.updated_at > stored.updated_at || is_settled(new.read_at, new.updated_at) && new.read_at > stored.read_at {
        return Merge::Take(taken);
    }
    let mut restricted = OrderRow {
        order_status: stored.order_status.max(new.order_status),
        refund_status: stored.refund_status.max(new.refund_status),
        confirm_status: restrict_confirm(stored.confirm_status, new.confirm_status),
        risk_control_status: stored.risk_control_status.max(new.risk_control_status),
        after_sales_status: restrict_after_sales(stored.after_sales_status, new.after_sales_status),
        ..taken
    };
    restricted.content_hash = content_hash(&restricted);
    Merge::Restrict(restricted)
}

fn is_settled(read_at: DateTime<Utc>, updated_at: DateTime<Utc>) -> bool {
    read_at - updated_at > SETTLED_AFTER
}

/// Cancelled forbids most, then not made.
const fn restrict_confirm(a: i16, b: i16) -> i16 {
    if a == 2 || b == 2 {
        return 2;
    }
    if a < b { a } else { b }
}

/// An open after-sale forbids more than a closed one.
const fn restrict_after_sales(stored: i16, new: i16) -> i16 {
    if after_sale_is_closed(new) { stored } else { new }
}

/// Covers what decisions rest on; a change of a name or an amount alone is a change too.
fn content_hash(row: &OrderRow) -> Vec<u8> {
    let content = (
        (row.order_status, row.refund_status, row.confirm_status, row.group_status),
        (row.risk_control_status, row.after_sales_status, row.trade_type, row.step_trade_status, row.is_lucky_flag),
        (row.goods_id, row.platform_sku_id, &row.outer_id, &row.goods_name, &row.goods_spec, row.goods_count),
        (row.item_count, row.pay_amount_fen, row.paid_at, row.confirmed_at, row.last_ship_at),
        (row.shipped_at, row.received_at, row.updated_at),
    );
    Sha256::digest(format!("{content:?}").as_bytes()).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::Source;
    use kamiflow_kernel::Fen;
    use proptest::prelude::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_795_000_000 + second, 0).unwrap()
    }

    fn order(updated: i64, refund_status: i16, risk: i16) -> PlatformOrder {
        PlatformOrder {
            order_sn: "261122-100000000000017".parse().unwrap(),
            order_status: 1,
            refund_status,
            confirm_status: 1,
            group_status: 1,
            risk_control_status: risk,
            after_sales_status: if refund_status == 1 { 0 } else { 2 },
            trade_type: 0,
            step_trade_status: None,
            is_lucky_flag: 1,
            items: Vec::new(),
            pay_amount: Fen(990),
            created_at: None,
            paid_at: None,
            confirmed_at: None,
            last_ship_at: None,
            shipped_at: None,
            received_at: None,
            updated_at: at(updated),
            cards: Vec::new(),
        }
    }

    fn row(order: &PlatformOrder, read: i64) -> OrderRow {
        new_row(order, Read { started: at(read), source: Source::Window })
    }

    #[test]
    fn an_older_read_changes_nothing() {
        assert_eq!(merge(&row(&order(10, 2, 0), 11), &row(&order(9, 1, 0), 12)), Merge::Unchanged);
    }

    #[test]
    fn equal_times_keep_the_more_restrictive_and_ask_again() {
        let Merge::Restrict(kept) = merge(&row(&order(10, 2, 0), 10), &row(&order(10, 1, 1), 11)) else {
            panic!("expected a restriction");
        };
        assert_eq!((kept.refund_status, kept.risk_control_status, kept.after_sales_status), (2, 1, 2));
    }

    #[test]
    fn equal_times_read_long_after_are_settled() {
        assert!(
            matches!(merge(&row(&order(10, 2, 0), 10), &row(&order(10, 1, 0), 20)), Merge::Take(row) if row.refund_status == 1)
        );
    }

    proptest! {
        #[test]
        fn no_order_of_reads_of_one_second_reopens_a_refund(first in 1i16..=4, second in 1i16..=4) {
            let merged = merge(&row(&order(10, first, 0), 10), &row(&order(10, second, 0), 11));
            let refund = match merged {
                Merge::Unchanged => first,
                Merge::Take(row) | Merge::Restrict(row) => row.refund_status,
            };
            prop_assert!(refund >= first.max(second));
        }
    }
}
