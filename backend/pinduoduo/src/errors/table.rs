//! The one table of codes and sub codes.
//!
//! How the rows were decided, where the platform's documents leave it open:
//! - **Refused before the business service ran** is certain. That holds for parameter and gateway codes
//!   (1xxxx to 3xxxx), and for throttling and degradation (521xx, 7xxxx): the documents ask to repeat those
//!   calls, and the platform's SDKs repeat them for writes too, which is only right when nothing happened.
//! - **Internal errors** (50000, 50002, 52001, 52002) say nothing about how far the call got, so a write's
//!   outcome is unknown; a read is made again.
//! - **50001** is the business service's answer and so a certain refusal, unless its text speaks of a
//!   system fault or a time-out and no sub code says otherwise.
//! - **Levels**: 20031, 20034 and their kin speak about one API. Keys, address list, signature and the
//!   test quota concern the application. 70034 and 70035 say "user or application": the mall is stopped,
//!   the smaller harm, and an application at risk shows as many stopped malls.

/// What a code means before reads and writes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Certainly nothing happened; again after these seconds.
    RetryLater(u64),
    /// Perhaps something happened: unknown for a write, again after these seconds for a read.
    Uncertain(u64),
    /// See [`super::ErrorClass::Reauthorize`].
    Reauthorize,
    /// See [`super::ErrorClass::StopApi`].
    StopApi,
    /// See [`super::ErrorClass::StopApplication`].
    StopApplication,
    /// See [`super::ErrorClass::StopMall`].
    StopMall,
    /// See [`super::ErrorClass::Rejected`].
    Rejected,
    /// See [`super::ErrorClass::AlreadyDone`].
    AlreadyDone,
}

/// A card's or an order's reason why it cannot be redeemed, where a sub code names one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CardRefusal {
    /// Another kind of card: the wrong API for this product.
    WrongKind,
    /// The card is expired.
    Expired,
    /// The product is another mall's.
    WrongMall,
    /// The buyer opened an after-sale, or may have.
    AfterSale,
    /// The number is no card's.
    WrongCode,
    /// The store id is not right.
    WrongStore,
    /// There is no such redeemable order or its card is gone.
    Gone,
    /// The order's state forbids it.
    OrderState,
}

/// One row: a code, perhaps with a sub code that holds for some APIs only.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// The main code.
    pub code: i64,
    /// The sub code; `None` matches any.
    pub sub_code: Option<&'static str>,
    /// The APIs the row holds for; empty means all.
    pub apis: &'static [&'static str],
    /// What it means.
    pub verdict: Verdict,
    /// Why a card cannot be redeemed, for the sub codes that say so.
    pub refusal: Option<CardRefusal>,
}

/// The APIs that share the redemption sub codes of protocol 4.5.
///
/// Documented for the OTA verification only; the two others answer about the same cards (inferred).
const REDEEM: &[&str] = &[
    "pdd.voucher.ota.card.verification",
    "pdd.voucher.ota.card.prepare.verification",
    "pdd.voucher.virtual.card.verification",
];

const BUSINESS: i64 = 50001;
/// A common parameter is wrong; the message names it after a colon (protocol 1.7).
const COMMON_PARAMETER: i64 = 10_001;

const fn code(code: i64, verdict: Verdict) -> Rule {
    Rule { code, sub_code: None, apis: &[], verdict, refusal: None }
}

const fn redeem(sub_code: &'static str, verdict: Verdict, refusal: Option<CardRefusal>) -> Rule {
    Rule { code: BUSINESS, sub_code: Some(sub_code), apis: REDEEM, verdict, refusal }
}

const fn refused(sub_code: &'static str, refusal: CardRefusal) -> Rule {
    redeem(sub_code, Verdict::Rejected, Some(refusal))
}

use Verdict as V;

