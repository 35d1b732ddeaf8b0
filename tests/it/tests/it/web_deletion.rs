//! Deleting an account over HTTP: what holds it up, what it takes, what it leaves.

use kamiflow_test_support::accounts::PASSWORD;
use kamiflow_test_support::{Browser, TestSite, between};

const OWNER: &str = "owner@example.com";
const PAGE: &str = "/account/delete";

async fn logged_in<'a>(site: &'a TestSite, email: &str) -> Browser<'a> {
    site.owner(email).await;
    let mut browser = Browser::new(site);
    browser.email = email.to_owned();
    browser.log_in(email).await;
    browser.does("/preferences", &[("language", "zh-CN")]).await;
    browser
}

#[tokio::test]
async fn the_only_owner_cannot_go_before_the_merchant_is_closed_or_handed_over() {
    let site = TestSite::start().await;
    let owner = logged_in(&site, OWNER).await;
    owner.does("/console/shops/sandbox", &[]).await;
    owner.proves().await;
    assert!(!owner.sees(PAGE).await.contains("正在运行"), "a sandbox shop is nothing that runs");
    let sql = site.world.sql_as_superuser().await;
    let real = "SET LOCAL session_replication_role = replica; UPDATE shops SET gateway = 'production'";
    sql.transaction(real).await.unwrap();
    let member = logged_in(&site, "member@example.com").await;
    member.joins(&owner, "viewer", &[]).await;
    owner.proves().await;
    let page = owner.sees(PAGE).await;
    for said in ["测试商家", "正在运行", "href=\"/console/team\"", "href=\"/console/merchant\""] {
        assert!(page.contains(said), "{said}: {page}");
    }
    assert!(!page.contains("action=\"/account/delete\""));
    assert_eq!(owner.does(PAGE, &[("login", OWNER)]).await, PAGE);
    assert!(owner.sees(PAGE).await.contains("还有商家只有你一位所有者"));
    assert_eq!(owner.get("/console").await.status, 200, "nothing has changed");

    // Whoever joined as an owner after the last one has gone could open the merchant again.
    owner.does("/console/team/invite", &[("email", "heir@example.com"), ("role", "owner"), ("scope", "all")]).await;
    owner.does("/console/merchant/close", &[]).await;
    owner.proves().await;
    let overview = owner.sees("/console/pauses").await;
    let everything = format!("/console/pauses/mer_{}", between(&overview, "action=\"/console/pauses/mer_", "\""));
    let everything = everything.trim_end_matches("/end");
    owner.does(&format!("{everything}/end"), &[("work", "both")]).await;
    assert!(owner.sees("/console/pauses").await.contains("商户正在关闭"), "nobody may be left to look after it");
    assert!(owner.sees(PAGE).await.contains("action=\"/account/delete\""));
    assert_eq!(owner.does(PAGE, &[("login", OWNER)]).await, "/log-in");
    let open = "SELECT count(*) FROM merchants m JOIN memberships b ON b.merchant_id = m.id
                 WHERE b.role = 'owner' AND m.closes_at IS NULL AND NOT EXISTS (
                       SELECT FROM users u WHERE u.id = b.user_id AND u.closed_at IS NULL)";
    assert_eq!(sql.count(open, &[]).await.unwrap(), 0, "no merchant that goes on is left without an owner");
    assert_eq!(member.get("/console").await.status, 200, "a merchant that closes is still there for its team");
    assert_eq!(
        sql.count("SELECT count(*) FROM invitations WHERE accepted_at IS NULL AND revoked_at IS NULL", &[])
            .await
            .unwrap(),
        0
    );
    site.stop().await;
}

