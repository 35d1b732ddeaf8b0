//! One merchant's rows are out of another's reach, by plain SQL as the application role.

use kamiflow_kernel::MerchantId;
use kamiflow_test_support::{Merchant, Pool, Shop, TestApp, refused_by};
use uuid::Uuid;

/// Tables of tenants, partitions included, as the catalog knows them.
async fn tenant_tables(app: &TestApp) -> Vec<String> {
    let sql = app.sql_as_superuser().await;
    let rows = sql
        .query(
            "SELECT c.relname::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
              WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace
                AND a.attname = 'merchant_id' AND NOT a.attisdropped ORDER BY 1",
            &[],
        )
        .await
        .unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

struct Owner<'a> {
    merchant: Merchant<'a>,
    shop: Shop<'a>,
    pool: Pool<'a>,
    sku: kamiflow_kernel::SkuId,
}

async fn owner(app: &TestApp) -> Owner<'_> {
    let merchant = app.merchant().await;
    let shop = merchant.shop().await;
    let sku = shop.sku(7, Some(1), Some(0)).await;
    let pool = merchant.pool("pool").await.with_cards(3).await;
    Owner { merchant, shop, pool, sku }
}

#[tokio::test]
async fn a_foreign_merchant_reads_changes_and_deletes_nothing() {
    let app = TestApp::new().await;
    let owner = owner(&app).await;
    let thief = app.merchant().await;
    let (theirs, mine) = (thief.sql().await, owner.merchant.sql().await);
    let id = owner.merchant.id.as_uuid();
    let mut with_rows = 0;
    for table in tenant_tables(&app).await {
        let readable = theirs.count(&format!("SELECT count(*) FROM {table} WHERE merchant_id = $1"), &[&id]).await;
        assert!(readable.as_ref().map_or(true, |n| *n == 0), "{table}: {readable:?} rows can be read");
        let own = mine.count(&format!("SELECT count(*) FROM {table} WHERE merchant_id = $1"), &[&id]).await;
        with_rows += i32::from(own.is_ok_and(|n| n > 0));
        for statement in [
            format!("UPDATE {table} SET merchant_id = merchant_id WHERE merchant_id = $1"),
            format!("DELETE FROM {table} WHERE merchant_id = $1"),
        ] {
            // 42501: no such right at all. 428C9: the column is generated.
            match theirs.execute(&statement, &[&id]).await {
                Ok(touched) => assert_eq!(touched, 0, "{statement}"),
                Err(error) => {
                    let code = refused_by::<()>(Err(error));
                    assert!(["42501", "428C9"].contains(&code.as_str()), "{statement}: {code}");
                }
            }
        }
    }
    assert!(with_rows >= 15, "only {with_rows} tables had rows to steal");
}

#[tokio::test]
async fn without_a_merchant_nothing_of_a_tenant_is_seen() {
    let app = TestApp::new().await;
    owner(&app).await;
    let nobody = app.sql_as(None).await;
    let hosted = MerchantId::PLATFORM.as_uuid();
    for table in tenant_tables(&app).await {
        let seen = nobody.count(&format!("SELECT count(*) FROM {table} WHERE merchant_id <> $1"), &[&hosted]).await;
        assert!(seen.as_ref().map_or(true, |n| *n == 0), "{table}: {seen:?}");
    }
}

#[tokio::test]
async fn no_condition_statistic_or_lock_tells_of_foreign_rows() {
    let app = TestApp::new().await;
    let owner = owner(&app).await;
    let thief = app.merchant().await;
    app.sql_as_superuser().await.execute("ANALYZE", &[]).await.unwrap();
    let (theirs, id) = (thief.sql().await, owner.merchant.id.as_uuid());
    for table in tenant_tables(&app).await {
        // Were the condition looked at before the policy, a foreign row would divide by zero.
        let probe = format!("SELECT count(*) FROM {table} WHERE 1 / CASE WHEN merchant_id = $1 THEN 0 ELSE 1 END = 1");
        match theirs.count(&probe, &[&id]).await {
            Ok(_) => {}
            Err(error) => assert_eq!(refused_by::<()>(Err(error)), "42501", "{table}"),
        }
        let lock = format!("SELECT 1 FROM {table} WHERE merchant_id = $1 FOR UPDATE");
        match theirs.query(&lock, &[&id]).await {
            Ok(rows) => assert_eq!(rows.len(), 0, "{table}"),
            Err(error) => assert_eq!(refused_by::<()>(Err(error)), "42501", "{table}"),
        }
        let statistics = "SELECT count(*) FROM pg_stats WHERE schemaname = 'public' AND tablename = $1";
        assert_eq!(theirs.count(statistics, &[&table]).await.unwrap(), 0, "{table}");
    }
    assert_eq!(refused_by(theirs.query("SELECT * FROM pg_statistic LIMIT 1", &[]).await), "42501");
    assert_eq!(refused_by(theirs.query("SELECT last_value FROM rollup_deltas_id_seq", &[]).await), "42501");
}

