//! Tokens: made once by who may, shown once, kept as a hash, worth what their maker is worth.

use kamiflow_test_support::accounts::token_in;
use kamiflow_test_support::{ApiClient, Browser, TestSite, between};
use reqwest::Method;

use super::Sold;
use crate::captured_log::CapturedLog;

const FORM: &[(&str, &str)] = &[("name", "ERP"), ("mode", "test"), ("scope", "shops:read"), ("days", "30")];

#[tokio::test]
async fn a_token_asks_for_a_proof_is_shown_once_and_kept_as_a_hash() {
    let mut site = TestSite::start().await;
    site.work();
    let browser = Browser::signed_up(&site).await;
    assert!(browser.sees("/console/api").await.contains("还没有令牌"));
    assert_eq!(browser.does("/console/api", FORM).await, "/account/sudo?next=%2Fconsole%2Fapi");
    browser.proves().await;
    let token = browser.api_token("test", &["shops:read"], &[]).await;
    assert_eq!(token.len(), "kf_test_".len() + 43);

    let page = browser.sees("/console/api").await;
    assert!(
        page.contains("a program") && page.contains(&token[token.len() - 4..]) && page.contains("从未使用"),
        "{page}"
    );
    assert!(!page.contains(&token), "it is shown once");
    let sql = site.world.sql_as_superuser().await;
    let tables =
        "SELECT table_name::text, column_name::text FROM information_schema.columns WHERE table_schema = 'public'";
    for row in sql.query(tables, &[]).await.unwrap() {
        let (table, column): (String, String) = (row.get(0), row.get(1));
        let found = format!("SELECT count(*) FROM {table} WHERE {column}::text LIKE '%' || $1 || '%'");
        assert_eq!(sql.count(&found, &[&token]).await.unwrap(), 0, "{table}.{column}");
    }
    let hashed = "SELECT count(*) FROM api_tokens WHERE token_hash = sha256(convert_to($1, 'UTF8'))";
    assert_eq!(sql.count(hashed, &[&token]).await.unwrap(), 1);
    let audited = "SELECT count(*) FROM audit_log WHERE action = 'api_token.create' AND detail->>'name' = 'a program'";
    assert_eq!(sql.count(audited, &[]).await.unwrap(), 1);

    let client = ApiClient::new(&site, &token);
    client.get("/shops").await.ok();
    assert!(browser.sees("/console/api").await.contains("127.0.0.0/24"), "where it was used from");
    let once = "SELECT count(*) FROM api_tokens WHERE last_used_at IS NOT NULL";
    let at = "SELECT count(*) FROM api_tokens a, (SELECT max(last_used_at) AS m FROM api_tokens) x WHERE a.last_used_at = x.m";
    assert_eq!((sql.count(once, &[]).await.unwrap(), sql.count(at, &[]).await.unwrap()), (1, 1));
    drop(client);
    drop(browser);
    site.stop().await;
}

#[tokio::test]
async fn a_form_that_asks_for_nothing_or_too_much_makes_no_token() {
    let mut site = TestSite::start().await;
    site.work();
    let browser = Browser::signed_up(&site).await;
    browser.proves().await;
    let (shop, _mall) = browser.sandbox_shop().await;
    let elsewhere = format!("shop_{}", "0".repeat(32));
    for (change, told) in [
        (vec![("name", "")], "1 到 60 个字"),
        (vec![("name", "ERP"), ("scope", "everything:write")], "至少勾选一项"),
        (vec![("name", "ERP")], "至少勾选一项"),
        (vec![("name", "ERP"), ("scope", "shops:read"), ("days", "36500")], "请选择有效期"),
        (vec![("name", "ERP"), ("scope", "shops:read"), ("days", "30"), ("shop", elsewhere.as_str())], "只能勾选"),
        // A sandbox shop for a live token.
        (vec![("name", "ERP"), ("scope", "shops:read"), ("days", "30"), ("shop", shop.as_str())], "只能勾选"),
    ] {
        let mut fields = change.clone();
        fields.push(("mode", "live"));
        if !change.iter().any(|(name, _)| *name == "days") {
            fields.push(("days", "30"));
        }
        assert_eq!(browser.does("/console/api", &fields).await, "/console/api", "{change:?}");
        assert!(browser.sees("/console/api").await.contains(told), "{change:?}");
    }
    let sql = site.world.sql_as_superuser().await;
    assert_eq!(sql.count("SELECT count(*) FROM api_tokens", &[]).await.unwrap(), 0);
    for role in ["operator", "finance", "viewer"] {
        browser.becomes(role).await;
        assert_eq!(browser.get("/console/api").await.status, 403, "{role}");
        assert_eq!(browser.send("/console/api", FORM).await.status, 403, "{role}");
        let revoke = [("token", "tok_00000000000000000000000000000000")];
        assert_eq!(browser.send("/console/api/revoke", &revoke).await.status, 403, "{role}");
    }
    drop(browser);
    site.stop().await;
}

