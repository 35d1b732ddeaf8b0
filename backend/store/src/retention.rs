//! Partitions ahead of time, and the removal of what nobody needs any more.
//!
//! The schema says what may go and how old it must be by the database's clock (ADR 0010); what is asked for here can
//! only be older. Traces are removed with the application's rights, history (orders, audit log) with the owner's.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::sql_types::{BigInt, Bool, Date, Integer, Text, Timestamptz};
use diesel::{OptionalExtension, QueryableByName};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};

use crate::error::StoreError;
use crate::migrate;
use crate::sql::sql;
use crate::tx::SystemTx;

/// A table that is dropped month by month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MonthTable {
    /// What happened to orders. Events of orders that are not settled stay.
    OrderEvents,
    /// What live pages were to be told.
    Outbox,
    /// Acts of people. History.
    AuditLog,
    /// Orders; only whole months of settled ones. History.
    Orders,
}

impl MonthTable {
    /// Returns the table's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OrderEvents => "order_events",
            Self::Outbox => "outbox",
            Self::AuditLog => "audit_log",
            Self::Orders => "orders",
        }
    }
}

/// Rows that are removed one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OldRows {
    /// Proofs of what was read.
    Coverage,
    /// Hourly sums.
    Rollups,
    /// Hints of disconnected shops.
    Hints,
    /// Sealed payloads of attempts that can never be sent again; the rows stay.
    Payloads,
    /// Links, codes, sign-ups, mails and begun authorizations that are good for nothing any more.
    Accounts,
    /// What tokens of the API asked to be written, and what they were answered.
    ApiRequests,
}

impl OldRows {
    /// Every kind.
    pub const ALL: [Self; 6] =
        [Self::Coverage, Self::Rollups, Self::Hints, Self::Payloads, Self::Accounts, Self::ApiRequests];

    /// Returns the name the schema knows the class by.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Coverage => "coverage",
            Self::Rollups => "rollups",
            Self::Hints => "order_hints",
            Self::Payloads => "payloads",
            Self::Accounts => "accounts",
            Self::ApiRequests => "api_requests",
        }
    }

    const fn statement(self) -> &'static str {
        match self {
            Self::Coverage => "SELECT system_prune_coverage($1, $2, $3) AS n",
            Self::Rollups => "SELECT system_prune_rollups($1, $2, $3) AS n",
            Self::Hints => "SELECT system_prune_hints($1, $2, $3) AS n",
            Self::Payloads => "SELECT system_forget_payloads($1, $2, $3) AS n",
            Self::Accounts => "SELECT system_prune_accounts($1, $2, $3) AS n",
            Self::ApiRequests => "SELECT system_prune_api_requests($1, $2, $3) AS n",
        }
    }
}

/// Whether anything is to be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// Remove.
    Remove,
    /// Only count.
    Count,
}

/// A partition that is old enough to go.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct OldPartition {
    /// Its name.
    #[diesel(sql_type = Text)]
    pub partition: String,
    /// What it takes on disk, indexes included.
    #[diesel(sql_type = BigInt)]
    pub bytes: i64,
}

/// What became of a partition.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct PartitionEnd {
    /// Its name.
    #[diesel(sql_type = Text)]
    pub partition: String,
    /// Events: rows of orders that are not settled, kept elsewhere unless the partition stays. Orders: how many are not
    /// settled.
    #[diesel(sql_type = BigInt)]
    pub kept: i64,
    /// Whether it is still there, because of what is not settled.
    #[diesel(sql_type = Bool)]
    pub stays: bool,
}

#[derive(QueryableByName)]
struct Made {
    #[diesel(sql_type = Text)]
    partition: String,
}

#[derive(QueryableByName)]
struct Counted {
    #[diesel(sql_type = BigInt)]
    n: i64,
}

const MAKE: &str = "SELECT made AS partition FROM retention_make_partitions($1) AS made";

/// How long one statement may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// Less than a step of a loop: what takes longer is an operator's.
    Job,
    /// Somebody watches.
    Operator,
}

/// Sets how long the statements of a transaction may take.
///
/// # Errors
/// When the connection is lost.
pub async fn limit_statements(tx: &mut SystemTx, patience: Patience) -> Result<(), StoreError> {
    let statement = match patience {
        Patience::Job => "SET LOCAL statement_timeout = '20s'",
        Patience::Operator => "SET LOCAL statement_timeout = '30min'",
    };
    Ok(tx.conn()?.batch_execute(statement).await?)
}

