//! `/console/team`, `/console/merchant`, `/console/audit` and `/join`.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use kamiflow_domain::list_audit::{By, DetailLine};
use kamiflow_domain::list_shops::ShopSummary;
use kamiflow_kernel::{InvitationId, Role, ShopId, UserId};

/// The team as a member sees it.
#[derive(Debug)]
pub struct Team {
    /// Who is in it.
    pub members: Vec<Member>,
    /// Who was invited and has not come yet; only for who may invite.
    pub invitations: Vec<Invitation>,
    /// The shops a seat may be limited to.
    pub shops: Vec<ShopSummary>,
    /// Whether the member may invite, change and remove.
    pub may_manage: bool,
    /// Whether the member may close the merchant.
    pub may_close: bool,
    /// Whether the member may look at the audit log.
    pub may_audit: bool,
    /// What sub-accounts end with: `@` and the merchant's code.
    pub code: String,
}

/// Somebody in the team.
#[derive(Debug)]
pub struct Member {
    /// Who.
    pub user: UserId,
    /// Shown to the team.
    pub name: String,
    /// What is typed to log in.
    pub login: String,
    /// What the member is.
    pub role: Role,
    /// How many shops the member sees; `None` for all.
    pub shops: Option<usize>,
    /// Whether this merchant made the account.
    pub is_sub_account: bool,
    /// Whether there is a second factor.
    pub second_factor: bool,
    /// When the member last worked for this merchant.
    pub last_used_at: Option<DateTime<Utc>>,
    /// Whether it is who looks.
    pub is_oneself: bool,
    /// Whether who looks may change this seat.
    pub is_governed: bool,
}

/// One seat, to be changed.
#[derive(Debug)]
pub struct Seat {
    /// Whose, and what it is now.
    pub member: Member,
    /// The shops it is limited to; `None` for all.
    pub sees: Option<BTreeSet<ShopId>>,
    /// The shops it may be limited to.
    pub shops: Vec<ShopSummary>,
    /// The roles that who looks may give.
    pub roles: Vec<Role>,
    /// Whether who looks may make this member owner in their own place.
    pub may_hand_over: bool,
    /// Whether a mail reaches the member: owners need that.
    pub has_address: bool,
}

/// The question before somebody leaves.
#[derive(Debug)]
pub struct Leaving {
    /// Whose team.
    pub merchant: String,
    /// Whether it would be left without an owner.
    pub is_only_owner: bool,
}

/// What only an owner does with the merchant as a whole.
#[derive(Debug)]
pub struct Merchant {
    /// Its name.
    pub name: String,
    /// Behind the `@` of staff's log-in names.
    pub code: String,
    /// The end of the days of grace, if it was closed.
    pub closes_at: Option<DateTime<Utc>>,
    /// Shops that deliver now.
    pub live: usize,
}

/// Somebody who was invited.
#[derive(Debug)]
pub struct Invitation {
    /// Which.
    pub id: InvitationId,
    /// Whom it was mailed to.
    pub email: Option<String>,
    /// What the new member will be.
    pub role: Role,
    /// Good until then.
    pub expires_at: DateTime<Utc>,
}

/// The audit log, newest first.
#[derive(Debug)]
pub struct Audit {
    /// The acts.
    pub acts: Vec<Act>,
    /// Where the next page begins.
    pub before: Option<i64>,
    /// Which acts are looked at.
    pub chosen: AuditChoice,
    /// Whose acts may be chosen.
    pub members: Vec<(UserId, String)>,
}

/// Which acts are looked at; what is empty does not matter.
#[derive(Debug, Clone, Default)]
pub struct AuditChoice {
    /// The area.
    pub area: String,
    /// By whom.
    pub by: Option<By>,
    /// The first day, as it was typed.
    pub from: String,
    /// The last day.
    pub to: String,
}

/// What can be taken out.
#[derive(Debug)]
pub struct Export {
    /// Whether it is of some shops only.
    pub is_limited: bool,
    /// Whether the audit log is in it.
    pub has_audit: bool,
}

/// An act.
#[derive(Debug)]
pub struct Act {
    /// Its place in the line.
    pub seq: i64,
    /// When.
    pub at: DateTime<Utc>,
    /// Who: a member's name, or what the log calls others.
    pub actor: String,
    /// Did what: `area.act`.
    pub action: String,
    /// To what.
    pub target: String,
    /// Where from.
    pub place: String,
    /// Found again in logs.
    pub request_id: String,
    /// More, without secrets.
    pub detail: Vec<DetailLine>,
}

/// What an invitation offers.
#[derive(Debug)]
pub struct Offer {
    /// Which merchant invites; `None` for a link that is no longer good.
    pub offer: Option<(String, Role)>,
    /// Whether somebody is logged in who could accept.
    pub is_logged_in: bool,
}
