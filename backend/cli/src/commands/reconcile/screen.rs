//! A run as people read it.

use kamiflow_domain::reconcile::{GapView, Report, RestoredView};
use kamiflow_kernel::format_platform_time;

use super::Outcome;
use crate::console::{Console, Table, Tone};

/// More of a kind are counted, not listed; `--json` lists all.
const MOST_LINES: usize = 50;

/// Shows how a shop went.
pub(super) fn show(outcome: &Outcome, console: Console) {
    let Some(report) = &outcome.report else {
        let failed = console.toned(Tone::Bad, "not read");
        let error = outcome.error.as_deref().unwrap_or_default();
        return console.print(format_args!("{failed} {}: {error}", outcome.shop));
    };
    let (from, to) = (format_platform_time(report.from), format_platform_time(report.to));
    let verdict = match (report.is_clean(), report.complete) {
        (true, true) => console.toned(Tone::Good, "nothing was missed"),
        (false, true) => console.toned(Tone::Warn, "something was missed"),
        (_, false) => console.toned(Tone::Bad, "not read to the end"),
    };
    console.print(format_args!("{verdict} in {} (mall {}), {from} to {to}", outcome.shop, report.mall));
    console.print(format_args!(
        "  {} orders and {} after-sales in {} windows",
        report.orders, report.refunds, report.windows
    ));
    findings(report, console);
    proof(report, console);
    if let Some(error) = &outcome.error {
        console.print(format_args!("  {} {error}", console.toned(Tone::Bad, "stopped:")));
    }
    if let Some(at) = report.resume_at {
        console.print(format_args!("  go on with --from '{}'", format_platform_time(at)));
    }
    if report.dry_run {
        console.print(format_args!("  {}", console.toned(Tone::Faint, "a dry run: nothing was changed")));
    }
}

fn findings(report: &Report, console: Console) {
    let mut table = Table::new(&["missed", "what"]);
    for order in report.missed_orders.iter().take(MOST_LINES) {
        let text = format!("never seen; status {}, refund {}", order.order_status, order.refund_status);
        table.row([(order.order_sn.to_string(), Some(Tone::Warn)), (text, None)]);
    }
    for order in report.differing_orders.iter().take(MOST_LINES) {
        let changes: Vec<String> = order
            .changes
            .iter()
            .map(|change| format!("{} {} → {}", change.field, change.stored, change.read))
            .collect();
        table.row([(order.order_sn.to_string(), Some(Tone::Warn)), (changes.join(", "), None)]);
    }
    for refund in report.missed_refunds.iter().take(MOST_LINES) {
        let what = if refund.fresh { "never seen" } else { "had changed" };
        let text = format!("after-sale {}: {what}", refund.after_sales_id);
        table.row([(refund.order_sn.clone(), Some(Tone::Warn)), (text, None)]);
    }
    if !table.is_empty() {
        table.print(console);
    }
    let all = report.missed_orders.len() + report.differing_orders.len() + report.missed_refunds.len();
    if all > 0 {
        console.print(format_args!(
            "  {} orders never seen, {} that differed, {} after-sales",
            report.missed_orders.len(),
            report.differing_orders.len(),
            report.missed_refunds.len()
        ));
    }
    if report.unreadable > 0 {
        console.print(format_args!(
            "  {} entries of the platform's lists could not be understood; those with a number are read alone",
            report.unreadable
        ));
    }
}

fn proof(report: &Report, console: Console) {
    let closed = report.gaps.iter().filter(|gap| !report.gaps_left.contains(gap)).count();
    if closed > 0 {
        console.print(format_args!("  {closed} gaps in the proof of what was read are closed"));
    }
    for gap in report.gaps_left.iter().take(MOST_LINES) {
        let GapView { kind, from, to } = gap;
        let (from, to) = (format_platform_time(*from), format_platform_time(*to));
        console.print(format_args!("  {} {kind}, {from} to {to}", console.toned(Tone::Warn, "nobody has read")));
    }
    if report.refunds_denied {
        console.print(format_args!("  after-sales were left out: the application may not list them"));
    }
    match &report.restored {
        None => {}
        Some(RestoredView::Cleared { held, review }) => {
            let cleared = console.toned(Tone::Good, "reconciled after its restore:");
            console.print(format_args!(
                "  {cleared} it may go live; {held} orders that waited for cards are held as backlog, {review} with \
                 cards wait for a person"
            ));
        }
        Some(RestoredView::NotCovered { from, to }) => {
            let (from, to) = (format_platform_time(*from), format_platform_time(*to));
            console.print(format_args!("  it stays in trial run: read {from} to {to} as well (--restored does)"));
        }
    }
}
