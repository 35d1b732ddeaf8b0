//! `bench timing`: whether somebody can tell from an answer, or from how long it took, which addresses have an account.
//!
//! Sign-ups, log-ins and resets are sent in turns to `kamiflow serve`, each kind for an address that is known and for one
//! that is not, over one connection, so that nothing waits for another one. Their status, headers and length must be the
//! same, and their medians within a few percent. The site's own limits are not lifted: each request comes from an address
//! of its own behind a trusted proxy, and each account is used once per kind.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, ensure};
use clap::Args;
use kamiflow_domain::accounts::password::PasswordHasher;
use kamiflow_domain::accounts::{Accounts, AccountsConfig, Visit};
use kamiflow_domain::engine::Engine;
use kamiflow_queue::Queue;
use kamiflow_runner::queue_config;
use kamiflow_test_support::accounts::{Mailbox, PASSWORD, accounts, owner, visit};
use kamiflow_test_support::program::note;
use rand::seq::SliceRandom as _;
use reqwest::header::{HeaderMap, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use serde::Serialize;

use crate::at_least_one;
use crate::import::offline_engine;
use crate::measure::{median, rounded};
use crate::process::{self, Site};
use crate::servers::Servers;

const DATABASE: &str = "bench_timing";
/// How far medians may lie apart, as a share of the longer one.
const APART: f64 = 0.05;
/// Headers that name the request itself; only their length is compared.
const OF_ITS_OWN: [&str; 3] = ["date", "x-request-id", "set-cookie"];
/// Requests that warm the process up and do not count.
const WARM_UP: usize = 120;

/// Options of `bench timing`.
#[derive(Args)]
pub(crate) struct Options {
    /// Requests of all kinds together.
    #[arg(long, value_name = "N", value_parser = at_least_one(), default_value_t = 2_000)]
    requests: usize,
}

/// What strangers may ask about an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    SignUp,
    LogIn,
    Reset,
}

impl Kind {
    const ALL: [Self; 3] = [Self::SignUp, Self::LogIn, Self::Reset];

    const fn name(self) -> &'static str {
        match self {
            Self::SignUp => "sign_up",
            Self::LogIn => "log_in",
            Self::Reset => "reset",
        }
    }

    const fn path(self) -> &'static str {
        match self {
            Self::SignUp => "/sign-up",
            Self::LogIn => "/log-in",
            Self::Reset => "/reset-password",
        }
    }

    fn fields(self, email: &str) -> Vec<(&'static str, &str)> {
        match self {
            Self::SignUp => vec![("email", email), ("password", PASSWORD), ("merchant", "测试商家")],
            Self::LogIn => vec![("login", email), ("password", "not the right password")],
            Self::Reset => vec![("email", email)],
        }
    }
}

/// One request.
#[derive(Debug, Clone, Copy)]
struct Turn {
    kind: Kind,
    is_known: bool,
    number: usize,
}

/// The medians of one kind, milliseconds.
#[derive(Serialize)]
pub(crate) struct Medians {
    known_ms: f64,
    unknown_ms: f64,
    /// How far they are apart, as a share of the longer one.
    apart: f64,
}

/// What was measured.
#[derive(Serialize)]
pub(crate) struct Figures {
    requests: usize,
    sign_up: Medians,
    log_in: Medians,
    reset: Medians,
}

/// Measures, and fails when known addresses are told from unknown ones.
pub(crate) async fn run(servers: &Servers, options: &Options) -> Result<Figures> {
    servers.fresh_database(DATABASE).await?;
    let each = options.requests.div_ceil(Kind::ALL.len() * 2);
    let prefix = format!("bench-timing-{}", uuid::Uuid::now_v7().simple());
    let engine = offline_engine(servers, DATABASE)?;
    sign_up(servers, &engine, &prefix, each + WARM_UP).await?;
    let trusted = BTreeMap::from([("KAMIFLOW_UI_TRUSTED_PROXIES", "127.0.0.1".to_owned())]);
    let site = process::serve(servers, (DATABASE, &prefix), trusted).await?;
    let asked = ask(&site, each).await;
    site.process.stop().await?;
    let Asked { took, answers } = asked?;
    for (kind, answers) in &answers {
        ensure!(answers.len() == 1, "{} is answered in {} ways: {answers:#?}", kind.name(), answers.len());
    }
    let medians = |kind| medians(&took, kind);
    let figures = Figures {
        requests: took.values().map(Vec::len).sum(),
        sign_up: medians(Kind::SignUp),
        log_in: medians(Kind::LogIn),
        reset: medians(Kind::Reset),
    };
    for (kind, medians) in Kind::ALL.into_iter().zip([&figures.sign_up, &figures.log_in, &figures.reset]) {
        note(format_args!("{}: known {} ms, unknown {} ms", kind.name(), medians.known_ms, medians.unknown_ms));
        ensure!(medians.apart <= APART, "{} takes {:.1} % longer", kind.name(), medians.apart * 100.0);
    }
    servers.drop_database(DATABASE).await?;
    Ok(figures)
}

