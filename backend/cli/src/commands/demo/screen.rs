//! Live progress on stderr: a bar where somebody watches, a line now and then where not.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::summary::TimeToCard;
use super::tracker::Counts;
use crate::console::Console;

/// How often a line is written where nobody watches.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Where progress is shown.
pub(super) struct Screen {
    bar: Option<ProgressBar>,
    console: Console,
    last_line: Instant,
    /// What was shown last.
    shown: String,
}

impl Screen {
    /// Opens the screen; with a number of orders it shows how many of them have ended.
    pub(super) fn open(console: Console, orders: Option<u64>) -> Self {
        let bar = console.is_watched().then(|| {
            let (bar, template) = match orders {
                Some(orders) => (ProgressBar::new(orders), "{elapsed:>4} {bar:32.green/dim} {pos}/{len} ended  {msg}"),
                None => (ProgressBar::new_spinner(), "{elapsed:>4} {spinner:.green} {pos} ended  {msg}"),
            };
            bar.set_draw_target(ProgressDrawTarget::stderr());
            // A template that does not parse would only cost the layout.
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        Self { bar, console, last_line: Instant::now(), shown: String::new() }
    }

    /// Shows how far the orders are.
    pub(super) fn show(&mut self, counts: Counts, waits: Option<TimeToCard>) {
        let text = line(counts, waits);
        self.shown = format!("{} ended  {text}", counts.ended);
        match &self.bar {
            Some(bar) => {
                bar.set_position(counts.ended);
                bar.set_message(text);
            }
            None if self.last_line.elapsed() >= LINE_EVERY => {
                self.last_line = Instant::now();
                self.console.note(&self.shown);
            }
            None => {}
        }
    }

    /// Closes the screen; what it showed last stays.
    pub(super) fn close(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
        self.console.note(self.shown);
    }
}

fn line(counts: Counts, waits: Option<TimeToCard>) -> String {
    let Counts { seen, delivered, redeemed, skipped, exceptions, .. } = counts;
    let time = |wait: Option<i64>| wait.map_or_else(|| "-".to_owned(), |ms| format!("{ms} ms"));
    let waits = waits
        .map_or_else(String::new, |waits| format!("  time to card p50 {} p99 {}", time(waits.p50), time(waits.p99)));
    format!(
        "{seen} seen  {delivered} delivered  {redeemed} redeemed  {skipped} skipped  {exceptions} exceptions{waits}"
    )
}
