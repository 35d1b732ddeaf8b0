//! Statements of one transaction that are sent together run in the order they are named.

use std::time::Duration;

use chrono::TimeDelta;
use futures_util::try_join;
use kamiflow_kernel::{Clock, DeliveryState, LineId};
use kamiflow_store::deliveries::{self, DeliveryChange};
use kamiflow_store::delivery_lines::{self, NewLine};
use kamiflow_store::order_hints::{self, HintSource, NewHints};
use kamiflow_store::{Store, StoreConfig, StoreError, TenantTx, shops};
use kamiflow_test_support::{TestApp, World};

/// A store whose one connection has prepared nothing yet.
fn fresh_store(world: &World) -> Store {
    let config = StoreConfig { url: world.database.url("kamiflow_app"), pool_size: 1, wait: Duration::from_secs(10) };
    Store::new(&config, TestApp::key_ring(&["m1"], "m1")).unwrap()
}

#[tokio::test]
async fn each_sees_what_those_before_it_did_prepared_or_not() {
    let world = World::start().await;
    let (now, shop) = (world.clock.now(), world.shop);
    let orders = ["261123-000000000000001".parse().unwrap()];
    let hints = NewHints { dirty_since: now, due_at: now, source: HintSource::Push };
    let later = now + TimeDelta::seconds(1);
    // One of the three is prepared before the others in each round, none in the last.
    for prepared in 0..4 {
        let store = fresh_store(&world);
        let tx = store.tenant_tx(world.merchant).await.unwrap();
        match prepared {
            0 => order_hints::upsert(&tx, shop, &orders, hints).await.unwrap(),
            1 => drop(order_hints::clear_read(&tx, shop, &orders, later).await.unwrap()),
            2 => drop(order_hints::list_due(&tx, shop, later, 10).await.unwrap()),
            _ => {}
        }
        let ((), cleared, due) = try_join!(
            order_hints::upsert(&tx, shop, &orders, hints),
            order_hints::clear_read(&tx, shop, &orders, later),
            order_hints::list_due(&tx, shop, later, 10),
        )
        .unwrap();
        assert_eq!((cleared, due.len()), (1, 0), "round {prepared}");
        let (due, (), cleared) = try_join!(
            order_hints::list_due(&tx, shop, later, 10),
            order_hints::upsert(&tx, shop, &orders, hints),
            order_hints::clear_read(&tx, shop, &orders, later),
        )
        .unwrap();
        assert_eq!((due.len(), cleared), (0, 1), "round {prepared}");
    }
}

#[tokio::test]
async fn the_first_that_fails_says_why_and_nothing_is_kept() {
    let world = World::start().await;
    let order_sn = world.one_order("VOUCHER").await;
    world.sync().await;
    let sns = [order_sn.as_str()];
    let store = fresh_store(&world);
    let tx = store.tenant_tx(world.merchant).await.unwrap();
    let delivery = deliveries::lock_by_sn(&tx, world.shop, &sns).await.unwrap().remove(0);
    let line = NewLine { id: LineId::generate(), delivery: delivery.id(), line_no: 1, card_use: None };
    // Two lines in one place: refused, and so is everything after it in the transaction.
    let lines = [line, NewLine { id: LineId::generate(), ..line }];
    let changes = [DeliveryChange {
        id: delivery.id(),
        fence: delivery.fence,
        next_fence: delivery.fence,
        state: DeliveryState::Pending,
        due_at: None,
        failures: 7,
        payload_hash: None,
        delivered_at: None,
    }];
    let sent = try_join!(
        delivery_lines::insert(&tx, &lines),
        deliveries::update_fenced(&tx, &changes),
        deliveries::due::next_due(&tx, world.shop),
    );
    let Err(StoreError::Constraint { constraint, .. }) = sent else { panic!("{sent:?}") };
    assert_eq!(constraint, "delivery_lines_once");
    drop(tx);

    let mut tx = store.tenant_tx(world.merchant).await.unwrap();
    let kept = deliveries::lock_waiting(&tx, world.shop, &sns).await.unwrap().remove(0);
    assert_eq!(kept.failures, delivery.failures);
    assert!(delivery_lines::list_live(&mut tx, &[delivery.id()]).await.unwrap().is_empty());
}

/// Transactions that somebody has left open.
const OPEN: &str = "SELECT count(*) FROM pg_stat_activity
                     WHERE datname = current_database() AND state LIKE 'idle in transaction%'";

#[tokio::test]
async fn a_reading_ends_its_transaction_in_the_same_round_trip() {
    let world = World::start().await;
    let now = world.clock.now();
    let store = fresh_store(&world);
    // Nothing is prepared in the first round, and everything in the others.
    for round in 0..3 {
        let framed =
            store.read_at_once(world.merchant, async |tx| shops::list_framed(tx, now, 10).await).await.unwrap();
        assert_eq!(framed.len(), 1, "round {round}");
        assert_eq!(world.sql_as_superuser().await.count(OPEN, &[]).await.unwrap(), 0, "round {round}");
    }
}

#[tokio::test]
async fn a_reading_that_goes_on_behind_its_end_is_refused() {
    let world = World::start().await;
    let now = world.clock.now();
    let store = fresh_store(&world);
    for round in 0..2 {
        let read = async |tx: &TenantTx| {
            shops::list_framed(tx, now, 10).await?;
            shops::list_framed(tx, now, 10).await
        };
        let refused = store.read_at_once(world.merchant, read).await;
        assert!(matches!(refused, Err(StoreError::Unavailable(_))), "round {round}: {refused:?}");
        let framed =
            store.read_at_once(world.merchant, async |tx| shops::list_framed(tx, now, 10).await).await.unwrap();
        assert_eq!(framed.len(), 1, "round {round}");
    }
}
