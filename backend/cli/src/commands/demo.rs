//! `kamiflow demo`: everything on this machine, live: servers, sandbox, workers, two shops and their buyers.
//!
//! The same binary does it all in one process. Buyers order through the sandbox's `/control/`; from there on the demo
//! only watches Postgres, and in the end it compares the sandbox's books with ours ([`books`]).

mod books;
mod buyers;
mod catalog;
mod fulfiller;
mod installation;
mod screen;
mod shops;
mod site;
mod summary;
mod tracker;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Args;
use futures_util::future::{self, Either};
use kamiflow_domain::engine::Engine;
use kamiflow_kernel::{DeliveryId, MerchantId, SecretBytes};
use kamiflow_runner::Waker;
use kamiflow_runtime::config::{self, EnvSource as _, ProcessEnv, Telemetry};
use kamiflow_runtime::{shutdown, telemetry};
use kamiflow_store::{StoreError, cards, delivery_lines};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use self::books::{OurCard, OurOrder, Verdict};
use self::buyers::Pace;
use self::installation::Installation;
use self::screen::Screen;
use self::shops::{Merchant, Stock};
use self::summary::{Summary, TimeToCard};
use self::tracker::Tracker;
use crate::console::Console;
use crate::exit::Exit;
use crate::sandbox_control::Ledger;

pub(crate) const EXAMPLES: &str = "\
Examples:
  kamiflow demo                               live until Ctrl-C
  kamiflow demo --fresh                       from an empty database
  kamiflow demo --orders 200 --exit --json    ends by itself; one JSON object is the last line of stdout

Two sandbox shops sell vouchers, platform codes, top-ups, pick-up cards and physical goods; a few buyers want their
money back, one product is mapped to nothing. In the end the sandbox's own books are compared with Postgres: exits
with 1 unless duplicates, lost and oversold are all 0. A second start goes on with the same database.";

/// How often Postgres is asked how far the orders are.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How often the sandbox's ledger is read for the live figures; it grows with the orders.
const LEDGER_EVERY: Duration = Duration::from_secs(3);
/// How often an endless demo looks after its stock.
const STOCK_EVERY: Duration = Duration::from_secs(15);
/// What an endless demo keeps in stock.
const ENDLESS: Stock = Stock { cards: 2_000, imported: 1_000 };
/// Cards the platform takes in one import (protocol 4.3).
const MOST_IMPORTED: u64 = 5_000;

/// Options of `kamiflow demo`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Buyers order so often and then stop; without it they go on.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000))]
    orders: Option<u64>,

    /// Ends when the orders have ended. Implies --orders 200 unless that is given.
    #[arg(long)]
    exit: bool,

    /// With --exit: ends after so many seconds, counted after the start-up, whatever has ended by then.
    #[arg(long, value_name = "SECONDS", default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    deadline: u64,

    /// Orders per second; 20 with --orders, else 2.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    rate: Option<u32>,

    /// Deletes what an earlier demo left and begins anew.
    #[arg(long)]
    fresh: bool,

    /// Where the servers live.
    #[arg(long, value_name = "FOLDER", default_value = ".kamiflow/demo")]
    dir: PathBuf,

    /// The built web pages; without them there is no web site.
    #[arg(long, value_name = "FOLDER", default_value = ".kamiflow/site")]
    site: PathBuf,

    /// Serves the web site here; else at 127.0.0.1:8080, or at any port if that is taken.
    #[arg(long, value_name = "IP:PORT")]
    listen: Option<SocketAddr>,

    /// The same seed lets the sandbox make the same choices.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

impl Options {
    fn orders(&self) -> Option<u64> {
        self.orders.or(self.exit.then_some(200))
    }

    fn pace(&self) -> Pace {
        let orders = self.orders();
        let per_second = self.rate.map_or(if orders.is_some() { 20.0 } else { 2.0 }, f64::from);
        Pace { orders, per_second }
    }

    /// At most three cards an order; the platform gets its share of the orders ahead.
    fn stock(&self) -> Result<Stock> {
        let Some(orders) = self.orders() else { return Ok(ENDLESS) };
        let imported = (orders / 4 + 50).min(MOST_IMPORTED);
        Ok(Stock { cards: u32::try_from(orders * 2 + 500)?, imported: u32::try_from(imported)? })
    }
}

