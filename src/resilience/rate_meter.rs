//! How many requests a second, counted without a lock.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::time::Instant;

/// The count of a second and of the one before. Threads that meet at the turn of a second may lose a count: it is an
/// estimate.
#[derive(Debug, Default)]
pub(super) struct RateMeter {
    began: OnceLock<Instant>,
    current: AtomicU64,
    previous: AtomicU64,
}

/// A second's number and its count, in one word.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Second {
    number: u32,
    count: u32,
}

impl Second {
    const fn pack(self) -> u64 {
        (self.number as u64) << 32 | self.count as u64
    }

    #[expect(clippy::cast_possible_truncation, reason = "both halves are taken")]
    const fn from_bits(word: u64) -> Self {
        Self { number: (word >> 32) as u32, count: word as u32 }
    }
}

impl RateMeter {
    pub(super) fn count(&self, now: Instant) {
        let (number, _) = self.place(now);
        let counted = self.current.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |word| {
            let second = Second::from_bits(word);
            let count = if second.number == number { second.count.saturating_add(1) } else { 1 };
            Some(Second { number, count }.pack())
        });
        if let Ok(before) = counted
            && Second::from_bits(before).number != number
        {
            self.previous.store(before, Ordering::Relaxed);
        }
    }

    /// Of late: this second's, and of the one before as much as the last whole second has of it.
    pub(super) fn rate(&self, now: Instant) -> f64 {
        let (number, fraction) = self.place(now);
        let of = |number, word| {
            let second = Second::from_bits(word);
            if second.number == number { f64::from(second.count) } else { 0.0 }
        };
        let (current, previous) = (self.current.load(Ordering::Relaxed), self.previous.load(Ordering::Relaxed));
        let before = number.wrapping_sub(1);
        let last = if number == 0 { 0.0 } else { of(before, previous).max(of(before, current)) };
        of(number, current) + last * (1.0 - fraction)
    }

    fn place(&self, now: Instant) -> (u32, f64) {
        let age = now.saturating_duration_since(*self.began.get_or_init(|| now));
        (u32::try_from(age.as_secs()).unwrap_or(u32::MAX), age.as_secs_f64().fract())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn counts_the_last_second() {
        let meter = RateMeter::default();
        let now = || Instant::now();
        assert!(meter.rate(now()) < 0.5);
        for _ in 0..300 {
            meter.count(now());
            tokio::time::advance(Duration::from_millis(10)).await;
        }
        let rate = meter.rate(now());
        assert!((95.0..=105.0).contains(&rate), "{rate}");
        tokio::time::advance(Duration::from_secs(3)).await;
        assert!(meter.rate(now()) < 0.5);
    }
}
