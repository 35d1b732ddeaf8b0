//! A walk over every page of the site, as whoever may see it: strangers, an owner with nothing, with a shop and with a team, and
//! a reviewer of the operator's staff.
//!
//! Programs that judge pages look at them through [`Eyes`]; what there is to see is written here once. A page is named
//! by its path, or by its route where the path has ids in it; after a blank or a question mark stands what is special
//! about it. A walk over everything that leaves out a page of the application has failed. Each form that has something to
//! be filled in is also sent with nothing in it, and what it is answered is looked at.

mod account;
mod answers;
mod console;
mod forms;
mod routes;
mod staff;

use std::collections::BTreeSet;

use anyhow::{Result, bail};
use kamiflow_app::routes::{DEVELOPMENT_PAGES, PAGES};
use kamiflow_test_support::TestSite;
use kamiflow_test_support::accounts::PASSWORD;

use crate::browser::{Browser, Screen};
use crate::site;

/// The narrowest phone in use.
pub(crate) const NARROW: Screen = Screen { name: "360", width: 360, height: 740 };
/// A usual phone.
pub(crate) const PHONE: Screen = Screen { name: "390", width: 390, height: 844 };
/// A laptop.
pub(crate) const DESKTOP: Screen = Screen { name: "desktop", width: 1440, height: 900 };

/// Sends the form of the switches from the page that is open, to where staff are known or to where all others are.
const CHOOSE: &str = "const sent = new XMLHttpRequest(); sent.open('POST', place, false); \
    sent.setRequestHeader('content-type', 'application/x-www-form-urlencoded'); sent.send(";

/// One way of looking at a page.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View {
    pub(crate) screen: Screen,
    pub(crate) language: &'static str,
    pub(crate) theme: &'static str,
}

/// What looks at pages.
pub(crate) trait Eyes {
    /// How each page is looked at.
    fn views(&self) -> Vec<View>;

    /// Looks at the page that is open; returns what is to be mended, one sentence each.
    async fn look(&mut self, browser: &Browser, name: &str, view: View) -> Result<Vec<String>>;

    /// Proves on the page that is open that what is wrong would be seen.
    async fn prove(&self, _browser: &Browser) -> Result<()> {
        Ok(())
    }
}

/// What is done on a page before it is looked at.
#[derive(Debug, Clone, Copy)]
enum Step<'a> {
    /// Types into a field; `{n}` is another number each time.
    Fill(&'a str, &'a str),
    /// Runs a script.
    Do(&'a str),
    /// Presses a button.
    Press(&'a str),
}

/// What was seen.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Seen {
    /// Pages.
    pub(crate) pages: usize,
    /// Looks at them.
    pub(crate) looks: usize,
    /// What is to be mended.
    pub(crate) found: usize,
}

/// Where a walk is, and what it has seen.
struct Tour<'a, E> {
    site: &'a TestSite,
    browser: &'a Browser,
    eyes: &'a mut E,
    only: &'a str,
    seen: Seen,
    /// The pages that were looked at, by their routes.
    visited: BTreeSet<String>,
    /// The forms of which a refusal was looked at.
    refused: BTreeSet<String>,
}

/// Looks at every page whose name contains `only`, and prints what is to be mended.
pub(crate) async fn walk(only: &str, eyes: &mut impl Eyes) -> Result<Seen> {
    let site = site::start_for_developers().await;
    let browser = Browser::start().await?;
    let mut tour = Tour {
        site: &site,
        browser: &browser,
        eyes,
        only,
        seen: Seen::default(),
        visited: BTreeSet::new(),
        refused: BTreeSet::new(),
    };
    let walked = tour.everywhere().await;
    let seen = tour.seen;
    browser.stop().await?;
    site.stop().await;
    walked?;
    if seen.looks == 0 {
        bail!("no page has `{only}` in its name");
    }
    Ok(seen)
}

