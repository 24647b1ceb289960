//! Metrics, as JavaScript sees them.

use std::collections::HashMap;

use napi_derive::napi;

use super::objects::number;
use super::storage::NativeStorage;
use crate::metrics::{Latency, OperationStats, Stats, text};

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

#[napi(object)]
pub struct NativeStats {
    pub calls: f64,
    pub succeeded: f64,
    pub failed: f64,
    pub called_off: f64,
    pub success_rate: Option<f64>,
    pub retries: f64,
    pub retries_by_code: HashMap<String, f64>,
    pub stored_bytes: f64,
    pub latency_ms: Option<NativeLatency>,
}

impl From<Stats> for NativeStats {
    fn from(stats: Stats) -> Self {
        Self {
            calls: number(stats.calls()),
            succeeded: number(stats.succeeded),
            failed: number(stats.failed),
            called_off: number(stats.called_off),
            success_rate: stats.success_rate(),
            retries: number(stats.retried()),
            stored_bytes: number(stats.bytes),
            latency_ms: stats.latency.map(Into::into),
            retries_by_code: stats.retries.into_iter().map(|(code, count)| (code, number(count))).collect(),
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
}

impl From<OperationStats> for NativeOperationStats {
    fn from(stats: OperationStats) -> Self {
        Self {
            operation: stats.operation.as_str().to_owned(),
            total: stats.total.into(),
            last_minute: stats.last_minute.into(),
            last_five_minutes: stats.last_five_minutes.into(),
            last_hour: stats.last_hour.into(),
        }
    }
}

#[napi]
impl NativeStorage {
    /// Of the operations that were called.
    #[napi(catch_unwind)]
    pub fn metrics(&self) -> Vec<NativeOperationStats> {
        self.inner.metrics().snapshot().into_iter().map(Into::into).collect()
    }

    #[napi(catch_unwind)]
    pub fn metrics_text(&self) -> String {
        text::render(&self.inner.metrics().snapshot())
    }
}
