//! What a member is in a merchant's team.

use std::collections::BTreeSet;

use crate::ids::ShopId;
use crate::text_enum::text_enum;

text_enum! {
    /// A member's role; what each may do is one table, [`crate::MATRIX`].
    Role("role") {
        /// Everything, and the only one who makes owners or closes the merchant.
        Owner => "owner",
        /// Everything but that.
        Admin => "admin",
        /// Orders, cards and redemption.
        Operator => "operator",
        /// Billing and reports.
        Finance => "finance",
        /// Looks.
        Viewer => "viewer",
    }
}

impl Role {
    /// Returns whether a membership of this role may be limited to some shops: who runs the team sees all of it.
    #[must_use]
    pub const fn can_be_limited(self) -> bool {
        matches!(self, Self::Operator | Self::Finance | Self::Viewer)
    }

    /// Returns whether this role may give, change or take the other one: owners are made by owners only.
    #[must_use]
    pub const fn governs(self, other: Self) -> bool {
        match self {
            Self::Owner => true,
            Self::Admin => !matches!(other, Self::Owner),
            Self::Operator | Self::Finance | Self::Viewer => false,
        }
    }
}

/// Which shops somebody sees and acts on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShopScope {
    /// Every shop of the merchant, and what belongs to no shop.
    All,
    /// These and nothing else.
    Only(BTreeSet<ShopId>),
}

impl ShopScope {
    /// Returns whether a shop is within the scope.
    #[must_use]
    pub fn includes(&self, shop: ShopId) -> bool {
        match self {
            Self::All => true,
            Self::Only(shops) => shops.contains(&shop),
        }
    }

    /// Returns whether all of this scope lies within the other: nobody gives more than they have.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        match (self, other) {
            (_, Self::All) => true,
            (Self::All, Self::Only(_)) => false,
            (Self::Only(mine), Self::Only(theirs)) => mine.is_subset(theirs),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_below_an_owner_governs_owners() {
        for role in Role::ALL {
            assert_eq!(role.governs(Role::Owner), *role == Role::Owner, "{role}");
            assert_eq!(role.governs(Role::Viewer), matches!(role, Role::Owner | Role::Admin), "{role}");
        }
    }

    #[test]
    fn a_scope_holds_its_own_shops_only() {
        let (mine, other) = (ShopId::generate(), ShopId::generate());
        let one = ShopScope::Only(BTreeSet::from([mine]));
        assert!(one.includes(mine) && !one.includes(other));
        assert!(one.is_within(&ShopScope::All) && !ShopScope::All.is_within(&one));
        assert!(!ShopScope::Only(BTreeSet::from([mine, other])).is_within(&one));
    }
}
