//! Where a backup is restored to: a database beside the target, which takes the target's name at the end.

use chrono::{DateTime, Utc};
use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Bool, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};

use uuid::Uuid;

use super::{TableSum, connect, list_tables, sum};
use crate::error::StoreError;
use crate::sql::sql;
use crate::system::name_incarnation;

/// What creates the roles and hands the schema to its owner; safe to run again.
const BOOTSTRAP: &str = include_str!("../../../../migrations/bootstrap.sql");

/// What is in the database that a backup is to take the place of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contents {
    /// There is no such database.
    Missing,
    /// It has no table.
    Empty,
    /// It has tables, and no merchant in them.
    SchemaOnly,
    /// It has rows of merchants, or tables that are not ours.
    Data,
}

/// What a restore has changed in the rows before anybody could connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, QueryableByName)]
pub struct Stamped {
    /// The installation.
    #[diesel(sql_type = SqlUuid)]
    installation: Uuid,
    /// The instance's epoch from here on.
    #[diesel(sql_type = BigInt)]
    pub epoch: i64,
    #[diesel(sql_type = SqlUuid)]
    incarnation: Uuid,
    /// When, by the database's clock.
    #[diesel(sql_type = Timestamptz)]
    pub at: DateTime<Utc>,
    /// Shops that wait for reconciling.
    #[diesel(sql_type = BigInt)]
    pub shops: i64,
    /// Uses in stock that were quarantined.
    #[diesel(sql_type = BigInt)]
    pub quarantined: i64,
}

impl Stamped {
    /// Returns the name of this incarnation, as `system::Instance` tells it.
    #[must_use]
    pub fn incarnation(&self) -> String {
        name_incarnation(self.installation, self.epoch, self.incarnation)
    }
}

/// The database to restore to, reached as a superuser.
#[derive(Debug, Clone)]
pub struct Target {
    url: String,
    name: String,
    scratch: String,
    aside: String,
}

