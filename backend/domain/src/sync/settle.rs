//! The end of a tick: coverage, watermarks and the next due time in one transaction.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use kamiflow_kernel::ReasonCode;
use kamiflow_store::coverage::{CoverageKind, Gap};
use kamiflow_store::exceptions::NewException;
use kamiflow_store::shop_sync::SyncChange;
use kamiflow_store::{StoreError, TenantTx, coverage, exceptions, shop_sync};
use serde_json::json;
use tracing::{debug, warn};

use super::Work;
use super::interval::{due_at, next_interval};
use super::plan;
use super::read::Round;
use super::trouble::Trouble;
use crate::backoff::{self, RetryClass};
use crate::engine::{Engine, EngineError, TickOutcome, Wake};
use crate::market_trouble;
use crate::marketplace::ErrorClass;

/// Failures in a row after which a shop's breaker opens: it is left alone for the whole delay, whoever wakes it.
const BREAKER_AFTER: i32 = 5;
/// The longest wait of a shop that could not be read, unless the platform asks for more or the error concerns its token, its
/// application or the mall: orders whose push message was lost wait with it.
const LONGEST_WAIT: Duration = Duration::from_secs(150);
/// How far back a newly opened span looks for gaps; `doctor` looks further.
const GAP_HORIZON: TimeDelta = TimeDelta::days(1);
/// A tick this much before it was due was woken by somebody.
const WOKEN_EARLY: TimeDelta = TimeDelta::seconds(1);

/// When the shop is due again, and what is remembered about it.
struct Next {
    interval: Duration,
    due_at: DateTime<Utc>,
    failures: i32,
    breaker_until: Option<DateTime<Utc>>,
    error: Option<String>,
}

/// Ends a tick, however its reading ended.
pub(super) async fn round(
    engine: &Engine,
    work: &Work,
    mut round: Round,
    end: Result<(), Trouble>,
) -> Result<TickOutcome, EngineError> {
    let shop = work.shop.access.shop;
    let mut next = match end {
        Ok(()) => after_success(engine, work, &mut round).await?,
        Err(trouble) => after_failure(engine, work, &trouble).await?,
    };
    let mut tx = engine.store.tenant_tx(work.shop.access.merchant).await?;
    shop_sync::commit_lazily(&tx).await?;
    store(&mut tx, work, &round, &next).await?;
    if prove(&mut tx, work, &round).await? {
        // The windows go back to the gap; there is no reason to wait.
        next.due_at = round.started;
    }
    tx.commit().await?;
    // The shop itself comes back when it is due.
    round.wakes.remove(&Wake::Sync(shop));
    let wakes = round.wakes.into_iter().collect();
    Ok(TickOutcome { next: Some(next.due_at), wakes, done: round.news, ..TickOutcome::default() })
}

async fn after_success(engine: &Engine, work: &Work, round: &mut Round) -> Result<Next, StoreError> {
    let shop = work.shop.access.shop;
    let error = match round.refund_trouble.take() {
        None => None,
        Some(trouble) => {
            if let Trouble::Market(error) = &trouble
                && market_trouble::is_shared(error)
            {
                market_trouble::settle(engine, &work.shop, error).await?;
            }
            let text = trouble.to_string();
            warn!(shop.id = %shop, error = text, "After-sales of shop `{shop}` could not be read; orders go on");
            Some(text)
        }
    };
    let woken = round.started + WOKEN_EARLY < work.sync.next_due_at;
    let floor = Duration::from_secs(u64::from(work.shop.poll_floor_s));
    let current = Duration::from_millis(u64::try_from(work.sync.interval_ms).unwrap_or_default());
    let interval = next_interval(current, floor, engine.config.poll_ceiling, woken || round.news > 0);
    let now = engine.now();
    let due_at = if round.behind { now } else { due_at(now, interval, shop) };
    debug!(shop.id = %shop, news = round.news, windows = round.spans.len(), "Read shop `{shop}`");
    Ok(Next { interval, due_at, failures: 0, breaker_until: None, error })
}