/// Runs the demo.
pub(crate) async fn run(options: Options, console: Console) -> Result<Exit> {
    log()?;
    let stop = shutdown::on_signals()?;
    if options.fresh {
        console.step("Deleting what an earlier demo left");
        installation::wipe(&options.dir)?;
    }
    let installation = Installation::start(&options.dir, catalog::scenario(), options.seed, console).await?;
    let ended = sell(&options, &installation, &stop, console).await;
    installation.stop(console).await?;
    ended
}

/// Logs errors only, unless the environment says otherwise: the screen is for progress.
fn log() -> Result<()> {
    let mut settings: Telemetry = config::load(&ProcessEnv)?;
    if ProcessEnv.get("KAMIFLOW_TELEMETRY_LOG").is_none() {
        "error".clone_into(&mut settings.log);
    }
    Ok(telemetry::init(&settings)?)
}

/// Sets the shops up, lets buyers order, and closes the books.
async fn sell(
    options: &Options,
    installation: &Installation,
    stop: &CancellationToken,
    console: Console,
) -> Result<Exit> {
    let engine = &installation.engine;
    let (queue, control) = (&installation.queue, &installation.control);
    let (gateway, inbox) = (&installation.gateway, installation.inbox());
    let parts = site::Parts { engine, queue, control, gateway, inbox };
    let product = site::product(&parts).await?;
    let pages = site::serve(&options.site, options.listen, (&parts, &product), console)?;
    console
        .step(format_args!("Connecting {} sandbox shops, mapping their products (usually a second)", catalog::SHOPS));
    let merchant = Merchant::set_up(engine, &installation.control).await?;
    let stock = options.stock()?;
    console.step(format_args!("Filling the card pools up to {} cards each (usually 1 to 5 seconds)", stock.cards));
    merchant.stock_up(engine, stock.cards).await?;
    merchant.go_live(engine).await?;
    merchant.import(engine, stock.imported).await?;
    let workers = installation.work()?;
    if let Some(pages) = &pages {
        console.note(pages.place());
    }
    console.note(installation.places());
    console.step("Selling; Ctrl-C stops everything");

    let tracker = Tracker::new(merchant.id, merchant.shops.clone());
    let day = Day { options, installation, merchant: &merchant, tracker: &tracker, began: Instant::now() };
    let complete = day.run(stop, console).await;
    // Workers first: books are compared when nothing moves any more.
    installation::stop_workers(workers).await;
    if let Some(pages) = pages {
        pages.stop().await?;
    }
    let complete = complete?;
    day.close(complete, console).await
}

/// A day of business.
struct Day<'a> {
    options: &'a Options,
    installation: &'a Installation,
    merchant: &'a Merchant,
    tracker: &'a Tracker,
    began: Instant,
}

