//! Who joins, governs, changes and leaves a team.

use chrono::TimeDelta;
use kamiflow_domain::accounts::change_password::change_password;
use kamiflow_domain::accounts::proof::Proof;
use kamiflow_domain::accounts::sudo::sudo;
use kamiflow_domain::accounts::switch_merchant::{list_merchants, switch_merchant};
use kamiflow_domain::ctx::{Ctx, Denied};
use kamiflow_domain::teams::TeamError;
use kamiflow_domain::teams::accept_invitation::{AcceptInvitationError, accept_invitation, show_invitation};
use kamiflow_domain::teams::change_member::{ChangeMember, change_member};
use kamiflow_domain::teams::close_merchant::{close_merchant, reopen_merchant};
use kamiflow_domain::teams::invite::{Invite, invite, revoke_invitation};
use kamiflow_domain::teams::leave::leave;
use kamiflow_domain::teams::remove_member::remove_member;
use kamiflow_domain::teams::show_team::show_team;
use kamiflow_domain::teams::sub_account::{
    CreateSubAccount, SubAccountError, create_sub_account, reset_second_factor, reset_sub_account,
};
use kamiflow_domain::teams::transfer_ownership::transfer_ownership;
use kamiflow_kernel::{Locale, Role, SecretText, ShopScope, UserId};
use kamiflow_store::StoreError;
use kamiflow_test_support::accounts::{AccountsApp, PASSWORD, token_in};

fn offer(role: Role, email: Option<&str>) -> Invite {
    let email = email.map(|email| email.parse().unwrap());
    Invite { email, locale: Locale::En, role, shops: ShopScope::All, inviter: "Li".to_owned() }
}

/// Returns the circumstances of an act of this account, with a fresh proof.
async fn acting(app: &AccountsApp, login: &str) -> Ctx {
    let session = app.logs_in(login).await;
    let account = app.asks(&session.access).await.unwrap();
    sudo(&app.accounts, &app.visit(), &account, &Proof::Password(PASSWORD.into())).await.unwrap();
    app.asks(&session.access).await.unwrap().ctx(&app.visit()).unwrap()
}

fn token_of(link: &SecretText) -> SecretText {
    link.expose().split_once("token=").unwrap().1.into()
}

/// Lets somebody with an account join with a role.
async fn joins(app: &AccountsApp, owner: &Ctx, email: &str, role: Role) -> UserId {
    let user = app.owner(email).await.user;
    let invited = invite(&app.accounts, owner, &offer(role, None)).await.unwrap();
    let account = app.account(email).await;
    let token = token_of(&invited.link.unwrap());
    accept_invitation(&app.accounts, &app.visit(), &account, &token).await.unwrap();
    user
}

#[tokio::test]
async fn a_link_gives_one_seat_for_seven_days() {
    let app = AccountsApp::new().await;
    app.owner("owner@example.com").await;
    app.owner("b@example.com").await;
    app.owner("c@example.com").await;
    let owner = acting(&app, "owner@example.com").await;
    let link = invite(&app.accounts, &owner, &offer(Role::Operator, None)).await.unwrap().link.unwrap();
    let token = token_of(&link);
    let shown = show_invitation(&app.accounts, &app.visit(), &token).await.unwrap();
    assert_eq!((shown.merchant, shown.role), (owner.merchant, Role::Operator));
    let session = app.logs_in("b@example.com").await;
    let b = app.asks(&session.access).await.unwrap();
    accept_invitation(&app.accounts, &app.visit(), &b, &token).await.unwrap();
    let seat = app.asks(&session.access).await.unwrap().seat.unwrap();
    assert_eq!((seat.merchant, seat.role), (owner.merchant, Role::Operator));
    let c = app.account("c@example.com").await;
    let again = accept_invitation(&app.accounts, &app.visit(), &c, &token).await;
    assert!(matches!(again, Err(AcceptInvitationError::Refused)));
    let late = invite(&app.accounts, &owner, &offer(Role::Viewer, None)).await.unwrap().link.unwrap();
    app.app.clock.advance(TimeDelta::days(7));
    let late = accept_invitation(&app.accounts, &app.visit(), &c, &token_of(&late)).await;
    assert!(matches!(late, Err(AcceptInvitationError::Refused)));
}

