//! The decisions of one call: may there be another attempt, after what wait, and how long may it take?
//!
//! A pure state machine over elapsed time. [`super::retry::run`] drives it in Rust; `retryWithBackoff`
//! drives the same one from JavaScript, so that both sides decide alike.

use std::time::Duration;

use super::backoff::{self, Jitter};
use super::policy::RetryPolicy;
use crate::error::{Category, Error, Retryability};
use crate::net::limits::MAX_RETRY_AFTER;

/// What to do after a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    Retry { wait: Duration },
    Stop(StopReason),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// Another try cannot help.
    Permanent,
    /// `max_attempts` are used up.
    Attempts,
    /// The wait (or the server's `Retry-After`) would end past the deadline.
    Deadline,
    /// There is no deadline, and the server's `Retry-After` is longer than a call waits without one.
    RetryAfter,
}

impl StopReason {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Permanent => "permanent",
            Self::Attempts => "attempts",
            Self::Deadline => "deadline",
            Self::RetryAfter => "retryAfter",
        }
    }
}

#[derive(Debug)]
pub struct Schedule {
    policy: RetryPolicy,
    /// Uniform in `[0, 1)`; a function so that tests can take its place.
    unit: fn() -> f64,
    failed: u32,
    timeouts: u32,
    /// Codes whose one extra try is spent.
    spent: Vec<String>,
}

impl Schedule {
    pub fn new(policy: RetryPolicy) -> Self {
        Self::with_unit(policy, backoff::random_unit)
    }

    pub const fn with_unit(policy: RetryPolicy, unit: fn() -> f64) -> Self {
        Self { policy, unit, failed: 0, timeouts: 0, spent: Vec::new() }
    }

    pub const fn policy(&self) -> &RetryPolicy {
        &self.policy
    }

    /// Attempts that have failed so far.
    pub const fn failed(&self) -> u32 {
        self.failed
    }

    /// How long the next attempt may take: the policy's timeout, grown once for each attempt that timed
    /// out, and never past the deadline.
    pub fn attempt_timeout(&self, elapsed: Duration) -> Duration {
        // 2^31 times a minute is longer than any call; beyond that f64 would lose its way.
        let growth = self.policy.timeout_growth.powi(i32::try_from(self.timeouts.min(31)).unwrap_or(31));
        let grown = Duration::try_from_secs_f64(self.policy.timeout.as_secs_f64() * growth).unwrap_or(Duration::MAX);
        match self.policy.deadline {
            Some(deadline) => grown.min(deadline.saturating_sub(elapsed)),
            None => grown,
        }
    }

    /// Takes note of a failed attempt and decides.
    pub fn decide(&mut self, error: &Error, elapsed: Duration) -> Decision {
        self.failed += 1;
        if error.category == Category::Timeout {
            self.timeouts += 1;
        }
        let may_retry = match error.retryability {
            Retryability::Permanent => false,
            Retryability::Transient => true,
            Retryability::Once | Retryability::OnceNow => self.spend(&error.code),
        };
        if !may_retry {
            return Decision::Stop(StopReason::Permanent);
        }
        if self.failed >= self.policy.max_attempts {
            return Decision::Stop(StopReason::Attempts);
        }
        let wait = self.wait(error);
        match self.policy.deadline {
            Some(deadline) if elapsed.saturating_add(wait) >= deadline => Decision::Stop(StopReason::Deadline),
            None if error.retry_after.is_some_and(|asked| asked > MAX_RETRY_AFTER) => {
                Decision::Stop(StopReason::RetryAfter)
            }
            _ => Decision::Retry { wait },
        }
    }

    fn wait(&self, error: &Error) -> Duration {
        let backoff = match error.retryability {
            Retryability::OnceNow => Duration::ZERO,
            _ => {
                let RetryPolicy { initial_delay, max_delay, jitter, .. } = self.policy;
                // The generator is not asked for what it would not change.
                let unit = if jitter == Jitter::None { 0.0 } else { (self.unit)() };
                backoff::wait_after(self.failed, initial_delay, max_delay, jitter, unit)
            }
        };
        backoff.max(error.min_wait).max(error.retry_after.unwrap_or_default())
    }