/// Every documented and observed code.
pub const TABLE: &[Rule] = &[
    code(10000, V::Rejected),
    code(10001, V::StopApplication),
    code(10010, V::StopApplication),
    code(10016, V::StopApplication),
    code(10017, V::StopApi),
    code(10018, V::StopApplication),
    code(10019, V::Reauthorize),
    code(20000, V::Reauthorize),
    code(20004, V::StopApplication),
    code(20005, V::StopApplication),
    code(20031, V::StopApi),
    code(20032, V::Reauthorize),
    code(20034, V::StopApi),
    code(20035, V::StopApi),
    code(21001, V::Rejected),
    code(21002, V::Rejected),
    code(30000, V::StopApi),
    code(30001, V::StopApplication),
    code(50000, V::Uncertain(2)),
    Rule { code: BUSINESS, sub_code: Some("45001"), apis: &[], verdict: V::Rejected, refusal: None },
    redeem("1000010", V::RetryLater(60), None),
    redeem("100005", V::RetryLater(30), None),
    redeem("60010", V::AlreadyDone, None),
    refused("100001", CardRefusal::WrongKind),
    refused("1000012", CardRefusal::Expired),
    refused("100002", CardRefusal::WrongMall),
    refused("100004", CardRefusal::AfterSale),
    refused("100006", CardRefusal::WrongCode),
    refused("100007", CardRefusal::WrongStore),
    refused("60004", CardRefusal::Gone),
    refused("60005", CardRefusal::Expired),
    refused("60006", CardRefusal::Gone),
    refused("60008", CardRefusal::OrderState),
    refused("60009", CardRefusal::Gone),
    refused("60011", CardRefusal::AfterSale),
    refused("60012", CardRefusal::AfterSale),
    code(BUSINESS, V::Rejected),
    code(50002, V::Uncertain(2)),
    code(52001, V::Uncertain(2)),
    code(52002, V::Uncertain(2)),
    code(52004, V::Rejected),
    code(52101, V::RetryLater(5)),
    code(52102, V::RetryLater(30)),
    code(52103, V::RetryLater(30)),
    code(70031, V::RetryLater(10)),
    code(70032, V::StopApi),
    code(70033, V::RetryLater(300)),
    code(70034, V::StopMall),
    code(70035, V::StopMall),
    code(70036, V::StopApplication),
];

/// Words by which an uncoded business answer admits that it does not know how far it got.
const FAULT_WORDS: &[&str] = &["系统异常", "系统错误", "系统繁忙", "系统内部", "内部错误", "内部异常", "超时", "稍后"];

/// Returns the row that fits best: a sub code's row before the code's own.
#[must_use]
pub fn find(api: &str, code: i64, sub_code: Option<&str>) -> Option<&'static Rule> {
    let fits = |rule: &&Rule| rule.code == code && (rule.apis.is_empty() || rule.apis.contains(&api));
    let exact = TABLE.iter().filter(fits).find(|rule| rule.sub_code.is_some() && rule.sub_code == sub_code);
    exact.or_else(|| TABLE.iter().filter(fits).find(|rule| rule.sub_code.is_none()))
}

/// Returns what an answer means; an unknown code means the least that is safe.
pub(crate) fn verdict(api: &str, code: i64, sub_code: Option<&str>, message: &str) -> Verdict {
    match find(api, code, sub_code) {
        // The call was refused before anything happened, and it is a clock that is wrong, not the application: stopping
        // every shop for it would need a person where setting the clock is the whole cure.
        Some(_) if code == COMMON_PARAMETER && message.contains("timestamp") => Verdict::RetryLater(60),
        // One mall's token must not stop the application that others call through too.
        Some(_) if code == COMMON_PARAMETER && message.contains("access_token") => Verdict::Reauthorize,
        Some(rule) if code == BUSINESS && rule.sub_code.is_none() && admits_fault(message) => Verdict::Uncertain(5),
        Some(rule) => rule.verdict,
        // The families that are refused before the business service runs.
        None if (10_000..40_000).contains(&code) => Verdict::Rejected,
        None => Verdict::Uncertain(30),
    }
}

fn admits_fault(message: &str) -> bool {
    FAULT_WORDS.iter().any(|word| message.contains(word))
}
