//! `cargo dev axe`: axe-core over every page, in both themes, on a desktop and on a phone.
//!
//! axe is put into the page by the driver, which no policy of the page forbids; pages themselves load nothing more.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Args;
use serde_json::json;

use crate::browser::Browser;
use crate::tour::{self, DESKTOP, Eyes, PHONE, View};

/// Where `./dev setup-axe` puts it.
const SOURCE: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../.kamiflow/tools/axe-core/node_modules/axe-core/axe.min.js");
/// Calls back with a list of sentences, one for each element that breaks a rule.
const RUN: &str = include_str!("axe/run.js");
/// The text changes with the language, what it is written in does not.
const LANGUAGE: &str = "zh-CN";

/// Options of `cargo dev axe`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Visits only pages whose path contains this.
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
    /// Prints one object as the last line.
    #[arg(long)]
    json: bool,
}

/// Looks at every page.
pub(crate) async fn run(options: &Options) -> Result<ExitCode> {
    let axe = fs::read_to_string(PathBuf::from(SOURCE)).context("axe-core is missing: ./dev setup-axe installs it")?;
    let seen = tour::walk(&options.only, &mut Axe { source: axe }).await?;
    if options.json {
        println!("{}", json!({ "pages": seen.pages, "runs": seen.looks, "violations": seen.found }));
    } else {
        println!("axe: {} pages, {} runs, {} violations", seen.pages, seen.looks, seen.found);
    }
    Ok(if seen.found == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

struct Axe {
    source: String,
}

impl Eyes for Axe {
    fn views(&self) -> Vec<View> {
        let view = |screen, theme| View { screen, language: LANGUAGE, theme };
        vec![view(DESKTOP, "light"), view(DESKTOP, "dark"), view(PHONE, "light")]
    }

    async fn look(&mut self, browser: &Browser, _name: &str, _view: View) -> Result<Vec<String>> {
        browser.ask(&self.source).await?;
        Ok(serde_json::from_value(browser.ask_later(RUN).await?)?)
    }
}
