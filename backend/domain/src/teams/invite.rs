//! Invites somebody: by mail, or by a link that is handed over otherwise; for seven days, once.

use std::time::Duration;

use kamiflow_kernel::{EmailAddress, InvitationId, Locale, LoginName, Permission, Role, SecretText, ShopScope, UserId};
use kamiflow_store::merchants;
use kamiflow_store::team::invitations::{self, NewInvitation};
use serde_json::json;
use uuid::Uuid;

use super::{TeamError, check_seat, shown};
use crate::accounts::letter::{Addressed, Letter};
use crate::accounts::secrets::fresh;
use crate::accounts::throttle::{self, Passage};
use crate::accounts::{Accounts, after, send_mail};
use crate::acts;
use crate::ctx::Ctx;

/// Mails of one merchant at once; a new team is not larger.
const MAILS_AT_ONCE: u32 = 20;
const GOOD_FOR: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// A seat to offer.
#[derive(Debug, Clone)]
pub struct Invite {
    /// Whom to write to; nobody for a link that is shown.
    pub email: Option<EmailAddress>,
    /// In which language to write.
    pub locale: Locale,
    /// As what.
    pub role: Role,
    /// For which shops.
    pub shops: ShopScope,
    /// What the inviter is called in the mail.
    pub inviter: String,
}

/// An invitation that was made.
#[derive(Debug, Clone)]
pub struct Invited {
    /// Its id.
    pub id: InvitationId,
    /// The link, shown once; for a mailed one it is in the mail alone.
    pub link: Option<SecretText>,
}

/// Makes an invitation.
///
/// # Errors
/// When the actor may not give such a seat, there were too many mails, or the store fails.
pub async fn invite(accounts: &Accounts, ctx: &Ctx, request: &Invite) -> Result<Invited, TeamError> {
    ctx.require(Permission::ManageTeam)?;
    // Whoever accepts could govern the merchant for good: a stolen session alone must not do that.
    if matches!(request.role, Role::Owner | Role::Admin) {
        ctx.require_sudo()?;
    }
    if let Some(to) = &request.email {
        pass_mail(accounts, ctx, to).await?;
    }
    let mut tx = accounts.store.tenant_tx(ctx.merchant).await?;
    check_seat(&mut tx, ctx, request.role, &request.shops).await?;
    let (id, token) = (InvitationId::generate(), fresh());
    let expires_at = after(ctx.now, GOOD_FOR);
    let new = NewInvitation {
        id,
        email: request.email.as_ref(),
        role: request.role,
        shops: &request.shops,
        token_hash: &token.hash,
        invited_by: ctx.member().map_or(UserId::from_uuid(Uuid::nil()), |member| member.user),
        at: ctx.now,
        expires_at,
    };
    invitations::insert(&mut tx, &new).await?;
    let link = format!("{}/join?token={}", accounts.config.base_url, token.secret.expose());
    let mut wakes = Vec::new();
    if let Some(to) = &request.email {
        let merchant = merchants::find(&mut tx).await?.map_or_else(String::new, |row| row.name);
        let letter =
            Letter::Invitation { by: request.inviter.clone(), merchant, role: request.role, link: link.clone() };
        let mail = Addressed { to: to.clone(), locale: request.locale, letter };
        wakes.push(send_mail::plan(&mut tx, &mail, ctx.now, GOOD_FOR).await?);
    }
    let detail = json!({ "role": request.role, "shops": shown(&request.shops), "by_mail": request.email.is_some() });
    acts::record(&mut tx, ctx, "team.invite", id, detail).await?;
    tx.commit().await?;
    accounts.wakes.wake(ctx.merchant, &wakes).await;
    Ok(Invited { id, link: request.email.is_none().then(|| SecretText::new(link)) })
}

/// Counts a mail to a stranger: at the merchant, and at the address, which several merchants could write to.
async fn pass_mail(accounts: &Accounts, ctx: &Ctx, to: &EmailAddress) -> Result<(), TeamError> {
    let mut gates = throttle::of_merchant("invitation", ctx.merchant, MAILS_AT_ONCE);
    gates.extend(throttle::of_mails("invitation", &LoginName::from(to.clone())));
    match accounts.throttle.pass(&gates).await? {
        Passage::Open => Ok(()),
        Passage::Wait(retry_after) => Err(TeamError::TooMany { retry_after }),
    }
}

/// Takes an invitation back.
///
/// # Errors
/// When the actor may not, nobody can accept it any more, or the store fails.
pub async fn revoke_invitation(accounts: &Accounts, ctx: &Ctx, id: InvitationId) -> Result<(), TeamError> {
    ctx.require(Permission::ManageTeam)?;
    let mut tx = accounts.store.tenant_tx(ctx.merchant).await?;
    if !invitations::update_revoked(&mut tx, id, ctx.now).await? {
        return Err(TeamError::NotFound);
    }
    acts::record(&mut tx, ctx, "team.invitation_revoke", id, json!({})).await?;
    tx.commit().await?;
    Ok(())
}
