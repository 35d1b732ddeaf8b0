//! A merchant whose days of grace are over: nothing goes on, nobody comes back, and what tells of people is gone.

use kamiflow_domain::teams::end_merchant::{self, Ending};
use kamiflow_kernel::MerchantId;
use kamiflow_test_support::{ApiClient, Browser, RawSql, TestSite};
use serde_json::json;

/// The merchant that somebody owns.
async fn merchant_of(sql: &RawSql, owner: &Browser<'_>) -> MerchantId {
    let of = "SELECT m.merchant_id FROM memberships m JOIN users u ON u.id = m.user_id WHERE u.login = $1";
    MerchantId::from_uuid(sql.query(of, &[&owner.email]).await.unwrap()[0].get(0))
}

/// Fills a merchant with what is to go: own keys, a token, people, an address, a submission that waits.
async fn fill(site: &TestSite, sql: &RawSql, owner: &Browser<'_>) -> String {
    let keys = json!({ "client_id": "own-client-0001", "client_secret": "own-secret-0001" });
    site.world.control("POST", "/applications", &keys).await;
    owner.proves().await;
    let pair = [("client_id", "own-client-0001"), ("client_secret", "own-secret-0001"), ("app_type", "")];
    owner.does("/console/shops/keys", &pair).await;
    owner.does("/console/notifications", &[("email", "alarm@example.com")]).await;
    let colleague = Browser::arranged(site).await;
    colleague.joins(owner, "admin", &[]).await;
    let invited = [("email", "friend@example.com"), ("role", "viewer"), ("scope", "all")];
    assert!(owner.send("/console/team/invite", &invited).await.status < 400);
    let member = [("name", "kefu"), ("display_name", "小王"), ("role", "operator"), ("scope", "all")];
    assert_eq!(owner.send("/console/team/sub-account", &member).await.status, 200);
    let merchant = merchant_of(sql, owner).await;
    for statement in [
        "INSERT INTO verifications (id, merchant_id, kind, data_key_id, subject_sealed, last4, number_hash, submitted_by, submitted_at)
         SELECT gen_random_uuid(), k.merchant_id, 'person', k.id, 's', '002X', sha256('x'), 'x', now()
           FROM data_keys k WHERE k.merchant_id = $1 AND k.active",
        "INSERT INTO verification_pictures (id, merchant_id, verification_id, position, media_type, data_key_id, picture_sealed)
         SELECT gen_random_uuid(), v.merchant_id, v.id, 1, 'image/jpeg', v.data_key_id, 'p'
           FROM verifications v WHERE v.merchant_id = $1",
    ] {
        assert_eq!(sql.execute(statement, &[&merchant.as_uuid()]).await.unwrap(), 1);
    }
    owner.api_token("test", &[], &[]).await
}

/// What must not be left of a merchant: each counts what is.
const GONE: &[&str] = &[
    "FROM shops WHERE merchant_id = $1 AND state <> 'disconnected'",
    "FROM credentials WHERE merchant_id = $1
        AND (octet_length(access_token_sealed) + octet_length(refresh_token_sealed) > 0 OR dead_reason IS NULL)",
    "FROM applications WHERE merchant_id = $1
        AND (octet_length(client_secret_sealed) > 0 OR state = 'active' OR client_id LIKE 'own-client%')",
    "FROM api_tokens WHERE merchant_id = $1 AND revoked_at IS NULL",
    "FROM invitations WHERE merchant_id = $1 AND (email IS NOT NULL OR accepted_at IS NULL AND revoked_at IS NULL)",
    "FROM authorization_links WHERE merchant_id = $1 AND used_at IS NULL",
    "FROM memberships WHERE merchant_id = $1 AND role <> 'owner'",
    "FROM users WHERE home_merchant = $1 AND (closed_at IS NULL OR name <> '-' OR login NOT LIKE 'closed-%')",
    "FROM notification_addresses WHERE merchant_id = $1",
    "FROM verifications WHERE merchant_id = $1 AND (octet_length(subject_sealed) > 0 OR state = 'submitted')",
    "FROM verification_pictures WHERE merchant_id = $1 AND octet_length(picture_sealed) > 0",
];

async fn left(sql: &RawSql, merchant: MerchantId) -> Vec<i64> {
    let mut left = Vec::new();
    for what in GONE {
        left.push(sql.count(&format!("SELECT count(*) {what}"), &[&merchant.as_uuid()]).await.unwrap());
    }
    left
}

