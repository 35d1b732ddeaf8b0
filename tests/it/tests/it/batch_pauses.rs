//! Pausing a batch of cards: they are not handed out, whatever else there is, until the pause ends.

use kamiflow_domain::pause::{Pause, pause, resume};
use kamiflow_kernel::{BatchId, OrderSn};
use kamiflow_store::pauses::{PauseScope, PausedWork};
use kamiflow_test_support::{World, WorldOptions};

/// A world whose pool has two batches: `A000001`, the older, with two cards and `B000001` with one.
async fn two_batches() -> (World, PauseScope) {
    let world = World::with(WorldOptions { cards: 0, ..WorldOptions::default() }).await;
    world.import(world.vouchers, "A000001\nA000002\n").await;
    let rows = world.sql().await.query("SELECT id FROM card_batches", &[]).await.unwrap();
    let older = PauseScope::Batch(BatchId::from_uuid(rows[0].get(0)));
    world.import(world.vouchers, "B000001\n").await;
    (world, older)
}

async fn pause_of(world: &World, scope: PauseScope) {
    let request = Pause { scope, work: PausedWork::Delivery, reason: "供应商核查".to_owned(), ends_at: None };
    pause(&world.engine, &world.ctx(), &request).await.unwrap();
}

async fn sent(world: &World, order: &OrderSn) -> Vec<String> {
    world.vouchers_sent().await.remove(order.as_str()).unwrap_or_default()
}

#[tokio::test]
async fn cards_of_a_paused_batch_are_passed_over() {
    let (world, older) = two_batches().await;
    pause_of(&world, older).await;
    let order = world.one_order("VOUCHER").await;
    world.deliver_all(std::slice::from_ref(&order)).await;
    assert_eq!(sent(&world, &order).await, ["B000001"], "the older batch would have been first");
}

#[tokio::test]
async fn an_order_waits_when_only_paused_cards_are_left_and_the_end_of_the_pause_delivers_it() {
    let (world, older) = two_batches().await;
    pause_of(&world, older).await;
    let orders = [world.one_order("VOUCHER").await, world.one_order("VOUCHER").await];
    world.deliver_all(&orders).await;
    let mut states = [world.state(&orders[0]).await, world.state(&orders[1]).await];
    states.sort();
    assert_eq!(states, ["awaiting_cards", "delivered"]);
    let waiting = if world.state(&orders[0]).await == "awaiting_cards" { &orders[0] } else { &orders[1] };
    assert!(sent(&world, waiting).await.is_empty());

    let wakes = resume(&world.engine, &world.ctx(), older, PausedWork::Delivery).await.unwrap();
    assert!(!wakes.is_empty(), "the end of the pause wakes who waits");
    world.deliver().await;
    assert_eq!(world.state(waiting).await, "delivered");
    assert_eq!(sent(&world, waiting).await, ["A000001"]);
}
