//! A browser without scripts: keeps cookies, sends forms, follows no redirection by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use kamiflow_kernel::ApiScope;
use kamiflow_kernel::SecretText;
use reqwest::{Method, RequestBuilder, Response};
use uuid::Uuid;

use crate::accounts::{PASSWORD, code_of, token_in};
use crate::site::TestSite;

/// Returns what stands between two texts, the first time it does.
#[must_use]
pub fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let (_, rest) = text.split_once(before).unwrap_or_else(|| panic!("no {before} in {text}"));
    rest.split_once(after).unwrap().0
}

/// Somebody's browser at a site.
pub struct Browser<'a> {
    site: &'a TestSite,
    cookies: Mutex<BTreeMap<String, String>>,
    /// The address she signed up with; empty for a stranger.
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

impl Answer {
    /// Returns where it sends; empty where the browser stays.
    #[must_use]
    pub fn to(&self) -> &str {
        self.location.as_deref().unwrap_or_default()
    }
}

impl<'a> Browser<'a> {
    /// Returns one that has not been anywhere.
    #[must_use]
    pub fn new(site: &'a TestSite) -> Self {
        Self { site, cookies: Mutex::default(), email: String::new() }
    }

    /// Signs an owner up by the forms, confirms by the mail's link, and logs in. The site works.
    pub async fn signed_up(site: &'a TestSite) -> Self {
        Self::signed_up_as(site, &format!("owner-{}@shop.test", Uuid::now_v7().simple())).await
    }

    /// Signs somebody up with an address of the test's choice.
    pub async fn signed_up_as(site: &'a TestSite, email: &str) -> Self {
        let browser = Self { email: email.to_owned(), ..Self::new(site) };
        let form = [("email", email), ("password", PASSWORD), ("merchant", "测试商家")];
        assert_eq!(browser.does("/sign-up", &form).await, "/sign-up/sent");
        let token = token_in(&site.mailbox.take(email).await);
        assert_eq!(browser.does("/confirm", &[("token", token.expose())]).await, "/log-in");
        browser.log_in(email).await;
        browser
    }

    /// Logs an owner in whose account was arranged behind the pages, for sites that do not work.
    pub async fn arranged(site: &'a TestSite) -> Self {
        let owner = site.owner(&format!("owner-{}@shop.test", Uuid::now_v7().simple())).await;
        let browser = Self { email: owner.email, ..Self::new(site) };
        browser.log_in(&browser.email).await;
        browser.does("/preferences", &[("language", "zh-CN")]).await;
        browser
    }

    /// Sends a form that must be taken; returns where it leads.
    pub async fn does(&self, path: &str, fields: &[(&str, &str)]) -> String {
        let answer = self.send(path, fields).await;
        assert_eq!(answer.status, 303, "{path}: {}", answer.body);
        answer.to().to_owned()
    }

    /// Opens a page that must be there, as every page must be made.
    pub async fn sees(&self, path: &str) -> String {
        let page = self.open(path).await;
        assert_eq!(page.matches("<h1").count(), 1, "{path} has one title");
        assert!(!page.contains(" style="), "{path} has an inline style");
        page
    }

    /// Follows the operator's link to its end: password, code generator; returns the seed and the recovery codes.
    pub async fn enrolls(&self, link: &str) -> (SecretText, Vec<String>) {
        let token = link.split_once("token=").unwrap().1;
        self.sees(link).await;
        self.chooses("/staff/enroll", token).await
    }

    /// Chooses password and code generator by the token of a link whose form is sent to `path`.
    pub async fn chooses(&self, path: &str, token: &str) -> (SecretText, Vec<String>) {
        let seeded = self.send(path, &[("token", token)]).await;
        assert_eq!((seeded.status, seeded.cache.as_str()), (200, "no-store"), "{}", seeded.to());
        let seed = between(between(&seeded.body, "<pre", "/pre>"), ">", "<").replace('-', "");
        let seed = SecretText::new(format!("otpauth://totp/x?secret={seed}"));
        let code = code_of(&seed, self.site.world.engine.now());
        let done = self
            .send(&format!("{path}/confirm"), &[("token", token), ("password", PASSWORD), ("code", code.expose())])
            .await;
        assert_eq!((done.status, done.cache.as_str()), (200, "no-store"), "{}", done.to());
        let codes = between(between(&done.body, "<pre", "/pre>"), ">", "<");
        (seed, codes.split_whitespace().map(str::to_owned).collect())
    }

    /// Logs a member of the staff in with the usual password and the next code of her generator.
    pub async fn log_in_staff(&self, email: &str, seed: &SecretText) {
        self.site.world.clock.advance(chrono::TimeDelta::seconds(30));
        let form = [("email", email), ("password", PASSWORD)];
        assert_eq!(self.does("/staff/log-in", &form).await, "/staff/log-in/second-step");
        let code = code_of(seed, self.site.world.engine.now());
        let entered = self.does("/staff/log-in/second-step", &[("code", code.expose())]).await;
        assert_eq!(entered, "/staff/verifications");
    }

