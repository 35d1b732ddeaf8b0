//! The staff's pages over HTTP: enrolling, logging in, the queue of verifications, and the wall to merchants.

use chrono::TimeDelta;
use kamiflow_domain::accounts::mailer::Mail;
use kamiflow_domain::accounts::recovery::link;
use kamiflow_domain::accounts::staff::make::{disable_staff, renew_staff};
use kamiflow_domain::ctx::{Actor, Ctx};
use kamiflow_kernel::{MerchantId, SecretText, StaffRole};
use kamiflow_store::jobs;
use kamiflow_test_support::accounts::{Owner, PASSWORD, code_of, token_in};
use kamiflow_test_support::{Browser, TestSite, between};

use crate::web_verification::{picture, submits};

const REVIEWER: &str = "chen@operator.test";
const SECOND: &str = "lin@operator.test";
pub(crate) const OWNER: &str = "owner@example.com";
pub(crate) const PAGE: &str = "/console/verification";
const QUEUE: &str = "/staff/verifications";

/// Takes mails to an address until one says something.
pub(crate) async fn mail(site: &TestSite, address: &str, says: &str) -> Mail {
    loop {
        let mail = site.mailbox.take(address).await;
        if mail.subject.contains(says) || mail.text.contains(says) {
            return mail;
        }
    }
}

/// Logs a new reviewer in.
pub(crate) async fn reviewer<'a>(site: &'a TestSite, email: &str, name: &str) -> Browser<'a> {
    let browser = Browser::new(site);
    let link = site.staff(email, name, StaffRole::Reviewer).await;
    let (seed, _codes) = browser.enrolls(&link).await;
    browser.log_in_staff(email, &seed).await;
    browser
}

/// Signs an owner up and logs her in, without workers.
pub(crate) async fn merchant(site: &TestSite) -> (Owner, Browser<'_>) {
    let owner = site.owner(OWNER).await;
    let browser = Browser::new(site);
    browser.log_in(OWNER).await;
    browser.does("/preferences", &[("language", "zh-CN")]).await;
    browser.proves().await;
    (owner, browser)
}

/// Sends a person's identity with two pictures.
pub(crate) async fn submits_identity(browser: &Browser<'_>) {
    let photo = picture();
    let texts = [("kind", "person"), ("name", "张三"), ("number", "11010519491231002X")];
    let answer = submits(browser, &texts, &[("picture1", &photo), ("picture2", &photo)]).await;
    assert_eq!((answer.status, answer.to()), (303, PAGE));
    assert!(browser.sees(PAGE).await.contains("审核中。"));
}

/// Returns the path of the only case that waits.
pub(crate) async fn only_case(browser: &Browser<'_>) -> String {
    let list = browser.sees(QUEUE).await;
    assert_eq!(list.matches("/staff/verifications/mer_").count(), 1, "{list}");
    format!("/staff/verifications/mer_{}", between(&list, "/staff/verifications/mer_", "\""))
}

/// Makes a shop in trial run that stands on the real platform, which tests cannot reach.
pub(crate) async fn production_shop(site: &TestSite, browser: &Browser<'_>) -> String {
    let (shop, mall) = browser.sandbox_shop().await;
    let move_over = format!(
        "SET LOCAL session_replication_role = replica;
         UPDATE shops SET gateway = 'production', state = 'trial_run' WHERE mall_id = {mall};
         UPDATE card_pools SET gateway = 'production'"
    );
    site.world.sql_as_superuser().await.transaction(&move_over).await.unwrap();
    browser.does("/console/mode", &[("mode", "live")]).await;
    format!("/console/shops/{shop}")
}

