//! The outbox relay: what transactions wrote down to be told, told to whoever listens.
//!
//! ```text
//! transaction: state + outbox row ──commit──► hint ──► relay: take 500 ─► publish live:<merchant> ─► commit (= delete)
//! ```
//! **At least once.** Rows are deleted by the transaction that took them, which commits after they were published; a
//! relay that dies between the two leaves them for the next one. Receivers know a row again by its id. Rows are taken
//! oldest first but by several relays only with gaps, so receivers read what an event names and never count on order.
//!
//! **Soon.** Whoever commits publishes a hint; a poll every 500 ms finds what a lost hint was about. There is no
//! NOTIFY: it serializes commits of all merchants.

use std::time::Duration;

use futures_util::{FutureExt, StreamExt, stream};
use kamiflow_queue::{Channels, Queue, QueueError, Subscription};
use kamiflow_store::system::{self, OutboxRow};
use kamiflow_store::{Store, StoreError};
use serde::Serialize;
use tracing::debug;

use crate::leader::Leader;
use crate::live;
use crate::step::{Step, StepError, Turn};
use crate::waker::OUTBOX_HINT;

const BATCH: i32 = 500;
const POLL: Duration = Duration::from_millis(500);
/// A burst of hints becomes one take. A page that shows something a tenth of a second later is as good; a take for each
/// order would cost a commit each.
const GATHER: Duration = Duration::from_millis(100);
/// Messages on their way to Redis at once.
const AT_ONCE: usize = 32;
/// How long another process waits until it relays instead of one that fell silent.
const LEADERSHIP: Duration = Duration::from_secs(5);

/// Tells what stands in the outbox.
pub struct Relay {
    store: Store,
    channels: Channels,
    hints: Subscription,
    leader: Leader,
}

/// What is published: ids only, as the payload holds no more.
#[derive(Serialize)]
struct Event<'a> {
    id: uuid::Uuid,
    at: chrono::DateTime<chrono::Utc>,
    topic: &'a str,
    payload: &'a serde_json::Value,
}

impl Relay {
    /// Returns a relay.
    ///
    /// # Errors
    /// When the channel of hints has no valid name.
    pub fn new(store: Store, queue: &Queue) -> Result<Self, QueueError> {
        let channels = queue.channels();
        let hints = channels.subscribe(&[OUTBOX_HINT])?;
        Ok(Self { store, channels, hints, leader: Leader::new(queue, "outbox-relay", LEADERSHIP) })
    }
}

/// Returns the channel a merchant's pages listen on, and what is told there.
fn message(row: &OutboxRow) -> Result<(String, Vec<u8>), StoreError> {
    let event = Event { id: row.id, at: row.at, topic: &row.topic, payload: &row.payload };
    let text = serde_json::to_vec(&event)
        .map_err(|error| StoreError::Corrupt(format!("an outbox row cannot be written as JSON: {error}")))?;
    Ok((live::channel(row.merchant), text))
}

impl Step for Relay {
    fn name(&self) -> String {
        "outbox-relay".to_owned()
    }

    fn pause(&self) -> Duration {
        POLL
    }

    async fn step(&mut self) -> Result<Turn, StepError> {
        if !self.leader.is_ours().await? {
            return Ok(Turn::Rest);
        }
        // All merchants' rows in one take: they are ids, and each goes to its own merchant's channel.
        let mut tx = self.store.system_tx().await?;
        let rows = system::claim_outbox(&mut tx, BATCH).await?;
        if rows.is_empty() {
            return Ok(Turn::Rest);
        }
        let messages = rows.iter().map(message).collect::<Result<Vec<_>, _>>()?;
        let channels = &self.channels;
        let mut sent = stream::iter(messages)
            .map(|(channel, text)| async move { channels.publish(&channel, &text).await })
            .buffered(AT_ONCE);
        while let Some(heard) = sent.next().await {
            // Nobody listening is as good as somebody: pages read the state when they connect.
            heard?;
        }
        tx.commit().await?;
        let count = rows.len();
        metrics::counter!("kamiflow_outbox_relayed_total").increment(u64::try_from(count).unwrap_or(u64::MAX));
        debug!("Relayed {count} rows of the outbox");
        Ok(if i32::try_from(count).is_ok_and(|count| count < BATCH) { Turn::Rest } else { Turn::More })
    }

    async fn rest(&mut self) {
        tokio::select! {
            () = tokio::time::sleep(POLL) => return,
            _event = self.hints.next() => {}
        }
        tokio::time::sleep(GATHER).await;
        while self.hints.next().now_or_never().is_some() {}
    }

    async fn end(self) {
        self.leader.resign().await;
    }
}
