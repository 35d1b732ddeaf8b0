//! Sandbox shops: made with one click, and a buyer in them.

use actix_web::{HttpResponse, web};
use kamiflow_app::context::FormOutcome;
use kamiflow_domain::accounts::throttle::{Passage, of_merchant};
use kamiflow_domain::connection_sandbox::{SandboxShopError, create_sandbox_shop, simulate_buyer};
use kamiflow_kernel::{Permission, ShopId};

use crate::forms::door::{Desk, Refused};
use crate::forms::flash;

/// Shops a merchant makes at once: who disconnects one to make another waits longer and longer.
const SHOPS_AT_ONCE: u32 = 8;
/// Orders of played buyers at once.
const BUYERS_AT_ONCE: u32 = 60;

/// Makes a sandbox shop that delivers.
pub(super) async fn create(desk: Desk) -> HttpResponse {
    let Some(sandbox) = &desk.product.sandbox else {
        return desk.refuse("/console", Refused::Field("", "sandbox.none"), FormOutcome::default());
    };
    if let Err(refused) = pass(&desk, Permission::ManageShops, ("sandbox_shop", SHOPS_AT_ONCE)).await {
        return desk.refuse("/console", refused, FormOutcome::default());
    }
    match create_sandbox_shop(&desk.product.engine, &desk.ctx, &*sandbox.control, sandbox.application).await {
        Ok(made) => {
            desk.product.waker.wake(desk.ctx.merchant, &made.wakes).await;
            flash::told(&desk.site, "/console", "sandbox.made")
        }
        Err(error) => desk.refuse("/console", refused(error), FormOutcome::default()),
    }
}

/// Lets a buyer order, and shows the order.
pub(super) async fn buy(desk: Desk, shop: web::Path<ShopId>) -> HttpResponse {
    let shop = shop.into_inner();
    let Some(sandbox) = &desk.product.sandbox else {
        return desk.refuse("/console", Refused::Field("", "sandbox.none"), FormOutcome::default());
    };
    if let Err(refused) = pass(&desk, Permission::HandleOrders, ("sandbox_buyer", BUYERS_AT_ONCE)).await {
        return desk.refuse("/console", refused, FormOutcome::default());
    }
    match simulate_buyer(&desk.product.engine, &desk.ctx, &*sandbox.control, (shop, None, 1)).await {
        Ok((order_sn, wake)) => {
            if let Some(wake) = wake {
                desk.product.waker.wake(desk.ctx.merchant, &[wake]).await;
            }
            flash::done(&format!("/console/shops/{shop}/orders/{order_sn}"))
        }
        Err(error) => desk.refuse("/console", refused(error), FormOutcome::default()),
    }
}

/// Counts what all merchants' sandbox shops work for: one machine plays the platform for all of them.
async fn pass(desk: &Desk, permission: Permission, (what, at_once): (&str, u32)) -> Result<(), Refused> {
    // Who may not is not counted.
    desk.ctx.require(permission)?;
    let gates = of_merchant(what, desk.ctx.merchant, at_once);
    match desk.product.accounts.throttle.pass(&gates).await {
        Ok(Passage::Open) => Ok(()),
        Ok(Passage::Wait(_)) => Err(Refused::Field("", "limited")),
        Err(down) => Err(Refused::Failed(Box::new(down))),
    }
}

fn refused(error: SandboxShopError) -> Refused {
    match error {
        SandboxShopError::Denied(denied) => denied.into(),
        SandboxShopError::NotASandbox => Refused::Field("", "sandbox.none"),
        SandboxShopError::TooMany => Refused::Field("", "sandbox.too_many"),
        SandboxShopError::ShopUnknown => Refused::NotFound,
        SandboxShopError::NothingOnSale => Refused::Field("", "sandbox.nothing_on_sale"),
        SandboxShopError::Store(error) => error.into(),
        other => Refused::Failed(Box::new(other)),
    }
}
