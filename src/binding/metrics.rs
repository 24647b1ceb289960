//! Metrics, as JavaScript sees them.

use std::collections::{BTreeMap, HashMap};

use napi_derive::napi;

use super::failure::milliseconds;
use super::object_info::{number, since_epoch_ms};
use super::storage::NativeStorage;
use crate::error::{Category, Operation};
use crate::metrics::{Latency, OperationStats, Outcome, Stats, Step};
use crate::phase::Phase;

#[napi(object)]
pub struct NativeLatency {
    pub p50: f64,
    pub p95: f64,
    pub p99: f64,
    pub max: f64,
}

impl From<Latency> for NativeLatency {
    fn from(latency: Latency) -> Self {
        // To the microsecond; small objects take less than a millisecond.
        let ms = |duration: std::time::Duration| (duration.as_secs_f64() * 1e6).round() / 1e3;
        Self { p50: ms(latency.p50), p95: ms(latency.p95), p99: ms(latency.p99), max: ms(latency.max) }
    }
}

/// Parts of calls.
#[napi(object)]
pub struct NativePhases {
    pub attempt: Option<NativeLatency>,
    pub wait: Option<NativeLatency>,
    pub queue: Option<NativeLatency>,
}

#[napi(object)]
pub struct NativeStats {
    pub calls: f64,
    pub succeeded: f64,
    pub failed: f64,
    pub rejected: f64,
    pub aborted: f64,
    pub success_rate: Option<f64>,
    pub attempts: f64,
    pub retries: f64,
    pub retries_by_code: HashMap<String, f64>,
    pub failures_by_code: HashMap<String, f64>,
    pub stored_bytes: f64,
    pub latency_ms: Option<NativeLatency>,
    pub phases_ms: NativePhases,
}

impl From<Stats> for NativeStats {
    fn from(stats: Stats) -> Self {
        let phase = |phase| stats.phase(phase).map(Into::into);
        Self {
            calls: number(stats.calls()),
            succeeded: number(stats.succeeded),
            failed: number(stats.failed),
            rejected: number(stats.rejected),
            aborted: number(stats.aborted),
            success_rate: stats.success_rate(),
            attempts: number(stats.attempts),
            retries: number(stats.retried()),
            stored_bytes: number(stats.bytes),
            latency_ms: stats.latency().map(Into::into),
            phases_ms: NativePhases {
                attempt: phase(Phase::Attempt),
                wait: phase(Phase::Wait),
                queue: phase(Phase::Queue),
            },
            retries_by_code: numbers(stats.retries),
            failures_by_code: numbers(stats.failures),
        }
    }
}

fn numbers(counts: BTreeMap<String, u64>) -> HashMap<String, f64> {
    counts.into_iter().map(|(code, count)| (code, number(count))).collect()
}

/// A step of a history.
#[napi(object)]
pub struct NativeStep {
    /// When it began, in milliseconds since the epoch.
    pub at: f64,
    pub succeeded: f64,
    pub failed: f64,
    pub retries: f64,
    pub latency_ms: Option<NativeLatency>,
}

impl From<Step> for NativeStep {
    fn from(Step { began, stats }: Step) -> Self {
        Self {
            at: since_epoch_ms(began),
            succeeded: number(stats.succeeded),
            failed: number(stats.failed),
            retries: number(stats.retried()),
            latency_ms: stats.latency().map(Into::into),
        }
    }
}

#[napi(object)]
pub struct NativeOperationStats {
    pub operation: String,
    pub total: NativeStats,
    pub last_minute: NativeStats,
    pub last_five_minutes: NativeStats,
    pub last_hour: NativeStats,
    /// Of the last five minutes, in steps of 15 seconds.
    pub minutes: Vec<NativeStep>,
    /// Of the last hour, in steps of a minute.
    pub hour: Vec<NativeStep>,
}

impl From<OperationStats> for NativeOperationStats {
    fn from(stats: OperationStats) -> Self {
        let steps = |steps: Vec<Step>| steps.into_iter().map(Into::into).collect();
        Self {
            operation: stats.operation.as_str().to_owned(),
            total: stats.total.into(),
            last_minute: stats.last_minute.into(),
            last_five_minutes: stats.last_five_minutes.into(),
            last_hour: stats.last_hour.into(),
            minutes: steps(stats.minutes),
            hour: steps(stats.hour),
        }
    }
}

#[napi]
impl NativeStorage {
    /// Since when it counts.
    #[napi(getter, catch_unwind)]
    pub fn age_ms(&self) -> f64 {
        milliseconds(self.inner.metrics().age())
    }

    /// Of the operations that were called.
    #[napi(catch_unwind)]
    pub fn metrics(&self) -> Vec<NativeOperationStats> {
        self.inner.metrics().snapshot().into_iter().map(Into::into).collect()
    }

    #[napi(catch_unwind)]
    pub fn metrics_text(&self) -> String {
        self.inner.metrics_text()
    }
}

/// The outcome of a call that ended with an error, also where JavaScript made it.
#[napi(catch_unwind)]
pub fn outcome_of_error(operation: String, category: String, code: String, status: Option<u16>) -> String {
    let operation = Operation::ALL.iter().find(|it| it.as_str() == operation).copied();
    let category = Category::ALL.iter().find(|it| it.as_str() == category).copied();
    let outcome = operation
        .zip(category)
        .map_or(Outcome::Failed, |(operation, category)| Outcome::of_error(operation, category, &code, status));
    outcome.as_str().to_owned()
}