#[tokio::test]
async fn a_mailed_invitation_is_for_its_address_and_can_be_taken_back() {
    let app = AccountsApp::new().await;
    let merchant = app.owner("owner@example.com").await.merchant;
    app.owner("b@example.com").await;
    app.owner("c@example.com").await;
    let owner = acting(&app, "owner@example.com").await;
    app.mails(&[merchant]).await;
    let made = invite(&app.accounts, &owner, &offer(Role::Viewer, Some("b@example.com"))).await.unwrap();
    assert!(made.link.is_none(), "the link is in the mail alone");
    let token = token_in(&app.mails(&[merchant]).await["b@example.com"][0]);
    let c = app.account("c@example.com").await;
    let forwarded = accept_invitation(&app.accounts, &app.visit(), &c, &token).await;
    assert!(matches!(forwarded, Err(AcceptInvitationError::OtherAddress)));
    revoke_invitation(&app.accounts, &owner, made.id).await.unwrap();
    let b = app.account("b@example.com").await;
    let revoked = accept_invitation(&app.accounts, &app.visit(), &b, &token).await;
    assert!(matches!(revoked, Err(AcceptInvitationError::Refused)));
    assert!(matches!(revoke_invitation(&app.accounts, &owner, made.id).await, Err(TeamError::NotFound)));
}

#[tokio::test]
async fn an_invitation_is_worth_no_more_than_the_seat_of_who_made_it() {
    let app = AccountsApp::new().await;
    app.owner("owner@example.com").await;
    app.owner("b@example.com").await;
    let owner = acting(&app, "owner@example.com").await;
    let admin_user = joins(&app, &owner, "admin@example.com", Role::Admin).await;
    let account = app.account("admin@example.com").await;
    switch_merchant(&app.accounts, &app.visit(), &account, owner.merchant).await.unwrap();
    let admin = acting(&app, "admin@example.com").await;
    let link = invite(&app.accounts, &admin, &offer(Role::Admin, None)).await.unwrap().link.unwrap();
    let token = token_of(&link);
    let b = app.account("b@example.com").await;
    let visit = app.visit();
    show_invitation(&app.accounts, &visit, &token).await.unwrap();
    let change = |role| ChangeMember { user: admin_user, role, shops: ShopScope::All };
    change_member(&app.accounts, &owner, &change(Role::Viewer)).await.unwrap();
    assert!(matches!(show_invitation(&app.accounts, &visit, &token).await, Err(AcceptInvitationError::Refused)));
    let taken = accept_invitation(&app.accounts, &visit, &b, &token).await;
    assert!(matches!(taken, Err(AcceptInvitationError::Refused)));
    remove_member(&app.accounts, &owner, admin_user).await.unwrap();
    let taken = accept_invitation(&app.accounts, &visit, &b, &token).await;
    assert!(matches!(taken, Err(AcceptInvitationError::Refused)));
    // The offer is as good again as the seat behind it.
    joins(&app, &owner, "c@example.com", Role::Viewer).await;
    let again = invite(&app.accounts, &owner, &offer(Role::Admin, None)).await.unwrap().link.unwrap();
    accept_invitation(&app.accounts, &visit, &b, &token_of(&again)).await.unwrap();
}

#[tokio::test]
async fn mails_to_strangers_are_counted_by_merchant_and_by_address() {
    let app = AccountsApp::new().await;
    app.owner("owner@example.com").await;
    app.owner("other@example.com").await;
    let owner = acting(&app, "owner@example.com").await;
    let other = acting(&app, "other@example.com").await;
    let mail = async |ctx: &Ctx, to: &str| invite(&app.accounts, ctx, &offer(Role::Viewer, Some(to))).await;
    for _ in 0..3 {
        mail(&owner, "victim@example.com").await.unwrap();
    }
    assert!(matches!(mail(&owner, "victim@example.com").await, Err(TeamError::TooMany { .. })));
    assert!(matches!(mail(&other, "victim@example.com").await, Err(TeamError::TooMany { .. })), "from anybody");
    for n in 0..17 {
        mail(&owner, &format!("stranger-{n}@example.com")).await.unwrap();
    }
    assert!(matches!(mail(&owner, "one-more@example.com").await, Err(TeamError::TooMany { .. })));
    mail(&other, "one-more@example.com").await.unwrap();
    invite(&app.accounts, &owner, &offer(Role::Viewer, None)).await.unwrap();
}