#[tokio::test]
async fn a_verification_is_rejected_submitted_anew_and_approved_and_then_the_merchant_goes_live() {
    let site = TestSite::start().await;
    let (owner, her) = merchant(&site).await;
    let shop_page = production_shop(&site, &her).await;
    let live = format!("{shop_page}/live");
    her.proves().await;
    submits_identity(&her).await;
    let trial_page = format!("{shop_page}/trial");
    assert_eq!(her.does(&live, &[("start", "now")]).await, trial_page);
    assert!(her.sees(&trial_page).await.contains("实名认证还没通过"));

    let staff = reviewer(&site, REVIEWER, "陈审核").await;
    let case = only_case(&staff).await;
    let closed = staff.sees(&case).await;
    assert!(!closed.contains("张三") && !closed.contains("19491231"), "nothing is shown before the case is taken");
    assert_eq!(staff.get(&format!("{case}/pictures/1")).await.status, 404);
    assert_eq!(staff.does(&format!("{case}/claim"), &[]).await, case);
    let opened = staff.get(&case).await;
    assert_eq!(opened.cache, "private, no-store");
    for shown in ["张三", "11010519491231002X", "1949-12-31", "1 个商家", "校验位正确"] {
        assert!(opened.body.contains(shown), "{shown}: {}", opened.body);
    }
    assert!(!opened.body.contains("<img"), "no picture is looked at by opening the page");
    assert!(her.sees(PAGE).await.contains("还没有人看过"));
    let source = format!("{case}/pictures/2");
    let looking = staff.sees(&format!("{case}?picture=2")).await;
    assert!(looking.contains("<img ") && looking.contains(&format!("src=\"{source}\"")), "{looking}");
    let seen = staff.get(&source).await;
    assert_eq!((seen.status, seen.cache.as_str()), (200, "no-store"));
    let looks = her.sees(PAGE).await;
    assert!(looks.contains("陈审核 看了第 2 张"), "{looks}");

    let decision = format!("{case}/decision");
    assert_eq!(staff.does(&decision, &[("decision", "reject"), ("preset", ""), ("reason", " ")]).await, case);
    assert!(staff.sees(&case).await.contains("写明商家要改什么"));
    let why = [("decision", "reject"), ("preset", "图片不清晰。"), ("reason", "请重拍国徽面")];
    assert_eq!(staff.does(&decision, &why).await, QUEUE);
    assert!(staff.sees(QUEUE).await.contains("没有待审核的案件"));
    assert!(staff.sees(&format!("{QUEUE}?show=decided")).await.contains("图片不清晰。 请重拍国徽面"));
    site.send_mails(owner.merchant).await;
    let mail_of_rejection = mail(&site, OWNER, "实名认证未通过").await;
    assert!(mail_of_rejection.text.contains("请重拍国徽面"), "{}", mail_of_rejection.text);
    assert!(her.sees(PAGE).await.contains("没有通过。"));
    assert_eq!(her.does(&live, &[("start", "now")]).await, trial_page);
    assert!(her.sees(&trial_page).await.contains("实名认证还没通过"));

    submits_identity(&her).await;
    let case = only_case(&staff).await;
    staff.does(&format!("{case}/claim"), &[]).await;
    assert_eq!(staff.does(&format!("{case}/decision"), &[("decision", "approve")]).await, QUEUE);
    site.send_mails(owner.merchant).await;
    mail(&site, OWNER, "实名认证已通过").await;
    assert_eq!(her.does(&live, &[("start", "now")]).await, shop_page);
    assert!(her.sees(&shop_page).await.contains("已正式上线"), "{}", her.sees(&shop_page).await);
    site.stop().await;
}

