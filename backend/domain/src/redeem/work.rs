//! What a tick works on: the shop, what is due in it, the rules, and the codes, opened.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use kamiflow_kernel::{PoolId, RedemptionId, SecretText, ShopId, ShopState, SkuId};
use kamiflow_store::pauses::{self, PauseRow, PauseScope, PausedWork};
use kamiflow_store::redemptions::calls;
use kamiflow_store::redemptions::due::{self, DueRow, SealedCode};
use kamiflow_store::{SealError, StoreError, TenantTx};

use super::decide::day_of;
use super::settle::Writer;
use crate::ctx::Ctx;
use crate::engine::Engine;
use crate::redemption_rules::{DailyCounts, RuleSet};
use crate::save_rules;
use crate::shop_access::{self, Shop};

/// The desk at which one tick of one shop works.
pub(crate) struct Desk<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) ctx: &'a Ctx,
    pub(crate) shop: Shop,
}

impl Desk<'_> {
    pub(crate) const fn id(&self) -> ShopId {
        self.shop.access.shop
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.engine.now()
    }

    pub(crate) fn writer(&self) -> Writer<'_> {
        Writer { store: &self.engine.store, ctx: self.ctx, shop: self.id(), now: self.now() }
    }

    pub(crate) async fn begin(&self) -> Result<TenantTx, StoreError> {
        self.engine.store.tenant_tx(self.ctx.merchant).await
    }
}

/// What is due.
pub(crate) struct Due {
    pub(crate) rows: Vec<DueRow>,
    pub(crate) rules: RuleSet,
    pub(crate) counts: DailyCounts,
    pub(crate) codes: HashMap<RedemptionId, SecretText>,
    pub(crate) pauses: Pauses,
}

/// Loads the shop; `None` when nothing may be redeemed there now.
pub(crate) async fn open<'a>(engine: &'a Engine, ctx: &'a Ctx, shop: ShopId) -> Result<Option<Desk<'a>>, StoreError> {
    let tx = engine.store.tenant_tx(ctx.merchant).await?;
    let shop = shop_access::open(&tx, shop).await?;
    tx.commit().await?;
    let usable = shop.state == ShopState::Live && !shop.application_stopped && shop.token_dead.is_none();
    Ok(usable.then_some(Desk { engine, ctx, shop }))
}

/// Reads what is due, in one transaction.
pub(crate) async fn load(desk: &Desk<'_>) -> Result<Due, StoreError> {
    let now = desk.now();
    let (day, day_start) = day_of(now);
    let mut tx = desk.begin().await?;
    let limit = i64::try_from(desk.engine.config.batch).unwrap_or(50);
    let rows = due::list(&mut tx, desk.id(), now, day_start, limit).await?;
    let rules = save_rules::load(&mut tx).await?;
    let counts = DailyCounts { day: Some(day), by_rule: counted(&mut tx, day_start).await? };
    let pauses = Pauses::load(&mut tx, now).await?;
    let mut codes = HashMap::new();
    for row in &rows {
        if let Some(code) = row.code() {
            codes.insert(row.id(), open_code(&mut tx, code).await?);
        }
    }
    tx.commit().await?;
    Ok(Due { rows, rules, counts, codes, pauses })
}

/// Returns how many orders each rule has redeemed since a moment.
pub(crate) async fn counted(
    tx: &mut TenantTx,
    since: DateTime<Utc>,
) -> Result<BTreeMap<kamiflow_kernel::RuleId, u32>, StoreError> {
    let rows = calls::count_by_rule(tx, since).await?;
    Ok(rows.into_iter().map(|row| (row.rule(), u32::try_from(row.n).unwrap_or(u32::MAX))).collect())
}

/// Opens a code.
pub(crate) async fn open_code(tx: &mut TenantTx, code: SealedCode<'_>) -> Result<SecretText, StoreError> {
    let key = tx.data_key_by_id(code.key).await?;
    let plain = key.open(code.place, code.row, code.sealed)?;
    let text = String::from_utf8(plain.expose().to_vec()).map_err(|_not_text| SealError::DoesNotOpen)?;
    Ok(text.into())
}

/// The pauses of redemption in effect.
pub(crate) struct Pauses(Vec<PauseRow>);

impl Pauses {
    pub(crate) async fn load(tx: &mut TenantTx, now: DateTime<Utc>) -> Result<Self, StoreError> {
        let mut rows = pauses::list_active(tx, now).await?;
        rows.retain(|row| row.work == PausedWork::Redemption);
        Ok(Self(rows))
    }

    /// Returns whether a redemption is paused at any level.
    pub(crate) fn hold(&self, shop: ShopId, row: &DueRow) -> bool {
        self.0.iter().any(|pause| match pause.scope {
            PauseScope::Merchant => true,
            PauseScope::Shop(id) => id == shop,
            PauseScope::Sku(id) => id == SkuId::from_uuid(row.sku_id),
            PauseScope::Pool(id) => Some(id) == row.pool_id.map(PoolId::from_uuid),
            // Of a batch only the claim is paused: its cards that are with buyers are redeemed as ever.
            PauseScope::Batch(_) => false,
        })
    }
}
