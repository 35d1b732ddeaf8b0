//! A walk over every page of the site, as whoever may see it: strangers, an owner with nothing, with a shop and with a team, and
//! a reviewer of the operator's staff.
//!
//! Programs that judge pages look at them through [`Eyes`]; what there is to see is written here once. A page is named
//! by its path, or by its route where the path has ids in it.

mod account;
mod console;
mod staff;

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
}

/// Looks at every page whose name contains `only`, and prints what is to be mended.
pub(crate) async fn walk(only: &str, eyes: &mut impl Eyes) -> Result<Seen> {
    let site = site::start_for_developers().await;
    let browser = Browser::start().await?;
    let mut tour = Tour { site: &site, browser: &browser, eyes, only, seen: Seen::default() };
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
        self.browser.goto(&self.site.base, &[]).await?;
        for path in PAGES.iter().chain(DEVELOPMENT_PAGES).chain(&["/no-such-page"]) {
            self.look(path).await?;
        }
        self.console().await?;
        self.account().await?;
        self.staff().await
    }

    /// Looks at a page that is named by its path.
    async fn look(&mut self, path: &str) -> Result<()> {
        self.look_as(path, path).await
    }

    /// Looks at a page in every way.
    async fn look_as(&mut self, name: &str, path: &str) -> Result<()> {
        self.look_behind(name, path, None).await
    }

    /// Looks in every way at a page or, where there is a button to press on it, at what that leads to.
    async fn look_behind(&mut self, name: &str, path: &str, button: Option<&str>) -> Result<()> {
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
            if let Some(button) = button {
                self.browser.click(button).await?;
            }
            self.seen.looks += 1;
            for sentence in self.eyes.look(self.browser, name, view).await? {
                println!("{name} ({language}, {theme}, {}): {sentence}", view.screen.name);
                self.seen.found += 1;
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
            Some(path) if !path.is_empty() => Ok(path.to_owned()),
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
