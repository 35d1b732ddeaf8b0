//! What a person may do about one order at the command line: each act against the sandbox, and what refuses it.

use chrono::TimeDelta;
use kamiflow_domain::release_order::{self, ReleaseOrderError};
use kamiflow_domain::retry_order::{self, RetryOrderError};
use kamiflow_domain::{process_order, show_order};
use kamiflow_kernel::{OrderSn, ReasonCode};
use kamiflow_sandbox::scenario::{VoucherRepeat, VoucherStatus};
use kamiflow_test_support::{World, WorldOptions};
use serde_json::json;

const SEND: &str = "pdd.voucher.voucher.info.send";
/// Past every send deadline and the time after which an attempt may be resolved.
const LONG_AFTER: TimeDelta = TimeDelta::seconds(21);

async fn uses(world: &World, state: &str) -> i64 {
    world.sql().await.count("SELECT count(*) FROM card_uses WHERE state = $1", &[&state]).await.unwrap()
}

async fn acts_written(world: &World, action: &str) -> i64 {
    let count = "SELECT count(*) FROM audit_log WHERE action = $1 AND actor = 'operator'";
    world.sql().await.count(count, &[&action]).await.unwrap()
}

/// Returns the context of an operator, as the command line makes it.
fn operator(world: &World) -> kamiflow_domain::ctx::Ctx {
    kamiflow_domain::ctx::Ctx { actor: kamiflow_domain::ctx::Actor::Operator, ..world.ctx() }
}

/// A world whose gateway does not promise that a resend is safe, with an order whose outcome nobody knows.
async fn unknown_outcome() -> (World, OrderSn) {
    let mut options = WorldOptions::default();
    options.scenario.voucher_send.repeat = VoucherRepeat::Accumulates;
    options.scenario.voucher_send.status = VoucherStatus::Stays;
    options.engine.sandbox.resend_safe = false;
    let world = World::with(options).await;
    let order = world.order("VOUCHER", json!({ "quantity": 2 })).await.remove(0);
    world.fault(json!({ "api": SEND, "kind": "timeout_after_effect", "remaining": 1 })).await;
    world.deliver_all(std::slice::from_ref(&order)).await;
    world.clock.advance(LONG_AFTER);
    world.deliver().await;
    assert_eq!(world.exceptions(&order).await, ["unknown_outcome"]);
    (world, order)
}

#[tokio::test]
async fn an_unknown_outcome_is_not_retried_and_its_release_quarantines_the_cards_for_good() {
    let (world, order) = unknown_outcome().await;
    let ctx = operator(&world);
    let refused = retry_order::retry(&world.engine, &ctx, world.shop, &order).await.unwrap_err();
    assert!(matches!(refused, RetryOrderError::NotSafe { code: ReasonCode::UnknownOutcome, .. }), "{refused}");

    assert_eq!(release_order::release(&world.engine, &ctx, world.shop, &order).await.unwrap(), 2);
    assert_eq!(world.state(&order).await, "done");
    assert!(world.exceptions(&order).await.is_empty());
    assert_eq!((uses(&world, "quarantined").await, uses(&world, "available").await), (2, 18));
    assert_eq!(acts_written(&world, "order.release").await, 1);

    // Nothing brings it back: not a second release, not the engine.
    let again = release_order::release(&world.engine, &ctx, world.shop, &order).await.unwrap_err();
    assert!(matches!(again, ReleaseOrderError::NotOpen { .. }), "{again}");
    world.deliver_all(std::slice::from_ref(&order)).await;
    world.clock.advance(LONG_AFTER);
    world.deliver().await;
    assert_eq!(world.state(&order).await, "done");
    assert_eq!(world.vouchers_sent().await[order.as_str()].len(), 2, "what the time-out hid, and nothing more");
    assert_eq!((uses(&world, "quarantined").await, uses(&world, "available").await), (2, 18));
}

#[tokio::test]
async fn a_refused_hand_over_is_delivered_by_a_retry_with_the_same_cards() {
    let world = World::start().await;
    let order = world.one_order("VOUCHER").await;
    world.fault(json!({ "api": SEND, "kind": "code", "code": 50001, "remaining": 1 })).await;
    world.deliver_all(std::slice::from_ref(&order)).await;
    assert_eq!(world.exceptions(&order).await, ["hand_over_refused"]);
    assert_eq!(world.state(&order).await, "reserved");
    world.clock.advance(LONG_AFTER);
    world.deliver().await;
    assert_eq!(world.state(&order).await, "reserved", "it waits for a person");

    let retried = retry_order::retry(&world.engine, &operator(&world), world.shop, &order).await.unwrap();
    assert_eq!(retried.closed, [ReasonCode::HandOverRefused]);
    world.deliver().await;
    assert_eq!(world.state(&order).await, "delivered");
    assert!(world.exceptions(&order).await.is_empty());
    assert_eq!((uses(&world, "sent").await, uses(&world, "available").await), (1, 19));
    assert_eq!(acts_written(&world, "order.retry").await, 1);
}

#[tokio::test]
async fn a_refused_hand_over_can_be_given_up_and_then_stays_given_up() {
    let world = World::start().await;
    let order = world.one_order("VOUCHER").await;
    world.fault(json!({ "api": SEND, "kind": "code", "code": 50001, "remaining": 1 })).await;
    world.deliver_all(std::slice::from_ref(&order)).await;
    assert_eq!(release_order::release(&world.engine, &operator(&world), world.shop, &order).await.unwrap(), 1);
    world.deliver_all(std::slice::from_ref(&order)).await;
    assert_eq!(world.state(&order).await, "done");
    assert_eq!((uses(&world, "quarantined").await, uses(&world, "sent").await), (1, 0));
}

#[tokio::test]
async fn a_delivered_order_is_not_released_and_shows_its_cards_masked() {
    let world = World::start().await;
    let order = world.one_order("VOUCHER").await;
    world.deliver_all(std::slice::from_ref(&order)).await;
    let ctx = operator(&world);
    let refused = release_order::release(&world.engine, &ctx, world.shop, &order).await.unwrap_err();
    assert!(matches!(refused, ReleaseOrderError::NotOpen { .. }), "{refused}");
    assert_eq!(uses(&world, "sent").await, 1);

    let view = show_order::show(&world.engine, &ctx, world.shop, &order).await.unwrap().unwrap();
    let delivery = view.delivery.unwrap();
    assert_eq!(delivery.lines.len(), 1);
    let card = delivery.lines[0].card.clone().unwrap();
    assert!(card.contains('*') && !card.contains("V000001"), "{card}");
    assert_eq!(view.events.first().unwrap().kind, "seen");
    assert_eq!(view.events.last().unwrap().kind, "delivered");
}

#[tokio::test]
async fn an_order_that_nobody_announced_is_processed_when_a_person_asks_for_it() {
    let world = World::start().await;
    let order = world.one_order("VOUCHER").await;
    assert_eq!(world.state_or_none(&order).await, None);
    let ctx = operator(&world);
    let wakes = process_order::process(&world.engine, &ctx, world.shop, &order).await.unwrap();
    assert!(!wakes.is_empty());
    world.deliver().await;
    assert_eq!(world.state(&order).await, "delivered");
    assert_eq!(acts_written(&world, "order.process").await, 1);
}
