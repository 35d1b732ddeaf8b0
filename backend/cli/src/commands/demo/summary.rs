//! What the demo counted: one JSON object with fixed keys, or a few lines for people.

use std::collections::BTreeMap;

use serde::Serialize;

use super::books::Verdict;
use super::tracker::Counts;
use crate::console::{Console, Table, Tone};
use crate::sandbox_control::Ledger;

/// The demo's result. The keys are API.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    orders: u64,
    delivered: u64,
    redeemed: u64,
    skipped: u64,
    exceptions: u64,
    duplicates: u64,
    lost: u64,
    oversold: u64,
    cards_issued: u64,
    time_to_card_ms: TimeToCard,
    throughput_per_s: f64,
    wall_s: f64,
}

/// From payment to the voucher's effect, by the sandbox's ledger; null without a voucher.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct TimeToCard {
    pub(super) p50: Option<i64>,
    pub(super) p95: Option<i64>,
    pub(super) p99: Option<i64>,
}

impl TimeToCard {
    /// Measures the orders whose buyers got vouchers.
    pub(super) fn of(ledger: &Ledger) -> Self {
        let mut first: BTreeMap<&str, i64> = BTreeMap::new();
        for voucher in &ledger.vouchers {
            let at = first.entry(&voucher.order_sn).or_insert(voucher.at_ms);
            *at = voucher.at_ms.min(*at);
        }
        let waited =
            |order: &crate::sandbox_control::LedgerOrder| Some(first.get(order.order_sn.as_str())? - order.paid_ms?);
        let mut waits: Vec<i64> = ledger.orders.iter().filter_map(waited).collect();
        waits.sort_unstable();
        Self { p50: percentile(&waits, 50), p95: percentile(&waits, 95), p99: percentile(&waits, 99) }
    }
}

/// Returns the smallest value that so many percent of the sorted values do not exceed.
fn percentile(sorted: &[i64], percent: usize) -> Option<i64> {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

/// Returns deliveries per second between the first payment and the last delivery.
fn throughput(ledger: &Ledger, delivered: u64) -> f64 {
    let first = ledger.orders.iter().filter_map(|order| order.paid_ms).min();
    let last = ledger.orders.iter().filter_map(|order| order.delivered_ms).max();
    let (Some(first), Some(last)) = (first, last) else { return 0.0 };
    let millis = u32::try_from((last - first).max(1)).unwrap_or(u32::MAX);
    let delivered = u32::try_from(delivered).unwrap_or(u32::MAX);
    rounded(f64::from(delivered) * 1000.0 / f64::from(millis))
}

fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

impl Summary {
    /// Sums a demo up.
    pub(super) fn new(counts: Counts, verdict: &Verdict, ledger: &Ledger, wall_s: f64) -> Self {
        Self {
            orders: counts.orders,
            delivered: counts.delivered,
            redeemed: counts.redeemed,
            skipped: counts.skipped,
            exceptions: counts.exceptions,
            duplicates: verdict.duplicates,
            lost: verdict.lost,
            oversold: verdict.oversold,
            cards_issued: verdict.cards_issued,
            time_to_card_ms: TimeToCard::of(ledger),
            throughput_per_s: throughput(ledger, counts.delivered),
            wall_s: rounded(wall_s),
        }
    }

    /// Prints the result.
    pub(super) fn print(&self, console: Console) -> anyhow::Result<()> {
        if console.is_json() {
            return console.print_json(self);
        }
        let mut table = Table::new(&["orders", "delivered", "redeemed", "skipped", "exceptions", "cards issued"]);
        let counts = [self.orders, self.delivered, self.redeemed, self.skipped, self.exceptions, self.cards_issued];
        table.row(counts.map(|count| (count.to_string(), None)));
        table.print(console);
        let mut table = Table::new(&["duplicates", "lost", "oversold", "time to card p50", "p95", "p99", "per second"]);
        let zero = |count: u64| (count.to_string(), Some(if count == 0 { Tone::Good } else { Tone::Bad }));
        let time = |wait: Option<i64>| (wait.map_or_else(|| "-".to_owned(), |ms| format!("{ms} ms")), None);
        let TimeToCard { p50, p95, p99 } = self.time_to_card_ms;
        table.row([
            zero(self.duplicates),
            zero(self.lost),
            zero(self.oversold),
            time(p50),
            time(p95),
            time(p99),
            (format!("{}", self.throughput_per_s), None),
        ]);
        table.print(console);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occurred() {
        let waits: Vec<i64> = (1..=200).collect();
        assert_eq!([50, 95, 99].map(|percent| percentile(&waits, percent)), [Some(100), Some(190), Some(198)]);
        assert_eq!(percentile(&[7], 99), Some(7));
        assert_eq!(percentile(&[], 50), None);
    }
}
