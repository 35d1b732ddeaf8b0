//! Before a shop delivers: the pre-flight, what a trial run shows, going live with a backlog, and other tools at work.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use kamiflow_domain::deliver;
use kamiflow_domain::go_live::{GoLive, GoLiveError, go_live};
use kamiflow_domain::handled_outside::list_handled_outside;
use kamiflow_domain::ingest::{Read, Source, ingest};
use kamiflow_domain::marketplace::PlatformCard;
use kamiflow_domain::notification_address::set_notification_address;
use kamiflow_domain::preflight::{About, Check, CheckCode, Cure, Freshness, Preflight, preflight};
use kamiflow_domain::shop_access;
use kamiflow_domain::trial_run::{TrialOrder, TrialRunPage, Would, list_trial_orders};
use kamiflow_kernel::{DeliveryMethod, EmailAddress, OrderSn, ReasonCode, RedemptionMethod, RuleId};
use kamiflow_store::{rules, shops};
use kamiflow_test_support::{World, WorldOptions, numbered};
use serde_json::json;

async fn trial(cards: usize) -> World {
    World::with(WorldOptions { live: false, cards, ..WorldOptions::default() }).await
}

async fn look(world: &World) -> Preflight {
    preflight(&world.engine, &world.ctx(), world.shop, Freshness::Now).await.unwrap()
}

fn cures(found: &Preflight) -> BTreeMap<CheckCode, Vec<Cure>> {
    let mut cures: BTreeMap<CheckCode, Vec<Cure>> = BTreeMap::new();
    for check in &found.checks {
        cures.entry(check.code).or_default().extend(check.cure);
    }
    cures.retain(|_, cures| !cures.is_empty());
    cures
}

#[tokio::test]
async fn a_preflight_names_each_thing_that_is_missing_with_its_one_cure_until_all_is_green() {
    let world = trial(0).await;
    let found = look(&world).await;
    assert!(!found.ready);
    let missing = cures(&found);
    assert_eq!(missing[&CheckCode::NotificationAddress], [Cure::SetAddress]);
    assert_eq!(missing[&CheckCode::Stock], [Cure::AddStock]);
    // POOL, OTA, CHARGE and PICKUP; what is sent by post is nobody's here.
    assert_eq!(missing[&CheckCode::Mapping], [Cure::MapSku; 4]);
    assert_eq!(missing.len(), 3, "{missing:?}");
    let named = |check: &Check| matches!(&check.about, About::Sku { name, .. } if name == "平台卡券 标准");
    assert!(found.checks.iter().any(|check| check.cure == Some(Cure::MapSku) && named(check)));
    let empty = |check: &Check| matches!(&check.about, About::Pool { name, .. } if name == "vouchers");
    assert!(found.checks.iter().any(|check| check.cure == Some(Cure::AddStock) && empty(check)));

    let address = EmailAddress::try_from("owner@example.com".to_owned()).unwrap();
    set_notification_address(&world.engine, &world.ctx(), &address).await.unwrap();
    world.import(world.vouchers, &numbered("V", 1)).await;
    let pool = world.pool("other").await;
    world.import(pool, &numbered("P", 1)).await;
    world.map("PICKUP", DeliveryMethod::PickupPage, Some(pool), RedemptionMethod::None).await;
    world.map("OTA", DeliveryMethod::PlatformCodes, None, RedemptionMethod::None).await;
    world.map("CHARGE", DeliveryMethod::ChargeNotify, None, RedemptionMethod::None).await;
    world.map("POOL", DeliveryMethod::PlatformPool, Some(pool), RedemptionMethod::ReportCard).await;
    let missing = cures(&look(&world).await);
    // Nothing was imported into the platform's stock, and nobody has said when to redeem.
    assert_eq!(
        missing,
        BTreeMap::from([(CheckCode::Stock, vec![Cure::AddStock]), (CheckCode::Rule, vec![Cure::ChooseRule])])
    );
    world.map("POOL", DeliveryMethod::PlatformPool, Some(pool), RedemptionMethod::None).await;
    let moved =
        "UPDATE sku_mappings SET delivery_method = 'skip', pool_id = NULL WHERE delivery_method = 'platform_pool'";
    world.sql().await.execute(moved, &[]).await.unwrap();
    let mut tx = world.tx().await;
    rules::insert(&mut tx, RuleId::generate(), "r", &json!({})).await.unwrap();
    tx.commit().await.unwrap();
    let found = look(&world).await;
    assert!(found.ready, "{:?}", cures(&found));
    assert!(found.checks.iter().all(|check| check.cure.is_none()));
}

