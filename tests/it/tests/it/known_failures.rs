//! Ways such systems are known to fail that no other module names: what is delivered without a card, a batch that one
//! order holds up, secrets in logs.

use chrono::TimeDelta;
use kamiflow_kernel::{DeliveryMethod, RedemptionMethod};
use kamiflow_sandbox::scenario::{VoucherRepeat, VoucherStatus};
use kamiflow_test_support::{World, WorldOptions};
use serde_json::json;

use crate::captured_log::CapturedLog;

/// Past every send deadline and the time after which an attempt may be resolved.
const LONG_AFTER: TimeDelta = TimeDelta::seconds(21);
const SEND: &str = "pdd.voucher.voucher.info.send";

/// Orders that the engine calls delivered, and orders that the platform's own ledger has a card for.
async fn delivered_and_served(world: &World) -> (Vec<String>, Vec<String>) {
    let rows = world
        .sql()
        .await
        .query("SELECT order_sn FROM deliveries WHERE state = 'delivered' ORDER BY order_sn", &[])
        .await
        .unwrap();
    let delivered = rows.iter().map(|row| row.get(0)).collect();
    (delivered, world.vouchers_sent().await.into_keys().collect())
}

#[tokio::test]
async fn nothing_is_marked_delivered_although_no_card_was_sent() {
    let faults = [
        json!({ "api": SEND, "kind": "timeout_before_effect" }),
        json!({ "api": SEND, "kind": "timeout_after_effect" }),
        json!({ "api": SEND, "kind": "drop_connection" }),
        json!({ "api": SEND, "kind": "http_502_html" }),
        json!({ "api": SEND, "kind": "truncated_body" }),
        json!({ "api": SEND, "kind": "code", "code": 70031 }),
        json!({ "api": SEND, "kind": "code", "code": 52102 }),
        json!({ "api": SEND, "kind": "code", "code": 50000 }),
        json!({ "api": SEND, "kind": "code", "code": 10001 }),
    ];
    for fault in faults {
        let mut options = WorldOptions::default();
        // The platform leaves a served order's status alone, so only its answer can say what happened.
        options.scenario.voucher_send.repeat = VoucherRepeat::Idempotent;
        options.scenario.voucher_send.status = VoucherStatus::Stays;
        options.engine.sandbox.resend_safe = false;
        let world = World::with(options).await;
        let order = world.one_order("VOUCHER").await;
        world.fault(fault.clone()).await;
        world.deliver_all(std::slice::from_ref(&order)).await;
        for _ in 0..3 {
            world.clock.advance(LONG_AFTER);
            world.deliver().await;
        }
        let (delivered, served) = delivered_and_served(&world).await;
        assert!(delivered.iter().all(|order| served.contains(order)), "{fault}: {delivered:?}, served {served:?}");
        assert_ne!(world.state(&order).await, "delivered", "{fault}: nobody has confirmed it");
        let held = "SELECT count(*) FROM card_uses WHERE state = 'reserved'";
        assert_eq!(world.sql().await.count(held, &[]).await.unwrap(), 1, "{fault}: its card is held for it");
        let finished = "SELECT count(*) FROM order_events WHERE kind = 'delivered'";
        assert_eq!(world.sql().await.count(finished, &[]).await.unwrap(), 0, "{fault}");
    }
}

#[tokio::test]
async fn one_order_that_the_database_refuses_holds_up_no_other_of_its_batch() {
    let world = World::with(WorldOptions { cards: 60, ..WorldOptions::default() }).await;
    let orders = world.order("VOUCHER", json!({ "count": 50 })).await;
    let (bad, good) = orders.split_first().unwrap();
    let refuse = format!(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             RAISE EXCEPTION 'not this one' USING ERRCODE = 'check_violation', CONSTRAINT = 'test_refuses'; END $$;
         CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON deliveries FOR EACH ROW
             WHEN (NEW.order_sn = '{bad}' AND NEW.state = 'handing_over') EXECUTE FUNCTION refuse()"
    );
    world.sql_as_superuser().await.transaction(&refuse).await.unwrap();
    for order in &orders {
        world.push(order).await;
    }
    // On a slow machine the last of fifty replays finds its evidence too old; the next tick reads it again.
    for _ in 0..4 {
        world.deliver().await;
    }
    for order in good {
        assert_eq!(world.state(order).await, "delivered", "the others went one by one");
    }
    assert_ne!(world.state_or_none(bad).await.as_deref(), Some("delivered"));
    let sent = world.vouchers_sent().await;
    assert_eq!(sent.len(), 49);
    assert!(sent.values().all(|vouchers| vouchers.len() == 1));
    let taken = "SELECT count(*) FROM card_uses WHERE state <> 'available'";
    assert_eq!(world.sql().await.count(taken, &[]).await.unwrap(), 49, "the refused order holds no card");

    world.sql_as_superuser().await.transaction("DROP TRIGGER refuse ON deliveries").await.unwrap();
    world.clock.advance(TimeDelta::minutes(2));
    world.deliver_all(std::slice::from_ref(bad)).await;
    assert_eq!(world.state(bad).await, "delivered");
    assert_eq!(world.vouchers_sent().await[bad.as_str()].len(), 1);
}

#[tokio::test]
async fn no_secret_is_logged_at_any_level_on_the_way_of_an_order() {
    let log = CapturedLog::begin();
    // What other tests of the same process log has the same secrets of the world in it, and must not show them either.

    let world = World::with(WorldOptions { cards: 0, ..WorldOptions::default() }).await;
    let cards: String = (1..=3).map(|n| format!("CANARYNUMBER{n:04}----CANARYSECRET{n:04}\n")).collect();
    world.import(world.vouchers, &cards).await;
    world.map("VOUCHER", DeliveryMethod::VoucherSend, Some(world.vouchers), RedemptionMethod::Realtime).await;
    let orders = world.order("VOUCHER", json!({ "count": 3 })).await;
    // The ways of failure log more than the way of success.
    world.fault(json!({ "api": SEND, "kind": "truncated_body", "remaining": 1 })).await;
    world.fault(json!({ "api": SEND, "kind": "code", "code": 70031, "remaining": 1 })).await;
    world.sync().await;
    world.deliver_all(&orders).await;
    for _ in 0..3 {
        world.clock.advance(LONG_AFTER);
        world.deliver().await;
    }
    world.fault(json!({ "api": "*", "kind": "code", "code": 10019, "remaining": 1 })).await;
    world.push(&orders[0]).await;
    let _refused = kamiflow_domain::deliver::tick(&world.engine, world.merchant, world.shop).await;
    tracing::info!(target: "kamiflow_test", "the end");

    let text = log.text();
    assert!(text.contains("the end"), "nothing was captured");
    assert!(text.contains("kamiflow_"), "our crates logged nothing: {text}");
    for secret in ["CANARYNUMBER", "CANARYSECRET", "sandbox-token-0001", "sandbox-refresh-0001", "sandbox-secret-0001"]
    {
        let lines: Vec<&str> = text.lines().filter(|line| line.contains(secret)).collect();
        assert!(lines.is_empty(), "{secret}: {lines:#?}");
    }
    assert!(!world.vouchers_sent().await.is_empty(), "the cards did go their way");
}
