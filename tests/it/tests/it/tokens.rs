//! Tokens: at most one refresh per version, whoever asks; and what happens when a refresh does not help.

use chrono::{DateTime, TimeDelta, Utc};
use kamiflow_domain::authorization_link::open_link;
use kamiflow_domain::connect_shop::{ConnectShop, ConnectShopError, Grant, Purpose, connect_shop};
use kamiflow_domain::engine::{Engine, EngineConfig};
use kamiflow_domain::marketplace::{ErrorClass, MallInfo, Tokens};
use kamiflow_domain::notification_address::set_notification_address;
use kamiflow_domain::refresh_token::{self, Refresh, refresh};
use kamiflow_domain::tokens::{Recovery, recover};
use kamiflow_kernel::{Clock, MallId, ShopState};
use kamiflow_store::credentials::{self, CredentialRow, RefreshClaim};
use kamiflow_store::{exceptions, shops};
use kamiflow_test_support::accounts::AccountsApp;
use kamiflow_test_support::{Merchant, Shop, TestApp, market_error};
use uuid::Uuid;

async fn credential(merchant: &Merchant<'_>, shop: &Shop<'_>) -> CredentialRow {
    let mut tx = merchant.tx().await;
    credentials::fetch(&mut tx, shop.id).await.unwrap()
}

async fn state(merchant: &Merchant<'_>, shop: &Shop<'_>) -> (ShopState, Option<String>) {
    let mut tx = merchant.tx().await;
    let row = shops::fetch(&mut tx, shop.id).await.unwrap();
    (row.state, row.stop_reason)
}

async fn open_exceptions(merchant: &Merchant<'_>, shop: &Shop<'_>) -> Vec<String> {
    let mut tx = merchant.tx().await;
    exceptions::list_open(&mut tx, shop.id, &[""]).await.unwrap().into_iter().map(|row| row.code).collect()
}

