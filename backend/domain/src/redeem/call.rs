//! Declares uses: look-up, gate, start, call, settle, for a few redemptions at once.
//!
//! ```text
//! prepare (OTA) ─► read order ─► gate ─► start: fence + 1, evidence, deadline ─ commit ─► call ─► settle
//! ```
//! Whatever dies between the commit and the settlement leaves a row in state `calling`, which [`super::resolve`] finds.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;
use kamiflow_kernel::{OrderSn, ReasonCode, RedemptionId, RedemptionMethod, RedemptionState, RuleId, SecretText};
use kamiflow_store::StoreError;
use kamiflow_store::redemptions::calls::{self, Deadlines, Start, Started};
use kamiflow_store::redemptions::due::DueRow;
use serde_json::{Value, json};

use super::answer::{Answer, classify};
use super::decide::{Park, SAFETY_NET, day_of, refund_state, tomorrow};
use super::ota::{Before, before_call};
use super::reasons::{Reason, Refusal};
use super::settle::{End, Subject, write};
use super::work::{Desk, Pauses, counted};
use crate::backoff::RetryClass;
use crate::engine::{EngineError, Wake};
use crate::gate::{Closed, Evidence};
use crate::ingest::{Read, Source, ingest};
use crate::map_sku::{STORE_ID_SETTING, STORE_NAME_SETTING};
use crate::marketplace::{ErrorClass, MarketError, PlatformOrder, Redeem};
use crate::redemption_rules::RefundState;

/// How long a redemption rests that a change of the order will wake.
const AFTER_SALE_REST: TimeDelta = TimeDelta::minutes(10);
/// How long a paused redemption, or one of a stopped shop, rests.
const PAUSE_REST: TimeDelta = TimeDelta::minutes(1);
const STOPPED_REST: TimeDelta = TimeDelta::minutes(5);
const PERMISSION_REST: TimeDelta = TimeDelta::minutes(30);

/// A redemption that rules or a person want declared.
pub(crate) struct Candidate {
    pub(crate) row: DueRow,
    pub(crate) subject: Subject,
    pub(crate) rule: Option<RuleId>,
    pub(crate) daily_cap: Option<u32>,
    /// The platform lists a refund of the order.
    pub(crate) flagged: bool,
    /// The line's code, opened.
    pub(crate) code: Option<SecretText>,
}

/// A candidate with its request ready.
struct Ready {
    candidate: Candidate,
    request: Request,
    remain_times: Option<i32>,
}

/// What will be declared; the time of use is known only when the call starts.
enum Request {
    ReportCard { number: SecretText },
    Ota { number: SecretText, store: OtaStore },
    Realtime { out_voucher_id: String },
}

/// The store that redeems platform codes, from the SKU's mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtaStore {
    /// The platform's number of the store.
    pub id: i64,
    /// Its name.
    pub name: String,
}

impl OtaStore {
    /// Reads the store out of a mapping's settings.
    #[must_use]
    pub fn of(settings: &Value) -> Option<Self> {
        let id = settings.get(STORE_ID_SETTING)?.as_i64().filter(|id| *id > 0)?;
        let name = settings.get(STORE_NAME_SETTING)?.as_str().filter(|name| !name.is_empty())?;
        Some(Self { id, name: name.to_owned() })
    }
}

/// What a round did.
#[derive(Debug, Default)]
pub(crate) struct Round {
    /// Rows that moved.
    pub(crate) done: usize,
    /// Whom the reads wake.
    pub(crate) wakes: Vec<Wake>,
    /// Set when the shop cannot be called now.
    pub(crate) stopped_by: Option<MarketError>,
}

/// Declares the uses of a few candidates.
pub(crate) async fn run(desk: &Desk<'_>, candidates: Vec<Candidate>) -> Result<Round, EngineError> {
    let mut parked = Vec::new();
    let ready = prepare(desk, candidates, &mut parked).await;
    let reads = read_orders(desk, &ready).await;
    let (passed, stopped_by) = gate(desk, ready, &reads, &mut parked);

    let started = start_all(desk, passed, &mut parked).await?;
    let (ended, refused_by) = call(desk, started).await;

    let mut round = Round { wakes: keep(desk, &reads).await?, stopped_by: stopped_by.or(refused_by), done: 0 };
    round.done += write(desk.writer(), RedemptionState::Calling, &ended).await?;
    round.done += write(desk.writer(), RedemptionState::Waiting, &parked).await?;
    Ok(round)
}

