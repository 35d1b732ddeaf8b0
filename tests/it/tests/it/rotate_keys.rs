//! Keys are exchanged while orders are delivered: nothing is lost, nothing is sent twice, everything still opens.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use kamiflow_domain::import_cards::{FileChoices, ImportCards, ImportMode, import_cards};
use kamiflow_domain::rotate_keys::{Progress, RotateKeys, RotatedKeys, rotate_keys};
use kamiflow_kernel::{MerchantId, OrderSn};
use kamiflow_store::merchants::{self, NewMerchant};
use kamiflow_store::{Store, StoreConfig, reseal};
use kamiflow_test_support::{TestApp, World, WorldOptions, numbered};
use serde_json::json;
use tokio::sync::Notify;

fn request(world: &World, reseal: bool) -> RotateKeys {
    let request_id = "test".to_owned();
    RotateKeys { reseal, batch: 3, most_waits: 60, request_id, now: world.engine.now() }
}

/// A process of its own on the world's database, with these master keys.
fn process(world: &World, keys: &[&str], active: &str) -> Store {
    let url = world.database.url("kamiflow_app");
    let config = StoreConfig { url, pool_size: 4, wait: Duration::from_secs(10) };
    Store::new(&config, TestApp::key_ring(keys, active)).unwrap()
}

async fn rotate(world: &World, store: &Store, reseal: bool) -> RotatedKeys {
    rotate_keys(store, &request(world, reseal), &|_| ()).await.unwrap()
}

/// Counts the rows that a key of no active duty seals, over every table with sealed columns.
async fn sealed_with_former_keys(world: &World) -> i64 {
    let sql = world.sql_as_superuser().await;
    let mut left = 0;
    for place in reseal::PLACES {
        let table = place.table;
        let count =
            format!("SELECT count(*) FROM {table} t JOIN data_keys k ON k.id = t.data_key_id WHERE NOT k.active");
        left += sql.count(&count, &[]).await.unwrap();
    }
    left
}

/// Starts an exchange and kills it when so many rows are sealed anew.
async fn interrupted(world: &World, store: &Store, after: u64) {
    let (rows, enough) = (AtomicU64::new(0), Notify::new());
    let told = |progress: Progress| {
        if let Progress::Resealed(more) = progress
            && rows.fetch_add(more, Ordering::SeqCst) + more >= after
        {
            enough.notify_one();
        }
    };
    let request = request(world, true);
    tokio::select! {
        done = rotate_keys(store, &request, &told) => panic!("it ended before it was killed: {done:?}"),
        () = enough.notified() => {}
    }
}

async fn deliver_in_portions(world: &World, orders: &[OrderSn]) {
    for portion in orders.chunks(4) {
        world.deliver_all(portion).await;
    }
}

async fn each_order_got_a_card_of_its_own(world: &World, orders: &[OrderSn]) {
    let sent = world.vouchers_sent().await;
    let numbers: BTreeSet<&String> = sent.values().flatten().collect();
    assert_eq!(sent.len(), orders.len(), "every order, and no other, got something");
    assert!(sent.values().all(|vouchers| vouchers.len() == 1), "{sent:?}");
    assert_eq!(numbers.len(), orders.len(), "no card went to two orders");
}

