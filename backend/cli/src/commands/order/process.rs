//! `kamiflow order process`: reads an order again, by a worker or in place, and waits for what comes of it.

use std::time::Duration;

use anyhow::Result;
use clap::Args;
use indicatif::ProgressBar;
use kamiflow_domain::ctx::ActError;
use kamiflow_domain::{deliver, process_order, show_order};
use kamiflow_store::{StoreError, order_hints};
use tokio::time::Instant;

use super::{Desk, Place, Target, screen};
use crate::console::{Console, Tone};
use crate::exit::{Exit, NotFound};

pub(super) const EXAMPLES: &str = "\
Examples:
  kamiflow order process 261122-100000000000017
  kamiflow order process 261122-100000000000017 --here     # without a worker
  kamiflow order process 261122-100000000000017 --shop shop_0190…    # an order that was never seen

Waits until the order was read (--wait seconds) and shows where it is then.";

/// How often the hint is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Turns in place after which somebody else may go on.
const MOST_TURNS: u32 = 20;

/// Options of `kamiflow order process`.
#[derive(Debug, Args)]
pub(super) struct Options {
    #[command(flatten)]
    target: Target,

    /// Does the work in this process instead of waking a worker.
    #[arg(long)]
    here: bool,

    /// Waits at most so long for the order to be read; 0 does not wait.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(0..=3_600))]
    wait: u64,
}

/// Hints the order, lets it be read, and shows it.
pub(super) async fn run(desk: &Desk, options: &Options, console: Console) -> Result<Exit> {
    let place = desk.find(&options.target).await?;
    let wakes = match process_order::process(&desk.engine, &desk.act(&place), place.shop, &place.order_sn).await {
        Err(ActError::Store(StoreError::NotFound(what))) => {
            return Err(NotFound(format!("there is no {what} {}", place.shop)).into());
        }
        wakes => wakes?,
    };
    let spinner = spinner(console);
    let read = if options.here {
        work(desk, &place, &spinner).await?
    } else {
        desk.wake(&place, &wakes).await;
        wait(desk, &place, Duration::from_secs(options.wait), &spinner).await?
    };
    spinner.finish_and_clear();
    let view = show_order::show(&desk.engine, &desk.act(&place), place.shop, &place.order_sn).await?;
    match &view {
        Some(view) if console.is_json() => console.print_json(view)?,
        Some(view) => screen::show(view, console),
        None if read => {
            let place = place.shop;
            return Err(NotFound(format!("the platform knows no such order of shop {place}")).into());
        }
        None => {}
    }
    if !read && options.wait > 0 {
        let late = console.toned(Tone::Warn, "not read yet:");
        console.note(format_args!("{late} is `kamiflow work` running? The hint stays and is found by the next worker"));
        return Ok(Exit::Failed);
    }
    Ok(Exit::Done)
}

fn spinner(console: Console) -> ProgressBar {
    if !console.is_watched() {
        return ProgressBar::hidden();
    }
    let spinner = ProgressBar::new_spinner();
    spinner.enable_steady_tick(Duration::from_millis(120));
    spinner
}

/// Runs the shop's turns here until the order was read. Returns whether it was.
async fn work(desk: &Desk, place: &Place, spinner: &ProgressBar) -> Result<bool> {
    for turn in 1..=MOST_TURNS {
        spinner.set_message(format!("turn {turn} of shop {}", place.shop));
        let outcome = deliver::tick(&desk.engine, place.merchant, place.shop).await?;
        desk.wake(place, &outcome.wakes).await;
        if !is_hinted(desk, place).await? {
            return Ok(true);
        }
        if outcome.done == 0 {
            break;
        }
    }
    Ok(false)
}

/// Waits until a worker has read the order. Returns whether one did.
async fn wait(desk: &Desk, place: &Place, patience: Duration, spinner: &ProgressBar) -> Result<bool> {
    spinner.set_message("waiting for a worker to read the order");
    let until = Instant::now() + patience;
    while is_hinted(desk, place).await? {
        if Instant::now() >= until {
            return Ok(false);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(true)
}

async fn is_hinted(desk: &Desk, place: &Place) -> Result<bool, StoreError> {
    let mut tx = desk.engine.store.tenant_tx(place.merchant).await?;
    let hints = order_hints::list_among(&mut tx, place.shop, std::slice::from_ref(&place.order_sn)).await?;
    tx.commit().await?;
    // A read that told nothing new puts the hint off; it was read all the same.
    Ok(hints.iter().any(|hint| hint.tries == 0))
}
