//! Codes, tokens, permissions, quota, and the page a merchant clicks through.

use serde_json::{Value, json};

use super::support::{MALL, NOW_S, Platform, scenario};
use crate::{
    Package,
    scenario::{ApplicationState, Scenario},
};

const CREATE: &str = "pdd.pop.auth.token.create";
const REFRESH: &str = "pdd.pop.auth.token.refresh";

async fn code(platform: &Platform) -> String {
    let body = json!({"client_id": "sandbox-client", "mall_id": MALL});
    let made = platform.control("POST", "/tokens/authorize", body).await;
    made["code"].as_str().unwrap().to_owned()
}

async fn advance(platform: &mut Platform, seconds: i64) {
    platform.control("POST", "/clock/advance", json!({"seconds": seconds})).await;
    platform.now_s += seconds;
}

#[tokio::test]
async fn a_code_gives_one_token_within_ten_minutes() {
    let mut platform = Platform::start(scenario());
    let first = code(&platform).await;
    let token = platform.call(CREATE, json!({"code": first})).await;
    assert_eq!(token["owner_id"], MALL.to_string());
    assert_eq!(token["expires_at"], NOW_S + 86_400);
    assert_eq!(token["access_token"].as_str().unwrap().len(), 40);
    assert!(token["scope"].as_array().unwrap().contains(&json!("pdd.order.list.get")));
    assert_eq!(platform.error(CREATE, json!({"code": first})).await.0, 20032);
    let late = code(&platform).await;
    advance(&mut platform, 600).await;
    assert_eq!(platform.error(CREATE, json!({"code": late})).await.0, 10019);
}

#[tokio::test]
async fn authorizing_again_kills_the_old_tokens() {
    let mut platform = Platform::start(scenario());
    platform.call("pdd.mall.info.get", json!({})).await;
    let first = code(&platform).await;
    assert_eq!(platform.error("pdd.mall.info.get", json!({})).await.0, 20032);
    let second = code(&platform).await;
    assert_eq!(platform.error(CREATE, json!({"code": first})).await.0, 20032);
    let token = platform.call(CREATE, json!({"code": second})).await;
    platform.token = token["access_token"].as_str().unwrap().to_owned();
    platform.call("pdd.mall.info.get", json!({})).await;
}

#[tokio::test]
async fn a_refresh_extends_or_not_by_the_applications_switch() {
    for (extends, expected) in [(true, NOW_S + 3600 + 86_400), (false, NOW_S + 86_400)] {
        let mut scenario = scenario();
        scenario.applications[0].refresh_extends = extends;
        let mut platform = Platform::start(scenario);
        let token = platform.call(CREATE, json!({"code": code(&platform).await})).await;
        platform.token = token["access_token"].as_str().unwrap().to_owned();
        advance(&mut platform, 3600).await;
        let request = json!({"refresh_token": token["refresh_token"]});
        let refreshed = platform.call(REFRESH, request.clone()).await;
        assert_eq!(refreshed["expires_at"], expected);
        advance(&mut platform, 86_400 - 3600).await;
        let still_works =
            platform.try_call("pdd.mall.info.get", json!({})).await.unwrap().json().get("error_response").is_none();
        assert_eq!(still_works, extends);
        if !extends {
            assert_eq!(platform.error("pdd.mall.info.get", json!({})).await.0, 10019);
            assert_eq!(platform.error(REFRESH, request).await.0, 10019);
        }
    }
}

#[tokio::test]
async fn control_expires_and_revokes_tokens() {
    let platform = Platform::start(scenario());
    let choice = json!({"mall_id": MALL});
    platform.control("POST", "/tokens/expire", choice.clone()).await;
    assert_eq!(platform.error("pdd.mall.info.get", json!({})).await.0, 10019);
    let revoked = platform.control("POST", "/tokens/revoke", choice).await;
    assert_eq!(revoked["revoked"], 1);
    assert_eq!(platform.error("pdd.mall.info.get", json!({})).await.0, 20032);
}

fn with_packages(application_type: &str, packages: &[Package]) -> Scenario {
    let mut scenario = scenario();
    scenario.applications[0].application_type = application_type.to_owned();
    scenario.applications[0].packages = Some(packages.to_vec());
    scenario
}

