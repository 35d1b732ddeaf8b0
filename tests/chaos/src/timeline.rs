//! What happened when: to a file as it happens, and kept for the phase under way.

use std::fmt::Display;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, Result};
use kamiflow_kernel::Clock as _;
use kamiflow_runtime::clock::SystemClock;

/// The lines of the phase under way that are kept to be printed; the file has all of them.
const KEPT: usize = 20_000;

/// What happened.
pub(crate) struct Timeline {
    inside: Mutex<Inside>,
    path: PathBuf,
}

struct Inside {
    file: File,
    began_ms: i64,
    lines: Vec<String>,
    /// Faults that are over and the moments of that, UNIX milliseconds.
    ends: Vec<(usize, i64)>,
}

impl Timeline {
    /// Begins a file, in place of an earlier one.
    pub(crate) fn begin(path: &Path) -> Result<Self> {
        let file = File::create(path).with_context(|| format!("could not write {}", path.display()))?;
        let inside = Inside { file, began_ms: now_ms(), lines: Vec::new(), ends: Vec::new() };
        Ok(Self { inside: Mutex::new(inside), path: path.to_owned() })
    }

    /// Returns where it is written.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Begins a phase: what is kept of the earlier one is forgotten.
    pub(crate) fn new_phase(&self, what: impl Display) {
        {
            let mut inside = self.lock();
            inside.lines.clear();
            inside.ends.clear();
        }
        self.say(what);
    }

    /// Adds a line.
    pub(crate) fn say(&self, what: impl Display) {
        let mut inside = self.lock();
        let seconds = (now_ms() - inside.began_ms) as f64 / 1_000.0;
        let line = format!("{seconds:9.3} {what}");
        // The run is what counts; a full disk shows elsewhere.
        let _written = writeln!(inside.file, "{line}");
        if inside.lines.len() < KEPT {
            inside.lines.push(line);
        }
    }

    /// Adds that a fault is over.
    pub(crate) fn over(&self, number: usize) {
        self.lock().ends.push((number, now_ms()));
        self.say(format_args!("fault {number} is over"));
    }

    /// Returns which faults of the phase are over, and since when, UNIX milliseconds.
    pub(crate) fn ends(&self) -> Vec<(usize, i64)> {
        self.lock().ends.clone()
    }

    /// Prints what is kept.
    pub(crate) fn print(&self) {
        for line in &self.lock().lines {
            eprintln!("{line}");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the present moment, UNIX milliseconds.
pub(crate) fn now_ms() -> i64 {
    SystemClock.now().timestamp_millis()
}
