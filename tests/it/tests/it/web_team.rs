//! The team over HTTP: seats that are given, limited, changed and given up, and what each then sees.

use kamiflow_test_support::{Browser, TestSite, between};

#[tokio::test]
async fn a_seat_is_for_all_shops_only_when_that_was_chosen() {
    let mut site = TestSite::start().await;
    site.work();
    let owner = Browser::signed_up_as(&site, "owner@example.com").await;
    let (shop, _mall) = owner.sandbox_shop().await;
    let page = "/console/team";
    for (fields, told) in [
        (vec![("role", "operator")], "至少勾选一家"),
        (vec![("role", "operator"), ("scope", "some")], "至少勾选一家"),
        (vec![("role", "operator"), ("scope", "all"), ("shop", &shop)], "就不要再勾选店铺"),
    ] {
        assert_eq!(owner.does("/console/team/invite", &fields).await, page, "{fields:?}");
        let shown = owner.sees(page).await;
        assert!(shown.contains(told) && !shown.contains("等待加入"), "{fields:?}: {shown}");
    }
    let made = owner.send("/console/team/invite", &[("role", "operator"), ("scope", "all")]).await;
    assert_eq!((made.status, made.cache.as_str()), (200, "no-store"));
    drop(owner);
    site.stop().await;
}

#[tokio::test]
async fn a_member_of_one_shop_sees_the_pools_that_serve_it_and_maps_to_no_other() {
    let mut site = TestSite::start().await;
    site.work();
    let owner = Browser::signed_up_as(&site, "owner@example.com").await;
    let (mine, mall) = owner.sandbox_shop().await;
    let other = owner.another_shop().await;
    let all = owner.sees("/console/pools").await;
    let pools: Vec<&str> =
        all.split("href=\"/console/pools/").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    let member = Browser::signed_up_as(&site, "member@example.com").await;
    member.joins(&owner, "operator", &[&mine]).await;

    let seen = member.sees("/console/pools").await;
    assert!(seen.contains(&format!("演练卡库（演练店 {mall}）")), "{seen}");
    let (visible, hidden): (Vec<&str>, Vec<&str>) = pools.iter().partition(|pool| seen.contains(**pool));
    assert!(!visible.is_empty() && !hidden.is_empty(), "{pools:?} {seen}");
    assert_eq!(seen.matches("演练卡库").count(), 1, "one name is shown: {seen}");
    assert!(
        seen.contains("<td class=\"r\">200</td>") && seen.contains("<td class=\"r\">—</td>"),
        "stock, not what was taken: {seen}"
    );
    assert_eq!(member.get(&format!("/console/pools/{}", hidden[0])).await.status, 404);
    assert_eq!(member.get(&format!("/console/pools/{}", visible[0])).await.status, 200);
    assert_eq!(member.get(&format!("/console/products?shop={other}")).await.status, 404);

    let products = member.sees(&format!("/console/products?shop={mine}")).await;
    assert!(products.contains(&format!("voucher_send:{}", visible[0])) && !products.contains(hidden[0]), "{products}");
    let sku = between(&products, "name=\"sku\" value=\"", "\"").to_owned();
    let choose = async |pool: &str| {
        let handling = format!("voucher_send:{pool}");
        member.send("/console/products", &[("shop", &mine), ("sku", &sku), ("handling", &handling)]).await.status
    };
    assert_eq!(choose(hidden[0]).await, 404, "a pool that serves none of the own shops is as unknown as a foreign one");
    assert_ne!(choose(visible[0]).await, 404);
    drop((owner, member));
    site.stop().await;
}

#[tokio::test]
async fn what_a_thief_would_do_first_asks_for_a_fresh_proof() {
    let mut site = TestSite::start().await;
    site.work();
    let owner = Browser::signed_up_as(&site, "owner@example.com").await;
    let page = "/console/notifications";
    let address = [("email", "alarm@example.com")];
    assert!(owner.does(page, &address).await.starts_with("/account/sudo?next="));
    assert!(owner.sees(page).await.contains("现在确认"));
    owner.proves().await;
    assert_eq!(owner.does(page, &address).await, page);
    let shown = owner.sees(page).await;
    assert!(shown.contains("alarm@example.com") && !shown.contains("现在确认"), "{shown}");
    drop(owner);
    site.stop().await;
}

#[tokio::test]
async fn a_page_that_is_opened_again_and_again_does_not_use_up_the_shops_calls() {
    let site = TestSite::start().await;
    let browser = Browser::arranged(&site).await;
    let (shop, _mall) = browser.sandbox_shop().await;
    let before = site.world.calls("pdd.mall.info.get").await;
    assert!(before > 0, "the page has asked the platform");
    for _ in 0..5 {
        assert!(browser.sees(&format!("/console/shops/{shop}")).await.contains("发货前检查"));
    }
    assert_eq!(site.world.calls("pdd.mall.info.get").await, before);
    site.world.clock.advance(chrono::TimeDelta::seconds(31));
    browser.sees(&format!("/console/shops/{shop}")).await;
    assert_eq!(site.world.calls("pdd.mall.info.get").await, before + 1);
    drop(browser);
    site.stop().await;
}

