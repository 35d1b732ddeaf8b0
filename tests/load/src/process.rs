//! `kamiflow sandbox`, `kamiflow work` and `kamiflow serve` as processes of their own, and what they are told.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use kamiflow_sandbox::Scenario;
use kamiflow_test_support::TestSite;
use kamiflow_test_support::fleet::{self, Control, Mall, Place, WORK};
use kamiflow_test_support::program::note;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use reqwest::{Client, Method};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::fleet::FLEET;
use crate::measure::Watched;
use crate::servers::Servers;

const CONTROL_TOKEN: &str = "bench-control";
const START: Duration = Duration::from_secs(60);
const STOP: Duration = Duration::from_secs(40);
/// A worker's, four for each of two cores: Postgres runs no more at once, and more would wait inside it, each with
/// caches of its own.
const POOL_SIZE: usize = 8;
/// The site's and the bare handler's, two for each of two cores: one is read from while a page of the other is written.
pub(crate) const SITE_POOL_SIZE: usize = 4;

/// A process of ours, killed with its handle.
pub(crate) struct Process {
    child: Child,
    pid: i32,
    name: &'static str,
}

impl Process {
    /// Starts `kamiflow …` and returns the first line it prints, which is JSON.
    async fn start(
        name: &'static str,
        arguments: &[&str],
        variables: &BTreeMap<&str, String>,
    ) -> Result<(Self, Value)> {
        let mut command = fleet::product(&program()?);
        command.envs(variables);
        Self::spawn(name, command, arguments).await
    }

    async fn spawn(name: &'static str, mut command: Command, arguments: &[&str]) -> Result<(Self, Value)> {
        command.args(arguments).arg("--json").stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().with_context(|| format!("could not start the {name}"))?;
        let pid = child.id().context("it has ended already")?.try_into()?;
        let stdout = child.stdout.take().context("no stdout")?;
        let mut lines = BufReader::new(stdout).lines();
        let line = tokio::time::timeout(START, lines.next_line()).await;
        let line = line.with_context(|| format!("the {name} does not say within {START:?} where it listens"))??;
        let first = line.with_context(|| format!("the {name} ended at its start; its reason stands above"))?;
        // Whatever else it prints has to go somewhere, or it would wait for a reader.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok((Self { child, pid, name }, serde_json::from_str(&first)?))
    }

    /// Returns what to watch.
    pub(crate) const fn watched(&self) -> (&'static str, Watched) {
        (self.name, Watched::Process(self.pid))
    }

    /// Returns its id.
    pub(crate) const fn pid(&self) -> i32 {
        self.pid
    }

    /// Asks it to end and waits until it has.
    pub(crate) async fn stop(mut self) -> Result<()> {
        kill(Pid::from_raw(self.pid), Signal::SIGTERM)?;
        let ended = tokio::time::timeout(STOP, self.child.wait()).await;
        if let Ok(status) = ended {
            ensure!(status?.success(), "the {} ended with an error", self.name);
            return Ok(());
        }
        note(format_args!("The {} did not end in {STOP:?} and is killed", self.name));
        Ok(self.child.kill().await?)
    }
}

/// The binary beside this one: `cargo dev bench` builds both.
fn program() -> Result<PathBuf> {
    let program = std::env::current_exe()?.with_file_name("kamiflow");
    if !program.is_file() {
        bail!("{} is missing; start benches by `cargo dev bench`", program.display());
    }
    Ok(program)
}

/// A sandbox and its control.
pub(crate) struct Platform {
    pub(crate) process: Process,
    pub(crate) gateway_url: String,
    pub(crate) push_url: String,
    control: Control,
}

