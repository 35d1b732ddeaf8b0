//! What `kamiflow status` knows, gathered from Postgres and Redis. The JSON is API: fields are added, never renamed.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::Result;
use chrono::{DateTime, TimeDelta, Utc};
use kamiflow_kernel::{MerchantId, ShopId, ShopState};
use kamiflow_queue::{PoolStats, Queue};
use kamiflow_runtime::config::Pool;
use kamiflow_store::coverage::{self, CoverageKind};
use kamiflow_store::{Store, StoreError, TenantTx, credentials, shop_sync, shops, system};
use serde::Serialize;

use super::findings::{self, Finding};
use crate::console::chain;
use crate::trouble;

/// Gaps are looked for this far back; what is older was found by an earlier look.
const GAP_DAYS: i64 = 7;
/// Months of partitions that must exist ahead of time.
const PARTITION_MONTHS: i32 = 2;
const SHOPS_A_PAGE: i64 = 100;

/// How the installation does.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) healthy: bool,
    pub(super) at: DateTime<Utc>,
    pub(super) findings: Vec<Finding>,
    pub(super) servers: Vec<ServerReport>,
    pub(super) queues: Vec<QueueReport>,
    /// Shops, hints, deliveries, redemptions, jobs and so on, by name.
    pub(super) counts: BTreeMap<String, i64>,
    /// Open exceptions by reason code.
    pub(super) exceptions: BTreeMap<String, i64>,
    pub(super) missing_partitions: Vec<String>,
    pub(super) shops: Vec<ShopReport>,
    /// Whether there are more shops than are listed.
    pub(super) more_shops: bool,
}

/// Postgres or Redis.
#[derive(Debug, Serialize)]
pub(super) struct ServerReport {
    pub(super) name: &'static str,
    pub(super) ok: bool,
    pub(super) answer_ms: u64,
    pub(super) detail: String,
}

/// One pool of the queue.
#[derive(Debug, Serialize)]
pub(super) struct QueueReport {
    pub(super) pool: String,
    pub(super) due: u64,
    pub(super) overdue: u64,
    pub(super) ready: u64,
    pub(super) running: u64,
    pub(super) backlog: u64,
}

impl From<PoolStats> for QueueReport {
    fn from(stats: PoolStats) -> Self {
        let backlog = stats.backlog();
        let PoolStats { pool, due, overdue, ready, pending, .. } = stats;
        Self { pool, due, overdue, ready, running: pending, backlog }
    }
}

/// One shop.
#[derive(Debug, Serialize)]
pub(super) struct ShopReport {
    pub(super) merchant: MerchantId,
    pub(super) shop: ShopId,
    pub(super) mall: i64,
    pub(super) name: String,
    pub(super) state: ShopState,
    pub(super) stop_reason: Option<String>,
    /// Everything changed before it was read.
    pub(super) read_up_to: DateTime<Utc>,
    pub(super) lag_s: i64,
    pub(super) next_due_at: DateTime<Utc>,
    pub(super) failures: i32,
    pub(super) breaker_until: Option<DateTime<Utc>>,
    pub(super) last_error: Option<String>,
    pub(super) coverage_gaps: Vec<GapReport>,
    pub(super) token_expires_at: Option<DateTime<Utc>>,
    pub(super) token_dead: Option<String>,
}

/// A span of update times that nobody read.
#[derive(Debug, Serialize)]
pub(super) struct GapReport {
    pub(super) kind: &'static str,
    pub(super) from: DateTime<Utc>,
    pub(super) to: DateTime<Utc>,
}

impl Report {
    /// Asks both servers; what cannot be asked is a finding, not an error.
    pub(super) async fn gather(store: &Store, queue: Result<Queue>, most_shops: usize, at: DateTime<Utc>) -> Self {
        let mut report = Self {
            healthy: false,
            at,
            findings: Vec::new(),
            servers: Vec::new(),
            queues: Vec::new(),
            counts: BTreeMap::new(),
            exceptions: BTreeMap::new(),
            missing_partitions: Vec::new(),
            shops: Vec::new(),
            more_shops: false,
        };
        report.ask_postgres(store, most_shops).await;
        report.ask_redis(queue).await;
        report.findings = findings::of(&report);
        report.healthy = !report.findings.iter().any(|finding| finding.wrong);
        report
    }

    async fn ask_postgres(&mut self, store: &Store, most_shops: usize) {
        let asked = Instant::now();
        let answered = self.read_counts(store).await;
        let server = match answered {
            Ok(detail) => server("postgres", asked, Ok(detail)),
            Err(error) => server("postgres", asked, Err(error.into())),
        };
        let ok = server.ok;
        self.servers.push(server);
        if ok && let Err(error) = self.read_shops(store, most_shops).await {
            self.servers.push(server_of_failure("postgres", error.into()));
        }
    }

