//! The order of the checks, and what each needs.

use std::future::Future;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use kamiflow_domain::doctor::{self, Finding};
use kamiflow_kernel::Clock as _;
use kamiflow_queue::Queue;
use kamiflow_runtime::clock::SystemClock;
use kamiflow_runtime::config::{self, Config, Database, Gateway, Keyring, ProcessEnv, Redis, Section, Worker};
use kamiflow_store::{Store, StoreError};

use super::servers;
use crate::connect;
use crate::console::{Console, chain};
use crate::trouble;

/// What a check that could not be made is called.
const UNSEEN: &str = "not looked at";

/// One run over an installation.
pub(super) struct Examination {
    ledger_days: u32,
    console: Console,
    findings: Vec<Finding>,
}

impl Examination {
    /// Returns an examination that has found nothing yet.
    pub(super) const fn new(ledger_days: u32, console: Console) -> Self {
        Self { ledger_days, console, findings: Vec::new() }
    }

    /// Makes every check.
    pub(super) async fn run(mut self) -> Vec<Finding> {
        self.configuration();
        let (store, has_keys) = self.store().await;
        let queue = self.redis().await;
        self.gateway(store.as_ref().filter(|_| has_keys), queue.as_ref()).await;
        if let Some(store) = &store {
            self.database(store).await;
            self.keys(store, has_keys).await;
            self.audit_log(store).await;
            self.ledger(store).await;
        }
        self.findings
    }

    /// Every problem of the whole configuration; the checks that follow use what can be read of it.
    fn configuration(&mut self) {
        match config::load::<Config>(&ProcessEnv) {
            Ok(_) => self.findings.push(Finding::ok("configuration", "complete")),
            Err(error) => self.findings.extend(error.problems.into_iter().map(|problem| {
                // The message ends with the cure, behind the last colon that is followed by a blank.
                let (text, cure) = problem.message.split_once(": ").unwrap_or((problem.message.as_str(), ""));
                Finding::fail("configuration", text, cure)
            })),
        }
        self.findings.extend(config::unknown_names(&ProcessEnv).into_iter().map(|name| {
            let cure = "correct its name after docs/reference/env.md, or leave it out";
            Finding::warn("configuration.unknown", format!("{name} is set and means nothing"), cure)
        }));
    }

    /// Returns the store if Postgres answers, and whether it has the key ring.
    async fn store(&mut self) -> (Option<Store>, bool) {
        let Some(database) = section::<Database>() else {
            self.unseen("database", "its URL is not configured");
            return (None, false);
        };
        let keyring = section::<Keyring>();
        let opened = match &keyring {
            Some(keyring) => connect::store(&database, keyring),
            None => connect::store_without_keys(&database),
        };
        let store = match opened {
            Ok(store) => store,
            Err(error) => {
                let text = chain(&trouble::explained(error));
                self.findings.push(Finding::fail("database", text, "correct KAMIFLOW_DATABASE_URL"));
                return (None, false);
            }
        };
        let place = store.place().to_owned();
        match store.system_tx().await {
            Ok(tx) => drop(tx),
            Err(error) => {
                let cure = trouble::cure_of_postgres(&error, "KAMIFLOW_DATABASE_URL");
                self.findings.push(Finding::fail("database", trouble::told(&error), cure));
                return (None, false);
            }
        }
        self.findings.push(Finding::ok("database", format!("{place} answers")));
        (Some(store), keyring.is_some())
    }

    async fn redis(&mut self) -> Option<Queue> {
        let Some((redis, worker)) = section::<(Redis, Worker)>() else {
            self.unseen("redis", "it is not configured");
            return None;
        };
        let queue = match connect::queue(&redis, &worker).await {
            Ok(queue) => queue,
            Err(error) => {
                let said = chain(&error);
                let (text, cure) = said.rsplit_once("; ").unwrap_or((&said, "correct KAMIFLOW_REDIS_URL"));
                self.findings.push(Finding::fail("redis", text, cure));
                return None;
            }
        };
        self.findings.extend(servers::redis(&queue).await);
        Some(queue)
    }

