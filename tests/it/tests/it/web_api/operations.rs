//! What each operation answers: shops, orders, cards, redemption; lists page by page; the description of all of it.

use std::collections::BTreeSet;

use kamiflow_test_support::{ApiClient, Browser, TestSite, between};
use reqwest::Method;
use serde_json::json;

use super::{Sold, described, pool};

#[tokio::test]
async fn shops_and_orders_are_found_and_shown_with_cards_masked() {
    let mut site = TestSite::start().await;
    site.work();
    let sold = Sold::at(&site).await;
    let client = ApiClient::of(&site, &sold.browser).await;
    let shops = client.get("/shops").await.ok();
    assert_eq!(shops["shops"][0]["id"], sold.shop);
    assert_eq!((&shops["shops"][0]["is_sandbox"], &shops["shops"][0]["state"]), (&json!(true), &json!("live")));
    assert_eq!(shops["next"], json!(null));
    let shop = client.get(&format!("/shops/{}", sold.shop)).await.ok();
    assert!(shop["authorized_until"].is_string() && shop["pauses"] == json!([]), "{shop}");
    let overview = sold.browser.sees("/console/pauses").await;
    let merchant = format!("mer_{}", between(&overview, "action=\"/console/pauses/mer_", "\""));
    let pause = [("work", "delivery"), ("reason", "stocktaking"), ("hours", "1")];
    sold.browser.does(&format!("/console/pauses/{merchant}"), &pause).await;
    let held = client.get(&format!("/shops/{}", sold.shop)).await.ok();
    assert_eq!((&held["pauses"][0]["is_of_merchant"], &held["pauses"][0]["waiting"]), (&json!(true), &json!(0)));

    for (query, count) in [
        (String::new(), 1),
        (format!("?order_sn={}", sold.order_sn), 1),
        (format!("?shop={}&limit=1", sold.shop), 1),
        ("?state=closed_refunded".to_owned(), 0),
        ("?order_sn=261122-000000000000000".to_owned(), 0),
    ] {
        let found = client.get(&format!("/orders{query}")).await.ok();
        assert_eq!(found["orders"].as_array().unwrap().len(), count, "{query}: {found}");
    }
    for bad in ["limit=0", "limit=51", "limit=x", "cursor=***", "cursor=bm9uc2Vuc2U", "state=gone", "shop=1", "page=2"]
    {
        let refused = client.get(&format!("/orders?{bad}")).await;
        assert_eq!(refused.status, 400, "{bad}: {}", refused.body);
        assert_eq!(refused.header("content-type"), "application/problem+json");
    }

    let order = client.get(&sold.order()).await.ok();
    assert_eq!((&order["shop"], &order["order_sn"]), (&json!(sold.shop), &json!(sold.order_sn)));
    assert!(order["delivery"]["cards"][0].as_str().unwrap().contains('*'), "{order}");
    assert!(order["events"].as_array().unwrap().len() > 2, "{order}");
    let revealed = client.send(client.request(Method::POST, &format!("{}/cards/reveal", sold.order()))).await;
    assert_eq!(revealed.header("cache-control"), "no-store");
    let revealed = revealed.ok();
    assert_eq!(revealed["left_today"], 199);
    let number = revealed["cards"][0]["number"].as_str().unwrap();
    assert!(!order.to_string().contains(number), "masked above");
    // A person and her tokens have one quota, and the act names the token.
    let page = sold.browser.sees(&format!("/console/shops/{}/orders/{}", sold.shop, sold.order_sn)).await;
    assert!(page.contains("今天还可查看 199 次"), "{page}");
    let audit = sold.browser.sees("/console/audit?area=cards").await;
    assert!(audit.contains("API · a program"), "{audit}");

    let retried = client.post(&format!("{}/retry", sold.order()), &json!(null)).await.ok();
    assert_eq!(retried, json!({ "closed": [] }));
    drop(client);
    drop(sold);
    site.stop().await;
}

