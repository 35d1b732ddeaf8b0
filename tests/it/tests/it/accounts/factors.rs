//! Second factors, recovery codes, fresh proofs, and what is done when a password is lost or an address changes.

use chrono::TimeDelta;
use kamiflow_domain::accounts::change_email::{EmailChange, confirm_email_change, request_email_change};
use kamiflow_domain::accounts::change_password::{ChangePasswordError, change_password};
use kamiflow_domain::accounts::log_in::{LoggedIn, SecondStep};
use kamiflow_domain::accounts::proof::Proof;
use kamiflow_domain::accounts::remove_factor::{list_factors, remove_factor};
use kamiflow_domain::accounts::reset_password::{request_password_reset, reset_password};
use kamiflow_domain::accounts::second_step::{SecondStepAnswer, SecondStepError, second_step};
use kamiflow_domain::accounts::sudo::{SudoError, sudo};
use kamiflow_domain::accounts::totp::{TotpError, confirm_totp, enroll_totp};
use kamiflow_domain::accounts::{Account, NewSession};
use kamiflow_kernel::SecretText;
use kamiflow_test_support::accounts::{AccountsApp, PASSWORD, code_of, token_in};

async fn with_sudo(app: &AccountsApp, account: Account) -> Account {
    let proof = Proof::Password(PASSWORD.into());
    let sudo_until = sudo(&app.accounts, &app.visit(), &account, &proof).await.unwrap();
    Account { sudo_until: Some(sudo_until), ..account }
}

/// Adds a code generator; returns its seed and the recovery codes.
async fn with_totp(app: &AccountsApp, login: &str) -> (SecretText, Vec<SecretText>) {
    let account = with_sudo(app, app.account(login).await).await;
    let seed = enroll_totp(&app.accounts, &app.visit(), &account).await.unwrap();
    let code = code_of(&seed.url, app.now());
    let codes = confirm_totp(&app.accounts, &app.visit(), &account, &code).await.unwrap();
    app.app.clock.advance(TimeDelta::seconds(60));
    (seed.url, codes)
}

async fn first_step(app: &AccountsApp, login: &str) -> SecondStep {
    match app.tries(&app.visit(), login, PASSWORD, None).await.unwrap() {
        LoggedIn::SecondStep(step) => step,
        LoggedIn::Done(_) => panic!("a second factor was not asked for"),
    }
}

async fn answers(app: &AccountsApp, step: &SecondStep, proof: Proof) -> Result<NewSession, SecondStepError> {
    let answer = SecondStepAnswer { challenge: step.challenge.clone(), proof, device: None };
    second_step(&app.accounts, &app.visit(), answer).await
}

#[tokio::test]
async fn a_code_finishes_a_log_in_once() {
    let app = AccountsApp::new().await;
    app.owner("a@example.com").await;
    let (seed, _codes) = with_totp(&app, "a@example.com").await;
    let step = first_step(&app, "a@example.com").await;
    assert!(step.totp && step.recovery && !step.passkey);
    let wrong = answers(&app, &step, Proof::Totp("000000".into())).await;
    assert!(matches!(wrong, Err(SecondStepError::Wrong)));
    let password = answers(&app, &step, Proof::Password(PASSWORD.into())).await;
    assert!(matches!(password, Err(SecondStepError::Wrong)), "the first step again is no second one");
    let code = code_of(&seed, app.now());
    let session = answers(&app, &step, Proof::Totp(code.clone())).await.unwrap();
    app.asks(&session.access).await.unwrap();
    let again = answers(&app, &step, Proof::Totp(code.clone())).await;
    assert!(matches!(again, Err(SecondStepError::ChallengeRefused)), "a challenge is good once");
    let other = first_step(&app, "a@example.com").await;
    let replayed = answers(&app, &other, Proof::Totp(code)).await;
    assert!(matches!(replayed, Err(SecondStepError::Wrong)), "a code is good once");
}