#[tokio::test]
async fn a_merchant_ends_after_its_days_of_grace_and_one_that_was_reopened_goes_on() {
    let site = TestSite::start().await;
    let sql = site.world.sql_as_superuser().await;
    let (owner, other) = (Browser::arranged(&site).await, Browser::arranged(&site).await);
    let (shop, _mall) = owner.sandbox_shop().await;
    let token = fill(&site, &sql, &owner).await;
    let token = ApiClient::new(&site, &token);
    token.get("/shops").await.ok();
    let (kept, _mall) = other.sandbox_shop().await;
    let (ended, open) = (merchant_of(&sql, &owner).await, merchant_of(&sql, &other).await);
    other.proves().await;
    for browser in [&owner, &other] {
        assert_eq!(browser.does("/console/merchant/close", &[]).await, "/console/merchant");
    }
    other.does("/console/merchant/reopen", &[]).await;
    let planned = "SELECT count(*) FROM jobs j JOIN merchants m ON m.id = j.merchant_id
         WHERE j.name = 'end_merchant.v1' AND j.merchant_id = $1 AND j.due_at > m.closes_at";
    assert_eq!(sql.count(planned, &[&ended.as_uuid()]).await.unwrap(), 1);
    let before = left(&sql, ended).await;
    assert!(
        before.iter().filter(|count| **count > 0).count() >= GONE.len() - 1,
        "there is something to go: {before:?}"
    );
    // As if somebody asked too early.
    let engine = &site.world.engine;
    let asked = end_merchant::run(engine, &engine.ctx("jobs", ended)).await.unwrap();
    assert!(matches!(asked, Ending::Later(_)), "{asked:?}");
    assert_eq!(left(&sql, ended).await, before);

    let stock = "SELECT count(*) FROM card_ledger WHERE merchant_id = $1";
    let ledger = sql.count(stock, &[&ended.as_uuid()]).await.unwrap();
    sql.execute("UPDATE merchants SET closes_at = now() - interval '1 day' WHERE closes_at IS NOT NULL", &[])
        .await
        .unwrap();
    for (merchant, ends) in [(ended, true), (open, false)] {
        let ending = end_merchant::run(engine, &engine.ctx("jobs", merchant)).await.unwrap();
        assert_eq!(matches!(ending, Ending::Ended(_)), ends, "{ending:?}");
    }
    let over = "SELECT count(*) FROM merchants WHERE ended_at IS NOT NULL AND id = $1";
    assert_eq!(sql.count(over, &[&ended.as_uuid()]).await.unwrap(), 1);
    assert_eq!(left(&sql, ended).await, vec![0; GONE.len()]);
    assert!(ledger > 0, "there is a ledger");
    assert_eq!(sql.count(stock, &[&ended.as_uuid()]).await.unwrap(), ledger, "what was booked stays");

    // Nobody comes in any more, and nobody can think better of it.
    assert_eq!(owner.get("/console").await.to(), "/account/merchants");
    assert_ne!(owner.get(&format!("/console/shops/{shop}")).await.status, 200);
    assert_eq!(token.get("/shops").await.status, 401);
    let back = sql.execute("UPDATE merchants SET closes_at = NULL WHERE id = $1", &[&ended.as_uuid()]).await;
    assert_eq!(kamiflow_test_support::refused_by(back), "merchants_ended_was_closed");
    // Once, whoever asks again.
    assert_eq!(end_merchant::run(engine, &engine.ctx("jobs", ended)).await.unwrap(), Ending::Nothing);
    let acts = "SELECT count(*) FROM audit_log WHERE merchant_id = $1 AND action = 'merchant.end'";
    assert_eq!(sql.count(acts, &[&ended.as_uuid()]).await.unwrap(), 1);

    // Who was reopened in time has lost nothing; and the keys that were given up are anybody's who holds them.
    assert_eq!(sql.count(over, &[&open.as_uuid()]).await.unwrap(), 0);
    assert_eq!(sql.count(acts, &[&open.as_uuid()]).await.unwrap(), 0);
    assert!(!other.sees(&format!("/console/shops/{kept}")).await.contains("已断开。"));
    other.proves().await;
    let pair = [("client_id", "own-client-0001"), ("client_secret", "own-secret-0001"), ("app_type", "")];
    assert!(other.does("/console/shops/keys", &pair).await.starts_with("/console/shops/authorize?"));
    drop((token, owner, other));
    site.stop().await;
}
