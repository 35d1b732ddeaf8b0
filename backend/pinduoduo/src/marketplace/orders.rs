//! Orders and after-sales in the port's words.

use kamiflow_domain::marketplace::{
    MarketError, OrderPage, PageRequest, PlatformCard, PlatformItem, PlatformOrder, PlatformRefund, RefundPage,
};
use kamiflow_kernel::OrderSn;

use super::errors::incomplete;
use crate::api::Api;
use crate::api::order::{self, Item, Order, OrderIncrementGet, Page, Rest};
use crate::api::refund::{self, ListedRefund, RefundIncrementGet};
use crate::wire::{CipherText, Unreadable};

/// Stands for a state the platform did not tell. No rule accepts it, so nothing is handed over on a guess.
const UNTOLD: i16 = -1;

pub(super) fn page(page: PageRequest) -> Page {
    let rest = if page.with_total { Rest::Count } else { Rest::HasNext };
    Page { number: page.number, size: page.size, rest }
}

pub(super) fn order_page(answer: order::OrderPage, asked: PageRequest) -> Result<OrderPage, MarketError> {
    let total = answer.total_count.and_then(|count| u32::try_from(count).ok());
    if asked.with_total && total.is_none() {
        return Err(incomplete(OrderIncrementGet::META.name, "total_count"));
    }
    let listed = answer.orders.items.len() + answer.orders.unreadable.len();
    // An answer that does not say whether it is the last page is taken for one only if it is not full.
    let full = u32::try_from(listed).is_ok_and(|listed| listed >= asked.size);
    let mut unreadable = unread(OrderIncrementGet::META.name, &answer.orders.unreadable);
    let mut orders = Vec::with_capacity(answer.orders.items.len());
    for listed in answer.orders.items {
        let order_sn = listed.order_sn.clone();
        match order(listed) {
            Ok(order) => orders.push(order),
            Err(field) => {
                tracing::error!(order.sn = %order_sn, field, "A listed order has no usable `{field}`");
                unreadable.push(Some(order_sn));
            }
        }
    }
    let has_next = !asked.with_total && answer.has_next.unwrap_or(full);
    Ok(OrderPage { orders, total, has_next, unreadable })
}

/// Returns the order, or the name of the field without which it is none.
pub(super) fn order(order: Order) -> Result<PlatformOrder, &'static str> {
    let small = |value: Option<i64>| value.and_then(|value| i16::try_from(value).ok()).unwrap_or(UNTOLD);
    Ok(PlatformOrder {
        order_status: small(order.order_status),
        refund_status: small(order.refund_status),
        confirm_status: small(order.confirm_status),
        group_status: small(order.group_status),
        risk_control_status: small(order.risk_control_status),
        after_sales_status: small(order.after_sales_status),
        trade_type: small(order.trade_type),
        step_trade_status: order.step_order_info.map(|step| small(step.step_trade_status)),
        is_lucky_flag: small(order.is_lucky_flag),
        items: order.item_list.into_iter().map(item).collect::<Result<_, _>>()?,
        pay_amount: order.pay_amount.unwrap_or_default(),
        created_at: order.created_time,
        paid_at: order.pay_time,
        confirmed_at: order.confirm_time,
        last_ship_at: order.last_ship_time,
        shipped_at: order.shipping_time,
        received_at: order.receive_time,
        updated_at: order.updated_at.ok_or("updated_at")?,
        cards: order.card_info_list.into_iter().map(|card| platform_card(card.card_no)).collect(),
        order_sn: order.order_sn,
    })
}

fn item(item: Item) -> Result<PlatformItem, &'static str> {
    Ok(PlatformItem {
        goods_id: item.goods_id.ok_or("goods_id")?,
        sku_id: item.sku_id.ok_or("sku_id")?,
        outer_id: item.outer_id.unwrap_or_default(),
        goods_name: item.goods_name.unwrap_or_default(),
        goods_spec: item.goods_spec.unwrap_or_default(),
        count: item.goods_count.and_then(|count| u32::try_from(count).ok()).ok_or("goods_count")?,
    })
}

fn platform_card(number: Option<CipherText>) -> PlatformCard {
    PlatformCard { number_cipher: number.map(|cipher| cipher.as_str().to_owned()).unwrap_or_default() }
}

pub(super) fn refund_page(answer: refund::RefundPage) -> Result<RefundPage, MarketError> {
    let total = answer.total_count.and_then(|count| u32::try_from(count).ok());
    let total = total.ok_or_else(|| incomplete(RefundIncrementGet::META.name, "total_count"))?;
    let mut unreadable = unread(RefundIncrementGet::META.name, &answer.refunds.unreadable);
    let mut refunds = Vec::with_capacity(answer.refunds.items.len());
    for listed in answer.refunds.items {
        let order_sn = listed.order_sn.clone();
        match refund(listed) {
            Ok(refund) => refunds.push(refund),
            Err(field) => {
                tracing::error!(order.sn = %order_sn, field, "A listed after-sale has no usable `{field}`");
                unreadable.push(Some(order_sn));
            }
        }
    }
    Ok(RefundPage { refunds, total, unreadable })
}

fn refund(refund: ListedRefund) -> Result<PlatformRefund, &'static str> {
    let small = |value: Option<i64>| value.and_then(|value| i16::try_from(value).ok()).unwrap_or(UNTOLD);
    Ok(PlatformRefund {
        after_sales_id: refund.id.ok_or("id")?,
        order_sn: refund.order_sn,
        status: small(refund.after_sales_status),
        kind: small(refund.after_sales_type),
        amount: refund.refund_amount.unwrap_or_default(),
        created_at: refund.created_time,
        updated_at: refund.updated_time.ok_or("updated_time")?,
    })
}

fn unread(api: &str, unreadable: &[Unreadable]) -> Vec<Option<OrderSn>> {
    unreadable
        .iter()
        .map(|entry| {
            let order_sn = entry.order_sn.as_deref().and_then(|sn| sn.parse::<OrderSn>().ok());
            let number = order_sn.as_ref().map_or("?", OrderSn::as_str);
            tracing::error!(order.sn = number, api, reason = entry.reason, "An entry of `{api}` cannot be read");
            order_sn
        })
        .collect()
}
