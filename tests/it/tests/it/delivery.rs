//! Delivery against the sandbox: exactly once, in full or not at all, whatever fails on the way.

use std::time::Duration;

use chrono::TimeDelta;
use kamiflow_domain::deliver;
use kamiflow_kernel::{DeliveryMethod, RedemptionMethod};
use kamiflow_sandbox::scenario::{VoucherRepeat, VoucherStatus};
use kamiflow_test_support::{World, WorldOptions, numbered};
use serde_json::json;

/// Past every send deadline and the time after which an attempt may be resolved.
const LONG_AFTER: TimeDelta = TimeDelta::seconds(21);

fn gateway(repeat: VoucherRepeat, status: VoucherStatus, resend_safe: bool) -> WorldOptions {
    let mut options = WorldOptions::default();
    options.scenario.voucher_send.repeat = repeat;
    options.scenario.voucher_send.status = status;
    options.engine.sandbox.resend_safe = resend_safe;
    options
}

pub(crate) async fn uses(world: &World, state: &str) -> i64 {
    world.sql().await.count("SELECT count(*) FROM card_uses WHERE state = $1", &[&state]).await.unwrap()
}

#[tokio::test]
async fn quantity_above_one_gets_that_many_cards_in_one_hand_over() {
    let world = World::start().await;
    let orders = world.order("VOUCHER", json!({ "quantity": 3 })).await;
    world.deliver_all(&orders).await;
    assert_eq!(world.state(&orders[0]).await, "delivered");
    let sent = world.vouchers_sent().await;
    assert_eq!(sent[orders[0].as_str()], ["V000001", "V000002", "V000003"]);
    assert_eq!(uses(&world, "sent").await, 3);
}

#[tokio::test]
async fn the_same_notice_twice_spends_one_card() {
    let world = World::start().await;
    let order = world.one_order("VOUCHER").await;
    for _ in 0..3 {
        world.push(&order).await;
        world.push(&order).await;
        world.deliver().await;
    }
    assert_eq!(world.vouchers_sent().await[order.as_str()].len(), 1);
    assert_eq!(uses(&world, "sent").await, 1);
}

#[tokio::test]
async fn two_workers_on_one_shop_deliver_each_order_once() {
    let world = World::with(WorldOptions { cards: 60, ..WorldOptions::default() }).await;
    let orders = world.order("VOUCHER", json!({ "count": 40 })).await;
    for order in &orders {
        world.push(order).await;
    }
    for _ in 0..4 {
        let tick = || deliver::tick(&world.engine, world.merchant, world.shop);
        let (a, b, c) = tokio::join!(tick(), tick(), tick());
        // A tick that lost a race may say so; the database keeps the result right.
        drop((a, b, c));
    }
    world.clock.advance(LONG_AFTER);
    world.deliver().await;
    let sent = world.vouchers_sent().await;
    assert_eq!(sent.len(), 40);
    assert!(sent.values().all(|vouchers| vouchers.len() == 1));
    assert_eq!(uses(&world, "sent").await, 40);
    assert_eq!(uses(&world, "available").await, 20);
}

#[tokio::test]
async fn an_order_takes_part_of_nothing_and_stock_that_arrives_delivers_it() {
    let world = World::with(WorldOptions { cards: 2, ..WorldOptions::default() }).await;
    let order = world.order("VOUCHER", json!({ "quantity": 3 })).await.remove(0);
    world.deliver_all(std::slice::from_ref(&order)).await;
    assert_eq!(world.state(&order).await, "awaiting_cards");
    assert_eq!(world.exceptions(&order).await, ["out_of_stock"]);
    assert_eq!(uses(&world, "available").await, 2);
    let wakes = world.import(world.vouchers, "W000001\n").await;
    assert!(!wakes.is_empty());
    world.deliver().await;
    assert_eq!(world.state(&order).await, "delivered");
    assert!(world.exceptions(&order).await.is_empty());
}

#[tokio::test]
async fn two_orders_of_three_with_four_cards_do_not_both_starve() {
    let world = World::with(WorldOptions { cards: 4, ..WorldOptions::default() }).await;
    let orders = world.order("VOUCHER", json!({ "quantity": 3, "count": 2 })).await;
    world.deliver_all(&orders).await;
    let mut states = [world.state(&orders[0]).await, world.state(&orders[1]).await];
    states.sort();
    assert_eq!(states, ["awaiting_cards", "delivered"]);
    assert_eq!(uses(&world, "available").await, 1);
}

