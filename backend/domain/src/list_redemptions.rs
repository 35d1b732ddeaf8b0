//! Lists redemptions of the shops somebody sees, the newest first.

use kamiflow_kernel::{Permission, RedemptionId, RedemptionState, ShopId};
use kamiflow_store::redemptions::list::{self, LOOKED_AT};

pub use kamiflow_store::redemptions::list::ListedRedemption;

use crate::ctx::{ActError, Ctx};
use crate::engine::Engine;

/// Which redemptions.
#[derive(Debug, Clone, Copy)]
pub struct ListRedemptions<'a> {
    /// Of these shops, as far as the actor sees them.
    pub shops: &'a [ShopId],
    /// In this state; in any without.
    pub state: Option<RedemptionState>,
    /// Behind this one.
    pub after: Option<RedemptionId>,
    /// So many at most.
    pub limit: usize,
}

/// A page of redemptions.
#[derive(Debug, Clone, PartialEq)]
pub struct RedemptionPage {
    /// The redemptions.
    pub redemptions: Vec<ListedRedemption>,
    /// Behind which one the next page begins; none at the end.
    pub next: Option<RedemptionId>,
}

/// Lists a page of redemptions.
///
/// # Errors
/// When the actor may not see redemptions, or the store fails.
pub async fn list_redemptions(
    engine: &Engine,
    ctx: &Ctx,
    request: &ListRedemptions<'_>,
) -> Result<RedemptionPage, ActError> {
    ctx.require(Permission::ShowRedemptions)?;
    let ListRedemptions { shops, state, after, limit } = *request;
    let shops: Vec<ShopId> = shops.iter().copied().filter(|shop| ctx.sees(*shop).is_ok()).collect();
    let most = i64::try_from(limit).unwrap_or(LOOKED_AT).clamp(1, LOOKED_AT);
    let tx = engine.store.tenant_tx(ctx.merchant).await?;
    let found = list::newest(&tx, &shops, state, (after, most)).await?;
    tx.commit().await?;
    Ok(page(found, limit))
}

/// Cuts a page out of what was found: what is one too many, or was looked at last, says that there is more.
fn page(mut found: Vec<ListedRedemption>, limit: usize) -> RedemptionPage {
    let looked_at_last = found.last().filter(|last| last.is_end).map(|last| last.id);
    found.retain(|redemption| redemption.is_wanted);
    let has_more = found.len() > limit;
    found.truncate(limit);
    let next = if has_more { found.last().map(|last| last.id) } else { looked_at_last };
    RedemptionPage { redemptions: found, next }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    fn found(is_wanted: bool, is_end: bool) -> ListedRedemption {
        ListedRedemption {
            id: RedemptionId::generate(),
            shop: ShopId::generate(),
            order_sn: String::new(),
            use_no: 1,
            method: String::new(),
            state: String::new(),
            due_at: None,
            explanation: serde_json::Value::Null,
            attempts: 0,
            created_at: DateTime::UNIX_EPOCH,
            done_at: None,
            is_wanted,
            is_end,
        }
    }

    #[test]
    fn a_full_page_goes_on_behind_its_last_one_and_an_early_end_behind_what_was_looked_at() {
        let three = vec![found(true, false), found(true, false), found(true, true)];
        let second = three[1].id;
        let cut = page(three, 2);
        assert_eq!((cut.redemptions.len(), cut.next), (2, Some(second)));
        assert_eq!(page(vec![found(true, false), found(true, false)], 2).next, None);
        let rare = vec![found(true, false), found(false, true)];
        let last = rare[1].id;
        let cut = page(rare, 2);
        assert_eq!((cut.redemptions.len(), cut.next), (1, Some(last)));
    }
}
