//! What will happen: buyers' orders and the faults among them, all drawn from the seed before anything starts.
//!
//! A plan is a text: a line with its header, then a line per fault, each a JSON object. `--plan` prints it, `--replay`
//! reads one, also one that somebody has shortened by hand. Orders are drawn from the header alone.

use std::fmt::Write as _;

use anyhow::{Context as _, Result, ensure};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::fault::{self, Fault};
use crate::switches::PHASES;

/// Faults fall in this part of the time in which buyers order, in thousandths: what has not begun cannot be hurt, and
/// recovery is seen by deliveries that come after.
const FIRST: u64 = 50;
const LAST: u64 = 900;
/// Pieces of an order; most buyers want one.
const QUANTITIES: &[usize] = &[1, 1, 1, 2, 3];

/// What a plan is drawn from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Header {
    pub(crate) seed: u64,
    pub(crate) orders: usize,
    pub(crate) faults: usize,
    /// Orders a second.
    pub(crate) rate: f64,
    /// Malls of each of the two merchants.
    pub(crate) malls: usize,
    /// Worker processes.
    pub(crate) workers: usize,
}

/// A fault and its moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Planned {
    /// Which of the six phases, from 0.
    pub(crate) phase: usize,
    /// Milliseconds after the first order of the phase.
    pub(crate) at_ms: u64,
    pub(crate) fault: Fault,
}

/// Everything that will happen.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Plan {
    pub(crate) header: Header,
    pub(crate) faults: Vec<Planned>,
}

/// A buyer's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Purchase {
    pub(crate) mall: usize,
    pub(crate) quantity: usize,
}

impl Plan {
    /// Draws one.
    pub(crate) fn draw(header: Header) -> Self {
        let mut faults = Vec::with_capacity(header.faults);
        for phase in 0..PHASES {
            let mut rng = ChaCha8Rng::seed_from_u64(header.seed.wrapping_mul(1_000).wrapping_add(phase as u64));
            let span_ms = header.span_ms(phase);
            let mut moments: Vec<u64> = (0..part(header.faults, phase))
                .map(|_| rng.random_range(span_ms * FIRST / 1_000..=span_ms * LAST / 1_000))
                .collect();
            moments.sort_unstable();
            let workers = header.workers;
            faults.extend(moments.into_iter().map(|at_ms| Planned {
                phase,
                at_ms,
                fault: fault::draw(&mut rng, workers),
            }));
        }
        Self { header, faults }
    }

    /// Returns the faults of a phase, the earliest first.
    pub(crate) fn faults_of(&self, phase: usize) -> Vec<Planned> {
        let mut faults: Vec<Planned> = self.faults.iter().filter(|planned| planned.phase == phase).cloned().collect();
        faults.sort_by_key(|planned| planned.at_ms);
        faults
    }

    /// Returns it as text.
    pub(crate) fn to_text(&self) -> Result<String> {
        let mut text = serde_json::to_string(&self.header)?;
        text.push('\n');
        for planned in &self.faults {
            writeln!(text, "{}", serde_json::to_string(planned)?)?;
        }
        Ok(text)
    }

    /// Reads it from text.
    pub(crate) fn from_text(text: &str) -> Result<Self> {
        let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let (_, first) = lines.next().context("the plan is empty")?;
        let header: Header = serde_json::from_str(first).context("line 1 is no header of a plan")?;
        header.check()?;
        let mut faults = Vec::new();
        for (n, line) in lines {
            let planned: Planned =
                serde_json::from_str(line).with_context(|| format!("line {} is no fault of a plan", n + 1))?;
            ensure!(planned.phase < PHASES, "line {}: phases go from 0 to {}", n + 1, PHASES - 1);
            planned.fault.check(header.workers).with_context(|| format!("line {}", n + 1))?;
            faults.push(planned);
        }
        Ok(Self { header, faults })
    }
}

impl Header {
    /// Fails when nothing can be drawn from it.
    pub(crate) fn check(&self) -> Result<()> {
        ensure!(self.rate.is_finite() && self.rate > 0.0, "a rate of {} orders a second is none", self.rate);
        ensure!(self.workers > 0, "without a worker nothing is delivered");
        ensure!(self.malls > 0, "without a mall nobody can order");
        Ok(())
    }

    /// Returns what buyers order in a phase, in order of time.
    pub(crate) fn purchases(&self, phase: usize) -> Vec<Purchase> {
        // Another stream than that of the faults, so that a plan with fewer faults has the same orders.
        let mut rng = ChaCha8Rng::seed_from_u64(!self.seed.wrapping_mul(1_000).wrapping_add(phase as u64));
        (0..part(self.orders, phase))
            .map(|_| Purchase {
                mall: rng.random_range(0..self.malls * 2),
                quantity: QUANTITIES.get(rng.random_range(0..QUANTITIES.len())).copied().unwrap_or(1),
            })
            .collect()
    }

    /// Returns the milliseconds in which buyers order in a phase.
    pub(crate) fn span_ms(&self, phase: usize) -> u64 {
        (part(self.orders, phase) as f64 * 1_000.0 / self.rate) as u64
    }
}

/// Returns a phase's part of a number; the first phases take what is left over.
fn part(of: usize, phase: usize) -> usize {
    of / PHASES + usize::from(phase < of % PHASES)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(seed: u64) -> Header {
        Header { seed, orders: 2_003, faults: 101, rate: 20.0, malls: 2, workers: 2 }
    }

    #[test]
    fn a_plan_repeats_with_its_seed_and_survives_being_written() {
        let plan = Plan::draw(header(7));
        assert_eq!(plan, Plan::draw(header(7)));
        assert_ne!(plan.faults, Plan::draw(header(8)).faults);
        assert_eq!(plan, Plan::from_text(&plan.to_text().unwrap()).unwrap());
    }

    #[test]
    fn every_order_and_every_fault_has_its_phase() {
        let plan = Plan::draw(header(7));
        assert_eq!(plan.faults.len(), 101);
        assert_eq!((0..PHASES).map(|phase| header(7).purchases(phase).len()).sum::<usize>(), 2_003);
        for phase in 0..PHASES {
            let span = header(7).span_ms(phase);
            assert!(plan.faults_of(phase).iter().all(|planned| planned.at_ms < span));
        }
    }

    #[test]
    fn a_plan_that_cannot_be_is_refused_with_its_line() {
        let good = Plan::draw(header(1)).to_text().unwrap();
        for (broken, says) in [
            (String::new(), "empty"),
            (good.replace("\"workers\":2", "\"workers\":0"), "worker"),
            (good.replacen("\"phase\":0", "\"phase\":6", 1), "line 2: phases"),
            (format!("{good}nonsense\n"), "line 103"),
        ] {
            let error = format!("{:#}", Plan::from_text(&broken).unwrap_err());
            assert!(error.contains(says), "{error}");
        }
    }
}
