//! What every journey is made of: arriving, waiting, and the ways that several people go.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use kamiflow_test_support::TestSite;
use kamiflow_test_support::accounts::PASSWORD;
use serde_json::Value;

use crate::browser::{Browser, PATIENCE};
use crate::tour::DESKTOP;

/// The mark of an order whose buyer has the cards; the shop beside it has a mark of its own.
pub(super) const DELIVERED: &str = ".ph use[href$='#package-check']";

/// Waits until a page that refreshes itself has an element.
pub(super) async fn until(browser: &Browser, what: &str, selector: &str) -> Result<()> {
    let began = Instant::now();
    while !browser.shows(selector).await? {
        if began.elapsed() > PATIENCE {
            bail!("{what}: not within {PATIENCE:?}, at {}", browser.path().await?);
        }
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// Waits until workers have brought a count to so much.
pub(super) async fn until_count(site: &TestSite, what: &str, count: &str, wanted: usize) -> Result<()> {
    let (sql, wanted) = (site.world.sql_as_superuser().await, i64::try_from(wanted)?);
    let reached = async {
        let mut looks = tokio::time::interval(Duration::from_millis(50));
        while sql.count(count, &[]).await? < wanted {
            looks.tick().await;
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(PATIENCE, reached).await.with_context(|| format!("{what}: not within {PATIENCE:?}"))?
}

/// Opens a page again and again until a script in it returns true.
pub(super) async fn reopen_until(browser: &Browser, address: &str, what: &str, script: &str) -> Result<()> {
    let began = Instant::now();
    loop {
        browser.goto(address, &[]).await?;
        if browser.ask(script).await? == Value::Bool(true) {
            return Ok(());
        }
        if began.elapsed() > PATIENCE {
            bail!("{what}: not within {PATIENCE:?}, at {}", browser.path().await?);
        }
    }
}

/// Logs somebody in whose account was arranged, and takes Chinese; ends at the console of a desktop.
pub(super) async fn log_in(site: &TestSite, browser: &Browser, email: &str) -> Result<()> {
    browser.resize(DESKTOP).await?;
    browser.goto(&format!("{}/log-in", site.base), &[]).await?;
    enter(browser, email, PASSWORD).await?;
    browser.arrive("/console").await?;
    speak_chinese(browser).await
}

/// Fills the log-in page in.
pub(super) async fn enter(browser: &Browser, login: &str, password: &str) -> Result<()> {
    browser.fill("input[name=login]", login).await?;
    browser.fill("input[name=password]", password).await?;
    browser.click("form[action='/log-in'] button[type=submit]").await
}

/// Presses the switch of the page, where it says something else.
async fn speak_chinese(browser: &Browser) -> Result<()> {
    if browser.language().await? != "zh-CN" {
        browser.click(".top form[action='/preferences'] button[name=language]").await?;
        until(browser, "the page is Chinese", "html[lang='zh-CN']").await?;
    }
    Ok(())
}

/// Makes a sandbox shop with the button of the list, and opens it; returns its path and its mall's number.
pub(super) async fn sandbox_shop(browser: &Browser) -> Result<(String, i64)> {
    browser.click(".side a[href='/console/shops']").await?;
    let before = shops(browser).await?;
    browser.click(".acts form[action='/console/shops/sandbox'] button").await?;
    browser.arrive("/console").await?;
    browser.click(".side a[href='/console/shops']").await?;
    let path = shops(browser).await?.into_iter().find(|shop| !before.contains(shop));
    let path = path.context("the list shows no new shop")?;
    browser.click(&format!("td a[href='{path}']")).await?;
    browser.arrive(&path).await?;
    let mall =
        browser.ask("return Number(document.querySelector('.ph .sub').textContent.match(/\\d{6,}/)[0]);").await?;
    let Some(mall) = mall.as_i64() else { bail!("the page of the shop names no mall: {mall}") };
    Ok((path, mall))
}

/// Returns the paths of the shops that the list shows.
pub(super) async fn shops(browser: &Browser) -> Result<Vec<String>> {
    browser.arrive("/console/shops").await?;
    let links = "return [...document.querySelectorAll(\"td a[href^='/console/shops/shop_']\")] \
                 .map((link) => link.getAttribute('href'));";
    Ok(serde_json::from_value(browser.ask(links).await?)?)
}

/// Returns the link that a page shows once.
pub(super) async fn shown_once(browser: &Browser) -> Result<String> {
    until(browser, "the page shows something once", "pre").await?;
    let secret = browser.ask("return document.querySelector('pre').textContent;").await?;
    Ok(secret.as_str().unwrap_or_default().trim().to_owned())
}

/// Proves who she is, where the page asks, and goes on.
pub(super) async fn prove(browser: &Browser) -> Result<()> {
    browser.arrive("/account/sudo").await?;
    browser.fill("input[name=password]", PASSWORD).await?;
    browser.click("form[action='/account/sudo'] button[type=submit]").await
}

/// Presses a button twice before the page is gone, as impatient people do; the page must say at once that it was heard.
pub(super) async fn press_twice(browser: &Browser, selector: &str) -> Result<()> {
    let press = format!(
        "const button = document.querySelector(\"{selector}\"); button.click(); \
         const isTold = button.getAttribute('aria-busy') === 'true' && 'waiting' in document.documentElement.dataset; \
         button.click(); return isTold;"
    );
    let is_told = browser.ask(&press).await?;
    ensure!(is_told == Value::Bool(true), "{selector} does not show that it was pressed");
    Ok(())
}

/// Asks that an address typed by hand is answered with this status.
pub(super) async fn is_answered(site: &TestSite, browser: &Browser, path: &str, status: i64) -> Result<()> {
    browser.goto(&format!("{}{path}", site.base), &[]).await?;
    let answered = browser.ask("return performance.getEntriesByType('navigation')[0].responseStatus;").await?;
    ensure!(answered.as_i64() == Some(status), "{path} is answered {answered} instead of {status}");
    ensure!(browser.shows("main h1").await?, "the page that refuses {path} says nothing");
    Ok(())
}

/// Asks that nothing of the page is beyond the screen.
pub(super) async fn fits(browser: &Browser) -> Result<()> {
    let width =
        browser.ask("const page = document.documentElement; return page.scrollWidth - page.clientWidth;").await?;
    ensure!(width.as_i64() == Some(0), "{} is {width} px too wide", browser.path().await?);
    Ok(())
}

/// Asks that the page says something.
pub(super) async fn says(browser: &Browser, words: &str) -> Result<()> {
    let text = browser.text().await?;
    ensure!(text.contains(words), "{} does not say {words:?}", browser.path().await?);
    Ok(())
}
