//! Passkeys over HTTP, answered by an authenticator made of software: adding, logging in, proving anew, and what is refused.

mod authenticator;

use chrono::TimeDelta;
use kamiflow_test_support::accounts::PASSWORD;
use kamiflow_test_support::{Browser, TestSite, between};

use self::authenticator::{Authenticator, Question};

const OWNER: &str = "owner@example.com";
const SECURITY: &str = "/account/security";
const ADD: &str = "/account/security/passkey";
const SECOND_STEP: &str = "/log-in/second-step?passkey=1";
const IN_LOG_IN: &str = "/log-in/second-step/passkey";
const FOR_SUDO: &str = "/account/sudo/passkey";

/// Asks the site for a question.
async fn asked(browser: &Browser<'_>, path: &str) -> Question {
    Question::of(&browser.send(path, &[("next", "/console")]).await)
}

/// Answers a question; returns where that leads.
async fn answers(browser: &Browser<'_>, path: &str, (question, credential): (&Question, &str)) -> String {
    let form = [("token", question.token.as_str()), ("credential", credential), ("next", "/console")];
    browser.does(&format!("{path}/answer"), &form).await
}

/// Says the password; the site asks for a passkey then.
async fn half_logged_in<'a>(site: &'a TestSite, login: &str) -> Browser<'a> {
    let browser = Browser::new(site);
    assert_eq!(browser.does("/log-in", &[("login", login), ("password", PASSWORD)]).await, SECOND_STEP);
    browser
}

/// Logs an owner in and adds her first passkey; returns her browser and it.
async fn with_passkey<'a>(site: &'a TestSite, login: &str) -> (Browser<'a>, Authenticator) {
    site.owner(login).await;
    let browser = Browser::new(site);
    browser.log_in(login).await;
    browser.does("/preferences", &[("language", "zh-CN")]).await;
    let mut key = Authenticator::at(site);
    browser.proves().await;
    let question = asked(&browser, ADD).await;
    let credential = key.registers(&question);
    let form = [("token", question.token.as_str()), ("credential", &credential), ("name", "办公室电脑")];
    let codes = browser.send(&format!("{ADD}/answer"), &form).await;
    assert_eq!((codes.status, codes.cache.as_str()), (200, "no-store"), "{}", codes.to());
    assert_eq!(between(between(&codes.body, "<pre", "/pre>"), ">", "<").split_whitespace().count(), 10);
    (browser, key)
}

async fn is_in(browser: &Browser<'_>) -> bool {
    browser.get("/console").await.status == 200
}

#[tokio::test]
async fn a_passkey_is_added_finishes_a_log_in_and_proves_anew() {
    let mut site = TestSite::start().await;
    let (browser, mut key) = with_passkey(&site, OWNER).await;
    let page = browser.sees(SECURITY).await;
    assert!(page.contains("办公室电脑") && page.contains("还没用过") && page.contains("还剩 10 个恢复码"), "{page}");

    let elsewhere = half_logged_in(&site, OWNER).await;
    assert!(!is_in(&elsewhere).await, "the password alone opens nothing");
    assert!(elsewhere.sees(SECOND_STEP).await.contains("action=\"/log-in/second-step/passkey\""));
    let answer = elsewhere.send(IN_LOG_IN, &[("next", "/console")]).await;
    for part in ["<noscript>", "src=\"/assets/passkey.0123456789abcdef.js\"", "disabled"] {
        assert!(answer.body.contains(part), "{part}: {}", answer.body);
    }
    let question = Question::of(&answer);
    assert_eq!(question.keys("allowCredentials"), [key.id()]);
    let credential = key.signs(&question);
    assert_eq!(answers(&elsewhere, IN_LOG_IN, (&question, &credential)).await, "/console");
    assert!(is_in(&elsewhere).await);
    assert!(!elsewhere.sees(SECURITY).await.contains("还没用过"));

    let closed = elsewhere.does(ADD, &[]).await;
    assert!(closed.starts_with("/account/sudo?next="), "a stolen session adds none: {closed}");
    assert!(elsewhere.sees("/account/sudo?next=/console").await.contains("action=\"/account/sudo/passkey\""));
    let password = elsewhere.does("/account/sudo", &[("password", PASSWORD), ("next", "/console")]).await;
    assert!(password.starts_with("/account/sudo"), "who has a second factor proves that: {password}");
    let question = asked(&elsewhere, FOR_SUDO).await;
    let credential = key.signs(&question);
    assert_eq!(answers(&elsewhere, FOR_SUDO, (&question, &credential)).await, "/console");
    let again = asked(&elsewhere, ADD).await;
    assert_eq!(again.keys("excludeCredentials"), [key.id()], "an authenticator is added once");

    site.work();
    loop {
        let mail = site.mailbox.take(OWNER).await;
        if mail.text.contains("/account/security") {
            break;
        }
    }
    site.stop().await;
}

