//! Connecting a mall over HTTP: the platform's page, a link for the main account, and own keys.

use kamiflow_domain::sync;
use kamiflow_kernel::{MerchantId, ShopId};
use kamiflow_test_support::{Answer, Browser, TestSite, between};
use serde_json::json;

/// Returns the plain link to the platform's page, the one for computers.
fn link_to_platform(page: &str) -> String {
    format!("http://{}", between(page, "<a href=\"http://", "\""))
}

/// Does what the main account does on the platform's page; returns the path it is sent back to.
pub(crate) async fn agrees(site: &TestSite, link: &str, mall: i64) -> String {
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

/// Makes a link for the holder of the main account; returns the answer that shows it.
async fn link_is_made(browser: &Browser<'_>) -> Answer {
    let ways = browser.sees("/console/shops/new?sold=merchant_cards").await;
    let way = format!("/console/shops/authorize?{}", between(&ways, "href=\"/console/shops/authorize?", "\""));
    let asked = browser.sees(&way).await;
    let application = between(&asked, "name=\"application\" value=\"", "\"").to_owned();
    browser.send("/console/shops/link", &[("application", &application), ("shop", "")]).await
}

/// Begins an authorization; returns the link to the platform's page.
pub(crate) async fn begins(browser: &Browser<'_>, page: &str) -> String {
    let asked = browser.sees(page).await;
    let application = between(&asked, "name=\"application\" value=\"", "\"").to_owned();
    let shop = between(&asked, "name=\"shop\" value=\"", "\"").to_owned();
    let fields = [("application", application.as_str()), ("shop", shop.as_str())];
    let on = browser.does("/console/shops/authorize", &fields).await;
    let page = browser.sees(&on).await;
    link_to_platform(&page)
}

#[tokio::test]
async fn a_mall_is_connected_on_the_platforms_page_in_the_browser_that_began_once() {
    let mut site = TestSite::start().await;
    site.work();
    let (mall, other) = (300_000_001, 300_000_002);
    new_mall(&site, mall).await;
    new_mall(&site, other).await;
    let browser = Browser::signed_up_as(&site, "owner@example.com").await;
    assert!(browser.sees("/console/shops/new").await.contains("平台卡券"));
    let ways = browser.sees("/console/shops/new?sold=direct_charge").await;
    assert!(ways.contains("充值结果只有商家自有应用能上报") && ways.contains("不能发货"), "{ways}");
    let ways = browser.sees("/console/shops/new?sold=merchant_cards").await;
    let way = between(&ways, "href=\"/console/shops/authorize?", "\"");
    let way = format!("/console/shops/authorize?{way}");

    let link = begins(&browser, &way).await;
    let back = agrees(&site, &link, mall).await;
    let stranger = Browser::signed_up_as(&site, "stranger@example.com").await;
    let foreign = stranger.get(&back).await;
    assert_eq!(foreign.status, 409);
    assert!(foreign.body.contains("不是从这里开始的"), "{}", foreign.body);
    let nobody = Browser::new(&site).get(&back).await;
    assert_eq!(nobody.status, 409);
    assert!(nobody.body.contains("别的浏览器"), "{}", nobody.body);
    let taken = browser.get(&back).await;
    assert_eq!(taken.status, 303, "{}", taken.body);
    let result = browser.sees(taken.to()).await;
    assert!(result.contains("pdd.order.information.get") && result.contains("新店 300000001"), "{result}");
    let replayed = browser.get(&back).await;
    assert_eq!(replayed.status, 409);
    assert!(replayed.body.contains("已经用过了"), "{}", replayed.body);
    assert_eq!(browser.get("/console/shops/callback?state=x").await.status, 409);

    let shop = between(taken.to(), "/console/shops/", "/connected").to_owned();
    let shown = browser.sees(&format!("/console/shops/{shop}")).await;
    assert!(shown.contains("空跑中。") && shown.contains("host •••• ient"), "{shown}");
    assert!(browser.sees("/console/shops/tokens").await.contains(&format!("authorize?shop={shop}")));
    // Another mall's authorization is refused by name.
    let anew = begins(&browser, &format!("/console/shops/authorize?shop={shop}")).await;
    let wrong = agrees(&site, &anew, other).await;
    let refused = browser.get(&wrong).await;
    assert_eq!(refused.status, 409);
    assert!(refused.body.contains("新店 300000002") && refused.body.contains("新店 300000001"), "{}", refused.body);
    // The mall is another merchant's: who has it is asked.
    let taking = begins(&stranger, &way).await;
    let asked = agrees(&site, &taking, mall).await;
    assert!(stranger.get(&asked).await.body.contains("另一个商家"));
    // She is shown who asks, and lets the mall go only with a fresh proof; nobody else answers for her.
    let list = browser.sees("/console/shops").await;
    assert!(list.contains("「测试商家」想接入「新店 300000001」"), "{list}");
    let request = format!("/console/take-overs/take_{}", between(&list, "action=\"/console/take-overs/take_", "\""));
    stranger.proves().await;
    assert_eq!(stranger.send(&request, &[("answer", "release")]).await.status, 404);
    assert!(browser.does(&request, &[("answer", "release")]).await.starts_with("/account/sudo?next="));
    browser.proves().await;
    let question = browser.sees(&format!("/console/shops?release={}", &request["/console/take-overs/".len()..])).await;
    assert!(
        question.contains("把「新店 300000001」交给「测试商家」？") && question.contains("0 单还没发"),
        "{question}"
    );
    assert_eq!(browser.does(&request, &[("answer", "release")]).await, "/console/shops");
    assert_eq!(browser.send(&request, &[("answer", "refuse")]).await.status, 404, "answered once");
    assert!(browser.sees(&format!("/console/shops/{shop}")).await.contains("已断开。"));
    let again = begins(&stranger, &way).await;
    let taken = agrees(&site, &again, mall).await;
    assert_eq!(stranger.get(&taken).await.status, 303);
    drop((browser, stranger));
    site.stop().await;
}

#[tokio::test]
async fn the_holder_of_the_main_account_authorizes_by_a_link_without_a_log_in() {
    let mut site = TestSite::start().await;
    site.work();
    let mall = 300_000_001;
    new_mall(&site, mall).await;
    let browser = Browser::signed_up_as(&site, "owner@example.com").await;
    let unproved = link_is_made(&browser).await;
    assert!(unproved.to().starts_with("/account/sudo?next=%2Fconsole%2Fshops%2Fauthorize"), "{}", unproved.to());
    browser.proves().await;
    let made = link_is_made(&browser).await;
    assert_eq!((made.status, made.cache.as_str()), (200, "no-store"), "the link is shown once and kept nowhere");
    let link = format!("/authorize/{}", between(&made.body, "/authorize/", "</pre>"));
    assert!(!browser.cookies().contains("kamiflow_form"), "no cookie carries it");

    let holder = Browser::new(&site);
    // Chat programs open every address they carry.
    for _ in 0..2 {
        assert!(holder.sees(&link).await.contains("测试商家"));
    }
    assert_eq!(holder.get(&format!("{link}x")).await.status, 410);
    let on = holder.does(&link, &[]).await;
    let page = holder.sees(&on).await;
    let to_platform = link_to_platform(&page);
    let thief = Browser::new(&site);
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
async fn a_link_is_worth_no_more_than_the_seat_of_who_made_it() {
    let mut site = TestSite::start().await;
    site.work();
    new_mall(&site, 300_000_001).await;
    let browser = Browser::signed_up_as(&site, "owner@example.com").await;
    browser.proves().await;
    let made = link_is_made(&browser).await;
    let link = format!("/authorize/{}", between(&made.body, "/authorize/", "</pre>"));
    let holder = Browser::new(&site);
    let on = holder.does(&link, &[]).await;
    let to_platform = link_to_platform(&holder.sees(&on).await);
    let back = agrees(&site, &to_platform, 300_000_001).await;
    // An operator does not manage shops: what she made as owner is good for nothing, wherever its holder stands.
    browser.becomes("operator").await;
    assert_eq!(holder.get(&link).await.status, 410);
    holder.does(&link, &[]).await;
    assert_eq!(holder.get(&back).await.status, 409);
    browser.becomes("owner").await;
    assert!(holder.sees(&back).await.contains("授权完成"));
    drop((browser, holder));
    site.stop().await;
}

#[tokio::test]
async fn what_must_be_set_on_the_platform_is_there_to_be_copied() {
    let page = "/console/shops/new?route=own_keys";
    let mut told = Vec::new();
    for ips in ["", "192.0.2.10,2001:db8::1"] {
        let ips = ips.split_terminator(',').map(|ip| ip.parse().unwrap()).collect();
        let site = TestSite::with(|settings| settings.egress_ips = ips).await;
        let browser = Browser::arranged(&site).await;
        told.push(browser.sees(page).await);
        drop(browser);
        site.stop().await;
    }
    let copied = |page: &str| {
        let texts = page.split("<leptos-island ").filter(|island| island.contains("CopyButton"));
        texts.map(|island| between(island, "data-props=\"", "\"").replace("&quot;", "\"")).collect::<Vec<_>>()
    };
    let [unknown, known] = [copied(&told[0]), copied(&told[1])];
    assert!(told[0].contains("请向系统管理员要") && !told[1].contains("请向系统管理员要"));
    assert_eq!((unknown.len(), known.len()), (4, 5));
    let all = known.join("\n");
    for text in [
        "/console/shops/callback",
        "192.0.2.10\\n2001:db8::1",
        "订单信息查询权限包\\n售后管理权限包\\n商品查询\\n卡券商工具权限包\\n电子凭证权限包",
        "pdd.voucher.voucher.info.send",
        "pdd_trade_TradeConfirmed",
    ] {
        assert!(all.contains(text), "{text} in {all}");
    }
    assert!(!all.contains("pdd.order.information.get"), "what a package holds is applied for by the package");
}

#[tokio::test]
async fn own_keys_are_proved_before_they_are_kept() {
    let mut site = TestSite::start().await;
    site.work();
    let browser = Browser::signed_up_as(&site, "owner@example.com").await;
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
async fn the_wizard_goes_on_where_its_member_stopped_on_any_device() {
    const START: &str = "/console/shops/new";
    let mut site = TestSite::start().await;
    site.work();
    new_mall(&site, 300_000_001).await;
    let desktop = Browser::signed_up_as(&site, "owner@example.com").await;
    let colleague = Browser::signed_up_as(&site, "colleague@example.com").await;
    colleague.joins(&desktop, "admin", &[]).await;
    let phone = Browser::new(&site);
    phone.log_in("owner@example.com").await;
    assert!(!phone.sees(START).await.contains("从头开始"), "nothing was begun");

    let way = desktop.sees("/console/shops/new?sold=platform_cards").await;
    assert!(way.contains("从头开始"), "{way}");
    assert_eq!(phone.get(START).await.to(), "/console/shops/new?sold=platform_cards");
    desktop.sees("/console/shops/new?sold=platform_cards&route=own_keys").await;
    let keys = phone.get(START).await;
    assert_eq!(keys.to(), "/console/shops/new?sold=platform_cards&route=own_keys");
    let known = json!({ "client_id": "own-client-0001", "client_secret": "own-secret-0001" });
    site.world.control("POST", "/applications", &known).await;
    phone.proves().await;
    let pair = [("client_id", "own-client-0001"), ("client_secret", "own-secret-0001"), ("app_type", "")];
    let pending = phone.does("/console/shops/keys", &pair).await;
    phone.sees(&pending).await;
    assert_eq!(desktop.get(START).await.to(), pending, "proved keys wait for an authorization");
    assert!(desktop.sees(&pending).await.contains("从头开始"));
    colleague.sees(START).await;

    // Whoever begins anew does so on every device.
    assert_eq!(phone.does(START, &[]).await, START);
    desktop.sees(START).await;
    desktop.sees(&pending).await;
    let sql = site.world.sql_as_superuser().await;
    let age = async |days: i32| {
        let aged = "UPDATE wizard_places SET kept_at = now() - make_interval(days => $1)";
        assert_eq!(sql.execute(aged, &[&days]).await.unwrap(), 1);
    };
    age(31).await;
    phone.sees(START).await;
    let prune = async || sql.execute("SELECT system_prune_accounts(now(), 1000, true)", &[]).await.unwrap();
    age(28).await;
    prune().await;
    assert_eq!(phone.get(START).await.to(), pending);
    age(30).await;
    prune().await;
    phone.sees(START).await;
    assert_eq!(sql.count("SELECT count(*) FROM wizard_places", &[]).await.unwrap(), 0);

    desktop.sees(&pending).await;
    assert_eq!(phone.get(START).await.to(), pending);
    let link = begins(&desktop, &pending).await;
    let back = agrees(&site, &link, 300_000_001).await;
    assert_eq!(desktop.get(&back).await.status, 303);
    phone.sees(START).await;
    assert_eq!(sql.count("SELECT count(*) FROM wizard_places", &[]).await.unwrap(), 0);
    drop((desktop, phone, colleague));
    site.stop().await;
}

#[tokio::test]
async fn a_new_secret_is_proved_before_it_replaces_the_old_one_and_shops_go_on_with_it() {
    // Nobody works beside it: the shop is read when the test says so.
    let site = TestSite::start().await;
    let mall = 300_000_001;
    new_mall(&site, mall).await;
    let reset = async |secret: &str| {
        let keys = json!({ "client_id": "own-client-0001", "client_secret": secret });
        site.world.control("POST", "/applications", &keys).await;
    };
    reset("own-secret-0001").await;
    let browser = Browser::arranged(&site).await;
    browser.proves().await;
    let pair = [("client_id", "own-client-0001"), ("client_secret", "own-secret-0001"), ("app_type", "商家后台系统")];
    let pending = browser.does("/console/shops/keys", &pair).await;
    let link = begins(&browser, &pending).await;
    let back = agrees(&site, &link, mall).await;
    let shop = between(browser.get(&back).await.to(), "/console/shops/", "/connected").to_owned();
    let (page, keys) = (format!("/console/shops/{shop}"), format!("/console/shops/{shop}/keys"));
    let sql = site.world.sql_as_superuser().await;
    let row = sql.query("SELECT id, merchant_id FROM shops WHERE mall_id = $1", &[&mall]).await.unwrap().remove(0);
    let (id, merchant) = (ShopId::from_uuid(row.get(0)), MerchantId::from_uuid(row.get(1)));
    // Lets a buyer order, and the shop be read a while later; returns how many of its orders are known.
    let read = async || {
        site.order(mall, json!({})).await;
        site.world.time_passes(60).await;
        let _refused = sync::tick(&site.world.engine, merchant, id).await;
        sql.count("SELECT count(*) FROM orders", &[]).await.unwrap()
    };
    assert_eq!(read().await, 1);
    let shown = browser.sees(&page).await;
    for text in ["own- •••• 0001", "最近一次成功使用", "到期", &format!("href=\"{keys}\"")] {
        assert!(shown.contains(text), "{text} in {shown}");
    }
    assert!(!shown.contains("own-secret"), "{shown}");

    let kept = async || -> (String, String) {
        let row = "SELECT encode(client_secret_sealed, 'hex'), state || app_type FROM applications WHERE client_id = 'own-client-0001'";
        let row = sql.query(row, &[]).await.unwrap().remove(0);
        (row.get(0), row.get(1))
    };
    let (before, works) = kept().await;
    reset("own-secret-0002").await;
    assert_eq!(read().await, 1, "the platform takes the old one no more");
    let new = |secret: &'static str| [("client_secret", secret)];
    let unproved = Browser::new(&site);
    unproved.log_in(&browser.email).await;
    assert!(unproved.does(&keys, &new("own-secret-0002")).await.starts_with("/account/sudo?next="));
    for (wrong, told) in [("own-secret-0009", "不是一对"), ("x", "照控制台原样复制")] {
        assert_eq!(browser.does(&keys, &new(wrong)).await, keys);
        let refused = browser.sees(&keys).await;
        assert!(refused.contains(told) && !refused.contains("own-secret"), "{refused}");
    }
    assert_eq!(kept().await, (before.clone(), works.replace("active", "stopped")));

    assert_eq!(browser.does(&keys, &new("own-secret-0002")).await, page);
    assert!(browser.sees(&page).await.contains("新密钥验证通过"));
    let (after, state) = kept().await;
    assert_ne!(after, before);
    assert_eq!(state, works, "it works again, and is of the same type");
    assert_eq!(read().await, 3);
    let told = "SELECT string_agg(detail->>'secret', ', ' ORDER BY seq) FROM audit_log
         WHERE action = 'application.register' AND detail->>'client_id' = 'own-client-0001'";
    assert_eq!(sql.query(told, &[]).await.unwrap()[0].get::<_, String>(0), "new, exchanged");
    let leaked = "SELECT count(*) FROM audit_log WHERE detail::text LIKE '%own-secret%'";
    assert_eq!(sql.count(leaked, &[]).await.unwrap(), 0);
    drop((browser, unproved));
    site.stop().await;
}
