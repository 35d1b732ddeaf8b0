//! Message push: the WebSocket endpoint `/message/{client_id}/{ms}/{digest}`.
//!
//! A connection registers with the [`hub`], which hands it frames to send. Frames that come in
//! are heartbeats (answered), acknowledgments and failures (told to the hub).

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, web};
use actix_ws::{Message as Frame, MessageStream, Session};
use futures_util::future::{Either, select};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use crate::{sign::push_digest, state::World};

pub(crate) mod hub;

/// The digest may be as old as a call's timestamp.
const DIGEST_WINDOW_S: i64 = 600;

/// Opens a push connection. The router has already decoded `%3D` in the digest.
pub(crate) async fn connect(
    request: HttpRequest,
    body: web::Payload,
    path: web::Path<(String, String, String)>,
    world: web::Data<World>,
) -> actix_web::Result<HttpResponse> {
    let (client_id, ms, digest) = path.into_inner();
    let Some(application) = world.application(&client_id) else {
        return Ok(HttpResponse::Forbidden().body("unknown client_id"));
    };
    let in_time = ms.parse::<i64>().is_ok_and(|ms| world.clock.accepts(ms / 1000, DIGEST_WINDOW_S));
    if !in_time || push_digest(&client_id, &ms, &application.config.client_secret) != digest {
        return Ok(HttpResponse::Forbidden().body("bad digest"));
    }
    let (response, session, frames) = actix_ws::handle(&request, body)?;
    actix_web::rt::spawn(serve(world, client_id, session, frames));
    Ok(response)
}

async fn serve(world: web::Data<World>, client_id: String, mut session: Session, mut frames: MessageStream) {
    let (connection, mut outbox) = world.hub.connect(&client_id);
    world.hub.dispatch(&world);
    // Silence is measured in frames received: what we send proves nothing about the peer.
    let mut last_heard = Instant::now();
    loop {
        let idle = Duration::from_secs(world.switches().pmc.idle_timeout_s);
        let incoming = std::pin::pin!(timeout_at(last_heard + idle, frames.recv()));
        let outgoing = std::pin::pin!(outbox.recv());
        // What is due to the peer goes first, so that the answer to a heartbeat follows every message before it.
        let goes_on = match select(outgoing, incoming).await {
            Either::Right((Ok(Some(Ok(frame))), _)) => {
                last_heard = Instant::now();
                receive(&world, &client_id, frame, &mut session).await
            }
            Either::Left((Some(text), _)) => session.text(text).await.is_ok(),
            // The peer is gone or silent, or control cut the connection.
            Either::Right(_) | Either::Left((None, _)) => false,
        };
        if !goes_on {
            break;
        }
    }
    world.hub.disconnect(&client_id, connection);
    // The peer may be gone already.
    let _ = session.close(None).await;
}

/// Takes one frame. Returns whether the connection goes on.
async fn receive(world: &World, client_id: &str, frame: Frame, session: &mut Session) -> bool {
    match frame {
        Frame::Text(text) => answer(world, client_id, &text, session).await,
        Frame::Ping(bytes) => session.pong(&bytes).await.is_ok(),
        Frame::Close(_) => false,
        _ => true,
    }
}

/// Names of `commandType`, also by the number one SDK sends.
fn command_of(frame: &Value) -> &str {
    match frame.get("commandType") {
        Some(Value::String(name)) => name,
        Some(Value::Number(number)) => match number.as_i64() {
            Some(0) => "HeartBeat",
            Some(1) => "Ack",
            Some(2) => "Fail",
            _ => "Common",
        },
        _ => "",
    }
}

async fn answer(world: &World, client_id: &str, text: &str, session: &mut Session) -> bool {
    let Ok(frame) = serde_json::from_str::<Value>(text) else { return true };
    let id = frame.get("id").and_then(Value::as_u64);
    match (command_of(&frame), id) {
        ("HeartBeat", _) => {
            let reply = json!({"commandType": "HeartBeat", "time": world.clock.now_ms()});
            return session.text(reply.to_string()).await.is_ok();
        }
        ("Ack", Some(id)) => world.hub.acknowledge(client_id, id),
        ("Fail", Some(id)) => {
            let reason = frame.get("failReason").and_then(Value::as_str).unwrap_or("");
            world.hub.fail(client_id, id, reason);
        }
        _ => {}
    }
    true
}
