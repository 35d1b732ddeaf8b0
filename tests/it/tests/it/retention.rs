//! What is old goes, what lives stays, and partitions are there before they are needed.

use chrono::{DateTime, Datelike as _, Months, NaiveDate, TimeDelta, Utc};
use kamiflow_domain::retention::{RetentionPolicy, RetentionReport, RetentionRun, drop_history, preview};
use kamiflow_kernel::{Clock as _, OrderSn};
use kamiflow_runner::{Retention, Turn};
use kamiflow_store::retention::{Owner, Patience};
use kamiflow_store::system;
use kamiflow_test_support::{RawSql, World, refused_by};

const POLICY: RetentionPolicy = RetentionPolicy {
    order_events: 180,
    outbox: 7,
    coverage: 100,
    rollups: 180,
    hints: 7,
    payloads: 30,
    audit_log: Some(365),
    orders: Some(365),
};

async fn prune(world: &World) -> RetentionReport {
    let mut run = RetentionRun::begin(&world.engine.store, POLICY, Patience::Job, world.engine.now());
    while run.step().await.unwrap() {}
    run.report().clone()
}

fn removed(report: &RetentionReport) -> Vec<&str> {
    report.removed.iter().map(|removed| removed.what.as_str()).collect()
}

/// The month so many months before the present one.
fn month(world: &World, ago: u32) -> NaiveDate {
    world.engine.now().date_naive().with_day(1).unwrap() - Months::new(ago)
}

fn partition(parent: &str, month: NaiveDate) -> String {
    format!("{parent}_{}", month.format("%Y%m"))
}

async fn make_month(admin: &RawSql, parent: &str, month: NaiveDate) -> String {
    let made = format!("SET LOCAL ROLE kamiflow_owner; SELECT make_month_partition('{parent}', '{month}')");
    admin.transaction(&made).await.unwrap();
    partition(parent, month)
}

async fn exists(admin: &RawSql, table: &str) -> bool {
    admin.count("SELECT count(*) FROM pg_class WHERE relname = $1", &[&table]).await.unwrap() == 1
}

/// Puts an order and everything about it into the past, as if it had been sold then.
async fn age(admin: &RawSql, order: &OrderSn, at: DateTime<Utc>) {
    let statements = format!(
        "SET LOCAL session_replication_role = replica;
         UPDATE order_events e SET at = '{at}' FROM orders o WHERE o.order_sn = '{order}' AND e.order_id = o.id;
         UPDATE deliveries SET created_at = '{at}', delivered_at = CASE WHEN delivered_at IS NULL THEN NULL ELSE '{at}'::timestamptz END
          WHERE order_sn = '{order}';
         UPDATE delivery_attempts a SET created_at = '{at}' FROM deliveries d
          WHERE d.order_sn = '{order}' AND a.delivery_id = d.id"
    );
    admin.transaction(&statements).await.unwrap();
}

async fn events_of(world: &World, order: &OrderSn) -> i64 {
    let sql = "SELECT count(*) FROM order_events e JOIN orders o ON o.id = e.order_id WHERE o.order_sn = $1";
    world.sql().await.count(sql, &[&order.as_str()]).await.unwrap()
}

async fn payload_bytes(world: &World, order: &OrderSn) -> i64 {
    let sql = "SELECT sum(octet_length(a.payload_sealed))::bigint FROM delivery_attempts a
                 JOIN deliveries d ON d.id = a.delivery_id WHERE d.order_sn = $1";
    world.sql().await.count(sql, &[&order.as_str()]).await.unwrap()
}

