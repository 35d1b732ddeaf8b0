//! What the platform says of an application counts for all its shops: nobody calls, nothing is lost, all go on together.

mod scene;

use std::time::Duration;

use chrono::TimeDelta;
use kamiflow_domain::connect_shop::{ConnectShop, ConnectShopError, Grant, Purpose, connect_shop};
use kamiflow_domain::engine::Wake;
use kamiflow_domain::go_live::{GoLive, go_live};
use kamiflow_domain::redeem;
use kamiflow_domain::register_application::ApplicationOwner;
use kamiflow_domain::resume_application::{ResumeApplicationError, resume_application};
use kamiflow_domain::watch_application::{self, Watched};
use kamiflow_kernel::{ApplicationId, DeliveryMethod, MerchantId, RedemptionMethod};
use kamiflow_test_support::{RawSql, TestApp, numbered, refused_by};
use scene::{
    Stall, active, calls, ctx, due_shops, forget_calls, hosted, merchant, operator, refuse, register, state, world,
};
use serde_json::json;
use uuid::Uuid;

const SEND: &str = "pdd.voucher.voucher.info.send";
const REFRESH: &str = "pdd.pop.auth.token.refresh";
const CLIENT: &str = "sandbox-client";

#[tokio::test]
async fn what_stops_an_application_is_met_once_and_nobody_calls_until_a_probe_is_taken() {
    let world = world(2).await;
    let application = hosted(&world).await;
    let one = Stall::open(&world, merchant(&world).await, application, 1, &[]).await;
    let two = Stall::open(&world, merchant(&world).await, application, 2, &[]).await;
    two.turns().await;
    let orders = [one.order().await, two.order().await];
    refuse(&world, "*", 20005).await;
    one.deliver().await;
    assert_eq!(state(&world, application).await, ("stopped".to_owned(), Some("20005".to_owned()), Vec::new()));

    forget_calls(&world).await;
    world.time_passes(60).await;
    for _ in 0..3 {
        for stall in [&one, &two] {
            stall.turns().await;
        }
    }
    assert_eq!(calls(&world).await, 0, "no shop of a stopped application calls");
    assert_eq!(due_shops(&world).await, 0, "nor does the sweep put it into the queue");
    for stall in [&one, &two] {
        assert_eq!(stall.exceptions().await, ["stopped_by_platform"]);
        let told = "SELECT count(*) FROM outbox WHERE topic = 'notify' AND payload->>'kind' = 'application_stopped'";
        assert_eq!(stall.count(told).await, 1);
        assert_eq!(stall.count("SELECT count(*) FROM shops WHERE state = 'live'").await, 1, "the shop itself is well");
    }
    let engine = &world.engine;
    let connecting = ConnectShop {
        application,
        grant: Grant::Code("code".into()),
        purpose: Purpose::Connect,
        look_back: Duration::ZERO,
    };
    let refused = connect_shop(engine, &ctx(&world, one.merchant), &connecting).await;
    assert!(matches!(refused, Err(ConnectShopError::ApplicationStopped)));

    // The job asks once and waits longer each time.
    let mut waits = Vec::new();
    for _ in 0..2 {
        let Watched::Stopped { look_again } =
            watch_application::step(engine, &operator(&world), application).await.unwrap()
        else {
            panic!("a refused probe must not resume")
        };
        waits.push((look_again - engine.now()).num_seconds());
    }
    assert_eq!(calls(&world).await, 2);
    assert!(waits[0] > 60 && waits[1] > waits[0], "{waits:?}");

    world.control("DELETE", "/faults", &json!({})).await;
    let Watched::Active { wakes } = watch_application::step(engine, &operator(&world), application).await.unwrap()
    else {
        panic!("a probe that was taken resumes")
    };
    assert_eq!(state(&world, application).await, active());
    for (stall, order) in [&one, &two].into_iter().zip(&orders) {
        assert!(
            wakes
                .iter()
                .any(|(merchant, wakes)| *merchant == stall.merchant && wakes.contains(&Wake::Deliver(stall.shop)))
        );
        assert!(stall.exceptions().await.is_empty());
        stall.turns().await;
        assert_eq!(world.vouchers_sent().await[order.as_str()].len(), 1);
        assert_eq!(stall.standing(order).await, None);
    }
    assert_eq!(world.vouchers_sent().await.len(), 2);
}