#[tokio::test]
async fn keys_of_a_hosted_application_are_the_operators_to_put_right() {
    let world = trial(1).await;
    let sql = world.sql_as_superuser().await;
    let stop = "UPDATE applications SET state = 'stopped', stop_reason = '10019', stopped_at = now()";
    sql.execute(stop, &[]).await.unwrap();
    assert_eq!(cures(&look(&world).await)[&CheckCode::Application], [Cure::EnterKeys]);
    let hosted = "SET LOCAL session_replication_role = replica;
        UPDATE applications SET merchant_id = '00000000-0000-0000-0000-000000000000';
        UPDATE shops SET application_merchant_id = '00000000-0000-0000-0000-000000000000'";
    sql.transaction(hosted).await.unwrap();
    assert_eq!(cures(&look(&world).await)[&CheckCode::Application], [Cure::AskOperator]);
}

#[tokio::test]
async fn a_preflight_asks_the_platform_itself() {
    let world = trial(1).await;
    let cure = async |code| cures(&look(&world).await).remove(&code).unwrap_or_default();
    assert_eq!(cure(CheckCode::Credentials).await, []);
    // A permission level that ends before the token does.
    let ends = "UPDATE credentials SET w2_expires_at = now() + interval '10 minutes', r1_expires_at = now() + interval '9 days'";
    world.sql().await.execute(ends, &[]).await.unwrap();
    assert_eq!(cure(CheckCode::TokenW2).await, [Cure::Reauthorize]);
    assert_eq!(cure(CheckCode::TokenR1).await, []);
    // The token names what it may, and what the shop needs is not among it.
    let narrow = "UPDATE credentials SET scopes = ARRAY['pdd.order.information.get', 'pdd.mall.info.get']";
    world.sql().await.execute(narrow, &[]).await.unwrap();
    let found = look(&world).await;
    let missing = |api: &str| {
        found
            .checks
            .iter()
            .any(|check| check.about == About::Api(find(api)) && check.cure == Some(Cure::ApplyForPackage))
    };
    assert!(missing("pdd.voucher.voucher.info.send") && missing("pdd.refund.list.increment.get"));
    assert!(!missing("pdd.order.information.get"));
    let asked = |api: &str| found.checks.iter().any(|check| check.about == About::Api(find(api)));
    assert!(!asked("pdd.voucher.ota.card.verification"), "nothing of this shop needs it");
    world.clock.advance(TimeDelta::minutes(-3));
    assert_eq!(cure(CheckCode::Clock).await, [Cure::SetClock]);
    world.clock.advance(TimeDelta::minutes(3));
    world.control("POST", "/tokens/revoke", &json!({})).await;
    assert_eq!(cure(CheckCode::Credentials).await, [Cure::Reauthorize]);
}

fn find(api: &str) -> &'static str {
    kamiflow_domain::connection_routes::NEEDED.iter().find(|(name, _)| *name == api).unwrap().0
}

async fn pages(world: &World) -> Vec<TrialOrder> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = TrialRunPage { shop: world.shop, after };
        let orders = list_trial_orders(&world.engine, &world.ctx(), page).await.unwrap();
        after = orders.last().map(|order| order.id);
        all.extend(orders);
        if after.is_none() {
            return all;
        }
    }
}

#[tokio::test]
async fn a_trial_run_shows_what_would_be_sent_and_sends_nothing() {
    let world = trial(5).await;
    let three = world.order("VOUCHER", json!({ "quantity": 3 })).await.remove(0);
    let pool = world.one_order("POOL").await;
    let physical = world.one_order("PHYSICAL").await;
    let risky = world.order("VOUCHER", json!({ "state": "risk_review" })).await.remove(0);
    let orders = [three.clone(), pool.clone(), physical.clone(), risky.clone()];
    world.deliver_all(&orders).await;
    let shown: BTreeMap<OrderSn, Would> =
        pages(&world).await.into_iter().map(|order| (order.order_sn, order.would)).collect();
    let send = Would::Send {
        method: DeliveryMethod::VoucherSend,
        pool: Some((world.vouchers, "vouchers".to_owned())),
        cards: 3,
    };
    assert_eq!(shown.get(&three), Some(&send));
    assert_eq!(shown.get(&pool), Some(&Would::Ask(ReasonCode::UnmappedSku)));
    assert!(matches!(shown.get(&risky), Some(Would::Wait(_))), "{shown:?}");
    assert!(!shown.contains_key(&physical), "{shown:?}");
    assert!(world.vouchers_sent().await.is_empty());
    assert_eq!(world.stock(world.vouchers).await.available, 5);
}