impl Platform {
    /// Starts a sandbox with a scenario, which is written below `dir`.
    pub(crate) async fn start(dir: &Path, scenario: &Scenario) -> Result<Self> {
        let file = dir.join("scenario.toml");
        std::fs::write(&file, toml::to_string(scenario)?)?;
        let file = file.to_string_lossy();
        let arguments =
            ["sandbox", "--listen", "127.0.0.1:0", "--control-token", CONTROL_TOKEN, "--scenario", file.as_ref()];
        let (process, places) = Process::start("sandbox", &arguments, &BTreeMap::new()).await?;
        let place = |name: &str| text(&places, name);
        Ok(Self {
            process,
            gateway_url: place("gateway")?,
            push_url: place("push")?,
            control: Control::new(place("control")?, CONTROL_TOKEN.to_owned())?,
        })
    }

    /// Lets every answer wait.
    pub(crate) async fn set_latency(&self, milliseconds: u64) -> Result<()> {
        self.control.ask(Method::PATCH, "/switches", &json!({ "latency_ms": milliseconds })).await?;
        Ok(())
    }

    /// Lets buyers order so often in each of some malls; returns mall and number of each order.
    pub(crate) async fn order(&self, malls: &[Mall], each: usize) -> Result<Vec<(u64, String)>> {
        let mut all = Vec::with_capacity(malls.len() * each);
        for mall in malls {
            let orders = json!({ "mall_id": mall.id, "sku_id": mall.sku_id, "count": each });
            all.extend(self.control.order(&orders).await?.into_iter().map(|order_sn| (mall.id, order_sn)));
        }
        Ok(all)
    }

    /// Lets one buyer order in each of some malls; a mall may be named several times.
    pub(crate) async fn order_once_each(&self, malls: &[Mall]) -> Result<Vec<String>> {
        if malls.is_empty() {
            return Ok(Vec::new());
        }
        let orders: Vec<Value> =
            malls.iter().map(|mall| json!({ "mall_id": mall.id, "sku_id": mall.sku_id })).collect();
        self.control.order(&Value::Array(orders)).await
    }

    /// Counts the answered calls of each API.
    pub(crate) async fn counts(&self) -> Result<Counts> {
        #[derive(Deserialize)]
        struct Counted {
            total: u64,
            by_api: BTreeMap<String, PerApi>,
        }
        #[derive(Deserialize)]
        struct PerApi {
            calls: u64,
            by_code: BTreeMap<String, u64>,
        }
        let counted: Counted =
            serde_json::from_value(self.control.ask(Method::GET, "/calls/count", &Value::Null).await?)?;
        let refused = counted.by_api.values().flat_map(|api| &api.by_code).filter(|(code, _)| *code != "0");
        Ok(Counts {
            total: counted.total,
            refused: refused.map(|(_, count)| count).sum(),
            by_api: counted.by_api.into_iter().map(|(api, count)| (api, count.calls)).collect(),
        })
    }

    /// Reads when each order's first voucher took effect, UNIX milliseconds, and how many took effect twice.
    pub(crate) async fn vouchers(&self) -> Result<Vouchers> {
        #[derive(Deserialize)]
        struct Ledger {
            vouchers: Vec<Voucher>,
            orders: Vec<Order>,
        }
        #[derive(Deserialize)]
        struct Order {
            order_sn: String,
            paid_ms: Option<i64>,
        }
        #[derive(Deserialize)]
        struct Voucher {
            order_sn: String,
            at_ms: i64,
        }
        let ledger: Ledger = serde_json::from_value(self.control.ask(Method::GET, "/ledger", &Value::Null).await?)?;
        let paid = ledger.orders.into_iter().filter_map(|order| Some((order.order_sn, order.paid_ms?)));
        let mut vouchers = Vouchers { paid_ms: paid.collect(), ..Vouchers::default() };
        for voucher in ledger.vouchers {
            if vouchers.at_ms.insert(voucher.order_sn, voucher.at_ms).is_some() {
                vouchers.twice += 1;
            }
        }
        Ok(vouchers)
    }
}

fn text(places: &Value, name: &str) -> Result<String> {
    let place = places.get(name).and_then(Value::as_str);
    Ok(place.with_context(|| format!("the process does not say its {name} first"))?.to_owned())
}

