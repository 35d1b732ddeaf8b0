//! Chaos: orders arrive while everything under them breaks, and afterwards all books must agree.
//!
//! ```text
//! this process        draws a plan from a seed, strikes, compares
//!   ├ sandbox         the platform: in this process, the witness
//!   ├ proxy           between workers and Postgres; loses connections during COMMIT
//!   ├ Postgres        private, as durable as in production; struck by immediate shutdowns
//!   ├ Redis           private; emptied and killed
//!   └ kamiflow work   several processes; killed, stopped, started again
//! ```
//! A run has six phases, one for each thing `pdd.voucher.voucher.info.send` may be ([`switches`]), with its own
//! database, sandbox and workers each. The plan ([`plan`]) is drawn before anything starts; `--plan` prints it and
//! `--replay` carries out a printed one. docs/chaos.md explains what is struck and what is compared.
#![allow(
    clippy::as_conversions,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program that prints figures; its counts are far below 2^52"
)]

mod fault;
mod merchants;
mod phase;
mod plan;
mod platform;
mod scene;
mod servers;
mod switches;
mod timeline;
mod verdict;
mod workers;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Parser;
use kamiflow_test_support::program::{self, note};
use serde::Serialize;
use tokio::time::Instant;

use crate::phase::{FAULT_TIME, Outcome, Run};
use crate::plan::{Header, Plan};
use crate::servers::Servers;
use crate::switches::PHASES;
use crate::timeline::Timeline;
use crate::verdict::Wrong;

/// Seconds a phase may take beyond its orders and faults: start, the last sends of unknown outcome, and a standstill.
const PHASE_SECONDS: f64 = 420.0;

/// Breaks everything under arriving orders and compares the books afterwards.
#[derive(Parser)]
#[command(
    name = "cargo dev chaos",
    bin_name = "cargo dev chaos",
    after_help = "Examples:\n  cargo dev chaos --orders 2000 --faults 100 --seed 7 --json\n  \
                  cargo dev chaos --orders 100000 --faults 5000 --rate 25\n  \
                  cargo dev chaos --seed 7 --plan > plan.jsonl\n  cargo dev chaos --replay plan.jsonl --phase 3"
)]
struct Arguments {
    /// Orders, over all six phases.
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    orders: usize,

    /// Faults, over all six phases.
    #[arg(long, value_name = "N", default_value_t = 100)]
    faults: usize,

    /// What orders and faults are drawn from.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// Orders a second.
    #[arg(long, value_name = "N", default_value_t = 10.0)]
    rate: f64,

    /// Worker processes.
    #[arg(long, value_name = "N", default_value_t = 2)]
    workers: usize,

    /// Malls of each of the two merchants.
    #[arg(long, value_name = "N", default_value_t = 2)]
    malls: usize,

    /// Runs this phase only, 0 to 5.
    #[arg(long, value_name = "N")]
    phase: Option<usize>,

    /// Seconds after which the run is over, whatever has not been reached; by default what orders and phases need.
    #[arg(long, value_name = "SECONDS")]
    deadline: Option<u64>,

    /// Prints the plan and does nothing.
    #[arg(long)]
    plan: bool,

    /// Carries out a plan that was printed; the other options that shape a plan do not count then.
    #[arg(long, value_name = "FILE")]
    replay: Option<PathBuf>,

    /// Tells workers that resending is safe everywhere, a lie in four phases: the run must fail, by duplicates.
    #[arg(long)]
    lie: bool,

    /// Prints the result as one JSON object.
    #[arg(long)]
    json: bool,

    /// Where the private servers, the plan, the timeline and the workers' logs are.
    #[arg(long, value_name = "FOLDER", default_value = ".kamiflow/chaos")]
    dir: PathBuf,

    /// The binary under test, of which a copy is run; by default the one beside this program.
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
}

/// The result.
#[derive(Debug, Default, Serialize)]
struct Figures {
    orders: usize,
    faults: usize,
    lost: usize,
    duplicates: usize,
    oversold: usize,
    stuck: usize,
    review: usize,
    recovered_ms_p99: i64,
}

