//! Submitting an identity over HTTP.

use kamiflow_test_support::{Answer, Browser, TestSite};

use crate::web_staff::{OWNER, PAGE, mail, merchant, only_case, reviewer, submits_identity};

/// Returns a picture such as a camera takes.
pub(crate) fn picture() -> Vec<u8> {
    let picture = image::RgbImage::from_fn(640, 400, |x, y| image::Rgb([x.to_le_bytes()[0], y.to_le_bytes()[0], 90]));
    let mut file = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut file, image::ImageFormat::Png).unwrap();
    file.into_inner()
}

/// Writes a form with files.
pub(crate) fn multipart(texts: &[(&str, &str)], files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, text) in texts {
        body.extend(format!("--b\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{text}\r\n").bytes());
    }
    for (name, file) in files {
        let head = format!(
            "--b\r\ncontent-disposition: form-data; name=\"{name}\"; filename=\"a.png\"\r\ncontent-type: image/png\r\n\r\n"
        );
        body.extend(head.bytes().chain(file.iter().copied()).chain(*b"\r\n"));
    }
    body.extend(b"--b--\r\n");
    body
}

/// Sends the form of the identity.
pub(crate) async fn submits(browser: &Browser<'_>, texts: &[(&str, &str)], files: &[(&str, &[u8])]) -> Answer {
    let body = multipart(texts, files);
    browser.post_body("/console/verification", "multipart/form-data; boundary=b", body).await
}

#[tokio::test]
async fn an_identity_is_submitted_with_pictures_and_never_shown_again() {
    let mut site = TestSite::start().await;
    site.work();
    let browser = Browser::signed_up_as(&site, "owner@example.com").await;
    let page = "/console/verification";
    assert!(browser.sees(page).await.contains("还没有认证。"));
    let number = "11010519491231002X";
    let person = |number: &'static str| [("kind", "person"), ("name", "张三"), ("number", number)];
    let photo = picture();
    let unproven = submits(&browser, &person(number), &[("picture1", photo.as_slice())]).await;
    assert!(unproven.to().starts_with("/account/sudo?next="), "{}", unproven.to());
    assert!(browser.sees(page).await.contains("href=\"/account/sudo?next=%2Fconsole%2Fverification\""));
    browser.proves().await;
    let large = vec![0; 5 * 1024 * 1024 + 1];
    for (texts, files, told) in [
        (person("110105194912310021"), vec![("picture1", photo.as_slice())], "不是有效的身份证号"),
        (person(number), vec![("picture1", b"".as_slice())], "请选一到两张图片"),
        (person(number), vec![("picture1", b"GIF89a".as_slice())], "不是 JPEG 或 PNG"),
        (person(number), vec![("picture1", photo.as_slice()), ("picture2", large.as_slice())], "超过 5 MB"),
    ] {
        let answer = submits(&browser, &texts, &files).await;
        assert_eq!((answer.status, answer.to()), (303, page), "{told}");
        let shown = browser.sees(page).await;
        assert!(shown.contains(told) && !shown.contains("110105"), "{told}: {shown}");
    }
    let both = [("picture1", photo.as_slice()), ("picture2", photo.as_slice())];
    assert_eq!(submits(&browser, &person(number), &both).await.status, 303);
    let shown = browser.sees(page).await;
    assert!(shown.contains("审核中。") && shown.contains("•••• 002X") && !shown.contains("110105"), "{shown}");
    submits(&browser, &person(number), &both).await;
    assert!(browser.sees(page).await.contains("上一份还在审核"));

    browser.becomes("operator").await;
    assert_eq!(browser.get(page).await.status, 403);
    assert_eq!(submits(&browser, &person(number), &both).await.status, 403);
    drop(browser);
    site.stop().await;
}

#[tokio::test]
async fn the_decision_is_told_to_owners_and_to_the_admin_who_submitted() {
    let site = TestSite::start().await;
    let (owner, her) = merchant(&site).await;
    site.owner("admin@example.com").await;
    site.owner("other@example.com").await;
    let admin = Browser::new(&site);
    admin.log_in("admin@example.com").await;
    admin.does("/preferences", &[("language", "zh-CN")]).await;
    admin.joins(&her, "admin", &[]).await;
    let other = Browser::new(&site);
    other.log_in("other@example.com").await;
    other.joins(&her, "admin", &[]).await;
    assert!(admin.sees("/console").await.contains("href=\"/console/verification\""), "the account's menu leads there");
    assert!(admin.sees(PAGE).await.contains("24 小时内有结果"), "said before it is submitted");
    admin.proves().await;
    submits_identity(&admin).await;

    let staff = reviewer(&site, "chen@operator.test", "陈审核").await;
    let case = only_case(&staff).await;
    staff.does(&format!("{case}/claim"), &[]).await;
    staff.does(&format!("{case}/decision"), &[("decision", "approve")]).await;
    site.send_mails(owner.merchant).await;
    mail(&site, OWNER, "实名认证已通过").await;
    mail(&site, "admin@example.com", "实名认证已通过").await;
    while let Some(mail) = site.mailbox.find("other@example.com") {
        assert!(!mail.subject.contains("实名认证"), "who has no part in it is told nothing: {}", mail.subject);
    }
    site.stop().await;
}
