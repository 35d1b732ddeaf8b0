//! Private servers start, survive a restart, and end however their parent ends.

use std::fs::Permissions;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tokio_postgres::{Client, NoTls};

use super::*;

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

fn is_running(pid: i32) -> bool {
    // A zombie whose parent has not asked yet is as good as gone.
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

/// Waits for an event outside of this process, which cannot notify us.
fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "{what} did not happen");
        std::thread::yield_now();
    }
}

/// A temporary folder that the server's user may walk through when the tests run as root.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), Permissions::from_mode(0o711)).unwrap();
    folder
}

#[tokio::test]
async fn a_durable_server_keeps_its_data_and_its_roles_over_a_restart() {
    let folder = folder();
    let dir = folder.path().join("postgres");
    let options = PostgresOptions::durable("kamiflow");

    let server = LocalPostgres::start(&dir, &options).await.unwrap();
    let owner = connect(&server.owner_url()).await;
    owner.batch_execute("CREATE TABLE kept (n int); INSERT INTO kept VALUES (7)").await.unwrap();
    server.stop().unwrap();

    let server = LocalPostgres::start(&dir, &options).await.unwrap();
    let owner = connect(&server.owner_url()).await;
    let kept: i32 = owner.query_one("SELECT n FROM kept", &[]).await.unwrap().get(0);
    assert_eq!(kept, 7);
    let app = connect(&server.app_url()).await;
    let row = app.query_one("SELECT current_user::text, current_setting('fsync')", &[]).await.unwrap();
    assert_eq!((row.get::<_, &str>(0), row.get::<_, &str>(1)), ("kamiflow_app", "on"));
    assert!(app.batch_execute("DROP TABLE kept").await.is_err(), "the application role owns nothing");
}

#[tokio::test]
async fn a_throwaway_server_trades_only_the_machines_crash_for_speed() {
    let folder = folder();
    let dir = folder.path().join("postgres");
    let server = LocalPostgres::start(&dir, &PostgresOptions::throwaway("kamiflow")).await.unwrap();
    let client = connect(&server.superuser_url("kamiflow")).await;
    let settings = "SELECT current_setting('fsync'), current_setting('synchronous_commit'), \
                    current_setting('max_connections'), current_setting('listen_addresses')";
    let row = client.query_one(settings, &[]).await.unwrap();
    let found: Vec<&str> = (0..4).map(|column| row.get(column)).collect();
    assert_eq!(found, ["off", "on", "200", ""]);
}

#[tokio::test]
async fn a_dropped_server_is_stopped() {
    let folder = folder();
    let servers = LocalServers::start(folder.path(), &PostgresOptions::throwaway("kamiflow")).await.unwrap();
    let pids = [servers.postgres.pid(), servers.redis.pid()];
    assert!(pids.into_iter().all(is_running));
    drop(servers);
    wait_until("the end of the servers", || !pids.into_iter().any(is_running));
}

#[tokio::test]
async fn a_folder_in_use_is_refused_with_its_user_and_survives_a_sweep() {
    let folder = folder();
    let dir = folder.path().join("one");
    let first = LocalRedis::start(&dir.join("redis")).await.unwrap();
    let error = LocalRedis::start(&dir.join("redis")).await.unwrap_err();
    assert!(error.to_string().contains(&format!("process {}", std::process::id())), "{error}");
    assert!(matches!(wipe(&dir), Err(LocalError::Busy { .. })));
    sweep(folder.path()).unwrap();
    assert!(is_running(first.pid()));

    first.stop().unwrap();
    sweep(folder.path()).unwrap();
    assert!(!dir.exists());
}

#[tokio::test]
async fn a_path_too_long_for_a_socket_gets_a_short_one_that_goes_with_the_server() {
    let folder = folder();
    let dir = folder.path().join("long".repeat(40));
    let server = LocalRedis::start(&dir).await.unwrap();
    let socket = server.socket_path();
    assert!(socket.as_os_str().len() < 100 && socket.exists(), "{}", socket.display());
    server.stop().unwrap();
    assert!(!socket.parent().unwrap().exists());
}

#[tokio::test]
async fn an_interrupted_initdb_is_done_again() {
    let folder = folder();
    let dir = folder.path().join("postgres");
    std::fs::create_dir_all(dir.join("data/base")).unwrap();
    std::fs::write(dir.join("data/half"), "").unwrap();
    let server = LocalPostgres::start(&dir, &PostgresOptions::throwaway("kamiflow")).await.unwrap();
    connect(&server.app_url()).await;
}

/// Set in the child process of the tests below, which is this same test binary.
const CHILD_DIR: &str = "KAMIFLOW_LOCAL_TEST_CHILD_DIR";

/// Starts servers in another process and returns it with the servers' pids.
fn spawn_parent(dir: &Path) -> (std::process::Child, Vec<i32>) {
    let mut parent = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "local::tests::child_holds_servers_until_killed", "--nocapture"])
        .env(CHILD_DIR, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(parent.stdout.take().unwrap()).lines();
    let pids = lines
        .map_while(Result::ok)
        .find_map(|line| line.split_once("pids ").map(|(_, pids)| pids.to_owned()))
        .expect("the child prints its servers' pids");
    (parent, pids.split(' ').map(|pid| pid.parse().unwrap()).collect())
}

#[tokio::test]
async fn child_holds_servers_until_killed() {
    use crate::config::{EnvSource as _, ProcessEnv};
    // Run by itself, as part of the suite, there is nothing to hold.
    let Some(dir) = ProcessEnv.get(CHILD_DIR) else { return };
    let servers = LocalServers::start(Path::new(&dir), &PostgresOptions::throwaway("kamiflow")).await.unwrap();
    println!("pids {} {}", servers.postgres.pid(), servers.redis.pid());
    std::future::pending::<()>().await;
}

#[test]
fn servers_end_when_their_parent_is_killed() {
    let folder = folder();
    let (mut parent, pids) = spawn_parent(folder.path());
    assert!(pids.iter().copied().all(is_running));
    parent.kill().unwrap();
    parent.wait().unwrap();
    wait_until("the end of the servers", || !pids.iter().copied().any(is_running));
}

#[tokio::test]
async fn a_server_left_behind_is_stopped_before_the_next_start() {
    let folder = folder();
    let (mut parent, pids) = spawn_parent(folder.path());
    // Kill the watchdogs first, so that nothing stops the servers.
    for watchdog in children_of(parent.id(), "sh") {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(watchdog), nix::sys::signal::Signal::SIGKILL).unwrap();
    }
    parent.kill().unwrap();
    parent.wait().unwrap();
    assert!(pids.iter().copied().all(is_running));

    let servers = LocalServers::start(folder.path(), &PostgresOptions::throwaway("kamiflow")).await.unwrap();
    wait_until("the end of the first servers", || !pids.iter().copied().any(is_running));
    connect(&servers.postgres.app_url()).await;
}

fn children_of(parent: u32, name: &str) -> Vec<i32> {
    let path = format!("/proc/{parent}/task");
    let tasks = std::fs::read_dir(path).unwrap().flatten();
    tasks
        .flat_map(|task| {
            let children = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
            children.split_whitespace().map(|pid| pid.parse::<i32>().unwrap()).collect::<Vec<_>>()
        })
        .filter(|pid| std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm.trim() == name))
        .collect()
}
