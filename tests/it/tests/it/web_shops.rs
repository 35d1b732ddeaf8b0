//! The pages about shops over HTTP: what each would send, going live, pausing, connecting, and who sees which.

use std::collections::BTreeMap;
use std::time::Duration;

use kamiflow_test_support::accounts::{PASSWORD, token_in};
use kamiflow_test_support::{RawSql, TestSite};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

/// A browser: keeps cookies, and follows nothing by itself.
struct Browser<'a> {
    site: &'a TestSite,
    cookies: BTreeMap<String, String>,
}

/// What a browser was answered.
struct Answer {
    status: u16,
    location: String,
    body: String,
}

impl<'a> Browser<'a> {
    fn new(site: &'a TestSite) -> Self {
        Self { site, cookies: BTreeMap::new() }
    }

    /// Signs somebody up and logs in.
    async fn owner(site: &'a TestSite, email: &str) -> Self {
        let mut browser = Self::new(site);
        let form = form(&[("email", email), ("password", PASSWORD), ("merchant", "测试商家")]);
        assert_eq!(browser.post("/sign-up", &form).await.location, "/sign-up/sent");
        let token = token_in(&site.mailbox.take(email).await);
        let confirmed = browser.post("/confirm", &self::form(&[("token", token.expose())])).await;
        assert_eq!(confirmed.location, "/log-in");
        browser.logs_in(email).await;
        browser
    }

    async fn logs_in(&mut self, email: &str) {
        let answer = self.post("/log-in", &form(&[("login", email), ("password", PASSWORD)])).await;
        assert_eq!(answer.status, 303, "{}", answer.body);
        assert!(self.cookies.contains_key("kf_access"), "logged in");
    }

    async fn get(&mut self, path: &str) -> Answer {
        let request = self.site.get(path);
        self.send(request).await
    }

    async fn post(&mut self, path: &str, body: &str) -> Answer {
        let request = self.site.post(path, body);
        self.send(request).await
    }

    /// Sends a form that must be taken.
    async fn does(&mut self, path: &str, fields: &[(&str, &str)]) -> String {
        let answer = self.post(path, &form(fields)).await;
        assert_eq!(answer.status, 303, "{path}: {}", answer.body);
        answer.location
    }

    /// Opens a page that must be there.
    async fn sees(&mut self, path: &str) -> String {
        let answer = self.get(path).await;
        assert_eq!(answer.status, 200, "{path} → {}: {}", answer.location, answer.body);
        assert_eq!(answer.body.matches("<h1").count(), 1, "{path} has one title");
        assert!(!answer.body.contains(" style="), "{path} has an inline style");
        answer.body
    }

    /// Proves anew who she is.
    async fn proves(&mut self) {
        self.does("/account/sudo", &[("password", PASSWORD), ("next", "/console")]).await;
    }

