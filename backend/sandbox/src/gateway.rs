//! The gateway: checks of a call in the platform's order, faults, and the answer on the wire.

use std::{
    io::Write,
    net::{IpAddr, Shutdown, TcpStream},
    sync::Arc,
    time::{Duration, Instant},
};

use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, StatusCode, header::CONTENT_TYPE},
    web::{Bytes, Data},
};

use crate::{
    apis::Call,
    calls::CallRecord,
    catalog::{self, Api},
    envelope::{Answer, GatewayError, Payload, as_xml, failure, success},
    faults::{FaultKind, FaultRule},
    params::Params,
    sign,
    state::{World, application::Application, mall::Mall},
};

const TIMESTAMP_WINDOW_S: i64 = 600;
const HELD_MS: u64 = 60_000;

/// A second handle of the connection's socket, so that a fault can cut it.
#[derive(Debug, Clone)]
pub(crate) struct Socket(pub(crate) Arc<TcpStream>);

/// A call whose sender is known and allowed.
struct Admitted {
    application: Arc<Application>,
    mall: Option<Arc<Mall>>,
    api: &'static Api,
    api_index: usize,
}

/// Answers `/api/router`.
pub(crate) async fn route(
    request: HttpRequest,
    body: Result<Bytes, actix_web::Error>,
    world: Data<World>,
) -> HttpResponse {
    // Probes carry no parameters; some clients send one before their first call.
    let is_probe = matches!(*request.method(), Method::HEAD | Method::OPTIONS)
        || (*request.method() == Method::GET && request.query_string().is_empty());
    if is_probe {
        return HttpResponse::Ok().finish();
    }
    let started = Instant::now();
    let content_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let params = body
        .map_err(|_error| GatewayError::gateway(52004))
        .and_then(|body| Params::parse(request.query_string(), content_type, &body));
    let latency_ms = world.switches().latency_ms;
    if latency_ms > 0 {
        tokio::time::sleep(Duration::from_millis(latency_ms)).await;
    }
    let peer = request.peer_addr().map(|peer| peer.ip());
    let (params, admitted) = match params {
        Ok(params) => {
            let admitted = admit(&world, &params, peer);
            (params, admitted)
        }
        Err(error) => (Params::default(), Err(error)),
    };
    let admitted = match admitted {
        Ok(admitted) => admitted,
        Err(error) => {
            let answer = failure(&error, world.next_request_id());
            log(&world, &params, None, (answer.code, None), started);
            return send(rendered(&params, answer));
        }
    };
    let fault = world.faults.strike_call(
        admitted.api.name,
        &admitted.application.config.client_id,
        admitted.mall.as_ref().map(|mall| mall.id),
        &world.dice,
    );
    let Some(fault) = fault else {
        let answer = run(&world, &params, &admitted);
        log(&world, &params, admitted.mall.as_deref(), (answer.code, None), started);
        return send(rendered(&params, answer));
    };
    let kind = fault.kind;
    let (code, response) = faulty(&world, &params, &admitted, &fault, &request).await;
    log(&world, &params, admitted.mall.as_deref(), (code, Some(kind)), started);
    response
}

/// Checks common parameters, application, time, signature, API, token and permission.
fn admit(world: &World, params: &Params, peer: Option<IpAddr>) -> Result<Admitted, GatewayError> {
    let name = params.common("type")?;
    let client_id = params.common("client_id")?;
    let timestamp = params.common("timestamp")?;
    let signature = params.common("sign")?;
    let application = world.application(client_id).ok_or_else(|| GatewayError::gateway(10016))?;
    let allowed = &application.config.ip_allow;
    if !allowed.is_empty() && !peer.is_some_and(|peer| allowed.contains(&peer)) {
        return Err(GatewayError::gateway(20005));
    }
    let is_timely =
        timestamp.parse::<i64>().is_ok_and(|timestamp_s| world.clock.accepts(timestamp_s, TIMESTAMP_WINDOW_S));
    if !is_timely {
        return Err(GatewayError::common("timestamp"));
    }
    if !sign::verifies(params, &application.config.client_secret, signature) {
        return Err(GatewayError::gateway(20004));
    }
    let (api_index, api) = catalog::find(name).ok_or_else(|| catalog::unknown(name))?;
    let mall = if api.needs_token { Some(mall_of(world, params, client_id)?) } else { None };
    if !application.may_call(api) {
        return Err(GatewayError::gateway(20031));
    }
    Ok(Admitted { application, mall, api, api_index })
}

fn mall_of(world: &World, params: &Params, client_id: &str) -> Result<Arc<Mall>, GatewayError> {
    let refused = || GatewayError::gateway(20032);
    let token = params.get("access_token").ok_or_else(refused)?;
    let token = world.tokens.find(token).filter(|t| t.client_id == client_id).ok_or_else(refused)?;
    if token.expires_ms <= world.clock.now_ms() {
        return Err(GatewayError::gateway(10019));
    }
    world.mall(token.mall_id).ok_or_else(refused)
}

