//! The operator's staff: who reviews identities and helps merchants, at `/staff` (docs/adr/0017-staff.md).
//!
//! ```text
//! kamiflow staff create ─ link, 24 h ─► enroll: password, code generator, recovery codes
//! log_in: password ─ challenge, 10 min ─► second_step: code ─► a session: one opaque token, 8 h, 30 min idle
//! authenticate: token ──► StaffMember: user, session, role        disable: out with the next request
//! ```
//! Staff are users of a realm of their own: one address may be a customer's as well, and nothing that customers log in
//! with finds them. A staff session is no customer's session: other table, other cookie, other token. What staff do to
//! their own accounts stands in the platform's audit log; what they do about a merchant, in that merchant's.

pub mod authenticate;
pub mod enroll;
pub mod list;
pub mod log_in;
pub mod make;
pub mod own_account;

use std::sync::Arc;

use kamiflow_kernel::{Locale, MerchantId, SessionId, StaffRole, UserId};
use kamiflow_store::{StoreError, UserTx};

use super::Visit;
use crate::acts;
use crate::ctx::{Actor, Ctx, StaffActor};
use crate::verification::review::Reviewer;

/// A member of the staff who is logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaffMember {
    /// Who.
    pub user: UserId,
    /// On which device.
    pub session: SessionId,
    /// As merchants are told.
    pub name: String,
    /// What she may do.
    pub role: StaffRole,
    /// The language.
    pub locale: Locale,
}

impl StaffMember {
    /// Returns the circumstances of what is done about a merchant.
    #[must_use]
    pub fn ctx(&self, visit: &Visit, merchant: MerchantId) -> Ctx {
        circumstances(self.user, visit, merchant)
    }

    /// Returns her as a reviewer, if she may review.
    #[must_use]
    pub fn reviewer(&self) -> Option<Reviewer> {
        self.role.may_review().then(|| Reviewer { id: self.user.as_uuid(), name: self.name.clone() })
    }
}

fn circumstances(user: UserId, visit: &Visit, merchant: MerchantId) -> Ctx {
    let actor = Actor::Staff(Arc::new(StaffActor { user, ip_prefix: visit.ip_prefix() }));
    Ctx { actor, merchant, request_id: visit.request_id.clone(), now: visit.now }
}

/// Writes an act of the transaction's user upon her own account into the platform's log.
async fn record(tx: &mut UserTx, visit: &Visit, action: &'static str) -> Result<(), StoreError> {
    let user = tx.user();
    let ctx = circumstances(user, visit, MerchantId::PLATFORM);
    acts::record(tx.tenant(), &ctx, action, user, serde_json::json!({})).await
}
