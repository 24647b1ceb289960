//! Defaults for a kind of program: how long it lives, and who waits for it.

use std::time::Duration;

use super::limits;
use crate::error::{Error, Result};
use crate::resilience::{Preset, RetryPolicy};

/// What a function's platform leaves for the response, once everything has been tried.
const MARGIN: Duration = Duration::from_secs(1);
/// Where `maxDurationMs` is not given: the limit that most platforms start with.
const DEFAULT_MAX_DURATION: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// A function that its platform ends after a time: every call ends before, with a response.
    Serverless { max_duration: Duration },
    /// A long-lived process in the background, where nobody waits: rides out ten minutes of outage.
    Worker,
    /// A command, where somebody looks on.
    Cli,
}

impl Profile {
    pub const NAMES: &[&str] = &["serverless", "worker", "cli"];

    /// # Errors
    /// `ERR_INVALID_OPTION` naming `profile` or `maxDurationMs`.
    pub fn parse(name: &str, max_duration_ms: Option<f64>) -> Result<Self> {
        match (name, max_duration_ms) {
            ("serverless", given) => {
                let given = given.map(|ms| limits::milliseconds("maxDurationMs", ms, 2000)).transpose()?;
                Ok(Self::Serverless { max_duration: given.unwrap_or(DEFAULT_MAX_DURATION) })
            }
            ("worker", None) => Ok(Self::Worker),
            ("cli", None) => Ok(Self::Cli),
            ("worker" | "cli", Some(_)) => Err(only_serverless()),
            _ => Err(Error::invalid_option("profile", limits::one_of(Self::NAMES))),
        }
    }

    /// What takes the place of the default preset.
    pub fn retry(self) -> RetryPolicy {
        let persistent = Preset::Persistent.policy();
        let seconds = Duration::from_secs;
        match self {
            Self::Serverless { max_duration } => {
                let deadline = max_duration - MARGIN.min(max_duration / 4);
                // So that an attempt that hangs is not the only one.
                let timeout = (deadline / 3).min(persistent.timeout);
                RetryPolicy { deadline: Some(deadline), timeout, ..persistent }
            }
            Self::Worker => RetryPolicy {
                max_attempts: 100,
                initial_delay: seconds(1),
                max_delay: seconds(30),
                timeout: seconds(60),
                deadline: Some(seconds(600)),
                ..persistent
            },
            Self::Cli => RetryPolicy {
                max_attempts: 10,
                initial_delay: Duration::from_millis(500),
                max_delay: seconds(5),
                timeout: seconds(60),
                deadline: Some(seconds(300)),
                ..persistent
            },
        }
    }
}

pub(super) fn only_serverless() -> Error {
    Error::invalid_option("maxDurationMs", "absent unless profile is 'serverless'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_responds_before_its_platform_ends_it() {
        for (ms, deadline, timeout) in
            [(60_000.0, 59_000, 19_666), (10_000.0, 9_000, 3_000), (300_000.0, 299_000, 30_000)]
        {
            let policy = Profile::parse("serverless", Some(ms)).expect("sound").retry();
            assert_eq!(policy.deadline, Some(Duration::from_millis(deadline)));
            assert_eq!(policy.timeout.as_millis(), timeout);
        }
        assert_eq!(
            Profile::parse("serverless", Some(2000.0)).expect("sound").retry().deadline,
            Some(Duration::from_millis(1500))
        );
        for bad in [0.0, 1999.0, f64::NAN] {
            assert!(Profile::parse("serverless", Some(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_functions_have_a_limit() {
        assert!(Profile::parse("worker", Some(60_000.0)).is_err());
        assert!(Profile::parse("edge", None).is_err());
        for name in Profile::NAMES {
            assert!(Profile::parse(name, None).is_ok(), "{name}");
        }
    }
}
