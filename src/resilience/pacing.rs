//! How fast an endpoint may be asked: slower when it says that it is too much, faster again while it does not.
//!
//! Additive increase, multiplicative decrease (Chiu and Jain, "Analysis of the Increase and Decrease Algorithms for
//! Congestion Avoidance in Computer Networks", 1989), of rate and concurrency together. Pure, over the time that it is
//! told; [`super::gate`] drives it. Off, at no cost, until an endpoint throttles.

use std::time::Duration;

use tokio::time::Instant;

/// What a throttled second leaves of the rate and of the requests in flight.
const CUT: f64 = 0.5;
/// Of the rate at the cut, regained every second: five seconds to where it was.
const REGAIN_PER_SECOND: f64 = 0.1;
/// At twice what it was at the cut there is no limit any more.
const LIFTED: f64 = 2.0;
/// No slower: an endpoint that cannot take five requests a second, four at once, is not helped by fewer of ours, and
/// calls would wait for minutes after a few unlucky answers.
const LEAST_RATE: f64 = 5.0;
const LEAST_CONCURRENCY: f64 = 4.0;
/// What may be sent at once after a silence, in seconds of the rate.
const BURST_SECONDS: f64 = 0.1;
/// Throttled answers this close together are one event; a single one is a matter of its key (R2 takes one write a
/// second to each) and slows nobody else.
const EVENT: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub struct Pacer {
    limits: Option<Limits>,
    throttled: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Limits {
    /// Requests a second and in flight, as they were when the endpoint throttled.
    rate: f64,
    concurrency: f64,
    /// Of both, what is allowed now.
    share: f64,
    /// Requests that may be sent at once.
    tokens: f64,
    updated: Instant,
    cut: Instant,
}

/// Whether a request may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    Go,
    /// After this time, if nothing changes before.
    Wait(Duration),
    /// When another has ended.
    Full,
}

impl Pacer {
    pub const fn is_limiting(&self) -> bool {
        self.limits.is_some()
    }

    /// Requests a second and in flight that are allowed now; none where there is no limit.
    pub fn allowed(&self) -> Option<(f64, f64)> {
        self.limits.as_ref().map(|limits| (limits.rate(), limits.concurrency()))
    }

    /// The endpoint said that it was too much: at `rate` requests a second, `in_flight` of them at once.
    pub fn throttled(&mut self, now: Instant, rate: f64, in_flight: u32) {
        let before = self.throttled.replace(now);
        let in_flight = f64::from(in_flight);
        match &mut self.limits {
            Some(limits) if now.duration_since(limits.cut) < EVENT => {}
            Some(limits) => {
                limits.update(now);
                let rate = limits.rate().min(rate);
                *limits = Limits::cut(now, rate, limits.concurrency().min(in_flight));
            }
            None if before.is_some_and(|before| now.duration_since(before) <= EVENT) => {
                self.limits = Some(Limits::cut(now, rate, in_flight));
            }
            None => {}
        }
    }

    /// Asks for leave to send, with so many in flight; `Go` is for one request.
    pub fn admit(&mut self, now: Instant, in_flight: u32) -> Pace {
        let Some(limits) = &mut self.limits else { return Pace::Go };
        limits.update(now);
        if limits.share >= LIFTED {
            self.limits = None;
            return Pace::Go;
        }
        if f64::from(in_flight) >= limits.concurrency() {
            return Pace::Full;
        }
        if limits.tokens < 1.0 {
            // A little more, so that rounding does not make it ask twice.
            return Pace::Wait(Duration::from_secs_f64((1.0 - limits.tokens) / limits.rate() + 1e-6));
        }
        limits.tokens -= 1.0;
        Pace::Go
    }
}

impl Limits {
    const fn cut(now: Instant, rate: f64, concurrency: f64) -> Self {
        Self { rate, concurrency, share: CUT, tokens: 0.0, updated: now, cut: now }
    }

    fn rate(&self) -> f64 {
        (self.rate * self.share).max(LEAST_RATE)
    }

    fn concurrency(&self) -> f64 {
        (self.concurrency * self.share).max(LEAST_CONCURRENCY)
    }

