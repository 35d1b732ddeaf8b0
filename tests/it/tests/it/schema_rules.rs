//! Constraints on orders, shops, redemptions and exceptions, and migrations there and back.

use kamiflow_kernel::{CardUseState, ORDER_TRANSITIONS, OrderState};
use kamiflow_store::migrate;
use kamiflow_test_support::{RawSql, TestApp, TestDatabase, refused_by};
use uuid::Uuid;

async fn insert_order(
    sql: &RawSql,
    merchant: Uuid,
    shop: Uuid,
    sn_and_day: (&str, &str),
) -> Result<u64, tokio_postgres::Error> {
    let (sn, day) = sn_and_day;
    let statement = format!(
        "INSERT INTO orders (id, order_day, merchant_id, shop_id, order_sn, order_status, refund_status, confirm_status,
                             group_status, risk_control_status, after_sales_status, trade_type, is_lucky_flag, goods_id,
                             platform_sku_id, goods_count, updated_at, content_hash, read_at)
         VALUES ($1, '{day}', $2, $3, '{sn}', 1, 1, 1, 1, 0, 0, 0, 1, 1, 1, 1, now(), '\\x00', now())"
    );
    sql.execute(&statement, &[&Uuid::now_v7(), &merchant, &shop]).await
}

#[tokio::test]
async fn an_order_lies_on_the_day_of_its_number_and_once() {
    let app = TestApp::new().await;
    let merchant = app.merchant().await;
    let shop = merchant.shop().await;
    let sql = merchant.sql().await;
    let (me, shop) = (merchant.id.as_uuid(), shop.id.as_uuid());
    let good = ("261122-100000000000001", "2026-11-22");
    assert_eq!(insert_order(&sql, me, shop, good).await.unwrap(), 1);
    let again = refused_by(insert_order(&sql, me, shop, good).await);
    assert!(again.ends_with("_order_sn_shop_id_order_day_key"), "{again}");
    for (sn, day) in [("261122-100000000000002", "2026-11-23"), ("odd-number", "2026-11-22")] {
        assert_eq!(refused_by(insert_order(&sql, me, shop, (sn, day)).await), "orders_day_is_in_the_number", "{sn}");
    }
    assert_eq!(insert_order(&sql, me, shop, ("odd-number", "1970-01-01")).await.unwrap(), 1);
}

#[tokio::test]
async fn every_pair_of_order_states_is_judged_by_the_one_table() {
    let app = TestApp::new().await;
    let merchant = app.merchant().await;
    let shop = merchant.shop().await;
    let sql = merchant.sql().await;
    insert_order(&sql, merchant.id.as_uuid(), shop.id.as_uuid(), ("261122-100000000000001", "2026-11-22"))
        .await
        .unwrap();
    let rows = sql.query("SELECT from_state, to_state, cause FROM order_transitions", &[]).await.unwrap();
    let known: Vec<(String, String, String)> = rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
    let mut ours: Vec<(String, String, String)> = ORDER_TRANSITIONS
        .iter()
        .map(|(from, to, cause)| (from.to_string(), to.to_string(), (*cause).to_owned()))
        .collect();
    let mut theirs = known.clone();
    ours.sort();
    theirs.sort();
    assert_eq!(ours, theirs, "the program and the database hold the same table");
    // Without triggers, which no role of ours can do, the order is put into each state.
    let admin = app.sql_as_superuser().await;
    for from in OrderState::ALL {
        for to in OrderState::ALL {
            if from == to {
                continue;
            }
            let cause =
                known.iter().find(|(f, t, _)| f == from.as_str() && t == to.as_str()).map(|(_, _, cause)| cause);
            let arranged = format!("SET session_replication_role = replica; UPDATE orders SET state = '{from}'");
            admin.transaction(&arranged).await.unwrap();
            let statement = "UPDATE orders SET state = $1::text, state_cause = $2";
            let outcome = sql.execute(statement, &[&to.as_str(), &cause.map_or("none", String::as_str)]).await;
            match cause {
                Some(_) => assert_eq!(outcome.unwrap(), 1, "{from} -> {to}"),
                None => assert_eq!(refused_by(outcome), "orders_transition", "{from} -> {to}"),
            }
        }
    }
    let states: Vec<&str> = OrderState::ALL.iter().map(|state| state.as_str()).collect();
    for (from, to, _) in &known {
        assert!(states.contains(&from.as_str()) && states.contains(&to.as_str()), "{from} -> {to}");
    }
}

#[tokio::test]
async fn the_table_of_card_transitions_leads_back_to_stock_from_never_exposed_states_only() {
    let app = TestApp::new().await;
    let sql = app.sql_as(None).await;
    let rows = sql
        .query("SELECT from_state FROM card_use_transitions WHERE to_state = 'available' ORDER BY 1", &[])
        .await
        .unwrap();
    let from: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    // Quarantined: what a restored backup calls stock and a person has looked at. Exposed uses are refused by the guard.
    assert_eq!(from, ["quarantined", "reserved", "uploading", "void"]);
    let named =
        sql.query("SELECT from_state FROM card_use_transitions UNION SELECT to_state FROM card_use_transitions", &[]);
    for row in named.await.unwrap() {
        let state: String = row.get(0);
        assert!(state.parse::<CardUseState>().is_ok(), "{state}");
    }
}

