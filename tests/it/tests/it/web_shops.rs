//! The pages about shops over HTTP: what each would send, going live, pausing, and who sees which.

use std::time::Duration;

use kamiflow_domain::deliver;
use kamiflow_domain::engine::{Engine, EngineConfig};
use kamiflow_domain::notices;
use kamiflow_domain::push_hint::{NoticeKind, PushNotice, push_hint};
use kamiflow_kernel::{GatewayKind, MallId, MerchantId, ShopId};
use kamiflow_test_support::{Browser, RawSql, TestSite, between};
use reqwest::Method;
use serde_json::json;

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
    let browser = Browser::signed_up_as(&site, "owner@example.com").await;
    let (shop, mall) = browser.sandbox_shop().await;
    let page = format!("/console/shops/{shop}");
    let trial = format!("{page}/trial");
    assert_eq!(browser.does(&trial, &[]).await, page);
    let shown = browser.sees(&page).await;
    assert!(shown.contains("已回到空跑") && shown.contains("空跑中。"), "{shown}");

    let backlog = site.order(mall, json!({ "count": 50 })).await;
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

    let new = site.order(mall, json!({})).await;
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
    let browser = Browser::signed_up_as(&site, "owner@example.com").await;
    let (shop, mall) = browser.sandbox_shop().await;
    let page = format!("/console/shops/{shop}");
    browser.does(&format!("{page}/trial"), &[]).await;
    let backlog = site.order(mall, json!({ "count": 3 })).await;
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
    let browser = Browser::signed_up_as(&site, "owner@example.com").await;
    let (shop, mall) = browser.sandbox_shop().await;
    let page = format!("/console/shops/{shop}");
    let pause = |reason: &'static str| [("work", "delivery"), ("reason", reason), ("hours", "4")];
    browser.does(&format!("/console/pauses/{shop}"), &pause(" ")).await;
    assert!(browser.sees(&page).await.contains("请填写。"));
    browser.does(&format!("/console/pauses/{shop}"), &[("work", "delivery"), ("reason", "盘点"), ("hours", "7")]).await;
    assert!(!browser.sees(&page).await.contains("发货已暂停。"));
    browser.does(&format!("/console/pauses/{shop}"), &pause("盘点")).await;
    let paused = browser.sees(&page).await;
    assert!(paused.contains("发货已暂停。") && paused.contains("盘点。0 单在等"), "{paused}");

    let waiting = site.order(mall, json!({})).await.remove(0);
    let sql = site.world.sql_as_superuser().await;
    until(&sql, "SELECT count(*) FROM deliveries WHERE state = 'pending'", 1).await;
    let paused = browser.sees(&page).await;
    assert!(paused.contains("盘点。1 单在等") && paused.contains(&waiting), "{paused}");
    browser.does(&format!("/console/pauses/{shop}/end"), &[("work", "delivery")]).await;
    until(&sql, "SELECT count(*) FROM deliveries WHERE state = 'delivered'", 1).await;
    assert!(!browser.sees(&page).await.contains("发货已暂停。"));

    let asked = browser.sees(&format!("{page}/disconnect")).await;
    assert!(asked.contains("断开「演练店"), "{asked}");
    let unproven = browser.does(&format!("{page}/disconnect"), &[]).await;
    assert!(unproven.starts_with("/account/sudo?next="), "{unproven}");
    browser.proves().await;
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
    ("/buyer", Some("")),
    ("/disconnect", Some("")),
];

