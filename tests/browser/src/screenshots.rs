//! `cargo dev screenshots`: pictures of every page, and what does not fit on them.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Args;
use kamiflow_app::routes::{DEVELOPMENT_PAGES, PAGES};
use kamiflow_test_support::TestSite;
use kamiflow_test_support::accounts::PASSWORD;

use crate::browser::{Browser, Screen};

/// The narrowest phone in use, a usual one, and a laptop.
const SCREENS: [Screen; 3] = [
    Screen { name: "360", width: 360, height: 740 },
    Screen { name: "390", width: 390, height: 844 },
    Screen { name: "desktop", width: 1440, height: 900 },
];
const LANGUAGES: [&str; 2] = ["zh-CN", "en"];
const THEMES: [&str; 2] = ["light", "dark"];
/// Sends the form of the switches from the page that is open.
const CHOOSE: &str = "const sent = new XMLHttpRequest(); sent.open('POST', '/preferences', false); \
    sent.setRequestHeader('content-type', 'application/x-www-form-urlencoded'); sent.send(";
/// What an owner sees.
const MINE: [&str; 21] = [
    "/console",
    "/console/orders",
    "/console/products",
    "/console/pools",
    "/console/shops",
    "/console/shops/new",
    "/console/shops/tokens",
    "/console/verification",
    "/console/api",
    "/console/pauses",
    "/console/rules",
    "/console/export",
    "/console/merchant",
    "/console/team/leave",
    "/console/notifications",
    "/console/team",
    "/console/audit",
    "/account/security",
    "/account/merchants",
    "/account/password",
    "/account/sudo",
];
/// Returns a list of sentences about what does not fit.
const CHECKS: &str = include_str!("screenshots/checks.js");

/// Options of `cargo dev screenshots`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Visits only pages whose path contains this.
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
    /// Where the pictures go.
    #[arg(long, value_name = "FOLDER", default_value = ".kamiflow/screenshots")]
    out: PathBuf,
}

/// Takes the pictures.
pub(crate) async fn run(options: &Options) -> Result<ExitCode> {
    fs::create_dir_all(&options.out).with_context(|| format!("could not create {}", options.out.display()))?;
    let built = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../.kamiflow/site"));
    let site = TestSite::with(|settings| (settings.folder, settings.development) = (built, true)).await;
    let browser = Browser::start().await?;
    let looked = look_at_all(options, &site, &browser).await;
    browser.stop().await?;
    site.stop().await;
    let (pictures, found) = looked?;
    println!("screenshots: {pictures} pictures in {}, {found} to mend", options.out.display());
    Ok(if found == 0 && pictures > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Looks at what anybody may read, then logs an owner in who has a sandbox shop, and looks at the rest.
async fn look_at_all(options: &Options, site: &TestSite, browser: &Browser) -> Result<(usize, usize)> {
    browser.goto(&site.base, &[]).await?;
    let public = PAGES.iter().chain(DEVELOPMENT_PAGES).chain(&["/no-such-page"]).map(|path| (*path).to_owned());
    let (mut pictures, mut found) = look(options, site, browser, public).await?;
    let owner = site.owner("owner@example.com").await;
    browser.goto(&format!("{}/log-in", site.base), &[]).await?;
    browser.fill("input[name=login]", &owner.email).await?;
    browser.fill("input[name=password]", PASSWORD).await?;
    browser.click("form[action='/log-in'] button[type=submit]").await?;
    let empty = ["/console", "/console/orders", "/console/shops", "/console/pools", "/console/products"];
    let (more, wrong) = look(options, site, browser, empty.map(|path| format!("{path}?empty"))).await?;
    (pictures, found) = (pictures + more, found + wrong);
    browser.goto(&format!("{}/console", site.base), &[]).await?;
    browser.click("form[action='/console/shops/sandbox'] button").await?;
    browser.click("form[action$='/buyer'] button").await?;
    let order = browser.path().await?;
    let shop = order.split("/orders/").next().unwrap_or_default().to_owned();
    let mine = MINE.iter().map(|path| (*path).to_owned()).chain([shop.clone(), format!("{shop}/trial"), order]);
    let (more, wrong) = look(options, site, browser, mine).await?;
    Ok((pictures + more, found + wrong))
}

async fn look(
    options: &Options,
    site: &TestSite,
    browser: &Browser,
    paths: impl IntoIterator<Item = String>,
) -> Result<(usize, usize)> {
    let (mut pictures, mut found) = (0, 0);
    for path in paths.into_iter().filter(|path| path.contains(&options.only)) {
        for screen in SCREENS {
            browser.resize(screen).await?;
            for (language, theme) in LANGUAGES.iter().flat_map(|language| THEMES.map(|theme| (*language, theme))) {
                let cookies = [("kamiflow_language", language), ("kamiflow_theme", theme)];
                // Whoever is logged in reads the account's language, whatever the cookie says.
                browser.ask(&format!("{CHOOSE}'language={language}&theme={theme}')")).await?;
                browser.open(&format!("{}{path}", site.base), &cookies).await?;
                let name = format!("{}-{language}-{theme}-{}", file_name(&path), screen.name);
                fs::write(options.out.join(format!("{name}.png")), browser.picture().await?)?;
                pictures += 1;
                let sentences: Vec<String> = serde_json::from_value(browser.ask(CHECKS).await?)?;
                for sentence in sentences {
                    println!("{name}: {sentence}");
                    found += 1;
                }
            }
        }
    }
    Ok((pictures, found))
}

fn file_name(path: &str) -> String {
    match path.trim_matches('/') {
        "" => "landing".to_owned(),
        path => path.replace(['/', '?'], "-"),
    }
}
