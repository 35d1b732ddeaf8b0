//! The simulated platform of a fleet.

use kamiflow_sandbox::Scenario;
use kamiflow_sandbox::scenario::FixedToken;

use super::{Fleet, Mall};

impl Fleet {
    /// Returns the platform of some malls: one voucher product each, no limits, and nobody who orders by himself.
    #[must_use]
    pub fn scenario(&self, owners: usize, malls: &[Mall]) -> Scenario {
        let mut scenario = Scenario::demo(1);
        silence_buyers(&mut scenario);
        let (application, model) = (scenario.applications.pop(), scenario.malls.pop());
        let (Some(application), Some(mut model)) = (application, model) else { return scenario };
        model.goods.truncate(1);
        model.stores.clear();
        for owner in 0..owners {
            let mut application = application.clone();
            (application.client_id, application.client_secret) = (self.client_id(owner), self.client_secret());
            scenario.applications.push(application);
        }
        for mall in malls {
            let mut opened = model.clone();
            opened.mall_id = mall.id;
            opened.name = format!("店{}", mall.id);
            opened.tokens = vec![self.token(mall)];
            for goods in &mut opened.goods {
                goods.goods_id = mall.id * 10;
                for sku in &mut goods.skus {
                    sku.sku_id = mall.sku_id;
                }
            }
            scenario.malls.push(opened);
        }
        scenario
    }

    fn token(&self, mall: &Mall) -> FixedToken {
        FixedToken {
            client_id: self.client_id(mall.owner),
            access_token: self.access_token(mall.id),
            refresh_token: Some(self.refresh_token(mall.id)),
            expires_in: None,
            pmc_permitted: true,
        }
    }
}

/// Lets buyers order only when they are told to, ask for nothing back, and never be held up by a limit.
pub(crate) fn silence_buyers(scenario: &mut Scenario) {
    scenario.buyers.orders_per_minute = 0.0;
    scenario.buyers.refund_before_probability = 0.0;
    scenario.buyers.refund_after_probability = 0.0;
    scenario.buyers.receives_after_s = None;
    scenario.limits.enabled = false;
}
