//! A sandbox beside the real platform in one installation: sandbox shops are made, real ones connected.

use kamiflow_test_support::{Browser, TestSite, between};

use crate::web_connect::{agrees, begins};

#[tokio::test]
async fn a_sandbox_shop_delivers_beside_a_mall_of_the_real_platform() {
    let (mut site, production) = TestSite::beside_production().await;
    site.work();
    let browser = Browser::signed_up_as(&site, "owner@example.com").await;
    let (rehearsal, _mall) = browser.sandbox_shop().await;
    browser.does(&format!("/console/shops/{rehearsal}/buyer"), &[]).await;
    let sql = site.world.sql_as_superuser().await;
    site.world.until_as(&sql, "SELECT count(*) FROM deliveries WHERE state = 'delivered'", 1).await;

    // Keys are asked of the real platform, and kept for it. The sandbox knows the same client as somebody else's.
    browser.proves().await;
    let keys = [("client_id", "sandbox-client"), ("client_secret", "sandbox-secret-0001"), ("app_type", "")];
    let pending = browser.does("/console/shops/keys", &keys).await;
    let link = begins(&browser, &pending).await;
    assert!(link.starts_with(&production.auth_url()), "{link}");
    let back = agrees(&site, &link, site.world.mall).await;
    let taken = browser.get(&back).await;
    assert_eq!(taken.status, 303, "{}", taken.body);
    let real = between(taken.to(), "/console/shops/", "/connected").to_owned();
    assert!(!browser.sees(taken.to()).await.contains("演练模式："));
    let connected = "SELECT count(*) FROM shops WHERE mall_id = $1 AND gateway = 'production'";
    assert_eq!(sql.count(connected, &[&site.world.mall]).await.unwrap(), 1, "a mall of that number is on both");

    // Each is authorized anew where it is from.
    let anew = begins(&browser, &format!("/console/shops/authorize?shop={real}")).await;
    assert!(anew.starts_with(&production.auth_url()), "{anew}");
    let anew = begins(&browser, &format!("/console/shops/authorize?shop={rehearsal}")).await;
    assert!(anew.starts_with(&site.world.sandbox.auth_url()), "{anew}");

    // The rehearsal goes on, and real buyers wait for the merchant's verification.
    browser.does(&format!("/console/shops/{rehearsal}/buyer"), &[]).await;
    site.world.until_as(&sql, "SELECT count(*) FROM deliveries WHERE state = 'delivered'", 2).await;
    assert!(browser.sees(&format!("/console/shops/{real}")).await.contains("空跑中。"));
    browser.does("/console/mode", &[("mode", "live")]).await;
    let shops = browser.sees("/console/shops").await;
    assert!(shops.contains(&real) && !shops.contains(&rehearsal), "{shops}");
    browser.does("/console/mode", &[("mode", "test")]).await;
    let shops = browser.sees("/console/shops").await;
    assert!(shops.contains(&rehearsal) && !shops.contains(&real), "{shops}");
    drop(browser);
    site.stop().await;
}
