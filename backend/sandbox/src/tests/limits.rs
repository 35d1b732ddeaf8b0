//! Rate limits of the three levels.

use serde_json::{Value, json};

use super::support::{MALL, Platform, scenario};
use crate::Scenario;

fn limited(factor: f64) -> Scenario {
    let mut limited = scenario();
    limited.limits.enabled = true;
    limited.limits.factor = factor;
    limited
}

async fn codes(platform: &Platform, api: &str, params: Value, calls: usize) -> Vec<i64> {
    let mut codes = Vec::new();
    for _ in 0..calls {
        let answer = platform.try_call(api, params.clone()).await.unwrap().json();
        codes.push(answer["error_response"]["error_code"].as_i64().unwrap_or(0));
    }
    codes
}

#[tokio::test]
async fn a_mall_over_its_limit_gets_70031_and_others_do_not() {
    // 3000 in 60 s times 0.001.
    let mut platform = Platform::start(limited(0.001));
    let params = json!({"order_sns": "x"});
    let api = "pdd.order.status.get";
    assert_eq!(codes(&platform, api, params.clone(), 4).await, [0, 0, 0, 70031]);
    let mall = json!({
        "mall_id": MALL + 1, "name": "别家",
        "tokens": [{"client_id": "sandbox-client", "access_token": "other"}],
    });
    platform.control("POST", "/malls", mall).await;
    platform.token = "other".to_owned();
    assert_eq!(codes(&platform, api, params.clone(), 1).await, [0]);
    platform.token = "sandbox-token-0001".to_owned();
    platform.control("POST", "/clock/advance", json!({"seconds": 60})).await;
    assert_eq!(codes(&platform, api, params, 1).await, [0]);
}

#[tokio::test]
async fn the_application_level_gives_70031_and_the_api_level_52101() {
    let platform = Platform::start(limited(1.0));
    assert_eq!(codes(&platform, "pdd.pmc.accrue.query", json!({}), 2).await, [0, 70031]);
    let platform = Platform::start(limited(0.002));
    let api = "pdd.logistics.companies.get";
    assert_eq!(codes(&platform, api, json!({}), 3).await, [0, 0, 52101]);
}

#[tokio::test]
async fn limits_can_be_turned_off_and_scaled_while_it_runs() {
    let platform = Platform::start(limited(0.001));
    let api = "pdd.pmc.accrue.query";
    assert_eq!(codes(&platform, api, json!({}), 2).await, [0, 70031]);
    platform.control("PUT", "/limits", json!({"enabled": false})).await;
    assert_eq!(codes(&platform, api, json!({}), 5).await, [0; 5]);
}
