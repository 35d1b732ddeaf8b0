//! What buyers and the platform's staff do: order, receive, ask for money back, review risk.

use std::sync::Arc;

use actix_web::{
    HttpResponse,
    http::StatusCode,
    web::{Bytes, Data, Path},
};
use serde::Deserialize;
use serde_json::json;

use super::{conflict, not_found, parse, parse_list, problem};
use crate::{
    pmc::hub::Message,
    scenario::Buyers,
    state::{Effects, World, flow, lock, mall::MallState, order::NewOrder, write},
};

/// One kind of order, or several.
#[derive(Debug, Deserialize)]
struct CreateOrders {
    mall_id: u64,
    #[serde(flatten)]
    order: NewOrderFields,
}

/// `NewOrder` again, because serde cannot both flatten and deny unknown fields.
type NewOrderFields = serde_json::Map<String, serde_json::Value>;

pub(super) async fn create_orders(body: Bytes, world: Data<World>) -> HttpResponse {
    let wanted: Vec<CreateOrders> = match parse_list(&body) {
        Ok(wanted) => wanted,
        Err(unusable) => return unusable.response(),
    };
    // Everything is checked before the first order is made.
    let mut checked = Vec::with_capacity(wanted.len());
    for CreateOrders { mall_id, order } in wanted {
        let order: NewOrder = match serde_json::from_value(order.into()) {
            Ok(order) => order,
            Err(error) => return problem(StatusCode::UNPROCESSABLE_ENTITY, &error.to_string()),
        };
        if let Err(message) = order.check() {
            return problem(StatusCode::UNPROCESSABLE_ENTITY, &message);
        }
        let Some(mall) = world.mall(mall_id) else { return not_found("mall") };
        if lock(&mall.state).item(order.sku_id).is_none() {
            return not_found("sku");
        }
        checked.push((mall, order));
    }
    let mut made: Vec<Arc<str>> = Vec::new();
    for (mall, order) in checked {
        for _ in 0..order.count {
            made.extend(world.change(&mall, |state, effects| flow::place(state, effects, &order)));
        }
    }
    let order_sns: Vec<&str> = made.iter().map(|sn| &**sn).collect();
    HttpResponse::Created().json(json!({ "order_sns": order_sns }))
}

/// Changes the mall of an order.
fn with_order(
    world: &World,
    order_sn: &str,
    change: impl FnOnce(&mut MallState, &mut Effects<'_>) -> HttpResponse,
) -> HttpResponse {
    match world.mall_of_order(order_sn) {
        Some(mall) => world.change(&mall, change),
        None => not_found("order"),
    }
}

pub(super) async fn receive(order_sn: Path<String>, world: Data<World>) -> HttpResponse {
    with_order(&world, &order_sn, |mall, effects| {
        if flow::receive(mall, effects, &order_sn) {
            HttpResponse::Ok().json(json!({ "order_status": 3 }))
        } else {
            conflict("only a shipped order without a refund can be received")
        }
    })
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SetRisk {
    risk_control_status: i64,
}

pub(super) async fn set_risk(order_sn: Path<String>, body: Bytes, world: Data<World>) -> HttpResponse {
    let SetRisk { risk_control_status } = match parse(&body) {
        Ok(request) => request,
        Err(unusable) => return unusable.response(),
    };
    with_order(&world, &order_sn, |mall, effects| {
        match risk_control_status {
            0 => flow::resolve(mall, effects, &order_sn),
            1 => flow::review_risk(mall, effects, &order_sn),
            _ => {
                let message = "risk_control_status must be 0 or 1";
                return problem(StatusCode::UNPROCESSABLE_ENTITY, message);
            }
        };
        HttpResponse::Ok().json(json!({ "risk_control_status": risk_control_status }))
    })
}

pub(super) async fn resolve(order_sn: Path<String>, world: Data<World>) -> HttpResponse {
    with_order(&world, &order_sn, |mall, effects| {
        flow::resolve(mall, effects, &order_sn);
        HttpResponse::Ok().json(json!({ "confirm_status": 1 }))
    })
}

pub(super) async fn ship_elsewhere(order_sn: Path<String>, world: Data<World>) -> HttpResponse {
    with_order(&world, &order_sn, |mall, effects| {
        flow::ship(mall, effects, &order_sn, "shipped_elsewhere");
        HttpResponse::Ok().json(json!({ "order_status": 2 }))
    })
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WriteMemo {
    buyer_memo: String,
}

pub(super) async fn write_memo(order_sn: Path<String>, body: Bytes, world: Data<World>) -> HttpResponse {
    let WriteMemo { buyer_memo } = match parse(&body) {
        Ok(request) => request,
        Err(unusable) => return unusable.response(),
    };
    with_order(&world, &order_sn, |mall, effects| {
        mall.update(&order_sn, effects, |order| order.buyer_memo.clone_from(&buyer_memo));
        let content = json!({
            "mall_id": mall.mall_id, "tid": &**order_sn, "buyer_memo": buyer_memo,
        });
        effects
            .messages
            .push(Message { topic: "pdd_trade_BuyerMemoModified".to_owned(), content: content.to_string() });
        HttpResponse::Ok().json(json!({ "buyer_memo": buyer_memo }))
    })
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CreateRefund {
    #[serde(default)]
    reason: Option<String>,
}

pub(super) async fn create_refund(order_sn: Path<String>, body: Bytes, world: Data<World>) -> HttpResponse {
    let CreateRefund { reason } = match parse(&body) {
        Ok(request) => request,
        Err(unusable) => return unusable.response(),
    };
    let reason = reason.unwrap_or_else(|| "不想要了".to_owned());
    with_order(&world, &order_sn, |mall, effects| match flow::create_refund(mall, effects, &order_sn, &reason, 1000) {
        Some(refund_id) => HttpResponse::Created().json(json!({ "refund_id": refund_id })),
        None => conflict("the order is not paid or has a refund already"),
    })
}

pub(super) async fn agree_refund(refund_id: Path<u64>, world: Data<World>) -> HttpResponse {
    with_refund(&world, *refund_id, |mall, effects| flow::agree_refund(mall, effects, *refund_id, true))
}

pub(super) async fn close_refund(refund_id: Path<u64>, world: Data<World>) -> HttpResponse {
    with_refund(&world, *refund_id, |mall, effects| flow::close_refund(mall, effects, *refund_id))
}

fn with_refund(
    world: &World,
    refund_id: u64,
    change: impl FnOnce(&mut MallState, &mut Effects<'_>) -> bool,
) -> HttpResponse {
    let mall = world.all_malls().into_iter().find(|mall| lock(&mall.state).refunds.contains_key(&refund_id));
    let Some(mall) = mall else { return not_found("refund") };
    if world.change(&mall, change) {
        HttpResponse::Ok().json(json!({ "refund_id": refund_id }))
    } else {
        conflict("the refund is agreed or over")
    }
}

pub(super) async fn set_buyers(body: Bytes, world: Data<World>) -> HttpResponse {
    match parse::<Buyers>(&body) {
        Ok(buyers) => {
            *write(&world.buyers) = buyers;
            HttpResponse::NoContent().finish()
        }
        Err(unusable) => unusable.response(),
    }
}
