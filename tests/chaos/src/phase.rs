//! One phase: buyers order at a steady pace, faults fall, everything comes to rest, and the books are compared.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use kamiflow_domain::engine::Engine;
use kamiflow_queue::{Queue, QueueConfig};
use kamiflow_runner::{Waker, queue_config};
use kamiflow_test_support::PgProxy;
use kamiflow_test_support::fleet::{self, Mall, Place};
use kamiflow_test_support::program::note;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_postgres::Client;

use crate::merchants::{self, FLEET, MERCHANTS, Merchant};
use crate::plan::{Plan, Planned, Purchase};
use crate::platform::Platform;
use crate::scene::Scene;
use crate::servers::Servers;
use crate::switches::Switches;
use crate::timeline::Timeline;
use crate::verdict::{self, Verdict, Wrong};
use crate::workers::{Shape, Workers};

const TICK: Duration = Duration::from_millis(50);
const LOOK: Duration = Duration::from_millis(500);
const TELL: Duration = Duration::from_secs(5);
/// Faults that last on after the last order: the longest sleeps 28 s, and Postgres may recover for a while.
const LAST_FAULTS: Duration = Duration::from_secs(120);
/// What each fault adds to that: those of one server, or of one worker, wait for each other.
pub(crate) const FAULT_TIME: Duration = Duration::from_secs(3);
/// Nothing more is expected when nothing has changed for so long: a send of unknown outcome is resolved 20 s after its
/// start, resends up to 125 s after theirs, a lost wake is found after a minute, and a shop that could not be read waits
/// 150 s at most.
const STANDSTILL: Duration = Duration::from_secs(180);
/// Stock of a merchant: the part that is there from the start and the moment at which the rest comes, in thousandths of
/// the cards and of the orders. In between buyers wait; never both merchants' at once, so that recovery can be seen.
const STOCK: [(usize, usize); MERCHANTS] = [(350, 500), (650, 800)];

/// Ticks of one pool that one merchant may have running; whoever wakes a pool must know it too.
const MERCHANT_CONCURRENCY: u32 = 4;

/// What every phase has in common.
pub(crate) struct Run {
    pub(crate) servers: Arc<Servers>,
    pub(crate) plan: Plan,
    pub(crate) program: PathBuf,
    pub(crate) dir: PathBuf,
    pub(crate) timeline: Arc<Timeline>,
    pub(crate) deadline: Instant,
    /// Whether workers are told that resending is safe where it is not, to see that this program finds what follows.
    pub(crate) is_lying: bool,
}

/// How a phase ended.
pub(crate) struct Outcome {
    pub(crate) orders: usize,
    pub(crate) faults: usize,
    pub(crate) verdict: Verdict,
    /// Milliseconds from each fault's end to the first delivery after it.
    pub(crate) recovered_ms: Vec<i64>,
}

