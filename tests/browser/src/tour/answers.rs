//! Pages that answer a form, and pages that stand in for one that is not shown.

use anyhow::{Context as _, Result};

use super::{Eyes, Step, Tour};

const REVEAL: &str = "form[action$='/cards'] button[type=submit]";
const MAKE_LINK: &str = "form[action='/console/shops/link'] button[type=submit]";

impl<E: Eyes> Tour<'_, E> {
    /// What somebody is answered who has just proved who she is.
    pub(super) async fn answers(&mut self, shop: &str, order: &str, pool: &str) -> Result<()> {
        let choose = "document.querySelector('input[name=scope]').checked = true;";
        let token = [
            Step::Fill("input[name=name]", "ERP {n}"),
            Step::Do(choose),
            press("form[action='/console/api'] [type=submit]"),
        ];
        self.look_after("/console/api made", "/console/api", &token).await?;
        self.open("/console/api").await?;
        self.go(&token).await?;
        self.open("/console/api").await?;
        let revoke = self.link("/console/api?revoke=").await?;
        self.look_as("/console/api?revoke", &revoke).await?;
        let all = "for (const choice of document.querySelectorAll('[name=scope][value=all]')) choice.checked = true;";
        let invite = [Step::Do(all), press("form[action='/console/team/invite'] [type=submit]")];
        self.look_after("/console/team invitation", "/console/team", &invite).await?;
        let account = [
            Step::Fill("input[name=name]", "kefu{n}"),
            Step::Fill("input[name=display_name]", "客服小王"),
            Step::Do(all),
            press("form[action='/console/team/sub-account'] [type=submit]"),
        ];
        self.look_after("/console/team sub-account", "/console/team", &account).await?;
        let saved = [
            Step::Fill("input[name=email]", "alarm@example.com"),
            press("form[action='/console/notifications'] [type=submit]"),
        ];
        self.look_after("/console/notifications saved", "/console/notifications", &saved).await?;
        let paste = |cards| [Step::Fill("textarea[name=cards]", cards), press("form[action$='/import'] [type=submit]")];
        self.look_after("/console/pools/:pool imported", pool, &paste("TOUR-{n}-0001 pass-1\nTOUR-{n}-0002 pass-2"))
            .await?;
        self.look_after("/console/pools/:pool not imported", pool, &paste("TOUR-1\nTOUR-1\n,,,,,\n")).await?;
        self.look_after("/console/shops/:shop/orders/:order_sn cards", order, &[press(REVEAL)]).await?;
        self.by_link(shop).await
    }

    /// The way to the platform for the holder of the main account, who need not be of the team, and what comes back from there.
    async fn by_link(&mut self, shop: &str) -> Result<()> {
        let id = shop.rsplit('/').next().unwrap_or_default();
        let authorize = format!("/console/shops/authorize?shop={id}");
        self.look_after("/console/shops/authorize link", &authorize, &[press(MAKE_LINK)]).await?;
        self.open(&authorize).await?;
        self.go(&[press(MAKE_LINK)]).await?;
        let link = self.browser.ask("return new URL(document.querySelector('pre').textContent).pathname;").await?;
        let link = link.as_str().context("no link is shown")?.to_owned();
        self.look_as("/authorize/:token", &link).await?;
        self.look_as("/authorize/:token unknown", "/authorize/no-such-link").await?;
        self.look_as("/console/shops/callback", "/console/shops/callback").await?;
        self.look_as("/console/shops/callback?state", "/console/shops/callback?state=unknown&code=unknown").await
    }

    /// What stands in for a page: it is not there, it failed, or she may not see it. Ends with somebody else logged in.
    pub(super) async fn errors(&mut self, colleague: &str) -> Result<()> {
        let nowhere = format!("/console/shops/shop_{}", "0".repeat(32));
        self.look_as("/console/shops/:shop unknown", &nowhere).await?;
        // What a page reads is away for as long as it is looked at.
        let sql = self.site.world.sql_as_superuser().await;
        sql.transaction("ALTER TABLE api_tokens RENAME TO api_tokens_away").await?;
        let looked = self.look_after("/console/api failing", "/console/api", &[]).await;
        sql.transaction("ALTER TABLE api_tokens_away RENAME TO api_tokens").await?;
        looked?;
        self.log_in(colleague).await?;
        self.look_as("/console/api forbidden", "/console/api").await
    }
}

const fn press(button: &str) -> Step<'_> {
    Step::Press(button)
}
