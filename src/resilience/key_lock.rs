//! One writer at a time to a key, and as much time between two as the endpoint wants.
//!
//! Of two writes to a key the one that began later shall win, whatever attempts the other still has; and R2 takes one write
//! a second to a key and responds to more with 429.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, BuildHasherDefault, Hash, Hasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};
use tokio::time::{Instant, sleep_until};

/// When the key may be written to again.
type Slot = Arc<AsyncMutex<Option<Instant>>>;

#[derive(Debug)]
pub struct Writers {
    spacing: Duration,
    hasher: RandomState,
    keys: Mutex<Keys>,
}

#[derive(Debug)]
struct Keys {
    /// By the keys' hashes: two keys of one hash in 2^64 would take turns for nothing, and no name is copied.
    slots: HashMap<u64, Slot, AsItIs>,
    /// At this many, those that nobody needs are let go.
    sweep_at: usize,
}

const FIRST_SWEEP: usize = 1024;

/// Hashes once are enough.
type AsItIs = BuildHasherDefault<Identity>;

#[derive(Debug, Default)]
struct Identity(u64);

impl Hasher for Identity {
    fn write(&mut self, _: &[u8]) {
        // Only numbers are hashed here, by `write_u64`.
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// The right to write to a key, until it is dropped.
#[derive(Debug)]
pub struct Turn<'a> {
    writers: &'a Writers,
    hash: u64,
    free_at: Option<OwnedMutexGuard<Option<Instant>>>,
}

impl Writers {
    /// With at least `spacing` between the end of a write and the next one to the same key.
    pub fn new(spacing: Duration) -> Self {
        let keys = Mutex::new(Keys { slots: HashMap::default(), sweep_at: FIRST_SWEEP });
        Self { spacing, hasher: RandomState::new(), keys }
    }

    /// A turn that can be had at once.
    pub fn try_turn(&self, key: impl Hash) -> Option<Turn<'_>> {
        let hash = self.hasher.hash_one(key);
        let free_at = self.slot(hash).try_lock_owned().ok()?;
        let rested = free_at.is_none_or(|at| at <= Instant::now());
        // A turn that is made ends, and the next would wait for that.
        rested.then(|| Turn { writers: self, hash, free_at: Some(free_at) })
    }

    /// Waits until everybody who came earlier has written. First come, first served.
    pub async fn turn(&self, key: impl Hash) -> Turn<'_> {
        let hash = self.hasher.hash_one(key);
        let free_at = self.slot(hash).lock_owned().await;
        if let Some(at) = *free_at {
            sleep_until(at).await;
        }
        Turn { writers: self, hash, free_at: Some(free_at) }
    }

    fn slot(&self, hash: u64) -> Slot {
        let mut keys = self.lock();
        if let Some(slot) = keys.slots.get(&hash) {
            return Arc::clone(slot);
        }
        if keys.slots.len() >= keys.sweep_at {
            let now = Instant::now();
            let rests = |slot: &Slot| slot.try_lock().is_ok_and(|free_at| free_at.is_some_and(|at| at > now));
            // Whoever has a slot besides the map writes, or is about to.
            keys.slots.retain(|_, slot| Arc::strong_count(slot) > 1 || rests(slot));
            keys.sweep_at = FIRST_SWEEP.max(keys.slots.len() * 2);
        }
        Arc::clone(keys.slots.entry(hash).or_default())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Keys> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let Some(mut free_at) = self.free_at.take() else { return };
        if !self.writers.spacing.is_zero() {
            *free_at = Some(Instant::now() + self.writers.spacing);
            return;
        }
        // Two have it when nobody waits: the map, and this guard. Nobody can join while the map is locked.
        let mut keys = self.writers.lock();
        if keys.slots.get(&self.hash).is_some_and(|slot| Arc::strong_count(slot) == 2) {
            keys.slots.remove(&self.hash);
        }
        drop(free_at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn writers_to_a_key_follow_each_other_in_order() {
        let writers = Writers::new(Duration::ZERO);
        let order = Mutex::new(Vec::new());
        let write = async |number: u64| {
            let _turn = writers.turn("a").await;
            // The first takes longest; without turns it would end last.
            tokio::time::sleep(Duration::from_secs(10 - number)).await;
            order.lock().expect("mine").push(number);
        };
        let other = async {
            assert!(writers.try_turn("b").is_some(), "another key is free");
            assert!(writers.try_turn("a").is_none());
        };
        tokio::join!(biased; write(1), write(2), write(3), other);
        assert_eq!(*order.lock().expect("mine"), [1, 2, 3]);
        assert!(writers.lock().slots.is_empty(), "nothing is kept of keys that nobody writes to");
    }

    #[tokio::test(start_paused = true)]
    async fn writes_to_a_key_are_spaced() {
        let writers = Writers::new(Duration::from_secs(1));
        let began = Instant::now();
        for _ in 0..3 {
            drop(writers.turn("a").await);
        }
        assert_eq!(began.elapsed().as_secs(), 2);
        assert!(writers.try_turn("a").is_none());
        for number in 0..5000 {
            drop(writers.turn(number).await);
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        assert!(writers.lock().slots.len() < 3000, "{}", writers.lock().slots.len());
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_too_early_does_not_put_off_the_next() {
        let writers = Writers::new(Duration::from_secs(1));
        let began = Instant::now();
        drop(writers.turn("a").await);
        tokio::time::advance(Duration::from_millis(600)).await;
        assert!(writers.try_turn("a").is_none());
        drop(writers.turn("a").await);
        assert_eq!(began.elapsed().as_millis(), 1000);
    }

    #[tokio::test(start_paused = true)]
    async fn an_aborted_writer_gives_its_turn_to_the_next() {
        let writers = Writers::new(Duration::ZERO);
        let held = writers.turn("a").await;
        let waiting = tokio::time::timeout(Duration::from_secs(1), writers.turn("a")).await;
        assert!(waiting.is_err());
        drop(held);
        assert!(writers.try_turn("a").is_some());
    }
}
