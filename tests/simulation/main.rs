//! Uploads through the gate of an endpoint that fails as a seed has it, on a paused clock: two thousand worlds in a few
//! seconds. `SIMULATION_SEED=123 cargo test --test simulation` replays one.
//!
//! What holds in every world:
//!
//! 1. Every call ends, and once.
//! 2. Attempts are bounded: the endpoint sees as many requests of a call as its policy allows, and as it reports.
//! 3. A deadline is kept: no call ends after it.
//! 4. What is said to be stored was stored, whole; and the last of the calls that stored a key is what is there, unless
//!    one that failed or was aborted came later.
//! 5. No two writes to a key are under way at once, and they are as far apart as they must be.
//! 6. The breaker opens in outages only, lets one request pass at a time while it is open, and never stays open: once
//!    the endpoint is well, a call gets through.
//! 7. A throttling endpoint is soon asked for about what it takes.
//! 8. 429s of a few keys slow down those keys, and no others.

#![expect(clippy::expect_used, clippy::print_stderr, reason = "a test fails by panicking, and says how to replay it")]

mod endpoint;

use std::cell::RefCell;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use reliable_r2::error::{Error, Operation, Result, code};
use reliable_r2::resilience::admission::{BreakerChange, BreakerWatcher};
use reliable_r2::resilience::backoff::Jitter;
use reliable_r2::resilience::circuit_breaker::BreakerState;
use reliable_r2::resilience::{Gate, RetryContext, RetryEvent, RetryObserver, RetryPolicy};
use reliable_r2::store::resilient::EndpointOptions;
use reliable_r2::store::{BucketName, ObjectHeaders, ObjectKey, PutObject, PutOutcome, ResilientStore, WriteCondition};
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use endpoint::{Seen, SimulatedEndpoint, Weather};

const SEEDS: u64 = 2000;

thread_local! {
    /// What the gate draws its jitter from: a world is the same whenever it is played.
    static JITTER: RefCell<StdRng> = RefCell::new(StdRng::seed_from_u64(0));
}

fn jitter() -> f64 {
    JITTER.with_borrow_mut(rand::Rng::random)
}

struct Nobody;

impl RetryObserver for Nobody {
    fn on_retry(&self, _: &RetryEvent<'_>) {}
}

#[derive(Default)]
struct BreakerDiary(Mutex<Vec<(Instant, BreakerState)>>);

impl BreakerWatcher for BreakerDiary {
    fn on_change(&self, change: &BreakerChange) {
        self.0.lock().expect("no panic elsewhere").push((Instant::now(), change.to));
    }
}

/// What a caller wants.
#[derive(Debug, Clone)]
struct Plan {
    begins: Duration,
    key: String,
    body: Bytes,
    policy: RetryPolicy,
    only_if_absent: bool,
    gives_up_after: Option<Duration>,
}

#[derive(Debug)]
struct Ended {
    plan: Plan,
    began: Instant,
    at: Instant,
    /// None if it was aborted.
    outcome: Option<Result<(PutOutcome, u32)>>,
}

impl Plan {
    fn random(random: &mut StdRng, number: usize) -> Self {
        let ms = |range: std::ops::Range<u64>, random: &mut StdRng| Duration::from_millis(random.random_range(range));
        let initial_delay = ms(1..2000, random);
        Self {
            begins: ms(0..60_000, random),
            key: format!("{}.png", random.random_range(0..20)),
            body: Bytes::from(format!("picture {number}")),
            policy: RetryPolicy {
                max_attempts: [1, 3, 4, 5, 50][random.random_range(0..5)],
                initial_delay,
                max_delay: initial_delay * random.random_range(1..10),
                timeout: ms(500..30_000, random),
                timeout_growth: [1.0, 2.0][random.random_range(0..2)],
                deadline: random.random_bool(0.6).then(|| ms(100..120_000, random)),
                jitter: Jitter::None,
            },
            only_if_absent: random.random_bool(0.1),
            gives_up_after: random.random_bool(0.15).then(|| ms(0..20_000, random)),
        }
    }

    fn request(&self) -> PutObject {
        PutObject {
            bucket: BucketName::parse("pictures").expect("a name"),
            key: ObjectKey::parse(&self.key).expect("a key"),
            body: self.body.clone().into(),
            headers: ObjectHeaders::default(),
            condition: self.only_if_absent.then_some(WriteCondition::Absent),
            verify_integrity: false,
            progress: None,
        }
    }