#[tokio::test]
async fn a_recovery_code_finishes_a_log_in_once_however_it_is_typed() {
    let app = AccountsApp::new().await;
    app.owner("a@example.com").await;
    let (_seed, codes) = with_totp(&app, "a@example.com").await;
    assert_eq!(codes.len(), 10);
    let typed = codes[0].expose().to_lowercase().replace('-', " ");
    let step = first_step(&app, "a@example.com").await;
    answers(&app, &step, Proof::Recovery(typed.as_str().into())).await.unwrap();
    let step = first_step(&app, "a@example.com").await;
    let again = answers(&app, &step, Proof::Recovery(codes[0].clone())).await;
    assert!(matches!(again, Err(SecondStepError::Wrong)));
}

#[tokio::test]
async fn a_challenge_ends_with_time_and_with_wrong_codes() {
    let app = AccountsApp::new().await;
    app.owner("a@example.com").await;
    let (seed, _codes) = with_totp(&app, "a@example.com").await;
    let step = first_step(&app, "a@example.com").await;
    for _ in 0..5 {
        assert!(answers(&app, &step, Proof::Totp("000000".into())).await.is_err());
    }
    let right = answers(&app, &step, Proof::Totp(code_of(&seed, app.now()))).await;
    assert!(right.is_err(), "five wrong codes use a challenge up");
    let late = first_step(&app, "a@example.com").await;
    app.app.clock.advance(TimeDelta::minutes(10));
    let late = answers(&app, &late, Proof::Totp(code_of(&seed, app.now()))).await;
    assert!(late.is_err());
}

#[tokio::test]
async fn a_stolen_session_adds_and_removes_no_factor() {
    let app = AccountsApp::new().await;
    app.owner("a@example.com").await;
    let account = app.account("a@example.com").await;
    let refused = enroll_totp(&app.accounts, &app.visit(), &account).await;
    assert!(matches!(refused, Err(TotpError::Sudo(_))));
    let wrong = sudo(&app.accounts, &app.visit(), &account, &Proof::Password("not the password".into())).await;
    assert!(matches!(wrong, Err(SudoError::Wrong)));
    let (_seed, _codes) = with_totp(&app, "a@example.com").await;
    let (factors, left) = list_factors(&app.accounts, &account).await.unwrap();
    assert_eq!((factors.len(), left), (1, 10));
    assert!(remove_factor(&app.accounts, &app.visit(), &account, factors[0].id).await.is_err());
    let proven = with_sudo(&app, account).await;
    app.app.clock.advance(TimeDelta::minutes(10));
    assert!(remove_factor(&app.accounts, &app.visit(), &proven, factors[0].id).await.is_err(), "ten minutes are over");
    let proven = with_sudo(&app, proven).await;
    remove_factor(&app.accounts, &app.visit(), &proven, factors[0].id).await.unwrap();
    assert_eq!(list_factors(&app.accounts, &proven).await.unwrap().1, 0, "recovery codes go with the last factor");
    app.logs_in("a@example.com").await;
}

#[tokio::test]
async fn seeds_are_sealed_and_codes_are_hashed() {
    let app = AccountsApp::new().await;
    app.owner("a@example.com").await;
    let (seed, codes) = with_totp(&app, "a@example.com").await;
    let (_, base32) = seed.expose().split_once("secret=").unwrap();
    let base32 = base32.split('&').next().unwrap();
    let sql = app.app.sql_as_superuser().await;
    for table in ["second_factors", "recovery_codes", "audit_log", "sessions"] {
        let dump = format!("SELECT coalesce(string_agg(t::text, '|'), '') FROM {table} t");
        let text: String = sql.query(&dump, &[]).await.unwrap()[0].get(0);
        assert!(!text.contains(base32) && !text.contains(codes[0].expose()), "{table}");
    }
}

#[tokio::test]
async fn a_changed_password_signs_other_devices_out() {
    let app = AccountsApp::new().await;
    let owner = app.owner("a@example.com").await;
    let other = app.logs_in("a@example.com").await;
    let account = app.account("a@example.com").await;
    let change = |present: &'static str, new: &'static str| {
        let (accounts, visit, account) = (&app.accounts, app.visit(), &account);
        async move { change_password(accounts, &visit, account, (&present.into(), new.into())).await }
    };
    assert!(matches!(change("wrong password", "a new and longer one").await, Err(ChangePasswordError::Wrong)));
    assert!(matches!(change(PASSWORD, "qwertyuiop").await, Err(ChangePasswordError::New(_))));
    assert!(matches!(change(PASSWORD, PASSWORD).await, Err(ChangePasswordError::Same)));
    change(PASSWORD, "a new and longer one").await.unwrap();
    assert!(app.asks(&other.access).await.is_err());
    assert!(app.tries(&app.visit(), "a@example.com", PASSWORD, None).await.is_err());
    app.tries(&app.visit(), "a@example.com", "a new and longer one", None).await.unwrap();
    assert!(app.mails(&[owner.merchant]).await["a@example.com"].iter().any(|mail| mail.subject.contains("changed")));
}

