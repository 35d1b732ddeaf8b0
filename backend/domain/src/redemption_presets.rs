//! Chooses one of the ready-made redemption rules, for merchants who need no more than one.
//!
//! Rules of the merchant's own keep their places above it: they are about some orders, and a ready-made one is about all
//! that are left. Choosing another one takes the former away.

use kamiflow_kernel::{Permission, RuleId};

use crate::ctx::{ActError, Ctx};
use crate::engine::{Engine, Wake};
use crate::redemption_rules::{Preset, Rule, RuleSet};
use crate::save_rules::{self, SaveRulesError};

/// A rule, as the page lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleSummary {
    /// As its author called it.
    pub name: String,
    /// Whether it is asked.
    pub enabled: bool,
    /// The ready-made rule that it is.
    pub preset: Option<Preset>,
}

/// Lists the merchant's rules in their order.
///
/// # Errors
/// When the actor may not write rules, or the store fails.
pub async fn list_rules(engine: &Engine, ctx: &Ctx) -> Result<Vec<RuleSummary>, ActError> {
    ctx.require(Permission::ManageRules)?;
    let rules = load(engine, ctx).await?.rules;
    Ok(rules
        .into_iter()
        .map(|rule| RuleSummary { preset: preset_of(&rule), name: rule.name, enabled: rule.enabled })
        .collect())
}

/// Chooses a ready-made rule, or none of them; returns whom to wake.
///
/// # Errors
/// When the actor may not write rules, or the store fails.
pub async fn choose_preset(engine: &Engine, ctx: &Ctx, chosen: Option<Preset>) -> Result<Vec<Wake>, SaveRulesError> {
    ctx.require(Permission::ManageRules)?;
    let mut rules = load(engine, ctx).await?.rules;
    let present = rules.iter().find(|rule| chosen.is_some() && preset_of(rule) == chosen).map(|rule| rule.id);
    rules.retain(|rule| preset_of(rule).is_none());
    rules.extend(chosen.map(|preset| preset.rule(present.unwrap_or_else(RuleId::generate))));
    save_rules::save(engine, ctx, &RuleSet::new(rules)?).await
}

async fn load(engine: &Engine, ctx: &Ctx) -> Result<RuleSet, kamiflow_store::StoreError> {
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    let rules = save_rules::load(&mut tx).await?;
    tx.commit().await?;
    Ok(rules)
}

/// Returns which ready-made rule does what this one does, whatever it is called.
fn preset_of(rule: &Rule) -> Option<Preset> {
    Preset::ALL.iter().copied().find(|preset| {
        let known = preset.rule(rule.id);
        known.conditions == rule.conditions && known.action == rule.action
    })
}
