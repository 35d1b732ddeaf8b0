//! The platform's state: applications, malls and everything that happens in them.
//!
//! Each mall has a lock of its own and calls for different malls never wait for each other. A
//! change of a mall is a closure over its state that also collects [`Effects`]: messages to push
//! and events to schedule. They are carried out after the mall's lock is released, so that the
//! push hub and the schedule are never locked inside a mall.

use std::{
    collections::{BinaryHeap, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::{
    calls::CallLog,
    clock::Clock,
    dice::Dice,
    faults::Faults,
    limits::{LimitSwitch, Windows},
    pmc::hub::{Hub, Message},
    scenario::{self, Scenario, ScenarioError},
};

pub(crate) mod application;
pub(crate) mod cards;
pub(crate) mod flow;
pub(crate) mod ledger;
pub(crate) mod mall;
pub(crate) mod order;
pub(crate) mod refund;
pub(crate) mod schedule;
pub(crate) mod tokens;

use application::Application;
use cards::{CipherBox, ImportKey};
use mall::{Mall, MallState};
use schedule::{Event, Scheduled};
use tokens::TokenBook;

/// Locks, also after a panic elsewhere: a simulator keeps answering.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// See [`lock`].
pub(crate) fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

/// See [`lock`].
pub(crate) fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

/// Settings that control may change while the sandbox runs.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub(crate) struct Switches {
    pub(crate) ids_as: scenario::IdsAs,
    pub(crate) latency_ms: u64,
    pub(crate) voucher_send: scenario::VoucherSend,
    pub(crate) logistics: scenario::Logistics,
    pub(crate) ota: scenario::Ota,
    pub(crate) refunds: scenario::Refunds,
    pub(crate) pmc: scenario::Pmc,
}

/// The whole simulated platform.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) clock: Clock,
    pub(crate) dice: Dice,
    pub(crate) faults: Faults,
    pub(crate) limits: LimitSwitch,
    pub(crate) totals: Windows,
    pub(crate) switches: RwLock<Switches>,
    pub(crate) buyers: RwLock<scenario::Buyers>,
    pub(crate) applications: RwLock<HashMap<String, Arc<Application>>>,
    pub(crate) malls: RwLock<HashMap<u64, Arc<Mall>>>,
    /// Which mall an order belongs to.
    pub(crate) order_malls: RwLock<HashMap<Arc<str>, u64>>,
    /// Which mall a platform-generated code belongs to.
    pub(crate) card_malls: RwLock<HashMap<String, u64>>,
    pub(crate) tokens: TokenBook,
    pub(crate) hub: Hub,
    pub(crate) calls: CallLog,
    pub(crate) cipher: CipherBox,
    import_key: OnceLock<Result<ImportKey, String>>,
    schedule: Mutex<BinaryHeap<Scheduled>>,
    sequence: AtomicU64,
    request_ids: AtomicU64,
}

/// What follows from a change once the mall is unlocked.
#[derive(Debug)]
pub(crate) struct Effects<'a> {
    pub(crate) world: &'a World,
    pub(crate) now_ms: i64,
    pub(crate) switches: Switches,
    pub(crate) messages: Vec<Message>,
    pub(crate) events: Vec<(i64, Event)>,
}

impl World {
    pub(crate) fn new(scenario: &Scenario, seed: u64) -> Result<Self, ScenarioError> {
        scenario.check()?;
        let clock = Clock::new(scenario.clock);
        let started_ms = clock.now_ms().unsigned_abs();
        let world = Self {
            seed,
            clock,
            dice: Dice::new(seed),
            faults: Faults::new(&scenario.faults),
            limits: LimitSwitch::new(scenario.limits),
            totals: Windows::new(),
            switches: RwLock::new(Switches {
                ids_as: scenario.ids_as,
                latency_ms: scenario.latency_ms,
                voucher_send: scenario.voucher_send,
                logistics: scenario.logistics,
                ota: scenario.ota,
                refunds: scenario.refunds,
                pmc: scenario.pmc,
            }),
            buyers: RwLock::new(scenario.buyers.clone()),
            applications: RwLock::default(),
            malls: RwLock::default(),
            order_malls: RwLock::default(),
            card_malls: RwLock::default(),
            tokens: TokenBook::default(),
            hub: Hub::new(seed),
            calls: CallLog::new(),
            cipher: CipherBox::new(seed),
            import_key: OnceLock::new(),
            schedule: Mutex::default(),
            sequence: AtomicU64::new(1),
            // 17 digits, as in recorded answers.
            request_ids: AtomicU64::new(started_ms.saturating_mul(10_000)),
        };
        for application in &scenario.applications {
            world.put_application(application.clone());
        }
        for mall in &scenario.malls {
            world.add_mall(mall);
        }
        Ok(world)
    }