    async fn read_counts(&mut self, store: &Store) -> Result<String, StoreError> {
        let mut tx = store.system_tx().await?;
        let instance = system::fetch_instance(&mut tx).await?;
        for count in system::list_status(&mut tx, self.at).await? {
            match count.name.strip_prefix("exceptions_") {
                Some(code) => self.exceptions.insert(code.to_owned(), count.n),
                None => self.counts.insert(count.name, count.n),
            };
        }
        self.missing_partitions = system::list_missing_partitions(&mut tx, PARTITION_MONTHS).await?;
        tx.commit().await?;
        Ok(format!("installation {}, epoch {}", instance.id, instance.epoch))
    }

    async fn read_shops(&mut self, store: &Store, most: usize) -> Result<(), StoreError> {
        let mut tx = store.system_tx().await?;
        let merchants = system::list_merchants(&mut tx).await?;
        tx.commit().await?;
        for merchant in merchants {
            let mut tx = store.tenant_tx(merchant).await?;
            let mut after = None;
            loop {
                let page = shops::list(&tx, after, SHOPS_A_PAGE).await?;
                after = page.last().map(|row| row.id);
                for row in page.into_iter().filter(|row| row.state != ShopState::Disconnected) {
                    if self.shops.len() >= most {
                        self.more_shops = true;
                        return tx.commit().await;
                    }
                    self.shops.push(read_shop(&mut tx, row, self.at).await?);
                }
                if after.is_none() {
                    break;
                }
            }
            tx.commit().await?;
        }
        Ok(())
    }

    async fn ask_redis(&mut self, queue: Result<Queue>) {
        let asked = Instant::now();
        let answered = match queue {
            Ok(queue) => self.read_queues(&queue).await,
            Err(error) => Err(error),
        };
        self.servers.push(server("redis", asked, answered));
    }

    async fn read_queues(&mut self, queue: &Queue) -> Result<String> {
        for pool in Pool::ALL {
            self.queues.push(queue.stats(pool.as_str()).await?.into());
        }
        let policy = queue.check_policy().await?;
        if policy.is_noeviction() {
            return Ok("maxmemory-policy noeviction".to_owned());
        }
        anyhow::bail!("maxmemory-policy is {}, must be noeviction: a full Redis would forget work", policy.policy)
    }
}

async fn read_shop(tx: &mut TenantTx, row: shops::ShopRow, at: DateTime<Utc>) -> Result<ShopReport, StoreError> {
    let sync = shop_sync::fetch(tx, row.id).await?;
    let token = match credentials::fetch(tx, row.id).await {
        Ok(token) => Some(token),
        Err(StoreError::NotFound(_)) => None,
        Err(error) => return Err(error),
    };
    let since = at - TimeDelta::days(GAP_DAYS);
    let mut coverage_gaps = Vec::new();
    for kind in [CoverageKind::Orders, CoverageKind::Refunds] {
        let gaps = coverage::list_gaps(tx, row.id, kind, since).await?;
        let reports = gaps.into_iter().map(|gap| GapReport { kind: kind.as_str(), from: gap.from_at, to: gap.to_at });
        coverage_gaps.extend(reports);
    }
    Ok(ShopReport {
        merchant: tx.merchant(),
        shop: row.id,
        mall: row.mall_id,
        name: row.name,
        state: row.state,
        stop_reason: row.stop_reason,
        read_up_to: sync.orders_watermark,
        lag_s: (at - sync.orders_watermark).num_seconds(),
        next_due_at: sync.next_due_at,
        failures: sync.failures,
        breaker_until: sync.breaker_until,
        last_error: sync.last_error,
        coverage_gaps,
        token_expires_at: token.as_ref().map(|token| token.expires_at),
        token_dead: token.and_then(|token| token.dead_reason),
    })
}

fn server(name: &'static str, asked: Instant, answered: Result<String>) -> ServerReport {
    let answer_ms = u64::try_from(asked.elapsed().as_millis()).unwrap_or(u64::MAX);
    match answered {
        Ok(detail) => ServerReport { name, ok: true, answer_ms, detail },
        Err(error) => ServerReport { answer_ms, ..server_of_failure(name, error) },
    }
}

fn server_of_failure(name: &'static str, error: anyhow::Error) -> ServerReport {
    ServerReport { name, ok: false, answer_ms: 0, detail: chain(&trouble::explained(error)) }
}
