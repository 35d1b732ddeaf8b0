//! What a backup is made of and compared with: one snapshot of everything, and the counts and hashes of its tables.
//!
//! ```text
//! backup    Snapshot::take ── exports its snapshot ──► pg_dump --snapshot reads the very same rows
//!               └ sum: rows and hash of each table          (role kamiflow_backup, explicit policies)
//! restore   Target::scratch ──► pg_restore ──► verify: the same sums? ──► stamp ──► swap
//!           a database beside the target                    shops, stock, epoch     renames, nothing is overwritten
//! ```
//! **Nobody meets a half-restored database**: rows are loaded into a database of another name, which takes the target's
//! name when all of it is compared and stamped. What bore the name before is kept beside it, unless it held no table.
//!
//! **A hash of a table** is the sum of the hashes of its rows' texts, so it depends on no order and needs no sort. It
//! finds what was lost, added or altered on the way; against somebody who forges a backup only its encryption helps.

mod target;

use chrono::{DateTime, Utc};
use diesel::QueryableByName;
use diesel::sql_types::{Array, BigInt, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use uuid::Uuid;

pub use self::target::{Contents, Stamped, Target};

use crate::connection;
use crate::error::StoreError;
use crate::sql::sql;

/// No time limits: a table may be large. The rest fixes how values are written, for the hashes.
const SESSION: &str = "-c statement_timeout=0 -c lock_timeout=30s -c idle_in_transaction_session_timeout=0 \
                       -c TimeZone=UTC -c DateStyle=ISO -c IntervalStyle=postgres -c extra_float_digits=1 \
                       -c bytea_output=hex -c search_path=public,pg_catalog";

/// One table's rows, counted and hashed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct TableSum {
    /// The table, or partition.
    pub table: String,
    /// Its rows.
    pub rows: i64,
    /// The sum of the sha256 of each row's text, in four parts of 64 bits.
    pub hash: String,
}

/// What the snapshot shows beside its rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The installation.
    pub installation: Uuid,
    /// How often it was restored, plus one.
    pub epoch: i64,
    /// Versions of the migrations that were applied.
    pub migrations: Vec<String>,
    /// What the server calls its version.
    pub server: String,
}

/// A transaction that sees one moment, and lets others see the same one for as long as it lives.
pub struct Snapshot {
    conn: AsyncPgConnection,
    id: String,
    at: DateTime<Utc>,
}

impl Snapshot {
    /// Begins the transaction, as a role that may read everything.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn take(url: &str) -> Result<Self, StoreError> {
        #[derive(QueryableByName)]
        struct Exported {
            #[diesel(sql_type = Text)]
            id: String,
            // The transaction's beginning: before the snapshot, so whoever reads from then on misses nothing.
            #[diesel(sql_type = Timestamptz)]
            at: DateTime<Utc>,
        }
        let mut conn = connect(url).await?;
        conn.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY").await?;
        let exported: Exported = sql("SELECT pg_export_snapshot() AS id, now() AS at").get_result(&mut conn).await?;
        Ok(Self { conn, id: exported.id, at: exported.at })
    }

    /// Returns the snapshot's name, for `pg_dump --snapshot`.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns the moment it shows, or one shortly before.
    #[must_use]
    pub const fn at(&self) -> DateTime<Utc> {
        self.at
    }

    /// Reads what the snapshot shows beside its rows.
    ///
    /// # Errors
    /// When a statement fails.
    pub async fn facts(&mut self) -> Result<Facts, StoreError> {
        #[derive(QueryableByName)]
        struct Row {
            #[diesel(sql_type = SqlUuid)]
            installation: Uuid,
            #[diesel(sql_type = BigInt)]
            epoch: i64,
            #[diesel(sql_type = Array<Text>)]
            migrations: Vec<String>,
            #[diesel(sql_type = Text)]
            server: String,
        }
        let row: Row = sql("SELECT i.id AS installation, i.epoch, current_setting('server_version') AS server,
                    (SELECT array_agg(m.version::text ORDER BY m.version) FROM __diesel_schema_migrations m) AS migrations
               FROM instance i")
        .get_result(&mut self.conn)
        .await?;
        Ok(Facts { installation: row.installation, epoch: row.epoch, migrations: row.migrations, server: row.server })
    }

    /// Lists the tables that hold rows, partitions and not what they are parts of.
    ///
    /// # Errors
    /// When the statement fails.
    pub async fn tables(&mut self) -> Result<Vec<String>, StoreError> {
        list_tables(&mut self.conn).await
    }

    /// Counts and hashes a table.
    ///
    /// # Errors
    /// When the statement fails.
    pub async fn sum(&mut self, table: &str) -> Result<TableSum, StoreError> {
        sum(&mut self.conn, table).await
    }

    /// Ends the transaction; nobody can see its snapshot any more.
    ///
    /// # Errors
    /// When the connection was lost on the way, so that what was read last is not known to be of this snapshot.
    pub async fn end(mut self) -> Result<(), StoreError> {
        Ok(self.conn.batch_execute("COMMIT").await?)
    }
}

async fn connect(url: &str) -> Result<AsyncPgConnection, StoreError> {
    let target = connection::Target::parse(url, SESSION)?;
    target.connect().await.map_err(|error| StoreError::Unavailable(error.to_string()))
}

async fn list_tables(conn: &mut AsyncPgConnection) -> Result<Vec<String>, StoreError> {
    #[derive(QueryableByName)]
    struct Table {
        #[diesel(sql_type = Text)]
        name: String,
    }
    let rows: Vec<Table> = sql("SELECT c.relname::text AS name FROM pg_class c
             WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' ORDER BY c.relname")
    .load(conn)
    .await?;
    Ok(rows.into_iter().map(|row| row.name).collect())
}

async fn sum(conn: &mut AsyncPgConnection, table: &str) -> Result<TableSum, StoreError> {
    #[derive(QueryableByName)]
    struct Sum {
        #[diesel(sql_type = BigInt)]
        rows: i64,
        #[diesel(sql_type = Text)]
        hash: String,
    }
    let quoted = table.replace('"', "\"\"");
    // The name of a table cannot be bound, and the statement runs once: there is nothing to cache.
    let statement = format!(
        "SELECT count(*) AS rows, concat_ws('.', {}) AS hash
           FROM (SELECT encode(sha256(convert_to(t::text, 'UTF8')), 'hex') AS h FROM public.\"{quoted}\" t) r",
        [1, 17, 33, 49].map(part).join(", ")
    );
    let row: Sum = diesel::sql_query(statement).get_result(conn).await?;
    Ok(TableSum { table: table.to_owned(), rows: row.rows, hash: row.hash })
}

fn part(from: usize) -> String {
    format!("coalesce(sum(('x' || substr(h, {from}, 16))::bit(64)::bigint::numeric), 0)::text")
}
