//! The numbers that one retry loop obeys.

use std::time::Duration;

use super::backoff::Jitter;

/// What one call may spend on attempts. Made by [`super::preset`] and the caller's changes to it;
/// validated where the caller's numbers come in (`storage::config`).
#[derive(Debug, Clone, PartialEq)]
pub struct RetryPolicy {
    /// The first attempt included; at least 1.
    pub max_attempts: u32,
    pub initial_delay: Duration,
    pub max_delay: Duration,
    /// For each attempt.
    pub timeout: Duration,
    /// An attempt that timed out is followed by one with this many times the timeout, so that a large
    /// file on a slow line gets through. At least 1.
    pub timeout_growth: f64,
    /// Bounds the whole call, waits included.
    pub deadline: Option<Duration>,
    pub jitter: Jitter,
}

impl RetryPolicy {
    pub const DEFAULT_TIMEOUT_GROWTH: f64 = 2.0;
}