#[tokio::test]
async fn old_events_go_with_their_partition_and_those_of_unsettled_orders_stay() {
    let world = World::start().await;
    let admin = world.sql_as_superuser().await;
    let (settled, open, asked) =
        (world.one_order("VOUCHER").await, world.one_order("PICKUP").await, world.one_order("VOUCHER").await);
    world.time_passes(10).await;
    world.deliver_all(&[settled.clone(), open.clone(), asked.clone()]).await;
    assert_eq!(world.state(&open).await, "seen", "nobody has mapped it");
    let old = month(&world, 9);
    let name = make_month(&admin, "order_events", old).await;
    let young = make_month(&admin, "order_events", month(&world, 3)).await;
    let at = old.and_hms_opt(12, 0, 0).unwrap().and_utc();
    for order in [&settled, &open, &asked] {
        age(&admin, order, at).await;
    }
    let settle = "SET LOCAL session_replication_role = replica;
                  UPDATE orders SET state = 'done' WHERE state = 'delivered'";
    admin.transaction(settle).await.unwrap();
    let ask = format!(
        "INSERT INTO exceptions (id, merchant_id, shop_id, order_day, order_id, order_sn, code, blocking, needs_review)
         SELECT gen_random_uuid(), merchant_id, shop_id, order_day, id, order_sn, 'unknown_outcome', true, true
           FROM orders WHERE order_sn = '{asked}'"
    );
    admin.transaction(&ask).await.unwrap();
    let (of_open, of_asked) = (events_of(&world, &open).await, events_of(&world, &asked).await);
    assert!(of_open > 0 && of_asked > 0 && events_of(&world, &settled).await > 0);

    let told = preview(&world.engine.store, &POLICY, world.engine.now()).await.unwrap();
    assert!(removed(&told).contains(&name.as_str()), "{told:?}");
    assert!(exists(&admin, &name).await, "a preview removes nothing");
    let report = prune(&world).await;
    assert!(report.held.is_empty(), "{report:?}");
    let dropped = report.removed.iter().find(|removed| removed.what == name).unwrap();
    assert_eq!(dropped.kept, of_open + of_asked);
    assert!(!exists(&admin, &name).await && exists(&admin, &young).await);
    assert_eq!(events_of(&world, &settled).await, 0);
    assert_eq!((events_of(&world, &open).await, events_of(&world, &asked).await), (of_open, of_asked));

    // Settled at last: the kept ones go with the next run, those still asked about do not.
    let settle = format!("SET LOCAL session_replication_role = replica; UPDATE orders SET state = 'closed_cancelled' WHERE order_sn = '{open}';
                          UPDATE exceptions SET resolved_at = now(), resolution = 'x' WHERE order_sn = '{open}'");
    admin.transaction(&settle).await.unwrap();
    let report = prune(&world).await;
    assert_eq!(removed(&report), ["kept order_events"], "{report:?}");
    assert_eq!((events_of(&world, &open).await, events_of(&world, &asked).await), (0, of_asked));
    assert_eq!(prune(&world).await, RetentionReport::default());
}

#[tokio::test]
async fn a_month_that_may_not_go_does_not_keep_the_later_ones() {
    let world = World::start().await;
    let admin = world.sql_as_superuser().await;
    let open = world.one_order("PICKUP").await;
    world.time_passes(10).await;
    world.deliver_all(std::slice::from_ref(&open)).await;
    assert_eq!(world.state(&open).await, "seen");
    let mut names = Vec::new();
    for ago in [10, 9, 8] {
        names.push(make_month(&admin, "order_events", month(&world, ago)).await);
    }
    // More events of unsettled orders than a transaction should move.
    let at = month(&world, 10).and_hms_opt(12, 0, 0).unwrap().and_utc();
    let many = format!(
        "INSERT INTO order_events (id, at, merchant_id, order_day, order_id, kind)
         SELECT gen_random_uuid(), '{at}', o.merchant_id, o.order_day, o.id, 'changed'
           FROM orders o, generate_series(1, 200001) WHERE o.order_sn = '{open}'"
    );
    admin.transaction(&many).await.unwrap();
    let report = prune(&world).await;
    assert_eq!(removed(&report), [names[1].as_str(), &names[2]], "{report:?}");
    let [held] = report.held.as_slice() else { panic!("{report:?}") };
    assert_eq!(held.what, names[0]);
    assert!(held.reason.contains("200001 events"), "{held:?}");
    assert!(exists(&admin, &names[0]).await);

    let settle = "SET LOCAL session_replication_role = replica; UPDATE orders SET state = 'done';
                  UPDATE exceptions SET resolved_at = now(), resolution = 'x'";
    admin.transaction(settle).await.unwrap();
    assert_eq!(removed(&prune(&world).await), [names[0].as_str()], "gone once its orders are settled");
}

#[tokio::test]
async fn a_month_that_somebody_holds_does_not_keep_the_later_ones() {
    let world = World::start().await;
    let admin = world.sql_as_superuser().await;
    let mut names = Vec::new();
    for ago in [10, 9] {
        names.push(make_month(&admin, "outbox", month(&world, ago)).await);
    }
    let reader = world.sql_as_superuser().await;
    reader.execute("BEGIN", &[]).await.unwrap();
    reader.execute(&format!("LOCK TABLE {} IN ACCESS SHARE MODE", names[0]), &[]).await.unwrap();
    let report = prune(&world).await;
    assert_eq!(removed(&report), [names[1].as_str()], "{report:?}");
    assert_eq!(report.held.iter().map(|held| held.what.as_str()).collect::<Vec<_>>(), [names[0].as_str()]);
    reader.execute("ROLLBACK", &[]).await.unwrap();
    assert_eq!(removed(&prune(&world).await), [names[0].as_str()]);
}

#[tokio::test]
async fn payloads_are_forgotten_when_nothing_can_need_them() {
    let world = World::start().await;
    let admin = world.sql_as_superuser().await;
    let sold: Vec<OrderSn> = world.order("VOUCHER", serde_json::json!({ "count": 4 })).await;
    world.time_passes(10).await;
    world.deliver_all(&sold).await;
    let [forgotten, young, unknown, asked] = sold.as_slice() else { panic!("{sold:?}") };
    let old = world.engine.now() - TimeDelta::days(40);
    for order in [forgotten, unknown, asked] {
        age(&admin, order, old).await;
    }
    let arrange = format!(
        "SET LOCAL session_replication_role = replica;
         UPDATE orders SET state = 'done';
         UPDATE delivery_attempts a SET state = 'unknown' FROM deliveries d
          WHERE d.id = a.delivery_id AND d.order_sn = '{unknown}';
         INSERT INTO exceptions (id, merchant_id, shop_id, order_sn, code, blocking, needs_review)
         SELECT gen_random_uuid(), merchant_id, shop_id, order_sn, 'refund_raced', false, false
           FROM orders WHERE order_sn = '{asked}'"
    );
    admin.transaction(&arrange).await.unwrap();
    let report = prune(&world).await;
    assert_eq!(removed(&report), ["payloads"], "{report:?}");
    assert_eq!(report.removed[0].rows, Some(1));
    assert_eq!(payload_bytes(&world, forgotten).await, 0);
    for order in [young, unknown, asked] {
        assert!(payload_bytes(&world, order).await > 0, "{order}");
    }
    // Nobody else may empty or fill one.
    let sql = world.sql().await;
    for (payload, order) in [("''", young), ("'x'", young), ("'x'", forgotten)] {
        let statement = format!(
            "UPDATE delivery_attempts a SET payload_sealed = {payload} FROM deliveries d
              WHERE d.id = a.delivery_id AND d.order_sn = '{order}'"
        );
        assert_eq!(refused_by(sql.execute(&statement, &[]).await), "delivery_attempts_identity", "{payload}");
    }
}

#[tokio::test]
async fn old_proofs_sums_and_hints_go_and_the_ones_that_still_say_something_stay() {
    let world = World::start().await;
    world.sync().await;
    let admin = world.sql_as_superuser().await;
    let spans = "INSERT INTO coverage (id, merchant_id, shop_id, kind, source, from_at, to_at, closed)
                 SELECT gen_random_uuid(), merchant_id, id, 'orders', 'window', now() - n * interval '1 day',
                        now() - n * interval '1 day' + interval '1 hour', true
                   FROM shops, unnest(ARRAY[50, 99, 101, 200]) n";
    admin.transaction(spans).await.unwrap();
    let sums = "INSERT INTO rollups_hourly (merchant_id, shop_id, hour, metric, n)
                SELECT merchant_id, id, date_trunc('hour', now()) - n * interval '1 day', 'orders_seen', 1
                  FROM shops, unnest(ARRAY[1, 179, 181]) n";
    admin.transaction(sums).await.unwrap();
    let hint = "INSERT INTO order_hints (merchant_id, shop_id, order_sn, dirty_since, due_at, source)
                SELECT merchant_id, id, 'x', now() - interval '60 days', now(), 'push' FROM shops";
    admin.transaction(hint).await.unwrap();
    let gap = "INSERT INTO exceptions (id, merchant_id, shop_id, code, blocking, needs_review)
               SELECT gen_random_uuid(), merchant_id, id, 'coverage_gap', false, false FROM shops";
    admin.transaction(gap).await.unwrap();

    let report = prune(&world).await;
    assert_eq!(removed(&report), ["rollups"], "an open gap keeps its proofs, a connected shop its hints: {report:?}");
    let resolve = "UPDATE exceptions SET resolved_at = now(), resolution = 'x';
                   UPDATE shops SET state = 'disconnected'";
    admin.transaction(resolve).await.unwrap();
    let report = prune(&world).await;
    let rows: Vec<(&str, Option<i64>)> = report.removed.iter().map(|gone| (gone.what.as_str(), gone.rows)).collect();
    assert_eq!(rows, [("order_hints", Some(1)), ("coverage", Some(2))]);
    let left = "SELECT count(*) FROM rollups_hourly WHERE metric = 'orders_seen'";
    assert_eq!(admin.count(left, &[]).await.unwrap(), 2);
}

#[tokio::test]
async fn partitions_are_made_three_months_ahead_whatever_fell_into_the_default_ones() {
    let world = World::start().await;
    let admin = world.sql_as_superuser().await;
    assert_eq!(prune(&world).await.made, [""; 0], "migrating has made them");
    // Two months go by without any upkeep, and then events are written that no partition is there for.
    world.clock.advance(TimeDelta::days(62));
    let far = (world.clock.now().date_naive() + Months::new(3)).with_day(1).unwrap();
    let event = format!(
        "INSERT INTO order_events (id, at, merchant_id, order_day, order_id, kind)
         SELECT gen_random_uuid(), '{far} 12:00+00', id, '{far}', gen_random_uuid(), 'seen' FROM merchants
          WHERE id <> '00000000-0000-0000-0000-000000000000'"
    );
    admin.transaction(&event).await.unwrap();
    let default = "SELECT count(*) FROM order_events_default";
    assert_eq!(admin.count(default, &[]).await.unwrap(), 1);

    let report = prune(&world).await;
    assert_eq!(report.made.len(), 8, "two months of four tables: {report:?}");
    assert!(report.made.contains(&partition("orders", far)), "{report:?}");
    assert_eq!(admin.count(default, &[]).await.unwrap(), 0, "the event has moved into its month");
    let moved = format!("SELECT count(*) FROM {}", partition("order_events", far));
    assert_eq!(admin.count(&moved, &[]).await.unwrap(), 1);
    let open = "SELECT count(*) FROM pg_class c JOIN pg_inherits i ON i.inhrelid = c.oid
                 WHERE NOT (c.relrowsecurity AND c.relforcerowsecurity) AND c.relkind = 'r'";
    assert_eq!(admin.count(open, &[]).await.unwrap(), 0, "row-level security is on and forced in each");
    let mut tx = world.engine.store.system_tx().await.unwrap();
    assert_eq!(system::list_missing_partitions(&mut tx, 3).await.unwrap(), [""; 0]);
}

#[tokio::test]
async fn two_runs_at_once_are_harmless() {
    let world = World::start().await;
    let admin = world.sql_as_superuser().await;
    for ago in [8, 9, 10] {
        make_month(&admin, "order_events", month(&world, ago)).await;
        make_month(&admin, "outbox", month(&world, ago)).await;
    }
    world.clock.advance(TimeDelta::days(62));
    let (one, other) = tokio::join!(prune(&world), prune(&world));
    assert!(one.held.is_empty() && other.held.is_empty(), "{one:?} {other:?}");
    let mut names: Vec<&str> = removed(&one).into_iter().chain(removed(&other)).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), one.removed.len() + other.removed.len(), "none twice");
    assert_eq!(names.len(), 6);
    assert_eq!(one.made.len() + other.made.len(), 8);
    world.sync().await;
}

