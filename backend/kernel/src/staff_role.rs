//! What a member of the operator's staff is.

use crate::text_enum::text_enum;

text_enum! {
    /// A role at `/staff`; it says nothing about any merchant's team.
    StaffRole("staff role") {
        /// Decides about identities.
        Reviewer => "reviewer",
        /// Answers questions; sees no identity.
        Support => "support",
        /// All of it.
        Admin => "admin",
    }
}

impl StaffRole {
    /// Returns whether identities may be opened and decided about.
    #[must_use]
    pub const fn may_review(self) -> bool {
        matches!(self, Self::Reviewer | Self::Admin)
    }
}
