//! How long things are kept, and the work of a day: partitions ahead, old traces removed.
//!
//! Card ledger, cards, deliveries, attempts, redemptions and exceptions are kept for ever. Whatever belongs to an order
//! that is not settled is kept whatever its age. Each class has a least age in the schema (ADR 0010), which no setting
//! undercuts. Everything here may run any number of times and in several processes at once.

use chrono::{DateTime, Days, NaiveDate, Utc};
use kamiflow_store::retention::{self, MonthTable, OldRows, Owner, PartitionEnd, Patience, Removal};
use kamiflow_store::{Store, StoreError};
use serde::Serialize;

/// Rows of a kind that one step removes: a transaction of a second or so.
const BATCH: i32 = 5_000;
/// What is good for nothing any more (links, mails, sign-ups) is kept so long, for those who ask why it did not work.
const SPENT_DAYS: u32 = 7;
/// What a token was answered is given again for a day, and kept for one more.
const ANSWERS_DAYS: u32 = 2;
/// A dry run counts up to so many rows of a kind.
pub const COUNTED_AT_MOST: i32 = 1_000_000;

/// Ages in days, beyond which things go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetentionPolicy {
    /// Events of settled orders.
    pub order_events: u32,
    /// Rows of the outbox that were told or missed.
    pub outbox: u32,
    /// Proofs of what was read.
    pub coverage: u32,
    /// Hourly sums.
    pub rollups: u32,
    /// Hints of disconnected shops.
    pub hints: u32,
    /// Sealed payloads of delivered attempts.
    pub payloads: u32,
    /// Acts of people; none: for ever.
    pub audit_log: Option<u32>,
    /// Whole months of settled orders; none: for ever.
    pub orders: Option<u32>,
}

impl Default for RetentionPolicy {
    fn default() -> Self {
        Self {
            order_events: 400,
            outbox: 14,
            coverage: 120,
            rollups: 800,
            hints: 30,
            payloads: 180,
            audit_log: None,
            orders: None,
        }
    }
}

impl RetentionPolicy {
    const fn days_of_rows(&self, rows: OldRows) -> u32 {
        match rows {
            OldRows::Coverage => self.coverage,
            OldRows::Rollups => self.rollups,
            OldRows::Hints => self.hints,
            OldRows::Payloads => self.payloads,
            OldRows::Accounts => SPENT_DAYS,
            OldRows::ApiRequests => ANSWERS_DAYS,
        }
    }

    const fn days_of_months(&self, table: MonthTable) -> Option<u32> {
        match table {
            MonthTable::OrderEvents => Some(self.order_events),
            MonthTable::Outbox => Some(self.outbox),
            MonthTable::AuditLog => self.audit_log,
            MonthTable::Orders => self.orders,
        }
    }
}

/// What was done, or would be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RetentionReport {
    /// Partitions made ahead of time.
    pub made: Vec<String>,
    /// Partitions dropped, and rows removed.
    pub removed: Vec<Removed>,
    /// What has to wait, with the reason.
    pub held: Vec<Held>,
}

/// Something that went, or would go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Removed {
    /// A partition, or a class of rows.
    pub what: String,
    /// Rows removed; none for a partition.
    pub rows: Option<i64>,
    /// Bytes on disk, where they are known.
    pub bytes: Option<i64>,
    /// Rows of a dropped partition that were kept, because their order is not settled.
    pub kept: i64,
}

/// Something that has to wait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Held {
    /// A partition, or a class.
    pub what: String,
    /// Why.
    pub reason: String,
}

impl RetentionReport {
    fn rows(&mut self, what: &str, rows: i64) {
        match self.removed.iter_mut().find(|removed| removed.what == what) {
            Some(removed) => removed.rows = Some(removed.rows.unwrap_or_default() + rows),
            None if rows > 0 => {
                self.removed.push(Removed { what: what.to_owned(), rows: Some(rows), bytes: None, kept: 0 });
            }
            None => {}
        }
    }

