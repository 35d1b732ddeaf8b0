//! What is sealed in the database shows nowhere else: not in a process' log or metrics, not in what commands print, not in
//! a backup, not in an error and not in the output of a panic.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chrono::TimeDelta;
use image::{DynamicImage, GrayImage, ImageFormat};
use kamiflow_domain::accounts::authenticate::authenticate;
use kamiflow_domain::accounts::log_in::{LogIn, LoggedIn, log_in};
use kamiflow_domain::accounts::proof::Proof;
use kamiflow_domain::accounts::sign_up::{SignUp, sign_up};
use kamiflow_domain::accounts::sudo::sudo;
use kamiflow_domain::accounts::totp::enroll_totp;
use kamiflow_domain::card_file::{CardFileReader, NumberHashKey, ReadOptions};
use kamiflow_domain::connect_shop::{ConnectShop, Grant, Purpose, connect_shop};
use kamiflow_domain::import_cards::{FileChoices, ImportCards, ImportMode, import_cards};
use kamiflow_domain::marketplace::{TokenLevels, Tokens};
use kamiflow_domain::register_application::{ApplicationOwner, RegisterApplication, register_application};
use kamiflow_domain::verification::{Subject, SubmitVerification, submit_verification};
use kamiflow_kernel::{ApplicationId, DataKeyId, GatewayKind, LineId, MallId, MerchantId, SecretText};
use kamiflow_pinduoduo::{AppKeys, MallToken};
use kamiflow_queue::Queue;
use kamiflow_runner::queue_config;
use kamiflow_store::{credentials, redemptions, reseal};
use kamiflow_test_support::accounts::{Mailbox, PASSWORD, accounts, owner, visit};
use kamiflow_test_support::{Servers, TestApp, World, WorldOptions};
use serde_json::json;
use uuid::Uuid;

use crate::startup;

/// The ring of `World`: the key is its name, repeated.
const RING: &str = "m1:bTFtMW0xbTFtMW0xbTFtMW0xbTFtMW0xbTFtMW0xbTE=";
const SEND: &str = "pdd.voucher.voucher.info.send";
const OUR_TRACES: &str = "info,kamiflow=trace,kamiflow_domain=trace,kamiflow_kernel=trace,kamiflow_pinduoduo=trace,\
    kamiflow_queue=trace,kamiflow_runner=trace,kamiflow_runtime=trace,kamiflow_server=trace,kamiflow_store=trace";

/// What is sealed, opened, by column.
type Sealed = BTreeMap<&'static str, BTreeSet<Vec<u8>>>;

/// Opens every sealed value of the world's merchant and of the platform, whatever its column.
async fn sealed_values(world: &World) -> Sealed {
    // Rows of users are shown to nobody else, so nobody else than the superuser finds all.
    let sql = world.sql_as_superuser().await;
    let mut found = Sealed::new();
    for place in reseal::PLACES {
        // A value is sealed for its row, an attempt's for its delivery.
        let row_id = if place.table == "delivery_attempts" { "delivery_id" } else { "id" };
        for column in [Some(place.columns.0), place.columns.1].into_iter().flatten() {
            let name = column.rsplit('.').next().unwrap();
            let statement = format!(
                "SELECT t.{row_id}, t.data_key_id, t.{name}, k.merchant_id
                   FROM {} t JOIN data_keys k ON k.id = t.data_key_id WHERE t.{name} IS NOT NULL",
                place.table
            );
            for row in sql.query(&statement, &[]).await.unwrap() {
                let owner = MerchantId::from_uuid(row.get(3));
                let tx = world.engine.store.tenant_tx(owner).await.unwrap();
                let key = tx.data_key_by_id(DataKeyId::from_uuid(row.get(1))).await.unwrap();
                tx.commit().await.unwrap();
                let plain = key.open(column, row.get(0), row.get(2)).unwrap();
                found.entry(column).or_default().insert(plain.expose().to_vec());
            }
            assert!(found.contains_key(column), "nothing is planted in {column}");
        }
    }
    // And the keys: what wraps data keys, and data keys wrapped, which are nobody's to read either.
    let master = BASE64.decode(RING.split_once(':').unwrap().1).unwrap();
    found.insert("the master key", BTreeSet::from([master]));
    let wrapped = sql.query("SELECT wrapped FROM data_keys", &[]).await.unwrap();
    found.insert("data_keys.wrapped", wrapped.iter().map(|row| row.get(0)).collect());
    found
}

