//! Captured and published requests, sent as they were received.

use serde_json::{Value, json};

use super::support::{Platform, scenario};
use crate::scenario::{ClockMode, FixedToken, Scenario};

fn vector(name: &str) -> Value {
    let path = format!("{}/../../tests/vectors/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn world_of(vector: &Value, at_s: i64) -> Scenario {
    let mut scenario = scenario();
    scenario.clock = ClockMode::Frozen(at_s);
    let application = &mut scenario.applications[0];
    application.client_id = "sim-client-0001".to_owned();
    application.client_secret = vector["client_secret"].as_str().unwrap().to_owned();
    scenario.malls[0].tokens = vec![FixedToken {
        client_id: "sim-client-0001".to_owned(),
        access_token: "sim-token-0001".to_owned(),
        refresh_token: None,
        expires_in: None,
        pmc_permitted: false,
    }];
    scenario
}

/// Replays a captured request and returns the answer.
async fn replay(name: &str, tamper: bool) -> Value {
    let vector = vector(name);
    let sent_s: i64 = vector["params_as_sent"]["timestamp"].as_str().unwrap().parse().unwrap();
    let sent_s = if sent_s > 10_000_000_000 { sent_s / 1000 } else { sent_s };
    let platform = Platform::start(world_of(&vector, sent_s));
    let request = &vector["request"];
    let kept: Vec<(&str, &str)> = request["headers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|header| (header[0].as_str().unwrap(), header[1].as_str().unwrap()))
        .filter(|(name, _)| !["connection", "content-length", "host"].contains(&name.to_lowercase().as_str()))
        .collect();
    let target = request["target"].as_str().unwrap();
    let mut body = request["body_utf8"].as_str().unwrap().to_owned();
    if tamper {
        body = body
            .replace("JSON", "json")
            .replace("parent_cat_id=0", "parent_cat_id=1")
            .replace("\"parent_cat_id\":0", "\"parent_cat_id\":1");
    }
    platform.http("POST", target, &kept, &body).await.unwrap().json()
}

fn code(answer: &Value) -> i64 {
    answer["error_response"]["error_code"].as_i64().unwrap_or(0)
}

#[tokio::test]
async fn captured_requests_pass_the_signature() {
    for (name, expected) in [
        ("javasdk-1", 0),
        // The card does not exist: a business error proves that every check before it passed.
        ("javasdk-2", 50001),
        ("javasdk-3", 50001),
        // The code does not exist.
        ("javasdk-4", 20032),
        // Live APIs that are not simulated.
        ("node-1", 20031),
        ("pdd_sdk_py-1", 20031),
        ("node-2", 0),
        ("pddsdk-2", 0),
    ] {
        let answer = replay(name, false).await;
        assert_eq!(code(&answer), expected, "{name}: {answer}");
    }
}

#[tokio::test]
async fn changed_requests_fail_the_signature() {
    for name in ["javasdk-1", "javasdk-2", "javasdk-3", "javasdk-4", "node-1", "pdd_sdk_py-1", "node-2", "pddsdk-2"] {
        let answer = replay(name, true).await;
        assert_eq!(code(&answer), 20004, "{name}: {answer}");
    }
}

#[tokio::test]
async fn a_millisecond_timestamp_is_outside_the_window() {
    let answer = replay("pddsdk-1", false).await;
    assert_eq!(code(&answer), 10001);
    assert_eq!(answer["error_response"]["error_msg"], "公共参数错误:timestamp");
}

#[tokio::test]
async fn the_published_example_passes_and_meets_a_retired_api_in_xml() {
    let vector = vector("official-doc-sign");
    let mut scenario = world_of(&vector, 1_480_411_125);
    scenario.applications[0].client_id = "1".to_owned();
    scenario.malls[0].tokens[0].client_id = "1".to_owned();
    let platform = Platform::start(scenario);
    let mut body = vector["params"].clone();
    // The document shows these as JSON numbers.
    for name in ["page", "page_size", "order_status", "timestamp"] {
        body[name] = json!(body[name].as_str().unwrap().parse::<i64>().unwrap());
    }
    body["sign"] = vector["sign"].clone();
    let headers = [("Content-Type", "application/json")];
    let reply = platform.http("POST", "/api/router", &headers, &body.to_string()).await.unwrap();
    assert!(reply.text().contains("<error_code>20034</error_code>"), "{}", reply.text());
    assert!(reply.headers["content-type"].starts_with("application/xml"));
}

#[tokio::test]
async fn the_published_push_digest_opens_a_connection_in_both_spellings() {
    let vector = vector("pmc-digest");
    let mut scenario = scenario();
    scenario.clock = ClockMode::Frozen(1_700_000_000);
    scenario.applications[0].client_id = "app".to_owned();
    scenario.applications[0].client_secret = "secret".to_owned();
    scenario.malls[0].tokens[0].client_id = "app".to_owned();
    let platform = Platform::start(scenario);
    for spelling in ["path_raw", "path_percent_encoded"] {
        let path = vector[spelling].as_str().unwrap();
        let url = format!("{}{path}", platform.handle.push_url());
        tokio_tungstenite::connect_async(url).await.unwrap();
        let wrong = format!("{}{}", platform.handle.push_url(), path.replace("OTgx", "OTgy"));
        assert!(tokio_tungstenite::connect_async(wrong).await.is_err());
    }
}