#[tokio::test]
async fn without_a_name_or_with_the_same_key_nothing_is_added() {
    let site = TestSite::start().await;
    let (browser, mut key) = with_passkey(&site, OWNER).await;
    let add = async |key: &mut Authenticator, name: &str| {
        let question = asked(&browser, ADD).await;
        let credential = key.registers(&question);
        let form = [("token", question.token.as_str()), ("credential", &credential), ("name", name)];
        assert_eq!(browser.does(&format!("{ADD}/answer"), &form).await, SECURITY);
        browser.sees(SECURITY).await
    };
    let mut other = Authenticator::at(&site);
    assert!(add(&mut other, " ").await.contains("名称要有 1 到 40 个字"));
    assert!(add(&mut key, "again").await.contains("已经添加过") || add(&mut key, "again").await.contains("没有通过"));
    let page = add(&mut other, "手机").await;
    assert!(page.contains("通行密钥已添加") && page.contains("手机"), "{page}");
    assert_eq!(page.matches("办公室电脑").count(), 1);
    site.stop().await;
}

#[tokio::test]
async fn an_answer_is_good_once_in_time_and_for_whom_was_asked() {
    let site = TestSite::start().await;
    let (browser, mut key) = with_passkey(&site, OWNER).await;
    let first = half_logged_in(&site, OWNER).await;
    let second = half_logged_in(&site, OWNER).await;
    let question = asked(&first, IN_LOG_IN).await;
    let credential = key.signs(&question);
    assert_eq!(answers(&second, IN_LOG_IN, (&question, &credential)).await, SECOND_STEP, "another log-in was asked");
    assert_eq!(answers(&first, IN_LOG_IN, (&question, &credential)).await, SECOND_STEP, "a question is answered once");
    let question = asked(&first, IN_LOG_IN).await;
    let credential = key.signs(&question);
    let cookies = first.cookies();
    assert_eq!(answers(&first, IN_LOG_IN, (&question, &credential)).await, "/console");
    let form = format!("token={}&credential={}", question.token, credential.replace('"', "%22"));
    let replayed = site.post(&format!("{IN_LOG_IN}/answer"), &form).header("cookie", cookies).send().await.unwrap();
    assert_eq!(replayed.headers()["location"], "/log-in", "the log-in was finished");

    let question = asked(&browser, FOR_SUDO).await;
    let credential = key.signs(&question);
    let elsewhere = answers(&first, FOR_SUDO, (&question, &credential)).await;
    assert!(elsewhere.starts_with("/account/sudo"), "another session was asked: {elsewhere}");
    let question = asked(&browser, FOR_SUDO).await;
    let credential = key.signs(&question);
    site.world.clock.advance(TimeDelta::minutes(5));
    let late = answers(&browser, FOR_SUDO, (&question, &credential)).await;
    assert!(late.starts_with("/account/sudo"), "five minutes are over: {late}");
    site.stop().await;
}

#[tokio::test]
async fn what_was_signed_on_another_site_or_by_another_key_proves_nothing() {
    let site = TestSite::start().await;
    let (browser, mut key) = with_passkey(&site, OWNER).await;
    let (_other, mut foreign) = with_passkey(&site, "other@example.com").await;
    let mut stranger = Authenticator::at(&site);
    let half = half_logged_in(&site, OWNER).await;
    for (who, signer) in [("a key of another account", &mut foreign), ("a key of nobody", &mut stranger)] {
        let question = asked(&half, IN_LOG_IN).await;
        let credential = signer.signs(&question);
        assert_eq!(answers(&half, IN_LOG_IN, (&question, &credential)).await, SECOND_STEP, "{who}");
    }
    for origin in ["https://kamiflow.evil.example", "http://localhost", "https://localhost"] {
        let own = std::mem::replace(&mut key.origin, origin.to_owned());
        let question = asked(&browser, FOR_SUDO).await;
        let credential = key.signs(&question);
        let refused = answers(&browser, FOR_SUDO, (&question, &credential)).await;
        assert!(refused.starts_with("/account/sudo"), "{origin}: {refused}");
        key.origin = own;
    }
    let question = asked(&half, IN_LOG_IN).await;
    for nonsense in ["", "{}", "not json"] {
        assert_eq!(answers(&half, IN_LOG_IN, (&question, nonsense)).await, SECOND_STEP, "{nonsense}");
    }
    assert!(!is_in(&half).await);
    site.stop().await;
}