impl Figures {
    const fn is_clean(&self) -> bool {
        self.lost == 0 && self.duplicates == 0 && self.oversold == 0 && self.stuck == 0
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    program::run(run(&arguments))
}

/// Returns whether all is well.
async fn run(arguments: &Arguments) -> Result<bool> {
    let plan = plan(arguments)?;
    if arguments.plan {
        print!("{}", plan.to_text()?);
        return Ok(true);
    }
    let phases: Vec<usize> = match arguments.phase {
        Some(phase) => vec![phase],
        None => (0..PHASES).collect(),
    };
    ensure!(phases.iter().all(|phase| *phase < PHASES), "phases go from 0 to {}", PHASES - 1);
    let dir = &arguments.dir;
    std::fs::create_dir_all(dir).with_context(|| format!("could not create {}", dir.display()))?;
    let program = copy_of_program(arguments)?;
    let seed = plan.header.seed;
    let plan_path = plan_file(arguments, &plan)?;
    let timeline = Arc::new(Timeline::begin(&dir.join(format!("timeline-{seed}.log")))?);
    let seconds = arguments.deadline.map_or_else(|| needed(&plan.header, &phases), |seconds| seconds as f64);
    note(format_args!("Seed {seed}: plan in {}, timeline in {}", plan_path.display(), timeline.path().display()));
    note(format_args!("Ends after {seconds:.0} s at the latest"));
    let deadline = Instant::now() + Duration::from_secs_f64(seconds);

    let servers = Arc::new(Servers::start(dir).await?);
    let run = Run {
        servers: Arc::clone(&servers),
        plan,
        program,
        dir: dir.clone(),
        timeline: Arc::clone(&timeline),
        deadline,
        is_lying: arguments.lie,
    };
    let mut figures = Figures::default();
    // What the phases do not see themselves, a call that hangs, say, ends a little later.
    let hard = deadline + Duration::from_secs(60);
    let ended = tokio::select! {
        ended = all(&run, &phases, &mut figures) => ended,
        () = tokio::time::sleep_until(hard) => Err(anyhow::anyhow!("the deadline of {seconds:.0} s has passed")),
        () = program::interrupted() => Err(anyhow::anyhow!("interrupted")),
    };
    drop(run);
    // Tasks that a failure has left hold on to the servers; dropping those stops them as well.
    if let Ok(servers) = Arc::try_unwrap(servers).map_err(|_shared| ()) {
        servers.stop().await?;
    }
    // Also of a run that did not end well: what it found until then counts.
    program::show(&figures, arguments.json)?;
    let again = format!("cargo dev chaos --replay {}", plan_path.display());
    if let Err(error) = ended {
        timeline.print();
        return Err(error.context(format!("the run did not end well; again: {again}")));
    }
    if !figures.is_clean() {
        note(format_args!("Again: {again}"));
    }
    Ok(figures.is_clean())
}

async fn all(run: &Run, phases: &[usize], figures: &mut Figures) -> Result<()> {
    let mut recovered = Vec::new();
    for phase in phases {
        if Instant::now() > run.deadline {
            bail!("the deadline has passed before phase {phase}: {} orders were placed by then", figures.orders);
        }
        let outcome = phase::run(run, *phase).await.with_context(|| format!("phase {phase} could not be run"))?;
        figures.add(&outcome);
        if !outcome.verdict.findings.is_empty() {
            run.timeline.print();
            note(format_args!("The database chaos_{phase} and its workers' log are kept in {}", run.dir.display()));
        }
        recovered.extend(outcome.recovered_ms);
        figures.recovered_ms_p99 = percentile_99(recovered.clone());
    }
    Ok(())
}

impl Figures {
    fn add(&mut self, outcome: &Outcome) {
        self.orders += outcome.orders;
        self.faults += outcome.faults;
        self.lost += outcome.verdict.count(Wrong::Lost);
        self.duplicates += outcome.verdict.count(Wrong::Duplicate);
        self.oversold += outcome.verdict.count(Wrong::Oversold);
        self.stuck += outcome.verdict.count(Wrong::Stuck);
        self.review += outcome.verdict.review;
    }
}

/// Returns the value that 99 of 100 values are at most; nothing has 0.
fn percentile_99(mut values: Vec<i64>) -> i64 {
    values.sort_unstable();
    let rank = (values.len() * 99).div_ceil(100);
    rank.checked_sub(1).and_then(|at| values.get(at)).copied().unwrap_or_default()
}

fn plan(arguments: &Arguments) -> Result<Plan> {
    if let Some(path) = &arguments.replay {
        let text = std::fs::read_to_string(path).with_context(|| format!("could not read {}", path.display()))?;
        return Plan::from_text(&text).with_context(|| format!("{} is no plan", path.display()));
    }
    let header = Header {
        seed: arguments.seed,
        orders: arguments.orders,
        faults: arguments.faults,
        rate: arguments.rate,
        malls: arguments.malls,
        workers: arguments.workers,
    };
    header.check()?;
    Ok(Plan::draw(header))
}

/// Returns the file with the plan: the one that is replayed, which may be a shortened one, or one that is written.
fn plan_file(arguments: &Arguments, plan: &Plan) -> Result<PathBuf> {
    if let Some(path) = &arguments.replay {
        return Ok(path.clone());
    }
    let path = arguments.dir.join(format!("plan-{}.jsonl", plan.header.seed));
    std::fs::write(&path, plan.to_text()?).with_context(|| format!("could not write {}", path.display()))?;
    Ok(path)
}

fn copy_of_program(arguments: &Arguments) -> Result<PathBuf> {
    let program = match &arguments.program {
        Some(program) => program.clone(),
        None => std::env::current_exe()?.with_file_name("kamiflow"),
    };
    ensure!(program.is_file(), "{} is missing; start by `cargo dev chaos`", program.display());
    // Workers are started again and again; what somebody builds meanwhile is not what this run is about.
    let copy = arguments.dir.join("kamiflow");
    std::fs::copy(&program, &copy).with_context(|| format!("could not copy {}", program.display()))?;
    Ok(copy.canonicalize()?)
}

fn needed(header: &Header, phases: &[usize]) -> f64 {
    let faults = (header.faults / PHASES) as f64 * FAULT_TIME.as_secs_f64();
    phases.iter().map(|phase| header.span_ms(*phase) as f64 / 1_000.0 + faults + PHASE_SECONDS).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_99th_percentile_is_a_value_that_occurred() {
        assert_eq!([percentile_99(vec![]), percentile_99(vec![5])], [0, 5]);
        assert_eq!(percentile_99((1..=200).rev().collect()), 198);
    }

    #[test]
    fn one_wrong_is_enough_to_fail() {
        assert!(Figures { review: 3, ..Figures::default() }.is_clean());
        for wrong in [
            Figures { lost: 1, ..Figures::default() },
            Figures { duplicates: 1, ..Figures::default() },
            Figures { oversold: 1, ..Figures::default() },
            Figures { stuck: 1, ..Figures::default() },
        ] {
            assert!(!wrong.is_clean());
        }
    }
}
