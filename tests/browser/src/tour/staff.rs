//! What a reviewer sees behind the staff's log-in: queues without and with cases, and a case on its way.

use std::fs;

use anyhow::Result;
use chrono::TimeDelta;
use kamiflow_kernel::StaffRole;
use kamiflow_test_support::Browser as Visitor;
use kamiflow_test_support::accounts::{PASSWORD, code_of};

use super::{Eyes, Step, Tour};

const REVIEWER: &str = "chen@operator.test";
const OWNER: &str = "verified@example.com";
/// Others with the same number, which is so many that the queue says so.
const SAME: [&str; 3] = ["second@example.com", "third@example.com", "fourth@example.com"];
const NUMBER: &str = "11010519491231002X";
const QUEUE: &str = "/staff/verifications";

impl<E: Eyes> Tour<'_, E> {
    pub(super) async fn staff(&mut self) -> Result<()> {
        let enrollment = self.site.staff(REVIEWER, "陈审核", StaffRole::Reviewer).await;
        self.look_as("/staff/enroll with a link", &enrollment).await?;
        let (seed, _codes) = Visitor::new(self.site).enrolls(&enrollment).await;
        self.open("/staff/log-in").await?;
        self.browser.fill("input[name=email]", REVIEWER).await?;
        self.browser.fill("input[name=password]", PASSWORD).await?;
        self.browser.click("form[action='/staff/log-in'] button[type=submit]").await?;
        self.browser.arrive("/staff/log-in/second-step").await?;
        // The code of the enrollment is used up.
        self.site.world.clock.advance(TimeDelta::seconds(30));
        let code = code_of(&seed, self.site.world.engine.now());
        self.browser.fill("input[name=code]", code.expose()).await?;
        self.browser.click("form[action='/staff/log-in/second-step'] button[type=submit]").await?;
        self.browser.arrive(QUEUE).await?;
        for path in [QUEUE, "/staff/recoveries"] {
            self.look(&format!("{path}?empty")).await?;
        }
        self.look("/staff/account").await?;
        self.submit(OWNER).await?;
        self.look("/console/verification?submitted").await?;
        self.case().await?;
        self.recovery().await
    }

    /// Has an owner send her identity; any picture will do.
    async fn submit(&mut self, owner: &str) -> Result<()> {
        let owner = self.site.owner(owner).await;
        self.log_in(&owner.email).await?;
        self.prove().await?;
        self.open("/console/verification").await?;
        let picture = tempfile::Builder::new().suffix(".png").tempfile()?;
        fs::write(picture.path(), self.browser.picture().await?)?;
        self.browser.fill("input[name=name]", "张三").await?;
        self.browser.fill("input[name=number]", NUMBER).await?;
        self.browser.attach("input[name=picture1]", picture.path()).await?;
        self.browser.click("form[action='/console/verification'] button[type=submit]").await
    }

    async fn case(&mut self) -> Result<()> {
        self.look("/staff/verifications").await?;
        self.open(QUEUE).await?;
        let case = self.link("/staff/verifications/mer_").await?;
        self.look_as("/staff/verifications/:merchant/:case", &case).await?;
        self.open(&case).await?;
        self.browser.click("form[action$='/claim'] button[type=submit]").await?;
        self.look_as("/staff/verifications/:merchant/:case claimed", &case).await?;
        let unsaid = [
            Step::Do("document.querySelector('select[name=preset]').value = '';"),
            Step::Press("form[action$='/decision'] button[value=reject]"),
        ];
        self.look_after("/staff/verifications/:merchant/:case refused", &case, &unsaid).await?;
        for owner in SAME {
            self.submit(owner).await?;
        }
        self.look_as("/staff/verifications with marks", QUEUE).await?;
        self.look_as("/staff/verifications/:merchant/:case?picture", &format!("{case}?picture=1")).await?;
        self.open(&case).await?;
        self.browser.click("form[action$='/decision'] button[value=approve]").await?;
        self.look(&format!("{QUEUE}?show=decided")).await?;
        self.look_as("/staff/verifications/:merchant/:case decided", &case).await
    }

    /// Has the owner, who is verified now, ask for her account back.
    async fn recovery(&mut self) -> Result<()> {
        let form = [("login", OWNER), ("number", NUMBER), ("contact", "new@elsewhere.test")];
        Visitor::new(self.site).does("/recover", &form).await;
        self.look("/staff/recoveries").await?;
        self.open("/staff/recoveries").await?;
        let request = self.link("/staff/recoveries/mer_").await?;
        self.look_as("/staff/recoveries/:merchant/:recovery", &request).await
    }
}
