//! `/console/rules`.

use kamiflow_domain::redemption_presets::RuleSummary;

/// The merchant's redemption rules.
#[derive(Debug)]
pub struct Rules {
    /// In the order they are asked.
    pub rules: Vec<RuleSummary>,
}
