//! Who acts, for whom, and when: the first argument of every use case.

use chrono::{DateTime, Utc};
use kamiflow_kernel::MerchantId;

/// Who acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// The engine itself, by the name of the pool or job.
    Engine(&'static str),
    /// The operator at the command line.
    Operator,
}

impl Actor {
    /// Returns the actor as the audit log names it.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Engine(name) => format!("engine:{name}"),
            Self::Operator => "operator".to_owned(),
        }
    }
}

/// The circumstances of a use case.
#[derive(Debug, Clone)]
pub struct Ctx {
    /// Who acts.
    pub actor: Actor,
    /// For which merchant.
    pub merchant: MerchantId,
    /// Found again in logs and in the audit log.
    pub request_id: String,
    /// The moment the use case began.
    pub now: DateTime<Utc>,
}