#[tokio::test]
async fn cards_are_imported_counted_listed_and_voided() {
    let mut site = TestSite::start().await;
    site.work();
    let sold = Sold::at(&site).await;
    let client = ApiClient::of(&site, &sold.browser).await;
    let pool = pool(&client).await;
    let before = client.get(&format!("/pools/{pool}")).await.ok()["available"].as_i64().unwrap();
    let import = format!("/pools/{pool}/cards");
    let list = json!({ "cards": [
        { "number": "LIST-000001", "secret": "s,\"1" }, { "number": "LIST-000002", "expires_at": "2099-12-31" },
    ]});
    // A card of a list may lack what others have: the reader of files says so.
    let refused = client.post(&import, &list).await;
    assert_eq!((refused.status, refused.code()), (422, "cards.rejected"));
    assert_eq!(refused.body["rejected"][0]["line"], 2);
    assert_eq!(refused.body["rejected"][0]["code"], "card_file.missing_secret");
    let mut skipping = list.clone();
    skipping["mode"] = json!("skip_bad");
    let taken = client.post(&import, &skipping).await;
    assert_eq!(taken.status, 201);
    let taken = taken.ok();
    assert_eq!((&taken["accepted"], &taken["rejected"], &taken["lines"][0]["line"]), (&json!(1), &json!(1), &json!(2)));
    let text = client.post(&import, &json!({ "text": "TEXT-000001----a\nTEXT-000002----b\n" })).await.ok();
    assert_eq!(text["accepted"], 2);
    let again = client.post(&import, &json!({ "text": "TEXT-000001----a\n" })).await;
    assert_eq!((again.status, &again.body["rejected"][0]["code"]), (422, &json!("card_file.duplicate_in_stock")));
    assert_eq!(client.get(&format!("/pools/{pool}")).await.ok()["available"], before + 3);

    for (body, status, code) in [
        (json!({}), 422, "cards.source"),
        (json!({ "text": "a", "cards": [] }), 422, "cards.source"),
        (json!({ "text": "" }), 422, "cards.empty"),
        (json!({ "text": "a----b", "uses_permitted": 0 }), 422, "cards.uses_permitted"),
        (json!({ "text": "a", "mode": "some" }), 400, "body.invalid"),
        (json!({ "text": "a", "more": 1 }), 400, "body.invalid"),
        (json!([]), 400, "body.invalid"),
    ] {
        let refused = client.post(&import, &body).await;
        assert_eq!((refused.status, refused.code()), (status, code), "{body}: {}", refused.body);
    }
    let no_json = client.request(Method::POST, &import).header("idempotency-key", "no-json").body("a----b");
    assert_eq!(client.send(no_json).await.status, 415);
    let large = json!({ "text": "a".repeat(5 * 1024 * 1024) });
    assert_eq!(client.post(&import, &large).await.status, 413);

    let batch = text["batch"].as_str().unwrap();
    let cards = client.get(&format!("/batches/{batch}/cards?limit=1")).await.ok();
    let card = cards["cards"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(cards["cards"][0]["available"], 1);
    assert!(!cards.to_string().contains("TEXT-000001"), "numbers are masked: {cards}");
    let next = cards["next"].as_str().unwrap();
    let rest = client.get(&format!("/batches/{batch}/cards?cursor={next}")).await.ok();
    assert_eq!((rest["cards"].as_array().unwrap().len(), &rest["next"]), (1, &json!(null)));
    for _ in 0..2 {
        let voided = client.post(&format!("/cards/{card}/void"), &json!(null)).await.ok();
        assert_eq!(voided["card"], card, "a second time changes nothing");
    }
    let pool = client.get(&format!("/pools/{pool}")).await.ok();
    assert_eq!((&pool["void"], &pool["available"]), (&json!(1), &json!(before + 2)));
    let sql = site.world.sql_as_superuser().await;
    let sent: Vec<String> = sql
        .query("SELECT 'card_' || replace(card_id::text, '-', '') FROM card_uses WHERE exposed", &[])
        .await
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect();
    let stays = client.post(&format!("/cards/{}/void", sent[0]), &json!(null)).await;
    assert_eq!((stays.status, stays.code()), (409, "card.not_in_stock"));
    drop(client);
    drop(sold);
    site.stop().await;
}

#[tokio::test]
async fn uses_are_reported_and_redemptions_approved() {
    let mut site = TestSite::start().await;
    site.work();
    let sold = Sold::at(&site).await;
    let client = ApiClient::of(&site, &sold.browser).await;
    let uses = format!("{}/uses", sold.order());
    let future = client.post(&uses, &json!({ "used_at": "2199-01-01T00:00:00Z" })).await;
    assert_eq!((future.status, future.code()), (422, "use.in_future"));
    for _ in 0..2 {
        assert_eq!(client.post(&uses, &json!({})).await.ok()["order_sn"], sold.order_sn);
    }
    let order = client.get(&sold.order()).await.ok();
    let reported = order["events"].as_array().unwrap().iter().filter(|event| event["kind"] == "use_reported").count();
    assert_eq!(reported, 1, "a second report changes nothing: {order}");
    let audited = "SELECT count(*) FROM audit_log WHERE action = 'redemption.report_use' AND actor LIKE 'token:%'
                      AND detail->>'codes' = '0' AND detail->>'order_sn' = $1";
    assert_eq!(site.world.sql_as_superuser().await.count(audited, &[&sold.order_sn]).await.unwrap(), 1);
    let codes = client.post(&uses, &json!({ "codes": ["a", "b", "c"] })).await;
    assert_eq!((codes.status, codes.code()), (422, "use.too_many_codes"));
    // The sandbox shop's goods are redeemed by nobody.
    let approved = client.post(&format!("{}/redemption/approve", sold.order()), &json!(null)).await;
    assert_eq!(approved.status, 409, "{}", approved.body);
    assert!(approved.code().starts_with("redemption."), "{}", approved.body);
    drop(client);
    drop(sold);
    site.stop().await;
}

#[tokio::test]
async fn pages_follow_one_another_while_orders_arrive() {
    let mut site = TestSite::start().await;
    site.work();
    let sold = Sold::at(&site).await;
    let client = ApiClient::of(&site, &sold.browser).await;
    assert_eq!(site.copy_order(&sold.order_sn, 1..=30, "- n * interval '1 minute'").await, 30);
    let (mut seen, mut path, mut pages) = (Vec::new(), "/orders?limit=7".to_owned(), 0);
    loop {
        let page = client.get(&path).await.ok();
        seen.extend(
            page["orders"].as_array().unwrap().iter().map(|order| order["order_sn"].as_str().unwrap().to_owned()),
        );
        pages += 1;
        // New ones come in front of what was read.
        let newer = 100 * pages..=100 * pages + 2;
        assert_eq!(site.copy_order(&sold.order_sn, newer, "+ n * interval '1 second'").await, 3);
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/orders?limit=7&cursor={next}");
    }
    assert_eq!((seen.len(), pages), (31, 5));
    assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), 31, "nothing twice");
    assert_eq!(seen[0], sold.order_sn);

    let (mut found, mut path) = (0, "/orders?limit=9&state=redeemed".to_owned());
    loop {
        let page = client.get(&path).await.ok();
        found += page["orders"].as_array().unwrap().len();
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/orders?limit=9&state=redeemed&cursor={next}");
    }
    assert_eq!(found, 30 + 5 * 3);
    drop(client);
    drop(sold);
    site.stop().await;
}