#[tokio::test]
async fn a_time_out_after_the_effect_is_settled_by_reading_the_order_back() {
    let world = World::start().await;
    let order = world.one_order("VOUCHER").await;
    world
        .fault(json!({ "api": "pdd.voucher.voucher.info.send", "kind": "timeout_after_effect", "remaining": 1 }))
        .await;
    world.deliver_all(std::slice::from_ref(&order)).await;
    assert_eq!(world.state(&order).await, "handing_over");
    assert_eq!(uses(&world, "available").await, 19);
    world.deliver().await;
    assert_eq!(
        world.state(&order).await,
        "handing_over",
        "nobody resolves before the deadline and the time to resolve"
    );
    world.clock.advance(LONG_AFTER);
    world.deliver().await;
    assert_eq!(world.state(&order).await, "delivered");
    assert_eq!(world.vouchers_sent().await[order.as_str()].len(), 1);
    let attempt = world
        .text(
            "SELECT a.state FROM delivery_attempts a JOIN deliveries d ON d.id = a.delivery_id WHERE d.order_sn = $1",
            &order,
        )
        .await;
    assert_eq!(attempt, "resolved_delivered");
}

#[tokio::test]
async fn every_unclear_answer_ends_with_one_card_at_the_buyer() {
    for kind in ["timeout_before_effect", "timeout_after_effect", "truncated_body", "http_502_html", "drop_connection"]
    {
        let world = World::with(gateway(VoucherRepeat::Idempotent, VoucherStatus::Stays, true)).await;
        let order = world.one_order("VOUCHER").await;
        world.fault(json!({ "api": "pdd.voucher.voucher.info.send", "kind": kind, "remaining": 1 })).await;
        world.deliver_all(std::slice::from_ref(&order)).await;
        world.clock.advance(LONG_AFTER);
        world.deliver().await;
        assert_eq!(world.state(&order).await, "delivered", "{kind}");
        assert_eq!(world.vouchers_sent().await[order.as_str()], ["V000001"], "{kind}");
        assert_eq!(uses(&world, "sent").await, 1, "{kind}");
    }
}

#[tokio::test]
async fn a_resend_is_identical_to_the_byte() {
    let world = World::with(gateway(VoucherRepeat::Idempotent, VoucherStatus::Stays, true)).await;
    let order = world.order("VOUCHER", json!({ "quantity": 2 })).await.remove(0);
    world
        .fault(json!({ "api": "pdd.voucher.voucher.info.send", "kind": "timeout_after_effect", "remaining": 2 }))
        .await;
    world.deliver_all(std::slice::from_ref(&order)).await;
    for _ in 0..2 {
        world.clock.advance(LONG_AFTER);
        world.deliver().await;
    }
    assert_eq!(world.state(&order).await, "delivered");
    let ledger = world.ledger().await;
    assert_eq!(ledger["vouchers"].as_array().unwrap().len(), 2);
    assert_eq!(ledger["repeated_sends"].as_array().unwrap().len(), 2, "the sandbox took both resends for repetitions");
    let hashes = world
        .sql()
        .await
        .count("SELECT count(DISTINCT payload_hash) FROM delivery_attempts HAVING count(*) = 3", &[])
        .await
        .unwrap();
    assert_eq!(hashes, 1);
}

#[tokio::test]
async fn resends_outlast_a_storm_and_then_a_person_is_asked() {
    let reviews = "SELECT count(*) FROM exceptions WHERE code = 'unknown_outcome' AND needs_review";
    for (unclear, state, asked) in [(7, "delivered", 0), (8, "handing_over", 1)] {
        let world = World::with(gateway(VoucherRepeat::Idempotent, VoucherStatus::Stays, true)).await;
        let order = world.one_order("VOUCHER").await;
        world
            .fault(json!({ "api": "pdd.voucher.voucher.info.send", "kind": "drop_connection", "remaining": unclear }))
            .await;
        world.deliver_all(std::slice::from_ref(&order)).await;
        for seconds in [21, 21, 36, 66, 126, 126, 126, 126] {
            world.time_passes(seconds).await;
            world.deliver().await;
        }
        assert_eq!(world.state(&order).await, state, "after {unclear} unclear answers");
        assert_eq!(world.sql().await.count(reviews, &[]).await.unwrap(), asked, "after {unclear} unclear answers");
    }
}

