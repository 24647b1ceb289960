//! How long things took: an HDR-like histogram that many threads count into at once.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use histogram::{AtomicHistogram, Config, Histogram};

/// Microseconds that many threads count.
#[derive(Debug)]
pub(super) struct Durations {
    micros: AtomicHistogram,
    sum: AtomicU64,
}

/// What was counted, as it was at one time.
#[derive(Debug, Clone, PartialEq)]
pub struct Distribution {
    pub micros: Histogram,
    pub sum: Duration,
}

/// Percentiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Latency {
    pub p50: Duration,
    pub p95: Duration,
    pub p99: Duration,
    pub max: Duration,
}

/// 71 minutes; what took longer counts as that.
const LONGEST_MICROS: u64 = (1 << MAX_VALUE_POWER) - 1;
const MAX_VALUE_POWER: u8 = 32;

/// Buckets of a sixteenth of their power of two: within 6.25 %.
fn config() -> Config {
    const GROUPING_POWER: u8 = 4;
    #[expect(clippy::expect_used, reason = "constants, sound by the test that makes one")]
    Config::new(GROUPING_POWER, MAX_VALUE_POWER).expect("sound powers")
}

impl Default for Durations {
    fn default() -> Self {
        Self { micros: AtomicHistogram::with_config(&config()), sum: AtomicU64::default() }
    }
}

impl Durations {
    pub(super) fn count(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(LONGEST_MICROS).min(LONGEST_MICROS);
        let _ = self.micros.increment(micros);
        self.sum.fetch_add(micros, Ordering::Relaxed);
    }

    pub(super) fn clear(&self) {
        self.micros.drain();
        self.sum.store(0, Ordering::Relaxed);
    }

    pub(super) fn add_to(&self, distribution: &mut Distribution) {
        let _ = distribution.micros.checked_add_assign(&self.micros.load());
        distribution.sum += Duration::from_micros(self.sum.load(Ordering::Relaxed));
    }
}

impl Default for Distribution {
    fn default() -> Self {
        Self { micros: Histogram::with_config(&config()), sum: Duration::ZERO }
    }
}

impl Distribution {
    /// None where nothing was counted.
    pub fn latency(&self) -> Option<Latency> {
        let at = |quantile| Some(Duration::from_micros(self.micros.quantile_bucket(quantile).ok().flatten()?.end()));
        Some(Latency { p50: at(0.5)?, p95: at(0.95)?, p99: at(0.99)?, max: at(1.0)? })
    }
}
