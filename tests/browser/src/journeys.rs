//! `cargo dev journeys`: what people do on the site, done in Chromium, with a clock beside it.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use kamiflow_test_support::TestSite;
use kamiflow_test_support::accounts::{PASSWORD, token_in};
use serde_json::json;

use crate::browser::{Browser, Screen};

/// From the first page to the first card in a buyer's hands.
const LONGEST: Duration = Duration::from_secs(180);
/// How long a page may take to become what is waited for.
const PATIENCE: Duration = Duration::from_secs(30);
const DESKTOP: Screen = Screen { name: "desktop", width: 1440, height: 900 };
const PHONE: Screen = Screen { name: "phone", width: 360, height: 740 };

/// Options of `cargo dev journeys`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Prints one object as the last line.
    #[arg(long)]
    json: bool,
}

/// How somebody comes.
#[derive(Debug, Clone, Copy)]
struct Visitor {
    name: &'static str,
    screen: Screen,
    language: &'static str,
    has_scripts: bool,
}

const VISITORS: [Visitor; 3] = [
    Visitor { name: "desktop", screen: DESKTOP, language: "zh-CN", has_scripts: true },
    Visitor { name: "phone", screen: PHONE, language: "zh-CN", has_scripts: true },
    Visitor { name: "without scripts", screen: DESKTOP, language: "en", has_scripts: false },
];

/// Walks every journey.
pub(crate) async fn run(options: &Options) -> Result<ExitCode> {
    let built = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../.kamiflow/site"));
    let mut slowest = Duration::ZERO;
    for visitor in VISITORS {
        let folder = built.clone();
        let mut site = TestSite::with(move |settings| settings.folder = folder).await;
        site.work();
        let browser = Browser::start().await?;
        let walked = first_delivery(&site, &browser, visitor).await;
        browser.stop().await?;
        site.stop().await;
        let took = walked.with_context(|| format!("the journey of the visitor `{}` broke off", visitor.name))?;
        println!("{}: from sign-up to the first delivered order in {:.1} s", visitor.name, took.as_secs_f64());
        slowest = slowest.max(took);
    }
    if options.json {
        println!("{}", json!({ "journeys": VISITORS.len(), "slowest_s": slowest.as_secs_f64() }));
    }
    ensure!(slowest < LONGEST, "the slowest took {slowest:?}, more than {LONGEST:?}");
    Ok(ExitCode::SUCCESS)
}

/// Signs up, confirms, logs in, makes a sandbox shop, lets a buyer order, and sees the order delivered.
async fn first_delivery(site: &TestSite, browser: &Browser, visitor: Visitor) -> Result<Duration> {
    let email = "first@example.com";
    browser.resize(visitor.screen).await?;
    browser.set_scripts(visitor.has_scripts).await?;
    browser.goto(&site.base, &[("kamiflow_language", visitor.language)]).await?;
    let began = Instant::now();
    browser.click("a[href='/sign-up']").await?;
    for (field, text) in [("email", email), ("password", PASSWORD), ("merchant", "星河数卡")] {
        browser.fill(&format!("input[name={field}]"), text).await?;
    }
    browser.click("form[action='/sign-up'] button[type=submit]").await?;
    arrive(browser, "/sign-up/sent").await?;

    let token = token_in(&site.mailbox.take(email).await);
    browser.goto(&format!("{}/confirm?token={}", site.base, token.expose()), &[]).await?;
    browser.click("form[action='/confirm'] button[type=submit]").await?;
    arrive(browser, "/log-in").await?;
    // The address is filled in.
    browser.fill("input[name=password]", PASSWORD).await?;
    browser.click("form[action='/log-in'] button[type=submit]").await?;
    arrive(browser, "/console").await?;

    browser.click("form[action='/console/shops/sandbox'] button").await?;
    arrive(browser, "/console").await?;
    browser.click("form[action$='/buyer'] button").await?;
    // The page of the order refreshes itself until the order has been delivered.
    until(browser, "the order's mark says that it was delivered", ".ph .s-delivered").await?;
    Ok(began.elapsed())
}

async fn arrive(browser: &Browser, path: &str) -> Result<()> {
    let began = Instant::now();
    loop {
        let here = browser.path().await?;
        if here == path {
            return Ok(());
        }
        if began.elapsed() > PATIENCE {
            bail!("the browser is at {here} instead of {path}");
        }
        tokio::task::yield_now().await;
    }
}

async fn until(browser: &Browser, what: &str, selector: &str) -> Result<()> {
    let began = Instant::now();
    while !browser.shows(selector).await? {
        if began.elapsed() > PATIENCE {
            bail!("{what}: not within {PATIENCE:?}, at {}", browser.path().await?);
        }
        tokio::task::yield_now().await;
    }
    Ok(())
}