/// Builds the requests; platform codes are looked up first.
async fn prepare(desk: &Desk<'_>, candidates: Vec<Candidate>, parked: &mut Vec<End>) -> Vec<Ready> {
    let looked_up = join_all(candidates.into_iter().map(async |candidate| match request(&candidate) {
        Err(park) => Err(Box::new(End::park(candidate.subject, *park))),
        Ok(Request::Ota { number, store }) => look_up(desk, candidate, number, store).await,
        Ok(request) => Ok(Ready { candidate, request, remain_times: None }),
    }))
    .await;
    let mut ready = Vec::new();
    for outcome in looked_up {
        match outcome {
            Ok(one) => ready.push(one),
            Err(end) => parked.push(*end),
        }
    }
    ready
}

fn request(candidate: &Candidate) -> Result<Request, Box<Park>> {
    let number = || candidate.code.clone().ok_or_else(|| Box::new(Park::wait(None, &Reason::CodeUnknown)));
    match candidate.subject.method {
        RedemptionMethod::ReportCard => Ok(Request::ReportCard { number: number()? }),
        RedemptionMethod::Ota => {
            let store = candidate.row.settings.as_ref().and_then(OtaStore::of);
            let missing = || Box::new(Park::ask(&Reason::StoreMissing, ReasonCode::RedemptionRefused));
            Ok(Request::Ota { number: number()?, store: store.ok_or_else(missing)? })
        }
        RedemptionMethod::Realtime => {
            // The id under which the voucher was declared when it was sent.
            let id = candidate.row.card_use().map(|id| id.as_uuid().simple().to_string());
            let out_voucher_id = id.ok_or_else(|| Box::new(Park::wait(None, &Reason::CodeUnknown)))?;
            Ok(Request::Realtime { out_voucher_id })
        }
        RedemptionMethod::None => {
            let reason = Reason::Refused { code: "-".to_owned(), meaning: Refusal::WrongKind };
            Err(Box::new(Park::stop(&reason)))
        }
    }
}

async fn look_up(
    desk: &Desk<'_>,
    candidate: Candidate,
    number: SecretText,
    store: OtaStore,
) -> Result<Ready, Box<End>> {
    let answer = desk.engine.market.ota_prepare(&desk.shop.access, &number, Some(store.id)).await;
    let now = desk.now();
    let config = &desk.engine.config;
    let subject = || candidate.subject.clone();
    let end = match answer {
        Ok(card) => match before_call(&card, &candidate.subject.order_sn) {
            Before::Call { remain_times } => {
                let request = Request::Ota { number, store };
                return Ok(Ready { candidate, request, remain_times: Some(remain_times) });
            }
            Before::AlreadyUsed => End::done(subject(), &Reason::AlreadyUsed),
            Before::OtherOrder => End::park(subject(), Park::ask(&Reason::OtherOrder, ReasonCode::RedemptionRefused)),
            Before::Expired => stopped(subject(), Refusal::Expired),
            Before::Destroyed => stopped(subject(), Refusal::Destroyed),
            Before::Later => End::again(subject(), (RetryClass::Busy, true), &Reason::InProgress, now, config),
        },
        // A look-up has no effect, so what is unknown for a call is only "later" here.
        Err(error) if error.class == ErrorClass::OutcomeUnknown => {
            let reason = Reason::ComeBack { code: error.code.to_string() };
            End::again(subject(), (RetryClass::Transport, true), &reason, now, config)
        }
        Err(error) => end_of(subject(), classify(RedemptionMethod::Ota, Err(&error)), desk).with_outcome(error.told()),
    };
    Err(Box::new(end))
}

fn stopped(subject: Subject, meaning: Refusal) -> End {
    let park = Park::stop(&Reason::Refused { code: "-".to_owned(), meaning });
    End::park(subject, Park { exception: Some(ReasonCode::RedemptionRefused), ..park })
}

/// A read of an order, and when it began.
type OrderReads = HashMap<OrderSn, (DateTime<Utc>, Result<PlatformOrder, MarketError>)>;

/// Reads every order once.
async fn read_orders(desk: &Desk<'_>, ready: &[Ready]) -> OrderReads {
    let mut sns: Vec<OrderSn> = ready.iter().map(|one| one.candidate.subject.order_sn.clone()).collect();
    sns.sort_unstable();
    sns.dedup();
    let reads = join_all(sns.into_iter().map(async |sn| {
        let began = desk.now();
        let read = desk.engine.market.order(&desk.shop.access, &sn).await;
        (sn, (began, read))
    }))
    .await;
    reads.into_iter().collect()
}

