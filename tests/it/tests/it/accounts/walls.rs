//! What plain SQL of the application reads and changes of users: nothing but the transaction's own.

use kamiflow_kernel::{MerchantId, UserId};
use kamiflow_store::accounts::users;
use kamiflow_store::audit;
use kamiflow_test_support::accounts::AccountsApp;
use kamiflow_test_support::refused_by;

#[tokio::test]
async fn the_application_reads_no_hash_and_no_row_of_another_user() {
    let app = AccountsApp::new().await;
    let owner = app.owner("a@example.com").await;
    app.logs_in("a@example.com").await;
    let sql = app.app.sql_as(None).await;
    for table in ["sessions", "known_devices", "one_time_tokens", "second_factors", "recovery_codes"] {
        assert_eq!(sql.count(&format!("SELECT count(*) FROM {table}"), &[]).await.unwrap(), 0, "{table}");
    }
    assert_eq!(sql.count("SELECT count(id) FROM users", &[]).await.unwrap(), 0);
    let hash = sql.query("SELECT password_hash FROM users", &[]).await.unwrap_err();
    assert!(format!("{hash:?}").contains("permission denied"), "{hash:?}");
    // Bound to a user it is the same for the hash, and for all others' rows.
    let mut tx = app.accounts.store.user_tx(MerchantId::PLATFORM, UserId::generate()).await.unwrap();
    assert!(users::fetch(&mut tx).await.is_err());
    assert!(users::fetch_password_hash(&mut tx).await.is_err());
    let mut tx = app.accounts.store.user_tx(MerchantId::PLATFORM, owner.user).await.unwrap();
    assert_eq!(users::fetch(&mut tx).await.unwrap().id, owner.user);
}

#[tokio::test]
async fn a_line_of_acts_shows_what_was_altered_removed_or_cut_off() {
    let app = AccountsApp::new().await;
    let owner = app.owner("a@example.com").await;
    for _ in 0..3 {
        app.logs_in("a@example.com").await;
    }
    let found = async || {
        let mut tx = app.accounts.store.tenant_tx(owner.merchant).await.unwrap();
        audit::find_break(&mut tx).await.unwrap().map(|found| (found.seq, found.what))
    };
    assert_eq!(found().await, None);
    let sql = app.app.sql_as_superuser().await;
    let id = owner.merchant.as_uuid();
    let forge = async |statement: &str| {
        sql.execute(statement, &[&id]).await.unwrap();
    };
    forge("UPDATE audit_log SET ip = 'elsewhere' WHERE merchant_id = $1 AND seq = 2").await;
    assert_eq!(found().await, Some((2, "altered".to_owned())));
    forge("UPDATE audit_log SET ip = '203.0.113.0/24' WHERE merchant_id = $1 AND seq = 2").await;
    assert_eq!(found().await, None);
    forge("DELETE FROM audit_log WHERE merchant_id = $1 AND seq = 4").await;
    assert_eq!(found().await, Some((4, "cut_off".to_owned())));
    forge("DELETE FROM audit_log WHERE merchant_id = $1 AND seq = 2").await;
    assert_eq!(found().await, Some((3, "missing".to_owned())));
}

#[tokio::test]
async fn acts_at_the_same_time_stand_in_one_line_and_none_can_be_changed() {
    let app = AccountsApp::new().await;
    let owner = app.owner("a@example.com").await;
    futures_util::future::join_all((0..8).map(|_| app.logs_in("a@example.com"))).await;
    let mut tx = app.accounts.store.tenant_tx(owner.merchant).await.unwrap();
    let acts = audit::list(&mut tx, &audit::AuditFilter::ALL, 100).await.unwrap();
    assert_eq!(acts.iter().map(|act| act.seq).collect::<Vec<_>>(), (1..=9).rev().collect::<Vec<_>>());
    assert_eq!(audit::find_break(&mut tx).await.unwrap(), None);
    let logged_in = audit::AuditFilter { actions: Some(&["account.log_in"]), ..audit::AuditFilter::ALL };
    assert_eq!(audit::list(&mut tx, &logged_in, 100).await.unwrap().len(), 8);
    tx.commit().await.unwrap();
    let sql = app.app.sql_as(Some(owner.merchant)).await;
    for statement in ["UPDATE audit_log SET actor = 'x'", "DELETE FROM audit_log", "UPDATE audit_heads SET seq = 0"] {
        let refused = sql.execute(statement, &[]).await.unwrap_err();
        assert!(format!("{refused:?}").contains("permission denied"), "{statement}: {refused:?}");
    }
}

#[tokio::test]
async fn a_merchant_keeps_an_owner() {
    let app = AccountsApp::new().await;
    let owner = app.owner("a@example.com").await;
    let sql = app.app.sql_as(Some(owner.merchant)).await;
    for statement in ["DELETE FROM memberships", "UPDATE memberships SET role = 'admin'"] {
        assert_eq!(refused_by(sql.execute(statement, &[]).await), "memberships_keep_an_owner", "{statement}");
    }
}
