//! Logging in with a second factor: a passkey in Chromium's virtual authenticator, and the codes of a generator.

use anyhow::{Context as _, Result, ensure};
use chrono::TimeDelta;
use kamiflow_kernel::SecretText;
use kamiflow_test_support::TestSite;
use kamiflow_test_support::accounts::{PASSWORD, code_of};

use super::steps::until;
use crate::browser::Browser;
use crate::tour::{DESKTOP, PHONE};

const OWNER: &str = "owner@example.com";

/// Adds a passkey, logs in with it, and proves anew with it.
pub(super) async fn passkey(site: &TestSite, browser: &Browser) -> Result<()> {
    browser.resize(PHONE).await?;
    let base = by_name(site);
    site.owner(OWNER).await;
    browser.add_authenticator().await?;
    log_in(browser, &base).await?;
    browser.arrive("/console").await?;
    prove_by_password(browser, &base).await?;
    browser.click("form[action='/account/security/passkey'] button").await?;
    until(browser, "the page with the question", "#passkey button:enabled").await?;
    browser.fill("input[name=name]", "虚拟密钥").await?;
    browser.click("#passkey button").await?;
    let end = "body:not(:has(#passkey)) pre, #passkey [data-says]:not([hidden])";
    until(browser, "recovery codes are shown, or why not", end).await?;
    ensure!(!browser.shows("#passkey").await?, "no passkey was made: {}", browser.text().await?);
    log_out(browser, &base).await?;

    log_in(browser, &base).await?;
    browser.arrive("/log-in/second-step").await?;
    // The page with the question asks the authenticator by itself.
    browser.click("form[action='/log-in/second-step/passkey'] button").await?;
    browser.arrive("/console").await?;
    browser.goto(&format!("{base}/account/sudo?next=/account/security"), &[]).await?;
    browser.click("form[action='/account/sudo/passkey'] button").await?;
    browser.arrive("/account/security").await?;
    let violations = browser.ask("return window.violations;").await?;
    ensure!(violations.as_array().is_some_and(Vec::is_empty), "the policy was violated: {violations}");
    Ok(())
}

/// Adds a code generator and logs in with its codes.
pub(super) async fn codes(site: &TestSite, browser: &Browser) -> Result<()> {
    browser.resize(DESKTOP).await?;
    let base = by_name(site);
    site.owner(OWNER).await;
    log_in(browser, &base).await?;
    browser.arrive("/console").await?;
    prove_by_password(browser, &base).await?;
    browser.click("form[action='/account/security/totp'] button").await?;
    until(browser, "the seed is shown", "form[action='/account/security/totp/confirm']").await?;
    let seed = browser.ask("return document.querySelector('pre').textContent;").await?;
    let seed = seed.as_str().context("no seed is shown")?.replace('-', "");
    let seed = SecretText::new(format!("otpauth://totp/x?secret={}", seed.trim()));
    let code = || code_of(&seed, site.world.engine.now());
    browser.fill("input[name=code]", code().expose()).await?;
    browser.click("form[action='/account/security/totp/confirm'] button[type=submit]").await?;
    until(browser, "recovery codes are shown", "body:not(:has(input[name=code])) pre").await?;
    log_out(browser, &base).await?;

    log_in(browser, &base).await?;
    browser.arrive("/log-in/second-step").await?;
    // A code is good once.
    site.world.clock.advance(TimeDelta::seconds(30));
    browser.fill("input[name=code]", code().expose()).await?;
    browser.click("form[action='/log-in/second-step'] button[type=submit]").await?;
    browser.arrive("/console").await
}

/// Browsers bind passkeys to a name, and an address of numbers is none.
fn by_name(site: &TestSite) -> String {
    site.base.replace("127.0.0.1", "localhost")
}

async fn log_in(browser: &Browser, base: &str) -> Result<()> {
    browser.goto(&format!("{base}/log-in"), &[("kamiflow_language", "zh-CN")]).await?;
    browser.fill("input[name=login]", OWNER).await?;
    browser.fill("input[name=password]", PASSWORD).await?;
    browser.click("form[action='/log-in'] button[type=submit]").await
}

async fn log_out(browser: &Browser, base: &str) -> Result<()> {
    browser.goto(&format!("{base}/account/merchants"), &[]).await?;
    browser.click("form[action='/log-out'] button").await?;
    browser.arrive("/").await
}

async fn prove_by_password(browser: &Browser, base: &str) -> Result<()> {
    browser.goto(&format!("{base}/account/sudo?next=/account/security"), &[]).await?;
    browser.fill("input[name=password]", PASSWORD).await?;
    browser.click("form[action='/account/sudo'] button[type=submit]").await?;
    browser.arrive("/account/security").await
}