    async fn play(self, store: Arc<ResilientStore<SimulatedEndpoint>>) -> Ended {
        sleep(self.begins).await;
        let began = Instant::now();
        let request = self.request();
        let context = RetryContext {
            policy: &self.policy,
            started: began,
            operation: Operation::UploadFile,
            key: &self.key,
            has_alternative: false,
            observer: &Nobody,
        };
        let work = store.put_object(&request, context);
        let outcome = match self.gives_up_after {
            None => Some(work.await),
            Some(patience) => timeout(patience, work).await.ok(),
        };
        Ended { began, at: Instant::now(), outcome, plan: self }
    }
}

/// A world that was played to its end.
struct Played {
    weather: Weather,
    began: Instant,
    spacing: Duration,
    ended: Vec<Ended>,
    seen: Vec<Seen>,
    endpoint: SimulatedEndpoint,
    breaker: Vec<(Instant, BreakerState)>,
    /// A call with a minute's time once everything was over.
    last: Result<(PutOutcome, u32)>,
}

async fn play(seed: u64) -> Played {
    JITTER.set(StdRng::seed_from_u64(seed));
    let mut random = StdRng::seed_from_u64(seed);
    let weather = Weather::random(&mut random);
    let spacing = if random.random_bool(0.5) { Duration::from_secs(1) } else { Duration::ZERO };
    let calls = random.random_range(5..120);
    let plans: Vec<_> = (0..calls).map(|number| Plan::random(&mut random, number)).collect();

    let began = Instant::now();
    let endpoint = SimulatedEndpoint::new(seed, weather.clone());
    let gate = Gate::with_unit("https://simulated", jitter);
    let diary = Arc::new(BreakerDiary::default());
    gate.watch(Arc::clone(&diary) as Arc<dyn BreakerWatcher>);
    let options = EndpointOptions { write_spacing: spacing, ..EndpointOptions::default() };
    let store = Arc::new(ResilientStore::behind(gate, endpoint.clone(), &options));
    let mut callers: JoinSet<_> = plans.into_iter().map(|plan| plan.play(Arc::clone(&store))).collect();
    let mut ended = Vec::new();
    while let Some(one) = callers.join_next().await {
        ended.push(one.expect("no panic"));
    }
    sleep(weather.ends().saturating_sub(began.elapsed())).await;
    let last = Plan {
        begins: Duration::ZERO,
        key: "last.png".into(),
        policy: RetryPolicy {
            max_attempts: 100,
            initial_delay: Duration::from_millis(100),
            max_delay: Duration::from_secs(2),
            timeout: Duration::from_secs(5),
            timeout_growth: 1.0,
            deadline: Some(Duration::from_secs(120)),
            jitter: Jitter::None,
        },
        body: Bytes::from_static(b"the last"),
        only_if_absent: false,
        gives_up_after: None,
    };
    let last = last.play(Arc::clone(&store)).await.outcome.expect("it was not aborted");
    let breaker = diary.0.lock().expect("no panic elsewhere").clone();
    Played { weather, began, spacing, ended, seen: endpoint.seen(), endpoint, breaker, last }
}

impl Played {
    fn check(&self) {
        for call in &self.ended {
            self.check_attempts(call);
            self.check_deadline(call);
            self.check_result(call);
        }
        self.check_last_writers();
        self.check_writers();
        self.check_breaker();
    }

    fn seen_of(&self, call: &Ended) -> Vec<&Seen> {
        self.seen.iter().filter(|seen| seen.body == call.plan.body).collect()
    }

    fn check_attempts(&self, call: &Ended) {
        let seen = u32::try_from(self.seen_of(call).len()).expect("few");
        assert!(seen <= call.plan.policy.max_attempts, "2: {seen} requests of {call:?}");
        match &call.outcome {
            Some(Ok((_, attempts))) => assert_eq!(*attempts, seen, "2: {call:?}"),
            Some(Err(error)) if error.elapsed > Duration::ZERO => assert_eq!(error.attempts, seen, "2: {call:?}"),
            _ => {}
        }
    }

    fn check_deadline(&self, call: &Ended) {
        let Some(deadline) = call.plan.policy.deadline else { return };
        let took = call.at - call.began;
        assert!(took <= deadline + Duration::from_millis(1), "3: {took:?} of {deadline:?}: {call:?}");
    }

    fn check_result(&self, call: &Ended) {
        if let Some(Ok((outcome, _))) = &call.outcome {
            let seen = self.seen_of(call);
            assert!(seen.iter().any(|seen| seen.stored), "4: said to be stored, and is not: {call:?}");
            assert!(outcome.etag.is_some(), "4: {call:?}");
        }
        if let Some(Err(error)) = &call.outcome {
            let from_breaker = error.code == code::CIRCUIT_OPEN;
            assert!(!from_breaker || self.was_out_before(call.at), "6: a breaker without an outage: {call:?}");
        }
    }

