//! Writers, deleters and reconciles over endpoints that fail, with clocks up to an hour apart, on a paused clock: two
//! thousand worlds. They run the real `Storage`; each of their requests can come late, be the last one of its process, or
//! lose its response. `FAILOVER_SEED=123 cargo test --no-default-features --test failover` replays one.
//!
//! What holds in every world, where overlapping operations count in either order:
//!
//! 1. At every instant some endpoint holds the newest acknowledged write.
//! 2. No endpoint holds an object that was deleted, once the delete was acknowledged.
//! 3. Once all is calm and reconcile has run, the primary holds the newest acknowledged write, or reconcile names the key
//!    and both endpoints keep what they have. A delete that fails may leave an older write: rarely, and it is counted.
//! 4. What is then deleted at the primary by another tool does not come back.

#![expect(clippy::expect_used, clippy::print_stderr, reason = "a test fails by panicking, and says how to replay it")]

mod endpoint;
mod history;

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use reliable_r2::resilience::{RetryEvent, RetryObserver};
use reliable_r2::secret::Secret;
use reliable_r2::storage::reconcile::{OrderRule, ReconcileOptions, Reconciled};
use reliable_r2::storage::{Call, Environment, ObjectOptions, RetryOptions, Storage, StorageConfig, TargetOptions};
use reliable_r2::store::identity::ObjectState;
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use endpoint::{Endpoint, Kind, Process, SimulatedStore, World};

const SEEDS: u64 = 2000;
const HOUR_MS: u64 = 3_600_000;
const PROCESSES: usize = 4;

struct Silent;

