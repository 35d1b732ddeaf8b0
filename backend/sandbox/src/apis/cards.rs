//! Card codes: import, report of use, OTA redemption, decryption.

use std::{collections::HashSet, sync::Arc};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    apis::Call,
    envelope::{GatewayError, Payload},
    scenario::StockCard,
    state::{
        Effects,
        cards::{Card, DESTROYED, EXPIRED, IN_PROGRESS, UNUSED, USED},
        flow,
        ledger::{Fact, Import},
        mall::MallState,
        order::Order,
        read,
    },
    text::{beijing, masked},
};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Batch {
    goods_id: u64,
    sku_id: u64,
    #[serde(default)]
    charge_address: String,
    data_list: Vec<BatchCard>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct BatchCard {
    card_no: Option<String>,
    encrypt_password: String,
}

/// `pdd.voucher.virtual.card.batch.add`: all codes or none.
pub(crate) fn batch_add(call: &Call<'_>) -> Result<Payload, GatewayError> {
    let batch: Batch = call.params.json("data")?;
    if batch.data_list.is_empty() || batch.data_list.len() > 5000 {
        return Err(GatewayError::param("dataList"));
    }
    let key = call.world.import_key().map_err(|error| {
        tracing::error!(error, "The import key pair could not be made");
        GatewayError::gateway(50002)
    })?;
    let mut codes = Vec::with_capacity(batch.data_list.len());
    let mut seen = HashSet::new();
    for card in batch.data_list {
        let Some(card_no) = card.card_no.filter(|card_no| !card_no.is_empty()) else {
            return Err(GatewayError::param("cardNo"));
        };
        let Some(password) = key.open(&card.encrypt_password) else {
            return Err(GatewayError::business("60001", "卡密解密失败"));
        };
        if !seen.insert(card_no.clone()) {
            return Err(GatewayError::business("60001", "卡号重复"));
        }
        codes.push(StockCard { card_no, password });
    }
    call.change(|mall, effects| {
        let item = mall
            .item(Some(batch.sku_id))
            .filter(|item| item.goods_id == batch.goods_id)
            .ok_or_else(|| GatewayError::business("100002", "非本店铺商品"))?;
        if item.goods_type != 15 {
            return Err(GatewayError::business("60001", "该商品不是商家卡券"));
        }
        let known = mall.imports.iter().flat_map(|import| &import.card_nos);
        if known.into_iter().any(|card_no| seen.contains(card_no)) {
            return Err(GatewayError::business("60001", "卡号重复"));
        }
        let batch_id = effects.world.next();
        let total = codes.len();
        mall.imports.push(Import {
            at_ms: effects.now_ms,
            mall_id: mall.mall_id,
            client_id: call.client_id().to_owned(),
            batch_id,
            goods_id: batch.goods_id,
            sku_id: batch.sku_id,
            card_nos: codes.iter().map(|code| code.card_no.clone()).collect(),
        });
        mall.stock.entry(batch.sku_id).or_default().extend(codes);
        flow::serve_waiting(mall, effects, batch.sku_id);
        Payload::of(&json!({"code": 0, "message": "", "result": {
            "batchId": batch_id,
            "chargeAddress": batch.charge_address,
            "mallId": mall.mall_id,
            "totalNum": total,
        }}))
    })
}

#[derive(Debug, Deserialize)]
struct Use {
    out_trans_no: String,
    voucher_time: i64,
    voucher_status: i64,
    voucher_no: String,
}

/// `pdd.voucher.virtual.card.verification`: reports codes as used (1) or destroyed (2).
pub(crate) fn report(call: &Call<'_>) -> Result<Payload, GatewayError> {
    let order_sn = call.params.text("order_sn")?;
    let uses: Vec<Use> = call.params.json("voucher_data_list")?;
    let is_valid = |entry: &Use| {
        !entry.out_trans_no.is_empty() && entry.voucher_time > 0 && (1..=2).contains(&entry.voucher_status)
    };
    if uses.is_empty() || !uses.iter().all(is_valid) {
        return Err(GatewayError::param("voucher_data_list"));
    }
    call.change(|mall, effects| {
        let order = mall.orders.get(order_sn).ok_or_else(GatewayError::foreign_order)?;
        for entry in &uses {
            check_report(order, entry)?;
        }
        let sn = Arc::clone(&order.sn);
        for entry in &uses {
            let state = if entry.voucher_status == 1 { USED } else { DESTROYED };
            let fact = Fact::Verification {
                method: "report_card",
                voucher_no: entry.voucher_no.clone(),
                serial: entry.out_trans_no.clone(),
                status: entry.voucher_status,
            };
            mall.record(effects.now_ms, call.client_id(), &sn, fact);
            set_card(mall, &sn, &entry.voucher_no, |card| {
                card.state = state;
                card.remain_times = 0;
                card.verified_ms = Some(effects.now_ms);
            });
            if let Some(order) = mall.orders.get_mut(&sn) {
                let event = if state == USED { "redeemed" } else { "destroyed" };
                order.note(effects.now_ms, event, entry.voucher_no.clone());
            }
        }
        let order = mall.orders.get(&sn).ok_or_else(GatewayError::foreign_order)?;
        report_view(order, mall.mall_id)
    })
}

fn check_report(order: &Order, entry: &Use) -> Result<(), GatewayError> {
    let card = order
        .cards
        .iter()
        .find(|card| card.card_no == entry.voucher_no && !card.is_ota)
        .ok_or_else(|| GatewayError::business("100006", "券码错误"))?;
    match card.state {
        USED => Err(GatewayError::business("60010", "已被核销成功")),
        DESTROYED => Err(GatewayError::business("60006", "待核销单已被销毁")),
        _ if entry.voucher_status == 1 => check_refund(order),
        _ => Ok(()),
    }
}

fn check_refund(order: &Order) -> Result<(), GatewayError> {
    match order.refund_status {
        1 => Ok(()),
        2 => Err(GatewayError::business("100004", "消费者已发起售后")),
        _ => Err(GatewayError::business("60011", "订单已发起退款")),
    }
}

fn set_card(mall: &mut MallState, sn: &str, card_no: &str, set: impl FnOnce(&mut Card)) {
    let card = mall.orders.get_mut(sn).and_then(|order| order.cards.iter_mut().find(|card| card.card_no == card_no));
    if let Some(card) = card {
        set(card);
    }
}

fn report_view(order: &Order, mall_id: u64) -> Result<Payload, GatewayError> {
    let cards: Vec<Value> = order
        .cards
        .iter()
        .map(|card| {
            json!({
                "card_no": card.card_no,
                "card_code": "",
                "mark_password": masked(&card.password),
                "status": card.state,
                "refund_status": order.refund_status,
                "verification_at": card.verified_ms,
            })
        })
        .collect();
    Payload::of(&json!({
        "order_sn": &*order.sn,
        "goods_id": order.item.goods_id,
        "sku_id": order.item.sku_id,
        "mall_id": mall_id,
        "voucher_list": cards,
    }))
}

#[derive(Debug, Deserialize)]
struct PrepareRequest {
    card_no: String,
    store_id: Option<u64>,
}

/// Finds a platform-generated code of the calling mall.
fn find_ota<'a>(call: &Call<'_>, mall: &'a MallState, card_no: &str) -> Result<(&'a Order, &'a Card), GatewayError> {
    if let Some(order) = mall.ota_cards.get(card_no).and_then(|sn| mall.orders.get(sn))
        && let Some(card) = order.cards.iter().find(|card| card.card_no == card_no)
    {
        return Ok((order, card));
    }
    if read(&call.world.card_malls).contains_key(card_no) {
        return Err(GatewayError::business("100002", "非本店铺商品"));
    }
    let is_imported = mall.imports.iter().any(|import| import.card_nos.iter().any(|n| n == card_no));
    Err(if is_imported {
        GatewayError::business("100001", "该卡券不是OTA卡")
    } else {
        GatewayError::business("100006", "券码错误")
    })
}

