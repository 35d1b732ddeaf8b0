//! `/console/team`, `/console/merchant`, `/console/audit` and `/join`.

use chrono::TimeDelta;
use kamiflow_app::views::team::{
    Act, Audit, AuditChoice, Export, Invitation, Leaving, Member, Merchant, Offer, Seat, Team,
};
use kamiflow_domain::accounts::Visit;
use kamiflow_domain::list_audit::{self, AuditPage};
use kamiflow_domain::teams::TeamError;
use kamiflow_domain::teams::accept_invitation::{AcceptInvitationError, show_invitation};
use kamiflow_domain::teams::show_team::show_team;
use kamiflow_kernel::{EmailAddress, Permission, Role, SecretText, ShopScope, ShopState, UserId, parse_platform_time};
use kamiflow_store::team::members::MemberRow;

use super::{Asked, Loaded, Stop, shown};
use crate::product::Product;

/// Reads the team.
pub(super) async fn team(asked: &Asked<'_>) -> Result<Loaded, Stop> {
    let read = show_team(&asked.product.accounts, asked.ctx).await?;
    let members = read.members.into_iter().map(|row| member(asked, row)).collect();
    let invitations = read
        .invitations
        .into_iter()
        .map(|row| Invitation { id: row.id, email: row.email, role: row.role, expires_at: row.expires_at })
        .collect();
    Ok(shown(Team {
        members,
        invitations,
        shops: asked.shops.clone(),
        may_manage: asked.ctx.may(Permission::ManageTeam),
        may_close: asked.ctx.may(Permission::ManageMerchant),
        may_audit: asked.ctx.may(Permission::ShowAudit),
        code: asked.account.seat.as_ref().map(|seat| seat.merchant_code.clone()).unwrap_or_default(),
    }))
}

fn member(asked: &Asked<'_>, row: MemberRow) -> Member {
    Member {
        is_oneself: row.user == asked.account.user,
        is_governed: asked.ctx.member().is_none_or(|actor| actor.role.governs(row.role)),
        user: row.user,
        name: row.name,
        login: row.login,
        role: row.role,
        shops: match row.shops {
            ShopScope::All => None,
            ShopScope::Only(shops) => Some(shops.len()),
        },
        is_sub_account: row.is_sub_account,
        second_factor: row.second_factor,
        last_used_at: row.last_used_at,
    }
}

/// Reads one member's seat, to be changed by who governs it.
pub(super) async fn seat(asked: &Asked<'_>, user: &str) -> Result<Loaded, Stop> {
    asked.ctx.require(Permission::ManageTeam)?;
    let user: UserId = user.parse().map_err(|_no_id| Stop::NotFound)?;
    let team = show_team(&asked.product.accounts, asked.ctx).await?;
    let row = team.members.into_iter().find(|row| row.user == user).ok_or(Stop::NotFound)?;
    let sees = match &row.shops {
        ShopScope::All => None,
        ShopScope::Only(shops) => Some(shops.clone()),
    };
    let member = member(asked, row);
    if member.is_oneself || !member.is_governed {
        return Err(Stop::Forbidden);
    }
    let gives = |role: &Role| asked.ctx.member().is_none_or(|actor| actor.role.governs(*role));
    Ok(shown(Seat {
        has_address: member.login.parse::<EmailAddress>().is_ok(),
        may_hand_over: asked.ctx.may(Permission::ManageMerchant) && member.role != Role::Owner,
        member,
        sees,
        shops: asked.shops.clone(),
        roles: Role::ALL.iter().copied().filter(gives).collect(),
    }))
}

/// Asks whether somebody leaves.
pub(super) async fn leaving(asked: &Asked<'_>) -> Result<Loaded, Stop> {
    let seat = asked.account.seat.as_ref().ok_or(Stop::NotFound)?;
    let is_only_owner = seat.role == Role::Owner && count_owners(asked).await? == 1;
    Ok(shown(Leaving { merchant: seat.merchant_name.clone(), is_only_owner }))
}

async fn count_owners(asked: &Asked<'_>) -> Result<usize, Stop> {
    let team = show_team(&asked.product.accounts, asked.ctx).await?;
    Ok(team.members.iter().filter(|row| row.role == Role::Owner).count())
}

