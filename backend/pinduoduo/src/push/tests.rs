//! The listener against a push server on a real socket.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use futures_util::{SinkExt, StreamExt};
use kamiflow_kernel::{Clock, SecretText};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_util::sync::CancellationToken;

use super::{NotStored, PushConfig, PushListener, PushMessage, PushPhase, PushSink, connect};
use crate::keys::AppKeys;

const PATIENCE: Duration = Duration::from_secs(10);

struct Noon;

impl Clock for Noon {
    fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(1_700_000_000_000).unwrap()
    }
}

/// A sink that passes messages on and stores as many as it has permits for.
struct Store {
    seen: mpsc::UnboundedSender<PushMessage>,
    permits: Semaphore,
    refuse: bool,
    most_at_once: AtomicUsize,
    at_once: AtomicUsize,
}

impl PushSink for Store {
    fn store(&self, message: PushMessage) -> BoxFuture<'_, Result<(), NotStored>> {
        Box::pin(async move {
            let now = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
            self.most_at_once.fetch_max(now, Ordering::SeqCst);
            self.seen.send(message).unwrap();
            self.permits.acquire().await.unwrap().forget();
            self.at_once.fetch_sub(1, Ordering::SeqCst);
            if self.refuse { Err(NotStored("no room".to_owned())) } else { Ok(()) }
        })
    }
}

type Peer = WebSocketStream<TcpStream>;

/// A listener under test with its server and sink.
struct Bench {
    server: TcpListener,
    listener: PushListener,
    store: Arc<Store>,
    seen: mpsc::UnboundedReceiver<PushMessage>,
    stop: CancellationToken,
}

impl Bench {
    async fn start(permits: usize, refuse: bool, adjust: impl FnOnce(&mut PushConfig)) -> Self {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}/", server.local_addr().unwrap()).parse().unwrap();
        let mut config = PushConfig::new(url, AppKeys::new("app", SecretText::from("secret")));
        config.heartbeat = Duration::from_millis(20);
        config.backoff_from = Duration::from_millis(1);
        config.backoff_to = Duration::from_millis(5);
        adjust(&mut config);
        let (sender, seen) = mpsc::unbounded_channel();
        let store = Arc::new(Store {
            seen: sender,
            permits: Semaphore::new(permits),
            refuse,
            most_at_once: AtomicUsize::new(0),
            at_once: AtomicUsize::new(0),
        });
        let stop = CancellationToken::new();
        let sink = Arc::clone(&store);
        let listener = connect(config, Arc::new(Noon), sink, stop.clone());
        Self { server, listener, store, seen, stop }
    }

    async fn accept_socket(&self) -> TcpStream {
        tokio::time::timeout(PATIENCE, self.server.accept()).await.expect("nobody connects").unwrap().0
    }

    async fn accept(&self) -> (Peer, String) {
        let socket = self.accept_socket().await;
        let mut path = String::new();
        #[expect(clippy::result_large_err, reason = "the signature is the library's")]
        let check = |request: &Request, response: Response| {
            path = request.uri().path().to_owned();
            Ok::<_, ErrorResponse>(response)
        };
        let peer = tokio_tungstenite::accept_hdr_async(socket, check).await.unwrap();
        (peer, path)
    }

    async fn until(&self, condition: impl FnMut(&super::PushStatus) -> bool) {
        let mut status = self.listener.watch();
        let reached = tokio::time::timeout(PATIENCE, status.wait_for(condition)).await;
        reached.expect("the status was not reached").unwrap();
    }

    async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, self.listener.stopped()).await.expect("the listener did not stop");
    }
}

fn message(id: i64, mall: i64) -> Message {
    let content = json!({"mall_id": mall, "tid": "261122-100000000000017"}).to_string();
    let frame = json!({"id": id, "commandType": "Common", "time": 1, "sendTime": 2,
        "message": {"type": "pdd_trade_TradeConfirmed", "mallID": mall, "content": content}});
    Message::text(frame.to_string())
}

/// Returns the next frame that is not a heartbeat.
async fn answer(peer: &mut Peer) -> Value {
    loop {
        let frame = tokio::time::timeout(PATIENCE, peer.next()).await.expect("no frame").unwrap().unwrap();
        if let Message::Text(text) = frame {
            let frame: Value = serde_json::from_str(&text).unwrap();
            if frame["commandType"] != "HeartBeat" {
                return frame;
            }
        }
    }
}

#[tokio::test]
async fn a_message_is_acknowledged_only_after_its_hint_is_stored() {
    let mut bench = Bench::start(0, false, |_config| {}).await;
    let (mut peer, path) = bench.accept().await;
    assert_eq!(path, "/message/app/1700000000000/OTgxODMwNDI2NWZiN2NiNzA2NzIxOTI0ZjJlMDMxMjE=");
    peer.send(message(1, 5)).await.unwrap();
    assert_eq!(bench.seen.recv().await.unwrap().id, 1);
    // Several heartbeats pass without an answer while the hint is not stored.
    for _ in 0..5 {
        let frame = peer.next().await.unwrap().unwrap().into_text().unwrap();
        assert!(frame.contains("HeartBeat"), "{frame}");
    }
    bench.store.permits.add_permits(1);
    let ack = answer(&mut peer).await;
    assert_eq!((&ack["commandType"], &ack["id"], &ack["mallID"]), (&json!("Ack"), &json!(1), &json!(5)));
    assert_eq!(bench.listener.status().stored, 1);
    bench.stop().await;
}

