//! Runs the migrations compiled into the binary, keeps partitions ahead of time, and tells whether a database fits.

use diesel::QueryableByName;
use diesel::migration::MigrationSource;
use diesel::pg::Pg;
use diesel::sql_types::{Array, Bool, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection as _};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use crate::connection::{Target, told};
use crate::error::StoreError;
use crate::retention;
use crate::sql::sql;
use crate::tx::SystemTx;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations");
/// The role that migrations run as: policies and grants name it.
const OWNER: &str = "kamiflow_owner";
/// Migrations may take their time; only waiting for others is bounded, so that a queue of locks does not stop the work.
const SESSION: &str = "-c lock_timeout=30s -c TimeZone=UTC";

/// Why the schema could not be brought up to date. Migrations that were applied before stay applied.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The roles of the product are not there.
    #[error("the roles {} do not exist: run migrations/bootstrap.sql in this database as a superuser first", missing.join(", "))]
    NoRoles {
        /// Their names.
        missing: Vec<String>,
    },
    /// Connected as somebody who may not change the schema.
    #[error("connected as {role}, but migrations need {OWNER}, which owns the schema: use its URL")]
    WrongRole {
        /// Who is connected.
        role: String,
    },
    /// The role is right and lacks a right that `migrations/bootstrap.sql` grants.
    #[error(
        "{OWNER} may not create tables in the schema public: run migrations/bootstrap.sql in this database as a superuser"
    )]
    SchemaNotOwned,
    /// The database has migrations that this program does not know.
    #[error("the database was migrated by a newer version ({}): run that version's program", unknown.join(", "))]
    Newer {
        /// The versions that are not known.
        unknown: Vec<String>,
    },
    /// A migration failed and was rolled back.
    #[error("a migration failed and was rolled back: {0}")]
    Failed(String),
    /// The database cannot be reached, or a statement around the migrations failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How a database's schema compares with this program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SchemaState {
    /// It is this program's.
    Current,
    /// Nothing was ever migrated here.
    Unmigrated,
    /// These migrations have not been applied.
    Older(Vec<String>),
    /// These migrations are not known to this program.
    Newer(Vec<String>),
}

/// Applies what is pending, as the owner; returns the names applied.
///
/// # Errors
/// When the database cannot be reached, the role is not the owner, or a migration fails; each migration is one
/// transaction.
pub async fn run(owner_url: &str, now: chrono::DateTime<chrono::Utc>) -> Result<Vec<String>, MigrateError> {
    let mut connection = connect(owner_url).await?;
    check_role(&mut connection).await?;
    let mut harness = diesel_async::AsyncMigrationHarness::new(connection);
    // The harness is synchronous; it needs a thread it may block.
    let (harness, applied) = tokio::task::spawn_blocking(move || {
        let applied = apply(&mut harness);
        (harness, applied)
    })
    .await
    .map_err(|error| MigrateError::Failed(error.to_string()))?;
    let applied = applied?;
    let mut connection = harness.into_inner();
    // The table is diesel's own, so no migration can grant it; processes compare it with what they know.
    connection
        .batch_execute("GRANT SELECT ON __diesel_schema_migrations TO kamiflow_app, kamiflow_backup")
        .await
        .map_err(StoreError::from)?;
    retention::make_partitions_as_owner(&mut connection, now.date_naive()).await?;
    Ok(applied)
}

/// Takes every migration back, with all data, as the owner; returns the names reverted.
///
/// # Errors
/// When the database cannot be reached or a migration cannot be taken back.
pub async fn revert_all(owner_url: &str) -> Result<Vec<String>, MigrateError> {
    let mut harness = diesel_async::AsyncMigrationHarness::new(connect(owner_url).await?);
    tokio::task::spawn_blocking(move || {
        harness
            .revert_all_migrations(MIGRATIONS)
            .map(|versions| versions.iter().map(ToString::to_string).collect())
            .map_err(|error| MigrateError::Failed(told(&*error)))
    })
    .await
    .map_err(|error| MigrateError::Failed(error.to_string()))?
}