/// Counts the call against quota and limits.
fn within_limits(world: &World, admitted: &Admitted) -> Result<(), GatewayError> {
    let now_ms = world.clock.now_ms();
    if !admitted.application.within_test_quota(now_ms) {
        return Err(GatewayError::gateway(70036));
    }
    let Some(factor) = world.limits.factor() else { return Ok(()) };
    let (api, index, now_s) = (admitted.api, admitted.api_index, now_ms.div_euclid(1000));
    let exceeds = |limit: Option<_>, windows: &crate::limits::Windows| {
        limit.is_some_and(|limit| !windows.admits(index, limit, factor, now_s))
    };
    let mall_exceeds = admitted.mall.as_ref().is_some_and(|mall| exceeds(api.per_mall, &mall.windows));
    if mall_exceeds || exceeds(api.per_application, &admitted.application.windows) {
        return Err(GatewayError::gateway(70031));
    }
    if exceeds(api.total, &world.totals) {
        return Err(GatewayError::gateway(52101));
    }
    Ok(())
}

/// Carries out the call.
fn run(world: &World, params: &Params, admitted: &Admitted) -> Answer {
    let call = Call { world, application: &admitted.application, mall: admitted.mall.as_ref(), params };
    let result: Result<Payload, GatewayError> =
        within_limits(world, admitted).and_then(|()| (admitted.api.handler)(&call));
    let request_id = world.next_request_id();
    match result {
        Ok(payload) => success(admitted.api.key, payload, request_id),
        Err(error) => failure(&error, request_id),
    }
}

/// Renders XML where the call asks for it.
fn rendered(params: &Params, answer: Answer) -> Answer {
    if params.get("data_type") == Some("XML") { as_xml(answer) } else { answer }
}

fn send(answer: Answer) -> HttpResponse {
    let content_type = if answer.is_xml { "application/xml; charset=UTF-8" } else { "application/json; charset=UTF-8" };
    HttpResponse::Ok().content_type(content_type).body(answer.body)
}

/// Answers with a fault. Returns what the log shows as the code.
async fn faulty(
    world: &World,
    params: &Params,
    admitted: &Admitted,
    fault: &FaultRule,
    request: &HttpRequest,
) -> (i64, HttpResponse) {
    let takes_effect = match fault.kind {
        FaultKind::TimeoutAfterEffect | FaultKind::TruncatedBody | FaultKind::Slow => true,
        FaultKind::TimeoutBeforeEffect => false,
        _ => fault.after_effect,
    };
    let answer = takes_effect.then(|| rendered(params, run(world, params, admitted)));
    let code = answer.as_ref().map_or(0, |answer| answer.code);
    match fault.kind {
        FaultKind::Code => {
            let error = coded(fault, params);
            (error.code, send(rendered(params, failure(&error, world.next_request_id()))))
        }
        FaultKind::Http502Html => (502, bad_gateway()),
        FaultKind::Slow => {
            tokio::time::sleep(Duration::from_millis(fault.ms.unwrap_or(0))).await;
            (code, answer.map_or_else(bad_gateway, send))
        }
        FaultKind::TimeoutAfterEffect | FaultKind::TimeoutBeforeEffect => {
            tokio::time::sleep(Duration::from_millis(fault.ms.unwrap_or(HELD_MS))).await;
            (code, cut(request, b""))
        }
        FaultKind::TruncatedBody => {
            let body = answer.map_or_else(Vec::new, |answer| answer.body);
            let half = body.get(..body.len() / 2).unwrap_or_default();
            let mut bytes = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json; charset=UTF-8\r\n\
                 content-length: {}\r\n\r\n",
                body.len()
            )
            .into_bytes();
            bytes.extend_from_slice(half);
            (code, cut(request, &bytes))
        }
        FaultKind::DropConnection | FaultKind::MissedPush | FaultKind::DuplicatePush => (code, cut(request, b"")),
    }
}

fn coded(fault: &FaultRule, params: &Params) -> GatewayError {
    let mut error = GatewayError::gateway(fault.code.unwrap_or(50000));
    if let Some(sub_code) = &fault.sub_code {
        error.sub_code = Some(sub_code.clone());
    }
    if let Some(message) = &fault.message {
        error.sub_message.clone_from(message);
    }
    if let Some(echoed) = fault.echo.as_deref().and_then(|name| params.get(name)) {
        error.sub_message.push_str(echoed);
    }
    error
}

fn bad_gateway() -> HttpResponse {
    HttpResponse::build(StatusCode::BAD_GATEWAY).content_type("text/html").body(
        "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n\
         <center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>nginx</center>\r\n\
         </body>\r\n</html>\r\n",
    )
}

/// Writes `last_words` to the socket itself and closes it, so that what the server makes of the
/// returned response never arrives.
fn cut(request: &HttpRequest, last_words: &[u8]) -> HttpResponse {
    if let Some(Socket(socket)) = request.conn_data::<Socket>() {
        let written = (&**socket).write_all(last_words);
        let closed = socket.shutdown(Shutdown::Both);
        if let Err(error) = written.and(closed) {
            tracing::debug!(%error, "The peer of a cut connection was already gone");
        }
    }
    HttpResponse::Ok().finish()
}

fn log(world: &World, params: &Params, mall: Option<&Mall>, outcome: (i64, Option<FaultKind>), started: Instant) {
    let (code, fault) = outcome;
    world.calls.add(CallRecord {
        at_ms: world.clock.now_ms(),
        api: params.get("type").unwrap_or("").to_owned(),
        client_id: params.get("client_id").unwrap_or("").to_owned(),
        mall_id: mall.map(|mall| mall.id),
        code,
        fault,
        duration_us: u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX),
    });
}
