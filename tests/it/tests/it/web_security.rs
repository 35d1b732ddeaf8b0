//! What stands between a browser and a page: headers, hosts, origins, sizes, and the built files.

use std::collections::BTreeSet;

use kamiflow_test_support::TestSite;
use reqwest::Method;
use reqwest::Response;

fn header<'a>(answer: &'a Response, name: &str) -> &'a str {
    answer.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn every_answer_forbids_what_our_pages_never_do() {
    let site = TestSite::start().await;
    for path in ["/", "/no-such-page", "/assets/style.0123456789abcdef.css", "/healthz"] {
        let answer = site.get(path).send().await.unwrap();
        assert_eq!(header(&answer, "x-content-type-options"), "nosniff", "{path}");
        assert_eq!(header(&answer, "x-frame-options"), "DENY", "{path}");
        assert_eq!(header(&answer, "referrer-policy"), "same-origin", "{path}");
        assert!(header(&answer, "permissions-policy").contains("camera=()"), "{path}");
        assert!(header(&answer, "x-request-id").starts_with("req_"), "{path}");
        assert_eq!(header(&answer, "strict-transport-security"), "", "{path}: plain http has no say over https");
        let policy = header(&answer, "content-security-policy");
        for part in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe-inline") && !policy.contains("'unsafe-eval'"), "{path}: {policy}");
    }
    site.stop().await;
}

#[tokio::test]
async fn each_page_has_a_nonce_of_its_own_that_its_scripts_bear() {
    let site = TestSite::start().await;
    let mut nonces = BTreeSet::new();
    for _ in 0..3 {
        let answer = site.get("/").send().await.unwrap();
        let policy = header(&answer, "content-security-policy").to_owned();
        let nonce = policy.split("'nonce-").nth(1).and_then(|rest| rest.split('\'').next()).unwrap().to_owned();
        let page = answer.text().await.unwrap();
        for script in page.split("<script").skip(1) {
            let tag = &script[..script.find('>').unwrap()];
            assert!(tag.contains(&format!("nonce=\"{nonce}\"")), "{tag}");
        }
        nonces.insert(nonce);
    }
    assert_eq!(nonces.len(), 3);
    site.stop().await;
}

#[tokio::test]
async fn behind_tls_browsers_are_told_to_stay_there() {
    let site = TestSite::with(|settings| settings.public_url = Some("https://kami.example".to_owned())).await;
    let answer = site.get("/").header("host", "kami.example").send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(header(&answer, "strict-transport-security").starts_with("max-age=63072000"));
    let form = site.request(Method::POST, "/preferences").header("host", "kami.example");
    let form = form.header("content-type", "application/x-www-form-urlencoded").body("theme=dark");
    let answer = form.header("origin", "https://kami.example").send().await.unwrap();
    assert!(header(&answer, "set-cookie").contains("Secure"), "{answer:?}");
    site.stop().await;
}

#[tokio::test]
async fn a_request_for_another_host_is_refused_and_a_probe_is_not() {
    let site = TestSite::start().await;
    for path in ["/", "/log-in", "/assets/style.0123456789abcdef.css"] {
        let answer = site.get(path).header("host", "evil.example").send().await.unwrap();
        assert_eq!(answer.status(), 421, "{path}");
        assert!(!answer.text().await.unwrap().contains("evil.example"), "{path}");
    }
    assert_eq!(site.get("/healthz").header("host", "10.0.0.7:8080").send().await.unwrap().status(), 200);
    site.stop().await;
}

#[tokio::test]
async fn a_form_is_taken_from_our_own_pages_only() {
    let site = TestSite::start().await;
    let form = || {
        let form = site.request(Method::POST, "/preferences");
        form.header("content-type", "application/x-www-form-urlencoded").body("theme=dark")
    };
    assert_eq!(form().header("origin", &site.base).send().await.unwrap().status(), 303);
    assert_eq!(form().header("sec-fetch-site", "same-origin").send().await.unwrap().status(), 303);
    for (name, value) in [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("referer", "http://127.0.0.1/"),
    ] {
        let answer = form().header(name, value).send().await.unwrap();
        assert_eq!(answer.status(), 403, "{name}: {value}");
        assert_eq!(header(&answer, "set-cookie"), "", "{name}: {value}");
        let id = header(&answer, "x-request-id").to_owned();
        assert!(answer.text().await.unwrap().contains(&id), "the refusal names the request");
    }
    // Whatever the path: the check stands in front of all routes.
    for method in [Method::PUT, Method::PATCH, Method::DELETE] {
        let answer = site.request(method.clone(), "/anything").header("origin", "null").send().await.unwrap();
        assert_eq!(answer.status(), 403, "{method}");
    }
    site.stop().await;
}

#[tokio::test]
async fn a_body_that_is_too_large_or_no_form_is_the_clients_mistake() {
    let site = TestSite::start().await;
    let large = format!("return_to={}", "a".repeat(1024 * 1024));
    assert_eq!(site.post("/preferences", &large).send().await.unwrap().status(), 413);
    let json = site
        .request(Method::POST, "/preferences")
        .header("origin", &site.base)
        .header("content-type", "application/json")
        .body("{}");
    assert_eq!(json.send().await.unwrap().status(), 422);
    site.stop().await;
}

#[tokio::test]
async fn built_files_never_change_and_come_as_small_as_the_browser_takes_them() {
    let site = TestSite::start().await;
    let path = "/assets/wasm.0123456789abcdef.wasm";
    for (accepted, encoding, body) in [
        ("gzip, deflate, br", "br", "wasm brotli"),
        ("gzip", "gzip", "wasm gzip"),
        ("br;q=0, gzip", "gzip", "wasm gzip"),
        ("identity", "identity", "wasm plain"),
    ] {
        let answer = site.get(path).header("accept-encoding", accepted).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(header(&answer, "content-encoding"), encoding, "{accepted}");
        assert_eq!(header(&answer, "content-type"), "application/wasm");
        assert_eq!(header(&answer, "cache-control"), "public, max-age=31536000, immutable");
        assert_eq!(answer.text().await.unwrap(), body, "{accepted}");
    }
    for missing in ["/assets/style.css", "/assets/manifest.json", "/assets/..%2fmanifest.json", "/assets/sources"] {
        assert_eq!(site.get(missing).send().await.unwrap().status(), 404, "{missing}");
    }
    site.stop().await;
}

#[tokio::test]
async fn pages_are_compressed_and_never_kept_by_proxies() {
    let site = TestSite::start().await;
    let answer = site.get("/").header("accept-encoding", "gzip").send().await.unwrap();
    assert_eq!(header(&answer, "content-encoding"), "gzip");
    assert_eq!(header(&answer, "cache-control"), "private, no-cache");
    assert!(answer.bytes().await.unwrap().len() < 16 * 1024, "cargo dev build-ui counts on that");
    site.stop().await;
}

#[test]
fn a_site_without_built_files_says_how_to_build_them() {
    let folder = tempfile::tempdir().unwrap();
    let settings = kamiflow_runtime::config::Ui { folder: folder.path().to_owned(), ..Default::default() };
    let Err(error) = kamiflow_server::Site::load(&settings) else { panic!("an empty folder was taken") };
    let text = error.to_string();
    assert!(text.contains("cargo dev build-ui") && text.contains("KAMIFLOW_UI_FOLDER"), "{text}");
}
