//! Finds out what calls did whose outcome nobody wrote down, or nobody knew.
//!
//! | method | proof of success | proof of failure | second call |
//! | --- | --- | --- | --- |
//! | ota | fewer uses left, status 2, or 60010 | the same uses left and status 1 | only after that proof |
//! | `report_card`, `realtime` | none can be read | none can be read | the identical report: same number, same time |
//!
//! The two reports are repeatable because the number of the use is ours and stays the same; a platform that had taken
//! the first one answers 60010, which is success.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;
use kamiflow_kernel::{RedemptionId, RedemptionMethod, RedemptionState, SecretText};
use kamiflow_store::StoreError;
use kamiflow_store::redemptions::calls;
use kamiflow_store::redemptions::due::DueRow;

use super::call::OtaStore;
use super::decide::Park;
use super::ota::{After, after_unknown};
use super::reasons::{Reason, Refusal};
use super::settle::{End, Subject, delay, write};
use super::work::Desk;
use crate::backoff::RetryClass;
use crate::marketplace::ErrorClass;

/// Resolves open calls whose time has come. Returns how many moved.
pub(crate) async fn run(
    desk: &Desk<'_>,
    rows: Vec<DueRow>,
    codes: &HashMap<RedemptionId, SecretText>,
) -> Result<usize, StoreError> {
    if rows.is_empty() {
        return Ok(0);
    }
    let taken = take_over(desk, &rows).await?;
    let mut subjects = Vec::new();
    for row in rows.into_iter().filter(|row| taken.contains(&row.id())) {
        let mut subject = Subject::of(&row)?;
        subject.fence = subject.fence.saturating_add(1);
        subjects.push((row, subject));
    }
    let ended = join_all(subjects.into_iter().map(async |(row, subject)| match subject.method {
        RedemptionMethod::Ota => look_up(desk, &row, subject, codes.get(&row.id())).await,
        // Back to the gate: the repeated report carries the same number and time, and needs the same evidence.
        RedemptionMethod::ReportCard | RedemptionMethod::Realtime | RedemptionMethod::None => {
            End::park(subject, Park::wait(Some(desk.now()), &Reason::CallAgain))
        }
    }))
    .await;
    write(desk.writer(), RedemptionState::Calling, &ended).await
}

async fn take_over(desk: &Desk<'_>, rows: &[DueRow]) -> Result<Vec<RedemptionId>, StoreError> {
    let now = desk.now();
    let calls: Vec<(RedemptionId, i64)> = rows.iter().map(|row| (row.id(), row.fence)).collect();
    // Longer than a look-up may take: nobody else looks at the same time.
    let again_at = now + TimeDelta::seconds(30);
    let mut tx = desk.begin().await?;
    let taken = calls::take_over(&mut tx, &calls, now, again_at).await?;
    tx.commit().await?;
    Ok(taken)
}

async fn look_up(desk: &Desk<'_>, row: &DueRow, subject: Subject, code: Option<&SecretText>) -> End {
    let now = desk.now();
    let config = &desk.engine.config;
    let Some(number) = code else { return End::unexplained(subject, &Reason::CodeUnknown) };
    let store = row.settings.as_ref().and_then(OtaStore::of).map(|store| store.id);
    let later = next_look(now, subject.failures);
    match desk.engine.market.ota_prepare(&desk.shop.access, number, store).await {
        Ok(card) => match after_unknown(row.remain_times_before, &card, &subject.order_sn) {
            After::Done => End::done(subject, &Reason::Done),
            After::CallAgain => End::park(subject, Park::wait(Some(now), &Reason::CallAgain)),
            After::Later => End::look_up_later(subject, later, &Reason::InProgress, config),
            After::Expired => over(subject, Refusal::Expired),
            After::Destroyed => over(subject, Refusal::Destroyed),
            After::DoesNotFit => {
                let reason = Reason::UsesDoNotFit { before: row.remain_times_before, now: card.remain_times };
                End::unexplained(subject, &reason)
            }
        },
        Err(error) if error.class == ErrorClass::AlreadyDone => {
            End::done(subject, &Reason::AlreadyUsed).with_outcome(error.told())
        }
        // Whatever else the platform says about the look-up says nothing about the call.
        Err(error) => End::look_up_later(subject, later, &Reason::LookUpFailed, config).with_outcome(error.told()),
    }
}

fn over(subject: Subject, meaning: Refusal) -> End {
    End::park(subject, Park::stop(&Reason::Refused { code: "-".to_owned(), meaning }))
}

fn next_look(now: DateTime<Utc>, failures: i32) -> DateTime<Utc> {
    now + delay(RetryClass::Busy, failures.saturating_add(1))
}
