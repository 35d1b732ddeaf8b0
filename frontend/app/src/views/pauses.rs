//! `/console/pauses`, and pauses on the pages of what is paused.

use kamiflow_domain::pause::PauseScope;
use kamiflow_domain::show_pauses::PauseLine;

/// Pauses in force.
#[derive(Debug)]
pub struct Pauses {
    /// The oldest first.
    pub lines: Vec<PauseLine>,
    /// What the form pauses; none for who may not.
    pub form: Option<PauseTarget>,
    /// Whether it is the page of one thing.
    pub is_of_one: bool,
}

/// What a form pauses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PauseTarget {
    /// What.
    pub scope: PauseScope,
    /// As its forms name it.
    pub target: String,
    /// What it is called; empty for the merchant as a whole.
    pub name: String,
}
