//! Whether this process can open what is stored: every data key, and a value sealed and opened again.

use std::collections::BTreeMap;

use kamiflow_kernel::MerchantId;
use kamiflow_store::startup::{self, Obstacle};
use kamiflow_store::{SealError, Store, StoreError};
use uuid::Uuid;

use super::{Finding, Progress, merchants, steps};

/// A place that no column has.
const PLACE: &str = "doctor.trial";

/// Unwraps every data key, and seals and opens a value with one of each merchant.
///
/// # Errors
/// When the store fails.
pub async fn keys(store: &Store, progress: Progress<'_>) -> Result<Vec<Finding>, StoreError> {
    // Which master keys are in use; contents stay where they are.
    let mut tx = store.system_tx().await?;
    let masters = startup::list_master_keys(&mut tx).await?;
    tx.commit().await?;
    let mut findings = Vec::new();
    for obstacle in startup::list_obstacles(store).await?.into_iter().filter(|found| !found.is_of_schema()) {
        let code = match obstacle {
            Obstacle::MasterKeyMissing { .. } => "keys.master_missing",
            Obstacle::MasterKeyWrong { .. } | Obstacle::Schema(_) => "keys.master_wrong",
        };
        findings.push(Finding::fail(code, obstacle.to_string(), obstacle.cure()));
    }
    let mut owners = merchants(store).await?;
    owners.push(MerchantId::PLATFORM);
    let (mut opened, mut broken) = (0_usize, BTreeMap::<String, usize>::new());
    for (n, merchant) in owners.iter().enumerate() {
        let mut tx = store.tenant_tx(*merchant).await?;
        for id in startup::list_data_keys(&mut tx).await? {
            match tx.data_key_by_id(id).await {
                Ok(key) => {
                    let row = Uuid::nil();
                    let trial = key
                        .seal(PLACE, row, merchant.as_uuid().as_bytes())
                        .and_then(|sealed| key.open(PLACE, row, &sealed));
                    match trial {
                        Ok(plain) if plain.expose() == merchant.as_uuid().as_bytes() => opened += 1,
                        _ => *broken.entry(format!("of {merchant} does not open what it seals")).or_default() += 1,
                    }
                }
                // Told above, once for all that the master key wraps.
                Err(StoreError::Seal(SealError::MasterKeyMissing(_))) => {}
                Err(StoreError::Seal(_)) => {
                    *broken.entry(format!("of {merchant} does not open")).or_default() += 1;
                }
                Err(error) => return Err(error),
            }
        }
        tx.commit().await?;
        progress(steps(n + 1), steps(owners.len()));
    }
    for (what, count) in broken {
        let cure = "restore the row of data_keys from a backup; what it sealed cannot be read otherwise";
        findings.push(Finding::fail("keys.data_key", format!("{count} data key {what}"), cure));
    }
    if findings.is_empty() {
        let names: Vec<String> = masters.iter().map(|master| format!("`{}`", master.id)).collect();
        let by = if names.is_empty() { String::new() } else { format!(", wrapped by {}", names.join(", ")) };
        findings.push(Finding::ok("keys", format!("{opened} data keys open{by}")));
    }
    Ok(findings)
}