    async fn gateway(&mut self, store: Option<&Store>, queue: Option<&Queue>) {
        let (Some(gateway), Some(store), Some(queue)) = (section::<Gateway>(), store, queue) else {
            let why = "it needs the gateway's configuration, Postgres, Redis and the key ring";
            self.unseen("gateway", why);
            return;
        };
        let waiting = self.watch("Asking the gateway for its time");
        let found = servers::gateway(&gateway, store, queue).await;
        waiting.finish_and_clear();
        self.findings.extend(found);
    }

    async fn database(&mut self, store: &Store) {
        self.check("database.server", doctor::server(store, || SystemClock.now())).await;
        self.check("database.schema", doctor::schema(store)).await;
        self.check("roles", doctor::roles(store)).await;
        self.check("roles.rights", doctor::rights(store)).await;
        self.check("database.policies", doctor::policies(store)).await;
        self.check("database.functions", doctor::functions(store)).await;
        self.check("database.partitions", doctor::partitions(store)).await;
    }

    async fn keys(&mut self, store: &Store, has_keys: bool) {
        if !has_keys {
            self.unseen("keys", "the key ring is not configured");
            return;
        }
        let bar = self.watch("Opening data keys");
        let mut progress = |done, of| show(&bar, done, of);
        let checked = doctor::keys(store, &mut progress).await;
        bar.finish_and_clear();
        self.take("keys", checked);
    }

    async fn audit_log(&mut self, store: &Store) {
        let bar = self.watch("Computing the audit logs' chains");
        let mut progress = |done, of| show(&bar, done, of);
        let checked = doctor::audit_log(store, &mut progress).await;
        bar.finish_and_clear();
        self.take("audit.chain", checked);
    }

    async fn ledger(&mut self, store: &Store) {
        if self.ledger_days == 0 {
            return;
        }
        let bar = self.watch("Checking the card ledgers' chains");
        let mut progress = |done, of| show(&bar, done, of);
        let checked = doctor::chains(store, self.ledger_days, SystemClock.now(), &mut progress).await;
        bar.finish_and_clear();
        self.take("ledger.chains", checked);
        let bar = self.watch("Computing the card ledgers' roots");
        let mut progress = |done, of| show(&bar, done, of);
        let checked = doctor::ledger(store, self.ledger_days, SystemClock.now(), &mut progress).await;
        bar.finish_and_clear();
        self.take("ledger.roots", checked);
    }

    async fn check(&mut self, code: &'static str, looking: impl Future<Output = Result<Vec<Finding>, StoreError>>) {
        let checked = looking.await;
        self.take(code, checked);
    }

    fn take(&mut self, code: &'static str, checked: Result<Vec<Finding>, StoreError>) {
        match checked {
            Ok(findings) => self.findings.extend(findings),
            Err(error) => {
                let text = format!("could not be looked at: {}", trouble::told(&error));
                self.findings.push(Finding::fail(code, text, "mend what else fails here, then run this again"));
            }
        }
    }

    fn unseen(&mut self, code: &'static str, why: &str) {
        let cure = "mend what fails above, then run this again";
        self.findings.push(Finding::warn(code, format!("{UNSEEN}: {why}"), cure));
    }

    /// A bar where somebody watches; it shows what takes longer than a moment.
    fn watch(&self, what: &'static str) -> ProgressBar {
        if !self.console.is_watched() {
            return ProgressBar::hidden();
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()).with_message(what);
        // A template that does not parse would only cost the layout.
        if let Ok(style) =
            ProgressStyle::with_template("{elapsed:>4} {spinner:.green} {msg} {bar:24.green/dim} {percent}%")
        {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(120));
        bar
    }
}

fn show(bar: &ProgressBar, done: u64, of: u64) {
    bar.set_length(of);
    bar.set_position(done);
}

/// Reads what can be read; its problems were told by the check of the whole configuration.
fn section<S: Section>() -> Option<S> {
    config::load(&ProcessEnv).ok()
}
