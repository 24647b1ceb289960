//! What calls came to: counted without a lock where nothing fails, reported for the last minute, five minutes, hour, and in
//! all. Costs nothing for operations that are never called.

mod durations;
pub mod outcome;
mod series;
mod window;

use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

pub use durations::{Distribution, Latency};
pub use outcome::Outcome;
pub use series::Stats;

use crate::error::Operation;
use crate::phase::Phase;
use series::Series;
use window::Window;

/// Counts for each kind of call.
#[derive(Debug)]
pub struct Metrics {
    began: Instant,
    began_at: SystemTime,
    operations: [OnceLock<Box<Counts>>; Operation::ALL.len()],
}

#[derive(Debug)]
struct Counts {
    total: Series,
    minutes: Window,
    hour: Window,
}

const MINUTE: Duration = Duration::from_secs(60);
const FIVE_MINUTES: Duration = Duration::from_secs(300);
const HOUR: Duration = Duration::from_secs(3600);

/// What the calls of one kind came to.
#[derive(Debug, Clone)]
pub struct OperationStats {
    pub operation: Operation,
    pub total: Stats,
    pub last_minute: Stats,
    pub last_five_minutes: Stats,
    pub last_hour: Stats,
    /// The last five minutes in steps of 15 seconds.
    pub minutes: Vec<Step>,
    /// The last hour in steps of a minute.
    pub hour: Vec<Step>,
}

/// A step of a history; steps in which nothing was counted are left out.
#[derive(Debug, Clone)]
pub struct Step {
    pub began: SystemTime,
    pub stats: Stats,
}

impl Default for Metrics {
    fn default() -> Self {
        Self { began: Instant::now(), began_at: SystemTime::now(), operations: Default::default() }
    }
}

impl Metrics {
    /// Since when it counts.
    pub fn age(&self) -> Duration {
        self.began.elapsed()
    }

    pub fn ended(&self, operation: Operation, outcome: Outcome, elapsed: Duration, bytes: u64) {
        self.each(operation, |series| series.ended(outcome, elapsed, bytes));
    }

    /// A part of a call took so long.
    pub fn passed(&self, operation: Operation, phase: Phase, took: Duration) {
        self.each(operation, |series| series.passed(phase, took));
    }

    /// An attempt failed with this code and will be followed by another.
    pub fn retried(&self, operation: Operation, code: &str) {
        self.each(operation, |series| series.retried(code));
    }

    /// A call failed with this code.
    pub fn failed(&self, operation: Operation, code: &str) {
        self.each(operation, |series| series.failed(code));
    }

    /// Of the operations that were called.
    pub fn snapshot(&self) -> Vec<OperationStats> {
        let age = self.age();
        let steps = |window: &Window| {
            let slots = window.history(age).into_iter();
            slots.map(|(after, stats)| Step { began: self.began_at + after, stats }).collect()
        };
        let called = Operation::ALL.iter().filter_map(|&operation| {
            let counts = self.operations[operation as usize].get()?;
            Some(OperationStats {
                operation,
                total: counts.total.stats(),
                last_minute: counts.minutes.stats(age, MINUTE),
                last_five_minutes: counts.minutes.stats(age, FIVE_MINUTES),
                last_hour: counts.hour.stats(age, HOUR),
                minutes: steps(&counts.minutes),
                hour: steps(&counts.hour),
            })
        });
        called.collect()
    }

    fn each(&self, operation: Operation, count: impl Fn(&Series)) {
        let counts = self.operations[operation as usize].get_or_init(Box::default);
        count(&counts.total);
        let age = self.age();
        counts.minutes.with_current(age, &count);
        counts.hour.with_current(age, &count);
    }
}

impl Default for Counts {
    fn default() -> Self {
        Self { total: Series::default(), minutes: Window::new(FIVE_MINUTES, 20), hour: Window::new(HOUR, 60) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn windows_forget_and_the_total_does_not() {
        let metrics = Metrics::default();
        for second in 0..600 {
            let outcome = if second % 10 == 0 { Outcome::Failed } else { Outcome::Succeeded };
            metrics.ended(Operation::UploadFile, outcome, Duration::from_millis(100), 10);
            if second % 5 == 0 {
                metrics.retried(Operation::UploadFile, "ECONNRESET");
            }
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        let [stats] = <[_; 1]>::try_from(metrics.snapshot()).expect("one operation was called");
        assert_eq!((stats.total.calls(), stats.total.failed, stats.total.bytes), (600, 60, 5400));
        assert_eq!(stats.total.retries, [("ECONNRESET".to_owned(), 120)].into());
        assert_eq!(stats.last_hour.calls(), 600);
        // A window is as long as it says, less the part of the slot that has just begun.
        assert!((45..=60).contains(&stats.last_minute.calls()), "{}", stats.last_minute.calls());
        assert!((285..=300).contains(&stats.last_five_minutes.calls()), "{}", stats.last_five_minutes.calls());
        assert!(stats.last_minute.retries["ECONNRESET"] >= 9);
        // Of the slots that have just begun nothing is counted yet.
        assert_eq!((stats.minutes.len(), stats.hour.len()), (19, 10));
        assert_eq!(stats.minutes.iter().map(|step| step.stats.calls()).sum::<u64>(), stats.last_five_minutes.calls());
        assert!(stats.minutes.is_sorted_by_key(|step| step.began));
        tokio::time::advance(Duration::from_secs(3700)).await;
        let stats = metrics.snapshot().remove(0);
        assert_eq!((stats.last_hour.calls(), stats.last_hour.latency()), (0, None));
        assert_eq!(stats.total.calls(), 600);
    }

    #[tokio::test(start_paused = true)]
    async fn percentiles_are_within_seven_percent() {
        let metrics = Metrics::default();
        for ms in 1..=1000 {
            metrics.ended(Operation::Head, Outcome::Succeeded, Duration::from_millis(ms), 0);
        }
        let latency = metrics.snapshot()[0].total.latency().expect("there were calls");
        for (found, expected) in
            [(latency.p50, 500.0), (latency.p95, 950.0), (latency.p99, 990.0), (latency.max, 1000.0)]
        {
            let ratio = found.as_secs_f64() * 1000.0 / expected;
            assert!((0.999..=1.07).contains(&ratio), "{found:?} instead of {expected} ms");
        }
    }

    #[test]
    fn threads_count_together() {
        let metrics = std::sync::Arc::new(Metrics::default());
        let threads = (0..4).map(|_| {
            let metrics = std::sync::Arc::clone(&metrics);
            std::thread::spawn(move || {
                for _ in 0..1000 {
                    metrics.ended(Operation::Delete, Outcome::Succeeded, Duration::from_millis(1), 1);
                }
            })
        });
        for thread in threads.collect::<Vec<_>>() {
            thread.join().expect("no panic");
        }
        let stats = metrics.snapshot().remove(0);
        assert_eq!((stats.total.succeeded, stats.total.bytes), (4000, 4000));
    }
}
