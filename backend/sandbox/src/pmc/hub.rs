//! Undelivered messages and the connections that take them, per application.
//!
//! A message goes to one of the application's connections in turn. Until it is acknowledged it is
//! sent again after 10 minutes three times, an hour three times, then every 12 hours, 14 times at
//! most; after seven days it is dropped. The delays follow the platform's clock times a factor.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use serde::Serialize;
use serde_json::json;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::{
    dice::Dice,
    faults::FaultKind,
    state::{World, flow::to_ms, lock},
};

const MINUTE_S: f64 = 60.0;
const KEPT_MS: i64 = 7 * 86_400_000;
const MAX_SENDS: u32 = 15;

/// A message before it is addressed.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    /// `pdd_trade_TradeConfirmed` and so on.
    pub(crate) topic: String,
    /// JSON text.
    pub(crate) content: String,
}

#[derive(Debug)]
struct Pending {
    mall_id: u64,
    message: Message,
    created_ms: i64,
    due_ms: i64,
    sends: u32,
    duplicate: bool,
}

/// A mall's permission to push to an application.
#[derive(Debug, Clone)]
pub(crate) struct Permit {
    pub(crate) topics: Vec<String>,
    pub(crate) created_ms: i64,
    pub(crate) modified_ms: i64,
}

#[derive(Debug, Default)]
struct Queue {
    pending: BTreeMap<u64, Pending>,
    connections: Vec<(u64, UnboundedSender<String>)>,
    turn: usize,
    permits: HashMap<u64, Permit>,
    counts: HubCounts,
}

/// What an application's queue did since the start.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct HubCounts {
    pub(crate) queued: u64,
    pub(crate) sent: u64,
    pub(crate) acknowledged: u64,
    pub(crate) failed: u64,
    pub(crate) missed: u64,
    pub(crate) dropped: u64,
    pub(crate) backlog: usize,
    pub(crate) connections: usize,
    pub(crate) last_fail_reason: String,
}

/// All queues.
#[derive(Debug)]
pub(crate) struct Hub {
    queues: Mutex<HashMap<String, Queue>>,
    ids: AtomicU64,
    dice: Dice,
}

impl Hub {
    pub(crate) fn new(seed: u64) -> Self {
        Self { queues: Mutex::default(), ids: AtomicU64::new(2001), dice: Dice::new(seed ^ 0x504D_4300) }
    }

    /// Adds a connection; frames to send come out of the receiver.
    pub(crate) fn connect(&self, client_id: &str) -> (u64, UnboundedReceiver<String>) {
        let (sender, receiver) = unbounded_channel();
        let connection = self.ids.fetch_add(1, Ordering::Relaxed);
        let mut queues = lock(&self.queues);
        queues.entry(client_id.to_owned()).or_default().connections.push((connection, sender));
        (connection, receiver)
    }

    pub(crate) fn disconnect(&self, client_id: &str, connection: u64) {
        if let Some(queue) = lock(&self.queues).get_mut(client_id) {
            queue.connections.retain(|(id, _)| *id != connection);
        }
    }

    pub(crate) fn permit(&self, client_id: &str, mall_id: u64, topics: Vec<String>, now_ms: i64) {
        let mut queues = lock(&self.queues);
        let permits = &mut queues.entry(client_id.to_owned()).or_default().permits;
        let created_ms = permits.get(&mall_id).map_or(now_ms, |permit| permit.created_ms);
        permits.insert(mall_id, Permit { topics, created_ms, modified_ms: now_ms });
    }

    pub(crate) fn find_permit(&self, client_id: &str, mall_id: u64) -> Option<Permit> {
        lock(&self.queues).get(client_id)?.permits.get(&mall_id).cloned()
    }

    pub(crate) fn permits(&self, client_id: &str, mall_id: u64, topic: &str) -> bool {
        lock(&self.queues)
            .get(client_id)
            .and_then(|queue| queue.permits.get(&mall_id))
            .is_some_and(|permit| permit.topics.is_empty() || permit.topics.iter().any(|known| known == topic))
    }

    pub(crate) fn cancel(&self, client_id: &str, mall_id: u64) -> bool {
        lock(&self.queues).get_mut(client_id).is_some_and(|queue| queue.permits.remove(&mall_id).is_some())
    }

    /// Queues a message for an application and a mall, and sends it if somebody listens.
    pub(crate) fn enqueue(
        &self,
        (client_id, mall_id): (&str, u64),
        message: &Message,
        fault: Option<FaultKind>,
        world: &World,
    ) {
        let options = world.switches().pmc;
        let now_ms = world.clock.now_ms();
        let mut queues = lock(&self.queues);
        let queue = queues.entry(client_id.to_owned()).or_default();
        if fault == Some(FaultKind::MissedPush) {
            queue.counts.missed += 1;
            return;
        }
        let delay_ms = if self.dice.chance(options.disorder_probability) { options.disorder_ms } else { 0 };
        let duplicate = fault == Some(FaultKind::DuplicatePush) || self.dice.chance(options.duplicate_probability);
        queue.counts.queued += 1;
        let id = self.ids.fetch_add(1, Ordering::Relaxed);
        let pending = Pending {
            mall_id,
            message: message.clone(),
            created_ms: now_ms,
            due_ms: now_ms + delay_ms,
            sends: 0,
            duplicate,
        };
        queue.pending.insert(id, pending);
        queue.send(id, now_ms, options.redelivery_factor);
    }

