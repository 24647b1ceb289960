//! The last so many seconds: a ring of slots, each cleared when its time comes round again.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};
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
    /// Made in the first round: most processes do not live for an hour.
    series: OnceLock<Box<Series>>,
}

const NEVER: u64 = u64::MAX;

impl Window {
    pub(super) fn new(length: Duration, slots: u32) -> Self {
        let slot = |_| Slot { tick: AtomicU64::new(NEVER), series: OnceLock::new() };
        Self { slot_length: length / slots, slots: (0..slots).map(slot).collect(), clearing: Mutex::new(()) }
    }

    /// Gives the slot of the time `age` after the beginning. What another thread counts in the moment in which a slot
    /// is cleared may be lost from the window; from the total it is not.
    pub(super) fn with_current(&self, age: Duration, count: impl Fn(&Series)) {
        let tick = self.tick(age);
        let slot = &self.slots[self.place(tick)];
        let series = slot.series.get_or_init(Box::default);
        if slot.tick.load(Ordering::Acquire) != tick {
            let Ok(_clearing) = self.clearing.lock() else { return };
            if slot.tick.load(Ordering::Acquire) != tick {
                series.clear();
                slot.tick.store(tick, Ordering::Release);
            }
        }
        count(series);
    }

    /// Of the last `length`, the slot that has just begun included.
    pub(super) fn stats(&self, age: Duration, length: Duration) -> Stats {
        let mut stats = Stats::default();
        for (_, series) in self.recent(age, length) {
            series.add_to(&mut stats);
        }
        stats
    }

    /// Slot by slot, oldest first: when each began, and what was counted in it. Slots of which nothing was counted are
    /// left out.
    pub(super) fn history(&self, age: Duration) -> Vec<(Duration, Stats)> {
        let mut slots: Vec<_> = self.recent(age, self.length()).collect();
        slots.sort_by_key(|&(tick, _)| tick);
        let began = |tick| self.slot_length.saturating_mul(u32::try_from(tick).unwrap_or(u32::MAX));
        slots.into_iter().map(|(tick, series)| (began(tick), series.stats())).collect()
    }

    fn recent(&self, age: Duration, length: Duration) -> impl Iterator<Item = (u64, &Series)> {
        let now = self.tick(age);
        let oldest = (now + 1).saturating_sub(self.tick(length));
        self.slots.iter().filter_map(move |slot| {
            let tick = slot.tick.load(Ordering::Acquire);
            let series = slot.series.get()?;
            (oldest..=now).contains(&tick).then_some((tick, &**series))
        })
    }

    fn length(&self) -> Duration {
        self.slot_length * u32::try_from(self.slots.len()).unwrap_or(u32::MAX)
    }

    fn tick(&self, age: Duration) -> u64 {
        u64::try_from(age.as_millis() / self.slot_length.as_millis().max(1)).unwrap_or(NEVER - 1)
    }

    fn place(&self, tick: u64) -> usize {
        usize::try_from(tick % self.slots.len() as u64).unwrap_or(0)
    }
}
