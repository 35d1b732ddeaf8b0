//! Signing up: one answer for every address, and an account only for who reads the mail.

use chrono::TimeDelta;
use kamiflow_domain::accounts::confirm_email::{ConfirmEmailError, confirm_email};
use kamiflow_domain::accounts::log_in::LogInError;
use kamiflow_domain::accounts::password::PasswordRefused;
use kamiflow_domain::accounts::resend_confirmation::resend_confirmation;
use kamiflow_domain::accounts::sign_up::{SignUp, SignUpError, sign_up};
use kamiflow_kernel::{MerchantId, Role, ShopScope};
use kamiflow_test_support::accounts::{AccountsApp, PASSWORD, token_in};

fn request(email: &str, password: &str, merchant_name: &str) -> SignUp {
    SignUp { email: email.to_owned(), password: password.into(), merchant_name: merchant_name.to_owned() }
}

#[tokio::test]
async fn who_reads_the_mail_gets_an_account_and_owns_the_merchant() {
    let app = AccountsApp::new().await;
    app.signs_up("Li@Example.com").await;
    let refused = app.tries(&app.visit(), "li@example.com", PASSWORD, None).await.unwrap_err();
    assert!(matches!(refused, LogInError::Wrong), "nothing exists before the address is confirmed");
    let mails = app.mails(&[]).await;
    let token = token_in(&mails["li@example.com"][0]);
    let confirmed = confirm_email(&app.accounts, &app.visit(), &token).await.unwrap();
    assert_eq!(confirmed.login.as_str(), "li@example.com");
    let account = app.account("li@example.com").await;
    let seat = account.seat.as_ref().unwrap();
    assert_eq!((seat.merchant, seat.role, &seat.shops), (confirmed.merchant, Role::Owner, &ShopScope::All));
    assert_eq!(seat.merchant_name, "测试商家");
    assert_eq!(account.ctx(&app.visit()).unwrap().merchant, confirmed.merchant);
}

#[tokio::test]
async fn a_link_is_good_once_and_for_a_day() {
    let app = AccountsApp::new().await;
    app.signs_up("a@example.com").await;
    app.signs_up("late@example.com").await;
    let mails = app.mails(&[]).await;
    let token = token_in(&mails["a@example.com"][0]);
    confirm_email(&app.accounts, &app.visit(), &token).await.unwrap();
    let again = confirm_email(&app.accounts, &app.visit(), &token).await;
    assert!(matches!(again, Err(ConfirmEmailError::TokenRefused)));
    app.app.clock.advance(TimeDelta::hours(24));
    let late = confirm_email(&app.accounts, &app.visit(), &token_in(&mails["late@example.com"][0])).await;
    assert!(matches!(late, Err(ConfirmEmailError::TokenRefused)));
    let forged = confirm_email(&app.accounts, &app.visit(), &"forged".into()).await;
    assert!(matches!(forged, Err(ConfirmEmailError::TokenRefused)));
}

#[tokio::test]
async fn two_who_confirm_at_the_same_time_make_one_account() {
    let app = AccountsApp::new().await;
    app.signs_up("a@example.com").await;
    let token = token_in(&app.mails(&[]).await["a@example.com"][0]);
    let visit = app.visit();
    let confirm = || confirm_email(&app.accounts, &visit, &token);
    let (one, two, three) = tokio::join!(confirm(), confirm(), confirm());
    assert_eq!([one, two, three].into_iter().filter(Result::is_ok).count(), 1);
    let sql = app.app.sql_as_superuser().await;
    assert_eq!(sql.count("SELECT count(*) FROM users", &[]).await.unwrap(), 1);
    let merchants = "SELECT count(*) FROM merchants WHERE id <> '00000000-0000-0000-0000-000000000000'";
    assert_eq!(sql.count(merchants, &[]).await.unwrap(), 1, "who came second left nothing");
}

