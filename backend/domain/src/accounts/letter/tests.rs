//! Mails as they arrive: links, both languages, and names that try to break out.

use super::*;

fn addressed(letter: Letter, locale: Locale) -> Addressed {
    Addressed { to: "a@example.com".parse().unwrap(), locale, letter }
}

fn invitation(merchant: &str) -> Letter {
    let link = "https://x.example/join?token=T&x=1".to_owned();
    Letter::Invitation { by: "li".to_owned(), merchant: merchant.to_owned(), role: Role::Operator, link }
}

#[test]
fn a_mail_has_its_link_in_both_parts_and_both_languages() {
    for locale in Locale::ALL {
        let mail = addressed(invitation("M"), *locale).rendered().unwrap();
        assert!(mail.text.contains("https://x.example/join?token=T&x=1"), "{}", mail.text);
        assert!(mail.html.contains("href=\"https://x.example/join?token=T&amp;x=1\""), "{}", mail.html);
        assert!(!mail.html.contains(" src="), "nothing is loaded from elsewhere: {}", mail.html);
    }
}

#[test]
fn a_name_cannot_break_out_of_subject_or_page() {
    let mail = addressed(invitation("<img src=x>\r\nBcc: b@example.com"), Locale::En).rendered().unwrap();
    assert!(!mail.subject.contains(['\r', '\n']), "{:?}", mail.subject);
    assert!(mail.html.contains("&lt;img src=x&gt;") && !mail.html.contains("<img"), "{}", mail.html);
}

#[test]
fn a_letter_that_says_nothing_is_no_mail() {
    assert!(addressed(Letter::Nothing { filler: "x".repeat(80) }, Locale::Zh).rendered().is_none());
}
