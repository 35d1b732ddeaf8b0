//! Reading a range again: what had been missed is found, told exactly, and delivered once.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use kamiflow_domain::engine::EngineConfig;
use kamiflow_domain::reconcile::{
    Mode, RangeError, ReconcileError, ReconcileShop, Reconciliation, Report, RestoredView, Step,
};
use kamiflow_kernel::OrderSn;
use kamiflow_store::coverage::{self, CoverageKind};
use kamiflow_test_support::{World, WorldOptions};
use serde_json::json;

const INCREMENTS: &str = "pdd.order.number.list.increment.get";
/// What a dry run must leave alone.
const TABLES: [&str; 9] = [
    "orders",
    "order_events",
    "order_hints",
    "refunds",
    "deliveries",
    "coverage",
    "exceptions",
    "audit_log",
    "rollup_deltas",
];

/// An engine that could be killed between any two steps; here it is not.
async fn reconcile(world: &World, from: DateTime<Utc>, mode: Mode) -> Report {
    let mut run = begin(world, from, None, mode).await.unwrap();
    while run.step().await.unwrap() != Step::Done {}
    run.report()
}

async fn begin(
    world: &World,
    from: DateTime<Utc>,
    to: Option<DateTime<Utc>>,
    mode: Mode,
) -> Result<Reconciliation, ReconcileError> {
    let request = ReconcileShop { shop: world.shop, from, to, mode };
    Reconciliation::begin(&world.engine, &world.ctx(), &request).await
}

async fn refusal(world: &World, from: DateTime<Utc>, to: Option<DateTime<Utc>>) -> ReconcileError {
    match begin(world, from, to, Mode::Repair).await {
        Ok(_) => panic!("the run began"),
        Err(error) => error,
    }
}

/// Sells orders in a time that the sync skips: somebody's hand, or a restored backup, moved the watermark over it.
async fn orders_in_a_gap(world: &World, count: usize) -> Vec<OrderSn> {
    world.sync().await;
    world.time_passes(300).await;
    let orders = world.order("VOUCHER", json!({ "count": count })).await;
    world.time_passes(3_300).await;
    skip_to_now(world).await;
    orders
}

async fn skip_to_now(world: &World) {
    let now = world.engine.now() - TimeDelta::seconds(300);
    let ahead = "UPDATE shop_sync SET orders_watermark = date_trunc('second', $1::timestamptz),
                        refunds_watermark = date_trunc('second', $1::timestamptz), last_peek_at = $1";
    world.sql().await.execute(ahead, &[&now]).await.unwrap();
}

fn numbers<'a>(orders: impl IntoIterator<Item = &'a OrderSn>) -> Vec<String> {
    let mut numbers: Vec<String> = orders.into_iter().map(ToString::to_string).collect();
    numbers.sort();
    numbers
}

fn missed(report: &Report) -> Vec<String> {
    numbers(report.missed_orders.iter().map(|order| &order.order_sn))
}

async fn gaps(world: &World) -> usize {
    let since = world.engine.now() - TimeDelta::hours(6);
    let mut tx = world.tx().await;
    let orders = coverage::list_gaps(&mut tx, world.shop, CoverageKind::Orders, since).await.unwrap();
    let refunds = coverage::list_gaps(&mut tx, world.shop, CoverageKind::Refunds, since).await.unwrap();
    orders.len() + refunds.len()
}

#[tokio::test]
async fn orders_that_no_window_saw_are_told_exactly_and_delivered_once() {
    let world = World::start().await;
    let begun = world.engine.now();
    let known = world.one_order("VOUCHER").await;
    world.time_passes(10).await;
    world.deliver_all(std::slice::from_ref(&known)).await;
    let orders = orders_in_a_gap(&world, 3).await;
    world.sync().await;
    assert_eq!(world.shop_exceptions().await, ["coverage_gap"]);
    assert_eq!(gaps(&world).await, 2);

    let report = reconcile(&world, begun - TimeDelta::minutes(1), Mode::Repair).await;
    assert_eq!(missed(&report), numbers(&orders), "not the one that was known");
    assert!(report.differing_orders.is_empty(), "{:?}", report.differing_orders);
    assert!(report.complete && report.resume_at.is_none());
    assert_eq!(report.gaps.len(), 2);
    assert!(report.gaps_left.is_empty());
    assert_eq!(gaps(&world).await, 0);
    assert!(world.shop_exceptions().await.is_empty(), "the gap's exception is resolved");
    let acts = "SELECT count(*) FROM audit_log WHERE action = 'shop.reconcile' AND actor = 'operator'";
    assert_eq!(world.sql().await.count(acts, &[]).await.unwrap(), 1);

    // The sync may read the same range meanwhile: there is one way in.
    world.sync().await;
    world.deliver().await;
    let sent = world.vouchers_sent().await;
    for order in &orders {
        assert_eq!(world.state(order).await, "delivered");
        assert_eq!(sent[order.as_str()].len(), 1);
    }
    world.time_passes(10).await;
    world.sync().await;
    let again = reconcile(&world, begun - TimeDelta::minutes(1), Mode::Repair).await;
    assert!(again.is_clean(), "{again:?}");
    assert_eq!(again.orders, 4, "it reads what it read before");
    world.deliver().await;
    assert_eq!(world.vouchers_sent().await, sent);
}

