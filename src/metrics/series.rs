//! The counts of one operation in one span of time.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use histogram::{AtomicHistogram, Config, Histogram};

/// Codes that are told apart; a server may make up as many as it likes.
const MAX_CODES: usize = 32;
const OTHER: &str = "other";

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    Succeeded,
    Failed,
    /// Aborted or closed: neither a success nor a failure.
    CalledOff,
}

#[derive(Debug)]
pub(super) struct Series {
    succeeded: AtomicU64,
    failed: AtomicU64,
    called_off: AtomicU64,
    bytes: AtomicU64,
    /// Microseconds of calls that were not called off.
    elapsed: AtomicHistogram,
    elapsed_sum: AtomicU64,
    /// By code. Locked only when something has failed.
    retries: Mutex<BTreeMap<String, u64>>,
}

/// How long calls took, waits included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Latency {
    pub p50: Duration,
    pub p95: Duration,
    pub p99: Duration,
    pub max: Duration,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Stats {
    pub succeeded: u64,
    pub failed: u64,
    pub called_off: u64,
    /// Of the objects that calls stored.
    pub bytes: u64,
    /// By the code of the attempt that failed.
    pub retries: BTreeMap<String, u64>,
    pub latency: Option<Latency>,
    pub(super) elapsed: Histogram,
    pub(super) elapsed_sum: Duration,
}

/// Buckets of a sixteenth of their power of two, up to 71 minutes in microseconds: within 6.25 %.
fn config() -> Config {
    const GROUPING_POWER: u8 = 4;
    const MAX_VALUE_POWER: u8 = 32;
    #[expect(clippy::expect_used, reason = "constants, sound by the test that makes one")]
    Config::new(GROUPING_POWER, MAX_VALUE_POWER).expect("sound powers")
}

impl Default for Series {
    fn default() -> Self {
        Self {
            succeeded: AtomicU64::default(),
            failed: AtomicU64::default(),
            called_off: AtomicU64::default(),
            bytes: AtomicU64::default(),
            elapsed: AtomicHistogram::with_config(&config()),
            elapsed_sum: AtomicU64::default(),
            retries: Mutex::default(),
        }
    }
}

impl Series {
    pub(super) fn ended(&self, how: Ended, elapsed: Duration, bytes: u64) {
        let counter = match how {
            Ended::Succeeded => &self.succeeded,
            Ended::Failed => &self.failed,
            Ended::CalledOff => &self.called_off,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        if how != Ended::CalledOff {
            let longest = (1 << 32) - 1;
            let micros = u64::try_from(elapsed.as_micros()).unwrap_or(longest).min(longest);
            let _ = self.elapsed.increment(micros);
            self.elapsed_sum.fetch_add(micros, Ordering::Relaxed);
        }
        if how == Ended::Succeeded {
            self.bytes.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    pub(super) fn retried(&self, code: &str) {
        let Ok(mut retries) = self.retries.lock() else { return };
        let known = retries.contains_key(code) || retries.len() < MAX_CODES;
        *retries.entry(if known { code } else { OTHER }.to_owned()).or_default() += 1;
    }

    pub(super) fn clear(&self) {
        for counter in [&self.succeeded, &self.failed, &self.called_off, &self.bytes, &self.elapsed_sum] {
            counter.store(0, Ordering::Relaxed);
        }
        self.elapsed.drain();
        if let Ok(mut retries) = self.retries.lock() {
            retries.clear();
        }
    }

    pub(super) fn stats(&self) -> Stats {
        let mut stats = Stats::default();
        self.add_to(&mut stats);
        stats.complete()
    }

    pub(super) fn add_to(&self, stats: &mut Stats) {
        stats.succeeded += self.succeeded.load(Ordering::Relaxed);
        stats.failed += self.failed.load(Ordering::Relaxed);
        stats.called_off += self.called_off.load(Ordering::Relaxed);
        stats.bytes += self.bytes.load(Ordering::Relaxed);
        let _ = stats.elapsed.checked_add_assign(&self.elapsed.load());
        stats.elapsed_sum += Duration::from_micros(self.elapsed_sum.load(Ordering::Relaxed));
        if let Ok(retries) = self.retries.lock() {
            for (code, count) in retries.iter() {
                *stats.retries.entry(code.clone()).or_default() += count;
            }
        }
    }
}

impl Default for Stats {
    fn default() -> Self {
        Self {
            succeeded: 0,
            failed: 0,
            called_off: 0,
            bytes: 0,
            retries: BTreeMap::new(),
            latency: None,
            elapsed: Histogram::with_config(&config()),
            elapsed_sum: Duration::ZERO,
        }
    }
}

impl Stats {
    pub const fn calls(&self) -> u64 {
        self.succeeded + self.failed + self.called_off
    }

    pub fn retried(&self) -> u64 {
        self.retries.values().sum()
    }

    /// Of the calls that were not called off; none where there were none.
    #[expect(clippy::cast_precision_loss, reason = "a rate of more than 2^53 calls is still one")]
    pub fn success_rate(&self) -> Option<f64> {
        let ended = self.succeeded + self.failed;
        (ended > 0).then(|| self.succeeded as f64 / ended as f64)
    }

    pub(super) fn complete(mut self) -> Self {
        let at = |quantile| {
            let bucket = self.elapsed.quantile_bucket(quantile).ok().flatten()?;
            Some(Duration::from_micros(bucket.end()))
        };
        let found = at(0.5).zip(at(0.95)).zip(at(0.99).zip(at(1.0)));
        self.latency = found.map(|((p50, p95), (p99, max))| Latency { p50, p95, p99, max });
        self
    }
}
