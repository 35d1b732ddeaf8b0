//! What people write reaches the words of a mail and nothing else of it: one recipient, and no header but our own.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use kamiflow_domain::accounts::letter::{Addressed, Letter, MerchantChange, News, RecoveryStep};
use kamiflow_domain::accounts::mailer::Mailer as _;
use kamiflow_kernel::{Locale, ReasonCode, Role};
use kamiflow_test_support::accounts::PASSWORD;
use kamiflow_test_support::{Browser, Caught, MailCatcher, TestSite};

const VICTIM: &str = "victim@evil.test";
/// Every header that a mail of ours has.
const HEADERS: [&str; 6] = ["content-type", "date", "from", "mime-version", "subject", "to"];
/// Texts that would add headers, recipients or a body if they reached the head of a mail as they are.
const TEXTS: [&str; 7] = [
    "Shop\r\nBcc: victim@evil.test",
    "Shop\nBcc: victim@evil.test\n\nanother body",
    "Shop\r\n Bcc: victim@evil.test",
    "Shop\r\n\tBcc: victim@evil.test\r\n",
    "Shop\rCc: victim@evil.test\r.\r\nRCPT TO:<victim@evil.test>",
    "店铺\u{2028}Bcc: victim@evil.test\u{85}\u{b}Cc: victim@evil.test",
    "Shop%0d%0aBcc: victim@evil.test \0",
];
/// Addresses that would name somebody else as well.
const ADDRESSES: [&str; 12] = [
    "li@shop.test\r\nBcc: victim@evil.test",
    "li@shop.test\nBcc:victim@evil.test",
    "li@shop.test\r\n Bcc: victim@evil.test",
    "li@shop.test,victim@evil.test",
    "li@shop.test;victim@evil.test",
    "li@shop.test victim@evil.test",
    "\"li@shop.test\" <victim@evil.test>",
    "<victim@evil.test>",
    "li@shop.test>\r\nRCPT TO:<victim@evil.test",
    "li@shop.test%0d%0aBcc:victim@evil.test",
    "\"a\r\nBcc: victim@evil.test\"@shop.test",
    "li@shop.test\0",
];

/// Fails unless a mail is for this address alone and has our headers alone, each once.
fn is_plain(mail: &Caught, to: &str) {
    assert_eq!(mail.recipients, [to]);
    let headers = mail.headers();
    let mut names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, HEADERS, "{:?}", mail.lines);
    let value = |wanted: &str| headers.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
    assert_eq!(value("to"), Some(to));
    assert!(value("from").unwrap().contains("noreply@kamiflow.test"));
}

/// Returns every letter that has somebody's text in it.
fn letters(text: &str, at: DateTime<Utc>) -> Vec<Letter> {
    let (own, link) = (|| text.to_owned(), "https://kamiflow.test/x".to_owned());
    let news = [
        News::ShopStopped { shop: own(), reason: ReasonCode::ReauthorizationNeeded },
        News::ApplicationStopped { shop: own() },
        News::AnotherToolAtWork { shop: own(), orders: 3 },
        News::TakeOverAsked { shop: own() },
        News::ShopDisconnected { shop: own() },
        News::RevealsNearQuota { member: own(), most: 200 },
    ];
    let told = news.map(|news| Letter::NeedsPerson { merchant: own(), news, link: link.clone() });
    let changes = [
        MerchantChange::Transferred,
        MerchantChange::Closing,
        MerchantChange::Reopened,
        MerchantChange::Renamed { before: own() },
    ];
    let changed = changes.map(|what| Letter::MerchantChanged { merchant: own(), what, at });
    let steps = [
        RecoveryStep::Asked,
        RecoveryStep::Approved,
        RecoveryStep::Rejected,
        RecoveryStep::Stopped,
        RecoveryStep::Done,
    ];
    let recovered = steps.map(|step| Letter::AccountRecovery {
        merchant: own(),
        account: own(),
        step,
        at,
        link: Some(link.clone()),
    });
    let mut letters = vec![
        Letter::NewDevice { at, browser: own(), place: own(), link: link.clone() },
        Letter::Invitation { by: own(), merchant: own(), role: Role::Viewer, link: link.clone() },
        Letter::TokenEnding { shop: own(), ends_at: at, link },
        Letter::VerificationDecided { merchant: own(), refused: Some(own()) },
        Letter::VerificationDecided { merchant: own(), refused: None },
        Letter::RecoveryRefused { reason: own() },
    ];
    letters.extend(told.into_iter().chain(changed).chain(recovered));
    letters
}

