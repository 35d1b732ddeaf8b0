//! How people come into a team, and where a role and a limit to one shop end: by clicking and by typed addresses.

use anyhow::{Result, bail, ensure};
use kamiflow_test_support::accounts::PASSWORD;

use super::Stage;
use super::steps::{enter, is_answered, log_in, prove, sandbox_shop, says, shops, shown_once, until};
use crate::browser::Browser;
use crate::tour::DESKTOP;

/// An owner invites by a link; somebody with an account of her own accepts it and works for one shop of two.
pub(super) async fn invitation(stage: &mut Stage) -> Result<()> {
    let owner = stage.site.owner("owner@example.com").await;
    let member = stage.site.owner("member@example.com").await;
    let (site, owners, members) = (&stage.site, &stage.browser, &stage.other);
    log_in(site, owners, &owner.email).await?;
    let (mine, _mall) = sandbox_shop(owners).await?;
    let (other, _mall) = sandbox_shop(owners).await?;
    owners.click(".side a[href='/console/team']").await?;
    owners.click("form[action='/console/team/invite'] select[name=role] option[value=operator]").await?;
    owners.click("form[action='/console/team/invite'] input[name=scope][value=some]").await?;
    let id = mine.rsplit('/').next().unwrap_or_default();
    owners.click(&format!("form[action='/console/team/invite'] input[name=shop][value='{id}']")).await?;
    owners.click("form[action='/console/team/invite'] button[type=submit]").await?;
    // The site has two names here, and the rest of the way is typed with the other one.
    let link = shown_once(owners).await?.replace("//localhost:", "//127.0.0.1:");

    members.resize(DESKTOP).await?;
    members.goto(&link, &[("kamiflow_language", "zh-CN")]).await?;
    members.click("form[action='/join'] a[href^='/log-in']").await?;
    enter(members, &member.email, PASSWORD).await?;
    members.arrive("/join").await?;
    members.click("form[action='/join'] button[type=submit]").await?;
    members.arrive("/console").await?;

    members.click(".side a[href='/console/shops']").await?;
    let seen = shops(members).await?;
    ensure!(seen == [mine.clone()], "a member of one shop is shown {seen:?}");
    members.click(&format!("td a[href='{mine}']")).await?;
    members.arrive(&mine).await?;
    hides(
        members,
        &[
            (".side a[href='/console/team']", "the way to the team"),
            (".side a[href='/console/api']", "the way to the tokens"),
            ("a[href$='/disconnect']", "disconnecting"),
            (".acts form[action$='/trial']", "going back to the trial run"),
        ],
    )
    .await?;
    ensure!(members.shows(".acts form[action$='/buyer'] button").await?, "an operator lets a buyer order");
    for (path, status) in [
        (other.as_str(), 404),
        (&format!("{other}/trial"), 404),
        ("/console/team", 403),
        ("/console/audit", 403),
        ("/console/shops/new", 403),
        (&format!("{mine}/disconnect"), 403),
    ] {
        is_answered(site, members, path, status).await?;
    }
    // The link was good once.
    members.goto(&link, &[]).await?;
    ensure!(!members.shows("form[action='/join'] button[type=submit]").await?, "the link is still good");
    Ok(())
}

/// An owner makes an account without an address; its holder must change the password first, and may only look.
pub(super) async fn sub_account(stage: &mut Stage) -> Result<()> {
    let owner = stage.site.owner("owner@example.com").await;
    let (site, owners, members) = (&stage.site, &stage.browser, &stage.other);
    log_in(site, owners, &owner.email).await?;
    let (shop, _mall) = sandbox_shop(owners).await?;
    owners.click(".side a[href='/console/team']").await?;
    make_sub_account(owners).await?;
    prove(owners).await?;
    owners.arrive("/console/team").await?;
    make_sub_account(owners).await?;
    until(owners, "the page shows the temporary password", "pre").await?;
    let told =
        owners.ask("return [...document.querySelectorAll('p.mono, pre')].map((node) => node.textContent);").await?;
    let told: Vec<String> = serde_json::from_value(told)?;
    let [login, password] = told.as_slice() else { bail!("the page shows {} secrets", told.len()) };
    ensure!(login.starts_with("kefu01@"), "the account is called {login}");

    members.resize(DESKTOP).await?;
    members.goto(&format!("{}/log-in", site.base), &[("kamiflow_language", "zh-CN")]).await?;
    enter(members, login, password).await?;
    members.arrive("/account/password").await?;
    members.goto(&format!("{}/console/orders", site.base), &[]).await?;
    members.arrive("/account/password").await?;
    let own = format!("{PASSWORD} of her own");
    members.fill("input[name=present]", password).await?;
    members.fill("input[name=password]", &own).await?;
    members.click("form[action='/account/password'] button[type=submit]").await?;
    members.goto(&format!("{}/console", site.base), &[]).await?;
    members.arrive("/console").await?;
    // The temporary password is no longer good, the own one is.
    members.click("details.end > summary").await?;
    members.click("form[action='/log-out'] button").await?;
    members.goto(&format!("{}/log-in", site.base), &[]).await?;
    enter(members, login, password).await?;
    until(members, "the temporary password is refused", "form[action='/log-in'] [role=alert]").await?;
    members.goto(&format!("{}/log-in", site.base), &[]).await?;
    enter(members, login, &own).await?;
    members.arrive("/console").await?;

    members.click(".side a[href='/console/shops']").await?;
    members.click(&format!("td a[href='{shop}']")).await?;
    members.arrive(&shop).await?;
    hides(
        members,
        &[
            ("form[action$='/buyer']", "letting a buyer order"),
            ("form[action^='/console/pauses/']", "pausing"),
            ("a[href$='/disconnect']", "disconnecting"),
            ("a[href^='/console/shops/authorize']", "authorizing"),
            (".side a[href='/console/api']", "the way to the tokens"),
        ],
    )
    .await?;
    members.click(".side a[href='/console/team']").await?;
    says(members, "客服小王").await?;
    hides(members, &[("form[action^='/console/team/']", "changing the team")]).await?;
    for path in ["/console/shops/new", "/console/api", "/console/audit", "/console/export", "/console/rules"] {
        is_answered(site, members, path, 403).await?;
    }
    Ok(())
}

/// Fills the form of the team's page in.
async fn make_sub_account(browser: &Browser) -> Result<()> {
    let form = "form[action='/console/team/sub-account']";
    browser.fill(&format!("{form} input[name=name]"), "kefu01").await?;
    browser.fill(&format!("{form} input[name=display_name]"), "客服小王").await?;
    browser.click(&format!("{form} select[name=role] option[value=viewer]")).await?;
    browser.click(&format!("{form} input[name=scope][value=all]")).await?;
    browser.click(&format!("{form} button[type=submit]")).await
}

/// Asks that a page does not offer what its reader may not do.
async fn hides(browser: &Browser, offers: &[(&str, &str)]) -> Result<()> {
    for (selector, what) in offers {
        ensure!(!browser.shows(selector).await?, "{} offers {what}", browser.path().await?);
    }
    Ok(())
}
