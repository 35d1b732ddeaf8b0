//! Looks an installation over: each check finds something or nothing, says what helps, and needs no other check.
//!
//! The checks here are about what Postgres holds; connections, Redis and the configuration are looked at by whoever
//! opens them. To add one: write a function that returns findings, and name it in `kamiflow doctor`.

mod audit;
mod keys;
mod ledger;
mod schema;

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use kamiflow_kernel::MerchantId;
use kamiflow_store::{Store, StoreError, catalog, system};

pub use self::audit::audit_log;
pub use self::keys::keys;
pub use self::ledger::{chains, ledger};
pub use self::schema::{functions, policies, rights, roles, schema};

/// Clocks that differ by more make evidence look old, and tokens look alive that are not.
const SKEW_WARNS: TimeDelta = TimeDelta::milliseconds(500);
const SKEW_FAILS: TimeDelta = TimeDelta::seconds(5);
/// Months of partitions that must exist ahead of time.
const MONTHS_AHEAD: i32 = 3;
/// The oldest version that the schema was written for, as Postgres numbers them.
const OLDEST_POSTGRES: i32 = 150_000;

/// How bad something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// As it should be.
    Ok,
    /// Somebody should look.
    Warn,
    /// Wrong.
    Fail,
}

impl Level {
    /// Returns the level's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Names what was looked at, `area.subject`, for programs: added, never renamed.
    pub code: &'static str,
    /// How bad it is.
    pub level: Level,
    /// For people.
    pub text: String,
    /// What helps; empty if nothing has to.
    pub cure: String,
}

impl Finding {
    /// Returns a finding that all is well.
    #[must_use]
    pub fn ok(code: &'static str, text: impl Into<String>) -> Self {
        Self { code, level: Level::Ok, text: text.into(), cure: String::new() }
    }

    /// Returns a finding that somebody should look at.
    #[must_use]
    pub fn warn(code: &'static str, text: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { code, level: Level::Warn, text: text.into(), cure: cure.into() }
    }

    /// Returns a finding that something is wrong.
    #[must_use]
    pub fn fail(code: &'static str, text: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { code, level: Level::Fail, text: text.into(), cure: cure.into() }
    }
}

/// How far a long check is: steps done, of how many.
pub type Progress<'a> = &'a mut (dyn FnMut(u64, u64) + Send);

/// Compares a clock with this machine's; `answered` says how long the question took, which bounds what can be known.
#[must_use]
pub fn clock(
    code: &'static str,
    whose: &str,
    theirs: DateTime<Utc>,
    ours: DateTime<Utc>,
    answered: TimeDelta,
) -> Finding {
    // Somewhere within the time of the answer the other clock was read.
    let skew = ((theirs - ours).abs() - answered).max(TimeDelta::zero());
    let text = format!("{whose} differs from this machine's by {} ms", skew.num_milliseconds());
    let cure = "keep all machines at the time of one NTP source (chrony, systemd-timesyncd)";
    match skew {
        skew if skew > SKEW_FAILS => Finding::fail(code, text, cure),
        skew if skew > SKEW_WARNS => Finding::warn(code, text, cure),
        _ => Finding::ok(code, text),
    }
}

/// Looks at the server: version, durability, clock.
///
/// # Errors
/// When the store fails.
pub async fn server(store: &Store, now: impl Fn() -> DateTime<Utc>) -> Result<Vec<Finding>, StoreError> {
    // Settings of the server only.
    let mut tx = store.system_tx().await?;
    let asked = now();
    let server = catalog::fetch_server(&mut tx).await?;
    let answered = now();
    let instance = system::fetch_instance(&mut tx).await;
    tx.commit().await?;
    let mut findings = vec![clock("clock.database", "the database's clock", server.now, answered, answered - asked)];
    let version = format!("Postgres {}.{}", server.version / 10_000, server.version % 10_000);
    findings.push(if server.version < OLDEST_POSTGRES {
        Finding::fail("database.version", version, "move to Postgres 15 or newer")
    } else {
        Finding::ok("database.version", version)
    });
    findings.push(if server.forgetful.is_empty() {
        Finding::ok("database.durability", "a commit survives a crash of the machine")
    } else {
        let text = format!("a crash may forget that a card was sent: {}", server.forgetful.join(", "));
        Finding::warn("database.durability", text, "switch these settings on in postgresql.conf")
    });
    findings.push(match instance {
        Ok(instance) => Finding::ok("database.instance", format!("{}, epoch {}", instance.id, instance.epoch)),
        Err(_) => {
            Finding::fail("database.instance", "the installation's own row cannot be read", "run `kamiflow migrate`")
        }
    });
    Ok(findings)
}

/// Looks whether rows of the coming months have their place.
///
/// # Errors
/// When the store fails.
pub async fn partitions(store: &Store) -> Result<Vec<Finding>, StoreError> {
    // The catalog only.
    let mut tx = store.system_tx().await?;
    let missing = system::list_missing_partitions(&mut tx, MONTHS_AHEAD).await?;
    tx.commit().await?;
    Ok(vec![if missing.is_empty() {
        Finding::ok("database.partitions", format!("they reach {MONTHS_AHEAD} months ahead"))
    } else {
        let text = format!("missing: {}", missing.join(", "));
        let cure = "run `kamiflow prune`, and see that `kamiflow work` is running, which makes them every day";
        Finding::fail("database.partitions", text, cure)
    }])
}

/// Lists whose keys and ledgers are looked at: every merchant.
async fn merchants(store: &Store) -> Result<Vec<MerchantId>, StoreError> {
    // Ids only; each merchant is then looked at in a transaction of its own.
    let mut tx = store.system_tx().await?;
    let merchants = system::list_merchants(&mut tx).await?;
    tx.commit().await?;
    Ok(merchants)
}

/// Returns a count as steps of a progress.
fn steps(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_answer_is_no_skew_and_a_wrong_clock_is() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let level = |theirs, answered| clock("clock.x", "a clock", now + theirs, now, answered).level;
        assert_eq!(level(TimeDelta::milliseconds(-900), TimeDelta::seconds(1)), Level::Ok);
        assert_eq!(level(TimeDelta::milliseconds(900), TimeDelta::zero()), Level::Warn);
        assert_eq!(level(TimeDelta::seconds(-30), TimeDelta::milliseconds(10)), Level::Fail);
    }
}