/// Runs one.
pub(crate) async fn run(run: &Run, phase: usize) -> Result<Outcome> {
    let (switches, header) = (Switches::of(phase), &run.plan.header);
    let (purchases, faults) = (header.purchases(phase), run.plan.faults_of(phase));
    run.timeline.new_phase(format_args!("phase {phase} begins: {switches}"));
    note(format_args!("Phase {phase} ({switches}): {} orders, {} faults", purchases.len(), faults.len()));
    let database = format!("chaos_{phase}");
    let databases = &run.servers.databases;
    databases.make(&database).await?;
    let malls: Vec<Mall> = FLEET.malls(header.malls * MERCHANTS, MERCHANTS).collect();
    let platform = Platform::start(&malls, switches, header.seed.wrapping_add(phase as u64)).await?;
    // It arranges and looks; its connections do not lead through the proxy.
    let store = FLEET.store(databases.url("kamiflow_app", &database), 4)?;
    let engine = FLEET.engine(store, &platform.gateway_url())?;
    let owners = merchants::set_up(&engine, &malls).await?;
    let queue = queue_config(run.servers.redis_url(), &prefix(phase), MERCHANT_CONCURRENCY);
    let (owners, timeline) = (&owners, &*run.timeline);
    let stock = Stock { engine: &engine, owners, malls: &malls, purchases: &purchases, queue, timeline };
    stock.load_first().await?;

    let upstream = databases.url("kamiflow_app", &database);
    let proxy = PgProxy::start(&upstream).await;
    let variables = variables(run, &platform, (&proxy.url(&upstream), phase));
    let shape = Shape { program: run.program.clone(), variables, log: log(&run.dir, phase) };
    let workers = Workers::start(header.workers, shape, &run.timeline)?;
    let scene = Arc::new(Scene {
        servers: Arc::clone(&run.servers),
        platform,
        proxy,
        workers,
        timeline: Arc::clone(&run.timeline),
        cuts: AtomicUsize::new(0),
    });

    let watch = Watch { url: databases.url_as_superuser(&database), deadline: run.deadline };
    let count = faults.len();
    order_under_fire(run, &scene, &stock, faults).await?;
    watch.until_settled(purchases.len(), &run.timeline).await?;
    let client = fleet::connect(&watch.url).await?;
    let sold = scene.platform.ledger().await?;
    let verdict = verdict::judge(&engine, &client, &sold, switches.resend_safe()).await?;
    let mut recovered = recovered(&client, run.timeline.ends()).await?;
    recovered.sort_unstable();
    if let Some((wait, number)) = recovered.last() {
        run.timeline.say(format_args!("slowest recovery: {wait} ms after fault {number}"));
    }
    let recovered_ms = recovered.into_iter().map(|(wait, _)| wait).collect();
    let felt = felt(&client).await?;
    if let Ok(scene) = Arc::try_unwrap(scene).map_err(|_shared| ()) {
        scene.workers.end().await;
        scene.platform.stop().await;
    }
    drop(client);
    if verdict.findings.is_empty() {
        databases.delete(&database).await?;
        // Without a finding nobody reads them.
        let _removed = std::fs::remove_file(log(&run.dir, phase));
    }
    tell(run, (phase, &felt), &verdict);
    Ok(Outcome { orders: purchases.len(), faults: count, verdict, recovered_ms })
}

/// Says what the faults did to sends: a run in which none hurt has shown nothing.
async fn felt(client: &Client) -> Result<String> {
    let row = client
        .query_one(
            "SELECT count(*) FILTER (WHERE n > 1), count(*) FILTER (WHERE state = 'failed'),
                    count(*) FILTER (WHERE state IN ('unknown', 'resolved_delivered', 'resolved_not_delivered'))
               FROM delivery_attempts",
            &[],
        )
        .await?;
    let (again, failed, unknown): (i64, i64, i64) = (row.get(0), row.get(1), row.get(2));
    Ok(format!("{failed} sends failed, {unknown} had an unknown outcome, {again} were sends again"))
}

fn tell(run: &Run, (phase, felt): (usize, &str), verdict: &Verdict) {
    let counts = [Wrong::Lost, Wrong::Duplicate, Wrong::Oversold, Wrong::Stuck].map(|wrong| verdict.count(wrong));
    let [lost, duplicates, oversold, stuck] = counts;
    let text = format!(
        "phase {phase} ends: {lost} lost, {duplicates} duplicates, {oversold} oversold, {stuck} stuck, {} in review ({felt})",
        verdict.review
    );
    run.timeline.say(&text);
    note(&text);
    for finding in &verdict.findings {
        run.timeline.say(finding);
    }
}

fn prefix(phase: usize) -> String {
    format!("chaos{phase}")
}

fn log(dir: &Path, phase: usize) -> PathBuf {
    dir.join(format!("workers-{phase}.log"))
}

