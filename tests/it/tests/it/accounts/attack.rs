//! A user calls every function of a user's transaction with the names of another user's rows, and changes nothing of hers.

use std::collections::BTreeSet;
use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::BoxFuture;
use kamiflow_kernel::{FactorId, MerchantId, SecretBytes, SessionId, UserId};
use kamiflow_store::accounts::devices;
use kamiflow_store::accounts::factors::{self, NewPasskey, Which};
use kamiflow_store::accounts::sessions::{self, SessionEnd};
use kamiflow_store::accounts::tokens::{self, NewToken, TokenPurpose};
use kamiflow_store::accounts::users::{self, NewUser, Origin, PasswordKind, Settings};
use kamiflow_store::team::members;
use kamiflow_store::{StoreError, UserTx};
use kamiflow_test_support::accounts::AccountsApp;
use serde_json::json;
use uuid::Uuid;

/// What names another user's rows.
struct Target {
    user: UserId,
    login: String,
    session: SessionId,
    factor: FactorId,
    token: Uuid,
    hash: [u8; 32],
    now: DateTime<Utc>,
}

type Attack = for<'a> fn(&'a mut UserTx, &'a Target) -> BoxFuture<'a, Result<(), StoreError>>;

macro_rules! attacks {
    ($t:ident: $($($path:ident)::+($($argument:expr),* $(,)?);)+) => {
        vec![$({
            let attack: Attack = |tx, $t| Box::pin(async move {
                let _unused = $t;
                $($path)::+(tx $(, $argument)*).await.map(|_answer| ())
            });
            (stringify!($($path)::+).replace(' ', ""), attack)
        }),+]
    };
}

fn hash() -> kamiflow_kernel::SecretText {
    "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$aGFzaA".into()
}

fn attacks() -> Vec<(String, Attack)> {
    attacks! { t:
        users::insert(&NewUser { login: &t.login.parse().unwrap(), origin: Origin::Email, name: "x", password_hash: &hash(), locale: kamiflow_kernel::Locale::En, at: t.now });
        users::lock();
        users::fetch();
        users::fetch_password_hash();
        users::update_password(&hash(), PasswordKind::Chosen, t.now);
        users::void_api_tokens(t.now);
        users::update_email(&"stolen@example.com".parse().unwrap());
        users::update_settings(&Settings { name: "x", locale: kamiflow_kernel::Locale::En, theme: kamiflow_kernel::Theme::Dark });
        users::update_closed(t.now);
        sessions::insert(&sessions::NewSession { id: SessionId::generate(), family_hash: &t.hash, refresh_hash: &t.hash, merchant: None, user_agent: "x", ip_prefix: "x", second_factor_at: None, at: t.now, expires_at: t.now });
        sessions::lock(t.session);
        sessions::update_rotated(t.session, &[9; 32], t.now, t.now);
        sessions::update_ended(t.session, SessionEnd::SignedOut, t.now);
        sessions::update_all_ended(None, SessionEnd::SignedOut, t.now);
        sessions::update_forgotten();
        sessions::update_sudo(t.session, t.now + TimeDelta::days(1));
        sessions::update_merchant(t.session, None);
        sessions::list(t.now);
        tokens::insert(&NewToken { purpose: TokenPurpose::SecondStep, hash: &[8; 32], payload: json!({}), at: t.now, expires_at: t.now });
        tokens::lock(TokenPurpose::SecondStep, &t.hash, t.now);
        tokens::update_used(t.token, t.now);
        tokens::update_tried(t.token);
        tokens::lock_unused(TokenPurpose::SecondStep);
        tokens::delete(TokenPurpose::SecondStep);
        factors::insert_totp(FactorId::generate(), &SecretBytes::new(vec![1; 20]), t.now);
        factors::lock_totp(Which::Confirmed);
        factors::update_totp_confirmed(t.factor, 9, t.now);
        factors::update_totp_used(t.factor, 9, t.now);
        factors::insert_passkey(&NewPasskey { id: FactorId::generate(), name: "x", credential_id: b"x", credential: &json!({}), at: t.now });
        factors::lock_passkeys();
        factors::update_passkey_used(t.factor, &json!({}), t.now);
        factors::list();
        factors::delete(t.factor);
        factors::delete_all();
        factors::delete_passkeys();
        factors::replace_recovery_codes(&[[9; 32]], t.now);
        factors::claim_recovery_code(&t.hash, t.now);
        factors::count_recovery_codes();
        devices::upsert(&[9; 32], "x", t.now);
        devices::exists(&t.hash);
        devices::delete_all();
        members::list_seats();
    }
}

