//! Control: who may use it, what it makes and shows.

use serde_json::{Value, json};

use super::support::{MALL, NOW_S, Platform, VOUCHER_SKU, scenario, soon};
use crate::{
    Sandbox, SandboxConfig, SandboxError,
    scenario::{Buyers, ClockMode},
};

#[tokio::test]
async fn control_is_for_this_machine_and_its_token() {
    let platform = Platform::start(scenario());
    let bearer = format!("Bearer {}", platform.handle.control_token());
    for (host, token, status) in [
        ("evil.example", bearer.as_str(), 421),
        ("127.0.0.1:1", "Bearer wrong", 401),
        ("127.0.0.1:1", "", 401),
        ("localhost", &bearer, 200),
    ] {
        let headers = [("Host", host), ("Authorization", token)];
        let reply = platform.http("GET", "/control/clock", &headers, "").await.unwrap();
        assert_eq!(reply.status, status, "{host} {token}");
    }
    let headers = [("Authorization", bearer.as_str())];
    assert_eq!(platform.http("GET", "/control/x", &headers, "").await.unwrap().status, 404);
}

#[test]
fn other_hosts_are_never_served() {
    let config = SandboxConfig { listen: "0.0.0.0:0".parse().unwrap(), ..SandboxConfig::default() };
    assert!(matches!(Sandbox::start(config), Err(SandboxError::NotLoopback(_))));
}

#[tokio::test]
async fn a_used_port_is_a_named_error_and_a_stopped_sandbox_frees_its_port() {
    let platform = Platform::start(scenario());
    let listen = platform.handle.addr();
    let again = || Sandbox::start(SandboxConfig { listen, ..SandboxConfig::default() });
    assert!(matches!(again(), Err(SandboxError::Listen { .. })));
    soon(platform.handle.stop()).await;
    soon(again().unwrap().stop()).await;
}

#[tokio::test]
async fn orders_are_made_in_bulk_and_checked_first() {
    let platform = Platform::start(scenario());
    let body = json!([
        {"mall_id": MALL, "sku_id": VOUCHER_SKU, "count": 20, "quantity": 3},
        {"mall_id": MALL, "test_order": true, "paid_at": NOW_S - 60},
    ]);
    let made = platform.control("POST", "/orders", body).await;
    assert_eq!(made["order_sns"].as_array().unwrap().len(), 21);
    let last = platform.information(made["order_sns"][20].as_str().unwrap()).await;
    assert_eq!(last["bought_from_vegetable_info"]["not_sign"], 1);
    assert_eq!(last["pay_time"], "2026-11-23 02:22:20");
    let bearer = format!("Bearer {}", platform.handle.control_token());
    let headers = [("Authorization", bearer.as_str())];
    for (body, status) in [
        (json!([{"mall_id": MALL}, {"mall_id": MALL, "quantity": 0}]), 422),
        (json!({"mall_id": MALL, "quantitty": 1}), 422),
        (json!({"mall_id": 1}), 404),
        (json!({"mall_id": MALL, "sku_id": 1}), 404),
    ] {
        let reply = platform.http("POST", "/control/orders", &headers, &body.to_string()).await.unwrap();
        assert_eq!(reply.status, status, "{body}");
    }
    let ledger = platform.control("GET", &format!("/ledger?mall_id={MALL}"), Value::Null).await;
    assert_eq!(ledger["orders"].as_array().unwrap().len(), 21);
}

#[tokio::test]
async fn the_ledger_tells_time_to_card_to_the_millisecond() {
    let platform = Platform::start(scenario());
    let sn = platform.order(VOUCHER_SKU, json!({})).await;
    platform.control("POST", "/clock/advance", json!({"seconds": 1.234})).await;
    platform.send_vouchers(&sn, "B1", "C1").await;
    let ledger = platform.ledger(&sn).await;
    let order = &ledger["orders"][0];
    let waited = order["delivered_ms"].as_i64().unwrap() - order["paid_ms"].as_i64().unwrap();
    assert_eq!(waited, 1234);
    let voucher = &ledger["vouchers"][0];
    assert_eq!(
        (voucher["out_biz_no"].as_str(), voucher["voucher_no"].as_str(), voucher["order_sn"].as_str()),
        (Some("B1"), Some("C1"), Some(sn.as_str()))
    );
}

#[tokio::test]
async fn calls_are_listed_and_counted() {
    let platform = Platform::start(scenario());
    platform.call("pdd.time.get", json!({})).await;
    platform.error("pdd.order.information.get", json!({})).await;
    let calls = platform.control("GET", "/calls?api=pdd.order.*", Value::Null).await;
    assert_eq!((calls["calls"][0]["code"].clone(), calls["calls"][0]["mall_id"].clone()), (json!(10000), json!(MALL)));
    let count = platform.control("GET", "/calls/count", Value::Null).await;
    assert_eq!(count["total"], 2);
    assert_eq!(count["by_api"]["pdd.order.information.get"]["by_code"]["10000"], 1);
}

#[tokio::test]
async fn goods_and_switches_change_while_it_runs() {
    let platform = Platform::start(scenario());
    let goods = json!({"goods_id": 5, "name": "新品", "goods_type": 15, "skus": [
        {"sku_id": 55, "cards": [{"card_no": "N1", "password": "p"}]},
    ]});
    platform.control("POST", &format!("/malls/{MALL}/goods"), goods).await;
    let sn = platform.order(55, json!({})).await;
    assert_eq!(platform.information(&sn).await["order_status"], 2);
    let change = json!({"ids_as": "number", "voucher_send": {"repeat": "accumulates"}});
    let after = platform.control("PATCH", "/switches", change).await;
    assert_eq!(
        (after["ids_as"].clone(), after["voucher_send"]["repeat"].clone()),
        (json!("number"), json!("accumulates"))
    );
    assert_eq!(platform.information(&sn).await["item_list"][0]["sku_id"], 55);
}

#[tokio::test]
async fn buyers_order_by_themselves_and_repeat_with_the_seed() {
    let bought = async || {
        let mut scenario = scenario();
        scenario.clock = ClockMode::Real;
        scenario.buyers = Buyers {
            orders_per_minute: 60_000.0,
            max_orders: Some(40),
            quantities: vec![1, 2, 3],
            ..Buyers::default()
        };
        let platform = Platform::start(scenario);
        soon(async {
            loop {
                let ledger = platform.control("GET", "/ledger", Value::Null).await;
                let mut orders = ledger["orders"].as_array().unwrap().clone();
                if orders.len() == 40 {
                    // Numbers carry the real time but end in the sequence.
                    orders.sort_by_key(|order| order["order_sn"].as_str().unwrap()[15..].to_owned());
                    return orders
                        .iter()
                        .map(|order| (order["sku_id"].clone(), order["quantity"].clone()))
                        .collect::<Vec<_>>();
                }
                tokio::task::yield_now().await;
            }
        })
        .await
    };
    assert_eq!(bought().await, bought().await);
}