impl Target {
    /// Reads the URL of the database that is to hold the backup; `stamp` makes the names beside it unique.
    ///
    /// # Errors
    /// When the URL names no database.
    pub fn new(url: &str, stamp: &str) -> Result<Self, StoreError> {
        let name = database_of(url).filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| StoreError::Unavailable("the URL names no database".to_owned()))?;
        // Postgres cuts names after 63 bytes.
        let short: String = name.chars().take(30).collect();
        let (scratch, aside) = (format!("{short}_restoring_{stamp}"), format!("{short}_before_{stamp}"));
        Ok(Self { url: url.to_owned(), name, scratch, aside })
    }

    /// Returns the database's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the URL of the database that is filled.
    #[must_use]
    pub fn scratch_url(&self) -> String {
        with_database(&self.url, &self.scratch)
    }

    /// Returns the name under which what was there before is kept.
    #[must_use]
    pub fn aside(&self) -> &str {
        &self.aside
    }

    /// Looks into the database, and counts who is connected to it.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub async fn inspect(&self) -> Result<(Contents, i64), StoreError> {
        #[derive(QueryableByName)]
        struct There {
            #[diesel(sql_type = Bool)]
            exists: bool,
            #[diesel(sql_type = BigInt)]
            connected: i64,
        }
        let there: There = sql("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1) AS exists,
                    (SELECT count(*) FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()) AS connected")
        .bind::<Text, _>(self.name.as_str())
        .get_result(&mut self.maintenance().await?)
        .await?;
        if !there.exists {
            return Ok((Contents::Missing, 0));
        }
        let mut conn = connect(&self.url).await?;
        Ok((contents(&mut conn).await?, there.connected))
    }

    /// Reads the server's clock, which everything of a restore goes by.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub async fn now(&self) -> Result<DateTime<Utc>, StoreError> {
        #[derive(QueryableByName)]
        struct Now {
            #[diesel(sql_type = Timestamptz)]
            at: DateTime<Utc>,
        }
        let now: Now = sql("SELECT clock_timestamp() AS at").get_result(&mut self.maintenance().await?).await?;
        Ok(now.at)
    }

    /// Creates the database that is filled, with the roles and rights every database of ours begins with.
    ///
    /// # Errors
    /// When the role may not create databases.
    pub async fn create_scratch(&self) -> Result<(), StoreError> {
        let create = format!("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'", quoted(&self.scratch));
        self.maintenance().await?.batch_execute(&create).await?;
        connect(&self.scratch_url()).await?.batch_execute(BOOTSTRAP).await?;
        let owner = format!("ALTER DATABASE {} OWNER TO kamiflow_owner", quoted(&self.scratch));
        Ok(self.maintenance().await?.batch_execute(&owner).await?)
    }

    /// Removes what a restore that failed has left.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub async fn drop_scratch(&self) -> Result<(), StoreError> {
        let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", quoted(&self.scratch));
        Ok(self.maintenance().await?.batch_execute(&drop).await?)
    }

    /// Counts and hashes the tables of the filled database, telling of each.
    ///
    /// # Errors
    /// When a statement fails.
    pub async fn sums(&self, told: &(dyn Fn(&TableSum) + Sync)) -> Result<Vec<TableSum>, StoreError> {
        let mut conn = connect(&self.scratch_url()).await?;
        let mut sums = Vec::new();
        for table in list_tables(&mut conn).await? {
            let sum = sum(&mut conn, &table).await?;
            told(&sum);
            sums.push(sum);
        }
        Ok(sums)
    }

    /// Takes every shop back to trial run until it is reconciled, quarantines what the backup shows as stock, and begins
    /// a new incarnation: in one transaction, before anybody knows the database, at the moment it says it is.
    ///
    /// Disconnected shops are marked too: their mall may have been connected again since, and delivered for.
    ///
    /// # Errors
    /// When a statement fails.
    pub async fn stamp(&self, snapshot_at: DateTime<Utc>) -> Result<Stamped, StoreError> {
        let mut conn = connect(&self.scratch_url()).await?;
        // Guards and the ledger hold for this, too; only whose rows they are is of no account.
        conn.batch_execute("BEGIN").await?;
        let stamped: Stamped = sql("WITH raised AS (
                UPDATE instance SET epoch = epoch + 1, incarnation = gen_random_uuid(), restored_snapshot_at = $1,
                       restored_at = now() RETURNING id, epoch, incarnation
            ), marked AS (
                UPDATE shops SET state = CASE WHEN state = 'live' THEN 'trial_run' ELSE state END, deliver_from = NULL,
                       restored_snapshot_at = $1, restored_at = now(), reconciled_at = NULL RETURNING state
            ), stock AS (
                SELECT u.id, u.ledger_seq + 1 AS seq, u.ledger_head AS prev,
                       card_ledger_hash(u.ledger_head, u.id, u.ledger_seq + 1, 'restored_stock', u.pool_id, NULL, now()) AS hash
                  FROM card_uses u WHERE u.state = 'available'
            ), quarantined AS (
                UPDATE card_uses u SET state = 'quarantined', state_cause = 'restored_stock', ledger_seq = s.seq,
                       ledger_head = s.hash
                  FROM stock s WHERE u.id = s.id RETURNING u.id, u.merchant_id, u.pool_id, s.seq, s.prev, s.hash
            ), entered AS (
                INSERT INTO card_ledger (card_use_id, seq, merchant_id, event, pool_id, at, prev_hash, hash)
                SELECT q.id, q.seq, q.merchant_id, 'restored_stock', q.pool_id, now(), q.prev, q.hash FROM quarantined q
                RETURNING 1
            ), audited AS (
                INSERT INTO audit_log (id, at, merchant_id, actor, action, target, detail)
                SELECT gen_random_uuid(), now(), m.id, 'operator', 'instance.restore', m.id::text,
                       jsonb_build_object('snapshot_at', $1) FROM merchants m
            )
            SELECT r.id AS installation, r.epoch, r.incarnation, now() AS at,
                   (SELECT count(*) FROM marked WHERE state <> 'disconnected') AS shops,
                   (SELECT count(*) FROM entered) AS quarantined FROM raised r")
        .bind::<Timestamptz, _>(snapshot_at)
        .get_result(&mut conn)
        .await?;
        conn.batch_execute("COMMIT").await?;
        Ok(stamped)
    }

    /// Gives the filled database the target's name. What bore it is renamed, or dropped if it had no table. Returns
    /// whether something was kept aside.
    ///
    /// # Errors
    /// When somebody is connected to either; nothing is changed then.
    pub async fn swap(&self, before: Contents) -> Result<bool, StoreError> {
        let mut conn = self.maintenance().await?;
        let (name, scratch, aside) = (quoted(&self.name), quoted(&self.scratch), quoted(&self.aside));
        let give = format!("ALTER DATABASE {scratch} RENAME TO {name}");
        // Renames are transactional: either both take place or none.
        let statements = match before {
            Contents::Missing => give,
            Contents::Empty | Contents::SchemaOnly | Contents::Data => {
                format!("BEGIN; ALTER DATABASE {name} RENAME TO {aside}; {give}; COMMIT")
            }
        };
        if let Err(error) = conn.batch_execute(&statements).await {
            let _ = conn.batch_execute("ROLLBACK").await;
            return Err(error.into());
        }
        if before == Contents::Empty {
            conn.batch_execute(&format!("DROP DATABASE {aside}")).await?;
        }
        Ok(matches!(before, Contents::SchemaOnly | Contents::Data))
    }

    /// A connection to the database every server has: one cannot rename the database one is connected to.
    async fn maintenance(&self) -> Result<AsyncPgConnection, StoreError> {
        connect(&with_database(&self.url, "postgres")).await
    }
}