#[tokio::test]
async fn the_description_is_public_and_its_page_is_ours() {
    let site = TestSite::start().await;
    let answer = site.get("/api/v1/openapi.json").send().await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["content-type"]),
        (200, &"application/json".parse().unwrap())
    );
    for (language, title) in [("zh-CN", "API 文档"), ("en", "API reference")] {
        let page = site.get("/help/api").header("accept-language", language).send().await.unwrap();
        assert_eq!(page.status(), 200);
        let page = page.text().await.unwrap().replace("<!>", "");
        assert!(page.contains(&format!(">{title}</h1>")) && page.contains("Idempotency-Key"), "{page}");
        for (_method, path, scope) in described(&site).await {
            assert!(page.contains(&format!("/api/v1{path}")) && page.contains(&scope), "{path}");
        }
        assert!(!page.contains(" style="), "no inline style");
    }
    // Whatever else is asked there is told to programs, not to people.
    for (method, path, status) in [
        (Method::GET, "/api/v1/openapi.yaml", 401),
        (Method::DELETE, "/api/v1/openapi.json", 405),
        (Method::GET, "/api/v2/shops", 404),
    ] {
        let answer = site.request(method.clone(), path).send().await.unwrap();
        assert_eq!(answer.status(), status, "{path}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json", "{path}");
    }
    site.stop().await;
}