#[tokio::test]
async fn history_goes_by_the_owner_only_and_orders_only_when_all_of_a_month_are_settled() {
    let world = World::start().await;
    let admin = world.sql_as_superuser().await;
    let mut months = Vec::new();
    for (ago, state) in [(20, "done"), (19, "handing_over"), (18, "closed_refunded")] {
        let month = month(&world, ago);
        let name = make_month(&admin, "orders", month).await;
        let (sn, day) = (format!("{}-100000000000001", month.format("%y%m%d")), month.to_string());
        let insert = format!(
            "INSERT INTO orders (id, order_day, merchant_id, shop_id, order_sn, state, order_status, refund_status,
                                 confirm_status, group_status, risk_control_status, after_sales_status, trade_type,
                                 is_lucky_flag, goods_id, platform_sku_id, goods_count, updated_at, content_hash, read_at)
             SELECT gen_random_uuid(), '{day}', merchant_id, id, '{sn}', '{state}', 1, 1, 1, 1, 0, 0, 0, 1, 1, 1, 1,
                    now(), '\\x00', now() FROM shops"
        );
        admin.transaction(&insert).await.unwrap();
        months.push(name);
    }
    let audit = make_month(&admin, "audit_log", month(&world, 14)).await;
    assert_eq!(removed(&prune(&world).await), [""; 0], "the application removes no history");
    let sql = world.sql().await;
    for call in [
        "SELECT retention_drop_history('audit_log', current_date, '')",
        "SELECT make_month_partition('orders', current_date)",
        "SELECT drop_event_partition('order_events_default')",
        "SELECT retention_drop_traces('orders', current_date, '')",
        "SELECT retention_drop_traces('audit_log', current_date, '')",
    ] {
        assert_eq!(refused_by(sql.query(call, &[]).await), "42501", "{call}");
    }

    let mut owner = Owner::connect(&world.database.url("kamiflow_owner")).await.unwrap();
    let mut report = RetentionReport::default();
    drop_history(&mut owner, &POLICY, world.engine.now(), &mut report).await.unwrap();
    assert_eq!(removed(&report), [audit.as_str(), &months[0], &months[2]]);
    assert_eq!(report.held.len(), 1, "{report:?}");
    assert_eq!(report.held[0].what, months[1]);
    assert!(exists(&admin, &months[1]).await && !exists(&admin, &months[0]).await);
    let mut nothing = RetentionReport::default();
    let kept = RetentionPolicy { audit_log: None, orders: None, ..POLICY };
    drop_history(&mut owner, &kept, world.engine.now(), &mut nothing).await.unwrap();
    assert_eq!(nothing, RetentionReport::default());
}

