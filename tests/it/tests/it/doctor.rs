//! What `kamiflow doctor` finds on a healthy installation and on broken ones.

use std::collections::BTreeMap;
use std::process::Command;

use chrono::{Datelike as _, Months};
use kamiflow_domain::ledger_root;
use kamiflow_runtime::local::LocalRedis;
use kamiflow_test_support::{Servers, World};
use serde_json::Value;

use crate::startup;

const RING: &str = "m1:bTFtMW0xbTFtMW0xbTFtMW0xbTFtMW0xbTFtMW0xbTE=";
const OTHER_RING: &str = "m2:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
const WRONG_RING: &str = "m1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

/// What was found, by code; the last one of a code counts.
struct Report {
    code: Option<i32>,
    findings: BTreeMap<String, Value>,
}

impl Report {
    async fn of(command: Command) -> Self {
        let output = startup::run(command).await;
        let said = String::from_utf8(output.stdout).unwrap();
        let report: Value =
            serde_json::from_str(&said).unwrap_or_else(|_| panic!("{said}{}", String::from_utf8_lossy(&output.stderr)));
        let findings = report["findings"].as_array().unwrap();
        let findings =
            findings.iter().map(|found| (found["code"].as_str().unwrap().to_owned(), found.clone())).collect();
        Self { code: output.status.code(), findings }
    }

    /// Asserts that exactly this fails, that the text names it, and that the cure says what to do.
    fn fails(&self, code: &str, text: &str, cure: &str) {
        let failed: Vec<&String> =
            self.findings.iter().filter(|(_, found)| found["level"] == "fail").map(|(code, _)| code).collect();
        assert_eq!(failed, [code], "{:#?}", self.findings);
        self.names(code, text, cure);
        assert_eq!(self.code, Some(1));
    }

    fn names(&self, code: &str, text: &str, cure: &str) {
        let found = &self.findings[code];
        assert!(found["text"].as_str().unwrap().contains(text), "{found}");
        assert!(found["cure"].as_str().unwrap().contains(cure), "{found}");
    }
}

/// Prepares a doctor with the environment that a worker of this world would have.
async fn doctor(world: &World, ring: &str) -> Command {
    let mut command = startup::kamiflow(&["doctor", "--json"], &world.database.url("kamiflow_app"), ring).await;
    command
        .env("KAMIFLOW_GATEWAY_KIND", "sandbox")
        .env("KAMIFLOW_GATEWAY_URL", format!("http://{}", world.sandbox.addr()));
    command
}

#[tokio::test]
async fn a_healthy_installation_has_nothing_wrong() {
    let world = World::start().await;
    let report = Report::of(doctor(&world, RING).await).await;
    assert_eq!(report.code, Some(0), "{:#?}", report.findings);
    for code in [
        "configuration",
        "database",
        "database.version",
        "database.instance",
        "database.schema",
        "database.policies",
        "database.functions",
        "database.partitions",
        "clock.database",
        "clock.platform",
        "gateway",
        "keys",
        "ledger.chains",
        "ledger.roots",
        "redis",
        "redis.policy",
        "redis.version",
        "roles",
        "roles.rights",
    ] {
        assert_eq!(report.findings[code]["level"], "ok", "{code}: {:#?}", report.findings);
    }
}