    fn partition(&mut self, end: PartitionEnd, of_what: &str) {
        if end.stays {
            let reason = format!("{} {of_what} of it are not settled", end.kept);
            self.held.push(Held { what: end.partition, reason });
        } else {
            self.removed.push(Removed { what: end.partition, rows: None, bytes: None, kept: end.kept });
        }
    }

    /// Remembers why a class could not be dealt with; a later run does it.
    fn failed(&mut self, what: &str, error: &StoreError) {
        let held = Held { what: what.to_owned(), reason: error.to_string() };
        if !self.held.contains(&held) {
            self.held.push(held);
        }
    }
}

fn days_before(now: DateTime<Utc>, days: u32) -> DateTime<Utc> {
    now.checked_sub_days(Days::new(u64::from(days))).unwrap_or(DateTime::UNIX_EPOCH)
}

fn day_before(now: DateTime<Utc>, days: u32) -> NaiveDate {
    days_before(now, days).date_naive()
}

/// A run over everything the application may remove, in bounded steps.
pub struct RetentionRun {
    store: Store,
    policy: RetentionPolicy,
    patience: Patience,
    now: DateTime<Utc>,
    /// What is left to do, the next at the end.
    left: Vec<Task>,
    /// The partition of the present task that was looked at last: one that may not go keeps no later one waiting.
    after: String,
    report: RetentionReport,
}

#[derive(Debug, Clone, Copy)]
enum Task {
    Make,
    Months(MonthTable),
    KeptEvents,
    Rows(OldRows),
}

impl Task {
    const fn name(self) -> &'static str {
        match self {
            Self::Make => "partitions",
            Self::Months(table) => table.as_str(),
            Self::KeptEvents => "kept order_events",
            Self::Rows(rows) => rows.as_str(),
        }
    }
}

impl RetentionRun {
    /// Begins a run.
    #[must_use]
    pub fn begin(store: &Store, policy: RetentionPolicy, patience: Patience, now: DateTime<Utc>) -> Self {
        let mut left: Vec<Task> = OldRows::ALL.into_iter().map(Task::Rows).collect();
        left.extend([
            Task::KeptEvents,
            Task::Months(MonthTable::OrderEvents),
            Task::Months(MonthTable::Outbox),
            // First of all: without partitions ahead the next month goes to the default ones.
            Task::Make,
        ]);
        Self {
            store: store.clone(),
            policy,
            patience,
            now,
            left,
            after: String::new(),
            report: RetentionReport::default(),
        }
    }