/// Gives the order's card so many uses to redeem, as if its goods were redeemed on the platform; each third is to be approved.
async fn plan_uses(site: &TestSite, order_sn: &str, count: i32) {
    let plan = format!(
        "SET LOCAL session_replication_role = replica;
         INSERT INTO redemptions (id, merchant_id, shop_id, delivery_id, line_id, use_no, order_day, order_id, order_sn, method,
                                  state, trans_no)
         SELECT md5(n::text || d.id::text)::uuid, d.merchant_id, d.shop_id, d.id, l.id, n, d.order_day, d.order_id, d.order_sn,
                'report_card', CASE WHEN n % 3 = 0 THEN 'awaiting_approval' ELSE 'waiting' END, n::text
           FROM deliveries d JOIN delivery_lines l ON l.delivery_id = d.id AND l.line_no = 1, generate_series(1, {count}) n
          WHERE d.order_sn = '{order_sn}' ON CONFLICT DO NOTHING"
    );
    site.world.sql_as_superuser().await.transaction(&plan).await.unwrap();
}

#[tokio::test]
async fn redemptions_are_listed_by_page_shop_and_state() {
    let mut site = TestSite::start().await;
    site.work();
    let sold = Sold::at(&site).await;
    let client = ApiClient::of(&site, &sold.browser).await;
    assert_eq!(client.get("/redemptions").await.ok(), json!({ "redemptions": [], "next": null }));
    plan_uses(&site, &sold.order_sn, 12).await;
    for (query, expected) in [("", 12), ("&state=awaiting_approval", 4), ("&state=done", 0)] {
        for shop in [String::new(), format!("&shop={}", sold.shop)] {
            let (mut seen, mut cursor) = (Vec::new(), String::new());
            loop {
                let page = client.get(&format!("/redemptions?limit=5{query}{shop}{cursor}")).await.ok();
                let read = page["redemptions"].as_array().unwrap();
                assert!(read.iter().all(|one| one["shop"] == sold.shop && one["order_sn"] == sold.order_sn), "{page}");
                seen.extend(read.iter().map(|one| one["id"].as_str().unwrap().to_owned()));
                let Some(next) = page["next"].as_str() else { break };
                cursor = format!("&cursor={next}");
            }
            let newest_first = seen.windows(2).all(|pair| pair[0] > pair[1]);
            assert!(seen.len() == expected && newest_first, "{query}{shop}: {seen:?}");
        }
    }
    for bad in ["limit=0", "cursor=***", "cursor=bm9uc2Vuc2U", "state=gone", "shop=1", "page=2"] {
        let refused = client.get(&format!("/redemptions?{bad}")).await;
        assert_eq!((refused.status, refused.header("content-type")), (400, "application/problem+json"), "{bad}");
    }
    // Of another shop the token is told nothing, nor of the real ones.
    let other = sold.browser.another_shop().await;
    let limited = ApiClient::new(&site, &sold.browser.api_token("test", &["orders:read"], &[&other]).await);
    assert_eq!(limited.get("/redemptions").await.ok()["redemptions"], json!([]));
    assert_eq!(limited.get(&format!("/redemptions?shop={}", sold.shop)).await.status, 404);
    // A small shop's few are found at once, however many of a large one are newer.
    plan_uses(&site, &sold.order_sn, 2_600).await;
    let plain = other.trim_start_matches("shop_");
    let moved = format!(
        "SET LOCAL session_replication_role = replica;
         UPDATE redemptions SET shop_id = '{plain}' WHERE id IN (SELECT id FROM redemptions ORDER BY id LIMIT 6)"
    );
    site.world.sql_as_superuser().await.transaction(&moved).await.unwrap();
    for query in ["limit=6", "limit=6&state=waiting", "limit=6&state=awaiting_approval"] {
        let page = limited.get(&format!("/redemptions?{query}")).await.ok();
        let read = page["redemptions"].as_array().unwrap();
        assert!(page["next"].is_null() && read.iter().all(|one| one["shop"] == other), "{query}: {page}");
        assert!(if query == "limit=6" { read.len() == 6 } else { read.len() < 6 }, "{query}: {page}");
    }
    let live = ApiClient::new(&site, &sold.browser.api_token("live", &["orders:read"], &[]).await);
    assert_eq!(live.get("/redemptions").await.ok()["redemptions"], json!([]));
    let stranger = Browser::signed_up(&site).await;
    stranger.proves().await;
    let theirs = ApiClient::of(&site, &stranger).await;
    assert_eq!(theirs.get("/redemptions").await.ok()["redemptions"], json!([]));
    drop((client, limited, live, theirs, stranger));
    drop(sold);
    site.stop().await;
}