#[tokio::test]
async fn the_backup_role_changes_nothing() {
    let app = TestApp::new().await;
    let owner = owner(&app).await;
    let backup = app.sql_as_backup().await;
    let id = owner.merchant.id.as_uuid();
    let mut read = 0;
    for table in tenant_tables(&app).await {
        read += backup.count(&format!("SELECT count(*) FROM {table} WHERE merchant_id = $1"), &[&id]).await.unwrap();
        for statement in [
            format!("UPDATE {table} SET merchant_id = NULL"),
            format!("DELETE FROM {table}"),
            format!("TRUNCATE {table}"),
            format!("INSERT INTO {table} (merchant_id) VALUES (NULL)"),
        ] {
            // 428C9: the column is generated.
            let code = refused_by(backup.execute(&statement, &[]).await);
            assert!(["42501", "428C9"].contains(&code.as_str()), "{statement}: {code}");
        }
    }
    assert!(read > 20, "a backup sees every row, not {read}");
    let function = backup.query("SELECT * FROM system_merchants()", &[]).await;
    assert_eq!(refused_by(function), "42501");
}

#[tokio::test]
async fn rows_cannot_be_written_for_a_foreign_merchant() {
    let app = TestApp::new().await;
    let owner = owner(&app).await;
    let thief = app.merchant().await;
    let sql = thief.sql().await;
    let statement = "INSERT INTO card_pools (id, merchant_id, name, gateway) VALUES ($1, $2, 'x', 'sandbox')";
    let refused = sql.execute(statement, &[&Uuid::now_v7(), &owner.merchant.id.as_uuid()]).await;
    assert_eq!(refused_by(refused), "42501");
    let moved = sql
        .execute(
            "UPDATE pauses SET merchant_id = $1 WHERE merchant_id = $2",
            &[&owner.merchant.id.as_uuid(), &thief.id.as_uuid()],
        )
        .await;
    assert_eq!(moved.unwrap(), 0);
    let mine = thief.pool("mine").await;
    let given = sql
        .execute(
            "UPDATE card_pools SET merchant_id = $1 WHERE id = $2",
            &[&owner.merchant.id.as_uuid(), &mine.id.as_uuid()],
        )
        .await;
    assert_eq!(refused_by(given), "42501");
}

#[tokio::test]
async fn rows_cannot_refer_to_a_foreign_merchants_rows() {
    let app = TestApp::new().await;
    let owner = owner(&app).await;
    let thief = app.merchant().await;
    let sql = thief.sql().await;
    let (me, new) = (thief.id.as_uuid(), Uuid::now_v7());
    // A foreign key bypasses row-level security: were it on the id alone, these would go through.
    let batch = sql
        .execute("INSERT INTO card_batches (id, merchant_id, pool_id, source, idempotency_key) VALUES ($1, $2, $3, 'import', 'k')", &[
            &new,
            &me,
            &owner.pool.id.as_uuid(),
        ])
        .await;
    assert!(refused_by(batch).ends_with("_fkey"));
    let product = sql
        .execute(
            "INSERT INTO products (id, merchant_id, shop_id, goods_id, name) VALUES ($1, $2, $3, 1, 'x')",
            &[&new, &me, &owner.shop.id.as_uuid()],
        )
        .await;
    assert!(refused_by(product).ends_with("_fkey"));
    let mapping = sql
        .execute(
            "INSERT INTO sku_mappings (id, merchant_id, sku_id, delivery_method) VALUES ($1, $2, $3, 'skip')",
            &[&new, &me, &owner.sku.as_uuid()],
        )
        .await;
    assert!(refused_by(mapping).ends_with("_fkey"));
}

#[tokio::test]
async fn a_hosted_application_is_seen_by_all_and_changed_by_none() {
    use kamiflow_domain::register_application::{ApplicationOwner, RegisterApplication, register_application};
    let app = TestApp::new().await;
    let merchant = app.merchant().await;
    let request = RegisterApplication {
        owner: ApplicationOwner::Hosted,
        gateway: kamiflow_kernel::GatewayKind::Sandbox,
        client_id: "hosted".to_owned(),
        client_secret: "secret".into(),
        app_type: String::new(),
        packages: Vec::new(),
    };
    let id = register_application(&app.engine, &merchant.ctx(), &request).await.unwrap();
    let sql = merchant.sql().await;
    assert_eq!(sql.count("SELECT count(*) FROM applications WHERE id = $1", &[&id.as_uuid()]).await.unwrap(), 1);
    let changed = sql.execute("UPDATE applications SET state = 'stopped' WHERE id = $1", &[&id.as_uuid()]).await;
    assert_eq!(changed.unwrap(), 0);
    // And it opens: the platform's key is readable, under the master key.
    let mut tx = merchant.tx().await;
    let row = kamiflow_store::applications::fetch(&mut tx, id).await.unwrap();
    let key = tx.data_key_by_id(row.data_key_id).await.unwrap();
    let secret = key.open(kamiflow_store::shops::CLIENT_SECRET, id.as_uuid(), &row.client_secret_sealed).unwrap();
    assert_eq!(secret.expose(), b"secret");
}