impl Day<'_> {
    /// Sells until the orders have ended, the deadline has passed, or somebody stops it. Returns whether every order
    /// had its time.
    async fn run(&self, stop: &CancellationToken, console: Console) -> Result<bool> {
        let closing = stop.child_token();
        let engine = &self.installation.engine;
        let waker = Waker::new(&self.installation.queue);
        let helpers = future::try_join3(
            buyers::shop(&self.installation.control, self.tracker, self.options.pace(), &closing),
            fulfiller::work(engine, self.merchant.id, &waker, &closing),
            self.look_after_stock(&waker, &closing),
        );
        let watching = self.watch(&closing, console);
        // Helpers end by an error only, or when the watch has ended and cancels them.
        match future::select(Box::pin(helpers), Box::pin(watching)).await {
            Either::Left((Err(error), _)) => Err(error),
            Either::Left((Ok(_), watching)) => watching.await,
            Either::Right((watched, helpers)) => {
                closing.cancel();
                helpers.await?;
                watched
            }
        }
    }

    async fn watch(&self, closing: &CancellationToken, console: Console) -> Result<bool> {
        let mut screen = Screen::open(console, self.options.orders());
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let deadline = Duration::from_secs(self.options.deadline);
        let (mut waits, mut ledger_at) = (None, Instant::now());
        let complete = loop {
            tokio::select! {
                () = closing.cancelled() => break false,
                _ = ticks.tick() => {}
            }
            self.tracker.refresh(&self.installation.engine).await?;
            for order_sn in self.tracker.take_refunds() {
                buyers::refund(&self.installation.control, order_sn.as_str()).await?;
            }
            if ledger_at.elapsed() >= LEDGER_EVERY {
                waits = Some(TimeToCard::of(&self.installation.control.ledger().await?));
                ledger_at = Instant::now();
            }
            let counts = self.tracker.counts();
            screen.show(counts, waits);
            let all_ended = self.options.orders().is_some_and(|orders| counts.ended >= orders);
            if self.options.exit && (all_ended || self.began.elapsed() >= deadline) {
                break true;
            }
        };
        screen.close();
        let ended = self.tracker.counts().ended;
        if let Some(orders) = self.options.orders().filter(|orders| complete && ended < *orders) {
            let seconds = self.options.deadline;
            console.note(format_args!("The deadline of {seconds} s has passed; {ended} of {orders} orders have ended"));
        }
        Ok(complete)
    }

    async fn look_after_stock(&self, waker: &Waker, closing: &CancellationToken) -> Result<()> {
        let wanted = self.options.stock()?;
        loop {
            tokio::select! {
                () = closing.cancelled() => return Ok(()),
                () = tokio::time::sleep(STOCK_EVERY) => {}
            }
            // A fixed number of orders was stocked for at the start.
            if self.options.orders().is_none() {
                let (_, wakes) = self.merchant.stock_up(&self.installation.engine, wanted.cards).await?;
                waker.wake(self.merchant.id, &wakes).await;
            }
        }
    }

    /// Compares the books and tells the result.
    async fn close(&self, complete: bool, console: Console) -> Result<Exit> {
        let wall_s = self.began.elapsed().as_secs_f64();
        let engine = &self.installation.engine;
        self.tracker.refresh_all(engine).await?;
        let ledger: Ledger = self.installation.control.ledger().await?;
        let ours = our_books(engine, self.merchant.id, self.tracker).await?;
        let verdict: Verdict = books::compare(&ledger, &ours, complete);
        for note in &verdict.notes {
            console.note(note);
        }
        Summary::new(self.tracker.counts(), &verdict, &ledger, wall_s).print(console)?;
        Ok(if verdict.is_clean() { Exit::Done } else { Exit::Failed })
    }
}

/// Reads what Postgres has about the orders, with the cards they hold.
async fn our_books(engine: &Engine, merchant: MerchantId, tracker: &Tracker) -> Result<BTreeMap<String, OurOrder>> {
    let mut ours = BTreeMap::new();
    let mut by_delivery: BTreeMap<DeliveryId, String> = BTreeMap::new();
    for order in tracker.orders() {
        let row = order.row.as_ref();
        let sn = order.order_sn.as_str().to_owned();
        if let Some(delivery) = row.and_then(|row| row.delivery()) {
            by_delivery.insert(delivery, sn.clone());
        }
        let our = OurOrder {
            state: order.state(),
            method: row.and_then(|row| row.method().ok().flatten()),
            delivered: row.is_some_and(|row| row.delivered),
            ended: order.has_ended(),
            in_review: row.is_some_and(|row| row.in_review),
            cards: Vec::new(),
        };
        ours.insert(sn, our);
    }
    let deliveries: Vec<DeliveryId> = by_delivery.keys().copied().collect();
    for chunk in deliveries.chunks(500) {
        for (delivery, card) in held_cards(engine, merchant, chunk).await? {
            if let Some(our) = by_delivery.get(&delivery).and_then(|sn| ours.get_mut(sn)) {
                our.cards.push(card);
            }
        }
    }
    Ok(ours)
}

async fn held_cards(
    engine: &Engine,
    merchant: MerchantId,
    deliveries: &[DeliveryId],
) -> Result<Vec<(DeliveryId, OurCard)>, StoreError> {
    let mut tx = engine.store.tenant_tx(merchant).await?;
    let mut held = Vec::new();
    for line in delivery_lines::list_live(&mut tx, deliveries).await? {
        let (Some(key), Some(card), Some(sealed)) = (line.data_key(), line.card_id, &line.number_sealed) else {
            continue;
        };
        let key = tx.data_key_by_id(key).await?;
        let text = |plain: SecretBytes| String::from_utf8_lossy(plain.expose()).into_owned();
        let number = text(key.open(cards::NUMBER, card, sealed)?);
        let shown = match &line.secret_sealed {
            Some(sealed) => format!("{number} {}", text(key.open(cards::SECRET, card, sealed)?)),
            None => number.clone(),
        };
        held.push((DeliveryId::from_uuid(line.delivery_id), OurCard { number, shown }));
    }
    tx.commit().await?;
    Ok(held)
}
