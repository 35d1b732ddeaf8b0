//! Section WORKER: pools, concurrency and pace.

use std::time::Duration;

use super::reader::Reader;
use super::section::{Section, SectionReference};
use super::variable::{Kind, Preset, Variable};

const USED_BY: &[&str] = &["work"];

/// Declares a numeric variable of this section; all of them are public and read by `work` only.
const fn number(name: &'static str, kind: Kind, preset: &'static str, doc: &'static str) -> Variable {
    Variable { name, kind, preset: Preset::Value(preset), doc, secret: false, used_by: USED_BY }
}

static POOLS: Variable = Variable {
    name: "KAMIFLOW_WORKER_POOLS",
    kind: Kind::Choices(&["sync", "deliver", "redeem", "jobs"]),
    preset: Preset::Value("sync,deliver,redeem,jobs"),
    doc: "The pools this process runs; `--pools` overrides it.",
    secret: false,
    used_by: USED_BY,
};

static SYNC_CONCURRENCY: Variable = number(
    "KAMIFLOW_WORKER_SYNC_CONCURRENCY",
    Kind::Count(1..=1024),
    "32",
    "Shops this process reads at once. Such ticks mostly wait for the gateway.",
);

static DELIVER_CONCURRENCY: Variable = number(
    "KAMIFLOW_WORKER_DELIVER_CONCURRENCY",
    Kind::Count(1..=1024),
    "16",
    "Shops this process delivers for at once.",
);

static REDEEM_CONCURRENCY: Variable =
    number("KAMIFLOW_WORKER_REDEEM_CONCURRENCY", Kind::Count(1..=1024), "8", "Shops this process redeems for at once.");

static JOBS_CONCURRENCY: Variable = number(
    "KAMIFLOW_WORKER_JOBS_CONCURRENCY",
    Kind::Count(1..=1024),
    "8",
    "Background jobs this process runs at once.",
);

static MERCHANT_CONCURRENCY: Variable = Variable {
    name: "KAMIFLOW_WORKER_MERCHANT_CONCURRENCY",
    kind: Kind::Count(1..=1024),
    preset: Preset::Value("4"),
    doc: "Ticks of one pool that one merchant may have running, over all processes, so that a burst \
          of one does not delay the others. Whoever wakes a pool must know it too.",
    secret: false,
    used_by: &["serve", "work", "status", "order"],
};

static POLL_FLOOR_SECONDS: Variable = number(
    "KAMIFLOW_WORKER_POLL_FLOOR_SECONDS",
    Kind::Seconds(1..=3600),
    "15",
    "The shortest time between two polls of a busy shop.",
);

static POLL_CEILING_SECONDS: Variable = number(
    "KAMIFLOW_WORKER_POLL_CEILING_SECONDS",
    Kind::Seconds(1..=3600),
    "300",
    "The longest time between two polls of a quiet shop.",
);

static SHIP_BY_NOTICE_SECONDS: Variable = number(
    "KAMIFLOW_WORKER_SHIP_BY_NOTICE_SECONDS",
    Kind::Seconds(60..=172_800),
    "7200",
    "How long before an order's latest shipping time it is told that nothing was handed over. Once \
     the time is past, a person is asked.",
);

static SHUTDOWN_SECONDS: Variable = number(
    "KAMIFLOW_WORKER_SHUTDOWN_SECONDS",
    Kind::Seconds(1..=600),
    "25",
    "How long a stopping process finishes what is in flight before it hands it back. Keep it \
     below the pod's `terminationGracePeriodSeconds`.",
);

pub(super) const REFERENCE: SectionReference = SectionReference {
    title: "Worker",
    about: "The pools of `kamiflow work`. `kamiflow demo` uses its own, faster pace.",
    variables: &[
        &POOLS,
        &SYNC_CONCURRENCY,
        &DELIVER_CONCURRENCY,
        &REDEEM_CONCURRENCY,
        &JOBS_CONCURRENCY,
        &MERCHANT_CONCURRENCY,
        &POLL_FLOOR_SECONDS,
        &POLL_CEILING_SECONDS,
        &SHIP_BY_NOTICE_SECONDS,
        &SHUTDOWN_SECONDS,
    ],
};

