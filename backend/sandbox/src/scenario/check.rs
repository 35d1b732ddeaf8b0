//! Checks of a scenario that its types cannot express. Each error names the key.

use std::collections::HashSet;

use super::{Application, Buyers, Goods, Mall, Scenario};

/// Why a scenario was refused.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// The text is not TOML of the right shape; the message shows the line and the key.
    #[error("the scenario cannot be read: {0}")]
    Syntax(String),
    /// A value is out of range or contradicts another.
    #[error("scenario key `{key}`: {message}")]
    Invalid {
        /// Path of the key, for example `malls[0].goods[2].skus`.
        key: String,
        /// What is wrong with it.
        message: String,
    },
}

fn invalid(key: impl Into<String>, message: impl Into<String>) -> ScenarioError {
    ScenarioError::Invalid { key: key.into(), message: message.into() }
}

impl Scenario {
    /// Checks what the types cannot.
    pub(crate) fn check(&self) -> Result<(), ScenarioError> {
        if !(self.limits.factor.is_finite() && self.limits.factor > 0.0) {
            return Err(invalid("limits.factor", "must be above 0"));
        }
        for (key, value) in [
            ("ota.in_progress_probability", self.ota.in_progress_probability),
            ("ota.busy_probability", self.ota.busy_probability),
            ("pmc.duplicate_probability", self.pmc.duplicate_probability),
            ("pmc.disorder_probability", self.pmc.disorder_probability),
        ] {
            probability(key, value)?;
        }
        if !(self.pmc.redelivery_factor.is_finite() && self.pmc.redelivery_factor >= 0.0) {
            return Err(invalid("pmc.redelivery_factor", "must not be negative"));
        }
        buyers("buyers", &self.buyers)?;
        for (index, rule) in self.faults.iter().enumerate() {
            rule.check().map_err(|message| invalid(format!("faults[{index}]"), message))?;
        }
        let mut clients = HashSet::new();
        for (index, application) in self.applications.iter().enumerate() {
            application.check(&format!("applications[{index}]"))?;
            if !clients.insert(application.client_id.as_str()) {
                return Err(invalid(format!("applications[{index}].client_id"), "is used twice"));
            }
        }
        let (mut malls, mut tokens) = (HashSet::new(), HashSet::new());
        for (index, mall) in self.malls.iter().enumerate() {
            let key = format!("malls[{index}]");
            if !malls.insert(mall.mall_id) {
                return Err(invalid(format!("{key}.mall_id"), "is used twice"));
            }
            mall.check(&key)?;
            for (at, token) in mall.tokens.iter().enumerate() {
                let key = format!("{key}.tokens[{at}]");
                if !clients.contains(token.client_id.as_str()) {
                    return Err(invalid(format!("{key}.client_id"), "names no application"));
                }
                if !tokens.insert(token.access_token.as_str()) {
                    return Err(invalid(format!("{key}.access_token"), "is used twice"));
                }
            }
        }
        Ok(())
    }
}

impl Application {
    pub(crate) fn check(&self, key: &str) -> Result<(), ScenarioError> {
        if self.client_id.is_empty() || self.client_id.contains('/') {
            return Err(invalid(format!("{key}.client_id"), "must be non-empty, without `/`"));
        }
        if self.client_secret.is_empty() {
            return Err(invalid(format!("{key}.client_secret"), "must not be empty"));
        }
        for package in self.packages.iter().flatten() {
            if !package.held_by(&self.application_type) {
                let message =
                    format!("{} is not open to applications of type {}", package.name(), self.application_type);
                return Err(invalid(format!("{key}.packages"), message));
            }
        }
        Ok(())
    }
}

impl Mall {
    pub(crate) fn check(&self, key: &str) -> Result<(), ScenarioError> {
        if self.mall_id == 0 {
            return Err(invalid(format!("{key}.mall_id"), "must be above 0"));
        }
        if let Some(own) = &self.buyers {
            buyers(&format!("{key}.buyers"), own)?;
        }
        let (mut goods_ids, mut sku_ids) = (HashSet::new(), HashSet::new());
        for (index, goods) in self.goods.iter().enumerate() {
            let key = format!("{key}.goods[{index}]");
            goods.check(&key)?;
            if !goods_ids.insert(goods.goods_id) {
                return Err(invalid(format!("{key}.goods_id"), "is used twice"));
            }
            if !goods.skus.iter().all(|sku| sku_ids.insert(sku.sku_id)) {
                return Err(invalid(format!("{key}.skus"), "a sku_id is used twice"));
            }
        }
        for (index, order) in self.orders.iter().enumerate() {
            let known = order.sku_id.is_none_or(|sku_id| sku_ids.contains(&sku_id));
            if !known || sku_ids.is_empty() {
                return Err(invalid(format!("{key}.orders[{index}].sku_id"), "names no sku"));
            }
            order.check().map_err(|message| invalid(format!("{key}.orders[{index}]"), message))?;
        }
        Ok(())
    }
}

