//! Runs the migrations compiled into the binary, and keeps partitions ahead of time.

use diesel::sql_types::{Date, Text};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use crate::error::StoreError;
use crate::sql::sql;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations");
/// Months of partitions before the present one: the platform can be asked about 90 days (protocol 3.1).
const MONTHS_BEFORE: i32 = 4;
/// Months of partitions after the present one.
const MONTHS_AHEAD: i32 = 3;

/// Applies what is pending, as the owner; returns the names applied.
///
/// # Errors
/// When the database cannot be reached or a migration fails; each migration is one transaction.
pub async fn run(owner_url: &str, now: chrono::DateTime<chrono::Utc>) -> Result<Vec<String>, StoreError> {
    let unavailable = |error: String| StoreError::Unavailable(error);
    let connection = AsyncPgConnection::establish(owner_url).await.map_err(|error| unavailable(error.to_string()))?;
    let mut harness = diesel_async::AsyncMigrationHarness::new(connection);
    // The harness is synchronous; it needs a thread it may block.
    let (harness, applied) = tokio::task::spawn_blocking(move || {
        let applied = harness
            .run_pending_migrations(MIGRATIONS)
            .map(|versions| versions.iter().map(ToString::to_string).collect::<Vec<_>>())
            .map_err(|error| error.to_string());
        (harness, applied)
    })
    .await
    .map_err(|error| unavailable(error.to_string()))?;
    let applied = applied.map_err(unavailable)?;
    let mut connection = harness.into_inner();
    ensure_partitions(&mut connection, now.date_naive()).await?;
    Ok(applied)
}

/// Takes every migration back, with all data, as the owner; returns the names reverted.
///
/// # Errors
/// When the database cannot be reached or a migration cannot be taken back.
pub async fn revert_all(owner_url: &str) -> Result<Vec<String>, StoreError> {
    let unavailable = |error: String| StoreError::Unavailable(error);
    let connection = AsyncPgConnection::establish(owner_url).await.map_err(|error| unavailable(error.to_string()))?;
    let mut harness = diesel_async::AsyncMigrationHarness::new(connection);
    tokio::task::spawn_blocking(move || {
        harness
            .revert_all_migrations(MIGRATIONS)
            .map(|versions| versions.iter().map(ToString::to_string).collect())
            .map_err(|error| error.to_string())
    })
    .await
    .map_err(|error| unavailable(error.to_string()))?
    .map_err(unavailable)
}

async fn ensure_partitions(conn: &mut AsyncPgConnection, today: chrono::NaiveDate) -> Result<(), StoreError> {
    for parent in ["orders", "order_events", "outbox", "audit_log"] {
        sql("CALL ensure_month_partitions($1, ($2::date - make_interval(months => 4))::date, 8)")
            .bind::<Text, _>(parent)
            .bind::<Date, _>(today)
            .execute(conn)
            .await?;
    }
    const { assert!(MONTHS_BEFORE + 1 + MONTHS_AHEAD == 8, "the statement above names both") };
    Ok(())
}
