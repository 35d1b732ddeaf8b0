//! Who acts, for whom, and when: the first argument of every use case.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use kamiflow_kernel::{
    ApiScope, ApiTokenId, MerchantId, Permission, Reach, Role, SessionId, ShopId, ShopScope, UserId,
};
use kamiflow_store::StoreError;

/// A member of the merchant's team, as the session's seat says at the beginning of the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub user: UserId,
    /// On which device.
    pub session: SessionId,
    /// What the member is.
    pub role: Role,
    /// Which shops the member sees.
    pub shops: ShopScope,
    /// Until when what asks for a fresh proof is allowed.
    pub sudo_until: Option<DateTime<Utc>>,
    /// Where from, without the last part.
    pub ip_prefix: String,
}

/// A token of the API, as its own row and its maker's seat say at the beginning of the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiCaller {
    /// Which.
    pub token: ApiTokenId,
    /// Whose seat it acts with.
    pub maker: UserId,
    /// What the maker is at present.
    pub role: Role,
    /// What it may be used for.
    pub scopes: Vec<ApiScope>,
    /// The shops that token, seat and mode leave; always named.
    pub shops: ShopScope,
    /// Whether neither the token nor its maker is limited to some shops.
    pub sees_all: bool,
    /// Whether it sees sandbox shops only, instead of all others only.
    pub is_test: bool,
    /// Where from, without the last part.
    pub ip_prefix: String,
}

impl ApiCaller {
    /// Returns whether scopes, the maker's role and the shops of both let it do something.
    fn may(&self, permission: Permission) -> bool {
        let asked_for = self.scopes.iter().any(|scope| scope.permissions().contains(&permission));
        let reaches = permission.reach() == Reach::Shop || self.sees_all;
        asked_for && permission.is_granted_to(self.role) && reaches
    }
}

/// A member of the operator's staff.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaffActor {
    /// Who.
    pub user: UserId,
    /// Where from, without the last part.
    pub ip_prefix: String,
}

/// Who acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// The engine itself, by the name of the pool or job.
    Engine(&'static str),
    /// The operator at the command line.
    Operator,
    /// A member of the merchant's team.
    Member(Arc<Member>),
    /// A program with a token of the API.
    Token(Arc<ApiCaller>),
    /// The operator's staff at `/staff`; sees no merchant's data.
    Staff(Arc<StaffActor>),
}

