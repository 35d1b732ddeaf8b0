//! Why a redemption stands where it stands, in Chinese and in English, as the `explanation` column keeps it.

use serde_json::{Value, json};

use crate::gate::Closed;
use crate::redemption_rules::Evaluation;

/// A reason that no rule gives: what the platform, the order or we ourselves have against it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reason {
    /// An after-sale is open.
    AfterSaleOpen,
    /// The order was refunded.
    Refunded,
    /// The platform lists a refund that the order itself does not show.
    RefundListed,
    /// The gate is closed for another reason.
    Closed(Closed),
    /// A person approved it.
    Approved {
        /// Who.
        by: String,
    },
    /// A person stopped it.
    StoppedBy {
        /// Who.
        by: String,
    },
    /// Redemption is paused.
    Paused,
    /// The rule's daily cap was taken by other orders meanwhile.
    CapTaken,
    /// The platform made the code, and nobody has told it yet.
    CodeUnknown,
    /// The mapping names no store.
    StoreMissing,
    /// The code belongs to another order.
    OtherOrder,
    /// The platform accepts few OTA redemptions an hour for everybody, and others are in front.
    AwaitsTurn {
        /// For so long at least, seconds.
        seconds: u64,
    },
    /// The platform asks to come back.
    ComeBack {
        /// Its sub code or code.
        code: String,
    },
    /// Nobody knows yet what the call did.
    OutcomeUnknown,
    /// The platform is still at it (status 99).
    InProgress,
    /// A look-up after an unknown outcome could not settle it.
    LookUpFailed,
    /// The uses left do not fit what we did: nothing is called again without a person.
    UsesDoNotFit {
        /// Before the call.
        before: Option<i32>,
        /// Now.
        now: i32,
    },
    /// The call certainly had no effect; it is made again.
    CallAgain,
    /// The shop or application is stopped, or needs a new authorization.
    ShopStopped,
    /// The application may not call the API.
    PermissionMissing,
    /// The platform refuses for good.
    Refused {
        /// Its sub code or code.
        code: String,
        /// What that means.
        meaning: Refusal,
    },
    /// The platform knows it as used.
    Done,
    /// The platform knew it as used before we called.
    AlreadyUsed,
}

/// What a refusal of the platform means (protocol 4.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// 100001: another kind of card, the method is wrong for these goods.
    WrongKind,
    /// 100002: another mall's.
    WrongMall,
    /// 100006: no such code.
    WrongCode,
    /// 100007: the store is not right.
    WrongStore,
    /// 1000012, 60005: expired.
    Expired,
    /// 60006: destroyed.
    Destroyed,
    /// 60004, 60009: unknown to the platform.
    Gone,
    /// 60008: the order's state forbids it.
    OrderState,
    /// 60011: a refund was started.
    RefundStarted,
    /// Something else.
    Other,
}

impl Refusal {
    const fn texts(self) -> (&'static str, &'static str) {
        match self {
            Self::WrongKind => ("该卡券不适用此核销方式", "the card is of another kind than this method serves"),
            Self::WrongMall => ("非本店铺商品", "the code belongs to another mall"),
            Self::WrongCode => ("券码错误", "the code is wrong"),
            Self::WrongStore => {
                ("门店编码不正确，请在规格映射中修改", "the store is wrong; correct it in the SKU's mapping")
            }
            Self::Expired => ("券码已过期", "the code is expired"),
            Self::Destroyed => ("券码已销毁", "the code is destroyed"),
            Self::Gone => ("平台没有这条待核销记录", "the platform knows nothing to redeem here"),
            Self::OrderState => ("订单状态不允许核销", "the order's state does not allow it"),
            Self::RefundStarted => ("订单已发起退款", "a refund was started"),
            Self::Other => ("平台拒绝核销", "the platform refuses"),
        }
    }
}

