//! `cargo dev screenshots`: pictures of every page, and what does not fit on them.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Args;

use crate::browser::Browser;
use crate::tour::{self, DESKTOP, Eyes, NARROW, PHONE, View};

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
    let seen = tour::walk(&options.only, &mut Camera { out: &options.out }).await?;
    println!("screenshots: {} pictures in {}, {} to mend", seen.looks, options.out.display(), seen.found);
    Ok(if seen.found == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

struct Camera<'a> {
    out: &'a PathBuf,
}

impl Eyes for Camera<'_> {
    fn views(&self) -> Vec<View> {
        let themed = |screen, language| THEMES.map(|theme| View { screen, language, theme });
        let spoken = |screen| LANGUAGES.into_iter().flat_map(move |language| themed(screen, language));
        [NARROW, PHONE, DESKTOP].into_iter().flat_map(spoken).collect()
    }

    async fn look(&mut self, browser: &Browser, name: &str, view: View) -> Result<Vec<String>> {
        let file = format!("{}-{}-{}-{}.png", file_name(name), view.language, view.theme, view.screen.name);
        fs::write(self.out.join(file), browser.picture().await?)?;
        Ok(serde_json::from_value(browser.ask(CHECKS).await?)?)
    }
}

fn file_name(page: &str) -> String {
    match page.trim_matches('/') {
        "" => "landing".to_owned(),
        page => page.replace(['/', '?', '=', ' '], "-").replace(':', ""),
    }
}
