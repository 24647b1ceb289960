//! The retry presets: the only home of their numbers. JavaScript, the types and the tables in the
//! documents are made from, or checked against, what stands here.

use std::time::Duration;

use super::backoff::Jitter;
use super::policy::RetryPolicy;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    Fast,
    Standard,
    FileUpload,
    Aggressive,
    Persistent,
}

impl Preset {
    /// In the order in which they are shown.
    pub const ALL: &[Self] = &[Self::Fast, Self::Standard, Self::FileUpload, Self::Aggressive, Self::Persistent];
    pub const NAMES: &[&str] = &["fast", "standard", "fileUpload", "aggressive", "persistent"];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Standard => "standard",
            Self::FileUpload => "fileUpload",
            Self::Aggressive => "aggressive",
            Self::Persistent => "persistent",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|preset| preset.name() == name)
    }

    pub const fn policy(self) -> RetryPolicy {
        match self {
            Self::Fast => row(3, 500, 5_000, 15_000, None),
            Self::Standard => row(3, 1_000, 10_000, 30_000, None),
            Self::FileUpload => row(4, 1_500, 15_000, 60_000, None),
            Self::Aggressive => row(5, 2_000, 20_000, 60_000, None),
            // Bounded by time, not by count: the count is only a stop for a failure that costs no time.
            Self::Persistent => row(50, 100, 2_000, 30_000, Some(120_000)),
        }
    }
}

const fn row(
    max_attempts: u32,
    initial_delay_ms: u64,
    max_delay_ms: u64,
    timeout_ms: u64,
    deadline_ms: Option<u64>,
) -> RetryPolicy {
    RetryPolicy {
        max_attempts,
        initial_delay: Duration::from_millis(initial_delay_ms),
        max_delay: Duration::from_millis(max_delay_ms),
        timeout: Duration::from_millis(timeout_ms),
        timeout_growth: RetryPolicy::DEFAULT_TIMEOUT_GROWTH,
        deadline: match deadline_ms {
            Some(ms) => Some(Duration::from_millis(ms)),
            None => None,
        },
        jitter: Jitter::Bounded,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_in_order() {
        let names: Vec<_> = Preset::ALL.iter().map(|p| p.name()).collect();
        assert_eq!(names, Preset::NAMES);
        assert!(Preset::ALL.iter().all(|&p| Preset::parse(p.name()) == Some(p)));
        assert_eq!(Preset::parse("agressive"), None);
    }
}