#[tokio::test]
async fn rows_are_sealed_anew_under_load_and_across_a_kill() {
    let mut world = World::with(WorldOptions { cards: 120, ..WorldOptions::default() }).await;
    world.engine.store = process(&world, &["m1", "m2"], "m1");
    let mut orders = world.order("VOUCHER", json!({ "count": 20 })).await;
    world.deliver_all(&orders).await;

    let rotating = process(&world, &["m1", "m2"], "m2");
    let more = world.order("VOUCHER", json!({ "count": 40 })).await;
    let (first, second) = more.split_at(20);
    tokio::join!(interrupted(&world, &rotating, 30), deliver_in_portions(&world, first));
    assert!(sealed_with_former_keys(&world).await > 0, "it was killed on the way");
    let (done, ()) = tokio::join!(rotate(&world, &rotating, true), deliver_in_portions(&world, second));
    assert_eq!((done.left, done.wrapped_otherwise, done.made), (0, 0, 0), "{done:?}");
    assert!(done.resealed > 0, "{done:?}");
    orders.extend(more);
    each_order_got_a_card_of_its_own(&world, &orders).await;
    assert_eq!(sealed_with_former_keys(&world).await, 0);

    // The former master key is gone: cards, tokens and secrets open, and new orders are delivered.
    world.engine.store = process(&world, &["m2"], "m2");
    let late = world.order("VOUCHER", json!({ "count": 5 })).await;
    world.deliver_all(&late).await;
    orders.extend(late);
    each_order_got_a_card_of_its_own(&world, &orders).await;
    // Every value is opened once more, by whoever seals all of it with the next keys.
    let next = rotate(&world, &process(&world, &["m2", "m3"], "m3"), true).await;
    assert!(next.made >= 1 && next.left == 0, "{next:?}");
    assert_eq!(sealed_with_former_keys(&world).await, 0);
}

#[tokio::test]
async fn an_old_card_is_found_again_after_its_key_was_exchanged() {
    let mut world = World::start().await;
    let rotating = process(&world, &["m1", "m2"], "m2");
    // A process that still remembers the former key, and one that knows the new one only.
    world.engine.store = process(&world, &["m1", "m2"], "m1");
    assert_eq!(duplicates(&world, &numbered("V", 3)).await, 3);
    let done = rotate(&world, &rotating, true).await;
    assert_eq!(done.left, 0, "{done:?}");
    assert_eq!(duplicates(&world, &numbered("V", 4)).await, 4, "by whoever was there before");
    world.engine.store = process(&world, &["m2"], "m2");
    assert_eq!(duplicates(&world, &numbered("V", 20)).await, 20, "by whoever comes later");
    let stock = world.stock(world.vouchers).await;
    assert_eq!(stock.available, 20, "{stock:?}");
}

async fn duplicates(world: &World, file: &str) -> u64 {
    let request = ImportCards {
        pool: world.vouchers,
        caller_id: format!("test-{}", uuid::Uuid::now_v7().simple()),
        file_name: "again.txt".to_owned(),
        choices: FileChoices::default(),
        mode: ImportMode::SkipBad,
        uses_permitted: 1,
        file: std::io::Cursor::new(file.as_bytes().to_vec()),
    };
    import_cards(&world.engine, &world.ctx(), request).await.unwrap().rejected
}

#[tokio::test]
async fn wrapping_anew_touches_no_sealed_row_and_frees_the_old_master_key() {
    let mut world = World::start().await;
    let sql = world.sql().await;
    let before = sql.query("SELECT data_key_id, number_sealed FROM cards ORDER BY id", &[]).await.unwrap();
    let done = rotate(&world, &process(&world, &["m1", "m2"], "m2"), false).await;
    assert_eq!((done.made, done.resealed, done.wrapped_otherwise), (0, 0, 0), "{done:?}");
    assert!(done.rewrapped >= 1, "{done:?}");
    let after = sql.query("SELECT data_key_id, number_sealed FROM cards ORDER BY id", &[]).await.unwrap();
    let values = |rows: &[tokio_postgres::Row]| -> Vec<(uuid::Uuid, Vec<u8>)> {
        rows.iter().map(|row| (row.get(0), row.get(1))).collect()
    };
    assert_eq!(values(&before), values(&after));
    let again = rotate(&world, &process(&world, &["m1", "m2"], "m2"), false).await;
    assert_eq!(again.rewrapped, 0);
    world.engine.store = process(&world, &["m2"], "m2");
    let order = world.one_order("VOUCHER").await;
    world.deliver_all(std::slice::from_ref(&order)).await;
    assert_eq!(world.state(&order).await, "delivered");
}

