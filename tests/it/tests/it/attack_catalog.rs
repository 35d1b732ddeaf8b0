//! Who may do what, and whose rows can meet whose, as Postgres' own catalog says.

use std::collections::{BTreeMap, BTreeSet};

use kamiflow_test_support::{RawSql, TestApp, TestDatabase};

/// Unique keys that somebody could guess and that are the whole service's, each with the reason why it tells a stranger
/// nothing worth knowing. Only ever shorter.
const UNIQUE_FOR_ALL: &[(&str, &str)] = &[
    // To be refused by it one must hold the mall owner's authorization, from which the number is taken.
    ("shops_mall_once", "only who was authorized by a mall's owner can ask whether it is connected"),
    // Staff type it to log in. A sign-up makes one by chance, so that nobody learns from a refusal which there are.
    ("merchants_code_once", "a code is public, and nobody chooses one"),
    // A client id is public: it is part of every authorization address. An application has one listener and one budget,
    // so that two owners of one would each break the other's.
    ("applications_client_once", "a client id is public, and an application can have one owner only"),
];

/// Unique keys that hold the random id of a parent row, which is unique for the whole service and has one merchant by a
/// foreign key of two columns: nobody else can have a row of that parent. A parent whose id is unique within its merchant
/// only is none: whoever knows the id could have a parent of the same id, and take the key's place before its owner does.
/// Only ever shorter.
const UNIQUE_WITHIN_A_PARENT: &[&str] = &[
    "credentials_one_per_shop",
    "deliveries_once",
    "order_hints_pkey",
    "orders_once",
    "platform_upload_uses_pkey",
    "platform_uploads_one_open",
    "products_once",
    "refunds_once",
    "shop_sync_pkey",
    "sku_mappings_once",
    "skus_once",
];

/// Columns that name a row of a tenant without a foreign key, and what makes sure of the merchant instead. Only shorter.
const NAMED_WITHOUT_A_KEY: &[(&str, &str)] = &[
    ("card_ledger.delivery_id", "history; read with the use, whose key has the merchant"),
    ("card_ledger.pool_id", "history; read with the use, whose key has the merchant"),
    (
        "card_uses.line_id",
        "compared with lines of the same merchant only; a line's own key to the use has the merchant",
    ),
    ("cards.batch_id", "the trigger cards_parents looks for the merchant's batch"),
    ("cards.pool_id", "the trigger cards_parents looks for the merchant's pool"),
    ("deliveries.order_id", "orders are partitioned and dropped; the shop's key has the merchant"),
    ("exceptions.order_id", "orders are partitioned and dropped; the shop's key has the merchant"),
    ("memberships.user_id", "a user belongs to no merchant and may have seats with several"),
    ("order_events.order_id", "orders are partitioned and dropped"),
    ("pauses.target_id", "a pause stops work of its own merchant only"),
    ("redemptions.order_id", "orders are partitioned and dropped; the delivery's key has the merchant"),
    ("redemptions.rule_id", "rules are deleted; counted within a merchant only"),
    ("rollup_deltas.shop_id", "folded into rollups_hourly, whose key has the merchant"),
];

/// Tables from which the application may delete: what is no history.
const DELETABLE: &[&str] = &[
    "api_requests",
    "jobs",
    "known_devices",
    "mails",
    "membership_shops",
    "memberships",
    "notification_addresses",
    "one_time_tokens",
    "order_hints",
    "pauses",
    "recovery_codes",
    "redemption_rules",
    "second_factors",
    "sign_ups",
    "sku_mappings",
    "stock_waits",
    "wizard_places",
];

