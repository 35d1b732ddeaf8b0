//! What stands between a delivery that was begun and its next send: the same judgment as before the first one.

use chrono::TimeDelta;
use kamiflow_domain::deliver;
use kamiflow_domain::go_live::{GoLive, go_live, return_to_trial_run};
use kamiflow_domain::pause::{Pause, pause, resume};
use kamiflow_domain::retry_order::retry;
use kamiflow_kernel::{BatchId, CardUseId, CardUseState, OrderSn};
use kamiflow_sandbox::scenario::{VoucherRepeat, VoucherStatus};
use kamiflow_store::card_uses::{self, LineChange, Transition};
use kamiflow_store::pauses::{PauseScope, PausedWork};
use kamiflow_test_support::{World, WorldOptions};
use serde_json::json;

const SEND: &str = "pdd.voucher.voucher.info.send";
const READ: &str = "pdd.order.information.get";
/// Past every send deadline and the time after which an attempt may be resolved.
const LONG_AFTER: TimeDelta = TimeDelta::seconds(21);

/// A platform that takes an identical request again for what it is, and does not move the order when it is served.
async fn world() -> World {
    let mut options = WorldOptions::default();
    options.scenario.voucher_send.repeat = VoucherRepeat::Idempotent;
    options.scenario.voucher_send.status = VoucherStatus::Stays;
    options.engine.sandbox.resend_safe = true;
    World::with(options).await
}

/// An order whose first send was never answered; time has passed, so that whoever looks next resolves it.
async fn unanswered(world: &World) -> OrderSn {
    let order = world.one_order("VOUCHER").await;
    world.fault(json!({ "api": SEND, "kind": "timeout_before_effect", "remaining": 1 })).await;
    world.deliver_all(std::slice::from_ref(&order)).await;
    assert_eq!(world.state(&order).await, "handing_over");
    world.clock.advance(LONG_AFTER);
    order
}

/// An order whose first send was refused for now: the platform did nothing, and the card stays with the order.
async fn refused_for_now(world: &World) -> OrderSn {
    let order = world.one_order("VOUCHER").await;
    world.fault(json!({ "api": SEND, "kind": "code", "code": 70031, "remaining": 1 })).await;
    world.deliver_all(std::slice::from_ref(&order)).await;
    assert_eq!(world.state(&order).await, "reserved");
    order
}

async fn attempts(world: &World) -> i64 {
    world.sql().await.count("SELECT count(*) FROM delivery_attempts", &[]).await.unwrap()
}

async fn payloads(world: &World) -> i64 {
    world.sql().await.count("SELECT count(DISTINCT payload_hash) FROM delivery_attempts", &[]).await.unwrap()
}

async fn uses(world: &World, state: &str) -> i64 {
    world.sql().await.count("SELECT count(*) FROM card_uses WHERE state = $1", &[&state]).await.unwrap()
}

async fn set(world: &World, change: &str) {
    assert!(world.sql().await.execute(change, &[]).await.unwrap() > 0, "{change}");
}

fn paused(scope: PauseScope) -> Pause {
    Pause { scope, work: PausedWork::Delivery, reason: "盘点".to_owned(), ends_at: None }
}

/// Runs a tick and, while it reads the order back, what somebody else does.
async fn meanwhile<T>(world: &World, act: impl Future<Output = T>) -> T {
    world.fault(json!({ "api": READ, "kind": "slow", "ms": 400, "remaining": 1 })).await;
    let taken = async {
        world.until("SELECT fence FROM deliveries", 2).await;
        act.await
    };
    let (ticked, done) = tokio::join!(deliver::tick(&world.engine, world.merchant, world.shop), taken);
    ticked.unwrap();
    done
}

#[tokio::test]
async fn a_refund_that_only_the_store_knows_of_holds_the_identical_request_back() {
    let world = world().await;
    let order = unanswered(&world).await;
    // A later read than the resolver's own, as another process would have stored it.
    set(
        &world,
        "UPDATE orders SET refund_status = 2, after_sales_status = 2, updated_at = updated_at + interval '1 hour'",
    )
    .await;
    world.deliver().await;
    assert_eq!(attempts(&world).await, 1);
    assert!(world.vouchers_sent().await.is_empty());
    assert_eq!(world.state(&order).await, "handing_over");
    assert_eq!(uses(&world, "reserved").await, 1);

    set(&world, "UPDATE orders SET refund_status = 1, after_sales_status = 0").await;
    world.clock.advance(TimeDelta::seconds(31));
    world.deliver().await;
    assert_eq!(world.state(&order).await, "delivered");
    assert_eq!((attempts(&world).await, payloads(&world).await), (2, 1));
    assert_eq!(world.vouchers_sent().await[order.as_str()], ["V000001"]);
}

