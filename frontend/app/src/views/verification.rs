//! `/console/verification`.

use kamiflow_domain::verification::VerificationView;

/// Which form is filled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Name and resident identity number.
    Person,
    /// Name, unified social credit code and legal representative.
    Company,
}

/// The merchant's verification.
#[derive(Debug)]
pub struct Verification {
    /// What was submitted, decided and looked at.
    pub view: VerificationView,
    /// The form that is shown, where one may be sent.
    pub kind: Kind,
}
