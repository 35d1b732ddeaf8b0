//! `bench growth`: whether deliveries become slower when millions of orders have been delivered before.
//!
//! ```text
//! bench_growth_small     a fleet that has delivered its first orders through the product itself
//!    └ multiplied ──►    bench_growth_large: the same fleet, and those orders so many times over
//! ```
//! Each history row (order, events, delivery, line, attempt, card, use, ledger) is copied from one the product wrote, with
//! ids, order numbers, days and card hashes of its own, so a new column needs no change here. Ids keep their time order.
//! Making the large database takes a while and about five kilobytes an order; it is kept for later runs of the same
//! schema: migrations, columns, indexes and storage options alike. **What a run delivers stays in it.** A copy for each run
//! would take as long as making it; so what was added is counted, told, vacuumed as the first rows were, and when it is a
//! twentieth of all orders the database is made anew. Autovacuum is on all the time.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use kamiflow_kernel::{MerchantId, PoolId};
use kamiflow_test_support::fleet::Mall;
use kamiflow_test_support::migrations_hash;
use kamiflow_test_support::program::note;
use serde::Serialize;
use tokio_postgres::Client;

use crate::at_least_one;
use crate::deliver::{self, WorkerShape};
use crate::fleet::{self, Plan, Readiness};
use crate::measure::{median, rounded};
use crate::process::Platform;
use crate::servers::Servers;

const SMALL: &str = "bench_growth_small";
const LARGE: &str = "bench_growth_large";
/// Orders the product itself delivers first.
const SEEDS: usize = 10_000;
/// One of so many orders of a kept database may be an earlier run's.
const MOST_ADDED: usize = 20;
/// What the planner and the storage go by: columns, indexes, and the options of tables and columns.
const SHAPE: &str = "SELECT md5(string_agg(line, ',' ORDER BY line)) FROM (
        SELECT table_name || '.' || column_name || ' ' || data_type AS line FROM information_schema.columns
         WHERE table_schema = 'public'
        UNION ALL
        SELECT pg_get_indexdef(x.indexrelid) FROM pg_index x JOIN pg_class c ON c.oid = x.indrelid
         WHERE c.relnamespace = 'public'::regnamespace
        UNION ALL
        SELECT c.relname || ' ' || c.reloptions::text FROM pg_class c
         WHERE c.relnamespace = 'public'::regnamespace AND c.reloptions IS NOT NULL
        UNION ALL
        SELECT attrelid::regclass::text || '.' || a.attname || ' ' || a.attoptions::text FROM pg_attribute a
          JOIN pg_class c ON c.oid = a.attrelid
         WHERE c.relnamespace = 'public'::regnamespace AND a.attoptions IS NOT NULL) shape";
/// Orders that are copied by one transaction, roughly.
const PER_STEP: usize = 100_000;
const BYTES_PER_ORDER: u64 = 6_000;

/// What one order leaves, and which rows of each table are copied.
const HISTORY: &[(&str, &str)] = &[
    ("orders", "state = 'delivered'"),
    ("order_events", "order_id IN (SELECT id FROM seed_orders)"),
    ("deliveries", "order_id IN (SELECT id FROM seed_orders)"),
    ("delivery_lines", "delivery_id IN (SELECT id FROM seed_deliveries)"),
    ("delivery_attempts", "delivery_id IN (SELECT id FROM seed_deliveries)"),
    ("card_uses", "id IN (SELECT card_use_id FROM seed_delivery_lines)"),
    ("cards", "id IN (SELECT card_id FROM seed_card_uses)"),
    ("card_ledger", "card_use_id IN (SELECT card_use_id FROM seed_delivery_lines)"),
];
/// The copies `$1` to `$2`, each with the days it lies back: within this month, whose partition is the one in use.
const COPIES: &str = "(SELECT k, k % extract(day FROM current_date)::integer AS days
                         FROM generate_series($1::integer, $2::integer) k OFFSET 0) copies";

/// Returns the id of a copy: earlier by its days, so that ids go on following time. Written out in each statement,
/// because a function of SQL would be called for millions of rows instead of being inlined.
fn copied_id(column: &str) -> String {
    format!(
        "(lpad(to_hex(('x' || left(replace(s.{column}::text, '-', ''), 12))::bit(48)::bigint - days * 86400000::bigint), 12, '0')
          || substr(md5(s.{column}::text || k), 13))::uuid"
    )
}

/// Options of `bench growth`.
#[derive(Args)]
pub(crate) struct Options {
    /// Orders of the large database; ten thousand or a multiple.
    #[arg(long, value_name = "N", value_parser = at_least_one(), default_value_t = 5_000_000)]
    orders: usize,

    /// Makes the large database anew.
    #[arg(long)]
    fresh: bool,

    #[command(flatten)]
    deliver: Deliveries,
}

/// What is delivered to measure.
#[derive(Args)]
struct Deliveries {
    /// Malls.
    #[arg(long, value_name = "N", value_parser = at_least_one(), default_value_t = 100)]
    malls: usize,