    /// By key: the last write that reached the endpoint is what is there, and a success is never overtaken by an earlier
    /// call's attempt.
    fn check_last_writers(&self) {
        for call in &self.ended {
            let Some(Ok(_)) = call.outcome else { continue };
            let later = |other: &Seen| other.began >= call.at && other.body != call.plan.body && other.stored;
            let overtaken = self.seen.iter().any(|other| other.key == call.plan.key && later(other));
            let there = self.endpoint.object(&call.plan.key);
            assert!(overtaken || there.as_ref() == Some(&call.plan.body), "4: lost: {call:?}, there is {there:?}");
        }
    }

    fn check_writers(&self) {
        let mut ends: std::collections::HashMap<&str, (Instant, &Bytes)> = std::collections::HashMap::new();
        for seen in &self.seen {
            assert_eq!(seen.beside, 0, "5: two writers at once: {seen:?}");
            if let Some((ended, body)) = ends.get(seen.key.as_str())
                && *body != &seen.body
            {
                let apart = seen.began - *ended;
                assert!(apart >= self.spacing, "5: {apart:?} between two writes: {seen:?}");
            }
            ends.insert(&seen.key, (seen.ended.expect("everything has ended"), &seen.body));
        }
    }

    fn was_out_before(&self, at: Instant) -> bool {
        self.weather.outages.iter().any(|&(from, _)| self.began + from < at)
    }

