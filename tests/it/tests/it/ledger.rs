//! The card ledger: chained, append-only, sealed day by day.

use kamiflow_domain::ledger_root;
use kamiflow_store::ledger_roots;
use kamiflow_test_support::{World, refused_by};

#[tokio::test]
async fn a_day_is_sealed_once_and_proves_that_nothing_was_changed_since() {
    let world = World::start().await;
    let today = world.day_passes();
    assert_eq!(ledger_root::take(&world.engine, &world.ctx()).await.unwrap(), Some(today));
    assert_eq!(ledger_root::take(&world.engine, &world.ctx()).await.unwrap(), None, "taken once");
    let mut tx = world.tx().await;
    let sealed = ledger_roots::find(&mut tx, today).await.unwrap().unwrap();
    assert_eq!(sealed.uses, 20);
    assert_eq!(ledger_root::compute(&mut tx, today).await.unwrap(), sealed);
    drop(tx);

    // Not even the superuser's hand stays hidden.
    let superuser = world.sql_as_superuser().await;
    superuser.execute("UPDATE card_ledger SET hash = sha256(hash) WHERE card_use_id = (SELECT min(id::text)::uuid FROM card_uses)", &[]).await.unwrap();
    let mut tx = world.tx().await;
    assert_ne!(ledger_root::compute(&mut tx, today).await.unwrap(), sealed);
}

#[tokio::test]
async fn the_application_cannot_rewrite_the_ledger() {
    let world = World::start().await;
    let sql = world.sql().await;
    for statement in ["UPDATE card_ledger SET event = 'x'", "DELETE FROM card_ledger", "DELETE FROM card_ledger_roots"]
    {
        let refused = refused_by(sql.execute(statement, &[]).await);
        assert_eq!(refused, "42501", "{statement}");
    }
}
