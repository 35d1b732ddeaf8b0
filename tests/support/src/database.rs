//! A database per test, made from a template that is migrated once.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};

use kamiflow_kernel::Clock;
use kamiflow_runtime::clock::SystemClock;
use kamiflow_runtime::local::bootstrap;
use kamiflow_store::migrate;
use tokio::sync::OnceCell;
use tokio_postgres::{Client, NoTls};
use uuid::Uuid;

use crate::fleet;
use crate::servers::Servers;

/// Any number that no other program locks on this server.
const TEMPLATE_LOCK: i64 = 0x6b61_6d69;
const MIGRATIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../migrations");

static TEMPLATE: OnceCell<String> = OnceCell::const_new();

/// A database of one's own, dropped with this value.
#[derive(Debug)]
pub struct TestDatabase {
    name: String,
    superuser_url: String,
}

impl TestDatabase {
    /// Makes a database with the schema in it.
    pub async fn migrated() -> Self {
        let template = TEMPLATE.get_or_init(make_template).await;
        Self::create(&format!("TEMPLATE {template}")).await
    }

    /// Makes a database that only has its roles: migrations are the test.
    pub async fn bare() -> Self {
        let made = Self::create("").await;
        bootstrap(&made.superuser_url, &made.url_as_superuser()).await.expect("the roles could not be made");
        made
    }

    async fn create(clause: &str) -> Self {
        let superuser_url = Servers::get().await.database_url.clone();
        let name = format!("kamiflow_test_{}", Uuid::now_v7().simple());
        let client = connect(&superuser_url).await;
        client.batch_execute(&format!("CREATE DATABASE {name} {clause}")).await.expect("no database could be made");
        Self { name, superuser_url }
    }

    /// Returns the URL as a role that can log in.
    #[must_use]
    pub fn url(&self, role: &str) -> String {
        url_of(&self.superuser_url, Some(role), &self.name)
    }

    /// Returns the URL as the superuser, for arrangements and for looking at the catalog.
    #[must_use]
    pub fn url_as_superuser(&self) -> String {
        url_of(&self.superuser_url, None, &self.name)
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let (url, statement) = (self.superuser_url.clone(), format!("DROP DATABASE {} WITH (FORCE)", self.name));
        // A thread of its own: the test's runtime may be ending, and drop cannot wait in it. A database that stays
        // behind harms nobody, so a failure is none of the test's.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let (client, connection) = tokio_postgres::connect(&url, NoTls).await?;
                tokio::spawn(connection);
                client.batch_execute(&statement).await
            })?;
            Ok::<(), anyhow::Error>(())
        });
        let _ = dropping.join();
    }
}

/// Migrates the template unless another process of this run, or an earlier one, has done so.
async fn make_template() -> String {
    let superuser_url = &Servers::get().await.database_url;
    let name = format!("kamiflow_template_{:016x}", migrations_hash());
    let client = connect(superuser_url).await;
    client.execute("SELECT pg_advisory_lock($1)", &[&TEMPLATE_LOCK]).await.expect("the template could not be locked");
    let complete = client
        .query_opt("SELECT datistemplate FROM pg_database WHERE datname = $1", &[&name])
        .await
        .expect("databases could not be listed");
    if complete.as_ref().is_some_and(|row| row.get(0)) {
        return name;
    }
    if complete.is_some() {
        client.batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)")).await.expect("a half-made template stays");
    }
    client.batch_execute(&format!("CREATE DATABASE {name}")).await.expect("no template could be made");
    let target = url_of(superuser_url, None, &name);
    bootstrap(superuser_url, &target).await.expect("the roles could not be made");
    migrate::run(&url_of(superuser_url, Some("kamiflow_owner"), &name), SystemClock.now())
        .await
        .expect("the migrations failed");
    // Only now: a template that was interrupted on the way is made anew.
    client
        .batch_execute(&format!("ALTER DATABASE {name} IS_TEMPLATE true"))
        .await
        .expect("the template was not marked");
    // The lock goes with the connection.
    name
}

/// Tells schemas apart, so that a server that outlives a change of the migrations never hands out the old one.
#[must_use]
pub fn migrations_hash() -> u64 {
    let mut files: Vec<PathBuf> = Vec::new();
    let mut folders = vec![Path::new(MIGRATIONS).to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("the migrations cannot be listed") {
            let path = entry.expect("the migrations cannot be listed").path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    let mut hasher = DefaultHasher::new();
    for file in files {
        std::fs::read(&file).expect("a migration cannot be read").hash(&mut hasher);
    }
    hasher.finish()
}

pub(crate) async fn connect(url: &str) -> Client {
    fleet::connect(url).await.expect("postgres cannot be reached")
}

/// Returns a URL of the same server with another role and database.
pub(crate) fn url_of(superuser_url: &str, role: Option<&str>, database: &str) -> String {
    let (scheme, rest) = superuser_url.split_once("://").expect("the test database's URL has a scheme");
    let (place, query) = rest.split_once('?').map_or((rest, None), |(place, query)| (place, Some(query)));
    let authority = place.split_once('/').map_or(place, |(authority, _database)| authority);
    let (user, host) = authority.split_once('@').map_or(("", authority), |(user, host)| (user, host));
    let user = role.unwrap_or(user);
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    format!("{scheme}://{user}@{host}/{database}{query}")
}
