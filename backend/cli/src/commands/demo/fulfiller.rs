//! The demo's fulfiller: charges what is asked for, which here means to say so.

use std::time::Duration;

use anyhow::Result;
use kamiflow_domain::charge::{self, ReportCharge, ReportChargeError};
use kamiflow_domain::engine::Engine;
use kamiflow_kernel::{MerchantId, ShopId};
use kamiflow_runner::Waker;
use kamiflow_store::charge_requests::{self, Charged};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::shops::act;

/// How often the queue of charges is looked at.
const EVERY: Duration = Duration::from_millis(200);
const AT_ONCE: i64 = 100;

/// Charges until the token is cancelled.
pub(super) async fn work(engine: &Engine, merchant: MerchantId, waker: &Waker, stop: &CancellationToken) -> Result<()> {
    let mut ticks = tokio::time::interval(EVERY);
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            _ = ticks.tick() => {}
        }
        let mut tx = engine.store.tenant_tx(merchant).await?;
        let waiting = charge_requests::list_waiting(&mut tx, AT_ONCE).await?;
        tx.commit().await?;
        for request in waiting {
            let Ok(order_sn) = request.order_sn.parse() else { continue };
            let report = ReportCharge {
                shop: ShopId::from_uuid(request.shop_id),
                order_sn,
                charged: Charged::Yes,
                proof: json!({ "fulfiller": "demo" }),
            };
            match charge::report(engine, &act(engine, merchant), &report).await {
                Ok(wakes) => waker.wake(merchant, &wakes).await,
                // Closed meanwhile: there is nothing to charge any more.
                Err(ReportChargeError::NothingToReport(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}