#[tokio::test]
async fn a_shop_is_live_with_a_start_and_connected_through_an_application_of_its_own_or_a_hosted_one() {
    let app = TestApp::new().await;
    let merchant = app.merchant().await;
    let shop = merchant.shop().await;
    let sql = merchant.sql().await;
    assert_eq!(refused_by(sql.execute("UPDATE shops SET state = 'live'", &[]).await), "shops_live_has_start");
    let foreign = app.merchant().await;
    let application = foreign.application().await;
    let borrowed = sql
        .execute(
            "UPDATE shops SET application_merchant_id = $1, application_id = $2 WHERE id = $3",
            &[&foreign.id.as_uuid(), &application.as_uuid(), &shop.id.as_uuid()],
        )
        .await;
    assert_eq!(refused_by(borrowed), "shops_application_is_ours");
}

#[tokio::test]
async fn a_mapping_names_a_pool_exactly_where_the_method_uses_one() {
    let app = TestApp::new().await;
    let merchant = app.merchant().await;
    let shop = merchant.shop().await;
    let sku = shop.sku(7, Some(1), Some(0)).await;
    let pool = merchant.pool("p").await;
    let sql = merchant.sql().await;
    for (method, pool) in [("voucher_send", None), ("charge_notify", Some(pool.id.as_uuid()))] {
        let statement = "INSERT INTO sku_mappings (id, merchant_id, sku_id, delivery_method, pool_id)
                         VALUES ($1, $2, $3, $4, $5)";
        let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
            [&Uuid::now_v7(), &merchant.id.as_uuid(), &sku.as_uuid(), &method, &pool];
        assert_eq!(refused_by(sql.execute(statement, &parameters).await), "sku_mappings_pool_where_needed", "{method}");
    }
}

#[tokio::test]
async fn an_exception_is_open_once_per_order_and_code() {
    let app = TestApp::new().await;
    let merchant = app.merchant().await;
    let shop = merchant.shop().await;
    let sql = merchant.sql().await;
    let insert = "INSERT INTO exceptions (id, merchant_id, shop_id, order_sn, code, blocking, needs_review)
                  VALUES ($1, $2, $3, 'x', 'unmapped_sku', true, false)";
    let (me, shop) = (merchant.id.as_uuid(), shop.id.as_uuid());
    sql.execute(insert, &[&Uuid::now_v7(), &me, &shop]).await.unwrap();
    assert_eq!(refused_by(sql.execute(insert, &[&Uuid::now_v7(), &me, &shop]).await), "exceptions_one_open");
    let half = sql.execute("UPDATE exceptions SET resolved_at = now()", &[]).await;
    assert_eq!(refused_by(half), "exceptions_resolution");
    sql.execute("UPDATE exceptions SET resolved_at = now(), resolution = 'mapped'", &[]).await.unwrap();
    assert_eq!(sql.execute(insert, &[&Uuid::now_v7(), &me, &shop]).await.unwrap(), 1);
}

#[tokio::test]
async fn migrations_go_up_down_and_up_again() {
    let database = TestDatabase::bare().await;
    let owner = database.url("kamiflow_owner");
    let now = kamiflow_kernel::parse_platform_time("2026-11-22 12:00:00").unwrap();
    let first = migrate::run(&owner, now).await.unwrap();
    assert!(!first.is_empty());
    let schema = schema_of(&database).await;
    let reverted = migrate::revert_all(&owner).await.unwrap();
    assert_eq!(reverted.len(), first.len());
    let left = schema_of(&database).await;
    assert_eq!(left, ["__diesel_schema_migrations".to_owned()]);
    assert_eq!(migrate::run(&owner, now).await.unwrap(), first);
    assert_eq!(schema_of(&database).await, schema);
    assert_eq!(migrate::run(&owner, now).await.unwrap(), Vec::<String>::new());
}

/// Everything of ours that the catalog lists: tables, indexes, functions, triggers, policies, constraints.
async fn schema_of(database: &TestDatabase) -> Vec<String> {
    let (client, connection) =
        tokio_postgres::connect(&database.url_as_superuser(), tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let rows = client
        .query(
            "SELECT name FROM (
                 SELECT c.relname::text AS name FROM pg_class c
                  WHERE c.relnamespace = 'public'::regnamespace AND c.relname::text <> '__diesel_schema_migrations_pkey'
                 UNION ALL SELECT 'function ' || p.proname FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace
                 UNION ALL SELECT 'policy ' || p.tablename || ' ' || p.policyname FROM pg_policies p
                 UNION ALL SELECT 'constraint ' || k.conname FROM pg_constraint k
                            WHERE k.connamespace = 'public'::regnamespace AND k.conrelid <> 0
                              AND k.conname <> '__diesel_schema_migrations_pkey'
             ) everything ORDER BY 1",
            &[],
        )
        .await
        .unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}