/// Keeps those whose order may be redeemed by what was just read.
fn gate(
    desk: &Desk<'_>,
    ready: Vec<Ready>,
    reads: &OrderReads,
    parked: &mut Vec<End>,
) -> (Vec<(Ready, Evidence)>, Option<MarketError>) {
    let now = desk.now();
    let mut passed = Vec::new();
    let mut stopped_by = None;
    for one in ready {
        let subject = one.candidate.subject.clone();
        match reads.get(&subject.order_sn) {
            Some((began, Ok(order))) => {
                let evidence = Evidence::of(order, *began);
                match judge(&evidence, one.candidate.flagged && one.candidate.row.approved_by.is_none(), now) {
                    None => passed.push((one, evidence)),
                    Some(park) => parked.push(End::park(subject, park).reading_order()),
                }
            }
            Some((_, Err(error))) => {
                let answer = classify(subject.method, Err(error));
                let end = match answer {
                    Answer::Unknown(reason) => {
                        End::again(subject, (RetryClass::Transport, false), &reason, now, &desk.engine.config)
                    }
                    answer => end_of(subject, answer, desk),
                };
                parked.push(end.with_outcome(error.told()));
                stopped_by = stopped_by.or_else(|| concerns_shop(error).then(|| error.clone()));
            }
            None => parked.push(End::park(subject, Park::wait(Some(now), &Reason::CallAgain))),
        }
    }
    (passed, stopped_by)
}

/// Returns how a redemption is left whose order the gate does not let through.
fn judge(evidence: &Evidence, flagged: bool, now: DateTime<Utc>) -> Option<Park> {
    let refund = refund_state(evidence.refund_status, evidence.after_sales_status);
    if refund == RefundState::Refunded {
        return Some(Park::stop(&Reason::Refunded));
    }
    // A listed refund is explained by an after-sale that ended; without one, one of the two answers is not up to date.
    if flagged && evidence.after_sales_status == 0 {
        return Some(Park::wait(now.checked_add_signed(AFTER_SALE_REST), &Reason::RefundListed));
    }
    match evidence.open_for_redemption() {
        Ok(()) => None,
        Err(Closed::Cancelled) => Some(Park::stop(&Reason::Closed(Closed::Cancelled))),
        Err(closed @ (Closed::Refund | Closed::AfterSale)) => {
            Some(Park::wait(now.checked_add_signed(SAFETY_NET), &Reason::Closed(closed)))
        }
        Err(closed) => Some(Park::wait(now.checked_add_signed(AFTER_SALE_REST), &Reason::Closed(closed))),
    }
}

/// Starts the calls; a batch that a constraint refuses is replayed one by one.
async fn start_all(
    desk: &Desk<'_>,
    passed: Vec<(Ready, Evidence)>,
    parked: &mut Vec<End>,
) -> Result<Vec<(Ready, Started, Deadlines)>, StoreError> {
    if passed.is_empty() {
        return Ok(Vec::new());
    }
    let refs: Vec<&(Ready, Evidence)> = passed.iter().collect();
    let mut started: HashMap<RedemptionId, (Started, Deadlines)> = HashMap::new();
    match start(desk, &refs, parked).await {
        Ok(batch) => started.extend(batch),
        Err(error) if error.is_connection_lost() => return Err(error),
        Err(error) => {
            tracing::warn!(shop.id = %desk.id(), error = %error, "A batch of redemptions is started one by one");
            for one in refs {
                match start(desk, &[one], parked).await {
                    Ok(single) => started.extend(single),
                    Err(error) if error.is_connection_lost() => return Err(error),
                    Err(error) => {
                        tracing::warn!(redemption.id = %one.0.candidate.subject.id, error = %error, "A redemption was not started");
                        let again = (RetryClass::Storage, true);
                        let subject = one.0.candidate.subject.clone();
                        parked.push(End::again(subject, again, &Reason::CallAgain, desk.now(), &desk.engine.config));
                    }
                }
            }
        }
    }
    let started = passed.into_iter().filter_map(|(ready, _)| {
        let (start, deadlines) = started.remove(&ready.candidate.subject.id)?;
        Some((ready, start, deadlines))
    });
    Ok(started.collect())
}