#[tokio::test]
async fn a_known_address_writes_the_same_rows_and_says_so_by_mail_alone() {
    let app = AccountsApp::new().await;
    let owner = app.owner("known@example.com").await;
    let sql = app.app.sql_as_superuser().await;
    let rows = "SELECT (SELECT count(*) FROM sign_ups) * 10000 + (SELECT count(*) FROM mails) * 100
                     + (SELECT count(*) FROM jobs WHERE name = 'send_mail.v1')";
    let before = sql.count(rows, &[]).await.unwrap();
    app.signs_up("known@example.com").await;
    let after_known = sql.count(rows, &[]).await.unwrap();
    app.signs_up("new@example.com").await;
    let after_new = sql.count(rows, &[]).await.unwrap();
    assert_eq!(after_known - before, after_new - after_known, "the same rows for both");
    let mails = app.mails(&[owner.merchant]).await;
    assert!(mails["known@example.com"].last().unwrap().text.contains("/log-in"));
    assert!(!mails["known@example.com"].last().unwrap().text.contains("token="), "no token for a known address");
    assert!(mails["new@example.com"][0].text.contains("/confirm?token="));
    // The password of the second sign-up is not the account's.
    app.logs_in("known@example.com").await;
}

#[tokio::test]
async fn mails_to_one_address_are_few_whoever_asks() {
    let app = AccountsApp::new().await;
    for n in 0..6 {
        let visit = app.visit_from(&format!("198.51.100.{n}"));
        let asked = sign_up(&app.accounts, &visit, request("a@example.com", PASSWORD, "M")).await;
        assert!(asked.is_ok(), "who asks learns nothing of it");
    }
    resend_confirmation(&app.accounts, &app.visit(), "a@example.com").await.unwrap();
    assert_eq!(app.mails(&[]).await["a@example.com"].len(), 3);
}

#[tokio::test]
async fn a_mail_that_is_sent_again_has_another_link_and_the_former_is_dead() {
    let app = AccountsApp::new().await;
    app.signs_up("a@example.com").await;
    resend_confirmation(&app.accounts, &app.visit(), "a@example.com").await.unwrap();
    resend_confirmation(&app.accounts, &app.visit(), "nobody@example.com").await.unwrap();
    let mails = app.mails(&[]).await;
    assert!(!mails.contains_key("nobody@example.com"));
    let [first, second] = mails["a@example.com"].as_slice() else { panic!("two mails") };
    assert!(confirm_email(&app.accounts, &app.visit(), &token_in(first)).await.is_err());
    confirm_email(&app.accounts, &app.visit(), &token_in(second)).await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_taken_is_refused_before_anything_is_written() {
    let app = AccountsApp::new().await;
    let visit = app.visit();
    let sign = |email: &str, password: &str, name: &str| {
        let request = request(email, password, name);
        let (accounts, visit) = (&app.accounts, &visit);
        async move { sign_up(accounts, visit, request).await.unwrap_err() }
    };
    assert!(matches!(sign("nobody", PASSWORD, "M").await, SignUpError::Email(_)));
    assert!(matches!(sign("a@example.com", "short", "M").await, SignUpError::Password(PasswordRefused::Form(_))));
    let common = sign("a@example.com", "Qwertyuiop", "M").await;
    assert!(matches!(common, SignUpError::Password(PasswordRefused::Common)));
    assert!(matches!(sign("a@example.com", PASSWORD, " \n").await, SignUpError::MerchantName));
    let sql = app.app.sql_as_superuser().await;
    assert_eq!(sql.count("SELECT count(*) FROM sign_ups", &[]).await.unwrap(), 0);
}

#[tokio::test]
async fn neither_password_nor_address_nor_link_can_be_read_in_the_database_before_the_mail_is_sent() {
    let app = AccountsApp::new().await;
    app.signs_up("secret-address@example.com").await;
    let sql = app.app.sql_as_superuser().await;
    for table in ["mails", "jobs", "outbox", "audit_log"] {
        let dump = format!("SELECT coalesce(string_agg(t::text, '|'), '') FROM {table} t");
        let text: String = sql.query(&dump, &[]).await.unwrap()[0].get(0);
        assert!(!text.contains("secret-address") && !text.contains("token="), "{table}: {text}");
    }
    let hash = "SELECT count(*) FROM sign_ups t WHERE t::text LIKE '%argon2%'";
    assert_eq!(sql.count(hash, &[]).await.unwrap(), 0);
    app.mails(&[]).await;
    let left = "SELECT count(*) FROM mails WHERE merchant_id = $1";
    assert_eq!(sql.count(left, &[&MerchantId::PLATFORM.as_uuid()]).await.unwrap(), 0, "what was sent is gone");
}
