//! Numbers from outside, checked; and a policy made of them.

use std::fmt;
use std::time::Duration;

use crate::error::{Error, Result, code};
use crate::resilience::backoff::Jitter;
use crate::resilience::{Preset, RetryPolicy};
use crate::source::channel::too_large;
use crate::transfer::plan;

/// JavaScript's timers hold 31 bits of milliseconds (24.8 days); nothing here needs more.
const MAX_MS: f64 = 2_147_483_647.0;
const MAX_ATTEMPTS: f64 = 100.0;
const MAX_CONCURRENCY: u32 = 256;
/// The largest whole number that JavaScript counts to without gaps.
const MAX_SAFE_INTEGER: f64 = 9_007_199_254_740_991.0;

/// A whole number of milliseconds within `least..=2147483647`.
///
/// # Errors
/// `ERR_INVALID_OPTION` naming `name`.
pub fn milliseconds(name: &str, value: f64, least: u32) -> Result<Duration> {
    let allowed = || format!("a whole number of milliseconds from {least} to {MAX_MS}");
    Ok(Duration::from_millis(whole(name, value, f64::from(least), MAX_MS, allowed)?))
}

/// A whole number of bytes, at least 1.
///
/// # Errors
/// `ERR_INVALID_OPTION` naming `name`.
pub fn bytes(name: &str, value: f64) -> Result<u64> {
    whole(name, value, 1.0, MAX_SAFE_INTEGER, || "a whole number of bytes, at least 1".to_owned())
}

/// A whole number of bytes within `least..=most`.
///
/// # Errors
/// `ERR_INVALID_OPTION` naming `name`.
#[expect(clippy::cast_precision_loss, reason = "sizes of parts, far below 2^53")]
pub fn bytes_within(name: &str, value: f64, least: u64, most: u64) -> Result<u64> {
    whole(name, value, least as f64, most as f64, || format!("a whole number of bytes from {least} to {most}"))
}

/// How many bytes a body is said to have: up to the largest object of S3 and R2.
///
/// # Errors
/// `ERR_INVALID_OPTION` naming `contentLength`.
pub fn content_length(value: f64) -> Result<u64> {
    bytes_within("contentLength", value, 0, plan::MAX_OBJECT_BYTES)
}

/// What a body may have at most.
///
/// # Errors
/// `ERR_INVALID_OPTION`.
pub fn max_bytes_of_body(value: f64) -> Result<u64> {
    whole("maxBytes", value, 0.0, MAX_SAFE_INTEGER, || "a whole number of bytes".to_owned())
}

/// What a body must have at least.
///
/// # Errors
/// `ERR_INVALID_OPTION`.
pub fn min_bytes(value: f64) -> Result<u64> {
    whole("minBytes", value, 0.0, MAX_SAFE_INTEGER, || "a whole number of bytes".to_owned())
}

/// A file of `length` bytes, where `most` are allowed.
///
/// # Errors
/// `ERR_TOO_LARGE`: more than `maxBytes`, or than any object may have.
pub fn file(length: u64, most: Option<u64>) -> Result<()> {
    match most {
        Some(most) if length > most => Err(too_large(most)),
        _ if length > plan::MAX_OBJECT_BYTES => {
            let detail = format!("body is a file of {length} bytes; an object has at most {}", plan::MAX_OBJECT_BYTES);
            Err(Error::invalid(code::TOO_LARGE, "body", detail))
        }
        _ => Ok(()),
    }
}

/// The place of a byte, from 0.
///
/// # Errors
/// `ERR_INVALID_OPTION` naming `name`.
pub fn place(name: &str, value: f64) -> Result<u64> {
    whole(name, value, 0.0, MAX_SAFE_INTEGER, || "a whole number of bytes, at least 0".to_owned())
}

/// How many uploads of one call go at once.
///
/// # Errors
/// `ERR_INVALID_OPTION` naming `name`.
pub fn concurrency(name: &str, value: f64) -> Result<u32> {
    count(name, value, MAX_CONCURRENCY)
}

/// A whole number within `1..=most`.
///
/// # Errors
/// `ERR_INVALID_OPTION` naming `name`.
pub fn count(name: &str, value: f64, most: u32) -> Result<u32> {
    let allowed = || format!("a whole number from 1 to {most}");
    let number = whole(name, value, 1.0, f64::from(most), allowed)?;
    u32::try_from(number).map_err(|_| Error::invalid_option(name, allowed()))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked just before")]
fn whole(name: &str, value: f64, least: f64, most: f64, allowed: impl Fn() -> String) -> Result<u64> {
    // NaN fails both comparisons.
    if value >= least && value <= most && value.fract() == 0.0 {
        Ok(value as u64)
    } else {
        Err(Error::invalid_option(name, format_args!("{}, not {}", allowed(), Given(value))))
    }
}

/// A number as JavaScript writes it.
struct Given(f64);

impl fmt::Display for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(number) = *self;
        if number.is_infinite() {
            f.write_str(if number > 0.0 { "Infinity" } else { "-Infinity" })
        } else if number.abs() >= 1e21 {
            write!(f, "{number:e}")
        } else {
            write!(f, "{number}")
        }
    }
}