async fn start(
    desk: &Desk<'_>,
    batch: &[&(Ready, Evidence)],
    parked: &mut Vec<End>,
) -> Result<Vec<(RedemptionId, (Started, Deadlines))>, StoreError> {
    let mut tx = desk.begin().await?;
    let now = desk.now();
    let config = &desk.engine.config;
    let pauses = Pauses::load(&mut tx, now).await?;
    let mut room = room_under_caps(&mut tx, batch, now).await?;
    let mut waits = Vec::new();
    let mut starts = Vec::new();
    let too_old =
        |evidence: &Evidence| (now - evidence.read_at).to_std().map_or(true, |age| age > config.evidence_max_age);
    for (ready, evidence) in batch {
        let candidate = &ready.candidate;
        let wait = |due_at, reason| End::park(candidate.subject.clone(), Park::wait(due_at, &reason));
        if pauses.hold(desk.id(), &candidate.row) {
            waits.push(wait(now.checked_add_signed(PAUSE_REST), Reason::Paused));
        } else if too_old(evidence) {
            // The look at the order took too long; it is taken anew at once.
            waits.push(wait(Some(now), Reason::CallAgain));
        } else if !room.take(candidate) {
            waits.push(wait(Some(tomorrow(now)), Reason::CapTaken));
        } else {
            starts.push(start_of(ready, evidence, now));
        }
    }
    let send_for = TimeDelta::from_std(config.send_deadline).unwrap_or(TimeDelta::seconds(5));
    let resolve_after = TimeDelta::from_std(config.resolve_after).unwrap_or(TimeDelta::seconds(15));
    let send_deadline = now + send_for;
    let deadlines = Deadlines { started_at: now, send_deadline, resolve_at: send_deadline + resolve_after };
    let started = calls::start(&mut tx, &starts, deadlines).await?;
    tx.commit().await?;
    parked.extend(waits);
    Ok(started.into_iter().map(|one| (one.id(), (one, deadlines))).collect())
}

fn start_of(ready: &Ready, evidence: &Evidence, now: DateTime<Utc>) -> Start {
    let candidate = &ready.candidate;
    Start {
        id: candidate.subject.id,
        fence: candidate.subject.fence,
        rule: candidate.rule,
        used_at: candidate.row.use_reported_at.unwrap_or(now),
        remain_times: ready.remain_times,
        evidence: json!(evidence),
        evidence_at: evidence.read_at,
    }
}

/// Places left under daily caps, counted while the rules are locked.
struct Room {
    left: HashMap<RuleId, u32>,
    taken: HashMap<(RuleId, OrderSn), ()>,
}

async fn room_under_caps(
    tx: &mut kamiflow_store::TenantTx,
    batch: &[&(Ready, Evidence)],
    now: DateTime<Utc>,
) -> Result<Room, StoreError> {
    let caps: HashMap<RuleId, u32> =
        batch.iter().filter_map(|(ready, _)| ready.candidate.rule.zip(ready.candidate.daily_cap)).collect();
    let mut room = Room { left: HashMap::new(), taken: HashMap::new() };
    if caps.is_empty() {
        return Ok(room);
    }
    let mut rules: Vec<RuleId> = caps.keys().copied().collect();
    rules.sort_unstable();
    calls::lock_rules(tx, &rules).await?;
    let (_, day_start) = day_of(now);
    let counts = counted(tx, day_start).await?;
    for (rule, cap) in caps {
        room.left.insert(rule, cap.saturating_sub(counts.get(&rule).copied().unwrap_or(0)));
    }
    Ok(room)
}

impl Room {
    /// Takes a place for the candidate's order; every line of an order shares one.
    fn take(&mut self, candidate: &Candidate) -> bool {
        let Some(rule) = candidate.rule else { return true };
        let Some(left) = self.left.get_mut(&rule) else { return true };
        let counted_already = candidate.row.counted_by == Some(rule.as_uuid());
        let key = (rule, candidate.subject.order_sn.clone());
        if counted_already || self.taken.contains_key(&key) {
            return true;
        }
        if *left == 0 {
            return false;
        }
        *left -= 1;
        self.taken.insert(key, ());
        true
    }
}

