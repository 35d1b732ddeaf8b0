//! Card codes: imported, handed out, reported, redeemed, decrypted.

use base64::{Engine, prelude::BASE64_STANDARD};
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use rsa::{Pkcs1v15Encrypt, RsaPublicKey, pkcs8::DecodePublicKey};
use serde_json::{Value, json};

use super::support::{NOW_S, OTA_SKU, POOL_SKU, Platform, VOUCHER_SKU, scenario};
use crate::Scenario;

const IMPORT: &str = "pdd.voucher.virtual.card.batch.add";
const REPORT: &str = "pdd.voucher.virtual.card.verification";
const PREPARE: &str = "pdd.voucher.ota.card.prepare.verification";
const REDEEM: &str = "pdd.voucher.ota.card.verification";
const STORE: u64 = 9001;

async fn batch(platform: &Platform, codes: &[(&str, &str)]) -> Value {
    let key = platform.control("GET", "/import-key", Value::Null).await;
    let key = RsaPublicKey::from_public_key_pem(key["public_key_pem"].as_str().unwrap()).unwrap();
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let list: Vec<Value> = codes
        .iter()
        .map(|(card_no, password)| {
            let block = key.encrypt(&mut rng, Pkcs1v15Encrypt, password.as_bytes()).unwrap();
            json!({"cardNo": card_no, "encryptPassword": BASE64_STANDARD.encode(block)})
        })
        .collect();
    json!({"data": {"goodsId": 2_000_000_102_u64, "skuId": POOL_SKU, "dataList": list}})
}

async fn report(platform: &Platform, sn: &str, card_no: &str, status: i64) -> Value {
    let list = json!([{
        "out_trans_no": format!("T-{card_no}-{status}"), "voucher_time": NOW_S,
        "voucher_status": status, "voucher_no": card_no,
    }]);
    let params = json!({"order_sn": sn, "voucher_data_list": list.to_string()});
    platform.try_call(REPORT, params).await.unwrap().json()
}

fn sub_code(answer: &Value) -> &str {
    answer["error_response"]["sub_code"].as_str().unwrap_or("")
}

