//! `/staff/…`: what the operator's staff see. Nobody's merchant console; nobody is looked for here but staff.

use kamiflow_app::context::{PageContext, StaffView};
use kamiflow_app::views::account::Session;
use kamiflow_app::views::staff::{
    Case, CaseRef, DecidedCase, ListedRequest, OpenCase, OwnSessions, Queue, Recoveries, Recovery,
};
use kamiflow_domain::accounts::recovery::decide;
use kamiflow_domain::accounts::staff::StaffMember;
use kamiflow_domain::accounts::staff::own_account::list_staff_sessions;
use kamiflow_domain::verification::review::{self, ReviewError};
use kamiflow_kernel::{MerchantId, RecoveryId, VerificationId};
use kamiflow_store::account_recoveries::ListedRecovery;
use kamiflow_store::staff::StaffSessionRow;
use kamiflow_store::verifications::{DecidedVerification, QueuedVerification};

use super::{Loaded, Stop, shown};
use crate::product::Product;
use crate::visitor::Visitor;

/// Cases, or decisions, that one page shows.
const LISTED: i32 = 100;
/// Where staff log in.
pub(crate) const LOG_IN: &str = "/staff/log-in";
/// Where they are then.
pub(crate) const HOME: &str = "/staff/verifications";

/// Sends strangers to the staff's log-in, and prepares what the page shows.
pub(super) async fn prepare(product: &Product, visitor: &Visitor, page: &mut PageContext) -> Result<(), Stop> {
    let path = page.path.clone();
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    if matches!(segments.as_slice(), ["staff", "log-in", ..] | ["staff", "enroll"]) {
        return Ok(());
    }
    let Some(member) = &visitor.staff else { return Err(Stop::Elsewhere(LOG_IN.to_owned())) };
    page.locale = member.locale;
    page.staff = Some(StaffView { name: member.name.clone(), role: member.role });
    let asked = Asked { product, visitor, member, page };
    let data = match segments.as_slice() {
        ["staff"] => return Err(Stop::Elsewhere(HOME.to_owned())),
        ["staff", "account"] => asked.account().await?,
        ["staff", "verifications"] => asked.queue().await?,
        ["staff", "verifications", merchant, case] => asked.case(merchant, case).await?,
        ["staff", "recoveries"] => asked.recoveries().await?,
        ["staff", "recoveries", merchant, recovery] => asked.recovery(merchant, recovery).await?,
        // Answered by a handler of its own, which writes down who looks.
        ["staff", "verifications", _, _, "pictures", _] => return Ok(()),
        _ => return Err(Stop::NotFound),
    };
    page.data = Some(data);
    Ok(())
}

struct Asked<'a> {
    product: &'a Product,
    visitor: &'a Visitor,
    member: &'a StaffMember,
    page: &'a PageContext,
}

impl Asked<'_> {
    /// Lists where she is logged in.
    async fn account(&self) -> Result<Loaded, Stop> {
        let rows = list_staff_sessions(&self.product.accounts, &self.visitor.visit, self.member).await?;
        let shown_row = |row: StaffSessionRow| Session {
            id: row.id,
            is_this: row.id == self.member.session,
            browser: row.user_agent,
            place: row.ip_prefix,
            last_used_at: row.last_used_at,
        };
        Ok(shown(OwnSessions(rows.into_iter().map(shown_row).collect())))
    }

    /// Lists what waits, or what was decided.
    async fn queue(&self) -> Result<Loaded, Stop> {
        if !self.member.role.may_review() {
            return Ok(shown(Queue::Closed));
        }
        let engine = &self.product.engine;
        Ok(shown(if self.page.query.get("show").is_some_and(|show| show == "decided") {
            Queue::Decided(review::list_decisions(engine, LISTED).await?.into_iter().map(decided).collect())
        } else {
            let me = self.member.user.as_uuid();
            let open = |row: QueuedVerification| OpenCase {
                is_mine: row.claimed_by == Some(me),
                held: row.claimed_name.zip(row.claimed_at),
                submitted_at: row.submitted_at,
                flagged: Some(row.merchants_with_number).filter(|many| review::is_flagged(*many)),
                case: case_ref((row.merchant, row.verification), &row.kind, row.last4),
            };
            Queue::Open(review::list_queue(engine, LISTED).await?.into_iter().map(open).collect())
        }))
    }

    /// Lists owners who ask to be let in again.
    async fn recoveries(&self) -> Result<Loaded, Stop> {
        self.member.reviewer().ok_or(Stop::Forbidden)?;
        let rows = decide::list_recoveries(&self.product.accounts.store, LISTED).await?;
        let shown_row = |row: ListedRecovery| ListedRequest {
            merchant: row.merchant,
            recovery: row.recovery,
            state: row.state,
            asked_at: row.asked_at,
            by: row.decided_name,
            link_at: row.link_at,
        };
        Ok(shown(Recoveries(rows.into_iter().map(shown_row).collect())))
    }

    /// Shows one such request beside the verified identity.
    async fn recovery(&self, merchant: &str, recovery: &str) -> Result<Loaded, Stop> {
        self.member.reviewer().ok_or(Stop::Forbidden)?;
        let merchant: MerchantId = merchant.parse().map_err(|_unknown| Stop::NotFound)?;
        let id: RecoveryId = recovery.parse().map_err(|_unknown| Stop::NotFound)?;
        let ctx = self.member.ctx(&self.visitor.visit, merchant);
        let read = decide::show_recovery(&self.product.accounts.store, &ctx, id).await?;
        Ok(shown(Recovery {
            merchant,
            recovery: id,
            merchant_name: read.merchant,
            login: read.login,
            verified: read.verified,
            other_owners: read.other_owners,
            state: read.row.state,
            contact: read.row.contact,
            asked_at: read.row.asked_at,
            decided: read.row.decided_name.zip(read.row.decided_at),
            link_at: read.row.link_at,
            reason: read.row.reason,
        }))
    }

    /// Shows one case; what was submitted only to whoever has it.
    async fn case(&self, merchant: &str, case: &str) -> Result<Loaded, Stop> {
        let reviewer = self.member.reviewer().ok_or(Stop::Forbidden)?;
        let merchant: MerchantId = merchant.parse().map_err(|_unknown| Stop::NotFound)?;
        let id: VerificationId = case.parse().map_err(|_unknown| Stop::NotFound)?;
        let ctx = self.member.ctx(&self.visitor.visit, merchant);
        let page = review::show_case(&self.product.engine, &ctx, &reviewer, id).await?;
        let picture = self.page.query.get("picture").and_then(|text| text.parse().ok());
        Ok(shown(Case { merchant, page, picture }))
    }
}

fn decided(row: DecidedVerification) -> DecidedCase {
    DecidedCase {
        is_approved: row.state == "approved",
        by: row.decided_name,
        at: row.decided_at,
        reason: row.reason,
        flagged: row.merchants_with_number.filter(|many| review::is_flagged(*many)),
        case: case_ref((row.merchant, row.verification), &row.kind, row.last4),
    }
}

fn case_ref((merchant, case): (MerchantId, VerificationId), kind: &str, last4: String) -> CaseRef {
    CaseRef { merchant, case, is_company: kind == "company", last4 }
}

impl From<ReviewError> for Stop {
    fn from(error: ReviewError) -> Self {
        match error {
            ReviewError::Store(error) => error.into(),
            _ => Self::NotFound,
        }
    }
}
