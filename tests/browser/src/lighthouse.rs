//! `cargo dev lighthouse`: the scores of landing page, log-in and dashboard, as somebody on a middling phone meets them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use kamiflow_test_support::{Browser, TestSite};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::site;

/// Where `./dev setup-lighthouse` puts it.
const PROGRAM: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../.kamiflow/tools/lighthouse/node_modules/lighthouse/cli/index.js");
const CATEGORIES: [&str; 3] = ["performance", "accessibility", "best-practices"];
/// Of 100.
const LEAST: f64 = 95.0;

/// Options of `cargo dev lighthouse`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Runs of each page, of which the median counts.
    #[arg(long, value_name = "N", default_value_t = 3)]
    runs: usize,
    /// Where the last report of each page goes.
    #[arg(long, value_name = "FOLDER", default_value = ".kamiflow/lighthouse")]
    out: PathBuf,
    /// Prints one object as the last line.
    #[arg(long)]
    json: bool,
}

/// Of 100, by page and category.
type Scores = BTreeMap<&'static str, BTreeMap<String, f64>>;

/// What Lighthouse says, as far as it is read.
#[derive(Deserialize)]
struct Report {
    categories: BTreeMap<String, Category>,
    audits: BTreeMap<String, Audit>,
}

#[derive(Deserialize)]
struct Category {
    score: Option<f64>,
    #[serde(rename = "auditRefs")]
    audits: Vec<AuditRef>,
}

#[derive(Deserialize)]
struct AuditRef {
    id: String,
}

#[derive(Deserialize)]
struct Audit {
    title: String,
    score: Option<f64>,
    #[serde(rename = "displayValue", default)]
    value: String,
}

/// Runs it on each page.
pub(crate) async fn run(options: &Options) -> Result<ExitCode> {
    ensure!(options.runs > 0, "--runs: at least one");
    std::fs::create_dir_all(&options.out).with_context(|| format!("could not create {}", options.out.display()))?;
    let mut site = site::start().await;
    site.work();
    let measured = measure(&site, options).await;
    site.stop().await;
    let (scores, is_fine) = measured?;
    if options.json {
        println!("{}", json!(scores));
    }
    Ok(if is_fine { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Returns the scores by page and category, and whether each is high enough.
async fn measure(site: &TestSite, options: &Options) -> Result<(Scores, bool)> {
    let owner = Browser::signed_up(site).await;
    let (shop, _mall) = owner.sandbox_shop().await;
    owner.does(&format!("/console/shops/{shop}/buyer"), &[]).await;
    let signed_in = owner.cookies();
    let mut scores = BTreeMap::new();
    let mut is_fine = true;
    for (page, path, cookies) in
        [("landing", "/", ""), ("log-in", "/log-in", ""), ("dashboard", "/console", &signed_in)]
    {
        let mut of_page: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        let mut last = None;
        for _ in 0..options.runs {
            let report =
                one(&format!("{}{path}", site.base), cookies, &options.out.join(format!("{page}.json"))).await?;
            for (name, category) in &report.categories {
                of_page.entry(name.clone()).or_default().push(category.score.unwrap_or_default() * 100.0);
            }
            last = Some(report);
        }
        let medians: BTreeMap<String, f64> =
            of_page.into_iter().map(|(name, scores)| (name, median(scores).round())).collect();
        let told: Vec<String> = medians.iter().map(|(name, score)| format!("{name} {score}")).collect();
        println!("{page}: {}", told.join(", "));
        let low: Vec<&String> = medians.iter().filter(|(_, score)| **score < LEAST).map(|(name, _)| name).collect();
        is_fine &= low.is_empty();
        if let (Some(report), false) = (last, low.is_empty()) {
            explain(page, &report, &low);
        }
        scores.insert(page, medians);
    }
    Ok((scores, is_fine))
}

/// Says what keeps categories of a page below.
fn explain(page: &str, report: &Report, categories: &[&String]) {
    for category in categories.iter().filter_map(|name| report.categories.get(*name)) {
        for audit in category.audits.iter().filter_map(|named| report.audits.get(&named.id)) {
            if audit.score.is_some_and(|score| score < 0.9) {
                println!("{page}: {} {}", audit.title, audit.value);
            }
        }
    }
}

async fn one(address: &str, cookies: &str, out: &Path) -> Result<Report> {
    let mut program = Command::new("node");
    program.arg(PROGRAM).arg(address).args(["--output=json", "--quiet"]);
    program.arg(format!("--output-path={}", out.display()));
    program.arg(format!("--only-categories={}", CATEGORIES.join(",")));
    program.arg("--chrome-flags=--headless=new --no-sandbox --disable-gpu --disable-quic");
    if !cookies.is_empty() {
        program.arg(format!("--extra-headers={}", json!({ "Cookie": cookies })));
    }
    program.kill_on_drop(true);
    let status = program.status().await.context("could not run node; ./dev setup installs it")?;
    ensure!(status.success(), "Lighthouse ended with {status} at {address}");
    let text = std::fs::read_to_string(out).with_context(|| format!("could not read {}", out.display()))?;
    let report: Value = serde_json::from_str(&text)?;
    let error = report.pointer("/runtimeError/message").and_then(Value::as_str);
    ensure!(error.is_none(), "Lighthouse could not look at {address}: {}", error.unwrap_or_default());
    // Somebody whose session is not taken would be looking at the log-in.
    let seen = report.pointer("/finalDisplayedUrl").and_then(Value::as_str).unwrap_or_default();
    ensure!(seen == address, "Lighthouse was led from {address} to {seen}");
    Ok(serde_json::from_value(report)?)
}

fn median(mut scores: Vec<f64>) -> f64 {
    scores.sort_by(f64::total_cmp);
    scores.get(scores.len() / 2).copied().unwrap_or_default()
}