/// Shows what only an owner does with the merchant.
pub(super) fn merchant(asked: &Asked<'_>) -> Result<Loaded, Stop> {
    asked.ctx.require(Permission::ManageMerchant)?;
    let seat = asked.account.seat.as_ref().ok_or(Stop::NotFound)?;
    Ok(shown(Merchant {
        name: seat.merchant_name.clone(),
        code: seat.merchant_code.clone(),
        closes_at: seat.closes_at,
        live: asked.shops.iter().filter(|shop| shop.state == ShopState::Live && !shop.is_sandbox()).count(),
    }))
}

/// Shows what can be taken out.
pub(super) fn export(asked: &Asked<'_>) -> Result<Loaded, Stop> {
    asked.ctx.require(Permission::Export)?;
    Ok(shown(Export { is_limited: asked.ctx.shops().is_some(), has_audit: asked.ctx.may(Permission::ShowAudit) }))
}

/// Reads which acts are asked for, from an address or from a form. What cannot be read is as good as not said.
pub(crate) fn audit_page<'v>(value: impl Fn(&str) -> Option<&'v str>) -> AuditPage {
    let said = |name: &str| value(name).map(str::trim).filter(|text| !text.is_empty());
    let day = |name: &str, at: &str| parse_platform_time(&format!("{} {at}", said(name)?)).ok();
    AuditPage {
        area: said("area")
            .filter(|area| area.chars().all(|c| c.is_ascii_lowercase() || "._".contains(c)))
            .map(str::to_owned),
        by: said("member").and_then(|text| text.parse().ok()),
        from: day("from", "00:00:00"),
        // The last day counts as a whole.
        to: day("to", "00:00:00").map(|start| start + TimeDelta::days(1)),
        before_seq: said("before").and_then(|text| text.parse().ok()),
    }
}

/// Reads a page of the audit log, with members by their names.
pub(super) async fn audit(asked: &Asked<'_>) -> Result<Loaded, Stop> {
    let page = audit_page(|name| asked.query(name));
    let rows = list_audit::list_audit(&asked.product.engine, asked.ctx, &page).await?;
    let team = show_team(&asked.product.accounts, asked.ctx).await?;
    let members: Vec<(UserId, String)> = team.members.into_iter().map(|row| (row.user, row.name)).collect();
    let names = list_audit::names(&asked.product.engine, asked.ctx).await?;
    let named = |actor: &str| names.get(actor).cloned();
    let before = rows.last().filter(|_| rows.len() == list_audit::PAGE).map(|row| row.seq);
    let acts = rows
        .into_iter()
        .map(|row| Act {
            seq: row.seq,
            at: row.at,
            actor: named(&row.actor).unwrap_or(row.actor),
            action: row.action,
            target: row.target,
            place: row.ip,
            request_id: row.request_id,
            detail: list_audit::detail_lines(&row.detail),
        })
        .collect();
    let text = |name: &str| asked.query(name).unwrap_or_default().to_owned();
    let chosen = AuditChoice {
        area: page.area.unwrap_or_default(),
        by: page.by,
        from: page.from.map(|_| text("from")).unwrap_or_default(),
        to: page.to.map(|_| text("to")).unwrap_or_default(),
    };
    Ok(shown(Audit { acts, before, chosen, members }))
}

/// Reads what an invitation offers; the page is for anybody who has the link.
pub(super) async fn offer(product: &Product, visit: &Visit, token: &str, is_logged_in: bool) -> Result<Loaded, Stop> {
    let offer = match show_invitation(&product.accounts, visit, &SecretText::from(token)).await {
        Ok(offer) => Some((offer.merchant_name, offer.role)),
        Err(AcceptInvitationError::Store(error)) => return Err(Stop::Failed(error)),
        Err(_refused) => None,
    };
    Ok(shown(Offer { offer, is_logged_in }))
}

impl From<TeamError> for Stop {
    fn from(error: TeamError) -> Self {
        match error {
            TeamError::Denied(_) => Self::Forbidden,
            TeamError::Store(error) => error.into(),
            _ => Self::NotFound,
        }
    }
}
