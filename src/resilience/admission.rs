//! What stands before an endpoint: its capacity for requests, its breaker, its pace, its budget of retries. Every attempt
//! passes here.
//!
//! Nothing is locked while nothing fails: a gate that is calm counts who goes in and out, and that is all.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex as AsyncMutex, Notify, Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep, timeout_at};

use super::circuit_breaker::{Admission, Breaker, BreakerState, Ticket};
use super::hot_keys::{HotKeys, KeyHash};
use super::rate_limiter::{Pace, Pacer};
use super::rate_meter::RateMeter;
use super::retry_budget::Budget;
use crate::error::{Category, Error, Retryability};

/// Callers that waited for an outage to end do not all come back at once: one in so much time, on average.
const RELEASE_SPACING: Duration = Duration::from_millis(5);
const LONGEST_RELEASE: Duration = Duration::from_secs(2);

/// Is notified of the breaker's changes. Called by whoever caused one: must be quick.
pub trait BreakerWatcher: Send + Sync {
    fn on_change(&self, change: &BreakerChange);
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BreakerChange {
    pub endpoint: String,
    pub from: BreakerState,
    pub to: BreakerState,
    /// Until the next request may pass.
    pub retry_after: Option<Duration>,
}

/// A gate as it is at one time.
#[derive(Debug, Clone, PartialEq)]
pub struct GateSnapshot {
    pub breaker: BreakerState,
    /// Until the next request may pass; none while all may.
    pub retry_after: Option<Duration>,
    /// How often the breaker was opened.
    pub opened: u64,
    /// Requests a second and in flight that are allowed; none while there is no limit.
    pub pace: Option<(f64, f64)>,
    pub in_flight: u32,
    /// Waiting for leave.
    pub queued: u32,
}

/// How long an attempt may wait for leave.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) deadline: Option<Instant>,
    /// For a breaker that is open; none is as long as the deadline allows.
    pub(super) patience: Option<Duration>,
    /// Whether the call has failed before, and how long it may wait for the budget then.
    pub(super) retry: Option<Duration>,
    pub(super) key: KeyHash,
}

/// Why an attempt may not begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The breaker is open, for so long at least.
    Open(Duration),
    /// The deadline came first.
    Deadline,
}

pub struct Gate {
    /// The endpoint's, as it is named to people.
    name: String,
    state: Mutex<State>,
    /// Whether a request may pass, and succeed, without a look at the state.
    calm: AtomicBool,
    /// For so many requests at once, first come, first served.
    capacity: Semaphore,
    /// Requests without a response.
    in_flight: AtomicU32,
    /// Responses whose bodies are read.
    reading: AtomicU32,
    queued: AtomicU32,
    /// Requests that wait for a connection, of those that are queued.
    without_connection: AtomicU32,
    /// Wakes one response whose reader pauses.
    connection_wanted: Notify,
    meter: RateMeter,
    /// Whose turn it is to wait for the pace: first come, first served.
    turn: AsyncMutex<()>,
    /// Requests to keys that are throttled themselves queue here first: one of them at a time waits among the others.
    hot_turn: AsyncMutex<()>,
    changed: Notify,
    watcher: OnceLock<Arc<dyn BreakerWatcher>>,
    /// After a request that got no response, which the endpoint may still be at.
    spacing: Duration,
    /// Uniform in `[0, 1)`; a function so that tests can take its place.
    unit: fn() -> f64,
}

#[derive(Debug, Default)]
struct State {
    breaker: Breaker,
    pacer: Pacer,
    budget: Budget,
    hot_keys: HotKeys,
}

/// What the outcome of an attempt says of the endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    Success,
    /// A response, though not the wanted one.
    Response,
    /// A response that it was too much.
    Throttled,
    /// The same, from a server that may be no more.
    Overloaded,
    NoResponse,
    /// Nothing: the attempt did not get so far.
    None,
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("name", &self.name).field("state", &self.state).finish_non_exhaustive()
    }
}

impl Gate {
    /// With capacity for `most` requests at once, or for all.
    pub fn new(name: impl Into<String>, most: Option<NonZeroUsize>) -> Self {
        let capacity = most.map_or(Semaphore::MAX_PERMITS, NonZeroUsize::get);
        Self { capacity: Semaphore::new(capacity), ..Self::with_unit(name, super::backoff::random_unit) }
    }

    /// For an endpoint that wants so much time between two writes to a key.
    #[must_use]
    pub fn with_spacing(self, spacing: Duration) -> Self {
        Self { spacing, ..self }
    }

    pub(super) const fn spacing(&self) -> Duration {
        self.spacing
    }

