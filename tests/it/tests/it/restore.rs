//! Backup and restore: what is restored equals what was backed up, nothing is half there, and no card is used twice.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::TimeDelta;
use kamiflow_domain::backup::{BackupError, MakeBackup, Manifest, Protection, Unlock, make_backup, read_manifest};
use kamiflow_domain::connect_shop::{ConnectShop, Grant, Purpose, connect_shop};
use kamiflow_domain::engine::Wake;
use kamiflow_domain::go_live::{GoLive, GoLiveError, WentLive, go_live};
use kamiflow_domain::marketplace::{TokenLevels, Tokens};
use kamiflow_domain::reconcile::{Mode, ReconcileShop, Reconciliation, Step};
use kamiflow_domain::restore::{InTheWay, Restore, RestoreError, RestoredBackup, restore};
use kamiflow_domain::restore_stock::{self, ReleaseStock};
use kamiflow_kernel::{ApplicationId, Clock as _, MallId, OrderSn};
use kamiflow_runtime::clock::SystemClock;
use kamiflow_runtime::config::BackupTools;
use kamiflow_sandbox::scenario::VoucherStatus;
use kamiflow_store::shops::{self, ShopChange};
use kamiflow_store::{Store, StoreConfig, restored_shops, system};
use kamiflow_test_support::{TestApp, World, WorldOptions, numbered};
use serde_json::json;
use tempfile::TempDir;

const SEND: &str = "pdd.voucher.voucher.info.send";

fn program(name: &str) -> PathBuf {
    BackupTools { programs: None, passphrase: None }.find(name).expect("Postgres' client programs are installed")
}

fn store(world: &World) -> Store {
    let url = world.database.url("kamiflow_app");
    let config = StoreConfig { url, pool_size: 8, wait: Duration::from_secs(10) };
    Store::new(&config, TestApp::key_ring(&["m1"], "m1")).unwrap()
}

async fn backup(world: &World, parent: &Path, protection: Protection) -> (PathBuf, Manifest) {
    let request = MakeBackup {
        url: world.database.url("kamiflow_backup").into(),
        pg_dump: program("pg_dump"),
        parent: parent.to_owned(),
        protection,
        made_by: "test".to_owned(),
    };
    make_backup(&request, &|_| ()).await.unwrap()
}

fn request(world: &World, folder: &Path, in_the_way: InTheWay) -> Restore {
    Restore {
        url: world.database.url_as_superuser().into(),
        pg_restore: program("pg_restore"),
        folder: folder.to_owned(),
        unlock: Unlock::default(),
        in_the_way,
        now: SystemClock.now(),
    }
}

/// Restores as soon as the last connection of what was stopped has ended.
async fn restored(request: Restore) -> Result<RestoredBackup, RestoreError> {
    let mut looks = tokio::time::interval(Duration::from_millis(20));
    let ended = async {
        loop {
            match restore(&Restore { now: SystemClock.now(), ..request.clone() }, &|_| ()).await {
                Err(RestoreError::InUse { .. }) => looks.tick().await,
                ended => return ended,
            };
        }
    };
    tokio::time::timeout(Duration::from_secs(60), ended).await.unwrap()
}

/// Stops the world's process, restores over its database, and starts it again.
async fn lose_and_restore(world: &mut World, folder: &Path) -> RestoredBackup {
    let request = request(world, folder, InTheWay::Anything);
    world.engine.store = store(world);
    let done = restored(request).await.unwrap();
    world.engine.store = store(world);
    let kept = done.kept_as.as_deref().unwrap();
    world.sql_as_superuser().await.execute(&format!("DROP DATABASE \"{kept}\" WITH (FORCE)"), &[]).await.unwrap();
    done
}

async fn live(world: &World, release: Vec<OrderSn>) -> Result<WentLive, GoLiveError> {
    go_live(&world.engine, &world.ctx(), &GoLive { shop: world.shop, deliver_from: world.engine.now(), release }).await
}

async fn reconcile(world: &World) {
    let mut tx = world.tx().await;
    let (from, to) = restored_shops::find(&mut tx, world.shop).await.unwrap().unwrap().range();
    drop(tx);
    // The platform's lists are complete some seconds behind its clock.
    world.time_passes(30).await;
    assert!(to < world.engine.now());
    let request = ReconcileShop { shop: world.shop, from, to: None, mode: Mode::Repair };
    let mut run = Reconciliation::begin(&world.engine, &world.ctx(), &request).await.unwrap();
    while run.step().await.unwrap() != Step::Done {}
}