async fn contents(conn: &mut AsyncPgConnection) -> Result<Contents, StoreError> {
    #[derive(QueryableByName)]
    struct Tables {
        #[diesel(sql_type = BigInt)]
        n: i64,
        #[diesel(sql_type = Nullable<Text>)]
        merchants: Option<String>,
    }
    #[derive(QueryableByName)]
    struct Merchants {
        #[diesel(sql_type = Bool)]
        any: bool,
    }
    let tables: Tables = sql("SELECT count(*) AS n, to_regclass('public.merchants')::text AS merchants
               FROM pg_class c JOIN pg_namespace s ON s.oid = c.relnamespace
              WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S') AND s.nspname NOT LIKE 'pg\\_%' AND s.nspname <> 'information_schema'")
    .get_result(conn)
    .await?;
    if tables.n == 0 {
        return Ok(Contents::Empty);
    }
    if tables.merchants.is_none() {
        return Ok(Contents::Data);
    }
    let merchants: Merchants = sql("SELECT EXISTS (SELECT FROM public.merchants
                                     WHERE id <> '00000000-0000-0000-0000-000000000000') AS any")
    .get_result(conn)
    .await?;
    Ok(if merchants.any { Contents::Data } else { Contents::SchemaOnly })
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Splits a URL around the name of its database.
fn around_database(url: &str) -> Option<(&str, &str, &str)> {
    let start = url.find("://")? + 3;
    let end = url.get(start..)?.find('?').map_or(url.len(), |at| start + at);
    let slash = url.get(start..end)?.find('/').map_or(end, |at| start + at);
    Some((url.get(..slash)?, url.get(slash..end)?.trim_start_matches('/'), url.get(end..)?))
}

fn database_of(url: &str) -> Option<String> {
    let (_, name, _) = around_database(url)?;
    Some(name.to_owned())
}

fn with_database(url: &str, name: &str) -> String {
    match around_database(url) {
        Some((before, _, query)) => format!("{before}/{name}{query}"),
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database_of_a_url_is_found_and_replaced() {
        for (url, name, replaced) in [
            ("postgres://a:b@h:1/kamiflow?sslmode=disable", "kamiflow", "postgres://a:b@h:1/x?sslmode=disable"),
            ("postgres://h/kamiflow", "kamiflow", "postgres://h/x"),
            ("postgres://h", "", "postgres://h/x"),
            ("postgres://h?user=u", "", "postgres://h/x?user=u"),
        ] {
            assert_eq!(database_of(url).as_deref(), Some(name), "{url}");
            assert_eq!(with_database(url, "x"), replaced);
        }
        assert!(Target::new("postgres://h", "1").is_err());
    }
}