    /// With capacity for all.
    pub fn with_unit(name: impl Into<String>, unit: fn() -> f64) -> Self {
        Self {
            name: name.into(),
            state: Mutex::default(),
            calm: AtomicBool::new(true),
            capacity: Semaphore::new(Semaphore::MAX_PERMITS),
            in_flight: AtomicU32::new(0),
            reading: AtomicU32::new(0),
            queued: AtomicU32::new(0),
            without_connection: AtomicU32::new(0),
            connection_wanted: Notify::new(),
            meter: RateMeter::default(),
            turn: AsyncMutex::default(),
            hot_turn: AsyncMutex::default(),
            changed: Notify::new(),
            watcher: OnceLock::new(),
            spacing: Duration::ZERO,
            unit,
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Who is notified of the breaker's changes; the first one stays.
    pub fn watch(&self, watcher: Arc<dyn BreakerWatcher>) {
        let _ = self.watcher.set(watcher);
    }

    pub fn snapshot(&self) -> GateSnapshot {
        let state = self.lock();
        GateSnapshot {
            breaker: state.breaker.state(),
            retry_after: state.breaker.retry_at().map(|at| at.saturating_duration_since(Instant::now())),
            opened: state.breaker.opened(),
            pace: state.pacer.allowed(),
            in_flight: self.in_flight.load(Ordering::Relaxed) + self.reading.load(Ordering::Relaxed),
            queued: self.queued.load(Ordering::Relaxed),
        }
    }

    /// Opens or closes the breaker by hand: for tests, and for operators who know more.
    pub fn set_breaker(&self, state: BreakerState) {
        self.change(|now, it| it.breaker.set(state, now));
    }

    pub(super) async fn enter(&self, entry: Entry) -> Result<Pass<'_>, Refusal> {
        if self.calm.load(Ordering::Acquire)
            && entry.retry.is_none()
            && let Ok(capacity) = self.capacity.try_acquire()
        {
            return Ok(Pass::begin(self, capacity, entry.key, Ticket::default()));
        }
        let _queued = Counted::new(&self.queued);
        let admitted = async {
            if let Some(longest) = entry.retry {
                let wait = self.change(|now, it| it.budget.take(now));
                sleep(wait.min(longest)).await;
            }
            let capacity = self.connection().await?;
            self.keep_pace(entry.key).await;
            // Last, so that what the breaker lets pass is sent at once.
            Ok(Pass::begin(self, capacity, entry.key, self.past_breaker(entry.patience).await?))
        };
        match entry.deadline {
            Some(deadline) => timeout_at(deadline, admitted).await.unwrap_or_else(|_| Err(self.too_late())),
            None => admitted.await,
        }
    }

    async fn connection(&self) -> Result<SemaphorePermit<'_>, Refusal> {
        if let Ok(capacity) = self.capacity.try_acquire() {
            return Ok(capacity);
        }
        let _waiting = Counted::new(&self.without_connection);
        self.connection_wanted.notify_one();
        // It is never closed.
        self.capacity.acquire().await.map_err(|_| Refusal::Deadline)
    }

    /// Resolves once a request waits for a connection.
    pub(crate) async fn connection_wanted(&self) {
        while self.without_connection.load(Ordering::Relaxed) == 0 {
            self.connection_wanted.notified().await;
        }
    }

    fn too_late(&self) -> Refusal {
        let retry_at = self.lock().breaker.retry_at();
        retry_at.map_or(Refusal::Deadline, |at| Refusal::Open(at.saturating_duration_since(Instant::now())))
    }

    async fn past_breaker(&self, patience: Option<Duration>) -> Result<Ticket, Refusal> {
        let began = Instant::now();
        loop {
            let changed = self.changed.notified();
            let now = Instant::now();
            let until = match self.change(|now, it| it.breaker.admit(now)) {
                Admission::Wait { until } => until,
                Admission::Pass(ticket) => return Ok(ticket),
            };
            let tired = patience.map(|patience| began + patience);
            if tired.is_some_and(|tired| now >= tired) {
                return Err(Refusal::Open(until.saturating_duration_since(now)));
            }
            let until = tired.map_or(until, |tired| until.min(tired));
            // Either way the breaker is asked again.
            if timeout_at(until, changed).await.is_ok() {
                self.spread().await;
            }
        }
    }

    /// Comes back a little later than others who were given the same delay.
    async fn spread(&self) {
        if self.lock().breaker.state() != BreakerState::Closed {
            return;
        }
        let longest = RELEASE_SPACING.saturating_mul(self.queued.load(Ordering::Relaxed)).min(LONGEST_RELEASE);
        sleep(longest.mul_f64((self.unit)())).await;
    }