/// A row of every table of a user, under names that are told to the thief.
async fn arranged(app: &AccountsApp, login: &str) -> Target {
    let user = app.owner(login).await.user;
    let session = app.logs_in(login).await.session;
    let (factor, token, hash, now) = (FactorId::generate(), Uuid::now_v7(), [7; 32], app.now());
    let mut tx = app.accounts.store.user_tx(MerchantId::PLATFORM, user).await.unwrap();
    factors::insert_totp(&mut tx, factor, &SecretBytes::new(vec![1; 20]), now).await.unwrap();
    factors::update_totp_confirmed(&mut tx, factor, 1, now).await.unwrap();
    factors::replace_recovery_codes(&mut tx, &[hash], now).await.unwrap();
    let expires_at = now + TimeDelta::hours(1);
    let new = NewToken { purpose: TokenPurpose::SecondStep, hash: &hash, payload: json!({}), at: now, expires_at };
    tokens::insert(&mut tx, &new).await.unwrap();
    tx.commit().await.unwrap();
    let sql = app.app.sql_as_superuser().await;
    let row = sql.query("SELECT id FROM one_time_tokens WHERE user_id = $1", &[&user.as_uuid()]).await.unwrap();
    let token = row.first().map_or(token, |row| row.get(0));
    Target { user, login: login.to_owned(), session, factor, token, hash, now }
}

async fn rows_of(app: &AccountsApp, user: UserId) -> Vec<String> {
    let sql = app.app.sql_as_superuser().await;
    let tables = ["users", "sessions", "one_time_tokens", "second_factors", "recovery_codes", "known_devices"];
    let digests = tables.map(|table| {
        format!("SELECT '{table} ' || count(*) || ' ' || md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {table} t WHERE user_id = $1")
    });
    let rows = sql.query(&digests.join(" UNION ALL "), &[&user.as_uuid()]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn no_function_of_a_users_transaction_reaches_another_users_rows() {
    let app = AccountsApp::new().await;
    let theirs = arranged(&app, "a@example.com").await;
    let thief = app.owner("thief@example.com").await.user;
    let before = rows_of(&app, theirs.user).await;
    assert_eq!(before.len(), 6, "{before:?}");
    for (name, attack) in attacks() {
        let mut tx = app.accounts.store.user_tx(MerchantId::PLATFORM, thief).await.unwrap();
        if attack(&mut tx, &theirs).await.is_ok() {
            let _committed = tx.commit().await;
        }
        assert_eq!(rows_of(&app, theirs.user).await, before, "{name}");
    }
    let mut tx = app.accounts.store.user_tx(MerchantId::PLATFORM, UserId::generate()).await.unwrap();
    assert!(sessions::lock(&mut tx, theirs.session).await.unwrap().is_none());
    assert!(tokens::lock(&mut tx, TokenPurpose::SecondStep, &theirs.hash, theirs.now).await.unwrap().is_none());
    assert!(!factors::claim_recovery_code(&mut tx, &theirs.hash, theirs.now).await.unwrap());
    assert!(!devices::exists(&mut tx, &theirs.hash).await.unwrap());
}

#[test]
fn every_function_of_a_users_transaction_is_attacked() {
    let store = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../backend/store/src");
    let mut found = BTreeSet::new();
    for folder in ["accounts", "team"] {
        for entry in std::fs::read_dir(store.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            let text = std::fs::read_to_string(&path).unwrap();
            for (at, _) in text.match_indices("pub async fn ") {
                let signature = text[at..].split('{').next().unwrap();
                let function = signature["pub async fn ".len()..].split(['(', '<']).next().unwrap();
                if ["tx: &mut UserTx", "tx: &UserTx"].iter().any(|tx| signature.contains(tx)) {
                    found.insert(format!("{name}::{function}"));
                }
            }
        }
    }
    let attacked: BTreeSet<String> = attacks().into_iter().map(|(name, _)| name).collect();
    assert_eq!(found, attacked);
}