impl Actor {
    /// Returns the actor as the audit log names it.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Engine(name) => format!("engine:{name}"),
            Self::Operator => "operator".to_owned(),
            Self::Member(member) => member.user.to_string(),
            Self::Token(caller) => Self::name_of_token(caller.token),
            Self::Staff(staff) => format!("staff:{}", staff.user),
        }
    }

    /// Returns a token as the audit log names it.
    #[must_use]
    pub fn name_of_token(token: ApiTokenId) -> String {
        format!("token:{token}")
    }

    /// Returns where the act comes from, as far as it is kept; empty for who sits at the machine.
    #[must_use]
    pub fn ip_prefix(&self) -> &str {
        match self {
            Self::Member(member) => &member.ip_prefix,
            Self::Token(caller) => &caller.ip_prefix,
            Self::Staff(staff) => &staff.ip_prefix,
            Self::Engine(_) | Self::Operator => "",
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

/// Why somebody may not do something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// The role does not have it, or the member sees some shops only and it is about the whole merchant.
    #[error("this needs the permission `{0}`")]
    Permission(Permission),
    /// It asks for a second factor or the password once more.
    #[error("this needs a fresh proof of who you are")]
    SudoNeeded,
}

/// Why a use case that asks for nothing but a permission did not take place.
#[derive(Debug, thiserror::Error)]
pub enum ActError {
    /// The actor may not do it.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The store failed, or what it is about was not found.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Ctx {
    /// Refuses an actor who does not have a permission at all. The engine and the operator have every one.
    ///
    /// For what belongs to a shop, [`Ctx::sees`] asks about the shop as well.
    ///
    /// # Errors
    /// [`Denied::Permission`].
    pub fn require(&self, permission: Permission) -> Result<(), Denied> {
        let granted = match &self.actor {
            Actor::Engine(_) | Actor::Operator => true,
            Actor::Member(member) => {
                let reaches = permission.reach() == Reach::Shop || member.shops == ShopScope::All;
                permission.is_granted_to(member.role) && reaches
            }
            Actor::Token(caller) => caller.may(permission),
            Actor::Staff(_) => false,
        };
        if granted { Ok(()) } else { Err(Denied::Permission(permission)) }
    }

    /// Returns whether the actor has a permission, for pages that show what can be done.
    #[must_use]
    pub fn may(&self, permission: Permission) -> bool {
        self.require(permission).is_ok()
    }

    /// Refuses an actor who proved who they are too long ago.
    ///
    /// # Errors
    /// [`Denied::SudoNeeded`].
    pub fn require_sudo(&self) -> Result<(), Denied> {
        match &self.actor {
            Actor::Engine(_) | Actor::Operator => Ok(()),
            Actor::Member(member) if member.sudo_until.is_some_and(|until| self.now < until) => Ok(()),
            Actor::Member(_) | Actor::Token(_) | Actor::Staff(_) => Err(Denied::SudoNeeded),
        }
    }

    /// Answers that a shop was not found to an actor who does not see it.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], as for a shop of another merchant.
    pub fn sees(&self, shop: ShopId) -> Result<(), StoreError> {
        if self.shops().is_none_or(|shops| shops.includes(shop)) {
            return Ok(());
        }
        Err(StoreError::NotFound("shop"))
    }

    /// Returns the shops the actor is limited to; `None` for who sees everything.
    #[must_use]
    pub fn shops(&self) -> Option<&ShopScope> {
        match &self.actor {
            Actor::Engine(_) | Actor::Operator => None,
            Actor::Member(member) => match &member.shops {
                ShopScope::All => None,
                some @ ShopScope::Only(_) => Some(some),
            },
            Actor::Token(caller) => Some(&caller.shops),
            Actor::Staff(_) => Some(NOTHING.get_or_init(|| ShopScope::Only(std::collections::BTreeSet::new()))),
        }
    }

    /// Returns the member who acts, if it is one.
    #[must_use]
    pub fn member(&self) -> Option<&Member> {
        match &self.actor {
            Actor::Member(member) => Some(member),
            Actor::Engine(_) | Actor::Operator | Actor::Token(_) | Actor::Staff(_) => None,
        }
    }

    /// Returns the token that acts, if it is one.
    #[must_use]
    pub fn api_caller(&self) -> Option<&ApiCaller> {
        match &self.actor {
            Actor::Token(caller) => Some(caller),
            Actor::Engine(_) | Actor::Operator | Actor::Member(_) | Actor::Staff(_) => None,
        }
    }
}

/// Staff see no shop.
static NOTHING: std::sync::OnceLock<ShopScope> = std::sync::OnceLock::new();

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn ctx(role: Role, scopes: &[ApiScope], sees_all: bool) -> Ctx {
        let caller = ApiCaller {
            token: ApiTokenId::generate(),
            maker: UserId::generate(),
            role,
            scopes: scopes.to_vec(),
            shops: ShopScope::Only(BTreeSet::new()),
            sees_all,
            is_test: false,
            ip_prefix: String::new(),
        };
        let actor = Actor::Token(Arc::new(caller));
        Ctx { actor, merchant: MerchantId::generate(), request_id: String::new(), now: DateTime::UNIX_EPOCH }
    }

    #[test]
    fn a_token_does_what_its_scopes_and_its_makers_role_both_allow() {
        for role in Role::ALL {
            for permission in [Permission::ShowOrders, Permission::HandleOrders, Permission::ManageCards] {
                let granted = permission.is_granted_to(*role);
                assert_eq!(ctx(*role, ApiScope::ALL, true).may(permission), granted, "{permission} as {role}");
                assert!(!ctx(*role, &[ApiScope::ShopsRead], true).may(permission), "{permission} as {role}");
            }
        }
    }

    #[test]
    fn a_token_of_some_shops_does_nothing_for_the_merchant_and_none_does_what_no_scope_names() {
        assert!(!ctx(Role::Owner, ApiScope::ALL, false).may(Permission::ManageCards));
        let named: BTreeSet<_> = ApiScope::ALL.iter().flat_map(|scope| scope.permissions()).copied().collect();
        for permission in Permission::ALL {
            assert_eq!(
                ctx(Role::Owner, ApiScope::ALL, true).may(*permission),
                named.contains(permission),
                "{permission}"
            );
        }
        assert_eq!(ctx(Role::Owner, ApiScope::ALL, true).require_sudo(), Err(Denied::SudoNeeded));
    }
}
