//! What an idle push connection costs. Alone in its binary, because it measures the process.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "the allowance for tests does not reach helper functions of a test binary")]

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use kamiflow_kernel::{Clock, SecretText};
use kamiflow_pinduoduo::AppKeys;
use kamiflow_pinduoduo::push::{NotStored, PushConfig, PushMessage, PushPhase, PushSink, connect};
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_util::sync::CancellationToken;

const CONNECTIONS: usize = 400;
const ALLOWED_BYTES: usize = 30 * 1024;

struct Noon;

impl Clock for Noon {
    fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp(1_795_371_800, 0).unwrap()
    }
}

struct Nowhere;

impl PushSink for Nowhere {
    fn store(&self, _message: PushMessage) -> BoxFuture<'_, Result<(), NotStored>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

/// Starts so many listeners and returns their status once every one has stood and beaten.
async fn listeners(server: &TcpListener, count: usize, stop: &CancellationToken) {
    let url: url::Url = format!("ws://{}/", server.local_addr().unwrap()).parse().unwrap();
    for number in 0..count {
        let keys = AppKeys::new(&format!("app{number}"), SecretText::from("secret"));
        let mut config = PushConfig::new(url.clone(), keys);
        config.heartbeat = Duration::from_mins(10);
        let listener = connect(config, Arc::new(Noon), Arc::new(Nowhere), stop.clone());
        let (socket, _peer) = server.accept().await.unwrap();
        let small = WebSocketConfig::default().read_buffer_size(128).write_buffer_size(0);
        let mut peer = tokio_tungstenite::accept_async_with_config(socket, Some(small)).await.unwrap();
        let beat = peer.next().await.unwrap().unwrap();
        assert!(beat.to_text().unwrap().contains("HeartBeat"));
        listener.watch().wait_for(|status| status.phase == PushPhase::Connected).await.unwrap();
        // The server's end stays open, at the price of counting it too.
        tokio::spawn(async move { while peer.next().await.is_some() {} });
    }
}

#[tokio::test]
async fn an_idle_connection_stays_under_30_kib_with_both_its_ends() {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stop = CancellationToken::new();
    // The first ones pay for what all share.
    listeners(&server, 20, &stop).await;
    let before = resident_bytes();
    listeners(&server, CONNECTIONS, &stop).await;
    let each = resident_bytes().saturating_sub(before) / CONNECTIONS;
    println!("an idle push connection and its peer take {each} bytes");
    assert!(each <= ALLOWED_BYTES, "{each} bytes");
    stop.cancel();
}
