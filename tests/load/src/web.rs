//! `bench web`: the order list of a merchant with many orders, as a page, and the same query as JSON.
//!
//! ```text
//! connections ──► kamiflow serve          who asks, what she sees, the first page of all her shops' orders, as HTML
//!             └─► bare-web (this program)  the query of the list in a transaction of the same role, as JSON; nothing else
//! ```
//! Both are processes of their own with as many connections to Postgres, and take turns within a run. The orders are
//! made by Postgres, spread over shops and over the months that lie back; the page is asked for by an owner who is
//! logged in, without scripts and without compression, as the bare handler is.

pub(crate) mod bare;
mod history;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::Args;
use kamiflow_domain::engine::Engine;
use kamiflow_kernel::{MerchantId, ShopId};
use kamiflow_queue::Queue;
use kamiflow_runner::queue_config;
use kamiflow_test_support::accounts::{Mailbox, PASSWORD, accounts, owner, visit};
use kamiflow_test_support::program::note;
use reqwest::Client;
use reqwest::header::{LOCATION, SET_COOKIE};
use reqwest::redirect::Policy;
use serde::Serialize;

use crate::at_least_one;
use crate::fleet::{self, FLEET, Plan};
use crate::measure::{CpuWatch, Watched, median, percentile, rounded};
use crate::process::{self, Platform, Site};
use crate::servers::Servers;
use crate::wire;

const DATABASE: &str = "bench_web";
const EMAIL: &str = "owner@bench.test";
/// Before it counts: young processes plan their statements and fill their caches.
const WARM_UP: Duration = Duration::from_secs(3);

/// Options of `bench web`.
#[derive(Args)]
pub(crate) struct Options {
    /// Orders of the merchant.
    #[arg(long, value_name = "N", value_parser = at_least_one(), default_value_t = 1_000_000)]
    orders: usize,

    /// Shops they are spread over.
    #[arg(long, value_name = "N", value_parser = at_least_one(), default_value_t = 5)]
    shops: usize,

    /// Connections that ask without a pause.
    #[arg(long, value_name = "N", value_parser = at_least_one(), default_value_t = 32)]
    connections: usize,

    /// Seconds that each side is measured.
    #[arg(long, value_name = "SECONDS", value_parser = at_least_one(), default_value_t = 10)]
    seconds: usize,
}

/// What was measured.
#[derive(Serialize)]
pub(crate) struct Figures {
    p50_ms: f64,
    p99_ms: f64,
    requests_per_s: f64,
    bare_requests_per_s: f64,
    /// The page's requests a second to the bare handler's; the median of the runs' own ratios.
    ratio: f64,
}

/// Measures.
pub(crate) async fn run(servers: &Servers, dir: &Path, options: &Options, runs: u32) -> Result<Figures> {
    let prefix = format!("bench-web-{}", uuid::Uuid::now_v7().simple());
    let merchant = arrange(servers, dir, options, &prefix).await?;
    let site = process::serve(servers, (DATABASE, &prefix), BTreeMap::new()).await?;
    let url = servers.app_url(DATABASE);
    let shops: Vec<String> = merchant.shops.iter().map(ShopId::to_string).collect();
    let (bare, bare_address) = process::beside(
        "bare",
        &["bare-web", "--url", &url, "--merchant", &merchant.id.to_string(), "--shops", &shops.join(",")],
    )
    .await?;
    let page = get(&site.address, "/console/orders", &log_in(&site).await?);
    let query = get(&bare_address, "/orders", "");

    let (mut middles, mut tails, mut rates, mut bare_rates, mut ratios) = (vec![], vec![], vec![], vec![], vec![]);
    for run in 1..=runs {
        let watched = [site.process.watched(), bare.watched(), ("postgres", Watched::Family(servers.postgres.pid()))];
        let cpu = CpuWatch::begin(&watched);
        let by_query = hammer(&bare_address, &query, options).await?;
        cpu.tell("the bare handler's turn");
        let cpu = CpuWatch::begin(&watched);
        let by_page = hammer(&site.address, &page, options).await?;
        cpu.tell("the page's turn");
        let rate = |took: &[f64]| took.len() as f64 / options.seconds as f64;
        let (p50, p99) = (percentile(by_page.clone(), 0.5), percentile(by_page.clone(), 0.99));
        let (page_rate, bare_rate) = (rate(&by_page), rate(&by_query));
        note(format_args!(
            "Run {run} of {runs}: page {page_rate:.0}/s, p50 {p50:.1} ms, p99 {p99:.1} ms; bare {bare_rate:.0}/s"
        ));
        middles.push(p50);
        tails.push(p99);
        rates.push(page_rate);
        bare_rates.push(bare_rate);
        ratios.push(page_rate / bare_rate);
    }
    bare.stop().await?;
    site.process.stop().await?;
    servers.drop_database(DATABASE).await?;
    Ok(Figures {
        p50_ms: rounded(median(middles), 2),
        p99_ms: rounded(median(tails), 2),
        requests_per_s: rounded(median(rates), 0),
        bare_requests_per_s: rounded(median(bare_rates), 0),
        ratio: rounded(median(ratios), 3),
    })
}

