//! What the configuration accepts, refuses and says about it.

use std::collections::BTreeSet;
use std::time::Duration;

use kamiflow_kernel::GatewayKind;

use super::section::all_variables;
use super::*;

/// 32 zero bytes.
const KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

fn complete() -> EnvMap {
    EnvMap::new()
        .with("KAMIFLOW_DATABASE_URL", "postgres://app:pw@db/kamiflow")
        .with("KAMIFLOW_REDIS_URL", "redis://cache")
        .with("KAMIFLOW_KEYRING_KEYS", format!("k1:{KEY}"))
}

fn problems<S: Section>(source: &EnvMap) -> Vec<String> {
    let Err(error) = load::<S>(source) else {
        panic!("the configuration was accepted");
    };
    let messages = error.problems.into_iter().map(|problem| problem.message);
    messages.collect()
}

#[test]
fn presets_fill_in_everything_that_has_one() {
    let config = Config::from_source(&complete()).unwrap();
    assert_eq!(config.gateway.endpoint, GatewayEndpoint::Production);
    assert_eq!(config.gateway.lag, Duration::from_secs(180));
    assert!(!config.gateway.resend_safe);
    assert_eq!(config.worker.pools, Pool::ALL);
    assert_eq!(config.worker.shutdown, Duration::from_secs(25));
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.telemetry.format, LogFormat::Text);
    assert_eq!(config.keyring.active, "k1");
}

#[test]
fn all_problems_are_reported_at_once_each_with_its_cure() {
    let source = EnvMap::new()
        .with("KAMIFLOW_REDIS_URL", "http://cache")
        .with("KAMIFLOW_KEYRING_KEYS", "k1:short")
        .with("KAMIFLOW_WORKER_POLL_FLOOR_SECONDS", "soon")
        .with("KAMIFLOW_GATEWAY_LIMIT_PERCENT", "101");
    let error = Config::from_source(&source).unwrap_err();
    let expected = "the configuration is incomplete or wrong:
  KAMIFLOW_DATABASE_URL is not set: set it to e.g. postgres://localhost/kamiflow
  KAMIFLOW_REDIS_URL is not a URL that starts with redis:// or rediss:// or redis+unix:// or unix://: set it to e.g. redis://localhost/kamiflow
  KAMIFLOW_KEYRING_KEYS has the key `k1`, which is not 32 bytes in base64: write each key as k1:<the output of `openssl rand -base64 32`>
  KAMIFLOW_GATEWAY_LIMIT_PERCENT is `101`, which is not a whole number from 1 to 100: set it to e.g. 80
  KAMIFLOW_WORKER_POLL_FLOOR_SECONDS is `soon`, which is not a number of seconds from 1 to 3600: set it to e.g. 15";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn secrets_appear_neither_in_errors_nor_in_debug_output() {
    let source = complete()
        .with("KAMIFLOW_DATABASE_URL", "mysql://app:hunter2@db")
        .with("KAMIFLOW_REDIS_URL", "hunter2")
        .with("KAMIFLOW_KEYRING_KEYS", "k1:hunter2");
    let text = problems::<Config>(&source).join("\n");
    assert!(!text.contains("hunter2"), "{text}");

    let source = complete().with("KAMIFLOW_SERVER_METRICS_TOKEN", "hunter2");
    let debug = format!("{:?}", Config::from_source(&source).unwrap());
    for secret in ["hunter2", "app:pw", "redis://cache", "[0, 0"] {
        assert!(!debug.contains(secret), "{debug}");
    }
}

#[test]
fn production_refuses_a_lag_below_the_platforms_floor_and_any_other_address() {
    let source = EnvMap::from([
        ("KAMIFLOW_GATEWAY_LAG_SECONDS", "179"),
        ("KAMIFLOW_GATEWAY_URL", "http://127.0.0.1:9000"),
        ("KAMIFLOW_GATEWAY_LIMIT_SCALE", "10"),
        ("KAMIFLOW_GATEWAY_AUTOMATIC_APPROVAL", "true"),
    ]);
    let text = problems::<Gateway>(&source).join("\n");
    for part in [
        "LAG_SECONDS is 179",
        "GATEWAY_URL is set for the production",
        "LIMIT_SCALE is set for the production",
        "AUTOMATIC_APPROVAL is set for the production",
    ] {
        assert!(text.contains(part), "{part} is missing in:\n{text}");
    }
}