    fn update(&mut self, now: Instant) {
        let seconds = now.saturating_duration_since(self.updated).as_secs_f64();
        self.updated = now;
        self.share += seconds * REGAIN_PER_SECOND;
        self.tokens = (self.tokens + seconds * self.rate()).min((self.rate() * BURST_SECONDS).max(1.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::now() + Duration::from_millis(ms)
    }

    fn throttled_twice(rate: f64, in_flight: u32) -> Pacer {
        let mut pacer = Pacer::default();
        pacer.throttled(at(0), rate, in_flight);
        pacer.throttled(at(10), rate, in_flight);
        pacer
    }

    #[tokio::test(start_paused = true)]
    async fn no_limit_until_it_is_throttled_twice_in_a_second() {
        let mut pacer = Pacer::default();
        for ms in [0, 2000, 4000] {
            pacer.throttled(at(ms), 100.0, 10);
            assert_eq!(pacer.admit(at(ms), 1_000_000), Pace::Go);
        }
        pacer.throttled(at(4500), 100.0, 10);
        assert_eq!(pacer.allowed(), Some((50.0, 5.0)));
    }

    #[tokio::test(start_paused = true)]
    async fn halves_once_a_second_at_most() {
        let mut pacer = throttled_twice(100.0, 20);
        for ms in 20..900 {
            pacer.throttled(at(ms), 100.0, 20);
        }
        assert_eq!(pacer.allowed(), Some((50.0, 10.0)));
        pacer.throttled(at(1010), 1000.0, 200);
        assert_eq!(pacer.allowed(), Some((30.0, 6.0)), "half of what was regained by then");
        pacer.throttled(at(3000), 0.0, 0);
        assert_eq!(pacer.allowed(), Some((LEAST_RATE, LEAST_CONCURRENCY)), "never less");
    }

    #[tokio::test(start_paused = true)]
    async fn regains_its_rate_in_five_seconds_and_its_freedom_in_fifteen() {
        let mut pacer = throttled_twice(100.0, 10);
        assert!(matches!(pacer.admit(at(5010), 10), Pace::Full));
        let (rate, _) = pacer.allowed().expect("limited");
        assert!((rate - 100.0).abs() < 0.01, "{rate}");
        assert_eq!(pacer.admit(at(15_020), 1_000_000), Pace::Go);
        assert!(!pacer.is_limiting());
    }

    #[tokio::test(start_paused = true)]
    async fn spaces_requests_by_its_rate() {
        let mut pacer = throttled_twice(20.0, 1000);
        // 10 a second.
        let (mut now, mut sent) = (10.0, 0);
        while now < 1010.0 {
            match pacer.admit(Instant::now() + Duration::from_secs_f64(now / 1000.0), 0) {
                Pace::Go => sent += 1,
                Pace::Wait(wait) => now += wait.as_secs_f64() * 1000.0,
                Pace::Full => panic!("nothing is in flight"),
            }
        }
        // 10 a second, and an eleventh of what is regained meanwhile.
        assert!((9..=12).contains(&sent), "{sent}");
    }

    /// An endpoint that takes 100 a second: what is sent settles between half of that and a little more.
    #[tokio::test(start_paused = true)]
    async fn converges_on_what_the_endpoint_takes() {
        const CAPACITY: u32 = 100;
        let mut pacer = throttled_twice(1000.0, 50);
        let (mut second, mut sent) = (0, 0);
        let mut per_second = Vec::new();
        for ms in 10..60_000 {
            let now = at(ms);
            if ms / 1000 != second {
                second = ms / 1000;
                per_second.push(std::mem::take(&mut sent));
            }
            while pacer.admit(now, 0) == Pace::Go && sent < 5000 {
                sent += 1;
                if sent > CAPACITY {
                    pacer.throttled(now, f64::from(sent), 0);
                }
            }
        }
        let settled = &per_second[20..];
        let mean = settled.iter().sum::<u32>() / u32::try_from(settled.len()).expect("few");
        assert!((50..=110).contains(&mean), "{mean}: {per_second:?}");
        assert!(settled.iter().all(|&sent| sent <= CAPACITY * 5 / 4), "{per_second:?}");
    }
}