/// What the owner was told, oldest first.
async fn told(merchant: &Merchant<'_>) -> Vec<String> {
    let sql = merchant.sql().await;
    let rows = sql
        .query(
            "SELECT coalesce(payload->>'left', payload->>'kind') FROM outbox WHERE topic = 'notify' ORDER BY id",
            &[],
        )
        .await
        .unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

fn extended(merchant: &Merchant<'_>, shop: &Shop<'_>) -> Tokens {
    merchant.tokens(shop.mall, "2", TimeDelta::hours(48))
}

#[tokio::test]
async fn a_refresh_that_extends_replaces_both_tokens_under_a_new_version() {
    let app = TestApp::new().await;
    let merchant = app.merchant().await;
    let shop = merchant.shop().await;
    app.market.next_tokens(Ok(extended(&merchant, &shop)));
    assert_eq!(refresh(&app.engine, &merchant.ctx(), shop.id, 1).await.unwrap(), Refresh::Newer);
    let row = credential(&merchant, &shop).await;
    assert_eq!((row.token_version, row.expires_at), (2, app.clock.now_plus(TimeDelta::hours(48))));
    assert!(row.needs_reauthorization_at.is_none() && row.refresh_holder.is_none());
    let tx = merchant.tx().await;
    let opened = kamiflow_domain::shop_access::open(&tx, shop.id).await.unwrap();
    assert_eq!(opened.access.access_token.expose(), "access-2");
    drop(tx);
    // The version that was read is the old one: no second call, which the script would not answer.
    assert_eq!(refresh(&app.engine, &merchant.ctx(), shop.id, 1).await.unwrap(), Refresh::Newer);
    assert_eq!(app.market.refresh_tokens_seen(), ["refresh-1"]);
}

#[tokio::test]
async fn of_many_who_ask_at_once_one_refreshes() {
    let app = TestApp::new().await;
    let merchant = app.merchant().await;
    let shop = merchant.shop().await;
    app.market.next_tokens(Ok(extended(&merchant, &shop)));
    let ctx = merchant.ctx();
    let asked = (0..8).map(|_| refresh(&app.engine, &ctx, shop.id, 1));
    for outcome in futures_util::future::join_all(asked).await {
        assert!(matches!(outcome.unwrap(), Refresh::Newer | Refresh::Later(_)));
    }
    assert_eq!(app.market.refresh_tokens_seen(), ["refresh-1"]);
    assert_eq!(credential(&merchant, &shop).await.token_version, 2);
}

#[tokio::test]
async fn a_refresh_that_does_not_extend_asks_for_the_owner_and_is_told_at_a_fifth_a_twentieth_and_0() {
    let app = TestApp::new().await;
    let merchant = app.merchant().await;
    let shop = merchant.shop().await;
    let ends_at = credential(&merchant, &shop).await.expires_at;
    let step = async || refresh_token::step(&app.engine, &merchant.ctx(), shop.id).await.unwrap();
    assert_eq!(step().await, Some(ends_at - TimeDelta::hours(6)));
    app.clock.advance(TimeDelta::hours(18));
    app.market.next_tokens(Ok(merchant.tokens(shop.mall, "2", TimeDelta::hours(6))));
    assert_eq!(step().await, Some(app.clock.now()));
    let row = credential(&merchant, &shop).await;
    assert_eq!((row.token_version, row.needs_reauthorization_at), (2, Some(ends_at)));
    assert_eq!(open_exceptions(&merchant, &shop).await, ["reauthorization_needed"]);
    assert_eq!(step().await, Some(ends_at - TimeDelta::minutes(288)));
    assert_eq!(told(&merchant).await, [""; 0]);
    for (advance, so_far) in [(72, vec!["20%"]), (216, vec!["20%", "5%"])] {
        app.clock.advance(TimeDelta::minutes(advance));
        step().await;
        assert!(step().await.is_some(), "told once, and there is more to tell");
        assert_eq!(told(&merchant).await, so_far);
    }
    assert_eq!(state(&merchant, &shop).await.0, ShopState::TrialRun);
    app.clock.advance(TimeDelta::minutes(72));
    assert_eq!(step().await, None);
    assert_eq!(told(&merchant).await, ["20%", "5%", "0", "shop_stopped"]);
    let stopped = (ShopState::Stopped, Some("reauthorization_needed".to_owned()));
    assert_eq!(state(&merchant, &shop).await, stopped);
    assert_eq!(app.market.refresh_tokens_seen().len(), 1);
}

#[tokio::test]
async fn a_reminder_is_mailed_for_a_real_shop_with_a_link_for_that_mall() {
    let app = AccountsApp::new().await;
    let merchant = app.app.merchant().await;
    let shop = merchant.shop().await;
    let sandbox = merchant.shop().await;
    // As if it were a shop of the real platform, which tests cannot reach.
    let real = "UPDATE shops SET gateway = 'production' WHERE id = $1";
    merchant.sql().await.execute(real, &[&shop.id.as_uuid()]).await.unwrap();
    let config = EngineConfig { site: Some("https://kami.example".to_owned()), ..(*app.app.engine.config).clone() };
    let engine = Engine { config: config.into(), ..app.app.engine.clone() };
    let step = async || refresh_token::step(&engine, &merchant.ctx(), shop.id).await.unwrap();
    let step_of_sandbox = async || refresh_token::step(&engine, &merchant.ctx(), sandbox.id).await.unwrap();
    step().await;
    step_of_sandbox().await;
    app.app.clock.advance(TimeDelta::hours(18));
    app.app.market.next_tokens(Ok(merchant.tokens(shop.mall, "2", TimeDelta::hours(6))));
    step().await;
    step().await;
    app.app.market.next_tokens(Ok(merchant.tokens(sandbox.mall, "2", TimeDelta::hours(6))));
    step_of_sandbox().await;
    step_of_sandbox().await;
    let address = "alarm@example.com".parse().unwrap();
    set_notification_address(&engine, &merchant.ctx(), &address).await.unwrap();
    app.app.clock.advance(TimeDelta::minutes(72));
    step().await;
    step().await;
    step_of_sandbox().await;
    assert_eq!(told(&merchant).await, ["20%", "20%"], "both are over soon");
    let mails = app.mails(&[merchant.id]).await;
    let [mail] = mails["alarm@example.com"].as_slice() else { panic!("told once: {}", mails.len()) };
    let (_, rest) = mail.text.split_once("https://kami.example/authorize/").unwrap();
    let token = rest.split_whitespace().next().unwrap().into();
    let opened = open_link(&engine, &token).await.unwrap();
    assert_eq!((opened.merchant, opened.mall.map(|(mall, _name)| mall)), (merchant.id, Some(shop.mall)));
}

#[tokio::test]
async fn a_refresh_without_an_answer_is_repeated_once_with_the_same_token() {
    let app = TestApp::new().await;
    let merchant = app.merchant().await;
    let shop = merchant.shop().await;
    app.market.next_tokens(Err(market_error(ErrorClass::OutcomeUnknown)));
    app.market.next_tokens(Ok(extended(&merchant, &shop)));
    assert_eq!(refresh(&app.engine, &merchant.ctx(), shop.id, 1).await.unwrap(), Refresh::Newer);
    assert_eq!(app.market.refresh_tokens_seen(), ["refresh-1", "refresh-1"]);
    assert_eq!(credential(&merchant, &shop).await.token_version, 2);
}

#[tokio::test]
async fn two_refreshes_without_an_answer_are_the_last() {
    let app = TestApp::new().await;
    let merchant = app.merchant().await;
    let shop = merchant.shop().await;
    app.market.next_tokens(Err(market_error(ErrorClass::OutcomeUnknown)));
    app.market.next_tokens(Err(market_error(ErrorClass::OutcomeUnknown)));
    for _ in 0..2 {
        assert_eq!(refresh(&app.engine, &merchant.ctx(), shop.id, 1).await.unwrap(), Refresh::Refused);
    }
    assert_eq!(app.market.refresh_tokens_seen().len(), 2);
    assert_eq!(open_exceptions(&merchant, &shop).await, ["reauthorization_needed"]);
}

#[tokio::test]
async fn a_process_that_died_in_a_refresh_is_followed_by_one_repetition_after_its_deadline() {
    let app = TestApp::new().await;
    let merchant = app.merchant().await;
    let shop = merchant.shop().await;
    let claim = async |version| {
        let now = app.clock.now();
        let deadline = now + TimeDelta::seconds(30);
        let mut tx = merchant.tx().await;
        let claim = RefreshClaim { shop: shop.id, version, holder: Uuid::now_v7(), now, deadline };
        let claimed = credentials::claim_refresh(&mut tx, &claim).await.unwrap();
        tx.commit().await.unwrap();
        claimed
    };
    assert!(!claim(2).await, "a version that is not there");
    assert!(claim(1).await);
    assert!(!claim(1).await, "somebody is at it");
    let until: DateTime<Utc> = app.clock.now_plus(TimeDelta::seconds(30));
    assert_eq!(refresh(&app.engine, &merchant.ctx(), shop.id, 1).await.unwrap(), Refresh::Later(until));
    app.clock.advance(TimeDelta::seconds(30));
    assert!(claim(1).await, "the one repetition");
    app.clock.advance(TimeDelta::seconds(31));
    assert!(!claim(1).await, "there is no third try");
    assert_eq!(refresh(&app.engine, &merchant.ctx(), shop.id, 1).await.unwrap(), Refresh::Refused);
    assert!(credential(&merchant, &shop).await.needs_reauthorization_at.is_some());
    assert_eq!(app.market.refresh_tokens_seen(), [""; 0]);
}

#[tokio::test]
async fn a_refresh_that_was_not_made_may_be_made_later() {
    let app = TestApp::new().await;
    let merchant = app.merchant().await;
    let shop = merchant.shop().await;
    app.market.next_tokens(Err(market_error(ErrorClass::RetryLater)));
    let later = Refresh::Later(app.clock.now_plus(TimeDelta::seconds(60)));
    for _ in 0..2 {
        assert_eq!(refresh(&app.engine, &merchant.ctx(), shop.id, 1).await.unwrap(), later);
    }
    app.clock.advance(TimeDelta::seconds(60));
    app.market.next_tokens(Ok(extended(&merchant, &shop)));
    assert_eq!(refresh(&app.engine, &merchant.ctx(), shop.id, 1).await.unwrap(), Refresh::Newer);
    assert_eq!(app.market.refresh_tokens_seen().len(), 2);
}

#[tokio::test]
async fn a_token_that_looks_dead_because_it_is_old_is_only_read_again() {
    let app = TestApp::new().await;
    let merchant = app.merchant().await;
    let shop = merchant.shop().await;
    app.market.next_tokens(Ok(extended(&merchant, &shop)));
    refresh(&app.engine, &merchant.ctx(), shop.id, 1).await.unwrap();
    let recovery = recover(&app.engine, &merchant.ctx(), shop.id, 1).await.unwrap();
    let Recovery::RetryWith(newer) = recovery else { panic!("{recovery:?}") };
    assert_eq!((newer.access.token_version, newer.access.access_token.expose()), (2, "access-2"));
    assert_eq!(app.market.refresh_tokens_seen().len(), 1);
}

#[tokio::test]
async fn a_dead_token_is_refreshed_once_and_then_the_shop_stops_until_its_owner_authorizes() {
    let app = TestApp::new().await;
    let merchant = app.merchant().await;
    let shop = merchant.shop().await;
    shop.goes_live().await;
    // The refreshed token does not live longer; it may still work, so it is tried.
    app.market.next_tokens(Ok(merchant.tokens(shop.mall, "2", TimeDelta::hours(24))));
    let first = recover(&app.engine, &merchant.ctx(), shop.id, 1).await.unwrap();
    assert!(matches!(first, Recovery::RetryWith(shop) if shop.access.token_version == 2));
    let second = recover(&app.engine, &merchant.ctx(), shop.id, 2).await.unwrap();
    assert!(matches!(second, Recovery::Stopped));
    assert_eq!(app.market.refresh_tokens_seen().len(), 1);
    assert_eq!(state(&merchant, &shop).await, (ShopState::Stopped, Some("reauthorization_needed".to_owned())));
    assert_eq!(open_exceptions(&merchant, &shop).await, ["reauthorization_needed"]);
    assert!(matches!(recover(&app.engine, &merchant.ctx(), shop.id, 2).await.unwrap(), Recovery::Stopped));
    assert_eq!(told(&merchant).await, ["shop_stopped"]);

    let sql = merchant.sql().await;
    let watermark = "SELECT extract(epoch FROM orders_watermark)::bigint FROM shop_sync";
    let before = sql.count(watermark, &[]).await.unwrap();
    app.clock.advance(TimeDelta::hours(30));
    let renewed = reauthorize(&app, &merchant, &shop, shop.mall).await.unwrap();
    assert!(renewed.reauthorized && renewed.shop == shop.id);
    assert_eq!(state(&merchant, &shop).await, (ShopState::Live, None));
    assert_eq!(open_exceptions(&merchant, &shop).await, [""; 0]);
    assert_eq!(sql.count(watermark, &[]).await.unwrap(), before, "what happened meanwhile is read");
    let row = credential(&merchant, &shop).await;
    assert!(row.dead_reason.is_none() && row.needs_reauthorization_at.is_none() && row.token_version == 3);
}

async fn reauthorize(
    app: &TestApp,
    merchant: &Merchant<'_>,
    shop: &Shop<'_>,
    mall: MallId,
) -> Result<kamiflow_domain::connect_shop::ConnectedShop, ConnectShopError> {
    app.market.next_tokens(Ok(merchant.tokens(mall, "new", TimeDelta::hours(24))));
    let request = ConnectShop {
        application: merchant.application().await,
        grant: Grant::Code("code".into()),
        purpose: Purpose::Reauthorize(shop.id),
        look_back: std::time::Duration::ZERO,
    };
    connect_shop(&app.engine, &merchant.ctx(), &request).await
}

#[tokio::test]
async fn an_authorization_for_another_mall_is_refused() {
    let app = TestApp::new().await;
    let merchant = app.merchant().await;
    let shop = merchant.shop().await;
    let refused = reauthorize(&app, &merchant, &shop, MallId(42)).await.unwrap_err();
    assert!(matches!(refused, ConnectShopError::OtherMall { given: MallId(42), .. }), "{refused}");
    assert_eq!(credential(&merchant, &shop).await.token_version, 1);
    let thief = app.merchant().await;
    let stolen = reauthorize(&app, &thief, &shop, shop.mall).await.unwrap_err();
    assert!(matches!(stolen, ConnectShopError::Store(_)), "{stolen}");
}

#[tokio::test]
async fn a_mall_is_connected_once_in_the_whole_service() {
    let app = TestApp::new().await;
    let (merchant, other) = (app.merchant().await, app.merchant().await);
    let shop = merchant.shop().await;
    let connect = async |merchant: &Merchant<'_>| {
        let request = ConnectShop {
            application: merchant.application().await,
            grant: Grant::Tokens(Box::new(merchant.tokens(shop.mall, "x", TimeDelta::hours(1)))),
            purpose: Purpose::Connect,
            look_back: std::time::Duration::ZERO,
        };
        connect_shop(&app.engine, &merchant.ctx(), &request).await
    };
    let refused = connect(&other).await.unwrap_err();
    assert!(matches!(refused, ConnectShopError::ConnectedElsewhere(mall) if mall == shop.mall), "{refused}");
    let again = connect(&merchant).await.unwrap();
    assert!(again.reauthorized && again.shop == shop.id);
    let mut tx = merchant.tx().await;
    shops::update_state(&mut tx, shop.id, &shops::ShopChange::Disconnect).await.unwrap();
    tx.commit().await.unwrap();
    assert!(!connect(&other).await.unwrap().reauthorized);
}