/// Compares the schema with what this program was built for.
///
/// # Errors
/// When the statement fails.
pub async fn fetch_state(tx: &mut SystemTx) -> Result<SchemaState, StoreError> {
    #[derive(QueryableByName)]
    struct Table {
        #[diesel(sql_type = Bool)]
        there: bool,
    }
    #[derive(QueryableByName)]
    struct Applied {
        #[diesel(sql_type = Array<Text>)]
        versions: Vec<String>,
    }
    // By the catalog: `to_regclass` refuses where the schema itself is out of reach.
    let table: Table = sql("SELECT EXISTS (SELECT FROM pg_catalog.pg_class c
                                            JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                                           WHERE n.nspname = 'public' AND c.relname = '__diesel_schema_migrations'
                                             AND has_table_privilege(c.oid, 'SELECT')) AS there")
    .get_result(tx.conn()?)
    .await?;
    if !table.there {
        return Ok(SchemaState::Unmigrated);
    }
    let applied: Applied =
        sql("SELECT coalesce(array_agg(version::text), '{}') AS versions FROM __diesel_schema_migrations")
            .get_result(tx.conn()?)
            .await?;
    Ok(compare(&known()?, applied.versions))
}

fn compare(known: &[String], applied: Vec<String>) -> SchemaState {
    if applied.is_empty() {
        return SchemaState::Unmigrated;
    }
    let mut unknown: Vec<String> = applied.iter().filter(|version| !known.contains(version)).cloned().collect();
    if !unknown.is_empty() {
        unknown.sort();
        return SchemaState::Newer(unknown);
    }
    let missing: Vec<String> = known.iter().filter(|version| !applied.contains(version)).cloned().collect();
    if missing.is_empty() { SchemaState::Current } else { SchemaState::Older(missing) }
}

/// Returns the versions of the migrations in this program, in order.
fn known() -> Result<Vec<String>, StoreError> {
    let migrations =
        MigrationSource::<Pg>::migrations(&MIGRATIONS).map_err(|error| StoreError::Corrupt(error.to_string()))?;
    let mut versions: Vec<String> = migrations.iter().map(|one| one.name().version().to_string()).collect();
    versions.sort();
    Ok(versions)
}

pub(crate) async fn connect(owner_url: &str) -> Result<AsyncPgConnection, StoreError> {
    let target = Target::parse(owner_url, SESSION)?;
    target.connect().await.map_err(|error| match error {
        diesel::ConnectionError::BadConnection(cause) => StoreError::Unavailable(cause),
        other => StoreError::Unavailable(format!("{}: {}", target.place(), told(&other))),
    })
}

/// Tells a wrong role or a database without roles before a statement in the middle of a migration does.
async fn check_role(connection: &mut AsyncPgConnection) -> Result<(), MigrateError> {
    #[derive(QueryableByName)]
    struct Role {
        #[diesel(sql_type = Text)]
        role: String,
        #[diesel(sql_type = Bool)]
        may_create: bool,
        #[diesel(sql_type = Array<Text>)]
        missing: Vec<String>,
    }
    let row: Role = sql("SELECT current_user::text AS role, has_schema_privilege('public', 'CREATE') AS may_create,
                                ARRAY(SELECT r FROM unnest(ARRAY['kamiflow_owner', 'kamiflow_app', 'kamiflow_system',
                                                                 'kamiflow_backup']) r
                                       WHERE r NOT IN (SELECT rolname::text FROM pg_roles)) AS missing")
    .get_result(connection)
    .await
    .map_err(StoreError::from)?;
    if !row.missing.is_empty() {
        return Err(MigrateError::NoRoles { missing: row.missing });
    }
    if row.role != OWNER {
        return Err(MigrateError::WrongRole { role: row.role });
    }
    if row.may_create { Ok(()) } else { Err(MigrateError::SchemaNotOwned) }
}

fn apply(harness: &mut diesel_async::AsyncMigrationHarness<AsyncPgConnection>) -> Result<Vec<String>, MigrateError> {
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| MigrateError::Failed(told(&*error));
    let known = known()?;
    let applied = harness.applied_migrations().map_err(failed)?;
    if let SchemaState::Newer(unknown) = compare(&known, applied.iter().map(ToString::to_string).collect()) {
        return Err(MigrateError::Newer { unknown });
    }
    let versions = harness.run_pending_migrations(MIGRATIONS).map_err(failed)?;
    Ok(versions.iter().map(ToString::to_string).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_is_older_newer_or_ours() {
        let known = known().unwrap();
        assert!(known.len() >= 7, "{known:?}");
        assert_eq!(compare(&known, known.clone()), SchemaState::Current);
        assert_eq!(compare(&known, Vec::new()), SchemaState::Unmigrated);
        assert_eq!(compare(&known, known[..2].to_vec()), SchemaState::Older(known[2..].to_vec()));
        let mut more = known.clone();
        more.push("99999999999999".to_owned());
        assert_eq!(compare(&known, more), SchemaState::Newer(vec!["99999999999999".to_owned()]));
    }
}
