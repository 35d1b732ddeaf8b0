//! Carriers and shipment.

use serde_json::json;

use crate::{
    apis::Call,
    envelope::{GatewayError, Payload},
    state::{flow, ledger::Fact},
};

/// id, name, code, available.
const COMPANIES: [(u64, &str, &str, i64); 8] = [
    (1, "申通快递", "STO", 1),
    (3, "百世快递", "HT", 0),
    (44, "顺丰快递", "SF", 1),
    (85, "圆通快递", "YTO", 1),
    (115, "中通快递", "ZTO", 1),
    (118, "邮政EMS", "EMS", 1),
    (121, "韵达快递", "YUNDA", 1),
    (384, "极兔速递", "JTSD", 1),
];

/// The id a recorded virtual order reads back.
pub(crate) const NO_LOGISTICS: u64 = 999;

/// `pdd.logistics.companies.get`.
pub(crate) fn companies(_call: &Call<'_>) -> Result<Payload, GatewayError> {
    let companies: Vec<_> = COMPANIES
        .iter()
        .map(|(id, name, code, available)| {
            json!({"id": id, "logistics_company": name, "code": code, "available": available})
        })
        .collect();
    Payload::of(&json!({ "logistics_companies": companies }))
}

/// `pdd.logistics.online.send`.
pub(crate) fn send(call: &Call<'_>) -> Result<Payload, GatewayError> {
    let order_sn = call.params.text("order_sn")?;
    let logistics_id: u64 = call.params.number("logistics_id")?;
    let redelivery: i64 = call.params.number_or("redelivery_type", 1)?;
    if !(1..=2).contains(&redelivery) {
        return Err(GatewayError::param("redelivery_type"));
    }
    let tracking_number = match call.params.get("tracking_number") {
        Some(number) => number,
        None if logistics_id == NO_LOGISTICS => "",
        None => return Err(GatewayError::param("tracking_number")),
    };
    call.change(|mall, effects| {
        let order = mall.orders.get(order_sn).ok_or_else(GatewayError::foreign_order)?;
        let sn = std::sync::Arc::clone(&order.sn);
        let available = COMPANIES.iter().any(|(id, _, _, on)| *id == logistics_id && *on == 1);
        let goes_without =
            logistics_id == NO_LOGISTICS && effects.switches.logistics.accepts_999 && order.item.delivery_type == 0;
        if !available && !goes_without {
            return Err(GatewayError::business("60001", "快递公司不可用"));
        }
        if let Some(reason) = order.unshippable_because() {
            let (now_ms, reason_text) = (effects.now_ms, reason.to_owned());
            let fact = Fact::Refusal { api: "pdd.logistics.online.send", reason: reason_text };
            mall.record(now_ms, call.client_id(), &sn, fact);
            return Err(GatewayError::business("60001", reason));
        }
        let wanted_status = if redelivery == 1 { 1 } else { 2 };
        if order.order_status != wanted_status {
            return Err(GatewayError::business("60001", "订单状态不允许发货"));
        }
        let fact = Fact::Shipment { logistics_id, tracking_number: tracking_number.to_owned() };
        mall.record(effects.now_ms, call.client_id(), &sn, fact);
        mall.update(&sn, effects, |order| {
            order.logistics_id = logistics_id;
            tracking_number.clone_into(&mut order.tracking_number);
        });
        flow::ship(mall, effects, &sn, "shipped");
        Ok(Payload::done("is_success"))
    })
}
