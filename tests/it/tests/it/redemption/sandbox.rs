//! Redemption over the wire: the engine and the client against the sandbox, whose ledger says what really happened.

use chrono::TimeDelta;
use kamiflow_domain::redeem::destroyed::{self, Payload};
use kamiflow_domain::redemption_rules::{Conditions, Rule, RuleAction, RuleSet};
use kamiflow_domain::{redeem, save_rules, upload_cards};
use kamiflow_kernel::{DeliveryId, DeliveryMethod, OrderSn, RedemptionMethod, RuleId};
use kamiflow_test_support::{World, WorldOptions};
use serde_json::{Value, json};

const OTA_CALL: &str = "pdd.voucher.ota.card.verification";
/// Past every send deadline and the time after which a call may be resolved.
const LONG_AFTER: TimeDelta = TimeDelta::seconds(21);

/// A world whose one rule redeems at once.
async fn world(options: WorldOptions) -> World {
    let world = World::with(options).await;
    let rule = Rule {
        id: RuleId::generate(),
        name: "at once".to_owned(),
        enabled: true,
        conditions: Conditions::default(),
        action: RuleAction::Redeem,
    };
    save_rules::save(&world.engine, &world.ctx(), &RuleSet::new(vec![rule]).unwrap()).await.unwrap();
    world
}

async fn ota_world() -> World {
    let world = world(WorldOptions::default()).await;
    world.map("OTA", DeliveryMethod::PlatformCodes, None, RedemptionMethod::Ota).await;
    world
}

async fn delivered(world: &World, code: &str) -> OrderSn {
    let order = world.one_order(code).await;
    world.deliver_all(std::slice::from_ref(&order)).await;
    assert_eq!(world.state(&order).await, "awaiting_redemption");
    order
}

async fn tick(world: &World) {
    let ctx = world.engine.ctx("redeem", world.merchant);
    redeem::tick(&world.engine, &ctx, world.shop).await.unwrap();
}

/// Ticks as time passes, until the order has reached a state.
async fn tick_until(world: &World, order: &OrderSn, state: &str) {
    for _ in 0..40 {
        tick(world).await;
        if world.state(order).await == state {
            return;
        }
        world.clock.advance(LONG_AFTER);
    }
    panic!("{order} is {} and never {state}", world.state(order).await);
}

/// The uses of an order that took effect.
async fn verified(world: &World, order: &OrderSn) -> Vec<Value> {
    let ledger = world.ledger().await;
    let all = ledger["verifications"].as_array().unwrap();
    all.iter().filter(|entry| entry["order_sn"] == order.as_str()).cloned().collect()
}

#[tokio::test]
async fn a_platform_code_is_redeemed_in_the_mapped_store() {
    let world = ota_world().await;
    let order = delivered(&world, "OTA").await;
    tick(&world).await;
    assert_eq!(world.state(&order).await, "redeemed");
    let uses = verified(&world, &order).await;
    assert_eq!(uses.len(), 1);
    assert_eq!(uses[0]["method"], "ota");
    tick(&world).await;
    assert_eq!(verified(&world, &order).await.len(), 1);
}

#[tokio::test]
async fn every_code_of_a_larger_quantity_is_redeemed() {
    let world = ota_world().await;
    let order = world.order("OTA", json!({ "quantity": 3 })).await.remove(0);
    world.deliver_all(std::slice::from_ref(&order)).await;
    tick_until(&world, &order, "redeemed").await;
    assert_eq!(verified(&world, &order).await.len(), 3);
}

/// A world with an order that the platform served with a card of ours.
async fn pool_order() -> (World, OrderSn) {
    let world = world(WorldOptions::default()).await;
    let pool = world.pool("platform").await;
    world.import(pool, "Q000001----pw1\nQ000002----pw2\n").await;
    world.map("POOL", DeliveryMethod::PlatformPool, Some(pool), RedemptionMethod::ReportCard).await;
    let request = upload_cards::UploadCards { sku: world.skus["POOL"].0, count: 2 };
    upload_cards::upload_cards(&world.engine, &world.ctx(), request).await.unwrap();
    let order = delivered(&world, "POOL").await;
    (world, order)
}

#[tokio::test]
async fn a_card_of_ours_that_the_platform_handed_out_is_reported_used() {
    let (world, order) = pool_order().await;
    tick(&world).await;
    assert_eq!(world.state(&order).await, "redeemed");
    let uses = verified(&world, &order).await;
    assert_eq!((uses.len(), &uses[0]["status"]), (1, &json!(1)));
}

#[tokio::test]
async fn only_the_burned_card_of_a_refunded_order_is_reported_destroyed() {
    let (world, order) = pool_order().await;
    let delivery = world.text("SELECT id::text FROM deliveries WHERE order_sn = $1", &order).await;
    let payload = Payload { delivery: DeliveryId::from_uuid(delivery.parse().unwrap()) };
    let reported = "SELECT count(*)::text FROM order_events e JOIN orders o ON o.id = e.order_id
                     WHERE o.order_sn = $1 AND e.kind = 'destroyed_reported'";
    destroyed::run(&world.engine, &world.ctx(), payload).await.unwrap();
    assert_eq!(world.text(reported, &order).await, "0", "a card that is with its buyer is not destroyed");

    let asked = world.control("POST", &format!("/orders/{order}/refund"), &json!({ "reason": "不想要了" })).await;
    world.control("POST", &format!("/refunds/{}/agree", asked["refund_id"]), &json!({})).await;
    world.control("POST", "/clock/advance", &json!({ "seconds": 60 })).await;
    world.deliver_all(std::slice::from_ref(&order)).await;
    let burned = "SELECT count(*)::text FROM card_uses u JOIN delivery_lines l ON l.card_use_id = u.id
                    JOIN deliveries d ON d.id = l.delivery_id WHERE d.order_sn = $1 AND u.state = 'burned'";
    assert_eq!(world.text(burned, &order).await, "1");
    destroyed::run(&world.engine, &world.ctx(), payload).await.unwrap();
    assert_eq!(world.text(reported, &order).await, "1");
    let used = verified(&world, &order).await.iter().filter(|entry| entry["status"] == 1).count();
    assert_eq!(used, 0);
}