/// Makes accounts whose passwords are hashed as the site hashes them.
async fn sign_up(servers: &Servers, engine: &Engine, prefix: &str, count: usize) -> Result<()> {
    note(format_args!("Making {count} accounts"));
    let queue = Queue::connect(queue_config(&servers.redis.url(), prefix, 4)).await?;
    let cheap = accounts(engine.store.clone(), Arc::clone(&engine.clock), &queue, "http://127.0.0.1");
    cheap.prepare().await?;
    let config = AccountsConfig::default();
    let accounts = Accounts { hasher: Arc::new(PasswordHasher::new(config.hash_cost, 4)?), ..cheap };
    let mailbox = Mailbox::default();
    for number in 0..count {
        // From an address of its own, because requests of one address are slowed down.
        let visit = Visit { ip: address(1, number).parse()?, ..visit(engine.now()) };
        owner(&accounts, &mailbox, &visit, &email(true, number)).await;
    }
    Ok(())
}

/// Returns an address of the same length for everybody.
fn email(is_known: bool, number: usize) -> String {
    format!("{}-{number:06}@bench.test", if is_known { "owner" } else { "other" })
}

/// Returns where somebody comes from.
fn address(network: usize, number: usize) -> String {
    format!("10.{network}.{}.{}", number / 250, number % 250 + 1)
}

/// What came back.
struct Asked {
    took: BTreeMap<(Kind, bool), Vec<f64>>,
    /// The different answers to each kind: status, headers, length.
    answers: BTreeMap<Kind, BTreeSet<String>>,
}

async fn ask(site: &Site, each: usize) -> Result<Asked> {
    let client = Client::builder().redirect(Policy::none()).pool_max_idle_per_host(1).build()?;
    let mut asked = Asked { took: BTreeMap::new(), answers: BTreeMap::new() };
    let warm_up = WARM_UP / (Kind::ALL.len() * 2);
    note(format_args!("Asking {} times", each * Kind::ALL.len() * 2));
    for number in 0..warm_up + each {
        let mut round: Vec<Turn> = Kind::ALL
            .iter()
            .flat_map(|kind| [true, false].map(|is_known| Turn { kind: *kind, is_known, number }))
            .collect();
        // Whoever comes first in a round must not always be the same.
        round.shuffle(&mut rand::rng());
        for turn in round {
            let (answer, took) = send(&client, site, turn).await?;
            if number >= warm_up {
                asked.took.entry((turn.kind, turn.is_known)).or_default().push(took);
                asked.answers.entry(turn.kind).or_default().insert(answer);
            }
        }
    }
    Ok(asked)
}

/// Sends a form; returns what it was answered, and after how many milliseconds.
async fn send(client: &Client, site: &Site, turn: Turn) -> Result<(String, f64)> {
    let Turn { kind, is_known, number } = turn;
    let email = email(is_known, number);
    let base = format!("http://{}", site.address);
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(kind.fields(&email)).finish();
    // Kinds and known or not come from networks of their own.
    let network = 10 + Kind::ALL.iter().position(|of| *of == kind).unwrap_or_default() * 2 + usize::from(is_known);
    let request = client
        .post(format!("{base}{}", kind.path()))
        .header("origin", &base)
        .header("accept", "text/html")
        .header("content-type", "application/x-www-form-urlencoded")
        .header("x-forwarded-for", address(network, number))
        .body(body);
    let began = Instant::now();
    let answer = request.send().await?;
    let told = told(&answer);
    let length = answer.bytes().await?.len();
    let took = began.elapsed().as_secs_f64() * 1_000.0;
    Ok((format!("{told}\n{length} bytes"), took))
}

/// Returns status and headers; of what names the request or the address, name and length.
fn told(answer: &Response) -> String {
    let mut lines = vec![answer.status().to_string()];
    let headers: &HeaderMap = answer.headers();
    for (name, value) in headers {
        let text = String::from_utf8_lossy(value.as_bytes());
        let is_own = OF_ITS_OWN.contains(&name.as_str());
        let name_of_cookie = if name == SET_COOKIE { text.split('=').next().unwrap_or_default() } else { "" };
        lines.push(match is_own {
            true => format!("{name}: {name_of_cookie} {} bytes", text.len()),
            false => format!("{name}: {text}"),
        });
    }
    // Each thread of the site writes headers in an order of its own.
    lines.sort();
    lines.join("\n")
}

fn medians(took: &BTreeMap<(Kind, bool), Vec<f64>>, kind: Kind) -> Medians {
    let of = |is_known| median(took.get(&(kind, is_known)).cloned().unwrap_or_default());
    let (known, unknown) = (of(true), of(false));
    let apart = (known - unknown).abs() / known.max(unknown).max(f64::MIN_POSITIVE);
    Medians { known_ms: rounded(known, 3), unknown_ms: rounded(unknown, 3), apart: rounded(apart, 4) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_and_unknown_addresses_differ_in_nothing_but_their_words() {
        assert_eq!(email(true, 7).len(), email(false, 7).len());
        let places: BTreeSet<String> = (0..600).map(|number| address(3, number)).collect();
        assert_eq!(places.len(), 600);
    }

    #[test]
    fn medians_are_compared_by_the_longer_one() {
        let took = BTreeMap::from([((Kind::Reset, true), vec![10.0]), ((Kind::Reset, false), vec![8.0])]);
        let medians = medians(&took, Kind::Reset);
        assert_eq!((medians.known_ms, medians.unknown_ms, medians.apart), (10.0, 8.0, 0.2));
    }
}
