//! A circuit breaker: distinguishes an outage from random faults, and lets one request at a time find out when it is over.
//!
//! A pure state machine over the time that it is given; [`super::admission`] drives it.

use std::time::Duration;

use tokio::time::Instant;

/// An outage is this many failures in a row ...
const FAILURES: u32 = 30;
/// ... over at least this time, without one response between them. Where half of all requests fail at random, thirty in
/// a row come once in a thousand million; and a call with few attempts has used them up before the breaker could cut it
/// short.
const SPAN: Duration = Duration::from_secs(10);
/// How long it stays open at first; twice as long after each probe that fails.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// An outage that is over must not be waited for longer than this.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// A probe that has not ended by then gives its place to another: a large upload is none the worse for it, and one
/// that hangs holds up nobody.
const PROBE_PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BreakerState {
    /// Requests pass.
    Closed,
    /// None passes.
    Open,
    /// One is under way, to find out.
    HalfOpen,
}

impl BreakerState {
    pub const NAMES: &[&str] = &["closed", "open", "halfOpen"];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "halfOpen",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        [Self::Closed, Self::Open, Self::HalfOpen].into_iter().find(|state| state.as_str() == name)
    }
}

/// Whether a request may pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Its outcome is to be reported with this ticket.
    Pass(Ticket),
    /// Ask again at that time, or when the state has changed.
    Wait { until: Instant },
}

/// Which probe a request is; 0 for one that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ticket(u64);

#[derive(Debug, Default)]
pub struct Breaker {
    state: State,
    probes: u64,
    opened: u64,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Closed { failures: u32, first: Option<Instant> },
    Open { until: Instant, pause: Duration },
    HalfOpen { probe: Ticket, since: Instant, pause: Duration },
}

impl Default for State {
    fn default() -> Self {
        Self::Closed { failures: 0, first: None }
    }
}

