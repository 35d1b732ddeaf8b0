//! The language of pages: by account, then by cookie, then by what the browser asks for.

use anyhow::{Result, ensure};
use kamiflow_test_support::accounts::PASSWORD;

use super::Stage;
use super::steps::{enter, log_in, until};
use crate::browser::Browser;
use crate::tour::DESKTOP;

/// Reads the site as visitors of several languages, chooses one, and finds the choice on another machine.
pub(super) async fn walk(stage: &mut Stage) -> Result<()> {
    let owner = stage.site.owner("owner@example.com").await;
    let (site, browser, other) = (&stage.site, &stage.browser, &stage.other);
    browser.resize(DESKTOP).await?;
    // Chinese is for everybody whose language there is not.
    for (asked, given) in [("en-US,en", "en"), ("zh-CN,zh", "zh-CN"), ("fr-FR,fr", "zh-CN")] {
        browser.set_languages(asked).await?;
        browser.goto(&site.base, &[]).await?;
        speaks(browser, given, asked).await?;
    }
    // A choice outlives the page, and what the browser asks for.
    browser.click("form[action='/preferences'] button[name=language][value=en]").await?;
    until(browser, "the page is English", "html[lang=en]").await?;
    browser.set_languages("zh-CN,zh").await?;
    browser.goto(&format!("{}/pricing", site.base), &[]).await?;
    speaks(browser, "en", "a cookie").await?;
    // An account's language is the one that was chosen last, wherever its holder logs in.
    log_in(site, browser, &owner.email).await?;
    speaks(browser, "zh-CN", "an account").await?;
    other.resize(DESKTOP).await?;
    other.set_languages("en-US,en").await?;
    other.goto(&format!("{}/log-in", site.base), &[("kamiflow_language", "en")]).await?;
    speaks(other, "en", "a visitor's cookie").await?;
    enter(other, &owner.email, PASSWORD).await?;
    other.arrive("/console").await?;
    speaks(other, "zh-CN", "an account on another machine").await
}

async fn speaks(browser: &Browser, language: &str, who: &str) -> Result<()> {
    let spoken = browser.language().await?;
    ensure!(spoken == language, "{who} reads {spoken} instead of {language} at {}", browser.path().await?);
    Ok(())
}