#[tokio::test]
async fn a_hole_in_the_wall_between_merchants_is_named() {
    let world = World::start().await;
    let superuser = world.sql_as_superuser().await;
    superuser.execute("DROP POLICY tenant ON card_pools", &[]).await.unwrap();
    Report::of(doctor(&world, RING).await).await.fails("database.policies", "card_pools", "restore the definition");

    superuser
        .transaction(
            "CREATE POLICY tenant ON card_pools TO kamiflow_app USING (merchant_id = (SELECT current_merchant()))
             WITH CHECK (merchant_id = (SELECT current_merchant())); ALTER TABLE shops NO FORCE ROW LEVEL SECURITY",
        )
        .await
        .unwrap();
    Report::of(doctor(&world, RING).await).await.fails("database.policies", "shops: row-level", "restore");

    superuser
        .transaction("ALTER TABLE shops FORCE ROW LEVEL SECURITY; CREATE POLICY all_of_it ON orders USING (true)")
        .await
        .unwrap();
    Report::of(doctor(&world, RING).await).await.fails("database.policies", "orders: further policies", "restore");

    superuser
        .transaction("DROP POLICY all_of_it ON orders; ALTER FUNCTION system_merchants() OWNER TO postgres")
        .await
        .unwrap();
    Report::of(doctor(&world, RING).await).await.fails("database.functions", "the rights of postgres", "restore");

    superuser
        .transaction(
            "ALTER FUNCTION system_merchants() OWNER TO kamiflow_system;
             ALTER FUNCTION system_merchants() SET search_path = public",
        )
        .await
        .unwrap();
    Report::of(doctor(&world, RING).await).await.fails("database.functions", "search_path", "restore");
    superuser
        .transaction(
            "ALTER FUNCTION system_merchants() SET search_path = pg_catalog, public, pg_temp;
             GRANT UPDATE ON card_ledger TO kamiflow_app",
        )
        .await
        .unwrap();
    Report::of(doctor(&world, RING).await).await.fails("roles.rights", "UPDATE on card_ledger", "REVOKE");
}

#[tokio::test]
async fn a_connection_as_another_role_is_named() {
    let world = World::start().await;
    let mut command = doctor(&world, RING).await;
    command.env("KAMIFLOW_DATABASE_URL", world.database.url_as_superuser());
    let report = Report::of(command).await;
    assert_eq!(report.code, Some(1));
    report.names("roles.superuser", "is a superuser", "NOSUPERUSER");
    report.names("roles.bypass", "BYPASSRLS", "NOBYPASSRLS");
    report.names("roles.connected", "not as kamiflow_app", "KAMIFLOW_DATABASE_URL");
}

#[tokio::test]
async fn a_missing_partition_is_named() {
    let world = World::start().await;
    let month = world.engine.now().date_naive() + Months::new(2);
    let name = format!("audit_log_{}{:02}", month.year(), month.month());
    world.sql_as_superuser().await.execute(&format!("DROP TABLE {name}"), &[]).await.unwrap();
    Report::of(doctor(&world, RING).await).await.fails("database.partitions", &name, "kamiflow prune");
}

#[tokio::test]
async fn a_ledger_that_was_tampered_with_is_named() {
    let world = World::start().await;
    let today = world.day_passes();
    assert_eq!(ledger_root::take(&world.engine, &world.ctx()).await.unwrap(), Some(today));
    let report = Report::of(doctor(&world, RING).await).await;
    assert_eq!(report.code, Some(0), "{:#?}", report.findings);
    report.names("ledger.roots", "1 sealed days", "");

    // A chain that holds in itself, exchanged for another one: only the root knows.
    let tamper = "SET LOCAL session_replication_role = replica;
                  UPDATE card_ledger SET event = 'moved', hash =
                         card_ledger_hash(prev_hash, card_use_id, seq, 'moved', pool_id, delivery_id, at)
                   WHERE card_use_id = (SELECT min(id::text)::uuid FROM card_uses);
                  UPDATE card_uses u SET ledger_head = l.hash FROM card_ledger l WHERE l.card_use_id = u.id";
    world.sql_as_superuser().await.transaction(tamper).await.unwrap();
    let report = Report::of(doctor(&world, RING).await).await;
    report.fails("ledger.roots", &format!("up to {today} is not what was sealed"), "compare card_ledger with a backup");
}

#[tokio::test]
async fn an_entry_in_the_middle_of_a_chain_that_was_changed_is_named() {
    let world = World::start().await;
    let order = world.one_order("VOUCHER").await;
    world.deliver_all(std::slice::from_ref(&order)).await;
    Report::of(doctor(&world, RING).await).await.names("ledger.chains", "20 chains", "");
    // As the owner in a migration: the head, and with it the day's root, stays what it was.
    let tamper = "SET LOCAL ROLE kamiflow_owner; SET LOCAL app.migration = 'on';
                  UPDATE card_ledger SET delivery_id = gen_random_uuid() WHERE event = 'claimed'";
    world.sql_as_superuser().await.transaction(tamper).await.unwrap();
    let report = Report::of(doctor(&world, RING).await).await;
    report.fails("ledger.chains", "1 chain", "compare card_ledger with a backup");
    assert_eq!(report.findings["ledger.roots"]["level"], "ok");

    // What did not move for longer than is looked back is left out: looking at everything takes as long as it takes.
    let old = "SET LOCAL session_replication_role = replica; UPDATE card_ledger SET at = at - interval '40 days'";
    world.sql_as_superuser().await.transaction(old).await.unwrap();
    Report::of(doctor(&world, RING).await).await.names("ledger.chains", "0 chains", "");
}