#[tokio::test]
async fn no_letter_lets_a_text_out_of_its_words() {
    let catcher = MailCatcher::start().await;
    let (mailer, mut sent) = (catcher.mailer(), 0);
    for (text, locale) in TEXTS.iter().flat_map(|text| [Locale::Zh, Locale::En].map(|locale| (*text, locale))) {
        for letter in letters(text, DateTime::UNIX_EPOCH) {
            let to = format!("reader-{sent}@shop.test");
            let mail = Addressed { to: to.parse().unwrap(), locale, letter }.rendered().unwrap();
            mailer.send(&mail).await.unwrap();
            let caught = catcher.until(&to).await;
            is_plain(caught.last().unwrap(), &to);
            sent += 1;
        }
    }
    assert_eq!(catcher.until("reader-0@shop.test").await.len(), sent, "each was one mail");
}

#[tokio::test]
async fn names_that_people_give_stay_in_their_mails() {
    let mut site = TestSite::start().await;
    let catcher = MailCatcher::start().await;
    let owner = site.owner("owner@shop.test").await;
    site.work_with(Arc::new(catcher.mailer()));
    let her = Browser::new(&site);
    her.log_in(&owner.email).await;
    her.proves().await;
    for (count, text) in TEXTS.iter().enumerate() {
        // Limits of mails to one address, and of one team.
        site.world.clock.advance(TimeDelta::hours(5));
        her.log_in(&owner.email).await;
        her.proves().await;
        her.does("/console/merchant/name", &[("merchant", text)]).await;
        let invited = format!("invited-{count}@shop.test");
        let form = [("email", invited.as_str()), ("role", "viewer"), ("scope", "all")];
        her.does("/console/team/invite", &form).await;
        let signed_up = format!("signed-up-{count}@shop.test");
        let form = [("email", signed_up.as_str()), ("password", PASSWORD), ("merchant", text)];
        Browser::new(&site).does("/sign-up", &form).await;
        for to in [&invited, &signed_up] {
            let caught = catcher.until(to).await;
            let mail = caught.iter().find(|mail| mail.recipients.contains(to)).unwrap();
            is_plain(mail, to);
        }
    }
    for mail in catcher.until(&owner.email).await {
        let to = mail.recipients.first().unwrap().clone();
        is_plain(&mail, &to);
        assert_ne!(to, VICTIM);
    }
    drop(her);
    site.stop().await;
}

#[tokio::test]
async fn an_address_is_one_address_or_none() {
    let mut site = TestSite::start().await;
    let catcher = MailCatcher::start().await;
    let owner = site.owner("owner@shop.test").await;
    site.work_with(Arc::new(catcher.mailer()));
    let her = Browser::new(&site);
    for address in ADDRESSES {
        // Whoever is wrong too often is slowed down.
        site.world.clock.advance(TimeDelta::hours(5));
        her.log_in(&owner.email).await;
        her.proves().await;
        let stranger = Browser::new(&site);
        let form = [("email", address), ("password", PASSWORD), ("merchant", "测试商家")];
        assert_eq!(stranger.does("/sign-up", &form).await, "/sign-up", "{address:?}");
        stranger.does("/sign-up/sent", &[("email", address)]).await;
        stranger.does("/reset-password", &[("email", address)]).await;
        stranger.does("/log-in", &[("login", address), ("password", PASSWORD)]).await;
        let form = [("login", "owner@shop.test"), ("number", "11010519491231002X"), ("contact", address)];
        stranger.does("/recover", &form).await;
        let form = [("email", address), ("role", "viewer"), ("scope", "all")];
        assert_eq!(her.does("/console/team/invite", &form).await, "/console/team", "{address:?}");
        assert_eq!(her.does("/console/notifications", &[("email", address)]).await, "/console/notifications");
        assert!(!her.sees("/console/notifications").await.contains("victim@evil.test\"<"), "{address:?}");
        her.does("/account/email", &[("email", address)]).await;
    }
    // What was asked for last comes last.
    let last = "last@shop.test";
    Browser::new(&site).does("/sign-up", &[("email", last), ("password", PASSWORD), ("merchant", "测试商家")]).await;
    for mail in catcher.until(last).await {
        let to = mail.recipients.first().unwrap().clone();
        is_plain(&mail, &to);
        assert!(to == last || to == owner.email, "a mail was sent to {to}");
    }
    let sql = site.world.sql_as_superuser().await;
    let waiting = "SELECT count(*) FROM jobs WHERE payload::text LIKE '%evil%'";
    assert_eq!(sql.count(waiting, &[]).await.unwrap(), 0);
    drop(her);
    site.stop().await;
}
