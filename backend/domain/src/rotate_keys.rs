//! Exchanges keys while everything runs: wraps data keys with the newest master key, and on demand seals all rows anew.
//!
//! Safe to interrupt at any moment and to run again: how far it is stands in the rows (`store::reseal`).

use std::time::Duration;

use chrono::{DateTime, Utc};
use kamiflow_kernel::MerchantId;
use kamiflow_store::{Store, StoreError, reseal};
use serde_json::json;
use uuid::Uuid;

use crate::acts;
use crate::ctx::{Actor, Ctx};

/// Passes over a merchant's rows before what others hold is left to the next run.
const MOST_PASSES: usize = 20;
/// What is usual for [`RotateKeys::most_waits`]: five minutes.
pub const MOST_WAITS: usize = 60;
/// Beyond the time for which processes remember the active key: clocks are not compared, only waited for.
const SLACK: Duration = Duration::from_secs(1);

/// The request.
#[derive(Debug, Clone)]
pub struct RotateKeys {
    /// Whether rows are sealed anew with new data keys, too.
    pub reseal: bool,
    /// Rows of one transaction.
    pub batch: i64,
    /// Tries to outlast transactions that still seal with a former key; each waits as long as a lock may be waited for.
    pub most_waits: usize,
    /// Named in the audit log.
    pub request_id: String,
    /// The moment, for the audit log.
    pub now: DateTime<Utc>,
}

/// What was done.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct RotatedKeys {
    /// Owners of keys, the platform itself among them.
    pub owners: usize,
    /// Data keys wrapped anew.
    pub rewrapped: usize,
    /// Data keys made.
    pub made: usize,
    /// Rows sealed anew.
    pub resealed: usize,
    /// Rows that a former data key still seals; somebody held them all the time. Run again.
    pub left: i64,
    /// Data keys that another master key still wraps: a process with an older key ring made them meanwhile. Run again.
    pub wrapped_otherwise: i64,
    /// Owners of whom something that seals with a former data key has not ended, such as a long import. Run again.
    pub unsettled: usize,
}

impl RotatedKeys {
    /// Returns whether nothing needs a former key any more.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.left == 0 && self.wrapped_otherwise == 0 && self.unsettled == 0
    }
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// So many rows will be sealed anew, by present knowledge.
    Rows(u64),
    /// So many more were.
    Resealed(u64),
    /// Waits for other processes to ask which key is active.
    Waiting(Duration),
}

/// Exchanges keys; `progress` is told how far it is.
///
/// # Errors
/// When the store fails or a master key that is still in use is not in the ring. What is done stays done.
pub async fn rotate_keys(
    store: &Store,
    request: &RotateKeys,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<RotatedKeys, StoreError> {
    let owners = list_owners(store).await?;
    let mut done = RotatedKeys { owners: owners.len(), ..RotatedKeys::default() };
    for owner in &owners {
        exchange_keys(store, request, *owner, &mut done).await?;
    }
    if request.reseal {
        reseal_all(store, request, &owners, (progress, &mut done)).await?;
    }
    // Read again: who came meanwhile may have a key that a process with an older ring has made.
    for owner in list_owners(store).await? {
        let mut tx = store.tenant_tx(owner).await?;
        done.wrapped_otherwise += reseal::count_wrapped_otherwise(&mut tx).await?;
        if request.reseal {
            done.left += reseal::count_left(&mut tx).await?.values().sum::<i64>();
        }
        tx.commit().await?;
    }
    Ok(done)
}

async fn list_owners(store: &Store) -> Result<Vec<MerchantId>, StoreError> {
    // Whose keys there are, of all merchants: ids and nothing else.
    let mut tx = store.system_tx().await?;
    let owners = reseal::list_owners(&mut tx).await?;
    tx.commit().await?;
    Ok(owners)
}

/// The keys of one owner, in one transaction, with an entry in the audit log if anything changed.
async fn exchange_keys(
    store: &Store,
    request: &RotateKeys,
    owner: MerchantId,
    done: &mut RotatedKeys,
) -> Result<(), StoreError> {
    let mut tx = store.tenant_tx(owner).await?;
    let rewrapped = reseal::rewrap(&mut tx).await?;
    let made = request.reseal && reseal::renew(&mut tx).await?;
    if rewrapped > 0 || made {
        let ctx =
            Ctx { actor: Actor::Operator, merchant: owner, request_id: request.request_id.clone(), now: request.now };
        acts::record(&mut tx, &ctx, "keys.rotate", owner, json!({ "rewrapped": rewrapped, "new_key": made })).await?;
    }
    tx.commit().await?;
    done.rewrapped += rewrapped;
    done.made += usize::from(made);
    Ok(())
}

type Told<'a> = (&'a (dyn Fn(Progress) + Sync), &'a mut RotatedKeys);

async fn reseal_all(
    store: &Store,
    request: &RotateKeys,
    owners: &[MerchantId],
    (progress, done): Told<'_>,
) -> Result<(), StoreError> {
    let mut open = Vec::new();
    for owner in owners {
        let mut tx = store.tenant_tx(*owner).await?;
        let left: i64 = reseal::count_left(&mut tx).await?.values().sum();
        tx.commit().await?;
        if left > 0 {
            open.push(*owner);
            progress(Progress::Rows(u64::try_from(left).unwrap_or(0)));
        }
    }
    if open.is_empty() && done.made == 0 {
        return Ok(());
    }
    for owner in &open {
        done.resealed += reseal_owner(store, request, *owner, progress).await?;
    }
    // Others seal with the former keys until they ask again; then the last of their transactions is waited for.
    let wait = reseal::ACTIVE_KEY_KEPT + SLACK;
    progress(Progress::Waiting(wait));
    tokio::time::sleep(wait).await;
    for owner in owners {
        done.unsettled += usize::from(!outlast(store, *owner, request.most_waits).await?);
        done.resealed += reseal_owner(store, request, *owner, progress).await?;
    }
    Ok(())
}

/// Passes over the owner's rows until one finds nothing more that nobody holds.
async fn reseal_owner(
    store: &Store,
    request: &RotateKeys,
    owner: MerchantId,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<usize, StoreError> {
    let mut resealed = 0;
    for _pass in 0..MOST_PASSES {
        let mut tx = store.tenant_tx(owner).await?;
        let left = reseal::count_left(&mut tx).await?;
        tx.commit().await?;
        if left.is_empty() {
            break;
        }
        for place in reseal::PLACES.iter().filter(|place| left.contains_key(place.table)) {
            let mut after = Some(Uuid::nil());
            while let Some(from) = after {
                let mut tx = store.tenant_tx(owner).await?;
                let batch = reseal::reseal(&mut tx, place, from, request.batch).await?;
                tx.commit().await?;
                resealed += batch.rows;
                progress(Progress::Resealed(u64::try_from(batch.rows).unwrap_or(0)));
                after = batch.last;
            }
        }
    }
    Ok(resealed)
}

/// Waits for transactions that began with a former key, such as a long import; returns whether all of them have ended.
async fn outlast(store: &Store, owner: MerchantId, most_waits: usize) -> Result<bool, StoreError> {
    for _wait in 0..most_waits {
        let mut tx = store.tenant_tx(owner).await?;
        match reseal::settle(&mut tx).await {
            // Given up after the session's lock_timeout: the import still runs.
            Err(StoreError::Conflict(_)) => {}
            settled => {
                settled?;
                tx.commit().await?;
                return Ok(true);
            }
        }
    }
    Ok(false)
}