/// Returns the ways in which bytes are written by accident.
fn forms(value: &[u8]) -> Vec<String> {
    let hex: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
    let bytes: Vec<String> = value.iter().map(u8::to_string).collect();
    let mut forms = vec![hex.to_uppercase(), hex, bytes.join(", "), bytes.join(",")];
    forms.extend(String::from_utf8(value.to_vec()));
    // Inside of something longer that is encoded as a whole it begins at any of three places. What is next to it changes
    // the characters at its ends, so those are left out.
    for before in 0..3 {
        let mut bytes = vec![0; before];
        bytes.extend(value);
        let middle = &BASE64.encode(&bytes)[(before * 8).div_ceil(6)..bytes.len() * 8 / 6];
        forms.extend([middle.to_owned(), middle.replace('+', "-").replace('/', "_")]);
    }
    forms
}

/// Fails if a text shows a sealed value, as it is, in hexadecimal, in base64, or as a list of bytes.
fn shows_nothing(what: &str, text: &str, sealed: &Sealed) {
    assert!(!text.is_empty(), "{what} is empty: nothing was looked at");
    for (column, values) in sealed {
        for value in values {
            for form in forms(value) {
                let lines: Vec<&str> = text.lines().filter(|line| line.contains(&form)).take(3).collect();
                assert!(lines.is_empty(), "{what} shows {column}: {lines:#?}");
            }
        }
    }
}

#[test]
fn a_sealed_value_is_found_in_every_form() {
    let sealed = Sealed::from([("t.c_sealed", BTreeSet::from([b"CANARY01".to_vec()]))]);
    shows_nothing("a masked card", "C***1", &sealed);
    let encoded = ["CANARY01", "{\"card\":\"CANARY01\"}", "n: CANARY01.", "xCANARY01y", "xxCANARY01yy"]
        .map(|text| BASE64.encode(text));
    let plain = ["x=CANARY01", "\\x43414e4152593031", "4341 43414E4152593031", "[67, 65, 78, 65, 82, 89, 48, 49]"];
    for text in plain.into_iter().chain(encoded.iter().map(String::as_str)) {
        assert!(catch_unwind(|| shows_nothing("a leak", text, &sealed)).is_err(), "{text}");
    }
}

async fn canary_world() -> World {
    let world = World::with(WorldOptions { cards: 0, ..WorldOptions::default() }).await;
    let cards: String = (1..=9).map(|n| format!("CANARYNUMBER{n:04}----CANARYSECRET{n:04}\n")).collect();
    world.import(world.vouchers, &cards).await;
    world
}

/// Gives a delivery a line with a code that the platform made.
async fn plant_platform_code(world: &World) {
    let line = LineId::generate();
    let statement = format!(
        "SET LOCAL session_replication_role = replica;
         INSERT INTO delivery_lines (id, merchant_id, delivery_id, item_no, line_no, live)
         SELECT '{}', merchant_id, id, 9, 9, false FROM deliveries LIMIT 1",
        line.as_uuid()
    );
    world.sql_as_superuser().await.transaction(&statement).await.unwrap();
    let mut tx = world.tx().await;
    assert!(redemptions::acts::set_platform_code(&mut tx, line, b"CANARYPLATFORMCODE").await.unwrap());
    tx.commit().await.unwrap();
}

/// Submits an identity with a picture.
async fn plant_verification(world: &World) {
    let subject = Subject::person("CANARYNAME", "11010519491231002X", world.engine.now()).unwrap();
    let mut picture = std::io::Cursor::new(Vec::new());
    DynamicImage::from(GrayImage::new(640, 400)).write_to(&mut picture, ImageFormat::Png).unwrap();
    let request = SubmitVerification { subject, pictures: vec![picture.into_inner()] };
    submit_verification(&world.engine, &world.ctx(), request).await.unwrap();
}

