//! Listeners hear what is published on their channels, also after a lost connection.

use futures_util::StreamExt;

use super::support::{TestRedis, within};
use crate::ChannelEvent;

fn message(channel: &str, payload: &str) -> ChannelEvent {
    ChannelEvent::Message { channel: channel.to_owned(), payload: payload.as_bytes().to_vec() }
}

#[tokio::test]
async fn a_listener_hears_its_channels_and_no_others() {
    let redis = TestRedis::start();
    let queue = redis.queue().await;
    let elsewhere = redis.queue_with(|config| config.prefix = "other:".to_owned()).await;
    let channels = queue.channels();
    let mut orders = channels.subscribe(&["orders", "cards"]).unwrap();
    let mut all = Box::pin(channels.subscribe_beginning("ca").unwrap().into_stream());
    assert_eq!(within(orders.next()).await, ChannelEvent::Connected);
    assert_eq!(within(all.next()).await, Some(ChannelEvent::Connected));
    assert_eq!(elsewhere.channels().publish("orders", b"not ours").await.unwrap(), 0);
    assert_eq!(channels.publish("stock", b"nobody").await.unwrap(), 0);
    assert_eq!(channels.publish("orders", b"one").await.unwrap(), 1);
    assert_eq!(channels.publish("cards", "二".as_bytes()).await.unwrap(), 2);
    assert_eq!(within(orders.next()).await, message("orders", "one"));
    assert_eq!(within(orders.next()).await, message("cards", "二"));
    assert_eq!(within(all.next()).await, Some(message("cards", "二")));
}

#[tokio::test]
async fn a_cut_subscription_heals_and_says_so() {
    let mut redis = TestRedis::start();
    let queue = redis.queue().await;
    let channels = queue.channels();
    let mut events = channels.subscribe(&["orders"]).unwrap();
    assert_eq!(within(events.next()).await, ChannelEvent::Connected);
    redis.command(&queue, &["CLIENT", "KILL", "TYPE", "pubsub"]).await;
    assert_eq!(within(events.next()).await, ChannelEvent::Connected);
    channels.publish("orders", b"after the cut").await.unwrap();
    assert_eq!(within(events.next()).await, message("orders", "after the cut"));

    redis.restart();
    assert_eq!(within(events.next()).await, ChannelEvent::Connected);
    while channels.publish("orders", b"after the restart").await.is_err() {}
    assert_eq!(within(events.next()).await, message("orders", "after the restart"));
}