impl RetryObserver for Silent {
    fn on_retry(&self, _: &RetryEvent<'_>) {}
}

fn call() -> Call {
    Call { observer: Arc::new(Silent), progress: None, checkpoint: None, cancel: None }
}

type SimulatedStorage = Storage<SimulatedStore>;

fn storage(world: &Arc<World>, process: &Arc<Process>, endpoints: usize) -> Arc<SimulatedStorage> {
    let target = |number| TargetOptions {
        endpoint: Some(format!("http://127.0.0.1:{}", 9000 + number)),
        ..TargetOptions::default()
    };
    let config = StorageConfig {
        access_key: Some(Secret::new("simulated".into())),
        secret_key: Some(Secret::new("simulated".into())),
        bucket: Some("pictures".into()),
        endpoints: Some((0..endpoints).map(target).collect()),
        // A process that stops does not see its timeouts pass.
        retry: Some(RetryOptions { max_attempts: Some(1.0), timeout: Some(3_000_000.0), ..RetryOptions::default() }),
        ..StorageConfig::default()
    };
    let config = config.resolve(&Environment::default()).expect("sound");
    let stores = (0..endpoints).map(|number| SimulatedStore::new(world, process, number)).collect();
    Arc::new(Storage::over(config, stores).expect("a storage"))
}

#[derive(Debug, Clone, Copy)]
enum Task {
    /// With the same bytes as others, or its own.
    Upload {
        same: bool,
    },
    Delete,
    Reconcile {
        keep: bool,
    },
}

struct Played {
    world: Arc<World>,
    last: Reconciled,
    endpoints: usize,
    /// Keys that a failed delete has left with an older write.
    excused: Cell<u32>,
}

fn random_endpoints(random: &mut StdRng) -> Vec<Endpoint> {
    let kind = |random: &mut StdRng| [Kind::R2, Kind::R2, Kind::S3, Kind::Put][random.random_range(0..4)];
    let count = if random.random_bool(0.4) { 3 } else { 2 };
    let endpoint = |random: &mut StdRng, number: usize| {
        let mut outages = Vec::new();
        let mut at = 0;
        while random.random_bool(if number == 0 { 0.8 } else { 0.3 }) && outages.len() < 4 {
            let from = at + random.random_range(0..20_000);
            at = from + random.random_range(1000..30_000);
            outages.push((Duration::from_millis(from), Duration::from_millis(at)));
        }
        Endpoint::new(kind(random), Duration::from_millis(random.random_range(0..HOUR_MS)), outages)
    };
    (0..count).map(|number| endpoint(random, number)).collect()
}

async fn play(seed: u64, rule: OrderRule) -> Played {
    let mut random = StdRng::seed_from_u64(seed);
    let endpoints = random_endpoints(&mut random);
    let count = endpoints.len();
    // Where a server compares ETags only, the same bytes stored again look like what they replace.
    let may_be_same = endpoints.iter().all(|endpoint| endpoint.kind == Kind::R2);
    let keys = if random.random_bool(0.7) { 1 } else { 2 };
    let tasks = random.random_range(4..22);
    let mut plan = Vec::new();
    for _ in 0..tasks {
        let task = match random.random_range(0..10) {
            0..5 => Task::Upload { same: may_be_same && random.random_bool(0.4) },
            5 => Task::Delete,
            _ => Task::Reconcile { keep: random.random_bool(0.2) },
        };
        let begins = Duration::from_millis(random.random_range(0..90_000));
        let (process, key) = (random.random_range(0..PROCESSES), random.random_range(0..keys));
        plan.push((task, begins, process, format!("key-{key}")));
    }
    let process = |number, random: &mut StdRng| {
        let ahead = Duration::from_millis(random.random_range(0..2 * HOUR_MS));
        Arc::new(Process { number, ahead, mortal: number < PROCESSES, dead: AtomicBool::new(false) })
    };
    let processes: Vec<_> = (0..=PROCESSES).map(|number| process(number, &mut random)).collect();
    let world = World::new(random, endpoints);
    let storages: Vec<_> = processes.iter().map(|process| storage(&world, process, count)).collect();

    let mut running = JoinSet::new();
    for (task, begins, process, key) in plan {
        let (world, storage) = (Arc::clone(&world), Arc::clone(&storages[process]));
        running.spawn(async move {
            sleep(begins).await;
            run(&world, &storage, process, task, key, rule).await;
        });
    }
    // Whatever has not ended by then belongs to a process that has.
    let all_end = async { while running.join_next().await.is_some() {} };
    let _ = timeout(Duration::from_secs(2000), all_end).await;
    running.abort_all();
    while running.join_next().await.is_some() {}
    (0..PROCESSES).for_each(|number| world.state().history.died(number));

    world.state().calm = true;
    let calm = &storages[PROCESSES];
    let mut last = Reconciled::default();
    for round in 0..6 {
        last = calm
            .reconcile(ReconcileOptions { rule, ..ReconcileOptions::default() }, call())
            .await
            .expect("all are well");
        if round > 0 && last.copied.is_empty() && last.superseded.is_empty() {
            break;
        }
    }
    Played { world, last, endpoints: count, excused: Cell::new(0) }
}

fn trace(world: &World, line: impl FnOnce() -> String) {
    world.state().trace.push(line());
}

async fn run(world: &World, storage: &SimulatedStorage, process: usize, task: Task, key: String, rule: OrderRule) {
    let options = ObjectOptions { key: key.clone(), ..ObjectOptions::default() };
    match task {
        Task::Upload { same } => {
            let number = world.state().history.begin(&key, process, false);
            let mut options = options;
            options.headers.metadata.insert("n".into(), number.to_string());
            options.headers.content_type = Some("text/plain".into());
            let body = if same { Bytes::from_static(b"the same") } else { Bytes::from(format!("body {number}")) };
            trace(world, || format!("process {process} begins to upload {number}"));
            let outcome = storage.upload(options, body, call()).await;
            trace(world, || format!("process {process} ends {number}: {}", outcome.is_ok()));
            world.state().history.end(number, outcome.is_ok());
        }
        Task::Delete => {
            let number = world.state().history.begin(&key, process, true);
            trace(world, || format!("process {process} begins to delete, {number}"));
            let outcome = storage.delete(options, call()).await;
            trace(world, || format!("process {process} ends {number}: {}", outcome.is_ok()));
            world.state().history.end(number, outcome.is_ok());
        }
        Task::Reconcile { keep } => {
            let _ = storage.reconcile(ReconcileOptions { keep, rule, ..ReconcileOptions::default() }, call()).await;
        }
    }
}

impl Played {
    async fn violations(&self) -> Vec<String> {
        let mut found = self.world.state().history.violations.clone();
        let keys = self.world.state().history.keys();
        for key in &keys {
            found.extend(self.at_the_end(key));
        }
        self.world.state().history.violations.clear();
        // 4: with nothing pending, a delete by another tool holds.
        let settled = keys.iter().filter(|key| !self.failed(key));
        for key in settled {
            self.world.state().remove_by_hand(key);
        }
        found
    }

