//! Signing up, logging in and out, over HTTP and without scripts: what a browser sends is sent here.

use kamiflow_test_support::accounts::{PASSWORD, token_in};
use kamiflow_test_support::{Browser, TestSite};
use reqwest::Method;

const EMAIL: &str = "owner@example.com";

#[tokio::test]
async fn somebody_signs_up_makes_a_sandbox_shop_and_its_first_order_is_delivered() {
    let mut site = TestSite::start().await;
    site.work();
    let browser = Browser::new(&site);
    let sent = browser.send("/sign-up", &[("email", EMAIL), ("password", PASSWORD), ("merchant", "测试商家")]).await;
    assert_eq!(sent.to(), "/sign-up/sent");
    assert!(browser.open("/sign-up/sent").await.contains(EMAIL), "the page says where the mail went");

    let token = token_in(&site.mailbox.take(EMAIL).await);
    let confirmed = browser.send("/confirm", &[("token", token.expose())]).await;
    assert_eq!(confirmed.to(), "/log-in");
    let page = browser.open("/log-in").await;
    assert!(page.contains(&format!("value=\"{EMAIL}\"")), "the address is filled in: {page}");

    let entered = browser.send("/log-in", &[("login", EMAIL), ("password", PASSWORD)]).await;
    assert_eq!(entered.to(), "/console");
    assert!(browser.open("/console").await.contains("action=\"/console/shops/sandbox\""));

    let made = browser.send("/console/shops/sandbox", &[]).await;
    assert_eq!(made.to(), "/console");
    let page = browser.open("/console").await;
    let (_, rest) = page.split_once("action=\"/console/shops/").unwrap();
    let shop = rest.split('/').next().unwrap();
    let bought = browser.send(&format!("/console/shops/{shop}/buyer"), &[]).await;
    let (_, order) = bought.to().rsplit_once('/').unwrap();
    let sql = site.world.sql_as_superuser().await;
    site.world.until_as(&sql, "SELECT count(*) FROM orders WHERE state = 'delivered'", 1).await;
    assert_eq!(site.world.vouchers_sent().await.get(order).map(Vec::len), Some(1));
    site.stop().await;
}