#[tokio::test]
async fn a_case_that_somebody_has_is_closed_to_other_reviewers_until_it_was_forgotten() {
    let site = TestSite::start().await;
    let (_owner, her) = merchant(&site).await;
    submits_identity(&her).await;
    let (first, second) = (reviewer(&site, REVIEWER, "甲").await, reviewer(&site, SECOND, "乙").await);
    let case = only_case(&first).await;
    first.does(&format!("{case}/claim"), &[]).await;
    let seen = second.sees(&case).await;
    assert!(seen.contains("甲 正在审核") && !seen.contains("张三") && !seen.contains("/claim"), "{seen}");
    assert_eq!(second.get(&format!("{case}/pictures/1")).await.status, 404);
    assert_eq!(second.does(&format!("{case}/claim"), &[]).await, case);
    assert!(second.sees(&case).await.contains("正由别人审核"));
    second.does(&format!("{case}/decision"), &[("decision", "approve")]).await;
    assert!(second.sees(&case).await.contains("先领取案件"));
    assert!(!her.sees(PAGE).await.contains("乙 看了"));
    // Forgotten, though its reviewer is still there.
    for _ in 0..3 {
        site.world.clock.advance(TimeDelta::minutes(21));
        first.open(QUEUE).await;
        second.open(QUEUE).await;
    }
    assert_eq!(second.does(&format!("{case}/claim"), &[]).await, case);
    assert!(second.sees(&case).await.contains("张三"));
    assert_eq!(first.get(&format!("{case}/pictures/1")).await.status, 404);
    // A case is found under its own merchant only.
    let id = case.rsplit('/').next().unwrap();
    let elsewhere = format!("/staff/verifications/{}/{id}", MerchantId::generate());
    assert_eq!(second.get(&elsewhere).await.status, 404);
    assert_eq!(second.send(&format!("{elsewhere}/claim"), &[]).await.status, 404);
    site.stop().await;
}

#[tokio::test]
async fn cookies_of_merchants_open_nothing_of_the_staff_and_the_other_way_round() {
    let site = TestSite::start().await;
    let (_owner, her) = merchant(&site).await;
    submits_identity(&her).await;
    let staff = reviewer(&site, REVIEWER, "甲").await;
    let case = only_case(&staff).await;
    let picture = format!("{case}/pictures/1");
    for path in ["/staff", QUEUE, &case, &picture, "/staff/no-such-page"] {
        for browser in [&her, &Browser::new(&site)] {
            let answer = browser.get(path).await;
            assert_eq!((answer.status, answer.to()), (303, "/staff/log-in"), "{path}");
        }
    }
    for path in [format!("{case}/claim"), format!("{case}/decision"), "/staff/log-out".to_owned()] {
        assert_eq!(her.send(&path, &[("decision", "approve")]).await.to(), "/staff/log-in", "{path}");
    }
    for path in ["/console", PAGE, "/account/security"] {
        assert!(staff.get(path).await.to().starts_with("/log-in?next="), "{path}");
    }
    // Under any of a session's names a token of the one kind is none of the other.
    let token = |browser: &Browser<'_>, name: &str| {
        let cookies = browser.cookies();
        between(&format!("{cookies};"), &format!("{name}="), ";").to_owned()
    };
    let (hers, staffs) = (token(&her, "kf_access"), token(&staff, "kf_staff"));
    let as_staff = site.get(QUEUE).header("cookie", format!("kf_staff={hers}")).send().await.unwrap();
    assert_eq!(as_staff.headers()["location"], "/staff/log-in");
    for name in ["kf_access", "kf_refresh"] {
        let as_merchant = site.get("/console").header("cookie", format!("{name}={staffs}")).send().await.unwrap();
        assert_eq!(as_merchant.headers()["location"], "/log-in?next=%2Fconsole", "{name}");
    }
    // Neither do addresses and challenges pass the wall.
    let form = [("login", REVIEWER), ("password", PASSWORD)];
    assert_eq!(her.send("/log-in", &form).await.to(), "/log-in");
    assert_eq!(staff.send("/staff/log-in", &[("email", OWNER), ("password", PASSWORD)]).await.to(), "/staff/log-in");
    let begun = Browser::new(&site);
    begun.does("/staff/log-in", &[("email", REVIEWER), ("password", PASSWORD)]).await;
    let challenge = token(&begun, "kf_staff_challenge");
    let crossed = site.post("/log-in/second-step", "code=123456").header("cookie", format!("kf_challenge={challenge}"));
    assert_eq!(crossed.send().await.unwrap().headers()["location"], "/log-in");
    site.stop().await;
}