    /// Does one bounded piece of the work. Returns whether there is more. A class that cannot be dealt with, because
    /// somebody holds a lock, is told in the report and does not keep the others waiting.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn step(&mut self) -> Result<bool, StoreError> {
        let Some(task) = self.left.last().copied() else { return Ok(false) };
        match self.work(task).await {
            Ok(true) => {}
            Ok(false) => self.end_task(),
            Err(error) if error.is_connection_lost() => return Err(error),
            Err(error) => {
                self.report.failed(task.name(), &error);
                self.end_task();
            }
        }
        Ok(!self.left.is_empty())
    }

    /// Leaves a partition that is busy, or too much for one statement's time, to the next run: later ones may go all the
    /// same. Returns whether there may be one.
    async fn pass_over(
        &mut self,
        table: MonthTable,
        before: NaiveDate,
        error: &StoreError,
    ) -> Result<bool, StoreError> {
        // Names of partitions only.
        let mut tx = self.store.system_tx().await?;
        let old = retention::list_old_partitions(&mut tx, table, before).await?;
        tx.commit().await?;
        let next = old.into_iter().map(|old| old.partition).find(|name| *name > self.after);
        self.report.failed(next.as_deref().unwrap_or(table.as_str()), error);
        self.after = next.clone().unwrap_or_default();
        Ok(next.is_some())
    }

    fn end_task(&mut self) {
        self.left.pop();
        self.after.clear();
    }

    /// Returns what was done until now.
    #[must_use]
    pub const fn report(&self) -> &RetentionReport {
        &self.report
    }

    /// Returns whether the task has more to do.
    async fn work(&mut self, task: Task) -> Result<bool, StoreError> {
        // Rows of all merchants alike: the functions of the schema return counts and names of partitions.
        let mut tx = self.store.system_tx().await?;
        retention::limit_statements(&mut tx, self.patience).await?;
        let more = match task {
            Task::Make => {
                self.report.made = retention::make_partitions(&mut tx, self.now.date_naive()).await?;
                false
            }
            Task::Months(table) => {
                let Some(days) = self.policy.days_of_months(table) else { return Ok(false) };
                let before = day_before(self.now, days);
                match retention::drop_traces(&mut tx, table, before, &self.after).await {
                    Ok(None) => false,
                    Ok(Some(end)) => {
                        self.after.clone_from(&end.partition);
                        self.report.partition(end, "events");
                        true
                    }
                    Err(error) if error.is_connection_lost() => return Err(error),
                    Err(error) => {
                        drop(tx);
                        return self.pass_over(table, before, &error).await;
                    }
                }
            }
            Task::KeptEvents => {
                let before = days_before(self.now, self.policy.order_events);
                let gone = retention::drop_kept_events(&mut tx, before, BATCH).await?;
                self.report.rows(task.name(), gone);
                gone >= i64::from(BATCH)
            }
            Task::Rows(rows) => {
                let before = days_before(self.now, self.policy.days_of_rows(rows));
                let gone = retention::prune_rows(&mut tx, rows, before, BATCH, Removal::Remove).await?;
                self.report.rows(task.name(), gone);
                gone >= i64::from(BATCH)
            }
        };
        tx.commit().await?;
        Ok(more)
    }
}

/// Tells what a run would remove, history included, and removes nothing.
///
/// # Errors
/// When the store fails.
pub async fn preview(
    store: &Store,
    policy: &RetentionPolicy,
    now: DateTime<Utc>,
) -> Result<RetentionReport, StoreError> {
    let mut report = RetentionReport::default();
    // Names of partitions and counts of rows, over all merchants.
    let mut tx = store.system_tx().await?;
    retention::limit_statements(&mut tx, Patience::Operator).await?;
    for table in [MonthTable::OrderEvents, MonthTable::Outbox, MonthTable::AuditLog, MonthTable::Orders] {
        let Some(days) = policy.days_of_months(table) else { continue };
        for old in retention::list_old_partitions(&mut tx, table, day_before(now, days)).await? {
            report.removed.push(Removed { what: old.partition, rows: None, bytes: Some(old.bytes), kept: 0 });
        }
    }
    for rows in OldRows::ALL {
        let before = days_before(now, policy.days_of_rows(rows));
        let count = retention::prune_rows(&mut tx, rows, before, COUNTED_AT_MOST, Removal::Count).await?;
        report.rows(rows.as_str(), count);
    }
    Ok(report)
}

/// Drops what is history and was configured to go: old months of the audit log, and of orders that are all settled.
/// Needs the owner's rights; nothing happens by itself.
///
/// # Errors
/// When the database refuses.
pub async fn drop_history(
    owner: &mut Owner,
    policy: &RetentionPolicy,
    now: DateTime<Utc>,
    report: &mut RetentionReport,
) -> Result<(), StoreError> {
    for table in [MonthTable::AuditLog, MonthTable::Orders] {
        let Some(days) = policy.days_of_months(table) else { continue };
        let mut after = String::new();
        while let Some(end) = owner.drop_history(table, day_before(now, days), &after).await? {
            after.clone_from(&end.partition);
            report.partition(end, "orders");
        }
    }
    Ok(())
}