#[tokio::test]
async fn a_voucher_is_reported_under_the_id_it_was_sent_with() {
    let world = world(WorldOptions::default()).await;
    world.map("VOUCHER", DeliveryMethod::VoucherSend, Some(world.vouchers), RedemptionMethod::Realtime).await;
    let order = delivered(&world, "VOUCHER").await;
    tick(&world).await;
    assert_eq!(world.state(&order).await, "redeemed");
    assert_eq!(verified(&world, &order).await.len(), 1);
}

#[tokio::test]
async fn a_time_out_after_the_effect_declares_no_second_use() {
    let world = ota_world().await;
    let order = delivered(&world, "OTA").await;
    world.fault(json!({ "api": OTA_CALL, "kind": "timeout_after_effect", "remaining": 1 })).await;
    tick(&world).await;
    assert_eq!(world.state(&order).await, "awaiting_redemption");
    tick_until(&world, &order, "redeemed").await;
    assert_eq!(verified(&world, &order).await.len(), 1);
}

#[tokio::test]
async fn sub_code_1000010_waits_and_is_tried_again() {
    let world = ota_world().await;
    let order = delivered(&world, "OTA").await;
    let busy = json!({ "api": OTA_CALL, "kind": "code", "code": 50001, "sub_code": "1000010", "remaining": 1 });
    world.fault(busy).await;
    tick(&world).await;
    assert!(verified(&world, &order).await.is_empty());
    tick_until(&world, &order, "redeemed").await;
    assert_eq!(verified(&world, &order).await.len(), 1);
}

#[tokio::test]
async fn status_99_is_looked_up_and_not_called_again() {
    let mut options = WorldOptions::default();
    options.scenario.ota.in_progress_probability = 1.0;
    let world = world(options).await;
    world.map("OTA", DeliveryMethod::PlatformCodes, None, RedemptionMethod::Ota).await;
    let order = delivered(&world, "OTA").await;
    tick(&world).await;
    assert_eq!(world.state(&order).await, "awaiting_redemption");
    world.control("POST", "/clock/advance", &json!({ "seconds": 60 })).await;
    tick_until(&world, &order, "redeemed").await;
    assert_eq!(verified(&world, &order).await.len(), 1);
}

#[tokio::test]
async fn a_use_that_somebody_else_declared_counts_as_success() {
    let world = ota_world().await;
    let order = delivered(&world, "OTA").await;
    let taken = json!({ "api": OTA_CALL, "kind": "code", "code": 50001, "sub_code": "60010", "remaining": 1 });
    world.fault(taken).await;
    tick(&world).await;
    assert_eq!(world.state(&order).await, "redeemed");
}

#[tokio::test]
async fn an_after_sale_that_opens_stops_redemption_until_it_is_withdrawn() {
    let world = ota_world().await;
    let order = delivered(&world, "OTA").await;
    let asked = world.control("POST", &format!("/orders/{order}/refund"), &json!({ "reason": "不想要了" })).await;
    tick(&world).await;
    world.clock.advance(LONG_AFTER);
    tick(&world).await;
    assert!(verified(&world, &order).await.is_empty());
    assert_eq!(world.state(&order).await, "awaiting_redemption");

    // The platform's times have whole seconds: the withdrawal must be the later one.
    world.control("POST", "/clock/advance", &json!({ "seconds": 2 })).await;
    world.control("POST", &format!("/refunds/{}/close", asked["refund_id"]), &json!({})).await;
    world.deliver_all(std::slice::from_ref(&order)).await;
    tick_until(&world, &order, "redeemed").await;
    assert_eq!(verified(&world, &order).await.len(), 1);
}

#[tokio::test]
async fn a_refunded_order_is_stopped_and_never_declared_used() {
    let world = ota_world().await;
    let order = delivered(&world, "OTA").await;
    let asked = world.control("POST", &format!("/orders/{order}/refund"), &json!({ "reason": "不想要了" })).await;
    world.control("POST", &format!("/refunds/{}/agree", asked["refund_id"]), &json!({})).await;
    world.control("POST", "/clock/advance", &json!({ "seconds": 60 })).await;
    world.deliver_all(std::slice::from_ref(&order)).await;
    for _ in 0..3 {
        tick(&world).await;
        world.clock.advance(TimeDelta::hours(7));
    }
    assert!(verified(&world, &order).await.is_empty());
    assert_eq!(world.state(&order).await, "closed_refunded");
    let stopped = "SELECT string_agg(state, ',') FROM redemptions WHERE order_sn = $1";
    assert_eq!(world.text(stopped, &order).await, "stopped");
}
