//! A write that is sent twice is one write.

use futures_util::future::join_all;
use kamiflow_test_support::{ApiClient, TestSite};
use reqwest::Method;
use serde_json::json;

use super::{Sold, pool};

#[tokio::test]
async fn a_write_needs_a_key_and_the_same_again_gets_the_same_answer() {
    let mut site = TestSite::start().await;
    site.work();
    let sold = Sold::at(&site).await;
    let client = ApiClient::of(&site, &sold.browser).await;
    let pool = pool(&client).await;
    let import = format!("/pools/{pool}/cards");
    let body = json!({ "text": "ONCE-000001----a" });
    let long = "k".repeat(256);
    for keys in [&[][..], &[""], &["a b"], &[&long], &["one", "two"]] {
        let mut request = client.request(Method::POST, &import).header("content-type", "application/json");
        for key in keys {
            request = request.header("idempotency-key", *key);
        }
        let refused = client.send(request.body(body.to_string())).await;
        assert_eq!((refused.status, refused.code()), (400, "idempotency_key.invalid"), "{keys:?}");
    }
    let first = client.post_as("key-1", &import, &body).await;
    assert_eq!((first.status, first.header("idempotency-replayed")), (201, ""));
    for _ in 0..2 {
        let again = client.post_as("key-1", &import, &body).await;
        assert_eq!((again.status, again.header("idempotency-replayed")), (201, "true"));
        assert_eq!((&again.body, again.header("content-type")), (&first.body, "application/json"));
    }
    let sql = site.world.sql_as_superuser().await;
    let imports = "SELECT count(*) FROM audit_log WHERE action = 'cards.import' AND actor LIKE 'token:%'";
    assert_eq!(sql.count(imports, &[]).await.unwrap(), 1);

    // The same key for anything else is a mistake of the sender's.
    for (path, body) in
        [(&import, json!({ "text": "OTHER-000001----a" })), (&format!("{}/retry", sold.order()), body.clone())]
    {
        let other = client.post_as("key-1", path, &body).await;
        assert_eq!((other.status, other.code()), (422, "idempotency_key.other_request"), "{path}");
    }
    // A refusal is an answer as well.
    let refused = client.post_as("key-2", &import, &body).await;
    assert_eq!((refused.status, refused.header("idempotency-replayed")), (422, ""));
    let again = client.post_as("key-2", &import, &body).await;
    assert_eq!((again.status, again.header("idempotency-replayed"), &again.body), (422, "true", &refused.body));
    assert_eq!(again.header("content-type"), "application/problem+json");
    // Another token's keys are its own.
    let other = ApiClient::of(&site, &sold.browser).await;
    assert_eq!(other.post_as("key-1", &import, &json!({ "text": "THIRD-000001----a" })).await.status, 201);
    drop((client, other));
    drop(sold);
    site.stop().await;
}

#[tokio::test]
async fn of_many_at_once_one_is_done_and_the_others_are_told_so() {
    let mut site = TestSite::start().await;
    site.work();
    let sold = Sold::at(&site).await;
    let client = ApiClient::of(&site, &sold.browser).await;
    let import = format!("/pools/{}/cards", pool(&client).await);
    let body = json!({ "text": "CROWD-000001----a\nCROWD-000002----b" });
    let answers = join_all((0..12).map(|_| client.post_as("crowd", &import, &body))).await;
    for answer in &answers {
        assert!(matches!(answer.status, 201 | 409), "{} {}", answer.status, answer.body);
        assert!(answer.status == 201 || answer.code() == "idempotency_key.underway", "{}", answer.body);
    }
    let done: Vec<_> = answers.iter().filter(|answer| answer.status == 201).collect();
    assert!(done.iter().all(|answer| answer.body == done[0].body) && !done.is_empty());
    let sql = site.world.sql_as_superuser().await;
    let imports = "SELECT count(*) FROM audit_log WHERE action = 'cards.import' AND actor LIKE 'token:%'";
    assert_eq!(sql.count(imports, &[]).await.unwrap(), 1);
    drop(client);
    drop(sold);
    site.stop().await;
}

#[tokio::test]
async fn a_write_whose_process_died_is_refused_for_a_minute_and_then_finished() {
    let mut site = TestSite::start().await;
    site.work();
    let sold = Sold::at(&site).await;
    let client = ApiClient::of(&site, &sold.browser).await;
    let import = format!("/pools/{}/cards", pool(&client).await);
    let body = json!({ "text": "DEAD-000001----a" });
    let first = client.post_as("dead", &import, &body).await.ok();
    // As if the answer had never been kept.
    let sql = site.world.sql_as_superuser().await;
    let forget = "UPDATE api_requests SET status = NULL, content_type = NULL, body = NULL";
    assert_eq!(sql.execute(forget, &[]).await.unwrap(), 1);
    let early = client.post_as("dead", &import, &body).await;
    assert_eq!((early.status, early.code()), (409, "idempotency_key.underway"));
    site.world.time_passes(61).await;
    let late = client.post_as("dead", &import, &body).await.ok();
    assert_eq!((&late["batch"], &late["accepted"]), (&first["batch"], &first["accepted"]), "found, not done again");
    assert_eq!(client.post_as("dead", &import, &body).await.header("idempotency-replayed"), "true");

    // After a day a key may be used anew, and what is old is cleared away.
    site.world.time_passes(25 * 60 * 60).await;
    let anew = client.post_as("dead", &import, &json!({ "text": "DEAD-000002----a" })).await;
    assert_eq!(anew.status, 201, "{}", anew.body);
    site.world.time_passes(25 * 60 * 60).await;
    client.post_as("next", &import, &json!({ "text": "DEAD-000003----a" })).await.ok();
    assert_eq!(sql.count("SELECT count(*) FROM api_requests", &[]).await.unwrap(), 1);
    drop(client);
    drop(sold);
    site.stop().await;
}

#[tokio::test]
async fn what_is_kept_of_a_request_says_nothing_of_it() {
    let mut site = TestSite::start().await;
    site.work();
    let sold = Sold::at(&site).await;
    let client = ApiClient::of(&site, &sold.browser).await;
    let uses = format!("{}/uses", sold.order());
    let body = json!({ "codes": ["4711"] });
    client.post_as("codes", &uses, &body).await;
    let revealed = client.send(client.request(Method::POST, &format!("{}/cards/reveal", sold.order()))).await.ok();
    let sql = site.world.sql_as_superuser().await;
    let rows = sql.query("SELECT key, request_hash, coalesce(body, '') FROM api_requests", &[]).await.unwrap();
    assert_eq!(rows.len(), 1, "the answer with cards is kept nowhere");
    let number = revealed["cards"][0]["number"].as_str().unwrap();
    let kept = String::from_utf8(rows[0].get::<_, Vec<u8>>(2)).unwrap();
    assert!(!kept.contains("4711") && !kept.contains(number), "{kept}");
    // Whoever reads the database cannot try four digits: the token is in the hash, and nowhere else.
    let hash: Vec<u8> = rows[0].get(1);
    let tried = sql.query("SELECT sha256(convert_to($1, 'UTF8'))", &[&body.to_string()]).await.unwrap();
    assert_ne!(hash, tried[0].get::<_, Vec<u8>>(0));
    drop(client);
    drop(sold);
    site.stop().await;
}