#[tokio::test]
async fn played_buyers_are_counted() {
    let site = TestSite::start().await;
    let browser = Browser::arranged(&site).await;
    let (shop, _mall) = browser.sandbox_shop().await;
    let buy = format!("/console/shops/{shop}/buyer");
    for n in 0..60 {
        assert!(browser.does(&buy, &[]).await.contains("/orders/"), "buyer {n}");
    }
    assert_eq!(browser.does(&buy, &[]).await, "/console");
    assert!(browser.sees("/console").await.contains("试得太频繁"));
    drop(browser);
    site.stop().await;
}

/// Returns the page of the only member who is not who looks.
async fn page_of_other(browser: &Browser<'_>) -> String {
    let team = browser.sees("/console/team").await;
    format!("/console/team/usr_{}", between(&team, "href=\"/console/team/usr_", "\""))
}

#[tokio::test]
async fn a_seat_is_changed_on_its_page_and_holds_at_once() {
    let mut site = TestSite::start().await;
    site.work();
    let owner = Browser::signed_up_as(&site, "owner@example.com").await;
    let (shop, _mall) = owner.sandbox_shop().await;
    let member = Browser::signed_up_as(&site, "member@example.com").await;
    member.joins(&owner, "viewer", &[]).await;
    assert_eq!(member.get("/console/audit").await.status, 403);
    let page = page_of_other(&owner).await;
    let shown = owner.sees(&page).await;
    assert!(shown.contains("更改角色和店铺") && shown.contains("移交所有权"), "{shown}");
    // Nobody changes what they do not govern, and nobody the own seat.
    assert_eq!(member.get(&page).await.status, 403);
    assert_eq!(member.send(&page, &[("role", "admin"), ("scope", "all")]).await.status, 403);
    assert_eq!(owner.get("/console/team/usr_00000000000000000000000000000000").await.status, 404);
    assert_eq!(owner.get("/console/team/nobody").await.status, 404);

    assert_eq!(owner.does(&page, &[("role", "operator"), ("scope", "some")]).await, page, "no shop is ticked");
    let limited = [("role", "operator"), ("scope", "some"), ("shop", shop.as_str())];
    assert_eq!(owner.does(&page, &limited).await, "/console/team");
    assert_eq!(member.get("/console/team").await.status, 403, "of the merchant as a whole");
    assert_eq!(member.get(&format!("/console/shops/{shop}")).await.status, 200);
    assert!(owner.sees(&page).await.contains(&format!("value=\"{shop}\" checked")));
    assert_eq!(owner.does(&page, &[("role", "admin"), ("scope", "all")]).await, "/console/team");
    assert_eq!(member.get("/console/audit").await.status, 200);
    let log = owner.sees("/console/audit?area=team").await;
    assert!(log.contains("team.member_change"), "{log}");
    drop((owner, member));
    site.stop().await;
}

