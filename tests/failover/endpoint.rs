//! Endpoints with clocks and outages of their own, as a process reaches them: each request can come late, be the last one
//! of its process, or lose its response.

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use rand::Rng as _;
use rand::rngs::StdRng;
use reliable_r2::error::{Category, Error, Result, Retryability};
use reliable_r2::store::clock::{ServerClock, TimeRange};
use reliable_r2::store::digest::hex_md5;
use reliable_r2::store::identity::ObjectState;
use reliable_r2::store::multipart::{
    CreateMultipart, ListUploads, MultipartUpload, PartPage, StoredPart, UploadPage, UploadPart,
};
use reliable_r2::store::objects::{
    GetRequest, ListPage, ListRequest, ListedObject, ObjectInfo, ObjectRef, PresignRequest, Presigned, StoredObject,
};
use reliable_r2::store::{ObjectStore, ObjectVersion, PutObject, PutOutcome, WriteCondition};
use tokio::time::{Instant, sleep};

use crate::history::History;

/// Which conditions an endpoint checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    R2,
    S3,
    /// Of writes only.
    Put,
}

#[derive(Debug, Clone)]
struct Held {
    info: ObjectInfo,
    body: Bytes,
}

#[derive(Debug)]
pub(crate) struct Endpoint {
    pub(crate) kind: Kind,
    /// By how much its clock is ahead.
    pub(crate) ahead: Duration,
    pub(crate) outages: Vec<(Duration, Duration)>,
    held: BTreeMap<String, Held>,
}

impl Endpoint {
    pub(crate) const fn new(kind: Kind, ahead: Duration, outages: Vec<(Duration, Duration)>) -> Self {
        Self { kind, ahead, outages, held: BTreeMap::new() }
    }
}

/// What an endpoint holds under a key: the number of the write, and in which state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Holding {
    pub(crate) write: Option<usize>,
    pub(crate) state: ObjectState,
}

pub(crate) struct State {
    pub(crate) random: StdRng,
    pub(crate) endpoints: Vec<Endpoint>,
    pub(crate) history: History,
    /// What happens at the end happens without faults.
    pub(crate) calm: bool,
    /// What happened, for whoever replays a world.
    pub(crate) trace: Vec<String>,
}

pub(crate) struct World {
    began: Instant,
    state: Mutex<State>,
}

impl World {
    pub(crate) fn new(random: StdRng, endpoints: Vec<Endpoint>) -> Arc<Self> {
        let state = State { random, endpoints, history: History::default(), calm: false, trace: Vec::new() };
        Arc::new(Self { began: Instant::now(), state: Mutex::new(state) })
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic elsewhere")
    }

    fn true_time(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_800_000_000) + self.began.elapsed()
    }
}

impl State {
    pub(crate) fn holding(&self, endpoint: usize, key: &str) -> Option<Holding> {
        let held = self.endpoints[endpoint].held.get(key)?;
        let state = held.info.write.as_ref().map(|write| write.state).unwrap_or_default();
        Some(Holding { write: held.info.metadata.get("n").and_then(|n| n.parse().ok()), state })
    }

    pub(crate) fn remove_by_hand(&mut self, key: &str) {
        self.endpoints[0].held.remove(key);
    }

    /// Every instant counts: this runs whenever something has changed.
    fn check(&mut self, key: &str) {
        let holdings: Vec<_> = (0..self.endpoints.len()).map(|endpoint| self.holding(endpoint, key)).collect();
        self.history.check_instant(key, &holdings);
    }
}

/// A process: a wall clock, and an end that may come early.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) number: usize,
    pub(crate) ahead: Duration,
    pub(crate) mortal: bool,
    pub(crate) dead: AtomicBool,
}

/// An endpoint as one process reaches it.
pub(crate) struct SimulatedStore {
    world: Arc<World>,
    process: Arc<Process>,
    endpoint: usize,
    clock: ServerClock,
}

impl SimulatedStore {
    pub(crate) fn new(world: &Arc<World>, process: &Arc<Process>, endpoint: usize) -> Self {
        let (wall_of, ahead) = (Arc::clone(world), process.ahead);
        let clock = ServerClock::with_wall_clock(move || wall_of.true_time() - Duration::from_secs(3600) + ahead);
        Self { world: Arc::clone(world), process: Arc::clone(process), endpoint, clock }
    }

