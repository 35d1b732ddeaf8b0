//! What needs a person reaches a person: once an hour, in their language, about shops of the real platform.

use std::collections::HashMap;

use chrono::TimeDelta;
use kamiflow_domain::accounts::mailer::Mail;
use kamiflow_domain::connection_take_over::disconnect_shop;
use kamiflow_domain::engine::{Engine, EngineConfig};
use kamiflow_domain::notices::{self, Notice};
use kamiflow_domain::notification_address::set_notification_address;
use kamiflow_domain::reveal_cards::reveal_cards;
use kamiflow_domain::stock_watch;
use kamiflow_domain::tokens;
use kamiflow_kernel::{Clock, GatewayKind, MerchantId, ReasonCode, Role, ShopId, ShopScope};
use kamiflow_store::jobs;
use kamiflow_store::team::members::{self, MembershipRow};
use kamiflow_test_support::accounts::AccountsApp;
use kamiflow_test_support::{Merchant, World};

const SITE: &str = "https://kami.example";

fn engine(app: &AccountsApp) -> Engine {
    let config = EngineConfig { site: Some(SITE.to_owned()), ..(*app.app.engine.config).clone() };
    Engine { config: config.into(), ..app.app.engine.clone() }
}

/// A merchant with a shop of the real platform, and this member in this language.
async fn merchant<'a>(app: &'a AccountsApp, member: &str, locale: &str) -> (Merchant<'a>, ShopId) {
    let merchant = app.app.merchant().await;
    let shop = merchant.shop().await.id;
    seat(app, &merchant, (member, Role::Owner), locale).await;
    let real = format!(
        "SET LOCAL session_replication_role = replica; UPDATE shops SET gateway = 'production' WHERE id = '{}'",
        shop.as_uuid()
    );
    app.app.sql_as_superuser().await.transaction(&real).await.unwrap();
    (merchant, shop)
}

async fn seat(app: &AccountsApp, merchant: &Merchant<'_>, (email, role): (&str, Role), locale: &str) -> String {
    let user = app.owner(email).await.user;
    let mut tx = merchant.tx().await;
    let seat = MembershipRow { user, role, shops: ShopScope::All };
    members::insert(&mut tx, &seat, app.now()).await.unwrap();
    tx.commit().await.unwrap();
    let sql = app.app.sql_as_superuser().await;
    sql.execute("UPDATE users SET locale = $2 WHERE id = $1", &[&user.as_uuid(), &locale]).await.unwrap();
    user.to_string()
}

async fn tell(app: &AccountsApp, merchant: &Merchant<'_>, notice: &Notice) {
    let mut tx = merchant.tx().await;
    notices::tell(&mut tx, app.now(), notice).await.unwrap();
    tx.commit().await.unwrap();
}

