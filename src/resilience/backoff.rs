//! Exponential backoff with jitter.

use std::time::Duration;

/// How a wait is spread, so that clients which failed together do not come back together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Jitter {
    /// Uniform in `[2d/3, d]`: spread, and never less than two thirds of what the preset promises.
    #[default]
    Bounded,
    /// Uniform in `[0, d]`.
    Full,
    /// Exactly `d`.
    None,
}

impl Jitter {
    pub const NAMES: &[&str] = &["bounded", "full", "none"];

    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "bounded" => Some(Self::Bounded),
            "full" => Some(Self::Full),
            "none" => Some(Self::None),
            _ => None,
        }
    }

    /// Draws a wait out of the ceiling `d`; `unit` is uniform in `[0, 1)`.
    fn draw(self, ceiling: Duration, unit: f64) -> Duration {
        match self {
            Self::Bounded => ceiling.mul_f64((2.0 + unit) / 3.0),
            Self::Full => ceiling.mul_f64(unit),
            Self::None => ceiling,
        }
    }
}

/// The wait after failed attempt `attempt` (1 for the first): `min(max, initial * 2^(attempt - 1))`,
/// then jitter.
pub fn wait_after(attempt: u32, initial: Duration, max: Duration, jitter: Jitter, unit: f64) -> Duration {
    let doublings = attempt.saturating_sub(1).min(31);
    let ceiling = initial.saturating_mul(1 << doublings).min(max);
    jitter.draw(ceiling, unit)
}

/// A number uniform in `[0, 1)` from the thread's generator.
pub fn random_unit() -> f64 {
    rand::random()
}

#[cfg(test)]
mod tests {
    use super::*;

    const INITIAL: Duration = Duration::from_millis(1500);
    const MAX: Duration = Duration::from_secs(15);

    fn waits(jitter: Jitter, unit: f64) -> Vec<u128> {
        (1..=5).map(|n| wait_after(n, INITIAL, MAX, jitter, unit).as_millis()).collect()
    }

    #[test]
    fn doubles_up_to_the_limit() {
        assert_eq!(waits(Jitter::None, 0.0), [1500, 3000, 6000, 12000, 15000]);
    }

    #[test]
    fn bounded_jitter_keeps_two_thirds() {
        assert_eq!(waits(Jitter::Bounded, 0.0), [1000, 2000, 4000, 8000, 10000]);
        assert_eq!(waits(Jitter::Bounded, 1.0), [1500, 3000, 6000, 12000, 15000]);
    }

    #[test]
    fn full_jitter_starts_at_nothing() {
        assert_eq!(waits(Jitter::Full, 0.0), [0; 5]);
    }

    #[test]
    fn never_overflows() {
        assert_eq!(wait_after(u32::MAX, Duration::MAX, MAX, Jitter::None, 0.5), MAX);
    }

    #[test]
    fn the_generator_stays_in_range() {
        let drawn: Vec<f64> = (0..1000).map(|_| random_unit()).collect();
        assert!(drawn.iter().all(|unit| (0.0..1.0).contains(unit)));
        assert!(drawn.iter().any(|&unit| unit > 0.0) && drawn.windows(2).any(|pair| pair[0] < pair[1]), "and is drawn");
    }

    #[test]
    fn each_name_is_of_one_kind() {
        let named = [Some(Jitter::Bounded), Some(Jitter::Full), Some(Jitter::None)];
        assert_eq!([Jitter::parse("bounded"), Jitter::parse("full"), Jitter::parse("none")], named);
        assert!(Jitter::NAMES.iter().all(|name| Jitter::parse(name).is_some()));
        assert_eq!(Jitter::parse("maybe"), None);
    }
}
