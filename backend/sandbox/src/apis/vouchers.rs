//! Vouchers of ISVs, direct charge and real-time codes.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::json;

use crate::{
    apis::Call,
    envelope::{GatewayError, Payload},
    scenario::{VoucherRepeat, VoucherStatus},
    state::{
        Effects, flow,
        ledger::Fact,
        mall::MallState,
        order::{Order, Voucher},
    },
};

/// Records and returns the refusal of an order that must not be shipped.
fn refuse(
    call: &Call<'_>,
    mall: &mut MallState,
    effects: &Effects<'_>,
    api: &'static str,
    order: (&Arc<str>, &'static str),
) -> GatewayError {
    let (sn, reason) = order;
    let fact = Fact::Refusal { api, reason: reason.to_owned() };
    mall.record(effects.now_ms, call.client_id(), sn, fact);
    GatewayError::business("60001", reason)
}

/// `pdd.voucher.voucher.info.send`.
pub(crate) fn send(call: &Call<'_>) -> Result<Payload, GatewayError> {
    const API: &str = "pdd.voucher.voucher.info.send";
    let order_sn = call.params.text("order_sn")?;
    let out_biz_no = call.params.text("out_biz_no")?;
    let vouchers: Vec<Voucher> = call.params.json("voucher_list")?;
    if vouchers.is_empty() || vouchers.iter().any(|v| v.voucher_id.is_empty() || v.voucher_no.is_empty()) {
        return Err(GatewayError::param("voucher_list"));
    }
    call.change(|mall, effects| {
        let switch = effects.switches.voucher_send;
        let order = mall.orders.get(order_sn).ok_or_else(GatewayError::foreign_order)?;
        let sn = Arc::clone(&order.sn);
        let is_repeat = order.sends.iter().any(|(no, sent)| no == out_biz_no && *sent == vouchers);
        if is_repeat && switch.repeat == VoucherRepeat::Idempotent {
            let fact = Fact::RepeatedSend { out_biz_no: out_biz_no.to_owned(), vouchers: vouchers.len() };
            mall.record(effects.now_ms, call.client_id(), &sn, fact);
            return Ok(Payload::done("is_success"));
        }
        if !order.sends.is_empty() && switch.repeat == VoucherRepeat::RejectsDuplicate {
            return Err(GatewayError::business("60001", "该订单已发送卡券，请勿重复发送"));
        }
        if let Some(reason) = order.unshippable_because()
            && switch.refuses_unshippable
        {
            return Err(refuse(call, mall, effects, API, (&sn, reason)));
        }
        store_vouchers(call, mall, effects, &sn, (out_biz_no, vouchers));
        if switch.status == VoucherStatus::Moves {
            flow::ship(mall, effects, &sn, "shipped");
        }
        Ok(Payload::done("is_success"))
    })
}

fn store_vouchers(
    call: &Call<'_>,
    mall: &mut MallState,
    effects: &Effects<'_>,
    sn: &Arc<str>,
    send: (&str, Vec<Voucher>),
) {
    let (out_biz_no, vouchers) = send;
    let send_no = mall.orders.get(sn).map_or(1, |order| order.sends.len() + 1);
    for voucher in &vouchers {
        let fact = Fact::Voucher {
            out_biz_no: out_biz_no.to_owned(),
            voucher_id: voucher.voucher_id.clone(),
            voucher_no: voucher.voucher_no.clone(),
            send_no,
        };
        mall.record(effects.now_ms, call.client_id(), sn, fact);
    }
    mall.update(sn, effects, |order| {
        order.note(effects.now_ms, "vouchers_sent", format!("{} codes", vouchers.len()));
        order.vouchers.extend(vouchers.iter().cloned());
        order.sends.push((out_biz_no.to_owned(), vouchers));
    });
}

/// Finds the order of a companion call, which must carry vouchers that were sent.
fn with_voucher_order(call: &Call<'_>, fact: impl FnOnce(String) -> Fact) -> Result<Payload, GatewayError> {
    let order_sn = call.params.text("order_sn")?;
    let out_biz_no = call.params.text("out_biz_no")?;
    call.change(|mall, effects| {
        let order = mall.orders.get(order_sn).ok_or_else(GatewayError::foreign_order)?;
        let sn = Arc::clone(&order.sn);
        mall.record(effects.now_ms, call.client_id(), &sn, fact(out_biz_no.to_owned()));
        Ok(Payload::done("is_success"))
    })
}

fn required_vouchers(call: &Call<'_>) -> Result<(), GatewayError> {
    let vouchers: Vec<Voucher> = call.params.json("voucher_list")?;
    if vouchers.is_empty() { Err(GatewayError::param("voucher_list")) } else { Ok(()) }
}

/// Reads `logistics_type` and `appointment_time`.
fn appointment_terms(call: &Call<'_>) -> Result<(i64, i64), GatewayError> {
    let logistics_type: i64 = call.params.number("logistics_type")?;
    if !(1..=2).contains(&logistics_type) {
        return Err(GatewayError::param("logistics_type"));
    }
    Ok((logistics_type, call.params.number("appointment_time")?))
}

/// `pdd.voucher.appointment.info.send`.
pub(crate) fn appointment(call: &Call<'_>) -> Result<Payload, GatewayError> {
    required_vouchers(call)?;
    let (logistics_type, appointment_time) = appointment_terms(call)?;
    with_voucher_order(call, |out_biz_no| Fact::Appointment { out_biz_no, appointment_time, logistics_type })
}

/// `pdd.voucher.physical.goods.send`.
pub(crate) fn physical_goods(call: &Call<'_>) -> Result<Payload, GatewayError> {
    required_vouchers(call)?;
    appointment_terms(call)?;
    for name in ["recipient", "recipient_mobile", "recipient_address", "logistics_company_id", "logistics_company"] {
        call.params.text(name)?;
    }
    let logistics_no = call.params.text("logistics_no")?.to_owned();
    with_voucher_order(call, |out_biz_no| Fact::PhysicalGoods { out_biz_no, logistics_no })
}

/// `pdd.voucher.voucher.complain`.
pub(crate) fn complain(call: &Call<'_>) -> Result<Payload, GatewayError> {
    for name in ["complain_user", "complain_user_mobile", "complain_content"] {
        call.params.text(name)?;
    }
    let _attachments: Vec<String> = call.params.json("complain_attachment_list")?;
    let complain_type: i64 = call.params.number("complain_type")?;
    if !(1..=7).contains(&complain_type) {
        return Err(GatewayError::param("complain_type"));
    }
    with_voucher_order(call, |out_biz_no| Fact::Complaint { out_biz_no, complain_type })
}

#[derive(Debug, Deserialize)]
struct RealtimeRequest {
    order_sn: String,
    serial_no: String,
    verify_time: i64,
    out_voucher_id: String,
}

/// `pdd.voucher.realtime.verify.sync`: no wrapper, and 0 for success is inferred.
pub(crate) fn realtime_verify(call: &Call<'_>) -> Result<Payload, GatewayError> {
    let request: RealtimeRequest = call.params.json("request")?;
    if request.serial_no.is_empty() || request.out_voucher_id.is_empty() {
        return Err(GatewayError::param("request"));
    }
    // Milliseconds have 13 digits.
    if !(1_000_000_000_000..10_000_000_000_000).contains(&request.verify_time) {
        return Err(GatewayError::param("verify_time"));
    }
    call.change(|mall, effects| {
        let order = mall.orders.get(request.order_sn.as_str()).ok_or_else(GatewayError::foreign_order)?;
        let sn = Arc::clone(&order.sn);
        let knows = |v: &Voucher| v.voucher_id == request.out_voucher_id || v.voucher_no == request.out_voucher_id;
        if !order.vouchers.is_empty() && !order.vouchers.iter().any(knows) {
            return Err(GatewayError::business("60009", "核销订单信息不存在"));
        }
        if order.refund_status != 1 {
            return Err(GatewayError::business("60011", "订单已发起退款"));
        }
        let is_repeat = order.serials.contains(&request.serial_no);
        if !is_repeat {
            let fact = Fact::Verification {
                method: "realtime",
                voucher_no: request.out_voucher_id.clone(),
                serial: request.serial_no.clone(),
                status: 1,
            };
            mall.record(effects.now_ms, call.client_id(), &sn, fact);
            note(mall, &sn, |order| {
                order.note(effects.now_ms, "redeemed", request.out_voucher_id.clone());
                order.serials.push(request.serial_no.clone());
            });
        }
        Payload::of(&json!({"code": 0, "message": ""}))
    })
}

fn note(mall: &mut MallState, sn: &str, change: impl FnOnce(&mut Order)) {
    if let Some(order) = mall.orders.get_mut(sn) {
        change(order);
    }
}

/// `pdd.virtual.mobile.charge.notify`: SUCCESS ships the order, FAIL refunds it.
pub(crate) fn charge_notify(call: &Call<'_>) -> Result<Payload, GatewayError> {
    let order_sn = call.params.text("order_sn")?;
    let outer_order_sn = call.params.text("outer_order_sn")?;
    let status = call.params.text("status")?;
    if !["SUCCESS", "FAIL"].contains(&status) {
        return Err(GatewayError::param("status"));
    }
    call.change(|mall, effects| {
        let order = mall.orders.get(order_sn).ok_or_else(GatewayError::foreign_order)?;
        let sn = Arc::clone(&order.sn);
        if !matches!(order.item.goods_type, 5 | 6 | 8 | 9) {
            return Err(GatewayError::business("60001", "非充值类订单"));
        }
        if let Some(reason) = order.unshippable_because() {
            let api = "pdd.virtual.mobile.charge.notify";
            return Err(refuse(call, mall, effects, api, (&sn, reason)));
        }
        if order.order_status != 1 {
            return Err(GatewayError::business("60001", "订单已处理"));
        }
        let fact = Fact::Charge { outer_order_sn: outer_order_sn.to_owned(), status: status.to_owned() };
        mall.record(effects.now_ms, call.client_id(), &sn, fact);
        if status == "SUCCESS" {
            mall.update(&sn, effects, |order| order.note(effects.now_ms, "charged", ""));
            flow::ship(mall, effects, &sn, "shipped");
        } else if let Some(id) = flow::create_refund(mall, effects, &sn, "充值失败", 1003) {
            flow::agree_refund(mall, effects, id, true);
        }
        Ok(Payload::done("success"))
    })
}

/// `pdd.virtual.game.server.query`: one configuration with one region and one server.
pub(crate) fn game_servers(call: &Call<'_>) -> Result<Payload, GatewayError> {
    let code = call.params.text("goods_config_code")?;
    Payload::of(&json!({
        "goods_config_code": code,
        "goods_config_id": 1,
        "goods_config_name": code,
        "item_list": [{
            "id": 1, "name": "一区", "type": 1,
            "children": [{"id": 2, "name": "一服", "type": 2}],
        }],
    }))
}