fn check_store(call: &Call<'_>, store_id: u64) -> Result<(), GatewayError> {
    if call.mall()?.stores.iter().any(|store| store.store_id == store_id) {
        Ok(())
    } else {
        Err(GatewayError::business("100007", "店铺编码不准确"))
    }
}

/// `pdd.voucher.ota.card.prepare.verification`.
pub(crate) fn ota_prepare(call: &Call<'_>) -> Result<Payload, GatewayError> {
    let request: PrepareRequest = call.params.json("request")?;
    if let Some(store_id) = request.store_id {
        check_store(call, store_id)?;
    }
    let now_ms = call.world.clock.now_ms();
    call.read(|mall| {
        let (order, card) = find_ota(call, mall, &request.card_no)?;
        Payload::of(&json!({
            "success": true,
            "errorCode": 1_000_000,
            "errorMsg": "",
            "result": {
                "card_vo": {
                    "available_start_time": card.starts_ms / 1000,
                    "available_end_time": card.expires_ms / 1000,
                    "mask_card_no": masked(&card.card_no),
                    "remain_times": card.remain_times,
                    "total_times": card.total_times,
                    "status": card.state_at(now_ms),
                    "status_tips": "",
                },
                "order_goods_vo": {
                    "goods_name": order.item.goods_name,
                    "goods_number": order.quantity,
                    "out_goods_sn": order.item.outer_goods_id,
                    "out_sku_sn": order.item.outer_id,
                    "spec": order.item.spec,
                },
                "order_vo": {"order_sn": &*order.sn, "order_amount_fen": order.amount_fen()},
            },
        }))
    })
}