#[tokio::test]
async fn an_order_that_the_platform_reviews_by_now_is_not_sent_again() {
    let world = world().await;
    let order = unanswered(&world).await;
    world.control("POST", &format!("/orders/{order}/risk"), &json!({ "risk_control_status": 1 })).await;
    world.deliver().await;
    assert_eq!(attempts(&world).await, 1, "an order under review is not sent again");
    assert!(world.vouchers_sent().await.is_empty());
}

#[tokio::test]
async fn a_shop_that_goes_back_to_trial_run_while_an_order_is_read_back_sends_nothing_again() {
    let world = world().await;
    let order = unanswered(&world).await;
    meanwhile(&world, async {
        return_to_trial_run(&world.engine, &world.ctx(), world.shop).await.unwrap();
    })
    .await;
    assert_eq!(attempts(&world).await, 1);
    assert!(world.vouchers_sent().await.is_empty());

    let request =
        GoLive { shop: world.shop, deliver_from: world.engine.now() - TimeDelta::hours(1), release: Vec::new() };
    go_live(&world.engine, &world.ctx(), &request).await.unwrap();
    world.deliver().await;
    assert_eq!(world.state(&order).await, "delivered");
    assert_eq!(payloads(&world).await, 1);
}

#[tokio::test]
async fn a_pause_that_is_set_while_an_order_is_read_back_holds_its_resend_until_it_ends() {
    let world = world().await;
    let order = unanswered(&world).await;
    let scope = PauseScope::Sku(world.skus["VOUCHER"].0);
    meanwhile(&world, async { pause(&world.engine, &world.ctx(), &paused(scope)).await.unwrap() }).await;
    assert_eq!(attempts(&world).await, 1);
    world.clock.advance(TimeDelta::minutes(2));
    let reads = world.calls(READ).await;
    world.deliver().await;
    assert_eq!(world.calls(READ).await, reads, "it is not read back again and again under the pause");

    resume(&world.engine, &world.ctx(), scope, PausedWork::Delivery).await.unwrap();
    world.deliver().await;
    assert_eq!(world.state(&order).await, "delivered");
    assert_eq!(world.vouchers_sent().await[order.as_str()], ["V000001"]);
}

#[tokio::test]
async fn a_resume_right_after_a_send_of_unknown_outcome_resolves_nothing_too_early() {
    let world = world().await;
    let order = world.one_order("VOUCHER").await;
    world.fault(json!({ "api": SEND, "kind": "timeout_after_effect", "remaining": 1 })).await;
    world.deliver_all(std::slice::from_ref(&order)).await;
    pause(&world.engine, &world.ctx(), &paused(PauseScope::Merchant)).await.unwrap();
    resume(&world.engine, &world.ctx(), PauseScope::Merchant, PausedWork::Delivery).await.unwrap();
    let reads = world.calls(READ).await;
    world.deliver().await;
    assert_eq!((attempts(&world).await, world.calls(READ).await), (1, reads));
    let due = "SELECT count(*) FROM deliveries WHERE due_at > $1";
    assert_eq!(
        world.sql().await.count(due, &[&world.engine.now()]).await.unwrap(),
        1,
        "it is due when it may be resolved"
    );
    world.clock.advance(LONG_AFTER);
    world.deliver().await;
    assert_eq!(world.state(&order).await, "delivered");
}

#[tokio::test]
async fn a_card_that_expired_while_it_was_held_is_not_sent_and_no_other_is() {
    let world = world().await;
    let order = refused_for_now(&world).await;
    let soon = world.engine.now() + TimeDelta::minutes(1);
    world.sql().await.execute("UPDATE card_uses SET expires_at = $1 WHERE state = 'reserved'", &[&soon]).await.unwrap();
    world.clock.advance(TimeDelta::minutes(2));
    world.deliver().await;
    assert_eq!(world.exceptions(&order).await, ["cards_unfit"]);
    assert_eq!((world.state(&order).await.as_str(), attempts(&world).await), ("reserved", 1));
    assert_eq!((uses(&world, "reserved").await, uses(&world, "available").await), (1, 19));
    world.time_passes(1_200).await;
    world.deliver_all(std::slice::from_ref(&order)).await;
    assert!(world.vouchers_sent().await.is_empty(), "nothing goes on without a person");

    // A retry that changes nothing asks again; one after the date was corrected sends the very same request.
    retry(&world.engine, &world.ctx(), world.shop, &order).await.unwrap();
    world.deliver().await;
    assert_eq!((world.exceptions(&order).await, attempts(&world).await), (vec!["cards_unfit".to_owned()], 1));
    set(&world, "UPDATE card_uses SET expires_at = NULL WHERE state = 'reserved'").await;
    retry(&world.engine, &world.ctx(), world.shop, &order).await.unwrap();
    world.deliver().await;
    assert_eq!(world.state(&order).await, "delivered");
    assert!(world.exceptions(&order).await.is_empty());
    assert_eq!((attempts(&world).await, payloads(&world).await), (2, 1));
}