#[tokio::test]
async fn a_shop_is_there_for_its_merchant_and_its_acts_for_who_may() {
    let mut site = TestSite::start().await;
    site.work();
    let owner = Browser::signed_up_as(&site, "owner@example.com").await;
    let (shop, _mall) = owner.sandbox_shop().await;
    let stranger = Browser::signed_up_as(&site, "stranger@example.com").await;
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
    owner.becomes("viewer").await;
    let seen = owner.sees(&format!("/console/shops/{shop}")).await;
    assert!(
        seen.contains("发货前检查") && !seen.contains("action=\"/console/pauses/") && !seen.contains("断开店铺"),
        "{seen}"
    );
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

#[tokio::test]
async fn an_expired_authorization_is_told_on_every_page_with_what_waits() {
    let mut site = TestSite::start().await;
    site.work();
    let browser = Browser::signed_up_as(&site, "owner@example.com").await;
    let (shop, _mall) = browser.sandbox_shop().await;
    assert!(!browser.sees("/console").await.contains("店铺授权已过期。"));
    let sql = site.world.sql_as_superuser().await;
    let id = shop.trim_start_matches("shop_");
    let dead = "UPDATE credentials SET dead_reason = 'expired' WHERE replace(shop_id::text, '-', '') = $1";
    assert_eq!(sql.execute(dead, &[&id]).await.unwrap(), 1);
    let told = browser.sees("/console").await;
    assert!(told.contains("店铺授权已过期。") && told.contains("0 单在等"), "{told}");
    let shops = between(&told, "href=\"/console/shops\"", "</a>");
    assert!(shops.contains("<em class=\"hot\">1</em>"), "the way to the shops is marked: {shops}");
    // One banner stands above a page: the worst.
    let pauses = browser.sees("/console/pauses").await;
    let everything = format!("/console/pauses/mer_{}", between(&pauses, "action=\"/console/pauses/mer_", "\""));
    browser.does(&everything, &[("work", "delivery"), ("reason", "盘点"), ("hours", "")]).await;
    let told = browser.sees("/console").await;
    assert!(told.contains("店铺授权已过期。") && !told.contains("盘点。"), "{told}");
    let list = browser.sees("/console/shops/tokens").await;
    assert!(list.contains("已过期") && list.contains(&format!("authorize?shop={shop}")), "{list}");
    drop(browser);
    site.stop().await;
}

#[tokio::test]
async fn another_tool_at_work_is_shown_where_somebody_looks_and_mailed_until_it_is_seen_to() {
    let site = TestSite::start().await;
    // Nobody works beside it: what is planned stays to be looked at.
    let browser = Browser::arranged(&site).await;
    let (shop, mall) = browser.sandbox_shop().await;
    let page = format!("/console/shops/{shop}");
    let pages = ["/console".to_owned(), page.clone(), format!("{page}/trial"), format!("{page}/outside")];
    let shown = async || {
        let mut shown = Vec::new();
        for page in &pages {
            shown.push(browser.sees(page).await.contains("可能有别的工具也在发货"));
        }
        shown
    };
    let id: ShopId = shop.parse().unwrap();
    let sql = site.world.sql_as_superuser().await;
    let owner = sql.query("SELECT merchant_id FROM shops WHERE id = $1", &[&id.as_uuid()]).await.unwrap();
    let merchant = MerchantId::from_uuid(owner[0].get(0));
    let orders = site.order(mall, json!({ "count": 3 })).await;
    for (n, order) in (1..).zip(&orders) {
        site.world.control("POST", &format!("/orders/{order}/ship"), &json!({})).await;
        let order_sn = order.parse().unwrap();
        let hint = PushNotice { mall: MallId(mall), order_sn, kind: NoticeKind::Other };
        push_hint(&site.world.engine, GatewayKind::Sandbox, &hint).await.unwrap();
        deliver::tick(&site.world.engine, merchant, id).await.unwrap();
        assert_eq!(shown().await, [n == 3; 4]);
    }
    let list = browser.sees(&pages[3]).await;
    assert!(orders.iter().all(|order| list.contains(order)) && list.contains("有 3 单是在别处发的货"), "{list}");

    // Only shops of the real platform are written about.
    let moves_to = async |gateway: &str| {
        let id = id.as_uuid();
        let moves = format!(
            "SET LOCAL session_replication_role = replica; UPDATE shops SET gateway = '{gateway}' WHERE id = '{id}'"
        );
        sql.transaction(&moves).await.unwrap();
    };
    moves_to("production").await;
    let told = "SELECT payload::text FROM jobs WHERE name = 'mail_notice.v1'";
    let notice = serde_json::from_str(sql.query(told, &[]).await.unwrap()[0].get(0)).unwrap();
    let config = EngineConfig { site: Some("https://kami.example".to_owned()), ..(*site.world.engine.config).clone() };
    let engine = Engine { config: config.into(), ..site.world.engine.clone() };
    notices::run(&engine, &engine.ctx("jobs", merchant), notice).await.unwrap();
    site.send_mails(merchant).await;
    // One about a new device may come first.
    let link = format!("https://kami.example{page}/outside");
    while !site.mailbox.take(&browser.email).await.text.contains(&link) {}
    moves_to("sandbox").await;

    let stranger = Browser::arranged(&site).await;
    assert_eq!(stranger.post(&pages[3], "").await.status, 404);
    assert_eq!(stranger.get(&pages[3]).await.status, 404);
    assert_eq!(browser.does(&pages[3], &[]).await, pages[3]);
    assert!(browser.sees(&pages[3]).await.contains("已标为处理完"));
    assert_eq!(shown().await, [false; 4]);
    browser.does(&pages[3], &[]).await;
    let acts = "SELECT count(*) FROM audit_log WHERE action = 'shop.outside_resolve'";
    assert_eq!(sql.count(acts, &[]).await.unwrap(), 1, "resolved again is nothing new");
    drop((browser, stranger));
    site.stop().await;
}

#[tokio::test]
async fn who_asks_for_a_mall_is_shown_on_the_first_page() {
    let site = TestSite::start().await;
    let browser = Browser::arranged(&site).await;
    let (shop, _) = browser.sandbox_shop().await;
    assert!(!browser.sees("/console").await.contains("有人要接入你的店铺"));
    let id: ShopId = shop.parse().unwrap();
    let asks = "INSERT INTO take_over_requests (id, merchant_id, shop_id, asked_by, asked_by_name, asked_at)
                SELECT gen_random_uuid(), s.merchant_id, s.id, gen_random_uuid(), 'x', now() FROM shops s WHERE s.id = $1";
    site.world.sql_as_superuser().await.execute(asks, &[&id.as_uuid()]).await.unwrap();
    let first = browser.sees("/console").await;
    assert!(first.contains("有人要接入你的店铺") && first.contains("去答复"), "{first}");
    let viewer = Browser::arranged(&site).await;
    viewer.joins(&browser, "viewer", &[]).await;
    assert!(!viewer.sees("/console").await.contains("有人要接入你的店铺"), "who cannot answer is not asked");
    drop((browser, viewer));
    site.stop().await;
}