/// A shop that fails waits alone: the delay is its own and grows with its own failures.
async fn after_failure(engine: &Engine, work: &Work, trouble: &Trouble) -> Result<Next, StoreError> {
    let shop = work.shop.access.shop;
    let failures = work.sync.failures.saturating_add(1);
    let attempt = u32::try_from(failures).unwrap_or(1);
    let pause = match trouble {
        Trouble::Market(error) if market_trouble::is_shared(error) => {
            let pause = market_trouble::settle(engine, &work.shop, error).await?;
            // A token that was renewed is used at once, but not for ever: the platform may refuse that one too.
            let renewed = error.class == ErrorClass::Reauthorize && pause.is_zero() && failures < BREAKER_AFTER;
            if renewed { pause } else { pause.max(market_trouble::delay(error, attempt)) }
        }
        Trouble::Market(error) => {
            market_trouble::delay(error, attempt).min(LONGEST_WAIT).max(error.after.unwrap_or_default())
        }
        Trouble::Unsettled(_) => backoff::next_delay(RetryClass::Busy, attempt, &mut rand::rng()).min(LONGEST_WAIT),
    };
    let due_at = later(engine.now(), pause);
    let text = trouble.to_string();
    warn!(shop.id = %shop, failures, error = text, "Shop `{shop}` could not be read");
    metrics::counter!("kamiflow_sync_failures_total").increment(1);
    let interval = Duration::from_millis(u64::try_from(work.sync.interval_ms).unwrap_or_default());
    let breaker_until = (failures >= BREAKER_AFTER).then_some(due_at);
    Ok(Next { interval, due_at, failures, breaker_until, error: Some(text) })
}

async fn store(tx: &mut TenantTx, work: &Work, round: &Round, next: &Next) -> Result<(), StoreError> {
    let ok = next.failures == 0;
    let change = SyncChange {
        orders_watermark: round.orders_watermark,
        refunds_watermark: round.refunds_watermark,
        interval_ms: i32::try_from(next.interval.as_millis()).unwrap_or(i32::MAX),
        next_due_at: next.due_at,
        failures: next.failures,
        breaker_until: next.breaker_until,
        last_peek_at: round.peeked_to,
        last_window_at: (!round.spans.is_empty()).then_some(round.started),
        last_ok_at: ok.then_some(round.started),
        last_error: next.error.as_deref(),
    };
    shop_sync::update(tx, work.shop.access.shop, &change).await
}

/// Writes the windows into the ledger. Where that opens a span, looks for gaps; returns whether a watermark went back to one.
async fn prove(tx: &mut TenantTx, work: &Work, round: &Round) -> Result<bool, StoreError> {
    let shop = work.shop.access.shop;
    let mut opened: Vec<(CoverageKind, DateTime<Utc>)> = Vec::new();
    for span in &round.spans {
        let is_new = coverage::extend(tx, shop, span, round.started).await?;
        if is_new && !opened.iter().any(|(kind, _)| *kind == span.kind) {
            opened.push((span.kind, span.from));
        }
    }
    let (mut has_gap, mut repairs) = (false, false);
    for (kind, from) in &opened {
        let gaps = coverage::list_gaps(tx, shop, *kind, *from - GAP_HORIZON).await?;
        let Some(gap) = gaps.first() else { continue };
        has_gap = true;
        open_gap(tx, work, *kind, *gap).await?;
        // What is older than the platform answers stays open: nothing can be read there any more.
        let start = gap.from_at.max(round.started - plan::DEPTH);
        if start < gap.to_at {
            repairs |= shop_sync::rewind(tx, shop, *kind, start).await?;
        }
    }
    if !opened.is_empty() && !has_gap {
        let codes = [ReasonCode::CoverageGap];
        exceptions::resolve(tx, shop, &[""], &codes, "the missing range was read").await?;
    }
    Ok(repairs)
}

async fn open_gap(tx: &mut TenantTx, work: &Work, kind: CoverageKind, gap: Gap) -> Result<(), StoreError> {
    let shop = work.shop.access.shop;
    let detail = json!({ "kind": kind.as_str(), "from": gap.from_at, "to": gap.to_at });
    let new = NewException { shop, order: None, code: ReasonCode::CoverageGap, needs_review: false, detail };
    if exceptions::open(tx, &[new]).await? > 0 {
        warn!(shop.id = %shop, from = %gap.from_at, to = %gap.to_at, "Coverage of shop `{shop}` has a gap; reading it");
        metrics::counter!("kamiflow_sync_coverage_gaps_total", "kind" => kind.as_str()).increment(1);
    }
    Ok(())
}

fn later(now: DateTime<Utc>, pause: Duration) -> DateTime<Utc> {
    now + TimeDelta::from_std(pause).unwrap_or(TimeDelta::days(1))
}