#[tokio::test]
async fn a_deleted_account_is_gone_with_its_seats_and_its_address_is_free() {
    let site = TestSite::start().await;
    let (hers, member) = (logged_in(&site, OWNER).await, logged_in(&site, "member@example.com").await);
    member.joins(&hers, "admin", &[]).await;
    let phone = Browser::new(&site);
    phone.log_in("member@example.com").await;
    // What was made with the sign-up closes with its owner.
    let seats = member.sees("/account/merchants").await;
    let own = between(&seats, "name=\"merchant\" value=\"", "\"").to_owned();
    member.does("/account/merchants", &[("merchant", &own)]).await;
    member.proves().await;
    member.does("/console/merchant/close", &[]).await;

    assert_eq!(member.does(PAGE, &[("login", OWNER)]).await, PAGE);
    assert!(member.sees(PAGE).await.contains("和登录邮箱不一样"), "the address is typed once more");
    assert_eq!(member.does(PAGE, &[("login", " Member@example.com ")]).await, "/log-in");
    assert!(member.sees("/log-in").await.contains("账号已删除"));
    for browser in [&member, &phone] {
        assert_eq!(browser.get("/console").await.status, 303, "every session has ended");
    }
    let again = Browser::new(&site);
    let refused = again.does("/log-in", &[("login", "member@example.com"), ("password", PASSWORD)]).await;
    assert_eq!(refused, "/log-in");
    let team = hers.sees("/console/team").await;
    assert!(!team.contains("member@example.com"), "{team}");

    let sql = site.world.sql_as_superuser().await;
    for table in
        ["users", "sessions", "one_time_tokens", "second_factors", "recovery_codes", "known_devices", "invitations"]
    {
        let found = format!("SELECT count(*) FROM {table} t WHERE t::text LIKE '%member@example.com%'");
        assert_eq!(sql.count(&found, &[]).await.unwrap(), 0, "{table}");
    }
    let of_closed = "user_id IN (SELECT id FROM users WHERE closed_at IS NOT NULL)";
    for (table, more) in
        [("sessions", "AND (ended_at IS NULL OR user_agent <> '' OR ip_prefix <> '')"), ("known_devices", "")]
    {
        let left = format!("SELECT count(*) FROM {table} WHERE {of_closed} {more}");
        assert_eq!(sql.count(&left, &[]).await.unwrap(), 0, "{table}");
    }
    let acts = "SELECT count(*) FROM audit_log a WHERE a.action IN ('account.delete', 'team.leave')
                   AND a.actor = (SELECT 'usr_' || replace(id::text, '-', '') FROM users WHERE closed_at IS NOT NULL)";
    assert_eq!(sql.count(acts, &[]).await.unwrap(), 3, "both merchants' logs and the platform's keep the id");

    site.send_mails(kamiflow_kernel::MerchantId::PLATFORM).await;
    let goodbye = loop {
        let mail = site.mailbox.take("member@example.com").await;
        if mail.subject.contains("账号已删除") || mail.subject.contains("deleted") {
            break mail;
        }
    };
    assert!(!goodbye.text.contains("token="), "{}", goodbye.text);
    let anew = logged_in(&site, "member@example.com").await;
    assert!(anew.sees("/account/merchants").await.contains("测试商家"));
    site.stop().await;
}

#[tokio::test]
async fn a_stolen_session_and_a_sub_account_delete_nothing() {
    let site = TestSite::start().await;
    let owner = logged_in(&site, OWNER).await;
    assert_eq!(owner.does(PAGE, &[("login", OWNER)]).await, "/account/sudo?next=%2Faccount%2Fdelete");
    owner.proves().await;
    let made = owner
        .send(
            "/console/team/sub-account",
            &[("name", "kefu01"), ("display_name", "客服"), ("role", "viewer"), ("scope", "all")],
        )
        .await;
    assert_eq!(made.status, 200, "{} {}", made.to(), made.body);
    let shown = between(&made.body, "<p class=\"mono\">", "<").to_owned();
    let temporary = between(between(&made.body, "<pre", "/pre>"), ">", "<").to_owned();
    let helper = Browser::new(&site);
    helper.does("/log-in", &[("login", &shown), ("password", &temporary)]).await;
    let first = helper.sees("/account/password").await;
    assert!(first.contains("temporary") || first.contains("临时密码"), "{first}");
    assert!(!owner.sees("/account/password").await.contains("临时密码"), "nobody gave her hers");
    helper.does("/account/password", &[("present", &temporary), ("password", "a new and longer one")]).await;
    helper.does("/account/sudo", &[("password", "a new and longer one"), ("next", "/console")]).await;
    helper.does("/preferences", &[("language", "zh-CN")]).await;
    let page = helper.sees(PAGE).await;
    assert!(page.contains("子账号") && !page.contains("action=\"/account/delete\""), "{page}");
    assert_eq!(helper.does(PAGE, &[("login", &shown)]).await, PAGE);
    assert_eq!(helper.get("/console").await.status, 200);
    site.stop().await;
}