impl Reason {
    /// Returns the reason in Chinese and in English.
    pub(crate) fn texts(&self) -> (String, String) {
        let fixed = |zh: &str, en: &str| (zh.to_owned(), en.to_owned());
        match self {
            Self::AfterSaleOpen => {
                fixed("售后处理中，售后结束前不核销", "an after-sale is open; nothing is redeemed before it ends")
            }
            Self::Refunded => fixed("订单已退款，不再核销", "the order was refunded and is never redeemed"),
            Self::RefundListed => fixed(
                "平台显示该订单有退款记录，等待核实",
                "the platform lists a refund of this order; waits until it is clear",
            ),
            Self::Closed(closed) => (closed_zh(*closed).to_owned(), closed.to_string()),
            Self::Approved { by } => (format!("已由 {by} 批准核销"), format!("approved by {by}")),
            Self::StoppedBy { by } => (format!("已由 {by} 停止核销"), format!("stopped by {by}")),
            Self::Paused => fixed("核销已暂停", "redemption is paused"),
            Self::CapTaken => fixed("当日核销已达上限", "the daily cap is reached"),
            Self::CodeUnknown => {
                fixed("平台卡券的券码未知，等待上报券码", "the code is not known; waits until it is reported")
            }
            Self::StoreMissing => fixed("规格映射未设置核销门店", "the SKU's mapping names no store for redemption"),
            Self::OtherOrder => {
                fixed("券码属于其他订单，未核销", "the code belongs to another order; nothing was redeemed")
            }
            Self::AwaitsTurn { seconds } => (
                format!("平台对全部商家的核销总量有限制（每小时 10000 次），排队约 {seconds} 秒"),
                format!(
                    "waits its turn for about {seconds} s: the platform takes 10,000 redemptions an hour from everybody"
                ),
            ),
            Self::ComeBack { code } => {
                (format!("平台要求稍后再试（{code}）"), format!("the platform asks to come back later ({code})"))
            }
            Self::OutcomeUnknown => {
                fixed("核销结果未知，将先查询再决定", "the outcome is not known; it is looked up before anything else")
            }
            Self::InProgress => {
                fixed("平台核销中，稍后查询结果", "the platform is still redeeming; it is looked up later")
            }
            Self::LookUpFailed => fixed("暂时无法查询核销结果", "the outcome could not be looked up yet"),
            Self::UsesDoNotFit { before, now } => {
                let before = before.map_or_else(|| "?".to_owned(), |n| n.to_string());
                (
                    format!("剩余次数异常（核销前 {before}，现在 {now}），需人工核实"),
                    format!("the uses left do not fit ({before} before the call, {now} now); a person must look"),
                )
            }
            Self::CallAgain => fixed("核销确认未生效，将重新核销", "the call had no effect; it is made again"),
            Self::ShopStopped => fixed("店铺或应用暂不可用", "the shop or its application cannot be used now"),
            Self::PermissionMissing => fixed("应用缺少核销接口权限", "the application lacks the permission to redeem"),
            Self::Refused { code, meaning } => {
                let (zh, en) = meaning.texts();
                (format!("{zh}（{code}）"), format!("{en} ({code})"))
            }
            Self::Done => fixed("核销成功", "redeemed"),
            Self::AlreadyUsed => fixed("平台显示已核销", "the platform already knows it as used"),
        }
    }

    /// Returns the reason as the column keeps it.
    pub(crate) fn explain(&self) -> Value {
        let (zh, en) = self.texts();
        json!([{ "zh": zh, "en": en }])
    }
}

/// Returns the explanation of a verdict as the column keeps it.
pub(crate) fn explain(evaluation: &Evaluation) -> Value {
    let steps = evaluation.explain_zh().into_iter().zip(evaluation.explain_en());
    Value::Array(steps.map(|(zh, en)| json!({ "zh": zh, "en": en })).collect())
}

const fn closed_zh(closed: Closed) -> &'static str {
    match closed {
        Closed::NotConfirmed => "订单未成交",
        Closed::Cancelled => "订单已取消",
        Closed::AlreadyShipped => "订单已发货",
        Closed::NotShipped => "平台显示订单尚未发货",
        Closed::Refund => "订单有退款，退款结束前不核销",
        Closed::RiskReview => "订单风控审核中",
        Closed::AfterSale => "售后处理中，售后结束前不核销",
        Closed::DepositUnpaid => "预售尾款未付",
        Closed::LotteryOpen => "抽奖或拼团未完成",
    }
}