async fn texts(sql: &RawSql, query: &str) -> Vec<String> {
    sql.query(query, &[]).await.unwrap_or_else(|error| panic!("{error:?}")).iter().map(|row| row.get(0)).collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[tokio::test]
async fn every_policy_is_one_that_is_meant() {
    let app = TestApp::new().await;
    let sql = app.sql_as_superuser().await;
    let rows = sql
        .query(
            "SELECT p.tablename::text, p.policyname::text, p.roles::text[], p.cmd, p.permissive,
                    coalesce(p.qual, ''), coalesce(p.with_check, ''), c.relispartition
               FROM pg_policies p JOIN pg_class c ON c.oid = ('public.' || quote_ident(p.tablename))::regclass
              WHERE p.schemaname = 'public'",
            &[],
        )
        .await
        .unwrap();
    let hosted = "(merchant_id = '00000000-0000-0000-0000-000000000000'::uuid)";
    let own = "(merchant_id = ( SELECT current_merchant() AS current_merchant))";
    let account = "(user_id = ( SELECT current_account() AS current_account))";
    let migration = "(current_setting('app.migration'::text, true) = 'on'::text)";
    assert!(rows.len() > 90, "only {} policies", rows.len());
    for row in rows {
        let (table, policy): (String, String) = (row.get(0), row.get(1));
        let (roles, command): (Vec<String>, String) = (row.get(2), row.get(3));
        let (qual, check): (String, String) = (row.get(5), row.get(6));
        let what = format!("{policy} on {table} for {command} to {roles:?}: {qual} / {check}");
        assert_eq!(row.get::<_, String>(4), "PERMISSIVE", "{what}");
        let meant = match policy.as_str() {
            "tenant" => roles == ["kamiflow_app"] && command == "ALL" && qual == own && check == own,
            "account" => roles == ["kamiflow_app"] && command == "ALL" && qual == account && check == account,
            "data_migration" => roles == ["kamiflow_owner"] && qual == migration && check == migration,
            "backup" => roles == ["kamiflow_backup"] && command == "SELECT",
            "system" => roles == ["kamiflow_system"],
            "hosted" | "platform_keys" => roles == ["kamiflow_app"] && command == "SELECT" && qual == hosted,
            _ => false,
        };
        assert!(meant, "{what}");
        assert!(!row.get::<_, bool>(7) || policy == "backup", "a partition is reached through its parent only: {what}");
    }
}

#[tokio::test]
async fn what_is_unique_beyond_a_merchant_is_listed_with_its_reason() {
    let app = TestApp::new().await;
    let sql = app.sql_as_superuser().await;
    let rows = sql
        .query(
            "SELECT i.relname::text, array_agg(a.attname::text ORDER BY k.n),
                    bool_or(EXISTS (SELECT FROM pg_constraint f
                                      JOIN pg_index p ON p.indrelid = f.confrelid AND p.indisunique AND p.indpred IS NULL
                                     WHERE f.conrelid = t.oid AND f.contype = 'f' AND p.indnkeyatts = 1
                                       AND p.indkey[0] = f.confkey[array_position(f.conkey, a.attnum)]))
               FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid
               CROSS JOIN LATERAL unnest(x.indkey::smallint[]) WITH ORDINALITY k (attnum, n)
               JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.attnum
              WHERE x.indisunique AND t.relnamespace = 'public'::regnamespace AND NOT t.relispartition
                AND EXISTS (SELECT FROM pg_attribute m WHERE m.attrelid = t.oid AND m.attname = 'merchant_id')
              GROUP BY 1",
            &[],
        )
        .await
        .unwrap();
    let global = BTreeMap::from_iter(UNIQUE_FOR_ALL.iter().copied());
    assert!(global.values().all(|reason| !reason.is_empty()));
    let mut within = BTreeSet::new();
    let mut found = BTreeSet::new();
    for row in rows {
        let (index, columns): (String, Vec<String>) = (row.get(0), row.get(1));
        // An id of its own is made where the row is made, from 74 random bits.
        if columns.contains(&"merchant_id".to_owned()) || columns.contains(&"id".to_owned()) {
            continue;
        }
        if global.contains_key(index.as_str()) {
            found.insert(index);
        } else {
            assert!(
                row.get::<_, bool>(2),
                "{index} ({columns:?}) does not lead with the merchant, and no column of it has one merchant only"
            );
            within.insert(index);
        }
    }
    assert_eq!(found, global.keys().map(|name| (*name).to_owned()).collect());
    assert_eq!(within, set(UNIQUE_WITHIN_A_PARENT));
}

#[tokio::test]
async fn every_column_that_names_a_row_has_a_key_with_the_merchant() {
    let app = TestApp::new().await;
    let sql = app.sql_as_superuser().await;
    let loose = texts(
        &sql,
        "SELECT c.relname || '.' || a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
          WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relnamespace = 'public'::regnamespace
            AND a.attname LIKE '%\\_id' AND a.atttypid = 'uuid'::regtype AND NOT a.attisdropped
            AND a.attname NOT IN ('merchant_id', 'application_merchant_id')
            AND EXISTS (SELECT FROM pg_attribute m WHERE m.attrelid = c.oid AND m.attname = 'merchant_id')
            AND NOT EXISTS (SELECT FROM pg_constraint f
                             WHERE f.conrelid = c.oid AND f.contype = 'f' AND a.attnum = ANY (f.conkey)
                               AND cardinality(f.conkey) >= 2)
          ORDER BY 1",
    )
    .await;
    let listed: Vec<String> = NAMED_WITHOUT_A_KEY.iter().map(|(column, _)| (*column).to_owned()).collect();
    assert_eq!(loose, listed);
}

#[tokio::test]
async fn the_application_owns_nothing_makes_nothing_and_empties_nothing() {
    let app = TestApp::new().await;
    let sql = app.sql_as_superuser().await;
    let owned = "SELECT c.relname::text FROM pg_class c WHERE pg_get_userbyid(c.relowner) IN ('kamiflow_app', 'kamiflow_backup')
         UNION ALL SELECT p.proname::text FROM pg_proc p WHERE pg_get_userbyid(p.proowner) IN ('kamiflow_app', 'kamiflow_backup')
         UNION ALL SELECT t.typname::text FROM pg_type t WHERE pg_get_userbyid(t.typowner) IN ('kamiflow_app', 'kamiflow_backup')
         UNION ALL SELECT n.nspname::text FROM pg_namespace n WHERE pg_get_userbyid(n.nspowner) IN ('kamiflow_app', 'kamiflow_backup')
         UNION ALL SELECT d.datname::text FROM pg_database d WHERE pg_get_userbyid(d.datdba) IN ('kamiflow_app', 'kamiflow_backup')";
    assert_eq!(texts(&sql, owned).await, [""; 0]);
    for role in ["kamiflow_app", "kamiflow_backup"] {
        let attributes = "SELECT count(*) FROM pg_roles r WHERE r.rolname = $1
            AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication OR rolinherit
                 OR EXISTS (SELECT FROM pg_auth_members m WHERE m.member = r.oid)
                 OR has_schema_privilege(r.oid, 'public', 'CREATE') OR has_database_privilege(r.oid, current_database(), 'CREATE'))";
        assert_eq!(sql.count(attributes, &[&role]).await.unwrap(), 0, "{role} is more than it should be");
    }
    let rights = |what: &str| {
        format!(
            "SELECT c.relname::text FROM pg_class c WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace
                AND has_table_privilege('kamiflow_app', c.oid, '{what}') ORDER BY 1"
        )
    };
    for right in ["TRUNCATE", "REFERENCES", "TRIGGER"] {
        assert_eq!(texts(&sql, &rights(right)).await, [""; 0], "{right}");
    }
    assert_eq!(texts(&sql, &rights("DELETE")).await, DELETABLE);
}

