//! A browser without scripts: it keeps cookies, sends forms as pages do, and shows where it is sent.

use std::collections::BTreeMap;

use reqwest::{RequestBuilder, Response};

use crate::accounts::PASSWORD;
use crate::site::TestSite;

/// A visitor of a site.
pub struct Browser<'s> {
    site: &'s TestSite,
    jar: BTreeMap<String, String>,
}

/// What came back.
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Where the browser is sent; empty where it stays.
    pub location: String,
    /// The page.
    pub body: String,
}

impl<'s> Browser<'s> {
    /// Returns one that has not been anywhere.
    #[must_use]
    pub const fn new(site: &'s TestSite) -> Self {
        Self { site, jar: BTreeMap::new() }
    }

    /// Asks for a page.
    pub async fn get(&mut self, path: &str) -> Answer {
        self.ask(self.site.get(path)).await
    }

    /// Asks for a page that must be there, and returns its text.
    pub async fn open(&mut self, path: &str) -> String {
        let answer = self.get(path).await;
        assert_eq!(answer.status, 200, "{path} {}: {}", answer.location, answer.body);
        answer.body
    }

    /// Sends a form.
    pub async fn send(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.ask(self.site.post(path, &body)).await
    }

    /// Logs in with the usual password; no second factor.
    pub async fn log_in(&mut self, login: &str) {
        let answer = self.send("/log-in", &[("login", login), ("password", PASSWORD)]).await;
        assert_eq!((answer.status, answer.location.as_str()), (303, "/console"));
    }

    /// Returns the cookies as they are sent.
    #[must_use]
    pub fn cookies(&self) -> String {
        self.jar.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    async fn ask(&mut self, request: RequestBuilder) -> Answer {
        let answer = request.header("cookie", self.cookies()).send().await.unwrap();
        self.keep(&answer);
        let location = answer.headers().get("location").map(|value| value.to_str().unwrap().to_owned());
        let status = answer.status().as_u16();
        Answer { status, location: location.unwrap_or_default(), body: answer.text().await.unwrap() }
    }

    /// Keeps what is set and drops what is removed, as browsers do by the dates.
    fn keep(&mut self, answer: &Response) {
        for line in answer.headers().get_all("set-cookie") {
            let line = line.to_str().unwrap();
            let (name, rest) = line.split_once('=').unwrap();
            let value = rest.split(';').next().unwrap();
            if value.is_empty() {
                self.jar.remove(name);
            } else {
                self.jar.insert(name.to_owned(), value.to_owned());
            }
        }
    }
}