#[tokio::test]
async fn what_differs_and_the_after_sales_behind_it_are_told() {
    let mut options = WorldOptions::default();
    options.scenario.refunds.pays_after_ms = 0;
    let world = World::with(options).await;
    let begun = world.engine.now();
    let order = world.one_order("VOUCHER").await;
    world.deliver_all(std::slice::from_ref(&order)).await;
    world.time_passes(10).await;
    world.sync().await;
    let refund = world.control("POST", &format!("/orders/{order}/refund"), &json!({})).await;
    world.control("POST", &format!("/refunds/{}/agree", refund["refund_id"]), &json!({})).await;
    world.time_passes(1).await;
    world.time_passes(3_300).await;
    skip_to_now(&world).await;

    let told = reconcile(&world, begun, Mode::Compare).await;
    let report = reconcile(&world, begun, Mode::Repair).await;
    assert_eq!(told.differing_orders, report.differing_orders, "the dry run told the same");
    assert_eq!(told.missed_refunds, report.missed_refunds);
    assert!(report.missed_orders.is_empty());
    let [differing] = report.differing_orders.as_slice() else { panic!("{report:?}") };
    assert_eq!(differing.order_sn, order);
    let refunded = differing.changes.iter().find(|change| change.field == "refund_status").unwrap();
    assert_eq!((refunded.stored, refunded.read), (1, 4));
    let [missed] = report.missed_refunds.as_slice() else { panic!("{report:?}") };
    assert_eq!((missed.order_sn.as_str(), missed.fresh), (order.as_str(), true));

    world.deliver().await;
    assert_eq!(world.state(&order).await, "closed_refunded");
    assert!(reconcile(&world, begun, Mode::Repair).await.is_clean());
}

async fn counts(world: &World) -> Vec<(i64, String)> {
    let sql = world.sql().await;
    let mut counts = Vec::new();
    for table in TABLES {
        // Contents too: an update is a change.
        let statement =
            format!("SELECT count(*), coalesce(md5(string_agg(t::text, '' ORDER BY t::text)), '') FROM {table} t");
        let row = &sql.query(&statement, &[]).await.unwrap()[0];
        counts.push((row.get(0), row.get(1)));
    }
    counts
}

#[tokio::test]
async fn a_dry_run_tells_the_same_and_changes_nothing() {
    let world = World::start().await;
    let begun = world.engine.now();
    let orders = orders_in_a_gap(&world, 4).await;
    let before = counts(&world).await;
    let report = reconcile(&world, begun, Mode::Compare).await;
    assert_eq!(missed(&report), numbers(&orders));
    assert!(report.dry_run && report.complete);
    assert_eq!(counts(&world).await, before);
    for order in &orders {
        assert_eq!(world.state_or_none(order).await, None);
    }
    assert_eq!(missed(&reconcile(&world, begun, Mode::Repair).await), numbers(&orders));
}

#[tokio::test]
async fn a_run_that_was_killed_is_continued_and_tells_only_what_it_finds_itself() {
    let world = World::start().await;
    world.sync().await;
    // Behind what the sync has proved, so that the spans join.
    let begun = world.engine.now() - TimeDelta::seconds(30);
    let early = world.order("VOUCHER", json!({ "count": 2 })).await;
    world.time_passes(45 * 60).await;
    let late = world.order("VOUCHER", json!({ "count": 2 })).await;
    world.time_passes(40 * 60).await;
    skip_to_now(&world).await;

    let mut killed = begin(&world, begun, None, Mode::Repair).await.unwrap();
    assert_eq!(killed.progress(), (0, 3));
    assert_eq!(killed.step().await.unwrap(), Step::More);
    assert_eq!(killed.progress(), (1, 3));
    let report = killed.report();
    assert_eq!(missed(&report), numbers(&early));
    assert!(!report.complete);
    assert_eq!(report.resume_at, Some(report.from + TimeDelta::minutes(30)));
    drop(killed);

    let rest = reconcile(&world, report.resume_at.unwrap(), Mode::Repair).await;
    assert_eq!(missed(&rest), numbers(&late));
    assert_eq!(gaps(&world).await, 0, "both runs' spans join");
    world.deliver().await;
    let sent = world.vouchers_sent().await;
    assert!(early.iter().chain(&late).all(|order| sent[order.as_str()].len() == 1), "{sent:?}");
}

