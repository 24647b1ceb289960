//! What one retry loop needs to know, and whom it notifies.

use std::time::Duration;

use tokio::time::Instant;

use super::policy::RetryPolicy;
use crate::error::{Error, Operation};
use crate::phase::Phase;

/// Passed to the operation at the start of each attempt.
#[derive(Debug, Clone, Copy)]
pub struct Attempt {
    /// 1 for the first.
    pub number: u32,
    pub timeout: Duration,
}

/// A failed attempt that will be followed by another.
#[derive(Debug)]
pub struct RetryEvent<'a> {
    /// The attempt that failed; 1 for the first.
    pub attempt: u32,
    pub max_attempts: u32,
    /// How long it took to fail.
    pub took: Duration,
    pub wait: Duration,
    pub error: &'a Error,
}

/// Is notified while a call runs. Called inside the loop: must be quick and do no I/O.
pub trait RetryObserver: Send + Sync {
    fn on_retry(&self, event: &RetryEvent<'_>);

    /// A part of the call has ended.
    fn on_phase(&self, phase: Phase, took: Duration) {
        let _ = (phase, took);
    }

    /// The call fails over to another endpoint, after this error at the one before.
    fn on_failover(&self, endpoint: &str, error: &Error) {
        let _ = (endpoint, error);
    }
}

/// What one loop needs besides the operation.
#[derive(Clone, Copy)]
pub struct RetryContext<'a> {
    pub policy: &'a RetryPolicy,
    /// When the call began; the deadline counts from here, also where one call runs two loops.
    pub started: Instant,
    pub operation: Operation,
    /// Part of error messages; already checked and safe to show.
    pub key: &'a str,
    /// Whether there is another endpoint: then no call waits for an open circuit breaker.
    pub has_alternative: bool,
    pub observer: &'a dyn RetryObserver,
}

impl std::fmt::Debug for RetryContext<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RetryContext").field("policy", self.policy).field("operation", &self.operation).finish()
    }
}

impl RetryContext<'_> {
    /// When it must have ended.
    pub fn deadline(&self) -> Option<Instant> {
        self.policy.deadline.and_then(|deadline| self.started.checked_add(deadline))
    }
}
