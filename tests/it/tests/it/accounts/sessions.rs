//! Sessions: tokens that are exchanged, used twice, and signed out of.

use chrono::TimeDelta;
use kamiflow_domain::accounts::authenticate::AuthenticateError;
use kamiflow_domain::accounts::refresh_session::{RefreshSessionError, refresh_session};
use kamiflow_domain::accounts::sessions::{end_session, list_sessions, sign_out, sign_out_others};
use kamiflow_store::StoreError;
use kamiflow_test_support::accounts::AccountsApp;

#[tokio::test]
async fn a_session_goes_on_by_exchanging_its_token() {
    let app = AccountsApp::new().await;
    let owner = app.owner("a@example.com").await;
    let session = app.logs_in("a@example.com").await;
    let mut token = session.refresh;
    for _ in 0..3 {
        app.app.clock.advance(TimeDelta::days(20));
        let next = refresh_session(&app.accounts, &app.visit(), &token).await.unwrap();
        assert_eq!((next.user, next.session), (owner.user, session.session));
        assert_eq!(app.asks(&next.access).await.unwrap().user, owner.user);
        token = next.refresh.unwrap();
    }
    app.app.clock.advance(TimeDelta::days(30));
    let late = refresh_session(&app.accounts, &app.visit(), &token).await;
    assert!(matches!(late, Err(RefreshSessionError::Ended)), "it was not used for 30 days");
}

#[tokio::test]
async fn a_token_that_is_used_again_ends_the_session_for_both() {
    let app = AccountsApp::new().await;
    app.owner("a@example.com").await;
    let stolen = app.logs_in("a@example.com").await.refresh;
    let robbed = refresh_session(&app.accounts, &app.visit(), &stolen).await.unwrap();
    app.app.clock.advance(TimeDelta::seconds(11));
    let thief = refresh_session(&app.accounts, &app.visit(), &stolen).await;
    assert!(matches!(thief, Err(RefreshSessionError::Reused)));
    let next = refresh_session(&app.accounts, &app.visit(), &robbed.refresh.unwrap()).await;
    assert!(matches!(next, Err(RefreshSessionError::Ended)));
    assert!(matches!(app.asks(&robbed.access).await, Err(AuthenticateError::SessionEnded)), "at once, not in minutes");
}

#[tokio::test]
async fn two_requests_of_one_browser_at_the_same_time_are_no_theft() {
    let app = AccountsApp::new().await;
    app.owner("a@example.com").await;
    let token = app.logs_in("a@example.com").await.refresh;
    let visit = app.visit();
    let (one, two) =
        tokio::join!(refresh_session(&app.accounts, &visit, &token), refresh_session(&app.accounts, &visit, &token));
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!([&one.refresh, &two.refresh].iter().filter(|token| token.is_some()).count(), 1, "one successor");
    let successor = one.refresh.or(two.refresh).unwrap();
    refresh_session(&app.accounts, &visit, &successor).await.unwrap();
}

#[tokio::test]
async fn tokens_that_are_none_end_nothing() {
    let app = AccountsApp::new().await;
    app.owner("a@example.com").await;
    let session = app.logs_in("a@example.com").await;
    for forged in ["", "x", "0123.abc", &format!("{}.abc", uuid::Uuid::now_v7().simple())] {
        let refused = refresh_session(&app.accounts, &app.visit(), &forged.into()).await;
        assert!(matches!(refused, Err(RefreshSessionError::Ended)), "{forged}");
    }
    app.asks(&session.access).await.unwrap();
}

#[tokio::test]
async fn who_knows_no_more_than_a_sessions_id_ends_nothing() {
    let app = AccountsApp::new().await;
    app.owner("a@example.com").await;
    let session = app.logs_in("a@example.com").await;
    let id = session.session.as_uuid().simple().to_string();
    for forged in [format!("{id}.abc"), format!("{id}.abc.def"), format!("{id}..")] {
        let refused = refresh_session(&app.accounts, &app.visit(), &forged.as_str().into()).await;
        assert!(matches!(refused, Err(RefreshSessionError::Ended)), "{forged}");
    }
    app.asks(&session.access).await.unwrap();
    refresh_session(&app.accounts, &app.visit(), &session.refresh).await.unwrap();
    // And the log, which leads read, does not tell it.
    let told = app.app.sql_as_superuser().await;
    let told = told.query("SELECT action || ' ' || detail::text FROM audit_log", &[]).await.unwrap();
    let told: Vec<String> = told.iter().map(|row| row.get(0)).collect();
    assert!(told.iter().any(|act| act.starts_with("account.log_in")), "{told:?}");
    let names = [id, session.session.to_string(), session.session.as_uuid().to_string()];
    assert!(told.iter().all(|act| names.iter().all(|name| !act.contains(name))), "{told:?}");
}

#[tokio::test]
async fn any_token_that_was_good_once_ends_the_session() {
    let app = AccountsApp::new().await;
    app.owner("a@example.com").await;
    let first = app.logs_in("a@example.com").await.refresh;
    let mut token = first.clone();
    for _ in 0..3 {
        app.app.clock.advance(TimeDelta::minutes(11));
        token = refresh_session(&app.accounts, &app.visit(), &token).await.unwrap().refresh.unwrap();
    }
    let thief = refresh_session(&app.accounts, &app.visit(), &first).await;
    assert!(matches!(thief, Err(RefreshSessionError::Reused)), "three exchanges ago");
    let next = refresh_session(&app.accounts, &app.visit(), &token).await;
    assert!(matches!(next, Err(RefreshSessionError::Ended)));
}

#[tokio::test]
async fn signing_out_ends_one_or_all_others_at_once() {
    let app = AccountsApp::new().await;
    app.owner("a@example.com").await;
    let (one, two, three) =
        (app.logs_in("a@example.com").await, app.logs_in("a@example.com").await, app.logs_in("a@example.com").await);
    let account = app.asks(&one.access).await.unwrap();
    assert_eq!(list_sessions(&app.accounts, &app.visit(), &account).await.unwrap().len(), 3);
    end_session(&app.accounts, &app.visit(), &account, two.session).await.unwrap();
    assert!(app.asks(&two.access).await.is_err());
    app.asks(&three.access).await.unwrap();
    assert_eq!(sign_out_others(&app.accounts, &app.visit(), &account).await.unwrap(), 1);
    assert!(app.asks(&three.access).await.is_err());
    sign_out(&app.accounts, &app.visit(), &account).await.unwrap();
    assert!(app.asks(&one.access).await.is_err());
}

#[tokio::test]
async fn nobody_sees_or_ends_another_users_session() {
    let app = AccountsApp::new().await;
    app.owner("a@example.com").await;
    app.owner("thief@example.com").await;
    let theirs = app.logs_in("a@example.com").await;
    let thief = app.account("thief@example.com").await;
    let ended = end_session(&app.accounts, &app.visit(), &thief, theirs.session).await;
    assert!(matches!(ended, Err(StoreError::NotFound(_))));
    app.asks(&theirs.access).await.unwrap();
    let seen = list_sessions(&app.accounts, &app.visit(), &thief).await.unwrap();
    assert!(seen.iter().all(|session| session.id == thief.session));
}