#[tokio::test]
async fn admins_govern_everybody_but_owners_and_nobody_governs_themselves() {
    let app = AccountsApp::new().await;
    let first = app.owner("owner@example.com").await;
    let owner = acting(&app, "owner@example.com").await;
    let admin_user = joins(&app, &owner, "admin@example.com", Role::Admin).await;
    let viewer = joins(&app, &owner, "viewer@example.com", Role::Viewer).await;
    let account = app.account("admin@example.com").await;
    switch_merchant(&app.accounts, &app.visit(), &account, owner.merchant).await.unwrap();
    let admin = acting(&app, "admin@example.com").await;
    let change = |user, role| ChangeMember { user, role, shops: ShopScope::All };
    change_member(&app.accounts, &admin, &change(viewer, Role::Operator)).await.unwrap();
    let promote = change_member(&app.accounts, &admin, &change(viewer, Role::Owner)).await;
    assert!(matches!(promote, Err(TeamError::NotGoverned(Role::Owner))));
    let demote = change_member(&app.accounts, &admin, &change(first.user, Role::Viewer)).await;
    assert!(matches!(demote, Err(TeamError::NotGoverned(Role::Owner))));
    assert!(matches!(remove_member(&app.accounts, &admin, first.user).await, Err(TeamError::NotGoverned(_))));
    let own = change_member(&app.accounts, &admin, &change(admin_user, Role::Owner)).await;
    assert!(matches!(own, Err(TeamError::Oneself)));
    let invited = invite(&app.accounts, &admin, &offer(Role::Owner, None)).await;
    assert!(matches!(invited, Err(TeamError::NotGoverned(Role::Owner))));
    remove_member(&app.accounts, &admin, viewer).await.unwrap();
    assert_eq!(show_team(&app.accounts, &admin).await.unwrap().members.len(), 2);
    let account = app.account("viewer@example.com").await;
    let back = switch_merchant(&app.accounts, &app.visit(), &account, owner.merchant).await;
    assert!(matches!(back, Err(StoreError::NotFound(_))));
}

#[tokio::test]
async fn members_of_another_merchant_are_not_found() {
    let app = AccountsApp::new().await;
    let other = app.owner("other@example.com").await;
    app.owner("owner@example.com").await;
    let owner = acting(&app, "owner@example.com").await;
    let change = ChangeMember { user: other.user, role: Role::Viewer, shops: ShopScope::All };
    assert!(matches!(change_member(&app.accounts, &owner, &change).await, Err(TeamError::NotFound)));
    assert!(matches!(remove_member(&app.accounts, &owner, other.user).await, Err(TeamError::NotFound)));
    let reset = reset_second_factor(&app.accounts, &owner, other.user).await;
    assert!(matches!(reset, Err(SubAccountError::Team(TeamError::NotFound))));
    let reset = reset_sub_account(&app.accounts, &owner, other.user).await;
    assert!(matches!(reset, Err(SubAccountError::Team(TeamError::NotFound))));
    app.logs_in("other@example.com").await;
}