    fn spend(&mut self, code: &str) -> bool {
        let first = !self.spent.iter().any(|spent| spent == code);
        if first {
            self.spent.push(code.to_owned());
        }
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resilience::preset::Preset;

    fn network() -> Error {
        Error::new("ECONNRESET", Category::Network, Retryability::Transient, "reset")
    }

    fn once(code: &'static str) -> Error {
        Error::new(code, Category::Service, Retryability::Once, "once")
    }

    fn schedule(change: impl FnOnce(&mut RetryPolicy)) -> Schedule {
        let mut policy = Preset::FileUpload.policy();
        policy.jitter = Jitter::None;
        change(&mut policy);
        Schedule::new(policy)
    }

    const fn retry(ms: u64) -> Decision {
        Decision::Retry { wait: Duration::from_millis(ms) }
    }

    #[test]
    fn a_retry_after_is_obeyed_in_full_or_ends_the_call() {
        let asked = |s| network().with(|f| f.retry_after = Some(Duration::from_secs(s)));
        assert_eq!(schedule(|_| ()).decide(&asked(20), Duration::ZERO), retry(20_000));
        let mut bounded = schedule(|p| p.deadline = Some(Duration::from_secs(10)));
        assert_eq!(bounded.decide(&asked(20), Duration::ZERO), Decision::Stop(StopReason::Deadline));
    }

    #[test]
    fn the_least_wait_of_an_error_outweighs_a_short_backoff() {
        let least = network().with(|f| f.min_wait = Duration::from_secs(1));
        assert_eq!(schedule(|p| p.initial_delay = Duration::ZERO).decide(&least, Duration::ZERO), retry(1000));
    }

    #[test]
    fn waits_are_drawn_where_there_is_jitter() {
        for (jitter, ms) in [(Jitter::Bounded, 1250), (Jitter::Full, 750), (Jitter::None, 1500)] {
            let policy = RetryPolicy { jitter, ..Preset::FileUpload.policy() };
            assert_eq!(Schedule::with_unit(policy, || 0.5).decide(&network(), Duration::ZERO), retry(ms), "{jitter:?}");
        }
    }

    #[test]
    fn a_stop_has_a_reason_with_a_name() {
        let reasons = [StopReason::Permanent, StopReason::Attempts, StopReason::Deadline].map(StopReason::as_str);
        assert_eq!(reasons, ["permanent", "attempts", "deadline"]);
    }

    #[test]
    fn one_more_try_is_one_for_each_code() {
        let mut schedule = schedule(|p| p.max_attempts = 10);
        assert_eq!(schedule.decide(&once("BadDigest"), Duration::ZERO), retry(1500));
        assert_eq!(schedule.decide(&network(), Duration::ZERO), retry(3000));
        assert_eq!(schedule.decide(&once("BadDigest"), Duration::ZERO), Decision::Stop(StopReason::Permanent));
    }

    #[test]
    fn a_corrected_clock_is_tried_at_once() {
        let skewed = Error::new("RequestTimeTooSkewed", Category::Auth, Retryability::OnceNow, "skew");
        assert_eq!(schedule(|_| ()).decide(&skewed, Duration::ZERO), retry(0));
    }

    #[test]
    fn the_timeout_grows_after_a_timeout_only() {
        let mut schedule = schedule(|p| p.max_attempts = 100);
        schedule.decide(&network(), Duration::ZERO);
        assert_eq!(schedule.attempt_timeout(Duration::ZERO), Duration::from_secs(60));
        for expected in [120, 240] {
            schedule.decide(&Error::timeout("no response", Duration::from_secs(60)), Duration::ZERO);
            assert_eq!(schedule.attempt_timeout(Duration::ZERO), Duration::from_secs(expected));
        }
        for _ in 0..90 {
            schedule.decide(&Error::timeout("no response", Duration::from_secs(60)), Duration::ZERO);
        }
        assert!(schedule.attempt_timeout(Duration::ZERO) > Duration::from_secs(240), "no overflow");
    }

    #[test]
    fn no_attempt_outlives_the_deadline() {
        let schedule = schedule(|p| p.deadline = Some(Duration::from_secs(70)));
        assert_eq!(schedule.attempt_timeout(Duration::from_secs(50)), Duration::from_secs(20));
        assert_eq!(schedule.attempt_timeout(Duration::from_secs(80)), Duration::ZERO);
    }
}