#[tokio::test]
async fn neither_settings_nor_clocks_remove_what_is_younger_than_the_schema_allows() {
    let world = World::start().await;
    let admin = world.sql_as_superuser().await;
    world.sync().await;
    let order = world.one_order("VOUCHER").await;
    world.time_passes(10).await;
    world.deliver_all(std::slice::from_ref(&order)).await;
    let settle = "SET LOCAL session_replication_role = replica; UPDATE orders SET state = 'done'";
    admin.transaction(settle).await.unwrap();
    let young = make_month(&admin, "order_events", month(&world, 4)).await;
    let sql = world.sql().await;
    let traces = "SELECT count(*) FROM retention_drop_traces($1, current_date + 9999, '')";
    assert_eq!(sql.count(traces, &[&"order_events"]).await.unwrap(), 0);
    for function in [
        "system_prune_coverage",
        "system_prune_rollups",
        "system_prune_hints",
        "system_forget_payloads",
        "system_prune_api_requests",
    ] {
        let call = format!("SELECT {function}('2999-01-01', 1000, true)");
        assert_eq!(sql.count(&call, &[]).await.unwrap(), 0, "{function}");
    }
    let refused = sql.query("SELECT retention_make_partitions(current_date + 4000)", &[]).await;
    assert_eq!(refused_by(refused), "23514");
    assert!(exists(&admin, &young).await);
    assert!(payload_bytes(&world, &order).await > 0 && events_of(&world, &order).await > 0);
}

