//! The platform's own stock: imports that nobody ended, pauses, and filling up by itself.

use chrono::TimeDelta;
use kamiflow_domain::go_live;
use kamiflow_domain::pause::{Pause, pause, resume};
use kamiflow_domain::top_up::{self, Filled, Payload, SetTopUp, SetTopUpError};
use kamiflow_domain::upload_cards::{self, UploadCards, UploadError, UploadReport, upload_cards};
use kamiflow_kernel::{BatchId, DeliveryMethod, PoolId, RedemptionMethod, ShopId, SkuId};
use kamiflow_store::pauses::{PauseScope, PausedWork};
use kamiflow_store::platform_stock::TopUp;
use kamiflow_store::platform_uploads::{self, NewUpload};
use kamiflow_test_support::World;
use serde_json::json;
use uuid::Uuid;

const ADD: &str = "pdd.voucher.virtual.card.batch.add";

/// A world with so many cards that could be imported for the SKU POOL.
async fn stocked(cards: usize) -> (World, PoolId, SkuId) {
    let world = World::start().await;
    let pool = world.pool("platform").await;
    let file: String = (1..=cards).map(|n| format!("Q{n:06}----pw{n:06}\n")).collect();
    world.import(pool, &file).await;
    world.map("POOL", DeliveryMethod::PlatformPool, Some(pool), RedemptionMethod::None).await;
    let sku = world.skus["POOL"].0;
    (world, pool, sku)
}

async fn upload(world: &World, sku: SkuId, count: u32) -> Result<UploadReport, UploadError> {
    upload_cards(&world.engine, &world.ctx(), UploadCards { sku, count }).await
}

async fn uses(world: &World, pool: PoolId, state: &str) -> i64 {
    let sql = "SELECT count(*) FROM card_uses WHERE pool_id = $1 AND state = $2";
    world.sql().await.count(sql, &[&pool.as_uuid(), &state]).await.unwrap()
}

async fn keep(world: &World, sku: SkuId, below: i32, to: i32) {
    let request = SetTopUp { sku, top_up: Some(TopUp { below, to }) };
    top_up::set(&world.engine, &world.ctx(), request).await.unwrap();
}

/// One turn of the watch and of the jobs it planned; how many jobs there were.
async fn watch(world: &World, sku: SkuId) -> usize {
    let wakes = top_up::watch(&world.engine, 100).await.unwrap();
    for (merchant, _job) in &wakes {
        assert_eq!(*merchant, world.merchant);
        let ctx = world.engine.ctx("jobs", *merchant);
        let filled = top_up::run(&world.engine, &ctx, Payload { sku }).await.unwrap();
        assert!(matches!(filled, Filled::Enough(_)), "{filled:?}");
        world.sql().await.execute("DELETE FROM jobs WHERE name = $1", &[&top_up::NAME]).await.unwrap();
    }
    wakes.len()
}

