//! A server's clock, as far as the `Date` headers of its responses show it.
//!
//! A response bounds the server's time: `Date` has whole seconds, and it was made between the request and the response.
//! Several responses bound it better. In between, time is counted by two clocks of this machine, since each of them can
//! fail: a process that is frozen stalls the monotonic one, time synchronization steps the other.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// The resolution of `Date`.
const RESOLUTION: Duration = Duration::from_secs(1);
/// Signatures are good for at least five minutes around the server's time. Closer clocks are not corrected.
const TOLERANCE: Duration = Duration::from_secs(60);
/// How far two clocks may drift apart: one part in so many.
const DRIFT: u32 = 2000;

/// The bounds of one moment, by the server's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeRange {
    pub low: SystemTime,
    pub high: SystemTime,
}

/// A moment by both clocks of this machine.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    monotonic: Instant,
    wall: SystemTime,
}

pub struct ServerClock {
    wall: Arc<dyn Fn() -> SystemTime + Send + Sync>,
    learned: Mutex<Option<Learned>>,
}

/// What the server's time was at a moment.
#[derive(Debug, Clone, Copy)]
struct Learned {
    at: Moment,
    range: TimeRange,
    /// Of the last response.
    newest: SystemTime,
}

impl fmt::Debug for ServerClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerClock").field("now", &self.now()).finish_non_exhaustive()
    }
}

impl Default for ServerClock {
    fn default() -> Self {
        Self::with_wall_clock(SystemTime::now)
    }
}

impl ServerClock {
    /// With a wall clock of the caller's.
    pub fn with_wall_clock(wall: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self { wall: Arc::new(wall), learned: Mutex::default() }
    }

    pub fn moment(&self) -> Moment {
        Moment { monotonic: Instant::now(), wall: (self.wall)() }
    }

    /// The server's time now; None before its first response.
    pub fn now(&self) -> Option<TimeRange> {
        let now = self.moment();
        self.lock().map(|learned| learned.range_at(now))
    }

    /// The time to sign a request with: this machine's, unless the server's newest response is far from it. What the
    /// bounds hold against a response that contradicts others is of no use here: a refused signature is corrected at once.
    pub fn signing_time(&self) -> SystemTime {
        let now = self.moment();
        let by_server = self.lock().and_then(|learned| {
            let since = now.monotonic.saturating_duration_since(learned.at.monotonic);
            learned.newest.checked_add(since)
        });
        let is_off = |theirs: &SystemTime| now.wall + TOLERANCE < *theirs || *theirs + TOLERANCE < now.wall;
        by_server.filter(is_off).unwrap_or(now.wall)
    }

    /// Takes in the `Date` of a response to a request that was sent at a moment.
    pub fn learn(&self, date: SystemTime, sent: Moment) {
        let at = self.moment();
        let (least, most) = sent.until(at);
        let took = most.unwrap_or_default().max(least.unwrap_or_default());
        let Some(high) = date.checked_add(RESOLUTION + took) else { return };
        let new = TimeRange { low: date, high };
        let mut learned = self.lock();
        let range = learned.map_or(new, |before| before.range_at(at).narrowed_by(new));
        *learned = Some(Learned { at, range, newest: date });
    }