#[tokio::test]
async fn staff_enroll_once_log_in_with_both_factors_and_are_out_when_they_are_idle_disabled_or_after_eight_hours() {
    let site = TestSite::start().await;
    let link = site.staff(REVIEWER, "甲", StaffRole::Reviewer).await;
    let browser = Browser::new(&site);
    let form = [("email", REVIEWER), ("password", PASSWORD)];
    assert_eq!(browser.does("/staff/log-in", &form).await, "/staff/log-in", "nobody logs in before enrolling");
    let token = link.split_once("token=").unwrap().1;
    let weak = [("token", token), ("password", "short"), ("code", "000000")];
    let short = browser.send("/staff/enroll/confirm", &weak).await;
    assert_eq!(short.to(), link.as_str());
    assert!(browser.sees(&link).await.contains("至少 10 个字符"));
    let (seed, codes) = browser.enrolls(&link).await;
    assert_eq!(codes.len(), 10);
    let again = browser.send("/staff/enroll", &[("token", token), ("password", PASSWORD)]).await;
    assert_eq!(again.to(), link.as_str(), "the link is used up");
    assert!(browser.sees(&link).await.contains("这个链接已失效"));

    // The code of the enrollment is used up as well; a recovery code will do, once.
    assert_eq!(browser.does("/staff/log-in", &form).await, "/staff/log-in/second-step");
    let used = code_of(&seed, site.world.engine.now());
    assert_eq!(
        browser.does("/staff/log-in/second-step", &[("code", used.expose())]).await,
        "/staff/log-in/second-step"
    );
    assert_eq!(browser.get(QUEUE).await.to(), "/staff/log-in");
    assert_eq!(browser.does("/staff/log-in/second-step", &[("code", &codes[0])]).await, QUEUE);
    let copied = browser.cookies();
    assert_eq!(browser.does("/staff/log-out", &[]).await, "/staff/log-in");
    let stolen = site.get(QUEUE).header("cookie", copied).send().await.unwrap();
    assert_eq!(stolen.headers()["location"], "/staff/log-in", "the session has ended on the server too");

    browser.log_in_staff(REVIEWER, &seed).await;
    site.world.clock.advance(TimeDelta::minutes(31));
    assert_eq!(browser.get(QUEUE).await.to(), "/staff/log-in", "idle for too long");
    browser.log_in_staff(REVIEWER, &seed).await;
    for _ in 0..19 {
        site.world.clock.advance(TimeDelta::minutes(25));
        browser.open(QUEUE).await;
    }
    site.world.clock.advance(TimeDelta::minutes(5));
    assert_eq!(browser.get(QUEUE).await.to(), "/staff/log-in", "eight hours are over");

    browser.log_in_staff(REVIEWER, &seed).await;
    browser.open(QUEUE).await;
    let store = &site.world.engine.store;
    let email = REVIEWER.parse().unwrap();
    disable_staff(store, &email, site.world.engine.now()).await.unwrap();
    assert_eq!(browser.get(QUEUE).await.to(), "/staff/log-in");
    assert_eq!(browser.does("/staff/log-in", &form).await, "/staff/log-in");
    let link = renew_staff(store, &email, site.world.engine.now()).await.unwrap();
    assert_eq!(browser.does("/staff/log-in", &form).await, "/staff/log-in", "both factors are chosen anew");
    site.world.clock.advance(TimeDelta::hours(24));
    let token = link.path.expose().split_once("token=").unwrap().1.to_owned();
    let late = browser.send("/staff/enroll", &[("token", &token), ("password", PASSWORD)]).await;
    assert_eq!(late.status, 303, "a link is good for a day");
    let link = renew_staff(store, &email, site.world.engine.now()).await.unwrap();
    let (seed, _codes) = browser.enrolls(link.path.expose()).await;
    browser.log_in_staff(REVIEWER, &seed).await;
    site.stop().await;
}