impl Goods {
    pub(crate) fn check(&self, key: &str) -> Result<(), ScenarioError> {
        const TYPES: [i64; 12] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 18, 19];
        if !TYPES.contains(&self.goods_type) {
            let message = format!("{} is not one of {TYPES:?}", self.goods_type);
            return Err(invalid(format!("{key}.goods_type"), message));
        }
        if !(0..=1).contains(&self.delivery_type) {
            return Err(invalid(format!("{key}.delivery_type"), "must be 0 or 1"));
        }
        if self.skus.is_empty() {
            return Err(invalid(format!("{key}.skus"), "must not be empty"));
        }
        if self.ota_uses < 1 {
            return Err(invalid(format!("{key}.ota_uses"), "must be at least 1"));
        }
        match self.skus.iter().position(|sku| !sku.cards.is_empty() && self.goods_type != 15) {
            Some(at) => Err(invalid(format!("{key}.skus[{at}].cards"), "only goods_type 15 has stock")),
            None => Ok(()),
        }
    }
}

fn buyers(key: &str, buyers: &Buyers) -> Result<(), ScenarioError> {
    for (name, value) in [
        ("refund_before_probability", buyers.refund_before_probability),
        ("refund_after_probability", buyers.refund_after_probability),
        ("risk_probability", buyers.risk_probability),
    ] {
        probability(&format!("{key}.{name}"), value)?;
    }
    if !(buyers.orders_per_minute.is_finite() && buyers.orders_per_minute >= 0.0) {
        return Err(invalid(format!("{key}.orders_per_minute"), "must not be negative"));
    }
    if buyers.quantities.is_empty() || buyers.quantities.iter().any(|quantity| *quantity < 1) {
        return Err(invalid(format!("{key}.quantities"), "must hold numbers of at least 1"));
    }
    Ok(())
}

fn probability(key: &str, value: f64) -> Result<(), ScenarioError> {
    if (0.0..=1.0).contains(&value) { Ok(()) } else { Err(invalid(key, format!("{value} is not between 0 and 1"))) }
}

#[cfg(test)]
mod tests {
    use crate::scenario::{Scenario, ScenarioError};

    fn key_of(text: &str) -> String {
        match Scenario::from_toml(text) {
            Err(ScenarioError::Invalid { key, .. }) => key,
            Err(ScenarioError::Syntax(message)) => message,
            Ok(_) => "accepted".to_owned(),
        }
    }

    #[test]
    fn errors_name_the_key() {
        assert!(key_of("lattency_ms = 3").contains("lattency_ms"));
        assert!(key_of("clock = 'now'").contains("clock"));
        assert_eq!(key_of("[limits]\nfactor = 0.0"), "limits.factor");
        assert_eq!(key_of("[buyers]\nquantities = [0]"), "buyers.quantities");
        assert_eq!(
            key_of(
                "[[malls]]\nmall_id = 1\nname = 'x'\n[[malls.goods]]\ngoods_id = 1\nname = 'g'\ngoods_type = 10\nskus = [{ sku_id = 1 }]"
            ),
            "malls[0].goods[0].goods_type"
        );
        assert_eq!(
            key_of("[[malls]]\nmall_id = 1\nname = 'x'\ntokens = [{ client_id = 'nobody', access_token = 't' }]"),
            "malls[0].tokens[0].client_id"
        );
        assert_eq!(
            key_of(
                "[[applications]]\nclient_id = 'a'\nclient_secret = 's'\ntype = '订单处理'\npackages = ['卡券商工具权限包']"
            ),
            "applications[0].packages"
        );
        assert_eq!(key_of("[[faults]]\nkind = 'code'\ncode = 70031\nprobability = 2.0"), "faults[0]");
    }

    #[test]
    fn the_documented_example_is_usable() {
        let example = Scenario::from_toml(include_str!("../../../../docs/sandbox.example.toml"));
        assert_eq!(example.unwrap().malls.len(), 2);
    }

    #[test]
    fn the_built_in_scenarios_pass_their_own_check() {
        Scenario::default().check().unwrap();
        Scenario::demo(3).check().unwrap();
    }
}