/// Does the jobs that notices left, as a worker does; returns what was mailed.
async fn mailed(app: &AccountsApp, merchants: &[&Merchant<'_>]) -> HashMap<String, Vec<Mail>> {
    let engine = engine(app);
    for merchant in merchants {
        let mut tx = merchant.tx().await;
        let waiting = jobs::list(&mut tx, 100).await.unwrap();
        for job in waiting.into_iter().filter(|job| job.name == notices::NAME) {
            let notice: Notice = serde_json::from_value(job.payload).unwrap();
            notices::run(&engine, &merchant.ctx(), notice).await.unwrap();
            jobs::delete(&mut tx, job.id).await.unwrap();
        }
        tx.commit().await.unwrap();
    }
    let ids: Vec<MerchantId> = merchants.iter().map(|merchant| merchant.id).collect();
    app.mails(&ids).await
}

/// A notice of each kind, where its link leads, and whether it goes to who leads instead of the address.
fn every_kind(shop: ShopId, member: &str, app: &AccountsApp) -> Vec<(Notice, String, bool)> {
    let page = format!("/console/shops/{shop}");
    let member = member.to_owned();
    let renew_by = app.now() + TimeDelta::days(7);
    vec![
        (Notice::ShopStopped { shop, reason: ReasonCode::ReauthorizationNeeded }, page.clone(), false),
        (Notice::ApplicationStopped { shop, application: "app_1".to_owned() }, page.clone(), false),
        (Notice::AnotherToolAtWork { shop, orders: 3 }, format!("{page}/outside"), false),
        (Notice::TakeOverAsked { shop }, "/console/shops".to_owned(), false),
        (Notice::ShopDisconnected { shop }, "/console/shops".to_owned(), false),
        (Notice::RevealsNearQuota { member, shop, most: 200 }, "/console/audit?area=cards".to_owned(), true),
        (
            Notice::VerificationAskedAgain { cause: "new_owner".to_owned(), renew_by },
            "/console/verification".to_owned(),
            false,
        ),
    ]
}

#[tokio::test]
async fn each_kind_is_one_mail_an_hour_to_the_address_for_it_and_to_nobody_elses() {
    let app = AccountsApp::new().await;
    let (one, shop) = merchant(&app, "zh@example.com", "zh").await;
    let (two, _) = merchant(&app, "stranger@example.com", "zh").await;
    let admin = seat(&app, &one, ("admin@example.com", Role::Admin), "en").await;
    seat(&app, &one, ("viewer@example.com", Role::Viewer), "zh").await;
    let alarm = "alarm@example.com".parse().unwrap();
    set_notification_address(&app.app.engine, &one.ctx(), &alarm).await.unwrap();
    for (notice, page, to_leaders) in every_kind(shop, &admin, &app) {
        tell(&app, &one, &notice).await;
        let mails = mailed(&app, &[&one, &two]).await;
        let mut to: Vec<&str> = mails.keys().map(String::as_str).collect();
        to.sort_unstable();
        let leaders = ["admin@example.com", "zh@example.com"];
        let expected = if to_leaders { &leaders[..] } else { &["alarm@example.com"][..] };
        assert_eq!(to, expected, "{notice:?}");
        for (address, mails) in &mails {
            let [mail] = mails.as_slice() else { panic!("{notice:?}: {} mails", mails.len()) };
            assert!(mail.text.contains(&format!("{SITE}{page}")), "{notice:?}: {}", mail.text);
            let is_chinese = mail.text.contains('您') || mail.text.contains('请');
            assert_eq!(is_chinese, address != "admin@example.com", "{address}: {}", mail.text);
        }
        app.app.clock.advance(TimeDelta::minutes(59));
        tell(&app, &one, &notice).await;
        assert!(mailed(&app, &[&one, &two]).await.is_empty(), "{notice:?}: a second one within the hour");
        app.app.clock.advance(TimeDelta::minutes(1));
        tell(&app, &one, &notice).await;
        assert_eq!(mailed(&app, &[&one, &two]).await.len(), expected.len(), "{notice:?}: after the hour");
    }
}

#[tokio::test]
async fn without_an_address_every_owner_is_told_in_her_language() {
    let app = AccountsApp::new().await;
    let (merchant, shop) = merchant(&app, "zh@example.com", "zh").await;
    seat(&app, &merchant, ("en@example.com", Role::Owner), "en").await;
    seat(&app, &merchant, ("admin@example.com", Role::Admin), "en").await;
    tell(&app, &merchant, &Notice::TakeOverAsked { shop }).await;
    let mails = mailed(&app, &[&merchant]).await;
    assert_eq!(mails.len(), 2);
    assert!(mails["zh@example.com"][0].subject.contains("有人申请接入"), "{}", mails["zh@example.com"][0].subject);
    assert!(mails["en@example.com"][0].subject.contains("Somebody asks"), "{}", mails["en@example.com"][0].subject);
}

#[tokio::test]
async fn a_notice_that_failed_for_good_does_not_silence_the_next_one() {
    let app = AccountsApp::new().await;
    let (merchant, shop) = merchant(&app, "owner@example.com", "zh").await;
    tell(&app, &merchant, &Notice::TakeOverAsked { shop }).await;
    let mut tx = merchant.tx().await;
    let job = jobs::list(&mut tx, 10).await.unwrap().into_iter().find(|job| job.name == notices::NAME).unwrap();
    for failure in 1..=3 {
        assert_eq!(jobs::update_failed(&mut tx, job.id, "unreadable", app.now(), 3).await.unwrap(), failure);
    }
    tx.commit().await.unwrap();
    tell(&app, &merchant, &Notice::TakeOverAsked { shop }).await;
    let mut tx = merchant.tx().await;
    let waiting = jobs::list(&mut tx, 10).await.unwrap();
    let mine: Vec<_> = waiting.iter().filter(|job| job.name == notices::NAME).collect();
    assert_eq!(mine.iter().map(|job| (job.parked, job.failures)).collect::<Vec<_>>(), [(false, 0)]);
    assert!(mine[0].id != job.id, "whoever still holds the former one ends nothing");
    tx.commit().await.unwrap();
    assert_eq!(mailed(&app, &[&merchant]).await["owner@example.com"].len(), 1);
}

#[tokio::test]
async fn a_sandbox_shop_alarms_nobody() {
    let app = AccountsApp::new().await;
    let (merchant, _) = merchant(&app, "zh@example.com", "zh").await;
    let sandbox = merchant.shop().await.id;
    for (notice, ..) in every_kind(sandbox, "x", &app) {
        // A verification is the merchant's, and no shop's.
        if !matches!(notice, Notice::VerificationAskedAgain { .. }) {
            tell(&app, &merchant, &notice).await;
        }
    }
    assert!(mailed(&app, &[&merchant]).await.is_empty());
}

#[tokio::test]
async fn shops_that_stop_are_disconnected_or_asked_for_are_told_where_it_happens() {
    let app = AccountsApp::new().await;
    let (one, shop) = merchant(&app, "zh@example.com", "zh").await;
    let (two, _) = merchant(&app, "stranger@example.com", "zh").await;
    let mut tx = one.tx().await;
    tokens::stop(&mut tx, app.now(), shop, ReasonCode::StoppedByPlatform).await.unwrap();
    tx.commit().await.unwrap();
    let subject = async || {
        let mails = mailed(&app, &[&one, &two]).await;
        assert_eq!(mails.len(), 1);
        mails["zh@example.com"].iter().map(|mail| mail.subject.clone()).collect::<Vec<_>>().join("|")
    };
    let stopped = subject().await;
    assert!(stopped.contains("已停止发货"), "{stopped}");

    // The other merchant came back from the platform's page with this mall's authorization.
    let sql = app.app.sql_as_superuser().await;
    let asks = "INSERT INTO authorization_requests (id, merchant_id, state_hash, session_hash, application_merchant_id,
                                                    application_id, began_at, expires_at, used_at)
                SELECT gen_random_uuid(), s.merchant_id, 'h', 's', s.application_merchant_id, s.application_id, $2, $2, $2
                  FROM shops s WHERE s.merchant_id = $1";
    sql.execute(asks, &[&two.id.as_uuid(), &app.now()]).await.unwrap();
    let asks = "SELECT system_ask_take_over(r.id, s.gateway, s.mall_id, $2) FROM authorization_requests r, shops s
                 WHERE s.id = $1";
    let as_two = app.app.sql_as_superuser().await;
    let bind = format!("SELECT set_config('app.merchant_id', '{}', false)", two.id.as_uuid());
    as_two.query(&bind, &[]).await.unwrap();
    as_two.query(asks, &[&shop.as_uuid(), &app.app.clock.now()]).await.unwrap();
    let asked = subject().await;
    assert!(asked.contains("有人申请接入"), "{asked}");

    disconnect_shop(&app.app.engine, &one.ctx(), shop).await.unwrap();
    let disconnected = subject().await;
    assert!(disconnected.contains("已断开"), "{disconnected}");
}