/// Calls that a sandbox has answered.
#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) total: u64,
    /// With an error of the gateway.
    pub(crate) refused: u64,
    pub(crate) by_api: BTreeMap<String, u64>,
}

/// What buyers have received.
#[derive(Default)]
pub(crate) struct Vouchers {
    pub(crate) at_ms: BTreeMap<String, i64>,
    /// When each order was paid.
    pub(crate) paid_ms: BTreeMap<String, i64>,
    pub(crate) twice: usize,
}

/// What a worker is told beyond the servers.
pub(crate) struct WorkerSettings<'a> {
    pub(crate) database: &'a str,
    /// Keys of an earlier run mean nothing to a later one.
    pub(crate) redis_prefix: &'a str,
    /// More settings, by their variables' names.
    pub(crate) more: BTreeMap<&'static str, String>,
}

/// Starts `kamiflow work` against a sandbox.
pub(crate) async fn work(servers: &Servers, platform: &Platform, settings: &WorkerSettings<'_>) -> Result<Worker> {
    let mut variables = FLEET.settings(Place {
        database_url: servers.app_url(settings.database),
        redis_url: servers.redis.url(),
        redis_prefix: settings.redis_prefix.to_owned(),
        gateway_url: platform.gateway_url.clone(),
        push_url: platform.push_url.clone(),
    });
    variables.insert("KAMIFLOW_DATABASE_POOL_SIZE", POOL_SIZE.to_string());
    variables.extend(settings.more.iter().map(|(name, value)| (*name, value.clone())));
    let (process, announced) = Process::start("worker", &WORK, &variables).await?;
    let listen = text(&announced, "listen")?;
    Ok(Worker { process, base_url: format!("http://{listen}"), http: Client::new() })
}

/// Starts `kamiflow serve` on built files that are made up, with more settings by their variables' names.
pub(crate) async fn serve(
    servers: &Servers,
    (database, redis_prefix): (&str, &str),
    more: BTreeMap<&'static str, String>,
) -> Result<Site> {
    let files = TestSite::built_files();
    // Pages ask the platform for nothing that is measured.
    let nowhere = "http://127.0.0.1:9";
    let mut variables = FLEET.settings(Place {
        database_url: servers.app_url(database),
        redis_url: servers.redis.url(),
        redis_prefix: redis_prefix.to_owned(),
        gateway_url: format!("{nowhere}/api/router"),
        push_url: "ws://127.0.0.1:9".to_owned(),
    });
    variables.insert("KAMIFLOW_DATABASE_POOL_SIZE", SITE_POOL_SIZE.to_string());
    variables.insert("KAMIFLOW_UI_FOLDER", files.path().to_string_lossy().into_owned());
    variables.extend(more);
    let (process, announced) = Process::start("site", &["serve", "--listen", "127.0.0.1:0"], &variables).await?;
    Ok(Site { process, address: text(&announced, "listen")?, _files: files })
}

/// The web application and where it listens.
pub(crate) struct Site {
    pub(crate) process: Process,
    /// `127.0.0.1:PORT`.
    pub(crate) address: String,
    _files: tempfile::TempDir,
}

/// Starts this program as another process, which says first where it listens.
pub(crate) async fn beside(name: &'static str, arguments: &[&str]) -> Result<(Process, String)> {
    let (process, announced) = Process::spawn(name, Command::new(std::env::current_exe()?), arguments).await?;
    Ok((process, text(&announced, "listen")?))
}

/// A worker and where it shows its metrics.
pub(crate) struct Worker {
    pub(crate) process: Process,
    base_url: String,
    http: Client,
}

impl Worker {
    /// Reads a page of its HTTP server.
    pub(crate) async fn page(&self, path: &str) -> Result<String> {
        Ok(self.http.get(format!("{}{path}", self.base_url)).send().await?.text().await?)
    }
}
