//! Live events and wake-ups: told to whoever listens at the moment, kept for nobody.
//!
//! A subscription heals itself and says so: after every (re)connection it yields [`ChannelEvent::Connected`], and
//! the listener reads the state it follows again, because what was published meanwhile is gone.

use std::time::Duration;

use futures_util::stream::{self, Stream, StreamExt};
use redis::aio::{PubSubSink, PubSubStream};
use tokio::time::{sleep, timeout};
use tracing::warn;

use crate::entry::check_name;
use crate::{Queue, QueueError};

/// How long a silent connection is trusted before it is asked for a sign of life.
const SILENCE: Duration = Duration::from_secs(15);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Publishes and subscribes under the queue's prefix.
#[derive(Clone)]
pub struct Channels {
    queue: Queue,
}

/// What a subscription yields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChannelEvent {
    /// The subscription stands, for the first time or again: messages before it are not delivered.
    Connected,
    /// A message.
    Message {
        /// The channel, without the prefix.
        channel: String,
        /// What was published.
        payload: Vec<u8>,
    },
}

impl Channels {
    pub(crate) fn new(queue: Queue) -> Self {
        Self { queue }
    }

    /// Publishes to a channel and returns how many subscriptions heard it.
    ///
    /// # Errors
    ///
    /// See [`QueueError`].
    pub async fn publish(&self, channel: &str, payload: &[u8]) -> Result<u64, QueueError> {
        check_name("channel", channel)?;
        let mut command = redis::cmd("PUBLISH");
        command.arg(self.queue.shared.keys.channel(channel)).arg(payload);
        self.queue.shared.connections.query(&command).await
    }

    /// Subscribes to channels over one connection of its own; it connects with the first event.
    ///
    /// # Errors
    ///
    /// [`QueueError::InvalidName`] for a channel that cannot be one.
    pub fn subscribe<C: AsRef<str>>(&self, channels: &[C]) -> Result<Subscription, QueueError> {
        for channel in channels {
            check_name("channel", channel.as_ref())?;
        }
        let keys = &self.queue.shared.keys;
        let names = channels.iter().map(|channel| keys.channel(channel.as_ref()));
        Ok(Subscription::new(&self.queue, Topic::Channels(names.collect())))
    }

    /// Subscribes to every channel whose name begins with `beginning`.
    ///
    /// # Errors
    ///
    /// [`QueueError::InvalidName`] for a beginning that no channel can have.
    pub fn subscribe_beginning(&self, beginning: &str) -> Result<Subscription, QueueError> {
        check_name("channel", beginning)?;
        let pattern = self.queue.shared.keys.channel(beginning) + "*";
        Ok(Subscription::new(&self.queue, Topic::Pattern(pattern)))
    }
}

enum Topic {
    Channels(Vec<String>),
    Pattern(String),
}

/// A subscription that reconnects by itself.
pub struct Subscription {
    queue: Queue,
    topic: Topic,
    prefix: String,
    open: Option<(PubSubSink, PubSubStream)>,
    pause: Duration,
}

impl Subscription {
    fn new(queue: &Queue, topic: Topic) -> Self {
        Self { queue: queue.clone(), topic, prefix: queue.shared.keys.channel(""), open: None, pause: Duration::ZERO }
    }

    /// Waits for the next event; while Redis is away it keeps trying, with pauses up to 5 s.
    ///
    /// Dropping the future loses nothing. What a slow listener has not read yet waits in memory, without bound: read
    /// promptly and queue or drop elsewhere.
    pub async fn next(&mut self) -> ChannelEvent {
        loop {
            let Some((sink, messages)) = &mut self.open else {
                if self.connect().await {
                    return ChannelEvent::Connected;
                }
                continue;
            };
            match timeout(SILENCE, messages.next()).await {
                Ok(Some(message)) => {
                    let name = message.get_channel_name();
                    return ChannelEvent::Message {
                        channel: name.strip_prefix(&self.prefix).unwrap_or(name).to_owned(),
                        payload: message.get_payload_bytes().to_vec(),
                    };
                }
                Ok(None) => self.open = None,
                Err(_elapsed) => {
                    if !is_alive(sink, self.queue.shared.config.response_timeout).await {
                        self.open = None;
                    }
                }
            }
        }
    }

    /// Returns the events as a stream that never ends.
    pub fn into_stream(self) -> impl Stream<Item = ChannelEvent> + Send {
        stream::unfold(self, async |mut subscription| {
            let event = subscription.next().await;
            Some((event, subscription))
        })
    }

    async fn connect(&mut self) -> bool {
        sleep(self.pause).await;
        match self.open_topic().await {
            Ok(open) => {
                self.open = Some(open);
                self.pause = Duration::ZERO;
                true
            }
            Err(error) => {
                self.pause = (self.pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
                warn!(%error, "Subscribing failed, trying again in {:?}", self.pause);
                false
            }
        }
    }

    async fn open_topic(&self) -> Result<(PubSubSink, PubSubStream), QueueError> {
        let connections = &self.queue.shared.connections;
        let (mut sink, messages) = connections.open_subscription().await?.split();
        let subscribed = async {
            match &self.topic {
                Topic::Channels(names) => sink.subscribe(names).await,
                Topic::Pattern(pattern) => sink.psubscribe(pattern).await,
            }
        };
        match timeout(self.queue.shared.config.response_timeout, subscribed).await {
            Ok(answer) => answer?,
            Err(elapsed) => return Err(QueueError::unavailable(elapsed)),
        }
        Ok((sink, messages))
    }
}

async fn is_alive(sink: &mut PubSubSink, limit: Duration) -> bool {
    matches!(timeout(limit, sink.ping::<redis::Value>()).await, Ok(Ok(_)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::support::TestRedis;

    #[tokio::test]
    async fn a_silent_subscription_answers_a_sign_of_life_and_a_cut_one_does_not() {
        let redis = TestRedis::start();
        let queue = redis.queue().await;
        let mut subscription = queue.channels().subscribe(&["events"]).unwrap();
        assert_eq!(subscription.next().await, ChannelEvent::Connected);
        let (mut sink, _messages) = subscription.open.take().unwrap();
        assert!(is_alive(&mut sink, Duration::from_secs(2)).await);
        redis.command(&queue, &["CLIENT", "KILL", "TYPE", "pubsub"]).await;
        assert!(!is_alive(&mut sink, Duration::from_secs(2)).await);
    }
}
