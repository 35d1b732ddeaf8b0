//! What staff do with their own accounts over HTTP: another password, their sessions, the language.

use chrono::TimeDelta;
use kamiflow_kernel::{SecretText, StaffRole};
use kamiflow_test_support::accounts::{PASSWORD, code_of};
use kamiflow_test_support::{Browser, TestSite, between};

const EMAIL: &str = "chen@operator.test";
const PAGE: &str = "/staff/account";
const HOME: &str = "/staff/verifications";
const NEW: &str = "a new and longer one";

async fn enrolled<'a>(site: &'a TestSite, email: &str) -> (Browser<'a>, SecretText) {
    let browser = Browser::new(site);
    let link = site.staff(email, "陈审核", StaffRole::Reviewer).await;
    let (seed, _codes) = browser.enrolls(&link).await;
    browser.log_in_staff(email, &seed).await;
    (browser, seed)
}

#[tokio::test]
async fn staff_change_their_password_and_all_other_devices_are_out() {
    let site = TestSite::start().await;
    let (here, seed) = enrolled(&site, EMAIL).await;
    let elsewhere = Browser::new(&site);
    elsewhere.log_in_staff(EMAIL, &seed).await;
    here.does("/staff/preferences", &[("language", "zh-CN"), ("return_to", PAGE)]).await;
    let form = format!("{PAGE}/password");
    for (present, new, said) in [
        ("not the password", NEW, "密码不对"),
        (PASSWORD, "short", "至少 10 个字符"),
        (PASSWORD, PASSWORD, "新密码和现在的一样"),
    ] {
        assert_eq!(here.does(&form, &[("present", present), ("password", new)]).await, PAGE);
        let page = here.sees(PAGE).await;
        assert!(page.contains(said), "{said}: {page}");
    }
    assert_eq!(here.does(&form, &[("present", PASSWORD), ("password", NEW)]).await, PAGE);
    assert!(here.sees(PAGE).await.contains("密码已改"));
    assert_eq!(elsewhere.get(HOME).await.to(), "/staff/log-in", "other devices are out");
    let anew = Browser::new(&site);
    assert_eq!(anew.does("/staff/log-in", &[("email", EMAIL), ("password", PASSWORD)]).await, "/staff/log-in");
    let entered = anew.does("/staff/log-in", &[("email", EMAIL), ("password", NEW)]).await;
    assert_eq!(entered, "/staff/log-in/second-step");
    site.world.clock.advance(TimeDelta::seconds(30));
    let code = code_of(&seed, site.world.engine.now());
    assert_eq!(anew.does("/staff/log-in/second-step", &[("code", code.expose())]).await, HOME);
    let sql = site.world.sql_as_superuser().await;
    let act = "SELECT count(*) FROM audit_log WHERE action = 'staff.password_change' AND ip = '127.0.0.0/24'
                  AND left(request_id, 4) = 'req_' AND detail::text NOT LIKE '%longer%'";
    assert_eq!(sql.count(act, &[]).await.unwrap(), 1);
    site.stop().await;
}

#[tokio::test]
async fn staff_see_their_sessions_and_end_one_of_their_own_only() {
    let site = TestSite::start().await;
    let (here, seed) = enrolled(&site, EMAIL).await;
    let (colleague, _seed) = enrolled(&site, "lin@operator.test").await;
    let elsewhere = Browser::new(&site);
    elsewhere.log_in_staff(EMAIL, &seed).await;
    let form = format!("{PAGE}/session");
    let page = here.sees(PAGE).await;
    assert_eq!(page.matches("name=\"session\"").count(), 1, "this one, and one to end: {page}");
    let other = between(&page, "name=\"session\" value=\"", "\"").to_owned();
    assert_eq!(colleague.send(&form, &[("session", &other)]).await.status, 404, "nobody ends a colleague's");
    assert_eq!(elsewhere.get(HOME).await.status, 200);
    assert_eq!(here.does(&form, &[("session", &other)]).await, PAGE);
    assert_eq!(elsewhere.get(HOME).await.to(), "/staff/log-in");
    assert_eq!(here.sees(PAGE).await.matches("name=\"session\"").count(), 0);
    site.stop().await;
}

#[tokio::test]
async fn staff_find_their_language_on_another_device() {
    let site = TestSite::start().await;
    let (here, seed) = enrolled(&site, EMAIL).await;
    for (language, title) in [("en", "My account"), ("zh-CN", "我的账号")] {
        let form = [("language", language), ("return_to", PAGE)];
        assert_eq!(here.does("/staff/preferences", &form).await, PAGE);
        assert!(here.sees(PAGE).await.contains(title));
        let elsewhere = Browser::new(&site);
        elsewhere.log_in_staff(EMAIL, &seed).await;
        let page = elsewhere.sees(PAGE).await;
        assert!(page.contains(title) && page.contains("action=\"/staff/preferences\""), "{page}");
    }
    let stranger = Browser::new(&site);
    let answer = stranger.send("/staff/preferences", &[("language", "en"), ("return_to", PAGE)]).await;
    assert_eq!(answer.to(), "/staff/log-in");
    site.stop().await;
}
