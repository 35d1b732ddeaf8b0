//! A browser without scripts: keeps cookies, sends forms, follows no redirection by itself.

use std::collections::BTreeMap;
use std::sync::Mutex;

use reqwest::{Method, RequestBuilder, Response};
use uuid::Uuid;

use crate::accounts::PASSWORD;
use crate::site::TestSite;

/// Somebody's browser at a site.
pub struct Browser<'a> {
    site: &'a TestSite,
    cookies: Mutex<BTreeMap<String, String>>,
    /// The address she signed up with.
    pub email: String,
}

/// What a page or a form was answered.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Where it sends, if it does.
    pub location: Option<String>,
    /// Who may keep it.
    pub cache: String,
    /// The page.
    pub body: String,
}

impl<'a> Browser<'a> {
    /// Signs an owner up by the forms, confirms by the mail's link, and logs in. The site works.
    pub async fn signed_up(site: &'a TestSite) -> Self {
        let email = format!("owner-{}@shop.test", Uuid::now_v7().simple());
        let browser = Self { site, cookies: Mutex::default(), email: email.clone() };
        let password = PASSWORD.replace(' ', "+");
        let form = format!("email={}&password={password}&merchant=Kami", email.replace('@', "%40"));
        assert_eq!(browser.post("/sign-up", &form).await.status, 303);
        let mail = site.mailbox.take(&email).await;
        let token = mail.text.split("token=").nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
        assert_eq!(browser.post("/confirm", &format!("token={token}")).await.status, 303);
        let form = format!("login={}&password={password}", email.replace('@', "%40"));
        let answer = browser.post("/log-in", &form).await;
        assert_eq!(answer.location.as_deref(), Some("/console"), "{answer:?}");
        browser
    }

    /// Gives her another role in her team, behind everybody's back.
    pub async fn becomes(&self, role: &str) {
        let sql = self.site.world.sql_as_superuser().await;
        // A team keeps an owner; replicas ask no trigger.
        let change = format!(
            "SET LOCAL session_replication_role = replica;
             UPDATE memberships SET role = '{role}' WHERE user_id = (SELECT id FROM users WHERE login = '{}')",
            self.email
        );
        sql.transaction(&change).await.unwrap();
    }

    /// Asks for a page.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.site.get(path)).await
    }

    /// Sends a form from a page of the site.
    pub async fn post(&self, path: &str, form: &str) -> Answer {
        self.send(self.site.post(path, form)).await
    }

    /// Sends a body of another kind from a page of the site.
    pub async fn post_body(&self, path: &str, content_type: &str, body: Vec<u8>) -> Answer {
        let request = self.site.request(Method::POST, path).header("origin", &self.site.base);
        self.send(request.header("content-type", content_type).body(body)).await
    }

    /// Sends a form and asks for the page that it leads to.
    pub async fn submit(&self, path: &str, form: &str) -> Answer {
        let answer = self.post(path, form).await;
        let location = answer.location.unwrap_or_else(|| panic!("{path}: {} {}", answer.status, answer.body));
        self.get(&location).await
    }

    /// Asks for a page until it says something.
    pub async fn watch(&self, path: &str, says: &str) -> Answer {
        loop {
            let answer = self.get(path).await;
            if answer.body.contains(says) {
                return answer;
            }
            tokio::task::yield_now().await;
        }
    }

    async fn send(&self, request: RequestBuilder) -> Answer {
        let cookies: Vec<String> =
            self.cookies.lock().unwrap().iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = if cookies.is_empty() { request } else { request.header("cookie", cookies.join("; ")) };
        self.told(request.send().await.unwrap()).await
    }

    async fn told(&self, answer: Response) -> Answer {
        for cookie in answer.headers().get_all("set-cookie") {
            let cookie = cookie.to_str().unwrap();
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            let mut cookies = self.cookies.lock().unwrap();
            if value.is_empty() {
                cookies.remove(name);
            } else {
                cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        let header = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        let (location, cache) = (header("location"), header("cache-control").unwrap_or_default());
        Answer { status: answer.status().as_u16(), location, cache, body: answer.text().await.unwrap() }
    }
}