    fn now(&self, state: &State) -> SystemTime {
        self.world.true_time() + state.endpoints[self.endpoint].ahead
    }

    /// Time passes, or the process ends here.
    async fn pause(&self) {
        let (latency, dies) = {
            let mut state = self.world.state();
            let calm = state.calm;
            let random = &mut state.random;
            let long = !calm && random.random_bool(0.07);
            let most = if long { 90_000 } else { 300 };
            let latency = Duration::from_millis(random.random_range(1..most));
            (latency, !calm && self.process.mortal && random.random_bool(0.01))
        };
        sleep(latency).await;
        if dies && !self.process.dead.swap(true, Ordering::Relaxed) {
            self.world.state().history.died(self.process.number);
        }
        if self.process.dead.load(Ordering::Relaxed) {
            pending::<()>().await;
        }
    }

    async fn request<T>(
        &self,
        what: &str,
        key: &str,
        apply: impl FnOnce(&mut State, SystemTime) -> Result<T>,
    ) -> Result<T> {
        let sent = self.clock.moment();
        self.pause().await;
        let (outcome, date, is_lost) = {
            let mut state = self.world.state();
            let age = self.world.began.elapsed();
            let is_out = state.endpoints[self.endpoint].outages.iter().any(|&(from, to)| (from..to).contains(&age));
            if is_out && !state.calm {
                return Err(broken(false));
            }
            let now = self.now(&state);
            let outcome = apply(&mut state, now);
            let (process, endpoint) = (self.process.number, self.endpoint);
            let refused = outcome.as_ref().err().and_then(|error| error.status);
            let holding = state.holding(endpoint, key);
            state
                .trace
                .push(format!("{age:?} process {process}: {what} {key} at {endpoint}, {refused:?}: {holding:?}"));
            state.check(key);
            let is_lost = !state.calm && state.random.random_bool(0.03);
            (outcome, now, is_lost)
        };
        self.pause().await;
        if is_lost {
            return Err(broken(true));
        }
        self.clock.learn(whole_second(date), sent);
        outcome
    }
}

fn whole_second(time: SystemTime) -> SystemTime {
    let since = time.duration_since(UNIX_EPOCH).expect("after 1970");
    UNIX_EPOCH + Duration::from_secs(since.as_secs())
}

fn broken(unsettled: bool) -> Error {
    let error = Error::new("ECONNRESET", Category::Network, Retryability::Transient, "simulated");
    error.with(|failure| failure.unsettled = unsettled)
}

fn refused(code: &'static str, status: u16) -> Error {
    let error = Error::new(code, Category::Service, Retryability::Permanent, "simulated");
    error.with(|failure| failure.status = Some(status))
}

fn not_found() -> Error {
    refused("NotFound", 404)
}

fn holds(kind: Kind, held: Option<&Held>, condition: Option<&WriteCondition>) -> bool {
    let has = |expected: &Option<String>| expected.is_none() || held.is_some_and(|held| held.info.etag == *expected);
    match condition {
        None => true,
        Some(WriteCondition::Absent) => held.is_none(),
        Some(WriteCondition::Etag(etag)) => has(&Some(etag.clone())),
        Some(WriteCondition::Version(version)) => {
            let unmodified = |since: SystemTime| held.is_none_or(|held| held.info.last_modified <= Some(since));
            has(&version.etag) && (kind != Kind::R2 || version.last_modified.is_none_or(unmodified))
        }
    }
}

impl ObjectStore for SimulatedStore {
    async fn put_object(&self, request: &PutObject) -> Result<PutOutcome> {
        let (key, body) = (request.key.as_str(), request.body.bytes().clone());
        self.request("PUT", key, |state, now| {
            let endpoint = &mut state.endpoints[self.endpoint];
            if !holds(endpoint.kind, endpoint.held.get(key), request.condition.as_ref()) {
                return Err(refused("PreconditionFailed", 412));
            }
            let headers = &request.headers;
            let info = ObjectInfo {
                size: body.len() as u64,
                etag: Some(hex_md5(&body)),
                content_type: Some(headers.content_type.clone()),
                headers: headers.values.clone(),
                last_modified: Some(whole_second(now)),
                metadata: headers.metadata.clone(),
                write: headers.write.clone(),
            };
            let etag = info.etag.clone();
            endpoint.held.insert(key.to_owned(), Held { info, body });
            Ok(PutOutcome { etag, request_id: None, confirmed_by_head: false })
        })
        .await
    }

