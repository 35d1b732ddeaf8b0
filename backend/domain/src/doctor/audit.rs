//! Whether each merchant's audit log still is what was written.

use kamiflow_store::{Store, StoreError, audit};

use super::{Finding, Progress, merchants, steps};

/// Computes each merchant's line of acts again.
///
/// # Errors
/// When the store fails.
pub async fn audit_log(store: &Store, progress: Progress<'_>) -> Result<Vec<Finding>, StoreError> {
    let merchants = merchants(store).await?;
    let total = steps(merchants.len());
    let mut findings = Vec::new();
    for (n, merchant) in merchants.iter().enumerate() {
        // One transaction per merchant, so that none is open for long.
        let mut tx = store.tenant_tx(*merchant).await?;
        let found = audit::find_break(&mut tx).await?;
        tx.commit().await?;
        if let Some(found) = found {
            let text =
                format!("the audit log of {merchant} is {} at entry {}", found.what.replace('_', " "), found.seq);
            let cure = "find who had the rights of the owner or a superuser since; compare audit_log with a backup";
            findings.push(Finding::fail("audit.chain", text, cure));
        }
        progress(steps(n.saturating_add(1)), total);
    }
    if findings.is_empty() {
        findings
            .push(Finding::ok("audit.chain", format!("{} merchants' audit logs are as they were", merchants.len())));
    }
    Ok(findings)
}