/// Runs an exchange and, while it waits for other processes, what one of them does.
async fn rotate_meanwhile(world: &World, store: &Store, act: impl Future<Output = ()>) -> RotatedKeys {
    let waits = Notify::new();
    let told = |progress: Progress| {
        if let Progress::Waiting(_) = progress {
            waits.notify_one();
        }
    };
    let request = RotateKeys { most_waits: 1, ..request(world, true) };
    let meanwhile = async {
        waits.notified().await;
        act.await;
    };
    tokio::join!(rotate_keys(store, &request, &told), meanwhile).0.unwrap()
}

#[tokio::test]
async fn a_merchant_who_came_meanwhile_keeps_the_old_master_key_in_the_ring() {
    let world = World::start().await;
    let late = process(&world, &["m1", "m2"], "m1");
    let arrives = async {
        // By a process that was not restarted with the new master key yet.
        let mut tx = late.tenant_tx(MerchantId::generate()).await.unwrap();
        merchants::insert(&mut tx, &NewMerchant { name: "late", poll_floor_s: 15 }).await.unwrap();
        tx.data_key().await.unwrap();
        tx.commit().await.unwrap();
    };
    let rotating = process(&world, &["m1", "m2"], "m2");
    let done = rotate_meanwhile(&world, &rotating, arrives).await;
    assert_eq!((done.wrapped_otherwise, done.is_complete()), (1, false), "{done:?}");
    let again = rotate(&world, &rotating, true).await;
    assert_eq!((again.wrapped_otherwise, again.is_complete()), (0, true), "{again:?}");
}

#[tokio::test]
async fn an_import_that_does_not_end_keeps_the_old_master_key_in_the_ring() {
    let world = World::start().await;
    let rotating = process(&world, &["m1", "m2"], "m2");
    let importing = world.sql_as_superuser().await;
    // What the foreign key of an uncommitted card holds.
    importing.execute("BEGIN", &[]).await.unwrap();
    let hold = "SELECT id FROM data_keys WHERE merchant_id = $1 FOR KEY SHARE";
    importing.query(hold, &[&world.merchant.as_uuid()]).await.unwrap();
    let done = rotate_meanwhile(&world, &rotating, async {}).await;
    assert_eq!((done.left, done.unsettled, done.is_complete()), (0, 1, false), "{done:?}");
    importing.execute("ROLLBACK", &[]).await.unwrap();
    assert!(rotate(&world, &rotating, true).await.is_complete());
}

#[tokio::test]
async fn a_ring_without_the_old_master_key_changes_nothing_and_says_which() {
    let world = World::start().await;
    let refused = rotate_keys(&process(&world, &["m2"], "m2"), &request(&world, false), &|_| ()).await;
    let told = format!("{:#}", anyhow::Error::from(refused.unwrap_err()));
    assert!(told.contains("`m1`"), "{told}");
    assert_eq!(
        world
            .sql_as_superuser()
            .await
            .count("SELECT count(*) FROM data_keys WHERE master_key_id = 'm2'", &[])
            .await
            .unwrap(),
        0
    );
}

#[tokio::test]
async fn every_sealed_column_of_the_schema_is_sealed_anew() {
    let world = World::start().await;
    let sql = "SELECT c.table_name || '.' || c.column_name FROM information_schema.columns c
                WHERE c.table_schema = 'public' AND c.column_name LIKE '%\\_sealed'";
    let rows = world.sql_as_superuser().await.query(sql, &[]).await.unwrap();
    let schema: BTreeSet<String> = rows.iter().map(|row| row.get(0)).collect();
    let listed: BTreeSet<String> = reseal::PLACES
        .iter()
        .flat_map(|place| [Some(place.columns.0), place.columns.1])
        .flatten()
        .map(str::to_owned)
        .collect();
    assert_eq!(schema, listed);
}