/// Looks at pools as the workers do each minute.
async fn watch_stock(app: &AccountsApp) {
    app.app.clock.advance(TimeDelta::minutes(1));
    let engine = engine(app);
    for turned in stock_watch::list_pools(&engine, 100).await.unwrap() {
        stock_watch::look(&engine, &engine.ctx("stock-watch", turned.merchant), turned.pool).await.unwrap();
    }
}

#[tokio::test]
async fn a_pool_that_runs_low_is_one_mail_for_each_fall_and_a_sandboxs_pool_none() {
    let app = AccountsApp::new().await;
    let (one, _) = merchant(&app, "zh@example.com", "zh").await;
    let (two, _) = merchant(&app, "stranger@example.com", "zh").await;
    let pool = one.pool_at("月卡", GatewayKind::Production).await;
    let sample = one.pool("样品").await;
    let sql = app.app.sql_as_superuser().await;
    sql.execute("UPDATE card_pools SET low_stock_at = 2", &[]).await.unwrap();
    let mails = async || {
        watch_stock(&app).await;
        let mails = mailed(&app, &[&one, &two]).await.remove("zh@example.com").unwrap_or_default();
        mails.into_iter().map(|mail| (mail.subject, mail.text)).collect::<Vec<_>>()
    };
    let gone = async |cards: i64| {
        let take = format!(
            "SET LOCAL session_replication_role = replica;
             UPDATE card_uses SET state = 'void' WHERE id IN (SELECT id FROM (SELECT id, row_number() OVER
                 (PARTITION BY pool_id ORDER BY id) AS n FROM card_uses WHERE state = 'available') u WHERE n <= {cards})"
        );
        sql.transaction(&take).await.unwrap();
    };
    assert!(mails().await.is_empty(), "it begins empty, which is no fall");
    let (pool, sample) = (pool.with_cards(4).await, sample.with_cards(4).await);
    assert!(mails().await.is_empty(), "there is enough");
    gone(1).await;
    assert!(mails().await.is_empty(), "three are more than two");
    gone(1).await;
    let told = mails().await;
    let [(subject, text)] = told.as_slice() else { panic!("{told:?}") };
    assert!(subject.contains("卡库「月卡」库存不足"), "{subject}");
    assert!(text.contains("只剩 2 张") && text.contains(&format!("{SITE}/console/pools/{}", pool.id)), "{text}");
    app.app.clock.advance(TimeDelta::hours(3));
    gone(2).await;
    assert!(mails().await.is_empty(), "it is the same fall");

    let (pool, _sample) = (pool.with_cards(3).await, sample.with_cards(3).await);
    assert!(mails().await.is_empty());
    gone(3).await;
    let told = mails().await;
    assert!(told.len() == 1 && told[0].1.contains("已经用完"), "the next fall, whenever it comes: {told:?}");
    // What is in order again before the mail is planned is not written about.
    let pool = pool.with_cards(3).await;
    assert!(mails().await.is_empty());
    gone(1).await;
    watch_stock(&app).await;
    pool.with_cards(3).await;
    assert!(mails().await.is_empty());
}

#[tokio::test]
async fn who_leads_is_told_of_looks_at_cards_near_the_quota() {
    let world = World::start().await;
    let order = world.one_order("VOUCHER").await;
    world.deliver_all(std::slice::from_ref(&order)).await;
    let config = EngineConfig { reveals_per_day: 2, ..(*world.engine.config).clone() };
    let engine = Engine { config: config.into(), ..world.engine.clone() };
    for told in [0, 1] {
        reveal_cards(&engine, &world.ctx(), world.shop, &order).await.unwrap();
        let told_of =
            "SELECT count(*) FROM jobs WHERE name = 'mail_notice.v1' AND payload->>'kind' = 'reveals_near_quota'";
        assert_eq!(world.sql().await.count(told_of, &[]).await.unwrap(), told);
    }
}