    fn check_breaker(&self) {
        for (index, &(at, state)) in self.breaker.iter().enumerate() {
            assert!(self.was_out_before(at), "6: it opened without an outage");
            let until = self.breaker.get(index + 1).map(|&(until, _)| until);
            // In the moment itself, a request may have been before the change or after it.
            let after = |seen: &Seen| seen.began > at || seen.began == at && state == BreakerState::HalfOpen;
            let within = |seen: &&Seen| after(seen) && until.is_some_and(|until| seen.began < until);
            // A probe whose caller gives up in the moment in which it is sent leaves its place to the next.
            let sent = |seen: &&Seen| seen.ended > Some(seen.began);
            let passed = self.seen.iter().filter(within).filter(sent).count();
            let allowed = match (state, until) {
                (BreakerState::Closed, _) => continue,
                (BreakerState::Open, _) => 0,
                // One, and another each time that one has not ended in ten seconds.
                (BreakerState::HalfOpen, until) => {
                    1 + until.map_or(usize::MAX - 1, |until| usize::try_from((until - at).as_secs() / 10).unwrap_or(0))
                }
            };
            assert!(passed <= allowed, "6: {passed} requests passed a breaker that is {state:?}");
        }
        match &self.last {
            Ok(_) => {}
            Err(error) => {
                assert_eq!(error.code, "AccessDenied", "6: the endpoint is well, and nothing gets through: {error}")
            }
        }
    }
}

fn run_world<T>(world: impl Future<Output = T>) -> T {
    Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime").block_on(world)
}

#[test]
fn two_thousand_worlds() {
    let seeds = match std::env::var("SIMULATION_SEED") {
        Ok(seed) => vec![seed.parse().expect("SIMULATION_SEED is a number")],
        Err(_) => (0..SEEDS).collect(),
    };
    for seed in seeds {
        let check = || {
            let world = async { timeout(Duration::from_secs(86_400), play(seed)).await };
            run_world(world).expect("1: a call never ended").check();
        };
        if let Err(panic) = std::panic::catch_unwind(check) {
            eprintln!("replay it: SIMULATION_SEED={seed} cargo test --no-default-features --test simulation");
            std::panic::resume_unwind(panic);
        }
    }
}

/// The worlds have in them what they are for.
#[test]
fn the_worlds_are_not_all_fair() {
    let (mut opened, mut throttled, mut refused, mut lost) = (0, 0, 0, 0);
    for seed in 0..200 {
        let played = run_world(play(seed));
        opened += usize::from(!played.breaker.is_empty());
        throttled += usize::from(played.weather.capacity.is_some());
        let errors: Vec<&Error> =
            played.ended.iter().filter_map(|call| call.outcome.as_ref()?.as_ref().err()).collect();
        refused += errors.iter().filter(|error| error.code == code::CIRCUIT_OPEN).count();
        lost += errors.len();
    }
    assert!(opened > 10 && throttled > 10 && refused > 10 && lost > 100, "{opened} {throttled} {refused} {lost}");
}

/// 7: more callers than the endpoint takes, each with one upload after the other, for two minutes.
#[test]
fn a_throttling_endpoint_is_asked_for_what_it_takes() {
    for (seed, capacity) in [(1, 10), (2, 50), (3, 200)] {
        let (stored, throttled) = run_world(steady(seed, capacity));
        let per_second = stored / 60;
        assert!(per_second * 2 >= capacity, "{per_second} a second of {capacity}, {throttled} refusals");
        assert!(throttled * 5 <= stored, "{throttled} refusals beside {stored} writes");
    }
}

/// Writes and refusals in the second of two minutes.
async fn steady(seed: u64, capacity: u32) -> (u32, u32) {
    JITTER.set(StdRng::seed_from_u64(seed));
    let weather = Weather { faults: 0.0, outages: Vec::new(), capacity: Some(capacity), refusals: 0.0, hot: None };
    let endpoint = SimulatedEndpoint::new(seed, weather);
    let gate = Gate::with_unit("https://simulated", jitter);
    let store = Arc::new(ResilientStore::behind(gate, endpoint.clone(), &EndpointOptions::default()));
    let began = Instant::now();
    let policy = RetryPolicy {
        max_attempts: 100,
        initial_delay: Duration::from_millis(100),
        max_delay: Duration::from_secs(2),
        timeout: Duration::from_secs(10),
        timeout_growth: 1.0,
        deadline: Some(Duration::from_secs(120)),
        jitter: Jitter::None,
    };
    let mut callers = JoinSet::new();
    for caller in 0..capacity {
        let (store, policy) = (Arc::clone(&store), policy.clone());
        callers.spawn(async move {
            for number in 0.. {
                let name = format!("{caller}-{number}");
                let plan = Plan {
                    begins: Duration::ZERO,
                    key: name.clone(),
                    body: Bytes::from(name),
                    policy: policy.clone(),
                    only_if_absent: false,
                    gives_up_after: None,
                };
                plan.play(Arc::clone(&store)).await;
                if began.elapsed() >= Duration::from_secs(120) {
                    break;
                }
            }
        });
    }
    while callers.join_next().await.is_some() {}
    let minute = |seen: &&Seen| (60..120).contains(&(seen.began - began).as_secs());
    let seen = endpoint.seen();
    let count =
        |stored| u32::try_from(seen.iter().filter(minute).filter(|it| it.stored == stored).count()).expect("few");
    (count(true), count(false))
}

/// 8: keys that another process writes all the time, and uploads of others beside them. On the paused clock, an upload
/// takes 200 ms at most, and longer only where it has to wait.
#[test]
fn few_hot_keys_slow_down_no_others() {
    for (seed, hot) in [(1, 1), (2, 5), (3, 20), (4, 100)] {
        let (slowest, refusals) = run_world(beside_hot_keys(seed, hot));
        assert!(slowest <= Duration::from_millis(700), "{hot} hot keys: {slowest:?}");
        assert!(refusals >= hot, "{refusals} refusals of {hot} hot keys");
    }
}

async fn beside_hot_keys(seed: u64, hot: usize) -> (Duration, usize) {
    JITTER.set(StdRng::seed_from_u64(seed));
    let weather = Weather { faults: 0.0, outages: Vec::new(), capacity: None, refusals: 0.0, hot: Some("hot") };
    let endpoint = SimulatedEndpoint::new(seed, weather);
    let gate = Gate::with_unit("https://simulated", jitter);
    let store = Arc::new(ResilientStore::behind(gate, endpoint.clone(), &EndpointOptions::default()));
    let policy = RetryPolicy {
        max_attempts: 5,
        initial_delay: Duration::from_millis(50),
        max_delay: Duration::from_millis(100),
        timeout: Duration::from_secs(10),
        timeout_growth: 1.0,
        deadline: None,
        jitter: Jitter::None,
    };
    let plan = |key: String| Plan {
        begins: Duration::ZERO,
        body: Bytes::from(key.clone()),
        key,
        policy: policy.clone(),
        only_if_absent: false,
        gives_up_after: None,
    };
    let mut writers = JoinSet::new();
    for key in 0..hot {
        let (store, plan) = (Arc::clone(&store), plan(format!("hot{key}")));
        writers.spawn(async move {
            loop {
                plan.clone().play(Arc::clone(&store)).await;
            }
        });
    }
    sleep(Duration::from_secs(3)).await;
    let mut slowest = Duration::ZERO;
    for number in 0..100 {
        let ended = plan(format!("other{number}")).play(Arc::clone(&store)).await;
        ended.outcome.expect("it was not aborted").expect("stored");
        slowest = slowest.max(ended.at - ended.began);
    }
    writers.abort_all();
    (slowest, endpoint.seen().iter().filter(|seen| !seen.stored).count())
}
