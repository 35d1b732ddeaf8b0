//! Lists the staff, for the operator.

use kamiflow_store::staff::{self, StaffListRow};
use kamiflow_store::{Store, StoreError};

/// Lists all staff in the order in which they came, disabled ones included.
///
/// # Errors
/// When the store fails.
pub async fn list_staff(store: &Store) -> Result<Vec<StaffListRow>, StoreError> {
    // Addresses and roles of the operator's own people; no merchant is in it.
    let mut tx = store.system_tx().await?;
    let rows = staff::list(&mut tx).await?;
    tx.commit().await?;
    Ok(rows)
}
