//! What is written of attempts that start, whichever way their deliveries came.

use kamiflow_kernel::{AttemptId, DataKeyId};
use kamiflow_store::attempts::NewAttempt;
use kamiflow_store::card_claims::Claimed;
use kamiflow_store::deliveries::DeliveryRow;
use kamiflow_store::order_events::NewEvent;
use kamiflow_store::{StoreError, TenantTx};
use serde_json::json;

use super::Turn;
use super::payload::{self, Payload};
use super::send::Started;
use crate::gate::Evidence;

/// Returns the payload of a delivery that starts for the first time, and the key that seals it.
pub(super) async fn first_payload(
    Turn { engine, shop, .. }: Turn<'_>,
    tx: &mut TenantTx,
    row: &DeliveryRow,
    cards: &[Claimed],
) -> Result<(Payload, DataKeyId), StoreError> {
    let made = payload::make(tx, engine.market.as_ref(), (&engine.config, shop.access.application.gateway), row, cards)
        .await?;
    Ok((made, tx.data_key().await?.id()))
}

/// An attempt that starts.
pub(super) struct Start<'a> {
    pub(super) row: &'a DeliveryRow,
    /// Which attempt it is, from 1.
    pub(super) n: i32,
    pub(super) evidence: &'a Evidence,
    pub(super) plan: (Payload, DataKeyId),
}

/// What is written of attempts that start, beside their deliveries.
#[derive(Default)]
pub(super) struct Starts {
    pub(super) news: Vec<NewAttempt>,
    pub(super) events: Vec<NewEvent>,
    pub(super) started: Vec<Started>,
}

impl Starts {
    /// Adds an attempt, under the fence after its delivery's own.
    pub(super) fn add(&mut self, turn: Turn<'_>, start: Start<'_>) -> Result<(), StoreError> {
        let Start { row, n, evidence, plan: (payload, data_key) } = start;
        let fence = row.fence + 1;
        let attempt = AttemptId::generate();
        self.events.push(NewEvent {
            order: row.order(),
            kind: "handing_over",
            detail: json!({ "attempt": n, "method": row.method()?.as_str(), "lines": row.lines_expected }),
        });
        self.news.push(NewAttempt {
            id: attempt,
            delivery: row.id(),
            n,
            method: row.method()?.as_str(),
            idempotency_key: payload::idempotency_key(row),
            data_key,
            payload_sealed: payload.sealed,
            payload_hash: payload.hash,
            evidence: serde_json::to_value(evidence).unwrap_or_default(),
            evidence_at: evidence.read_at,
            fence,
        });
        let deadline = turn.send_deadline();
        self.started.push(Started { delivery: row.clone(), attempt, fence, n, call: payload.call, deadline });
        Ok(())
    }
}
