//! What the platform's answer to a redemption means: one table from error class and sub code (protocol 4.5).

use std::time::Duration;

use kamiflow_kernel::{ReasonCode, RedemptionMethod};

use super::reasons::{Reason, Refusal};
use crate::backoff::RetryClass;
use crate::marketplace::{ErrorClass, MarketError, Redeemed};

/// What follows from an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The platform knows it as used.
    Done(Reason),
    /// It may or may not have happened: looked up before anything else.
    Unknown(Reason),
    /// It did not happen: again later.
    Again {
        /// How long to wait grows with this.
        class: RetryClass,
        /// Whether it counts as a failure; waiting for one's turn does not.
        counts: bool,
        /// Why.
        reason: Reason,
    },
    /// It did not happen, because of an after-sale: again when that ended.
    AfterSale,
    /// It did not happen and will not: over.
    Stop(Reason),
    /// It did not happen, and a person must change something first.
    Fix {
        /// The exception that says so.
        code: ReasonCode,
        /// Why.
        reason: Reason,
    },
    /// It did not happen; nothing of this shop will for a while.
    ShopStopped,
}

/// Returns what follows from an answer to a redemption call.
pub(crate) fn classify(method: RedemptionMethod, answer: Result<Redeemed, &MarketError>) -> Answer {
    let error = match answer {
        Ok(Redeemed::Done) => return Answer::Done(Reason::Done),
        Ok(Redeemed::InProgress) => return Answer::Unknown(Reason::InProgress),
        Err(error) => error,
    };
    let code = code_of(error);
    match error.class {
        ErrorClass::AlreadyDone => Answer::Done(Reason::AlreadyUsed),
        ErrorClass::OutcomeUnknown => Answer::Unknown(Reason::OutcomeUnknown),
        ErrorClass::NotSent => not_sent(method, error),
        ErrorClass::RetryLater => {
            Answer::Again { class: retry(error), counts: true, reason: Reason::ComeBack { code } }
        }
        ErrorClass::Reauthorize | ErrorClass::StopApplication | ErrorClass::StopMall => Answer::ShopStopped,
        ErrorClass::StopApi => Answer::Fix { code: ReasonCode::PermissionMissing, reason: Reason::PermissionMissing },
        ErrorClass::NotFound => refused(code, Refusal::Gone),
        ErrorClass::Rejected => rejected(code),
    }
}

fn rejected(code: String) -> Answer {
    let meaning = match code.as_str() {
        // 60011 is about a refund that has started, the two others about an after-sale that may end well.
        "100004" | "60012" => return Answer::AfterSale,
        "60011" => Refusal::RefundStarted,
        "1000012" | "60005" => Refusal::Expired,
        "60006" => Refusal::Destroyed,
        "60004" | "60009" => Refusal::Gone,
        "60008" => Refusal::OrderState,
        "100001" => Refusal::WrongKind,
        "100002" => Refusal::WrongMall,
        "100006" => Refusal::WrongCode,
        "100007" => Refusal::WrongStore,
        _ => Refusal::Other,
    };
    refused(code, meaning)
}

fn refused(code: String, meaning: Refusal) -> Answer {
    let reason = Reason::Refused { code, meaning };
    match meaning {
        Refusal::Expired | Refusal::Destroyed | Refusal::RefundStarted | Refusal::WrongMall => Answer::Stop(reason),
        // What a person can change: the mapping, the store, the code, or the platform's own records.
        Refusal::WrongKind
        | Refusal::WrongCode
        | Refusal::WrongStore
        | Refusal::Gone
        | Refusal::OrderState
        | Refusal::Other => Answer::Fix { code: ReasonCode::RedemptionRefused, reason },
    }
}

/// A call that never left: either its turn had not come, or there was no connection.
fn not_sent(method: RedemptionMethod, error: &MarketError) -> Answer {
    let class = RetryClass::Limited { advised: error.after };
    let seconds = error.after.unwrap_or(Duration::from_secs(1)).as_secs().max(1);
    let reason = match method {
        RedemptionMethod::Ota if error.after.is_some() => Reason::AwaitsTurn { seconds },
        _ => Reason::ComeBack { code: code_of(error) },
    };
    Answer::Again { class, counts: false, reason }
}

/// Returns how to come back: the delay the platform or its documents advise is a floor.
fn retry(error: &MarketError) -> RetryClass {
    match error.sub_code.as_str() {
        "1000010" | "100005" => match error.after {
            Some(_) => RetryClass::Limited { advised: error.after },
            None => RetryClass::Busy,
        },
        _ => RetryClass::Limited { advised: error.after },
    }
}

fn code_of(error: &MarketError) -> String {
    match (error.sub_code.as_str(), error.code) {
        ("", 0) => "-".to_owned(),
        ("", code) => code.to_string(),
        (sub_code, _) => sub_code.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(class: ErrorClass, sub_code: &str) -> MarketError {
        MarketError {
            api: "pdd.voucher.ota.card.verification".to_owned(),
            class,
            code: 50001,
            sub_code: sub_code.to_owned(),
            message: String::new(),
            after: None,
        }
    }

    fn of(class: ErrorClass, sub_code: &str) -> Answer {
        classify(RedemptionMethod::Ota, Err(&error(class, sub_code)))
    }

    #[test]
    fn every_sub_code_of_the_protocol_has_its_action() {
        assert!(matches!(of(ErrorClass::AlreadyDone, "60010"), Answer::Done(_)));
        for again in ["1000010", "100005"] {
            assert!(matches!(of(ErrorClass::RetryLater, again), Answer::Again { counts: true, .. }), "{again}");
        }
        for wait in ["100004", "60012"] {
            assert_eq!(of(ErrorClass::Rejected, wait), Answer::AfterSale, "{wait}");
        }
        for stop in ["1000012", "100002", "60005", "60006", "60011"] {
            assert!(matches!(of(ErrorClass::Rejected, stop), Answer::Stop(_)), "{stop}");
        }
        for fix in ["100001", "100006", "100007", "60004", "60008", "60009", "", "77777"] {
            let answer = of(ErrorClass::Rejected, fix);
            assert!(matches!(answer, Answer::Fix { code: ReasonCode::RedemptionRefused, .. }), "{fix}");
        }
    }

    #[test]
    fn nothing_but_done_and_a_use_already_taken_counts_as_used() {
        assert!(matches!(classify(RedemptionMethod::Ota, Ok(Redeemed::Done)), Answer::Done(_)));
        assert!(matches!(classify(RedemptionMethod::Ota, Ok(Redeemed::InProgress)), Answer::Unknown(_)));
        for class in [
            ErrorClass::RetryLater,
            ErrorClass::Reauthorize,
            ErrorClass::StopApi,
            ErrorClass::StopApplication,
            ErrorClass::StopMall,
            ErrorClass::Rejected,
            ErrorClass::NotFound,
            ErrorClass::OutcomeUnknown,
            ErrorClass::NotSent,
        ] {
            for sub_code in ["", "60010", "60006"] {
                assert!(!matches!(of(class, sub_code), Answer::Done(_)), "{class:?} {sub_code}");
            }
        }
    }

    #[test]
    fn waiting_for_a_turn_is_no_failure_and_says_so() {
        let denied = MarketError { after: Some(Duration::from_secs(7)), ..error(ErrorClass::NotSent, "") };
        let Answer::Again { counts, reason, .. } = classify(RedemptionMethod::Ota, Err(&denied)) else { panic!() };
        assert!(!counts);
        assert_eq!(reason, Reason::AwaitsTurn { seconds: 7 });
    }
}