/// Leaves an import behind as a process does that dies during the call.
async fn abandoned_import(world: &World, pool: PoolId, sku: SkuId, cards: i64) {
    let mut tx = world.tx().await;
    let now = world.engine.now();
    let wanted = platform_uploads::Wanted { pool, valid_after: now, paused_batches: Vec::new(), limit: cards };
    let uses = platform_uploads::lock_available(&mut tx, &wanted).await.unwrap();
    let upload = NewUpload {
        id: Uuid::now_v7(),
        shop: world.shop,
        sku,
        uses: uses.clone(),
        now,
        deadline: now + TimeDelta::seconds(5),
    };
    platform_uploads::start(&mut tx, &upload).await.unwrap();
    let change = kamiflow_store::card_uses::Transition {
        uses: &uses,
        from: kamiflow_kernel::CardUseState::Available,
        to: kamiflow_kernel::CardUseState::Uploading,
        cause: "upload_started",
        event: "upload_started",
        delivery: None,
        line: kamiflow_store::card_uses::LineChange::Keep,
        at: now,
    };
    kamiflow_store::card_uses::transition(&mut tx, &change).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn an_import_whose_process_died_is_settled_without_another_import() {
    let (world, pool, sku) = stocked(3).await;
    abandoned_import(&world, pool, sku, 2).await;
    assert_eq!(upload_cards::sweep(&world.engine, 100).await.unwrap(), 0, "its sender may still be at it");
    assert_eq!(uses(&world, pool, "uploading").await, 2);

    world.clock.advance(TimeDelta::seconds(21));
    assert_eq!(upload_cards::sweep(&world.engine, 100).await.unwrap(), 1);
    assert_eq!(upload_cards::sweep(&world.engine, 100).await.unwrap(), 0);
    assert_eq!((uses(&world, pool, "quarantined").await, uses(&world, pool, "available").await), (2, 1));
    assert_eq!(world.shop_exceptions().await, ["upload_unknown"]);
    let review = "SELECT count(*) FROM exceptions WHERE code = 'upload_unknown' AND needs_review AND blocking";
    assert_eq!(world.sql().await.count(review, &[]).await.unwrap(), 1);
    assert_eq!(world.calls(ADD).await, 0, "nobody asked the platform anything");

    // Of the rest a person may import; what is unknown stays where it is.
    assert_eq!(upload(&world, sku, 10).await.unwrap().uploaded, 1);
    assert_eq!(uses(&world, pool, "quarantined").await, 2);
}

#[tokio::test]
async fn nothing_of_what_is_paused_is_imported() {
    let (world, pool, sku) = stocked(2).await;
    let batch: Uuid =
        world.sql().await.query("SELECT id FROM card_batches WHERE pool_id = $1", &[&pool.as_uuid()]).await.unwrap()[0]
            .get(0);
    let (work, ctx) = (PausedWork::Delivery, world.ctx());
    let scopes = [
        PauseScope::Merchant,
        PauseScope::Shop(world.shop),
        PauseScope::Sku(sku),
        PauseScope::Pool(pool),
        PauseScope::Batch(BatchId::from_uuid(batch)),
    ];
    for scope in scopes {
        let request = Pause { scope, work, reason: "stock-taking".to_owned(), ends_at: None };
        pause(&world.engine, &ctx, &request).await.unwrap();
        let refused = upload(&world, sku, 1).await.unwrap_err();
        let fits = match scope {
            PauseScope::Batch(_) => matches!(refused, UploadError::NoStock),
            _ => matches!(refused, UploadError::Paused(_)),
        };
        assert!(fits, "{scope:?}: {refused}");
        resume(&world.engine, &ctx, scope, work).await.unwrap();
    }
    // A pause of redemption, or of another pool, is no pause of this.
    let other = world.pool("other").await;
    for (scope, work) in [(PauseScope::Pool(other), work), (PauseScope::Sku(sku), PausedWork::Redemption)] {
        let request = Pause { scope, work, reason: String::new(), ends_at: None };
        pause(&world.engine, &ctx, &request).await.unwrap();
    }
    assert_eq!(upload(&world, sku, 1).await.unwrap().uploaded, 1);
}

#[tokio::test]
async fn nothing_is_imported_for_a_shop_in_trial_run_or_stopped() {
    let (world, pool, sku) = stocked(2).await;
    keep(&world, sku, 1, 2).await;
    go_live::return_to_trial_run(&world.engine, &world.ctx(), world.shop).await.unwrap();
    let not_live = |refused: &UploadError, shop: ShopId| matches!(refused, UploadError::ShopNotLive(id) if *id == shop);
    let refused = upload(&world, sku, 1).await.unwrap_err();
    assert!(not_live(&refused, world.shop), "{refused}");
    let stop = "UPDATE shops SET state = 'stopped', stop_reason = 'stopped_by_platform'";
    world.sql().await.execute(stop, &[]).await.unwrap();
    let refused = upload(&world, sku, 1).await.unwrap_err();
    assert!(not_live(&refused, world.shop), "{refused}");
    assert_eq!(watch(&world, sku).await, 0);
    assert_eq!((world.calls(ADD).await, uses(&world, pool, "available").await), (0, 2));
}

#[tokio::test]
async fn low_stock_is_filled_up_to_its_level_and_no_further_than_the_pool_reaches() {
    let (world, pool, sku) = stocked(6).await;
    keep(&world, sku, 2, 4).await;
    assert_eq!(watch(&world, sku).await, 1);
    assert_eq!(uses(&world, pool, "at_platform").await, 4);
    assert_eq!(watch(&world, sku).await, 0, "four is enough");

    for _ in 0..2 {
        let order = world.one_order("POOL").await;
        world.deliver_all(std::slice::from_ref(&order)).await;
        assert_eq!(world.state(&order).await, "delivered");
    }
    assert_eq!(watch(&world, sku).await, 0, "two is not below two");
    let order = world.one_order("POOL").await;
    world.deliver_all(std::slice::from_ref(&order)).await;
    assert_eq!(watch(&world, sku).await, 1);
    // One was left and three are missing; the pool has two.
    assert_eq!((uses(&world, pool, "at_platform").await, uses(&world, pool, "available").await), (3, 0));
    assert_eq!(uses(&world, pool, "sent").await, 3);
    assert_eq!(watch(&world, sku).await, 0);
}

#[tokio::test]
async fn after_an_import_of_unknown_outcome_nothing_more_is_filled_up_until_a_person_answers() {
    let (world, pool, sku) = stocked(6).await;
    keep(&world, sku, 2, 2).await;
    world.fault(json!({ "api": ADD, "kind": "timeout_after_effect", "remaining": 1 })).await;
    assert_eq!(watch(&world, sku).await, 1);
    assert_eq!((uses(&world, pool, "quarantined").await, uses(&world, pool, "available").await), (2, 4));
    for _ in 0..3 {
        world.clock.advance(TimeDelta::minutes(1));
        assert_eq!(watch(&world, sku).await, 0);
    }
    // A job that was planned before the outcome was known does nothing either.
    let ctx = world.engine.ctx("jobs", world.merchant);
    assert_eq!(top_up::run(&world.engine, &ctx, Payload { sku }).await.unwrap(), Filled::Enough(0));
    let answer = "UPDATE exceptions SET resolved_at = now(), resolution = 'looked it up' WHERE code = 'upload_unknown'";
    world.sql().await.execute(answer, &[]).await.unwrap();
    assert_eq!(watch(&world, sku).await, 1);
    assert_eq!((uses(&world, pool, "quarantined").await, uses(&world, pool, "at_platform").await), (2, 2));
}

#[tokio::test]
async fn a_pause_and_a_refusal_leave_the_cards_in_stock() {
    let (world, pool, sku) = stocked(2).await;
    keep(&world, sku, 1, 2).await;
    let request =
        Pause { scope: PauseScope::Pool(pool), work: PausedWork::Delivery, reason: String::new(), ends_at: None };
    pause(&world.engine, &world.ctx(), &request).await.unwrap();
    assert_eq!(watch(&world, sku).await, 1);
    assert_eq!(world.calls(ADD).await, 0);
    resume(&world.engine, &world.ctx(), request.scope, request.work).await.unwrap();

    world.fault(json!({ "api": ADD, "kind": "code", "code": 70031, "remaining": 1 })).await;
    let ctx = world.engine.ctx("jobs", world.merchant);
    let refused = top_up::run(&world.engine, &ctx, Payload { sku }).await.unwrap_err();
    assert!(matches!(refused, UploadError::Refused(_)), "{refused}");
    assert_eq!(uses(&world, pool, "available").await, 2);
    assert_eq!(watch(&world, sku).await, 1);
    assert_eq!(uses(&world, pool, "at_platform").await, 2);
}

#[tokio::test]
async fn a_job_that_waits_for_its_next_try_is_not_hurried_by_the_watch() {
    let (world, _pool, sku) = stocked(2).await;
    keep(&world, sku, 1, 2).await;
    assert_eq!(top_up::watch(&world.engine, 100).await.unwrap().len(), 1);
    assert!(top_up::watch(&world.engine, 100).await.unwrap().is_empty());
}

#[tokio::test]
async fn amounts_are_kept_for_platform_pools_only_and_end_with_the_mapping() {
    let (world, pool, sku) = stocked(1).await;
    let set = async |sku, below, to| {
        let request = SetTopUp { sku, top_up: Some(TopUp { below, to }) };
        top_up::set(&world.engine, &world.ctx(), request).await
    };
    for (below, to) in [(0, 1), (2, 1), (1, top_up::MOST + 1)] {
        assert!(matches!(set(sku, below, to).await, Err(SetTopUpError::Amounts)), "{below} to {to}");
    }
    let voucher = world.skus["VOUCHER"].0;
    assert!(matches!(set(voucher, 1, 1).await, Err(SetTopUpError::NotMapped(_))));
    set(sku, 1, 1).await.unwrap();
    let count = "SELECT count(*) FROM sku_mappings WHERE top_up_below = 1";
    world.map("POOL", DeliveryMethod::PlatformPool, Some(pool), RedemptionMethod::ReportCard).await;
    assert_eq!(world.sql().await.count(count, &[]).await.unwrap(), 1, "another redemption is no reason to stop");
    let skip = kamiflow_domain::map_sku::MapSku {
        sku,
        handling: kamiflow_store::products::Handling::Skip,
        settings: json!({}),
    };
    kamiflow_domain::map_sku::map_sku(&world.engine, &world.ctx(), &skip).await.unwrap();
    assert_eq!(world.sql().await.count(count, &[]).await.unwrap(), 0);
}