#[tokio::test]
async fn where_a_resend_is_not_safe_a_person_decides_and_the_card_stays_held() {
    for repeat in [VoucherRepeat::Accumulates, VoucherRepeat::RejectsDuplicate] {
        let world = World::with(gateway(repeat, VoucherStatus::Stays, false)).await;
        let order = world.one_order("VOUCHER").await;
        world
            .fault(json!({ "api": "pdd.voucher.voucher.info.send", "kind": "timeout_after_effect", "remaining": 1 }))
            .await;
        world.deliver_all(std::slice::from_ref(&order)).await;
        world.clock.advance(LONG_AFTER);
        world.deliver().await;
        assert_eq!(world.state(&order).await, "handing_over");
        assert_eq!(world.exceptions(&order).await, ["unknown_outcome"]);
        assert_eq!(world.vouchers_sent().await[order.as_str()].len(), 1, "nothing was sent again");
        assert_eq!(uses(&world, "reserved").await, 1);
        assert_eq!(uses(&world, "available").await, 19);
    }
}

#[tokio::test]
async fn a_worker_that_dies_between_taking_and_sending_loses_no_card() {
    let world = World::with(gateway(VoucherRepeat::Idempotent, VoucherStatus::Stays, true)).await;
    let order = world.one_order("VOUCHER").await;
    world.fault(json!({ "api": "pdd.voucher.voucher.info.send", "kind": "slow", "ms": 400, "remaining": 1 })).await;
    world.push(&order).await;
    // The tick dies while its send is under way: nothing of it is settled.
    let dying =
        tokio::time::timeout(Duration::from_millis(250), deliver::tick(&world.engine, world.merchant, world.shop));
    assert!(dying.await.is_err());
    assert_eq!(world.state(&order).await, "handing_over");
    world.clock.advance(LONG_AFTER);
    world.deliver().await;
    assert_eq!(world.state(&order).await, "delivered");
    assert_eq!(world.vouchers_sent().await[order.as_str()], ["V000001"]);
    assert_eq!(uses(&world, "sent").await, 1);
    assert_eq!(uses(&world, "available").await, 19);
}

#[tokio::test]
async fn a_sender_that_was_taken_over_writes_nothing() {
    let world = World::with(gateway(VoucherRepeat::Idempotent, VoucherStatus::Moves, true)).await;
    let order = world.one_order("VOUCHER").await;
    world.fault(json!({ "api": "pdd.voucher.voucher.info.send", "kind": "slow", "ms": 500, "remaining": 1 })).await;
    world.push(&order).await;
    let late = async { deliver::tick(&world.engine, world.merchant, world.shop).await };
    let taker = async {
        // The order is started once an attempt stands there; only then time passes for the second worker.
        while world.state_or_none(&order).await.as_deref() != Some("handing_over") {
            tokio::task::yield_now().await;
        }
        world.sql().await.execute("UPDATE deliveries SET fence = fence + 1", &[]).await.unwrap();
    };
    let (late, ()) = tokio::join!(late, taker);
    late.unwrap();
    assert_eq!(world.state(&order).await, "handing_over", "the late answer found another fence");
    assert_eq!(uses(&world, "sent").await, 0);
    world.clock.advance(LONG_AFTER);
    world.deliver().await;
    assert_eq!(world.state(&order).await, "delivered");
    assert_eq!(uses(&world, "sent").await, 1);
}

#[tokio::test]
async fn nothing_is_delivered_under_refund_review_or_before_the_deal_is_made() {
    let world = World::start().await;
    let risky = world.one_order("VOUCHER").await;
    world.control("POST", &format!("/orders/{risky}/risk"), &json!({ "risk_control_status": 1 })).await;
    let refunding = world.one_order("VOUCHER").await;
    world.control("POST", &format!("/orders/{refunding}/refund"), &json!({})).await;
    let forming = world.order("VOUCHER", json!({ "state": "group_forming" })).await.remove(0);
    let all = [risky.clone(), refunding.clone(), forming.clone()];
    world.deliver_all(&all).await;
    for order in &all {
        assert_eq!(world.state(order).await, "seen", "{order}");
    }
    assert!(world.vouchers_sent().await.is_empty());
    assert_eq!(uses(&world, "available").await, 20);

    // A change within the second of an earlier one counts once that second is surely over.
    world.clock.advance(TimeDelta::seconds(8));
    world.control("POST", &format!("/orders/{risky}/risk"), &json!({ "risk_control_status": 0 })).await;
    world.deliver_all(std::slice::from_ref(&risky)).await;
    assert_eq!(world.state(&risky).await, "delivered", "a lifted review lets the order go on");
}