#[tokio::test]
async fn a_sub_account_logs_in_with_the_merchants_code_and_chooses_a_password_first() {
    let app = AccountsApp::new().await;
    app.owner("owner@example.com").await;
    let owner = acting(&app, "owner@example.com").await;
    let request = CreateSubAccount {
        name: "Kefu01".to_owned(),
        display_name: "客服一号".to_owned(),
        role: Role::Operator,
        shops: ShopScope::All,
        locale: Locale::Zh,
    };
    let unproven = app.account("owner@example.com").await.ctx(&app.visit()).unwrap();
    let refused = create_sub_account(&app.accounts, &unproven, &request).await;
    assert!(matches!(refused, Err(SubAccountError::Team(TeamError::Denied(Denied::SudoNeeded)))));
    let refused = invite(&app.accounts, &unproven, &offer(Role::Admin, None)).await;
    assert!(matches!(refused, Err(TeamError::Denied(Denied::SudoNeeded))));
    let made = create_sub_account(&app.accounts, &owner, &request).await.unwrap();
    assert!(made.login.as_str().starts_with("kefu01@") && made.login.as_email().is_none());
    let twice = create_sub_account(&app.accounts, &owner, &request).await;
    assert!(matches!(twice, Err(SubAccountError::Taken(_))));
    let logged_in = app.tries(&app.visit(), made.login.as_str(), made.password.expose(), None).await.unwrap();
    let kamiflow_domain::accounts::log_in::LoggedIn::Done(session) = logged_in else { panic!("no second factor") };
    assert!(session.must_change_password);
    let account = app.asks(&session.access).await.unwrap();
    assert!(account.ctx(&app.visit()).is_none(), "nothing else is possible before");
    change_password(&app.accounts, &app.visit(), &account, (&made.password, PASSWORD.into())).await.unwrap();
    let account = app.asks(&session.access).await.unwrap();
    assert_eq!(account.ctx(&app.visit()).unwrap().merchant, owner.merchant);
    let reset = reset_sub_account(&app.accounts, &owner, made.user).await.unwrap();
    assert!(app.asks(&session.access).await.is_err(), "a reset ends all sessions");
    app.tries(&app.visit(), made.login.as_str(), reset.password.expose(), None).await.unwrap();
    let team = show_team(&app.accounts, &owner).await.unwrap();
    assert!(team.members.iter().any(|member| member.user == made.user && member.is_sub_account));
}

#[tokio::test]
async fn the_only_owner_stays_and_ownership_is_handed_over() {
    let app = AccountsApp::new().await;
    let merchant = app.owner("owner@example.com").await.merchant;
    let owner = acting(&app, "owner@example.com").await;
    assert!(matches!(leave(&app.accounts, &owner).await, Err(TeamError::OnlyOwner)));
    let heir = joins(&app, &owner, "heir@example.com", Role::Operator).await;
    let unproven = app.account("owner@example.com").await.ctx(&app.visit()).unwrap();
    let refused = transfer_ownership(&app.accounts, &unproven, heir).await;
    assert!(matches!(refused, Err(TeamError::Denied(Denied::SudoNeeded))));
    app.mails(&[merchant]).await;
    transfer_ownership(&app.accounts, &owner, heir).await.unwrap();
    let told = app.mails(&[merchant]).await;
    assert!(told.contains_key("owner@example.com") && told.contains_key("heir@example.com"), "every leader is told");
    let former = app.account("owner@example.com").await;
    assert_eq!(former.seat.as_ref().unwrap().role, Role::Admin);
    leave(&app.accounts, &former.ctx(&app.visit()).unwrap()).await.unwrap();
    assert!(app.account("owner@example.com").await.seat.is_none());
}

#[tokio::test]
async fn one_user_works_for_several_merchants() {
    let app = AccountsApp::new().await;
    app.owner("owner@example.com").await;
    let owner = acting(&app, "owner@example.com").await;
    let own = app.owner("b@example.com").await.merchant;
    let invited = invite(&app.accounts, &owner, &offer(Role::Finance, None)).await.unwrap();
    let session = app.logs_in("b@example.com").await;
    let account = app.asks(&session.access).await.unwrap();
    app.app.clock.advance(TimeDelta::minutes(1));
    accept_invitation(&app.accounts, &app.visit(), &account, &token_of(&invited.link.unwrap())).await.unwrap();
    let seats = list_merchants(&app.accounts, &account).await.unwrap();
    assert_eq!(seats.iter().map(|seat| seat.merchant).collect::<Vec<_>>(), [own, owner.merchant]);
    switch_merchant(&app.accounts, &app.visit(), &account, own).await.unwrap();
    let seat = app.asks(&session.access).await.unwrap().seat.unwrap();
    assert_eq!((seat.merchant, seat.role), (own, Role::Owner));
}

#[tokio::test]
async fn a_merchant_closes_after_thirty_days_of_grace() {
    let app = AccountsApp::new().await;
    app.owner("owner@example.com").await;
    let owner = acting(&app, "owner@example.com").await;
    close_merchant(&app.accounts, &owner).await.unwrap();
    assert!(app.account("owner@example.com").await.ctx(&app.visit()).is_some(), "its owners can think better of it");
    reopen_merchant(&app.accounts, &owner).await.unwrap();
    close_merchant(&app.accounts, &owner).await.unwrap();
    app.app.clock.advance(TimeDelta::days(30));
    assert!(app.account("owner@example.com").await.ctx(&app.visit()).is_none());
}
