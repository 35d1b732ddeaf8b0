//! Sums for dashboards: what transactions append is folded exactly once, whoever folds and whoever appends meanwhile.

use kamiflow_kernel::ShopId;
use kamiflow_store::{rollups, system};
use kamiflow_test_support::World;
use serde_json::json;

const WRITERS: usize = 4;
const WRITES: usize = 60;

async fn sum(world: &World, table: &str, metric: &str) -> i64 {
    let statement = format!("SELECT coalesce(sum(n), 0)::bigint FROM {table} WHERE metric = $1");
    world.sql().await.count(&statement, &[&metric]).await.unwrap()
}

/// Appends deltas in transactions of their own; every fifth is rolled back.
async fn append(world: &World, shop: ShopId) -> i64 {
    let mut appended = 0;
    for n in 1..=WRITES {
        let mut tx = world.tx().await;
        let amount = i64::try_from(n).unwrap();
        rollups::add(&mut tx, shop, world.engine.now(), &[("tested", amount), ("other", 1), ("none", 0)])
            .await
            .unwrap();
        if n % 5 > 0 {
            tx.commit().await.unwrap();
            appended += amount;
        }
    }
    appended
}

/// Folds a few deltas at a time, until nothing was left ten times in a row.
async fn fold(world: &World) -> i64 {
    let (mut folded, mut empty) = (0, 0);
    while empty < 10 {
        let mut tx = world.engine.store.system_tx().await.unwrap();
        let n = system::fold_rollups(&mut tx, 7).await.unwrap();
        tx.commit().await.unwrap();
        empty = if n == 0 { empty + 1 } else { 0 };
        folded += n;
    }
    folded
}

#[tokio::test]
async fn deltas_are_folded_once_by_two_folders_while_others_append() {
    let world = World::start().await;
    fold(&world).await;
    let already = world.sql().await.count("SELECT count(*) FROM rollup_deltas", &[]).await.unwrap();
    assert_eq!(already, 0);
    let appending = futures_util::future::join_all((0..WRITERS).map(|_| append(&world, world.shop)));
    let (appended, one, other) = tokio::join!(appending, fold(&world), fold(&world));
    let rest = fold(&world).await;
    let committed = i64::try_from(WRITERS * WRITES * 4 / 5).unwrap();
    assert_eq!(one + other + rest, committed * 2, "each delta once: two metrics a transaction, none of the zero");
    assert_eq!(sum(&world, "rollups_hourly", "tested").await, appended.iter().sum::<i64>());
    assert_eq!(sum(&world, "rollups_hourly", "other").await, committed);
    assert_eq!(sum(&world, "rollup_deltas", "tested").await, 0);
    assert_eq!(sum(&world, "rollups_hourly", "none").await, 0);
}

#[tokio::test]
async fn a_fold_that_is_rolled_back_leaves_every_delta() {
    let world = World::start().await;
    let orders = world.order("VOUCHER", json!({ "count": 3 })).await;
    world.deliver_all(&orders).await;
    let mut tx = world.engine.store.system_tx().await.unwrap();
    assert!(system::fold_rollups(&mut tx, 500).await.unwrap() > 0);
    drop(tx);
    assert_eq!(sum(&world, "rollups_hourly", "delivered").await, 0);
    // A dropped transaction is rolled back behind the caller's back, and passed over until then.
    while fold(&world).await == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(sum(&world, "rollups_hourly", "delivered").await, 3);
    assert_eq!(sum(&world, "rollups_hourly", "cards_sent").await, 3);
}
