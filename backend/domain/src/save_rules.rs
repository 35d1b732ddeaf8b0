//! Saves a merchant's redemption rules, in their order, and lets everything that waits be judged by them.

use std::collections::HashSet;

use kamiflow_kernel::{Permission, RuleId};
use kamiflow_store::rules::RuleRow;
use kamiflow_store::{StoreError, TenantTx, redemptions, rules};
use serde_json::{Value, json};

use crate::acts;
use crate::ctx::{Ctx, Denied};
use crate::engine::{Engine, Wake};
use crate::redemption_rules::{Rule, RuleSet, RuleSetError};

/// Version of a stored rule's body.
const BODY_VERSION: u32 = 1;

/// Why rules were not saved.
#[derive(Debug, thiserror::Error)]
pub enum SaveRulesError {
    /// A rule makes no sense.
    #[error("the rules are refused")]
    Rules(#[from] RuleSetError),
    /// The actor may not do it.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
}

/// Replaces the merchant's rules. The first rule that matches an order decides about it.
///
/// # Errors
/// When a rule makes no sense, or the store fails.
pub async fn save(engine: &Engine, ctx: &Ctx, wanted: &RuleSet) -> Result<Vec<Wake>, SaveRulesError> {
    ctx.require(Permission::ManageRules)?;
    wanted.validate()?;
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    let stored = rules::list(&mut tx).await?;
    let known: HashSet<RuleId> = stored.iter().map(|row| row.id).collect();
    let kept: HashSet<RuleId> = wanted.rules.iter().map(|rule| rule.id).collect();
    for id in known.difference(&kept) {
        rules::delete(&mut tx, *id).await?;
    }
    for (rule, position) in wanted.rules.iter().zip(1..) {
        let row = row_of(rule, position);
        if !known.contains(&rule.id) {
            rules::insert(&mut tx, rule.id, &row.name, &row.body).await?;
        }
        rules::update(&mut tx, &row).await?;
    }
    let order: Vec<RuleId> = wanted.rules.iter().map(|rule| rule.id).collect();
    rules::update_order(&mut tx, &order).await?;

    let shops = redemptions::wake_all(&mut tx, ctx.now).await?;
    let after: Vec<RuleRow> = wanted.rules.iter().zip(1..).map(|(rule, position)| row_of(rule, position)).collect();
    let detail = json!({ "before": described(&stored), "after": described(&after), "rules": wanted.rules.len() });
    acts::record(&mut tx, ctx, "redemption_rules.save", ctx.merchant, detail).await?;
    tx.commit().await?;
    Ok(shops.into_iter().map(Wake::Redeem).collect())
}

/// Reads the merchant's rules.
///
/// # Errors
/// [`StoreError::Corrupt`] when a stored rule is not one this program can read.
pub async fn load(tx: &mut TenantTx) -> Result<RuleSet, StoreError> {
    let mut read = Vec::new();
    for row in rules::list(tx).await? {
        read.push(rule_of(row).map_err(|error| StoreError::Corrupt(error.to_string()))?);
    }
    RuleSet::new(read).map_err(|error| StoreError::Corrupt(error.to_string()))
}

/// Returns rules as the audit log shows them, by their ids: which changed is found by comparing.
fn described(rows: &[RuleRow]) -> Value {
    let rule = |row: &RuleRow| {
        let field = |name: &str| row.body.get(name).cloned().unwrap_or(Value::Null);
        let (conditions, action) = (field("conditions"), field("action"));
        let said = json!({
            "name": row.name, "place": row.position, "enabled": row.enabled, "conditions": conditions, "action": action,
        });
        (row.id.to_string(), said)
    };
    rows.iter().map(rule).collect::<serde_json::Map<_, _>>().into()
}

fn row_of(rule: &Rule, position: i32) -> RuleRow {
    let body = json!({ "version": BODY_VERSION, "conditions": rule.conditions, "action": rule.action });
    RuleRow { id: rule.id, position, name: rule.name.clone(), body, enabled: rule.enabled }
}

fn rule_of(row: RuleRow) -> Result<Rule, RuleSetError> {
    let version = row.body.get("version").and_then(Value::as_u64).unwrap_or(0);
    if version != u64::from(BODY_VERSION) {
        return Err(RuleSetError::Version(u32::try_from(version).unwrap_or(u32::MAX)));
    }
    let field = |name: &str| row.body.get(name).cloned().unwrap_or(Value::Null);
    Ok(Rule {
        id: row.id,
        name: row.name.clone(),
        enabled: row.enabled,
        conditions: serde_json::from_value(field("conditions")).map_err(RuleSetError::Json)?,
        action: serde_json::from_value(field("action")).map_err(RuleSetError::Json)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redemption_rules::{Conditions, RuleAction};

    #[test]
    fn a_stored_rule_is_read_as_it_was_written() {
        let rule = Rule {
            id: RuleId::generate(),
            name: "七天后核销".to_owned(),
            enabled: false,
            conditions: Conditions { delay_after_delivery_minutes: Some(10_080), ..Conditions::default() },
            action: RuleAction::Redeem,
        };
        assert_eq!(rule_of(row_of(&rule, 3)).unwrap(), rule);
    }

    #[test]
    fn a_body_of_another_version_or_shape_is_refused() {
        let row = |body| RuleRow { id: RuleId::generate(), position: 1, name: "r".to_owned(), body, enabled: true };
        assert!(matches!(rule_of(row(json!({ "version": 2 }))), Err(RuleSetError::Version(2))));
        assert!(matches!(rule_of(row(json!({}))), Err(RuleSetError::Version(0))));
        let unknown = json!({ "version": 1, "conditions": { "moon": "full" }, "action": "redeem" });
        assert!(matches!(rule_of(row(unknown)), Err(RuleSetError::Json(_))));
    }
}
