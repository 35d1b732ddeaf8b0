//! `/console/team`, `/console/audit` and `/join`.

use std::collections::HashMap;

use kamiflow_app::views::team::{Act, Audit, Invitation, Member, Offer, Team};
use kamiflow_domain::accounts::Visit;
use kamiflow_domain::api::list_tokens::list_token_names;
use kamiflow_domain::ctx::Actor;
use kamiflow_domain::list_audit::{self, AuditPage};
use kamiflow_domain::teams::TeamError;
use kamiflow_domain::teams::accept_invitation::{AcceptInvitationError, show_invitation};
use kamiflow_domain::teams::show_team::show_team;
use kamiflow_kernel::{Permission, SecretText, ShopScope};

use super::{Asked, Loaded, Stop, shown};
use crate::product::Product;

/// Reads the team.
pub(super) async fn team(asked: &Asked<'_>) -> Result<Loaded, Stop> {
    let read = show_team(&asked.product.accounts, asked.ctx).await?;
    let actor = asked.ctx.member();
    let members = read
        .members
        .into_iter()
        .map(|row| Member {
            is_oneself: row.user == asked.account.user,
            is_governed: actor.is_none_or(|actor| actor.role.governs(row.role)),
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
        })
        .collect();
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
        code: asked.account.seat.as_ref().map(|seat| seat.merchant_code.clone()).unwrap_or_default(),
    }))
}

/// Reads a page of the audit log, with members by their names.
pub(super) async fn audit(asked: &Asked<'_>) -> Result<Loaded, Stop> {
    let area = asked.query("area").unwrap_or_default().to_owned();
    let before_seq = asked.query("before").and_then(|text| text.parse().ok());
    let page = AuditPage { area: (!area.is_empty()).then_some(area.as_str()), before_seq };
    let rows = list_audit::list_audit(&asked.product.engine, asked.ctx, &page).await?;
    let names = names(asked).await?;
    let before = rows.last().filter(|_| rows.len() == list_audit::PAGE).map(|row| row.seq);
    let acts = rows
        .into_iter()
        .map(|row| Act {
            seq: row.seq,
            at: row.at,
            actor: names.get(&row.actor).cloned().unwrap_or(row.actor),
            action: row.action,
            target: row.target,
            place: row.ip,
            request_id: row.request_id,
            detail: row.detail.to_string(),
        })
        .collect();
    Ok(shown(Audit { acts, before, area }))
}

/// Returns who is in the team, and what its tokens are called, by the names acts are recorded under.
async fn names(asked: &Asked<'_>) -> Result<HashMap<String, String>, Stop> {
    let team = show_team(&asked.product.accounts, asked.ctx).await?;
    let members = team.members.into_iter().map(|row| (row.user.to_string(), row.name));
    let tokens = list_token_names(&asked.product.engine, asked.ctx).await?;
    let tokens = tokens.into_iter().map(|(token, name)| (Actor::name_of_token(token), format!("API · {name}")));
    Ok(members.chain(tokens).collect())
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