impl<E: Eyes> Tour<'_, E> {
    async fn everywhere(&mut self) -> Result<()> {
        self.open("/sign-up").await?;
        self.eyes.prove(self.browser).await?;
        for path in PAGES.iter().chain(DEVELOPMENT_PAGES).chain(&["/no-such-page"]) {
            self.look(path).await?;
        }
        self.console().await?;
        self.account().await?;
        self.staff().await?;
        if self.only.is_empty() {
            for route in routes::all().difference(&self.visited) {
                println!("{route}: nobody has looked at it");
                self.seen.found += 1;
            }
        }
        Ok(())
    }

    /// Looks at a page that is named by its path.
    async fn look(&mut self, path: &str) -> Result<()> {
        self.look_as(path, path).await
    }

    /// Looks at a page in every way, and at what its forms answer to somebody who fills in nothing.
    async fn look_as(&mut self, name: &str, path: &str) -> Result<()> {
        self.look_after(name, path, &[]).await?;
        self.refusals(name, path).await
    }

    /// Looks in every way at what a page leads to.
    async fn look_after(&mut self, name: &str, path: &str, steps: &[Step<'_>]) -> Result<()> {
        self.visited.insert(routes::of(name).to_owned());
        if !name.contains(self.only) {
            return Ok(());
        }
        self.seen.pages += 1;
        for view in self.eyes.views() {
            let (language, theme) = (view.language, view.theme);
            self.browser.resize(view.screen).await?;
            // Whoever is logged in reads the account's language, whatever the cookie says.
            let place = if path.starts_with("/staff/") { "/staff/preferences" } else { "/preferences" };
            let choose = format!("const place = '{place}'; {CHOOSE}'language={language}&theme={theme}')");
            self.browser.ask(&choose).await?;
            let cookies = [("kamiflow_language", language), ("kamiflow_theme", theme)];
            self.browser.open(&format!("{}{path}", self.site.base), &cookies).await?;
            self.seen.looks += 1;
            self.go(steps).await?;
            self.browser.settle().await?;
            for sentence in self.eyes.look(self.browser, name, view).await? {
                println!("{name} ({language}, {theme}, {}): {sentence}", view.screen.name);
                self.seen.found += 1;
            }
        }
        Ok(())
    }

    /// Does what leads to what is looked at.
    async fn go(&self, steps: &[Step<'_>]) -> Result<()> {
        for step in steps {
            match step {
                Step::Fill(field, text) => {
                    self.browser.fill(field, &text.replace("{n}", &self.seen.looks.to_string())).await?;
                }
                Step::Do(script) => drop(self.browser.ask(script).await?),
                Step::Press(button) => self.browser.click(button).await?,
            }
        }
        Ok(())
    }

    /// Opens a page as its visitor would, to press something on it.
    async fn open(&self, path: &str) -> Result<()> {
        self.browser.resize(DESKTOP).await?;
        self.browser.goto(&format!("{}{path}", self.site.base), &[]).await
    }

    /// Returns the first link of the page whose address begins so.
    async fn link(&self, start: &str) -> Result<String> {
        let script = format!("return document.querySelector(\"main a[href^='{start}']\")?.getAttribute('href') ?? '';");
        match self.browser.ask(&script).await?.as_str() {
            // A page that is open already is not loaded anew for a place on it.
            Some(path) if !path.is_empty() => Ok(path.split('#').next().unwrap_or_default().to_owned()),
            _ => bail!("{} has no link to {start}", self.browser.path().await?),
        }
    }

    /// Logs somebody in by the form.
    async fn log_in(&self, email: &str) -> Result<()> {
        self.open("/log-in").await?;
        self.browser.fill("input[name=login]", email).await?;
        self.browser.fill("input[name=password]", PASSWORD).await?;
        self.browser.click("form[action='/log-in'] button[type=submit]").await
    }

    /// Proves who is logged in.
    async fn prove(&self) -> Result<()> {
        self.open("/account/sudo").await?;
        self.browser.fill("input[name=password]", PASSWORD).await?;
        self.browser.click("form[action='/account/sudo'] button[type=submit]").await
    }
}
