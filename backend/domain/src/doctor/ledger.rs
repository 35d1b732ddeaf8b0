//! Whether the card ledger still is what was written: chain by chain, and day by day as it was sealed.
//!
//! The chains show what was changed in one of them, the sealed days that a whole one was exchanged.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use kamiflow_kernel::MerchantId;
use kamiflow_store::{Store, StoreError, card_uses, ledger_roots};

use super::{Finding, Progress, merchants, steps};
use crate::ledger_root;

/// A day is sealed an hour after its end, by a loop that looks every ten minutes.
const SEALED_WITHIN: TimeDelta = TimeDelta::hours(26);
/// Chains that one statement looks at: some tenths of a second.
const CHAINS: i64 = 5_000;
const TAMPERED: &str =
    "find who had the rights of the owner or a superuser since; compare card_ledger with a backup of that day";

/// Recomputes every entry of each chain that has moved in so many days.
///
/// # Errors
/// When the store fails.
pub async fn chains(
    store: &Store,
    days: u32,
    now: DateTime<Utc>,
    progress: Progress<'_>,
) -> Result<Vec<Finding>, StoreError> {
    let since = now - TimeDelta::days(i64::from(days));
    let merchants = merchants(store).await?;
    let (mut findings, mut looked_at) = (Vec::new(), 0);
    for (n, merchant) in merchants.iter().enumerate() {
        let (mut broken, mut after) = (0, None);
        loop {
            // One transaction per page, so that none is open for long.
            let mut tx = store.tenant_tx(*merchant).await?;
            let page = card_uses::check_chains(&mut tx, Some(since), after, CHAINS).await?;
            tx.commit().await?;
            looked_at += page.looked_at;
            broken += page.broken;
            after = page.last();
            if after.is_none() {
                break;
            }
        }
        if broken > 0 {
            let text = format!("{broken} chains in the card ledger of {merchant} are not what was written");
            findings.push(Finding::fail("ledger.chains", text, TAMPERED));
        }
        progress(steps(n + 1), steps(merchants.len()));
    }
    if findings.is_empty() {
        let text = format!("{looked_at} chains that moved within {days} days hold, entry by entry");
        findings.push(Finding::ok("ledger.chains", text));
    }
    Ok(findings)
}

/// Computes the roots of each merchant's latest sealed days again and compares them with the stored ones.
///
/// # Errors
/// When the store fails.
pub async fn ledger(
    store: &Store,
    days: u32,
    now: DateTime<Utc>,
    progress: Progress<'_>,
) -> Result<Vec<Finding>, StoreError> {
    let merchants = merchants(store).await?;
    let (mut findings, mut compared, mut unsealed) = (Vec::new(), 0_usize, 0_usize);
    let total = steps(merchants.len()).saturating_mul(u64::from(days));
    for (n, merchant) in merchants.iter().enumerate() {
        let began = steps(n).saturating_mul(u64::from(days));
        let mut tx = store.tenant_tx(*merchant).await?;
        let sealed = ledger_roots::list_latest(&mut tx, i64::from(days)).await?;
        tx.commit().await?;
        for (done, day) in sealed.iter().enumerate() {
            if !is_unchanged(store, *merchant, day).await? {
                findings.push(changed(*merchant, day.day));
            }
            compared += 1;
            progress(began.saturating_add(steps(done + 1)), total);
        }
        let due = (now - SEALED_WITHIN).date_naive();
        if sealed.first().is_none_or(|latest| latest.day < due) && has_cards(store, *merchant, due).await? {
            unsealed += 1;
        }
        progress(began.saturating_add(u64::from(days)), total);
    }
    if unsealed > 0 {
        let text = format!("{unsealed} merchants' card ledgers were not sealed for yesterday");
        findings.push(Finding::warn("ledger.unsealed", text, "see that `kamiflow work` is running"));
    }
    if findings.is_empty() {
        let text = format!("{compared} sealed days of {} merchants are as they were", merchants.len());
        findings.push(Finding::ok("ledger.roots", text));
    }
    Ok(findings)
}

/// One transaction per day, so that none is open for long.
async fn is_unchanged(store: &Store, merchant: MerchantId, day: &ledger_roots::SealedDay) -> Result<bool, StoreError> {
    let mut tx = store.tenant_tx(merchant).await?;
    let computed = ledger_root::compute(&mut tx, day.day).await?;
    tx.commit().await?;
    Ok(computed.uses == day.uses && computed.root == day.root)
}

async fn has_cards(store: &Store, merchant: MerchantId, day: NaiveDate) -> Result<bool, StoreError> {
    let mut tx = store.tenant_tx(merchant).await?;
    let before = day.and_time(chrono::NaiveTime::MIN).and_utc() + TimeDelta::days(1);
    let heads = ledger_roots::list_heads(&mut tx, before, None, 1).await?;
    tx.commit().await?;
    Ok(!heads.is_empty())
}

fn changed(merchant: MerchantId, day: NaiveDate) -> Finding {
    let text = format!("the card ledger of {merchant} up to {day} is not what was sealed");
    Finding::fail("ledger.roots", text, TAMPERED)
}
