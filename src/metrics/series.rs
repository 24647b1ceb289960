//! The counts of one operation in one span of time.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use super::durations::{Distribution, Durations, Latency};
use super::outcome::Outcome;
use crate::phase::Phase;

/// Codes that are distinguished; a server may make up as many as it likes.
const MAX_CODES: usize = 32;
const OTHER: &str = "other";

#[derive(Debug, Default)]
pub(super) struct Series {
    succeeded: AtomicU64,
    failed: AtomicU64,
    rejected: AtomicU64,
    aborted: AtomicU64,
    attempts: AtomicU64,
    bytes: AtomicU64,
    /// Of calls that succeeded or failed.
    elapsed: Durations,
    /// Made when there is the first to count: mostly nothing waits.
    phases: [OnceLock<Box<Durations>>; Phase::ALL.len()],
    retries: Codes,
    failures: Codes,
}

/// How often each code was met. Locked only when something has failed.
#[derive(Debug, Default)]
struct Codes(Mutex<BTreeMap<String, u64>>);

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Stats {
    pub succeeded: u64,
    pub failed: u64,
    pub rejected: u64,
    pub aborted: u64,
    pub attempts: u64,
    /// Of the objects that calls stored.
    pub bytes: u64,
    /// By the code of the attempt that failed and was followed by another.
    pub retries: BTreeMap<String, u64>,
    /// By the code of the call that failed.
    pub failures: BTreeMap<String, u64>,
    pub elapsed: Distribution,
    /// In the order of [`Phase::ALL`].
    pub phases: [Distribution; Phase::ALL.len()],
}

impl Series {
    pub(super) fn ended(&self, outcome: Outcome, elapsed: Duration, bytes: u64) {
        let counter = match outcome {
            Outcome::Succeeded => &self.succeeded,
            Outcome::Failed => &self.failed,
            Outcome::Rejected => &self.rejected,
            Outcome::Aborted => &self.aborted,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        if matches!(outcome, Outcome::Succeeded | Outcome::Failed) {
            self.elapsed.count(elapsed);
        }
        if outcome == Outcome::Succeeded {
            self.bytes.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    pub(super) fn passed(&self, phase: Phase, took: Duration) {
        if phase == Phase::Attempt {
            self.attempts.fetch_add(1, Ordering::Relaxed);
        }
        self.phases[phase as usize].get_or_init(Box::default).count(took);
    }

    pub(super) fn retried(&self, code: &str) {
        self.retries.count(code);
    }

    pub(super) fn failed(&self, code: &str) {
        self.failures.count(code);
    }

    pub(super) fn clear(&self) {
        for counter in [&self.succeeded, &self.failed, &self.rejected, &self.aborted, &self.attempts, &self.bytes] {
            counter.store(0, Ordering::Relaxed);
        }
        self.elapsed.clear();
        for phase in self.phases.iter().filter_map(OnceLock::get) {
            phase.clear();
        }
        self.retries.clear();
        self.failures.clear();
    }

    pub(super) fn stats(&self) -> Stats {
        let mut stats = Stats::default();
        self.add_to(&mut stats);
        stats
    }

    pub(super) fn add_to(&self, stats: &mut Stats) {
        stats.succeeded += self.succeeded.load(Ordering::Relaxed);
        stats.failed += self.failed.load(Ordering::Relaxed);
        stats.rejected += self.rejected.load(Ordering::Relaxed);
        stats.aborted += self.aborted.load(Ordering::Relaxed);
        stats.attempts += self.attempts.load(Ordering::Relaxed);
        stats.bytes += self.bytes.load(Ordering::Relaxed);
        self.elapsed.add_to(&mut stats.elapsed);
        for (phase, distribution) in self.phases.iter().zip(&mut stats.phases) {
            if let Some(phase) = phase.get() {
                phase.add_to(distribution);
            }
        }
        self.retries.add_to(&mut stats.retries);
        self.failures.add_to(&mut stats.failures);
    }
}

impl Codes {
    fn count(&self, code: &str) {
        let Ok(mut counts) = self.0.lock() else { return };
        let known = counts.contains_key(code) || counts.len() < MAX_CODES;
        *counts.entry(if known { code } else { OTHER }.to_owned()).or_default() += 1;
    }

    fn clear(&self) {
        if let Ok(mut counts) = self.0.lock() {
            counts.clear();
        }
    }

    fn add_to(&self, sums: &mut BTreeMap<String, u64>) {
        let Ok(counts) = self.0.lock() else { return };
        for (code, count) in counts.iter() {
            *sums.entry(code.clone()).or_default() += count;
        }
    }
}

impl Stats {
    pub const fn calls(&self) -> u64 {
        self.succeeded + self.failed + self.rejected + self.aborted
    }

    pub fn retried(&self) -> u64 {
        self.retries.values().sum()
    }

    /// Of the calls that succeeded or failed; none where there were none.
    #[expect(clippy::cast_precision_loss, reason = "a rate of more than 2^53 calls is still one")]
    pub fn success_rate(&self) -> Option<f64> {
        let ended = self.succeeded + self.failed;
        (ended > 0).then(|| self.succeeded as f64 / ended as f64)
    }

    /// How long calls took, waits included.
    pub fn latency(&self) -> Option<Latency> {
        self.elapsed.latency()
    }

    pub fn phase(&self, phase: Phase) -> Option<Latency> {
        self.phases[phase as usize].latency()
    }
}
