//! What a token does not reach: other scopes, other merchants, the other mode, other shops, and more than its limit.

use kamiflow_kernel::ApiScope;
use kamiflow_server::ApiLimits;
use kamiflow_test_support::{ApiAnswer, ApiClient, Browser, TestSite, between};
use serde_json::{Value, json};

use super::{Sold, described, pool};

/// What the paths of operations name.
struct Names {
    shop: String,
    order_sn: String,
    pool: String,
    batch: String,
    card: String,
}

impl Names {
    async fn of(site: &TestSite, sold: &Sold<'_>, client: &ApiClient<'_>) -> Self {
        let pool = pool(client).await;
        let sql = site.world.sql_as_superuser().await;
        let id = |prefix: &str, table: &str| {
            format!(
                "SELECT '{prefix}_' || replace(id::text, '-', '') FROM {table}
                  WHERE 'pool_' || replace(pool_id::text, '-', '') = $1 ORDER BY id DESC LIMIT 1"
            )
        };
        let batch = sql.query(&id("bat", "card_batches"), &[&pool]).await.unwrap()[0].get(0);
        let card = sql.query(&id("card", "cards"), &[&pool]).await.unwrap()[0].get(0);
        Self { shop: sold.shop.clone(), order_sn: sold.order_sn.clone(), pool, batch, card }
    }

    fn path(&self, path: &str) -> String {
        let named = path.replace("{shop}", &self.shop).replace("{order_sn}", &self.order_sn);
        named.replace("{pool}", &self.pool).replace("{batch}", &self.batch).replace("{card}", &self.card)
    }
}

/// A body that any write takes.
fn body(path: &str) -> Value {
    if path.ends_with("/cards") { json!({ "text": "a----b" }) } else { json!({}) }
}

async fn tried(client: &ApiClient<'_>, method: &str, path: &str) -> ApiAnswer {
    match method {
        "GET" => client.get(path).await,
        _ => client.post(path, &body(path)).await,
    }
}

#[tokio::test]
async fn each_operation_asks_for_its_own_scope_and_no_other_will_do() {
    let mut site = TestSite::start().await;
    site.work();
    let sold = Sold::at(&site).await;
    let all = ApiClient::of(&site, &sold.browser).await;
    let names = Names::of(&site, &sold, &all).await;
    let operations = described(&site).await;
    for scope in ApiScope::ALL {
        let token = sold.browser.api_token("test", &[scope.as_str()], &[]).await;
        let client = ApiClient::new(&site, &token);
        for (method, path, asked) in &operations {
            let answer = tried(&client, method, &names.path(path)).await;
            if asked == scope.as_str() {
                assert_ne!(answer.status, 403, "{method} {path} with {scope}: {}", answer.body);
            } else {
                assert_eq!((answer.status, answer.code()), (403, "scope.missing"), "{method} {path} with {scope}");
                assert!(answer.header("www-authenticate").contains(&format!("scope=\"{asked}\"")), "{answer:?}");
            }
        }
    }
    drop(all);
    drop(sold);
    site.stop().await;
}

#[tokio::test]
async fn what_is_another_merchants_is_not_there_whatever_is_asked() {
    let mut site = TestSite::start().await;
    site.work();
    let sold = Sold::at(&site).await;
    let theirs = ApiClient::of(&site, &sold.browser).await;
    let names = Names::of(&site, &sold, &theirs).await;
    let thief = Browser::signed_up(&site).await;
    thief.proves().await;
    let client = ApiClient::of(&site, &thief).await;
    for (method, path, _scope) in described(&site).await {
        let answer = tried(&client, &method, &names.path(&path)).await;
        if path.contains('{') {
            assert_eq!((answer.status, answer.code()), (404, "resource.unknown"), "{method} {path}: {}", answer.body);
        } else {
            assert_eq!(answer.status, 200, "{method} {path}");
            let text = answer.body.to_string();
            for name in [&names.shop, &names.order_sn, &names.pool] {
                assert!(!text.contains(name.as_str()), "{path} tells {name}");
            }
        }
    }
    assert_eq!(client.get(&format!("/orders?shop={}", names.shop)).await.status, 404);
    assert_eq!(client.get(&format!("/orders?order_sn={}", names.order_sn)).await.ok()["orders"], json!([]));
    drop((thief, client, theirs));
    drop(sold);
    site.stop().await;
}

