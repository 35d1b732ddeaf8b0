//! The decision table of platform codes: when a use may be declared, and what an unknown outcome was.
//!
//! A call takes one use, and nothing about it is idempotent. So the uses left are stored before every call; whatever
//! answer is lost, a second call is made only when *prepare* shows the very same number and an unused code.
//!
//! | before | prepare says | then |
//! | --- | --- | --- |
//! | n | status 2, or fewer than n | done: a use was taken, and only we are known to have asked for one |
//! | n | status 1, exactly n | nothing happened: call again |
//! | n | status 99, or one the documents do not know | look again later |
//! | n | status 3 or 4, exactly n | stop: expired or destroyed, and not by us |
//! | n | more than n | a person looks: no call of ours explains it |

use kamiflow_kernel::OrderSn;

use crate::marketplace::OtaCard;

const UNUSED: i16 = 1;
const USED: i16 = 2;
const EXPIRED: i16 = 3;
const DESTROYED: i16 = 4;

/// What *prepare* says before the first call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Before {
    /// The code can be redeemed; so many uses are left.
    Call {
        /// Uses left.
        remain_times: i32,
    },
    /// It is used already.
    AlreadyUsed,
    /// The code is another order's.
    OtherOrder,
    /// Expired.
    Expired,
    /// Destroyed.
    Destroyed,
    /// Something is going on: later.
    Later,
}

/// Returns what to do before the first call about `order_sn`.
pub(crate) fn before_call(card: &OtaCard, order_sn: &OrderSn) -> Before {
    // An answer about another order's code must never lead to a call, whatever its state.
    if card.order_sn.as_ref().is_some_and(|of| of != order_sn) {
        return Before::OtherOrder;
    }
    match card.status {
        UNUSED if card.remain_times > 0 => Before::Call { remain_times: card.remain_times },
        USED => Before::AlreadyUsed,
        EXPIRED => Before::Expired,
        DESTROYED => Before::Destroyed,
        _ => Before::Later,
    }
}

/// What an unknown outcome was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    /// The use was taken.
    Done,
    /// Nothing happened.
    CallAgain,
    /// Not decided yet.
    Later,
    /// Expired, without a use taken.
    Expired,
    /// Destroyed, without a use taken.
    Destroyed,
    /// No call of ours explains it.
    DoesNotFit,
}

/// Returns what a call did that began with `before` uses left, by what *prepare* says now.
pub(crate) fn after_unknown(before: Option<i32>, card: &OtaCard, order_sn: &OrderSn) -> After {
    if card.order_sn.as_ref().is_some_and(|of| of != order_sn) {
        return After::DoesNotFit;
    }
    let Some(before) = before else { return After::DoesNotFit };
    if card.status == USED || card.remain_times < before {
        return After::Done;
    }
    if card.remain_times > before {
        return After::DoesNotFit;
    }
    match card.status {
        UNUSED => After::CallAgain,
        EXPIRED => After::Expired,
        DESTROYED => After::Destroyed,
        _ => After::Later,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sn() -> OrderSn {
        "261122-100000000000017".parse().unwrap()
    }

    fn card(status: i16, remain_times: i32) -> OtaCard {
        OtaCard { order_sn: Some(sn()), status, remain_times, total_times: 3 }
    }

    #[test]
    fn the_table_holds_row_by_row() {
        let after = |status, remain| after_unknown(Some(2), &card(status, remain), &sn());
        assert_eq!(after(2, 0), After::Done);
        assert_eq!(after(2, 2), After::Done);
        assert_eq!(after(1, 1), After::Done);
        assert_eq!(after(1, 2), After::CallAgain);
        assert_eq!(after(99, 2), After::Later);
        assert_eq!(after(0, 2), After::Later);
        assert_eq!(after(99, 1), After::Done);
        assert_eq!(after(3, 2), After::Expired);
        assert_eq!(after(4, 2), After::Destroyed);
        assert_eq!(after(3, 1), After::Done);
        assert_eq!(after(1, 3), After::DoesNotFit);
        assert_eq!(after_unknown(None, &card(1, 2), &sn()), After::DoesNotFit);
    }

    #[test]
    fn a_code_is_called_first_only_when_it_is_unused_and_ours() {
        let before = |status, remain| before_call(&card(status, remain), &sn());
        assert_eq!(before(1, 3), Before::Call { remain_times: 3 });
        assert_eq!(before(1, 0), Before::Later);
        assert_eq!(before(2, 0), Before::AlreadyUsed);
        assert_eq!(before(3, 1), Before::Expired);
        assert_eq!(before(4, 1), Before::Destroyed);
        assert_eq!(before(99, 1), Before::Later);
        let other = OtaCard { order_sn: "261122-100000000000099".parse().ok(), ..card(1, 3) };
        assert_eq!(before_call(&other, &sn()), Before::OtherOrder);
        assert_eq!(after_unknown(Some(3), &other, &sn()), After::DoesNotFit);
    }

    proptest! {
        #[test]
        fn a_second_call_needs_the_same_uses_left_and_an_unused_code(
            before in proptest::option::of(-1..5_i32), status in prop_oneof![0..6_i16, Just(99)], remain in -1..5_i32
        ) {
            if after_unknown(before, &card(status, remain), &sn()) == After::CallAgain {
                prop_assert_eq!(before, Some(remain));
                prop_assert_eq!(status, 1);
            }
        }

        /// The platform's ledger against the whole loop: lost answers, lost calls and slow effects, in any order.
        #[test]
        fn a_use_is_never_taken_twice(
            uses in 1..4_i32,
            // Per call: whether it takes effect, and how many look-ups later the effect shows (status 99 until then).
            calls in prop::collection::vec((any::<bool>(), 0..3_u8), 1..8)
        ) {
            let (mut remain, mut taken, mut settled) = (uses, 0, false);
            for (effective, shows_after) in calls {
                if settled {
                    break;
                }
                let Before::Call { remain_times } = before_call(&card(1, remain), &sn()) else { break };
                let mut pending = effective.then_some(shows_after);
                // The answer is lost: look up until something is decided.
                loop {
                    match pending {
                        Some(0) => {
                            remain -= 1;
                            taken += 1;
                            pending = None;
                        }
                        Some(n) => pending = Some(n - 1),
                        None => {}
                    }
                    let status = match (pending, remain) {
                        (Some(_), _) => 99,
                        (None, 0) => 2,
                        (None, _) => 1,
                    };
                    match after_unknown(Some(remain_times), &card(status, remain), &sn()) {
                        After::Later => {}
                        After::Done => { settled = true; break }
                        After::CallAgain => break,
                        other => prop_assert!(false, "{:?}", other),
                    }
                }
            }
            prop_assert!(taken <= 1, "one redemption took {} uses", taken);
            prop_assert_eq!(settled, taken == 1);
        }
    }
}
