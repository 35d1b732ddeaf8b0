//! Pages over HTTP: languages, colors, statuses, and what is there without development.

use kamiflow_app::routes::{DEVELOPMENT_PAGES, PAGES};
use kamiflow_test_support::TestSite;
use reqwest::Method;

const CHINESE: &str = "lang=\"zh-CN\"";
const ENGLISH: &str = "lang=\"en\"";

#[tokio::test]
async fn every_public_page_is_there_in_both_languages_and_fits_the_budget() {
    let site = TestSite::start().await;
    for path in PAGES {
        for (language, mark) in [("zh-CN", CHINESE), ("en", ENGLISH)] {
            let answer = site.get(path).header("accept-language", language).send().await.unwrap();
            assert_eq!(answer.status(), 200, "{path}");
            let page = answer.text().await.unwrap();
            assert!(page.contains(mark) && page.starts_with("<!DOCTYPE html>"), "{path}: {page}");
            assert_eq!(page.matches("<h1").count(), 1, "{path} has one title");
            assert_eq!(page.matches("<main").count(), 1, "{path} has one main part");
            assert!(!page.contains(" style="), "{path} has an inline style, which the policy forbids");
            // The budget of the first page (cargo dev build-ui) counts 16 KiB of HTML, compressed at least threefold.
            assert!(page.len() < 48 * 1024, "{path} is {} bytes", page.len());
        }
    }
    site.stop().await;
}

#[tokio::test]
async fn head_answers_as_get_does_without_a_body() {
    let site = TestSite::start().await;
    for path in PAGES {
        let answer = site.request(Method::HEAD, path).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        assert!(answer.headers().contains_key("content-security-policy"), "{path}");
        assert_eq!(answer.text().await.unwrap(), "", "{path}");
    }
    site.stop().await;
}

#[tokio::test]
async fn language_is_chosen_by_cookie_then_browser_then_chinese() {
    let site = TestSite::start().await;
    for (cookie, accepted, expected) in [
        (None, None, CHINESE),
        (None, Some("en-US,en;q=0.9"), ENGLISH),
        (None, Some("fr"), CHINESE),
        (Some("en"), Some("zh-CN"), ENGLISH),
        (Some("zh-CN"), Some("en"), CHINESE),
        (Some("'\"><script>"), Some("en"), ENGLISH),
    ] {
        let mut request = site.get("/");
        if let Some(cookie) = cookie {
            request = request.header("cookie", format!("kamiflow_language={cookie}"));
        }
        if let Some(accepted) = accepted {
            request = request.header("accept-language", accepted);
        }
        let page = request.send().await.unwrap().text().await.unwrap();
        assert!(page.contains(expected), "{cookie:?} {accepted:?}");
    }
    site.stop().await;
}

#[tokio::test]
async fn colors_are_in_the_first_byte_of_the_page() {
    let site = TestSite::start().await;
    for (cookie, expected) in
        [("light", Some("data-theme=\"kami-light\"")), ("dark", Some("data-theme=\"kami-dark\"")), ("pink", None)]
    {
        let request = site.get("/").header("cookie", format!("kamiflow_theme={cookie}"));
        let page = request.send().await.unwrap().text().await.unwrap();
        let root = &page[..page.find("<head>").unwrap()];
        assert_eq!(root.contains("data-theme"), expected.is_some(), "{cookie}: {root}");
        assert!(expected.is_none_or(|expected| root.contains(expected)), "{cookie}: {root}");
    }
    site.stop().await;
}

#[tokio::test]
async fn a_choice_is_kept_and_leads_back_to_its_page_and_nowhere_else() {
    let site = TestSite::start().await;
    let answer = site.post("/preferences", "language=en&return_to=%2Fpricing").send().await.unwrap();
    assert_eq!((answer.status().as_u16(), &answer.headers()["location"]), (303, &"/pricing".parse().unwrap()));
    let cookie = answer.headers()["set-cookie"].to_str().unwrap();
    assert!(cookie.starts_with("kamiflow_language=en; ") && cookie.contains("SameSite=Lax"), "{cookie}");
    for elsewhere in ["https%3A%2F%2Fevil.example", "%2F%2Fevil.example", "%2F%5Cevil.example", "%0D%0ASet-Cookie:x"] {
        let answer = site.post("/preferences", &format!("theme=dark&return_to={elsewhere}")).send().await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["location"]),
            (303, &"/".parse().unwrap()),
            "{elsewhere}"
        );
    }
    site.stop().await;
}

#[tokio::test]
async fn an_unknown_path_is_a_page_for_browsers_and_a_problem_for_programs() {
    let site = TestSite::start().await;
    let answer = site.get("/no-such-page").send().await.unwrap();
    assert_eq!(answer.status(), 404);
    let id = answer.headers()["x-request-id"].to_str().unwrap().to_owned();
    assert!(answer.text().await.unwrap().contains(&id), "the page names the request");

    let answer = site.get("/no-such-page").header("accept", "application/json").send().await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["content-type"]),
        (404, &"application/problem+json".parse().unwrap())
    );
    site.stop().await;
}

#[tokio::test]
async fn pages_for_developers_are_there_in_development_only() {
    let site = TestSite::start().await;
    for path in DEVELOPMENT_PAGES {
        assert_eq!(site.get(path).send().await.unwrap().status(), 404, "{path}");
    }
    site.stop().await;
    let site = TestSite::with(|settings| settings.development = true).await;
    for path in DEVELOPMENT_PAGES {
        assert_eq!(site.get(path).send().await.unwrap().status(), 200, "{path}");
    }
    site.stop().await;
}

#[tokio::test]
async fn what_a_form_was_answered_is_shown_on_its_page_once_and_escaped() {
    let site = TestSite::start().await;
    let flash =
        r#"{"p":"/log-in","e":{"":"log_in.refused","login":"no.such.code"},"v":{"login":"<script>alert(1)</script>"}}"#;
    let cookie = format!("kamiflow_form={}", base64(flash));
    let request = || site.get("/log-in").header("cookie", &cookie).header("accept-language", "en");
    let answer = request().send().await.unwrap();
    let removal = answer.headers()["set-cookie"].to_str().unwrap().to_owned();
    assert!(
        removal.starts_with("kamiflow_form=; ") && removal.contains("Max-Age=0") && removal.contains("HttpOnly"),
        "{removal}"
    );
    let page = answer.text().await.unwrap();
    assert!(page.contains("Address or password is wrong") && page.contains("&lt;script&gt;"), "{page}");
    assert!(!page.contains("<script>alert") && !page.contains("no.such.code"));

    let elsewhere = site.get("/sign-up").header("cookie", &cookie).header("accept-language", "en");
    assert!(!elsewhere.send().await.unwrap().text().await.unwrap().contains("Address or password is wrong"));
    let nonsense = site.get("/log-in").header("cookie", "kamiflow_form=%%%").send().await.unwrap();
    assert_eq!(nonsense.status(), 200);
    site.stop().await;
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text)
}