#[tokio::test]
async fn a_card_that_is_valid_for_less_than_its_pool_asks_is_not_sent_again() {
    let world = world().await;
    let order = refused_for_now(&world).await;
    let later = world.engine.now() + TimeDelta::hours(2);
    let sql = world.sql().await;
    sql.execute("UPDATE card_uses SET expires_at = $1 WHERE state = 'reserved'", &[&later]).await.unwrap();
    sql.execute("UPDATE card_pools SET min_validity_s = 7200", &[]).await.unwrap();
    world.clock.advance(TimeDelta::minutes(2));
    world.deliver().await;
    assert_eq!(world.exceptions(&order).await, ["cards_unfit"]);
    assert!(world.vouchers_sent().await.is_empty());
}

#[tokio::test]
async fn a_card_that_was_voided_while_it_was_held_is_not_sent() {
    let world = world().await;
    let order = refused_for_now(&world).await;
    let rows = world.sql().await.query("SELECT id FROM card_uses WHERE state = 'reserved'", &[]).await.unwrap();
    let held = [CardUseId::from_uuid(rows[0].get(0))];
    let mut tx = world.tx().await;
    let change = Transition {
        uses: &held,
        from: CardUseState::Reserved,
        to: CardUseState::Void,
        cause: "voided",
        event: "voided",
        delivery: None,
        line: LineChange::Keep,
        at: world.engine.now(),
    };
    card_uses::transition(&mut tx, &change).await.unwrap();
    tx.commit().await.unwrap();
    world.clock.advance(TimeDelta::minutes(2));
    world.deliver().await;
    assert_eq!(world.exceptions(&order).await, ["cards_unfit"]);
    assert!(world.vouchers_sent().await.is_empty());
}

#[tokio::test]
async fn a_card_of_a_paused_batch_waits_for_the_pause_to_end_without_a_call() {
    let world = world().await;
    let order = refused_for_now(&world).await;
    let rows = world.sql().await.query("SELECT id FROM card_batches", &[]).await.unwrap();
    let scope = PauseScope::Batch(BatchId::from_uuid(rows[0].get(0)));
    pause(&world.engine, &world.ctx(), &paused(scope)).await.unwrap();
    let reads = world.calls(READ).await;
    for _ in 0..3 {
        world.clock.advance(TimeDelta::minutes(2));
        world.deliver().await;
    }
    assert_eq!((attempts(&world).await, world.calls(READ).await), (1, reads));
    // News about the order is read all the same, and changes nothing.
    world.deliver_all(std::slice::from_ref(&order)).await;
    assert_eq!((attempts(&world).await, world.calls(READ).await), (1, reads + 1));

    resume(&world.engine, &world.ctx(), scope, PausedWork::Delivery).await.unwrap();
    world.deliver().await;
    assert_eq!(world.state(&order).await, "delivered");
    assert_eq!(world.vouchers_sent().await[order.as_str()], ["V000001"]);
}

#[tokio::test]
async fn a_card_that_expired_after_an_unknown_outcome_is_left_to_a_person() {
    let world = world().await;
    let order = unanswered(&world).await;
    let past = world.engine.now() - TimeDelta::seconds(1);
    let sql = world.sql().await;
    sql.execute("UPDATE card_uses SET expires_at = $1 WHERE state = 'reserved'", &[&past]).await.unwrap();
    world.deliver().await;
    assert_eq!(world.exceptions(&order).await, ["unknown_outcome"]);
    assert_eq!((attempts(&world).await, uses(&world, "reserved").await), (1, 1));
    assert!(world.vouchers_sent().await.is_empty());
    let told = "SELECT detail ->> 'expired_or_about_to' FROM exceptions WHERE order_sn = $1";
    assert_eq!(world.text(told, &order).await, "1");
}

#[tokio::test]
async fn an_order_that_was_begun_before_a_trial_run_goes_on_when_the_shop_is_live_again() {
    let world = world().await;
    let order = refused_for_now(&world).await;
    return_to_trial_run(&world.engine, &world.ctx(), world.shop).await.unwrap();
    let reads = world.calls(READ).await;
    for _ in 0..3 {
        world.clock.advance(TimeDelta::minutes(2));
        world.deliver().await;
    }
    assert_eq!((attempts(&world).await, world.calls(READ).await), (1, reads));
    let request =
        GoLive { shop: world.shop, deliver_from: world.engine.now() - TimeDelta::hours(1), release: Vec::new() };
    go_live(&world.engine, &world.ctx(), &request).await.unwrap();
    world.deliver().await;
    assert_eq!(world.state(&order).await, "delivered");
}