/// Codes that the platform took for more than one order, and orders that got more than one code.
async fn twice(world: &World) -> (BTreeSet<String>, BTreeSet<String>) {
    let mut orders_of: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let sent = world.vouchers_sent().await;
    for (order, codes) in &sent {
        for code in codes {
            orders_of.entry(code.clone()).or_default().insert(order.clone());
        }
    }
    let codes = orders_of.into_iter().filter(|(_, orders)| orders.len() > 1).map(|(code, _)| code).collect();
    let orders = sent.into_iter().filter(|(_, codes)| codes.len() > 1).map(|(order, _)| order).collect();
    (codes, orders)
}

async fn count(world: &World, sql: &str) -> i64 {
    world.sql_as_superuser().await.count(sql, &[]).await.unwrap()
}

async fn backup_deliver_50_restore(status: VoucherStatus, found_as: &str) {
    let mut options = WorldOptions { cards: 120, ..WorldOptions::default() };
    options.scenario.voucher_send.status = status;
    let mut world = World::with(options).await;
    let before = world.order("VOUCHER", json!({ "count": 10 })).await;
    world.deliver_all(&before).await;
    let folder = TempDir::new().unwrap();
    let (path, manifest) = backup(&world, folder.path(), Protection::None).await;

    let after = world.order("VOUCHER", json!({ "count": 50 })).await;
    world.deliver_all(&after).await;
    assert_eq!(world.vouchers_sent().await.len(), 60);
    // The next order is on its way when everything is lost: paid, and not delivered.
    let paid = world.order("VOUCHER", json!({ "count": 3 })).await;

    let done = lose_and_restore(&mut world, &path).await;
    assert_eq!((done.stamped.shops, done.stamped.quarantined), (1, 110));
    assert_eq!(done.manifest, manifest);
    assert_eq!(world.shop_state().await.0, "trial_run");
    assert_eq!(world.stock(world.vouchers).await.available, 0);

    // Nobody gets it live before what was lost has been read, whatever he tries.
    assert!(matches!(live(&world, Vec::new()).await, Err(GoLiveError::NotReconciled { .. })));
    let forced = "UPDATE shops SET state = 'live', deliver_from = now()";
    assert!(world.sql_as_superuser().await.execute(forced, &[]).await.is_err());
    world.deliver_all(&after).await;
    reconcile(&world).await;
    let early = GoLive { shop: world.shop, deliver_from: manifest.snapshot_at, release: Vec::new() };
    let early = go_live(&world.engine, &world.ctx(), &early).await;
    assert!(matches!(early, Err(GoLiveError::BeforeRestore { .. })), "{early:?}");

    live(&world, Vec::new()).await.unwrap();
    let new = world.order("VOUCHER", json!({ "count": 20 })).await;
    let everything: Vec<OrderSn> = before.iter().chain(&after).chain(&paid).chain(&new).cloned().collect();
    world.deliver_all(&everything).await;
    assert_eq!(world.vouchers_sent().await.len(), 60, "stock that may be used up is sold to nobody");
    for order in &after {
        assert_eq!(world.state(order).await, found_as, "{order}");
    }

    let pools = restore_stock::list(&world.engine.store, &world.ctx()).await.unwrap();
    assert_eq!((pools[0].quarantined, pools[0].reconciled, pools[0].uploads), (110, true, false), "{pools:?}");
    assert!(pools[0].wanted_since >= 50, "{pools:?}");
    let keep = ReleaseStock { pool: world.vouchers, keep: pools[0].wanted_since };
    let (released, wakes) = restore_stock::release(&world.engine.store, &world.ctx(), keep).await.unwrap();
    assert_eq!(i64::try_from(released).unwrap(), 110 - pools[0].wanted_since);
    assert_eq!(wakes, [Wake::Deliver(world.shop)]);
    world.deliver_all(&everything).await;
    // What was paid before the loss goes out when a person says so.
    assert_eq!(world.state(&paid[0]).await, "held_backlog");
    live(&world, paid.clone()).await.unwrap();
    world.deliver_all(&everything).await;
    let sent = world.vouchers_sent().await;
    for order in everything.iter() {
        assert!(sent.contains_key(order.as_str()), "{order} got nothing");
    }
    assert_eq!(twice(&world).await, (BTreeSet::new(), BTreeSet::new()));
    assert_eq!(count(&world, "SELECT epoch FROM instance").await, 2);
}