fn variables(run: &Run, platform: &Platform, (database, phase): (&str, usize)) -> BTreeMap<&'static str, String> {
    let mut variables = FLEET.settings(Place {
        database_url: database.to_owned(),
        redis_url: run.servers.redis_url().to_owned(),
        redis_prefix: prefix(phase),
        gateway_url: platform.gateway_url(),
        push_url: platform.push_url(),
    });
    let is_safe = run.is_lying || Switches::of(phase).resend_safe();
    variables.extend([
        ("KAMIFLOW_DATABASE_POOL_SIZE", "8".to_owned()),
        ("KAMIFLOW_WORKER_MERCHANT_CONCURRENCY", MERCHANT_CONCURRENCY.to_string()),
        ("KAMIFLOW_GATEWAY_RESEND_SAFE", is_safe.to_string()),
        ("KAMIFLOW_GATEWAY_LIMIT_SCALE", "100".to_owned()),
        ("KAMIFLOW_WORKER_POLL_FLOOR_SECONDS", "5".to_owned()),
        ("KAMIFLOW_WORKER_POLL_CEILING_SECONDS", "15".to_owned()),
    ]);
    variables
}

/// Lets buyers order at their pace while the faults fall at their moments; returns when both are over.
async fn order_under_fire(run: &Run, scene: &Arc<Scene>, stock: &Stock<'_>, faults: Vec<Planned>) -> Result<()> {
    let began = Instant::now();
    let patience = LAST_FAULTS + FAULT_TIME * u32::try_from(faults.len())?;
    let mut blows = JoinSet::new();
    for (number, planned) in faults.into_iter().enumerate() {
        let scene = Arc::clone(scene);
        blows.spawn(async move {
            tokio::time::sleep_until(began + Duration::from_millis(planned.at_ms)).await;
            let what = planned.fault.to_string();
            scene.suffer(number, &planned.fault).await.with_context(|| format!("fault {number} failed: {what}"))
        });
    }
    let buyers = async {
        tokio::try_join!(buy(scene, stock, run), stock.load_rest(began, run.plan.header.rate))?;
        Ok::<(), anyhow::Error>(())
    };
    let struck = async {
        while let Some(blow) = blows.join_next().await {
            blow??;
        }
        Ok::<(), anyhow::Error>(())
    };
    let end = began + Duration::from_secs_f64(stock.purchases.len() as f64 / run.plan.header.rate) + patience;
    let end = end.min(run.deadline);
    match tokio::time::timeout_at(end, async { tokio::try_join!(buyers, struck) }).await {
        Ok(both) => both.map(|_| ()),
        Err(_late) => bail!("the faults of a phase are not over in time; the last ones in the timeline hang"),
    }
}

async fn buy(scene: &Scene, stock: &Stock<'_>, run: &Run) -> Result<()> {
    let (rate, wanted) = (run.plan.header.rate, stock.purchases.len());
    let began = Instant::now();
    let mut ticks = tokio::time::interval(TICK);
    // A late tick orders all that is due.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let (mut ordered, mut told) = (0, began);
    while ordered < wanted {
        ticks.tick().await;
        let due = ((began.elapsed().as_secs_f64() * rate) as usize).min(wanted);
        let Some(batch) = stock.purchases.get(ordered..due).filter(|batch| !batch.is_empty()) else { continue };
        scene.platform.order(stock.malls, batch).await?;
        ordered = due;
        if told.elapsed() > TELL {
            told = Instant::now();
            note(format_args!("{ordered} of {wanted} orders placed, {} faults over", run.timeline.ends().len()));
        }
    }
    run.timeline.say(format_args!("all {wanted} orders are placed"));
    Ok(())
}

/// The cards of a phase: exactly as many as buyers order, so that one that is lost leaves an order without.
struct Stock<'a> {
    engine: &'a Engine,
    owners: &'a [Merchant],
    malls: &'a [Mall],
    purchases: &'a [Purchase],
    queue: QueueConfig,
    timeline: &'a Timeline,
}

