//! An authorization ends, orders wait, and the holder of the main account renews it on a phone.

use anyhow::{Result, ensure};
use serde_json::json;

use super::Stage;
use super::steps::{DELIVERED, fits, log_in, prove, reopen_until, sandbox_shop, says, shown_once, until};
use crate::tour::NARROW;

/// Orders that nobody has sent when the authorization ends.
const WAITING: usize = 2;

/// Lets a sandbox shop's token expire, sends a link to a phone, agrees there, and sees the waiting orders delivered.
pub(super) async fn walk(stage: &mut Stage) -> Result<()> {
    let owner = stage.site.owner("owner@example.com").await;
    stage.site.work();
    let (site, owners, phone) = (&stage.site, &stage.browser, &stage.other);
    log_in(site, owners, &owner.email).await?;
    let (shop, mall) = sandbox_shop(owners).await?;
    // Orders that are known when the authorization ends; one more comes when nobody can read it.
    owners.fill("form[action^='/console/pauses/shop_'] input[name=reason]", "盘点").await?;
    owners.click("form[action^='/console/pauses/shop_'] button[type=submit]").await?;
    until(owners, "the page says that the shop is paused", "form[action$='/end']").await?;
    let mut orders = site.order(mall, json!({ "count": WAITING })).await;
    let page = format!("{}{shop}", site.base);
    let waiting = format!("return document.querySelector('main').textContent.includes('{WAITING} 单在等');");
    reopen_until(owners, &page, "the pause tells how many orders wait", &waiting).await?;
    site.world.control("POST", "/tokens/expire", &json!({ "mall_id": mall })).await;
    owners.click("form[action$='/end'] button[type=submit]").await?;

    let console = format!("{}/console", site.base);
    let told = format!(
        "const banner = document.querySelector('.page-banner')?.textContent ?? ''; \
         return banner.includes('店铺授权已过期。') && banner.includes('{WAITING} 单在等');"
    );
    reopen_until(owners, &console, "a banner tells how many orders wait", &told).await?;
    orders.extend(site.order(mall, json!({})).await);
    ensure!(site.world.vouchers_sent().await.is_empty(), "something was sent without an authorization");
    owners.click(".page-banner a").await?;
    owners.arrive("/console/shops/tokens").await?;
    let id = shop.rsplit('/').next().unwrap_or_default();
    owners.click(&format!("td a[href='/console/shops/authorize?shop={id}']")).await?;
    owners.click("form[action='/console/shops/link'] button[type=submit]").await?;
    // Who makes a link gives away the right to authorize for three days, and proves first who she is.
    prove(owners).await?;
    owners.arrive("/console/shops/authorize").await?;
    owners.click("form[action='/console/shops/link'] button[type=submit]").await?;
    let link = shown_once(owners).await?;

    phone.resize(NARROW).await?;
    phone.goto(&link, &[("kamiflow_language", "zh-CN")]).await?;
    fits(phone).await?;
    says(phone, &mall.to_string()).await?;
    phone.click("form[action^='/authorize/'] button[type=submit]").await?;
    fits(phone).await?;
    phone.click("a.md\\:hidden[href^='http']").await?;
    phone.click(&format!("input[name=mall_id][value='{mall}']")).await?;
    phone.click("form button[type=submit]").await?;
    phone.arrive("/console/shops/callback").await?;
    fits(phone).await?;
    says(phone, "授权完成").await?;

    let gone = "return !document.querySelector('.page-banner');";
    reopen_until(owners, &console, "the banner goes", gone).await?;
    for order in &orders {
        let page = format!("{}{shop}/orders/{order}", site.base);
        let delivered = format!("return document.querySelector(\"{DELIVERED}\") !== null;");
        reopen_until(owners, &page, "an order that waited is delivered", &delivered).await?;
    }
    let sent = site.world.vouchers_sent().await;
    ensure!(sent.len() == orders.len() && sent.values().all(|vouchers| vouchers.len() == 1), "sent was {sent:?}");
    Ok(())
}