/// Makes the partitions that should be there on a day: three months ahead; returns the names of new ones.
///
/// # Errors
/// When a lock is not to be had within two seconds, or the day is over a year from the database's.
pub async fn make_partitions(tx: &mut SystemTx, today: NaiveDate) -> Result<Vec<String>, StoreError> {
    let made: Vec<Made> = sql(MAKE).bind::<Date, _>(today).load(tx.conn()?).await?;
    Ok(made.into_iter().map(|made| made.partition).collect())
}

/// The same after migrations.
pub(crate) async fn make_partitions_as_owner(conn: &mut AsyncPgConnection, today: NaiveDate) -> Result<(), StoreError> {
    let _made: Vec<Made> = sql(MAKE).bind::<Date, _>(today).load(conn).await?;
    Ok(())
}

/// Lists the partitions of a table that lie before a day and may go, oldest first.
///
/// # Errors
/// When the statement fails.
pub async fn list_old_partitions(
    tx: &mut SystemTx,
    table: MonthTable,
    before: NaiveDate,
) -> Result<Vec<OldPartition>, StoreError> {
    Ok(sql("SELECT partition, bytes FROM retention_old_partitions($1, $2)")
        .bind::<Text, _>(table.as_str())
        .bind::<Date, _>(before)
        .load(tx.conn()?)
        .await?)
}

/// Drops the oldest partition of a table of traces that lies before a day and behind `after`, if there is one; one with
/// too many events of orders that are not settled stays.
///
/// # Errors
/// When a lock is not to be had within two seconds, or the table is history.
pub async fn drop_traces(
    tx: &mut SystemTx,
    table: MonthTable,
    before: NaiveDate,
    after: &str,
) -> Result<Option<PartitionEnd>, StoreError> {
    Ok(sql("SELECT partition, kept, stays FROM retention_drop_traces($1, $2, $3)")
        .bind::<Text, _>(table.as_str())
        .bind::<Date, _>(before)
        .bind::<Text, _>(after)
        .get_result(tx.conn()?)
        .await
        .optional()?)
}

/// Removes events that were kept for orders which are settled now; returns how many.
///
/// # Errors
/// When the statement fails.
pub async fn drop_kept_events(tx: &mut SystemTx, before: DateTime<Utc>, limit: i32) -> Result<i64, StoreError> {
    let counted: Counted = sql("SELECT retention_drop_kept_events($1, $2) AS n")
        .bind::<Timestamptz, _>(before)
        .bind::<Integer, _>(limit)
        .get_result(tx.conn()?)
        .await?;
    Ok(counted.n)
}

/// Removes old rows of a kind, or counts them, at most `limit`; returns how many.
///
/// # Errors
/// When the statement fails.
pub async fn prune_rows(
    tx: &mut SystemTx,
    rows: OldRows,
    before: DateTime<Utc>,
    limit: i32,
    removal: Removal,
) -> Result<i64, StoreError> {
    let counted: Counted = sql(rows.statement())
        .bind::<Timestamptz, _>(before)
        .bind::<Integer, _>(limit)
        .bind::<Bool, _>(removal == Removal::Remove)
        .get_result(tx.conn()?)
        .await?;
    Ok(counted.n)
}

/// The owner's connection, for what the application must not be able to do.
pub struct Owner {
    conn: AsyncPgConnection,
}

impl Owner {
    /// Connects as the owner of the schema.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn connect(owner_url: &str) -> Result<Self, StoreError> {
        Ok(Self { conn: migrate::connect(owner_url).await? })
    }

    /// Drops the oldest partition of a table of history that lies before a day and behind `after`, if there is one;
    /// one of orders stays while an order in it is not settled.
    ///
    /// # Errors
    /// When a lock is not to be had within two seconds, the table is no history, or the role is not the owner.
    pub async fn drop_history(
        &mut self,
        table: MonthTable,
        before: NaiveDate,
        after: &str,
    ) -> Result<Option<PartitionEnd>, StoreError> {
        Ok(sql("SELECT partition, kept, stays FROM retention_drop_history($1, $2, $3)")
            .bind::<Text, _>(table.as_str())
            .bind::<Date, _>(before)
            .bind::<Text, _>(after)
            .get_result(&mut self.conn)
            .await
            .optional()?)
    }
}
