//! Reports cards of refunded orders as destroyed, where the platform handed them out (goods type 15).

use chrono::{DateTime, Utc};
use kamiflow_kernel::{CardUseState, DeliveryId, DeliveryMethod, OrderSn};
use kamiflow_store::order_events::{self, NewEvent};
use kamiflow_store::redemptions::acts::{self, BurnedLine};
use kamiflow_store::{StoreError, TenantTx, jobs};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::trans_no;
use super::work::{self, Desk};
use crate::ctx::Ctx;
use crate::engine::{Engine, EngineError, Wake};
use crate::marketplace::{ErrorClass, MarketError, Redeem};

/// The job's name.
pub const NAME: &str = "report_destroyed.v1";

/// The job's payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payload {
    /// The delivery whose cards were burned.
    pub delivery: DeliveryId,
}

/// Plans the report for a delivery, in the transaction that burns its cards.
///
/// # Errors
/// When the store fails.
pub async fn plan(tx: &mut TenantTx, delivery: DeliveryId, now: DateTime<Utc>) -> Result<Wake, StoreError> {
    let key = delivery.to_string();
    let payload = json!(Payload { delivery });
    let job = jobs::insert(tx, &jobs::NewJob { name: NAME, key: &key, payload, due_at: now }).await?;
    Ok(Wake::Job(job))
}

/// Reports the burned cards of a delivery. Running again is safe: the numbers of the reports stay the same, and a card
/// that the platform knows as destroyed counts as reported.
///
/// # Errors
/// [`EngineError::Market`] when the report is to be made again later.
pub async fn run(engine: &Engine, ctx: &Ctx, payload: Payload) -> Result<(), EngineError> {
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    let lines = acts::list_lines_with_cards(&mut tx, payload.delivery).await?;
    tx.commit().await?;
    let mut burned = Vec::new();
    for line in lines {
        let ours = line.method()? == DeliveryMethod::PlatformPool && line.use_state()? == CardUseState::Burned;
        if ours {
            burned.push(line);
        }
    }
    let Some(first) = burned.first() else { return Ok(()) };
    let Some(desk) = work::open(engine, ctx, first.shop()).await? else { return Ok(()) };
    for line in &burned {
        report(&desk, line).await?;
    }
    Ok(())
}

async fn report(desk: &Desk<'_>, line: &BurnedLine) -> Result<(), EngineError> {
    let order_sn: OrderSn =
        line.order_sn.parse().map_err(|bad: kamiflow_kernel::OrderSnError| StoreError::Corrupt(bad.to_string()))?;
    let mut tx = desk.begin().await?;
    let number = work::open_code(&mut tx, line.code()).await?;
    tx.commit().await?;

    let now = desk.now();
    let redeem = Redeem::ReportCard {
        order_sn,
        out_trans_no: trans_no('D', line.line().as_uuid()),
        number,
        // The moment it was burned: a repeated report says the same.
        at: line.burned_at.unwrap_or(now),
        used: false,
    };
    let deadline = now + chrono::TimeDelta::from_std(desk.engine.config.send_deadline).unwrap_or_default();
    let answer = desk.engine.market.redeem(&desk.shop.access, &redeem, deadline).await;
    let (kind, detail) = match &answer {
        Ok(_) => ("destroyed_reported", json!({ "line": line.line() })),
        Err(error) if is_destroyed(error) => {
            ("destroyed_reported", json!({ "line": line.line(), "outcome": error.told() }))
        }
        Err(error) if error.class == ErrorClass::Rejected => {
            // A refusal is certain and a repetition would be refused too; the order's log keeps it.
            ("destroyed_refused", json!({ "line": line.line(), "outcome": error.told() }))
        }
        Err(error) => return Err(error.clone().into()),
    };
    let tx = desk.begin().await?;
    order_events::append(&tx, now, &[NewEvent { order: line.order(), kind, detail }]).await?;
    tx.commit().await?;
    Ok(())
}

/// 60006: the platform already knows the card as destroyed.
fn is_destroyed(error: &MarketError) -> bool {
    error.class == ErrorClass::AlreadyDone || error.sub_code == "60006"
}