#[test]
fn the_sandbox_needs_an_address_and_may_be_read_closely() {
    let source = EnvMap::from([("KAMIFLOW_GATEWAY_KIND", "sandbox")]);
    let found = problems::<Gateway>(&source);
    assert!(found[0].starts_with("KAMIFLOW_GATEWAY_URL is not set"), "{found:?}");

    let source = source.with("KAMIFLOW_GATEWAY_URL", "http://127.0.0.1:9000");
    let gateway = load::<Gateway>(&source).unwrap();
    assert_eq!(gateway.lag, Duration::from_secs(2));
    let address = SandboxAddress { url: "http://127.0.0.1:9000".to_owned(), push_url: None };
    assert_eq!(gateway.endpoint, GatewayEndpoint::Sandbox(address));
}

#[test]
fn a_sandbox_stands_beside_production_and_never_beside_a_sandbox() {
    let source = EnvMap::from([("KAMIFLOW_GATEWAY_SANDBOX_PUSH_URL", "ws://127.0.0.1:9000")]);
    let found = problems::<Gateway>(&source);
    assert!(found[0].starts_with("KAMIFLOW_GATEWAY_SANDBOX_URL is not set"), "{found:?}");

    let source = source.with("KAMIFLOW_GATEWAY_SANDBOX_URL", "http://127.0.0.1:9000");
    let gateway = load::<Gateway>(&source).unwrap();
    let kinds: Vec<_> = gateway.endpoints().map(|endpoint| endpoint.kind()).collect();
    assert_eq!(kinds, [GatewayKind::Production, GatewayKind::Sandbox]);
    assert_eq!(gateway.lag, Duration::from_secs(180));

    let source = source.with("KAMIFLOW_GATEWAY_KIND", "sandbox").with("KAMIFLOW_GATEWAY_URL", "http://127.0.0.1:9001");
    let found = problems::<Gateway>(&source).join("\n");
    for variable in ["SANDBOX_URL is set although", "SANDBOX_PUSH_URL is set although"] {
        assert!(found.contains(variable), "{found}");
    }
}

#[test]
fn the_key_ring_names_what_is_wrong_with_which_key() {
    let read = |keys: &str| problems::<Keyring>(&EnvMap::from([("KAMIFLOW_KEYRING_KEYS", keys)]));
    let cases = [
        ("nocolon".to_owned(), "without `:` (number 1)"),
        (format!("K1:{KEY}"), "whose id is not"),
        (format!("a:{KEY},a:{KEY}"), "names the key `a` twice"),
        (",".to_owned(), "holds no key"),
        (format!("a:{KEY},b:{KEY}"), "ACTIVE is not set although"),
    ];
    for (keys, part) in cases {
        let found = read(&keys).join("\n");
        assert!(found.contains(part), "{keys}: {found}");
    }
}

#[test]
fn the_active_key_is_one_of_the_ring() {
    let two = EnvMap::new().with("KAMIFLOW_KEYRING_KEYS", format!("old:{KEY}, new:{KEY}"));
    let ring = load::<Keyring>(&two.clone().with("KAMIFLOW_KEYRING_ACTIVE", "new")).unwrap();
    assert_eq!((ring.keys.len(), ring.active.as_str()), (2, "new"));

    let found = problems::<Keyring>(&two.with("KAMIFLOW_KEYRING_ACTIVE", "newer"));
    assert!(found[0].ends_with("which is no key of the ring: set it to one of old, new"), "{found:?}");
}

