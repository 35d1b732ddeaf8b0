//! What there is to be permitted, and the one table that says to whom.

use crate::role::Role;
use crate::text_enum::text_enum;

text_enum! {
    /// Something a member may be allowed to do. Use cases ask for one before they begin.
    Permission("permission") {
        /// Look at orders, deliveries and their events.
        ShowOrders => "show_orders",
        /// Look at products and how SKUs are mapped.
        ShowProducts => "show_products",
        /// Look at how much stock there is; no card's contents.
        ShowStock => "show_stock",
        /// Look at redemptions.
        ShowRedemptions => "show_redemptions",
        /// Look at shops and how their connection does.
        ShowShops => "show_shops",
        /// Retry, release and settle orders.
        HandleOrders => "handle_orders",
        /// See the cards of one order; logged and counted.
        RevealCards => "reveal_cards",
        /// Redeem, approve redemptions, report uses.
        Redeem => "redeem",
        /// Make pools; import, generate, void cards.
        ManageCards => "manage_cards",
        /// Say which SKU is delivered how; change what the platform has in stock.
        MapSkus => "map_skus",
        /// Write redemption rules.
        ManageRules => "manage_rules",
        /// Pause and resume work of a shop.
        Pause => "pause",
        /// Pause and resume work of the whole merchant, of a pool or of a batch.
        PauseAll => "pause_all",
        /// Let a shop deliver.
        GoLive => "go_live",
        /// Connect, authorize and disconnect shops; applications and their secrets.
        ManageShops => "manage_shops",
        /// Tokens of the API, webhooks, notification channels.
        ManageIntegrations => "manage_integrations",
        /// Submit the merchant's identity.
        Verify => "verify",
        /// Look at sums and reports.
        ShowReports => "show_reports",
        /// Take data out in bulk.
        Export => "export",
        /// Look at invoices and the plan.
        ShowBilling => "show_billing",
        /// Change the plan and how it is paid.
        ManageBilling => "manage_billing",
        /// See who is in the team.
        ShowTeam => "show_team",
        /// Invite, change and remove members; reset their second factor.
        ManageTeam => "manage_team",
        /// Look at the audit log.
        ShowAudit => "show_audit",
        /// Hand the merchant over, close it.
        ManageMerchant => "manage_merchant",
    }
}

/// How far a permission reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// What belongs to a shop: who is limited to some shops has it for those.
    Shop,
    /// What belongs to the merchant: only who sees all shops has it.
    Merchant,
}

/// One line of the matrix.
#[derive(Debug, Clone, Copy)]
pub struct Grant {
    /// What.
    pub permission: Permission,
    /// How far.
    pub reach: Reach,
    /// To whom.
    pub roles: &'static [Role],
}

const EVERYBODY: &[Role] = &[Role::Owner, Role::Admin, Role::Operator, Role::Finance, Role::Viewer];
const WORKERS: &[Role] = &[Role::Owner, Role::Admin, Role::Operator];
const ACCOUNTANTS: &[Role] = &[Role::Owner, Role::Admin, Role::Finance];
const LEADERS: &[Role] = &[Role::Owner, Role::Admin];
const OWNERS: &[Role] = &[Role::Owner];

const fn line(permission: Permission, reach: Reach, roles: &'static [Role]) -> Grant {
    Grant { permission, reach, roles }
}

/// Who may do what: the table that use cases ask, tests execute and the team page shows.
pub const MATRIX: &[Grant] = &[
    line(Permission::ShowOrders, Reach::Shop, EVERYBODY),
    line(Permission::ShowProducts, Reach::Shop, EVERYBODY),
    line(Permission::ShowStock, Reach::Shop, EVERYBODY),
    line(Permission::ShowRedemptions, Reach::Shop, EVERYBODY),
    line(Permission::ShowShops, Reach::Shop, EVERYBODY),
    line(Permission::HandleOrders, Reach::Shop, WORKERS),
    line(Permission::RevealCards, Reach::Shop, WORKERS),
    line(Permission::Redeem, Reach::Shop, WORKERS),
    line(Permission::ManageCards, Reach::Merchant, WORKERS),
    line(Permission::MapSkus, Reach::Shop, WORKERS),
    line(Permission::ManageRules, Reach::Merchant, LEADERS),
    line(Permission::Pause, Reach::Shop, WORKERS),
    line(Permission::PauseAll, Reach::Merchant, WORKERS),
    line(Permission::GoLive, Reach::Shop, LEADERS),
    line(Permission::ManageShops, Reach::Merchant, LEADERS),
    line(Permission::ManageIntegrations, Reach::Merchant, LEADERS),
    line(Permission::Verify, Reach::Merchant, LEADERS),
    line(Permission::ShowReports, Reach::Shop, EVERYBODY),
    line(Permission::Export, Reach::Shop, &[Role::Owner, Role::Admin, Role::Operator, Role::Finance]),
    line(Permission::ShowBilling, Reach::Merchant, ACCOUNTANTS),
    line(Permission::ManageBilling, Reach::Merchant, ACCOUNTANTS),
    line(Permission::ShowTeam, Reach::Merchant, EVERYBODY),
    line(Permission::ManageTeam, Reach::Merchant, LEADERS),
    line(Permission::ShowAudit, Reach::Merchant, LEADERS),
    line(Permission::ManageMerchant, Reach::Merchant, OWNERS),
];

impl Permission {
    /// Returns how far the permission reaches.
    #[must_use]
    pub fn reach(self) -> Reach {
        // A permission without a line reaches nobody; a test finds it.
        MATRIX.iter().find(|grant| grant.permission == self).map_or(Reach::Merchant, |grant| grant.reach)
    }

    /// Returns whether a role has the permission.
    #[must_use]
    pub fn is_granted_to(self, role: Role) -> bool {
        MATRIX.iter().any(|grant| grant.permission == self && grant.roles.contains(&role))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_permission_has_one_line() {
        for permission in Permission::ALL {
            let lines = MATRIX.iter().filter(|grant| grant.permission == *permission).count();
            assert_eq!(lines, 1, "{permission}");
        }
        assert_eq!(MATRIX.len(), Permission::ALL.len());
    }

    #[test]
    fn an_owner_has_all_and_an_admin_all_but_the_merchant_itself() {
        for permission in Permission::ALL {
            assert!(permission.is_granted_to(Role::Owner), "{permission}");
            assert_eq!(
                permission.is_granted_to(Role::Admin),
                *permission != Permission::ManageMerchant,
                "{permission}"
            );
        }
    }

    #[test]
    fn a_viewer_only_looks() {
        for permission in Permission::ALL {
            let looks = permission.as_str().starts_with("show_");
            assert!(looks || !permission.is_granted_to(Role::Viewer), "{permission}");
        }
    }
}
