//! `cargo dev journeys`: what people do on the site, done in Chromium, each with a clock beside it.
//!
//! A journey has a site of its own and up to two browsers, which forget everything before it. What it claims it reads from
//! the page, as somebody would; what really reached buyers it asks the sandbox's ledger. A journey that breaks off leaves
//! a picture and the text of both browsers' pages in `--out`, and the others are walked all the same.

mod authorization;
mod first_delivery;
mod go_live;
mod language;
mod second_factor;
mod steps;
mod team;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use kamiflow_test_support::TestSite;
use serde_json::json;

use self::first_delivery::Visitor;
use crate::browser::Browser;
use crate::site;

/// From the first page to the first card in a buyer's hands; nothing else that people do may take longer.
const LONGEST: Duration = Duration::from_secs(180);

/// Options of `cargo dev journeys`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Walks only journeys whose name contains this.
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
    /// Where pictures and texts of journeys that broke off go.
    #[arg(long, value_name = "FOLDER", default_value = ".kamiflow/journeys")]
    out: PathBuf,
    /// Prints one object as the last line.
    #[arg(long)]
    json: bool,
}

/// What is walked.
#[derive(Debug, Clone, Copy)]
enum Journey {
    FirstDelivery(Visitor),
    GoLive,
    Invitation,
    SubAccount,
    Expiry,
    Language,
    Passkey,
    Codes,
}

const JOURNEYS: &[Journey] = &[
    Journey::FirstDelivery(Visitor::ON_A_DESKTOP),
    Journey::FirstDelivery(Visitor::ON_A_PHONE),
    Journey::FirstDelivery(Visitor::WITHOUT_SCRIPTS),
    Journey::GoLive,
    Journey::Invitation,
    Journey::SubAccount,
    Journey::Expiry,
    Journey::Language,
    Journey::Codes,
    Journey::Passkey,
];

impl Journey {
    fn name(self) -> &'static str {
        match self {
            Self::FirstDelivery(visitor) => visitor.name,
            Self::GoLive => "trial run and go-live",
            Self::Invitation => "invitation to one shop",
            Self::SubAccount => "sub-account",
            Self::Expiry => "expired authorization",
            Self::Language => "language",
            Self::Passkey => "passkey",
            Self::Codes => "codes of a generator",
        }
    }
}

/// Where a journey is walked.
struct Stage {
    site: TestSite,
    /// Who comes first.
    browser: Browser,
    /// Somebody else, who has nothing in common with the first.
    other: Browser,
}

/// Walks every journey.
pub(crate) async fn run(options: &Options) -> Result<ExitCode> {
    let mut browsers = (Browser::start().await?, Browser::start().await?);
    let mut took = BTreeMap::new();
    let mut failures = 0;
    for journey in JOURNEYS.iter().copied().filter(|journey| journey.name().contains(&options.only)) {
        let stage = Stage { site: site::start().await, browser: browsers.0, other: browsers.1 };
        let walked = walk(journey, stage, &options.out).await?;
        browsers = walked.browsers;
        let seconds = walked.took.as_secs_f64();
        match walked.broke_off {
            None => println!("{}: {seconds:.1} s", journey.name()),
            Some(why) => {
                println!("{}: broke off after {seconds:.1} s: {why:#}", journey.name());
                failures += 1;
            }
        }
        took.insert(journey.name(), (seconds * 10.0).round() / 10.0);
    }
    browsers.0.stop().await?;
    browsers.1.stop().await?;
    let slowest = took.values().copied().fold(0.0, f64::max);
    if options.json {
        println!("{}", json!({ "journeys": took.len(), "failures": failures, "slowest_s": slowest, "seconds": took }));
    }
    if took.is_empty() {
        bail!("no journey has `{}` in its name", options.only);
    }
    Ok(if failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A journey's end.
struct Walked {
    browsers: (Browser, Browser),
    took: Duration,
    broke_off: Option<anyhow::Error>,
}

async fn walk(journey: Journey, mut stage: Stage, out: &Path) -> Result<Walked> {
    stage.browser.forget().await?;
    stage.other.forget().await?;
    let began = Instant::now();
    let mut walked = match journey {
        Journey::FirstDelivery(visitor) => first_delivery::walk(&mut stage, visitor).await,
        Journey::GoLive => go_live::walk(&mut stage).await,
        Journey::Invitation => team::invitation(&mut stage).await,
        Journey::SubAccount => team::sub_account(&mut stage).await,
        Journey::Expiry => authorization::walk(&mut stage).await,
        Journey::Language => language::walk(&mut stage).await,
        Journey::Passkey => second_factor::passkey(&stage.site, &stage.browser).await,
        Journey::Codes => second_factor::codes(&stage.site, &stage.browser).await,
    };
    let took = began.elapsed();
    if walked.is_ok() && took > LONGEST {
        walked = Err(anyhow::anyhow!("it took {took:?}, more than {LONGEST:?}"));
    }
    if walked.is_err() {
        keep(&stage, journey, out).await?;
    }
    let Stage { site, browser, other } = stage;
    site.stop().await;
    Ok(Walked { browsers: (browser, other), took, broke_off: walked.err() })
}

/// Keeps what both browsers show.
async fn keep(stage: &Stage, journey: Journey, out: &Path) -> Result<()> {
    fs::create_dir_all(out).with_context(|| format!("could not create {}", out.display()))?;
    let name = journey.name().replace(' ', "-");
    for (browser, whose) in [(&stage.browser, "first"), (&stage.other, "other")] {
        let file = out.join(format!("{name}-{whose}"));
        fs::write(file.with_extension("png"), browser.picture().await?)?;
        let text = format!("{}\n\n{}\n", browser.path().await?, browser.text().await?);
        fs::write(file.with_extension("txt"), text)?;
    }
    println!("{}: pictures and texts are in {}", journey.name(), out.display());
    Ok(())
}