#[test]
fn the_key_ring_is_read_from_a_mounted_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    let unpadded = KEY.trim_end_matches('=');
    std::fs::write(&path, format!("# rotated yearly\nk1:{KEY}\n\nk2:{unpadded}\n")).unwrap();
    let source =
        EnvMap::new().with("KAMIFLOW_KEYRING_FILE", path.to_str().unwrap()).with("KAMIFLOW_KEYRING_ACTIVE", "k2");
    let ring = load::<Keyring>(&source).unwrap();
    assert_eq!(ring.keys[1].bytes.expose().len(), 32);

    let found = problems::<Keyring>(&source.with("KAMIFLOW_KEYRING_KEYS", format!("k1:{KEY}")));
    assert!(found[0].contains("keep one of the two"), "{found:?}");
    let missing = EnvMap::from([("KAMIFLOW_KEYRING_FILE", "/nonexistent/keys")]);
    assert!(problems::<Keyring>(&missing)[0].contains("cannot be read"));
}

#[test]
fn pools_are_a_list_without_repetition() {
    assert_eq!(Pool::parse_list("deliver, sync"), Some(vec![Pool::Deliver, Pool::Sync]));
    for wrong in ["", "sync,", "sync,sync", "Sync", "all"] {
        assert_eq!(Pool::parse_list(wrong), None, "{wrong}");
    }
}

#[test]
fn a_ceiling_below_the_floor_is_refused() {
    let source =
        EnvMap::from([("KAMIFLOW_WORKER_POLL_FLOOR_SECONDS", "60"), ("KAMIFLOW_WORKER_POLL_CEILING_SECONDS", "30")]);
    assert_eq!(
        problems::<Worker>(&source),
        ["KAMIFLOW_WORKER_POLL_CEILING_SECONDS is 30, which is below the floor: set it to 60 or more"]
    );
}

#[test]
fn numbers_are_digits_only() {
    for wrong in ["+15", "1_5", "15.0", "0x10", "99999999999999999999999"] {
        let source = EnvMap::from([("KAMIFLOW_WORKER_POLL_FLOOR_SECONDS", wrong)]);
        assert_eq!(problems::<Worker>(&source).len(), 1, "{wrong}");
    }
}

#[test]
fn an_empty_value_counts_as_not_set() {
    let source = EnvMap::from([("KAMIFLOW_WORKER_POLL_FLOOR_SECONDS", "  ")]);
    assert_eq!(load::<Worker>(&source).unwrap().poll_floor, Duration::from_secs(15));
}

#[test]
fn a_prefix_that_would_be_a_hash_tag_is_refused() {
    let source = EnvMap::from([("KAMIFLOW_REDIS_URL", "redis://cache"), ("KAMIFLOW_REDIS_PREFIX", "{all}")]);
    assert_eq!(problems::<Redis>(&source).len(), 1);
}

#[test]
fn a_command_needs_only_the_sections_it_loads() {
    let source = EnvMap::from([("KAMIFLOW_DATABASE_OWNER_URL", "postgres://owner@db/kamiflow")]);
    load::<(DatabaseOwner, Telemetry)>(&source).unwrap();
    assert_eq!(problems::<(DatabaseOwner, Database, Redis)>(&source).len(), 2);
}

#[test]
fn typing_errors_in_names_are_found_and_service_links_are_not() {
    let source = EnvMap::from([
        ("KAMIFLOW_WORKER_POLL_FLOOR", "15"),
        ("KAMIFLOW_SERVICE_HOST", "10.0.0.1"),
        ("KAMIFLOW_PORT_8080_TCP_ADDR", "10.0.0.1"),
        ("KAMIFLOW_SERVER_LISTEN", "127.0.0.1:1"),
        ("HOME", "/"),
    ]);
    assert_eq!(unknown_names(&source), ["KAMIFLOW_WORKER_POLL_FLOOR"]);
}

#[test]
fn every_declared_variable_is_read_and_every_one_read_is_declared() {
    let source = EnvMap::new();
    let mut reader = Reader::new(&source);
    let _ = Config::read(&mut reader);
    let _ = DatabaseOwner::read(&mut reader);
    let _ = TestServers::read(&mut reader);
    let _ = Ui::read(&mut reader);
    let _ = <(BackupSource, BackupTools, RestoreTarget)>::read(&mut reader);
    let _ = Retention::read(&mut reader);
    let _ = <(Auth, Mail, SandboxDesk)>::read(&mut reader);
    let _ = Api::read(&mut reader);
    let declared: BTreeSet<&str> = all_variables().map(|variable| variable.name).collect();
    assert_eq!(reader.read, declared);
}

