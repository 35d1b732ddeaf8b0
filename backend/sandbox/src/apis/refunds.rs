//! Refunds: the list in yuan texts, the details in fen.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    apis::Call,
    envelope::{GatewayError, Payload},
    state::{flow, mall::MallState, order::Order, refund::Refund},
    text::{beijing, yuan_text},
};

const HALF_HOUR_S: i64 = 1800;
const OVER_30_MIN: &str = "时间跨度不能超过30分钟";

/// `pdd.refund.list.increment.get`. With `order_sn` every other filter is ignored.
pub(crate) fn increment(call: &Call<'_>) -> Result<Payload, GatewayError> {
    let (page, size) = call.page()?;
    let status: i64 = call.params.number("after_sales_status")?;
    let kind: i64 = call.params.number("after_sales_type")?;
    if !(1..=6).contains(&kind) {
        return Err(GatewayError::param("after_sales_type"));
    }
    let order_sn = call.params.get("order_sn");
    let (from_s, to_s) = match order_sn {
        Some(_) => (0, i64::MAX),
        None => call.window(["start_updated_at", "end_updated_at"], HALF_HOUR_S, OVER_30_MIN)?,
    };
    call.read(|mall| {
        let admits = |refund: &&Refund| match order_sn {
            Some(wanted) => &*refund.order_sn == wanted,
            // 1 stands for all in both filters.
            None => (status == 1 || refund.after_sales_status == status) && (kind == 1 || refund.bill_type + 1 == kind),
        };
        let found: Vec<(&Refund, &Order)> = mall
            .refunds_by_update
            .range((from_s, 0)..=(to_s, u64::MAX))
            .rev()
            .filter_map(|(_, id)| mall.refunds.get(id))
            .filter(admits)
            .filter_map(|refund| Some((refund, mall.orders.get(&refund.order_sn)?)))
            .collect();
        let shown: Vec<Value> = found
            .iter()
            .skip((page - 1).saturating_mul(size))
            .take(size)
            .map(|(refund, order)| list_view(refund, order))
            .collect();
        Payload::of(&json!({"total_count": found.len(), "refund_list": shown}))
    })
}

fn list_view(refund: &Refund, order: &Order) -> Value {
    json!({
        "id": refund.id,
        "order_sn": &*refund.order_sn,
        "after_sales_status": refund.after_sales_status,
        "after_sales_type": refund.bill_type + 1,
        "after_sale_reason": refund.reason,
        "created_time": beijing(refund.created_ms),
        "updated_time": beijing(refund.updated_ms),
        "confirm_time": order.confirmed_ms.map(beijing),
        "order_amount": yuan_text(order.amount_fen()),
        "refund_amount": yuan_text(refund.amount_fen),
        "discount_amount": "0.00",
        "goods_price": yuan_text(order.item.price_fen),
        "goods_number": order.quantity.to_string(),
        "goods_id": order.item.goods_id,
        "sku_id": order.item.sku_id.to_string(),
        "outer_id": order.item.outer_id,
        "outer_goods_id": order.item.outer_goods_id,
        "goods_name": order.item.goods_name,
        "good_image": order.item.image_url,
        "tracking_number": "",
        "shipping_name": "",
        "user_shipping_status": "0",
        "speed_refund_flag": 0,
        "speed_refund_status": "",
        "dispute_refund_status": 0,
    })
}

/// `pdd.refund.information.get`: no wrapper, fen, milliseconds.
pub(crate) fn information(call: &Call<'_>) -> Result<Payload, GatewayError> {
    let order_sn = call.params.text("order_sn")?;
    let wanted: u64 = call.params.number_or("after_sales_id", 0)?;
    call.read(|mall| {
        let order = mall.orders.get(order_sn).ok_or_else(GatewayError::foreign_order)?;
        let refund = mall
            .refunds
            .values()
            .rev()
            .find(|refund| *refund.order_sn == *order_sn && (wanted == 0 || refund.id == wanted))
            .ok_or_else(|| GatewayError::business("60001", "售后单不存在"))?;
        let must_act = matches!(refund.after_sales_status, 2 | 3);
        Payload::of(&json!({
            "id": refund.id,
            "order_sn": order_sn,
            "after_sales_status": refund.after_sales_status,
            "after_sales_type": refund.bill_type,
            "after_sales_reason": refund.reason,
            "confirm_time": order.confirmed_ms,
            "expire_time": must_act.then_some(refund.created_ms + 172_800_000),
            "recreated_at": refund.created_ms,
            "updated_time": beijing(refund.updated_ms),
            "goods_number": order.quantity,
            "goods_price": order.item.price_fen,
            "order_amount": order.amount_fen(),
            "refund_amount": refund.amount_fen,
            "discount_amount": 0,
            "images": [],
            "express_no": "",
            "shipping_name": "",
            "shipping_status": 0,
            "sku_id": order.item.sku_id.to_string(),
            "speed_refund_flag": 0,
            "dispute_refund_status": 0,
        }))
    })
}

#[derive(Debug, Deserialize)]
struct Agreement {
    order_sn: String,
    after_sales_id: u64,
}

/// `pdd.refund.agree`: a business failure comes as `succ` false.
pub(crate) fn agree(call: &Call<'_>) -> Result<Payload, GatewayError> {
    let request: Agreement = call.params.json("request")?;
    call.change(|mall, effects| {
        check_pair(mall, &request)?;
        let succ = flow::agree_refund(mall, effects, request.after_sales_id, false);
        Payload::of(&json!({"result": {
            "after_sales_id": request.after_sales_id,
            "order_sn": request.order_sn,
            "message": if succ { "" } else { "当前售后状态不允许同意退款" },
            "succ": succ,
        }}))
    })
}

fn check_pair(mall: &MallState, request: &Agreement) -> Result<Arc<str>, GatewayError> {
    mall.refunds
        .get(&request.after_sales_id)
        .filter(|refund| *refund.order_sn == *request.order_sn)
        .map(|refund| Arc::clone(&refund.order_sn))
        .ok_or_else(GatewayError::foreign_order)
}

/// `pdd.refund.returngoods.agree`: virtual orders have nothing to send back, so the inner error
/// object is all it can answer.
pub(crate) fn agree_return(call: &Call<'_>) -> Result<Payload, GatewayError> {
    let request: Agreement = call.params.json("request")?;
    call.read(|mall| {
        check_pair(mall, &request)?;
        Payload::of(&json!({
            "success": false,
            "error_code": 60001,
            "error_msg": "售后类型不支持退货",
            "result": {
                "after_sales_id": request.after_sales_id,
                "order_sn": request.order_sn,
                "message": "售后类型不支持退货",
                "success": false,
            },
        }))
    })
}

/// `pdd.refund.status.check`: returns the orders that have a refund.
pub(crate) fn status_check(call: &Call<'_>) -> Result<Payload, GatewayError> {
    let order_sns = call.params.text("order_sns")?;
    call.read(|mall| {
        let with_refund: Vec<Value> = order_sns
            .split(',')
            .map(str::trim)
            .filter(|sn| mall.orders.get(*sn).is_some_and(|order| order.refund_status != 1))
            .map(|sn| json!({ "order_sn": sn }))
            .collect();
        Payload::of(&json!({ "order_sns_exists_refund": with_refund }))
    })
}