    /// Merchants.
    #[arg(long, value_name = "N", value_parser = at_least_one(), default_value_t = 10)]
    merchants: usize,

    /// Orders per mall that are delivered in each database.
    #[arg(long, value_name = "N", value_parser = at_least_one(), default_value_t = 100)]
    measured: usize,

    /// Shops the worker delivers for at once.
    #[arg(long, value_name = "N", value_parser = at_least_one(), default_value_t = 32)]
    concurrency: usize,
}

/// What was measured.
#[derive(Serialize)]
pub(crate) struct Figures {
    /// The large database's orders a second to the small one's; the median of the runs' own ratios.
    ratio: f64,
    small_orders_per_s: f64,
    large_orders_per_s: f64,
}

/// Measures.
pub(crate) async fn run(servers: &Servers, dir: &Path, options: &Options, runs: u32) -> Result<Figures> {
    ensure!(options.orders.is_multiple_of(SEEDS), "--orders: a multiple of {SEEDS}");
    let bench = Bench { servers, dir, options };
    bench.make_small().await?;
    bench.make_large().await?;
    let (mut ratios, mut small, mut large) = (Vec::new(), Vec::new(), Vec::new());
    for run in 1..=runs {
        let few = bench.deliver(SMALL, run, options.deliver.measured).await?;
        let many = bench.deliver(LARGE, run, options.deliver.measured).await?;
        note(format_args!("Run {run} of {runs}: {few:.0} orders/s after few, {many:.0} after {}", options.orders));
        ratios.push(many / few);
        small.push(few);
        large.push(many);
    }
    servers.drop_database(SMALL).await?;
    Ok(Figures {
        ratio: rounded(median(ratios), 3),
        small_orders_per_s: rounded(median(small), 1),
        large_orders_per_s: rounded(median(large), 1),
    })
}

struct Bench<'a> {
    servers: &'a Servers,
    dir: &'a Path,
    options: &'a Options,
}

impl Bench<'_> {
    fn plan(&self) -> Plan {
        Plan { applications: self.options.deliver.merchants.max(1), shops: self.options.deliver.malls }
    }

    /// Says which schema and options a kept database was made with.
    async fn label(&self) -> Result<String> {
        let client = self.servers.superuser(SMALL).await?;
        let shape: String = client.query_one(SHAPE, &[]).await?.get(0);
        let plan = self.plan();
        Ok(format!(
            "{} orders, {} shops, {} merchants, migrations {:016x}, shape {shape}",
            self.options.orders,
            plan.shops,
            plan.applications,
            migrations_hash()
        ))
    }

    async fn make_small(&self) -> Result<()> {
        self.servers.fresh_database(SMALL).await?;
        let plan = self.plan();
        let platform = Platform::start(self.dir, &fleet::scenario(&plan, 100.0, true)).await?;
        let engine = fleet::engine(self.servers.app_url(SMALL), &platform)?;
        fleet::set_up(&engine, &plan, Readiness { cards: 1, poll_floor_s: 15 }).await?;
        platform.process.stop().await?;
        note(format_args!("Delivering the first {SEEDS} orders"));
        self.deliver(SMALL, 0, SEEDS.div_ceil(plan.shops)).await?;
        Ok(())
    }

    /// Delivers so many orders per mall; returns orders a second.
    async fn deliver(&self, database: &'static str, run: u32, each: usize) -> Result<f64> {
        let plan = self.plan();
        let platform = Platform::start(self.dir, &fleet::scenario(&plan, 100.0, true)).await?;
        let engine = fleet::engine(self.servers.app_url(database), &platform)?;
        let client = self.servers.superuser(database).await?;
        for row in client.query("SELECT merchant_id, id FROM card_pools", &[]).await? {
            let (owner, pool) = (MerchantId::from_uuid(row.get(0)), PoolId::from_uuid(row.get(1)));
            let cards = plan.shops.div_ceil(plan.applications) * each + 100;
            fleet::import(&engine, owner, pool, fleet::card_file(cards)).await?;
        }
        // What an earlier run's platform said about orders it no longer knows.
        client.batch_execute("DELETE FROM order_hints").await?;
        let shape = WorkerShape { database, concurrency: self.options.deliver.concurrency, run };
        let worker = deliver::start_worker(self.servers, &platform, shape).await?;
        deliver::until_idle(&platform, plan.shops, Duration::from_secs(300)).await?;
        let malls: Vec<Mall> = plan.malls();
        let sold = deliver::sell(self.servers, &platform, &worker, (&malls, each, Duration::from_secs(600))).await?;
        worker.process.stop().await?;
        platform.process.stop().await?;
        Ok(sold)
    }

    async fn make_large(&self) -> Result<()> {
        let label = self.label().await?;
        let maintenance = self.servers.superuser("postgres").await?;
        let kept = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = $1";
        let kept: Option<String> = maintenance.query_opt(kept, &[&LARGE]).await?.and_then(|row| row.get(0));
        if kept.as_deref() == Some(label.as_str()) && !self.options.fresh {
            let client = self.servers.superuser(LARGE).await?;
            let all: i64 = client.query_one("SELECT count(*) FROM deliveries", &[]).await?.get(0);
            let added = usize::try_from(all)?.saturating_sub(self.options.orders);
            if added <= self.options.orders / MOST_ADDED {
                note(format_args!("Using the kept database: {label}; earlier runs have added {added} orders"));
                return settle(&client).await;
            }
            note(format_args!("Earlier runs have added {added} orders to the kept database: it is made anew"));
        }
        self.check_disk()?;
        self.servers.copy_database(SMALL, LARGE).await?;
        let client = self.servers.superuser(LARGE).await?;
        multiply(&client, self.options.orders).await?;
        settle(&client).await?;
        maintenance.batch_execute(&format!("COMMENT ON DATABASE {LARGE} IS '{label}'")).await?;
        Ok(())
    }

    fn check_disk(&self) -> Result<()> {
        let output =
            std::process::Command::new("df").args(["--output=avail", "--block-size=1"]).arg(self.dir).output()?;
        let text = String::from_utf8(output.stdout)?;
        let free: u64 = text.lines().nth(1).context("df has no answer")?.trim().parse()?;
        let needed = u64::try_from(self.options.orders)? * BYTES_PER_ORDER + (10 << 30);
        if free < needed {
            bail!(
                "{} orders need about {} GB of disk and {} GB are free; give --orders",
                self.options.orders,
                needed >> 30,
                free >> 30
            );
        }
        Ok(())
    }
}

