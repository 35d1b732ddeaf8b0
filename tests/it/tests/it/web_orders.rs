//! Orders in the browser: watched until they are delivered, found, revealed, and hidden from whom they do not concern.

use std::collections::BTreeSet;
use std::time::Duration;

use kamiflow_test_support::{Answer, Browser, TestSite, between};
use tokio::time::timeout;

/// More than any step takes that is not stuck.
const PATIENCE: Duration = Duration::from_secs(60);
const REFRESH: &str = "http-equiv=\"refresh\"";

/// The sandbox shop that an owner made, and the page of an order in it that a buyer has just made.
async fn bought(browser: &Browser<'_>) -> (String, String) {
    let overview = browser.submit("/console/shops/sandbox", "").await;
    let action = overview.body.split("/console/shops/shop_").nth(1).unwrap();
    let shop = format!("shop_{}", &action[..32]);
    let answer = browser.post(&format!("/console/shops/{shop}/buyer"), "").await;
    let page = answer.location.unwrap();
    assert!(page.starts_with(&format!("/console/shops/{shop}/orders/")), "{page}");
    (shop, page)
}

async fn delivered(browser: &Browser<'_>, page: &str) -> Answer {
    // The words beside the badge: they are read first, so whatever follows is at least as new.
    timeout(PATIENCE, browser.watch(page, "text-sm text-ink2\">已发给买家")).await.unwrap()
}

#[tokio::test]
async fn a_bought_order_is_watched_until_it_is_delivered() {
    let mut site = TestSite::start().await;
    site.work();
    let browser = Browser::signed_up(&site).await;
    let (shop, page) = bought(&browser).await;
    let order_sn = page.rsplit('/').next().unwrap();

    let first = browser.get(&page).await;
    assert_eq!(first.status, 200);
    let again = between(&first.body, "<noscript data-again=\"1\">", "</noscript>");
    assert!(again.contains(REFRESH) && again.contains("content=\"1\""), "{again}");
    let head = &first.body[..first.body.find("</head>").unwrap()];
    assert!(head.contains(order_sn), "the tab names the order");

    let done = delivered(&browser, &page).await.body;
    assert!(done.contains("已发货") && done.contains("经过") && done.contains("会员月卡"), "{done}");
    assert!(done.contains("••••") && !done.contains("class=\"select-all"), "cards are masked");
    assert!(!done.contains(REFRESH), "what is over is not looked at again");

    // Today's number that nobody has told us of is waited for; an old one is not.
    let unheard = format!("/console/shops/{shop}/orders/{}999999999999999", &order_sn[..7]);
    let waiting = browser.get(&unheard).await;
    assert!(waiting.body.contains("等待平台的消息") && waiting.body.contains(REFRESH), "{}", waiting.body);
    let old = browser.get(&format!("/console/shops/{shop}/orders/200101-999999999999999")).await;
    assert!(old.body.contains("没有这一单的记录") && !old.body.contains(REFRESH), "{}", old.body);
    site.stop().await;
}

#[tokio::test]
async fn cards_are_shown_once_by_a_form_counted_and_written_down() {
    let mut site = TestSite::start().await;
    site.work();
    let browser = Browser::signed_up(&site).await;
    let (_shop, page) = bought(&browser).await;
    let masked = delivered(&browser, &page).await.body;
    assert!(masked.contains("今天还可查看 200 次"), "{masked}");

    let form = format!("{page}/cards");
    assert_eq!(browser.get(&form).await.status, 404, "no link shows cards");
    let shown = browser.post(&form, "").await;
    assert_eq!((shown.status, shown.cache.as_str()), (200, "no-store"));
    assert!(shown.body.contains("select-all") && shown.body.contains("今天还可查看 199 次"), "{}", shown.body);
    assert!(shown.body.contains("<title>"), "{}", shown.body);
    let number = shown.body.split("select-all break-all\">").nth(1).unwrap().split('<').next().unwrap().to_owned();
    assert!(number.len() > 6 && !masked.contains(&number), "{number}");

    let after = browser.get(&page).await.body;
    assert!(after.contains("有人查看了卡密") && after.contains("今天还可查看 199 次") && !after.contains(&number));
    let sql = site.world.sql_as_superuser().await;
    let written =
        "SELECT count(*) FROM audit_log WHERE action = 'card.reveal' AND detail::text NOT LIKE '%' || $1 || '%'";
    assert_eq!(sql.count(written, &[&number]).await.unwrap(), 1);

    // The rest of the day's quota, as if it had been used.
    let use_up = "INSERT INTO audit_log (id, at, merchant_id, actor, action, target)
                  SELECT gen_random_uuid(), a.at, a.merchant_id, a.actor, a.action, a.target
                    FROM audit_log a, generate_series(1, $1) WHERE a.action = 'card.reveal'";
    sql.execute(use_up, &[&198_i32]).await.unwrap();
    let last = browser.post(&form, "").await.body;
    assert!(last.contains("今天还可查看 0 次") && last.contains("快用完了") && last.contains(&number), "{last}");
    let refused = browser.submit(&form, "").await.body;
    assert!(refused.contains("今天查看卡密的次数已用完") && !refused.contains(&number), "{refused}");
    assert_eq!(sql.count(written, &[&number]).await.unwrap(), 200, "a refused look is not counted");
    site.stop().await;
}

