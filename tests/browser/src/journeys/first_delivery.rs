//! From sign-up to the first delivered order: on a desktop, on a phone, and without scripts.

use anyhow::Result;
use kamiflow_test_support::accounts::{PASSWORD, token_in};

use super::Stage;
use super::steps::{DELIVERED, enter, fits, until};
use crate::browser::Screen;
use crate::tour::{DESKTOP, NARROW};

/// How somebody comes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Visitor {
    pub(super) name: &'static str,
    screen: Screen,
    language: &'static str,
    has_scripts: bool,
}

impl Visitor {
    pub(super) const ON_A_DESKTOP: Self =
        Self { name: "first delivery on a desktop", screen: DESKTOP, language: "zh-CN", has_scripts: true };
    pub(super) const ON_A_PHONE: Self =
        Self { name: "first delivery on a phone", screen: NARROW, language: "zh-CN", has_scripts: true };
    pub(super) const WITHOUT_SCRIPTS: Self =
        Self { name: "first delivery without scripts", screen: NARROW, language: "en", has_scripts: false };
}

/// Signs up, confirms, logs in, makes a sandbox shop, lets a buyer order, sees the order delivered, and logs out.
pub(super) async fn walk(stage: &mut Stage, visitor: Visitor) -> Result<()> {
    stage.site.work();
    let (site, browser) = (&stage.site, &stage.browser);
    let email = "first@example.com";
    browser.resize(visitor.screen).await?;
    browser.set_scripts(visitor.has_scripts).await?;
    browser.goto(&site.base, &[("kamiflow_language", visitor.language)]).await?;
    fits(browser).await?;
    browser.click("a[href='/sign-up']").await?;
    for (field, text) in [("email", email), ("password", PASSWORD), ("merchant", "星河数卡")] {
        browser.fill(&format!("input[name={field}]"), text).await?;
    }
    fits(browser).await?;
    browser.click("form[action='/sign-up'] button[type=submit]").await?;
    browser.arrive("/sign-up/sent").await?;

    let token = token_in(&site.mailbox.take(email).await);
    browser.goto(&format!("{}/confirm?token={}", site.base, token.expose()), &[]).await?;
    browser.click("form[action='/confirm'] button[type=submit]").await?;
    browser.arrive("/log-in").await?;
    fits(browser).await?;
    // The address is filled in.
    browser.fill("input[name=password]", PASSWORD).await?;
    browser.click("form[action='/log-in'] button[type=submit]").await?;
    browser.arrive("/console").await?;

    browser.click("form[action='/console/shops/sandbox'] button").await?;
    browser.arrive("/console").await?;
    fits(browser).await?;
    browser.click("form[action$='/buyer'] button").await?;
    // The page of the order refreshes itself until the order has been delivered.
    until(browser, "the order's mark says that it was delivered", DELIVERED).await?;
    fits(browser).await?;

    browser.click("details.end > summary").await?;
    browser.click("form[action='/log-out'] button").await?;
    browser.arrive("/").await?;
    browser.goto(&format!("{}/log-in", site.base), &[]).await?;
    enter(browser, email, PASSWORD).await?;
    browser.arrive("/console").await
}
