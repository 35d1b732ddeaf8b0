//! `cargo dev screenshots`: pictures of every page, and what does not fit on them.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Args;
use kamiflow_app::routes::{DEVELOPMENT_PAGES, PAGES};
use kamiflow_test_support::TestSite;

use crate::browser::{Browser, Screen};

/// The narrowest phone in use, a usual one, and a laptop.
const SCREENS: [Screen; 3] = [
    Screen { name: "360", width: 360, height: 740 },
    Screen { name: "390", width: 390, height: 844 },
    Screen { name: "desktop", width: 1440, height: 900 },
];
const LANGUAGES: [&str; 2] = ["zh-CN", "en"];
const THEMES: [&str; 2] = ["light", "dark"];
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
    let looked = look(options, &site, &browser).await;
    browser.stop().await?;
    site.stop().await;
    let (pictures, found) = looked?;
    println!("screenshots: {pictures} pictures in {}, {found} to mend", options.out.display());
    Ok(if found == 0 && pictures > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn look(options: &Options, site: &TestSite, browser: &Browser) -> Result<(usize, usize)> {
    let (mut pictures, mut found) = (0, 0);
    let error = ["/no-such-page"];
    for path in PAGES.iter().chain(DEVELOPMENT_PAGES).chain(&error).filter(|path| path.contains(&options.only)) {
        for screen in SCREENS {
            browser.resize(screen).await?;
            for (language, theme) in LANGUAGES.iter().flat_map(|language| THEMES.map(|theme| (*language, theme))) {
                let cookies = [("kamiflow_language", language), ("kamiflow_theme", theme)];
                browser.open(&format!("{}{path}", site.base), &cookies).await?;
                let name = format!("{}-{language}-{theme}-{}", file_name(path), screen.name);
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
        path => path.replace('/', "-"),
    }
}
