//! Enrolls a member of the staff by the operator's link: password and code generator, both mandatory.

use kamiflow_kernel::SecretText;
use kamiflow_store::accounts::tokens::TokenPurpose;
use kamiflow_store::staff;

use super::record;
use crate::accounts::enrollment::{self, Chosen, EnrollError, Link};
use crate::accounts::totp::TotpSeed;
use crate::accounts::{Accounts, Visit};

const PURPOSE: TokenPurpose = TokenPurpose::StaffEnroll;

/// Returns a seed that waits for its first code.
///
/// # Errors
/// When the link is refused, or the store fails.
pub async fn begin_enrollment(accounts: &Accounts, visit: &Visit, token: &SecretText) -> Result<TotpSeed, EnrollError> {
    let (tx, seed) = enrollment::begin(accounts, visit, Link::of_platform(PURPOSE, token)).await?;
    tx.commit().await?;
    Ok(seed)
}

/// Takes the password and the first code: from then on the member logs in. Returns her recovery codes.
///
/// # Errors
/// When the link, the password or the code is refused, or the store fails.
pub async fn finish_enrollment(
    accounts: &Accounts,
    visit: &Visit,
    token: &SecretText,
    chosen: Chosen,
) -> Result<Vec<SecretText>, EnrollError> {
    let (mut tx, codes) = enrollment::finish(accounts, visit, Link::of_platform(PURPOSE, token), chosen).await?;
    staff::update_enrolled(&mut tx, Some(visit.now)).await?;
    record(&mut tx, visit, "staff.enroll").await?;
    tx.commit().await?;
    Ok(codes)
}