#[tokio::test]
async fn an_order_is_nothing_to_strangers_and_only_looked_at_by_viewers() {
    let mut site = TestSite::start().await;
    site.work();
    let owner = Browser::signed_up(&site).await;
    let (_shop, page) = bought(&owner).await;
    delivered(&owner, &page).await;
    let forms = ["retry", "release", "cards"].map(|act| format!("{page}/{act}"));

    let stranger = Browser::signed_up(&site).await;
    assert_eq!(stranger.get(&page).await.status, 404);
    for form in &forms {
        assert_eq!(stranger.post(form, "").await.status, 404, "{form}");
    }
    let anonymous = site.get(&page).send().await.unwrap();
    assert!(anonymous.headers()["location"].to_str().unwrap().starts_with("/log-in?next="));

    owner.becomes("viewer").await;
    let seen = owner.get(&page).await;
    assert!(seen.status == 200 && !seen.body.contains(&forms[2]) && seen.body.contains("你的角色只能看"), "{seen:?}");
    for form in &forms {
        assert_eq!(owner.post(form, "").await.status, 403, "{form}");
    }
    site.stop().await;
}

/// How many orders a page of the list shows.
fn listed(page: &str, shop: &str) -> usize {
    page.matches(&format!("href=\"/console/shops/{shop}/orders/")).count()
}

#[tokio::test]
async fn orders_are_found_by_state_shop_and_number_and_read_page_by_page() {
    let mut site = TestSite::start().await;
    site.work();
    let browser = Browser::signed_up(&site).await;
    assert!(browser.get("/console/orders").await.body.contains("还没有店铺"));
    let (shop, page) = bought(&browser).await;
    delivered(&browser, &page).await;
    let order_sn = page.rsplit('/').next().unwrap();

    for (query, count) in [
        ("", 1),
        ("?state=delivered", 1),
        ("?state=closed", 0),
        ("?state=person", 0),
        (&format!("?shop={shop}"), 1),
        (&format!("?q={order_sn}"), 1),
        (&format!("?q=+{order_sn}+"), 1),
        ("?q=261122-000000000000000", 0),
        ("?q=%3Cscript%3E", 0),
        ("?after=nonsense", 1),
    ] {
        let found = browser.get(&format!("/console/orders{query}")).await;
        assert_eq!((found.status, listed(&found.body, &shop)), (200, count), "{query}: {}", found.body);
        assert!(!found.body.contains("<script>"), "{query}");
        assert_eq!(count == 0, found.body.contains("class=\"empty\""), "{query}: an empty list says why");
    }
    let stranger = Browser::signed_up(&site).await;
    assert_eq!(stranger.get(&format!("/console/orders?shop={shop}")).await.status, 404);
    assert_eq!(listed(&stranger.get(&format!("/console/orders?q={order_sn}")).await.body, &shop), 0);

    // As if a hundred and twenty had come before it: a page holds fifty, and the rest is behind it.
    assert_eq!(site.copy_order(order_sn, 1..=120, "- n * interval '1 minute'").await, 120);
    let (mut path, mut seen) = ("/console/orders?state=redeemed".to_owned(), Vec::new());
    loop {
        let page = browser.get(&path).await.body;
        seen.push(listed(&page, &shop));
        let Some(next) = page.split("rel=\"next\" href=\"").nth(1) else { break };
        path = next.split('"').next().unwrap().replace("&amp;", "&");
    }
    assert_eq!(seen, [50, 50, 20]);

    // Orders of other months stand behind those of the last two, and each is on one page.
    let sql = site.world.sql_as_superuser().await;
    let older = "UPDATE orders SET order_day = order_day - 100, order_sn = to_char(order_day - 100, 'YYMMDD') || substr(order_sn, 7)
                  WHERE right(order_sn, 3)::int BETWEEN 1 AND 30 AND state = 'redeemed'";
    sql.execute("SET session_replication_role = replica", &[]).await.unwrap();
    assert_eq!(sql.execute(older, &[]).await.unwrap(), 30);
    for first in ["/console/orders", "/console/orders?state=redeemed"] {
        let (mut path, mut seen) = (first.to_owned(), Vec::new());
        loop {
            let page = browser.get(&path).await.body;
            let link = format!("href=\"/console/shops/{shop}/orders/");
            let links = page.split(&link).skip(1);
            seen.extend(links.map(|rest| rest.split('"').next().unwrap().to_owned()));
            let Some(next) = page.split("rel=\"next\" href=\"").nth(1) else { break };
            path = next.split('"').next().unwrap().replace("&amp;", "&");
        }
        let distinct: BTreeSet<&String> = seen.iter().collect();
        assert_eq!((seen.len(), distinct.len()), (if first.contains('?') { 120 } else { 121 }, seen.len()), "{seen:?}");
        let today = &order_sn[..6];
        assert!(seen.iter().rev().take(30).all(|sn| !sn.starts_with(today)), "{seen:?}");
    }
    site.stop().await;
}
