//! Turns messages into hints and wakes: many messages, few transactions.
//!
//! ```text
//! connections ──► channel ──► writer: whose malls? ──► per merchant: what waits ──► one transaction ──► answers, wakes
//! ```
//! **A merchant has one transaction under way at a time**; what comes meanwhile waits and goes into the next one. So a
//! burst costs few commits, nothing is delayed while there is none, and a merchant whose rows are locked holds up nobody
//! else. **A message is answered** only after the commit that holds its hint. Whatever a crash leaves unanswered comes
//! again, and a hint twice is one hint. One whose connection is gone is not stored: nobody takes its answer, so it comes
//! again as well.
//!
//! **Echoes rest.** That an order was shipped or received is mostly the echo of our own hand-over, and nobody waits for
//! it. A transaction for each would be one in four that an order costs; so such messages wait a moment for others, and
//! any message that tells something new takes them along.
//!
//! **Wakes wait for nobody and nobody for them**: Redis may hang while Postgres does not. A merchant has one waking under
//! way, and what is to be woken meanwhile is gathered, a shop once however often it was told of.

use std::collections::{HashMap, HashSet};
use std::error::Error;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use kamiflow_domain::engine::{Engine, Wake};
use kamiflow_domain::push_hint::{MallOwner, NoticeKind, PushNotice, push_hints};
use kamiflow_kernel::{GatewayKind, MallId, MerchantId, ShopId};
use kamiflow_pinduoduo::push::{NotStored, PushKind, PushMessage, PushSink};
use kamiflow_store::StoreError;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tracing::warn;

use super::owners::Owners;
use crate::waker::Waker;

/// Messages taken out of the channel at once, and most messages of one transaction.
const BATCH: usize = 256;
/// How long messages rest that are no news, if nothing takes them along before.
const ECHOES_REST: Duration = Duration::from_millis(500);
/// So many rest at once at most: fewer than a connection has on their way, so that what rests never keeps news unread.
const MOST_RESTING: usize = 32;
/// Messages that wait for the writer; beyond that connections wait, and the platform with them.
const WAITING: usize = 4_096;

/// A message on its way into Postgres.
struct Letter {
    gateway: GatewayKind,
    notice: PushNotice,
    answer: oneshot::Sender<Result<(), NotStored>>,
}

/// The one writer of hints of a process. It ends when it and all of its sinks are gone.
pub(super) struct HintWriter {
    letters: mpsc::Sender<Letter>,
}

impl HintWriter {
    pub(super) fn start(engine: Engine, waker: Waker) -> Self {
        let (letters, inbox) = mpsc::channel(WAITING);
        let waking = Waking { waker, waiting: HashMap::new(), under_way: JoinSet::new() };
        tokio::spawn(
            Writing {
                engine,
                waking,
                owners: Owners::default(),
                waiting: HashMap::new(),
                under_way: JoinSet::new(),
                resting: JoinSet::new(),
            }
            .run(inbox),
        );
        Self { letters }
    }

    /// Returns where a connection to a gateway puts its messages.
    pub(super) fn sink(&self, gateway: GatewayKind) -> HintSink {
        HintSink { gateway, letters: self.letters.clone() }
    }
}

/// Where a connection puts its messages.
pub(super) struct HintSink {
    gateway: GatewayKind,
    letters: mpsc::Sender<Letter>,
}

impl PushSink for HintSink {
    fn store(&self, message: PushMessage) -> BoxFuture<'_, Result<(), NotStored>> {
        async move {
            // Messages about products and the like hint at nothing that delivery needs.
            let Some(order_sn) = message.order_sn else { return Ok(()) };
            let kind = match message.kind {
                PushKind::TradeSellerShip => NoticeKind::Shipped,
                PushKind::TradeSuccess => NoticeKind::Received,
                _ => NoticeKind::Other,
            };
            let notice = PushNotice { mall: message.mall, order_sn, kind };
            let (answer, answered) = oneshot::channel();
            let letter = Letter { gateway: self.gateway, notice, answer };
            self.letters.send(letter).await.map_err(|_closed| stopping())?;
            answered.await.unwrap_or_else(|_dropped| Err(stopping()))
        }
        .boxed()
    }
}