#[tokio::test]
async fn a_prepared_database_lets_nobody_make_temporary_tables() {
    // Rights on a database are not its template's, so that only one that was prepared by itself shows them.
    let database = TestDatabase::bare().await;
    let (client, connection) =
        tokio_postgres::connect(&database.url_as_superuser(), tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    for role in ["kamiflow_app", "kamiflow_backup", "kamiflow_system"] {
        let row =
            client.query_one("SELECT has_database_privilege($1, current_database(), 'TEMP')", &[&role]).await.unwrap();
        assert!(!row.get::<_, bool>(0), "{role} could put a table in front of one of ours");
    }
}

#[tokio::test]
async fn the_backup_role_reads_only() {
    let app = TestApp::new().await;
    let sql = app.sql_as_superuser().await;
    let more = "SELECT c.relname || ' ' || a.privilege_type FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) a
         WHERE c.relnamespace = 'public'::regnamespace AND a.grantee = 'kamiflow_backup'::regrole AND a.privilege_type <> 'SELECT'
         UNION ALL SELECT c.relname || '.' || t.attname FROM pg_attribute t JOIN pg_class c ON c.oid = t.attrelid
             CROSS JOIN LATERAL aclexplode(t.attacl) a
         WHERE c.relnamespace = 'public'::regnamespace AND a.grantee = 'kamiflow_backup'::regrole AND a.privilege_type <> 'SELECT'
         UNION ALL SELECT p.proname::text FROM pg_proc p CROSS JOIN LATERAL aclexplode(p.proacl) a
         WHERE p.pronamespace = 'public'::regnamespace AND a.grantee = 'kamiflow_backup'::regrole";
    assert_eq!(texts(&sql, more).await, [""; 0]);
    let unread = "SELECT c.relname::text FROM pg_class c WHERE c.relkind IN ('r', 'p', 'S') AND c.relnamespace = 'public'::regnamespace
         AND NOT CASE WHEN c.relkind = 'S' THEN has_sequence_privilege('kamiflow_backup', c.oid, 'SELECT')
                      ELSE has_table_privilege('kamiflow_backup', c.oid, 'SELECT') END ORDER BY 1";
    assert_eq!(texts(&sql, unread).await, [""; 0], "a backup lacks tables");
}

#[tokio::test]
async fn everybody_may_do_nothing() {
    let app = TestApp::new().await;
    let sql = app.sql_as_superuser().await;
    let tables = "SELECT c.relname || ' ' || a.privilege_type FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) a
         WHERE c.relnamespace = 'public'::regnamespace AND a.grantee = 0
         UNION ALL SELECT c.relname || '.' || t.attname FROM pg_attribute t JOIN pg_class c ON c.oid = t.attrelid
             CROSS JOIN LATERAL aclexplode(t.attacl) a WHERE c.relnamespace = 'public'::regnamespace AND a.grantee = 0
         UNION ALL SELECT 'schema ' || a.privilege_type FROM pg_namespace n CROSS JOIN LATERAL aclexplode(n.nspacl) a
         WHERE n.nspname = 'public' AND a.grantee = 0";
    assert_eq!(texts(&sql, tables).await, [""; 0]);
    // A function without rights of its own and without a trigger's role does with the caller's rights what the caller could
    // do; without the schema, nobody outside of our roles can name it.
    let definers = "SELECT p.proname::text FROM pg_proc p
         CROSS JOIN LATERAL aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
         WHERE p.pronamespace = 'public'::regnamespace AND a.grantee = 0 AND p.prosecdef";
    assert_eq!(texts(&sql, definers).await, [""; 0]);
    let by_system =
        "SELECT p.proname::text FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace AND p.prosecdef
          AND (SELECT count(*) FROM unnest(p.proconfig) s WHERE s = 'search_path=pg_catalog, public, pg_temp') <> 1";
    assert_eq!(texts(&sql, by_system).await, [""; 0]);
}

#[tokio::test]
async fn every_table_of_a_user_is_behind_the_account_policy_and_no_hash_of_a_password_is_readable() {
    let app = TestApp::new().await;
    let sql = app.sql_as_superuser().await;
    let tables = "SELECT c.relname::text FROM pg_class c
         WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace
           AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'user_id')
           AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'merchant_id')";
    let of_users = texts(&sql, &format!("{tables} ORDER BY 1")).await;
    let known = [
        "known_devices",
        "one_time_tokens",
        "recovery_codes",
        "second_factors",
        "sessions",
        "staff",
        "staff_sessions",
        "users",
    ];
    assert_eq!(of_users, known);
    let open = format!(
        "{tables} AND NOT (c.relrowsecurity AND c.relforcerowsecurity AND EXISTS (
             SELECT FROM pg_policies p WHERE p.tablename = c.relname AND p.policyname = 'account'))"
    );
    assert_eq!(texts(&sql, &open).await, [""; 0]);
    let readers = "SELECT r.rolname::text FROM pg_roles r
         WHERE r.rolname LIKE 'kamiflow%' AND has_column_privilege(r.oid, 'users', 'password_hash', 'SELECT') ORDER BY 1";
    assert_eq!(texts(&sql, readers).await, ["kamiflow_backup", "kamiflow_owner", "kamiflow_system"]);
}
