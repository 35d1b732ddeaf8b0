//! What a form was answered, carried over the redirection to its page and shown there once.

use actix_web::cookie::time::Duration;
use actix_web::cookie::{Cookie, SameSite};
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kamiflow_app::context::FormOutcome;
use serde::{Deserialize, Serialize};

use crate::web::Site;

const NAME: &str = "kamiflow_form";
/// Long enough for a slow page, short enough not to surprise on the next visit.
const SECONDS: i64 = 60;
/// Longer values are not given back: a cookie holds four kilobytes.
const LONGEST_VALUE: usize = 256;

/// The cookie's contents: an outcome and the page it is meant for.
#[derive(Serialize, Deserialize)]
struct Flash {
    #[serde(rename = "p")]
    path: String,
    #[serde(flatten)]
    outcome: FormOutcome,
}

/// Answers a form that went well: on to a fixed path, where it may be told.
pub(crate) fn told(site: &Site, path: &str, notice: &str) -> HttpResponse {
    again(site, path, FormOutcome::done(notice))
}

/// Answers a form that went well: on to a fixed path.
pub(crate) fn done(path: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((header::LOCATION, path)).finish()
}

/// Answers a form that did not: back to its own page, a fixed path, with what went wrong.
pub(crate) fn again(site: &Site, path: &str, mut outcome: FormOutcome) -> HttpResponse {
    outcome.values.retain(|_, value| value.len() <= LONGEST_VALUE);
    let page = path.split_once('?').map_or(path, |(page, _query)| page);
    let flash = Flash { path: page.to_owned(), outcome };
    let text = serde_json::to_vec(&flash).unwrap_or_default();
    let mut answer = done(path);
    let _too_large = answer.add_cookie(&cookie(site, URL_SAFE_NO_PAD.encode(text)));
    answer
}

/// Returns the outcome that waits for the page of a request.
pub(crate) fn read(request: &HttpRequest, site: &Site) -> Option<FormOutcome> {
    let cookie = cookie_of(request, site)?;
    let text = URL_SAFE_NO_PAD.decode(cookie.value()).ok()?;
    let flash: Flash = serde_json::from_slice(&text).ok()?;
    (flash.path == request.path()).then_some(flash.outcome)
}

/// Returns the cookie, whatever is in it.
pub(crate) fn cookie_of(request: &HttpRequest, site: &Site) -> Option<Cookie<'static>> {
    request.cookie(&site.cookie_name(NAME))
}

/// Returns the cookie to remove.
pub(crate) fn removal(site: &Site) -> Cookie<'static> {
    cookie(site, String::new())
}

fn cookie(site: &Site, value: String) -> Cookie<'static> {
    Cookie::build(site.cookie_name(NAME), value)
        .path("/")
        .http_only(true)
        .secure(site.is_secure())
        .same_site(SameSite::Strict)
        .max_age(Duration::seconds(SECONDS))
        .finish()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use actix_web::test::TestRequest;
    use kamiflow_runtime::config::Ui;

    use super::*;

    fn site(public_url: &str) -> Site {
        let folder = tempfile::tempdir().unwrap();
        let roles = ["style", "boot", "passkey", "module", "wasm", "icons", "mark"];
        for (role, suffix) in roles.iter().flat_map(|role| ["", ".br", ".gz"].map(|suffix| (role, suffix))) {
            std::fs::write(folder.path().join(format!("{role}{suffix}")), "").unwrap();
        }
        let names: BTreeMap<_, _> = roles.iter().map(|role| (role, role)).collect();
        std::fs::write(folder.path().join("manifest.json"), serde_json::to_vec(&names).unwrap()).unwrap();
        let settings =
            Ui { folder: folder.path().to_owned(), public_url: Some(public_url.to_owned()), ..Ui::default() };
        Site::load(&settings).unwrap()
    }

    fn outcome(typed: &str) -> FormOutcome {
        FormOutcome {
            errors: BTreeMap::from([("email".to_owned(), "email.invalid".to_owned())]),
            values: BTreeMap::from([("email".to_owned(), typed.to_owned())]),
            notice: None,
        }
    }

    #[test]
    fn an_outcome_reaches_its_own_page_and_no_other() {
        let site = site("https://kami.example");
        let answer = again(&site, "/sign-up", outcome("me@"));
        assert_eq!(answer.headers().get(header::LOCATION).unwrap(), "/sign-up");
        let cookie = answer.cookies().next().unwrap().into_owned();
        let flags = (cookie.http_only(), cookie.secure(), cookie.same_site());
        assert_eq!(flags, (Some(true), Some(true), Some(SameSite::Strict)));
        assert!(cookie.name().starts_with("__Host-"));
        let at = |path: &str| read(&TestRequest::with_uri(path).cookie(cookie.clone()).to_http_request(), &site);
        assert_eq!(at("/sign-up"), Some(outcome("me@")));
        assert_eq!(at("/log-in"), None);
    }

    #[test]
    fn what_is_too_long_for_a_cookie_is_not_given_back() {
        let site = site("http://localhost:8080");
        let answer = again(&site, "/sign-up", outcome(&"a".repeat(LONGEST_VALUE + 1)));
        let cookie = answer.cookies().next().unwrap().into_owned();
        let request = TestRequest::with_uri("/sign-up").cookie(cookie).to_http_request();
        let read = read(&request, &site).unwrap();
        assert!(read.values.is_empty() && !read.errors.is_empty());
    }
}