#[tokio::test]
async fn given_tokens_must_be_the_malls_and_a_new_shop_begins_in_trial_run_behind_its_look_back() {
    let app = TestApp::new().await;
    let merchant = app.merchant().await;
    let request = |application| ConnectShop {
        application,
        grant: Grant::Tokens(Box::new(merchant.tokens(MallId(5), "x", TimeDelta::hours(24)))),
        purpose: Purpose::Connect,
        look_back: std::time::Duration::from_secs(7200),
    };
    let application = merchant.application().await;
    app.market.next_mall(Ok(MallInfo { mall_id: MallId(6), name: "other".to_owned() }));
    let refused = connect_shop(&app.engine, &merchant.ctx(), &request(application)).await.unwrap_err();
    assert!(matches!(refused, ConnectShopError::OtherMall { .. }));
    app.market.next_mall(Err(market_error(ErrorClass::Reauthorize)));
    let dead = connect_shop(&app.engine, &merchant.ctx(), &request(application)).await.unwrap_err();
    assert!(matches!(dead, ConnectShopError::Market(_)));
    let foreign = app.merchant().await.application().await;
    let borrowed = connect_shop(&app.engine, &merchant.ctx(), &request(foreign)).await.unwrap_err();
    assert!(matches!(borrowed, ConnectShopError::ApplicationUnknown));

    let connected = connect_shop(&app.engine, &merchant.ctx(), &request(application)).await.unwrap();
    let mut tx = merchant.tx().await;
    let row = shops::fetch(&mut tx, connected.shop).await.unwrap();
    assert_eq!((row.state, row.deliver_from, row.name.as_str()), (ShopState::TrialRun, None, "mall 5"));
    let sql = merchant.sql().await;
    let rows = sql.query("SELECT orders_watermark, refunds_watermark FROM shop_sync", &[]).await.unwrap();
    let behind = app.clock.now() - TimeDelta::hours(2);
    assert_eq!((rows[0].get::<_, DateTime<Utc>>(0), rows[0].get::<_, DateTime<Utc>>(1)), (behind, behind));
    let jobs = sql.count("SELECT count(*) FROM jobs WHERE name = 'refresh_token.v1'", &[]).await.unwrap();
    assert_eq!((jobs, app.market.pushes_permitted()), (1, 1));
}
