//! What a report means: what is wrong, and what somebody should look at.

use serde::Serialize;

use super::report::Report;

/// Something to know, worst first.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    /// Whether it makes the installation unhealthy.
    pub(super) wrong: bool,
    /// For programs: added, never renamed.
    pub(super) code: &'static str,
    /// For people.
    pub(super) text: String,
}

/// Counts that make an installation unhealthy, and what they mean.
const WRONG: &[(&str, &str)] = &[
    ("shops_overdue", "shops should have been read over a minute ago: is `kamiflow work` running?"),
    ("applications_stopped", "applications are stopped, and all their shops with them: kamiflow application list"),
    ("tokens_expired", "tokens have ended: their shops must be authorized anew"),
    ("jobs_parked", "background jobs failed for good and wait for somebody"),
];

/// Counts somebody should look at.
const NOTABLE: &[(&str, &str)] = &[
    ("needs_review", "exceptions wait for a person: kamiflow order show <order_sn>"),
    ("applications_denied", "applications lack a permission that they need: kamiflow application list"),
    ("shops_in_breaker", "shops are left alone for a while after repeated failures"),
    ("shops_stopped", "shops are stopped"),
    ("tokens_expire_6h", "tokens end within six hours"),
    ("stock_waits", "orders wait for stock"),
];

/// Returns what a report means.
pub(super) fn of(report: &Report) -> Vec<Finding> {
    let mut findings = Vec::new();
    for server in report.servers.iter().filter(|server| !server.ok) {
        findings.push(wrong("server", format!("{}: {}", server.name, server.detail)));
    }
    if !report.missing_partitions.is_empty() {
        let names = report.missing_partitions.join(", ");
        findings.push(wrong("partitions_missing", format!("run `kamiflow migrate`; missing: {names}")));
    }
    let gaps: usize = report.shops.iter().map(|shop| shop.coverage_gaps.len()).sum();
    if gaps > 0 {
        findings.push(wrong("coverage_gap", format!("{gaps} spans of update times were read by nobody")));
    }
    findings.extend(counted(report, WRONG, true));
    findings.extend(counted(report, NOTABLE, false));
    findings
}

fn counted(report: &Report, table: &'static [(&str, &str)], wrong: bool) -> impl Iterator<Item = Finding> {
    let count = |name: &str| report.counts.get(name).copied().unwrap_or(0);
    let counted: Vec<_> = table.iter().map(|&(name, text)| (name, text, count(name))).collect();
    counted.into_iter().filter(|(_, _, n)| *n > 0).map(move |(code, text, n)| Finding {
        wrong,
        code,
        text: format!("{n} {text}"),
    })
}

fn wrong(code: &'static str, text: String) -> Finding {
    Finding { wrong: true, code, text }
}
