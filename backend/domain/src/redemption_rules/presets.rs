//! Rules to start from.

use kamiflow_kernel::RuleId;

use super::{Conditions, Rule, RuleAction};

/// A ready-made rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    /// As soon as the order is delivered.
    Immediately,
    /// 24 hours after the delivery.
    DayAfterDelivery,
    /// When the buyer has confirmed receipt.
    AfterReceipt,
}

impl Preset {
    /// Every preset, in the order they are offered.
    pub const ALL: &'static [Self] = &[Self::Immediately, Self::DayAfterDelivery, Self::AfterReceipt];

    /// Returns the stable text.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Immediately => "immediately",
            Self::DayAfterDelivery => "day_after_delivery",
            Self::AfterReceipt => "after_receipt",
        }
    }

    /// Returns the rule, with its Chinese name.
    #[must_use]
    pub fn rule(self, id: RuleId) -> Rule {
        let (name, conditions) = match self {
            Self::Immediately => ("发货后立即核销", Conditions::default()),
            Self::DayAfterDelivery => (
                "发货 24 小时后核销",
                Conditions { delay_after_delivery_minutes: Some(24 * 60), ..Conditions::default() },
            ),
            Self::AfterReceipt => ("确认收货后核销", Conditions { receipt_confirmed: true, ..Conditions::default() }),
        };
        Rule { id, name: name.to_owned(), enabled: true, conditions, action: RuleAction::Redeem }
    }
}