#[tokio::test]
async fn backup_deliver_50_restore_no_card_is_used_twice() {
    backup_deliver_50_restore(VoucherStatus::Moves, "shipped_elsewhere").await;
}

#[tokio::test]
async fn an_order_that_the_platform_does_not_ship_gets_no_second_card_after_a_restore() {
    backup_deliver_50_restore(VoucherStatus::Stays, "held_backlog").await;
}

#[tokio::test]
async fn a_request_under_way_at_the_backup_is_never_sent_again_but_its_success_is_seen() {
    let mut options = WorldOptions::default();
    options.scenario.voucher_send.status = VoucherStatus::Stays;
    options.engine.sandbox.resend_safe = true;
    let mut world = World::with(options).await;
    let order = world.one_order("VOUCHER").await;
    let unsent = json!({ "api": "pdd.voucher.voucher.info.send", "kind": "timeout_before_effect", "remaining": 1 });
    world.fault(unsent).await;
    world.deliver_all(std::slice::from_ref(&order)).await;
    assert_eq!(world.state(&order).await, "handing_over");
    let folder = TempDir::new().unwrap();
    let (path, _) = backup(&world, folder.path(), Protection::None).await;

    lose_and_restore(&mut world, &path).await;
    reconcile(&world).await;
    live(&world, Vec::new()).await.unwrap();
    world.time_passes(60).await;
    world.deliver_all(std::slice::from_ref(&order)).await;
    world.time_passes(60).await;
    world.deliver().await;
    // Its card may have been freed and sold after the backup: without a restore it would be sent again by itself.
    assert_eq!(world.state(&order).await, "handing_over");
    assert_eq!(world.exceptions(&order).await, ["unknown_outcome"]);
    assert!(world.vouchers_sent().await.is_empty());
}

/// An order whose first send was refused for now keeps its card; the backup shows that, and the resend is lost.
async fn held_at_the_backup_and_sent_since(refunded: bool, ends_as: &str) {
    let mut options = WorldOptions { cards: 3, ..WorldOptions::default() };
    options.scenario.refunds.pays_after_ms = 0;
    let mut world = World::with(options).await;
    let order = world.one_order("VOUCHER").await;
    world.fault(json!({ "api": SEND, "kind": "code", "code": 70031, "remaining": 1 })).await;
    world.deliver_all(std::slice::from_ref(&order)).await;
    assert_eq!(world.state(&order).await, "reserved");
    let folder = TempDir::new().unwrap();
    let (path, _) = backup(&world, folder.path(), Protection::None).await;

    world.time_passes(120).await;
    world.deliver().await;
    let sent = world.vouchers_sent().await;
    assert_eq!(sent[order.as_str()].len(), 1);
    if refunded {
        let refund = world.control("POST", &format!("/orders/{order}/refund"), &json!({})).await;
        world.control("POST", &format!("/refunds/{}/agree", refund["refund_id"]), &json!({})).await;
        world.time_passes(1).await;
    }
    lose_and_restore(&mut world, &path).await;
    reconcile(&world).await;
    assert_eq!(world.state(&order).await, ends_as);
    assert_eq!(world.stock(world.vouchers).await.available, 0, "the buyer has the card that the backup shows as held");

    // A person who puts all quarantined stock back puts back the cards that never were held, and only them.
    live(&world, Vec::new()).await.unwrap();
    let all = ReleaseStock { pool: world.vouchers, keep: 0 };
    let (released, _) = restore_stock::release(&world.engine.store, &world.ctx(), all).await.unwrap();
    assert_eq!(released, 2);
    let more = world.order("VOUCHER", json!({ "count": 3 })).await;
    world.deliver_all(&more).await;
    assert_eq!(twice(&world).await, (BTreeSet::new(), BTreeSet::new()));
    assert_eq!(world.vouchers_sent().await.len(), 3);
}

#[tokio::test]
async fn a_card_that_was_held_at_the_backup_and_sent_since_is_never_sold_again() {
    held_at_the_backup_and_sent_since(false, "shipped_elsewhere").await;
}