/// Has somebody sign up with a second factor, and somebody else wait for the mail.
async fn plant_account(world: &World) {
    let redis = &Servers::get().await.redis_url;
    let queue = Queue::connect(queue_config(redis, &format!("canary-{}", world.merchant), 1)).await.unwrap();
    let accounts = accounts(world.engine.store.clone(), world.engine.clock.clone(), &queue, "https://kamiflow.example");
    accounts.prepare().await.unwrap();
    let visit = visit(world.engine.now());
    let owner = owner(&accounts, &Mailbox::default(), &visit, "canary-owner@example.com").await;
    let form = LogIn { login: owner.email.clone(), password: PASSWORD.into(), device: None };
    let LoggedIn::Done(session) = log_in(&accounts, &visit, form).await.unwrap() else {
        panic!("no second factor yet")
    };
    let account = authenticate(&accounts, &visit, session.access.expose()).await.unwrap();
    sudo(&accounts, &visit, &account, &Proof::Password(PASSWORD.into())).await.unwrap();
    let account = authenticate(&accounts, &visit, session.access.expose()).await.unwrap();
    enroll_totp(&accounts, &visit, &account).await.unwrap();
    let waiting = SignUp {
        email: "canary-waiting@example.com".to_owned(),
        password: PASSWORD.into(),
        merchant_name: "CANARYMERCHANT".to_owned(),
    };
    sign_up(&accounts, &visit, waiting).await.unwrap();
}

/// A worker that logs everything of ours into a file.
struct Worker {
    process: Child,
    listens_at: String,
    log: tempfile::NamedTempFile,
}

impl Worker {
    async fn start(world: &World) -> Self {
        let log = tempfile::NamedTempFile::new().unwrap();
        let mut command = startup::kamiflow(&["work", "--json"], &world.database.url("kamiflow_app"), RING).await;
        let address = world.sandbox.addr();
        command
            .env("KAMIFLOW_GATEWAY_KIND", "sandbox")
            .env("KAMIFLOW_GATEWAY_URL", format!("http://{address}"))
            .env("KAMIFLOW_GATEWAY_PUSH_URL", format!("ws://{address}"))
            .env("KAMIFLOW_GATEWAY_RESEND_SAFE", "true")
            .env("KAMIFLOW_TELEMETRY_LOG", OUR_TRACES)
            .env("RUST_BACKTRACE", "full")
            .stdout(Stdio::piped())
            .stderr(log.reopen().unwrap());
        let (process, line) = tokio::task::spawn_blocking(move || {
            let mut process = command.spawn().expect("`kamiflow` is built beside the tests");
            let mut line = String::new();
            BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
            (process, line)
        })
        .await
        .unwrap();
        let announced: serde_json::Value = serde_json::from_str(&line).unwrap();
        Self { process, listens_at: announced["listen"].as_str().unwrap_or_else(|| panic!("{line}")).to_owned(), log }
    }

    async fn metrics(&self) -> String {
        let listens_at = self.listens_at.clone();
        tokio::task::spawn_blocking(move || {
            let mut stream = std::net::TcpStream::connect(listens_at).unwrap();
            stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        })
        .await
        .unwrap()
    }

    /// Of its memory nothing may reach a disk: it holds what the sealed columns hold.
    fn dumps_no_core(&self) {
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", self.process.id())).unwrap();
        let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
        assert_eq!(core.split_whitespace().collect::<Vec<_>>()[4..6], ["0", "0"], "{core}");
    }

