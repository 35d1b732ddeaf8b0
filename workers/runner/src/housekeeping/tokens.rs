//! Sees to it that whatever tokens come to their end have a job that cares for them.
//!
//! The job is planned when the tokens are stored; this is for the one that was lost or parked by a mistake.

use std::time::Duration;

use chrono::TimeDelta;
use kamiflow_domain::engine::{Engine, Wake};
use kamiflow_domain::refresh_token;
use kamiflow_queue::Queue;
use kamiflow_store::jobs::{self, NewJob};
use kamiflow_store::system;
use serde_json::json;

use super::Chore;
use crate::step::{StepError, Turn};
use crate::waker::Waker;

/// Plans refreshes.
pub struct TokenWatch {
    engine: Engine,
    waker: Waker,
}

impl TokenWatch {
    const MOST: i32 = 10_000;

    /// Returns a watch.
    #[must_use]
    pub fn new(engine: Engine, queue: &Queue) -> Self {
        Self { engine, waker: Waker::new(queue) }
    }
}

impl Chore for TokenWatch {
    const NAME: &'static str = "token-watch";
    const EVERY: Duration = Duration::from_secs(900);

    async fn turn(&mut self) -> Result<Turn, StepError> {
        let now = self.engine.now();
        // Which shops' tokens end, of all merchants; each job is planned in its merchant's own transaction.
        let mut tx = self.engine.store.system_tx().await?;
        let late = now + refresh_token::REFRESH_AHEAD - TimeDelta::minutes(5);
        let expiring = system::list_expiring_credentials(&mut tx, late, Self::MOST).await?;
        tx.commit().await?;
        for credential in expiring {
            let (key, payload) = (credential.shop.to_string(), json!({ "shop": credential.shop }));
            let job = NewJob { name: refresh_token::JOB, key: &key, payload, due_at: now };
            let mut tx = self.engine.store.tenant_tx(credential.merchant).await?;
            let id = jobs::insert(&mut tx, &job).await?;
            tx.commit().await?;
            self.waker.wake(credential.merchant, &[Wake::Job(id)]).await;
        }
        Ok(Turn::Rest)
    }
}