/// Makes the calls that were started.
async fn call(desk: &Desk<'_>, started: Vec<(Ready, Started, Deadlines)>) -> (Vec<End>, Option<MarketError>) {
    let answers = join_all(started.into_iter().map(async |(ready, start, deadlines)| {
        let subject = Subject { fence: start.fence, ..ready.candidate.subject.clone() };
        let redeem = redeem_of(&ready, start.used_at);
        let answer = desk.engine.market.redeem(&desk.shop.access, &redeem, deadlines.send_deadline).await;
        (subject, answer, deadlines)
    }))
    .await;
    let mut stopped_by = None;
    let mut ended = Vec::with_capacity(answers.len());
    for (subject, answer, deadlines) in answers {
        let outcome = answer.as_ref().map_or_else(MarketError::told, |redeemed| json!({ "answer": redeemed.as_str() }));
        let end = match classify(subject.method, answer.as_ref().copied()) {
            Answer::Unknown(reason) => End::look_up_later(subject, deadlines.resolve_at, &reason, &desk.engine.config),
            settled => end_of(subject, settled, desk),
        };
        ended.push(end.with_outcome(outcome));
        if let Err(error) = answer
            && concerns_shop(&error)
        {
            stopped_by = Some(error);
        }
    }
    (ended, stopped_by)
}

fn redeem_of(ready: &Ready, used_at: DateTime<Utc>) -> Redeem {
    let row = &ready.candidate.row;
    let order_sn = ready.candidate.subject.order_sn.clone();
    match &ready.request {
        Request::ReportCard { number } => Redeem::ReportCard {
            order_sn,
            out_trans_no: row.trans_no.clone(),
            number: number.clone(),
            at: used_at,
            used: true,
        },
        Request::Ota { number, store } => {
            Redeem::Ota { order_sn, number: number.clone(), store_id: store.id, store_name: store.name.clone() }
        }
        Request::Realtime { out_voucher_id } => Redeem::Realtime {
            order_sn,
            serial_no: row.trans_no.clone(),
            out_voucher_id: out_voucher_id.clone(),
            at: used_at,
        },
    }
}

/// Returns what an answer makes of a redemption; an unknown outcome is the caller's, who knows what is open.
pub(crate) fn end_of(subject: Subject, answer: Answer, desk: &Desk<'_>) -> End {
    let now = desk.now();
    match answer {
        Answer::Done(reason) => End::done(subject, &reason),
        Answer::Again { class, counts, reason } => {
            End::again(subject, (class, counts), &reason, now, &desk.engine.config)
        }
        Answer::AfterSale => {
            let due_at = now.checked_add_signed(AFTER_SALE_REST);
            End::park(subject, Park::wait(due_at, &Reason::AfterSaleOpen)).reading_order()
        }
        Answer::Stop(reason) => {
            let park = Park { exception: Some(ReasonCode::RedemptionRefused), ..Park::stop(&reason) };
            End::park(subject, park).reading_order()
        }
        Answer::Fix { code: ReasonCode::PermissionMissing, reason } => {
            let due_at = now.checked_add_signed(PERMISSION_REST);
            let exception = Some(ReasonCode::PermissionMissing);
            End::park(subject, Park { exception, ..Park::wait(due_at, &reason) })
        }
        Answer::Fix { code, reason } => End::park(subject, Park::ask(&reason, code)),
        Answer::ShopStopped => {
            End::park(subject, Park::wait(now.checked_add_signed(STOPPED_REST), &Reason::ShopStopped))
        }
        Answer::Unknown(reason) => End::unexplained(subject, &reason),
    }
}

/// Stores what was read; the ways in which an order enters share one function.
async fn keep(desk: &Desk<'_>, reads: &OrderReads) -> Result<Vec<Wake>, StoreError> {
    let orders: Vec<PlatformOrder> = reads.values().filter_map(|(_, read)| read.as_ref().ok().cloned()).collect();
    let Some(started) = reads.values().map(|(began, _)| *began).min() else { return Ok(Vec::new()) };
    let mut tx = desk.begin().await?;
    let read = Read { started, source: Source::Gate };
    let ingested = ingest(&mut tx, &desk.shop, &orders, read).await?;
    tx.commit().await?;
    Ok(ingested.wakes)
}

/// Returns whether a failure says something about the shop and not about one order.
pub(crate) const fn concerns_shop(error: &MarketError) -> bool {
    matches!(
        error.class,
        ErrorClass::Reauthorize | ErrorClass::StopApplication | ErrorClass::StopMall | ErrorClass::StopApi
    )
}