    async fn send(&mut self, request: RequestBuilder) -> Answer {
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let answer = request.header("cookie", cookies.join("; ")).send().await.unwrap();
        for cookie in answer.headers().get_all("set-cookie") {
            let (name, rest) = cookie.to_str().unwrap().split_once('=').unwrap();
            let value = rest.split(';').next().unwrap();
            if value.is_empty() || rest.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        let location = answer.headers().get("location").map(|path| path.to_str().unwrap().to_owned());
        let status = answer.status().as_u16();
        Answer { status, location: location.unwrap_or_default(), body: answer.text().await.unwrap() }
    }

    /// Makes a sandbox shop; returns its id and its mall's number.
    async fn sandbox_shop(&mut self) -> (String, i64) {
        self.does("/console/shops/sandbox", &[]).await;
        let list = self.sees("/console/shops").await;
        let shop = between(&list, "href=\"/console/shops/shop_", "\"");
        let shop = format!("shop_{shop}");
        let page = self.sees(&format!("/console/shops/{shop}")).await;
        (shop, between(&page, "店铺编号 ", " ").parse().unwrap())
    }
}

fn form(fields: &[(&str, &str)]) -> String {
    let mut body = reqwest::Url::parse("http://form.example").unwrap();
    body.query_pairs_mut().extend_pairs(fields);
    body.query().unwrap_or_default().to_owned()
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let (_, rest) = text.split_once(before).unwrap_or_else(|| panic!("no {before} in {text}"));
    rest.split_once(after).unwrap().0
}

/// Lets buyers order the voucher of a sandbox shop; returns the orders' numbers.
async fn order(site: &TestSite, mall: i64, more: Value) -> Vec<String> {
    let mut body = json!({ "mall_id": mall, "sku_id": mall * 1_000 + 1 });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let made = site.world.control("POST", "/orders", &body).await;
    made["order_sns"].as_array().unwrap().iter().map(|sn| sn.as_str().unwrap().to_owned()).collect()
}

/// Makes everybody a member of a role; a merchant without an owner is nothing the product permits.
async fn become_all(sql: &RawSql, role: &str) {
    sql.execute("SET session_replication_role = replica", &[]).await.unwrap();
    sql.execute("UPDATE memberships SET role = $1", &[&role]).await.unwrap();
}

/// Waits until a count that workers change is so large.
async fn until(sql: &RawSql, count: &str, wanted: i64) {
    let reached = async {
        let mut looks = tokio::time::interval(Duration::from_millis(20));
        while sql.count(count, &[]).await.unwrap() != wanted {
            looks.tick().await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(60), reached).await;
    assert!(in_time.is_ok(), "{count} is {}, never {wanted}", sql.count(count, &[]).await.unwrap());
}

#[tokio::test]
async fn a_backlog_is_not_sent_on_going_live_and_what_is_paid_afterwards_is() {
    let mut site = TestSite::start().await;
    site.work();
    let mut browser = Browser::owner(&site, "owner@example.com").await;
    let (shop, mall) = browser.sandbox_shop().await;
    let page = format!("/console/shops/{shop}");
    let trial = format!("{page}/trial");
    assert_eq!(browser.does(&trial, &[]).await, page);
    let shown = browser.sees(&page).await;
    assert!(shown.contains("已回到空跑") && shown.contains("空跑中。"), "{shown}");

    let backlog = order(&site, mall, json!({ "count": 50 })).await;
    assert_eq!(backlog.len(), 50);
    let sql = site.world.sql_as_superuser().await;
    let seen = format!(
        "SELECT count(*) FROM orders o JOIN shops s ON s.id = o.shop_id WHERE s.mall_id = {mall} AND o.state = 'seen'"
    );
    until(&sql, &seen, 50).await;
    // Times of payment have whole seconds: the backlog was paid before the second of going live.
    site.world.time_passes(5).await;
    let list = browser.sees(&trial).await;
    assert_eq!(list.matches("name=\"order\"").count(), 50, "{list}");
    assert!(list.contains("本页 50 单") && !list.contains("rel=\"next\""), "{list}");

    let live = format!("{page}/live");
    let mut fields = vec![("start", "now")];
    // A browser sends ticks whatever is chosen above them.
    fields.push(("order", &backlog[0]));
    assert!(browser.does(&live, &fields).await.starts_with("/account/sudo?next="), "going live asks for a proof");
    assert!(browser.sees(&page).await.contains("空跑中。"));
    browser.proves().await;
    assert_eq!(browser.does(&live, &fields).await, page);
    assert!(browser.sees(&page).await.contains("正式运行。"));

    let new = order(&site, mall, json!({})).await;
    let state = |state: &str| {
        format!(
            "SELECT count(*) FROM orders o JOIN shops s ON s.id = o.shop_id WHERE s.mall_id = {mall} AND o.state = '{state}'"
        )
    };
    until(&sql, &state("held_backlog"), 50).await;
    until(&sql, &seen, 0).await;
    let sent = "SELECT count(*) FROM deliveries WHERE state = 'delivered'";
    until(&sql, sent, 1).await;
    let vouchers = site.world.vouchers_sent().await;
    assert_eq!(vouchers.keys().collect::<Vec<_>>(), [&new[0]]);
    let emptied = browser.sees(&trial).await;
    assert!(emptied.contains("这家店已经正式运行"), "{emptied}");
    drop(browser);
    site.stop().await;
}

#[tokio::test]
async fn what_was_ticked_of_the_backlog_is_sent_and_the_rest_is_not() {
    let mut site = TestSite::start().await;
    site.work();
    let mut browser = Browser::owner(&site, "owner@example.com").await;
    let (shop, mall) = browser.sandbox_shop().await;
    let page = format!("/console/shops/{shop}");
    browser.does(&format!("{page}/trial"), &[]).await;
    let backlog = order(&site, mall, json!({ "count": 3 })).await;
    let sql = site.world.sql_as_superuser().await;
    until(&sql, "SELECT count(*) FROM orders WHERE state = 'seen'", 3).await;
    site.world.time_passes(5).await;
    browser.proves().await;

    let live = format!("{page}/live");
    let unknown = [("start", "backlog"), ("order", "261122-100000000000017")];
    assert_eq!(browser.does(&live, &unknown).await, format!("{page}/trial"));
    assert!(browser.sees(&format!("{page}/trial")).await.contains("勾选的订单里有的已经不能发了"));
    let ticked = [("start", "backlog"), ("order", &backlog[0]), ("order", &backlog[2])];
    assert_eq!(browser.does(&live, &ticked).await, page);
    until(&sql, "SELECT count(*) FROM deliveries WHERE state = 'delivered'", 2).await;
    until(&sql, "SELECT count(*) FROM orders WHERE state = 'held_backlog'", 1).await;
    let mut expected = vec![&backlog[0], &backlog[2]];
    expected.sort();
    assert_eq!(site.world.vouchers_sent().await.keys().collect::<Vec<_>>(), expected);
    drop(browser);
    site.stop().await;
}

#[tokio::test]
async fn a_pause_says_what_waits_and_ends_with_a_click() {
    let mut site = TestSite::start().await;
    site.work();
    let mut browser = Browser::owner(&site, "owner@example.com").await;
    let (shop, mall) = browser.sandbox_shop().await;
    let page = format!("/console/shops/{shop}");
    let pause = |reason: &'static str| [("work", "delivery"), ("reason", reason), ("hours", "4")];
    browser.does(&format!("{page}/pause"), &pause(" ")).await;
    assert!(browser.sees(&page).await.contains("请填写。"));
    browser.does(&format!("{page}/pause"), &[("work", "delivery"), ("reason", "盘点"), ("hours", "7")]).await;
    assert!(!browser.sees(&page).await.contains("发货已暂停。"));
    browser.does(&format!("{page}/pause"), &pause("盘点")).await;
    let paused = browser.sees(&page).await;
    assert!(paused.contains("发货已暂停。") && paused.contains("盘点。0 单在等"), "{paused}");

    let waiting = order(&site, mall, json!({})).await.remove(0);
    let sql = site.world.sql_as_superuser().await;
    until(&sql, "SELECT count(*) FROM deliveries WHERE state = 'pending'", 1).await;
    let paused = browser.sees(&page).await;
    assert!(paused.contains("盘点。1 单在等") && paused.contains(&waiting), "{paused}");
    browser.does(&format!("{page}/resume"), &[("work", "delivery")]).await;
    until(&sql, "SELECT count(*) FROM deliveries WHERE state = 'delivered'", 1).await;
    assert!(!browser.sees(&page).await.contains("发货已暂停。"));

    let asked = browser.sees(&format!("{page}/disconnect")).await;
    assert!(asked.contains("断开「演练店"), "{asked}");
    assert_eq!(browser.does(&format!("{page}/disconnect"), &[]).await, page);
    let gone = browser.sees(&page).await;
    assert!(gone.contains("已断开。") && !gone.contains("发货前检查"), "{gone}");
    drop(browser);
    site.stop().await;
}

/// Pages and forms of one shop, with what a form sends.
const OF_A_SHOP: &[(&str, Option<&str>)] = &[
    ("", None),
    ("/trial", None),
    ("/disconnect", None),
    ("/live", Some("start=now")),
    ("/trial", Some("")),
    ("/pause", Some("work=both&reason=x&hours=")),
    ("/resume", Some("work=both")),
    ("/buyer", Some("")),
    ("/disconnect", Some("")),
];

#[tokio::test]
async fn a_shop_is_there_for_its_merchant_and_its_acts_for_who_may() {
    let mut site = TestSite::start().await;
    site.work();
    let mut owner = Browser::owner(&site, "owner@example.com").await;
    let (shop, _mall) = owner.sandbox_shop().await;
    let mut stranger = Browser::owner(&site, "stranger@example.com").await;
    stranger.proves().await;
    for (rest, body) in OF_A_SHOP {
        let path = format!("/console/shops/{shop}{rest}");
        let answer = match body {
            Some(body) => stranger.post(&path, body).await,
            None => stranger.get(&path).await,
        };
        assert_eq!(answer.status, 404, "{path} {body:?}");
    }
    assert_eq!(stranger.get("/console/shops/shop_nonsense").await.status, 404);
    assert!(stranger.sees("/console/shops").await.contains("还没有店铺"));

    owner.proves().await;
    let sql = site.world.sql_as_superuser().await;
    become_all(&sql, "viewer").await;
    let seen = owner.sees(&format!("/console/shops/{shop}")).await;
    assert!(seen.contains("发货前检查") && !seen.contains("/pause\"") && !seen.contains("断开店铺"), "{seen}");
    for (rest, body) in OF_A_SHOP.iter().filter(|(rest, body)| body.is_some() || *rest == "/disconnect") {
        let path = format!("/console/shops/{shop}{rest}");
        let answer = match body {
            Some(body) => owner.post(&path, body).await,
            None => owner.get(&path).await,
        };
        assert_eq!(answer.status, 403, "{path} {body:?}");
    }
    let visitor = site.request(Method::GET, &format!("/console/shops/{shop}")).send().await.unwrap();
    assert_eq!(visitor.status(), 303, "nobody is logged in");
    drop((owner, stranger));
    site.stop().await;
}

/// Returns the plain link to the platform's page, the one for computers.
fn link_to_platform(page: &str) -> String {
    format!("http://{}", between(page, "<a href=\"http://", "\""))
}

/// Does what the main account does on the platform's page; returns the path it is sent back to.
async fn agrees(site: &TestSite, link: &str, mall: i64) -> String {
    let link = reqwest::Url::parse(&link.replace("&amp;", "&")).unwrap();
    let mut form = link.clone();
    form.query_pairs_mut().append_pair("mall_id", &mall.to_string());
    let page = reqwest::get(link.clone()).await.unwrap();
    assert_eq!(page.status(), 200);
    assert!(page.text().await.unwrap().contains("同意授权"), "the platform asks");
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let (path, body) = (link.path().to_owned(), form.query().unwrap().to_owned());
    let request = client.post(link.join(&path).unwrap()).header("content-type", "application/x-www-form-urlencoded");
    let answer = request.body(body).send().await.unwrap();
    assert_eq!(answer.status(), 302, "{}", answer.text().await.unwrap());
    let back = reqwest::Url::parse(answer.headers()["location"].to_str().unwrap()).unwrap();
    assert_eq!(back.port(), reqwest::Url::parse(&site.base).unwrap().port());
    format!("{}?{}", back.path(), back.query().unwrap())
}

/// Makes a mall on the platform that nobody has connected.
async fn new_mall(site: &TestSite, mall: i64) {
    let goods = json!([{ "goods_id": mall * 100 + 1, "name": "会员月卡", "goods_type": 1, "delivery_type": 0,
        "skus": [{ "sku_id": mall * 1_000 + 1, "spec": "标准", "price_fen": 990 }] }]);
    let body = json!({ "mall_id": mall, "name": format!("新店 {mall}"), "goods": goods });
    site.world.control("POST", "/malls", &body).await;
}

impl Browser<'_> {
    /// Begins an authorization; returns the link to the platform's page.
    async fn begins(&mut self, page: &str) -> String {
        let asked = self.sees(page).await;
        let application = between(&asked, "name=\"application\" value=\"", "\"").to_owned();
        let shop = between(&asked, "name=\"shop\" value=\"", "\"").to_owned();
        let fields = [("application", application.as_str()), ("shop", shop.as_str())];
        let on = self.does("/console/shops/authorize", &fields).await;
        let page = self.sees(&on).await;
        link_to_platform(&page)
    }
}

#[tokio::test]
async fn a_mall_is_connected_on_the_platforms_page_in_the_browser_that_began_once() {
    let mut site = TestSite::start().await;
    site.work();
    let (mall, other) = (300_000_001, 300_000_002);
    new_mall(&site, mall).await;
    new_mall(&site, other).await;
    let mut browser = Browser::owner(&site, "owner@example.com").await;
    assert!(browser.sees("/console/shops/new").await.contains("平台卡券"));
    let ways = browser.sees("/console/shops/new?sold=direct_charge").await;
    assert!(ways.contains("充值结果只有商家自有应用能上报") && ways.contains("不能发货"), "{ways}");
    let ways = browser.sees("/console/shops/new?sold=merchant_cards").await;
    let way = between(&ways, "href=\"/console/shops/authorize?", "\"");
    let way = format!("/console/shops/authorize?{way}");

    let link = browser.begins(&way).await;
    let back = agrees(&site, &link, mall).await;
    let mut stranger = Browser::owner(&site, "stranger@example.com").await;
    let foreign = stranger.get(&back).await;
    assert_eq!(foreign.status, 409);
    assert!(foreign.body.contains("不是从这里开始的"), "{}", foreign.body);
    let nobody = Browser::new(&site).get(&back).await;
    assert_eq!(nobody.status, 409);
    assert!(nobody.body.contains("别的浏览器"), "{}", nobody.body);
    let taken = browser.get(&back).await;
    assert_eq!(taken.status, 303, "{}", taken.body);
    let result = browser.sees(&taken.location).await;
    assert!(result.contains("pdd.order.information.get") && result.contains("新店 300000001"), "{result}");
    let replayed = browser.get(&back).await;
    assert_eq!(replayed.status, 409);
    assert!(replayed.body.contains("已经用过了"), "{}", replayed.body);
    assert_eq!(browser.get("/console/shops/callback?state=x").await.status, 409);

    let shop = between(&taken.location, "/console/shops/", "/connected").to_owned();
    let shown = browser.sees(&format!("/console/shops/{shop}")).await;
    assert!(shown.contains("空跑中。") && shown.contains("host •••• ient"), "{shown}");
    assert!(browser.sees("/console/shops/tokens").await.contains(&format!("authorize?shop={shop}")));
    // Another mall's authorization is refused by name.
    let anew = browser.begins(&format!("/console/shops/authorize?shop={shop}")).await;
    let wrong = agrees(&site, &anew, other).await;
    let refused = browser.get(&wrong).await;
    assert_eq!(refused.status, 409);
    assert!(refused.body.contains("新店 300000002") && refused.body.contains("新店 300000001"), "{}", refused.body);
    // The mall is another merchant's: who has it is asked.
    let taking = stranger.begins(&way).await;
    let asked = agrees(&site, &taking, mall).await;
    assert!(stranger.get(&asked).await.body.contains("另一个商家"));
    drop((browser, stranger));
    site.stop().await;
}

#[tokio::test]
async fn the_holder_of_the_main_account_authorizes_by_a_link_without_a_log_in() {
    let mut site = TestSite::start().await;
    site.work();
    let mall = 300_000_001;
    new_mall(&site, mall).await;
    let mut browser = Browser::owner(&site, "owner@example.com").await;
    let ways = browser.sees("/console/shops/new?sold=merchant_cards").await;
    let way = format!("/console/shops/authorize?{}", between(&ways, "href=\"/console/shops/authorize?", "\""));
    let asked = browser.sees(&way).await;
    let application = between(&asked, "name=\"application\" value=\"", "\"").to_owned();
    let on = browser.does("/console/shops/link", &[("application", &application), ("shop", "")]).await;
    let made = browser.sees(&on).await;
    let link = format!("/authorize/{}", between(&made, "/authorize/", "</code>"));

    let mut holder = Browser::new(&site);
    // Chat programs open every address they carry.
    for _ in 0..2 {
        assert!(holder.sees(&link).await.contains("测试商家"));
    }
    assert_eq!(holder.get(&format!("{link}x")).await.status, 410);
    let on = holder.does(&link, &[]).await;
    let page = holder.sees(&on).await;
    let to_platform = link_to_platform(&page);
    let mut thief = Browser::new(&site);
    thief.does(&link, &[]).await;
    assert!(thief.sees(&link).await.contains("已经在另一个浏览器里用了"));
    let back = agrees(&site, &to_platform, mall).await;
    assert_eq!(thief.get(&back).await.status, 409);
    assert!(holder.sees(&back).await.contains("授权完成"));
    assert_eq!(holder.get(&link).await.status, 410, "a link is good once");
    assert!(browser.sees("/console/shops").await.contains("新店 300000001"));
    drop((browser, holder, thief));
    site.stop().await;
}

#[tokio::test]
async fn own_keys_are_proved_before_they_are_kept() {
    let mut site = TestSite::start().await;
    site.work();
    let mut browser = Browser::owner(&site, "owner@example.com").await;
    let keys = |secret: &'static str| [("client_id", "own-client-0001"), ("client_secret", secret), ("app_type", "")];
    let page = "/console/shops/new?route=own_keys";
    assert!(browser.sees(page).await.contains("/console/shops/callback"), "what must be set on the platform");
    assert!(browser.does("/console/shops/keys", &keys("own-secret-0001")).await.starts_with("/account/sudo"));
    browser.proves().await;
    assert_eq!(browser.does("/console/shops/keys", &keys("own-secret-0001")).await, page);
    assert!(browser.sees(page).await.contains("平台不认识这个 client_id"));
    let known = json!({ "client_id": "own-client-0001", "client_secret": "own-secret-0001" });
    site.world.control("POST", "/applications", &known).await;
    browser.does("/console/shops/keys", &keys("another-secret")).await;
    let refused = browser.sees(page).await;
    assert!(refused.contains("不是一对") && !refused.contains("another-secret"), "{refused}");
    let on = browser.does("/console/shops/keys", &keys("own-secret-0001")).await;
    assert!(on.starts_with("/console/shops/authorize?application=app_"), "{on}");
    assert!(browser.sees(&on).await.contains("密钥验证通过"));
    assert!(browser.sees(page).await.contains("own- •••• 0001"));
    drop(browser);
    site.stop().await;
}

#[tokio::test]
async fn an_expired_authorization_is_told_on_every_page_with_what_waits() {
    let mut site = TestSite::start().await;
    site.work();
    let mut browser = Browser::owner(&site, "owner@example.com").await;
    let (shop, _mall) = browser.sandbox_shop().await;
    assert!(!browser.sees("/console").await.contains("店铺授权已过期。"));
    let sql = site.world.sql_as_superuser().await;
    let id = shop.trim_start_matches("shop_");
    let dead = "UPDATE credentials SET dead_reason = 'expired' WHERE replace(shop_id::text, '-', '') = $1";
    assert_eq!(sql.execute(dead, &[&id]).await.unwrap(), 1);
    let told = browser.sees("/console").await;
    assert!(told.contains("店铺授权已过期。") && told.contains("0 单在等"), "{told}");
    let list = browser.sees("/console/shops/tokens").await;
    assert!(list.contains("已过期") && list.contains(&format!("authorize?shop={shop}")), "{list}");
    drop(browser);
    site.stop().await;
}

/// Returns a picture such as a camera takes.
fn picture() -> Vec<u8> {
    let picture = image::RgbImage::from_fn(640, 400, |x, y| image::Rgb([x.to_le_bytes()[0], y.to_le_bytes()[0], 90]));
    let mut file = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut file, image::ImageFormat::Png).unwrap();
    file.into_inner()
}