impl Stock<'_> {
    fn needed(&self, merchant: usize) -> usize {
        let is_hers = |mall: usize| self.malls.get(mall).is_some_and(|mall| mall.owner == merchant);
        self.purchases.iter().filter(|purchase| is_hers(purchase.mall)).map(|purchase| purchase.quantity).sum()
    }

    fn portions(&self) -> impl Iterator<Item = (&Merchant, usize, usize, usize)> {
        self.owners.iter().zip(STOCK).enumerate().map(|(number, (owner, (share, moment)))| {
            let needed = self.needed(number);
            let first = needed * share / 1_000;
            (owner, first, needed - first, moment)
        })
    }

    async fn load_first(&self) -> Result<()> {
        for (owner, first, _, _) in self.portions() {
            // Nobody waits yet.
            let _wakes = merchants::stock(self.engine, owner, first).await?;
        }
        Ok(())
    }

    async fn load_rest(&self, began: Instant, rate: f64) -> Result<()> {
        for (owner, _, rest, moment) in self.portions() {
            let seconds = (self.purchases.len() * moment / 1_000) as f64 / rate;
            tokio::time::sleep_until(began + Duration::from_secs_f64(seconds)).await;
            let wakes = merchants::stock(self.engine, owner, rest).await?;
            // As whoever imports does: with Redis away the wake is lost, and a sweep finds the waiting.
            match Queue::connect(self.queue.clone()).await {
                Ok(queue) => Waker::new(&queue).wake(owner.id, &wakes).await,
                Err(error) => self.timeline.say(format_args!("{} wakes are lost: {error}", wakes.len())),
            }
        }
        Ok(())
    }
}

/// Looks whether everything has come to rest.
struct Watch {
    url: String,
    deadline: Instant,
}

impl Watch {
    async fn until_settled(&self, orders: usize, timeline: &Timeline) -> Result<()> {
        timeline.say("the faults are over");
        let client = fleet::connect(&self.url).await?;
        let (mut last, mut changed, mut told) = ((0, 0), Instant::now(), Instant::now());
        let mut looks = tokio::time::interval(LOOK);
        loop {
            looks.tick().await;
            let now = count(&client).await?;
            if now.0 + now.1 >= i64::try_from(orders)? {
                return Ok(());
            }
            if now != last {
                (last, changed) = (now, Instant::now());
            }
            if told.elapsed() > TELL {
                told = Instant::now();
                note(format_args!("{} of {orders} orders delivered, {} in review", now.0, now.1));
            }
            // What does not settle is for the verdict to name.
            if changed.elapsed() > STANDSTILL || Instant::now() > self.deadline {
                timeline.say(format_args!("{} of {orders} orders are delivered, {} in review", now.0, now.1));
                return Ok(());
            }
        }
    }
}

/// Counts orders that are delivered, and others that a person is asked about.
async fn count(client: &Client) -> Result<(i64, i64)> {
    let row = client
        .query_one(
            "SELECT (SELECT count(*) FROM orders WHERE state IN ('delivered', 'done')),
                    (SELECT count(*) FROM orders o WHERE state NOT IN ('delivered', 'done') AND EXISTS (
                         SELECT FROM exceptions e WHERE e.shop_id = o.shop_id AND e.order_sn = o.order_sn
                            AND e.needs_review AND e.resolved_at IS NULL))",
            &[],
        )
        .await?;
    Ok((row.get(0), row.get(1)))
}

/// Returns for each fault the milliseconds until the next delivery; faults after the last one have none.
async fn recovered(client: &Client, ends: Vec<(usize, i64)>) -> Result<Vec<(i64, usize)>> {
    let rows = client
        .query(
            "SELECT (extract(epoch FROM delivered_at) * 1000)::bigint FROM deliveries
              WHERE delivered_at IS NOT NULL ORDER BY delivered_at",
            &[],
        )
        .await?;
    let delivered: Vec<i64> = rows.iter().map(|row| row.get(0)).collect();
    Ok(waits(&delivered, &ends))
}

fn waits(delivered: &[i64], ends: &[(usize, i64)]) -> Vec<(i64, usize)> {
    let next = |moment: i64| delivered.get(delivered.partition_point(|at| *at < moment));
    ends.iter().filter_map(|(number, moment)| Some((next(*moment)? - moment, *number))).collect()
}

#[cfg(test)]
mod tests {
    use super::waits;

    #[test]
    fn recovery_ends_with_the_first_delivery_that_follows() {
        let ends = [(0, 5), (1, 10), (2, 11), (3, 29), (4, 31)];
        assert_eq!(waits(&[10, 20, 30], &ends), [(5, 0), (0, 1), (9, 2), (1, 3)]);
    }
}
