//! Measures the queue and the limiter against a Redis: `cargo run --release --example throughput -- [URL] [ENTRIES]`.
//!
//! Without a URL a private redis-server is started on a unix socket and stopped at the end. Besides rates the program
//! prints the processor time Redis itself spent, which is what one core of Redis can carry.

#![expect(clippy::print_stdout, reason = "the figures are this program's output")]

use std::error::Error;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::{join_all, try_join_all};
use kamiflow_queue::{Bucket, Decision, Entry, Next, Queue, QueueConfig, QueueError, Rate, When};

const POOL: &str = "bench";
const GROUPS: usize = 500;
const CONSUMERS: usize = 4;
const PRODUCERS: usize = 32;

type Outcome<T> = Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let folder = tempfile::tempdir()?;
    let (url, _server) = match arguments.next() {
        Some(url) => (url, None),
        None => {
            let socket = folder.path().join("redis.sock");
            (format!("unix://{}", socket.display()), Some(PrivateServer::start(&folder)?))
        }
    };
    let entries = arguments.next().map_or(Ok(50_000), |count| count.parse())?;
    let prefix = format!("bench-{}:", std::process::id());
    let queue = connect(QueueConfig { group_limit: 64, ..QueueConfig::new(&url, prefix) }).await?;
    let mut observer = redis::Client::open(url)?.get_multiplexed_async_connection().await?;

    let bench = Bench { queue, entries: (0..entries).map(entry).collect::<Result<_, _>>()? };
    measure(&mut observer, "schedule one by one", entries, bench.schedule_singly()).await?;
    measure(&mut observer, "take and complete", entries, bench.drain()).await?;
    measure(&mut observer, "schedule in bulk", entries, bench.schedule_in_bulk()).await?;
    measure(&mut observer, "take and complete", entries, bench.drain()).await?;
    measure(&mut observer, "all three at once", entries, bench.run_side_by_side()).await?;
    measure(&mut observer, "limiter, 3 buckets", entries, bench.acquire()).await?;
    measure(&mut observer, "promoter, idle pool", 1_000, bench.promote_nothing(1_000)).await?;
    Ok(())
}

struct Bench {
    queue: Queue,
    entries: Vec<(Entry, When)>,
}

impl Bench {
    async fn schedule_singly(&self) -> Outcome<()> {
        let share = self.entries.len().div_ceil(PRODUCERS);
        let producers = self.entries.chunks(share).map(async |chunk| {
            for (entry, when) in chunk {
                self.queue.schedule(POOL, entry, *when).await?;
            }
            Ok::<_, QueueError>(())
        });
        try_join_all(producers).await?;
        Ok(())
    }

    async fn schedule_in_bulk(&self) -> Outcome<()> {
        Ok(self.queue.schedule_many(POOL, &self.entries).await?)
    }

    async fn drain(&self) -> Outcome<()> {
        let finished = AtomicUsize::new(0);
        try_join_all((0..CONSUMERS).map(|_| self.consume(&finished))).await?;
        Ok(())
    }

    async fn consume(&self, finished: &AtomicUsize) -> Result<(), QueueError> {
        let mut consumer = self.queue.consumer(POOL)?;
        while finished.load(Ordering::Relaxed) < self.entries.len() {
            let leases = consumer.take(50, Duration::from_millis(50)).await?;
            let completions = leases.iter().map(|lease| self.queue.complete(lease, Next::Done));
            finished.fetch_add(try_join_all(completions).await?.len(), Ordering::Relaxed);
        }
        Ok(())
    }

    async fn run_side_by_side(&self) -> Outcome<()> {
        let (scheduled, drained) = tokio::join!(self.schedule_singly(), self.drain());
        scheduled?;
        drained
    }

    async fn acquire(&self) -> Outcome<()> {
        let rate = Rate { count: 1_000_000, period: Duration::from_secs(1), burst: 1_000_000 };
        let limiter = self.queue.limiter();
        let share = self.entries.len().div_ceil(PRODUCERS);
        let callers = (0..PRODUCERS).map(async |caller| {
            let mall = Bucket::new("app_1", &format!("mall_{caller}"), rate)?;
            let call = [mall, Bucket::new("app_1", "all", rate)?, Bucket::new("app_1", "api", rate)?];
            let mut granted = 0;
            for _ in 0..share {
                granted += usize::from(limiter.acquire(&call).await? == Decision::Granted);
            }
            Ok::<_, QueueError>(granted)
        });
        for granted in join_all(callers).await {
            if granted? == 0 {
                return Err("the limiter granted nothing".into());
            }
        }
        Ok(())
    }

    async fn promote_nothing(&self, times: usize) -> Outcome<()> {
        for _ in 0..times {
            self.queue.promote(POOL, 500).await?;
        }
        Ok(())
    }
}

fn entry(n: usize) -> Result<(Entry, When), QueueError> {
    Ok((Entry::new(&format!("shop_{n}"), &format!("mer_{}", n % GROUPS))?, When::Now))
}

async fn measure(
    observer: &mut redis::aio::MultiplexedConnection,
    name: &str,
    count: usize,
    work: impl Future<Output = Outcome<()>>,
) -> Outcome<()> {
    let (cpu, begin) = (server_seconds(observer).await?, Instant::now());
    work.await?;
    let wall = begin.elapsed().as_secs_f64();
    let cpu = server_seconds(observer).await? - cpu;
    let count = f64::from(u32::try_from(count)?);
    println!(
        "{name:<22} {:>8.0}/s   redis {:>6.1} µs each, {:>8.0}/s per core",
        count / wall,
        cpu / count * 1e6,
        count / cpu
    );
    Ok(())
}

/// Returns the processor seconds the server has used.
async fn server_seconds(observer: &mut redis::aio::MultiplexedConnection) -> Outcome<f64> {
    let info: String = redis::cmd("INFO").arg("cpu").query_async(observer).await?;
    let field = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("0").trim().parse::<f64>();
    Ok(field("used_cpu_sys:")? + field("used_cpu_user:")?)
}

/// Waits until the server answers, for as long as it is starting.
async fn connect(config: QueueConfig) -> Outcome<Queue> {
    for _ in 0..100 {
        match Queue::connect(config.clone()).await {
            Err(error) if error.is_unavailable() => tokio::time::sleep(Duration::from_millis(20)).await,
            answer => return Ok(answer?),
        }
    }
    Err("the server does not answer".into())
}

struct PrivateServer(Child);

impl PrivateServer {
    fn start(folder: &tempfile::TempDir) -> Outcome<Self> {
        let server = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket"])
            .arg(folder.path().join("redis.sock"))
            .arg("--dir")
            .arg(folder.path())
            .stdout(Stdio::null())
            .spawn()?;
        Ok(Self(server))
    }
}

impl Drop for PrivateServer {
    fn drop(&mut self) {
        // It is gone already if killing fails.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