    async fn keep_pace(&self, key: KeyHash) {
        let is_hot = {
            let state = self.lock();
            if !state.pacer.is_limiting() {
                return;
            }
            state.hot_keys.is_hot(Instant::now(), key)
        };
        // Behind few keys that are throttled, all others would wait for their turns.
        let _hot_turn = if is_hot { Some(self.hot_turn.lock().await) } else { None };
        let _turn = self.turn.lock().await;
        loop {
            let changed = self.changed.notified();
            let in_flight = self.in_flight.load(Ordering::Relaxed);
            match self.change(|now, it| it.pacer.admit(now, in_flight)) {
                Pace::Go => return,
                Pace::Wait(wait) => sleep(wait).await,
                Pace::Full => changed.await,
            }
        }
    }

    fn left(&self, key: KeyHash, ticket: Ticket, sign: Sign) {
        let in_flight = self.in_flight.load(Ordering::Relaxed);
        if self.calm.load(Ordering::Acquire) && matches!(sign, Sign::Success | Sign::Response | Sign::None) {
            return;
        }
        self.change(|now, it| {
            match sign {
                Sign::Success | Sign::Response | Sign::Throttled => it.breaker.responded(),
                Sign::NoResponse | Sign::Overloaded => it.breaker.failed(ticket, now),
                Sign::None => it.breaker.abandoned(ticket, now),
            }
            match sign {
                Sign::Success => {
                    it.budget.succeeded();
                    it.hot_keys.succeeded(now);
                    it.pacer.not_throttled();
                }
                Sign::Response | Sign::NoResponse => it.pacer.not_throttled(),
                Sign::Throttled if it.hot_keys.explains(now, key) => {}
                Sign::Throttled | Sign::Overloaded => it.pacer.throttled(now, self.meter.rate(now), in_flight),
                Sign::None => {}
            }
        });
        self.changed.notify_waiters();
    }

    /// Changes the state, and reports what that means for the breaker.
    fn change<T>(&self, change: impl FnOnce(Instant, &mut State) -> T) -> T {
        let now = Instant::now();
        let mut state = self.lock();
        let from = state.breaker.state();
        let value = change(now, &mut state);
        let calm = state.breaker.is_quiet()
            && state.pacer.is_quiet()
            && state.budget.is_full()
            && state.hot_keys.is_quiet(now);
        self.calm.store(calm, Ordering::Release);
        let (to, retry_at) = (state.breaker.state(), state.breaker.retry_at());
        drop(state);
        if from != to {
            self.changed.notify_waiters();
            if let Some(watcher) = self.watcher.get() {
                let retry_after = retry_at.map(|at| at.saturating_duration_since(now));
                watcher.on_change(&BreakerChange { endpoint: self.name.clone(), from, to, retry_after });
            }
        }
        value
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Permission to send one request. Dropped without an outcome, it was aborted.
#[derive(Debug)]
pub(super) struct Pass<'a> {
    gate: &'a Gate,
    key: KeyHash,
    ticket: Ticket,
    sign: Sign,
    capacity: Option<SemaphorePermit<'a>>,
}

/// The connection of a response whose body is read: it counts as long as it is open.
#[derive(Debug)]
pub struct Reading<'a> {
    _capacity: Option<SemaphorePermit<'a>>,
    _count: Counted<'a>,
}

impl<'a> Pass<'a> {
    fn begin(gate: &'a Gate, capacity: SemaphorePermit<'a>, key: KeyHash, ticket: Ticket) -> Self {
        gate.in_flight.fetch_add(1, Ordering::Relaxed);
        gate.meter.count(Instant::now());
        Self { gate, key, ticket, sign: Sign::None, capacity: Some(capacity) }
    }

    /// The response has come, and its body is still to be read.
    pub(super) fn responded(mut self) -> Reading<'a> {
        self.sign = Sign::Success;
        Reading { _capacity: self.capacity.take(), _count: Counted::new(&self.gate.reading) }
    }

    /// With its error, if it had one.
    pub(super) fn ended(mut self, error: Option<&Error>) {
        self.sign = error.map_or(Sign::Success, Sign::of);
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        self.gate.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.gate.left(self.key, self.ticket, self.sign);
    }
}

#[derive(Debug)]
struct Counted<'a>(&'a AtomicU32);

impl<'a> Counted<'a> {
    fn new(count: &'a AtomicU32) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Sign {
    fn of(error: &Error) -> Self {
        let transient = error.retryability == Retryability::Transient;
        match error.category {
            Category::Throttled => Self::Throttled,
            Category::Service if error.status == Some(503) => Self::Overloaded,
            Category::Network | Category::Timeout | Category::Service if transient => Self::NoResponse,
            _ if error.status.is_some() => Self::Response,
            _ => Self::None,
        }
    }
}