#[tokio::test]
async fn a_reset_is_for_who_reads_the_mail_and_leaves_the_second_factor() {
    let app = AccountsApp::new().await;
    app.owner("a@example.com").await;
    let (_seed, _codes) = with_totp(&app, "a@example.com").await;
    app.mails(&[]).await;
    let rows = "SELECT (SELECT count(*) FROM mails) * 100 + (SELECT count(*) FROM jobs)";
    let sql = app.app.sql_as_superuser().await;
    let before = sql.count(rows, &[]).await.unwrap();
    request_password_reset(&app.accounts, &app.visit(), "nobody@example.com").await.unwrap();
    let unknown = sql.count(rows, &[]).await.unwrap();
    request_password_reset(&app.accounts, &app.visit(), "a@example.com").await.unwrap();
    assert_eq!(unknown - before, sql.count(rows, &[]).await.unwrap() - unknown, "the same rows for both");
    let mails = app.mails(&[]).await;
    assert!(!mails.contains_key("nobody@example.com"));
    let token = token_in(&mails["a@example.com"][0]);
    let visit = app.visit();
    assert!(reset_password(&app.accounts, &visit, &token, "short".into()).await.is_err());
    reset_password(&app.accounts, &visit, &token, "a new and longer one".into()).await.unwrap();
    assert!(reset_password(&app.accounts, &visit, &token, "another longer one".into()).await.is_err());
    let step = app.tries(&visit, "a@example.com", "a new and longer one", None).await.unwrap();
    assert!(matches!(step, LoggedIn::SecondStep(_)));
}

#[tokio::test]
async fn an_address_changes_when_both_addresses_have_said_so() {
    let app = AccountsApp::new().await;
    app.owner("old@example.com").await;
    app.owner("taken@example.com").await;
    let account = with_sudo(&app, app.account("old@example.com").await).await;
    request_email_change(&app.accounts, &app.visit(), &account, "taken@example.com").await.unwrap();
    let mails = app.mails(&[account.seat.as_ref().unwrap().merchant]).await;
    assert!(!mails.contains_key("taken@example.com"), "its owner is not bothered, and nobody learns that there is one");
    request_email_change(&app.accounts, &app.visit(), &account, "New@example.com").await.unwrap();
    let later = app.mails(&[]).await;
    let (old, new) = (token_in(&later["old@example.com"][0]), token_in(&later["new@example.com"][0]));
    let confirm = |token: SecretText| {
        let (accounts, visit) = (&app.accounts, app.visit());
        async move { confirm_email_change(accounts, &visit, &token).await }
    };
    let stale = mails["old@example.com"].iter().find(|mail| mail.text.contains("change-email")).unwrap();
    assert!(confirm(token_in(stale)).await.is_err(), "a second request replaces the first");
    assert_eq!(confirm(new.clone()).await.unwrap(), EmailChange::Half);
    assert!(confirm(new).await.is_err(), "one address does not count twice");
    app.logs_in("old@example.com").await;
    assert_eq!(confirm(old).await.unwrap(), EmailChange::Done("new@example.com".parse().unwrap()));
    app.logs_in("new@example.com").await;
    let told = "SELECT count(*) FROM audit_log WHERE action = 'account.email_change'
                   AND detail = '{\"before\": \"o***@example.com\", \"after\": \"n***@example.com\"}'";
    assert_eq!(app.app.sql_as_superuser().await.count(told, &[]).await.unwrap(), 1);
    assert!(app.tries(&app.visit_from("192.0.2.1"), "old@example.com", PASSWORD, None).await.is_err());
}
