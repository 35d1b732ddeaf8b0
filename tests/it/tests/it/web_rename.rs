//! Another name for a merchant over HTTP: who may, who is told, and who is asked for an identity again.

use chrono::TimeDelta;
use kamiflow_domain::ctx::{Actor, Ctx};
use kamiflow_domain::verification::renewal;
use kamiflow_test_support::{Browser, TestSite};

use crate::web_staff::{OWNER, PAGE as VERIFICATION, mail, merchant, production_shop, verified};

const PAGE: &str = "/console/merchant";
const RENAME: &str = "/console/merchant/name";

#[tokio::test]
async fn an_owner_renames_the_merchant_and_the_team_is_told() {
    let site = TestSite::start().await;
    let owner = Browser::arranged(&site).await;
    let form = [("merchant", "星河数卡")];
    assert_eq!(
        owner.does(RENAME, &form).await,
        "/account/sudo?next=%2Fconsole%2Fmerchant",
        "a stolen session renames none"
    );
    owner.proves().await;
    for unfit in ["", "x", &"长".repeat(61)] {
        assert_eq!(owner.does(RENAME, &[("merchant", unfit)]).await, PAGE);
        assert!(owner.sees(PAGE).await.contains("2 到 60 个字"), "{unfit}");
    }
    assert_eq!(owner.does(RENAME, &form).await, PAGE);
    let page = owner.sees(PAGE).await;
    assert!(page.contains("商家已改名") && page.contains("星河数卡 · 代码"), "{page}");
    // The name it has already is no change.
    owner.does(RENAME, &form).await;
    let sql = site.world.sql_as_superuser().await;
    let acts = "SELECT count(*) FROM audit_log WHERE action = 'merchant.rename' AND detail->>'after' = '星河数卡'
                   AND detail->>'before' = '测试商家' AND ip <> '' AND request_id <> ''";
    assert_eq!(sql.count(acts, &[]).await.unwrap(), 1);
    let again = "SELECT count(*) FROM audit_log WHERE action = 'verification.ask_again'";
    assert_eq!(sql.count(again, &[]).await.unwrap(), 0, "who never was verified is asked nothing");
    site.stop().await;
}

#[tokio::test]
async fn a_verified_merchant_is_asked_again_and_its_shops_go_on_for_seven_days() {
    let site = TestSite::start().await;
    let (owner, her) = merchant(&site).await;
    let shop_page = production_shop(&site, &her).await;
    verified(&site, &her).await;
    site.owner("admin@example.com").await;
    let admin = Browser::new(&site);
    admin.log_in("admin@example.com").await;
    admin.joins(&her, "admin", &[]).await;
    her.proves().await;
    assert_eq!(her.does(&format!("{shop_page}/live"), &[("start", "now")]).await, shop_page);
    assert_eq!(her.does(RENAME, &[("merchant", "星河数卡")]).await, PAGE);
    site.send_mails(owner.merchant).await;
    let told = mail(&site, OWNER, "星河数卡").await;
    assert!(told.text.contains("「星河数卡」是「测试商家」的新名称"), "{}", told.text);
    let in_english = mail(&site, "admin@example.com", "is the new name of").await;
    assert!(in_english.text.contains("星河数卡 is the new name of 测试商家"), "{}", in_english.text);
    assert!(her.sees(VERIFICATION).await.contains("需要重新认证"));

    let engine = &site.world.engine;
    let state = "SELECT count(*) FROM shops WHERE gateway = 'production' AND state = 'live'";
    let sql = site.world.sql_as_superuser().await;
    let step = async || {
        let now = engine.now();
        let ctx = Ctx { actor: Actor::Engine("jobs"), merchant: owner.merchant, request_id: String::new(), now };
        renewal::step(engine, &ctx).await.unwrap();
    };
    site.world.clock.advance(TimeDelta::days(6));
    step().await;
    assert_eq!(sql.count(state, &[]).await.unwrap(), 1, "it goes on for seven days");
    site.world.clock.advance(TimeDelta::days(2));
    step().await;
    assert_eq!(sql.count(state, &[]).await.unwrap(), 0, "and stops until somebody is approved");
    site.stop().await;
}
