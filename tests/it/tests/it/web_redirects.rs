//! Nobody is sent to another site, whatever a request names as the next page.

use chrono::TimeDelta;
use kamiflow_kernel::{SecretText, StaffRole};
use kamiflow_test_support::accounts::{PASSWORD, code_of};
use kamiflow_test_support::{Browser, TestSite, between};
use reqwest::Url;

const EVIL: &str = "evil.test";
/// Ways to write another site that one parser or another takes for a path of this one.
const ELSEWHERE: [&str; 26] = [
    "https://evil.test",
    "http://evil.test/console",
    "//evil.test",
    "///evil.test",
    "////evil.test",
    "/\\evil.test",
    "\\\\evil.test",
    "\\/evil.test",
    "/\\/evil.test",
    "https:evil.test",
    "https:/evil.test",
    "https:\\\\evil.test",
    "%2f%2fevil.test",
    "/%2fevil.test",
    "/%5cevil.test",
    "\t//evil.test",
    " //evil.test",
    "/\t/evil.test",
    "/\n/evil.test",
    "/\r/evil.test",
    "/\r\nLocation: https://evil.test",
    "/\u{0}/evil.test",
    "@evil.test",
    ".evil.test",
    "/.//evil.test",
    "javascript:location='https://evil.test'",
];

/// Fails where a browser that is sent to `location` would leave the site, or where it is no plain path.
fn stays(site: &TestSite, wanted: &str, location: &str) {
    let base = Url::parse(&site.base).unwrap();
    let next = base.join(location).unwrap();
    assert_eq!(next.origin(), base.origin(), "{wanted:?} leads to {location}");
    assert!(
        location.starts_with('/') && !location.starts_with("//") && !location.contains('\\'),
        "{wanted:?}: {location}"
    );
}

/// Fails where a page leads to the other site by a link, a form or a picture.
fn names_nothing_else(wanted: &str, page: &str) {
    for attribute in ["href=\"", "action=\"", "src=\"", "formaction=\""] {
        for target in page.split(attribute).skip(1).map(|rest| rest.split('"').next().unwrap()) {
            let is_plain =
                !target.contains(EVIL) || target.starts_with("/log-in") || target.starts_with("/account/sudo");
            assert!(is_plain, "{wanted:?}: {attribute}{target}");
        }
    }
}

#[tokio::test]
async fn the_forms_of_everybody_lead_to_pages_of_this_site_only() {
    let site = TestSite::start().await;
    let owner = Browser::arranged(&site).await;
    for wanted in ELSEWHERE {
        let sent = owner.does("/preferences", &[("theme", "dark"), ("return_to", wanted)]).await;
        stays(&site, wanted, &sent);
        let form = [("login", owner.email.as_str()), ("password", PASSWORD), ("next", wanted)];
        let entered = Browser::new(&site);
        stays(&site, wanted, &entered.does("/log-in", &form).await);
        let sent = entered.does("/account/sudo", &[("password", PASSWORD), ("next", wanted)]).await;
        stays(&site, wanted, &sent);
        let query = Url::parse_with_params("http://x/", &[("next", wanted), ("return_to", wanted)]).unwrap();
        let query = query.query().unwrap();
        names_nothing_else(wanted, &owner.sees(&format!("/account/sudo?{query}")).await);
        names_nothing_else(wanted, &Browser::new(&site).sees(&format!("/log-in?{query}")).await);
        names_nothing_else(wanted, &owner.sees(&format!("/pricing?{query}")).await);
    }
    // What it asked for in earnest is where it arrives, or nothing was tried above.
    let form = [("login", owner.email.as_str()), ("password", PASSWORD), ("next", "/console/orders")];
    assert_eq!(Browser::new(&site).does("/log-in", &form).await, "/console/orders");
    drop(owner);
    site.stop().await;
}

#[tokio::test]
async fn a_refused_form_takes_its_next_page_along_and_still_stays() {
    let site = TestSite::start().await;
    let owner = Browser::arranged(&site).await;
    for wanted in ["//evil.test", "/\\evil.test", "https://evil.test/console"] {
        // Elsewhere each time: who is wrong too often is slowed down.
        site.world.clock.advance(TimeDelta::hours(2));
        let stranger = Browser::new(&site);
        let refused = [("login", "nobody@shop.test"), ("password", "wrong password"), ("next", wanted)];
        stays(&site, wanted, &stranger.does("/log-in", &refused).await);
        let page = stranger.sees("/log-in").await;
        names_nothing_else(wanted, &page);
        // The form carries it along; what comes of it is judged when somebody is logged in.
        let next = between(&page, "name=\"next\" value=\"", "\"").replace("&amp;", "&");
        let form = [("login", owner.email.as_str()), ("password", PASSWORD), ("next", next.as_str())];
        stays(&site, wanted, &stranger.does("/log-in", &form).await);
    }
    drop(owner);
    site.stop().await;
}

#[tokio::test]
async fn the_second_step_and_the_staff_stay_as_well() {
    let site = TestSite::start().await;
    let owner = Browser::arranged(&site).await;
    owner.proves().await;
    let shown = owner.send("/account/security/totp", &[]).await;
    let seed = between(between(&shown.body, "<pre", "/pre>"), ">", "<").replace('-', "");
    let seed = SecretText::new(format!("otpauth://totp/x?secret={seed}"));
    let code = || code_of(&seed, site.world.engine.now());
    owner.send("/account/security/totp/confirm", &[("code", code().expose())]).await;
    let link = site.staff("chen@operator.test", "陈审核", StaffRole::Reviewer).await;
    let staff = Browser::new(&site);
    let (staff_seed, _codes) = staff.enrolls(&link).await;
    staff.log_in_staff("chen@operator.test", &staff_seed).await;
    for wanted in ELSEWHERE {
        // A code is good once.
        site.world.clock.advance(TimeDelta::seconds(30));
        let entering = Browser::new(&site);
        let form = [("login", owner.email.as_str()), ("password", PASSWORD), ("next", wanted)];
        let step = entering.does("/log-in", &form).await;
        assert_eq!(step, "/log-in/second-step");
        names_nothing_else(wanted, &entering.sees(&step).await);
        let code = code();
        let form = [("code", code.expose()), ("next", wanted)];
        stays(&site, wanted, &entering.does("/log-in/second-step", &form).await);
        let sent = staff.does("/staff/preferences", &[("theme", "dark"), ("return_to", wanted)]).await;
        stays(&site, wanted, &sent);
    }
    drop((owner, staff));
    site.stop().await;
}

#[tokio::test]
async fn an_address_that_looks_like_another_site_leads_nowhere_else() {
    let site = TestSite::start().await;
    let stranger = Browser::new(&site);
    for path in
        ["//evil.test", "//evil.test/", "//evil.test/..", "/%2f%2fevil.test", "/console//evil.test", "/%5cevil.test/"]
    {
        let answer = stranger.get(path).await;
        match answer.location.as_deref() {
            Some(location) => stays(&site, path, location),
            None => assert_eq!(answer.status, 404, "{path}"),
        }
        names_nothing_else(path, &answer.body);
    }
    site.stop().await;
}