#[tokio::test]
async fn a_stop_in_the_middle_of_hand_overs_leaves_orders_that_deliver_exactly_once_when_a_person_resumes() {
    let world = world(2).await;
    let me = merchant(&world).await;
    let application = register(&world, ApplicationOwner::Own, &ctx(&world, me)).await;
    let one = Stall::open(&world, me, application, 1, &[]).await;
    let two = Stall::open(&world, me, application, 2, &[]).await;
    let mut orders = Vec::new();
    for _ in 0..5 {
        orders.extend([one.order().await, two.order().await]);
    }
    refuse(&world, SEND, 20004).await;
    one.deliver().await;
    assert_eq!(world.calls(SEND).await, 5, "those that were calling at that moment");
    world.time_passes(600).await;
    one.turns().await;
    two.turns().await;
    assert_eq!(world.calls(SEND).await, 5);
    assert_eq!(one.standing(&orders[0]).await, Some(("application", "20004".to_owned())));
    let told = "SELECT count(*) FROM outbox WHERE topic = 'notify' AND payload->>'kind' = 'application_stopped'";
    assert_eq!(one.count(told).await, 1, "a merchant is told once, however many shops she has");
    let mails = "SELECT count(*) FROM jobs WHERE name = 'mail_notice.v1' AND payload->>'kind' = 'application_stopped'";
    assert_eq!(one.count(mails).await, 1);
    assert_eq!(one.count("SELECT count(*) FROM exceptions WHERE resolved_at IS NULL").await, 2, "one for each shop");

    world.control("DELETE", "/faults", &json!({})).await;
    let stranger = ctx(&world, merchant(&world).await);
    let refused = resume_application(&world.engine, &stranger, application).await;
    assert!(matches!(refused, Err(ResumeApplicationError::NotFound)));
    let resumed = resume_application(&world.engine, &ctx(&world, me), application).await.unwrap();
    assert_eq!(resumed.stop_reason.as_deref(), Some("20004"));
    let woken: Vec<Wake> = resumed.wakes.into_iter().flat_map(|(_, wakes)| wakes).collect();
    for stall in [&one, &two] {
        assert!(woken.contains(&Wake::Deliver(stall.shop)) && woken.contains(&Wake::Sync(stall.shop)));
        stall.deliver().await;
        assert!(stall.exceptions().await.is_empty());
    }
    let sent = world.vouchers_sent().await;
    assert!(orders.iter().all(|order| sent[order.as_str()].len() == 1), "{sent:?}");
    assert_eq!(one.count("SELECT count(*) FROM orders WHERE state = 'delivered'").await, 10);
    // The job finds nothing to do but to tell again, which changes nothing.
    let watched = watch_application::step(&world.engine, &ctx(&world, me), application).await.unwrap();
    assert!(matches!(watched, Watched::Active { .. }));
    assert_eq!(world.vouchers_sent().await.len(), 10);
}

#[tokio::test]
async fn an_api_that_one_shop_is_denied_is_not_called_by_another_until_a_person_resumes() {
    let world = world(2).await;
    let application = hosted(&world).await;
    let one = Stall::open(&world, merchant(&world).await, application, 1, &[SEND]).await;
    let two = Stall::open(&world, merchant(&world).await, application, 2, &[SEND]).await;
    let orders = [one.order().await, two.order().await];
    refuse(&world, SEND, 20031).await;
    one.deliver().await;
    assert_eq!(state(&world, application).await, ("active".to_owned(), None, vec![SEND.to_owned()]));
    world.time_passes(600).await;
    let later = one.order().await;
    for _ in 0..2 {
        one.turns().await;
        two.turns().await;
        world.time_passes(600).await;
    }
    assert_eq!(world.calls(SEND).await, 1, "one shop met it, once");
    assert_eq!(one.exceptions().await, ["permission_missing"]);
    let attempts = "SELECT count(*) FROM delivery_attempts";
    assert_eq!((one.count(attempts).await, two.count(attempts).await), (1, 0), "and nothing was begun for it");
    assert_eq!(two.standing(&orders[1]).await, Some(("api", SEND.to_owned())));
    // The rest of the application works: orders were read.
    assert_eq!(two.count("SELECT count(*) FROM orders").await, 1);

    world.control("DELETE", "/faults", &json!({})).await;
    let hers = resume_application(&world.engine, &ctx(&world, one.merchant), application).await;
    assert!(matches!(hers, Err(ResumeApplicationError::NotFound)), "a hosted application is the operator's");
    let resumed = resume_application(&world.engine, &operator(&world), application).await.unwrap();
    assert_eq!(resumed.denied_apis, [SEND]);
    for stall in [&one, &two] {
        stall.deliver().await;
        assert!(stall.exceptions().await.is_empty());
    }
    let sent = world.vouchers_sent().await;
    assert!(orders.iter().chain([&later]).all(|order| sent[order.as_str()].len() == 1), "{sent:?}");
    assert_eq!(sent.len(), 3);
}

