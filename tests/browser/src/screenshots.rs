//! `cargo dev screenshots`: pictures of every page, and what does not fit on them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use clap::Args;

use crate::browser::Browser;
use crate::tour::{self, DESKTOP, Eyes, NARROW, PHONE, View};

const LANGUAGES: [&str; 2] = ["zh-CN", "en"];
const THEMES: [&str; 2] = ["light", "dark"];
/// Returns a list of sentences about what does not fit.
const CHECKS: &str = include_str!("screenshots/checks.js");
/// Returns a list of sentences about what is pressed without a sign that something is on its way.
const WAITING: &str = include_str!("screenshots/waiting.js");

/// What is done to a page, and what must be found then: a check that finds nothing there would find nothing anywhere.
const FAULTS: [(&str, &str); 8] = [
    (
        "const wide = document.createElement('div'); wide.style.width = '3000px'; wide.style.height = '1px'; \
      document.body.append(wide);",
        "scrolls sideways",
    ),
    (
        "const box = document.createElement('div'); box.style.overflow = 'hidden'; box.style.width = '20px'; \
      box.style.whiteSpace = 'nowrap'; box.textContent = 'words that do not fit'; document.body.append(box);",
        "is clipped",
    ),
    (
        "const small = document.createElement('button'); small.style.width = '9px'; small.style.height = '9px'; \
      document.body.append(small);",
        "is too small to tap",
    ),
    ("document.body.append(document.createElement('table'));", "is empty without saying so"),
    ("document.querySelector('main input.input').removeAttribute('aria-describedby');", "has no place for an error"),
    (
        "const sheet = new CSSStyleSheet(); sheet.replaceSync('html::before { display: none !important }'); \
      document.adoptedStyleSheets = [sheet];",
        "leads on without a line",
    ),
    (
        "const sheet = new CSSStyleSheet(); sheet.replaceSync('.btn::before { display: none !important }'); \
      document.adoptedStyleSheets = [sheet];",
        "has a button that turns nothing",
    ),
    ("addEventListener('submit', (event) => event.preventDefault(), true);", "sends on without a line"),
];

/// Options of `cargo dev screenshots`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Visits only pages whose path contains this.
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
    /// Where the pictures go.
    #[arg(long, value_name = "FOLDER", default_value = ".kamiflow/screenshots")]
    out: PathBuf,
    /// Puts those that the merchants' guide shows into it as well: docs/guide
    #[arg(long, value_name = "FOLDER")]
    guide: Option<PathBuf>,
}

/// Pages that the guide shows, and what their pictures are called there.
const GUIDE: [(&str, &str); 7] = [
    ("/sign-up", "sign-up"),
    ("/console/products", "products"),
    ("/console/pools", "pools"),
    ("/console/shops/new", "connect"),
    ("/console/shops/:shop in trial run", "shop"),
    ("/console/shops/:shop/trial in trial run", "trial"),
    ("/console/team", "team"),
];

/// Takes the pictures.
pub(crate) async fn run(options: &Options) -> Result<ExitCode> {
    fs::create_dir_all(&options.out).with_context(|| format!("could not create {}", options.out.display()))?;
    let mut camera = Camera { out: &options.out, guide: options.guide.as_deref() };
    let seen = tour::walk(&options.only, &mut camera).await?;
    println!("screenshots: {} pictures in {}, {} to mend", seen.looks, options.out.display(), seen.found);
    Ok(if seen.found == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

struct Camera<'a> {
    out: &'a Path,
    guide: Option<&'a Path>,
}

impl Camera<'_> {
    /// Keeps a picture for the guide, if that shows the page.
    fn keep(&self, page: &str, view: View, picture: &[u8]) -> Result<()> {
        let Some(guide) = self.guide.filter(|_| view.theme == "light" && view.screen.name == DESKTOP.name) else {
            return Ok(());
        };
        let Some((_, name)) = GUIDE.iter().find(|(shown, _)| *shown == page) else { return Ok(()) };
        let folder = guide.join(if view.language == "en" { "en" } else { "zh" }).join("pictures");
        fs::create_dir_all(&folder)?;
        Ok(fs::write(folder.join(format!("{name}.png")), picture)?)
    }
}

impl Eyes for Camera<'_> {
    fn views(&self) -> Vec<View> {
        let themed = |screen, language| THEMES.map(|theme| View { screen, language, theme });
        let spoken = |screen| LANGUAGES.into_iter().flat_map(move |language| themed(screen, language));
        [NARROW, PHONE, DESKTOP].into_iter().flat_map(spoken).collect()
    }

    async fn look(&mut self, browser: &Browser, name: &str, view: View) -> Result<Vec<String>> {
        let file = format!("{}-{}-{}-{}.png", file_name(name), view.language, view.theme, view.screen.name);
        let picture = browser.picture().await?;
        fs::write(self.out.join(file), &picture)?;
        self.keep(name, view, &picture)?;
        found(browser).await
    }

    async fn prove(&self, browser: &Browser) -> Result<()> {
        browser.resize(NARROW).await?;
        let before = found(browser).await?;
        ensure!(before.is_empty(), "the page that faults are tried on has some: {before:?}");
        for (fault, sentence) in FAULTS {
            browser.reload().await?;
            browser.ask(fault).await?;
            let seen = found(browser).await?;
            ensure!(seen.iter().any(|seen| seen.contains(sentence)), "`{sentence}` is not found, only {seen:?}");
        }
        browser.reload().await
    }
}

/// Returns what is to be mended on the page that is open.
async fn found(browser: &Browser) -> Result<Vec<String>> {
    let mut found: Vec<String> = serde_json::from_value(browser.ask(CHECKS).await?)?;
    found.extend(serde_json::from_value::<Vec<String>>(browser.ask(WAITING).await?)?);
    Ok(found)
}

fn file_name(page: &str) -> String {
    match page.trim_matches('/') {
        "" => "landing".to_owned(),
        page => page.replace(['/', '?', '=', '&', ' '], "-").replace(':', ""),
    }
}
