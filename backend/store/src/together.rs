//! Reads that are the same, done once for everybody who waits for one.
//!
//! When an order moves, every page that shows the list it is in asks for that list again at the same moment. One read serves
//! whoever had asked before it began; who asks later waits for the next one, so nobody is shown less than what was there
//! when she asked.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Shares reads by what they are about.
pub(crate) struct Together<K, V>(Mutex<HashMap<K, Arc<Slot<V>>>>);

/// One thing to read. Gone when nobody waits for it.
struct Slot<V> {
    /// How many have asked so far.
    asked: AtomicU64,
    /// The latest answer, and how many of them had asked before it was begun to be read.
    answer: tokio::sync::Mutex<Option<(u64, Arc<V>)>>,
}

/// A place among those who wait for a slot's next answer.
struct Waiting<'a, K: Eq + Hash, V> {
    all: &'a Together<K, V>,
    key: &'a K,
    slot: Arc<Slot<V>>,
    number: u64,
}

impl<K: Eq + Hash, V> Drop for Waiting<'_, K, V> {
    fn drop(&mut self) {
        let mut slots = self.all.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The map has it, and this; whoever else would have it holds a clone of her own.
        if Arc::strong_count(&self.slot) == 2 {
            slots.remove(self.key);
        }
    }
}

impl<K: Clone + Eq + Hash, V> Together<K, V> {
    pub(crate) fn new() -> Self {
        Self(Mutex::default())
    }

    fn ask<'a>(&'a self, key: &'a K) -> Waiting<'a, K, V> {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = Arc::clone(
            slots
                .entry(key.clone())
                .or_insert_with(|| Arc::new(Slot { asked: AtomicU64::new(0), answer: tokio::sync::Mutex::new(None) })),
        );
        let number = slot.asked.fetch_add(1, Ordering::SeqCst) + 1;
        Waiting { all: self, key, slot, number }
    }

    /// Reads, or is given what was read for somebody else since this was asked for. A read that fails fails for the one
    /// who did it; the next reads again.
    pub(crate) async fn read<E>(&self, key: &K, read: impl AsyncFnOnce() -> Result<V, E>) -> Result<Arc<V>, E> {
        let waiting = self.ask(key);
        let mut answer = waiting.slot.answer.lock().await;
        if let Some((asked, value)) = &*answer
            && waiting.number <= *asked
        {
            return Ok(Arc::clone(value));
        }
        let asked = waiting.slot.asked.load(Ordering::SeqCst);
        let value = Arc::new(read().await?);
        *answer = Some((asked, Arc::clone(&value)));
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::atomic::AtomicUsize;

    use futures_util::future::join_all;
    use futures_util::poll;
    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test]
    async fn whoever_asks_before_a_read_begins_is_served_by_it_and_later_ones_by_the_next() {
        let together = Together::<&str, usize>::new();
        let (reads, gate) = (AtomicUsize::new(0), Semaphore::new(0));
        let read = || {
            together.read(&"list", async || {
                let n = reads.fetch_add(1, Ordering::SeqCst) + 1;
                gate.acquire().await.unwrap().forget();
                Ok::<_, ()>(n)
            })
        };
        let mut first = pin!(read());
        assert!(poll!(&mut first).is_pending(), "it reads");
        let mut later = pin!(join_all((0..5).map(|_| read())));
        assert!(poll!(&mut later).is_pending(), "they wait for the next one");
        gate.add_permits(2);
        assert_eq!(first.await.as_deref(), Ok(&1));
        assert!(later.await.iter().all(|value| value.as_deref() == Ok(&2)));
        assert!(together.0.lock().unwrap().is_empty(), "nothing is kept");
    }

    #[tokio::test]
    async fn who_gives_up_and_what_fails_leave_the_others_their_own_read() {
        let together = Together::<&str, usize>::new();
        {
            let mut stuck = pin!(together.read(&"list", async || std::future::pending::<Result<usize, ()>>().await));
            assert!(poll!(&mut stuck).is_pending());
            let mut waits = pin!(together.read(&"list", async || Ok::<_, ()>(7)));
            assert!(poll!(&mut waits).is_pending());
            assert_eq!(together.read(&"other", async || Ok::<_, ()>(1)).await.as_deref(), Ok(&1));
        }
        assert!(together.0.lock().unwrap().is_empty(), "nothing is left of who gave up");
        assert_eq!(together.read(&"list", async || Err::<usize, _>("no")).await, Err("no"));
        assert_eq!(together.read(&"list", async || Ok::<_, ()>(7)).await.as_deref(), Ok(&7));
    }
}