#[tokio::test]
async fn windows_with_too_many_orders_are_split_and_the_platforms_faults_are_waited_for() {
    let options = WorldOptions::default();
    let engine = EngineConfig { window_max_orders: 5, ..options.engine.clone() };
    let world = World::with(WorldOptions { engine, ..options }).await;
    let begun = world.engine.now();
    let mut orders = Vec::new();
    for _ in 0..5 {
        orders.extend(world.order("VOUCHER", json!({ "count": 3 })).await);
        world.time_passes(20).await;
    }
    world.fault(json!({ "api": INCREMENTS, "kind": "code", "code": 50000 })).await;
    let mut run = begin(&world, begun, None, Mode::Repair).await.unwrap();
    let Step::Wait(pause) = run.step().await.unwrap() else { panic!("a fault is waited for") };
    assert!(pause > Duration::ZERO);
    world.control("DELETE", "/faults", &json!({})).await;
    while run.step().await.unwrap() != Step::Done {}
    let report = run.report();
    assert_eq!(missed(&report), numbers(&orders));
    assert!(report.windows > 4, "{} windows", report.windows);
}

#[tokio::test]
async fn a_fault_that_does_not_end_ends_the_run_and_says_where_to_go_on() {
    let world = World::start().await;
    let begun = world.engine.now();
    world.time_passes(600).await;
    world.fault(json!({ "api": INCREMENTS, "kind": "code", "code": 50000 })).await;
    let mut run = begin(&world, begun, None, Mode::Repair).await.unwrap();
    let error = loop {
        match run.step().await {
            Ok(Step::Wait(_)) => {}
            Ok(step) => panic!("{step:?}"),
            Err(error) => break error,
        }
    };
    let ReconcileError::Refused { error, resume_at } = error else { panic!("{error}") };
    assert_eq!((error.code, Some(resume_at)), (50000, run.report().resume_at));
    assert_eq!(
        world.sql().await.count("SELECT count(*) FROM coverage WHERE source = 'reconcile'", &[]).await.unwrap(),
        0
    );
}

#[tokio::test]
async fn ranges_and_shops_that_cannot_be_read_are_refused_with_the_cure() {
    let world = World::start().await;
    let now = world.engine.now();
    let hour = TimeDelta::hours(1);
    let error = refusal(&world, now, Some(now - hour)).await;
    assert!(matches!(error, ReconcileError::Range(RangeError::Backwards { .. })), "{error}");
    let error = refusal(&world, now - hour, Some(now + hour)).await;
    assert!(matches!(error, ReconcileError::Range(RangeError::Future { .. })), "{error}");
    let error = refusal(&world, now - TimeDelta::days(91), None).await;
    assert!(error.to_string().contains("90 days"), "{error}");
    let error = refusal(&world, now - TimeDelta::milliseconds(1), None).await;
    assert!(matches!(error, ReconcileError::Range(RangeError::TooNew { .. })), "{error}");

    world.sql().await.execute("UPDATE credentials SET dead_reason = 'refused by the platform'", &[]).await.unwrap();
    let error = refusal(&world, now - hour, None).await;
    assert!(error.to_string().contains("authorize the mall again"), "{error}");
    world.sql().await.execute("UPDATE credentials SET dead_reason = NULL", &[]).await.unwrap();
    let stop = "UPDATE shops SET state = 'stopped', stop_reason = 'stopped_by_platform'";
    world.sql().await.execute(stop, &[]).await.unwrap();
    let error = refusal(&world, now - hour, None).await;
    assert!(error.to_string().contains("stopped_by_platform"), "{error}");
}

#[tokio::test]
async fn a_restored_shop_is_cleared_once_everything_since_its_snapshot_was_read() {
    let world = World::with(WorldOptions { live: false, ..WorldOptions::default() }).await;
    let snapshot = world.engine.now();
    world.time_passes(45 * 60).await;
    let lost = world.one_order("VOUCHER").await;
    world.time_passes(10 * 60).await;
    let restored = world.engine.now();
    let stamp = "UPDATE shops SET restored_snapshot_at = $1, restored_at = $2, reconciled_at = NULL";
    world.sql_as_superuser().await.execute(stamp, &[&snapshot, &restored]).await.unwrap();
    world.time_passes(60).await;
    let marked = "SELECT count(*) FROM shops WHERE restored_at IS NOT NULL AND reconciled_at IS NULL";

    let from = snapshot - TimeDelta::minutes(6);
    let part = reconcile(&world, snapshot + TimeDelta::minutes(20), Mode::Repair).await;
    assert!(matches!(part.restored, Some(RestoredView::NotCovered { .. })), "{part:?}");
    assert_eq!(missed(&part), numbers([&lost]));
    assert_eq!(world.sql().await.count(marked, &[]).await.unwrap(), 1);
    assert_eq!(reconcile(&world, from, Mode::Compare).await.restored, None, "a dry run clears nothing");
    assert_eq!(world.sql().await.count(marked, &[]).await.unwrap(), 1);

    // The rest alone: what the first run has read counts.
    let mut run = begin(&world, from, Some(snapshot + TimeDelta::minutes(21)), Mode::Repair).await.unwrap();
    while run.step().await.unwrap() != Step::Done {}
    assert!(matches!(run.report().restored, Some(RestoredView::Cleared { .. })), "{:?}", run.report());
    assert_eq!(world.sql().await.count(marked, &[]).await.unwrap(), 0);
}
