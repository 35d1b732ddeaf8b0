//! Says on stderr what is going on, and since when.

use std::fmt::Display;
use std::sync::OnceLock;
use std::time::Instant;

static BEGAN: OnceLock<Instant> = OnceLock::new();

/// Says something, with the seconds since the first time anything was said.
pub(crate) fn note(what: impl Display) {
    let began = BEGAN.get_or_init(Instant::now);
    eprintln!("[{:7.1} s] {what}", began.elapsed().as_secs_f64());
}