/// `pdd.voucher.ota.card.verification`: one use per call.
pub(crate) fn ota_verify(call: &Call<'_>) -> Result<Payload, GatewayError> {
    let card_no = call.params.text("card_no")?;
    let store_id: u64 = call.params.number("store_id")?;
    let store_name = call.params.text("store_name")?;
    check_store(call, store_id)?;
    let dice = &call.world.dice;
    let switch = call.world.switches().ota;
    if dice.chance(switch.busy_probability) {
        return Err(GatewayError::business("1000010", "为保证一致性，该卡券此刻不允许核销"));
    }
    call.change(|mall, effects| {
        let (order, card) = find_ota(call, mall, card_no)?;
        if call.params.get("order_sn").is_some_and(|wanted| wanted != &*order.sn) {
            return Err(GatewayError::business("60009", "核销订单信息不存在"));
        }
        check_ota(card, effects.now_ms)?;
        check_refund(order)?;
        let (sn, use_no) = (Arc::clone(&order.sn), card.total_times - card.remain_times + 1);
        let fact = Fact::Verification {
            method: "ota",
            voucher_no: card_no.to_owned(),
            serial: format!("{card_no}-{use_no}"),
            status: 1,
        };
        mall.record(effects.now_ms, call.client_id(), &sn, fact);
        if dice.chance(switch.in_progress_probability) {
            flow::begin_redemption(mall, effects, &sn, card_no);
        } else {
            flow::end_redemption(mall, effects, &sn, card_no);
        }
        let status = find_ota(call, mall, card_no)?.1.state;
        // A use that ended shows as redeemed even where others remain.
        let status = if status == UNUSED { USED } else { status };
        Payload::of(&ota_view(mall.mall_id, effects, (card_no, &sn, status), (store_id, store_name)))
    })
}

fn check_ota(card: &Card, now_ms: i64) -> Result<(), GatewayError> {
    let (code, text) = match card.state_at(now_ms) {
        IN_PROGRESS => ("1000010", "为保证一致性，该卡券此刻不允许核销"),
        USED => ("60010", "已被核销成功"),
        EXPIRED => ("1000012", "券码已过期"),
        DESTROYED => ("60006", "待核销单已被销毁"),
        _ => return Ok(()),
    };
    Err(GatewayError::business(code, text))
}

fn ota_view(mall_id: u64, effects: &Effects<'_>, card: (&str, &str, i64), store: (u64, &str)) -> Value {
    let (card_no, order_sn, status) = card;
    json!({
        "success": true,
        "errorCode": 1_000_000,
        "errorMsg": "",
        "result": {
            "card_no": card_no,
            "mall_id": mall_id,
            "order_sn": order_sn,
            "status": status,
            "store_id": store.0,
            "store_name": store.1,
            "verification_time": beijing(effects.now_ms),
        },
    })
}

#[derive(Debug, Deserialize)]
struct Sealed {
    data_tag: String,
    encrypted_data: String,
}

/// `pdd.open.decrypt.batch`.
pub(crate) fn decrypt(call: &Call<'_>) -> Result<Payload, GatewayError> {
    opened(call, false)
}

/// `pdd.open.decrypt.mask.batch`.
pub(crate) fn decrypt_masked(call: &Call<'_>) -> Result<Payload, GatewayError> {
    opened(call, true)
}

fn opened(call: &Call<'_>, is_masked: bool) -> Result<Payload, GatewayError> {
    let sealed: Vec<Sealed> = call.params.json("data_list")?;
    if sealed.is_empty() || sealed.len() > 100 {
        return Err(GatewayError::param("data_list"));
    }
    call.read(|mall| {
        let list: Vec<Value> = sealed
            .iter()
            .map(|entry| {
                let order = mall.orders.get(entry.data_tag.as_str());
                let belongs = order.is_some_and(|order| {
                    order.cards.iter().any(|card| {
                        card.sealed_no == entry.encrypted_data || card.sealed_password == entry.encrypted_data
                    })
                });
                let found = call.world.cipher.open(&entry.encrypted_data).filter(|_| belongs);
                open_view(entry, found, is_masked)
            })
            .collect();
        Payload::of(&json!({ "data_decrypt_list": list }))
    })
}

fn open_view(entry: &Sealed, found: Option<(u8, String)>, is_masked: bool) -> Value {
    let is_open = found.is_some();
    let (data_type, text) = found.unwrap_or_default();
    let mut view = json!({
        "data_tag": entry.data_tag,
        "data_type": data_type,
        "encrypted_data": entry.encrypted_data,
        "decrypted_data": if is_masked && is_open { masked(&text) } else { text },
        // No document lists the codes of a single entry.
        "error_code": if is_open { 0 } else { 10000 },
        "error_msg": if is_open { "" } else { "参数错误:encrypted_data" },
    });
    if let (false, Some(fields)) = (is_masked, view.as_object_mut()) {
        fields.insert("virtual_number_type".to_owned(), json!(0));
        fields.insert("virtual_identify_number".to_owned(), json!(""));
    }
    view
}
