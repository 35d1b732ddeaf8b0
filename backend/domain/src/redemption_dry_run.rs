//! What rules would do to the orders that are there: a look before they are saved.

use chrono::{DateTime, Utc};
use kamiflow_kernel::{Fen, OrderSn, Permission, ProductId, RuleId, ShopId, SkuId};
use kamiflow_store::StoreError;
use kamiflow_store::redemptions::past::{self, PastCursor, PastRow};
use serde_json::Value;

use crate::ctx::{ActError, Ctx};
use crate::engine::Engine;
use crate::redeem::{explain, refund_state};
use crate::redemption_rules::{DailyCounts, DryRun, Facts, RuleSet, Verdict, dry_run, evaluate};

/// Most orders on a page.
const MOST_ON_PAGE: u32 = 200;

/// Which past orders are looked at.
#[derive(Debug, Clone, Copy, Default)]
pub struct DryRunPage {
    /// Only of this shop.
    pub shop: Option<ShopId>,
    /// Behind the last order of the page before.
    pub after: Option<PastCursor>,
    /// How many, at most 200.
    pub size: u32,
}

/// What rules would do to one order.
#[derive(Debug, Clone)]
pub struct DryRunOrder {
    /// The order.
    pub order_sn: OrderSn,
    /// Its shop.
    pub shop: ShopId,
    /// What would happen now.
    pub verdict: Verdict,
    /// The rule that decides.
    pub rule: Option<RuleId>,
    /// Why: a list of sentences in `zh` and `en`.
    pub explanation: Value,
}

/// A page of a dry run.
#[derive(Debug, Clone)]
pub struct DryRunReport {
    /// Order by order, newest first.
    pub orders: Vec<DryRunOrder>,
    /// Counts over the page, daily caps included.
    pub counts: DryRun,
    /// Where the next page starts; `None` on the last one.
    pub next: Option<PastCursor>,
}

/// Evaluates rules over delivered orders as of now, newest first. Changes nothing and calls nobody.
///
/// # Errors
/// When the store fails.
pub async fn run(engine: &Engine, ctx: &Ctx, rules: &RuleSet, page: DryRunPage) -> Result<DryRunReport, ActError> {
    ctx.require(Permission::ManageRules)?;
    let size = page.size.clamp(1, MOST_ON_PAGE);
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    let rows = past::list(&mut tx, page.shop, page.after, i64::from(size)).await?;
    tx.commit().await?;
    let full = u32::try_from(rows.len()).is_ok_and(|n| n == size);
    let next = rows.last().filter(|_| full).map(PastRow::cursor);
    let facts: Vec<Facts> = rows.iter().map(facts_of).collect();
    let orders = rows.iter().zip(&facts).map(|(row, facts)| judge(rules, row, facts, ctx.now));
    Ok(DryRunReport {
        orders: orders.collect::<Result<_, _>>()?,
        counts: dry_run(rules, facts.iter().cloned(), ctx.now),
        next,
    })
}

fn judge(rules: &RuleSet, row: &PastRow, facts: &Facts, now: DateTime<Utc>) -> Result<DryRunOrder, StoreError> {
    let order_sn =
        row.order_sn.parse().map_err(|bad: kamiflow_kernel::OrderSnError| StoreError::Corrupt(bad.to_string()))?;
    let evaluation = evaluate(rules, facts, now);
    Ok(DryRunOrder {
        order_sn,
        shop: row.shop(),
        verdict: evaluation.verdict,
        rule: evaluation.rule,
        explanation: explain(&evaluation),
    })
}

/// What was redeemed under the present rules says nothing about others, so every rule starts at zero.
fn facts_of(row: &PastRow) -> Facts {
    Facts {
        shop: row.shop(),
        product: Some(ProductId::from_uuid(row.product_id)),
        sku: Some(SkuId::from_uuid(row.sku_id)),
        amount: Fen(row.pay_amount_fen),
        delivered_at: row.delivered_at,
        received_at: row.received_at,
        use_reported_at: row.use_reported_at,
        seen_at: row.seen_by_buyer_at,
        refund: refund_state(row.refund_status, row.after_sales_status),
        redeemed: DailyCounts::default(),
    }
}