#[tokio::test]
async fn a_card_that_was_held_at_the_backup_sent_and_refunded_since_is_never_sold_again() {
    held_at_the_backup_and_sent_since(true, "closed_refunded").await;
}

#[tokio::test]
async fn an_order_that_a_person_released_before_the_backup_is_held_again_after_it() {
    let mut options = WorldOptions { live: false, ..WorldOptions::default() };
    options.scenario.voucher_send.status = VoucherStatus::Stays;
    let mut world = World::with(options).await;
    let order = world.one_order("VOUCHER").await;
    world.time_passes(5).await;
    world.sync().await;
    live(&world, vec![order.clone()]).await.unwrap();
    assert_eq!(world.state(&order).await, "seen");
    let folder = TempDir::new().unwrap();
    let (path, _) = backup(&world, folder.path(), Protection::None).await;
    world.deliver_all(std::slice::from_ref(&order)).await;
    assert_eq!(world.vouchers_sent().await[order.as_str()].len(), 1);

    lose_and_restore(&mut world, &path).await;
    reconcile(&world).await;
    live(&world, Vec::new()).await.unwrap();
    world.import(world.vouchers, &numbered("NEW", 5)).await;
    world.deliver_all(std::slice::from_ref(&order)).await;
    assert_eq!(world.vouchers_sent().await[order.as_str()].len(), 1, "no second card");
    assert_eq!(world.state(&order).await, "held_backlog");
    // Whoever knows better says so once more.
    live(&world, vec![order.clone()]).await.unwrap();
    world.deliver_all(std::slice::from_ref(&order)).await;
    assert_eq!(world.state(&order).await, "delivered");
}

async fn incarnation(world: &World) -> String {
    let mut tx = world.engine.store.system_tx().await.unwrap();
    system::fetch_instance(&mut tx).await.unwrap().incarnation()
}

#[tokio::test]
async fn every_restore_of_a_backup_is_an_incarnation_of_its_own() {
    let mut world = World::start().await;
    let folder = TempDir::new().unwrap();
    let (path, _) = backup(&world, folder.path(), Protection::None).await;
    let mut names = BTreeSet::from([incarnation(&world).await]);
    for restores in 1..=2 {
        let done = lose_and_restore(&mut world, &path).await;
        names.insert(incarnation(&world).await);
        assert_eq!(names.len(), 1 + restores, "Redis must forget what it was told about {done:?}");
    }
}