    /// Stops it in order; returns all it logged.
    async fn stopped(mut self) -> String {
        let id = self.process.id().to_string();
        tokio::task::spawn_blocking(move || {
            assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
            self.process.wait().unwrap();
            std::fs::read_to_string(self.log.path()).unwrap()
        })
        .await
        .unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_process_and_no_command_shows_what_is_sealed() {
    let world = canary_world().await;
    // The ways of failure log more than the way of success.
    world.fault(json!({ "api": SEND, "kind": "code", "code": 70031, "remaining": 1 })).await;
    world.fault(json!({ "api": "pdd.order.information.get", "kind": "truncated_body", "remaining": 2 })).await;
    let worker = Worker::start(&world).await;
    let orders = world.order("VOUCHER", json!({ "count": 4 })).await;
    world.until("SELECT count(*) FROM deliveries WHERE state = 'delivered'", 3).await;
    plant_platform_code(&world).await;
    plant_verification(&world).await;
    plant_account(&world).await;
    let metrics = worker.metrics().await;
    worker.dumps_no_core();
    let log = worker.stopped().await;

    let sealed = sealed_values(&world).await;
    let payloads = &sealed["delivery_attempts.payload_sealed"];
    let holds_its_card = |payload: &Vec<u8>| String::from_utf8_lossy(payload).contains("CANARYNUMBER");
    assert!(payloads.iter().all(holds_its_card), "a payload holds its card");
    assert!(metrics.contains("kamiflow_"), "{metrics}");
    shows_nothing("/metrics", &metrics, &sealed);
    assert!(log.contains("TRACE") || log.contains("DEBUG"), "our crates log at every level: {log}");
    shows_nothing("the log", &log, &sealed);
    for order in &orders {
        for arguments in [vec!["order", "show", order.as_str()], vec!["order", "show", order.as_str(), "--json"]] {
            shows_nothing(&arguments.join(" "), &said(&world, &arguments, &[]).await, &sealed);
        }
    }
    for arguments in [["status", "--json"], ["doctor", "--json"]] {
        shows_nothing(&arguments.join(" "), &said(&world, &arguments, &[]).await, &sealed);
    }
    backups_show_nothing(&world, &sealed).await;
}

/// What a command says on both ways out.
async fn said(world: &World, arguments: &[&str], more: &[(&str, String)]) -> String {
    let mut command = startup::kamiflow(arguments, &world.database.url("kamiflow_app"), RING).await;
    command
        .env("KAMIFLOW_GATEWAY_KIND", "sandbox")
        .env("KAMIFLOW_GATEWAY_URL", format!("http://{}", world.sandbox.addr()))
        .env("KAMIFLOW_TELEMETRY_LOG", OUR_TRACES)
        .envs(more.iter().map(|(name, value)| (name, value)));
    let output = startup::run(command).await;
    let (out, error) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(!out.is_empty(), "{arguments:?} said nothing: {error}");
    out + &error
}

/// A backup that nobody encrypted still shows nothing: neither its listing, its manifest nor the dump as plain SQL.
async fn backups_show_nothing(world: &World, sealed: &Sealed) {
    let folder = tempfile::tempdir().unwrap();
    let source = ("KAMIFLOW_BACKUP_URL", world.database.url("kamiflow_backup"));
    let parent = folder.path().to_str().unwrap();
    shows_nothing("backup", &said(world, &["backup", parent, "--json"], &[source]).await, sealed);
    let made = std::fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
    shows_nothing("the manifest", &std::fs::read_to_string(made.join("manifest.json")).unwrap(), sealed);
    let tools = kamiflow_runtime::config::BackupTools { programs: None, passphrase: None };
    let restore = tools.find("pg_restore").expect("Postgres' client programs are installed");
    // The rows hold wrapped data keys, and nothing else of this; without the master key they open nothing.
    let mut of_rows = sealed.clone();
    of_rows.remove("data_keys.wrapped");
    for (arguments, sealed) in [(&["--list"][..], sealed), (&["--file", "-"], &of_rows)] {
        let mut command = Command::new(&restore);
        command.args(arguments).arg(made.join("dump.pgc"));
        let output = startup::run(command).await;
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("cards"), "pg_restore {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        shows_nothing(&format!("pg_restore {arguments:?}"), &text, sealed);
    }
}

/// What a panic over a value prints.
fn panic_over(value: impl Debug) -> String {
    let payload: Box<dyn Any + Send> = catch_unwind(AssertUnwindSafe(|| panic!("{value:?}"))).expect_err("it panics");
    payload.downcast_ref::<String>().expect("a panic has a text").clone()
}

#[tokio::test]
async fn no_error_and_no_panic_shows_what_is_sealed() {
    let world = canary_world().await;
    let order = world.one_order("VOUCHER").await;
    world.deliver_all(std::slice::from_ref(&order)).await;
    plant_platform_code(&world).await;
    plant_verification(&world).await;
    plant_account(&world).await;
    let sealed = sealed_values(&world).await;
    let text = |column: &str| String::from_utf8(sealed[column].first().unwrap().clone()).unwrap();
    let secret = |column: &str| SecretText::from(text(column));
    let (access, refresh) = (secret("credentials.access_token_sealed"), secret("credentials.refresh_token_sealed"));

    let file = "CANARYNUMBER0001----CANARYSECRET0001\n".as_bytes();
    let import = ImportCards {
        pool: world.vouchers,
        caller_id: "again".to_owned(),
        file_name: "CARDS.txt".to_owned(),
        choices: FileChoices::default(),
        mode: ImportMode::AllOrNothing,
        uses_permitted: 1,
        file: std::io::Cursor::new(file.to_vec()),
    };
    let refused = import_cards(&world.engine, &world.ctx(), import).await.unwrap();
    assert_eq!((refused.accepted, refused.rejected), (0, 1));
    shows_nothing(
        "a refused import",
        &format!("{refused:?} {:?}", refused.report.as_ref().map(|r| r.to_csv())),
        &sealed,
    );

    let register = RegisterApplication {
        owner: ApplicationOwner::Hosted,
        gateway: GatewayKind::Sandbox,
        client_id: "sandbox-client".to_owned(),
        client_secret: secret("applications.client_secret_sealed"),
        app_type: String::new(),
        packages: Vec::new(),
    };
    let refused = register_application(&world.engine, &world.ctx(), &register).await.unwrap_err();
    shows_nothing("a refused application", &format!("{refused:?} {refused}"), &sealed);

    let expires_at = world.engine.now() + TimeDelta::days(1);
    let tokens = Tokens {
        access_token: access.clone(),
        refresh_token: refresh.clone(),
        expires_at,
        refresh_expires_at: expires_at,
        mall: MallId(1),
        owner_name: "other".to_owned(),
        scopes: Vec::new(),
        levels: TokenLevels::default(),
    };
    let connect = ConnectShop {
        application: ApplicationId::generate(),
        grant: Grant::Tokens(Box::new(tokens)),
        purpose: Purpose::Connect,
        look_back: Duration::ZERO,
    };
    let refused = connect_shop(&world.engine, &world.ctx(), &connect).await.unwrap_err();
    shows_nothing("a refused connection", &format!("{refused:?} {refused}"), &sealed);

    let new_tokens = credentials::NewTokens {
        access_token: &access,
        refresh_token: &refresh,
        expires_at,
        refresh_expires_at: expires_at,
        scopes: &[],
        issued_at: world.engine.now(),
        levels: credentials::TokenLevels::default(),
    };
    let mut tx = world.tx().await;
    let refused = credentials::insert(&mut tx, world.shop, &new_tokens).await.unwrap_err();
    shows_nothing("a refused statement", &format!("{refused:?} {refused}"), &sealed);
    let key = world.tx().await.data_key().await.unwrap();
    let moved = key.open("cards.number_sealed", Uuid::nil(), b"CANARYNUMBER0001").unwrap_err();
    shows_nothing("a value that does not open", &format!("{moved:?} {moved}"), &sealed);

    panics_show_nothing(file, &world, [&access, &refresh], &sealed);
    for text in [panic_over(register), panic_over(connect), panic_over(new_tokens), panic_over(key)] {
        shows_nothing("a panic", &text, &sealed);
    }
}

fn panics_show_nothing(file: &[u8], world: &World, [access, refresh]: [&SecretText; 2], sealed: &Sealed) {
    let options = ReadOptions::new(world.engine.now(), NumberHashKey::new([7; 32]));
    let rows: Vec<_> = CardFileReader::open(file, options).unwrap().collect();
    for text in [
        panic_over(rows),
        panic_over(TestApp::key_ring(&["m1"], "m1")),
        panic_over(AppKeys::new("sandbox-client", refresh.clone())),
        panic_over(MallToken::new(MallId(1), access.clone())),
        panic_over(refresh),
    ] {
        shows_nothing("a panic", &text, sealed);
    }
}
