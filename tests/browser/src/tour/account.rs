//! What somebody sees who guards her account with a second factor, closes her merchant, and deletes the account.

use anyhow::{Context as _, Result};
use kamiflow_kernel::SecretText;
use kamiflow_test_support::accounts::code_of;

use super::{Eyes, Step, Tour};

const LEAVER: &str = "leaver@example.com";
const SECURITY: &str = "/account/security";
const ADD_PASSKEY: &str = "form[action='/account/security/passkey'] button";
const ADD_GENERATOR: &str = "form[action='/account/security/totp'] button";

impl<E: Eyes> Tour<'_, E> {
    pub(super) async fn account(&mut self) -> Result<()> {
        let leaver = self.site.owner(LEAVER).await;
        self.log_in(&leaver.email).await?;
        self.look_as("/account/delete as an owner", "/account/delete").await?;
        self.prove().await?;
        self.look_as("/account/delete as an owner who proved it", "/account/delete").await?;
        self.look_after("/account/security passkey", SECURITY, &[Step::Press(ADD_PASSKEY)]).await?;
        self.look_after("/account/security totp", SECURITY, &[Step::Press(ADD_GENERATOR)]).await?;
        let wrong = [
            Step::Press(ADD_GENERATOR),
            Step::Fill("input[name=code]", "000000"),
            Step::Press("form[action='/account/security/totp/confirm'] button[type=submit]"),
        ];
        self.look_after("/account/security totp refused", SECURITY, &wrong).await?;
        self.open("/console/merchant").await?;
        self.browser.click("form[action='/console/merchant/close'] button").await?;
        self.look_as("/console/merchant closing", "/console/merchant").await?;
        self.look("/account/delete").await?;
        self.add_generator().await?;
        self.look_as("/account/security with a factor", SECURITY).await?;
        let codes = [Step::Press("form[action='/account/security/codes'] button")];
        self.look_after("/account/security codes", SECURITY, &codes).await?;
        self.open(SECURITY).await?;
        let remove = self.link("/account/security?remove=").await?;
        self.look_as("/account/security?remove", &remove).await
    }

    async fn add_generator(&self) -> Result<()> {
        self.open(SECURITY).await?;
        self.browser.click(ADD_GENERATOR).await?;
        let seed = self.browser.ask("return document.querySelector('pre').textContent;").await?;
        let seed = seed.as_str().context("no seed is shown")?.replace('-', "");
        let code =
            code_of(&SecretText::new(format!("otpauth://totp/x?secret={}", seed.trim())), self.site.world.engine.now());
        self.browser.fill("input[name=code]", code.expose()).await?;
        self.browser.click("form[action='/account/security/totp/confirm'] button[type=submit]").await
    }
}
