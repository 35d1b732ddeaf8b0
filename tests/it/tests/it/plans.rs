//! How Postgres reads for hot statements, over many merchants and a large history, as the application role.

use std::collections::{BTreeMap, BTreeSet};

use kamiflow_store::hot_statements::{HOT_STATEMENTS, HotStatement, LISTINGS};
use kamiflow_test_support::TestDatabase;
use serde_json::Value;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

/// Tables that grow with orders, cards, time or merchants: nothing hot may read one of them in full.
const BIG: &[&str] = &[
    "applications",
    "card_ledger",
    "card_uses",
    "cards",
    "coverage",
    "credentials",
    "deliveries",
    "delivery_attempts",
    "delivery_lines",
    "exceptions",
    "jobs",
    "order_events",
    "order_hints",
    "orders",
    "outbox",
    "products",
    "redemptions",
    "rollup_deltas",
    "shop_sync",
    "shops",
    "sku_mappings",
    "skus",
    "stock_waits",
];

/// Indexes of what a shop has one of, and of what is open, due or a setting: few rows of a merchant or shop at any time, so
/// all of them may be looked through.
const FEW: &[&str] = &[
    "credentials_one_per_shop",
    "delivery_attempts_one_open",
    "deliveries_due",
    "exceptions_one_open",
    "order_hints_due",
    "redemptions_due",
    "shop_sync_pkey",
    "shops_of_merchant",
    "skus_merchant_id_id_key",
    "skus_once",
    "stock_waits_missed",
];

/// Functions that look across merchants on hot paths: what each rests on, and which tables it may read in full.
const SYSTEM: &[(&str, &[&str], &[&str])] = &[
    ("system_due_jobs", &["jobs_due"], &[]),
    // Twice a minute for everybody together. An index on shop_sync.next_due_at would cost every tick of every shop its
    // heap-only update; hints are few, and most of them are due.
    (
        "system_due_shops",
        &["deliveries_due", "redemptions_due"],
        &["applications", "order_hints", "shop_sync", "shops"],
    ),
    ("system_shops_of_malls", &["shops_mall_once"], &[]),
    ("system_merchant_of_shop", &["shops_pkey"], &[]),
    // Hints are few, and who asks is a person.
    ("system_find_order", &["orders_once"], &["order_hints"]),
    ("system_expiring_credentials", &["credentials_by_expiry"], &[]),
    ("system_outbox_take", &["outbox_pkey"], &[]),
    ("system_fold_rollups", &["rollup_deltas_pkey", "rollups_hourly_pkey"], &[]),
];