#[tokio::test]
async fn of_fifty_orders_of_the_backlog_none_is_sent_but_those_that_were_ticked() {
    let world = trial(60).await;
    let backlog = world.order("VOUCHER", json!({ "count": 50, "paid_s_ago": 30.0 })).await;
    world.deliver_all(&backlog).await;
    assert_eq!(pages(&world).await.len(), 50);
    let deliver = async || {
        for _ in 0..3 {
            deliver::tick(&world.engine, world.merchant, world.shop).await.unwrap();
        }
    };
    let now = GoLive::from_now(world.shop, world.engine.now());
    let unknown: OrderSn = "261122-100000000000999".parse().unwrap();
    let mixed = now.clone().with_backlog(vec![backlog[0].clone(), unknown.clone()]);
    let refused = go_live(&world.engine, &world.ctx(), &mixed).await;
    assert!(matches!(refused, Err(GoLiveError::NotReleasable(left)) if left == [unknown]));
    assert_eq!(shops::fetch(&mut world.tx().await, world.shop).await.unwrap().state.as_str(), "trial_run");
    let ticked = now.with_backlog(vec![backlog[7].clone(), backlog[31].clone()]);
    assert_eq!(go_live(&world.engine, &world.ctx(), &ticked).await.unwrap().released, 2);
    deliver().await;
    let mut expected = [backlog[7].to_string(), backlog[31].to_string()];
    expected.sort();
    assert_eq!(world.vouchers_sent().await.into_keys().collect::<Vec<_>>(), expected);
    let fresh = world.one_order("VOUCHER").await;
    world.push(&fresh).await;
    deliver().await;
    assert_eq!(world.vouchers_sent().await.len(), 3);
    assert_eq!(pages(&world).await, []);
    let held = "SELECT count(*) FROM orders WHERE state = 'held_backlog'";
    assert_eq!(world.sql().await.count(held, &[]).await.unwrap(), 48);
}

#[tokio::test]
async fn three_orders_handled_outside_within_an_hour_warn_that_another_tool_is_at_work() {
    let world = World::start().await;
    let orders = world.order("VOUCHER", json!({ "count": 4 })).await;
    for (n, order) in (1..).zip(&orders[..3]) {
        world.control("POST", &format!("/orders/{order}/ship"), &json!({})).await;
        world.deliver_all(std::slice::from_ref(order)).await;
        assert_eq!(world.state(order).await, "shipped_elsewhere");
        let warned = world.shop_exceptions().await.contains(&"another_tool_at_work".to_owned());
        assert_eq!(warned, n == 3);
    }
    world.deliver_all(&orders).await;
    let outside = list_handled_outside(&world.engine, &world.ctx(), world.shop).await.unwrap();
    assert_eq!(outside.len(), 3, "seen again is not handled again");
    assert!(outside.iter().all(|order| order.cause == "shipped"));
    assert_eq!(world.vouchers_sent().await.into_keys().collect::<Vec<_>>(), [orders[3].to_string()]);
    let told = "SELECT count(*) FROM outbox WHERE payload->>'kind' = 'another_tool_at_work'";
    assert_eq!(world.sql().await.count(told, &[]).await.unwrap(), 1);
    let mails = "SELECT count(*) FROM jobs WHERE name = 'mail_notice.v1' AND payload->>'kind' = 'another_tool_at_work'";
    assert_eq!(world.sql().await.count(mails, &[]).await.unwrap(), 1);
}

#[tokio::test]
async fn an_order_that_carries_cards_before_we_sent_any_is_never_sent() {
    let world = trial(5).await;
    let (foreign, ours) = (world.one_order("VOUCHER").await, world.one_order("VOUCHER").await);
    let opened = shop_access::open(&world.tx().await, world.shop).await.unwrap();
    let mut order = world.engine.market.order(&opened.access, &foreign).await.unwrap();
    order.cards.push(PlatformCard { number_cipher: "~Zm9yZWlnbg==~1~".to_owned() });
    let mut tx = world.tx().await;
    let read = Read { started: world.engine.now(), source: Source::Peek };
    ingest(&mut tx, &opened, &[order], read).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(world.state(&foreign).await, "shipped_elsewhere");
    let outside = list_handled_outside(&world.engine, &world.ctx(), world.shop).await.unwrap();
    assert_eq!((outside[0].order_sn.as_str(), outside[0].cause.as_str()), (foreign.as_str(), "foreign_cards"));
    let from = world.engine.now() - TimeDelta::minutes(1);
    let live = GoLive { deliver_from: from, ..GoLive::from_now(world.shop, from) };
    go_live(&world.engine, &world.ctx(), &live).await.unwrap();
    world.deliver_all(&[foreign, ours.clone()]).await;
    assert_eq!(world.vouchers_sent().await.into_keys().collect::<Vec<_>>(), [ours.to_string()]);
}