#[test]
fn names_are_unique_carry_the_section_and_the_unit() {
    let mut names = BTreeSet::new();
    for variable in all_variables() {
        assert!(names.insert(variable.name), "{} twice", variable.name);
        assert!(variable.name.starts_with("KAMIFLOW_"), "{}", variable.name);
        if matches!(variable.kind, Kind::Seconds(_)) {
            assert!(variable.name.ends_with("_SECONDS"), "{}", variable.name);
        }
    }
}

#[test]
fn the_reference_shows_every_variable_with_its_default() {
    let page = reference();
    for variable in all_variables() {
        assert!(page.contains(&format!("### `{}`", variable.name)));
    }
    assert!(page.contains("- Default: `180` in production, `2` for the sandbox"));
    assert!(page.contains("- Default: none, required"));
}

#[test]
fn a_ca_file_goes_with_the_urls_and_makes_them_check_names() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    let encoded = path.replace('/', "%2F");
    let read = |url: &str| {
        let source = complete().with("KAMIFLOW_DATABASE_URL", url).with("KAMIFLOW_DATABASE_CA_FILE", path);
        load::<Database>(&source).unwrap().url.expose().to_owned()
    };
    assert_eq!(read("postgres://a@b/k"), format!("postgres://a@b/k?sslmode=verify-full&sslrootcert={encoded}"));
    assert_eq!(
        read("postgres://a@b/k?sslmode=require"),
        format!("postgres://a@b/k?sslmode=require&sslrootcert={encoded}")
    );
    let complete_url = "postgres://a@b/k?sslrootcert=system&sslmode=verify-full";
    assert_eq!(read(complete_url), complete_url);

    let source = complete().with("KAMIFLOW_DATABASE_CA_FILE", "/nowhere/ca.pem");
    let found = problems::<Database>(&source);
    assert!(found[0].starts_with("KAMIFLOW_DATABASE_CA_FILE names `/nowhere/ca.pem`"), "{found:?}");
    let found = problems::<Redis>(&complete().with("KAMIFLOW_REDIS_CA_FILE", path));
    assert!(found[0].contains("begin KAMIFLOW_REDIS_URL with rediss://"), "{found:?}");
}

#[test]
fn keys_of_access_tokens_may_be_left_out_and_the_first_one_signs() {
    let none = load::<Auth>(&EnvMap::new()).unwrap();
    assert!(none.keys.is_empty() && none.active.is_none());
    let two = EnvMap::new().with("KAMIFLOW_AUTH_KEYS", format!("a:{KEY},b:{KEY}"));
    assert_eq!(load::<Auth>(&two).unwrap().active.as_deref(), Some("a"));
    assert_eq!(load::<Auth>(&two.clone().with("KAMIFLOW_AUTH_ACTIVE", "b")).unwrap().active.as_deref(), Some("b"));
    assert!(problems::<Auth>(&two.with("KAMIFLOW_AUTH_ACTIVE", "c"))[0].contains("KAMIFLOW_AUTH_ACTIVE"));
}

#[test]
fn mail_waits_without_a_server() {
    assert!(load::<Mail>(&EnvMap::new()).unwrap().url.is_none());
    let server = EnvMap::new().with("KAMIFLOW_MAIL_URL", "smtps://user:hunter2@mail.example");
    let mail = load::<Mail>(&server).unwrap();
    assert!(mail.url.is_some() && !format!("{mail:?}").contains("hunter2"));
    assert!(load::<Mail>(&EnvMap::new().with("KAMIFLOW_MAIL_URL", "http://mail.example")).is_err());
}

#[test]
fn the_api_lets_so_many_requests_through_a_minute_and_some_at_once() {
    let api = load::<Api>(&EnvMap::new()).unwrap();
    assert_eq!((api.requests_per_minute, api.burst), (600, 60));
    let read = |value: &str| load::<Api>(&EnvMap::from([("KAMIFLOW_API_BURST", value)]));
    assert_eq!(read("5").unwrap().burst, 5);
    assert!(read("0").is_err());
}