#[tokio::test]
async fn every_tenant_table_forces_row_level_security_also_on_its_owner() {
    let app = TestApp::new().await;
    let sql = app.sql_as_superuser().await;
    let rows = sql
        .query(
            "SELECT c.relname::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
              WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace
                AND a.attname = 'merchant_id' AND NOT a.attisdropped
                AND NOT (c.relrowsecurity AND c.relforcerowsecurity)",
            &[],
        )
        .await
        .unwrap();
    let open: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(open, [""; 0]);
    // A partition has no policy of its own, so that reading it directly shows nothing; every parent has the tenant's.
    let without = sql
        .query(
            "SELECT c.relname::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
              WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace AND NOT c.relispartition
                AND a.attname = 'merchant_id' AND NOT a.attisdropped
                AND NOT EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = 'tenant'
                                  AND p.polqual IS NOT NULL AND p.polwithcheck IS NOT NULL)",
            &[],
        )
        .await
        .unwrap();
    assert_eq!(without.iter().map(|row| row.get(0)).collect::<Vec<String>>(), [""; 0]);
}

#[tokio::test]
async fn no_foreign_key_between_tenant_tables_is_on_one_column() {
    let app = TestApp::new().await;
    let rows = app
        .sql_as_superuser()
        .await
        .query(
            "SELECT f.conrelid::regclass::text || '.' || f.conname FROM pg_constraint f
              WHERE f.contype = 'f' AND cardinality(f.conkey) = 1 AND f.confrelid <> 'merchants'::regclass
                AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = f.confrelid AND a.attname = 'merchant_id')",
            &[],
        )
        .await
        .unwrap();
    assert_eq!(rows.iter().map(|row| row.get(0)).collect::<Vec<String>>(), [""; 0]);
}

#[tokio::test]
async fn functions_that_look_across_merchants_are_owned_fixed_and_closed_to_the_public() {
    let app = TestApp::new().await;
    let sql = app.sql_as_superuser().await;
    let rows = sql
        .query(
            "SELECT p.proname::text, r.rolname::text, coalesce((SELECT c FROM unnest(p.proconfig) c WHERE c LIKE 'search_path=%'), ''),
                    has_function_privilege('kamiflow_app', p.oid, 'EXECUTE'),
                    has_function_privilege('kamiflow_backup', p.oid, 'EXECUTE')
               FROM pg_proc p JOIN pg_roles r ON r.oid = p.proowner
              WHERE p.pronamespace = 'public'::regnamespace AND p.prosecdef",
            &[],
        )
        .await
        .unwrap();
    assert!(rows.len() >= 10);
    for row in rows {
        let (name, owner, config): (String, String, String) = (row.get(0), row.get(1), row.get(2));
        // Only tables' owner can make and drop partitions: ADR 0010 says what these three may do with that.
        let by_owner =
            ["retention_make_partitions", "retention_drop_traces", "retention_drop_kept_events"].contains(&&*name);
        assert_eq!(owner, if by_owner { "kamiflow_owner" } else { "kamiflow_system" }, "{name}");
        assert_eq!(config, "search_path=pg_catalog, public, pg_temp", "{name}");
        assert!(row.get::<_, bool>(3), "{name} cannot be called by the application");
        assert!(!row.get::<_, bool>(4), "{name} can be called by others");
    }
    let powerful = "SELECT count(*) FROM pg_roles WHERE rolname LIKE 'kamiflow\\_%' AND (rolsuper OR rolbypassrls)";
    assert_eq!(sql.count(powerful, &[]).await.unwrap(), 0);
}

#[tokio::test]
async fn the_application_cannot_rewrite_history_or_become_another_role() {
    let app = TestApp::new().await;
    let merchant = app.merchant().await;
    merchant.pool("p").await.with_cards(1).await;
    let sql = merchant.sql().await;
    for statement in [
        "UPDATE audit_log SET actor = 'x'",
        "DELETE FROM audit_log",
        "UPDATE order_events SET kind = 'x'",
        "DELETE FROM order_events",
        "UPDATE card_ledger SET event = 'x'",
        "DELETE FROM card_ledger",
        "UPDATE card_ledger_roots SET uses = 0",
        "DELETE FROM cards",
        "DELETE FROM card_uses",
        "DELETE FROM deliveries",
        "DELETE FROM delivery_attempts",
        "DELETE FROM orders",
        "DELETE FROM merchants",
        "DELETE FROM data_keys",
        "UPDATE rollups_hourly SET n = 0",
        "DELETE FROM card_use_transitions",
        "INSERT INTO order_transitions VALUES ('done', 'seen', 'x')",
        "UPDATE instance SET epoch = 7",
        "SET ROLE kamiflow_system",
        "SET ROLE kamiflow_owner",
        "ALTER TABLE cards DISABLE ROW LEVEL SECURITY",
        "DROP TRIGGER card_uses_guard ON card_uses",
        "ALTER TABLE card_uses DISABLE TRIGGER ALL",
        "SET session_replication_role = replica",
        "TRUNCATE cards",
        "CREATE FUNCTION system_due_jobs(integer) RETURNS integer LANGUAGE sql AS 'SELECT 1'",
    ] {
        assert_eq!(refused_by(sql.execute(statement, &[]).await), "42501", "{statement}");
    }
}