#[tokio::test]
async fn a_merchant_is_handed_over_with_a_fresh_proof_and_both_are_told() {
    let mut site = TestSite::start().await;
    site.work();
    let owner = Browser::signed_up_as(&site, "owner@example.com").await;
    let heir = Browser::signed_up_as(&site, "heir@example.com").await;
    heir.joins(&owner, "viewer", &[]).await;
    let page = page_of_other(&owner).await;
    let act = format!("{page}/owner");
    assert_eq!(heir.send(&act, &[]).await.status, 403, "nobody takes it");
    site.world.clock.advance(chrono::TimeDelta::minutes(11));
    assert!(owner.does(&act, &[]).await.starts_with("/account/sudo?next="));
    owner.proves().await;
    assert_eq!(owner.does(&act, &[]).await, "/console/team");
    assert!(owner.sees("/console/team").await.contains("你现在是管理员"));
    for address in ["owner@example.com", "heir@example.com"] {
        let told = async {
            loop {
                let mail = site.mailbox.take(address).await;
                if mail.subject.contains("所有者") || mail.text.contains("所有者") {
                    return;
                }
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(60), told).await.unwrap();
    }
    assert_eq!(owner.get("/console/merchant").await.status, 403);
    assert_eq!(heir.get("/console/merchant").await.status, 200);
    drop((owner, heir));
    site.stop().await;
}

#[tokio::test]
async fn somebody_leaves_and_a_sole_owner_cannot() {
    let mut site = TestSite::start().await;
    site.work();
    let owner = Browser::signed_up_as(&site, "owner@example.com").await;
    assert!(owner.sees("/console/team/leave").await.contains("唯一的所有者"));
    assert_eq!(owner.does("/console/team/leave", &[]).await, "/console/team/leave");
    let member = Browser::signed_up_as(&site, "member@example.com").await;
    member.joins(&owner, "viewer", &[]).await;
    assert!(member.sees("/console/team/leave").await.contains("退出「测试商家」"));
    assert_eq!(member.does("/console/team/leave", &[]).await, "/account/merchants");
    assert_eq!(member.get("/console").await.to(), "/account/merchants");
    let left = member.sees("/account/merchants").await;
    assert!(left.contains("切换"), "the own merchant is still there: {left}");
    let own = format!("mer_{}", between(&left, "value=\"mer_", "\""));
    assert_eq!(member.does("/account/merchants", &[("merchant", &own)]).await, "/console");
    assert_eq!(member.get("/console").await.status, 200);
    drop((owner, member));
    site.stop().await;
}

#[tokio::test]
async fn one_account_opens_several_merchants_and_switches() {
    let mut site = TestSite::start().await;
    site.work();
    let owner = Browser::signed_up_as(&site, "owner@example.com").await;
    let page = "/account/merchants";
    assert_eq!(owner.does("/account/merchants/open", &[("merchant", " ")]).await, page);
    assert_eq!(owner.does("/account/merchants/open", &[("merchant", "第二家")]).await, "/console");
    assert!(owner.sees("/console").await.contains("第二家"));
    let list = owner.sees(page).await;
    assert!(list.contains("测试商家") && list.contains("正在使用"), "{list}");
    let first = format!("mer_{}", between(&list, "name=\"merchant\" value=\"mer_", "\""));
    assert_eq!(owner.does(page, &[("merchant", &first)]).await, "/console");
    assert!(owner.sees(page).await.contains("第二家"));
    let stranger = Browser::signed_up_as(&site, "stranger@example.com").await;
    assert_eq!(stranger.send(page, &[("merchant", &first)]).await.status, 404);
    for n in 3..=10 {
        owner.does("/account/merchants/open", &[("merchant", &format!("第 {n} 家"))]).await;
    }
    assert_eq!(owner.does("/account/merchants/open", &[("merchant", "一家太多")]).await, page);
    assert!(owner.sees(page).await.contains("最多拥有 10 个商家"));
    drop((owner, stranger));
    site.stop().await;
}

#[tokio::test]
async fn closing_a_merchant_pauses_its_shops_and_can_be_taken_back_for_thirty_days() {
    let mut site = TestSite::start().await;
    site.work();
    let owner = Browser::signed_up_as(&site, "owner@example.com").await;
    let (shop, _mall) = owner.sandbox_shop().await;
    let page = "/console/merchant";
    assert!(owner.sees(page).await.contains("现有 0 家在正式运行"), "a sandbox shop is none");
    assert!(owner.does("/console/merchant/close", &[]).await.starts_with("/account/sudo?next="));
    owner.proves().await;
    assert_eq!(owner.does("/console/merchant/close", &[]).await, page);
    let closing = owner.sees("/console").await;
    assert!(closing.contains("这个商家正在关闭。") && !closing.contains("全部店铺的发货已暂停。"), "{closing}");
    let paused = owner.sees("/console/pauses").await;
    assert!(paused.contains("全部店铺的发货已暂停。"), "{paused}");
    owner.does(&format!("/console/shops/{shop}/buyer"), &[]).await;
    let sql = site.world.sql_as_superuser().await;
    site.world.until_as(&sql, "SELECT count(*) FROM deliveries WHERE state = 'pending'", 1).await;
    assert!(site.world.vouchers_sent().await.is_empty());
    owner.does("/console/merchant/reopen", &[]).await;
    assert!(!owner.sees("/console").await.contains("这个商家正在关闭。"));
    let still = owner.sees(&format!("/console/shops/{shop}")).await;
    assert!(still.contains("全部店铺的发货已暂停。"), "reopening sends nothing: {still}");
    assert!(owner.sees("/console/pauses").await.contains("商家将关闭。"));
    owner.does("/preferences", &[("language", "en")]).await;
    assert!(owner.sees("/console/pauses").await.contains("The merchant is closing."), "in the reader's language");
    owner.does("/preferences", &[("language", "zh-CN")]).await;

    owner.does("/console/merchant/close", &[]).await;
    site.world.clock.advance(chrono::TimeDelta::days(29));
    owner.log_in("owner@example.com").await;
    assert_eq!(owner.get("/console").await.status, 200);
    site.world.clock.advance(chrono::TimeDelta::days(2));
    assert_eq!(owner.get("/console").await.to(), "/account/merchants");
    assert!(owner.sees("/account/merchants").await.contains("已关闭"));
    drop(owner);
    site.stop().await;
}
