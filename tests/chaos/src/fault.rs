//! The blows: what each is, how it is drawn, and how it reads in a timeline.

use anyhow::{Result, ensure};
use kamiflow_sandbox::{FaultKind, FaultRule};
use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// Sends, the one call that cannot be taken back.
pub(crate) const SEND: &str = "pdd.voucher.voucher.info.send";
const READ: &str = "pdd.order.information.get";
const LIST: &str = "pdd.order.number.list.increment.get";
const ANY_CALL: &str = "pdd.*";
/// Message types of push begin so.
const ANY_PUSH: &str = "pdd_*";
/// The platform refuses without effect; the documents ask to repeat the call.
const CERTAIN_CODES: &[i64] = &[70031, 52101, 52102];
/// The platform does not know how far the call got; it may have had its effect.
const UNCERTAIN_CODES: &[i64] = &[50000, 50002, 52001, 52002];
/// What the transaction whose COMMIT is cut has touched; nothing stands for any transaction.
const TOUCHED: &[&str] = &["", "", "deliveries", "delivery_attempts", "card_uses", "card_ledger", "orders"];
/// The longest a stopped worker sleeps: past the moment from which others resolve what it was sending (20 s).
const LONG_STOP_MS: std::ops::Range<u64> = 22_000..28_000;

/// On which side of the database's work a connection is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Side {
    /// The COMMIT does not arrive.
    Before,
    /// It takes place, and nobody is told.
    After,
}

/// A blow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Fault {
    /// SIGKILL; started again after so long.
    WorkerKill { worker: usize, down_ms: u64 },
    /// SIGSTOP, and SIGCONT after so long.
    WorkerStop { worker: usize, ms: u64 },
    /// Immediate shutdown, as by a crash, and start with recovery.
    PostgresRestart,
    /// The next COMMITs of transactions that ran a statement with this text lose their connection.
    CommitCut { touched: String, side: Side, times: usize },
    /// Every connection to Postgres ends, wherever it is.
    PostgresSever,
    /// Nothing passes to or from Postgres for so long, and nothing ends.
    PostgresSilence { ms: u64 },
    /// FLUSHALL.
    RedisFlush,
    /// SIGKILL; an empty one is started after so long.
    RedisRestart { down_ms: u64 },
    /// A rule of the sandbox, for so long at least, and until it has struck.
    Gateway { rule: FaultRuleText, ms: u64 },
    /// Every push connection of every application is closed.
    PushDisconnect,
}

/// A rule as the sandbox reads it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct FaultRuleText(pub(crate) serde_json::Value);

impl Fault {
    /// Fails when it cannot be done.
    pub(crate) fn check(&self, workers: usize) -> Result<()> {
        match self {
            Self::WorkerKill { worker, .. } | Self::WorkerStop { worker, .. } => {
                ensure!(*worker < workers, "there is no worker {worker}; they go from 0 to {}", workers - 1);
            }
            Self::Gateway { rule, .. } => {
                serde_json::from_value::<FaultRule>(rule.0.clone())?;
            }
            _ => {}
        }
        Ok(())
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", serde_json::to_string(self).unwrap_or_default())
    }
}

/// Draws one.
pub(crate) fn draw(rng: &mut ChaCha8Rng, workers: usize) -> Fault {
    let worker = rng.random_range(0..workers);
    match rng.random_range(0..100_u32) {
        0..18 => Fault::WorkerKill { worker, down_ms: rng.random_range(0..3_000) },
        18..26 => Fault::WorkerStop { worker, ms: rng.random_range(200..6_000) },
        26..28 => Fault::WorkerStop { worker, ms: rng.random_range(LONG_STOP_MS) },
        28..34 => Fault::PostgresRestart,
        34..48 => Fault::CommitCut {
            touched: pick(rng, TOUCHED).to_owned(),
            side: if rng.random_bool(0.7) { Side::After } else { Side::Before },
            times: rng.random_range(1..=3),
        },
        48..51 => Fault::PostgresSever,
        51..54 => Fault::PostgresSilence { ms: rng.random_range(500..8_000) },
        54..60 => Fault::RedisFlush,
        60..65 => Fault::RedisRestart { down_ms: rng.random_range(0..3_000) },
        65..97 => gateway(rng),
        _ => Fault::PushDisconnect,
    }
}