#[tokio::test]
async fn a_token_that_may_be_narrower_than_its_application_denies_nothing_to_others() {
    let world = world(1).await;
    let application = hosted(&world).await;
    let stall = Stall::open(&world, merchant(&world).await, application, 1, &["pdd.order.information.get"]).await;
    stall.order().await;
    refuse(&world, SEND, 20031).await;
    stall.deliver().await;
    assert_eq!(world.calls(SEND).await, 1);
    assert_eq!(stall.exceptions().await, ["permission_missing"]);
    assert_eq!(state(&world, application).await, active());
}

#[tokio::test]
async fn a_refresh_that_the_application_is_refused_does_not_cost_the_shop_its_authorization() {
    let world = world(1).await;
    let application = hosted(&world).await;
    let stall = Stall::open(&world, merchant(&world).await, application, 1, &[]).await;
    let order = stall.order().await;
    world.control("POST", "/tokens/expire", &json!({})).await;
    refuse(&world, REFRESH, 10016).await;
    stall.deliver().await;
    assert_eq!(state(&world, application).await.1.as_deref(), Some("10016"));
    let lost = "SELECT count(*) FROM credentials WHERE needs_reauthorization_at IS NOT NULL OR dead_reason IS NOT NULL";
    assert_eq!(stall.count(lost).await, 0);
    forget_calls(&world).await;
    let ctx = ctx(&world, stall.merchant);
    let later = kamiflow_domain::refresh_token::refresh(&world.engine, &ctx, stall.shop, 1).await.unwrap();
    assert!(matches!(later, kamiflow_domain::refresh_token::Refresh::Later(_)), "{later:?}");
    assert_eq!(calls(&world).await, 0);

    world.control("DELETE", "/faults", &json!({})).await;
    world.time_passes(120).await;
    watch_application::step(&world.engine, &operator(&world), application).await.unwrap();
    stall.deliver().await;
    stall.deliver().await;
    assert_eq!(world.vouchers_sent().await[order.as_str()].len(), 1);
}

#[tokio::test]
async fn a_redemption_that_meets_the_stop_stops_the_application_too() {
    let world = world(1).await;
    world.map("VOUCHER", DeliveryMethod::VoucherSend, Some(world.vouchers), RedemptionMethod::Realtime).await;
    world.import(world.vouchers, &numbered("V", 3)).await;
    let from = world.engine.now() - TimeDelta::minutes(1);
    let live = GoLive { shop: world.shop, deliver_from: from, release: Vec::new() };
    go_live(&world.engine, &world.ctx(), &live).await.unwrap();
    let order = world.one_order("VOUCHER").await;
    world.deliver_all(std::slice::from_ref(&order)).await;
    assert_eq!(world.state(&order).await, "awaiting_redemption");
    let approved = kamiflow_domain::approve_redemption::approve(&world.engine, &world.ctx(), world.shop, &order).await;
    approved.unwrap();
    world.fault(json!({ "api": "*", "client_id": CLIENT, "kind": "code", "code": 20005 })).await;
    let ended = redeem::tick(&world.engine, &world.ctx(), world.shop).await;
    assert!(ended.is_err(), "{ended:?}");
    let stopped = "SELECT count(*) FROM applications WHERE state = 'stopped' AND stop_reason = '20005'";
    assert_eq!(world.sql().await.count(stopped, &[]).await.unwrap(), 1);
    forget_calls(&world).await;
    redeem::tick(&world.engine, &world.ctx(), world.shop).await.unwrap();
    assert_eq!(calls(&world).await, 0);
}

