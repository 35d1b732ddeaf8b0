//! The only place where a card can leave us: concurrently, each until its deadline.

use chrono::{DateTime, Utc};
use futures_util::future::join_all;
use kamiflow_kernel::AttemptId;
use kamiflow_store::deliveries::DeliveryRow;

use crate::engine::Engine;
use crate::marketplace::{MarketError, PreparedCall};
use crate::shop_access::Shop;

/// A started attempt that is ours to send.
#[derive(Debug, Clone)]
pub(super) struct Started {
    /// The delivery as it was before the start.
    pub(super) delivery: DeliveryRow,
    pub(super) attempt: AttemptId,
    /// The fence since the start.
    pub(super) fence: i64,
    /// Which attempt it is, from 1.
    pub(super) n: i32,
    pub(super) call: PreparedCall,
    pub(super) deadline: DateTime<Utc>,
}

/// A sent attempt.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) started: Started,
    pub(super) result: Result<(), MarketError>,
}

/// Sends all; one that cannot leave before its deadline does not leave.
pub(super) async fn all(engine: &Engine, shop: &Shop, started: Vec<Started>) -> Vec<Sent> {
    join_all(started.into_iter().map(|started| async move {
        let result = engine.market.hand_over(&shop.access, &started.call, started.deadline).await;
        Sent { started, result }
    }))
    .await
}
