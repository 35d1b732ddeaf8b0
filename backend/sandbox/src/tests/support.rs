//! A sandbox with a client that signs by itself, written apart from the verifier.

use std::{collections::BTreeMap, time::Duration};

use md5::{Digest, Md5};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{Sandbox, SandboxConfig, SandboxHandle, Scenario};

pub(super) const NOW_S: i64 = 1_795_371_800;
pub(super) const MALL: u64 = 100_000_001;
pub(super) const VOUCHER_SKU: u64 = 50_000_000_101;
pub(super) const POOL_SKU: u64 = 50_000_000_102;
pub(super) const OTA_SKU: u64 = 50_000_000_103;
pub(super) const CHARGE_SKU: u64 = 50_000_000_104;
pub(super) const PICKUP_SKU: u64 = 50_000_000_105;
pub(super) const PHYSICAL_SKU: u64 = 50_000_000_106;

/// A frozen clock with limits off, where a test is not about them.
pub(super) fn scenario() -> Scenario {
    let mut scenario = Scenario::default();
    scenario.clock = crate::scenario::ClockMode::Frozen(NOW_S);
    scenario.limits.enabled = false;
    scenario.logistics.auto_receive_s = 15 * 86_400;
    scenario
}

pub(super) struct Platform {
    pub(super) handle: SandboxHandle,
    pub(super) client_id: String,
    pub(super) secret: String,
    pub(super) token: String,
    pub(super) now_s: i64,
}

/// An HTTP answer; `body` ends where the connection did.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Vec<u8>,
}

impl Reply {
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Platform {
    pub(super) fn start(scenario: Scenario) -> Self {
        let config = SandboxConfig { scenario, seed: 7, ..SandboxConfig::default() };
        Self {
            handle: Sandbox::start(config).unwrap(),
            client_id: "sandbox-client".to_owned(),
            secret: "sandbox-secret-0001".to_owned(),
            token: "sandbox-token-0001".to_owned(),
            now_s: NOW_S,
        }
    }

    /// Sends raw bytes and reads until the server closes; `None` when nothing at all came back.
    pub(super) async fn raw(&self, request: &[u8]) -> Option<Reply> {
        let mut stream = TcpStream::connect(self.handle.addr()).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut bytes = Vec::new();
        // A reset counts as an end: it is what a cut connection looks like.
        let _ = stream.read_to_end(&mut bytes).await;
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let mut lines = head.lines();
        let status = lines.next()?.split(' ').nth(1)?.parse().unwrap();
        let headers = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        Some(Reply { status, headers, body: bytes[end + 4..].to_vec() })
    }

    pub(super) async fn http(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Option<Reply> {
        let mut request = format!("{method} {target} HTTP/1.1\r\nConnection: close\r\n");
        if !headers.iter().any(|(name, _)| *name == "Host") {
            request.push_str(&format!("Host: {}\r\n", self.handle.addr()));
        }
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
        self.raw(request.as_bytes()).await
    }

    /// Returns the signed parameters of a call.
    pub(super) fn signed(&self, api: &str, params: Value) -> BTreeMap<String, String> {
        let mut flat: BTreeMap<String, String> = params
            .as_object()
            .unwrap()
            .iter()
            .map(|(key, value)| match value {
                Value::String(text) => (key.clone(), text.clone()),
                other => (key.clone(), other.to_string()),
            })
            .collect();
        flat.insert("type".to_owned(), api.to_owned());
        flat.insert("client_id".to_owned(), self.client_id.clone());
        flat.insert("timestamp".to_owned(), self.now_s.to_string());
        if !self.token.is_empty() {
            flat.insert("access_token".to_owned(), self.token.clone());
        }
        let joined: String = flat.iter().map(|(key, value)| format!("{key}{value}")).collect();
        let digest = Md5::digest(format!("{0}{joined}{0}", self.secret));
        let sign = digest.iter().map(|byte| format!("{byte:02X}")).collect();
        flat.insert("sign".to_owned(), sign);
        flat
    }

    /// Calls an API; `None` when no answer came.
    pub(super) async fn try_call(&self, api: &str, params: Value) -> Option<Reply> {
        let body = serde_json::to_string(&self.signed(api, params)).unwrap();
        self.http("POST", "/api/router", &[("Content-Type", "application/json")], &body).await
    }

    /// Calls an API that succeeds and returns what is under its response key.
    pub(super) async fn call(&self, api: &str, params: Value) -> Value {
        let answer = self.try_call(api, params).await.unwrap().json();
        assert!(answer.get("error_response").is_none(), "{api}: {answer}");
        let (_, api) = crate::catalog::find(api).unwrap();
        if api.key.is_empty() { answer } else { answer[api.key].clone() }
    }

    /// Calls an API that fails and returns its main and sub code.
    pub(super) async fn error(&self, api: &str, params: Value) -> (i64, String) {
        let answer = self.try_call(api, params).await.unwrap().json();
        let error = &answer["error_response"];
        assert!(error.is_object(), "{api} did not fail: {answer}");
        let sub_code = error["sub_code"].as_str().unwrap_or("").to_owned();
        (error["error_code"].as_i64().unwrap(), sub_code)
    }

    /// Uses control.
    pub(super) async fn control(&self, method: &str, path: &str, body: Value) -> Value {
        let bearer = format!("Bearer {}", self.handle.control_token());
        let headers = [("Authorization", bearer.as_str())];
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let reply = self.http(method, &format!("/control{path}"), &headers, &body).await.unwrap();
        assert!((200..300).contains(&reply.status), "{path}: {} {}", reply.status, reply.text());
        if reply.body.is_empty() { Value::Null } else { reply.json() }
    }

    /// Makes one order and returns its number.
    pub(super) async fn order(&self, sku_id: u64, extra: Value) -> String {
        let mut body = json!({"mall_id": MALL, "sku_id": sku_id});
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let made = self.control("POST", "/orders", body).await;
        made["order_sns"][0].as_str().unwrap().to_owned()
    }

    pub(super) async fn information(&self, order_sn: &str) -> Value {
        let answer = self.call("pdd.order.information.get", json!({"order_sn": order_sn})).await;
        answer["order_info"].clone()
    }

    pub(super) async fn ledger(&self, order_sn: &str) -> Value {
        self.control("GET", &format!("/ledger?order_sn={order_sn}"), Value::Null).await
    }

    pub(super) async fn send_vouchers(&self, order_sn: &str, biz: &str, code: &str) -> Reply {
        let list = json!([{"voucher_id": format!("V-{code}"), "voucher_no": code}]).to_string();
        let params = json!({"order_sn": order_sn, "out_biz_no": biz, "voucher_list": list});
        self.try_call("pdd.voucher.voucher.info.send", params).await.unwrap()
    }
}

/// Bounds a wait for something that must come.
pub(super) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("it came in time")
}
