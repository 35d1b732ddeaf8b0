//! Orders over the gateway: lists, the state machine, delivery calls, refunds.

use serde_json::{Value, json};

use super::support::{CHARGE_SKU, MALL, NOW_S, PHYSICAL_SKU, PICKUP_SKU, Platform, VOUCHER_SKU, scenario};
use crate::scenario::{IdsAs, VoucherRepeat, VoucherStatus};

const INCREMENT: &str = "pdd.order.number.list.increment.get";

fn window(page: i64, size: i64) -> Value {
    json!({
        "start_updated_at": NOW_S - 900, "end_updated_at": NOW_S + 900, "order_status": 5,
        "refund_status": 5, "is_lucky_flag": 0, "page": page, "page_size": size,
    })
}

fn sns(answer: &Value) -> Vec<String> {
    let list = answer["order_sn_list"].as_array().unwrap();
    list.iter().map(|order| order["order_sn"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn every_way_to_send_parameters_is_accepted() {
    let platform = Platform::start(scenario());
    let signed = platform.signed("pdd.mall.info.get", json!({}));
    let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&signed).finish();
    let json_body = serde_json::to_string(&signed).unwrap();
    let multipart: String = signed
        .iter()
        .map(|(key, value)| format!("--B\r\nContent-Disposition: form-data; name=\"{key}\"\r\n\r\n{value}\r\n"))
        .chain(["--B--\r\n".to_owned()])
        .collect();
    let query = format!("/api/router?{form}");
    for (target, kind, body) in [
        ("/api/router", "application/json", json_body.as_str()),
        ("/api/router/", "application/json;charset=utf-8", &json_body),
        ("/api/router", "application/x-www-form-urlencoded", &form),
        ("/api/router", "multipart/form-data; boundary=B", &multipart),
        (query.as_str(), "text/plain", ""),
    ] {
        let reply = platform.http("POST", target, &[("Content-Type", kind)], body).await.unwrap();
        let answer = reply.json();
        assert_eq!(answer["mall_info_get_response"]["mall_id"], MALL, "{target} {kind}: {answer}");
    }
    let reply = platform.http("GET", &query, &[], "").await.unwrap();
    assert_eq!(reply.json()["mall_info_get_response"]["mall_id"], MALL);
    for method in ["HEAD", "GET"] {
        assert_eq!(platform.http(method, "/api/router", &[], "").await.unwrap().status, 200);
    }
}

#[tokio::test]
async fn gateway_checks_answer_in_the_documented_codes() {
    let mut platform = Platform::start(scenario());
    let reply = platform.http("POST", "/api/router", &[("Content-Type", "application/json")], "{}").await.unwrap();
    assert_eq!(reply.json()["error_response"]["error_msg"], "公共参数错误:type");
    assert_eq!(platform.error("pdd.no.such.api", json!({})).await.0, 10017);
    assert_eq!(platform.error("pdd.order.number.list.get", json!({})).await.0, 20034);
    assert_eq!(platform.error("pdd.voucher.realtime.orderno.get", json!({})).await.0, 20034);
    platform.token = "unknown".to_owned();
    assert_eq!(platform.error("pdd.mall.info.get", json!({})).await.0, 20032);
    platform.client_id = "nobody".to_owned();
    assert_eq!(platform.error("pdd.time.get", json!({})).await.0, 10016);
    platform.client_id = "sandbox-client".to_owned();
    platform.now_s -= 601;
    assert_eq!(platform.error("pdd.time.get", json!({})).await.0, 10001);
    platform.now_s += 601;
    platform.secret = "wrong".to_owned();
    assert_eq!(platform.error("pdd.time.get", json!({})).await.0, 20004);
}

#[tokio::test]
async fn the_increment_list_is_descending_and_its_pages_shift() {
    let platform = Platform::start(scenario());
    for _ in 0..5 {
        platform.order(VOUCHER_SKU, json!({})).await;
    }
    let before = platform.call(INCREMENT, window(1, 2)).await;
    assert_eq!(before["total_count"], 5);
    let second_page = sns(&platform.call(INCREMENT, window(2, 2)).await);
    let last_page = sns(&platform.call(INCREMENT, window(3, 2)).await);
    // The oldest order is updated and jumps to the front, so page 2 now shows what page 1 showed.
    let moved = &last_page[0];
    let note = json!({"order_sn": moved, "note": "seen"});
    platform.call("pdd.order.note.update", note).await;
    let shifted = sns(&platform.call(INCREMENT, window(1, 2)).await);
    assert_eq!(&shifted[0], moved);
    assert_eq!(shifted[1], sns(&before)[0]);
    let second_after = sns(&platform.call(INCREMENT, window(2, 2)).await);
    assert_eq!(second_after, [sns(&before)[1].clone(), second_page[0].clone()]);
    let mut with_flag = window(1, 2);
    with_flag["use_has_next"] = json!(true);
    let answer = platform.call(INCREMENT, with_flag).await;
    assert_eq!((answer["has_next"].clone(), answer.get("total_count")), (json!(true), None));
}

#[tokio::test]
async fn windows_and_pages_have_their_limits() {
    let platform = Platform::start(scenario());
    let mut too_long = window(1, 100);
    too_long["start_updated_at"] = json!(NOW_S - 901);
    assert_eq!(platform.error(INCREMENT, too_long).await, (50001, String::new()));
    let too_big = platform.error(INCREMENT, window(1, 101)).await;
    assert_eq!(too_big, (10000, "10000".to_owned()));
    let mut list = json!({
        "start_confirm_at": NOW_S - 86_401, "end_confirm_at": NOW_S, "order_status": 1,
        "refund_status": 1, "page": 1, "page_size": 10,
    });
    let answer = platform.try_call("pdd.order.list.get", list.clone()).await.unwrap().json();
    let error = &answer["error_response"];
    assert_eq!(error["error_code"], 50001);
    assert_eq!(error["error_msg"], "时间跨度不能超过24小时");
    assert_eq!(error["sub_code"], Value::Null);
    list["start_confirm_at"] = json!(NOW_S - 86_400);
    platform.order(VOUCHER_SKU, json!({"paid_s_ago": 3600.0})).await;
    assert_eq!(platform.call("pdd.order.list.get", list.clone()).await["total_count"], 1);
    assert_eq!(platform.call("pdd.order.basic.list.get", list).await["total_count"], 1);
}

#[tokio::test]
async fn ids_are_strings_or_numbers_by_switch() {
    let mut numbers = scenario();
    numbers.ids_as = IdsAs::Number;
    for (scenario, expected) in [(scenario(), json!(VOUCHER_SKU.to_string())), (numbers, json!(VOUCHER_SKU))] {
        let platform = Platform::start(scenario);
        let sn = platform.order(VOUCHER_SKU, json!({})).await;
        let order = platform.information(&sn).await;
        assert_eq!(order["item_list"][0]["sku_id"], expected);
        assert_eq!(order["pay_amount"], json!(9.9));
        assert_eq!(order["updated_at"], "2026-11-23 02:23:20");
    }
}

#[tokio::test]
async fn only_orders_with_a_deal_are_listed_and_may_be_shipped() {
    let platform = Platform::start(scenario());
    for state in ["group_forming", "group_failed", "cancelled"] {
        let sn = platform.order(VOUCHER_SKU, json!({"state": state})).await;
        assert_eq!(platform.send_vouchers(&sn, "B", "C").await.json()["error_response"]["error_code"], 50001);
    }
    assert_eq!(platform.call(INCREMENT, window(1, 10)).await["total_count"], 0);
    for state in ["risk_review", "deposit", "lottery"] {
        let sn = platform.order(VOUCHER_SKU, json!({"state": state})).await;
        let refused = platform.send_vouchers(&sn, "B", "C").await.json();
        assert_eq!(refused["error_response"]["sub_code"], "60001", "{state}");
        assert_eq!(platform.ledger(&sn).await["refusals"].as_array().unwrap().len(), 1);
        platform.control("POST", &format!("/orders/{sn}/resolve"), Value::Null).await;
        let sent = platform.send_vouchers(&sn, "B", "C").await.json();
        assert_eq!(sent["voucher_voucher_info_send_response"]["is_success"], true, "{state}");
        assert_eq!(platform.information(&sn).await["order_status"], 2);
    }
    assert_eq!(platform.call(INCREMENT, window(1, 10)).await["total_count"], 3);
    let foreign = json!({"order_sn": "261122-000000000000000"});
    let error = platform.error("pdd.order.information.get", foreign).await;
    assert_eq!(error, (50001, "45001".to_owned()));
}

#[tokio::test]
async fn voucher_switches_decide_about_repeats_and_status() {
    for (repeat, status, sends) in [
        (VoucherRepeat::Idempotent, VoucherStatus::Moves, 1),
        (VoucherRepeat::Idempotent, VoucherStatus::Stays, 1),
        (VoucherRepeat::RejectsDuplicate, VoucherStatus::Moves, 1),
        (VoucherRepeat::Accumulates, VoucherStatus::Stays, 2),
    ] {
        let mut scenario = scenario();
        scenario.voucher_send.repeat = repeat;
        scenario.voucher_send.status = status;
        let platform = Platform::start(scenario);
        let sn = platform.order(VOUCHER_SKU, json!({})).await;
        platform.send_vouchers(&sn, "B1", "C1").await;
        let again = platform.send_vouchers(&sn, "B1", "C1").await.json();
        let refused = again.get("error_response").is_some();
        assert_eq!(refused, repeat == VoucherRepeat::RejectsDuplicate, "{repeat:?}");
        let ledger = platform.ledger(&sn).await;
        assert_eq!(ledger["vouchers"].as_array().unwrap().len(), sends, "{repeat:?}");
        let shipped = if status == VoucherStatus::Moves { 2 } else { 1 };
        assert_eq!(platform.information(&sn).await["order_status"], shipped, "{status:?}");
    }
}

#[tokio::test]
async fn shipment_takes_an_available_carrier_or_999_for_virtual_goods() {
    let platform = Platform::start(scenario());
    let send = "pdd.logistics.online.send";
    let virtual_sn = platform.order(PICKUP_SKU, json!({})).await;
    let physical_sn = platform.order(PHYSICAL_SKU, json!({})).await;
    let params = |sn: &str, id: i64| json!({"order_sn": sn, "logistics_id": id, "tracking_number": "T1"});
    assert_eq!(platform.error(send, params(&physical_sn, 999)).await.0, 50001);
    assert_eq!(platform.error(send, params(&physical_sn, 3)).await.0, 50001);
    platform.call(send, params(&physical_sn, 44)).await;
    let bare = json!({"order_sn": virtual_sn, "logistics_id": 999});
    platform.call(send, bare.clone()).await;
    let order = platform.information(&virtual_sn).await;
    assert_eq!((order["logistics_id"].clone(), order["tracking_number"].clone()), (json!("999"), Value::Null));
    assert_eq!(platform.error(send, bare).await.0, 50001);
    let mut change = params(&physical_sn, 85);
    change["redelivery_type"] = json!(2);
    platform.call(send, change).await;
    let mut off = scenario();
    off.logistics.accepts_999 = false;
    let platform = Platform::start(off);
    let sn = platform.order(PICKUP_SKU, json!({})).await;
    assert_eq!(platform.error(send, params(&sn, 999)).await.0, 50001);
}

#[tokio::test]
async fn a_charge_ships_or_refunds() {
    let platform = Platform::start(scenario());
    let notify = "pdd.virtual.mobile.charge.notify";
    let params = |sn: &str, status: &str| json!({"order_sn": sn, "outer_order_sn": "O1", "status": status});
    let good = platform.order(CHARGE_SKU, json!({"phone": "13800000000"})).await;
    assert_eq!(platform.call(notify, params(&good, "SUCCESS")).await["success"], true);
    assert_eq!(platform.information(&good).await["order_status"], 2);
    let bad = platform.order(CHARGE_SKU, json!({})).await;
    platform.call(notify, params(&bad, "FAIL")).await;
    assert_eq!(platform.information(&bad).await["refund_status"], 3);
    platform.control("POST", "/clock/advance", json!({"seconds": 2})).await;
    assert_eq!(platform.information(&bad).await["refund_status"], 4);
    let other = platform.order(VOUCHER_SKU, json!({})).await;
    assert_eq!(platform.error(notify, params(&other, "SUCCESS")).await.0, 50001);
    let phone = platform.call("pdd.order.virtual.information.get", json!({"order_sn": good})).await;
    assert_eq!(phone["phone_number_chosen_by_user"], "13800000000");
}

#[tokio::test]
async fn a_refund_runs_in_both_unit_systems() {
    let platform = Platform::start(scenario());
    let sn = platform.order(VOUCHER_SKU, json!({"quantity": 2})).await;
    let checks = json!({"order_sns": sn});
    let check = "pdd.refund.status.check";
    assert_eq!(platform.call(check, checks.clone()).await["order_sns_exists_refund"], json!([]));
    let made = platform.control("POST", &format!("/orders/{sn}/refund"), Value::Null).await;
    assert_eq!(platform.call(check, checks).await["order_sns_exists_refund"][0]["order_sn"], json!(sn));
    let list = json!({
        "after_sales_status": 1, "after_sales_type": 2, "start_updated_at": NOW_S - 900,
        "end_updated_at": NOW_S,
    });
    let listed = platform.call("pdd.refund.list.increment.get", list).await;
    assert_eq!(listed["refund_list"][0]["refund_amount"], "19.80");
    assert_eq!(listed["refund_list"][0]["after_sales_type"], 2);
    let details = platform.call("pdd.refund.information.get", json!({"order_sn": sn})).await;
    assert_eq!((details["refund_amount"].clone(), details["after_sales_type"].clone()), (json!(1980), json!(1)));
    assert_eq!(platform.send_vouchers(&sn, "B", "C").await.json()["error_response"]["error_code"], 50001);
    let request = json!({"request": {"order_sn": sn, "after_sales_id": made["refund_id"]}});
    let agreed = platform.call("pdd.refund.agree", request.clone()).await;
    assert_eq!(agreed["result"]["succ"], true);
    assert_eq!(platform.call("pdd.refund.agree", request).await["result"]["succ"], false);
    assert_eq!(platform.information(&sn).await["after_sales_status"], 4);
    platform.control("POST", "/clock/advance", json!({"seconds": 3})).await;
    let order = platform.information(&sn).await;
    assert_eq!((order["refund_status"].clone(), order["after_sales_status"].clone()), (json!(4), json!(10)));
}

#[tokio::test]
async fn a_withdrawn_refund_makes_the_order_shippable_again() {
    let platform = Platform::start(scenario());
    let sn = platform.order(VOUCHER_SKU, json!({})).await;
    let made = platform.control("POST", &format!("/orders/{sn}/refund"), Value::Null).await;
    platform.control("POST", &format!("/refunds/{}/close", made["refund_id"]), Value::Null).await;
    let order = platform.information(&sn).await;
    assert_eq!((order["refund_status"].clone(), order["after_sales_status"].clone()), (json!(1), json!(11)));
    let sent = platform.send_vouchers(&sn, "B", "C").await.json();
    assert_eq!(sent["voucher_voucher_info_send_response"]["is_success"], true);
}

#[tokio::test]
async fn a_shipped_order_is_received_after_fifteen_days() {
    let platform = Platform::start(scenario());
    let sn = platform.order(VOUCHER_SKU, json!({})).await;
    platform.send_vouchers(&sn, "B", "C").await;
    platform.control("POST", "/clock/advance", json!({"seconds": 15 * 86_400 - 1})).await;
    assert_eq!(platform.information(&sn).await["order_status"], 2);
    platform.control("POST", "/clock/advance", json!({"seconds": 1})).await;
    assert_eq!(platform.information(&sn).await["order_status"], 3);
    let status = platform.call("pdd.order.status.get", json!({"order_sns": format!("{sn},x")})).await;
    assert_eq!(status["order_status_list"][0]["orderSn"], json!(sn));
    assert_eq!(status["order_status_list"][1]["order_status"], 0);
}

#[tokio::test]
async fn goods_are_read_and_changed() {
    let platform = Platform::start(scenario());
    let goods_id = 2_000_000_101_u64;
    let list = platform.call("pdd.goods.list.get", json!({"page": 1, "page_size": 2})).await;
    assert_eq!((list["total_count"].clone(), list["goods_list"].as_array().unwrap().len()), (json!(6), 2));
    let sku = json!({"goods_id": goods_id, "sku_id": VOUCHER_SKU});
    platform
        .call("pdd.goods.quantity.update", json!({"goods_id": goods_id, "sku_id": VOUCHER_SKU, "quantity": 5}))
        .await;
    platform
        .call(
            "pdd.goods.quantity.update",
            json!({"goods_id": goods_id, "outer_id": "VOUCHER-STD", "quantity": -2, "update_type": 2}),
        )
        .await;
    assert_eq!(platform.call("pdd.goods.skus.get", sku.clone()).await["quantity"], 3);
    let prices = json!([{"sku_id": VOUCHER_SKU, "group_price": 1200, "single_price": 1300}]);
    platform
        .call("pdd.goods.sku.price.update", json!({"goods_id": goods_id, "sku_price_list": prices.to_string()}))
        .await;
    assert_eq!(platform.call("pdd.goods.skus.get", sku).await["multi_price"], 1200);
    platform.call("pdd.goods.sale.status.set", json!({"goods_id": goods_id, "is_onsale": 0})).await;
    let detail = platform.call("pdd.goods.detail.get", json!({"goods_id": goods_id})).await;
    assert_eq!((detail["status"].clone(), detail["sku_list"][0]["multi_price"].clone()), (json!(2), json!(1200)));
    let information = platform.call("pdd.goods.information.get", json!({"goods_id": goods_id})).await;
    assert_eq!(information["goods_info"]["sku_list"][0]["group_price"], "12.00");
}

#[tokio::test]
async fn companions_of_voucher_sends_are_recorded() {
    let platform = Platform::start(scenario());
    let sn = platform.order(VOUCHER_SKU, json!({})).await;
    platform.send_vouchers(&sn, "B1", "C1").await;
    let vouchers = json!([{"voucher_id": "V-C1", "voucher_no": "C1"}]).to_string();
    let common = json!({
        "order_sn": sn, "out_biz_no": "B1", "voucher_list": vouchers, "logistics_type": 1,
        "appointment_time": NOW_S * 1000, "recipient": "x", "recipient_mobile": "1",
        "recipient_address": "y", "logistics_no": "L1", "logistics_company_id": "44",
        "logistics_company": "SF", "complain_user": "u", "complain_user_mobile": "1",
        "complain_content": "c", "complain_attachment_list": "[]", "complain_type": 3,
    });
    for api in ["pdd.voucher.appointment.info.send", "pdd.voucher.physical.goods.send", "pdd.voucher.voucher.complain"]
    {
        assert_eq!(platform.call(api, common.clone()).await["is_success"], true, "{api}");
    }
    let request = json!({"order_sn": sn, "serial_no": "S1", "verify_time": NOW_S * 1000, "out_voucher_id": "V-C1"});
    let verify = json!({"request": request});
    for _ in 0..2 {
        assert_eq!(platform.call("pdd.voucher.realtime.verify.sync", verify.clone()).await["code"], 0);
    }
    let seconds =
        json!({"request": {"order_sn": sn, "serial_no": "S2", "verify_time": NOW_S, "out_voucher_id": "V-C1"}});
    assert_eq!(platform.error("pdd.voucher.realtime.verify.sync", seconds).await.0, 10000);
    let ledger = platform.ledger(&sn).await;
    for list in ["appointments", "physical_goods", "complaints", "verifications", "vouchers"] {
        assert_eq!(ledger[list].as_array().unwrap().len(), 1, "{list}");
    }
}