/// What somebody who can send any SQL in her own transaction tries.
#[tokio::test]
async fn a_merchant_stops_no_application_that_she_has_no_shop_on_and_writes_no_word_into_one() {
    let world = world(1).await;
    let application = hosted(&world).await;
    let stall = Stall::open(&world, merchant(&world).await, application, 1, &[SEND]).await;
    let attacker = world.sql_of(world.merchant).await;
    let id = application.as_uuid();

    let tell = async |sql: &RawSql, shop: Uuid| -> (bool, bool) {
        let rows = sql
            .query("SELECT system_stop_application($1, 20005, now()), system_deny_api($1, 'pdd.x.y', now())", &[&shop])
            .await
            .unwrap();
        (rows[0].get(0), rows[0].get(1))
    };
    // Another merchant's shop, the application itself, nothing, and a shop of her own that is on another application.
    let hers = world.shop.as_uuid();
    for target in [stall.shop.as_uuid(), id, Uuid::nil(), hers] {
        let (stopped, denied) = tell(&attacker, target).await;
        assert_eq!((stopped, denied), (target == hers, target == hers), "{target}");
        assert_eq!(state(&world, application).await, active(), "{target}");
    }
    let stop = "UPDATE applications SET state = 'stopped', stop_reason = '1' WHERE id = $1";
    assert_eq!(attacker.execute(stop, &[&id]).await.unwrap(), 0);
    let inner = attacker.query("SELECT application_of_own_shop($1)", &[&stall.shop.as_uuid()]).await;
    assert_eq!(refused_by(inner), "42501");
    let moved = attacker
        .execute(
            "UPDATE shops SET application_merchant_id = $1, application_id = $2, state = 'disconnected' WHERE id = $3",
            &[&Uuid::nil(), &id, &hers],
        )
        .await;
    assert_eq!(moved.unwrap(), 1);
    assert_eq!(tell(&attacker, hers).await, (false, false), "a disconnected shop tells nothing");
    let nobody = world.sql_of(MerchantId::generate()).await;
    assert_eq!(tell(&nobody, stall.shop.as_uuid()).await, (false, false));

    // Who has a shop on it can tell that it is stopped, and nothing else: no text, no other API, no way back.
    let member = stall.sql().await;
    let shop = stall.shop.as_uuid();
    for call in [
        "system_stop_application($1, 0, now())",
        "system_stop_application($1, -1, now())",
        "system_deny_api($1, 'call 400-000-000', now())",
        "system_deny_api($1, 'pdd.not.in.her.scopes', now())",
    ] {
        let rows = member.query(&format!("SELECT {call}"), &[&shop]).await.unwrap();
        assert!(!rows[0].get::<_, bool>(0), "{call}");
    }
    assert_eq!(state(&world, application).await, active());
    // However far in the future she says it is, the probe comes within two hours.
    let told = member.query("SELECT system_stop_application($1, 20005, '2999-01-01')", &[&shop]).await.unwrap();
    assert!(told[0].get::<_, bool>(0));
    let owner = world.sql_of(MerchantId::PLATFORM).await;
    let probe = "SELECT count(*) FROM jobs WHERE name = 'watch_application.v1' AND due_at < now() + interval '2 hours'";
    assert_eq!(owner.count(probe, &[]).await.unwrap(), 1);
    let audit = "SELECT detail->>'told_by_merchant' FROM audit_log WHERE action = 'application.stop'";
    let told_by: String = owner.query(audit, &[]).await.unwrap()[0].get(0);
    assert_eq!(told_by, stall.merchant.as_uuid().to_string());
    let resume = "UPDATE applications SET state = 'active', stop_reason = NULL WHERE id = $1";
    assert_eq!(member.execute(resume, &[&id]).await.unwrap(), 0);
}

#[tokio::test]
async fn stops_that_follow_each_other_wait_longer_for_their_probe_and_a_person_starts_anew() {
    let app = TestApp::new().await;
    let merchant = app.merchant().await;
    let shop = merchant.shop().await;
    let sql = merchant.sql().await;
    let rows = sql.query("SELECT id FROM applications", &[]).await.unwrap();
    let id = ApplicationId::from_uuid(rows[0].get(0));
    let wait = async || -> i64 {
        let stop = "SELECT system_stop_application($1, 70036, now())";
        sql.query(stop, &[&shop.id.as_uuid()]).await.unwrap();
        let left = "SELECT round(extract(epoch FROM due_at - now()) / 60)::bigint FROM jobs WHERE name = $1";
        sql.count(left, &[&watch_application::NAME]).await.unwrap()
    };
    assert_eq!(wait().await, 1);
    let probed = "UPDATE applications SET state = 'active', stop_reason = NULL, resumed_at = now() WHERE id = $1";
    for minutes in [2, 4, 8, 16, 32, 60, 60] {
        sql.execute(probed, &[&id.as_uuid()]).await.unwrap();
        assert_eq!(wait().await, minutes);
    }
    resume_application(&app.engine, &merchant.ctx(), id).await.unwrap();
    sql.execute("UPDATE applications SET resumed_at = now() - interval '2 hours'", &[]).await.unwrap();
    assert_eq!(wait().await, 1);
}
