//! What an owner sees: first of nothing, then of a shop, an order and a colleague.

use anyhow::{Context as _, Result};
use kamiflow_kernel::MerchantId;
use kamiflow_test_support::Browser as Visitor;

use super::{Eyes, Tour};

const OWNER: &str = "owner@example.com";
const COLLEAGUE: &str = "colleague@example.com";
/// Pages of a merchant who has nothing yet.
const EMPTY: [&str; 10] = [
    "/console",
    "/console/orders",
    "/console/shops",
    "/console/shops/tokens",
    "/console/pools",
    "/console/products",
    "/console/api",
    "/console/rules",
    "/console/pauses",
    "/console/audit",
];
/// Pages without ids.
const MINE: [&str; 30] = [
    "/console",
    "/console/orders",
    "/console/orders?q=nothing-like-it",
    "/console/products",
    "/console/pools",
    "/console/shops",
    "/console/shops/new",
    "/console/shops/new?sold=merchant_cards",
    "/console/shops/new?sold=platform_cards",
    "/console/shops/new?sold=direct_charge",
    "/console/shops/new?sold=plain_virtual",
    "/console/shops/new?sold=direct_charge&route=own_keys",
    "/console/shops/new?route=own_keys",
    "/console/shops/tokens",
    "/console/verification",
    "/console/verification?kind=company",
    "/console/api",
    "/console/pauses",
    "/console/rules",
    "/console/export",
    "/console/merchant",
    "/console/team/leave",
    "/console/notifications",
    "/console/team",
    "/console/audit",
    "/account/security",
    "/account/merchants",
    "/account/password",
    "/account/email",
    "/account/sudo",
];

impl<E: Eyes> Tour<'_, E> {
    pub(super) async fn console(&mut self) -> Result<()> {
        let owner = self.site.owner(OWNER).await;
        self.log_in(&owner.email).await?;
        for path in EMPTY {
            self.look(&format!("{path}?empty")).await?;
        }
        self.open("/console").await?;
        self.browser.click("form[action='/console/shops/sandbox'] button").await?;
        self.browser.click("form[action$='/buyer'] button").await?;
        let order = self.browser.path().await?;
        self.colleague().await?;
        for path in MINE {
            self.look(path).await?;
        }
        self.of_a_shop(&order, owner.merchant).await
    }

    /// Somebody joins by a link, so that there is a seat to look at.
    async fn colleague(&mut self) -> Result<()> {
        let member = self.site.owner(COLLEAGUE).await;
        let (owner, colleague) = (Visitor::new(self.site), Visitor::new(self.site));
        owner.log_in(OWNER).await;
        colleague.log_in(&member.email).await;
        colleague.joins(&owner, "operator", &[]).await;
        let invited = owner.send("/console/team/invite", &[("role", "viewer"), ("scope", "all")]).await;
        let token = kamiflow_test_support::between(&invited.body, "/join?token=", "</pre>").to_owned();
        self.look_as("/join", &format!("/join?token={token}")).await
    }

    /// Pages that have an id in their address.
    async fn of_a_shop(&mut self, order: &str, merchant: MerchantId) -> Result<()> {
        let shop = order.split("/orders/").next().unwrap_or_default().to_owned();
        let id = shop.rsplit('/').next().unwrap_or_default().to_owned();
        self.look_as("/console/shops/:shop/orders/:order_sn", order).await?;
        self.look_as("/console/shops/:shop", &shop).await?;
        for (name, rest) in [
            ("/console/shops/:shop/trial", "/trial"),
            ("/console/shops/:shop/disconnect", "/disconnect"),
            ("/console/shops/:shop/connected", "/connected"),
            ("/console/shops/:shop/outside", "/outside"),
        ] {
            self.look_as(name, &format!("{shop}{rest}")).await?;
        }
        self.look_as("/console/shops/authorize", &format!("/console/shops/authorize?shop={id}")).await?;
        self.look_as("/console/pauses/:target", &format!("/console/pauses/{id}")).await?;
        self.look_as("/console/products?shop", &format!("/console/products?shop={id}")).await?;
        self.open("/console/pools").await?;
        let pool = self.link("/console/pools/").await?;
        self.look_as("/console/pools/:pool", &pool).await?;
        self.open("/console/team").await?;
        let seat = self.link("/console/team/usr_").await?;
        self.look_as("/console/team/:user", &seat).await?;
        let user = seat.rsplit('/').next().unwrap_or_default();
        self.look_as("/console/team?remove", &format!("/console/team?remove={user}")).await?;
        self.site.deliver(merchant, id.parse().context("no id of a shop")?).await;
        self.look_as("/console/shops/:shop/orders/:order_sn delivered", order).await?;
        self.proven(&shop, order, &pool).await?;
        self.changed(&shop).await?;
        self.errors(COLLEAGUE).await
    }

    /// What somebody sees who has just proved who she is; wrong proofs have slowed her first session down.
    async fn proven(&mut self, shop: &str, order: &str, pool: &str) -> Result<()> {
        self.log_in(OWNER).await?;
        self.prove().await?;
        for path in MINE {
            self.refusals(path, path).await?;
        }
        self.log_in(OWNER).await?;
        self.prove().await?;
        self.look_as("/console/shops/:shop/disconnect proven", &format!("{shop}/disconnect")).await?;
        self.answers(shop, order, pool).await
    }

    /// A shop that is no longer as it was made.
    async fn changed(&mut self, shop: &str) -> Result<()> {
        // Back in a trial run there is a form for going live.
        self.open(shop).await?;
        self.browser.click(".acts form[action$='/trial'] button").await?;
        self.look_as("/console/shops/:shop in trial run", shop).await?;
        self.look_as("/console/shops/:shop/trial in trial run", &format!("{shop}/trial")).await?;
        // A pause stands above the page, and says what waits.
        self.open(shop).await?;
        self.browser.fill("form[action^='/console/pauses/shop_'] input[name=reason]", "盘点").await?;
        self.browser.click("form[action^='/console/pauses/shop_'] button[type=submit]").await?;
        self.look_as("/console/shops/:shop paused", shop).await?;
        self.look_as("/console/pauses in force", "/console/pauses").await?;
        // As if the application were the merchant's own: the operator's has no secret to exchange.
        let sql = self.site.world.sql_as_superuser().await;
        for statement in [
            "SET session_replication_role = replica",
            "UPDATE applications a SET merchant_id = s.merchant_id FROM shops s WHERE a.id = s.application_id",
            "UPDATE shops SET application_merchant_id = merchant_id",
        ] {
            sql.execute(statement, &[]).await?;
        }
        self.look_as("/console/shops/:shop/keys", &format!("{shop}/keys")).await
    }
}