fn stopping() -> NotStored {
    NotStored("this process is stopping".to_owned())
}

/// The writer's state.
struct Writing {
    engine: Engine,
    waking: Waking,
    owners: Owners,
    /// What waits for a merchant's next transaction. An entry stands for each merchant that has one under way.
    waiting: HashMap<MerchantId, Waiting>,
    under_way: JoinSet<(MerchantId, Vec<Wake>)>,
    /// Ends when a merchant's letters have rested enough.
    resting: JoinSet<MerchantId>,
}

/// What waits for a merchant's next transaction.
#[derive(Default)]
struct Waiting {
    letters: Vec<(ShopId, Letter)>,
    until: Until,
}

/// What letters wait for.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Until {
    /// Nothing: they have just come.
    #[default]
    Now,
    /// The transaction that is under way.
    Written,
    /// Other letters.
    Rested,
}

/// Who is to be told of hints that are stored.
struct Waking {
    waker: Waker,
    /// What waits for a merchant's next waking. An entry stands for each merchant that has one under way.
    waiting: HashMap<MerchantId, HashSet<Wake>>,
    under_way: JoinSet<MerchantId>,
}

impl Waking {
    fn add(&mut self, merchant: MerchantId, wakes: Vec<Wake>) {
        if wakes.is_empty() {
            return;
        }
        let is_idle = !self.waiting.contains_key(&merchant);
        self.waiting.entry(merchant).or_default().extend(wakes);
        if is_idle {
            self.next(merchant);
        }
    }

    /// Begins a merchant's next waking, if anybody is to be woken.
    fn next(&mut self, merchant: MerchantId) {
        let Some(waiting) = self.waiting.get_mut(&merchant) else { return };
        if waiting.is_empty() {
            self.waiting.remove(&merchant);
            return;
        }
        let wakes: Vec<Wake> = waiting.drain().collect();
        let waker = self.waker.clone();
        self.under_way.spawn(async move {
            waker.wake(merchant, &wakes).await;
            merchant
        });
    }
}

impl Writing {
    async fn run(mut self, mut inbox: mpsc::Receiver<Letter>) {
        let mut letters = Vec::with_capacity(BATCH);
        loop {
            tokio::select! {
                taken = inbox.recv_many(&mut letters, BATCH) => {
                    if taken == 0 {
                        break;
                    }
                    self.sort(&mut letters).await;
                }
                Some(ended) = self.waking.under_way.join_next() => match ended {
                    Ok(merchant) => self.waking.next(merchant),
                    Err(error) => {
                        warn!(%error, "A waking panicked; the sweep will find what it was about");
                        self.waking.waiting.clear();
                    }
                },
                Some(rested) = self.resting.join_next() => {
                    if let Ok(merchant) = rested
                        && self.waiting.get(&merchant).is_some_and(|waiting| waiting.until == Until::Rested)
                    {
                        self.begin(merchant);
                    }
                }
                Some(ended) = self.under_way.join_next() => match ended {
                    Ok((merchant, wakes)) => {
                        self.next(merchant);
                        self.waking.add(merchant, wakes);
                    }
                    Err(error) => {
                        // Nobody knows whose it was: without their entries all merchants begin anew.
                        warn!(%error, "A transaction of hints panicked; its messages come again");
                        self.waiting.clear();
                    }
                },
            }
        }
        while let Some(ended) = self.under_way.join_next().await {
            if let Ok((merchant, wakes)) = ended {
                self.waking.add(merchant, wakes);
            }
        }
        while let Some(ended) = self.waking.under_way.join_next().await {
            if let Ok(merchant) = ended {
                self.waking.next(merchant);
            }
        }
    }