#[tokio::test]
async fn support_sees_no_identities() {
    let site = TestSite::start().await;
    let (_owner, her) = merchant(&site).await;
    submits_identity(&her).await;
    let reviewing = reviewer(&site, REVIEWER, "甲").await;
    let case = only_case(&reviewing).await;
    let support = Browser::new(&site);
    let link = site.staff(SECOND, "乙", StaffRole::Support).await;
    let (seed, _codes) = support.enrolls(&link).await;
    support.log_in_staff(SECOND, &seed).await;
    let queue = support.sees(QUEUE).await;
    assert!(queue.contains("你的角色看不到身份资料") && !queue.contains("mer_"), "{queue}");
    assert_eq!(support.get(&case).await.status, 403);
    assert_eq!(support.get(&format!("{case}/pictures/1")).await.status, 403);
    for act in ["claim", "decision"] {
        assert_eq!(support.send(&format!("{case}/{act}"), &[("decision", "approve")]).await.status, 403, "{act}");
    }
    site.stop().await;
}

/// Runs the jobs of recoveries that are due, as a worker does.
async fn due_links(site: &TestSite, merchant: MerchantId) {
    let engine = &site.world.engine;
    let ctx = Ctx { actor: Actor::Engine("jobs"), merchant, request_id: String::new(), now: engine.now() };
    let mut tx = engine.store.tenant_tx(merchant).await.unwrap();
    let waiting = jobs::list(&mut tx, 100).await.unwrap();
    tx.commit().await.unwrap();
    for job in waiting.into_iter().filter(|job| job.name == link::NAME && job.due_at <= engine.now()) {
        link::run(&engine.store, &ctx, serde_json::from_value(job.payload).unwrap()).await.unwrap();
    }
    site.send_mails(merchant).await;
}

/// Asks for the recovery of an owner; the answer is the same whatever is true.
async fn asks(site: &TestSite, login: &str, number: &str) -> String {
    let browser = Browser::new(site);
    let form = [("login", login), ("number", number), ("contact", "new@elsewhere.test")];
    assert_eq!(browser.does("/recover", &form).await, "/recover");
    let page = browser.sees("/recover").await;
    between(&page, "<main", "</main>").to_owned()
}

/// Has the merchant of an owner verified; returns the reviewer who did.
pub(crate) async fn verified<'a>(site: &'a TestSite, her: &Browser<'_>) -> Browser<'a> {
    let staff = reviewer(site, SECOND, "乙").await;
    submits_identity(her).await;
    let case = only_case(&staff).await;
    staff.does(&format!("{case}/claim"), &[]).await;
    assert_eq!(staff.does(&format!("{case}/decision"), &[("decision", "approve")]).await, QUEUE);
    staff
}

/// Has the same person ask for the verification of another merchant; returns the reviewer who opens it.
async fn opens_at_another_merchant(site: &TestSite) -> Browser<'_> {
    let (login, browser) = ("owner@another.test", Browser::new(site));
    site.owner(login).await;
    browser.log_in(login).await;
    browser.does("/preferences", &[("language", "zh-CN")]).await;
    browser.proves().await;
    submits_identity(&browser).await;
    let staff = reviewer(site, "third@kamiflow.test", "丙").await;
    let case = only_case(&staff).await;
    staff.does(&format!("{case}/claim"), &[]).await;
    staff
}

/// Returns the path of the request that waits.
async fn only_request(staff: &Browser<'_>) -> String {
    let list = staff.sees("/staff/recoveries").await;
    format!("/staff/recoveries/mer_{}", between(&list, "/staff/recoveries/mer_", "\""))
}

const NUMBER: &str = "11010519491231002X";

