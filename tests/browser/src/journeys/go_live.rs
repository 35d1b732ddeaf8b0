//! A trial run shows what it would send, and going live sends nothing of what was paid before.

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use super::Stage;
use super::steps::{DELIVERED, log_in, press_twice, prove, reopen_until, sandbox_shop, says, until, until_count};

/// Orders that wait when the shop goes live.
const BACKLOG: usize = 50;

/// Lets a backlog come in a trial run, goes live with what is chosen at first, and lets one more buyer order.
pub(super) async fn walk(stage: &mut Stage) -> Result<()> {
    let owner = stage.site.owner("owner@example.com").await;
    stage.site.work();
    let (site, browser) = (&stage.site, &stage.browser);
    log_in(site, browser, &owner.email).await?;
    let (shop, mall) = sandbox_shop(browser).await?;
    browser.click(".acts form[action$='/trial'] button").await?;
    until(browser, "the shop is in trial run", ".ph .s-waiting").await?;

    let backlog = site.order(mall, json!({ "count": BACKLOG })).await;
    ensure!(backlog.len() == BACKLOG, "the platform has made {} orders", backlog.len());
    browser.click(".acts a[href$='/trial']").await?;
    browser.arrive(&format!("{shop}/trial")).await?;
    // A row per order, with the pool and the count of cards in its badge.
    let shown = format!(
        "const rows = [...document.querySelectorAll('tbody tr')]; \
         return rows.length === {BACKLOG} && rows.every((row) => row.querySelector('.s-sending')?.textContent.includes('演练卡库'));"
    );
    let trial = format!("{}{shop}/trial", site.base);
    reopen_until(browser, &trial, "the page shows what it would send for the whole backlog", &shown).await?;
    ensure!(site.world.vouchers_sent().await.is_empty(), "a trial run has sent something");

    // Times of payment have whole seconds: the backlog was paid before the second of going live.
    site.world.time_passes(5).await;
    browser.click("form#live button[type=submit]").await?;
    prove(browser).await?;
    browser.arrive(&format!("{shop}/trial")).await?;
    let is_default = browser.ask("return document.querySelector('form#live input[name=start]:checked').value;").await?;
    ensure!(is_default == json!("now"), "{is_default} is chosen at first");
    browser.click("form#live button[type=submit]").await?;
    browser.arrive(&shop).await?;
    says(browser, "正式运行。").await?;

    press_twice(browser, ".acts form[action$='/buyer'] button").await?;
    until(browser, "the new order's mark says that it was delivered", DELIVERED).await?;
    let path = browser.path().await?;
    let new = path.rsplit('/').next().context("the page of an order names it")?;
    // Each of the backlog was looked at and kept back.
    let held = "SELECT count(*) FROM orders WHERE state = 'held_backlog'";
    until_count(site, "the whole backlog is held back", held, BACKLOG).await?;
    let sent = site.world.vouchers_sent().await;
    ensure!(sent.keys().map(String::as_str).eq([new]), "sent was {:?} instead of {new} alone", sent.keys());
    let orders = site.world.sql_as_superuser().await.count("SELECT count(*) FROM orders", &[]).await?;
    ensure!(orders == i64::try_from(BACKLOG + 1)?, "there are {orders} orders: a button pressed twice counts once");
    let first = backlog.first().context("there is a backlog")?;
    browser.goto(&format!("{}{shop}/orders/{first}", site.base), &[]).await?;
    says(browser, "上线前的单，等人放行").await?;
    ensure!(!browser.shows(DELIVERED).await?, "{first} of the backlog is told to be delivered");
    Ok(())
}
