//! A budget for retries that delays and never denies: it bounds what an outage is hit with, and loses nothing.
//!
//! A budget that denies (the AWS SDK's token bucket, tower's 20 percent) bounds the success rate, too: at 50 percent
//! faults it lets little more through than no retries would.

use std::time::Duration;

use tokio::time::Instant;

/// Retries that may follow each other at once.
const CAPACITY: f64 = 100.0;
/// Retries that each success pays for: more than even 70 percent of faults need.
const PER_SUCCESS: f64 = 3.0;
/// Retries that time pays for.
const PER_SECOND: f64 = 20.0;

#[derive(Debug, Default)]
pub struct Budget {
    spent: f64,
    updated: Option<Instant>,
}

impl Budget {
    pub const fn is_full(&self) -> bool {
        self.spent <= 0.0
    }

    pub const fn succeeded(&mut self) {
        self.spent = (self.spent - PER_SUCCESS).max(0.0);
    }

    /// Pays for a retry, and says how long it has to wait for that.
    pub fn take(&mut self, now: Instant) -> Duration {
        let since = self.updated.replace(now).map(|updated| now.saturating_duration_since(updated));
        self.spent = (self.spent - since.unwrap_or_default().as_secs_f64() * PER_SECOND).max(0.0) + 1.0;
        // What is spent is never more than twice the capacity: a crowd waits its turn, but none of it for ever.
        self.spent = self.spent.min(2.0 * CAPACITY);
        Duration::from_secs_f64((self.spent - CAPACITY).max(0.0) / PER_SECOND)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_hundred_at_once_then_twenty_a_second() {
        let mut budget = Budget::default();
        let now = Instant::now();
        let waits: Vec<_> = (0..120).map(|_| budget.take(now).as_millis()).collect();
        assert!(waits[..100].iter().all(|&wait| wait == 0));
        assert_eq!((waits[100], waits[119]), (50, 1000));
        assert_eq!(budget.take(now + Duration::from_secs(2)), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn successes_pay_for_the_faults_of_random() {
        let mut budget = Budget::default();
        let now = Instant::now();
        for _ in 0..10_000 {
            for _ in 0..3 {
                assert_eq!(budget.take(now), Duration::ZERO, "75 percent of faults");
            }
            budget.succeeded();
        }
        assert!(budget.is_full());
    }

    #[tokio::test(start_paused = true)]
    async fn never_longer_than_five_seconds() {
        let mut budget = Budget::default();
        let now = Instant::now();
        let longest = (0..100_000).map(|_| budget.take(now)).max();
        assert_eq!(longest, Some(Duration::from_secs(5)));
    }
}
