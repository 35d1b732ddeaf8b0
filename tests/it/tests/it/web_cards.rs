//! Cards that come into a pool over HTTP: pasted and as files, with what is wrong told by line and nothing shown.

use kamiflow_test_support::{Answer, Browser, TestSite};

const BOUNDARY: &str = "multipart/form-data; boundary=b";

fn file(name: &str, contents: &[u8], skip_bad: bool) -> Vec<u8> {
    let head = format!("--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n");
    let skip = "\r\n--b\r\nContent-Disposition: form-data; name=\"skip_bad\"\r\n\r\ntrue";
    let mut body = head.into_bytes();
    body.extend(contents);
    body.extend(if skip_bad { skip.as_bytes() } else { b"" });
    body.extend(b"\r\n--b--\r\n");
    body
}

async fn pool(browser: &Browser<'_>, name: &str) -> String {
    browser.does("/console/pools", &[("name", name), ("low_stock_at", "")]).await
}

async fn uploads(browser: &Browser<'_>, pool: &str, name: &str, contents: &[u8], skip_bad: bool) -> Answer {
    browser.post_body(&format!("{pool}/file"), BOUNDARY, file(name, contents, skip_bad)).await
}

#[tokio::test]
async fn a_file_is_taken_or_told_line_by_line_without_a_card() {
    let site = TestSite::start().await;
    let browser = Browser::arranged(&site).await;
    let pool = pool(&browser, "一月").await;
    let good = uploads(&browser, &pool, "cards.csv", b"A0001,secret-one\nA0002,secret-two\n", false).await;
    assert_eq!((good.status, good.to()), (303, pool.as_str()));
    let shown = browser.sees(&pool).await;
    assert!(shown.contains("cards.csv") && shown.contains("最近的批次"), "{shown}");

    let bad = b"A0003,secret-three\n,secret-four\nA0003,secret-five\n";
    let told = uploads(&browser, &pool, "bad.csv", bad, false).await;
    assert_eq!((told.status, told.cache.as_str()), (200, "no-store"));
    assert!(told.body.contains("一张也没入库：2 行有问题") && !told.body.contains("secret-"), "{}", told.body);
    assert!(!told.body.contains("A0003"), "no number either: {}", told.body);
    let told = uploads(&browser, &pool, "bad.csv", bad, true).await;
    assert!(told.body.contains("入库 1 张，跳过 2 行"), "{}", told.body);
    let sql = site.world.sql_as_superuser().await;
    assert_eq!(sql.count("SELECT count(*) FROM cards", &[]).await.unwrap(), 3);

    // What is pasted is told the same way.
    let pasted = browser.send(&format!("{pool}/import"), &[("cards", "A0004----s4\n----s5\n")]).await;
    assert!(pasted.status == 200 && pasted.body.contains("行有问题"), "{}", pasted.body);
    for (name, contents, told) in [
        ("empty.csv", b"".as_slice(), "没有找到卡密"),
        ("picture.png", b"\x89PNG\r\n\x1a\n\0\0".as_slice(), "读不懂"),
        ("large.csv", &vec![b'x'; 16 * 1024 * 1024 + 1], "文件超过 16 MB"),
    ] {
        let answer = uploads(&browser, &pool, name, contents, false).await;
        assert_eq!((answer.status, answer.to()), (303, pool.as_str()), "{name}");
        let shown = browser.sees(&pool).await;
        assert!(shown.contains(told), "{name}: {shown}");
    }
    assert_eq!(sql.count("SELECT count(*) FROM cards", &[]).await.unwrap(), 3);
    drop(browser);
    site.stop().await;
}

#[tokio::test]
async fn a_ready_made_rule_is_chosen_and_the_pre_flight_leads_there() {
    let site = TestSite::start().await;
    let browser = Browser::arranged(&site).await;
    let page = "/console/rules";
    assert!(browser.sees(page).await.contains("value=\"none\" required checked"));
    for rule in ["immediately", "after_receipt", "after_receipt"] {
        assert_eq!(browser.does(page, &[("rule", rule)]).await, page);
        let shown = browser.sees(page).await;
        assert!(shown.contains(&format!("value=\"{rule}\" required checked")), "{rule}: {shown}");
        let sql = site.world.sql_as_superuser().await;
        assert_eq!(sql.count("SELECT count(*) FROM redemption_rules", &[]).await.unwrap(), 1, "{rule}");
    }
    assert_eq!(browser.does(page, &[("rule", "something")]).await, page);
    assert_eq!(browser.does(page, &[("rule", "none")]).await, page);
    let sql = site.world.sql_as_superuser().await;
    assert_eq!(sql.count("SELECT count(*) FROM redemption_rules", &[]).await.unwrap(), 0);
    drop(browser);
    site.stop().await;
}