/// Writes a form with files.
fn multipart(texts: &[(&str, &str)], files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, text) in texts {
        body.extend(format!("--b\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{text}\r\n").bytes());
    }
    for (name, file) in files {
        let head = format!(
            "--b\r\ncontent-disposition: form-data; name=\"{name}\"; filename=\"a.png\"\r\ncontent-type: image/png\r\n\r\n"
        );
        body.extend(head.bytes().chain(file.iter().copied()).chain(*b"\r\n"));
    }
    body.extend(b"--b--\r\n");
    body
}

impl Browser<'_> {
    async fn submits(&mut self, texts: &[(&str, &str)], files: &[(&str, &[u8])]) -> Answer {
        let request = self.site.request(Method::POST, "/console/verification").header("origin", &self.site.base);
        let request = request.header("content-type", "multipart/form-data; boundary=b").body(multipart(texts, files));
        self.send(request).await
    }
}

#[tokio::test]
async fn an_identity_is_submitted_with_pictures_and_never_shown_again() {
    let mut site = TestSite::start().await;
    site.work();
    let mut browser = Browser::owner(&site, "owner@example.com").await;
    let page = "/console/verification";
    assert!(browser.sees(page).await.contains("还没有认证。"));
    let number = "11010519491231002X";
    let person = |number: &'static str| [("kind", "person"), ("name", "张三"), ("number", number)];
    let photo = picture();
    let large = vec![0; 5 * 1024 * 1024 + 1];
    for (texts, files, told) in [
        (person("110105194912310021"), vec![("picture1", photo.as_slice())], "不是有效的身份证号"),
        (person(number), vec![("picture1", b"".as_slice())], "请选一到两张图片"),
        (person(number), vec![("picture1", b"GIF89a".as_slice())], "不是 JPEG 或 PNG"),
        (person(number), vec![("picture1", photo.as_slice()), ("picture2", large.as_slice())], "超过 5 MB"),
    ] {
        let answer = browser.submits(&texts, &files).await;
        assert_eq!((answer.status, answer.location.as_str()), (303, page), "{told}");
        let shown = browser.sees(page).await;
        assert!(shown.contains(told) && !shown.contains("110105"), "{told}: {shown}");
    }
    let both = [("picture1", photo.as_slice()), ("picture2", photo.as_slice())];
    assert_eq!(browser.submits(&person(number), &both).await.status, 303);
    let shown = browser.sees(page).await;
    assert!(shown.contains("审核中。") && shown.contains("•••• 002X") && !shown.contains("110105"), "{shown}");
    browser.submits(&person(number), &both).await;
    assert!(browser.sees(page).await.contains("上一份还在审核"));

    let sql = site.world.sql_as_superuser().await;
    become_all(&sql, "operator").await;
    assert_eq!(browser.get(page).await.status, 403);
    assert_eq!(browser.submits(&person(number), &both).await.status, 403);
    drop(browser);
    site.stop().await;
}