#[tokio::test]
async fn whoever_has_no_session_is_sent_to_the_log_in_and_comes_back() {
    let site = TestSite::start().await;
    let browser = Browser::new(&site);
    let answer = browser.get("/console").await;
    assert_eq!((answer.status, answer.to()), (303, "/log-in?next=%2Fconsole"));
    let owner = site.owner(EMAIL).await;
    let entered =
        browser.send("/log-in", &[("login", &owner.email), ("password", PASSWORD), ("next", "/account/sudo")]).await;
    assert_eq!(entered.to(), "/account/sudo");
    for elsewhere in ["https://evil.example", "//evil.example", "/\\evil.example"] {
        let browser = Browser::new(&site);
        let form = [("login", owner.email.as_str()), ("password", PASSWORD), ("next", elsewhere)];
        assert_eq!(browser.send("/log-in", &form).await.to(), "/console", "{elsewhere}");
    }
    site.stop().await;
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_address_are_one_answer() {
    let site = TestSite::start().await;
    let owner = site.owner(EMAIL).await;
    let mut pages = Vec::new();
    for (login, password) in [(owner.email.as_str(), "not the password"), ("nobody@example.com", PASSWORD)] {
        let browser = Browser::new(&site);
        let answer = browser.send("/log-in", &[("login", login), ("password", password)]).await;
        assert_eq!((answer.status, answer.to()), (303, "/log-in"));
        let page = browser.open("/log-in").await;
        assert!(page.contains("role=\"alert\""), "the page says what is wrong");
        pages.push(page.replace(login, "").split("req_").next().unwrap().len());
        assert_eq!(browser.get("/console").await.status, 303, "nobody is logged in");
    }
    assert_eq!(pages[0], pages[1]);
    site.stop().await;
}

#[tokio::test]
async fn logging_out_ends_the_session_on_the_server_too() {
    let site = TestSite::start().await;
    let owner = site.owner(EMAIL).await;
    let browser = Browser::new(&site);
    browser.log_in(&owner.email).await;
    let copied = browser.cookies();
    assert_eq!(browser.get("/console").await.status, 200);
    assert_eq!(browser.send("/log-out", &[]).await.to(), "/");
    assert_eq!(browser.get("/console").await.status, 303);
    let stolen = site.get("/console").header("cookie", copied).send().await.unwrap();
    assert_eq!(stolen.status(), 303, "the cookies of an ended session open nothing");
    site.stop().await;
}

#[tokio::test]
async fn logging_in_again_leaves_no_session_behind() {
    let site = TestSite::start().await;
    let owner = site.owner(EMAIL).await;
    let browser = Browser::new(&site);
    browser.log_in(&owner.email).await;
    let before = browser.cookies();
    browser.log_in(&owner.email).await;
    assert_eq!(browser.get("/console").await.status, 200);
    let left = site.get("/console").header("cookie", before).send().await.unwrap();
    assert_eq!(left.status(), 303, "the first session has ended");
    site.stop().await;
}

#[tokio::test]
async fn what_somebody_sees_is_kept_by_no_browser() {
    let site = TestSite::start().await;
    let owner = site.owner(EMAIL).await;
    let browser = Browser::new(&site);
    assert_eq!(browser.get("/log-in").await.cache, "private, no-cache");
    assert_eq!(browser.get("/reset?token=x").await.cache, "private, no-store", "a link's secret");
    browser.log_in(&owner.email).await;
    for page in ["/console", "/console/team", "/account/security", "/"] {
        assert_eq!(browser.get(page).await.cache, "private, no-store", "{page}");
    }
    site.stop().await;
}

#[tokio::test]
async fn a_session_goes_on_when_its_access_token_is_too_old() {
    let site = TestSite::start().await;
    let owner = site.owner(EMAIL).await;
    let browser = Browser::new(&site);
    browser.log_in(&owner.email).await;
    site.world.clock.advance(chrono::TimeDelta::minutes(11));
    let before = browser.cookies();
    assert_eq!(browser.get("/console").await.status, 200);
    assert_ne!(browser.cookies(), before, "both tokens were replaced");
    assert_eq!(browser.get("/console").await.status, 200);
    // The token before is stolen goods by now: the session ends for both.
    site.world.clock.advance(chrono::TimeDelta::minutes(11));
    assert_eq!(site.get("/console").header("cookie", before).send().await.unwrap().status(), 303);
    assert_eq!(browser.get("/console").await.status, 303);
    site.stop().await;
}

#[tokio::test]
async fn a_forgotten_password_is_replaced_by_a_link_that_is_good_once() {
    let mut site = TestSite::start().await;
    let owner = site.owner(EMAIL).await;
    site.work();
    let browser = Browser::new(&site);
    browser.send("/reset-password", &[("email", EMAIL)]).await;
    let token = token_in(&site.mailbox.take(EMAIL).await);
    let short = browser.send("/reset", &[("token", token.expose()), ("password", "short")]).await;
    assert_eq!(short.to(), format!("/reset?token={}", token.expose()).as_str());
    let changed = browser.send("/reset", &[("token", token.expose()), ("password", "another long password")]).await;
    assert_eq!(changed.to(), "/log-in");
    let again = browser.send("/reset", &[("token", token.expose()), ("password", "yet another password")]).await;
    assert_ne!(again.to(), "/log-in");
    let form = [("login", owner.email.as_str()), ("password", "another long password")];
    assert_eq!(browser.send("/log-in", &form).await.to(), "/console");
    site.stop().await;
}

#[tokio::test]
async fn no_page_behind_the_log_in_is_answered_to_strangers() {
    let site = TestSite::start().await;
    for path in ["/console", "/console/orders", "/console/shops/sandbox", "/account/security", "/console/no-such-page"]
    {
        for method in [Method::GET, Method::HEAD] {
            let answer = site.request(method.clone(), path).send().await.unwrap();
            assert_eq!(answer.status(), 303, "{method} {path}");
        }
    }
    let posted = site.post("/console/shops/sandbox", "").send().await.unwrap();
    assert_eq!(posted.headers()["location"], "/log-in?next=%2Fconsole");
    site.stop().await;
}

#[tokio::test]
async fn an_address_changes_when_both_addresses_have_confirmed() {
    let mut site = TestSite::start().await;
    let owner = site.owner(EMAIL).await;
    site.work();
    let browser = Browser::new(&site);
    browser.log_in(&owner.email).await;
    let page = "/account/email";
    let asked = browser.does(page, &[("email", "new@example.com")]).await;
    assert_eq!(asked, "/account/sudo?next=%2Faccount%2Femail", "a stolen session moves no account");
    browser.proves().await;
    browser.sees(page).await;
    assert_eq!(browser.does(page, &[("email", "no address")]).await, page);
    assert!(browser.sees(page).await.contains("value=\"no address\""));
    assert_eq!(browser.does(page, &[("email", "new@example.com")]).await, "/account/security");
    for (address, leads) in [("new@example.com", "/change-email"), (EMAIL, "/log-in")] {
        let mail = loop {
            let mail = site.mailbox.take(address).await;
            if mail.text.contains("/change-email?token=") {
                break mail;
            }
        };
        let token = token_in(&mail);
        assert_eq!(browser.does("/change-email", &[("token", token.expose())]).await, leads, "{address}");
    }
    let anew = Browser::new(&site);
    assert_eq!(anew.send("/log-in", &[("login", EMAIL), ("password", PASSWORD)]).await.to(), "/log-in");
    anew.log_in("new@example.com").await;
    site.stop().await;
}