    async fn head_object(&self, object: &ObjectRef) -> Result<ObjectInfo> {
        let key = object.key.as_str();
        self.request("HEAD", key, |state, _| {
            let held = state.endpoints[self.endpoint].held.get(key);
            held.map(|held| held.info.clone()).ok_or_else(not_found)
        })
        .await
    }

    async fn get_object(&self, request: &GetRequest) -> Result<StoredObject> {
        let key = request.object.key.as_str();
        self.request("GET", key, |state, _| {
            let held = state.endpoints[self.endpoint].held.get(key).cloned().ok_or_else(not_found)?;
            if request.if_match.is_some() && request.if_match != held.info.etag {
                return Err(refused("PreconditionFailed", 412));
            }
            let bytes = Box::pin(futures_util::stream::iter([Ok(held.body)]));
            Ok(StoredObject { info: held.info, is_whole_known: true, at: 0, bytes })
        })
        .await
    }

    async fn delete_object(&self, object: &ObjectRef) -> Result<()> {
        self.delete_version(object, &ObjectVersion::default()).await
    }

    async fn delete_version(&self, object: &ObjectRef, version: &ObjectVersion) -> Result<()> {
        let key = object.key.as_str();
        self.request("DELETE", key, |state, _| {
            let endpoint = &mut state.endpoints[self.endpoint];
            let info = endpoint.held.get(key).map(|held| &held.info);
            let has_etag = || version.etag.is_none() || info.is_some_and(|info| info.etag == version.etag);
            let has_time = || {
                version.last_modified.is_none() || info.is_some_and(|info| info.last_modified == version.last_modified)
            };
            let continues = match endpoint.kind {
                Kind::R2 => has_time(),
                Kind::S3 => has_etag(),
                Kind::Put => true,
            };
            if !continues {
                return Err(refused("PreconditionFailed", 412));
            }
            endpoint.held.remove(key);
            Ok(())
        })
        .await
    }

    async fn list_objects(&self, request: &ListRequest) -> Result<ListPage> {
        self.request("LIST", "", |state, _| {
            let held = state.endpoints[self.endpoint].held.iter().filter(|(key, _)| key.starts_with(&request.prefix));
            let objects = held.map(|(key, held)| ListedObject {
                key: key.clone(),
                size: held.info.size,
                etag: held.info.etag.clone(),
                last_modified: held.info.last_modified,
            });
            Ok(ListPage { objects: objects.collect(), continuation: None })
        })
        .await
    }

    fn server_time(&self) -> Option<TimeRange> {
        self.clock.now()
    }

    async fn create_multipart(&self, _: &CreateMultipart) -> Result<MultipartUpload> {
        unreachable!("only whole objects are simulated")
    }

    async fn upload_part(&self, _: &UploadPart) -> Result<StoredPart> {
        unreachable!("only whole objects are simulated")
    }

    async fn complete_multipart(
        &self,
        _: &MultipartUpload,
        _: &[StoredPart],
        _: Option<&WriteCondition>,
    ) -> Result<PutOutcome> {
        unreachable!("only whole objects are simulated")
    }

    async fn abort_multipart(&self, _: &MultipartUpload) -> Result<()> {
        unreachable!("only whole objects are simulated")
    }

    async fn list_parts(&self, _: &MultipartUpload, _: Option<&str>) -> Result<PartPage> {
        unreachable!("only whole objects are simulated")
    }

    async fn list_uploads(&self, _: &ListUploads) -> Result<UploadPage> {
        unreachable!("only whole objects are simulated")
    }

    async fn presign(&self, _: &PresignRequest) -> Result<Presigned> {
        unreachable!("nothing is signed")
    }
}