impl Breaker {
    pub const fn state(&self) -> BreakerState {
        match self.state {
            State::Closed { .. } => BreakerState::Closed,
            State::Open { .. } => BreakerState::Open,
            State::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }

    /// How often it was opened.
    pub const fn opened(&self) -> u64 {
        self.opened
    }

    /// When the next request may pass; none while all may.
    pub fn retry_at(&self) -> Option<Instant> {
        match self.state {
            State::Closed { .. } => None,
            State::Open { until, .. } => Some(until),
            State::HalfOpen { since, .. } => Some(since + PROBE_PATIENCE),
        }
    }

    /// Whether nothing has failed since the last success.
    pub const fn is_quiet(&self) -> bool {
        matches!(self.state, State::Closed { failures: 0, .. })
    }

    pub fn admit(&mut self, now: Instant) -> Admission {
        match (self.state, self.retry_at()) {
            (State::Closed { .. }, _) => Admission::Pass(Ticket::default()),
            (_, Some(until)) if now < until => Admission::Wait { until },
            (State::Open { pause, .. } | State::HalfOpen { pause, .. }, _) => {
                self.probes += 1;
                let probe = Ticket(self.probes);
                self.state = State::HalfOpen { probe, since: now, pause };
                Admission::Pass(probe)
            }
        }
    }

    /// There was a response, whatever it said: no outage.
    pub fn responded(&mut self) {
        self.state = State::default();
    }

    /// There was none, or one that the server was not itself.
    pub fn failed(&mut self, ticket: Ticket, now: Instant) {
        match self.state {
            State::Closed { failures, first } => {
                let (failures, first) = (failures.saturating_add(1), first.unwrap_or(now));
                self.state = State::Closed { failures, first: Some(first) };
                if failures >= FAILURES && now.duration_since(first) >= SPAN {
                    self.open(now, FIRST_PAUSE);
                }
            }
            State::HalfOpen { probe, pause, .. } if probe == ticket => {
                self.open(now, (pause * 2).min(LONGEST_PAUSE));
            }
            // Sent before it opened, or a probe whose place another has.
            State::Open { .. } | State::HalfOpen { .. } => {}
        }
    }

    /// The request was aborted before there was an outcome: whoever comes next is the probe.
    pub fn abandoned(&mut self, ticket: Ticket, now: Instant) {
        if let State::HalfOpen { probe, pause, .. } = self.state
            && probe == ticket
        {
            self.state = State::Open { until: now, pause };
        }
    }

    /// By hand, as an outage or its end would.
    pub fn set(&mut self, state: BreakerState, now: Instant) {
        match state {
            BreakerState::Closed => self.state = State::default(),
            BreakerState::Open => self.open(now, LONGEST_PAUSE),
            // The next request is the probe.
            BreakerState::HalfOpen => self.state = State::Open { until: now, pause: FIRST_PAUSE },
        }
    }

    fn open(&mut self, now: Instant, pause: Duration) {
        if matches!(self.state, State::Closed { .. }) {
            self.opened += 1;
        }
        self.state = State::Open { until: now + pause, pause };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(ms: u64) -> Instant {
        // The clock of a test that has one does not move by itself.
        Instant::now() + Duration::from_millis(ms)
    }

    fn ticket(admission: Admission) -> Option<Ticket> {
        match admission {
            Admission::Pass(ticket) => Some(ticket),
            Admission::Wait { .. } => None,
        }
    }

    /// Fails every 600 ms from 0 on, until it opens; gives that time.
    fn opened(breaker: &mut Breaker) -> u64 {
        let mut ms = 0;
        while breaker.state() == BreakerState::Closed {
            breaker.failed(Ticket::default(), after(ms));
            ms += 600;
            assert!(ms < 60_000, "it never opens");
        }
        ms - 600
    }

    #[tokio::test(start_paused = true)]
    async fn opens_after_thirty_failures_over_ten_seconds() {
        let mut breaker = Breaker::default();
        assert_eq!(opened(&mut breaker), 29 * 600);
        assert_eq!((breaker.state(), breaker.opened()), (BreakerState::Open, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_of_failures_is_no_outage() {
        let mut breaker = Breaker::default();
        for _ in 0..1000 {
            breaker.failed(Ticket::default(), after(9_999));
            breaker.failed(Ticket::default(), after(0));
        }
        assert_eq!(breaker.state(), BreakerState::Closed);
    }

    #[tokio::test(start_paused = true)]
    async fn any_response_resets_the_count() {
        let mut breaker = Breaker::default();
        for second in 0..100 {
            breaker.failed(Ticket::default(), after(second * 1000));
            if second % 29 == 28 {
                breaker.responded();
                assert!(breaker.is_quiet());
            }
        }
        assert_eq!(breaker.state(), BreakerState::Closed);
    }

    #[tokio::test(start_paused = true)]
    async fn one_probe_at_a_time_and_longer_pauses_up_to_five_seconds() {
        let mut breaker = Breaker::default();
        let mut now = opened(&mut breaker);
        for pause in [1000, 2000, 4000, 5000, 5000] {
            assert_eq!(ticket(breaker.admit(after(now + pause - 1))), None, "{pause}");
            now += pause;
            let probe = ticket(breaker.admit(after(now))).expect("the probe");
            assert_ne!(probe, Ticket::default());
            assert_eq!(ticket(breaker.admit(after(now + 100))), None, "a second probe");
            breaker.failed(probe, after(now));
            assert_eq!(breaker.state(), BreakerState::Open);
        }
        let probe = ticket(breaker.admit(after(now + 5000))).expect("the probe");
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        breaker.responded();
        assert_eq!(ticket(breaker.admit(after(now + 5000))), Some(Ticket::default()), "{probe:?}");
        assert_eq!(breaker.opened(), 1, "probes that fail do not count");
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_is_aborted_or_hangs_gives_its_place_to_another() {
        let mut breaker = Breaker::default();
        let now = opened(&mut breaker) + 1000;
        let first = ticket(breaker.admit(after(now))).expect("the probe");
        breaker.abandoned(first, after(now));
        let second = ticket(breaker.admit(after(now))).expect("the next");
        assert_eq!(ticket(breaker.admit(after(now + 9_999))), None);
        let third = ticket(breaker.admit(after(now + 10_000))).expect("another");
        breaker.failed(second, after(now + 10_001));
        assert_eq!(breaker.state(), BreakerState::HalfOpen, "its failure is old news");
        breaker.abandoned(second, after(now + 10_001));
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        breaker.failed(third, after(now + 10_002));
        assert_eq!(breaker.state(), BreakerState::Open);
    }

    #[tokio::test(start_paused = true)]
    async fn late_news_of_earlier_requests() {
        let mut breaker = Breaker::default();
        let now = opened(&mut breaker);
        breaker.failed(Ticket::default(), after(now + 1));
        assert_eq!(breaker.retry_at(), Some(after(now + 1000)), "a failure changes nothing");
        breaker.responded();
        assert_eq!(breaker.state(), BreakerState::Closed, "a response does");
    }

    #[tokio::test(start_paused = true)]
    async fn by_hand() {
        let mut breaker = Breaker::default();
        for name in BreakerState::NAMES {
            breaker.set(BreakerState::parse(name).expect("a state"), after(0));
            let expected = if *name == "closed" { BreakerState::Closed } else { BreakerState::Open };
            assert_eq!(breaker.state(), expected);
        }
        assert!(ticket(breaker.admit(after(0))).is_some(), "the probe");
    }
}