    /// Sends every message that is due to one of its application's connections.
    pub(crate) fn dispatch(&self, world: &World) {
        let now_ms = world.clock.now_ms();
        let factor = world.switches().pmc.redelivery_factor;
        for queue in lock(&self.queues).values_mut() {
            queue.dispatch(now_ms, factor);
        }
    }

    pub(crate) fn acknowledge(&self, client_id: &str, id: u64) {
        if let Some(queue) = lock(&self.queues).get_mut(client_id)
            && queue.pending.remove(&id).is_some()
        {
            queue.counts.acknowledged += 1;
        }
    }

    /// Notes a failure; the message comes again when its delay is over.
    pub(crate) fn fail(&self, client_id: &str, id: u64, reason: &str) {
        if let Some(queue) = lock(&self.queues).get_mut(client_id)
            && queue.pending.contains_key(&id)
        {
            queue.counts.failed += 1;
            queue.counts.last_fail_reason = reason.chars().take(1000).collect();
        }
    }

    pub(crate) fn backlog(&self, client_id: &str) -> usize {
        lock(&self.queues).get(client_id).map_or(0, |queue| queue.pending.len())
    }

    /// Returns the counts of every application.
    pub(crate) fn counts(&self) -> BTreeMap<String, HubCounts> {
        lock(&self.queues)
            .iter()
            .map(|(client_id, queue)| {
                let mut counts = queue.counts.clone();
                counts.backlog = queue.pending.len();
                counts.connections = queue.connections.len();
                (client_id.clone(), counts)
            })
            .collect()
    }

    /// Cuts every connection of an application; returns how many.
    pub(crate) fn disconnect_all(&self, client_id: &str) -> usize {
        lock(&self.queues).get_mut(client_id).map_or(0, |queue| std::mem::take(&mut queue.connections).len())
    }
}

impl Queue {
    fn dispatch(&mut self, now_ms: i64, factor: f64) {
        let before = self.pending.len();
        self.pending.retain(|_, pending| {
            now_ms - pending.created_ms < KEPT_MS && (pending.sends < MAX_SENDS || pending.due_ms > now_ms)
        });
        let dropped = before - self.pending.len();
        self.counts.dropped += u64::try_from(dropped).unwrap_or(0);
        let due: Vec<u64> =
            self.pending.iter().filter(|(_, pending)| pending.due_ms <= now_ms).map(|(id, _)| *id).collect();
        for id in due {
            self.send(id, now_ms, factor);
        }
    }

    /// Sends one message if it is due and somebody listens.
    fn send(&mut self, id: u64, now_ms: i64, factor: f64) {
        let Some(pending) = self.pending.get_mut(&id) else { return };
        if self.connections.is_empty() || pending.due_ms > now_ms {
            return;
        }
        let frame = frame_of(id, pending, now_ms);
        let copies = if pending.duplicate && pending.sends == 0 { 2 } else { 1 };
        for _ in 0..copies {
            self.turn = self.turn.wrapping_add(1);
            let at = self.turn.checked_rem(self.connections.len()).unwrap_or(0);
            if let Some((_, connection)) = self.connections.get(at) {
                // A closed receiver is a connection about to be removed; the message stays
                // pending and comes again.
                let _ = connection.send(frame.clone());
                self.counts.sent += 1;
            }
        }
        pending.sends += 1;
        pending.due_ms = now_ms + redelivery_delay_ms(pending.sends, factor);
    }
}

/// Returns the wait after the `sends`-th sending.
fn redelivery_delay_ms(sends: u32, factor: f64) -> i64 {
    let delay_s = match sends {
        0..=3 => 10.0 * MINUTE_S,
        4..=6 => 60.0 * MINUTE_S,
        _ => 12.0 * 60.0 * MINUTE_S,
    };
    // At least a tick, so that a factor of 0 cannot flood a connection.
    to_ms(delay_s * factor).max(20)
}

fn frame_of(id: u64, pending: &Pending, now_ms: i64) -> String {
    json!({
        "id": id,
        "commandType": "Common",
        "time": pending.created_ms,
        "sendTime": now_ms,
        "message": {
            "type": pending.message.topic,
            "mallID": pending.mall_id,
            "content": pending.message.content,
        },
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redelivery_slows_down() {
        let minutes: Vec<i64> = (1..=8).map(|sends| redelivery_delay_ms(sends, 1.0) / 60_000).collect();
        assert_eq!(minutes, [10, 10, 10, 60, 60, 60, 720, 720]);
        assert_eq!(redelivery_delay_ms(1, 0.001), 600);
    }

    #[test]
    fn a_message_is_sent_fifteen_times_at_most_and_kept_seven_days() {
        let mut queue = Queue::default();
        let (sender, mut receiver) = unbounded_channel();
        queue.connections.push((1, sender));
        let pending = || Pending {
            mall_id: 1,
            message: Message { topic: "t".to_owned(), content: "{}".to_owned() },
            created_ms: 0,
            due_ms: 0,
            sends: 0,
            duplicate: false,
        };
        queue.pending.insert(1, pending());
        for minute in 0..(7 * 24 * 60) {
            queue.dispatch(minute * 60_000, 0.01);
        }
        let mut sent = 0;
        while receiver.try_recv().is_ok() {
            sent += 1;
        }
        assert_eq!((sent, queue.pending.len()), (15, 0));
        queue.connections.clear();
        queue.pending.insert(2, pending());
        queue.dispatch(KEPT_MS - 1, 1.0);
        assert_eq!(queue.pending.len(), 1);
        queue.dispatch(KEPT_MS, 1.0);
        assert_eq!(queue.pending.len(), 0);
    }
}
