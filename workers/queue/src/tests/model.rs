//! Random histories against a model: whatever happens in whatever order, no entry is lost, doubled or over its limit.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::TimeDelta;
use proptest::prelude::{Just, Strategy, prop_oneof};
use proptest::test_runner::{Config, TestRunner};

use super::support::{POOL, TestRedis, entry, server_now, take};
use crate::{Completion, Consumer, Entry, Lease, Next, Placement, Queue, When};

const GROUPS: usize = 2;
const MEMBERS: usize = 3;
const LIMIT: usize = 2;

#[derive(Clone, Debug)]
enum Operation {
    Schedule(usize, bool),
    Promote,
    Take(usize),
    Complete(usize, NextKind),
    /// Completes a lease that was lost before.
    CompleteLost(usize),
    /// Every holder dies, and somebody takes everything over.
    Crash,
    Empty,
}

#[derive(Clone, Copy, Debug)]
enum NextKind {
    Done,
    Now,
    Later,
}

/// What must be true: where each entry is, and whether it must run again.
#[derive(Default)]
struct Model {
    due: BTreeSet<usize>,
    live: BTreeSet<usize>,
    leased: BTreeMap<usize, Lease>,
    again_now: BTreeSet<usize>,
    again_later: BTreeSet<usize>,
    lost: Vec<Lease>,
}

struct Run<'a> {
    redis: &'a TestRedis,
    queue: &'a Queue,
    consumer: Consumer,
    model: Model,
}

fn operations() -> impl Strategy<Value = Vec<Operation>> {
    let next = prop_oneof![Just(NextKind::Done), Just(NextKind::Now), Just(NextKind::Later)];
    let one = prop_oneof![
        6 => (0..GROUPS * MEMBERS, proptest::bool::ANY).prop_map(|(n, now)| Operation::Schedule(n, now)),
        1 => Just(Operation::Promote),
        4 => (1..4_usize).prop_map(Operation::Take),
        4 => (0..8_usize, next).prop_map(|(n, next)| Operation::Complete(n, next)),
        1 => (0..8_usize).prop_map(Operation::CompleteLost),
        1 => Just(Operation::Crash),
        1 => (0..20_u8).prop_map(|n| if n == 0 { Operation::Empty } else { Operation::Promote }),
    ];
    proptest::collection::vec(one, 1..60)
}

fn nth(n: usize) -> Entry {
    entry(n, &format!("mer_{}", n % GROUPS))
}