/// Asks for the shops, and returns status and code.
async fn asked(client: &ApiClient<'_>) -> (u16, String) {
    let answer = client.get("/shops").await;
    if answer.status == 401 {
        assert!(answer.header("www-authenticate").starts_with("Bearer realm="), "{answer:?}");
        assert_eq!(answer.header("content-type"), "application/problem+json");
    }
    (answer.status, answer.code().to_owned())
}

#[tokio::test]
async fn a_token_is_good_until_it_is_revoked_ends_or_its_maker_may_not_work() {
    let mut site = TestSite::start().await;
    site.work();
    let browser = Browser::signed_up(&site).await;
    browser.proves().await;
    let client = ApiClient::of(&site, &browser).await;
    let (good, refused) = ((200, String::new()), (401, "token.refused".to_owned()));
    assert_eq!(asked(&client).await, good);

    let sql = site.world.sql_as_superuser().await;
    for (change, back) in [
        ("UPDATE api_tokens SET expires_at = now()", "UPDATE api_tokens SET expires_at = now() + interval '1 day'"),
        ("UPDATE users SET must_change_password = true", "UPDATE users SET must_change_password = false"),
        ("UPDATE users SET closed_at = now()", "UPDATE users SET closed_at = NULL"),
        ("UPDATE merchants SET closes_at = now()", "UPDATE merchants SET closes_at = NULL"),
    ] {
        sql.execute(change, &[]).await.unwrap();
        assert_eq!(asked(&client).await, refused, "{change}");
        sql.execute(back, &[]).await.unwrap();
        assert_eq!(asked(&client).await, good, "{back}");
    }

    // The maker's role bounds it, whatever its scopes.
    browser.becomes("viewer").await;
    assert_eq!(asked(&client).await, good);
    let refusal =
        client.post("/pools/pool_00000000000000000000000000000000/cards", &serde_json::json!({"text": "a"})).await;
    assert_eq!((refusal.status, refusal.code()), (403, "permission.missing"));
    browser.becomes("owner").await;

    let page = browser.sees("/console/api").await;
    let id = between(&page, "/console/api?revoke=", "#").to_owned();
    let stranger = Browser::signed_up(&site).await;
    assert_eq!(stranger.send("/console/api/revoke", &[("token", &id)]).await.status, 404);
    assert_eq!(browser.does("/console/api/revoke", &[("token", &id)]).await, "/console/api");
    assert!(browser.sees("/console/api").await.contains("令牌已吊销"));
    assert_eq!(asked(&client).await, refused);
    assert_eq!(browser.send("/console/api/revoke", &[("token", &id)]).await.status, 404, "once");
    let again = "UPDATE api_tokens SET revoked_at = NULL";
    assert!(sql.execute(again, &[]).await.is_err(), "it never comes back");

    let second = ApiClient::of(&site, &browser).await;
    assert_eq!(asked(&second).await, good);
    let gone = format!(
        "SET LOCAL session_replication_role = origin; INSERT INTO memberships (merchant_id, user_id, role, all_shops, created_at)
           SELECT m.merchant_id, u.id, 'owner', true, now() FROM memberships m, users u
            WHERE m.user_id = (SELECT id FROM users WHERE login = '{}') AND u.login = '{}';
         DELETE FROM memberships WHERE user_id = (SELECT id FROM users WHERE login = '{}')",
        browser.email, stranger.email, browser.email
    );
    sql.transaction(&gone).await.unwrap();
    assert_eq!(asked(&second).await, refused, "it ends with the seat");
    assert_eq!(sql.count("SELECT count(*) FROM api_tokens", &[]).await.unwrap(), 0, "and does not come back with it");
    drop((browser, stranger, client, second));
    site.stop().await;
}

