//! Redemption: declares to the platform that delivered codes were used, when the merchant's rules allow it.
//!
//! # The picture
//! ```text
//! delivered ─ plan ─► waiting ─ rules ─► gate ─► calling ─► done ─► the order is redeemed when all its lines are
//!                       ▲  │               │        │
//!                       │  ├─ hold ─► awaiting_approval ─ a person ─┐
//!                       │  └─ never, refunded ─► stopped            │
//!                       └───────── not yet, refused for now ◄───────┴── unknown: looked up first
//! ```
//! Every line of a delivery has one row per use (`UNIQUE (line, use_no)`) with a number that never changes, so a use is
//! declared once, whatever is lost on the way.
//!
//! # Guarantees
//! - Nothing is declared that no rule and no person asked for, nothing with an after-sale open, nothing after a refund:
//!   the rules' own facts say so first, then one batched check for refunds, then the order itself, read at most two
//!   seconds before each call and stored with it.
//! - A call is committed as started before it leaves us, with a deadline after which it never leaves; nobody judges its
//!   outcome before that deadline and the longest call are over.
//! - A platform code is called a second time only when its uses left did not change (see `ota`).
//!
//! # After a crash
//! A row in `calling` becomes due when it may be resolved; a row that was parked or woken carries a higher fence, so a
//! worker that came back from the dead writes nothing.
//!
//! # To add a method
//! A variant of `RedemptionMethod` and of `marketplace::Redeem`, a request in `call`, a row in the table of `resolve`,
//! and the sub codes it may answer in `answer`.

mod answer;
mod call;
mod decide;
pub mod destroyed;
mod ota;
mod reasons;
mod resolve;
pub(crate) mod settle;
mod work;

use std::collections::HashSet;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use kamiflow_kernel::{DeliveryId, LineId, OrderId, OrderSn, RedemptionId, RedemptionMethod, RedemptionState, ShopId};
use kamiflow_store::orders::OrderKey;
use kamiflow_store::redemptions::due::{self, DueRow};
use kamiflow_store::redemptions::{self, NewRedemption, acts};
use kamiflow_store::{StoreError, TenantTx};
use uuid::Uuid;

pub use call::OtaStore;
pub(crate) use decide::refund_state;
pub(crate) use reasons::{Reason, explain};
pub(crate) use work::open_code;

use crate::ctx::Ctx;
use crate::engine::{Engine, EngineError, TickOutcome, Wake};
use crate::market_trouble;
use crate::marketplace::ErrorClass;
use crate::redemption_rules::RefundState;
use call::Candidate;
use decide::{Decision, Park, decide, facts_of};
use settle::{End, Subject, write};
use work::{Desk, Due};

/// Calls made at once.
const ROUND: usize = 10;
/// OTA calls started at once: one a second leaves for everybody together, and each must leave within its deadline.
const OTA_ROUND: usize = 3;
const PAUSED_REST: TimeDelta = TimeDelta::minutes(1);

/// A delivery that has just been marked delivered.
#[derive(Debug, Clone)]
pub struct Delivered {
    /// In which shop.
    pub shop: ShopId,
    /// The delivery.
    pub delivery: DeliveryId,
    /// The order's partition day.
    pub order_day: NaiveDate,
    /// The order.
    pub order_id: OrderId,
    /// The order's number.
    pub order_sn: OrderSn,
    /// How its codes are declared used.
    pub method: RedemptionMethod,
    /// Its live lines.
    pub lines: Vec<LineId>,
}

