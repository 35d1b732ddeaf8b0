//! The explanation of a verdict, as values, and as sentences in Chinese and in English.

use chrono::{DateTime, Utc};

use super::evaluate::local;
use super::{DailyWindow, Evaluation, RuleAction};

/// Why a rule is not about an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mismatch {
    /// Another shop.
    Shop,
    /// Another product.
    Product,
    /// Another SKU.
    Sku,
    /// The amount is outside the range.
    Amount,
    /// The refund stands elsewhere.
    Refund,
}

/// One step of an explanation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The order was refunded.
    Refunded,
    /// The order is not delivered yet.
    NotDelivered,
    /// A rule is not about the order.
    Skipped {
        /// The rule's name.
        rule: String,
        /// Why not.
        because: Mismatch,
    },
    /// The first rule that is about the order.
    Matched {
        /// The rule's name.
        rule: String,
    },
    /// An after-sale is open.
    AfterSaleOpen,
    /// The buyer has not confirmed receipt.
    AwaitsReceipt,
    /// Nobody has reported the use.
    AwaitsUseReport,
    /// The buyer has not seen the code.
    AwaitsReveal,
    /// The delay is not over.
    DelayRuns {
        /// The delay.
        minutes: u32,
        /// When it is over.
        over: DateTime<Utc>,
    },
    /// It is not the time of day.
    OutsideWindow {
        /// The time of day.
        window: DailyWindow,
    },
    /// The rule has redeemed enough for that day.
    CapReached {
        /// How often it may.
        cap: u32,
    },
    /// All in all, the order waits until then.
    WaitsUntil {
        /// The moment.
        at: DateTime<Utc>,
        /// The rule's name.
        rule: String,
    },
    /// The rule acts.
    Acts {
        /// How.
        action: RuleAction,
    },
    /// No rule is about the order.
    NoRule,
}

impl Evaluation {
    /// Returns the explanation in Chinese, one sentence per step.
    #[must_use]
    pub fn explain_zh(&self) -> Vec<String> {
        self.explanation.iter().map(|step| step.zh(self.at)).collect()
    }

    /// Returns the explanation in English, one sentence per step.
    #[must_use]
    pub fn explain_en(&self) -> Vec<String> {
        self.explanation.iter().map(|step| step.en(self.at)).collect()
    }
}

impl Step {
    /// Returns the step in Chinese; times of the day of `now` are shown without a date.
    #[must_use]
    pub fn zh(&self, now: DateTime<Utc>) -> String {
        match self {
            Self::Refunded => "订单已退款，不再核销".to_owned(),
            Self::NotDelivered => "订单尚未发货".to_owned(),
            Self::Skipped { rule, because } => {
                let because = match because {
                    Mismatch::Shop => "店铺不符",
                    Mismatch::Product => "商品不符",
                    Mismatch::Sku => "规格不符",
                    Mismatch::Amount => "金额不符",
                    Mismatch::Refund => "退款状态不符",
                };
                format!("规则“{rule}”不适用：{because}")
            }
            Self::Matched { rule } => format!("适用规则“{rule}”"),
            Self::AfterSaleOpen => "售后处理中，售后结束前不核销".to_owned(),
            Self::AwaitsReceipt => "等待买家确认收货".to_owned(),
            Self::AwaitsUseReport => "等待使用上报".to_owned(),
            Self::AwaitsReveal => "等待买家查看卡密".to_owned(),
            Self::DelayRuns { minutes, over } => {
                format!("发货后需等待 {}，到 {} 为止", duration(*minutes, ["天", "小时", "分钟"]), moment(*over, now))
            }
            Self::OutsideWindow { window } => format!("仅在 {} 至 {} 之间核销", window.from, window.to),
            Self::CapReached { cap } => format!("当日核销已达上限 {cap} 单"),
            Self::WaitsUntil { at, rule } => format!("等到 {}，依据规则“{rule}”", moment(*at, now)),
            Self::Acts { action: RuleAction::Redeem } => "现在核销".to_owned(),
            Self::Acts { action: RuleAction::Hold } => "需要人工确认后核销".to_owned(),
            Self::Acts { action: RuleAction::Never } => "不核销".to_owned(),
            Self::NoRule => "没有适用的规则，不核销".to_owned(),
        }
    }

    /// Returns the step in English; times of the day of `now` are shown without a date.
    #[must_use]
    pub fn en(&self, now: DateTime<Utc>) -> String {
        match self {
            Self::Refunded => "the order was refunded and is never redeemed".to_owned(),
            Self::NotDelivered => "the order is not delivered yet".to_owned(),
            Self::Skipped { rule, because } => {
                let because = match because {
                    Mismatch::Shop => "another shop",
                    Mismatch::Product => "another product",
                    Mismatch::Sku => "another SKU",
                    Mismatch::Amount => "another amount",
                    Mismatch::Refund => "another refund state",
                };
                format!("rule ‘{rule}’ does not apply: {because}")
            }
            Self::Matched { rule } => format!("rule ‘{rule}’ applies"),
            Self::AfterSaleOpen => "an after-sale is open; nothing is redeemed before it ends".to_owned(),
            Self::AwaitsReceipt => "waits for the buyer to confirm receipt".to_owned(),
            Self::AwaitsUseReport => "waits for the use to be reported".to_owned(),
            Self::AwaitsReveal => "waits for the buyer to see the code".to_owned(),
            Self::DelayRuns { minutes, over } => {
                let delay = duration(*minutes, [" d", " h", " min"]);
                format!("{delay} after the delivery is at {}", moment(*over, now))
            }
            Self::OutsideWindow { window } => format!("redeems between {} and {} only", window.from, window.to),
            Self::CapReached { cap } => format!("the daily cap of {cap} is reached"),
            Self::WaitsUntil { at, rule } => format!("waits until {} because of rule ‘{rule}’", moment(*at, now)),
            Self::Acts { action: RuleAction::Redeem } => "redeems now".to_owned(),
            Self::Acts { action: RuleAction::Hold } => "asks a person to approve".to_owned(),
            Self::Acts { action: RuleAction::Never } => "never redeems".to_owned(),
            Self::NoRule => "no rule applies; nothing is redeemed".to_owned(),
        }
    }
}

/// Returns a time of Shanghai, with its date unless that is today. Rounded up: what is shown is never too early.
fn moment(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let at = at.checked_add_signed(chrono::TimeDelta::seconds(59)).unwrap_or(at);
    let form = if local(at).date() == local(now).date() { "%H:%M" } else { "%Y-%m-%d %H:%M" };
    local(at).format(form).to_string()
}

/// Returns a number of minutes in the largest unit that divides it.
fn duration(minutes: u32, [day, hour, minute]: [&str; 3]) -> String {
    if minutes >= 2880 && minutes.is_multiple_of(1440) {
        return format!("{}{day}", minutes / 1440);
    }
    if minutes >= 60 && minutes.is_multiple_of(60) {
        format!("{}{hour}", minutes / 60)
    } else {
        format!("{minutes}{minute}")
    }
}