impl Run<'_> {
    async fn apply(&mut self, operation: Operation) {
        match operation {
            Operation::Schedule(n, now) => self.schedule(n, now).await,
            Operation::Promote => {
                self.queue.promote(POOL, 100).await.unwrap();
            }
            Operation::Take(max) => {
                let leases = take(&mut self.consumer, max).await;
                let ready = self.ready_within_limits();
                assert_eq!(leases.len(), max.min(ready), "takes what is ready and within the limits");
                self.granted(leases);
            }
            Operation::Complete(n, next) => self.complete(n, next).await,
            Operation::CompleteLost(n) => {
                if !self.model.lost.is_empty() {
                    let lease = &self.model.lost[n % self.model.lost.len()];
                    let completion = self.queue.complete(lease, Next::Now).await.unwrap();
                    assert_eq!(completion, Completion::Lost);
                }
            }
            Operation::Crash => {
                let expected = self.model.leased.len();
                self.model.lost.extend(std::mem::take(&mut self.model.leased).into_values());
                let taken = self.consumer.take_over(100, Duration::ZERO).await.unwrap();
                assert_eq!(taken.len(), expected, "exactly what was abandoned");
                self.granted(taken);
            }
            Operation::Empty => {
                self.redis.command(self.queue, &["FLUSHALL"]).await;
                let model = std::mem::take(&mut self.model);
                self.model.lost = model.lost.into_iter().chain(model.leased.into_values()).collect();
            }
        }
    }

    async fn schedule(&mut self, n: usize, now: bool) {
        let when = match now {
            true => When::Now,
            false => When::At(server_now(self.queue).await + TimeDelta::hours(1)),
        };
        self.queue.schedule(POOL, &nth(n), when).await.unwrap();
        let model = &mut self.model;
        if model.live.contains(&n) {
            // The earliest date wins.
            if now {
                model.again_now.insert(n);
                model.again_later.remove(&n);
            } else if !model.again_now.contains(&n) {
                model.again_later.insert(n);
            }
        } else if now {
            model.due.remove(&n);
            model.live.insert(n);
        } else {
            model.due.insert(n);
        }
    }

    fn ready_within_limits(&self) -> usize {
        (0..GROUPS)
            .map(|group| {
                let of_group = |n: &&usize| **n % GROUPS == group;
                let leased = self.model.leased.keys().filter(of_group).count();
                let waiting = self.model.live.iter().filter(of_group).count() - leased;
                waiting.min(LIMIT - leased)
            })
            .sum()
    }

    fn granted(&mut self, leases: Vec<Lease>) {
        for lease in leases {
            let n: usize = lease.member().parse().unwrap();
            assert!(self.model.live.contains(&n), "only what was scheduled");
            self.model.again_now.remove(&n);
            assert!(self.model.leased.insert(n, lease).is_none(), "{n} was handed out twice");
        }
    }

    async fn complete(&mut self, pick: usize, next: NextKind) {
        let Some(n) = self.model.leased.keys().nth(pick % self.model.leased.len().max(1)).copied() else {
            return;
        };
        let lease = self.model.leased.remove(&n).unwrap();
        let later = server_now(self.queue).await + TimeDelta::hours(2);
        let asked = match next {
            NextKind::Done => Next::Done,
            NextKind::Now => Next::Now,
            NextKind::Later => Next::At(later),
        };
        assert_eq!(self.queue.complete(&lease, asked).await.unwrap(), Completion::Completed);
        self.model.lost.push(lease);
        let model = &mut self.model;
        model.live.remove(&n);
        let later_remembered = model.again_later.remove(&n);
        let now_remembered = model.again_now.remove(&n);
        let run_now = now_remembered || matches!(next, NextKind::Now);
        let run_later = later_remembered || matches!(next, NextKind::Later);
        if run_now {
            model.live.insert(n);
            if run_later {
                model.again_later.insert(n);
            }
        } else if run_later {
            model.due.insert(n);
        }
    }

    async fn check(&self) {
        let all: Vec<Entry> = (0..GROUPS * MEMBERS).map(nth).collect();
        let places = self.queue.placements(POOL, &all).await.unwrap();
        for (n, place) in places.into_iter().enumerate() {
            let model = &self.model;
            let expected = match (model.leased.contains_key(&n), model.live.contains(&n), model.due.contains(&n)) {
                (true, true, false) => matches!(place, Placement::Leased),
                (false, true, false) => matches!(place, Placement::Ready),
                (false, false, true) => matches!(place, Placement::Due(_)),
                (false, false, false) => matches!(place, Placement::Absent),
                other => panic!("the model itself is wrong about {n}: {other:?}"),
            };
            assert!(expected, "entry {n} is {place:?}");
        }
        let stats = self.queue.stats(POOL).await.unwrap();
        let counted = |set: usize| u64::try_from(set).unwrap();
        assert_eq!(stats.due, counted(self.model.due.len()));
        assert_eq!(stats.leased, counted(self.model.leased.len()));
        assert_eq!(stats.pending, stats.leased);
        assert_eq!(stats.backlog(), counted(self.model.live.len()));
    }
}

#[test]
fn any_history_keeps_every_entry_in_exactly_one_place() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let redis = TestRedis::start();
    let queue = runtime.block_on(redis.queue_with(|config| {
        config.partitions = 2;
        config.group_limit = u32::try_from(LIMIT).unwrap();
        config.lease_ttl = Duration::from_secs(3_600);
    }));
    let config = Config { cases: 64, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&operations(), |operations| {
            runtime.block_on(async {
                redis.command(&queue, &["FLUSHALL"]).await;
                let mut run = Run {
                    redis: &redis,
                    queue: &queue,
                    consumer: queue.consumer(POOL).unwrap(),
                    model: Model::default(),
                };
                // Groups exist from here on; the first look at abandoned entries is done.
                take(&mut run.consumer, 1).await;
                for operation in operations {
                    run.apply(operation).await;
                    run.check().await;
                }
            });
            Ok(())
        })
        .unwrap();
}
