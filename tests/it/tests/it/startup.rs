//! What `kamiflow` says and does when it cannot start: one line with cause and cure, and the exit code that scripts read.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use kamiflow_kernel::Clock as _;
use kamiflow_runtime::clock::SystemClock;
use kamiflow_store::migrate;
use kamiflow_test_support::{Servers, TestApp, TestDatabase, TestSite};

/// The ring of `TestApp`: the key is its name, repeated.
const RING: &str = "m1:bTFtMW0xbTFtMW0xbTFtMW0xbTFtMW0xbTFtMW0xbTE=";
/// Another key under the same name.
const WRONG_RING: &str = "m1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
const OTHER_RING: &str = "m2:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

/// Returns the program, which is built beside the tests.
pub(crate) fn binary() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().and_then(|deps| deps.parent()).unwrap().join("kamiflow")
}

/// Prepares a command with nothing of the surrounding environment but what it needs.
pub(crate) async fn kamiflow(arguments: &[&str], database_url: &str, ring: &str) -> Command {
    let redis_url = Servers::get().await.redis_url.clone();
    let mut command = Command::new(binary());
    command
        .args(arguments)
        .env("KAMIFLOW_DATABASE_URL", database_url)
        .env("KAMIFLOW_REDIS_URL", redis_url)
        .env("KAMIFLOW_REDIS_PREFIX", format!("test-{}", uuid::Uuid::now_v7().simple()))
        .env("KAMIFLOW_KEYRING_KEYS", ring)
        .env("KAMIFLOW_SERVER_LISTEN", "127.0.0.1:0")
        .stdin(Stdio::null());
    command
}

/// Runs a command to its end, outside of the runtime's threads.
pub(crate) async fn run(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output().expect("`kamiflow` is built beside the tests")).await.unwrap()
}

async fn refusal(command: &str, database_url: &str, ring: &str) -> (Option<i32>, String) {
    let output = run(kamiflow(&[command], database_url, ring).await).await;
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

/// Both processes that live long refuse alike, in one line.
async fn refuse(database_url: &str, ring: &str, code: i32, parts: &[&str]) {
    for command in ["work", "serve"] {
        let (status, said) = refusal(command, database_url, ring).await;
        let line = said.lines().last().unwrap_or_default();
        assert!(line.starts_with("kamiflow:"), "{said}");
        assert_eq!(status, Some(code), "{said}");
        for part in parts {
            assert!(line.contains(part), "`{part}` is missing in: {said}");
        }
    }
}

#[tokio::test]
async fn nothing_starts_on_a_database_without_a_schema() {
    let database = TestDatabase::bare().await;
    refuse(&database.url("kamiflow_app"), RING, 3, &["has no schema yet", "kamiflow migrate", "kamiflow_app@"]).await;
}

#[tokio::test]
async fn nothing_starts_on_an_older_or_newer_schema() {
    let app = TestApp::new().await;
    let superuser = app.sql_as_superuser().await;
    let url = app.database.url("kamiflow_app");
    superuser.execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('99999999999999')", &[]).await.unwrap();
    refuse(&url, RING, 3, &["newer than this program", "99999999999999", "run the program of that version"]).await;
    let owner = app.database.url("kamiflow_owner");
    let newer = migrate::run(&owner, SystemClock.now()).await.unwrap_err();
    assert!(newer.to_string().contains("migrated by a newer version"), "{newer}");

    superuser.execute("DELETE FROM __diesel_schema_migrations WHERE version LIKE '9%'", &[]).await.unwrap();
    let latest = "DELETE FROM __diesel_schema_migrations WHERE version =
                  (SELECT max(version) FROM __diesel_schema_migrations)";
    superuser.execute(latest, &[]).await.unwrap();
    refuse(&url, RING, 3, &["older than this program", "run `kamiflow migrate`"]).await;
}

#[tokio::test]
async fn nothing_starts_without_the_master_keys_in_use() {
    let app = TestApp::new().await;
    let merchant = app.merchant().await;
    let mut tx = merchant.tx().await;
    tx.data_key().await.unwrap();
    tx.commit().await.unwrap();
    let url = app.database.url("kamiflow_app");
    refuse(&url, OTHER_RING, 2, &["lacks the master key `m1`", "KAMIFLOW_KEYRING_KEYS"]).await;
    refuse(&url, WRONG_RING, 2, &["`m1` is not the master key", "from its backup"]).await;
}

#[tokio::test]
async fn a_fitting_database_is_served_until_a_signal() {
    let app = TestApp::new().await;
    let mut command = kamiflow(&["serve", "--json"], &app.database.url("kamiflow_app"), RING).await;
    let files = TestSite::built_files();
    command.env("KAMIFLOW_UI_FOLDER", files.path());
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    let (code, line, answer) = tokio::task::spawn_blocking(move || {
        use std::io::{BufRead as _, BufReader, Read as _, Write as _};
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let announced: serde_json::Value = serde_json::from_str(&line).unwrap();
        let mut stream = std::net::TcpStream::connect(announced["listen"].as_str().unwrap()).unwrap();
        stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        Command::new("kill").arg(child.id().to_string()).status().unwrap();
        (child.wait().unwrap().code(), line, answer)
    })
    .await
    .unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{line}{answer}");
    assert_eq!(code, Some(0));
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_named_without_its_password() {
    // Nobody listens on port 1.
    let url = "postgres://kamiflow_app:hunter2@127.0.0.1:1/kamiflow";
    for command in [&["work"][..], &["order", "show", "261122-000000000000001"][..]] {
        let output = run(kamiflow(command, url, RING).await).await;
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        for part in ["kamiflow_app@127.0.0.1:1/kamiflow", "Connection refused", "correct KAMIFLOW_DATABASE_URL"] {
            assert!(said.contains(part), "`{part}` is missing in: {said}");
        }
        assert!(!said.contains("hunter2"), "{said}");
    }
    let app = TestApp::new().await;
    let mut command = kamiflow(&["work"], &app.database.url("kamiflow_app"), RING).await;
    command.env("KAMIFLOW_REDIS_URL", "redis://:hunter2@127.0.0.1:1");
    let output = run(command).await;
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    for part in ["127.0.0.1:1", "onnection refused", "correct KAMIFLOW_REDIS_URL"] {
        assert!(said.contains(part), "`{part}` is missing in: {said}");
    }
    assert!(!said.contains("hunter2"), "{said}");
}

#[tokio::test]
async fn migrations_say_which_role_they_need() {
    let database = TestDatabase::bare().await;
    let migrate = async |url: String| {
        let mut command = Command::new(binary());
        command.arg("migrate").env("KAMIFLOW_DATABASE_OWNER_URL", url);
        let output = run(command).await;
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, said) = migrate(database.url("kamiflow_app")).await;
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("connected as kamiflow_app, but migrations need kamiflow_owner"), "{said}");
    assert!(said.contains("KAMIFLOW_DATABASE_OWNER_URL"), "{said}");
    let (code, said) = migrate("postgres://kamiflow_owner:hunter2@127.0.0.1:1/kamiflow".to_owned()).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("Connection refused") && said.contains("correct KAMIFLOW_DATABASE_OWNER_URL"), "{said}");
    let (code, said) = migrate(database.url("kamiflow_owner")).await;
    assert_eq!(code, Some(0), "{said}");
}

#[tokio::test]
async fn a_demo_without_any_pace_is_a_wrong_argument() {
    let mut command = Command::new(binary());
    command.args(["demo", "--rate", "0"]);
    let output = run(command).await;
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("1..=1000"));
}