#[tokio::test]
async fn an_owner_who_lost_everything_is_in_again_after_a_review_and_three_days() {
    let site = TestSite::start().await;
    let (owner, her) = merchant(&site).await;
    let staff = reviewer(&site, REVIEWER, "甲").await;
    let knowing = verified(&site, &her).await;
    let knowing_elsewhere = opens_at_another_merchant(&site).await;

    let unknown = asks(&site, "nobody@example.com", NUMBER).await;
    let wrong = asks(&site, OWNER, "110105194912310118").await;
    assert!(staff.sees("/staff/recoveries").await.contains("没有申请"), "nothing was asked for yet");
    let right = asks(&site, OWNER, NUMBER).await;
    assert_eq!((&unknown, &wrong), (&right, &right), "the answers are one");
    asks(&site, OWNER, NUMBER).await;
    site.send_mails(owner.merchant).await;
    mail(&site, OWNER, "/recover/stop?token=").await;

    let request = only_request(&staff).await;
    let shown = staff.sees(&request).await;
    assert!(shown.contains(OWNER) && shown.contains("new@elsewhere.test") && shown.contains("证件号一致"), "{shown}");
    assert!(!shown.contains(NUMBER));
    assert_eq!(her.get(&request).await.to(), "/staff/log-in");
    let decision = format!("{request}/decision");
    for knowing in [&knowing, &knowing_elsewhere] {
        assert_eq!(knowing.does(&decision, &[("decision", "approve")]).await, request);
        let refused = knowing.sees(&request).await;
        assert!(refused.contains("请另一位审核员决定"), "who knows the number could have asked herself: {refused}");
    }
    assert_eq!(staff.does(&decision, &[("decision", "approve")]).await, "/staff/recoveries");
    let sql = site.world.sql_as_superuser().await;
    let acts = "SELECT count(*) FROM audit_log
                  WHERE actor LIKE 'staff:%' AND (ip <> '127.0.0.0/24' OR left(request_id, 4) <> 'req_')";
    assert_eq!(sql.count(acts, &[]).await.unwrap(), 0, "acts of the staff say where from and in which request");
    site.send_mails(owner.merchant).await;
    mail(&site, OWNER, "/recover/stop?token=").await;

    site.world.clock.advance(TimeDelta::hours(71));
    due_links(&site, owner.merchant).await;
    assert!(staff.get("/staff/recoveries").await.to().starts_with("/staff/log-in"));
    site.world.clock.advance(TimeDelta::hours(1));
    due_links(&site, owner.merchant).await;
    let token = token_in(&mail(&site, "new@elsewhere.test", "/recover/finish?token=").await);
    let stranger = Browser::new(&site);
    stranger.sees(&format!("/recover/finish?token={}", token.expose())).await;
    her.open("/console").await;
    let (seed, codes) = stranger.chooses("/recover/finish", token.expose()).await;
    assert_eq!(codes.len(), 10);
    assert!(her.get("/console").await.to().starts_with("/log-in"), "former sessions have ended");
    let again = stranger.send("/recover/finish", &[("token", token.expose()), ("password", PASSWORD)]).await;
    assert_eq!(again.status, 303, "the link is used up");
    site.world.clock.advance(TimeDelta::seconds(30));
    let step = stranger.does("/log-in", &[("login", OWNER), ("password", PASSWORD)]).await;
    assert_eq!(step, "/log-in/second-step");
    let code = code_of(&seed, site.world.engine.now());
    assert_eq!(stranger.does("/log-in/second-step", &[("code", code.expose())]).await, "/console");
    site.stop().await;
}

#[tokio::test]
async fn the_team_stops_a_recovery_by_a_link_of_the_request_or_of_the_approval() {
    let site = TestSite::start().await;
    let (owner, her) = merchant(&site).await;
    let staff = reviewer(&site, REVIEWER, "甲").await;
    verified(&site, &her).await;
    for of_approval in [false, true] {
        asks(&site, OWNER, NUMBER).await;
        site.send_mails(owner.merchant).await;
        let mut token = token_in(&mail(&site, OWNER, "已提交申请").await);
        let request = only_request(&staff).await;
        staff.does(&format!("{request}/decision"), &[("decision", "approve")]).await;
        site.send_mails(owner.merchant).await;
        let approved = token_in(&mail(&site, OWNER, "审核已通过").await);
        if of_approval {
            token = approved;
        }
        let stranger = Browser::new(&site);
        assert_eq!(stranger.does("/recover/stop", &[("token", token.expose())]).await, "/recover/stop");
        assert!(stranger.sees("/recover/stop").await.contains("已阻止"));
        stranger.does("/recover/stop", &[("token", token.expose())]).await;
        assert!(stranger.sees("/recover/stop").await.contains("这个链接已失效"));
        site.send_mails(owner.merchant).await;
        mail(&site, OWNER, "已被阻止").await;
        assert!(staff.sees(&request).await.contains("被团队阻止"));
        site.world.clock.advance(TimeDelta::minutes(20));
        staff.open(QUEUE).await;
    }
    site.world.clock.advance(TimeDelta::hours(100));
    due_links(&site, owner.merchant).await;
    let sql = site.world.sql_as_superuser().await;
    let sent = "SELECT count(*) FROM one_time_tokens WHERE purpose = 'recover_account'";
    assert_eq!(sql.count(sent, &[]).await.unwrap(), 0, "no link was sent");
    site.stop().await;
}