#[tokio::test]
async fn a_refund_after_the_hand_over_burns_the_card() {
    let mut options = WorldOptions::default();
    options.scenario.refunds.pays_after_ms = 0;
    let world = World::with(options).await;
    let order = world.one_order("VOUCHER").await;
    world.deliver_all(std::slice::from_ref(&order)).await;
    let refund = world.control("POST", &format!("/orders/{order}/refund"), &json!({})).await;
    let id = &refund["refund_id"];
    world.control("POST", &format!("/refunds/{id}/agree"), &json!({})).await;
    // The money arrives by the platform's own clock.
    while world.ledger().await["orders"][0]["refund_status"] != 4 {
        tokio::task::yield_now().await;
    }
    world.clock.advance(TimeDelta::seconds(8));
    world.deliver_all(std::slice::from_ref(&order)).await;
    assert_eq!(world.state(&order).await, "closed_refunded");
    assert_eq!(uses(&world, "burned").await, 1);
    let refused = world.sql().await.execute("UPDATE card_uses SET state = 'available', line_id = NULL, ledger_seq = ledger_seq + 1 WHERE state = 'burned'", &[]).await;
    assert!(refused.is_err(), "a card that left us can never be sold again");
}

#[tokio::test]
async fn a_backlog_is_not_sent_by_surprise() {
    let world = World::start().await;
    let old = world.order("VOUCHER", json!({ "paid_s_ago": 7200.0, "count": 3 })).await;
    world.deliver_all(&old).await;
    for order in &old {
        assert_eq!(world.state(order).await, "held_backlog");
    }
    assert!(world.vouchers_sent().await.is_empty());
}

#[tokio::test]
async fn a_trial_run_hands_over_nothing() {
    let world = World::with(WorldOptions { live: false, ..WorldOptions::default() }).await;
    let order = world.one_order("VOUCHER").await;
    world.deliver_all(std::slice::from_ref(&order)).await;
    assert_eq!(world.state(&order).await, "seen");
    assert_eq!(
        world.text("SELECT verdict FROM orders WHERE order_sn = $1", &order).await,
        "trial run: would be delivered"
    );
    assert!(world.vouchers_sent().await.is_empty());
}

#[tokio::test]
async fn an_order_shipped_by_another_tool_is_left_alone() {
    let world = World::start().await;
    let order = world.one_order("VOUCHER").await;
    world.control("POST", &format!("/orders/{order}/ship"), &json!({})).await;
    world.deliver_all(std::slice::from_ref(&order)).await;
    assert_eq!(world.state(&order).await, "shipped_elsewhere");
    assert_eq!(uses(&world, "available").await, 20);
}

