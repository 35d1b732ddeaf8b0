//! Pauses over HTTP: when they take effect, what they say, and who may set them on what.

use std::time::Duration;

use chrono::TimeDelta;
use kamiflow_test_support::{Browser, TestSite, between};
use serde_json::json;

/// Returns the merchant's own target.
async fn merchant(browser: &Browser<'_>) -> String {
    let page = browser.sees("/console/pauses").await;
    format!("mer_{}", between(&page, "action=\"/console/pauses/mer_", "\""))
}

fn pause(work: &'static str) -> [(&'static str, &'static str); 3] {
    [("work", work), ("reason", "盘点"), ("hours", "")]
}

#[tokio::test]
async fn no_send_starts_later_than_a_second_after_the_click_and_the_rest_goes_on_by_shipping_time() {
    let mut site = TestSite::start().await;
    site.work();
    let browser = Browser::signed_up_as(&site, "owner@example.com").await;
    let (_shop, mall) = browser.sandbox_shop().await;
    let everything = format!("/console/pauses/{}", merchant(&browser).await);
    site.order(mall, json!({ "count": 60 })).await;
    let sql = site.world.sql_as_superuser().await;
    site.world.until_as(&sql, "SELECT count(*) FROM deliveries WHERE state = 'delivered'", 3).await;

    let clicked = site.world.engine.now();
    assert_eq!(browser.does(&everything, &pause("both")).await, "/console/pauses");
    site.order(mall, json!({ "count": 10 })).await;
    site.world.until_as(&sql, "SELECT count(*) FROM deliveries WHERE state = 'pending'", 10).await;
    // Whatever is due by then is looked at once more.
    site.world.time_passes(5).await;
    let waiting = async {
        let mut looks = tokio::time::interval(Duration::from_millis(50));
        let under_way = "SELECT count(*) FROM deliveries WHERE state NOT IN ('pending', 'delivered')";
        let late = "SELECT count(*) FROM deliveries WHERE state = 'pending' AND due_at <= $1";
        let now = site.world.engine.now();
        while sql.count(under_way, &[]).await.unwrap() + sql.count(late, &[&now]).await.unwrap() > 0 {
            looks.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting).await.unwrap();
    let late = clicked + TimeDelta::seconds(1);
    let started = "SELECT count(*) FROM delivery_attempts WHERE started_at > $1";
    assert_eq!(sql.count(started, &[&late]).await.unwrap(), 0, "a send started after the click");
    let waiting = sql.count("SELECT count(*) FROM deliveries WHERE state = 'pending'", &[]).await.unwrap();
    assert!(waiting >= 10);

    // Every page says so, and that of pauses says what goes first.
    let told = browser.sees("/console/orders").await;
    assert!(told.contains("全部店铺的发货已暂停。") && told.contains(&format!("{waiting} 单在等")), "{told}");
    let page = browser.sees("/console/pauses").await;
    assert!(page.contains("恢复后先发这些") && page.contains("全部店铺的核销已暂停。"), "{page}");
    let first = sql
        .query(
            "SELECT order_sn FROM deliveries WHERE state = 'pending' ORDER BY last_ship_at NULLS LAST, due_at LIMIT 1",
            &[],
        )
        .await
        .unwrap();
    assert!(page.contains(first[0].get::<_, &str>(0)), "{page}");
    assert_eq!(browser.does(&format!("{everything}/end"), &[("work", "both")]).await, "/console/pauses");
    site.world.until_as(&sql, "SELECT count(*) FROM deliveries WHERE state = 'delivered'", 70).await;
    assert!(browser.sees("/console/pauses").await.contains("没有暂停"));
    assert_eq!(site.world.vouchers_sent().await.len(), 70);
    drop(browser);
    site.stop().await;
}

#[tokio::test]
async fn skus_pools_and_batches_are_paused_on_their_pages() {
    let mut site = TestSite::start().await;
    site.work();
    let browser = Browser::signed_up_as(&site, "owner@example.com").await;
    let (_shop, mall) = browser.sandbox_shop().await;
    let pools = browser.sees("/console/pools").await;
    let pool = format!("pool_{}", between(&pools, "href=\"/console/pools/pool_", "\""));
    let page = browser.sees(&format!("/console/pools/{pool}")).await;
    let batch = format!("bat_{}", between(&page, "href=\"/console/pauses/bat_", "\""));
    let sql = site.world.sql_as_superuser().await;
    let sku = "SELECT 'sku_' || replace(id::text, '-', '') FROM skus WHERE platform_sku_id = $1";
    let sku: String = sql.query(sku, &[&(mall * 1_000 + 1)]).await.unwrap()[0].get(0);
    assert!(browser.sees("/console/products").await.contains(&format!("/console/pauses/{sku}")));

    for (delivered, (target, shown_on)) in (1_i64..).zip([
        (&sku, "/console/pauses"),
        (&pool, &*format!("/console/pools/{pool}")),
        (&batch, "/console/pauses"),
    ]) {
        let own = format!("/console/pauses/{target}");
        assert!(browser.sees(&own).await.contains("暂停什么"), "{target}");
        assert_eq!(browser.does(&own, &pause("delivery")).await, shown_on);
        let shown = browser.sees(shown_on).await;
        assert!(shown.contains("的发货已暂停。") && shown.contains("盘点。0 单在等"), "{target}: {shown}");
        site.order(mall, json!({})).await;
        let waits = "SELECT count(*) FROM deliveries WHERE state = 'pending'";
        site.world.until_as(&sql, waits, 1).await;
        assert_eq!(browser.does(&format!("{own}/end"), &[("work", "delivery")]).await, shown_on);
        site.world.until_as(&sql, "SELECT count(*) FROM deliveries WHERE state = 'delivered'", delivered).await;
    }
    assert!(!browser.sees(&format!("/console/pauses/{batch}")).await.contains("value=\"redemption\""));
    drop(browser);
    site.stop().await;
}

#[tokio::test]
async fn a_member_of_one_shop_pauses_that_one_and_sees_what_waits_there() {
    let mut site = TestSite::start().await;
    site.work();
    let owner = Browser::signed_up_as(&site, "owner@example.com").await;
    let (mine, _mall) = owner.sandbox_shop().await;
    let other = owner.another_shop().await;
    let everything = merchant(&owner).await;
    let member = Browser::signed_up_as(&site, "member@example.com").await;
    let foreign = merchant(&member).await;
    member.joins(&owner, "operator", &[&mine]).await;

    let set = async |target: &str| member.send(&format!("/console/pauses/{target}"), &pause("delivery")).await.status;
    assert_eq!((set(&mine).await, set(&other).await, set(&everything).await), (303, 404, 403));
    assert_eq!((set(&foreign).await, set("nonsense").await), (404, 404));
    owner.does(&format!("/console/pauses/{other}"), &pause("delivery")).await;
    owner.does(&format!("/console/pauses/{everything}"), &pause("delivery")).await;
    owner.does(&format!("/console/shops/{other}/buyer"), &[]).await;
    let sql = site.world.sql_as_superuser().await;
    site.world.until_as(&sql, "SELECT count(*) FROM deliveries WHERE state = 'pending'", 1).await;
    let told = member.sees("/console/pauses").await;
    assert!(told.contains("全部店铺的发货已暂停。") && told.contains("盘点。0 单在等"), "{told}");
    assert_eq!(told.matches("的发货已暂停。").count(), 2, "the own shop's and the merchant's: {told}");
    assert!(!told.contains(&format!("{everything}/end")) && told.contains(&format!("{mine}/end")), "{told}");
    assert!(owner.sees("/console/pauses").await.contains("盘点。1 单在等"));
    drop((owner, member));
    site.stop().await;
}