/// Brings a database to where autovacuum would bring it in time, so that no run has to do that for another.
async fn settle(client: &Client) -> Result<()> {
    note("Vacuuming and analyzing");
    client.batch_execute("VACUUM (ANALYZE)").await?;
    Ok(client.batch_execute("CHECKPOINT").await?)
}

/// Copies the history of the first orders until there are so many.
async fn multiply(client: &Client, orders: usize) -> Result<()> {
    // Only a superuser may; every row is a copy of one that passed the triggers and references, and so are its ties.
    client.batch_execute("SET session_replication_role = replica; SET synchronous_commit = off").await?;
    let mut statements = Vec::new();
    for (table, which) in HISTORY {
        let limit = if *table == "orders" { format!("ORDER BY id LIMIT {SEEDS}") } else { String::new() };
        client
            .batch_execute(&format!("CREATE TEMP TABLE seed_{table} AS SELECT * FROM {table} WHERE {which} {limit}"))
            .await?;
        statements.push(copy_of(client, table).await?);
    }
    let copies = i32::try_from(orders / SEEDS)? - 1;
    let step = i32::try_from(PER_STEP / SEEDS)?;
    let mut first = 1;
    while first <= copies {
        let last = (first + step - 1).min(copies);
        client.batch_execute("BEGIN").await?;
        for statement in &statements {
            client.execute(statement, &[&first, &last]).await?;
        }
        client.batch_execute("COMMIT").await?;
        note(format_args!("{} of {orders} orders are there", (usize::try_from(last)? + 1) * SEEDS));
        first = last + 1;
    }
    Ok(())
}

/// Returns the statement that copies a table's seeds for copies `$1` to `$2`.
async fn copy_of(client: &Client, table: &str) -> Result<String> {
    let columns = "SELECT column_name::text, data_type::text FROM information_schema.columns
                    WHERE table_schema = 'public' AND table_name = $1 AND is_generated = 'NEVER' ORDER BY ordinal_position";
    let mut names = Vec::new();
    let mut values = Vec::new();
    for row in client.query(columns, &[&table]).await? {
        let (name, kind): (String, String) = (row.get(0), row.get(1));
        values.push(match (name.as_str(), kind.as_str()) {
            ("id" | "order_id" | "delivery_id" | "line_id" | "card_id" | "card_use_id" | "attempt_id", "uuid") => {
                copied_id(&name)
            }
            ("order_sn", _) => "to_char(s.order_day - days, 'YYMMDD') || '-'
                 || lpad((('x' || left(md5(s.order_sn || k), 12))::bit(48)::bigint)::text, 15, '0')"
                .to_owned(),
            ("order_day", _) => "s.order_day - days".to_owned(),
            ("at", _) => "s.at - days * interval '1 day'".to_owned(),
            ("number_hash", _) => "sha256(s.number_hash || int4send(k))".to_owned(),
            ("idempotency_key", "text") => "k || '-' || s.idempotency_key".to_owned(),
            _ => format!("s.{name}"),
        });
        names.push(name);
    }
    Ok(format!("INSERT INTO {table} ({}) SELECT {} FROM {COPIES}, seed_{table} s", names.join(", "), values.join(", ")))
}