/// The worker pools of a process.
#[derive(Debug, Clone)]
pub struct Worker {
    /// The pools to run: at least one, none twice.
    pub pools: Vec<Pool>,
    /// Shops read at once.
    pub sync_concurrency: u32,
    /// Shops delivered for at once.
    pub deliver_concurrency: u32,
    /// Shops redeemed for at once.
    pub redeem_concurrency: u32,
    /// Background jobs run at once.
    pub jobs_concurrency: u32,
    /// Ticks of one pool that one merchant may have running, over all processes.
    pub merchant_concurrency: u32,
    /// The shortest time between two polls of a shop.
    pub poll_floor: Duration,
    /// The longest time between two polls of a shop; not below the floor.
    pub poll_ceiling: Duration,
    /// How long before its latest shipping time an order that was not handed over is told.
    pub ship_by_notice: Duration,
    /// How long a stopping process finishes what is in flight.
    pub shutdown: Duration,
}

/// A worker pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pool {
    /// Reads orders and refunds.
    Sync,
    /// Delivers.
    Deliver,
    /// Redeems.
    Redeem,
    /// Everything else in the background.
    Jobs,
}

impl Pool {
    /// Every pool.
    pub const ALL: [Self; 4] = [Self::Sync, Self::Deliver, Self::Redeem, Self::Jobs];

    /// Returns the pool's name as the configuration, metrics and queues spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sync => "sync",
            Self::Deliver => "deliver",
            Self::Redeem => "redeem",
            Self::Jobs => "jobs",
        }
    }

    /// Parses a comma-separated list; `None` if a word is no pool, twice there, or missing.
    #[must_use]
    pub fn parse_list(list: &str) -> Option<Vec<Self>> {
        let mut pools = Vec::new();
        for word in list.split(',').map(str::trim) {
            let pool = Self::ALL.into_iter().find(|pool| pool.as_str() == word)?;
            if pools.contains(&pool) {
                return None;
            }
            pools.push(pool);
        }
        Some(pools)
    }
}

impl Section for Worker {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let pools = reader.required(&POOLS, Pool::parse_list);
        let sync_concurrency = reader.count(&SYNC_CONCURRENCY);
        let deliver_concurrency = reader.count(&DELIVER_CONCURRENCY);
        let redeem_concurrency = reader.count(&REDEEM_CONCURRENCY);
        let jobs_concurrency = reader.count(&JOBS_CONCURRENCY);
        let merchant_concurrency = reader.count(&MERCHANT_CONCURRENCY);
        let poll_floor = reader.seconds(&POLL_FLOOR_SECONDS);
        let poll_ceiling = reader.seconds(&POLL_CEILING_SECONDS);
        let ship_by_notice = reader.seconds(&SHIP_BY_NOTICE_SECONDS);
        let shutdown = reader.seconds(&SHUTDOWN_SECONDS);
        if let (Some(floor), Some(ceiling)) = (poll_floor, poll_ceiling)
            && ceiling < floor
        {
            let what = format!("is {}, which is below the floor", ceiling.as_secs());
            let cure = format!("set it to {} or more", floor.as_secs());
            reader.problem(&POLL_CEILING_SECONDS, &what, &cure);
        }
        Some(Self {
            pools: pools?,
            sync_concurrency: sync_concurrency?,
            deliver_concurrency: deliver_concurrency?,
            redeem_concurrency: redeem_concurrency?,
            jobs_concurrency: jobs_concurrency?,
            merchant_concurrency: merchant_concurrency?,
            poll_floor: poll_floor?,
            poll_ceiling: poll_ceiling?,
            ship_by_notice: ship_by_notice?,
            shutdown: shutdown?,
        })
    }
}
