//! `cargo dev api-fuzz`: schemathesis against the running API.
//!
//! Once with whatever the document allows, where most names lead nowhere; and once with the names of a shop, an order, a pool,
//! an import and a card that are there. Each request and answer is compared with the document, and what the document forbids
//! must be refused.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use kamiflow_test_support::{ApiClient, Browser, TestSite};
use serde_json::{Value, json};
use tokio::process::Command;

/// Where `./dev setup-api-fuzz` puts it.
const TOOL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../.kamiflow/tools/schemathesis");

/// Options of `cargo dev api-fuzz`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Requests drawn per operation and round, at most.
    #[arg(long, value_name = "N", default_value_t = 50)]
    examples: u32,
    /// Draws the same requests again.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u32,
    /// Prints one object as the last line.
    #[arg(long)]
    json: bool,
}

/// Runs both rounds.
pub(crate) async fn run(options: &Options) -> Result<ExitCode> {
    let mut site = TestSite::start().await;
    site.work();
    let fuzzed = rounds(&site, options).await;
    site.stop().await;
    fuzzed?;
    if options.json {
        println!("{}", json!({ "rounds": 2, "failures": 0 }));
    }
    Ok(ExitCode::SUCCESS)
}

async fn rounds(site: &TestSite, options: &Options) -> Result<()> {
    let browser = Browser::signed_up(site).await;
    browser.proves().await;
    let (shop, _mall) = browser.sandbox_shop().await;
    let order = browser.does(&format!("/console/shops/{shop}/buyer"), &[]).await;
    let order_sn = order.rsplit('/').next().unwrap_or_default().to_owned();
    let client = ApiClient::of(site, &browser).await;
    let text = |answer: Value, pointer: &str| {
        answer
            .pointer(pointer)
            .and_then(Value::as_str)
            .map(str::to_owned)
            .with_context(|| format!("{pointer} in {answer}"))
    };
    let pool = text(client.get("/pools").await.ok(), "/pools/0/id")?;
    let cards = json!({ "text": "FUZZ-000001----a\nFUZZ-000002----b\n" });
    let batch = text(client.post(&format!("/pools/{pool}/cards"), &cards).await.ok(), "/batch")?;
    let card = text(client.get(&format!("/batches/{batch}/cards")).await.ok(), "/cards/0/id")?;

    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../.kamiflow/api-fuzz"));
    fs::create_dir_all(&folder).with_context(|| format!("could not create {}", folder.display()))?;
    let known = [("shop", shop), ("order_sn", order_sn), ("pool", pool), ("batch", batch), ("card", card)];
    round(site, options, &folder, &settings(&client.token, &[])).await.context("with names that are drawn")?;
    round(site, options, &folder, &settings(&client.token, &known)).await.context("with names that are there")
}

/// What schemathesis is told: the token, and names that it shall use.
fn settings(token: &str, known: &[(&str, String)]) -> String {
    let names: String = known.iter().map(|(name, value)| format!("\"path.{name}\" = \"{value}\"\n")).collect();
    // What is described as possible but cannot be said in a schema (a key that was used for something else, a card that
    // was imported before) is an answer to a request that the document allows.
    format!(
        "headers = {{ Authorization = \"Bearer {token}\" }}\n\n\
         [checks.positive_data_acceptance]\nexpected-statuses = [\"2xx\", 400, 401, 403, 404, 409, 422, 429]\n\n\
         [parameters]\n{names}"
    )
}

async fn round(site: &TestSite, options: &Options, folder: &Path, settings: &str) -> Result<()> {
    let file = folder.join("schemathesis.toml");
    fs::write(&file, settings).with_context(|| format!("could not write {}", file.display()))?;
    let mut program = Command::new("python3");
    program.args(["-m", "schemathesis.cli", "--config-file"]).arg(&file).arg("run");
    program.arg(format!("{}/api/v1/openapi.json", site.base)).args(["--url", &site.base]);
    program.args(["--max-examples", &options.examples.to_string(), "--seed", &options.seed.to_string()]);
    program.args(["--checks", "all", "--phases", "examples,coverage,fuzzing", "--workers", "1"]);
    program.env("PYTHONPATH", TOOL).current_dir(folder).kill_on_drop(true);
    let status = program.status().await.context("could not run python3")?;
    fs::remove_file(&file).with_context(|| format!("could not remove {}", file.display()))?;
    ensure!(status.success(), "schemathesis found something, see above");
    Ok(())
}
