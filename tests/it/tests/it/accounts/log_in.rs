//! Logging in: who knows the password gets in, who tries is slowed down, and nobody is locked out by a stranger.

use chrono::TimeDelta;
use kamiflow_domain::accounts::log_in::{LogInError, LoggedIn};
use kamiflow_domain::accounts::password::{HashCost, PasswordHasher};
use kamiflow_test_support::accounts::{AccountsApp, PASSWORD};

#[tokio::test]
async fn unknown_names_and_wrong_passwords_are_one_answer() {
    let app = AccountsApp::new().await;
    app.owner("a@example.com").await;
    for (login, password) in [
        ("a@example.com", "another password"),
        ("b@example.com", PASSWORD),
        ("kefu@nosuchcode", PASSWORD),
        ("no name at all", PASSWORD),
    ] {
        let refused = app.tries(&app.visit(), login, password, None).await.unwrap_err();
        assert!(matches!(refused, LogInError::Wrong), "{login}: {refused:?}");
    }
    app.logs_in("A@Example.COM").await;
}

#[tokio::test]
async fn who_tries_is_slowed_down_and_strangers_lock_nobody_out() {
    let app = AccountsApp::new().await;
    app.owner("a@example.com").await;
    let browser = app.logs_in("a@example.com").await.device;
    let stranger = app.visit_from("198.51.100.9");
    let mut tried = 0;
    let refused = loop {
        match app.tries(&stranger, "a@example.com", "guess number one", None).await.unwrap_err() {
            LogInError::Wrong => tried += 1,
            refused => break refused,
        }
    };
    assert!(matches!(refused, LogInError::TooMany { .. }), "{refused:?}");
    assert_eq!(tried, 5);
    let right = app.tries(&stranger, "a@example.com", PASSWORD, None).await.unwrap_err();
    assert!(matches!(right, LogInError::TooMany { .. }), "the right guess waits like all others");
    // Neither her own browser nor another place has to wait, even behind the stranger's own address.
    app.tries(&stranger, "a@example.com", PASSWORD, Some(&browser)).await.unwrap();
    app.tries(&app.visit_from("192.0.2.44"), "a@example.com", PASSWORD, None).await.unwrap();
}

#[tokio::test]
async fn a_made_up_browser_token_opens_no_line_of_its_own() {
    let app = AccountsApp::new().await;
    app.owner("a@example.com").await;
    let stranger = app.visit_from("198.51.100.9");
    let mut wrong = 0;
    for n in 0..20 {
        let made_up = format!("{n:043}").as_str().into();
        match app.tries(&stranger, "a@example.com", "guess number one", Some(&made_up)).await.unwrap_err() {
            LogInError::Wrong => wrong += 1,
            LogInError::TooMany { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(wrong, 5);
}

#[tokio::test]
async fn many_guesses_at_the_same_time_count_as_many() {
    let app = AccountsApp::new().await;
    app.owner("a@example.com").await;
    let stranger = app.visit_from("198.51.100.9");
    let guesses = (0..20).map(|_| app.tries(&stranger, "a@example.com", "guess number one", None));
    let answers = futures_util::future::join_all(guesses).await;
    let judged = answers.iter().filter(|answer| matches!(answer, Err(LogInError::Wrong))).count();
    assert_eq!(judged, 5);
}

#[tokio::test]
async fn a_log_in_with_a_new_browser_is_told_by_mail_and_one_with_a_known_browser_is_not() {
    let app = AccountsApp::new().await;
    let owner = app.owner("a@example.com").await;
    let first = app.logs_in("a@example.com").await;
    let told = app.mails(&[owner.merchant]).await;
    let mail = &told["a@example.com"][0];
    assert!(mail.subject.contains("new device") && mail.text.contains("Firefox on Linux"), "{mail:?}");
    assert!(mail.text.contains("203.0.113.0/24") && !mail.text.contains("203.0.113.7"), "{mail:?}");
    let again = app.tries(&app.visit(), "a@example.com", PASSWORD, Some(&first.device)).await.unwrap();
    let LoggedIn::Done(again) = again else { panic!("no second factor") };
    assert_eq!(again.device, first.device);
    assert!(app.mails(&[owner.merchant]).await.is_empty());
}

#[tokio::test]
async fn a_hash_of_another_cost_is_replaced_at_the_next_log_in() {
    let mut app = AccountsApp::new().await;
    app.owner("a@example.com").await;
    let dearer = HashCost { memory_kib: 128, iterations: 2, lanes: 1 };
    app.accounts.hasher = std::sync::Arc::new(PasswordHasher::new(dearer, 2).unwrap());
    app.logs_in("a@example.com").await;
    let sql = app.app.sql_as_superuser().await;
    let now = "SELECT count(*) FROM users WHERE password_hash LIKE '$argon2id$v=19$m=128,t=2,p=1$%'";
    assert_eq!(sql.count(now, &[]).await.unwrap(), 1);
    app.logs_in("a@example.com").await;
}

#[tokio::test]
async fn an_access_token_is_good_for_ten_minutes() {
    let app = AccountsApp::new().await;
    app.owner("a@example.com").await;
    let session = app.logs_in("a@example.com").await;
    assert_eq!(session.access_expires_at - app.now(), TimeDelta::minutes(10));
    app.asks(&session.access).await.unwrap();
    app.app.clock.advance(TimeDelta::minutes(10));
    assert!(app.asks(&session.access).await.is_err());
}