/// Lets an owner be approved, and three days go by; returns the token of the link.
async fn link_of_a_recovery(site: &TestSite, owner: &Owner, staff: &Browser<'_>) -> SecretText {
    asks(site, OWNER, NUMBER).await;
    let request = only_request(staff).await;
    staff.does(&format!("{request}/decision"), &[("decision", "approve")]).await;
    site.world.clock.advance(TimeDelta::hours(72));
    due_links(site, owner.merchant).await;
    token_in(&mail(site, "new@elsewhere.test", "/recover/finish?token=").await)
}

/// How many requests stand after an owner has asked whose approved verification was changed.
async fn asked_with(change: &str) -> i64 {
    let site = TestSite::start().await;
    let (_owner, her) = merchant(&site).await;
    verified(&site, &her).await;
    let sql = site.world.sql_as_superuser().await;
    let change = format!("SET LOCAL session_replication_role = replica; UPDATE verifications SET {change}");
    sql.transaction(&change).await.unwrap();
    asks(&site, OWNER, NUMBER).await;
    let asked = sql.count("SELECT count(*) FROM account_recoveries", &[]).await.unwrap();
    site.stop().await;
    asked
}

#[tokio::test]
async fn only_a_person_who_was_verified_herself_and_is_asked_for_nothing_again_is_recovered() {
    assert_eq!(asked_with("reason = ''").await, 1);
    for other in
        ["submitted_by = 'usr_' || repeat('0', 32)", "kind = 'company'", "asked_again = 'new_owner', renew_by = now()"]
    {
        assert_eq!(asked_with(other).await, 0, "{other}");
    }
}

#[tokio::test]
async fn a_link_of_recovery_changes_nothing_before_its_first_code_and_ends_with_the_seat_it_is_for() {
    let site = TestSite::start().await;
    let (owner, her) = merchant(&site).await;
    let staff = reviewer(&site, REVIEWER, "甲").await;
    verified(&site, &her).await;
    let token = link_of_a_recovery(&site, &owner, &staff).await;
    let stranger = Browser::new(&site);
    let seeded = stranger.send("/recover/finish", &[("token", token.expose())]).await;
    let seed = between(between(&seeded.body, "<pre", "/pre>"), ">", "<").replace('-', "");
    let again = Browser::new(&site);
    again.log_in(OWNER).await;
    assert_eq!(again.get("/console").await.status, 200, "the former password is still hers");

    let demoted = "SET LOCAL session_replication_role = replica; UPDATE memberships SET role = 'admin'";
    site.world.sql_as_superuser().await.transaction(demoted).await.unwrap();
    let code = code_of(&SecretText::new(format!("otpauth://totp/x?secret={seed}")), site.world.engine.now());
    let form = [("token", token.expose()), ("password", "another long password"), ("code", code.expose())];
    let refused = stranger.send("/recover/finish/confirm", &form).await;
    assert_eq!(refused.status, 303, "{}", refused.body);
    assert!(stranger.sees(refused.to()).await.contains("这个链接已失效"));
    let still = Browser::new(&site);
    still.log_in(OWNER).await;
    assert_eq!(still.get("/console").await.status, 200, "nothing was changed");
    site.stop().await;
}