async fn hammer(address: &str, request: &[u8], options: &Options) -> Result<Vec<f64>> {
    wire::hammer(address, request, options.connections, WARM_UP).await?;
    let time = Duration::from_secs(u64::try_from(options.seconds)?);
    let took = wire::hammer(address, request, options.connections, time).await?;
    ensure!(!took.is_empty(), "nothing was answered");
    Ok(took)
}

/// The merchant whose orders are listed.
struct Merchant {
    id: MerchantId,
    shops: Vec<ShopId>,
}

/// Signs somebody up, connects shops and makes their orders.
async fn arrange(servers: &Servers, dir: &Path, options: &Options, prefix: &str) -> Result<Merchant> {
    servers.fresh_database(DATABASE).await?;
    let plan = Plan { applications: 1, shops: options.shops };
    let platform = Platform::start(dir, &fleet::scenario(&plan, 100.0, false)).await?;
    let engine = fleet::engine(servers.app_url(DATABASE), &platform)?;
    let id = sign_up(servers, &engine, prefix).await?;
    let owner = FLEET.equip(&engine, id, 0).await?;
    let mut shops = Vec::new();
    for mall in plan.malls() {
        shops.push(FLEET.connect(&engine, owner, mall).await?);
    }
    platform.process.stop().await?;
    let client = servers.superuser(DATABASE).await?;
    // Trial runs are told on no page that is measured, and sandbox shops have pages of their own mode.
    client
        .batch_execute("SET session_replication_role = replica; UPDATE shops SET state = 'live', deliver_from = now()")
        .await?;
    history::make(&client, options.orders).await?;
    Ok(Merchant { id, shops })
}

async fn sign_up(servers: &Servers, engine: &Engine, prefix: &str) -> Result<MerchantId> {
    let queue = Queue::connect(queue_config(&servers.redis.url(), prefix, 4)).await?;
    let accounts = accounts(engine.store.clone(), Arc::clone(&engine.clock), &queue, "http://127.0.0.1");
    accounts.prepare().await?;
    Ok(owner(&accounts, &Mailbox::default(), &visit(engine.now()), EMAIL).await.merchant)
}

/// Logs the owner in; returns her cookies as they are sent.
async fn log_in(site: &Site) -> Result<String> {
    let base = format!("http://{}", site.address);
    let client = Client::builder().redirect(Policy::none()).build()?;
    let form = form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("login", EMAIL), ("password", PASSWORD)])
        .finish();
    let request = client.post(format!("{base}/log-in")).header("origin", &base).header("accept", "text/html");
    let answer = request.header("content-type", "application/x-www-form-urlencoded").body(form).send().await?;
    let to = answer.headers().get(LOCATION).and_then(|to| to.to_str().ok()).unwrap_or_default();
    ensure!(to == "/console", "the owner could not log in: {} {to}", answer.status());
    let cookies = answer.headers().get_all(SET_COOKIE).iter().filter_map(|cookie| cookie.to_str().ok());
    let cookies: Vec<&str> = cookies.filter_map(|cookie| cookie.split(';').next()).collect();
    let cookies = cookies.join("; ");
    let page = client.get(format!("{base}/console/orders")).header("cookie", &cookies).header("accept", "text/html");
    let text = page.send().await?.error_for_status()?.text().await?;
    let rows = text.matches("/orders/").count();
    ensure!(rows >= 50, "the page shows {rows} orders");
    Ok(cookies)
}

/// Returns a whole request.
fn get(address: &str, path: &str, cookies: &str) -> Vec<u8> {
    let cookies = if cookies.is_empty() { String::new() } else { format!("cookie: {cookies}\r\n") };
    format!("GET {path} HTTP/1.1\r\nhost: {address}\r\naccept: text/html\r\n{cookies}\r\n").into_bytes()
}
