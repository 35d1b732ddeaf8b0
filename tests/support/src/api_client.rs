//! A merchant's own program: sends requests of the API with a token.

use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder};
use serde_json::Value;
use uuid::Uuid;

use crate::browser::Browser;
use crate::site::TestSite;

/// A program with a token.
pub struct ApiClient<'a> {
    site: &'a TestSite,
    /// The token.
    pub token: String,
}

/// What a request was answered.
#[derive(Debug)]
pub struct ApiAnswer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body; null where there is none.
    pub body: Value,
}

impl ApiAnswer {
    /// Returns a header's text; empty where there is none.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Returns the code of a problem.
    #[must_use]
    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    /// Returns the body of a success.
    pub fn ok(self) -> Value {
        assert!((200..300).contains(&self.status), "{} {}", self.status, self.body);
        self.body
    }
}

impl<'a> ApiClient<'a> {
    /// Returns a program with this token.
    #[must_use]
    pub fn new(site: &'a TestSite, token: &str) -> Self {
        Self { site, token: token.to_owned() }
    }

    /// Returns a program whose token has all scopes, for sandbox shops.
    pub async fn of(site: &'a TestSite, browser: &Browser<'_>) -> Self {
        Self::new(site, &browser.api_token("test", &[], &[]).await)
    }

    /// Asks for something below `/api/v1`.
    pub async fn get(&self, path: &str) -> ApiAnswer {
        self.send(self.request(Method::GET, path)).await
    }

    /// Writes something, under a key of its own.
    pub async fn post(&self, path: &str, body: &Value) -> ApiAnswer {
        self.post_as(&Uuid::now_v7().to_string(), path, body).await
    }

    /// Writes something, under this key.
    pub async fn post_as(&self, key: &str, path: &str, body: &Value) -> ApiAnswer {
        let request = self.request(Method::POST, path).header("idempotency-key", key);
        self.send(request.header("content-type", "application/json").body(body.to_string())).await
    }

    /// Returns a request with the token, to be changed and sent.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.site.request(method, &format!("/api/v1{path}")).bearer_auth(&self.token)
    }

    /// Sends a request.
    pub async fn send(&self, request: RequestBuilder) -> ApiAnswer {
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let body = serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default();
        ApiAnswer { status, headers, body }
    }
}
