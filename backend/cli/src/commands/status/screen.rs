//! The report as people read it.

use chrono::{DateTime, Utc};
use kamiflow_kernel::ShopState;

use super::report::{Report, ShopReport};
use crate::console::{Console, Table, Tone};

/// Prints the report, the verdict last.
pub(super) fn show(report: &Report, console: Console) {
    for (heading, table) in [
        ("Servers", servers(report)),
        ("Queues", queues(report)),
        ("Counts", counts(report)),
        ("Open exceptions", exceptions(report)),
        ("Shops", shops(report)),
    ] {
        if !table.is_empty() {
            console.print(format_args!("{}", console.toned(Tone::Strong, heading)));
            table.print(console);
        }
    }
    if report.more_shops {
        console.print(format_args!("  … and more: --shops N lists them"));
    }
    for finding in &report.findings {
        let (tone, word) = if finding.wrong { (Tone::Bad, "wrong") } else { (Tone::Warn, "note ") };
        console.print(format_args!("{} {}", console.toned(tone, word), finding.text));
    }
    let verdict =
        if report.healthy { console.toned(Tone::Good, "healthy") } else { console.toned(Tone::Bad, "unhealthy") };
    console.print(format_args!("{verdict}"));
}

fn servers(report: &Report) -> Table {
    let mut table = Table::new(&["server", "state", "answer", ""]);
    for server in &report.servers {
        let (state, tone) = if server.ok { ("ok", Tone::Good) } else { ("down", Tone::Bad) };
        table.row([
            (server.name.to_owned(), None),
            (state.to_owned(), Some(tone)),
            (format!("{} ms", server.answer_ms), None),
            (server.detail.clone(), Some(Tone::Faint)),
        ]);
    }
    table
}

fn queues(report: &Report) -> Table {
    let mut table = Table::new(&["pool", "due later", "overdue", "ready", "running", "backlog"]);
    for queue in &report.queues {
        let counts = [queue.due, queue.overdue, queue.ready, queue.running, queue.backlog];
        let [due, overdue, ready, running, backlog] = counts.map(|count| (count.to_string(), None));
        table.row([(queue.pool.clone(), None), due, overdue, ready, running, backlog]);
    }
    table
}

fn shops(report: &Report) -> Table {
    let mut table = Table::new(&["shop", "name", "state", "lag", "next read", "gaps", "token", ""]);
    for shop in &report.shops {
        let tone = match shop.state {
            ShopState::Live => Tone::Good,
            ShopState::TrialRun => Tone::Faint,
            ShopState::Stopped | ShopState::Disconnected => Tone::Bad,
        };
        let gaps = shop.coverage_gaps.len();
        table.row([
            (shop.shop.to_string(), None),
            (shop.name.clone(), None),
            (shop.state.to_string(), Some(tone)),
            (span(shop.lag_s), None),
            (distance(shop.next_due_at, report.at), None),
            (gaps.to_string(), (gaps > 0).then_some(Tone::Bad)),
            token(shop, report.at),
            (trouble(shop), Some(Tone::Warn)),
        ]);
    }
    table
}

fn token(shop: &ShopReport, at: DateTime<Utc>) -> (String, Option<Tone>) {
    match (&shop.token_dead, shop.token_expires_at) {
        (Some(_), _) => ("dead".to_owned(), Some(Tone::Bad)),
        (None, None) => ("none".to_owned(), Some(Tone::Bad)),
        (None, Some(expires)) if expires <= at => ("ended".to_owned(), Some(Tone::Bad)),
        (None, Some(expires)) => (span((expires - at).num_seconds()), None),
    }
}

fn trouble(shop: &ShopReport) -> String {
    let words = [shop.stop_reason.clone(), shop.token_dead.clone(), shop.last_error.clone()];
    words.into_iter().flatten().next().unwrap_or_default()
}

fn counts(report: &Report) -> Table {
    let mut table = Table::new(&["what", "how many"]);
    for (name, n) in &report.counts {
        table.row([(name.replace('_', " "), None), (n.to_string(), None)]);
    }
    table
}

fn exceptions(report: &Report) -> Table {
    let mut table = Table::new(&["reason", "open"]);
    for (code, n) in &report.exceptions {
        table.row([(code.clone(), None), (n.to_string(), None)]);
    }
    table
}

/// Says how far away a moment is.
fn distance(moment: DateTime<Utc>, at: DateTime<Utc>) -> String {
    let seconds = (moment - at).num_seconds();
    if seconds < 0 { format!("{} late", span(-seconds)) } else { format!("in {}", span(seconds)) }
}

/// Says a number of seconds in its largest fitting unit.
fn span(seconds: i64) -> String {
    match seconds {
        ..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_said_in_their_largest_fitting_unit() {
        for (seconds, said) in
            [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7_199, "119 min"), (7_200, "2 h"), (172_800, "2 d")]
        {
            assert_eq!(span(seconds), said);
        }
    }
}