/// Plans the redemptions of deliveries, in the transaction that marks them delivered. Planning again changes nothing.
///
/// # Errors
/// When the store fails.
pub async fn plan(tx: &mut TenantTx, delivered: &[Delivered], now: DateTime<Utc>) -> Result<Vec<Wake>, StoreError> {
    let mut news = Vec::new();
    for delivery in delivered.iter().filter(|delivery| delivery.method != RedemptionMethod::None) {
        for line in &delivery.lines {
            let id = RedemptionId::generate();
            news.push(NewRedemption {
                id,
                trans_no: trans_no('R', id.as_uuid()),
                shop: delivery.shop,
                delivery: delivery.delivery,
                line: *line,
                // Counts the uses of this line, not of its card. A line stands for one permitted use (`card_uses`) and one
                // buyer: a card that may be used n times is n lines, each with its only use. What a platform code
                // permits beyond that is the buyer's to use, and nobody asked us to declare it. With a constant,
                // UNIQUE (line, use_no) means at most one declaration per line, whoever plans and however often.
                use_no: 1,
                order: OrderKey { day: delivery.order_day, id: delivery.order_id },
                order_sn: delivery.order_sn.as_str(),
                method: delivery.method,
            });
        }
    }
    redemptions::insert(tx, &news, now).await?;
    let shops: HashSet<ShopId> = news.iter().map(|new| new.shop).collect();
    Ok(shops.into_iter().map(Wake::Redeem).collect())
}

/// Returns the platform-facing number of a use: a letter and 25 digits of base 36.
pub(crate) fn trans_no(kind: char, id: Uuid) -> String {
    let mut rest = id.as_u128();
    let mut digits = Vec::with_capacity(25);
    for _ in 0..25 {
        let digit = u32::try_from(rest % 36).unwrap_or(0);
        digits.push(char::from_digit(digit, 36).unwrap_or('0').to_ascii_uppercase());
        rest /= 36;
    }
    std::iter::once(kind).chain(digits.into_iter().rev()).collect()
}

/// Works on what is due in a shop: resolves open calls, asks the rules, declares uses.
///
/// # Errors
/// [`EngineError::Market`] when the platform refuses the shop or its application; what was done stays.
pub async fn tick(engine: &Engine, ctx: &Ctx, shop: ShopId) -> Result<TickOutcome, EngineError> {
    let Some(desk) = work::open(engine, ctx, shop).await? else { return Ok(TickOutcome::default()) };
    match turn(&desk).await {
        // A dead token is the sync tick's to renew: it comes as often, and one refresh is enough.
        Err(EngineError::Market(error))
            if market_trouble::is_shared(&error) && error.class != ErrorClass::Reauthorize =>
        {
            market_trouble::settle(engine, &desk.shop, &error).await?;
            Err(error.into())
        }
        end => end,
    }
}

async fn turn(desk: &Desk<'_>) -> Result<TickOutcome, EngineError> {
    let mut due = work::load(desk).await?;
    let mut outcome = TickOutcome::default();

    let (open, waiting): (Vec<DueRow>, Vec<DueRow>) =
        std::mem::take(&mut due.rows).into_iter().partition(DueRow::is_calling);
    outcome.done += resolve::run(desk, open, &due.codes).await?;

    let (parked, candidates) = ask_rules(desk, &due, waiting)?;
    outcome.done += write(desk.writer(), RedemptionState::Waiting, &parked).await?;
    withdraw_approvals(desk, &parked).await?;

    let candidates = screen(desk, candidates).await?;
    declare(desk, candidates, &mut outcome).await?;

    let mut tx = desk.begin().await?;
    outcome.next = due::next_at(&mut tx, desk.id()).await?;
    tx.commit().await?;
    Ok(outcome)
}

