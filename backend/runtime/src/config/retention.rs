//! Section RETENTION: how long things are kept.

use super::reader::Reader;
use super::section::{Section, SectionReference};
use super::variable::{Kind, Preset, Variable};

const USED_BY: &[&str] = &["work", "prune"];
/// A hundred years.
const LONGEST: u64 = 36_500;

/// Declares an age of this section. The least one is the schema's own: it refuses to remove anything younger.
const fn days(name: &'static str, least: u64, preset: Preset, doc: &'static str) -> Variable {
    Variable { name, kind: Kind::Count(least..=LONGEST), preset, doc, secret: false, used_by: USED_BY }
}

static ORDER_EVENTS_DAYS: Variable = days(
    "KAMIFLOW_RETENTION_ORDER_EVENTS_DAYS",
    180,
    Preset::Value("400"),
    "How long the events of orders are kept. Those of orders that are not settled stay.",
);

static OUTBOX_DAYS: Variable = days(
    "KAMIFLOW_RETENTION_OUTBOX_DAYS",
    7,
    Preset::Value("14"),
    "How long rows of the outbox are kept that no relay has taken.",
);

static COVERAGE_DAYS: Variable = days(
    "KAMIFLOW_RETENTION_COVERAGE_DAYS",
    100,
    Preset::Value("120"),
    "How long the proof of what was read is kept. The platform answers 90 days back.",
);

static ROLLUPS_DAYS: Variable =
    days("KAMIFLOW_RETENTION_ROLLUPS_DAYS", 180, Preset::Value("800"), "How long hourly sums are kept.");

static HINTS_DAYS: Variable =
    days("KAMIFLOW_RETENTION_HINTS_DAYS", 7, Preset::Value("30"), "How long hints of disconnected shops are kept.");

static PAYLOADS_DAYS: Variable = days(
    "KAMIFLOW_RETENTION_PAYLOADS_DAYS",
    30,
    Preset::Value("180"),
    "How long the sealed request of a delivered attempt is kept; then only its hash is.",
);

static AUDIT_LOG_DAYS: Variable = days(
    "KAMIFLOW_RETENTION_AUDIT_LOG_DAYS",
    365,
    Preset::Optional,
    "How long the audit log is kept; for ever when not set. Needs `kamiflow prune` with the owner's URL.",
);

static ORDERS_DAYS: Variable = days(
    "KAMIFLOW_RETENTION_ORDERS_DAYS",
    365,
    Preset::Optional,
    "How long months of settled orders are kept; for ever when not set. Needs `kamiflow prune` with the owner's URL.",
);

pub(super) const REFERENCE: SectionReference = SectionReference {
    title: "Retention",
    about: "`kamiflow work` removes old traces once a day, `kamiflow prune` at once. The card ledger, cards, \
            deliveries and exceptions are kept for ever.",
    variables: &[
        &ORDER_EVENTS_DAYS,
        &OUTBOX_DAYS,
        &COVERAGE_DAYS,
        &ROLLUPS_DAYS,
        &HINTS_DAYS,
        &PAYLOADS_DAYS,
        &AUDIT_LOG_DAYS,
        &ORDERS_DAYS,
    ],
};

/// Ages in days, beyond which things go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Events of settled orders.
    pub order_events: u32,
    /// Rows of the outbox.
    pub outbox: u32,
    /// Proofs of what was read.
    pub coverage: u32,
    /// Hourly sums.
    pub rollups: u32,
    /// Hints of disconnected shops.
    pub hints: u32,
    /// Sealed payloads of delivered attempts.
    pub payloads: u32,
    /// Acts of people; none: for ever.
    pub audit_log: Option<u32>,
    /// Months of settled orders; none: for ever.
    pub orders: Option<u32>,
}

impl Section for Retention {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let order_events = reader.count(&ORDER_EVENTS_DAYS);
        let outbox = reader.count(&OUTBOX_DAYS);
        let coverage = reader.count(&COVERAGE_DAYS);
        let rollups = reader.count(&ROLLUPS_DAYS);
        let hints = reader.count(&HINTS_DAYS);
        let payloads = reader.count(&PAYLOADS_DAYS);
        let audit_log = reader.optional_number(&AUDIT_LOG_DAYS);
        let orders = reader.optional_number(&ORDERS_DAYS);
        // In range, so they fit.
        let days = |number: Option<u64>| number.and_then(|number| u32::try_from(number).ok());
        Some(Self {
            order_events: order_events?,
            outbox: outbox?,
            coverage: coverage?,
            rollups: rollups?,
            hints: hints?,
            payloads: payloads?,
            audit_log: days(audit_log?),
            orders: days(orders?),
        })
    }
}
