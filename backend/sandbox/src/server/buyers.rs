//! Simulated buyers: they order at a steady rate, confirm receipt and sometimes want money back.

use std::{collections::HashMap, time::Instant};

use crate::{
    scenario::Buyers,
    state::{
        World,
        flow::{self, to_ms},
        lock,
        mall::Mall,
        order::{NewOrder, NewOrderState},
        read,
        schedule::Event,
    },
};

/// Fractions of orders carried from step to step, per mall.
#[derive(Debug, Default)]
pub(super) struct Shoppers {
    last_step: Option<Instant>,
    owed: HashMap<u64, f64>,
}

impl Shoppers {
    /// Places the orders of the time since the last step.
    pub(super) fn step(&mut self, world: &World) {
        let now = Instant::now();
        let elapsed_s = self.last_step.replace(now).map_or(0.0, |last| now.duration_since(last).as_secs_f64());
        let common = read(&world.buyers).clone();
        for mall in world.all_malls() {
            let buyers = mall.buyers.as_ref().unwrap_or(&common);
            if buyers.orders_per_minute <= 0.0 {
                continue;
            }
            let owed = self.owed.entry(mall.id).or_default();
            *owed += buyers.orders_per_minute * elapsed_s / 60.0;
            while *owed >= 1.0 {
                *owed -= 1.0;
                buy(world, &mall, buyers);
            }
        }
    }
}

/// Places one order.
fn buy(world: &World, mall: &Mall, buyers: &Buyers) {
    let dice = &mall.dice;
    let (choices, bought) = {
        let state = lock(&mall.state);
        (state.choices(), state.bought)
    };
    let Some(sku_id) = dice.pick(&choices).copied() else { return };
    if buyers.max_orders.is_some_and(|max| bought >= max) {
        return;
    }
    let quantity = dice.pick(&buyers.quantities).copied().unwrap_or(1);
    let is_reviewed = dice.chance(buyers.risk_probability);
    let refund_before = dice.chance(buyers.refund_before_probability);
    let refund_after = dice.chance(buyers.refund_after_probability);
    let order = NewOrder {
        sku_id: Some(sku_id),
        quantity,
        state: if is_reviewed { NewOrderState::RiskReview } else { NewOrderState::Paid },
        phone: format!("1{}", dice.digits(10)),
        // Nobody confirms unless the scenario says so; the platform does after its own delay.
        receives_after_s: buyers.receives_after_s,
        refund_after_s: refund_after.then_some(buyers.refund_after_s),
        ..NewOrder::default()
    };
    world.change(mall, |state, effects| {
        state.bought += 1;
        let Some(order_sn) = flow::place(state, effects, &order) else { return };
        if is_reviewed {
            let lift = Event::LiftRisk { order_sn: order_sn.clone() };
            effects.after(to_ms(buyers.risk_lifted_after_s), lift);
        }
        if refund_before {
            flow::create_refund(state, effects, &order_sn, "拍错了", 1000);
        }
    });
}