    fn failed(&self, key: &str) -> bool {
        self.last.failed.iter().any(|(failed, _)| failed == key)
    }

    fn at_the_end(&self, key: &str) -> Option<String> {
        let state = self.world.state();
        let held: Vec<_> = (0..self.endpoints).map(|endpoint| state.holding(endpoint, key)).collect();
        let spares_pend = held.iter().skip(1).flatten().any(|it| it.state == ObjectState::Pending);
        let primary = held[0];
        if self.failed(key) {
            let both = spares_pend && primary.is_some_and(|it| it.state == ObjectState::Stored);
            return (!both).then(|| format!("3: {key} is a conflict of one object: {held:?}"));
        }
        let may_be = match primary {
            Some(holding) if holding.state == ObjectState::Stored => state.history.may_hold(holding),
            // A placeholder is no object: a process ended between two steps, or its server has no conditional removal.
            None | Some(_) => state.history.may_be_absent(key),
        };
        let excused = || primary.is_some_and(|holding| state.history.may_be_left(holding));
        if !spares_pend && !may_be && excused() {
            self.excused.set(self.excused.get() + 1);
            return None;
        }
        (spares_pend || !may_be).then(|| format!("3: {key} ends as {held:?}"))
    }
}

fn run_world<T>(world: impl Future<Output = T>) -> T {
    Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime").block_on(world)
}

async fn check(seed: u64) -> (Vec<String>, u32) {
    let played = play(seed, OrderRule::default()).await;
    let mut found = played.violations().await;
    if std::env::var("FAILOVER_SEED").is_ok() {
        eprintln!("{:#?}", played.world.state().trace);
    }
    let process = Arc::new(Process { number: 99, ahead: Duration::ZERO, mortal: false, dead: AtomicBool::new(false) });
    let storage = storage(&played.world, &process, played.endpoints);
    storage.reconcile(ReconcileOptions::default(), call()).await.expect("all are well");
    let keys = played.world.state().history.keys();
    for key in keys {
        let back = played.world.state().holding(0, &key);
        if !played.failed(&key) && back.is_some_and(|it| it.state == ObjectState::Stored) {
            found.push(format!("4: {key} came back: {back:?}"));
        }
    }
    (found, played.excused.get())
}

#[test]
fn two_thousand_worlds() {
    let seeds = match std::env::var("FAILOVER_SEED") {
        Ok(seed) => vec![seed.parse().expect("FAILOVER_SEED is a number")],
        Err(_) => (0..SEEDS).collect(),
    };
    let (mut worlds, mut excused) = (0, 0);
    for seed in seeds {
        let (found, left) = run_world(check(seed));
        excused += left;
        if !found.is_empty() {
            eprintln!("replay it: FAILOVER_SEED={seed} cargo test --no-default-features --test failover\n{found:#?}");
            worlds += 1;
            assert!(worlds < 5, "and perhaps more");
        }
    }
    assert_eq!(worlds, 0);
    assert!(excused < 20, "{excused} deletes that failed left an older write");
}

/// The worlds have in them what they are for: comparing `Last-Modified`, as reconcile once did, loses writes in many.
#[test]
fn comparing_times_of_copies_is_found_out() {
    let found = (0..300).filter(|&seed| {
        run_world(async {
            let played = play(seed, OrderRule::LastModified).await;
            !played.violations().await.is_empty()
        })
    });
    let found = found.count();
    assert!(found >= 10, "{found} worlds of 300");
}

/// A reconcile that named every key would hold all of this.
#[test]
fn most_worlds_end_without_a_conflict() {
    let (mut conflicts, mut keys, mut copied) = (0, 0, 0);
    for seed in 0..300 {
        let played = run_world(play(seed, OrderRule::default()));
        conflicts += played.last.failed.len();
        let state = played.world.state();
        keys += state.history.keys().len();
        copied += state.history.operations.iter().filter(|it| it.acknowledged && !it.is_delete).count();
    }
    assert!(conflicts * 4 < keys && copied > 500, "{conflicts} conflicts of {keys} keys, {copied} writes");
}