/// 2,000 shops of 1,000 merchants; three of ten orders, and of SKUs, are one shop's.
const HISTORY: &str = "
    SET session_replication_role = replica;
    CREATE FUNCTION pg_temp.i(kind text, n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$ SELECT md5(kind || n)::uuid $$;
    CREATE FUNCTION pg_temp.shop(n bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS
        $$ SELECT CASE WHEN abs(hashint8(n)) % 10 < 3 THEN 1 ELSE 1 + abs(hashint8(n + 1)) % 2000 END $$;
    CREATE FUNCTION pg_temp.owner(shop bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$ SELECT (shop + 1) / 2 $$;
    CREATE TEMP TABLE o AS
        SELECT n, pg_temp.shop(n) AS s, pg_temp.owner(pg_temp.shop(n)) AS m,
               current_date - (n % 90)::integer AS day,
               to_char(current_date - (n % 90)::integer, 'YYMMDD') || '-' || lpad(n::text, 15, '0') AS sn
          FROM generate_series(1, 100000) n;
    INSERT INTO merchants (id, name) SELECT pg_temp.i('m', n), 'm' || n FROM generate_series(1, 1000) n;
    INSERT INTO applications (id, merchant_id, gateway, client_id, data_key_id, client_secret_sealed)
        SELECT pg_temp.i('a', n), pg_temp.i('m', n), 'production', 'client' || n, pg_temp.i('k', n), ''
          FROM generate_series(1, 1000) n;
    INSERT INTO shops (id, merchant_id, application_merchant_id, application_id, gateway, mall_id, name, state, deliver_from)
        SELECT pg_temp.i('s', n), pg_temp.i('m', (n + 1) / 2), pg_temp.i('m', (n + 1) / 2), pg_temp.i('a', (n + 1) / 2),
               'production', n, 's' || n, 'live', now() FROM generate_series(1, 2000) n;
    INSERT INTO shop_sync (shop_id, merchant_id, orders_watermark, refunds_watermark)
        SELECT id, merchant_id, now(), now() FROM shops;
    INSERT INTO credentials (id, merchant_id, shop_id, data_key_id, access_token_sealed, refresh_token_sealed, expires_at, refresh_expires_at)
        SELECT gen_random_uuid(), merchant_id, id, gen_random_uuid(), '', '', now() + random() * interval '300 days', now() FROM shops;
    INSERT INTO products (id, merchant_id, shop_id, goods_id, name)
        SELECT pg_temp.i('g', n), pg_temp.i('m', pg_temp.owner(pg_temp.shop(n))), pg_temp.i('s', pg_temp.shop(n)), n, 'g' FROM generate_series(1, 20000) n;
    INSERT INTO skus (id, merchant_id, shop_id, product_id, platform_sku_id)
        SELECT pg_temp.i('u', n), pg_temp.i('m', pg_temp.owner(pg_temp.shop(n))), pg_temp.i('s', pg_temp.shop(n)), pg_temp.i('g', n), n FROM generate_series(1, 20000) n;
    INSERT INTO card_pools (id, merchant_id, name, gateway) SELECT pg_temp.i('p', n), pg_temp.i('m', n), 'p', 'production' FROM generate_series(1, 1000) n;
    INSERT INTO sku_mappings (id, merchant_id, sku_id, delivery_method, pool_id)
        SELECT id, merchant_id, id, 'voucher_send', pg_temp.i('p', 1) FROM skus;
    INSERT INTO card_batches (id, merchant_id, pool_id, source, idempotency_key)
        SELECT pg_temp.i('b', n), pg_temp.i('m', n), pg_temp.i('p', n), 'import', 'k' || n FROM generate_series(1, 1000) n;
    INSERT INTO cards (id, merchant_id, pool_id, batch_id, data_key_id, number_sealed, number_hash, number_mask)
        SELECT pg_temp.i('c', n), pg_temp.i('m', m), pg_temp.i('p', m), pg_temp.i('b', m), pg_temp.i('k', m),
               sha256(n::text::bytea), sha256(n::text::bytea), 'A***9' FROM o;
    INSERT INTO card_uses (id, merchant_id, card_id, use_no, pool_id, expires_at, state, state_cause, line_id, exposed, ledger_head)
        SELECT pg_temp.i('x', n), pg_temp.i('m', m), pg_temp.i('c', n), 1, pg_temp.i('p', m), now() + (n % 300 - 10) * interval '1 day',
               CASE WHEN n % 5 = 0 THEN 'available' ELSE 'sent' END, 'sent', CASE WHEN n % 5 > 0 THEN pg_temp.i('l', n) END, n % 5 > 0, ''
          FROM o;
    INSERT INTO card_ledger (card_use_id, seq, merchant_id, event, pool_id, prev_hash, hash)
        SELECT pg_temp.i('x', n), e, pg_temp.i('m', m), 'sent', pg_temp.i('p', m), '', '' FROM o, generate_series(1, 1) e;
    INSERT INTO orders (id, order_day, merchant_id, shop_id, order_sn, state, order_status, refund_status, confirm_status, group_status,
            risk_control_status, after_sales_status, trade_type, is_lucky_flag, goods_id, platform_sku_id, goods_count, updated_at, content_hash, read_at)
        SELECT pg_temp.i('o', n), day, pg_temp.i('m', m), pg_temp.i('s', s), sn, CASE WHEN n % 100 = 0 THEN 'seen' ELSE 'delivered' END,
               2, 1, 1, 1, 0, 0, 0, 1, 1, 1, 1, now(), sha256(sn::bytea), now() FROM o;
    INSERT INTO deliveries (id, merchant_id, shop_id, order_day, order_id, order_sn, sku_id, method, redemption_method, pool_id,
            lines_expected, state, due_at, delivered_at)
        SELECT pg_temp.i('d', n), pg_temp.i('m', m), pg_temp.i('s', s), day, pg_temp.i('o', n), sn, pg_temp.i('u', 1), 'voucher_send',
               'report_card', pg_temp.i('p', m), 1, CASE WHEN n % 100 = 0 THEN 'pending' ELSE 'delivered' END,
               CASE WHEN n % 100 = 0 THEN now() + (n % 7 - 3) * interval '1 minute' END, CASE WHEN n % 100 > 0 THEN now() END FROM o;
    INSERT INTO delivery_lines (id, merchant_id, delivery_id, item_no, line_no, card_use_id)
        SELECT pg_temp.i('l', n), pg_temp.i('m', m), pg_temp.i('d', n), 1, 1, pg_temp.i('x', n) FROM o WHERE n % 5 > 0;
    INSERT INTO delivery_attempts (id, merchant_id, delivery_id, n, method, idempotency_key, data_key_id, payload_sealed, payload_hash,
            evidence, evidence_at, state, fence, started_at, send_deadline)
        SELECT pg_temp.i('t', n), pg_temp.i('m', m), pg_temp.i('d', n), 1, 'voucher_send', sn, pg_temp.i('k', m), '', '', '{}', now(),
               CASE WHEN n % 100 = 0 THEN 'started' ELSE 'succeeded' END, 1, now(), now() FROM o;
    INSERT INTO redemptions (id, merchant_id, shop_id, delivery_id, line_id, use_no, order_day, order_id, order_sn, method, state, due_at,
            trans_no, rule_id, started_at, done_at)
        SELECT pg_temp.i('r', n), pg_temp.i('m', m), pg_temp.i('s', s), pg_temp.i('d', n), pg_temp.i('l', n), 1, day, pg_temp.i('o', n), sn,
               'report_card', CASE WHEN n % 50 = 1 THEN 'waiting' ELSE 'done' END,
               CASE WHEN n % 50 = 1 THEN now() + (n % 7 - 3) * interval '1 hour' END, 'R' || n,
               CASE WHEN n % 50 <> 1 THEN pg_temp.i('e', m) END, CASE WHEN n % 50 <> 1 THEN now() - n % 90 * interval '1 day' END,
               CASE WHEN n % 50 <> 1 THEN now() END
          FROM o WHERE n % 5 > 0;
    INSERT INTO order_hints (shop_id, order_sn, merchant_id, dirty_since, due_at, source)
        SELECT pg_temp.i('s', s), sn, pg_temp.i('m', m), now(), now() + (n % 7 - 3) * interval '1 minute', 'push' FROM o WHERE n % 20 = 0;
    INSERT INTO coverage (id, merchant_id, shop_id, kind, source, from_at, to_at)
        SELECT gen_random_uuid(), merchant_id, id, k, 'window', now() - h * interval '1 hour', now() - (h - 1) * interval '1 hour'
          FROM shops, unnest(ARRAY['orders', 'refunds']) k, generate_series(1, 20) h;
    INSERT INTO stock_waits (delivery_id, merchant_id, pool_id, shop_id, cards, since)
        SELECT pg_temp.i('d', n), pg_temp.i('m', m), pg_temp.i('p', m), pg_temp.i('s', s), 1, now() FROM o WHERE n % 40 = 0;
    INSERT INTO exceptions (id, merchant_id, shop_id, order_day, order_id, order_sn, code, blocking, needs_review, resolved_at, resolution)
        SELECT gen_random_uuid(), pg_temp.i('m', m), pg_temp.i('s', s), day, pg_temp.i('o', n), sn, 'out_of_stock', true, false,
               CASE WHEN n % 10 > 0 THEN now() END, CASE WHEN n % 10 > 0 THEN 'delivered' END FROM o WHERE n % 4 = 0;
    INSERT INTO jobs (id, merchant_id, name, key, due_at, parked)
        SELECT gen_random_uuid(), pg_temp.i('m', 1 + n % 1000), 'j', n::text, now() + n * interval '1 minute', n % 3 = 0 FROM generate_series(1, 20000) n;
    INSERT INTO outbox (id, at, merchant_id, topic, payload)
        SELECT gen_random_uuid(), now() - n * interval '1 second', pg_temp.i('m', 1 + n % 1000), 't', '{}' FROM generate_series(1, 20000) n;
    INSERT INTO rollup_deltas (merchant_id, shop_id, hour, metric, n)
        SELECT merchant_id, id, date_trunc('hour', now()), x, 1 FROM shops, unnest(ARRAY['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j']) x;
    INSERT INTO rollups_hourly (merchant_id, shop_id, hour, metric, n)
        SELECT merchant_id, id, date_trunc('hour', now()) - h * interval '1 hour', 'a', 1 FROM shops, generate_series(1, 20) h;
    SET session_replication_role = origin;
    ANALYZE";

/// A large database, and what its partitions belong to.
struct History {
    database: TestDatabase,
    superuser: Client,
    /// Tables and indexes of partitions, with their parents.
    parents: BTreeMap<String, String>,
    /// Tables without rows.
    empty: BTreeSet<String>,
}

/// Whether an index is asked for all rows of a merchant or a shop and for nothing more.
fn names_only_owners(condition: &str) -> bool {
    let columns: Vec<&str> = condition.split(" = ").map(|part| part.rsplit(['(', '.', ' ']).next().unwrap()).collect();
    let compared = columns.split_last().map_or(&[][..], |(_value, columns)| columns);
    let others = ["<", ">", "ANY"].iter().any(|operator| condition.contains(operator));
    !others && compared.iter().all(|column| ["merchant_id", "shop_id"].contains(column))
}

impl History {
    async fn fill() -> Self {
        let database = TestDatabase::migrated().await;
        let superuser = connect(&database.url_as_superuser()).await;
        superuser.batch_execute(HISTORY).await.unwrap();
        let rows = superuser
            .query(
                "SELECT relname::text, pg_partition_root(oid)::regclass::text FROM pg_class WHERE relispartition",
                &[],
            )
            .await
            .unwrap();
        let parents = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        let rows = superuser.query("SELECT relname::text FROM pg_class WHERE reltuples = 0", &[]).await.unwrap();
        let empty = rows.iter().map(|row| row.get(0)).collect();
        Self { database, superuser, parents, empty }
    }

    /// Connects as the application's role, bound to the merchant of the largest shop.
    async fn application(&self) -> Client {
        let client = connect(&self.database.url("kamiflow_app")).await;
        let id: String = self.superuser.query_one("SELECT md5('m1')::uuid::text", &[]).await.unwrap().get(0);
        client
            .batch_execute(&format!("SET app.merchant_id = '{id}'; SET plan_cache_mode = force_generic_plan"))
            .await
            .unwrap();
        client
    }

    fn parent<'a>(&'a self, name: &'a str) -> &'a str {
        self.parents.get(name).map_or(name, String::as_str)
    }

    /// Says what is wrong with a plan.
    fn faults(&self, plan: &Plan, indexes: &[&str], may_read_in_full: &[&str]) -> Vec<String> {
        let mut faults = Vec::new();
        for node in plan.nodes() {
            let table = self.parent(node["Relation Name"].as_str().unwrap_or_default());
            // Partitions of days to come are empty.
            let reads_all =
                node["Node Type"] == "Seq Scan" && !self.empty.contains(node["Relation Name"].as_str().unwrap());
            if reads_all && BIG.contains(&table) && !may_read_in_full.contains(&table) {
                faults.push(format!("reads all of {table}"));
            }
            let index = self.parent(node["Index Name"].as_str().unwrap_or_default());
            if let Some(condition) = node["Index Cond"].as_str()
                && names_only_owners(condition)
                && !FEW.contains(&index)
            {
                faults.push(format!("reads all of a merchant or shop in {index} by {condition}"));
            }
        }
        // Every table has its id unique twice: alone, and after the merchant for foreign keys. Either serves.
        let by_id = |index: &str| self.parent(index).replace("_merchant_id_id_key", "_pkey");
        let used: BTreeSet<String> = plan.indexes().into_iter().map(by_id).collect();
        let missing = indexes.iter().filter(|index| !used.contains(**index));
        faults.extend(missing.map(|index| format!("does not use {index} but {used:?}")));
        faults
    }
}

/// Numbers the placeholders of a text as the store sends them: each place is a parameter of its own.
fn as_sent(sql: &str, parameters: &str) -> (String, String) {
    let types: Vec<&str> = parameters.split(", ").collect();
    let (mut text, mut sent) = (String::new(), Vec::new());
    for (n, part) in sql.split('$').enumerate() {
        let digits = part.bytes().take_while(u8::is_ascii_digit).count();
        let (number, rest) = if n == 0 { ("", part) } else { part.split_at(digits) };
        if n > 0 {
            sent.push(types[number.parse::<usize>().unwrap() - 1]);
            text.push_str(&format!("${}", sent.len()));
        }
        text.push_str(rest);
    }
    (text, sent.join(", "))
}

/// A plan as EXPLAIN tells it.
struct Plan(Value);

impl Plan {
    /// Plans a statement without knowing its parameters, and tells how it would run with some.
    async fn of(client: &Client, sql: &str, parameters: &str, options: &str, values: &str) -> Self {
        let types = if parameters.is_empty() { String::new() } else { format!("({parameters})") };
        let values = if values.is_empty() { String::new() } else { format!("({values})") };
        client
            .batch_execute(&format!("PREPARE q {types} AS {sql}"))
            .await
            .unwrap_or_else(|error| panic!("{error:?}: {sql}"));
        let rows = client.simple_query(&format!("EXPLAIN ({options}, FORMAT JSON) EXECUTE q {values}")).await;
        client.batch_execute("DEALLOCATE q").await.unwrap();
        let text = rows
            .unwrap_or_else(|error| panic!("{error:?}: {sql}"))
            .iter()
            .find_map(|message| match message {
                SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
                _ => None,
            })
            .unwrap();
        Self(serde_json::from_str(&text).unwrap())
    }

    fn nodes(&self) -> Vec<&Value> {
        let mut nodes = vec![&self.0[0]["Plan"]];
        let mut at = 0;
        while let Some(node) = nodes.get(at).copied() {
            nodes.extend(node["Plans"].as_array().into_iter().flatten());
            at += 1;
        }
        nodes
    }

    /// Returns the indexes that are read, and those by which an insert finds what is there.
    fn indexes(&self) -> Vec<&str> {
        let mut indexes = Vec::new();
        for node in self.nodes() {
            indexes.extend(node["Index Name"].as_str());
            indexes.extend(node["Conflict Arbiter Indexes"].as_array().into_iter().flatten().filter_map(Value::as_str));
        }
        indexes
    }

    /// Returns how often the setting is read once per statement, and where it is read once per row.
    fn readings_of_the_setting(&self) -> (usize, Vec<String>) {
        let (mut once, mut per_row) = (0, Vec::new());
        for node in self.nodes() {
            for (key, value) in node.as_object().unwrap() {
                let reads = ["current_setting", "current_merchant"].iter().any(|name| value.to_string().contains(name));
                match key.as_str() {
                    "Plans" => {}
                    _ if !reads => {}
                    _ if node["Parent Relationship"] == "InitPlan" => once += 1,
                    _ => per_row.push(format!("{key}: {value}")),
                }
            }
        }
        (once, per_row)
    }
}

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// Returns typical values of some types: what a plan for any values does not depend on.
fn values_of(parameters: &str) -> String {
    let value = |of: &str| match of {
        "uuid" => "md5('m1')::uuid".to_owned(),
        "date" => "current_date".to_owned(),
        "timestamptz" => "now()".to_owned(),
        "bigint" | "integer" | "smallint" => "50".to_owned(),
        "boolean" => "true".to_owned(),
        "text" => "'x'".to_owned(),
        "jsonb" => "'{}'".to_owned(),
        list => format!("'{{}}'::{list}"),
    };
    parameters.split(", ").filter(|of| !of.is_empty()).map(value).collect::<Vec<_>>().join(", ")
}

#[tokio::test]
async fn hot_statements_read_by_their_indexes_in_one_partition_and_ask_for_the_merchant_once() {
    let history = History::fill().await;
    let client = history.application().await;
    let mut faults = faults_of_statements(&history, &client, HOT_STATEMENTS).await;
    let (settings, listings) = LISTINGS;
    client.batch_execute(&format!("BEGIN; {settings}")).await.unwrap();
    faults.extend(faults_of_statements(&history, &client, listings).await);
    client.batch_execute("COMMIT").await.unwrap();
    faults.extend(faults_of_system_functions(&history).await);
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
    look_in_one_partition(&history, &client).await;
}

async fn faults_of_statements(history: &History, client: &Client, statements: &[HotStatement]) -> Vec<String> {
    let mut faults = Vec::new();
    for HotStatement { name, sql, parameters, indexes } in statements {
        let (sql, parameters) = as_sent(sql, parameters);
        let plan = Plan::of(client, &sql, &parameters, "VERBOSE", &values_of(&parameters)).await;
        let (once, per_row) = plan.readings_of_the_setting();
        let mut found = history.faults(&plan, indexes, &[]);
        found.extend(per_row.iter().map(|place| format!("reads the setting for every row, in {place}")));
        if once == 0 {
            found.push("is not bound to a merchant by a policy".to_owned());
        }
        if !found.is_empty() {
            faults.push(format!("{name}: {}\n{:#}", found.join("; "), plan.0));
        }
    }
    faults
}

async fn faults_of_system_functions(history: &History) -> Vec<String> {
    let mut faults = Vec::new();
    for (function, indexes, may_read_in_full) in SYSTEM {
        let Body { sql, parameters, settings } = body_of(&history.superuser, function).await;
        let circumstances = format!("{settings} SET ROLE kamiflow_system; SET plan_cache_mode = force_generic_plan");
        history.superuser.batch_execute(&circumstances).await.unwrap();
        let plan = Plan::of(&history.superuser, &sql, &parameters, "VERBOSE", &values_of(&parameters)).await;
        history.superuser.batch_execute("RESET ALL; RESET ROLE").await.unwrap();
        let found = history.faults(&plan, indexes, may_read_in_full);
        if !found.is_empty() {
            faults.push(format!("{function}: {}\n{:#}", found.join("; "), plan.0));
        }
    }
    faults
}

/// What reads or writes an order whose day is known looks into that day's partition only.
async fn look_in_one_partition(history: &History, client: &Client) {
    let order = "FROM orders WHERE shop_id = md5('s1')::uuid AND state = 'delivered' ORDER BY order_sn LIMIT 1";
    let rows = history
        .superuser
        .query_one(&format!("SELECT order_day::text, id::text, order_sn, tableoid::regclass::text {order}"), &[])
        .await
        .unwrap();
    let (day, id, sn, partition): (String, String, String, String) =
        (rows.get(0), rows.get(1), rows.get(2), rows.get(3));
    let known = BTreeMap::from([
        (
            "orders::find_by_sn",
            vec!["md5('m1')::uuid".to_owned(), "md5('s1')::uuid".to_owned(), format!("'{sn}'"), format!("'{day}'")],
        ),
        (
            "orders::lock_by_sn",
            vec![
                "md5('m1')::uuid".to_owned(),
                "md5('s1')::uuid".to_owned(),
                format!("'{{{day}}}'"),
                format!("'{{{sn}}}'"),
                "1".to_owned(),
            ],
        ),
        (
            "orders::transition",
            vec![
                "md5('m1')::uuid".to_owned(),
                format!("'{{{day}}}'"),
                format!("'{{{id}}}'"),
                "'{delivered}'".to_owned(),
                "'done'".to_owned(),
                "'nothing_to_redeem'".to_owned(),
                "1".to_owned(),
            ],
        ),
    ]);
    for (name, values) in known {
        let HotStatement { sql, parameters, .. } = HOT_STATEMENTS.iter().find(|hot| hot.name == name).unwrap();
        client.batch_execute("BEGIN").await.unwrap();
        let plan = Plan::of(client, sql, parameters, "ANALYZE", &values.join(", ")).await;
        client.batch_execute("ROLLBACK").await.unwrap();
        let read: BTreeSet<&str> = plan
            .nodes()
            .into_iter()
            .filter(|node| node["Actual Loops"].as_f64() > Some(0.0))
            .filter_map(|node| node["Relation Name"].as_str())
            .filter(|table| history.parent(table) == "orders" && *table != "orders")
            .collect();
        assert_eq!(read, BTreeSet::from([partition.as_str()]), "{name}\n{:#}", plan.0);
    }
}

/// The inside of a function.
struct Body {
    /// Its statement, with numbers for its parameters.
    sql: String,
    parameters: String,
    /// Statements that set what the function sets.
    settings: String,
}

async fn body_of(superuser: &Client, function: &str) -> Body {
    let row = superuser
        .query_one(
            "SELECT prosrc, coalesce(proargnames[1:pronargs], '{}'),
                    ARRAY(SELECT format_type(t, NULL) FROM unnest(proargtypes) WITH ORDINALITY AS a (t, n) ORDER BY n),
                    (SELECT coalesce(string_agg(format('SET %s;', replace(c, '=', ' = ')), ' '), '') FROM unnest(proconfig) c)
               FROM pg_proc WHERE proname = $1",
            &[&function],
        )
        .await
        .unwrap();
    let (body, names, types): (String, Vec<String>, Vec<String>) = (row.get(0), row.get(1), row.get(2));
    // PL/pgSQL has its one statement between these two.
    let mut body = match body.split_once("RETURN QUERY") {
        Some((_, rest)) => rest.rsplit_once(';').unwrap().0.to_owned(),
        None => body,
    };
    for (n, name) in names.iter().enumerate() {
        let mut words = String::new();
        let mut word = String::new();
        for letter in body.chars().chain([' ']) {
            if letter.is_alphanumeric() || letter == '_' {
                word.push(letter);
                continue;
            }
            words.push_str(if word == *name { "" } else { &word });
            if word == *name {
                words.push_str(&format!("${}", n + 1));
            }
            word.clear();
            words.push(letter);
        }
        body = words;
    }
    let parameters = types.join(", ").replace("timestamp with time zone", "timestamptz");
    Body { sql: body, parameters, settings: row.get(3) }
}