#[tokio::test]
async fn a_restore_goes_by_the_databases_clock_and_refuses_one_that_is_wrong() {
    let world = World::start().await;
    let folder = TempDir::new().unwrap();
    let (path, _) = backup(&world, folder.path(), Protection::None).await;
    let elsewhere = format!("{}_clock", world.database.url_as_superuser());
    let with = |now| Restore { url: elsewhere.clone().into(), now, ..request(&world, &path, InTheWay::Nothing) };
    for wrong in [TimeDelta::hours(-8), TimeDelta::minutes(2)] {
        let told = restore(&with(SystemClock.now() + wrong), &|_| ()).await.unwrap_err().to_string();
        assert!(told.contains("clock") && told.contains("NTP"), "{told}");
    }
    restore(&with(SystemClock.now() + TimeDelta::seconds(3)), &|_| ()).await.unwrap();
    let (client, connection) = tokio_postgres::connect(&elsewhere, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let early = "SELECT count(*) FROM shops WHERE restored_at > clock_timestamp()";
    assert_eq!(client.query_one(early, &[]).await.unwrap().get::<_, i64>(0), 0);
    drop(client);
    let name = elsewhere.rsplit('/').next().unwrap().to_owned();
    world.sql_as_superuser().await.execute(&format!("DROP DATABASE \"{name}\" WITH (FORCE)"), &[]).await.unwrap();
}

/// Disconnects the world's shop and connects its mall again: another row, about the same orders.
async fn connect_again(world: &mut World) {
    let sql = world.sql().await;
    let application = sql.query("SELECT application_id FROM shops WHERE state <> 'disconnected'", &[]).await.unwrap();
    let mut tx = world.tx().await;
    shops::update_state(&mut tx, world.shop, &ShopChange::Disconnect).await.unwrap();
    tx.commit().await.unwrap();
    connect(world, ApplicationId::from_uuid(application[0].get(0))).await;
}

async fn connect(world: &mut World, application: ApplicationId) {
    let expires_at = world.engine.now() + TimeDelta::days(300);
    let tokens = Tokens {
        access_token: "sandbox-token-0001".into(),
        refresh_token: "sandbox-refresh-0001".into(),
        expires_at,
        refresh_expires_at: expires_at,
        mall: MallId(world.mall),
        owner_name: "demo".to_owned(),
        scopes: Vec::new(),
        levels: TokenLevels::default(),
    };
    let request = ConnectShop {
        application,
        grant: Grant::Tokens(Box::new(tokens)),
        purpose: Purpose::Connect,
        look_back: Duration::from_secs(3_600),
    };
    world.shop = connect_shop(&world.engine, &world.ctx(), &request).await.unwrap().shop;
}

#[tokio::test]
async fn a_mall_that_is_connected_again_after_a_restore_is_reconciled_first_all_the_same() {
    let mut world = World::start().await;
    let folder = TempDir::new().unwrap();
    let (path, _) = backup(&world, folder.path(), Protection::None).await;
    let restored_at = lose_and_restore(&mut world, &path).await.stamped;
    connect_again(&mut world).await;
    assert!(matches!(live(&world, Vec::new()).await, Err(GoLiveError::NotReconciled { .. })), "{restored_at:?}");
    reconcile(&world).await;
    let early =
        GoLive { shop: world.shop, deliver_from: world.engine.now() - TimeDelta::hours(1), release: Vec::new() };
    let early = go_live(&world.engine, &world.ctx(), &early).await;
    assert!(matches!(early, Err(GoLiveError::BeforeRestore { .. })), "{early:?}");
    live(&world, Vec::new()).await.unwrap();
}

#[tokio::test]
async fn a_mall_that_was_disconnected_at_the_backup_and_connected_since_is_reconciled_first() {
    let mut world = World::start().await;
    let sql = world.sql().await;
    let application = sql.query("SELECT application_id FROM shops", &[]).await.unwrap()[0].get(0);
    drop(sql);
    let mut tx = world.tx().await;
    shops::update_state(&mut tx, world.shop, &ShopChange::Disconnect).await.unwrap();
    tx.commit().await.unwrap();
    let folder = TempDir::new().unwrap();
    let (path, _) = backup(&world, folder.path(), Protection::None).await;
    assert_eq!(lose_and_restore(&mut world, &path).await.stamped.shops, 0, "nothing to reconcile yet");
    connect(&mut world, ApplicationId::from_uuid(application)).await;
    assert!(matches!(live(&world, Vec::new()).await, Err(GoLiveError::NotReconciled { .. })));
}

#[tokio::test]
async fn a_mall_that_the_backup_does_not_know_delivers_what_is_paid_since_the_restore() {
    let mut world = World::start().await;
    let folder = TempDir::new().unwrap();
    let (path, _) = backup(&world, folder.path(), Protection::None).await;
    lose_and_restore(&mut world, &path).await;
    // As if its mall had been connected after the backup, and another one before.
    let renamed = "UPDATE shops SET mall_id = 999, state = 'disconnected'";
    let application = world.sql().await.query("SELECT application_id FROM shops", &[]).await.unwrap()[0].get(0);
    world.sql_as_superuser().await.execute(renamed, &[]).await.unwrap();
    connect(&mut world, ApplicationId::from_uuid(application)).await;
    let early =
        GoLive { shop: world.shop, deliver_from: world.engine.now() - TimeDelta::hours(1), release: Vec::new() };
    let early = go_live(&world.engine, &world.ctx(), &early).await;
    assert!(matches!(early, Err(GoLiveError::BeforeRestore { .. })), "{early:?}");
    // Whole seconds count, as in the platform's times.
    world.time_passes(2).await;
    live(&world, Vec::new()).await.unwrap();
}

#[tokio::test]
async fn a_backup_is_private_encrypted_and_found_out_when_it_is_damaged() {
    use std::os::unix::fs::PermissionsExt as _;
    let world = World::start().await;
    let order = world.one_order("VOUCHER").await;
    world.deliver_all(std::slice::from_ref(&order)).await;
    let parent = TempDir::new().unwrap();
    let (path, manifest) = backup(&world, parent.path(), Protection::Passphrase("correct horse".into())).await;
    assert_eq!(read_manifest(&path).unwrap(), manifest);
    let rows = |table: &str| manifest.tables.iter().find(|sum| sum.table == table).unwrap().rows;
    assert_eq!((rows("cards"), rows("deliveries"), rows("instance")), (20, 1, 1));
    assert!(manifest.tables.iter().any(|sum| sum.table.starts_with("orders_2") && sum.rows == 1), "partitions count");
    for file in ["manifest.json", "dump.pgc.age"] {
        assert_eq!(path.join(file).metadata().unwrap().permissions().mode() & 0o777, 0o600, "{file}");
    }
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(std::fs::read_dir(parent.path()).unwrap().count(), 1, "nothing partial is left");

    let dump = path.join("dump.pgc.age");
    let whole = std::fs::read(&dump).unwrap();
    assert!(whole.starts_with(b"age-encryption.org/v1"), "other programs can open it");
    assert!(!whole.windows(5).any(|bytes| bytes == b"PGDMP"), "nothing of it is in the clear");
    // Another process of the world is connected: nothing happens to a database in use, whatever is asked.
    let request = |unlock: Unlock| Restore { unlock, ..request(&world, &path, InTheWay::Anything) };
    let right = Unlock { passphrase: Some("correct horse".into()), ..Unlock::default() };
    let used = restore(&request(right.clone()), &|_| ()).await;
    assert!(matches!(used, Err(RestoreError::InUse { .. })), "{used:?}");

    let elsewhere = format!("{}_elsewhere", world.database.url_as_superuser());
    let request = |unlock: Unlock| Restore { url: elsewhere.clone().into(), ..request(unlock) };
    let wrong = Unlock { passphrase: Some("wrong".into()), ..Unlock::default() };
    for unlock in [Unlock::default(), wrong] {
        let refused = restore(&request(unlock), &|_| ()).await;
        assert!(matches!(refused, Err(RestoreError::Backup(BackupError::Key(_)))), "{refused:?}");
    }
    let mut changed = whole.clone();
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    for damaged in [&changed[..], &whole[..whole.len() - 1]] {
        std::fs::write(&dump, damaged).unwrap();
        let refused = restore(&request(right.clone()), &|_| ()).await;
        assert!(matches!(refused, Err(RestoreError::Backup(BackupError::Damaged(_)))), "{refused:?}");
    }
    std::fs::write(&dump, &whole).unwrap();
    let name = elsewhere.rsplit('/').next().unwrap().to_owned();
    let like = format!("SELECT count(*) FROM pg_database WHERE datname LIKE '{name}%'");
    assert_eq!(count(&world, &like).await, 0, "a refused restore leaves nothing behind");

    restore(&request(right.clone()), &|_| ()).await.unwrap();
    for (allowed, cure) in [(InTheWay::Nothing, "--force"), (InTheWay::Schema, "--force")] {
        let refused = restore(&Restore { in_the_way: allowed, ..request(right.clone()) }, &|_| ()).await;
        let Err(RestoreError::InTheWay { cure: told, .. }) = &refused else { panic!("{refused:?}") };
        assert!(told.contains(cure), "{told}");
    }
    world.sql_as_superuser().await.execute(&format!("DROP DATABASE \"{name}\" WITH (FORCE)"), &[]).await.unwrap();
}

#[tokio::test]
async fn a_restore_that_finds_other_rows_than_were_backed_up_changes_nothing() {
    let world = World::start().await;
    let parent = TempDir::new().unwrap();
    let (path, manifest) = backup(&world, parent.path(), Protection::None).await;
    let mut forged = manifest;
    let cards = forged.tables.iter_mut().find(|sum| sum.table == "cards").unwrap();
    cards.hash = "1.2.3.4".to_owned();
    std::fs::write(path.join("manifest.json"), serde_json::to_vec(&forged).unwrap()).unwrap();
    let elsewhere = format!("{}_differs", world.database.url_as_superuser());
    let refused =
        restore(&Restore { url: elsewhere.clone().into(), ..request(&world, &path, InTheWay::Nothing) }, &|_| ()).await;
    let told = refused.unwrap_err().to_string();
    assert!(told.contains("`cards` has other contents"), "{told}");
    let name = elsewhere.rsplit('/').next().unwrap().to_owned();
    let like = format!("SELECT count(*) FROM pg_database WHERE datname LIKE '{name}%'");
    assert_eq!(count(&world, &like).await, 0);
}
