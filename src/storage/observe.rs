//! Every call is counted here, on its way in and on its way out.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{Call, Storage};
use crate::error::{Category, Error, Operation, Result};
use crate::metrics::{Ended, Metrics};
use crate::phase::Phase;
use crate::resilience::{RetryEvent, RetryObserver};

/// Counts a call's retries before its own observer hears of them.
struct Counting {
    metrics: Arc<Metrics>,
    operation: Operation,
    inner: Arc<dyn RetryObserver>,
}

impl RetryObserver for Counting {
    fn on_retry(&self, event: &RetryEvent<'_>) {
        self.metrics.retried(self.operation, &event.error.code);
        self.inner.on_retry(event);
    }

    fn on_phase(&self, phase: Phase, took: Duration) {
        self.metrics.passed(self.operation, phase, took);
        self.inner.on_phase(phase, took);
    }

    fn on_failover(&self, endpoint: &str, error: &Error) {
        self.inner.on_failover(endpoint, error);
    }
}

impl Storage {
    /// The call, with its retries counted.
    pub(super) fn counted(&self, operation: Operation, call: Call) -> Call {
        let counting = Counting { metrics: Arc::clone(&self.metrics), operation, inner: call.observer };
        Call { observer: Arc::new(counting), ..call }
    }

    /// Counts how a call ended; `bytes` of what it stored.
    pub(super) fn count<T>(
        &self,
        operation: Operation,
        started: Instant,
        outcome: Result<T>,
        bytes: impl FnOnce(&T) -> u64,
    ) -> Result<T> {
        let (how, bytes) = match &outcome {
            Ok(value) => (Ended::Succeeded, bytes(value)),
            // Input that was refused before anything was sent is the caller's affair, and no call.
            Err(error) if error.category == Category::Input && error.attempts == 0 => return outcome,
            Err(error) if error.category == Category::Aborted => (Ended::CalledOff, 0),
            Err(error) => {
                self.metrics.failed(operation, &error.code);
                (Ended::Failed, 0)
            }
        };
        self.metrics.ended(operation, how, started.elapsed(), bytes);
        outcome
    }

    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }
}
