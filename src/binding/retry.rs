//! The presets, the classification and the decisions, for JavaScript's own loops (`retryWithBackoff`).

use std::time::Duration;

use napi::bindgen_prelude::Either;
use napi_derive::napi;

use super::failure::{NativeFailure, milliseconds};
use super::options::NativeRetryOptions;
use crate::error::{Error, Operation};
use crate::resilience::Preset;
use crate::resilience::external_error::{self, ErrorFacts};
use crate::resilience::schedule::{Decision, Schedule};
use crate::storage::RetryOptions;
use crate::storage::defaults;

#[napi(object)]
pub struct NativeRetryPreset {
    pub name: String,
    pub max_attempts: u32,
    pub initial_delay_ms: f64,
    pub max_delay_ms: f64,
    pub timeout: f64,
    pub deadline_ms: Option<f64>,
}

#[napi(catch_unwind)]
pub fn retry_preset_table() -> Vec<NativeRetryPreset> {
    Preset::ALL
        .iter()
        .map(|preset| {
            let policy = preset.policy();
            NativeRetryPreset {
                name: preset.name().to_owned(),
                max_attempts: policy.max_attempts,
                initial_delay_ms: milliseconds(policy.initial_delay),
                max_delay_ms: milliseconds(policy.max_delay),
                timeout: milliseconds(policy.timeout),
                deadline_ms: policy.deadline.map(milliseconds),
            }
        })
        .collect()
}

/// One link of an error's cause chain.
#[napi(object, object_to_js = false)]
pub struct NativeErrorFacts {
    pub name: Option<String>,
    pub code: Option<String>,
    pub message: Option<String>,
    pub status: Option<f64>,
    pub retry_after: Option<String>,
}

impl From<NativeErrorFacts> for ErrorFacts {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked just before")]
    fn from(facts: NativeErrorFacts) -> Self {
        let is_status = |status: &f64| (100.0..1000.0).contains(status) && status.fract() == 0.0;
        Self {
            name: facts.name,
            code: facts.code,
            message: facts.message,
            status: facts.status.filter(is_status).map(|status| status as u16),
            retry_after: facts.retry_after,
        }
    }
}

fn read(facts: Vec<NativeErrorFacts>, timed_out: bool) -> Error {
    let chain: Vec<ErrorFacts> = facts.into_iter().map(Into::into).collect();
    external_error::read(&chain, timed_out)
}

#[napi(object)]
pub struct NativeVerdict {
    pub retryable: bool,
    pub category: String,
    pub code: String,
}

/// Judges an error that is not ours by its cause chain, outermost link first.
#[napi(catch_unwind)]
pub fn classify_error(facts: Vec<NativeErrorFacts>) -> NativeVerdict {
    let error = read(facts, false);
    NativeVerdict {
        retryable: external_error::is_retryable(&error),
        category: error.category.as_str().to_owned(),
        code: error.code.to_string(),
    }
}

#[napi(object)]
pub struct NativeDecision {
    pub retry: bool,
    pub delay_ms: f64,
    /// Attempts made so far.
    pub attempts: u32,
    /// Why there is no other: 'permanent', 'attempts', 'deadline' or 'retryAfter'.
    pub reason: Option<String>,
    pub code: String,
}

#[napi]
pub struct NativeRetrySchedule {
    schedule: Schedule,
}

#[napi]
impl NativeRetrySchedule {
    #[napi(getter, catch_unwind)]
    pub fn max_attempts(&self) -> u32 {
        self.schedule.policy().max_attempts
    }

    /// How long the next attempt may take.
    #[napi(catch_unwind)]
    pub fn attempt_timeout_ms(&self, elapsed_ms: f64) -> f64 {
        milliseconds(self.schedule.attempt_timeout(from_milliseconds(elapsed_ms)))
    }

    /// Takes note of a failed attempt and decides.
    #[napi(catch_unwind)]
    pub fn next(&mut self, facts: Vec<NativeErrorFacts>, timed_out: bool, elapsed_ms: f64) -> NativeDecision {
        let error = read(facts, timed_out);
        let decision = self.schedule.decide(&error, from_milliseconds(elapsed_ms));
        let (retry, wait, reason) = match decision {
            Decision::Retry { wait } => (true, wait, None),
            Decision::Stop(reason) => (false, Duration::ZERO, Some(reason.as_str().to_owned())),
        };
        NativeDecision {
            retry,
            delay_ms: milliseconds(wait),
            attempts: self.schedule.failed(),
            reason,
            code: error.code.to_string(),
        }
    }
}

#[napi(catch_unwind)]
pub fn create_retry_schedule(options: NativeRetryOptions) -> Either<NativeFailure, NativeRetrySchedule> {
    match RetryOptions::from(options).resolve("retry", &defaults::RETRY.policy()) {
        Ok(policy) => Either::B(NativeRetrySchedule { schedule: Schedule::new(policy) }),
        Err(error) => Either::A(error.with(|failure| failure.operation = Some(Operation::RetryWithBackoff)).into()),
    }
}

fn from_milliseconds(ms: f64) -> Duration {
    Duration::try_from_secs_f64(ms / 1000.0).unwrap_or_default()
}