#[tokio::test]
async fn a_removed_passkey_and_a_copied_one_are_refused() {
    let site = TestSite::start().await;
    let (browser, mut key) = with_passkey(&site, OWNER).await;
    let half = half_logged_in(&site, OWNER).await;
    // Two questions at a time: the second answer counts no further than the first.
    let (early, late) = (asked(&half, IN_LOG_IN).await, asked(&browser, FOR_SUDO).await);
    let before = key.counter;
    let credential = key.signs(&late);
    assert_eq!(answers(&browser, FOR_SUDO, (&late, &credential)).await, "/console");
    key.counter = before;
    let copied = key.signs(&early);
    assert_eq!(answers(&half, IN_LOG_IN, (&early, &copied)).await, SECOND_STEP);
    let sql = site.world.sql_as_superuser().await;
    let told = "SELECT count(*) FROM audit_log WHERE action = 'account.passkey_copied' AND merchant_id <> '00000000-0000-0000-0000-000000000000'";
    assert_eq!(sql.count(told, &[]).await.unwrap(), 1);

    key.counter = before + 5;
    let question = asked(&half, IN_LOG_IN).await;
    let page = browser.sees(SECURITY).await;
    let factor = between(&page, "/account/security?remove=", "#").to_owned();
    assert_eq!(browser.does("/account/security/factor", &[("factor", &factor)]).await, SECURITY);
    let credential = key.signs(&question);
    assert_eq!(answers(&half, IN_LOG_IN, (&question, &credential)).await, SECOND_STEP, "it was removed meanwhile");
    Browser::new(&site).log_in(OWNER).await;
    assert!(browser.sees(SECURITY).await.contains("还没有两步验证"), "recovery codes go with the last factor");
    site.stop().await;
}

#[tokio::test]
async fn an_owner_resets_the_passkeys_of_a_member() {
    let site = TestSite::start().await;
    let owner = Browser::arranged(&site).await;
    let (member, _key) = with_passkey(&site, "member@example.com").await;
    // Out of the team that was made with the account: whoever has a seat elsewhere is nobody else's to weaken.
    let sql = site.world.sql_as_superuser().await;
    sql.transaction(
        "SET LOCAL session_replication_role = replica;
         DELETE FROM memberships WHERE user_id = (SELECT id FROM users WHERE login = 'member@example.com')",
    )
    .await
    .unwrap();
    member.joins(&owner, "viewer", &[]).await;
    let team = owner.sees("/console/team").await;
    let row = team.split("member@example.com").nth(1).unwrap();
    let user = format!("usr_{}", between(row, "href=\"/console/team/usr_", "\""));
    owner.proves().await;
    owner.does("/console/team/factor", &[("user", &user)]).await;
    assert!(!is_in(&member).await, "her sessions have ended");
    member.log_in("member@example.com").await;
    site.stop().await;
}

#[tokio::test]
async fn a_site_without_a_name_offers_no_passkeys_and_codes_stay() {
    let site = TestSite::with(|settings| settings.public_url = Some("http://127.0.0.9:8080".to_owned())).await;
    let owner = site.owner(OWNER).await;
    let send = |path: &'static str, form: String, cookies: String| {
        let request = site.request(reqwest::Method::POST, path).header("host", "127.0.0.9:8080");
        let request = request.header("origin", "http://127.0.0.9:8080").header("cookie", cookies);
        request.header("content-type", "application/x-www-form-urlencoded").body(form).send()
    };
    let entered =
        send("/log-in", format!("login={}&password={}", owner.email, PASSWORD.replace(' ', "+")), String::new());
    let entered = entered.await.unwrap();
    let cookies: Vec<&str> = entered
        .headers()
        .get_all("set-cookie")
        .iter()
        .filter_map(|cookie| cookie.to_str().unwrap().split(';').next())
        .collect();
    let page = site.get(SECURITY).header("host", "127.0.0.9:8080").header("cookie", cookies.join("; "));
    let page = page.send().await.unwrap().text().await.unwrap();
    assert!(
        page.contains("action=\"/account/security/totp\"") && !page.contains("action=\"/account/security/passkey\"")
    );
    site.stop().await;
}
