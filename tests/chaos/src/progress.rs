//! What the program says while it works: to stderr, with the seconds since its start.

use std::fmt::Display;
use std::sync::OnceLock;
use std::time::Instant;

static BEGAN: OnceLock<Instant> = OnceLock::new();

/// Says something.
pub(crate) fn note(what: impl Display) {
    let began = BEGAN.get_or_init(Instant::now);
    eprintln!("[{:7.1} s] {what}", began.elapsed().as_secs_f64());
}
