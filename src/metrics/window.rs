//! The last so many seconds: a ring of slots, each cleared when its time comes round again.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::series::{Series, Stats};

#[derive(Debug)]
pub(super) struct Window {
    slot_length: Duration,
    slots: Box<[Slot]>,
    clearing: Mutex<()>,
}

#[derive(Debug)]
struct Slot {
    /// Which slot of all time this is; [`NEVER`] before its first.
    tick: AtomicU64,
    series: Series,
}

const NEVER: u64 = u64::MAX;

impl Window {
    pub(super) fn new(length: Duration, slots: u32) -> Self {
        let slot = |_| Slot { tick: AtomicU64::new(NEVER), series: Series::default() };
        Self { slot_length: length / slots, slots: (0..slots).map(slot).collect(), clearing: Mutex::new(()) }
    }

    /// Gives the slot of the time `age` after the beginning. What another thread counts in the moment in which a slot
    /// is cleared may be lost from the window; from the total it is not.
    pub(super) fn with_current(&self, age: Duration, count: impl Fn(&Series)) {
        let tick = self.tick(age);
        let slot = &self.slots[self.place(tick)];
        if slot.tick.load(Ordering::Acquire) != tick {
            let Ok(_clearing) = self.clearing.lock() else { return };
            if slot.tick.load(Ordering::Acquire) != tick {
                slot.series.clear();
                slot.tick.store(tick, Ordering::Release);
            }
        }
        count(&slot.series);
    }

    pub(super) fn stats(&self, age: Duration) -> Stats {
        let now = self.tick(age);
        let oldest = now.saturating_sub(self.slots.len() as u64 - 1);
        let mut stats = Stats::default();
        for slot in &self.slots {
            if (oldest..=now).contains(&slot.tick.load(Ordering::Acquire)) {
                slot.series.add_to(&mut stats);
            }
        }
        stats.complete()
    }

    fn tick(&self, age: Duration) -> u64 {
        u64::try_from(age.as_millis() / self.slot_length.as_millis().max(1)).unwrap_or(NEVER - 1)
    }

    fn place(&self, tick: u64) -> usize {
        usize::try_from(tick % self.slots.len() as u64).unwrap_or(0)
    }
}