#[tokio::test]
async fn physical_goods_are_skipped_and_an_unmapped_sku_asks() {
    let world = World::start().await;
    let physical = world.one_order("PHYSICAL").await;
    let unmapped = world.one_order("PICKUP").await;
    world.deliver_all(&[physical.clone(), unmapped.clone()]).await;
    assert_eq!(world.state(&physical).await, "skipped");
    assert_eq!(world.state(&unmapped).await, "seen");
    assert_eq!(world.exceptions(&unmapped).await, ["unmapped_sku"]);

    let pool = world.pool("pickup").await;
    world.import(pool, &numbered("P", 2)).await;
    world.map("PICKUP", DeliveryMethod::PickupPage, Some(pool), RedemptionMethod::None).await;
    world.deliver().await;
    assert_eq!(world.state(&unmapped).await, "delivered", "it delivers by itself once it is mapped");
    assert!(world.exceptions(&unmapped).await.is_empty());
    assert_eq!(world.ledger().await["shipments"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_refusal_asks_a_person_and_keeps_the_card_for_this_order() {
    let world = World::start().await;
    let order = world.one_order("VOUCHER").await;
    world
        .fault(json!({ "api": "pdd.voucher.voucher.info.send", "kind": "code", "code": 50001, "sub_code": "99", "remaining": 1 }))
        .await;
    world.deliver_all(std::slice::from_ref(&order)).await;
    assert_eq!(world.state(&order).await, "reserved");
    assert_eq!(world.exceptions(&order).await, ["hand_over_refused"]);
    assert_eq!(uses(&world, "reserved").await, 1);
    world.clock.advance(TimeDelta::minutes(10));
    world.deliver_all(std::slice::from_ref(&order)).await;
    assert!(world.vouchers_sent().await.is_empty(), "nothing is tried again without a person");
}

#[tokio::test]
async fn a_limited_call_is_tried_again_with_the_same_card() {
    let world = World::start().await;
    let order = world.one_order("VOUCHER").await;
    world.fault(json!({ "api": "pdd.voucher.voucher.info.send", "kind": "code", "code": 70031, "remaining": 1 })).await;
    world.deliver_all(std::slice::from_ref(&order)).await;
    assert_eq!(world.state(&order).await, "reserved");
    world.clock.advance(TimeDelta::minutes(2));
    world.deliver().await;
    assert_eq!(world.state(&order).await, "delivered");
    assert_eq!(world.vouchers_sent().await[order.as_str()], ["V000001"]);
}

#[tokio::test]
async fn every_step_of_an_order_is_explained() {
    let world = World::start().await;
    let order = world.one_order("VOUCHER").await;
    world.deliver_all(std::slice::from_ref(&order)).await;
    let kinds: Vec<String> = world
        .sql()
        .await
        .query(
            "SELECT e.kind FROM order_events e JOIN orders o ON o.id = e.order_id WHERE o.order_sn = $1 ORDER BY e.at, e.id",
            &[&order.as_str()],
        )
        .await
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect();
    assert_eq!(kinds, ["seen", "handing_over", "delivered"]);
    let calls = world.control("GET", "/calls/count", &json!({})).await;
    assert_eq!(
        calls["by_api"]["pdd.order.information.get"]["calls"], 1,
        "one read serves as the push read and the gate"
    );
}

#[tokio::test]
async fn an_order_that_a_person_decided_against_is_not_sent_when_a_pause_ends() {
    let world = World::start().await;
    let order = world.one_order("VOUCHER").await;
    world.sql().await.execute("INSERT INTO pauses (id, merchant_id, scope, target_id, work, reason) SELECT gen_random_uuid(), merchant_id, 'shop', id, 'delivery', 'stock-taking' FROM shops", &[]).await.unwrap();
    world.deliver_all(std::slice::from_ref(&order)).await;
    assert_eq!(world.state(&order).await, "seen");
    let skip = kamiflow_domain::map_sku::MapSku {
        sku: world.skus["VOUCHER"].0,
        handling: kamiflow_store::products::Handling::Skip,
        settings: json!({}),
    };
    kamiflow_domain::map_sku::map_sku(&world.engine, &world.ctx(), &skip).await.unwrap();
    world.sql().await.execute("DELETE FROM pauses", &[]).await.unwrap();
    world.clock.advance(TimeDelta::minutes(2));
    for _ in 0..3 {
        world.deliver().await;
    }
    assert_eq!(world.state(&order).await, "skipped");
    assert!(world.vouchers_sent().await.is_empty());
}

#[tokio::test]
async fn an_order_that_waits_for_cards_follows_its_sku_to_another_pool() {
    let world = World::with(WorldOptions { cards: 0, ..WorldOptions::default() }).await;
    let order = world.one_order("VOUCHER").await;
    world.deliver_all(std::slice::from_ref(&order)).await;
    assert_eq!(world.state(&order).await, "awaiting_cards");
    let full = world.pool("full").await;
    world.import(full, &numbered("F", 1)).await;
    world.map("VOUCHER", DeliveryMethod::VoucherSend, Some(full), RedemptionMethod::None).await;
    world.clock.advance(TimeDelta::seconds(1));
    world.deliver().await;
    assert_eq!(world.state(&order).await, "delivered");
    assert_eq!(world.vouchers_sent().await[order.as_str()], ["F000001"]);
}

#[tokio::test]
async fn an_order_too_large_for_one_hand_over_asks_and_holds_nobody_up() {
    let world = World::start().await;
    let huge = world.order("VOUCHER", json!({ "quantity": 10_001 })).await.remove(0);
    let usual = world.one_order("VOUCHER").await;
    world.deliver_all(&[huge.clone(), usual.clone()]).await;
    assert_eq!(world.state(&usual).await, "delivered");
    assert_eq!(world.exceptions(&huge).await, ["method_mismatch"]);
}

#[tokio::test]
async fn evidence_that_comes_after_a_person_was_asked_settles_the_order() {
    let world = World::with(gateway(VoucherRepeat::RejectsDuplicate, VoucherStatus::Stays, false)).await;
    let order = world.one_order("VOUCHER").await;
    world
        .fault(json!({ "api": "pdd.voucher.voucher.info.send", "kind": "timeout_after_effect", "remaining": 1 }))
        .await;
    world.deliver_all(std::slice::from_ref(&order)).await;
    world.clock.advance(LONG_AFTER);
    world.deliver().await;
    assert_eq!(world.exceptions(&order).await, ["unknown_outcome"]);
    world.control("POST", &format!("/orders/{order}/ship"), &json!({})).await;
    world.deliver_all(std::slice::from_ref(&order)).await;
    world.deliver().await;
    assert_eq!(world.state(&order).await, "delivered", "status 2 and our own unresolved attempt are delivery");
    assert!(world.exceptions(&order).await.is_empty());
}