    fn lock(&self) -> MutexGuard<'_, Option<Learned>> {
        self.learned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Learned {
    fn range_at(self, now: Moment) -> TimeRange {
        let (least, most) = self.at.until(now);
        let drift = most.or(least).unwrap_or_default() / DRIFT;
        let low = match least {
            Some(least) => self.range.low.checked_add(least),
            // The wall clock was set back: by so much less may have passed.
            None => {
                now.wall.duration_since(self.at.wall).err().and_then(|by| self.range.low.checked_sub(by.duration()))
            }
        };
        let low = low.and_then(|low| low.checked_sub(drift)).unwrap_or(SystemTime::UNIX_EPOCH);
        let high = self.range.high.checked_add(most.unwrap_or_default() + drift).unwrap_or(self.range.high);
        TimeRange { low, high }
    }
}

impl TimeRange {
    /// Two bounds of the same moment. Where they contradict each other one of the responses was not the server's, or its
    /// clock was set: the truth is somewhere in both.
    fn narrowed_by(self, other: Self) -> Self {
        let (low, high) = (self.low.max(other.low), self.high.min(other.high));
        if low <= high {
            return Self { low, high };
        }
        Self { low: self.low.min(other.low), high: self.high.max(other.high) }
    }
}

impl Moment {
    /// The least and the most time that may have passed until a later moment. No least where the wall clock was set back.
    fn until(self, later: Self) -> (Option<Duration>, Option<Duration>) {
        let by_monotonic = later.monotonic.saturating_duration_since(self.monotonic);
        match later.wall.duration_since(self.wall) {
            Ok(by_wall) => (Some(by_monotonic.min(by_wall)), Some(by_monotonic.max(by_wall))),
            Err(_) => (None, Some(by_monotonic)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};
    use std::time::UNIX_EPOCH;

    use tokio::time::advance;

    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    /// A server, and a machine whose wall clock can be set; both begin at the same time.
    struct World {
        began: Instant,
        wall_ms: Arc<AtomicI64>,
        clock: ServerClock,
    }

    impl World {
        fn new() -> Self {
            let (began, wall_ms) = (Instant::now(), Arc::new(AtomicI64::new(0)));
            let set = Arc::clone(&wall_ms);
            let clock = ServerClock::with_wall_clock(move || {
                let ms = i64::try_from(began.elapsed().as_millis()).expect("short") + set.load(Ordering::Relaxed);
                UNIX_EPOCH + Duration::from_secs(2_000_000) + MS(0) - MS(1_000_000_000)
                    + MS(u64::try_from(ms + 1_000_000_000).expect("not so far back"))
            });
            Self { began, wall_ms, clock }
        }

        fn server(&self) -> SystemTime {
            UNIX_EPOCH + Duration::from_secs(5_000_000) + self.began.elapsed()
        }

        async fn respond(&self, after: Duration, back: Duration) {
            let sent = self.clock.moment();
            advance(after).await;
            let whole = self.server().duration_since(UNIX_EPOCH).expect("later").as_secs();
            advance(back).await;
            self.clock.learn(UNIX_EPOCH + Duration::from_secs(whole), sent);
        }

        fn check(&self) -> Duration {
            let TimeRange { low, high } = self.clock.now().expect("it has learned");
            let truth = self.server();
            assert!(low <= truth && truth <= high, "{low:?} {truth:?} {high:?}");
            high.duration_since(low).expect("in order")
        }
    }

    #[tokio::test(start_paused = true)]
    async fn requests_are_signed_with_the_time_of_the_newest_response() {
        let clock = ServerClock::with_wall_clock(|| UNIX_EPOCH + Duration::from_secs(10_000));
        let (ours, hour) = ((clock.wall)(), Duration::from_secs(3600));
        assert_eq!(clock.signing_time(), ours, "nothing is known");
        for (theirs, expected) in [
            (ours + Duration::from_secs(30), ours),
            (ours + hour, ours + hour),
            (ours - hour, ours - hour),
            (ours - TOLERANCE, ours),
        ] {
            clock.learn(theirs, clock.moment());
            assert_eq!(clock.signing_time(), expected);
        }
        clock.learn(ours + hour, clock.moment());
        advance(MS(5000)).await;
        assert_eq!(clock.signing_time(), ours + hour + MS(5000));
    }

    #[tokio::test(start_paused = true)]
    async fn responses_bound_the_server_s_time_closer_and_closer() {
        let world = World::new();
        assert_eq!(world.clock.now(), None);
        for (after, back, pause) in [(40, 60, 330), (5, 5, 170), (300, 0, 450), (0, 1, 980), (20, 20, 10)] {
            world.respond(MS(after), MS(back)).await;
            world.check();
            advance(MS(pause)).await;
        }
        assert!(world.check() < MS(700), "{:?}", world.check());
        advance(Duration::from_secs(3600)).await;
        assert!(world.check() < Duration::from_secs(5));
    }

    #[tokio::test(start_paused = true)]
    async fn a_wall_clock_that_is_set_widens_the_bounds() {
        let world = World::new();
        world.respond(MS(10), MS(10)).await;
        for set in [3_600_000, -3_600_000, 0] {
            world.wall_ms.store(set, Ordering::Relaxed);
            advance(MS(1500)).await;
            world.check();
        }
        world.respond(MS(10), MS(10)).await;
        assert!(world.check() < MS(1100));
    }

    #[tokio::test(start_paused = true)]
    async fn responses_that_contradict_each_other_leave_both_possible() {
        let world = World::new();
        world.respond(MS(10), MS(10)).await;
        world.clock.learn(world.server() + Duration::from_secs(86_400), world.clock.moment());
        assert!(world.check() > Duration::from_secs(86_000));
        world.respond(MS(10), MS(10)).await;
        assert!(world.check() < MS(1100));
    }
}