#[tokio::test]
async fn a_chain_that_was_cut_off_is_named_whatever_its_age() {
    let world = World::start().await;
    let cut = "SET LOCAL session_replication_role = replica;
               DELETE FROM card_ledger WHERE card_use_id = (SELECT min(id::text)::uuid FROM card_uses)";
    world.sql_as_superuser().await.transaction(cut).await.unwrap();
    Report::of(doctor(&world, RING).await).await.fails("ledger.chains", "1 chain", "compare card_ledger with a backup");
}

#[tokio::test]
async fn keys_that_do_not_open_what_is_stored_are_named() {
    let world = World::start().await;
    let report = Report::of(doctor(&world, OTHER_RING).await).await;
    assert_eq!(report.code, Some(1));
    report.names("keys.master_missing", "`m1`", "add `m1` to the key ring");
    let report = Report::of(doctor(&world, WRONG_RING).await).await;
    assert_eq!(report.code, Some(1));
    report.names("keys.master_wrong", "`m1`", "from its backup");
    assert!(!report.findings.contains_key("keys"));
}

#[tokio::test]
async fn a_redis_that_forgets_is_named() {
    let world = World::start().await;
    let folder = tempfile::tempdir().unwrap();
    let redis = LocalRedis::start(folder.path()).await.unwrap();
    let client = redis::Client::open(redis.url().replace("redis+unix", "unix")).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut set = redis::cmd("CONFIG");
    set.arg("SET").arg("maxmemory-policy").arg("allkeys-lru");
    let () = set.query_async(&mut connection).await.unwrap();
    let mut command = doctor(&world, RING).await;
    command.env("KAMIFLOW_REDIS_URL", redis.url());
    Report::of(command).await.fails("redis.policy", "allkeys-lru", "CONFIG SET maxmemory-policy noeviction");
}

#[tokio::test]
async fn one_check_that_cannot_be_made_keeps_no_other_from_being_made() {
    let world = World::start().await;
    // No Postgres, no key ring, an unknown variable, and a gateway that is nowhere.
    let mut command = Command::new(startup::binary());
    command
        .args(["doctor", "--json"])
        .env("KAMIFLOW_DATABASE_URL", "postgres://kamiflow_app:hunter2@127.0.0.1:1/kamiflow")
        .env("KAMIFLOW_REDIS_URL", &Servers::get().await.redis_url)
        .env("KAMIFLOW_GATEWAI_KIND", "sandbox")
        .env_remove("KAMIFLOW_KEYRING_KEYS");
    let report = Report::of(command).await;
    assert_eq!(report.code, Some(1));
    report.names("configuration", "KAMIFLOW_KEYRING_KEYS is not set", "set it to e.g.");
    report.names("configuration.unknown", "KAMIFLOW_GATEWAI_KIND", "correct its name");
    report.names("database", "127.0.0.1:1", "correct KAMIFLOW_DATABASE_URL");
    assert_eq!(report.findings["redis"]["level"], "ok");
    assert!(!format!("{:?}", report.findings).contains("hunter2"));

    let mut command = doctor(&world, RING).await;
    command.env("KAMIFLOW_GATEWAY_URL", "http://127.0.0.1:1");
    Report::of(command).await.fails("gateway", "pdd.time.get", "see that this machine reaches the gateway");
    let mut command = doctor(&world, RING).await;
    command.env("KAMIFLOW_REDIS_URL", "redis://127.0.0.1:1");
    let report = Report::of(command).await;
    report.fails("redis", "127.0.0.1:1", "KAMIFLOW_REDIS_URL");
    assert_eq!(report.findings["ledger.roots"]["level"], "ok");
    assert_eq!(report.findings["gateway"]["level"], "warn");
}
