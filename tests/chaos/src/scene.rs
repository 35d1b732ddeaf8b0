//! Where a phase takes place, and how each fault is done to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use kamiflow_test_support::{Cut, PgProxy};

use crate::fault::{Fault, Side};
use crate::platform::Platform;
use crate::servers::Servers;
use crate::timeline::Timeline;
use crate::workers::Workers;

const POLL: Duration = Duration::from_millis(10);
/// How long a rule may go unused; no call of its kind may come any more.
const UNUSED: Duration = Duration::from_secs(20);

/// The parts that faults befall.
pub(crate) struct Scene {
    pub(crate) servers: Arc<Servers>,
    pub(crate) platform: Platform,
    /// Between the workers and Postgres.
    pub(crate) proxy: PgProxy,
    pub(crate) workers: Workers,
    pub(crate) timeline: Arc<Timeline>,
    /// Cuts that were ordered; they fall one after another.
    pub(crate) cuts: AtomicUsize,
}

impl Scene {
    /// Does a fault and returns when it is over.
    pub(crate) async fn suffer(&self, number: usize, fault: &Fault) -> Result<()> {
        self.timeline.say(format_args!("fault {number} begins: {fault}"));
        match fault {
            Fault::WorkerKill { worker, down_ms } => self.workers.kill(*worker, millis(*down_ms)).await?,
            Fault::WorkerStop { worker, ms } => self.workers.pause(*worker, millis(*ms)).await?,
            Fault::PostgresRestart => self.servers.restart_postgres().await?,
            Fault::CommitCut { touched, side, times } => self.cut(touched, *side, *times).await,
            Fault::PostgresSever => self.proxy.sever_all(),
            Fault::PostgresSilence { ms } => {
                self.proxy.pause();
                tokio::time::sleep(millis(*ms)).await;
                self.proxy.resume();
            }
            Fault::RedisFlush => self.servers.flush_redis().await?,
            Fault::RedisRestart { down_ms } => self.servers.restart_redis(millis(*down_ms)).await?,
            Fault::Gateway { rule, ms } => {
                let id = self.platform.add_fault(&rule.0).await?;
                tokio::time::sleep(millis(*ms)).await;
                let struck = self.until_struck(id).await?;
                self.timeline.say(format_args!("fault {number} struck {struck} times"));
                self.platform.remove_fault(id).await?;
            }
            Fault::PushDisconnect => self.platform.disconnect_push().await?,
        }
        self.timeline.over(number);
        Ok(())
    }

    /// Waits until a rule has struck, for a while; returns how often. While other faults keep the workers from calling
    /// it has nothing to strike, and a rule that went unused has tried nothing.
    async fn until_struck(&self, id: u64) -> Result<u64> {
        let began = Instant::now();
        loop {
            let struck = self.platform.struck(id).await?;
            if struck > 0 || began.elapsed() > UNUSED {
                return Ok(struck);
            }
            tokio::time::sleep(POLL * 10).await;
        }
    }

    /// Cuts COMMITs and waits until the last of these cuts has fallen.
    async fn cut(&self, touched: &str, side: Side, times: usize) {
        let cut = match side {
            Side::Before => Cut::Before,
            Side::After => Cut::After,
        };
        for _ in 0..times {
            self.proxy.cut_commit_of(touched, cut);
        }
        let last = self.cuts.fetch_add(times, Ordering::SeqCst) + times;
        while self.proxy.fallen() < last {
            tokio::time::sleep(POLL).await;
        }
    }
}

const fn millis(ms: u64) -> Duration {
    Duration::from_millis(ms)
}