    /// Finds out whose messages these are, and begins a transaction for each merchant that has none under way and is told
    /// something new.
    async fn sort(&mut self, letters: &mut Vec<Letter>) {
        let mut by_gateway: HashMap<GatewayKind, Vec<Letter>> = HashMap::new();
        for letter in letters.drain(..) {
            by_gateway.entry(letter.gateway).or_default().push(letter);
        }
        for (gateway, letters) in by_gateway {
            let mut malls: Vec<MallId> = letters.iter().map(|letter| letter.notice.mall).collect();
            malls.sort_unstable();
            malls.dedup();
            match self.owners.find(&self.engine, gateway, &malls).await {
                Ok(owners) => self.hand_out(&owners, letters),
                Err(error) => answer_all(letters, Err(&error)),
            }
        }
    }

    fn hand_out(&mut self, owners: &HashMap<MallId, MallOwner>, letters: Vec<Letter>) {
        let mut told = HashSet::new();
        for letter in letters {
            let Some(owner) = owners.get(&letter.notice.mall) else {
                metrics::counter!("kamiflow_push_messages_total", "outcome" => "unknown_mall").increment(1);
                answer_all([letter], Ok(()));
                continue;
            };
            self.waiting.entry(owner.merchant).or_default().letters.push((owner.shop, letter));
            told.insert(owner.merchant);
        }
        for merchant in told {
            let until = self.waiting.get(&merchant).map(|waiting| waiting.until);
            if until == Some(Until::Now) || until == Some(Until::Rested) && !self.may_rest(merchant) {
                self.next(merchant);
            }
        }
    }

    /// Whether nothing of a merchant would be late if it waited for more.
    fn may_rest(&self, merchant: MerchantId) -> bool {
        let Some(waiting) = self.waiting.get(&merchant) else { return false };
        let resting =
            self.waiting.iter().filter(|(other, waiting)| **other == merchant || waiting.until == Until::Rested);
        let echoes_only = waiting.letters.iter().all(|(_, letter)| letter.notice.kind != NoticeKind::Other);
        echoes_only && resting.map(|(_, waiting)| waiting.letters.len()).sum::<usize>() <= MOST_RESTING
    }

    /// Begins a merchant's next transaction, or lets what waits for it rest.
    fn next(&mut self, merchant: MerchantId) {
        let may_rest = self.may_rest(merchant);
        let Some(waiting) = self.waiting.get_mut(&merchant) else { return };
        if waiting.letters.is_empty() || !may_rest {
            self.begin(merchant);
            return;
        }
        waiting.until = Until::Rested;
        self.resting.spawn(async move {
            tokio::time::sleep(ECHOES_REST).await;
            merchant
        });
    }

    /// Begins a merchant's next transaction, if anything waits for one.
    fn begin(&mut self, merchant: MerchantId) {
        let Some(waiting) = self.waiting.get_mut(&merchant) else { return };
        waiting.letters.retain(|(_, letter)| !letter.answer.is_closed());
        if waiting.letters.is_empty() {
            self.waiting.remove(&merchant);
            return;
        }
        waiting.until = Until::Written;
        let batch: Vec<(ShopId, Letter)> = waiting.letters.drain(..waiting.letters.len().min(BATCH)).collect();
        let engine = self.engine.clone();
        self.under_way.spawn(async move {
            let notices: Vec<_> = batch.iter().map(|(shop, letter)| (*shop, letter.notice.clone())).collect();
            let letters = batch.into_iter().map(|(_, letter)| letter);
            match push_hints(&engine, merchant, &notices).await {
                Ok(wakes) => {
                    // The hints are durable: from here on nothing may keep their messages from being acknowledged.
                    answer_all(letters, Ok(()));
                    (merchant, wakes)
                }
                Err(error) => {
                    answer_all(letters, Err(&error));
                    (merchant, Vec::new())
                }
            }
        });
    }
}

fn answer_all(letters: impl IntoIterator<Item = Letter>, outcome: Result<(), &StoreError>) {
    if let Err(cause) = outcome {
        let error: &dyn Error = cause;
        warn!(error, "Push messages could not be stored and come again");
    }
    for letter in letters {
        let answer = outcome.map_err(|_cause| NotStored("storage is not available".to_owned()));
        // A connection that is gone needs no answer.
        let _gone = letter.answer.send(answer);
    }
}