#[tokio::test]
async fn imported_codes_are_handed_out_decrypted_and_reported() {
    let platform = Platform::start(scenario());
    let early = platform.order(POOL_SKU, json!({"quantity": 2})).await;
    assert_eq!(platform.information(&early).await["order_status"], 1);
    let codes = [("C1", "密1"), ("C2", "密2"), ("C3", "密3")];
    let request = batch(&platform, &codes).await;
    let added = platform.call(IMPORT, request.clone()).await;
    assert_eq!(added["result"]["totalNum"], 3);
    assert_eq!(platform.error(IMPORT, request).await.0, 50001);
    let order = platform.information(&early).await;
    assert_eq!(order["order_status"], 2, "waiting orders are served when stock arrives");
    let sealed = &order["card_info_list"][1];
    let list = json!([
        {"data_tag": early, "encrypted_data": sealed["card_no"]},
        {"data_tag": early, "encrypted_data": sealed["mask_password"]},
        {"data_tag": "other", "encrypted_data": sealed["card_no"]},
    ]);
    let params = json!({"data_list": list.to_string()});
    let opened = platform.call("pdd.open.decrypt.batch", params.clone()).await;
    let entry = |at: usize| opened["data_decrypt_list"][at].clone();
    assert_eq!((entry(0)["decrypted_data"].clone(), entry(0)["data_type"].clone()), (json!("C2"), json!(2)));
    assert_eq!((entry(1)["decrypted_data"].clone(), entry(1)["data_type"].clone()), (json!("密2"), json!(1)));
    assert_eq!((entry(2)["decrypted_data"].clone(), entry(2)["error_code"].clone()), (json!(""), json!(10000)));
    let masked = platform.call("pdd.open.decrypt.mask.batch", params).await;
    assert_eq!(masked["data_decrypt_list"][0]["decrypted_data"], "****");
    let used = report(&platform, &early, "C1", 1).await;
    let view = &used["voucher_voucher_info_verify_response"]["voucher_list"];
    assert_eq!((view[0]["status"].clone(), view[1]["status"].clone()), (json!(2), json!(1)));
    assert_eq!(sub_code(&report(&platform, &early, "C1", 1).await), "60010");
    assert_eq!(sub_code(&report(&platform, &early, "C3", 1).await), "100006");
    report(&platform, &early, "C2", 2).await;
    assert_eq!(sub_code(&report(&platform, &early, "C2", 2).await), "60006");
    assert_eq!(platform.ledger(&early).await["verifications"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn an_order_larger_than_the_stock_gets_nothing() {
    let platform = Platform::start(scenario());
    let request = batch(&platform, &[("C1", "p")]).await;
    platform.call(IMPORT, request).await;
    let big = platform.order(POOL_SKU, json!({"quantity": 2})).await;
    assert_eq!(platform.information(&big).await["card_info_list"], json!([]));
    let small = platform.order(POOL_SKU, json!({})).await;
    assert_eq!(platform.information(&small).await["order_status"], 2);
}

#[tokio::test]
async fn a_password_under_another_key_is_refused() {
    let platform = Platform::start(scenario());
    let mut request = batch(&platform, &[("C1", "p")]).await;
    request["data"]["dataList"][0]["encryptPassword"] = json!("bm90IGEgYmxvY2s=");
    assert_eq!(platform.error(IMPORT, request).await, (50001, "60001".to_owned()));
}

#[tokio::test]
async fn a_refund_stops_reports_and_destroys_codes() {
    let platform = Platform::start(scenario());
    let request = batch(&platform, &[("C1", "p"), ("C2", "p")]).await;
    platform.call(IMPORT, request).await;
    let sn = platform.order(POOL_SKU, json!({"quantity": 2})).await;
    let made = platform.control("POST", &format!("/orders/{sn}/refund"), Value::Null).await;
    assert_eq!(sub_code(&report(&platform, &sn, "C1", 1).await), "100004");
    assert_eq!(sub_code(&report(&platform, &sn, "C1", 2).await), "");
    platform.control("POST", &format!("/refunds/{}/agree", made["refund_id"]), Value::Null).await;
    assert_eq!(sub_code(&report(&platform, &sn, "C2", 1).await), "60006");
}

async fn ota_platform(change: impl FnOnce(&mut Scenario)) -> (Platform, String, String) {
    let mut scenario = scenario();
    let ota_goods = &mut scenario.malls[0].goods[2];
    assert_eq!(ota_goods.goods_type, 19);
    ota_goods.ota_uses = 2;
    change(&mut scenario);
    let platform = Platform::start(scenario);
    let sn = platform.order(OTA_SKU, json!({})).await;
    let ledger = platform.ledger(&sn).await;
    let card_no = ledger["issued_cards"][0]["card_no"].as_str().unwrap().to_owned();
    (platform, sn, card_no)
}

fn redemption(card_no: &str) -> Value {
    json!({"card_no": card_no, "store_id": STORE, "store_name": "总店"})
}

async fn remaining(platform: &Platform, card_no: &str) -> (i64, i64) {
    let request = json!({"request": {"card_no": card_no}});
    let card = &platform.call(PREPARE, request).await["result"]["card_vo"];
    (card["remain_times"].as_i64().unwrap(), card["status"].as_i64().unwrap())
}

#[tokio::test]
async fn a_platform_code_is_redeemed_use_by_use() {
    let (platform, sn, card_no) = ota_platform(|_| {}).await;
    assert_eq!(platform.information(&sn).await["order_status"], 2);
    assert_eq!(remaining(&platform, &card_no).await, (2, 1));
    for left in [1, 0] {
        let result = platform.call(REDEEM, redemption(&card_no)).await["result"].clone();
        assert_eq!(result["status"], 2);
        assert_eq!(remaining(&platform, &card_no).await.0, left);
    }
    assert_eq!(platform.error(REDEEM, redemption(&card_no)).await.1, "60010");
    assert_eq!(platform.ledger(&sn).await["verifications"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn redemption_errors_have_their_sub_codes() {
    let (mut platform, sn, card_no) = ota_platform(|_| {}).await;
    let mut wrong_store = redemption(&card_no);
    wrong_store["store_id"] = json!(1);
    assert_eq!(platform.error(REDEEM, wrong_store).await.1, "100007");
    assert_eq!(platform.error(REDEEM, redemption("000")).await.1, "100006");
    let request = batch(&platform, &[("C1", "p")]).await;
    platform.call(IMPORT, request).await;
    assert_eq!(platform.error(REDEEM, redemption("C1")).await.1, "100001");
    let other = platform.order(VOUCHER_SKU, json!({})).await;
    let mut wrong_order = redemption(&card_no);
    wrong_order["order_sn"] = json!(other);
    assert_eq!(platform.error(REDEEM, wrong_order).await.1, "60009");
    let made = platform.control("POST", &format!("/orders/{sn}/refund"), Value::Null).await;
    assert_eq!(platform.error(REDEEM, redemption(&card_no)).await.1, "100004");
    platform.control("POST", &format!("/refunds/{}/close", made["refund_id"]), Value::Null).await;
    let mall = json!({
        "mall_id": 2, "name": "别家",
        "tokens": [{"client_id": "sandbox-client", "access_token": "other"}],
        "stores": [{"store_id": STORE, "store_name": "总店"}],
    });
    platform.control("POST", "/malls", mall).await;
    platform.token = "other".to_owned();
    assert_eq!(platform.error(REDEEM, redemption(&card_no)).await.1, "100002");
    platform.token = "sandbox-token-0001".to_owned();
    platform.control("POST", "/clock/advance", json!({"seconds": 30 * 86_400})).await;
    assert_eq!(platform.error(REDEEM, redemption(&card_no)).await.1, "1000012");
    assert_eq!(remaining(&platform, &card_no).await.1, 3);
}

#[tokio::test]
async fn a_redemption_in_progress_ends_later() {
    let (platform, _sn, card_no) = ota_platform(|s| s.ota.in_progress_probability = 1.0).await;
    let first = platform.call(REDEEM, redemption(&card_no)).await;
    assert_eq!(first["result"]["status"], 99);
    assert_eq!(remaining(&platform, &card_no).await, (2, 99));
    assert_eq!(platform.error(REDEEM, redemption(&card_no)).await.1, "1000010");
    platform.control("POST", "/clock/advance", json!({"seconds": 2})).await;
    assert_eq!(remaining(&platform, &card_no).await, (1, 1));
}

#[tokio::test]
async fn stores_are_listed_and_shown_codes_are_a_switch() {
    let (platform, sn, _card_no) = ota_platform(|s| s.ota.in_card_info_list = false).await;
    assert_eq!(platform.information(&sn).await["card_info_list"], json!([]));
    let page = json!({"page_number": 1, "page_size": 10});
    let stores = platform.call("pdd.mall.info.store.get", page).await;
    assert_eq!(stores["mallStoreVOList"][0]["store_id"], STORE);
}
