//! How fast an endpoint may be asked: slower when it says that it is too much, faster again while it does not.
//!
//! Additive increase, multiplicative decrease (Chiu and Jain, "Analysis of the Increase and Decrease Algorithms for
//! Congestion Avoidance in Computer Networks", 1989), of rate and concurrency together. Pure, over the time that it is
//! reported; [`super::admission`] drives it. Off, at no cost, until an endpoint throttles.

use std::time::Duration;

use tokio::time::Instant;

/// What a throttled second leaves of the rate and of the requests in flight.
const CUT: f64 = 0.5;
/// Of the rate at the cut, regained every second: five seconds to where it was.
const REGAIN_PER_SECOND: f64 = 0.1;
/// At twice what it was at the cut there is no limit any more.
const LIFTED: f64 = 2.0;
/// No slower: an endpoint that cannot take five requests a second, four at once, is not helped by fewer of ours, and
/// calls would wait for minutes after a few unlucky responses.
const LEAST_RATE: f64 = 5.0;
const LEAST_CONCURRENCY: f64 = 4.0;
/// What may be sent at once after a silence, in seconds of the rate.
const BURST_SECONDS: f64 = 0.1;
/// Throttled responses this close to a cut are its own: they were on their way.
const EVENT: Duration = Duration::from_secs(1);
/// An endpoint is asked for too much when this share of its latest responses says so. Less of it is a matter of keys (R2
/// takes one write a second to each), or of a server that says 503 now and then however little it has to do: who slows
/// down for that slows down again and again, for nothing, until calls run out of time. Where half of all requests meet
/// the standard mixed faults, 9 percent of the responses are such.
const TOO_MUCH: f64 = 0.2;
/// How many responses that share is of, about: an exponential average.
const LATEST: f64 = 32.0;

#[derive(Debug, Default)]
pub struct Pacer {
    limits: Option<Limits>,
    /// Of the latest responses, how many were throttled.
    throttled: f64,
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

    /// Whether it need not be given responses that were not throttled.
    pub const fn is_quiet(&self) -> bool {
        self.limits.is_none() && self.throttled < 0.5 / LATEST
    }

    /// The endpoint responded, or failed, and did not say that it was too much.
    pub const fn not_throttled(&mut self) {
        self.throttled -= self.throttled / LATEST;
    }

    /// Requests a second and in flight that are allowed now; none where there is no limit.
    pub fn allowed(&self) -> Option<(f64, f64)> {
        self.limits.as_ref().map(|limits| (limits.rate(), limits.concurrency()))
    }

    /// The endpoint said that it was too much: at `rate` requests a second, `in_flight` of them at once.
    pub fn throttled(&mut self, now: Instant, rate: f64, in_flight: u32) {
        self.throttled += (1.0 - self.throttled) / LATEST;
        if self.throttled < TOO_MUCH {
            return;
        }
        let in_flight = f64::from(in_flight);
        match &mut self.limits {
            Some(limits) if now.duration_since(limits.cut) < EVENT => {}
            Some(limits) => {
                limits.update(now);
                let rate = limits.rate().min(rate);
                *limits = Limits::cut(now, rate, limits.concurrency().min(in_flight));
            }
            None => self.limits = Some(Limits::cut(now, rate, in_flight)),
        }
    }

    /// Asks for permission to send, with so many in flight; `Go` is for one request.
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

    /// At ten milliseconds.
    fn throttling(rate: f64, in_flight: u32) -> Pacer {
        let mut pacer = Pacer::default();
        for _ in 0..LATEST as u32 {
            pacer.throttled(at(10), rate, in_flight);
        }
        pacer
    }

    #[tokio::test(start_paused = true)]
    async fn a_few_throttled_responses_among_many_are_no_limit() {
        let mut pacer = Pacer::default();
        // One in eleven, two together.
        for response in 0..10_000 {
            if response % 22 < 2 {
                pacer.throttled(at(response * 10), 100.0, 10)
            } else {
                pacer.not_throttled()
            }
            assert_eq!(pacer.admit(at(response * 10), 1_000_000), Pace::Go, "response {response}");
        }
        for _ in 0..100 {
            pacer.not_throttled();
        }
        assert!(pacer.is_quiet());
    }

    #[tokio::test(start_paused = true)]
    async fn a_fifth_of_the_latest_responses_is_one() {
        let mut pacer = Pacer::default();
        let needed = (1..100).find(|_| {
            pacer.throttled(at(0), 100.0, 10);
            pacer.is_limiting()
        });
        assert_eq!((needed, pacer.allowed()), (Some(8), Some((50.0, 5.0))));
    }

    #[tokio::test(start_paused = true)]
    async fn halves_once_a_second_at_most() {
        let mut pacer = throttling(100.0, 20);
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
        let mut pacer = throttling(100.0, 10);
        assert!(matches!(pacer.admit(at(5010), 10), Pace::Full));
        let (rate, _) = pacer.allowed().expect("limited");
        assert!((rate - 100.0).abs() < 0.01, "{rate}");
        assert_eq!(pacer.admit(at(15_020), 1_000_000), Pace::Go);
        assert!(!pacer.is_limiting());
    }

    #[tokio::test(start_paused = true)]
    async fn spaces_requests_by_its_rate() {
        let mut pacer = throttling(20.0, 1000);
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
        let mut pacer = throttling(1000.0, 50);
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
                if sent > CAPACITY { pacer.throttled(now, f64::from(sent), 0) } else { pacer.not_throttled() }
            }
        }
        let settled = &per_second[20..];
        let mean = settled.iter().sum::<u32>() / u32::try_from(settled.len()).expect("few");
        assert!((50..=110).contains(&mean), "{mean}: {per_second:?}");
        assert!(settled.iter().all(|&sent| sent <= CAPACITY * 5 / 4), "{per_second:?}");
    }
}
