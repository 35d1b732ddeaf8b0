//! `kamiflow sandbox` and `kamiflow work` as processes of their own, and what they are told.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kamiflow_runtime::config::{EnvSource as _, ProcessEnv};
use kamiflow_sandbox::Scenario;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use reqwest::{Client, Method};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::measure::Watched;
use crate::merchant::{MASTER_KEY, MASTER_KEY_ID};
use crate::progress::note;
use crate::servers::Servers;

const CONTROL_TOKEN: &str = "bench-control";
const START: Duration = Duration::from_secs(60);
const STOP: Duration = Duration::from_secs(40);

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
        let mut command = Command::new(program()?);
        command.args(arguments).arg("--json").stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        // What the caller's environment says about another installation must not reach this one.
        for inherited in ProcessEnv.names() {
            if inherited.starts_with("KAMIFLOW_") {
                command.env_remove(inherited);
            }
        }
        let mut child = command.envs(variables).spawn().with_context(|| format!("could not start the {name}"))?;
        let pid = child.id().context("it has ended already")?.try_into()?;
        let stdout = child.stdout.take().context("no stdout")?;
        let mut lines = BufReader::new(stdout).lines();
        let line = tokio::time::timeout(START, lines.next_line()).await??;
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
    control_url: String,
    http: Client,
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
            control_url: place("control")?,
            http: Client::builder().timeout(Duration::from_secs(120)).build()?,
        })
    }

    /// Asks control.
    pub(crate) async fn control(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value> {
        let mut request = self.http.request(method, format!("{}{path}", self.control_url)).bearer_auth(CONTROL_TOKEN);
        if let Some(body) = body {
            request = request.body(body.to_string());
        }
        let answer = request.send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        ensure!(status.is_success(), "the sandbox refused {path} with {status}: {text}");
        Ok(serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// Lets every answer wait.
    pub(crate) async fn set_latency(&self, milliseconds: u64) -> Result<()> {
        self.control(Method::PATCH, "/switches", Some(json!({ "latency_ms": milliseconds }))).await?;
        Ok(())
    }

    /// Lets buyers order so often in each of some malls; returns mall and number of each order.
    pub(crate) async fn order(&self, malls: &[Mall], each: usize) -> Result<Vec<(u64, String)>> {
        let mut all = Vec::with_capacity(malls.len() * each);
        for mall in malls {
            let body = json!({ "mall_id": mall.id, "sku_id": mall.sku_id, "count": each });
            let made: Made = serde_json::from_value(self.control(Method::POST, "/orders", Some(body)).await?)?;
            all.extend(made.order_sns.into_iter().map(|order_sn| (mall.id, order_sn)));
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
        let made = self.control(Method::POST, "/orders", Some(Value::Array(orders))).await?;
        Ok(serde_json::from_value::<Made>(made)?.order_sns)
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
        let counted: Counted = serde_json::from_value(self.control(Method::GET, "/calls/count", None).await?)?;
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
        let ledger: Ledger = serde_json::from_value(self.control(Method::GET, "/ledger", None).await?)?;
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

/// What control answers to new orders.
#[derive(Deserialize)]
struct Made {
    order_sns: Vec<String>,
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

/// A mall of the sandbox with its one product.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mall {
    pub(crate) id: u64,
    pub(crate) sku_id: u64,
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
    let mut variables = BTreeMap::from([
        ("KAMIFLOW_DATABASE_URL", servers.app_url(settings.database)),
        ("KAMIFLOW_DATABASE_POOL_SIZE", "32".to_owned()),
        ("KAMIFLOW_REDIS_URL", servers.redis.url()),
        ("KAMIFLOW_REDIS_PREFIX", settings.redis_prefix.to_owned()),
        ("KAMIFLOW_KEYRING_KEYS", format!("{MASTER_KEY_ID}:{}", STANDARD.encode(MASTER_KEY))),
        ("KAMIFLOW_GATEWAY_KIND", "sandbox".to_owned()),
        ("KAMIFLOW_GATEWAY_URL", platform.gateway_url.clone()),
        ("KAMIFLOW_GATEWAY_PUSH_URL", platform.push_url.clone()),
        ("KAMIFLOW_TELEMETRY_LOG", "error".to_owned()),
    ]);
    variables.extend(settings.more.iter().map(|(name, value)| (*name, value.clone())));
    let arguments = ["work", "--listen", "127.0.0.1:0"];
    let (process, announced) = Process::start("worker", &arguments, &variables).await?;
    let listen = text(&announced, "listen")?;
    Ok(Worker { process, base_url: format!("http://{listen}"), http: Client::new() })
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
