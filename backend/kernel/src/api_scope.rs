//! What a token of the API may be for.

use crate::permission::Permission;
use crate::text_enum::text_enum;

text_enum! {
    /// What a token of the API may be used for: its maker chooses, and the maker's own permissions bound it.
    ApiScope("API scope") {
        /// Look at shops.
        ShopsRead => "shops:read",
        /// Look at orders, deliveries and their events; cards masked.
        OrdersRead => "orders:read",
        /// Let orders be tried again.
        OrdersWrite => "orders:write",
        /// Look at how much stock there is; no card's contents.
        CardsRead => "cards:read",
        /// Import and void cards.
        CardsWrite => "cards:write",
        /// See the cards of one order; logged and counted.
        CardsReveal => "cards:reveal",
        /// Approve redemptions.
        RedemptionsWrite => "redemptions:write",
        /// Report uses.
        UsesWrite => "uses:write",
    }
}

impl ApiScope {
    /// Returns the permissions that use cases ask for behind this scope.
    #[must_use]
    pub const fn permissions(self) -> &'static [Permission] {
        match self {
            Self::ShopsRead => &[Permission::ShowShops],
            // Orders are shown with their redemptions.
            Self::OrdersRead => &[Permission::ShowOrders, Permission::ShowRedemptions],
            // A retry may be one of the redemption.
            Self::OrdersWrite => &[Permission::HandleOrders, Permission::Redeem],
            Self::CardsRead => &[Permission::ShowStock],
            Self::CardsWrite => &[Permission::ManageCards],
            Self::CardsReveal => &[Permission::RevealCards],
            Self::RedemptionsWrite | Self::UsesWrite => &[Permission::Redeem],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::role::Role;

    #[test]
    fn no_scope_reaches_beyond_orders_cards_and_redemption() {
        for scope in ApiScope::ALL {
            for permission in scope.permissions() {
                assert!(permission.is_granted_to(Role::Operator), "{scope}: {permission}");
            }
        }
    }

    #[test]
    fn reading_scopes_only_look() {
        for scope in ApiScope::ALL.iter().filter(|scope| scope.as_str().ends_with(":read")) {
            assert!(scope.permissions().iter().all(|asked| asked.as_str().starts_with("show_")), "{scope}");
        }
    }
}