fn gateway(rng: &mut ChaCha8Rng) -> Fault {
    let kind = pick(
        rng,
        &[
            FaultKind::Code,
            FaultKind::Code,
            FaultKind::Http502Html,
            FaultKind::TimeoutAfterEffect,
            FaultKind::TimeoutBeforeEffect,
            FaultKind::TruncatedBody,
            FaultKind::Slow,
            FaultKind::DropConnection,
            FaultKind::MissedPush,
            FaultKind::DuplicatePush,
        ],
    );
    let api = match kind {
        FaultKind::MissedPush | FaultKind::DuplicatePush => ANY_PUSH,
        // Half of them meet the call that counts.
        _ => pick(rng, &[SEND, SEND, SEND, READ, LIST, ANY_CALL]),
    };
    let mut rule = FaultRule {
        api: api.to_owned(),
        mall_id: None,
        client_id: None,
        probability: pick(rng, &[0.3, 0.6, 1.0]),
        remaining: Some(rng.random_range(1..=20)),
        kind,
        code: None,
        sub_code: None,
        message: None,
        echo: None,
        ms: None,
        after_effect: false,
    };
    match kind {
        FaultKind::Code => {
            let (code, after_effect) = drawn_code(rng);
            (rule.code, rule.after_effect) = (Some(code), after_effect);
        }
        FaultKind::Http502Html | FaultKind::DropConnection => rule.after_effect = rng.random_bool(0.5),
        // Within the client's patience of 10 s, and beyond it.
        FaultKind::Slow => rule.ms = Some(pick(rng, &[300, 2_000, 6_000, 12_000])),
        FaultKind::TimeoutAfterEffect | FaultKind::TimeoutBeforeEffect => rule.ms = Some(15_000),
        FaultKind::MissedPush | FaultKind::DuplicatePush => rule.remaining = Some(rng.random_range(5..50)),
        FaultKind::TruncatedBody => {}
    }
    let rule = FaultRuleText(serde_json::to_value(rule).unwrap_or_default());
    Fault::Gateway { rule, ms: rng.random_range(1_000..6_000) }
}

/// A platform that refuses for certain does so without an effect; only one that does not know may have had it.
fn drawn_code(rng: &mut ChaCha8Rng) -> (i64, bool) {
    if rng.random_bool(0.5) {
        (pick(rng, CERTAIN_CODES), false)
    } else {
        (pick(rng, UNCERTAIN_CODES), rng.random_bool(0.5))
    }
}

#[expect(clippy::indexing_slicing, reason = "the index is drawn below the length")]
fn pick<T: Copy>(rng: &mut ChaCha8Rng, choices: &[T]) -> T {
    choices[rng.random_range(0..choices.len())]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::SeedableRng as _;

    use super::*;

    #[test]
    fn a_long_plan_has_every_fault_and_every_kind_the_sandbox_can() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let drawn: Vec<Fault> = (0..3_000).map(|_| draw(&mut rng, 3)).collect();
        let kinds: BTreeSet<String> = drawn
            .iter()
            .map(|fault| {
                let text = serde_json::to_value(fault).unwrap();
                let gateway = text["rule"]["kind"].as_str().unwrap_or_default();
                format!("{} {gateway}", text["kind"].as_str().unwrap())
            })
            .collect();
        // Nine of our own, and nine kinds of the gateway.
        assert_eq!(kinds.len(), 9 + 9, "{kinds:#?}");
        assert!(drawn.iter().all(|fault| fault.check(3).is_ok()));
    }

    #[test]
    fn a_certain_refusal_never_had_an_effect() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        for _ in 0..1_000 {
            let (code, after_effect) = drawn_code(&mut rng);
            assert!(!after_effect || UNCERTAIN_CODES.contains(&code));
        }
    }
}
