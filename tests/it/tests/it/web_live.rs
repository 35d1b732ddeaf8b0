//! The first page's figures, and the stream that tells open pages to look again.

use std::time::Duration;

use kamiflow_test_support::{Browser, TestSite, between};
use reqwest::Response;
use tokio::time::timeout;

/// More than any step takes that is not stuck.
const PATIENCE: Duration = Duration::from_secs(60);

async fn follow(site: &TestSite, browser: &Browser<'_>) -> Response {
    let stream = site.get("/live").header("cookie", browser.cookies()).send().await.unwrap();
    assert_eq!(stream.status(), 200);
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    assert_eq!(stream.headers()["cache-control"], "no-store");
    stream
}

/// Reads until the page is told to look again.
async fn told(stream: &mut Response) {
    let mut heard = String::new();
    while !heard.contains("event: moved\ndata: 1\n\n") {
        let chunk = timeout(PATIENCE, stream.chunk()).await.unwrap().unwrap();
        heard.push_str(std::str::from_utf8(&chunk.expect("the stream goes on")).unwrap());
    }
}

async fn delivered(site: &TestSite, count: i64) {
    let sql = site.world.sql_as_superuser().await;
    site.world.until_as(&sql, "SELECT count(*) FROM orders WHERE state = 'delivered'", count).await;
}

/// What the first page counts as delivered today.
async fn figure(browser: &Browser<'_>) -> String {
    let page = browser.sees("/console").await;
    let tile = page.split("href=\"/console/orders?state=delivered\"").nth(1).expect("figures are shown");
    between(tile, "whitespace-nowrap\">", "</div>").to_owned()
}

#[tokio::test]
async fn open_pages_hear_of_orders_and_figures_count_the_shops_that_are_seen() {
    let mut site = TestSite::start().await;
    site.work();
    let owner = Browser::signed_up_as(&site, "owner@example.com").await;
    let (one, other) = (owner.another_shop().await, owner.another_shop().await);
    let member = Browser::signed_up_as(&site, "member@example.com").await;
    member.joins(&owner, "operator", &[&one]).await;
    let (mut all, mut few) = (follow(&site, &owner).await, follow(&site, &member).await);

    for _ in 0..2 {
        owner.does(&format!("/console/shops/{other}/buyer"), &[]).await;
    }
    told(&mut all).await;
    owner.does(&format!("/console/shops/{one}/buyer"), &[]).await;
    told(&mut few).await;
    delivered(&site, 3).await;
    assert_eq!((figure(&owner).await.as_str(), figure(&member).await.as_str()), ("3", "1"));

    // Sandbox shops are in no sum of live ones.
    owner.does("/console/mode", &[("mode", "live")]).await;
    let page = owner.sees("/console").await;
    assert!(!page.contains("今日概况"), "{page}");

    let nobody = site.get("/live").send().await.unwrap();
    assert_eq!(nobody.status(), 401);
    drop((owner, member));
    site.stop().await;
}