/// Retry options as a caller writes them; what is absent comes from the preset, or from the policy that
/// they change.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RetryOptions {
    pub preset: Option<String>,
    pub max_attempts: Option<f64>,
    pub initial_delay_ms: Option<f64>,
    pub max_delay_ms: Option<f64>,
    pub timeout: Option<f64>,
    pub timeout_growth: Option<f64>,
    pub deadline_ms: Option<f64>,
    pub jitter: Option<String>,
}

impl RetryOptions {
    /// Applies the options to `base`. `path` names the option that holds them.
    ///
    /// # Errors
    /// `ERR_INVALID_OPTION` naming the field (`retry.maxAttempts`).
    pub fn resolve(&self, path: &str, base: &RetryPolicy) -> Result<RetryPolicy> {
        let name = |field: &str| format!("{path}.{field}");
        let mut policy = match &self.preset {
            Some(preset) => {
                Preset::parse(preset).ok_or_else(|| Error::invalid_option(path, one_of(Preset::NAMES)))?.policy()
            }
            None => base.clone(),
        };
        if let Some(value) = self.max_attempts {
            policy.max_attempts = count(&name("maxAttempts"), value, MAX_ATTEMPTS as u32)?;
        }
        if let Some(value) = self.initial_delay_ms {
            policy.initial_delay = milliseconds(&name("initialDelayMs"), value, 0)?;
        }
        if let Some(value) = self.max_delay_ms {
            policy.max_delay = milliseconds(&name("maxDelayMs"), value, 0)?;
        }
        if let Some(value) = self.timeout {
            policy.timeout = milliseconds(&name("timeout"), value, 1)?;
        }
        if let Some(value) = self.timeout_growth {
            if !(1.0..=100.0).contains(&value) {
                return Err(Error::invalid_option(
                    name("timeoutGrowth"),
                    format_args!("a number from 1 to 100, not {}", Given(value)),
                ));
            }
            policy.timeout_growth = value;
        }
        if let Some(value) = self.deadline_ms {
            policy.deadline = Some(milliseconds(&name("deadlineMs"), value, 1)?);
        }
        if let Some(jitter) = &self.jitter {
            policy.jitter =
                Jitter::parse(jitter).ok_or_else(|| Error::invalid_option(name("jitter"), one_of(Jitter::NAMES)))?;
        }
        if policy.initial_delay > policy.max_delay {
            // Only one of the two may have been given; the other is the preset's.
            return Err(Error::invalid_option(
                name("initialDelayMs"),
                format_args!("at most maxDelayMs ({} ms)", policy.max_delay.as_millis()),
            ));
        }
        Ok(policy)
    }
}

pub(super) fn one_of(names: &[&str]) -> String {
    format!("one of '{}'", names.join("', '"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base() -> RetryPolicy {
        Preset::FileUpload.policy()
    }

    #[test]
    fn files_have_what_an_object_can_have_at_most() {
        assert!(file(10, None).is_ok() && file(10, Some(10)).is_ok());
        assert_eq!(file(11, Some(10)).expect_err("more").option.as_deref(), Some("maxBytes"));
        assert_eq!(file(plan::MAX_OBJECT_BYTES + 1, None).expect_err("more").option.as_deref(), Some("body"));
    }

    #[test]
    fn numbers_are_named_as_they_were_written() {
        let written = [f64::INFINITY, -f64::INFINITY, f64::NAN, 1.5, 1e300].map(|number| Given(number).to_string());
        assert_eq!(written, ["Infinity", "-Infinity", "NaN", "1.5", "1e300"]);
    }

    #[test]
    fn odd_numbers_are_refused_by_name() {
        for value in [0.0, -1.0, 1.5, f64::NAN, f64::INFINITY, 101.0] {
            let options = RetryOptions { max_attempts: Some(value), ..RetryOptions::default() };
            let error = options.resolve("retry", &base()).expect_err("odd");
            assert_eq!(error.option.as_deref(), Some("retry.maxAttempts"), "{value}");
        }
        for value in [0.0, -1.0, 0.5, f64::NAN, f64::INFINITY, 2_147_483_648.0] {
            assert!(milliseconds("x", value, 1).is_err(), "{value}");
        }
        assert!(bytes("maxBytes", 9_007_199_254_740_993.0).is_err());
    }

    #[test]
    fn a_preset_can_be_changed_in_part() {
        let options = RetryOptions { preset: Some("fast".into()), max_attempts: Some(7.0), ..RetryOptions::default() };
        let policy = options.resolve("retry", &base()).expect("sound");
        assert_eq!((policy.max_attempts, policy.timeout), (7, Duration::from_secs(15)));
    }

    #[test]
    fn the_delays_must_be_in_order() {
        let options = RetryOptions { initial_delay_ms: Some(20_000.0), ..RetryOptions::default() };
        assert!(options.resolve("retry", &base()).is_err());
    }

    #[test]
    fn a_misspelt_preset_names_the_right_ones() {
        let options = RetryOptions { preset: Some("agressive".into()), ..RetryOptions::default() };
        assert!(options.resolve("retry", &base()).expect_err("misspelt").detail.contains("'aggressive'"));
    }
}