    /// Proves anew who she is.
    pub async fn proves(&self) {
        self.does("/account/sudo", &[("password", PASSWORD), ("next", "/console")]).await;
    }

    /// Makes a token of the API, `live` or `test`, with some scopes or all of them, for some shops or all of them. She has
    /// just proved who she is.
    pub async fn api_token(&self, mode: &str, scopes: &[&str], shops: &[&str]) -> String {
        let all: Vec<&str> = ApiScope::ALL.iter().map(|scope| scope.as_str()).collect();
        let scopes = if scopes.is_empty() { &all } else { scopes };
        let mut fields = vec![("name", "a program"), ("mode", mode), ("days", "90")];
        fields.extend(scopes.iter().map(|scope| ("scope", *scope)));
        fields.extend(shops.iter().map(|shop| ("shop", *shop)));
        let answer = self.send("/console/api", &fields).await;
        assert_eq!((answer.status, answer.cache.as_str()), (200, "no-store"), "{} {}", answer.to(), answer.body);
        let prefix = format!("kf_{mode}_");
        format!("{prefix}{}", between(&answer.body, &format!(">{prefix}"), "<"))
    }

    /// Makes a sandbox shop; returns its id and its mall's number.
    pub async fn sandbox_shop(&self) -> (String, i64) {
        self.does("/console/shops/sandbox", &[]).await;
        let list = self.sees("/console/shops").await;
        let shop = format!("shop_{}", between(&list, "href=\"/console/shops/shop_", "\""));
        let page = self.sees(&format!("/console/shops/{shop}")).await;
        (shop, between(&page, "店铺编号 ", " ").parse().unwrap())
    }

    /// Joins somebody's team by a link, as a role; for some shops, or for all when none is named.
    pub async fn joins(&self, owner: &Self, role: &str, shops: &[&str]) {
        let mut fields = vec![("role", role), ("scope", if shops.is_empty() { "all" } else { "some" })];
        fields.extend(shops.iter().map(|shop| ("shop", *shop)));
        owner.proves().await;
        let made = owner.send("/console/team/invite", &fields).await;
        assert_eq!(made.status, 200, "{}", made.to());
        let token = between(&made.body, "/join?token=", "</pre>").to_owned();
        assert_eq!(self.does("/join", &[("token", &token)]).await, "/console");
    }

    /// Returns the shops that her list names.
    pub async fn shops(&self) -> BTreeSet<String> {
        let list = self.sees("/console/shops").await;
        let ids = list.split("href=\"/console/shops/").filter_map(|rest| rest.split('"').next());
        ids.filter(|id| id.starts_with("shop_")).map(str::to_owned).collect()
    }

    /// Makes one more sandbox shop; returns its id.
    pub async fn another_shop(&self) -> String {
        let before = self.shops().await;
        self.does("/console/shops/sandbox", &[]).await;
        self.shops().await.difference(&before).next().unwrap().clone()
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
        self.ask(self.site.get(path)).await
    }

    /// Asks for a page that must be there, and returns its text.
    pub async fn open(&self, path: &str) -> String {
        let answer = self.get(path).await;
        assert_eq!(answer.status, 200, "{path} {}: {}", answer.to(), answer.body);
        answer.body
    }

    /// Sends a form with these fields from a page of the site.
    pub async fn send(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.post(path, &form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()).await
    }

    /// Logs in with the usual password; no second factor.
    pub async fn log_in(&self, login: &str) {
        let answer = self.send("/log-in", &[("login", login), ("password", PASSWORD)]).await;
        assert_eq!((answer.status, answer.to()), (303, "/console"));
    }

    /// Returns the cookies as they are sent.
    #[must_use]
    pub fn cookies(&self) -> String {
        let cookies = self.cookies.lock().unwrap();
        cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    /// Sends a form from a page of the site.
    pub async fn post(&self, path: &str, form: &str) -> Answer {
        self.ask(self.site.post(path, form)).await
    }

    /// Sends a form that is answered with a file; returns the file.
    pub async fn download(&self, path: &str, fields: &[(&str, &str)]) -> Vec<u8> {
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let answer = self.site.post(path, &form).header("cookie", self.cookies()).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path} {:?}", answer.headers().get("location"));
        assert_eq!(answer.headers()["cache-control"], "no-store");
        assert!(answer.headers()["content-disposition"].to_str().unwrap().starts_with("attachment; "));
        answer.bytes().await.unwrap().to_vec()
    }

    /// Sends a body of another kind from a page of the site.
    pub async fn post_body(&self, path: &str, content_type: &str, body: Vec<u8>) -> Answer {
        let request = self.site.request(Method::POST, path).header("origin", &self.site.base);
        self.ask(request.header("content-type", content_type).body(body)).await
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

    async fn ask(&self, request: RequestBuilder) -> Answer {
        let cookies = self.cookies();
        let request = if cookies.is_empty() { request } else { request.header("cookie", cookies) };
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
        // Marks of what the browser wakes up; nobody sees them.
        let status = answer.status().as_u16();
        let body = answer.text().await.unwrap().replace("<!>", "");
        Answer { status, location, cache, body }
    }
}