#[tokio::test]
async fn live_and_test_tokens_see_nothing_of_one_another() {
    let mut site = TestSite::start().await;
    site.work();
    let sold = Sold::at(&site).await;
    let test = ApiClient::of(&site, &sold.browser).await;
    let names = Names::of(&site, &sold, &test).await;
    let live = ApiClient::new(&site, &sold.browser.api_token("live", &[], &[]).await);
    for (method, path, _scope) in described(&site).await.iter().filter(|(_, path, _)| path.contains('{')) {
        let answer = tried(&live, method, &names.path(path)).await;
        assert_eq!((answer.status, answer.code()), (404, "resource.unknown"), "{method} {path}: {}", answer.body);
    }
    for (list, name) in
        [("/shops", "shops"), ("/orders", "orders"), ("/redemptions", "redemptions"), ("/pools", "pools")]
    {
        assert_eq!(live.get(list).await.ok()[name], json!([]), "{list}");
    }
    // A pool is for the mode that it was made in, whatever it serves later.
    sold.browser.does("/console/pools", &[("name", "samples")]).await;
    assert_eq!(live.get("/pools").await.ok()["pools"], json!([]));
    let samples = test.get("/pools").await.ok()["pools"][1]["id"].as_str().unwrap().to_owned();
    assert_eq!(live.post(&format!("/pools/{samples}/cards"), &json!({ "text": "a----b" })).await.status, 404);
    sold.browser.does("/console/mode", &[("mode", "live")]).await;
    sold.browser.does("/console/pools", &[("name", "new")]).await;
    assert!(!sold.browser.sees("/console/pools").await.contains("samples"), "lists show one mode");
    let new = live.get("/pools").await.ok()["pools"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(test.get(&format!("/pools/{new}")).await.status, 404);
    let import = json!({ "text": "NEW-0001----a" });
    assert_eq!(test.post(&format!("/pools/{new}/cards"), &import).await.status, 404);
    live.post(&format!("/pools/{new}/cards"), &import).await.ok();

    // As if the shop were a real one.
    let sql = site.world.sql_as_superuser().await;
    let real = "SET LOCAL session_replication_role = replica; UPDATE shops SET gateway = 'production'
                 WHERE id IN (SELECT shop_id FROM orders);
                UPDATE card_pools SET gateway = 'production' WHERE id IN (SELECT pool_id FROM sku_mappings)";
    sql.transaction(real).await.unwrap();
    assert_eq!(live.get("/shops").await.ok()["shops"][0]["id"], names.shop);
    live.get(&names.path("/shops/{shop}/orders/{order_sn}")).await.ok();
    live.get(&names.path("/pools/{pool}")).await.ok();
    for path in ["/shops/{shop}", "/shops/{shop}/orders/{order_sn}", "/pools/{pool}", "/batches/{batch}/cards"] {
        assert_eq!(test.get(&names.path(path)).await.status, 404, "{path}");
    }
    let poisoned = test.post(&names.path("/pools/{pool}/cards"), &json!({ "text": "FAKE-0001----a" })).await;
    assert_eq!(poisoned.status, 404, "a test token puts nothing where a buyer could get it");
    drop((test, live));
    drop(sold);
    site.stop().await;
}

#[tokio::test]
async fn a_token_of_one_shop_sees_that_one_and_acts_for_no_merchant() {
    let mut site = TestSite::start().await;
    site.work();
    let sold = Sold::at(&site).await;
    sold.browser.does("/console/shops/sandbox", &[]).await;
    let list = sold.browser.sees("/console/shops").await;
    let other = list
        .split("href=\"/console/shops/shop_")
        .skip(1)
        .map(|rest| format!("shop_{}", &rest[..32]))
        .find(|shop| *shop != sold.shop)
        .unwrap();
    let all = ApiClient::of(&site, &sold.browser).await;
    assert_eq!(all.get("/shops").await.ok()["shops"].as_array().unwrap().len(), 2);
    let one = ApiClient::new(&site, &sold.browser.api_token("test", &[], &[&other]).await);
    let shops = one.get("/shops").await.ok();
    assert_eq!((shops["shops"].as_array().unwrap().len(), &shops["shops"][0]["id"]), (1, &json!(other)));
    assert_eq!(one.get("/orders").await.ok()["orders"], json!([]));
    for path in [format!("/shops/{}", sold.shop), sold.order(), format!("/orders?shop={}", sold.shop)] {
        assert_eq!(one.get(&path).await.status, 404, "{path}");
    }
    assert_eq!(one.post(&format!("{}/retry", sold.order()), &json!(null)).await.status, 404);
    let pools = all.get("/pools").await.ok();
    let seen = one.get("/pools").await.ok();
    assert_eq!((pools["pools"].as_array().unwrap().len(), seen["pools"].as_array().unwrap().len()), (2, 1));
    let pool = seen["pools"][0]["id"].as_str().unwrap();
    let import = one.post(&format!("/pools/{pool}/cards"), &json!({ "text": "a----b" })).await;
    assert_eq!((import.status, import.code()), (403, "permission.missing"));

    // The console tells what it is for.
    let page = sold.browser.sees("/console/api").await;
    let name = between(&list, &format!("href=\"/console/shops/{other}\""), "</a>").rsplit('>').next().unwrap();
    assert!(page.contains(name), "{name} in {page}");
    drop((all, one));
    drop(sold);
    site.stop().await;
}

#[tokio::test]
async fn each_token_has_a_limit_of_its_own_and_is_told_what_is_left() {
    let limits = ApiLimits { requests_per_minute: 1, burst: 3 };
    let mut site = TestSite::with_limits(|_settings| {}, limits).await;
    site.work();
    let browser = Browser::signed_up(&site).await;
    browser.proves().await;
    let (client, other) = (ApiClient::of(&site, &browser).await, ApiClient::of(&site, &browser).await);
    for (left, path) in [("2", "/shops"), ("1", "/nowhere"), ("0", "/orders?limit=0")] {
        let answer = client.get(path).await;
        assert_eq!(answer.header("ratelimit-remaining"), left, "{path}");
        assert_eq!((answer.header("ratelimit-limit"), answer.header("ratelimit-policy")), ("3", "1;w=60;burst=3"));
        let reset: u64 = answer.header("ratelimit-reset").parse().unwrap();
        assert!((1..=180).contains(&reset), "{reset}");
    }
    let refused = client.get("/shops").await;
    assert_eq!((refused.status, refused.code(), refused.header("ratelimit-remaining")), (429, "limit.reached", "0"));
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    assert_eq!(other.get("/shops").await.header("ratelimit-remaining"), "2");
    drop((client, other));
    drop(browser);
    site.stop().await;
}

#[tokio::test]
async fn a_method_that_an_operation_does_not_have_is_named_as_such() {
    let mut site = TestSite::start().await;
    site.work();
    let browser = Browser::signed_up(&site).await;
    browser.proves().await;
    let client = ApiClient::of(&site, &browser).await;
    for (method, path, _scope) in described(&site).await {
        let named = path.replace(['{', '}'], "");
        let wrong = if method == "GET" { reqwest::Method::DELETE } else { reqwest::Method::GET };
        let answer = client.send(client.request(wrong, &named)).await;
        assert_eq!((answer.status, answer.code()), (405, "route.method_not_allowed"), "{path}");
        assert!(answer.header("allow").contains(&method), "{path}: {}", answer.header("allow"));
    }
    let head = client.send(client.request(reqwest::Method::HEAD, "/shops")).await;
    assert_eq!((head.status, head.body), (200, Value::Null));
    drop(client);
    drop(browser);
    site.stop().await;
}