#[tokio::test]
async fn only_one_bearer_token_says_who_asks() {
    let mut site = TestSite::start().await;
    site.work();
    let browser = Browser::signed_up(&site).await;
    browser.proves().await;
    let token = browser.api_token("test", &[], &[]).await;
    let cookies = browser.cookies();
    let ask = || site.request(Method::GET, "/api/v1/shops");
    let missing = [
        ask(),
        ask().header("cookie", &cookies),
        ask().header("authorization", &token),
        ask().header("authorization", format!("Basic {token}")),
        ask().bearer_auth(&token).header("authorization", format!("Bearer {token}x")),
        site.request(Method::GET, &format!("/api/v1/shops?token={token}")),
    ];
    for request in missing {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 401);
        assert_eq!(answer.headers()["www-authenticate"], "Bearer realm=\"kamiflow\"");
        assert_eq!(answer.headers()["cache-control"], "no-store");
        assert!(answer.headers().get("set-cookie").is_none());
    }
    for bad in [format!("{token}x"), token.replace("kf_test_", "kf_live_"), "kf_test_".to_owned()] {
        let answer = ask().bearer_auth(bad).send().await.unwrap();
        assert_eq!(answer.status(), 401);
        assert!(answer.headers()["www-authenticate"].to_str().unwrap().contains("invalid_token"));
    }
    // No page of another site reads an answer, and none is told that it could.
    let foreign = ask().bearer_auth(&token).header("origin", "https://evil.example").send().await.unwrap();
    assert!(foreign.headers().keys().all(|name| !name.as_str().starts_with("access-control")), "{foreign:?}");
    let preflight = site.request(Method::OPTIONS, "/api/v1/shops").header("origin", "https://evil.example");
    assert_eq!(preflight.send().await.unwrap().status(), 401);
    assert_eq!(ask().header("host", "evil.example").bearer_auth(&token).send().await.unwrap().status(), 421);
    drop(browser);
    site.stop().await;
}

#[tokio::test]
async fn no_token_and_no_card_is_in_the_log() {
    let log = CapturedLog::begin();
    let mut site = TestSite::start().await;
    site.work();
    let sold = Sold::at(&site).await;
    let client = ApiClient::of(&site, &sold.browser).await;
    let pool = super::pool(&client).await;
    let cards = serde_json::json!({ "cards": [{ "number": "CANARYNUMBER", "secret": "CANARYSECRET" }] });
    client.post(&format!("/pools/{pool}/cards"), &cards).await.ok();
    let broken = client.request(Method::POST, &format!("/pools/{pool}/cards")).header("idempotency-key", "CANARYKEY");
    let broken = broken.header("content-type", "application/json").body("{\"cards\": [\"CANARYBROKEN\"");
    assert_eq!(client.send(broken).await.status, 400);
    let revealed = client.send(client.request(Method::POST, &format!("{}/cards/reveal", sold.order()))).await.ok();
    let number = revealed["cards"][0]["number"].as_str().unwrap();
    assert_eq!(ApiClient::new(&site, &format!("{}x", client.token)).get("/shops").await.status, 401);
    let text = log.text();
    assert!(text.contains("kamiflow_"), "our crates logged something");
    for secret in [client.token.as_str(), "CANARY", number] {
        let lines: Vec<&str> = text.lines().filter(|line| line.contains(secret)).collect();
        assert!(lines.is_empty(), "{secret}: {lines:#?}");
    }
    drop(client);
    drop(sold);
    site.stop().await;
}

#[tokio::test]
async fn a_reset_password_ends_the_tokens_that_were_made_before_it() {
    let mut site = TestSite::start().await;
    site.work();
    let browser = Browser::signed_up(&site).await;
    browser.proves().await;
    let token = browser.api_token("test", &["shops:read"], &[]).await;
    let client = ApiClient::new(&site, &token);
    client.get("/shops").await.ok();
    let email = browser.email.clone();
    browser.send("/reset-password", &[("email", &email)]).await;
    let link = loop {
        let mail = site.mailbox.take(&email).await;
        if mail.text.contains("/reset?token=") {
            break token_in(&mail);
        }
    };
    site.world.clock.advance(chrono::TimeDelta::seconds(1));
    browser.send("/reset", &[("token", link.expose()), ("password", "another long password")]).await;
    assert_eq!(client.get("/shops").await.status, 401);
    browser.send("/log-in", &[("login", &email), ("password", "another long password")]).await;
    let page = browser.sees("/console/api").await;
    assert!(page.contains("创建者已离开或重置过密码，已失效") && !page.contains("/console/api?revoke="), "{page}");
    drop((client, browser));
    site.stop().await;
}