#[tokio::test]
async fn an_api_outside_the_packages_is_forbidden() {
    let platform = Platform::start(with_packages("订单处理", &[Package::OrderQuery, Package::GoodsQuery]));
    platform.call("pdd.goods.list.get", json!({})).await;
    platform.call("pdd.mall.info.get", json!({})).await;
    for api in ["pdd.goods.sale.status.set", "pdd.refund.status.check", "pdd.voucher.ota.card.verification"] {
        assert_eq!(platform.error(api, json!({})).await.0, 20031, "{api}");
    }
}

#[tokio::test]
async fn a_test_application_has_a_daily_quota() {
    let mut scenario = scenario();
    scenario.applications[0].state = ApplicationState::Test;
    scenario.applications[0].test_daily_quota = 3;
    let mut platform = Platform::start(scenario);
    for _ in 0..3 {
        platform.call("pdd.time.get", json!({})).await;
    }
    assert_eq!(platform.error("pdd.time.get", json!({})).await.0, 70036);
    advance(&mut platform, 86_400).await;
    platform.call("pdd.time.get", json!({})).await;
}

#[tokio::test]
async fn an_address_off_the_white_list_is_refused() {
    let mut scenario = scenario();
    scenario.applications[0].ip_allow = vec!["10.0.0.1".parse().unwrap()];
    let platform = Platform::start(scenario);
    assert_eq!(platform.error("pdd.time.get", json!({})).await.0, 20005);
}

fn page_query(redirect: &str) -> String {
    url::form_urlencoded::Serializer::new(String::new())
        .append_pair("response_type", "code")
        .append_pair("client_id", "sandbox-client")
        .append_pair("redirect_uri", redirect)
        .append_pair("state", "a\"><b>&1")
        .finish()
}

#[tokio::test]
async fn a_merchant_clicks_through_the_authorization_page() {
    let mut scenario = scenario();
    let callback = "http://127.0.0.1:9/oauth?shop=1";
    scenario.applications[0].redirect_uris = vec![callback.to_owned()];
    let mut platform = Platform::start(scenario);
    let query = page_query(callback);
    for path in ["/service-market/auth", "/open.html"] {
        let page = platform.http("GET", &format!("{path}?{query}"), &[], "").await.unwrap();
        assert_eq!(page.status, 200);
        assert!(page.text().contains("同意授权"));
        assert!(page.text().contains("a&quot;&gt;&lt;b&gt;&amp;1"), "state is escaped");
    }
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    let body = format!("{query}&mall_id={MALL}");
    let reply = platform.http("POST", "/service-market/auth", &form, &body).await.unwrap();
    assert_eq!(reply.status, 302);
    let location = url::Url::parse(&reply.headers["location"]).unwrap();
    let pairs: std::collections::HashMap<_, _> = location.query_pairs().into_owned().collect();
    assert_eq!((pairs["shop"].as_str(), pairs["state"].as_str()), ("1", "a\"><b>&1"));
    // The legacy endpoint takes the code as well, without signature and wrapper.
    let legacy = json!({
        "client_id": "sandbox-client", "client_secret": "sandbox-secret-0001",
        "grant_type": "authorization_code", "code": pairs["code"],
    });
    let json_kind = [("Content-Type", "application/json")];
    let token = platform.http("POST", "/oauth/token", &json_kind, &legacy.to_string()).await.unwrap();
    platform.token = token.json()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(platform.call("pdd.mall.info.get", json!({})).await["mall_id"], MALL);
}

#[tokio::test]
async fn the_page_refuses_foreign_addresses_and_too_many_malls() {
    let mut scenario = Scenario::demo(2);
    scenario.clock = super::support::scenario().clock;
    scenario.buyers = crate::scenario::Buyers::default();
    scenario.applications[0].redirect_uris = vec!["http://a.example/".to_owned()];
    scenario.applications[0].max_malls = Some(1);
    scenario.malls[1].tokens.clear();
    let platform = Platform::start(scenario);
    let foreign = format!("/service-market/auth?{}", page_query("http://b.example/"));
    assert_eq!(platform.http("GET", &foreign, &[], "").await.unwrap().status, 400);
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    let query = page_query("http://a.example/");
    for (mall, status) in [(MALL, 302), (MALL + 1, 400)] {
        let body = format!("{query}&mall_id={mall}");
        let reply = platform.http("POST", "/service-market/auth", &form, &body).await.unwrap();
        assert_eq!(reply.status, status, "{mall}");
    }
    assert_eq!(platform.control("GET", "/tokens", Value::Null).await["tokens"], json!([]));
}