    /// Returns the next of a sequence shared by order numbers, refund ids and update order.
    pub(crate) fn next(&self) -> u64 {
        self.sequence.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn next_request_id(&self) -> u64 {
        self.request_ids.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn switches(&self) -> Switches {
        *read(&self.switches)
    }

    /// Returns the key pair for imported passwords, made at first use because it takes a while.
    pub(crate) fn import_key(&self) -> Result<&ImportKey, &str> {
        self.import_key.get_or_init(|| ImportKey::generate(self.seed)).as_ref().map_err(String::as_str)
    }

    pub(crate) fn application(&self, client_id: &str) -> Option<Arc<Application>> {
        read(&self.applications).get(client_id).cloned()
    }

    pub(crate) fn put_application(&self, config: scenario::Application) {
        let client_id = config.client_id.clone();
        write(&self.applications).insert(client_id, Arc::new(Application::new(config)));
    }

    pub(crate) fn mall(&self, mall_id: u64) -> Option<Arc<Mall>> {
        read(&self.malls).get(&mall_id).cloned()
    }

    /// Returns all malls, by id.
    pub(crate) fn all_malls(&self) -> Vec<Arc<Mall>> {
        let mut malls: Vec<_> = read(&self.malls).values().cloned().collect();
        malls.sort_by_key(|mall| mall.id);
        malls
    }

    pub(crate) fn mall_of_order(&self, order_sn: &str) -> Option<Arc<Mall>> {
        let mall_id = *read(&self.order_malls).get(order_sn)?;
        self.mall(mall_id)
    }

    /// Opens a mall with its goods, tokens and orders.
    pub(crate) fn add_mall(&self, config: &scenario::Mall) {
        let mall = Arc::new(Mall::new(config, self.seed));
        write(&self.malls).insert(mall.id, Arc::clone(&mall));
        let now_ms = self.clock.now_ms();
        for token in &config.tokens {
            self.tokens.add_fixed(token, config.mall_id, now_ms);
            if token.pmc_permitted {
                self.hub.permit(&token.client_id, mall.id, Vec::new(), now_ms);
            }
        }
        for order in &config.orders {
            for _ in 0..order.count {
                self.change(&mall, |state, effects| flow::place(state, effects, order));
            }
        }
    }

    /// Changes a mall, then pushes and schedules what follows.
    pub(crate) fn change<R>(&self, mall: &Mall, change: impl FnOnce(&mut MallState, &mut Effects<'_>) -> R) -> R {
        let mut effects = Effects {
            world: self,
            now_ms: self.clock.now_ms(),
            switches: self.switches(),
            messages: Vec::new(),
            events: Vec::new(),
        };
        let result = change(&mut lock(&mall.state), &mut effects);
        let Effects { messages, events, .. } = effects;
        for message in messages {
            self.push(mall.id, message);
        }
        if !events.is_empty() {
            let mut schedule = lock(&self.schedule);
            schedule
                .extend(events.into_iter().map(|(at_ms, event)| Scheduled::new(at_ms, self.next(), mall.id, event)));
        }
        result
    }

    /// Carries out every event that is due. Returns how many were.
    pub(crate) fn run_due(&self) -> usize {
        let mut count = 0;
        loop {
            let now_ms = self.clock.now_ms();
            let due = {
                let mut schedule = lock(&self.schedule);
                match schedule.peek() {
                    Some(next) if next.at_ms <= now_ms => schedule.pop(),
                    _ => None,
                }
            };
            let Some(due) = due else { return count };
            if let Some(mall) = self.mall(due.mall_id) {
                self.change(&mall, |state, effects| flow::carry_out(state, effects, due.event));
            }
            count += 1;
        }
    }

    /// Queues a message for every application that listens to the mall.
    fn push(&self, mall_id: u64, message: Message) {
        let needs_permit = self.switches().pmc.requires_permit;
        let now_ms = self.clock.now_ms();
        for client_id in self.tokens.clients_of(mall_id, now_ms) {
            let subscribed = self.application(&client_id).is_some_and(|application| {
                let topics = &application.config.topics;
                topics.is_empty() || topics.contains(&message.topic)
            });
            if subscribed && (!needs_permit || self.hub.permits(&client_id, mall_id, &message.topic)) {
                let fault = self.faults.strike_push(&message.topic, &client_id, mall_id, &self.dice);
                self.hub.enqueue((&client_id, mall_id), &message, fault, self);
            }
        }
    }
}
