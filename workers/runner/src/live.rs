//! What pages follow: in which shop of which merchant something just moved.
//!
//! Two channels say it. The relay publishes what stands in the outbox, and does so until it was published. Turns say at once
//! that they moved something, whether or not there is a row of the outbox for it, and say it once. Neither says what: whoever
//! listens reads the state.

use futures_util::stream::{self, BoxStream, StreamExt as _};
use kamiflow_kernel::{MerchantId, ShopId};
use kamiflow_queue::{ChannelEvent, Entry, Queue, QueueError};
use serde::Deserialize;

use crate::waker::OUTBOX_HINT;

/// What the channels of the merchants begin with.
pub(crate) const LIVE: &str = "live:";

/// What a feed yields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LiveEvent {
    /// The feed stands, for the first time or again: what moved before it was told to nobody.
    Connected,
    /// Something moved in a shop.
    Moved(MerchantId, ShopId),
}

/// Events of all merchants. It ends never: while Redis is away it keeps trying.
pub struct LiveFeed(BoxStream<'static, ChannelEvent>);

impl LiveFeed {
    /// Returns a feed; it connects with its first event.
    ///
    /// # Errors
    /// When the channels have no valid names.
    pub fn new(queue: &Queue) -> Result<Self, QueueError> {
        let channels = queue.channels();
        let relayed = channels.subscribe_beginning(LIVE)?.into_stream();
        let hinted = channels.subscribe(&[OUTBOX_HINT])?.into_stream();
        Ok(Self(stream::select(relayed, hinted).boxed()))
    }

    /// Waits for the next event.
    pub async fn next(&mut self) -> LiveEvent {
        loop {
            let event = match self.0.next().await {
                Some(ChannelEvent::Message { channel, payload }) => read(&channel, &payload),
                Some(ChannelEvent::Connected) => Some(LiveEvent::Connected),
                None => std::future::pending().await,
            };
            // What concerns no shop is on no list of orders.
            if let Some(event) = event {
                return event;
            }
        }
    }
}

/// Returns the channel of a merchant.
pub(crate) fn channel(merchant: MerchantId) -> String {
    format!("{LIVE}{merchant}")
}

fn read(channel: &str, payload: &[u8]) -> Option<LiveEvent> {
    #[derive(Deserialize)]
    struct Relayed {
        payload: OfShop,
    }
    #[derive(Deserialize)]
    struct OfShop {
        shop: String,
    }
    let (merchant, shop) = match channel.strip_prefix(LIVE) {
        Some(merchant) => (merchant.to_owned(), serde_json::from_slice::<Relayed>(payload).ok()?.payload.shop),
        None => {
            let entry = Entry::parse(std::str::from_utf8(payload).ok()?)?;
            (entry.group().to_owned(), entry.member().to_owned())
        }
    };
    Some(LiveEvent::Moved(merchant.parse().ok()?, shop.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_channels_name_merchant_and_shop_and_what_names_no_shop_is_passed_over() {
        let (merchant, shop) = (MerchantId::generate(), ShopId::generate());
        let moved = Some(LiveEvent::Moved(merchant, shop));
        let relayed = format!(r#"{{"id":"x","at":"y","topic":"order.delivered","payload":{{"shop":"{shop}"}}}}"#);
        assert_eq!(read(&channel(merchant), relayed.as_bytes()), moved);
        let entry = Entry::new(&shop.to_string(), &merchant.to_string()).unwrap();
        assert_eq!(read(OUTBOX_HINT, entry.as_str().as_bytes()), moved);

        assert_eq!(read(&channel(merchant), br#"{"topic":"notify","payload":{"kind":"other"}}"#), None);
        assert_eq!(read(OUTBOX_HINT, b"mer_1|job_2"), None);
        assert_eq!(read(OUTBOX_HINT, b""), None);
    }
}