#[tokio::test]
async fn a_message_whose_hint_is_not_stored_is_failed_with_the_reason() {
    let bench = Bench::start(1, true, |_config| {}).await;
    let (mut peer, _path) = bench.accept().await;
    peer.send(message(1, 5)).await.unwrap();
    let fail = answer(&mut peer).await;
    assert_eq!((&fail["commandType"], &fail["failReason"]), (&json!("Fail"), &json!("no room")));
    bench.stop().await;
}

#[tokio::test]
async fn a_sink_that_hangs_fails_the_message() {
    let bench = Bench::start(0, false, |config| config.store_timeout = Duration::from_millis(30)).await;
    let (mut peer, _path) = bench.accept().await;
    peer.send(message(1, 5)).await.unwrap();
    assert_eq!(answer(&mut peer).await["commandType"], "Fail");
    bench.stop().await;
}

#[tokio::test]
async fn many_malls_share_one_connection_and_memory_stays_bounded() {
    let mut bench = Bench::start(0, false, |config| config.max_in_flight = 4).await;
    let (mut peer, _path) = bench.accept().await;
    for id in 0..200 {
        peer.send(message(id, id)).await.unwrap();
    }
    for _ in 0..4 {
        bench.seen.recv().await.unwrap();
    }
    bench.store.permits.add_permits(200);
    let mut acknowledged = BTreeSet::new();
    for _ in 0..200 {
        let ack = answer(&mut peer).await;
        assert_eq!((&ack["commandType"], &ack["id"]), (&json!("Ack"), &ack["mallID"]));
        assert!(acknowledged.insert(ack["id"].as_i64().unwrap()));
    }
    assert!(bench.store.most_at_once.load(Ordering::SeqCst) <= 4);
    bench.stop().await;
}

#[tokio::test]
async fn unreadable_frames_do_not_end_a_connection() {
    let bench = Bench::start(1, false, |_config| {}).await;
    let (mut peer, _path) = bench.accept().await;
    for text in ["", "garbage", "{}", r#"{"commandType":"HeartBeat"}"#, r#"{"commandType":"Later"}"#] {
        peer.send(Message::text(text)).await.unwrap();
    }
    peer.send(Message::binary(vec![0, 1])).await.unwrap();
    peer.send(Message::Ping(vec![1].into())).await.unwrap();
    peer.send(message(9, 5)).await.unwrap();
    assert_eq!(answer(&mut peer).await["id"], 9);
    assert_eq!(bench.listener.status().failures, 0);
    bench.stop().await;
}

#[tokio::test]
async fn a_lost_a_refused_and_a_broken_connection_are_each_followed_by_the_next() {
    let bench = Bench::start(1, false, |_config| {}).await;
    // Lost: closed in order.
    let (mut peer, _path) = bench.accept().await;
    peer.close(None).await.unwrap();
    // Broken: the socket is gone.
    let (peer, _path) = bench.accept().await;
    drop(peer);
    // Refused: not a WebSocket at all.
    drop(bench.accept_socket().await);
    let (mut peer, _path) = bench.accept().await;
    bench.until(|status| status.phase == PushPhase::Connected && status.failures == 3).await;
    peer.send(message(1, 5)).await.unwrap();
    assert_eq!(answer(&mut peer).await["commandType"], "Ack");
    bench.stop().await;
}

#[tokio::test]
async fn a_refused_digest_shows_in_the_status() {
    let bench = Bench::start(1, false, |_config| {}).await;
    let mut socket = bench.accept_socket().await;
    let mut request = [0; 1024];
    assert!(socket.read(&mut request).await.unwrap() > 0);
    socket.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    bench.until(|status| status.failures == 1).await;
    let failure = bench.listener.status().last_failure.unwrap();
    assert_eq!(failure, "the handshake was refused with HTTP 403");
    bench.stop().await;
}

#[tokio::test]
async fn a_silent_connection_is_dead() {
    let bench = Bench::start(1, false, |config| config.silence = Duration::from_millis(50)).await;
    let (_silent, _path) = bench.accept().await;
    let (_next, _path) = bench.accept().await;
    bench.until(|status| status.failures >= 1).await;
    let failure = bench.listener.status().last_failure.unwrap();
    assert!(failure.starts_with("no frame for"), "{failure}");
    bench.stop().await;
}

#[tokio::test]
async fn a_stopped_listener_answers_what_it_is_storing() {
    let mut bench = Bench::start(0, false, |_config| {}).await;
    let (mut peer, _path) = bench.accept().await;
    peer.send(message(1, 5)).await.unwrap();
    bench.seen.recv().await.unwrap();
    bench.stop.cancel();
    bench.store.permits.add_permits(1);
    assert_eq!(answer(&mut peer).await["commandType"], "Ack");
    let status = bench.listener.watch();
    bench.stop().await;
    assert_eq!(status.borrow().phase, PushPhase::Stopped);
}