#[tokio::test]
async fn the_daily_loop_does_it_once_a_day() {
    let world = World::start().await;
    let admin = world.sql_as_superuser().await;
    let mut retention = Retention::new(world.engine.clone());
    let name = make_month(&admin, "outbox", month(&world, 6)).await;
    turn(&mut retention).await;
    assert!(exists(&admin, &name).await, "not at the very start");
    world.clock.advance(TimeDelta::minutes(16));
    turn(&mut retention).await;
    assert!(!exists(&admin, &name).await);
    make_month(&admin, "outbox", month(&world, 6)).await;
    world.clock.advance(TimeDelta::hours(22));
    turn(&mut retention).await;
    assert!(exists(&admin, &name).await, "not twice a day");
    world.clock.advance(TimeDelta::hours(4));
    turn(&mut retention).await;
    assert!(!exists(&admin, &name).await);
}

/// Turns until the loop rests.
async fn turn(retention: &mut Retention) {
    use kamiflow_runner::Chore as _;
    while retention.turn().await.unwrap() == Turn::More {}
}

#[tokio::test]
async fn what_was_good_once_goes_a_week_after_its_end() {
    let world = World::start().await;
    let admin = world.sql_as_superuser().await;
    // Replicas ask for no user, application or key.
    let rows = "SET LOCAL session_replication_role = replica;
        CREATE TEMPORARY TABLE ended ON COMMIT DROP AS
            SELECT m.id AS merchant, now() - d.n * interval '1 day' AS at, sha256(d.n::text::bytea) AS hash
              FROM merchants m, (VALUES (5), (30)) d (n) WHERE m.id <> '00000000-0000-0000-0000-000000000000' LIMIT 2;
        INSERT INTO one_time_tokens (id, user_id, purpose, token_hash, created_at, expires_at)
            SELECT gen_random_uuid(), gen_random_uuid(), 'reset_password', hash, at, at FROM ended;
        INSERT INTO mails (id, merchant_id, data_key_id, contents_sealed, created_at, expires_at)
            SELECT gen_random_uuid(), merchant, gen_random_uuid(), 'x', at, at FROM ended;
        INSERT INTO authorization_links (id, merchant_id, application_merchant_id, application_id, made_by, made_at, expires_at)
            SELECT gen_random_uuid(), merchant, merchant, gen_random_uuid(), 'x', at, at FROM ended;
        INSERT INTO authorization_requests (id, merchant_id, state_hash, session_hash, application_merchant_id, application_id,
                                            began_at, expires_at)
            SELECT gen_random_uuid(), merchant, hash, hash, merchant, gen_random_uuid(), at, at FROM ended";
    admin.transaction(rows).await.unwrap();
    let report = prune(&world).await;
    assert_eq!(removed(&report), ["accounts"], "{report:?}");
    assert_eq!(report.removed[0].rows, Some(4), "one of each");
    for table in ["one_time_tokens", "mails", "authorization_links", "authorization_requests"] {
        let left = format!("SELECT count(*) FROM {table} WHERE expires_at < now()");
        assert_eq!(admin.count(&left, &[]).await.unwrap(), 1, "{table}");
    }
}

#[tokio::test]
async fn answers_go_after_two_days_whether_or_not_their_token_asks_again() {
    let world = World::start().await;
    let admin = world.sql_as_superuser().await;
    let rows = "SET LOCAL session_replication_role = replica;
        INSERT INTO api_requests (merchant_id, token_id, key, request_hash, began_at, status, content_type, body)
            SELECT m.id, gen_random_uuid(), 'k' || d.n, sha256('x'), now() - d.n * interval '1 hour', 422, 'x', 'x'
              FROM (SELECT id FROM merchants WHERE id <> '00000000-0000-0000-0000-000000000000' LIMIT 1) m,
                   (VALUES (1), (30), (49), (900)) d (n)";
    admin.transaction(rows).await.unwrap();
    let report = prune(&world).await;
    assert_eq!(removed(&report), ["api_requests"], "{report:?}");
    assert_eq!(report.removed[0].rows, Some(2));
    assert_eq!(admin.count("SELECT count(*) FROM api_requests WHERE key IN ('k1', 'k30')", &[]).await.unwrap(), 2);
}
