//! Runs every operation: counts its attempts and its outcome, and ends it when the caller aborts or the storage is closed.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{Call, ObjectOptions, Prepared, Storage, closed};
use crate::error::{Category, Error, Operation, Result, Retryability, code};
use crate::metrics::{Metrics, Outcome};
use crate::phase::Phase;
use crate::resilience::{RetryContext, RetryEvent, RetryObserver, RetryPolicy};
use crate::store::ObjectStore;

/// Counts a call's retries before its own observer is notified.
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

/// Which operation runs, on which key, and since when.
#[derive(Debug, Clone, Copy)]
pub(super) struct Running<'a> {
    pub(super) operation: Operation,
    pub(super) key: Option<&'a str>,
    pub(super) started: Instant,
}

impl Prepared {
    pub(super) fn running(&self) -> Running<'_> {
        Running { operation: self.operation, key: Some(self.key.as_str()), started: self.started }
    }
}

impl Running<'_> {
    /// For an operation on a bucket rather than on one object.
    pub(super) fn context<'b>(
        &self,
        policy: &'b RetryPolicy,
        prefix: &'b str,
        observer: &'b dyn RetryObserver,
    ) -> RetryContext<'b> {
        let Running { operation, started, .. } = *self;
        RetryContext { policy, started, operation, key: prefix, has_alternative: false, observer }
    }

    /// The error, with the operation that it belongs to.
    pub(super) fn tag(&self, error: Error) -> Error {
        error.with(|failure| {
            failure.operation = Some(self.operation);
            failure.key = self.key.map(str::to_owned);
            failure.elapsed = self.started.elapsed();
        })
    }
}

impl<S: ObjectStore + 'static> Storage<S> {
    /// The checked options of an operation on one object, and the call with its retries counted.
    pub(super) fn begin(&self, operation: Operation, options: ObjectOptions, call: Call) -> Result<(Prepared, Call)> {
        Ok((self.prepare(options, operation)?, self.counted(operation, call)))
    }

    /// The call, with its retries counted.
    pub(super) fn counted(&self, operation: Operation, call: Call) -> Call {
        let counting = Counting { metrics: Arc::clone(&self.metrics), operation, inner: call.observer };
        Call { observer: Arc::new(counting), ..call }
    }

    /// Runs the work of an operation and counts its outcome; `bytes` of what it stored.
    pub(super) async fn run<T>(
        &self,
        running: Running<'_>,
        call: &Call,
        bytes: impl FnOnce(&T) -> u64,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let outcome = self.until_ended(call, work).await.map_err(|error| running.tag(error));
        let Running { operation, started, .. } = running;
        let (ended, bytes) = match &outcome {
            Ok(value) => (Outcome::Succeeded, bytes(value)),
            // Input that was refused before anything was sent is no call.
            Err(error) if error.category == Category::Input && error.attempts == 0 => return outcome,
            Err(error) => (Outcome::of_error(operation, error.category, &error.code, error.status), 0),
        };
        if let (Outcome::Failed, Err(error)) = (ended, &outcome) {
            self.metrics.failed(operation, &error.code);
        }
        self.metrics.ended(operation, ended, started.elapsed(), bytes);
        outcome
    }

    /// Dropping the work closes its connection, whatever phase it is in.
    async fn until_ended<T>(&self, call: &Call, work: impl Future<Output = Result<T>>) -> Result<T> {
        let aborted = async {
            match &call.cancel {
                Some(cancel) => cancel.cancelled().await,
                None => pending().await,
            }
        };
        tokio::select! {
            biased;
            () = aborted => Err(Error::new(code::ABORTED, Category::Aborted, Retryability::Permanent, "the caller aborted it")),
            () = self.closed.cancelled() => Err(closed()),
            outcome = work => outcome,
        }
    }

    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }
}
