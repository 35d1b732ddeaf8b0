//! Live and test mode in the console: what is of one never stands beside the other.

use kamiflow_test_support::{Browser, TestSite, between};

/// Makes a second sandbox shop and moves it to the real platform, which tests cannot reach, with its pool `正式卡`.
async fn real_shop(site: &TestSite, browser: &Browser<'_>) -> String {
    let shop = browser.another_shop().await;
    let id = shop.trim_start_matches("shop_");
    let move_over = format!(
        "SET LOCAL session_replication_role = replica;
         UPDATE shops SET gateway = 'production' WHERE replace(id::text, '-', '') = '{id}';
         UPDATE card_pools SET gateway = 'production', name = '正式卡' WHERE id IN (
                SELECT m.pool_id FROM sku_mappings m JOIN skus k ON k.id = m.sku_id
                 WHERE replace(k.shop_id::text, '-', '') = '{id}')"
    );
    site.world.sql_as_superuser().await.transaction(&move_over).await.unwrap();
    shop
}

#[tokio::test]
async fn lists_show_one_mode_and_an_address_that_names_a_shop_is_of_its_mode() {
    let mut site = TestSite::start().await;
    site.work();
    let browser = Browser::signed_up_as(&site, "owner@example.com").await;
    let (sandbox, _mall) = browser.sandbox_shop().await;
    let samples = browser.sees("/console/pools").await;
    let samples = format!("pool_{}", between(&samples, "href=\"/console/pools/pool_", "\""));
    let real = real_shop(&site, &browser).await;
    let is_test = |page: &str| page.contains("演练模式：");

    let pools = browser.sees("/console/pools").await;
    assert!(!is_test(&pools) && pools.contains("正式卡") && !pools.contains("演练卡库"), "{pools}");
    let products = browser.sees(&format!("/console/products?shop={real}")).await;
    assert!(products.contains("· 正式卡") && !products.contains(&samples), "{products}");
    let sku = between(&products, "name=\"sku\" value=\"", "\"").to_owned();
    let of_sandbox = browser.sees(&format!("/console/products?shop={sandbox}")).await;
    assert!(is_test(&of_sandbox) && of_sandbox.contains(&samples) && !of_sandbox.contains("正式卡"), "{of_sandbox}");
    assert!(is_test(&browser.sees(&format!("/console/orders?shop={sandbox}")).await));
    assert!(!is_test(&browser.sees("/console/orders").await));

    // A form that somebody makes up changes nothing.
    let handling = format!("voucher_send:{samples}");
    let page = browser.does("/console/products", &[("shop", &real), ("sku", &sku), ("handling", &handling)]).await;
    let refused = browser.sees(&page).await;
    assert!(refused.contains("演练卡库只给演练店用"), "{refused}");

    let paused = [("work", "delivery"), ("reason", "盘点"), ("hours", "")];
    browser.does(&format!("/console/pauses/{sandbox}"), &paused).await;
    assert!(browser.sees("/console/pauses").await.contains("没有暂停"));
    assert_eq!(browser.does("/console/mode", &[("mode", "test")]).await, "/console");
    assert!(browser.sees("/console/pauses").await.contains("的发货已暂停。"));
    let pools = browser.sees("/console/pools").await;
    assert!(!pools.contains("正式卡") && pools.contains("name=\"gateway\" value=\"sandbox\""), "{pools}");
    // A form that was opened in the other mode makes what it said.
    browser.does("/console/pools", &[("name", "从前打开的"), ("gateway", "production")]).await;
    assert!(!browser.sees("/console/pools").await.contains("从前打开的"));
    browser.does("/console/mode", &[("mode", "live")]).await;
    assert!(browser.sees("/console/pools").await.contains("从前打开的"));
    drop(browser);
    site.stop().await;
}

#[tokio::test]
async fn the_frame_says_whether_deliveries_run_and_what_waits_for_a_person_and_a_phone_changes_the_mode() {
    let mut site = TestSite::start().await;
    site.work();
    let browser = Browser::signed_up_as(&site, "owner@example.com").await;
    assert!(!browser.sees("/console").await.contains("自动发货运行中"), "nothing is live yet");
    let (shop, _mall) = browser.sandbox_shop().await;
    let page = browser.sees("/console").await;
    assert_eq!(page.matches("action=\"/console/mode\"").count(), 2, "in the top bar, and in a phone's menu");
    assert!(page.contains("自动发货运行中") && !page.contains("class=\"hot\""), "{page}");
    browser.does(&format!("/console/shops/{shop}/buyer"), &[]).await;
    let sql = site.world.sql_as_superuser().await;
    site.world.until_as(&sql, "SELECT count(*) FROM deliveries WHERE state = 'delivered'", 1).await;
    let asks = "INSERT INTO exceptions (id, merchant_id, shop_id, order_day, order_id, order_sn, code, blocking, needs_review)
                SELECT gen_random_uuid(), merchant_id, shop_id, order_day, id, order_sn, 'unknown_outcome', false, true FROM orders";
    assert_eq!(sql.execute(asks, &[]).await.unwrap(), 1);
    let page = browser.sees("/console").await;
    let orders = between(&page, "href=\"/console/orders\"", "</a>");
    assert!(orders.contains("<em class=\"hot\">1</em>"), "{orders}");
    let pauses = browser.sees("/console/pauses").await;
    let everything = format!("/console/pauses/mer_{}", between(&pauses, "action=\"/console/pauses/mer_", "\""));
    browser.does(&everything, &[("work", "delivery"), ("reason", "盘点"), ("hours", "")]).await;
    let page = browser.sees("/console").await;
    assert!(page.contains("自动发货已暂停") && page.contains("看看恢复后先发哪些"), "{page}");
    let act = format!("action=\"{everything}/end\"");
    assert!(!page.contains(&act), "it is ended where one sees what goes first");
    assert!(browser.sees(&everything).await.contains(&act));
    drop(browser);
    site.stop().await;
}