/// Splits what waits into what stays and what is to be declared.
fn ask_rules(desk: &Desk<'_>, due: &Due, waiting: Vec<DueRow>) -> Result<(Vec<End>, Vec<Candidate>), StoreError> {
    let now = desk.now();
    let mut parked = Vec::new();
    let mut candidates = Vec::new();
    let mut lines = HashSet::new();
    for row in waiting {
        let subject = Subject::of(&row)?;
        if due.pauses.hold(desk.id(), &row) {
            let rest = Park::wait(now.checked_add_signed(PAUSED_REST), &Reason::Paused);
            parked.push(End::park(subject, rest));
            continue;
        }
        let facts = facts_of(&row, desk.id(), &due.counts);
        match decide(&due.rules, &facts, row.approved_by.as_deref(), now) {
            Decision::Park(park) => parked.push(End::park(subject, park)),
            // A second use of the same code waits until the first one's call is settled: it stays due.
            Decision::Call { .. } if !lines.insert(row.line()) => {}
            Decision::Call { rule, daily_cap } => {
                let code = due.codes.get(&row.id()).cloned();
                candidates.push(Candidate { row, subject, rule, daily_cap, flagged: false, code });
            }
        }
    }
    Ok((parked, candidates))
}

/// An approval given before an after-sale was opened does not outlive it.
async fn withdraw_approvals(desk: &Desk<'_>, parked: &[End]) -> Result<(), StoreError> {
    let after_sale = Reason::AfterSaleOpen.explain();
    let sns: Vec<OrderSn> =
        parked.iter().filter(|end| end.explanation == after_sale).map(|end| end.subject.order_sn.clone()).collect();
    if sns.is_empty() {
        return Ok(());
    }
    let mut tx = desk.begin().await?;
    acts::withdraw_approval(&mut tx, desk.id(), &sns).await?;
    tx.commit().await
}

/// Asks once for the whole batch which orders the platform lists a refund of.
async fn screen(desk: &Desk<'_>, mut candidates: Vec<Candidate>) -> Result<Vec<Candidate>, EngineError> {
    let mut sns: Vec<OrderSn> = candidates.iter().map(|one| one.subject.order_sn.clone()).collect();
    sns.sort_unstable();
    sns.dedup();
    if sns.is_empty() {
        return Ok(candidates);
    }
    let listed: HashSet<OrderSn> =
        desk.engine.market.refunds_among(&desk.shop.access, &sns).await?.into_iter().collect();
    for candidate in &mut candidates {
        let known_closed =
            refund_state(candidate.row.refund_status, candidate.row.after_sales_status) == RefundState::Closed;
        candidate.flagged = listed.contains(&candidate.subject.order_sn) && !known_closed;
    }
    Ok(candidates)
}

/// Declares uses in small rounds until the tick's time is over; what is left stays due.
async fn declare(desk: &Desk<'_>, candidates: Vec<Candidate>, outcome: &mut TickOutcome) -> Result<(), EngineError> {
    let began = desk.now();
    let budget = TimeDelta::from_std(desk.engine.config.tick_budget).unwrap_or(TimeDelta::seconds(2));
    let mut left = candidates.into_iter().peekable();
    while let Some(first) = left.next() {
        let ota = first.subject.method == RedemptionMethod::Ota;
        let size = if ota { OTA_ROUND } else { ROUND };
        let mut round = vec![first];
        while round.len() < size
            && let Some(next) = left.next_if(|next| (next.subject.method == RedemptionMethod::Ota) == ota)
        {
            round.push(next);
        }
        let done = call::run(desk, round).await?;
        outcome.done += done.done;
        outcome.wakes.extend(done.wakes);
        if let Some(error) = done.stopped_by {
            return Err(error.into());
        }
        if desk.now() - began >= budget {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_uses_are_short_stable_and_distinct() {
        let (a, b) = (Uuid::now_v7(), Uuid::now_v7());
        assert_eq!(trans_no('R', a), trans_no('R', a));
        assert_ne!(trans_no('R', a), trans_no('R', b));
        assert_ne!(trans_no('R', a), trans_no('D', a));
        for number in [trans_no('R', a), trans_no('D', Uuid::nil()), trans_no('R', Uuid::max())] {
            assert!(
                number.len() <= 32 && number.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()),
                "{number}"
            );
        }
        assert_eq!(trans_no('R', Uuid::max()), "RF5LXX1ZZ5PNORYNQGLHZMSP33");
    }
}
