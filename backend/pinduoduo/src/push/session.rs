//! One push connection, from the handshake to its end.

use std::pin::pin;
use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error as SocketError, Message};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream, connect_async_tls_with_config};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::frame::{self, Envelope, Frame};
use super::{PushMessage, PushPhase, Shared};
use crate::sign::push_digest;
use crate::tls;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Small, because thousands of idle connections each hold one.
const READ_BUFFER: usize = 4 * 1024;
/// Far above any documented message.
const LONGEST_MESSAGE: usize = 256 * 1024;
/// A peer that does not take a frame for so long is gone.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// What is being stored when the listener is stopped has so long to end.
const FAREWELL: Duration = Duration::from_secs(5);

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum End {
    #[error("the address is not one of a push server")]
    Address,
    #[error("the handshake was refused with HTTP {0}")]
    Refused(u16),
    #[error("no connection: {0}")]
    Unreachable(String),
    #[error("the handshake took too long")]
    SlowHandshake,
    #[error("the connection broke: {0}")]
    Broken(String),
    #[error("the platform closed the connection")]
    Closed,
    #[error("no frame for {0:?}")]
    Silent(Duration),
    #[error("the platform takes no frames")]
    Stuck,
    #[error("the listener was stopped")]
    Stopped,
}

/// Connects and listens until the connection ends or `stop` is cancelled.
pub(super) async fn run(shared: &Shared, stop: &CancellationToken) -> End {
    let mut socket = match stop.run_until_cancelled(open(shared)).await {
        None => return End::Stopped,
        Some(Err(end)) => return end,
        Some(Ok(socket)) => socket,
    };
    let now = shared.clock.now();
    info!(client_id = shared.config.keys.client_id(), "Push connection stands");
    shared.status.send_modify(|status| {
        status.phase = PushPhase::Connected;
        status.connected_since = Some(now);
    });
    converse(shared, &mut socket, stop).await.map_or_else(|end| end, |never| match never {})
}

async fn open(shared: &Shared) -> Result<Socket, End> {
    let config = &shared.config;
    let unix_ms = shared.clock.now().timestamp_millis();
    let digest = push_digest(config.keys.client_id(), unix_ms, config.keys.client_secret());
    let mut url = config.url.clone();
    url.path_segments_mut().map_err(|()| End::Address)?.pop_if_empty().extend([
        "message",
        config.keys.client_id(),
        &unix_ms.to_string(),
        &digest,
    ]);
    let limits = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_message_size(Some(LONGEST_MESSAGE))
        .max_frame_size(Some(LONGEST_MESSAGE));
    let connector = Connector::Rustls(tls::config());
    let opening = connect_async_tls_with_config(url.as_str(), Some(limits), true, Some(connector));
    // The handshake's state is large and only lives this long, so it is kept out of the idle task.
    match timeout(config.connect_timeout, Box::pin(opening)).await {
        Err(_elapsed) => Err(End::SlowHandshake),
        Ok(Err(SocketError::Http(response))) => Err(End::Refused(response.status().as_u16())),
        Ok(Err(error)) => Err(End::Unreachable(reason(&error))),
        Ok(Ok((socket, _response))) => Ok(socket),
    }
}

/// Reads, stores, answers and sends heartbeats; returns only when the connection is over.
async fn converse(
    shared: &Shared,
    socket: &mut Socket,
    stop: &CancellationToken,
) -> Result<std::convert::Infallible, End> {
    let config = &shared.config;
    let mut beat = interval(config.heartbeat);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut storing = FuturesUnordered::new();
    let mut dead_at = pin!(sleep_until(Instant::now() + config.silence));
    loop {
        let has_room = storing.len() < config.max_in_flight;
        tokio::select! {
            () = stop.cancelled() => {
                let farewell = async {
                    while let Some(answer) = storing.next().await {
                        send(socket, answer).await?;
                    }
                    socket.close(None).await.map_err(|error| End::Broken(reason(&error)))
                };
                // Whatever is not answered by then comes again.
                let _unanswered = timeout(FAREWELL, farewell).await;
                return Err(End::Stopped);
            }
            Some(answer) = storing.next() => send(socket, answer).await?,
            _ = beat.tick() => send(socket, Some(frame::heartbeat(shared.clock.now()))).await?,
            received = socket.next(), if has_room => {
                let text = match received {
                    None | Some(Ok(Message::Close(_))) => return Err(End::Closed),
                    Some(Err(error)) => return Err(End::Broken(reason(&error))),
                    Some(Ok(Message::Text(text))) => Some(text),
                    Some(Ok(_ping_or_binary)) => None,
                };
                dead_at.as_mut().reset(Instant::now() + config.silence);
                let now = shared.clock.now();
                shared.status.send_modify(|status| status.last_frame_at = Some(now));
                if let Some(Frame::Message(envelope, read)) = text.map(|text| frame::read(&text)) {
                    storing.push(store(shared, envelope, read));
                }
            }
            // While nothing is read for lack of room, silence says nothing about the platform.
            () = dead_at.as_mut(), if has_room => return Err(End::Silent(config.silence)),
        }
    }
}

/// Stores one message's hint and returns the frame that answers it.
async fn store(shared: &Shared, envelope: Envelope, read: Result<PushMessage, &'static str>) -> Option<String> {
    let outcome = match read {
        Err(reason) => Err(reason.to_owned()),
        Ok(message) => match timeout(shared.config.store_timeout, shared.sink.store(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(not_stored)) => Err(not_stored.0),
            Err(_elapsed) => Err("storing the hint took too long".to_owned()),
        },
    };
    let label = if outcome.is_ok() { "stored" } else { "failed" };
    metrics::counter!("kamiflow_push_messages_total", "outcome" => label).increment(1);
    match &outcome {
        Ok(()) => shared.status.send_modify(|status| status.stored += 1),
        Err(reason) => warn!(reason, "A push message was not stored, the platform delivers it again"),
    }
    envelope.answer(outcome.as_ref().copied().map_err(String::as_str)).ok()
}

async fn send(socket: &mut Socket, frame: Option<String>) -> Result<(), End> {
    let Some(frame) = frame else { return Ok(()) };
    match timeout(WRITE_TIMEOUT, socket.send(Message::text(frame))).await {
        Err(_elapsed) => Err(End::Stuck),
        Ok(sent) => sent.map_err(|error| End::Broken(reason(&error))),
    }
}

/// The error's kind. Some variants print the address, and the address holds the digest.
fn reason(error: &SocketError) -> String {
    match error {
        SocketError::Io(error) => error.kind().to_string(),
        SocketError::Tls(_) => "TLS failed".to_owned(),
        SocketError::Capacity(_) => "a frame is too long".to_owned(),
        SocketError::Protocol(error) => error.to_string(),
        SocketError::ConnectionClosed | SocketError::AlreadyClosed => "closed".to_owned(),
        _ => "the WebSocket failed".to_owned(),
    }
}
